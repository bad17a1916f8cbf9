/**
 * All writes of the process in groups: what is asked within one turn of the event loop, or while the disk is waited
 * for, becomes one transaction with one fsync. A write that fails its own condition fails alone; a failed commit
 * fails all.
 */

import { PlatformError } from '../../../core/errors.ts';
import type { SqlDriver } from './driver.ts';
import type { LogSync } from './log-sync.ts';
import { isFatal, sqliteCode, toStoreError } from './store-error.ts';

interface Job {
  readonly run: (driver: SqlDriver) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: PlatformError) => void;
}

interface Committed {
  readonly outcomes: readonly Outcome[];
  readonly tookMs: number;
}

type Outcome = { readonly value: unknown } | { readonly error: PlatformError };

export interface GroupCommitOptions {
  readonly driver: SqlDriver;
  /** Named in messages. */
  readonly place: string;
  /** Waits for the disk where a commit does not; absent where there is none. */
  readonly log?: Pick<LogSync, 'afterCommit'> | undefined;
  /** Called once, when nothing will be acknowledged any more. */
  readonly onFatal?: ((error: PlatformError) => void) | undefined;
}

/** Bounds how long one transaction may stop the event loop. */
const MAX_GROUP = 512;
/** Writes that may wait; beyond them the store says so instead of growing. */
const MAX_PENDING = 20_000;
/** Log bytes after which the log is copied into the database file. More of them, and a page that is written often is
 * copied less often; fewer, and the log is read sooner after a crash. */
const CHECKPOINT_BYTES = 16 * 1024 * 1024;

export class GroupCommit {
  readonly #driver: SqlDriver;
  readonly #place: string;
  readonly #log: GroupCommitOptions['log'];
  readonly #onFatal: ((error: PlatformError) => void) | undefined;
  #pending: Job[] = [];
  /** A group is about to be written, or waits for the disk. */
  #isBusy = false;
  #stopped: PlatformError | undefined;
  #idle: (() => void)[] = [];
  #checkpointedBytes = 0;

  constructor(options: GroupCommitOptions) {
    this.#driver = options.driver;
    this.#place = options.place;
    this.#log = options.log;
    this.#onFatal = options.onFatal;
  }

  /** Why no write is accepted any more; `undefined` while they are. */
  get stopped(): PlatformError | undefined {
    return this.#stopped;
  }

  /**
   * Runs `run` inside the next transaction and resolves with its value once that is on disk. `run` must be
   * synchronous and touch nothing but the database, which it changes by `driver.run` alone: it may be run twice.
   * Throwing a PlatformError undoes its writes alone.
   *
   * @throws PlatformError what `run` threw, `STORE_FULL`, `STORE_UNAVAILABLE`, `STORE_CORRUPT`, `OVERLOADED`.
   */
  submit<T>(run: (driver: SqlDriver) => T): Promise<T> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    if (this.#pending.length >= MAX_PENDING) return Promise.reject(tooManyWaiting(this.#place));
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ run, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Commits what waits, then refuses everything with `reason`. */
  async stop(reason: PlatformError): Promise<void> {
    if (this.#pending.length > 0 || this.#isBusy) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#stopped ??= reason;
  }

  #schedule(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    setImmediate(() => void this.#flush());
  }

  async #flush(): Promise<void> {
    const group = this.#pending.slice(0, MAX_GROUP);
    this.#pending = this.#pending.slice(MAX_GROUP);
    try {
      const synced = group.length === 0 ? undefined : this.#written(group);
      if (synced !== undefined) await synced;
      this.#checkpoint();
    } catch (thrown) {
      this.#fail(group, thrown);
    }
    this.#isBusy = false;
    if (this.#pending.length > 0) this.#schedule();
    else this.#idle.splice(0).forEach((resolve) => resolve());
  }

  /** @returns what to wait for when the disk is not done yet. */
  #written(group: readonly Job[]): Promise<void> | undefined {
    const { outcomes, tookMs } = this.#commit(group);
    const settleAll = (): void => group.forEach((job, index) => settle(job, outcomes[index]));
    const synced = this.#log?.afterCommit(tookMs);
    if (synced !== undefined) return synced.then(settleAll);
    settleAll();
    return undefined;
  }

