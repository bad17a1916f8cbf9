/** Replaces single strings inside JSON text and leaves every other byte as it was. */

import { isObject } from './json.ts';

/** Keys and indexes from the root. */
export type JsonPath = readonly (string | number)[];

/**
 * Decides about one string.
 *
 * @returns the new value, or `undefined` to keep the text.
 */
export type StringRewrite = (value: string, path: JsonPath) => string | undefined;

/** Walks valid JSON text. Strings under a key named in `keys` are shown to `rewrite`. */
class Rewriter {
  readonly text: string;
  readonly keys: ReadonlySet<string>;
  readonly rewrite: StringRewrite;
  position = 0;
  copied = 0;
  out = '';

  constructor(text: string, keys: ReadonlySet<string>, rewrite: StringRewrite) {
    this.text = text;
    this.keys = keys;
    this.rewrite = rewrite;
  }

  #skipSpace(): string {
    while (/\s/.test(this.text.charAt(this.position))) this.position++;
    return this.text.charAt(this.position);
  }

  #string(): string {
    const start = this.position;
    this.position++;
    while (this.text.charAt(this.position) !== '"') this.position += this.text.charAt(this.position) === '\\' ? 2 : 1;
    this.position++;
    return JSON.parse(this.text.slice(start, this.position)) as string;
  }

  value(path: (string | number)[], watched: boolean): void {
    const first = this.#skipSpace();
    if (first === '{') this.#object(path);
    else if (first === '[') this.#array(path, watched);
    else if (first === '"') this.#candidate(path, watched);
    else while (/[^\s,}\]]/.test(this.text.charAt(this.position))) this.position++;
  }

  #candidate(path: (string | number)[], watched: boolean): void {
    const start = this.position;
    if (!watched) {
      this.#skipString();
      return;
    }
    const replaced = this.rewrite(this.#string(), path);
    if (replaced === undefined) return;
    this.out += this.text.slice(this.copied, start) + JSON.stringify(replaced);
    this.copied = this.position;
  }

  #skipString(): void {
    let end = this.position;
    for (;;) {
      end = this.text.indexOf('"', end + 1);
      let slashes = 0;
      while (this.text.charAt(end - 1 - slashes) === '\\') slashes++;
      if (slashes % 2 === 0) break;
    }
    this.position = end + 1;
  }

  #object(path: (string | number)[]): void {
    this.position++;
    while (this.#skipSpace() !== '}') {
      if (this.text.charAt(this.position) === ',') {
        this.position++;
        continue;
      }
      const key = this.#string();
      this.#skipSpace();
      this.position++;
      path.push(key);
      this.value(path, this.keys.has(key));
      path.pop();
    }
    this.position++;
  }

  #array(path: (string | number)[], watched: boolean): void {
    this.position++;
    let index = 0;
    while (this.#skipSpace() !== ']') {
      if (this.text.charAt(this.position) === ',') {
        this.position++;
        continue;
      }
      path.push(index++);
      this.value(path, watched);
      path.pop();
    }
    this.position++;
  }
}

/**
 * Rewrites strings whose key is in `keys`.
 *
 * @param text - Valid JSON, already bounded by `scan`.
 */
export function rewriteStrings(text: string, keys: ReadonlySet<string>, rewrite: StringRewrite): string {
  const rewriter = new Rewriter(text, keys, rewrite);
  rewriter.value([], false);
  return rewriter.copied === 0 ? text : rewriter.out + text.slice(rewriter.copied);
}

/** The value at a path of a parsed document. */
export function at(value: unknown, path: JsonPath): unknown {
  let here = value;
  for (const key of path) {
    if (Array.isArray(here) && typeof key === 'number') here = here[key];
    else if (isObject(here) && typeof key === 'string' && Object.hasOwn(here, key)) here = here[key];
    else return undefined;
  }
  return here;
}
