/** Waiting for a store that is full or away, instead of doing again what only could not be written down. */

import { toPlatformError } from '../../core/errors.ts';
import type { Clock, Logger } from '../../core/ports.ts';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;

/** Calls back after `delayMs` on `clock`. */
export function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}

/**
 * Tries `body` until it works, for as long as the store's errors say that it may yet.
 *
 * @throws what `body` throws, once `isWanted` says no or another try cannot help.
 */
export async function patiently<T>(
  body: () => Promise<T>,
  { clock, log, isWanted }: { readonly clock: Clock; readonly log: Logger; readonly isWanted: () => boolean },
): Promise<T> {
  for (let delayMs = FIRST_PAUSE_MS; ; delayMs = Math.min(MAX_PAUSE_MS, delayMs * 2)) {
    try {
      return await body();
    } catch (thrown) {
      const error = toPlatformError(thrown);
      if (!error.retryable || !isWanted()) throw thrown;
      log.log('warn', 'workflow-store-waits', { code: error.code, delayMs });
      await pause(clock, delayMs);
      if (!isWanted()) throw thrown;
    }
  }
}
