import { expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import type { Clock, Logger, StoreRoot } from '../../core/ports.ts';
import { Schedule, type Scheduled } from './schedule.ts';
import { TIMERS, timeText } from './tables.ts';

const log: Logger = { log: () => undefined, with: () => log };

interface Planned {
  readonly schedule: Schedule;
  readonly seen: readonly string[];
  /** Moves on and lets what has begun come to its end. */
  readonly advance: (ms: number) => Promise<void>;
  readonly wait: (id: string, inMs: number) => Promise<void>;
  /** The next looks at the clock find it so much earlier. */
  readonly lag: (...ms: readonly number[]) => void;
}

async function planned(run: (at: Planned) => Promise<void>): Promise<void> {
  const steady = fakeClock();
  const told: number[] = [];
  const clock: Clock = { ...steady, nowMs: () => steady.nowMs() - (told.shift() ?? 0) };
  const store: StoreRoot = await openMemoryStore({ clock: steady });
  const table = store.store('team-x').table(TIMERS);
  const seen: string[] = [];
  const onDue = async ({ id }: Scheduled): Promise<void> => {
    seen.push(id);
    await table.delete({ execution: id });
  };
  const schedule = new Schedule({ store, clock, log, onDue });
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
  try {
    await run({
      schedule,
      seen,
      advance: async (ms) => {
        steady.advance(ms);
        await settle();
      },
      wait: async (id, inMs) => {
        const atMs = steady.nowMs() + inMs;
        await table.put({ execution: id, tenant: 'team-x', bucket: 'waiting', at: timeText(atMs), sequence: 1 });
        schedule.expect(atMs);
      },
      lag: (...ms) => void told.push(...ms),
    });
  } finally {
    schedule.stop();
    await store.close();
  }
}

test('what is due is handed out at its time, and nothing before', () =>
  planned(async ({ seen, advance, wait }) => {
    await wait('late', 5_000);
    await wait('soon', 2_000);
    await advance(1_999);
    expect(seen).toEqual([]);
    await advance(1);
    expect(seen).toEqual(['soon']);
    await advance(3_000);
    expect(seen).toEqual(['soon', 'late']);
  }));

test('a timer that fires a moment too early loses nothing, though the time comes while it looks', () =>
  planned(async ({ seen, advance, wait, lag }) => {
    await wait('only', 2_000);
    lag(1, 1);
    await advance(2_000);
    await advance(1);
    expect(seen).toEqual(['only']);
  }));

test('what comes due while others are handed out follows at once', () =>
  planned(async ({ seen, advance, wait, lag }) => {
    await wait('first', 2_000);
    await wait('second', 2_001);
    lag(1, 1);
    await advance(2_001);
    await advance(1);
    expect(seen).toEqual(['first', 'second']);
  }));
