/**
 * Cursors of table queries: the last place read, bound to the query it belongs to. They point at a key, not
 * at a row, so deleting what they name does not disturb the next page.
 */

import { createHash } from 'node:crypto';
import { PlatformError } from '../../../core/errors.ts';

/** Sort key, then partition and sort key of the item itself, all as stored. */
export type Place = readonly [sort: string, basePartition: string, baseSort: string];

/** @param query what the cursor is good for, in any words. */
export function encodeCursor(query: string, place: Place): string {
  return Buffer.from(JSON.stringify([fingerprint(query), ...place])).toString('base64url');
}

/** @throws PlatformError `INVALID_CURSOR` for anything but a cursor of the same query. */
export function decodeCursor(query: string, cursor: string): Place {
  const parts = parse(cursor);
  if (!Array.isArray(parts) || parts.length !== 4 || !parts.every((part) => typeof part === 'string')) throw invalid();
  const [mark, sort, basePartition, baseSort] = parts as [string, string, string, string];
  if (mark !== fingerprint(query) || [sort, basePartition, baseSort].some((part) => part.includes('\0')))
    throw invalid();
  return [sort, basePartition, baseSort];
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw invalid();
  }
}

function fingerprint(query: string): string {
  return createHash('sha256').update(query).digest('base64url').slice(0, 12);
}

function invalid(): PlatformError {
  return new PlatformError('INVALID_CURSOR', 'The cursor is not one of this query. Begin again without a cursor.');
}
