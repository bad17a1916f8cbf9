/** The executions as this process changes them: each by one at a time, whether it runs or not. */

import type { AuditEntry } from '../../audit/audit-trail.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { EventDraft } from './history-log.ts';
import type { Change, Journal, Loaded, Timer } from './journal.ts';
import { KeyedLock } from './keyed-lock.ts';
import type { StoredOperation } from './operation.ts';
import { hasEnded } from './operation.ts';
import type { Owners } from './owners.ts';
import { patiently } from './patience.ts';
import type { Ending, ExecutionHost } from './program.ts';
import type { Run, Stop } from './run.ts';
import type { Place } from './slots.ts';
import { keyOf } from './slots.ts';

/** Of the operation that stands for the execution itself. */
export const EXECUTION_OPERATION = 'execution';

export interface LiveParts {
  readonly journal: Journal;
  readonly owners: Owners;
  readonly host: ExecutionHost;
  readonly clock: Clock;
  readonly log: Logger;
  readonly retentionMs: number;
}

/** What a change does to an execution, and what its caller is told. */
export interface Decision<T> {
  readonly told: T;
  readonly change?: Change;
  /** Operations that the SDK has to hear of. */
  readonly news?: readonly string[];
}

export class LiveExecutions {
  readonly #parts: LiveParts;
  readonly #locks = new KeyedLock();
  readonly #runs = new Map<string, Run>();
  /** Executions that were made here and have not run yet. */
  readonly #fresh = new Map<string, Loaded>();
  /** Executions whose children may be other than their operations say. */
  readonly #unsettled = new Set<string>();

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  get runs(): Iterable<Run> {
    return this.#runs.values();
  }

  run(place: Place): Run | undefined {
    return this.#runs.get(keyOf(place));
  }

  add(place: Place, run: Run): void {
    this.#runs.set(keyOf(place), run);
  }

  locked<T>(place: Place, body: () => Promise<T>): Promise<T> {
    return this.#locks.run(keyOf(place), body);
  }

  patiently<T>(body: () => Promise<T>, isWanted: () => boolean): Promise<T> {
    return patiently(body, { ...this.#parts, isWanted });
  }

  /**
   * Loads it and makes this process its only writer. Only under its lock.
   *
   * @returns `undefined` when there is none, or `polite` was asked and its owner lives.
   * @throws PlatformError `JOURNAL_CORRUPT`.
   */
  async claim(place: Place, manner: 'polite' | 'firm'): Promise<Loaded | undefined> {
    const { journal, owners } = this.#parts;
    const key = keyOf(place);
    const fresh = this.#fresh.get(key);
    this.#fresh.delete(key);
    const loaded = fresh ?? (await journal.load(place.tenant, place.id));
    if (loaded === undefined) return undefined;
    if (manner === 'polite' && !(await owners.mayTakeFrom(loaded.head.fence))) return undefined;
    // The process before may have ended between an operation and its child.
    if (await journal.takeOver(loaded)) this.unsettle(place);
    return loaded;
  }

  /** Has the next run of an execution compare its children with its operations. */
  unsettle(place: Place): void {
    this.#unsettled.add(keyOf(place));
  }

  /** The children of an execution are as its operations say. */
  settled(place: Place): void {
    this.#unsettled.delete(keyOf(place));
  }

  /** Whether an execution may have children that its operations do not know of. */
  mayHaveLeft(loaded: Loaded): boolean {
    return this.#unsettled.has(keyOf(loaded)) && mayHaveChildren(loaded);
  }

  /** Spares the first {@link claim} of a new execution its reading. */
  keep(loaded: Loaded): void {
    this.#fresh.set(keyOf(loaded), loaded);
  }

  forget(place: Place): void {
    this.#fresh.delete(keyOf(place));
  }

  /** Changes an execution from outside. @returns `undefined` when there is none. */
  async change<T>(place: Place, decide: (loaded: Loaded, run: Run | undefined) => Decision<T>): Promise<T | undefined> {
    return this.locked(place, async () => {
      const run = this.run(place);
      const loaded = run?.loaded ?? (await this.claim(place, 'firm'));
      if (loaded === undefined) return undefined;
      const { told, change, news } = decide(loaded, run);
      if (change !== undefined) await this.#parts.journal.commit(loaded, change);
      for (const id of news ?? []) run?.tell(id);
      return told;
    });
  }

  /**
   * Records an end and lets the run go. Only under the lock.
   *
   * @returns whether somebody must be told or stopped.
   */
  async storeEnd(
    loaded: Loaded,
    ending: Ending,
    drafts: readonly EventDraft[],
    entries?: readonly AuditEntry[],
  ): Promise<boolean> {
    const { host } = this.#parts;
    const { writes, events, isAwaited: hasWaiter } = await host.ending(loaded.tenant, loaded.id, ending);
    const isAwaited = hasWaiter || (mayHaveChildren(loaded) && (await host.hasChildren(loaded.tenant, loaded.id)));
    await this.#parts.journal.commit(loaded, {
      operations: [endedOperation(loaded, ending)],
      bytes: Buffer.byteLength(ending.output ?? ''),
      events: [...drafts, ...events],
      writes,
      entries,
      timer: isAwaited ? { bucket: 'running', atMs: 0 } : this.#endTimer(ending.atMs),
    });
    return isAwaited;
  }

