/** A clock that stands still until it is told to move; its timers run on the way. */

import type { Clock } from '../../src/core/ports.ts';

export interface FakeClock extends Clock {
  /** Moves wall and monotonic time together and runs what falls due. */
  readonly advance: (ms: number) => void;
  /** Moves wall time alone, as an administrator or NTP does. */
  readonly jumpWall: (ms: number) => void;
}

export function fakeClock(startMs = Date.UTC(2026, 10, 1)): FakeClock {
  let wallMs = startMs;
  let steadyMs = 5000;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  return {
    nowMs: () => wallMs,
    monotonicMs: () => steadyMs,
    after(delayMs, run) {
      const timer = { atMs: steadyMs + delayMs, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms) {
      wallMs += ms;
      steadyMs += ms;
      for (const timer of [...timers].sort((a, b) => a.atMs - b.atMs)) {
        if (timer.atMs > steadyMs || !timers.delete(timer)) continue;
        timer.run();
      }
    },
    jumpWall(ms) {
      wallMs += ms;
    },
  };
}
