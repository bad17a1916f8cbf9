/** How much a stdio server may write that is no message: a chatty one is bearable, one that never stops is not. */

import type { Clock } from '../core/ports.ts';

/** Lines that are dropped within one window before the server is ended. */
const MAX_LINES = 10_000;
const WINDOW_MS = 10_000;

/** Completes `target "x" …`. */
export const TOO_NOISY =
  `wrote ${MAX_LINES} lines within ${WINDOW_MS / 1_000} seconds that are no messages, and was ended. ` +
  'A stdio server writes messages alone on stdout: have it write its log to stderr, then call again.';

export class NoiseLimit {
  readonly #clock: Clock;
  #startMs = 0;
  #lines = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one line. @returns whether it is the one too many of its window. */
  isReached(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#lines === 0 || nowMs - this.#startMs > WINDOW_MS) {
      this.#startMs = nowMs;
      this.#lines = 0;
    }
    this.#lines++;
    return this.#lines === MAX_LINES;
  }
}