  /** Ends an execution, whoever runs it. @returns false when it had ended or there is none. */
  async end(place: Place, ending: Ending, why: Stop, entries?: readonly AuditEntry[]): Promise<boolean> {
    const isAwaited = await this.locked(place, async () => {
      const run = this.run(place);
      const loaded = run?.loaded ?? (await this.claim(place, 'firm'));
      if (loaded === undefined || isAtEnd(loaded)) return undefined;
      const awaited = await this.storeEnd(loaded, ending, run?.drafts ?? [], entries);
      this.release(place, run);
      run?.stop(why, new Error(ending.cause ?? ending.status));
      return awaited;
    });
    if (isAwaited === undefined) return false;
    await this.settle(place, isAwaited);
    return true;
  }

  /** Stops the children, and tells whoever waits for an end; what is told is not told again after a crash. */
  async settle(place: Place, isAwaited: boolean): Promise<void> {
    if (isAwaited) await this.#parts.host.tend(place.tenant, place.id, () => false);
    this.settled(place);
    await this.#parts.host.afterEnd(place.tenant, place.id);
    if (!isAwaited) return;
    const timer = this.#endTimer(this.#parts.clock.nowMs());
    await this.change(place, (loaded) => ({ told: true, ...(isAtEnd(loaded) && { change: { timer } }) }));
  }

  release(place: Place, run: Run | undefined): void {
    if (run !== undefined && this.run(place) === run) this.#runs.delete(keyOf(place));
  }

  #endTimer(atMs: number): Timer {
    return { bucket: 'ended', atMs: atMs + this.#parts.retentionMs };
  }
}

export function isAtEnd(loaded: Loaded): boolean {
  const operation = loaded.state.get(EXECUTION_OPERATION);
  return operation !== undefined && hasEnded(operation);
}

/** An execution that never asked anybody for anything has none; what went with older records is not known. */
function mayHaveChildren({ state, head }: Loaded): boolean {
  return state.hasAsked || head.snapshot > 0 || head.sequence === 0;
}

const STATUS_OF = { SUCCEEDED: 'SUCCEEDED', FAILED: 'FAILED', TIMED_OUT: 'TIMED_OUT', ABORTED: 'STOPPED' } as const;

function endedOperation(loaded: Loaded, ending: Ending): StoredOperation {
  const begun = loaded.state.get(EXECUTION_OPERATION);
  const fallback = { id: EXECUTION_OPERATION, type: 'EXECUTION', n: 0, start: ending.atMs } as const;
  return { ...(begun ?? fallback), status: STATUS_OF[ending.status], end: ending.atMs };
}
