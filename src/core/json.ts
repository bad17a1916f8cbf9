/**
 * JSON from outside: bounded before it is parsed, and kept as text where nobody must change it.
 *
 * `scan` walks the text once. It refuses what `JSON.parse` would let through (duplicate keys, extreme depth)
 * and remembers where the members of the outer objects stand, so that a message can be taken apart and put
 * together again without re-serialising what it carries.
 */

import { PlatformError } from './errors.ts';

/** A member of a JSON object as original text: `text` is the value, exactly as it arrived. */
export interface RawMember {
  readonly key: string;
  readonly text: string;
}

/** Where an object stands in its text. `members` is present for objects within the recorded depth. */
export interface RawObject {
  readonly start: number;
  readonly end: number;
  readonly members: readonly RawEntry[];
}

export interface RawEntry {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  /** Present when the value is an object within the recorded depth. */
  readonly object: RawObject | undefined;
}

const MAX_DEPTH = 64;

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const COLON = 58;
const COMMA = 44;

/** The text is not JSON; `JSON.parse` has the better words for where. */
class Malformed extends Error {}

/** Its inner methods are private by type only: a private name is checked at each call, and no code is hotter. */
class Scanner {
  readonly text: string;
  readonly maxDepth: number;
  position = 0;

  constructor(text: string, maxDepth: number) {
    this.text = text;
    this.maxDepth = maxDepth;
  }

  /** Moves to the next character that is not white space and returns its code. */
  private next(): number {
    const { text } = this;
    let code = text.charCodeAt(this.position);
    while (code === 32 || code === 10 || code === 13 || code === 9) code = text.charCodeAt(++this.position);
    return code;
  }

  /** Skips one value. Objects whose nesting is at most `record` are returned with their members. */
  value(depth: number, record: number): RawObject | undefined {
    const code = this.next();
    if (code === QUOTE) {
      this.string();
      return undefined;
    }
    if (code === OPEN_BRACE) return this.object(depth + 1, record);
    if (code === OPEN_BRACKET) {
      this.array(depth + 1);
      return undefined;
    }
    this.primitive();
    return undefined;
  }

  /** The positions of the elements of the array that is the whole text; `undefined` when it is no array. */
  elements(): { start: number; end: number }[] | undefined {
    if (this.next() !== OPEN_BRACKET) return undefined;
    const found: { start: number; end: number }[] = [];
    this.position++;
    if (this.next() === CLOSE_BRACKET) return this.last(found);
    for (;;) {
      this.next();
      const start = this.position;
      this.value(1, 0);
      found.push({ start, end: this.position });
      const code = this.next();
      if (code === CLOSE_BRACKET) return this.last(found);
      this.position++;
      if (code !== COMMA) throw new Malformed();
    }
  }

  /** What stands behind the closing bracket makes the text no JSON. */
  private last<Found>(found: Found): Found {
    this.position++;
    if (!Number.isNaN(this.next())) throw new Malformed();
    return found;
  }

  /** Leaves the position behind the closing quote. Runs at the speed of `indexOf`. */
  private string(): void {
    const { text } = this;
    let end = this.position;
    for (;;) {
      end = text.indexOf('"', end + 1);
      if (end < 0) throw new Malformed();
      let slashes = 0;
      while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
      if (slashes % 2 === 0) break;
    }
    this.position = end + 1;
  }

  private primitive(): void {
    const { text } = this;
    const start = this.position;
    for (;;) {
      const code = text.charCodeAt(this.position);
      // NaN (the end of the text) fails every comparison but this one.
      if (!(code > 32) || code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET) break;
      this.position++;
    }
    if (this.position === start) throw new Malformed();
  }

  private enter(depth: number): void {
    if (depth > this.maxDepth) {
      throw new PlatformError(
        'INVALID_REQUEST',
        `The JSON is nested deeper than ${this.maxDepth} levels. Send a flatter value.`,
      );
    }
    this.position++;
  }

  private array(depth: number): void {
    this.enter(depth);
    if (this.next() === CLOSE_BRACKET) {
      this.position++;
      return;
    }
    for (;;) {
      this.value(depth, 0);
      const code = this.next();
      this.position++;
      if (code === CLOSE_BRACKET) return;
      if (code !== COMMA) throw new Malformed();
    }
  }

