/**
 * Durable commits on a slow disk without stopping the thread that serves. SQLite waits for the disk inside of each
 * commit, which on a quick disk is the quickest way. Once a commit has taken long, commits only write the log, and the
 * log is synced here in a thread of the system before anybody is told; when the disk is quick again, SQLite does it.
 *
 * The log is one file that grows, so that what was synced includes all that was committed before. Until then reads see
 * a commit that a power failure could still take back; whoever acts on what it wrote has waited for its own commit.
 */

import { close, fdatasync, openSync } from 'node:fs';
import type { Clock } from '../../../core/ports.ts';
import type { SqlDriver } from './driver.ts';
import { IOERR_FSYNC } from './store-error.ts';

/** A commit that took this long comes from a slow disk. */
const SLOW_MS = 10;
/** So many syncs in a row that took no longer than this come from a quick one. */
const QUICK_MS = 2;
const QUICK_SYNCS = 50;

export interface LogSyncOptions {
  readonly driver: SqlDriver;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** The database's file. */
  readonly file: string;
  /** @default the system's fdatasync */
  readonly sync?: (descriptor: number, done: (error: Error | null) => void) => void;
}

export class LogSync {
  readonly #options: LogSyncOptions;
  #descriptor: number | undefined;
  #isApart = false;
  #quickSyncs = 0;

  constructor(options: LogSyncOptions) {
    this.#options = options;
  }

  /**
   * To be called after each commit and before the next transaction.
   *
   * @returns what to wait for before the commit is acknowledged, `undefined` when it has waited itself. It rejects as a
   *   failed fsync of SQLite does.
   */
  afterCommit(tookMs: number): Promise<void> | undefined {
    if (this.#isApart) return this.#sync();
    if (tookMs >= SLOW_MS) this.#goApart();
    return undefined;
  }

  close(): void {
    if (this.#descriptor !== undefined) close(this.#descriptor, () => undefined);
    this.#descriptor = undefined;
  }

  #goApart(): void {
    const { driver, file } = this.#options;
    try {
      // Of a file that is open anyway; closing it gives up no lock, for SQLite locks others.
      this.#descriptor ??= openSync(`${file}-wal`, 'r');
    } catch {
      return;
    }
    driver.exec('PRAGMA synchronous=NORMAL');
    this.#quickSyncs = 0;
    this.#isApart = true;
  }

  async #sync(): Promise<void> {
    const { driver, clock, sync = fdatasync } = this.#options;
    const descriptor = this.#descriptor ?? -1;
    const beganMs = clock.monotonicMs();
    await new Promise<void>((resolve, reject) => {
      sync(descriptor, (error) => (error === null ? resolve() : reject(failedSync(error))));
    });
    this.#quickSyncs = clock.monotonicMs() - beganMs < QUICK_MS ? this.#quickSyncs + 1 : 0;
    if (this.#quickSyncs < QUICK_SYNCS || !this.#isApart) return;
    this.#isApart = false;
    driver.exec('PRAGMA synchronous=FULL');
  }
}

function failedSync(cause: Error): Error {
  return Object.assign(new Error(cause.message, { cause }), { rawCode: IOERR_FSYNC });
}
