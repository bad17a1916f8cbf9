/**
 * Regular expressions of schemas, in time linear in the text: a pattern that a tenant registered must never hold up
 * the gateway. It walks all states of a Thompson automaton at once, so there is nothing to backtrack.
 *
 * Look-around and back-references cannot run that way and are refused. Single characters, classes and escapes are
 * judged by the native engine, one code point at a time.
 *
 * @see https://swtch.com/~rsc/regexp/regexp1.html
 */

/** Counted repeats are written out, so this also bounds `{1000}`. */
const MAX_STATES = 1000;
const MAX_PATTERN = 512;

export class PatternError extends Error {}

type Node =
  | { readonly kind: 'one'; readonly matches: (character: string) => boolean }
  | { readonly kind: 'assert'; readonly at: '^' | '$' | 'b' | 'B' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly least: number; readonly most: number };

type State =
  | { readonly op: 'one'; readonly matches: (character: string) => boolean }
  | { readonly op: 'assert'; readonly at: '^' | '$' | 'b' | 'B' }
  | { readonly op: 'jump'; readonly to: number[] }
  | { readonly op: 'match' };

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#at < this.#text.length) throw new PatternError('has a ")" too many');
    return node;
  }

  #choice(): Node {
    const parts = [this.#sequence()];
    while (this.#text[this.#at] === '|') {
      this.#at++;
      parts.push(this.#sequence());
    }
    return { kind: 'choice', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined || next === '|' || next === ')') return { kind: 'sequence', parts };
      parts.push(this.#quantified(this.#atom()));
    }
  }

  #quantified(part: Node): Node {
    const found = /^(?:[*+?]|\{(\d{1,4})(,(\d{1,4})?)?\})\??/.exec(this.#text.slice(this.#at, this.#at + 16));
    if (found === null) return part;
    this.#at += found[0].length;
    const sign = found[0][0];
    if (sign === '*') return { kind: 'repeat', part, least: 0, most: Infinity };
    if (sign === '+') return { kind: 'repeat', part, least: 1, most: Infinity };
    if (sign === '?') return { kind: 'repeat', part, least: 0, most: 1 };
    const least = Number(found[1]);
    const most = found[2] === undefined ? least : found[3] === undefined ? Infinity : Number(found[3]);
    return { kind: 'repeat', part, least, most };
  }

  #atom(): Node {
    const character = this.#text[this.#at];
    if (character === '(') return this.#group();
    if (character === '^' || character === '$') {
      this.#at++;
      return { kind: 'assert', at: character };
    }
    if (character === '[') return this.#native(/^\[(?:[^\]\\]|\\[^])*\]/);
    if (character === '\\') return this.#escape();
    if (character === '.') return this.#native(/^\./);
    return this.#literal();
  }

  #group(): Node {
    const opening = /^\((?:\?(?::|<[A-Za-z_$][\w$]*>))?/.exec(this.#text.slice(this.#at))?.[0] ?? '(';
    this.#at += opening.length;
    if (this.#text[this.#at] === '?') throw new PatternError('uses look-around, which is not supported');
    if (++this.#depth > 32) throw new PatternError('nests more than 32 groups');
    const node = this.#choice();
    if (this.#text[this.#at] !== ')') throw new PatternError('has a "(" too many');
    this.#at++;
    this.#depth--;
    return node;
  }

  #escape(): Node {
    const next = this.#text[this.#at + 1];
    if (next === 'b' || next === 'B') {
      this.#at += 2;
      return { kind: 'assert', at: next };
    }
    if (next === 'k' || /[1-9]/.test(next ?? ''))
      throw new PatternError('uses a back-reference, which is not supported');
    return this.#native(
      /^\\(?:[pP]\{[^}]{1,60}\}|u\{[0-9A-Fa-f]{1,6}\}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|c[A-Za-z]|[^])/,
    );
  }

  /** One character's worth of pattern, judged by the native engine. */
  #native(source: RegExp): Node {
    const found = source.exec(this.#text.slice(this.#at))?.[0];
    if (found === undefined) throw new PatternError('has an unfinished class');
    this.#at += found.length;
    const single = new RegExp(`^${found}$`, 'u');
    return { kind: 'one', matches: (character) => single.test(character) };
  }

  #literal(): Node {
    const literal = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    this.#at += literal.length;
    return { kind: 'one', matches: (character) => character === literal };
  }
}

class Compiler {
  readonly states: State[] = [];

