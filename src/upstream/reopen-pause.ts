/** How long to leave a server alone whose stream has ended or could not be opened, before it is opened again. */

import type { Clock } from '../core/ports.ts';

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
/** A stream that was open for this long ended for a reason of its own: a restart, or a host that ends every answer in time. */
const LASTED_MS = 5_000;

/** Grows with each stream that ends soon after it was opened, or does not open at all, and begins anew after one that lasted. */
export class ReopenPause {
  readonly #clock: Clock;
  readonly #random: () => number;
  #pauseMs = FIRST_MS;
  #openedMs = Number.POSITIVE_INFINITY;

  /** @param random - At least 0 and below 1; spreads the clients of a server that starts again. */
  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The stream is open from now on. */
  opened(): void {
    this.#openedMs = this.#clock.monotonicMs();
  }

  /** However soon it ends, the stream was of use. */
  used(): void {
    this.#pauseMs = FIRST_MS;
  }

  /** @returns milliseconds, between half of the pause and all of it. */
  next(): number {
    if (this.#clock.monotonicMs() - this.#openedMs >= LASTED_MS) this.#pauseMs = FIRST_MS;
    this.#openedMs = Number.POSITIVE_INFINITY;
    const pauseMs = this.#pauseMs * (0.5 + this.#random() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_MS);
    return pauseMs;
  }
}
