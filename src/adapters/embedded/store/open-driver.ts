/** Chooses the engine and sets the connection up for durable writes. */

import { PlatformError } from '../../../core/errors.ts';
import type { Engine, SqlDriver } from './driver.ts';
import { CheckedDriver } from './driver.ts';
import { openLibsqlEngine } from './engine-libsql.ts';
import { loadNodeSqlite, openNodeEngine } from './engine-node.ts';

export type EngineName = Engine['name'];

/**
 * How long a statement waits for another connection, in milliseconds. Short, since the wait stops the event
 * loop, and only a person with a database tool can hold the file besides us.
 */
const BUSY_TIMEOUT_MS = 2000;

/**
 * A connection to `path` (`:memory:` for none on disk).
 *
 * @param engine forces one engine; absent means `node:sqlite` where Node has it, else libsql.
 */
export async function openDriver(path: string, engine?: EngineName): Promise<SqlDriver> {
  return new CheckedDriver(await openEngine(path, engine));
}

/** Whether this Node brings a usable `node:sqlite`. */
export function hasNodeSqlite(): boolean {
  return loadNodeSqlite() !== undefined;
}

async function openEngine(path: string, engine: EngineName | undefined): Promise<Engine> {
  if (engine === 'libsql') return await openLibsqlEngine(path);
  const module = loadNodeSqlite();
  if (module !== undefined) return openNodeEngine(module, path);
  if (engine === undefined) return await openLibsqlEngine(path);
  throw new PlatformError(
    'STORE_UNAVAILABLE',
    'This Node has no usable node:sqlite. Use Node 24 or the libsql engine.',
  );
}

/**
 * Write-ahead log and an fsync per commit. The order matters: with the log first, a second connection gets
 * SQLITE_BUSY at once. Checkpoints are ours (see `group-commit.ts`), because SQLite hides their errors.
 */
export function prepareConnection(driver: SqlDriver): void {
  driver.exec(`PRAGMA busy_timeout=${BUSY_TIMEOUT_MS}`);
  driver.all('PRAGMA journal_mode=WAL');
  driver.exec('PRAGMA synchronous=FULL');
  driver.all('PRAGMA wal_autocheckpoint=0');
  driver.all('PRAGMA journal_size_limit=67108864');
}
