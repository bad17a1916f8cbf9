/** Target ids from the keys people write. */

import type { LoadNote } from './load-note.ts';

/** Names that the gateway itself uses beside targets. */
export const RESERVED_TARGET_IDS: ReadonlySet<string> = new Set(['registry', 'cloud', 'agent', 'workflows', 'admin']);

export const MAX_TARGET_ID_LENGTH = 40;

const LEGAL_ID = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

export function isTargetId(text: string): boolean {
  return text.length <= MAX_TARGET_ID_LENGTH && LEGAL_ID.test(text) && !RESERVED_TARGET_IDS.has(text);
}

/**
 * Gives each key a legal id: lower case, other characters `-`, at most 40 long, `-2` and so on where two
 * meet. Keys that are legal already keep their name, wherever they stand.
 */
export function assignTargetIds(keys: readonly string[]): { ids: ReadonlyMap<string, string>; notes: LoadNote[] } {
  const ids = new Map(keys.filter(isTargetId).map((key) => [key, key]));
  const taken = new Set(ids.keys());
  const notes: LoadNote[] = [];
  for (const key of keys) {
    if (ids.has(key)) continue;
    const id = free(legalForm(key), taken);
    taken.add(id);
    ids.set(key, id);
    const why = RESERVED_TARGET_IDS.has(legalForm(key)) ? ' because that name is reserved' : '';
    notes.push({ kind: 'renamed', path: `mcpServers.${key}`, text: `Server "${key}" is published as "${id}"${why}.` });
  }
  return { ids, notes };
}

function legalForm(key: string): string {
  const legal = key.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-');
  return trimDashes(trimDashes(legal).slice(0, MAX_TARGET_ID_LENGTH)) || 'server';
}

function trimDashes(text: string): string {
  return text.replaceAll(/^-+|-+$/g, '');
}

function free(wanted: string, taken: ReadonlySet<string>): string {
  const isFree = (id: string): boolean => !taken.has(id) && !RESERVED_TARGET_IDS.has(id);
  if (isFree(wanted)) return wanted;
  for (let number = 2; ; number += 1) {
    const suffix = `-${number}`;
    const id = trimDashes(wanted.slice(0, MAX_TARGET_ID_LENGTH - suffix.length)) + suffix;
    if (isFree(id)) return id;
  }
}
