/** State machines on the embedded engine: what both halves must do together. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../adapters/embedded/system.ts';
import type { JsonValue } from '../../core/ports.ts';
import { interpreterFile } from '../../entry/interpreter-file.ts';
import type { TaskCall } from '../asl/asl-host.ts';
import { aslKind } from '../asl/asl-kind.ts';
import { TaskError } from '../asl/states-error.ts';
import { InterpreterThreads } from '../threads/interpreter-threads.ts';
import { JOURNAL, textAt } from '../durable/tables.ts';
import { ADA, endOf, turn, withEngine } from './engine-for-test.ts';

type Functions = Readonly<Record<string, (call: TaskCall) => JsonValue | Promise<JsonValue>>>;

let threads: InterpreterThreads | undefined;
afterAll(() => threads?.close());

function kindOf(functions: Functions, calls: string[] = []) {
  return aslKind({
    threads,
    isForThreads: () => true,
    runTask: async (call) => {
      calls.push(call.functionName);
      const run = functions[call.functionName];
      if (run === undefined) throw new TaskError('Lambda.ResourceNotFoundException', call.functionName);
      return run(call);
    },
  });
}

const task = (name: string, more: object): JsonValue =>
  ({
    Type: 'Task',
    Resource: name,
    TimeoutSeconds: 60,
    ...more,
  }) as JsonValue;

describe.each([{ place: 'this thread' }, { place: 'another thread' }])('a machine in $place', ({ place }) => {
  beforeAll(async () => {
    if (place === 'this thread') return;
    threads = new InterpreterThreads({ file: interpreterFile(), clock: systemClock, max: 1 });
    // A start takes longer than the turns below.
    await withEngine({ kinds: [kindOf({})] }, async ({ engine }) => {
      const definition = { StartAt: 'Done', States: { Done: { Type: 'Succeed' } } };
      await engine.register('team-x', { name: 'warm', kind: 'asl', definition });
      await endOf(engine, (await engine.start(ADA, { workflow: 'warm' })).id);
    });
  });

  test('runs, waits, asks for a token and goes on after a restart, with its history told once', async () => {
    const tokens: string[] = [];
    const calls: string[] = [];
    const kind = kindOf({ make: () => ({ id: 7 }), ask: ({ taskToken = '' }) => tokens.push(taskToken) }, calls);
    const definition = {
      StartAt: 'Make',
      States: {
        Make: task('make', { ResultPath: '$.made', Next: 'Nap' }),
        Nap: { Type: 'Wait', Seconds: 100, Next: 'Ask' },
        Ask: {
          Type: 'Task',
          Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
          Parameters: { FunctionName: 'ask', Payload: { 'token.$': '$$.Task.Token' } },
          TimeoutSeconds: 600,
          ResultPath: '$.answer',
          End: true,
        },
      },
    };
    await withEngine({ kinds: [kind] }, async ({ engine, clock, again }) => {
      await engine.register('team-x', { name: 'm', kind: 'asl', definition: definition as unknown as JsonValue });
      const { id } = await engine.start(ADA, { workflow: 'm', input: { a: 1 } });
      await turn(60);
      await engine.close();
      const second = again();
      await second.boot();
      clock.advance(100_000);
      await expect.poll(() => tokens.length, { interval: 2, timeout: 10_000 }).toBe(1);
      await turn(60);
      await second.close();
      const third = again();
      await third.boot();
      await third.sendTaskSuccess('team-x', tokens[0] ?? '', 'yes');
      expect(await endOf(third, id)).toMatchObject({
        status: 'SUCCEEDED',
        output: { a: 1, made: { id: 7 }, answer: 'yes' },
      });
      expect(calls).toEqual(['make', 'ask']);
      const { items } = await third.history('team-x', id, { limit: 1000 });
      const types = items.map(({ type }) => type);
      expect(items.map((event) => event.id)).toEqual(items.map((_event, at) => at + 1));
      for (const type of ['TaskStateEntered', 'TaskStateExited'])
        expect(types.filter((each) => each === type)).toHaveLength(2);
      for (const type of ['ExecutionStarted', 'WaitStateEntered', 'WaitStateExited', 'ExecutionSucceeded'])
        expect(types.filter((each) => each === type)).toHaveLength(1);
    });
  });

  test('that failed is redriven from the state that failed, also inside a branch, and repeats no other', async () => {
    const calls: string[] = [];
    let isWell = false;
    const kind = kindOf(
      {
        a: () => 'a',
        b: () => 'b',
        c: () => {
          if (!isWell) throw new TaskError('Sick', 'not well');
          return 'c';
        },
        d: () => 'd',
      },
      calls,
    );
    const branch = (...names: string[]) => ({
      StartAt: names[0],
      States: Object.fromEntries(
        names.map((name, at) => [
          name,
          task(name, names[at + 1] === undefined ? { End: true } : { Next: names[at + 1] }),
        ]),
      ),
    });
    const definition = {
      StartAt: 'First',
      States: {
        First: task('a', { Next: 'Both' }),
        Both: { Type: 'Parallel', Branches: [branch('b'), branch('d', 'c')], End: true },
      },
    };
    await withEngine({ kinds: [kind] }, async ({ engine }) => {
      await engine.register('team-x', { name: 'm', kind: 'asl', definition: definition as unknown as JsonValue });
      const { id } = await engine.start(ADA, { workflow: 'm' });
      expect(await endOf(engine, id)).toMatchObject({ status: 'FAILED', error: 'Sick', cause: 'not well' });
      expect(calls.toSorted()).toEqual(['a', 'b', 'c', 'd']);
      calls.length = 0;
      await engine.redrive('team-x', id);
      expect(await endOf(engine, id)).toMatchObject({ status: 'FAILED', error: 'Sick' });
      expect(calls).toEqual(['c']);
      isWell = true;
      calls.length = 0;
      await engine.redrive('team-x', id);
      expect(await endOf(engine, id)).toMatchObject({ status: 'SUCCEEDED', output: ['b', ['c']].flat() });
      expect(calls).toEqual(['c']);
      const { items } = await engine.history('team-x', id, { limit: 1000 });
      expect(items.filter(({ type }) => type === 'ExecutionRedriven')).toHaveLength(2);
      expect(items.at(-1)?.type).toBe('ExecutionSucceeded');
    });
  });

  test('that is redriven tells all that the second attempt does, also inside a Parallel and beside it', async () => {
    let isWell = false;
    let isReached = false;
    const kind = kindOf({
      quick: () => 'q',
      sick: async () => {
        await expect.poll(() => isReached, { interval: 1, timeout: 10_000 }).toBe(true);
        if (!isWell) throw new TaskError('Sick', 'not well');
        return 's';
      },
      slow: ({ signal }) => {
        isReached = true;
        return isWell
          ? 'w'
          : new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('x'))));
      },
    });
    const branch = (name: string) => ({ StartAt: name, States: { [name]: task(name, { End: true }) } });
    const definition = {
      StartAt: 'Both',
      States: { Both: { Type: 'Parallel', Branches: [branch('quick'), branch('slow'), branch('sick')], End: true } },
    };
    await withEngine({ kinds: [kind] }, async ({ engine }) => {
      await engine.register('team-x', { name: 'm', kind: 'asl', definition: definition as unknown as JsonValue });
      const { id } = await engine.start(ADA, { workflow: 'm' });
      await endOf(engine, id);
      const toldSince = async (after: number): Promise<readonly string[]> => {
        const { items } = await engine.history('team-x', id, { limit: 1000 });
        return items.slice(after).map(({ type, details }) => {
          const name = details?.['name'];
          return typeof name === 'string' ? `${type} ${name}` : type;
        });
      };
      const first = await toldSince(0);
      expect(first.slice(-2)).toEqual(['ParallelStateFailed', 'ExecutionFailed']);
      isReached = false;
      await engine.redrive('team-x', id);
      await endOf(engine, id);
      const visit = (name: string, ...more: readonly string[]): readonly string[] => [
        `TaskStateEntered ${name}`,
        'LambdaFunctionScheduled',
        'LambdaFunctionStarted',
        ...more,
      ];
      const second = await toldSince(first.length);
      expect(second.toSorted()).toEqual(
        [
          'ExecutionRedriven',
          ...visit('slow'),
          ...visit('sick', 'LambdaFunctionFailed'),
          'ParallelStateFailed',
          'ExecutionFailed',
        ].toSorted(),
      );
      expect([second[0], ...second.slice(-2)]).toEqual(['ExecutionRedriven', 'ParallelStateFailed', 'ExecutionFailed']);
      isWell = true;
      await engine.redrive('team-x', id);
      expect(await endOf(engine, id)).toMatchObject({ status: 'SUCCEEDED', output: ['q', 'w', 's'] });
      const third = await toldSince(first.length + second.length);
      expect(third.toSorted()).toEqual(
        [
          'ExecutionRedriven',
          ...visit('slow', 'LambdaFunctionSucceeded', 'TaskStateExited slow'),
          ...visit('sick', 'LambdaFunctionSucceeded', 'TaskStateExited sick'),
          'ParallelStateSucceeded',
          'ParallelStateExited Both',
          'ExecutionSucceeded',
        ].toSorted(),
      );
    });
  });

  test('that is redriven tells again of the iterations that it makes again, and of no other', async () => {
    let isWell = false;
    const kind = kindOf({
      make: ({ input }) => {
        if (input === 'bad' && !isWell) throw new TaskError('Sick', 'not well');
        return input;
      },
    });
    const definition = {
      StartAt: 'Each',
      States: {
        Each: {
          Type: 'Map',
          MaxConcurrency: 1,
          ItemProcessor: { StartAt: 'Make', States: { Make: task('make', { End: true }) } },
          End: true,
        },
      },
    };
    await withEngine({ kinds: [kind] }, async ({ engine }) => {
      await engine.register('team-x', { name: 'm', kind: 'asl', definition: definition as unknown as JsonValue });
      const { id } = await engine.start(ADA, { workflow: 'm', input: ['good', 'bad', 'last'] });
      const told = async (): Promise<readonly string[]> => {
        const { items } = await engine.history('team-x', id, { limit: 1000 });
        return items.map(({ type, details }) => {
          const at = details?.['index'] ?? details?.['name'];
          return at === undefined ? type : `${type} ${String(at as string | number)}`;
        });
      };
      const make = (at: number, ...end: readonly string[]): readonly string[] => [
        `MapIterationStarted ${at}`,
        'TaskStateEntered Make',
        'LambdaFunctionScheduled',
        'LambdaFunctionStarted',
        ...end,
      ];
      const good = (at: number): readonly string[] =>
        make(at, 'LambdaFunctionSucceeded', 'TaskStateExited Make', `MapIterationSucceeded ${at}`);
      const failed = [...make(1, 'LambdaFunctionFailed', 'MapIterationFailed 1'), 'MapStateFailed', 'ExecutionFailed'];
      const expected = ['ExecutionStarted', 'MapStateEntered Each', 'MapStateStarted', ...good(0), ...failed];
      await endOf(engine, id);
      expect(await told()).toEqual(expected);
      await engine.redrive('team-x', id);
      await endOf(engine, id);
      expected.push('ExecutionRedriven', ...failed);
      expect(await told()).toEqual(expected);
      isWell = true;
      await engine.redrive('team-x', id);
      await endOf(engine, id);
      expected.push('ExecutionRedriven', ...good(1), ...good(2));
      expected.push('MapStateSucceeded', 'MapStateExited Each', 'ExecutionSucceeded');
      expect(await told()).toEqual(expected);
    });
  });

  test.each([{}, { ToleratedFailureCount: 1 }])(
    'that is redriven makes every item again that failed, of those that failed together too (%j)',
    async (more) => {
      let isWell = false;
      const calls: string[] = [];
      const kind = kindOf({
        make: async ({ input }) => {
          calls.push(input as string);
          await expect.poll(() => calls.length, { interval: 1, timeout: 10_000 }).toBeGreaterThanOrEqual(3);
          if (input !== 'good' && !isWell) throw new TaskError('Sick', 'not well');
          return input;
        },
      });
      const items = { StartAt: 'Make', States: { Make: task('make', { End: true }) } };
      const definition = {
        StartAt: 'Each',
        States: { Each: { Type: 'Map', ...more, ItemProcessor: items, End: true } },
      };
      await withEngine({ kinds: [kind] }, async ({ engine }) => {
        await engine.register('team-x', { name: 'm', kind: 'asl', definition: definition as unknown as JsonValue });
        const { id } = await engine.start(ADA, { workflow: 'm', input: ['good', 'bad', 'worse'] });
        expect((await endOf(engine, id)).status).toBe('FAILED');
        isWell = true;
        const before = (await engine.history('team-x', id, { limit: 1000 })).items.length;
        await engine.redrive('team-x', id);
        expect(await endOf(engine, id)).toMatchObject({ status: 'SUCCEEDED', output: ['good', 'bad', 'worse'] });
        expect(calls.slice(3).toSorted()).toEqual(['bad', 'worse']);
        const { items: told } = await engine.history('team-x', id, { limit: 1000 });
        const types = told.slice(before).map(({ type }) => type);
        for (const type of [
          'MapIterationStarted',
          'TaskStateEntered',
          'LambdaFunctionSucceeded',
          'MapIterationSucceeded',
        ])
          expect(types.filter((each) => each === type)).toHaveLength(2);
      });
    },
  );

  test('starts another machine, suspends and gets its output; a deadline of its own ends it', async () => {
    const kind = kindOf({ work: ({ input }) => input });
    const child = {
      StartAt: 'Nap',
      TimeoutSeconds: 50,
      States: {
        Nap: { Type: 'Wait', SecondsPath: '$.seconds', Next: 'Work' },
        Work: task('work', { End: true }),
      },
    };
    const parent = {
      StartAt: 'Call',
      States: {
        Call: {
          Type: 'Task',
          Resource: 'arn:aws:states:::states:startExecution.sync:2',
          Parameters: { StateMachineArn: 'child', 'Input.$': '$' },
          OutputPath: '$.Output',
          TimeoutSeconds: 600,
          End: true,
        },
      },
    };
    await withEngine({ kinds: [kind] }, async ({ engine, clock }) => {
      for (const [name, definition] of [
        ['child', child],
        ['parent', parent],
      ] as const)
        await engine.register('team-x', { name, kind: 'asl', definition: definition as unknown as JsonValue });
      const quick = await engine.start(ADA, { workflow: 'parent', input: { seconds: 10 } });
      await turn(100);
      clock.advance(10_000);
      expect(await endOf(engine, quick.id)).toMatchObject({ status: 'SUCCEEDED', output: { seconds: 10 } });
      const slow = await engine.start(ADA, { workflow: 'parent', input: { seconds: 100 } });
      await turn(100);
      clock.advance(50_000);
      expect((await endOf(engine, slow.id)).status).toBe('FAILED');
      expect((await engine.list('team-x', { workflow: 'child', status: 'TIMED_OUT' })).items).toHaveLength(1);
    });
  });

  test('of another version of the interpreter is refused, and goes on with a redrive', async () => {
    const kind = kindOf({ work: () => 1 });
    const definition = {
      StartAt: 'Nap',
      States: { Nap: { Type: 'Wait', Seconds: 5, Next: 'Work' }, Work: task('work', { End: true }) },
    } as unknown as JsonValue;
    await withEngine({ kinds: [kind] }, async ({ engine, clock, again }) => {
      await engine.register('team-x', { name: 'm', kind: 'asl', definition });
      const { id } = await engine.start(ADA, { workflow: 'm' });
      await turn();
      await engine.close();
      const later = { kind: 'asl', prepare: (given: JsonValue) => ({ ...kind.prepare(given), version: 'next' }) };
      const second = again({ kinds: [later] });
      await second.boot();
      clock.advance(5000);
      const ended = await endOf(second, id);
      expect(ended).toMatchObject({ status: 'FAILED', error: 'WORKFLOW_CHANGED' });
      expect(ended.cause).toContain('next');
      await second.redrive('team-x', id);
      expect((await endOf(second, id)).status).toBe('SUCCEEDED');
    });
  });
});

describe('a machine', () => {
  beforeAll(async () => {
    await threads?.close();
    threads = undefined;
  });

  test('stores a transition of a task in one row', async () => {
    const kind = kindOf({ work: () => 1 });
    const definition = { StartAt: 'A', States: { A: task('work', { Next: 'B' }), B: task('work', { End: true }) } };
    await withEngine({ kinds: [kind] }, async ({ engine, store }) => {
      await engine.register('team-x', { name: 'm', kind: 'asl', definition: definition as unknown as JsonValue });
      const { id } = await engine.start(ADA, { workflow: 'm' });
      await endOf(engine, id);
      const { items } = await store.store('team-x').table(JOURNAL).query({ partition: id });
      expect(items.map((item) => textAt(item, 'row').split('.')[0])).toEqual([
        'c000000001',
        'c000000002',
        'c000000003',
        'c000000004',
      ]);
    });
  });
});
