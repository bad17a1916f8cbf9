/** Whether, and after how long, a state that failed is tried again. */

import { createHash } from 'node:crypto';
import type { Catcher, Retrier } from './machine.ts';
import { namesError } from './states-error.ts';
import type { StatesError } from './states-error.ts';

/** Counts the retries of one visit of a state, each retrier for itself. */
export class Retries {
  readonly #retriers: readonly Retrier[];
  readonly #used: number[];

  constructor(retriers: readonly Retrier[]) {
    this.#retriers = retriers;
    this.#used = retriers.map(() => 0);
  }

  /**
   * The first retrier that names the error decides.
   *
   * @param seed - Decides the jitter; the same for every replay of this attempt.
   * @returns whole seconds to wait, or `undefined` when the error is not retried (any more).
   */
  secondsUntilNext(failure: StatesError, seed: string): number | undefined {
    const index = this.#retriers.findIndex((retrier) => namesError(retrier.errorEquals, failure.error));
    const retrier = this.#retriers[index];
    const used = this.#used[index] ?? 0;
    if (retrier === undefined || used >= retrier.maxAttempts) return undefined;
    this.#used[index] = used + 1;
    const grown = retrier.intervalSeconds * retrier.backoffRate ** used;
    const delay = Math.min(grown, retrier.maxDelaySeconds);
    // Durable waits last whole seconds.
    return Math.ceil(retrier.hasJitter ? delay * share(seed) : delay);
  }
}

/** A number from 0 to 1 that follows from the attempt, so that no operation has to record it. */
function share(seed: string): number {
  return createHash('sha256').update(seed).digest().readUInt32BE() / 0xff_ff_ff_ff;
}

export function catcherFor(catchers: readonly Catcher[], failure: StatesError): Catcher | undefined {
  return catchers.find((catcher) => namesError(catcher.errorEquals, failure.error));
}
