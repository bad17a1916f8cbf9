/**
 * Waiting for a store that is full or away. That something cannot be written down is no failure of a job: it stands still
 * where it is, and goes on when there is room.
 */

import { PlatformError } from '../core/errors.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { pause } from '../workflows/durable/patience.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export interface PatienceParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether anybody still wants it done. */
  readonly isWanted: () => boolean;
}

/** Repeats `body`, which may be begun any number of times, while the store says that it may work later. */
export async function untilStored<T>(body: () => Promise<T>, { clock, log, isWanted }: PatienceParts): Promise<T> {
  for (let delayMs = FIRST_PAUSE_MS; ; delayMs = Math.min(LONGEST_PAUSE_MS, delayMs * 2)) {
    try {
      return await body();
    } catch (thrown) {
      if (!isOfStore(thrown) || !isWanted()) throw thrown;
      log.log('warn', 'job-waits-for-store', { code: thrown.code, delayMs });
      await pause(clock, delayMs);
      if (!isWanted()) throw thrown;
    }
  }
}

function isOfStore(thrown: unknown): thrown is PlatformError {
  return thrown instanceof PlatformError && (thrown.code === 'STORE_FULL' || thrown.code === 'STORE_UNAVAILABLE');
}
