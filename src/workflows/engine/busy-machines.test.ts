/** Machines that compute for long without an operation: others have their turn, and all of it can be stored. */

import { describe, expect, test } from 'vitest';
import { systemClock } from '../../adapters/embedded/system.ts';
import { textOf } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import { interpreterFile } from '../../entry/interpreter-file.ts';
import { aslKind } from '../asl/asl-kind.ts';
import { InterpreterThreads } from '../threads/interpreter-threads.ts';
import type { Opened } from './engine-for-test.ts';
import { ADA, endOf, withEngine } from './engine-for-test.ts';
import type { ExecutionDescription, HistoryEvent } from './workflow-engine.ts';

const BIG = 'x'.repeat(230_000);
const kind = aslKind({ runTask: async ({ input }) => input });

/** Goes round and round, making its data anew each time. */
const LOOP = (rounds: number, after: object): JsonValue =>
  ({
    StartAt: 'Make',
    States: {
      Make: {
        Type: 'Pass',
        Parameters: { 'x.$': '$.x', 'n.$': 'States.MathAdd($.n, 1)' },
        Next: 'Again',
      },
      Again: {
        Type: 'Choice',
        Choices: [{ Variable: '$.n', NumericLessThan: rounds, Next: 'Make' }],
        Default: 'After',
      },
      After: after,
      End: { Type: 'Pass', Parameters: { 'n.$': '$.n' }, End: true },
    },
  }) as unknown as JsonValue;

interface Ran {
  readonly ended: ExecutionDescription;
  /** Milliseconds for which nothing else ran. */
  readonly longest: number;
}

async function ran({ engine, clock }: Opened, definition: JsonValue, input: JsonValue): Promise<Ran> {
  await engine.register('team-x', { name: 'm', kind: 'asl', definition });
  let [last, longest] = [performance.now(), 0];
  const beats = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
    clock.advance(50);
  }, 5);
  const { id } = await engine.start(ADA, { workflow: 'm', name: 'run', input });
  const ended = await endOf(engine, id);
  clearInterval(beats);
  return { ended, longest };
}

async function historyOf({ engine }: Opened): Promise<readonly HistoryEvent[]> {
  const all: HistoryEvent[] = [];
  let page = await engine.history('team-x', 'm:run', { limit: 1000 });
  for (;;) {
    all.push(...page.items);
    if (page.cursor === undefined) return all;
    page = await engine.history('team-x', 'm:run', { limit: 1000, cursor: page.cursor });
  }
}

describe('a machine that goes round with large data', () => {
  test('lets others have their turn, and its history has the beginnings of what it cannot keep', async () => {
    await withEngine({ kinds: [kind] }, async (opened) => {
      const { ended, longest } = await ran(opened, LOOP(2000, { Type: 'Pass', Next: 'End' }), { n: 0, x: BIG });
      expect(ended).toMatchObject({ status: 'SUCCEEDED', output: { n: 2000 } });
      // In one go it takes a second or two.
      expect(longest).toBeLessThan(500);
      const events = await historyOf(opened);
      expect(events.map(({ id }) => id)).toEqual(events.map((_event, at) => at + 1));
      const inputs = events.filter(({ type }) => type === 'PassStateEntered').map(({ details }) => details);
      expect(inputs).toHaveLength(2002);
      const [first, late] = [inputs[0] ?? {}, inputs[1999] ?? {}];
      expect([textOf(first['input']).length, first['inputDetails']]).toEqual([230_014, { truncated: false }]);
      expect([textOf(late['input']).length, late['inputDetails']]).toEqual([1000, { truncated: true }]);
      expect(events.at(-1)?.type).toBe('ExecutionSucceeded');
    });
  });

  test('ends at the limit of events instead of taking all memory', async () => {
    await withEngine({ kinds: [kind] }, async (opened) => {
      const before = process.memoryUsage().rss;
      const { ended } = await ran(opened, LOOP(1_000_000, { Type: 'Pass', Next: 'End' }), { n: 0, x: BIG });
      expect(ended).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
      expect(ended.cause).toContain('25000');
      // What it tells is more than ten times as much.
      expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(500);
    });
  }, 60_000);

  test('is continued in a thread, where the replay of all that stops nobody', async () => {
    const threads = new InterpreterThreads({ file: interpreterFile(), clock: systemClock, max: 1 });
    const inThreads = aslKind({ runTask: async ({ input }) => input, threads });
    try {
      await withEngine({ kinds: [inThreads] }, async (opened) => {
        const definition = LOOP(1000, { Type: 'Wait', Seconds: 1, Next: 'End' });
        const { ended, longest } = await ran(opened, definition, { n: 0, x: BIG });
        expect(ended).toMatchObject({ status: 'SUCCEEDED', output: { n: 1000 } });
        expect(threads.size).toBe(1);
        expect(longest).toBeLessThan(500);
        const types = (await historyOf(opened)).map(({ type }) => type);
        expect(types.filter((type) => type === 'PassStateEntered')).toHaveLength(1001);
      });
    } finally {
      await threads.close();
    }
  });

  test('makes the same operations again after its process died', async () => {
    await withEngine({ kinds: [kind] }, async (opened) => {
      const { engine, again, clock } = opened;
      const definition = LOOP(300, { Type: 'Wait', Seconds: 10, Next: 'End' });
      await engine.register('team-x', { name: 'm', kind: 'asl', definition });
      await engine.start(ADA, { workflow: 'm', name: 'run', input: { n: 0, x: BIG } });
      await expect
        .poll(async () => (await historyOf(opened)).at(-1)?.type, { interval: 10, timeout: 10_000 })
        .toBe('WaitStateEntered');
      await engine.close();
      const second = again();
      await second.boot();
      clock.advance(10_000);
      const ended = await endOf(second, 'm:run');
      expect(ended).toMatchObject({ status: 'SUCCEEDED', output: { n: 300 } });
    });
  });
});

describe('what many lanes tell at once', () => {
  const pass = { Type: 'Pass', Result: 1, End: true };

  test.each([
    [
      'iterations',
      {
        Type: 'Map',
        ItemsPath: '$.items',
        ItemSelector: { 'x.$': '$.x' },
        ItemProcessor: { StartAt: 'P', States: { P: pass } },
      },
    ],
    [
      'branches',
      {
        Type: 'Parallel',
        Branches: Array.from({ length: 400 }, (_unused, at) => ({ StartAt: `P${at}`, States: { [`P${at}`]: pass } })),
      },
    ],
  ])('is stored, though it is more than one transaction holds: %s', async (_title, state) => {
    const definition = {
      StartAt: 'M',
      States: { M: { ...state, ResultPath: null, Next: 'End' }, End: { Type: 'Succeed' } },
    };
    await withEngine({ kinds: [kind] }, async (opened) => {
      const input = { x: BIG, items: Array.from({ length: 400 }, () => 1) };
      const { ended, longest } = await ran(opened, definition as unknown as JsonValue, input);
      expect(ended.status).toBe('SUCCEEDED');
      expect(longest).toBeLessThan(500);
      const types = (await historyOf(opened)).map(({ type }) => type);
      expect(types.filter((type) => type === 'PassStateExited')).toHaveLength(400);
    });
  });
});