  /** Hardly ever does a write throw after it has changed something, so that only then each gets its savepoint. */
  #commit(group: readonly Job[]): Committed {
    try {
      return this.#transaction(group, (job) => this.#attempt(job));
    } catch (thrown) {
      if (!(thrown instanceof HalfDone)) throw thrown;
      return this.#transaction(group, (job) => this.#attemptWithSavepoint(job));
    }
  }

  #transaction(group: readonly Job[], attempt: (job: Job) => Outcome): Committed {
    try {
      this.#driver.exec('BEGIN IMMEDIATE');
      const outcomes = group.map(attempt);
      const began = performance.now();
      this.#driver.exec('COMMIT');
      return { outcomes, tookMs: performance.now() - began };
    } catch (thrown) {
      this.#rollback();
      throw thrown;
    }
  }

  /** What the engine throws ends the group; anything else is this write's own. @throws HalfDone */
  #attempt(job: Job): Outcome {
    const before = this.#driver.changedRows;
    try {
      return { value: job.run(this.#driver) };
    } catch (thrown) {
      const error = this.#ownError(thrown);
      if (this.#driver.changedRows !== before) throw new HalfDone();
      return { error };
    }
  }

  #attemptWithSavepoint(job: Job): Outcome {
    this.#driver.exec('SAVEPOINT job');
    try {
      const value = job.run(this.#driver);
      this.#driver.exec('RELEASE job');
      return { value };
    } catch (thrown) {
      const error = this.#ownError(thrown);
      this.#driver.exec('ROLLBACK TO job');
      this.#driver.exec('RELEASE job');
      return { error };
    }
  }

  /** @throws what the engine threw. */
  #ownError(thrown: unknown): PlatformError {
    if (sqliteCode(thrown) !== undefined || isFatal(thrown)) throw thrown;
    return toStoreError(thrown, this.#place);
  }

  /** SQLite has already rolled back after some errors, and on a sick disk the rollback may fail too. */
  #rollback(): void {
    try {
      if (this.#driver.inTransaction()) this.#driver.exec('ROLLBACK');
    } catch (thrown) {
      this.#stopFatally(toStoreError(thrown, this.#place));
    }
  }

  #fail(group: readonly Job[], thrown: unknown): void {
    const error = toStoreError(thrown, this.#place);
    for (const job of group) job.reject(error);
    if (isFatal(thrown)) this.#stopFatally(error);
  }

  #stopFatally(error: PlatformError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    for (const job of this.#pending.splice(0)) job.reject(error);
    this.#onFatal?.(error);
  }

  /** SQLite's own checkpoint would swallow a failed fsync; a full disk or a reader only postpones it. */
  #checkpoint(): void {
    if (this.#driver.writtenBytes - this.#checkpointedBytes < CHECKPOINT_BYTES) return;
    this.#checkpointedBytes = this.#driver.writtenBytes;
    try {
      this.#driver.all('PRAGMA wal_checkpoint(PASSIVE)');
    } catch (thrown) {
      if (isFatal(thrown) || sqliteCode(thrown) === undefined) this.#stopFatally(toStoreError(thrown, this.#place));
    }
  }
}

/** A write has thrown after it had changed something, which is still in the transaction. */
class HalfDone extends Error {
  override readonly name = 'HalfDone';
}

function settle(job: Job, outcome: Outcome | undefined): void {
  if (outcome === undefined) return;
  if ('error' in outcome) job.reject(outcome.error);
  else job.resolve(outcome.value);
}

function tooManyWaiting(place: string): PlatformError {
  return new PlatformError(
    'OVERLOADED',
    `More than ${MAX_PENDING} writes wait for the store in "${place}". Try again shortly.`,
  );
}
