/** Decides when a server that fails is gone, so that the next call opens a conversation and meets the breaker. */

import { PlatformError } from '../../core/errors.ts';

/** Failures in a row that mean more than bad luck with one request. */
const ENOUGH = 3;

/** Nobody accepts connections: one of these is enough. */
const NOBODY_THERE: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH']);

export class Reachability {
  #failures = 0;

  /** Any answer that the server itself gave. */
  answered(): void {
    this.#failures = 0;
  }

  /** @returns whether the server counts as gone from now on. */
  failed(error: unknown): boolean {
    if (!(error instanceof PlatformError)) return false;
    const { code, details } = error;
    if (code !== 'TARGET_UNAVAILABLE' && code !== 'TARGET_TIMEOUT') return false;
    const status = details['status'];
    if (typeof status === 'number' && status < 500) {
      this.#failures = 0;
      return false;
    }
    this.#failures++;
    return this.#failures >= ENOUGH || NOBODY_THERE.has(details['cause']);
  }

  /** A request was given up because its time was over. */
  timedOut(): boolean {
    this.#failures++;
    return this.#failures >= ENOUGH;
  }
}
