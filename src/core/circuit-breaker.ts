/**
 * Leaves alone for a while what has failed several times in a row, and lets one attempt through from time to time to
 * see whether it is well again. One breaker for many things of a kind; only those that fail take memory.
 *
 * What counts as a failure is the caller's to say: an answer that one does not like is still an answer.
 */

import { PlatformError } from './errors.ts';
import type { Clock } from './ports.ts';

export interface CircuitBreakerOptions {
  readonly clock: Clock;
  /** Failures in a row that open the breaker. @default 5 */
  readonly opensAfter?: number;
  /** Milliseconds before the first attempt while it is open; each further failure doubles them. @default 10000 */
  readonly firstPauseMs?: number;
  /** Upper bound of the pause, and so of the time until a recovery is noticed. @default 30000 */
  readonly longestPauseMs?: number;
}

interface Failing {
  failures: number;
  notBeforeMs: number;
  /** An attempt is under way while the breaker is open. */
  isTrying: boolean;
  reason: string;
}

/** What an attempt says about the thing: it is well, it is not and why, or nothing, as when its caller left. */
export type Verdict = 'well' | 'unknown' | { readonly failed: string };

/** A thing that may fail: its key, and its name for messages. */
export interface Guarded<Result> {
  /** Tenant and thing: one tenant's failures close nothing for another. */
  readonly key: string;
  /** As messages call it: `function "crm"`. */
  readonly name: string;
  /** For errors' details. */
  readonly target: string;
  judgeResult(result: Result): Verdict;
  judgeError(thrown: unknown): Verdict;
}

/** Beyond this many failing things the one that failed first is forgotten: it gets its attempts anew. */
const MAX_FAILING = 10_000;

export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #opensAfter: number;
  readonly #firstPauseMs: number;
  readonly #longestPauseMs: number;
  readonly #failing = new Map<string, Failing>();

  constructor({ clock, opensAfter = 5, firstPauseMs = 10_000, longestPauseMs = 30_000 }: CircuitBreakerOptions) {
    this.#clock = clock;
    this.#opensAfter = opensAfter;
    this.#firstPauseMs = firstPauseMs;
    this.#longestPauseMs = longestPauseMs;
  }

  /**
   * Runs the attempt and remembers how it ended.
   *
   * @throws PlatformError `TARGET_BREAKER_OPEN` without running it, while the thing is left alone.
   */
  async run<Result>(guarded: Guarded<Result>, attempt: () => Promise<Result>): Promise<Result> {
    const isProbe = this.#enter(guarded);
    try {
      const result = await attempt();
      this.#ended(guarded.key, guarded.judgeResult(result));
      return result;
    } catch (thrown) {
      this.#ended(guarded.key, guarded.judgeError(thrown));
      throw thrown;
    } finally {
      const failing = isProbe ? this.#failing.get(guarded.key) : undefined;
      if (failing !== undefined) failing.isTrying = false;
    }
  }

  /** Failures of a thing since its last success. */
  failuresOf(key: string): number {
    return this.#failing.get(key)?.failures ?? 0;
  }

  /** @returns whether this attempt is the one that finds out. */
  #enter({ key, name, target }: Pick<Guarded<unknown>, 'key' | 'name' | 'target'>): boolean {
    const failing = this.#failing.get(key);
    if (failing === undefined || failing.failures < this.#opensAfter) return false;
    const waitMs = failing.notBeforeMs - this.#clock.monotonicMs();
    if (failing.isTrying || waitMs > 0) throw refusal(name, target, failing, Math.max(0, Math.ceil(waitMs)));
    failing.isTrying = true;
    return true;
  }

  #ended(key: string, verdict: Verdict): void {
    if (verdict === 'well') this.#failing.delete(key);
    else if (verdict !== 'unknown') this.#failed(key, verdict.failed);
  }

  #failed(key: string, reason: string): void {
    const failing = this.#failing.get(key) ?? this.#first(key);
    failing.failures++;
    failing.reason = reason;
    const over = failing.failures - this.#opensAfter;
    if (over < 0) return;
    const pauseMs = Math.min(this.#longestPauseMs, this.#firstPauseMs * 2 ** Math.min(over, 10));
    failing.notBeforeMs = this.#clock.monotonicMs() + pauseMs;
  }

  #first(key: string): Failing {
    if (this.#failing.size >= MAX_FAILING) {
      const [oldest] = this.#failing.keys();
      if (oldest !== undefined) this.#failing.delete(oldest);
    }
    const failing: Failing = { failures: 0, notBeforeMs: 0, isTrying: false, reason: '' };
    this.#failing.set(key, failing);
    return failing;
  }
}

function refusal(name: string, target: string, { failures, reason }: Failing, retryAfterMs: number): PlatformError {
  const when =
    retryAfterMs === 0 ? 'is being tried again now' : `is tried again in ${Math.ceil(retryAfterMs / 1000)} s`;
  return new PlatformError(
    'TARGET_BREAKER_OPEN',
    `The ${name} failed ${failures} times in a row and ${when}; this call was not sent. Last failure: ${reason}`,
    { target, failures, retryAfterMs },
  );
}