  private object(depth: number, record: number): RawObject | undefined {
    const start = this.position;
    const members: RawEntry[] = [];
    const keys: string[] = [];
    let many: Set<string> | undefined;
    this.enter(depth);
    if (this.next() === CLOSE_BRACE) {
      this.position++;
      return record > 0 ? { start, end: this.position, members } : undefined;
    }
    for (;;) {
      const key = this.key();
      if (keys.length < FEW) {
        if (keys.includes(key)) throw duplicate(key);
        keys.push(key);
      } else many = addKey(many ?? new Set(keys), key);
      if (this.next() !== COLON) throw new Malformed();
      this.position++;
      this.next();
      const valueStart = this.position;
      const object = this.value(depth, record - 1);
      if (record > 0) members.push({ key, start: valueStart, end: this.position, object });
      const code = this.next();
      this.position++;
      if (code === CLOSE_BRACE) return record > 0 ? { start, end: this.position, members } : undefined;
      if (code !== COMMA) throw new Malformed();
    }
  }

  private key(): string {
    if (this.next() !== QUOTE) throw new Malformed();
    const start = this.position;
    this.string();
    const inner = this.text.slice(start + 1, this.position - 1);
    if (!inner.includes('\\')) return inner;
    try {
      return JSON.parse(this.text.slice(start, this.position)) as string;
    } catch {
      throw new Malformed();
    }
  }
}

/** Few keys are compared one by one: most objects are small, and a set costs more than they do. */
const FEW = 8;

function addKey(keys: Set<string>, key: string): Set<string> {
  if (keys.has(key)) throw duplicate(key);
  return keys.add(key);
}

function duplicate(key: string): PlatformError {
  return new PlatformError(
    'INVALID_REQUEST',
    `The key ${JSON.stringify(key.slice(0, 80))} appears twice in one object. Send each key once.`,
  );
}

export interface Scanned {
  readonly value: unknown;
  /** Present when the text is one object. */
  readonly object: RawObject | undefined;
}

/**
 * Parses JSON from outside.
 *
 * @param record - How many levels of nested objects keep their members' positions. @default 3: a message, its
 *   `params`, their `_meta`.
 * @throws PlatformError `PARSE_ERROR` when the text is not JSON, `INVALID_REQUEST` when it is nested deeper than
 *   {@link MAX_DEPTH} or an object has a key twice.
 */
export function scan(text: string, record = 3): Scanned {
  const scanner = new Scanner(text, MAX_DEPTH);
  let object: RawObject | undefined;
  try {
    object = scanner.value(0, record);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
  }
  try {
    return { value: JSON.parse(text), object };
  } catch (error) {
    throw new PlatformError('PARSE_ERROR', `The text is not valid JSON: ${(error as Error).message.slice(0, 200)}`);
  }
}

/**
 * The outer object of JSON text that is known to be valid and bounded: a result that a target's adapter has read.
 *
 * @returns `undefined` when the text is no object.
 */
export function outline(text: string, record: number): RawObject | undefined {
  try {
    return new Scanner(text, MAX_DEPTH * 2).value(0, record);
  } catch (error) {
    if (error instanceof Malformed || error instanceof PlatformError) return undefined;
    throw error;
  }
}

/**
 * The elements of a JSON array as original text; `undefined` when the text is no array or not JSON at all, which
 * {@link scan} then says.
 *
 * @throws PlatformError `INVALID_REQUEST` for duplicate keys and extreme depth.
 */
export function arrayElements(text: string): string[] | undefined {
  try {
    const found = new Scanner(text, MAX_DEPTH).elements();
    return found?.map((element) => text.slice(element.start, element.end));
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** The members of a recorded object as original text. */
export function rawMembers(text: string, object: RawObject): RawMember[] {
  return object.members.map((entry) => ({ key: entry.key, text: text.slice(entry.start, entry.end) }));
}

/** Puts an object together from members whose values are JSON text. */
export function joinMembers(members: readonly RawMember[]): string {
  let out = '{';
  for (const member of members) {
    if (out.length > 1) out += ',';
    out += `${JSON.stringify(member.key)}:${member.text}`;
  }
  return `${out}}`;
}

/** JSON text of an object with one member set to `valueText`, in its place or at the end; the rest stays as it was. */
export function withMember(text: string, key: string, valueText: string): string {
  const { object } = scan(text, 1);
  const members = object === undefined ? [] : rawMembers(text, object);
  const set = { key, text: valueText };
  const isThere = members.some((member) => member.key === key);
  return joinMembers(isThere ? members.map((member) => (member.key === key ? set : member)) : [...members, set]);
}

/** A string as it is; anything else is no text. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A plain object, not an array and not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
