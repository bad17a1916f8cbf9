import { expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { LambdaClock } from './lambda-clock.ts';

test('between invocations a freeze counts as no time: nothing is late after the thaw', () => {
  const machine = fakeClock();
  const clock = new LambdaClock(machine);
  const fired: string[] = [];
  clock.enter();
  clock.after(5_000, () => fired.push('ping'));
  clock.after(20_000, () => fired.push('idle'));
  machine.advance(1_000);
  clock.leave();
  const beforeMs = clock.monotonicMs();
  machine.advance(3_600_000);
  expect(fired).toEqual([]);
  expect(clock.monotonicMs()).toBe(beforeMs);
  clock.enter();
  machine.advance(3_990);
  expect(fired).toEqual([]);
  machine.advance(20);
  expect(fired).toEqual(['ping']);
  machine.advance(15_000);
  expect(fired).toEqual(['ping', 'idle']);
  expect(clock.nowMs()).toBe(machine.nowMs());
});

test('without a freeze timers fire between invocations too', () => {
  const machine = fakeClock();
  const clock = new LambdaClock(machine);
  const fired: number[] = [];
  clock.after(100, () => fired.push(100));
  clock.after(60_000, () => fired.push(60_000));
  machine.advance(100);
  expect(fired).toEqual([100]);
  // Small steps are what a process that runs would see.
  for (let i = 0; i < 60; i++) machine.advance(1_000);
  expect(fired).toEqual([100, 60_000]);
});

test("during an invocation time is the machine's, however late a timer is", () => {
  const machine = fakeClock();
  const clock = new LambdaClock(machine);
  let fired = 0;
  clock.enter();
  clock.after(1_000, () => fired++);
  machine.advance(30_000);
  expect(fired).toBe(1);
  clock.leave();
});

test('a cancelled timer does not fire, and one for ever is no timer', () => {
  const machine = fakeClock();
  const clock = new LambdaClock(machine);
  let fired = 0;
  clock.after(10, () => fired++)();
  clock.after(Number.POSITIVE_INFINITY, () => fired++)();
  machine.advance(1_000);
  expect(fired).toBe(0);
});
