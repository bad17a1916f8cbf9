/**
 * Threads that interpret state machines. An expression in JSONata is waited for where it is evaluated, for seconds when
 * it is hostile; in a thread of its own it keeps nobody waiting but executions beside it. Tenants share a thread only
 * when there are more of them at work than threads.
 */

import type { DurableExecutionInvocationOutput } from '@aws/durable-execution-sdk-js';
import type { Clock } from '../../core/ports.ts';
import type { Interpreters, RemoteRun } from '../asl/asl-kind.ts';
import { InterpreterThread } from './interpreter-thread.ts';

/** A thread takes memory, so one that has nothing to do ends; starting another takes a fraction of a second. */
const IDLE_MS = 30_000;

export interface InterpreterThreadsOptions {
  readonly file: URL;
  readonly clock: Pick<Clock, 'after'>;
  /** At least 1. */
  readonly max: number;
}

interface Pooled {
  readonly thread: InterpreterThread;
  /** Runs under way, by tenant. */
  readonly tenants: Map<string, number>;
  stopIdling: () => void;
}

export class InterpreterThreads implements Interpreters {
  readonly #options: InterpreterThreadsOptions;
  readonly #pool = new Set<Pooled>();

  constructor(options: InterpreterThreadsOptions) {
    this.#options = options;
  }

  /** How many there are now. */
  get size(): number {
    return this.#pool.size;
  }

  async invoke(remote: RemoteRun): Promise<DurableExecutionInvocationOutput> {
    const { tenant } = remote.invocation;
    const pooled = this.#for(tenant);
    const { thread, tenants } = pooled;
    pooled.stopIdling();
    tenants.set(tenant, (tenants.get(tenant) ?? 0) + 1);
    try {
      return await thread.invoke(remote);
    } finally {
      const left = (tenants.get(tenant) ?? 1) - 1;
      if (left > 0) tenants.set(tenant, left);
      else tenants.delete(tenant);
      if (tenants.size === 0) pooled.stopIdling = this.#options.clock.after(IDLE_MS, () => void this.#retire(pooled));
    }
  }

  /** Ends all of them; what they run is interrupted. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#pool, (pooled) => this.#retire(pooled)));
  }

  /** The tenant's own, one that nobody uses, another one, or the one that the fewest share. */
  #for(tenant: string): Pooled {
    let best: Pooled | undefined;
    for (const each of this.#pool) {
      if (each.tenants.has(tenant)) return each;
      if (best === undefined || each.tenants.size < best.tenants.size) best = each;
    }
    if (best !== undefined && (best.tenants.size === 0 || this.#pool.size >= this.#options.max)) return best;
    return this.#start();
  }

  #start(): Pooled {
    const thread = new InterpreterThread(this.#options.file);
    const pooled: Pooled = { thread, tenants: new Map(), stopIdling: () => undefined };
    this.#pool.add(pooled);
    void thread.ended.then(() => this.#pool.delete(pooled));
    return pooled;
  }

  async #retire(pooled: Pooled): Promise<void> {
    pooled.stopIdling();
    this.#pool.delete(pooled);
    await pooled.thread.close();
  }
}
