/**
 * Header names and values as the pipeline wants them: whatever the names are called, and saying which came twice.
 */

import type { IncomingMessage } from 'node:http';
import type { HeaderMap } from '../protocol/era-2026.ts';

export interface RequestHeaders {
  /** Names in lower case; of a name that came twice the first value. */
  readonly headers: HeaderMap;
  readonly duplicates: readonly string[];
}

const NONE: readonly string[] = [];

export function readHeaders(message: Pick<IncomingMessage, 'headers' | 'rawHeaders'>): RequestHeaders {
  const { headers, rawHeaders } = message;
  // Node has read them for itself already. Where no name came twice and none was lost, its reading is as good as ours.
  if (Object.keys(headers).length * 2 === rawHeaders.length) return { headers, duplicates: NONE };
  return readSlowly(rawHeaders);
}

function readSlowly(raw: readonly string[]): RequestHeaders {
  // A null prototype: a header may be called anything.
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  const duplicates: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    if (headers[name] === undefined) headers[name] = raw[i + 1] ?? '';
    else duplicates.push(name);
  }
  return { headers, duplicates };
}
