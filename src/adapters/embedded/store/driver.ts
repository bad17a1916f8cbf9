/**
 * The SQLite connection as the store uses it. Two engines sit behind it, see `engine-node.ts` and
 * `engine-libsql.ts`; both are synchronous, so a transaction never interleaves with a read.
 */

import { PlatformError } from '../../../core/errors.ts';

export type SqlValue = string | number | bigint | null | Uint8Array;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface EngineStatement {
  all(values: readonly SqlValue[]): readonly SqlRow[];
  /** @returns how many rows changed. */
  run(values: readonly SqlValue[]): number;
}

/** What an engine must offer; nothing of it validates. */
export interface Engine {
  readonly name: 'node:sqlite' | 'libsql';
  prepare(sql: string): EngineStatement;
  exec(sql: string): void;
  inTransaction(): boolean;
  close(): void;
}

export interface SqlDriver {
  readonly engine: Engine['name'];
  /** About how many bytes of log the statements so far have caused; only ever grows. */
  readonly writtenBytes: number;
  /** Rows that {@link run} has changed so far; only ever grows. */
  readonly changedRows: number;
  exec(sql: string): void;
  all(sql: string, values?: readonly SqlValue[]): readonly SqlRow[];
  /** @returns how many rows changed; not to be used with RETURNING, where libsql reports 0. */
  run(sql: string, values?: readonly SqlValue[]): number;
  inTransaction(): boolean;
  close(): void;
}

const PAGE_BYTES = 4096;

/** Prepares each statement once and lets only values through that both engines take unchanged. */
export class CheckedDriver implements SqlDriver {
  readonly #engine: Engine;
  readonly #statements = new Map<string, EngineStatement>();
  #closed = false;
  writtenBytes = 0;
  changedRows = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get engine(): Engine['name'] {
    return this.#engine.name;
  }

  exec(sql: string): void {
    this.#assertOpen();
    this.#engine.exec(sql);
  }

  all(sql: string, values: readonly SqlValue[] = []): readonly SqlRow[] {
    assertBindable(values);
    return this.#statement(sql).all(values);
  }

  run(sql: string, values: readonly SqlValue[] = []): number {
    assertBindable(values);
    this.writtenBytes += PAGE_BYTES + boundBytes(values);
    const changed = this.#statement(sql).run(values);
    this.changedRows += changed;
    return changed;
  }

  inTransaction(): boolean {
    return !this.#closed && this.#engine.inTransaction();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#statements.clear();
    this.#engine.close();
  }

  #statement(sql: string): EngineStatement {
    this.#assertOpen();
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const prepared = this.#engine.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }

  /** libsql lets a prepared statement write after `close()`, so the check has to be ours. */
  #assertOpen(): void {
    if (this.#closed) throw new PlatformError('STORE_UNAVAILABLE', 'The store is closed. Open it again to use it.');
  }
}

/**
 * Refuses everything but strings without NUL, finite numbers, 64-bit integers, null and bytes: libsql ends
 * the whole process on a boolean, cuts strings at NUL and reads undefined as NULL.
 *
 * @throws PlatformError `INVALID_ARGUMENTS`.
 */
export function assertBindable(values: readonly unknown[]): asserts values is readonly SqlValue[] {
  for (let index = 0; index < values.length; index += 1) {
    const problem = bindProblem(values[index]);
    if (problem === undefined) continue;
    throw new PlatformError(
      'INVALID_ARGUMENTS',
      `Value ${index + 1} of a statement cannot be stored: ${problem}. Pass a string without NUL, a finite number, a bigint, null or bytes.`,
    );
  }
}

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

function bindProblem(value: unknown): string | undefined {
  if (value === null || value instanceof Uint8Array) return undefined;
  switch (typeof value) {
    case 'string':
      return value.includes('\0') ? 'it is a string with a NUL character' : undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : `it is ${value}`;
    case 'bigint':
      return value > MAX_INT64 || value < MIN_INT64 ? 'it does not fit 64 bits' : undefined;
    default:
      return `it is of type ${typeof value}`;
  }
}

function boundBytes(values: readonly SqlValue[]): number {
  let bytes = 0;
  for (const value of values) {
    if (typeof value === 'string') bytes += value.length;
    else if (value instanceof Uint8Array) bytes += value.byteLength;
  }
  return bytes;
}

/** A text column. @throws PlatformError `STORE_CORRUPT` when the row holds something else. */
export function textOf(row: SqlRow, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  throw unexpected(column);
}

/** A numeric column. @throws PlatformError `STORE_CORRUPT` when the row holds something else. */
export function numberOf(row: SqlRow, column: string): number {
  const value = row[column];
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  throw unexpected(column);
}

/** A column of bytes. @throws PlatformError `STORE_CORRUPT` when the row holds something else. */
export function bytesOf(row: SqlRow, column: string): Uint8Array {
  const value = row[column];
  if (value instanceof Uint8Array) return value;
  throw unexpected(column);
}

function unexpected(column: string): PlatformError {
  return new PlatformError(
    'STORE_CORRUPT',
    `A stored row has no usable "${column}". Stop the instance and restore the data folder from a backup.`,
  );
}
