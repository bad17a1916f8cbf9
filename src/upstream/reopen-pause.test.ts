import { expect, test } from 'vitest';
import { fakeClock } from '../../tests/contract/fake-clock.ts';
import { ReopenPause } from './reopen-pause.ts';

const latest = (): number => 1;

test('pauses double up to a minute while streams end at once or do not open', () => {
  const clock = fakeClock();
  const pause = new ReopenPause(clock, latest);
  const pauses = Array.from({ length: 9 }, (_, round) => {
    if (round % 2 === 0) pause.opened();
    clock.advance(4_999);
    return pause.next();
  });
  expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test('a stream that was open for five seconds, or was of use, begins them anew', () => {
  const clock = fakeClock();
  const pause = new ReopenPause(clock, latest);
  const tired = (): number => [pause.next(), pause.next(), pause.next(), pause.next()].at(-1) ?? 0;
  expect(tired()).toBe(8_000);
  pause.opened();
  clock.advance(5_000);
  expect(tired()).toBe(8_000);
  pause.opened();
  pause.used();
  expect(tired()).toBe(8_000);
  // One that does not open has not lasted, however long that took.
  clock.advance(60_000);
  expect(pause.next()).toBe(16_000);
});

test('clients of one server are spread over half of the pause', () => {
  const clock = fakeClock();
  expect([0, 0.5, 0.999].map((chance) => new ReopenPause(clock, () => chance).next())).toEqual([500, 750, 999.5]);
});
