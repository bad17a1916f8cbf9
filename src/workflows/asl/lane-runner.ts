/** Runs what a Parallel or Map is made of: lanes side by side, within limits, with an early end when too many fail. */

import type { DurableContext } from '@aws/durable-execution-sdk-js';
import type { JsonValue } from '../../core/ports.ts';
import type { JsonObject } from '../engine/workflow-engine.ts';
import { packed } from './durable-errors.ts';
import { Aborted, Lane } from './lane.ts';
import type { StateRun } from './state-run.ts';
import { StatesError } from './states-error.ts';

export interface LaneJob {
  /** `Net[3]`, `Par.1` */
  readonly path: string;
  readonly mapItem?: JsonObject;
  run(lane: Lane): Promise<JsonValue>;
  started?(): void;
  ended?(outcome: 'Succeeded' | 'Failed' | 'Aborted'): void;
}

export interface Batch {
  readonly jobs: readonly LaneJob[];
  /** How many run at once. */
  readonly concurrency: number;
  /** Decides after each failure whether the rest may go on; otherwise the batch ends with this error. */
  failed(error: StatesError, failures: number): StatesError | undefined;
}

/**
 * Runs a batch in a durable context of its own, which records the outcome as a whole. Failed lanes that the batch
 * tolerates leave no result.
 *
 * When the batch fails, what runs is broken off and the failure goes on at once.
 *
 * @throws StatesError the batch's failure; Aborted when somebody further out gave up.
 */
export async function runBatch(run: StateRun, batch: Batch): Promise<JsonValue[]> {
  const { lane } = run;
  // Counted here and not per attempt: whatever leads to another run of the lanes numbers their visits anew.
  const runs = [...lane.runs, lane.count(`${run.path}/`)];
  if (batch.jobs.length === 0) return [];
  return lane.context.runInChildContext(run.operation(), async (context) => {
    const group = new Lane({ session: lane.session, context, outer: lane, path: lane.path, runs });
    const results = await new BatchRun(batch, group, context).outcome();
    // An outcome that nobody waits for must not be recorded, for it may be incomplete.
    if (lane.isAborted) return never();
    if (results instanceof StatesError) throw packed(results);
    return withinLimit(run, results);
  });
}

function withinLimit(run: StateRun, results: JsonValue[]): JsonValue[] {
  try {
    run.data(results, `The result of the state '${run.state.name}'`);
    return results;
  } catch (error) {
    throw error instanceof StatesError ? packed(error) : error;
  }
}

class BatchRun {
  readonly #batch: Batch;
  readonly #group: Lane;
  readonly #context: DurableContext;
  readonly #results: (JsonValue | undefined)[];
  #next = 0;
  #failures = 0;
  #failure: StatesError | undefined;

  constructor(batch: Batch, group: Lane, context: DurableContext) {
    this.#batch = batch;
    this.#group = group;
    this.#context = context;
    this.#results = batch.jobs.map(() => undefined);
  }

  async outcome(): Promise<JsonValue[] | StatesError> {
    const workers = Math.min(this.#batch.concurrency, this.#batch.jobs.length);
    await new Promise<void>((resolve, reject) => {
      const forget = this.#group.onAbort(resolve);
      Promise.all(Array.from({ length: workers }, () => this.#work())).then(() => {
        forget();
        resolve();
      }, reject);
    });
    // Lanes that wait are left as they are; steps under way have been told, and are waited for until that is recorded.
    await this.#group.settled();
    return this.#failure ?? this.#results.filter((result) => result !== undefined);
  }

  /** Takes the jobs in their order, so that replays give every lane the same operations. */
  async #work(): Promise<void> {
    while (this.#next < this.#batch.jobs.length && !this.#group.isAborted) {
      const index = this.#next++;
      const job = this.#batch.jobs[index];
      if (job !== undefined) await this.#runOne(job, index);
    }
  }

  async #runOne(job: LaneJob, index: number): Promise<void> {
    const { session, runs } = this.#group;
    job.started?.();
    let thrown: unknown;
    // A virtual context: it gives the lane's operations their ids and is no operation itself.
    await this.#context.runInChildContext(
      job.path,
      async (context) => {
        const { path, mapItem } = job;
        const lane = new Lane({
          session,
          context,
          outer: this.#group,
          path,
          runs,
          ...(mapItem === undefined ? {} : { mapItem }),
        });
        try {
          this.#results[index] = await job.run(lane);
        } catch (error) {
          thrown = error;
        }
      },
      { virtualContext: true },
    );
    this.#close(job, thrown);
  }

  #close(job: LaneJob, thrown: unknown): void {
    if (thrown === undefined) job.ended?.('Succeeded');
    else if (thrown instanceof Aborted) job.ended?.('Aborted');
    else if (thrown instanceof StatesError) {
      job.ended?.('Failed');
      if (this.#group.isAborted) return;
      this.#failure = this.#batch.failed(thrown, ++this.#failures);
      if (this.#failure !== undefined) this.#group.abort();
    } else throw thrown;
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
