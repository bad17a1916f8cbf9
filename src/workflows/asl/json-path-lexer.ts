/** Reads the text of a JSONPath or an intrinsic function character by character. */

/** A path or an intrinsic function that is not well formed. `position` counts from 0. */
export class PathSyntaxError extends Error {
  override readonly name = 'PathSyntaxError';
  readonly position: number;

  constructor(message: string, position: number) {
    super(`${message} (at character ${position + 1})`);
    this.position = position;
  }
}

const LONGEST = 10_000;
const DEEPEST = 32;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const INTEGER = /-?\d+/y;

export class Lexer {
  readonly text: string;
  position = 0;
  #depth = 0;

  constructor(text: string) {
    this.text = text;
    if (text.length > LONGEST) throw new PathSyntaxError(`It is longer than ${LONGEST} characters`, LONGEST);
  }

  get isAtEnd(): boolean {
    return this.position >= this.text.length;
  }

  get next(): string {
    return this.text.charAt(this.position);
  }

  looksAt(word: string): boolean {
    return this.text.startsWith(word, this.position);
  }

  /** Moves over `word` when it stands here. */
  take(word: string): boolean {
    if (!this.looksAt(word)) return false;
    this.position += word.length;
    return true;
  }

  expect(word: string): void {
    if (!this.take(word)) this.fail(`Expected "${word}"`);
  }

  skipSpaces(): void {
    while (this.next === ' ' || this.next === '\t' || this.next === '\n') this.position++;
  }

  fail(message: string): never {
    throw new PathSyntaxError(message, this.position);
  }

  /** Runs `read` one level deeper; nesting is bounded so that no text can exhaust the stack. */
  nested<Found>(read: () => Found): Found {
    if (++this.#depth > DEEPEST) this.fail(`It is nested deeper than ${DEEPEST} levels`);
    const found = read();
    this.#depth--;
    return found;
  }

  integer(): number | undefined {
    return this.#match(INTEGER);
  }

  number(): number | undefined {
    return this.#match(NUMBER);
  }

  #match(pattern: RegExp): number | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) return undefined;
    this.position += found.length;
    return Number(found);
  }

  /** A string in the quotes that stand here. A backslash lets the next character stand for itself. */
  quoted(): string {
    const quote = this.next;
    this.position++;
    let found = '';
    while (!this.isAtEnd) {
      const character = this.next;
      this.position++;
      if (character === quote) return found;
      if (character !== '\\') found += character;
      else if (this.isAtEnd) break;
      else {
        found += this.next;
        this.position++;
      }
    }
    return this.fail('A string is not closed');
  }

  /** Characters for which `belongs` holds, at least one; a backslash lets any character belong. */
  word(belongs: (character: string) => boolean): string {
    let found = '';
    while (!this.isAtEnd) {
      const character = this.next;
      if (character === '\\') {
        this.position++;
        if (this.isAtEnd) this.fail('A backslash stands at the end');
        found += this.next;
      } else if (belongs(character)) found += character;
      else break;
      this.position++;
    }
    return found;
  }
}
