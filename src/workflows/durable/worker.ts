/** Takes one execution through its invocations until it ends, waits, or is somebody else's. */

import { toPlatformError } from '../../core/errors.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { Journal, Loaded } from './journal.ts';
import type { LiveExecutions } from './live-executions.ts';
import { isAtEnd } from './live-executions.ts';
import type { StoredOperation } from './operation.ts';
import { pause } from './patience.ts';
import { Leftovers } from './leftovers.ts';
import type { Ending, ExecutionHost, Program } from './program.ts';
import type { Invoke, Outcome } from './run.ts';
import { Run, isInvocation } from './run.ts';
import type { Schedule } from './schedule.ts';
import type { Place } from './slots.ts';
import { NEVER_MS } from './tables.ts';
import type { TaskTokens } from './task-token.ts';

/** Invocations in a row that end without storing anything before the execution is given up. */
const MAX_BARREN = 3;
const BARREN_PAUSE_MS = 1000;
/** The wall clock may jump, so a long wait for the deadline is taken in pieces. */
const MAX_WATCH_MS = 30_000;

export interface WorkerParts {
  readonly live: LiveExecutions;
  readonly journal: Journal;
  readonly schedule: Schedule;
  readonly host: ExecutionHost;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tokens: TaskTokens;
  readonly invoke: Invoke;
  readonly leaseMs?: number | undefined;
}

interface OpenRun {
  readonly run: Run;
  readonly leftovers: Leftovers;
}

type Opened = OpenRun | 'at-end' | 'not-ours';

