/** Turns what the engines throw into errors of the catalogue, and says which of them end the store. */

import { PlatformError } from '../../../core/errors.ts';

const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;
export const IOERR_FSYNC = 1034;
const IOERR_DIR_FSYNC = 1290;
/** The shared-memory index could not grow: on Linux the sign of a full disk. */
const IOERR_SHMSIZE = 4874;

/** The extended SQLite result code of an engine's error, `undefined` when it is not one. */
export function sqliteCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { rawCode, errcode } = thrown as { rawCode?: unknown; errcode?: unknown };
  if (typeof rawCode === 'number') return rawCode;
  if (typeof errcode === 'number') return errcode;
  const opening = /^ConnectionFailed\(.*: (\d+)"\)$/su.exec(thrown.message);
  return opening === null ? undefined : Number(opening[1]);
}

export function isBusy(thrown: unknown): boolean {
  const primary = primaryOf(sqliteCode(thrown));
  return primary === BUSY || primary === LOCKED;
}

/**
 * Whether nothing may be acknowledged any more: after a failed fsync nobody knows what reached the disk, and
 * a second fsync would say "fine" about pages that are gone; a damaged file gets no further writes.
 */
export function isFatal(thrown: unknown): boolean {
  if (thrown instanceof PlatformError) return thrown.code === 'STORE_CORRUPT';
  const code = sqliteCode(thrown);
  const primary = primaryOf(code);
  return code === IOERR_FSYNC || code === IOERR_DIR_FSYNC || primary === CORRUPT || primary === NOTADB;
}

/** @param place the file or folder the message names. */
export function toStoreError(thrown: unknown, place: string): PlatformError {
  if (thrown instanceof PlatformError) return thrown;
  const code = sqliteCode(thrown) ?? codeOfFileError(thrown);
  if (code === undefined)
    return new PlatformError('INTERNAL', `The store in "${place}" failed unexpectedly.`, {}, { cause: thrown });
  return fromCode(code, place, thrown);
}

/** Errors of the file system in SQLite's words. */
function codeOfFileError(thrown: unknown): number | undefined {
  switch ((thrown as { code?: unknown } | undefined)?.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return FULL;
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return READONLY;
    default:
      return undefined;
  }
}

function fromCode(code: number, place: string, cause: unknown): PlatformError {
  if (code === IOERR_SHMSIZE) return diskFull(place, cause);
  if (code === IOERR_FSYNC || code === IOERR_DIR_FSYNC) return fsyncFailed(place, cause);
  switch (primaryOf(code)) {
    case FULL:
      return diskFull(place, cause);
    case CORRUPT:
    case NOTADB:
      return damaged(place, cause);
    case READONLY:
      return unavailable(
        place,
        'it cannot be written. Check the permissions and whether the disk is mounted read-only',
        cause,
      );
    case CANTOPEN:
      return unavailable(
        place,
        'a file in it cannot be opened. Check that the folder exists and may be read and written',
        cause,
      );
    case BUSY:
    case LOCKED:
      return unavailable(place, 'another program holds its database. Close that program', cause);
    case IOERR:
      return unavailable(place, 'the disk reported an error. Check the disk and the system log', cause);
    default:
      return new PlatformError(
        'INTERNAL',
        `The store in "${place}" failed unexpectedly.`,
        { sqliteCode: code },
        { cause },
      );
  }
}

function primaryOf(code: number | undefined): number | undefined {
  return code === undefined ? undefined : code & 0xff;
}

function diskFull(place: string, cause: unknown): PlatformError {
  return new PlatformError(
    'STORE_FULL',
    `The disk that holds "${place}" is full, so the write was not made. Free some space; writing works again as soon as there is room.`,
    { place },
    { cause },
  );
}

function fsyncFailed(place: string, cause: unknown): PlatformError {
  return new PlatformError(
    'STORE_UNAVAILABLE',
    `The disk that holds "${place}" could not confirm a write (fsync failed), so the store accepts no more writes. Check the disk, then start again.`,
    { place },
    { cause },
  );
}

/** Names the file and the ways out. */
export function damaged(place: string, cause: unknown): PlatformError {
  return new PlatformError(
    'STORE_CORRUPT',
    `The database "${place}" is damaged. Keep a copy, then restore a backup, or try: sqlite3 "${place}" .recover | sqlite3 recovered.db and put recovered.db in its place, or move the file away to begin with an empty store.`,
    { place },
    { cause },
  );
}

function unavailable(place: string, why: string, cause: unknown): PlatformError {
  return new PlatformError(
    'STORE_UNAVAILABLE',
    `The store in "${place}" is unavailable: ${why}.`,
    { place },
    { cause },
  );
}
