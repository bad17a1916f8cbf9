/**
 * Header names and values as the pipeline wants them. Node's own `headers` would build the same object more slowly and
 * would not say which names came twice.
 */

import type { HeaderMap } from '../protocol/era-2026.ts';

export interface RequestHeaders {
  /** Names in lower case; of a name that came twice the first value. */
  readonly headers: HeaderMap;
  readonly duplicates: readonly string[];
}

const NONE: readonly string[] = [];

/** Spellings seen so far: clients send the same few with every request. */
const LOWER = new Map<string, string>();
const MAX_SPELLINGS = 256;

function lower(name: string): string {
  const known = LOWER.get(name);
  if (known !== undefined) return known;
  const lowered = name.toLowerCase();
  if (LOWER.size < MAX_SPELLINGS) LOWER.set(name, lowered);
  return lowered;
}

/** @param raw - Names and values in turn, as they arrived. */
export function readHeaders(raw: readonly string[]): RequestHeaders {
  // A null prototype: a header may be called anything.
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  let duplicates: string[] | undefined;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = lower(raw[i] ?? '');
    if (headers[name] === undefined) headers[name] = raw[i + 1] ?? '';
    else (duplicates ??= []).push(name);
  }
  return { headers, duplicates: duplicates ?? NONE };
}