export class Worker {
  readonly #parts: WorkerParts;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  async work(place: Place): Promise<void> {
    try {
      await this.#work(place);
    } catch (thrown) {
      const { code } = toPlatformError(thrown);
      const level = code === 'EXECUTION_FENCED' ? 'info' : 'error';
      this.#parts.log.log(level, 'workflow-run-failed', {
        execution: place.id,
        tenant: place.tenant,
        code,
        reason: String(thrown),
      });
      if (code !== 'EXECUTION_FENCED') this.#lookAgain(BARREN_PAUSE_MS);
    }
  }

  async #work(place: Place): Promise<void> {
    const { live } = this.#parts;
    const opened = await live.locked(place, () => this.#open(place));
    if (opened === 'not-ours') return this.#waitForOwner();
    if (opened === 'at-end') return live.settle(place, true);
    const { run, leftovers } = opened;
    const stopWatching = this.#watchDeadline(place, run);
    try {
      if (live.mayHaveLeft(run.loaded)) leftovers.note();
      await leftovers.settled();
      const { state } = run.loaded;
      for (const operation of state.all())
        if (isInvocation(operation) && state.awaits(operation.id)) this.#start(opened, operation);
      await this.#turns(place, opened);
    } catch (thrown) {
      live.unsettle(place);
      throw thrown;
    } finally {
      stopWatching();
      live.release(place, run);
    }
  }

  async #open(place: Place): Promise<Opened> {
    const loaded = await this.#parts.live.claim(place, 'polite');
    if (loaded === undefined) return 'not-ours';
    if (isAtEnd(loaded)) return 'at-end';
    const program = await this.#program(loaded);
    if (program === undefined) return 'at-end';
    const opened = this.#run(place, loaded, program);
    this.#parts.live.add(place, opened.run);
    return opened;
  }

  /** @returns `undefined` when the execution is not to be continued, and has ended with the reason. */
  async #program(loaded: Loaded): Promise<Program | undefined> {
    try {
      const found = await this.#parts.host.program(loaded.tenant, loaded.id);
      if (found === undefined || !('ending' in found)) return found;
      await this.#parts.live.storeEnd(loaded, found.ending, []);
      return undefined;
    } catch (thrown) {
      const error = toPlatformError(thrown);
      if (error.retryable) throw error;
      const atMs = this.#parts.clock.nowMs();
      const ending: Ending = { status: 'FAILED', atMs, error: error.code, cause: error.message };
      await this.#parts.live.storeEnd(loaded, ending, []);
      return undefined;
    }
  }

  #run(place: Place, loaded: Loaded, program: Program): OpenRun {
    const { live, host } = this.#parts;
    const leftovers = new Leftovers(() => host.tend(place.tenant, place.id, (id) => loaded.state.awaits(id)));
    // What was left in an earlier run is looked for by itself.
    loaded.state.takeLeft();
    const run: Run = new Run({
      ...this.#parts,
      loaded,
      program,
      locked: (body) => live.locked(place, body),
      patiently: (body, isWanted) => live.patiently(body, isWanted),
      onInvoke: (operation) => this.#start({ run, leftovers }, operation),
      onLeft: () => leftovers.note(),
    });
    return { run, leftovers };
  }

  async #turns(place: Place, { run, leftovers }: OpenRun): Promise<void> {
    let barren = 0;
    for (;;) {
      const { sequence } = run.loaded.head;
      if (await this.#isPastDeadline(place, run)) return;
      if (await this.#wanted(run, () => this.#prepare(run))) return;
      const outcome = await run.invoke(this.#parts.invoke);
      barren = run.loaded.head.sequence === sequence ? barren + 1 : 0;
      if (outcome.kind === 'pending') await leftovers.settled();
      if (await this.#settle(place, run, { outcome, barren })) return;
    }
  }

  /** @returns whether the run is over. */
  async #prepare(run: Run): Promise<boolean> {
    if (run.isOver) return true;
    await this.#parts.journal.compact(run.loaded);
    await run.advance();
    return false;
  }

  /** @returns whether the work is done. */
  async #settle(place: Place, run: Run, { outcome, barren }: { outcome: Outcome; barren: number }): Promise<boolean> {
    switch (outcome.kind) {
      case 'over':
        return true;
      case 'ended':
        await this.#end(place, run, outcome.ending);
        return true;
      case 'pending':
        return this.#wanted(run, () => this.#suspend(place, run));
      case 'interrupted':
        return this.#recover(place, run, { reason: outcome.reason, barren });
    }
  }

  async #end(place: Place, run: Run, ending: Ending): Promise<void> {
    const { live } = this.#parts;
    let isAwaited: boolean | undefined;
    await this.#wanted(run, async () => {
      if (run.isOver) return true;
      isAwaited = await live.storeEnd(run.loaded, ending, run.drafts);
      live.release(place, run);
      run.stop('stopped', new Error('The execution has ended.'));
      return true;
    });
    if (isAwaited !== undefined) await live.settle(place, isAwaited);
  }

  /** @returns whether it waits now; false when there is something to do at once. */
  async #suspend(place: Place, run: Run): Promise<boolean> {
    if (run.isOver) return true;
    await run.advance();
    if (run.hasNews) return false;
    const atMs = Math.min(run.loaded.state.nextDue() ?? NEVER_MS, run.program.deadlineAtMs ?? NEVER_MS);
    const { drafts } = run;
    await this.#parts.journal.commit(run.loaded, { timer: { bucket: 'waiting', atMs }, events: drafts });
    run.dropDrafts(drafts.length);
    this.#parts.live.settled(place);
    this.#parts.live.release(place, run);
    this.#parts.schedule.expect(atMs);
    return true;
  }

  /** Under the lock, again and again while the store is full. */
  #wanted(run: Run, body: () => Promise<boolean>): Promise<boolean> {
    const { live } = this.#parts;
    const { tenant, id } = run.loaded;
    return live.patiently(
      () => live.locked({ tenant, id }, body),
      () => !run.isOver,
    );
  }

  async #recover(place: Place, run: Run, { reason, barren }: { reason: unknown; barren: number }): Promise<boolean> {
    if (run.isOver) return true;
    this.#parts.log.log('warn', 'workflow-invocation-interrupted', {
      execution: place.id,
      reason: String(reason),
      barren,
    });
    if (barren >= MAX_BARREN) {
      const error = reason instanceof Error ? reason : new Error(String(reason));
      const atMs = this.#parts.clock.nowMs();
      await this.#end(place, run, { status: 'FAILED', atMs, error: error.name, cause: error.message });
      return true;
    }
    await pause(this.#parts.clock, BARREN_PAUSE_MS * Math.max(1, barren));
    return run.isOver;
  }

  async #isPastDeadline(place: Place, run: Run): Promise<boolean> {
    const { deadlineAtMs } = run.program;
    if (deadlineAtMs === undefined || deadlineAtMs > this.#parts.clock.nowMs()) return false;
    await this.#timeOut(place);
    return true;
  }

  async #timeOut(place: Place): Promise<void> {
    const atMs = this.#parts.clock.nowMs();
    await this.#parts.live.end(place, { status: 'TIMED_OUT', atMs, error: 'States.Timeout' }, 'stopped');
  }

  #watchDeadline(place: Place, run: Run): () => void {
    const { deadlineAtMs } = run.program;
    if (deadlineAtMs === undefined) return () => undefined;
    const { clock, log } = this.#parts;
    let cancel: () => void = () => undefined;
    const watch = (): void => {
      const leftMs = deadlineAtMs - clock.nowMs();
      if (leftMs > 0) cancel = clock.after(Math.min(MAX_WATCH_MS, leftMs), watch);
      else
        this.#timeOut(place).catch((thrown: unknown) => {
          log.log('error', 'workflow-timeout-failed', { execution: place.id, reason: String(thrown) });
          this.#lookAgain(BARREN_PAUSE_MS);
        });
    };
    watch();
    return () => cancel();
  }

  #start({ run, leftovers }: OpenRun, operation: StoredOperation): void {
    const { tenant, id, state } = run.loaded;
    const start = this.#parts.host.invoke(tenant, id, operation).catch((thrown: unknown) => {
      this.#parts.log.log('error', 'workflow-invoke-failed', { execution: id, reason: String(thrown) });
    });
    leftovers.track(start);
    // Nobody may wait for it any more by the time it is there.
    void start.then(() => !run.isOver && !state.awaits(operation.id) && leftovers.note());
  }

  #waitForOwner(): void {
    if (this.#parts.leaseMs !== undefined) this.#lookAgain(this.#parts.leaseMs / 2);
  }

  #lookAgain(delayMs: number): void {
    this.#parts.schedule.retry(this.#parts.clock.nowMs() + delayMs);
  }
}
