/**
 * When a server that keeps failing may be started again: a growing pause after each failure, and after five in a
 * row a breaker that answers at once and lets one attempt through from time to time.
 */

import type { Clock } from '../core/ports.ts';
import { PlatformError } from '../core/errors.ts';

export interface StartGateOptions {
  /** Name of the target, for error messages. */
  readonly target: string;
  readonly clock: Clock;
  /** Pause after the first failure; each further one doubles it. @default 100 */
  readonly firstPauseMs?: number;
  /** Failures in a row that open the breaker. @default 5 */
  readonly breaksAfter?: number;
  /** Pause between attempts while the breaker is open, at first and at most. @default [10000, 30000] */
  readonly openPausesMs?: readonly [number, number];
}

export class StartGate {
  readonly #options: StartGateOptions;
  readonly #firstPauseMs: number;
  readonly #breaksAfter: number;
  readonly #openPausesMs: readonly [number, number];
  #failures = 0;
  #notBeforeMs = 0;
  #trying = false;
  #reason = '';

  constructor(options: StartGateOptions) {
    this.#options = options;
    this.#firstPauseMs = options.firstPauseMs ?? 100;
    this.#breaksAfter = options.breaksAfter ?? 5;
    this.#openPausesMs = options.openPausesMs ?? [10_000, 30_000];
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Why the last attempt failed; empty when the server is well. */
  get reason(): string {
    return this.#failures === 0 ? '' : this.#reason;
  }

  get isOpen(): boolean {
    return this.#failures >= this.#breaksAfter;
  }

  /** Milliseconds until the next attempt is allowed. */
  get pauseMs(): number {
    return Math.max(0, this.#notBeforeMs - this.#options.clock.monotonicMs());
  }

  /**
   * Waits out the pause, then permits one attempt, whose end is told by {@link left}.
   *
   * @throws PlatformError `TARGET_BREAKER_OPEN` at once while the breaker is open and it is not yet time to try.
   */
  async enter(): Promise<void> {
    if (this.isOpen) {
      if (this.#trying || this.pauseMs > 0) throw this.#refusal();
      this.#trying = true;
      return;
    }
    const pauseMs = this.pauseMs;
    if (pauseMs === 0) return;
    await new Promise<void>((resolve) => this.#options.clock.after(pauseMs, resolve));
    await this.enter();
  }

  /** The attempt that {@link enter} permitted is over, one way or the other. */
  left(): void {
    this.#trying = false;
  }

  failed(error: Error): void {
    this.#failures++;
    this.#reason = error.message;
    const over = this.#failures - this.#breaksAfter;
    const [first, most] = this.#openPausesMs;
    const pauseMs =
      over < 0
        ? Math.min(10_000, this.#firstPauseMs * 2 ** (this.#failures - 1))
        : Math.min(most, first * 2 ** Math.min(over, 10));
    this.#notBeforeMs = this.#options.clock.monotonicMs() + pauseMs;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#notBeforeMs = 0;
  }

  #refusal(): PlatformError {
    const { target } = this.#options;
    const retryAfterMs = Math.ceil(this.pauseMs);
    return new PlatformError(
      'TARGET_BREAKER_OPEN',
      `target "${target}" failed ${this.#failures} times in a row and is tried again in ${Math.ceil(retryAfterMs / 1000)} s. Last failure: ${this.#reason}`,
      { target, failures: this.#failures, retryAfterMs },
    );
  }
}
