/**
 * The embedded store: SQLite in a data folder of which this process is the only user, or in memory. Opening
 * decides whether the data can be used at all; what is stored and how is the business of the parts.
 */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { PlatformError } from '../../../core/errors.ts';
import type { Clock, StoreRoot } from '../../../core/ports.ts';
import { deleteOrphanChunks } from './blob-store.ts';
import type { SqlDriver } from './driver.ts';
import type { FolderLock } from './folder.ts';
import { lockFolder, makePrivateFile, prepareFolder } from './folder.ts';
import { LogSync } from './log-sync.ts';
import type { EngineName } from './open-driver.ts';
import { openDriver, prepareConnection } from './open-driver.ts';
import { endLeases } from './queue.ts';
import { EmbeddedStoreRoot } from './store-root.ts';
import { migrate } from './schema.ts';
import { StoreCore } from './store-core.ts';
import { damaged, toStoreError } from './store-error.ts';

export interface EmbeddedStoreOptions {
  /** The data folder; made with mode 0700 when absent. */
  readonly folder: string;
  readonly clock: Clock;
  /** Called once when the store will acknowledge nothing more; the process should end with an error. */
  readonly onFatal?: (error: PlatformError) => void;
  /** Forces an engine. @default node:sqlite where Node has it, else libsql */
  readonly engine?: EngineName;
}

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly engine?: EngineName;
}

const DATABASE_FILE = 'store.db';
/** Up to this size an unclean end is followed by a check of every page; it takes some 50 ms at most. */
const CHECKED_BYTES = 32 * 1024 * 1024;

/**
 * Opens the store in `folder`, alone.
 *
 * @throws PlatformError `STORE_LOCKED`, `STORE_VERSION`, `STORE_CORRUPT`, `STORE_FULL`, `STORE_UNAVAILABLE`.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<StoreRoot> {
  prepareFolder(options.folder);
  const lock = await lockFolder(options.folder, options.engine);
  const file = join(options.folder, DATABASE_FILE);
  try {
    makePrivateFile(file);
    const driver = await openDriver(file, options.engine);
    return openRoot(driver, { place: file, lock, clock: options.clock, onFatal: options.onFatal });
  } catch (thrown) {
    lock.release();
    throw toStoreError(thrown, file);
  }
}

/** The same store without a folder: for tests and for a gateway that leaves nothing behind. */
export async function openMemoryStore(options: MemoryStoreOptions): Promise<StoreRoot> {
  const driver = await openDriver(':memory:', options.engine);
  return openRoot(driver, { place: 'memory', clock: options.clock });
}

interface RootParts {
  readonly place: string;
  readonly clock: Clock;
  readonly lock?: FolderLock;
  readonly onFatal?: ((error: PlatformError) => void) | undefined;
}

function openRoot(driver: SqlDriver, parts: RootParts): StoreRoot {
  try {
    prepareConnection(driver);
    if (parts.lock?.wasAbandoned === true && statSync(parts.place).size <= CHECKED_BYTES)
      checkPages(driver, parts.place);
    migrate(driver, parts.place);
    recover(driver, parts.clock.nowMs());
  } catch (thrown) {
    driver.close();
    throw thrown;
  }
  const { lock, clock } = parts;
  const log = lock === undefined ? undefined : new LogSync({ driver, clock, file: parts.place });
  const release = (): void => {
    log?.close();
    lock?.release();
  };
  return new EmbeddedStoreRoot(new StoreCore({ driver, log, ...parts }), driver, { clock, release });
}

function checkPages(driver: SqlDriver, place: string): void {
  const [row] = driver.all('PRAGMA quick_check(1)');
  if (row?.['quick_check'] !== 'ok') throw damaged(place, new Error(String(row?.['quick_check'])));
}

/** Cleans up after the process before. A full disk only postpones it, so that reads work after a restart. */
function recover(driver: SqlDriver, nowMs: number): void {
  driver.exec('BEGIN IMMEDIATE');
  try {
    endLeases(driver, nowMs);
    deleteOrphanChunks(driver);
    driver.exec('COMMIT');
  } catch (thrown) {
    if (driver.inTransaction()) driver.exec('ROLLBACK');
    if (toStoreError(thrown, '').code !== 'STORE_FULL') throw thrown;
  }
}
