/**
 * The arguments of `call`: words `key=text` and `key:=JSON` over an optional `--json` object. They are put
 * together as text, so that numbers beyond 2^53 arrive as they were typed.
 */

import { PlatformError } from '../core/errors.ts';
import { scan } from '../core/json.ts';

export interface ToolArguments {
  /** The JSON object as it will be sent. */
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * @param words - `key=text` gives a string, `key:=JSON` any value; the first `=` of a word divides it.
 * @param json - JSON text of an object; words are added to it and win.
 * @throws PlatformError `USAGE` for a word without `=`, a key given twice, or JSON that cannot be read.
 */
export function toolArguments(words: readonly string[], json?: string): ToolArguments {
  const members = new Map<string, string>(json === undefined ? [] : objectMembers(json));
  const seen = new Set<string>();
  for (const word of words) {
    const { key, text } = parseWord(word);
    if (seen.has(key)) throw usage(`The argument "${key}" is given twice. Give it once.`);
    seen.add(key);
    members.set(key, text);
  }
  const text = `{${[...members].map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`;
  return { text, value: JSON.parse(text) as Record<string, unknown> };
}

function parseWord(word: string): { key: string; text: string } {
  const divider = word.indexOf('=');
  if (divider < 1) throw usage(`"${word}" is no argument. Write key=text or key:=JSON.`);
  const value = word.slice(divider + 1);
  if (word[divider - 1] !== ':') return { key: word.slice(0, divider), text: JSON.stringify(value) };
  const key = word.slice(0, divider - 1);
  if (key === '') throw usage(`"${word}" has no key. Write key:=JSON.`);
  readJson(value, `the value of "${key}"`);
  return { key, text: value.trim() };
}

function objectMembers(json: string): [string, string][] {
  const { value, object } = readJson(json, '--json');
  if (object === undefined || typeof value !== 'object')
    throw usage('--json needs a JSON object, such as \'{"name":"Ada"}\'.');
  return object.members.map((member) => [member.key, json.slice(member.start, member.end).trim()]);
}

function readJson(text: string, place: string): ReturnType<typeof scan> {
  try {
    return scan(text);
  } catch (error) {
    throw usage(`The JSON of ${place} cannot be read: ${(error as Error).message}`, error);
  }
}

function usage(message: string, cause?: unknown): PlatformError {
  return new PlatformError('USAGE', message, { next: 'zeroplane call --help' }, { cause });
}
