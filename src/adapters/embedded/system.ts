/** The clock and the ids of a real machine, and the event port of one process. */

import { randomUUID } from 'node:crypto';
import type { Clock, EventPort, IdSource, Logger, PlatformEvent } from '../../core/ports.ts';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export const systemIds: IdSource = { uuid: () => randomUUID() };

/** Hands events to its listeners at once; one that throws is logged and disturbs nobody. */
export function createEventPort(log: Logger): EventPort {
  const listeners = new Set<(event: PlatformEvent) => void>();
  return {
    get isHeard() {
      return listeners.size > 0;
    },
    emit: (event) => {
      for (const listener of listeners) {
        try {
          listener(event);
        } catch (error) {
          log.log('error', 'event-listener-failed', { reason: String(error) });
        }
      }
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
