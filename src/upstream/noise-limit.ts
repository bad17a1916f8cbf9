/** How much a server may send that is no message: a chatty one is bearable, one that never stops is not. */

import type { Clock } from '../core/ports.ts';

/** Texts that are dropped within one window before the conversation is ended. */
const MAX_DROPPED = 10_000;
const WINDOW_MS = 10_000;

const SO_MUCH = `${MAX_DROPPED} lines within ${WINDOW_MS / 1_000} seconds that are no messages`;

/** Completes `target "x" …`, of a server that is a child process. */
export const CHILD_TOO_NOISY = `wrote ${SO_MUCH}, and was ended. A stdio server writes messages alone on stdout: have it write its log to stderr, then call again.`;

/** Completes `target "x" …`, of a server elsewhere. */
export const REMOTE_TOO_NOISY = `sent ${SO_MUCH}, and the conversation was ended. Check that its URL leads to an MCP server, then call again.`;

export class NoiseLimit {
  readonly #clock: Clock;
  #startMs = 0;
  #dropped = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one text. @returns whether it is the one too many of its window. */
  isReached(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#dropped === 0 || nowMs - this.#startMs > WINDOW_MS) {
      this.#startMs = nowMs;
      this.#dropped = 0;
    }
    this.#dropped++;
    return this.#dropped === MAX_DROPPED;
  }
}
