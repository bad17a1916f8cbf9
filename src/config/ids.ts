/** Target ids from the keys people write. */

import { MAX_TARGET_ID, RESERVED_TARGET_IDS, isTargetId as isWellFormed } from '../protocol/names.ts';
import type { LoadNote } from './load-note.ts';

export function isTargetId(text: string): boolean {
  return isWellFormed(text) && !RESERVED_TARGET_IDS.has(text);
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
  return trimDashes(trimDashes(legal).slice(0, MAX_TARGET_ID)) || 'server';
}

function trimDashes(text: string): string {
  return text.replaceAll(/^-+|-+$/g, '');
}

function free(wanted: string, taken: ReadonlySet<string>): string {
  const isFree = (id: string): boolean => !taken.has(id) && !RESERVED_TARGET_IDS.has(id);
  if (isFree(wanted)) return wanted;
  for (let number = 2; ; number += 1) {
    const suffix = `-${number}`;
    const id = trimDashes(wanted.slice(0, MAX_TARGET_ID - suffix.length)) + suffix;
    if (isFree(id)) return id;
  }
}