  add(state: State): number {
    if (this.states.length >= MAX_STATES) throw new PatternError(`needs more than ${MAX_STATES} states`);
    return this.states.push(state) - 1;
  }

  compile(node: Node): void {
    switch (node.kind) {
      case 'one':
        this.add({ op: 'one', matches: node.matches });
        break;
      case 'assert':
        this.add({ op: 'assert', at: node.at });
        break;
      case 'sequence':
        for (const part of node.parts) this.compile(part);
        break;
      case 'choice':
        this.#choice(node.parts);
        break;
      case 'repeat':
        this.#repeat(node.part, node.least, node.most);
        break;
    }
  }

  #choice(parts: readonly Node[]): void {
    const entries: number[] = [];
    const exits: number[][] = [];
    this.add({ op: 'jump', to: entries });
    for (const part of parts) {
      entries.push(this.states.length);
      this.compile(part);
      const exit: number[] = [];
      exits.push(exit);
      this.add({ op: 'jump', to: exit });
    }
    for (const exit of exits) exit.push(this.states.length);
  }

  #repeat(part: Node, least: number, most: number): void {
    if (most < least) throw new PatternError('has a repeat whose bounds are out of order');
    for (let count = 0; count < least; count++) this.compile(part);
    if (most === Infinity) {
      const to: number[] = [];
      const start = this.add({ op: 'jump', to });
      to.push(this.states.length);
      this.compile(part);
      this.add({ op: 'jump', to: [start] });
      to.push(this.states.length);
      return;
    }
    const skips: number[][] = [];
    for (let count = least; count < most; count++) {
      const to: number[] = [];
      this.add({ op: 'jump', to });
      to.push(this.states.length);
      skips.push(to);
      this.compile(part);
    }
    for (const to of skips) to.push(this.states.length);
  }
}

const isWord = (character: string | undefined): boolean => character !== undefined && /^\w$/.test(character);

/** Called with the work done, in state visits; may throw to end a match that costs too much. */
export type Spend = (units: number) => void;

export class LinearPattern {
  readonly source: string;
  readonly #states: readonly State[];
  readonly #spend: Spend;
  /** The step at which a state was last reached, so that each is visited once per character. */
  readonly #seen: Int32Array;
  #step = 0;

  /** @throws PatternError when the pattern is malformed, too large, or cannot run in linear time. */
  constructor(source: string, spend: Spend = () => undefined) {
    if (source.length > MAX_PATTERN) throw new PatternError(`is longer than ${MAX_PATTERN} characters`);
    try {
      RegExp(source, 'u');
    } catch {
      throw new PatternError('is not a valid regular expression');
    }
    const compiler = new Compiler();
    compiler.compile(new Parser(source).parse());
    compiler.add({ op: 'match' });
    this.source = source;
    this.#states = compiler.states;
    this.#spend = spend;
    this.#seen = new Int32Array(this.#states.length);
  }

  toString(): string {
    return `/${this.source}/u`;
  }

  /** Whether the pattern occurs anywhere in the text. */
  test(text: string): boolean {
    this.#seen.fill(0);
    this.#step = 0;
    let previous: string | undefined;
    let active: number[] = [];
    for (const character of text) {
      const reached = this.#reach([...active, 0], previous, character);
      if (reached === undefined) return true;
      active = this.#advance(reached, character);
      previous = character;
    }
    return this.#reach([...active, 0], previous, undefined) === undefined;
  }

  #advance(reached: readonly number[], character: string): number[] {
    const next: number[] = [];
    for (const at of reached) {
      const state = this.#states[at];
      if (state?.op === 'one' && state.matches(character)) next.push(at + 1);
    }
    return next;
  }

  /** The consuming states that can be reached without a character; `undefined` when the end is among them. */
  #reach(open: number[], previous: string | undefined, next: string | undefined): number[] | undefined {
    const step = ++this.#step;
    const reached: number[] = [];
    let visits = 0;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (this.#seen[at] === step) continue;
      this.#seen[at] = step;
      visits++;
      const state = this.#states[at];
      if (state?.op === 'match') return undefined;
      if (state?.op === 'one') reached.push(at);
      else if (state?.op === 'jump') open.push(...state.to);
      else if (state !== undefined && holds(state.at, previous, next)) open.push(at + 1);
    }
    this.#spend(visits);
    return reached;
  }
}

function holds(at: '^' | '$' | 'b' | 'B', previous: string | undefined, next: string | undefined): boolean {
  if (at === '^') return previous === undefined;
  if (at === '$') return next === undefined;
  return (isWord(previous) !== isWord(next)) === (at === 'b');
}
