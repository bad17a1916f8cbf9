import { expect, test } from 'vitest';
import { fakeClock } from '../../tests/contract/fake-clock.ts';
import { CircuitBreaker, type Guarded } from './circuit-breaker.ts';
import { PlatformError } from './errors.ts';

const guarded = (key = 'team-x\ncrm'): Guarded<string> => ({
  key,
  name: 'function "crm"',
  target: 'crm',
  judgeResult: (result) => (result === 'late' ? { failed: 'it was late' } : 'well'),
  judgeError: (thrown) => (thrown instanceof PlatformError ? 'unknown' : { failed: (thrown as Error).message }),
});

function setUp() {
  const clock = fakeClock();
  const breaker = new CircuitBreaker({ clock });
  const run = (result: string, key?: string): Promise<string> =>
    breaker.run(guarded(key), () => Promise.resolve(result));
  const fail = async (times: number, key?: string): Promise<void> => {
    for (let at = 0; at < times; at++) await run('late', key);
  };
  return { clock, breaker, run, fail };
}

const open = { code: 'TARGET_BREAKER_OPEN' };

test('the fifth failure in a row opens it, whether an answer or an error tells of it', async () => {
  const { breaker, run, fail } = setUp();
  await fail(4);
  await expect(breaker.run(guarded(), () => Promise.reject(new Error('gone')))).rejects.toThrow('gone');
  await expect(run('well')).rejects.toMatchObject({
    ...open,
    message:
      'The function "crm" failed 5 times in a row and is tried again in 10 s; this call was not sent. Last failure: gone',
    details: { target: 'crm', failures: 5, retryAfterMs: 10_000 },
  });
});

test('one success in between begins the count anew', async () => {
  const { breaker, run, fail } = setUp();
  await fail(4);
  await run('well');
  expect(breaker.failuresOf(guarded().key)).toBe(0);
  await fail(4);
  expect(await run('well')).toBe('well');
});

test('an attempt that says nothing about the thing neither counts nor mends', async () => {
  const { breaker, run, fail } = setUp();
  const left = () => breaker.run(guarded(), () => Promise.reject(new PlatformError('CALL_CANCELLED', 'left')));
  await fail(4);
  await expect(left()).rejects.toThrow('left');
  expect(breaker.failuresOf(guarded().key)).toBe(4);
  await fail(1);
  await expect(run('well')).rejects.toMatchObject(open);
});

test('while it is open one attempt at a time finds out, and its success closes it', async () => {
  const { clock, breaker, run, fail } = setUp();
  await fail(5);
  clock.advance(10_000);
  let answer: (text: string) => void = () => undefined;
  const probe = breaker.run(guarded(), () => new Promise<string>((resolve) => (answer = resolve)));
  await expect(run('well')).rejects.toMatchObject({
    ...open,
    message: expect.stringContaining('is being tried again now'),
  });
  answer('well');
  expect(await probe).toBe('well');
  expect(await Promise.all([run('a'), run('b')])).toEqual(['a', 'b']);
});

test('a probe that says nothing lets the next one find out', async () => {
  const { clock, breaker, run, fail } = setUp();
  await fail(5);
  clock.advance(10_000);
  await expect(
    breaker.run(guarded(), () => Promise.reject(new PlatformError('CALL_CANCELLED', 'left'))),
  ).rejects.toThrow('left');
  expect(await run('well')).toBe('well');
});

test('each failed probe doubles the pause, up to 30 s, so a recovery is noticed within that', async () => {
  const { clock, run, fail } = setUp();
  await fail(5);
  for (const pauseMs of [10_000, 20_000, 30_000, 30_000]) {
    clock.advance(pauseMs - 1);
    await expect(run('well')).rejects.toMatchObject(open);
    clock.advance(1);
    await run('late');
  }
});

test('things are apart from each other', async () => {
  const { run, fail } = setUp();
  await fail(5, 'team-x\ncrm');
  expect(await run('well', 'team-y\ncrm')).toBe('well');
});
