/**
 * Time in a process that Lambda freezes between invocations. Timers that were due meanwhile fire all at once after
 * the thaw, before any child had a chance to answer; here such a gap counts as no time at all. Real time goes on
 * while an invocation runs, and while nothing was frozen.
 */

import type { Clock } from '../../core/ports.ts';

/** The time of the machine, passed in so that a freeze can be played. */
export interface MachineTime {
  nowMs(): number;
  monotonicMs(): number;
  /** As `setTimeout`, without keeping the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

export const MACHINE: MachineTime = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, Math.min(delayMs, 2_147_483_647));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A timer this late was not delayed by work: the process stood still. */
const FROZEN_MS = 1_000;

interface Timer {
  /** On the adjusted time. */
  readonly atMs: number;
  readonly run: () => void;
  cancel: () => void;
}

export class LambdaClock implements Clock {
  readonly #machine: MachineTime;
  readonly #timers = new Set<Timer>();
  /** Milliseconds of all gaps so far. */
  #frozenMs = 0;
  /** Machine time at which this process was last seen at work. */
  #seenMs: number;
  #running = 0;

  constructor(machine: MachineTime = MACHINE) {
    this.#machine = machine;
    this.#seenMs = machine.monotonicMs();
  }

  nowMs(): number {
    return this.#machine.nowMs();
  }

  monotonicMs(): number {
    const nowMs = this.#machine.monotonicMs();
    this.#notice(nowMs);
    return nowMs - this.#frozenMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer: Timer = { atMs: this.monotonicMs() + delayMs, run, cancel: () => undefined };
    this.#timers.add(timer);
    if (Number.isFinite(delayMs)) this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  /** An invocation begins: until it ends, time is the machine's. */
  enter(): void {
    this.#notice(this.#machine.monotonicMs());
    this.#running++;
  }

  leave(): void {
    this.#notice(this.#machine.monotonicMs());
    this.#running--;
  }

  #arm(timer: Timer): void {
    const leftMs = timer.atMs - (this.#machine.monotonicMs() - this.#frozenMs);
    timer.cancel = this.#machine.after(Math.max(0, leftMs), () => {
      // A timer may fire a fraction of a millisecond early.
      if (timer.atMs > this.monotonicMs() + 1) {
        this.#arm(timer);
        return;
      }
      if (this.#timers.delete(timer)) timer.run();
    });
  }

  /** Between invocations a timer that is long overdue tells that the process was frozen since it was last seen. */
  #notice(nowMs: number): void {
    if (this.#running === 0) {
      let dueMs = Number.POSITIVE_INFINITY;
      for (const timer of this.#timers) dueMs = Math.min(dueMs, timer.atMs);
      if (nowMs - this.#frozenMs - dueMs > FROZEN_MS) this.#frozenMs += nowMs - this.#seenMs;
    }
    this.#seenMs = nowMs;
  }
}
