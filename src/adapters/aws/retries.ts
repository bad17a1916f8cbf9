/** Repeats of what AWS refused for being too busy, with pauses that grow and differ from caller to caller. */

import type { Clock } from '../../core/ports.ts';

export interface Retries {
  readonly clock: Clock;
  /** At least 0 and below 1. */
  readonly random: () => number;
  /** Calls in all. */
  readonly attempts: number;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 20_000;

/** @param mayRepeat - Asked with what was thrown; anything else is thrown on at once. */
export async function withRetries<Result>(
  retries: Retries,
  run: () => Promise<Result>,
  mayRepeat: (error: unknown) => boolean,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt >= retries.attempts || !mayRepeat(error)) throw error;
      const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
      // Anywhere below the longest pause: callers that were refused together must not come back together.
      await pause(retries.clock, Math.ceil(longest * retries.random()));
    }
  }
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}

/** Runs `work` over all items, a few at a time, and keeps their order. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index] as Item;
      results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
