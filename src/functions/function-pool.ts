/**
 * The processes of one version of a function: one per concurrent invocation, reused while warm, ended after five
 * idle minutes. A process serves one tenant for as long as it lives, so that nothing a handler keeps between
 * invocations reaches another tenant.
 */

import { PlatformError } from '../core/errors.ts';
import type { IdSource } from '../core/ports.ts';
import { FunctionProcess, type ProcessListener, type ProcessParts } from './function-process.ts';
import type { ResolvedFunction } from './function-spec.ts';
import type { Job } from './job.ts';

const IDLE_MS = 5 * 60_000;

export interface PoolParts extends Omit<ProcessParts, 'logStream'> {
  readonly ids: IdSource;
}

interface Idle {
  readonly process: FunctionProcess;
  readonly cancel: () => void;
}

export class FunctionPool implements ProcessListener {
  readonly spec: ResolvedFunction;
  readonly #parts: PoolParts;
  readonly #all = new Set<FunctionProcess>();
  /** Making room for others, and as good as gone. */
  readonly #leaving = new Set<FunctionProcess>();
  /** The most recently used stands last and is taken first, so that the others can go. */
  readonly #idle: Idle[] = [];
  #retired = false;
  #closed = false;
  #whenEmpty: (() => void) | undefined;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.spec = parts.spec;
  }

  get size(): number {
    return this.#all.size + this.#leaving.size;
  }

  /** Invocations under way. */
  get busy(): number {
    return this.#all.size - this.#idle.length;
  }

  /**
   * Hands an invocation to a warm process or starts one.
   *
   * @returns whether it was a cold start.
   * @throws PlatformError `FUNCTION_THROTTLED` when every allowed process is busy.
   */
  submit(job: Job): boolean {
    const idle = this.#takeIdle(job.tenant);
    if (idle !== undefined) {
      idle.cancel();
      idle.process.assign(job);
      return false;
    }
    if (this.busy >= this.spec.concurrency) throw throttled(this.spec);
    if (this.#all.size >= this.spec.concurrency) this.#evict();
    this.#start(job.tenant).assign(job);
    return true;
  }

  onFree(process: FunctionProcess): void {
    if (this.#retired) {
      void process.kill();
      return;
    }
    const cancel = this.#parts.clock.after(IDLE_MS, () => void process.kill());
    this.#idle.push({ process, cancel });
  }

  onEnded(process: FunctionProcess, undelivered: Job | undefined): void {
    this.#forget(process);
    if (undelivered !== undefined) this.#resubmit(undelivered);
    if (this.size === 0) this.#whenEmpty?.();
  }

  /** Takes no more work, ends idle processes now and busy ones after their invocation. Resolves when all are gone. */
  async retire(): Promise<void> {
    this.#retired = true;
    const idle = this.#idle.splice(0);
    for (const { cancel } of idle) cancel();
    await Promise.all(idle.map(({ process }) => process.kill()));
    if (this.size === 0) return;
    await new Promise<void>((done) => {
      this.#whenEmpty = done;
    });
  }

  /** Ends every process at once, whatever it does. */
  async close(): Promise<void> {
    this.#retired = true;
    this.#closed = true;
    for (const { cancel } of this.#idle.splice(0)) cancel();
    await Promise.all([...this.#all, ...this.#leaving].map((process) => process.kill()));
  }

  #takeIdle(tenant: string): Idle | undefined {
    if (this.#idle.at(-1)?.process.tenant === tenant) return this.#idle.pop();
    const at = this.#idle.findLastIndex(({ process }) => process.tenant === tenant);
    return at < 0 ? undefined : this.#idle.splice(at, 1)[0];
  }

  /** Another tenant's process that has waited longest makes room. */
  #evict(): void {
    const oldest = this.#idle.shift();
    if (oldest === undefined) return;
    oldest.cancel();
    this.#all.delete(oldest.process);
    this.#leaving.add(oldest.process);
    void oldest.process.kill();
  }

  #start(tenant: string): FunctionProcess {
    const { clock, ids } = this.#parts;
    const day = new Date(clock.nowMs()).toISOString().slice(0, 10).replaceAll('-', '/');
    const logStream = `${day}/[${this.spec.version}]${ids.uuid().replaceAll('-', '')}`;
    const process = new FunctionProcess({ ...this.#parts, logStream }, this, tenant);
    this.#all.add(process);
    return process;
  }

  #forget(process: FunctionProcess): void {
    this.#all.delete(process);
    this.#leaving.delete(process);
    const at = this.#idle.findIndex((idle) => idle.process === process);
    if (at >= 0) this.#idle.splice(at, 1)[0]?.cancel();
  }

  #resubmit(job: Job): void {
    if (this.#closed) {
      const what = `Function "${this.spec.name}" has not run, because the gateway is closing.`;
      job.fail(
        new PlatformError('SHUTTING_DOWN', `${what} Try again after the restart.`, { function: this.spec.name }),
      );
      return;
    }
    try {
      this.submit(job);
    } catch (error) {
      job.fail(error instanceof PlatformError ? error : throttled(this.spec));
    }
  }
}

export function throttled({ name, concurrency }: ResolvedFunction): PlatformError {
  const what = `Function "${name}" is already running ${concurrency} times, its limit.`;
  return new PlatformError('FUNCTION_THROTTLED', `${what} Try again, or raise functions.${name}.concurrency.`, {
    function: name,
    concurrency,
  });
}
