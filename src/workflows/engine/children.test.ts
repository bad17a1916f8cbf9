/** Executions that others wait for: what becomes of them when nobody waits any more, and when somebody does again. */

import type { DurableContext } from '@aws/durable-execution-sdk-js';
import { describe, expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import { systemIds } from '../../adapters/embedded/system.ts';
import type { JsonValue, StoreRoot } from '../../core/ports.ts';
import { aslKind } from '../asl/asl-kind.ts';
import { TaskError } from '../asl/states-error.ts';
import { JOURNAL } from '../durable/tables.ts';
import { WorkflowFailure } from '../failure.ts';
import type { CodeWorkflow } from './code-workflow.ts';
import { defineWorkflow } from './code-workflow.ts';
import type { EmbeddedEngine } from './embedded-engine.ts';
import { createEmbeddedEngine } from './embedded-engine.ts';
import { ADA, TOKEN_KEY, collectLog, endOf, turn, withEngine } from './engine-for-test.ts';
import { mortal } from './mortal-store-for-test.ts';
import { EXECUTIONS } from './tables.ts';
import type { ExecutionDescription, ExecutionSummary } from './workflow-engine.ts';

const HOUR = 3600;
/** Makes its first step, sleeps for an hour, makes its second. */
function sleeper(effects: string[] = []): CodeWorkflow {
  return defineWorkflow({ name: 'sleeper', version: 1 }, async (context, input) => {
    await context.step('first', async () => effects.push('first'));
    await context.wait('nap', { seconds: HOUR });
    await context.step('second', async () => effects.push('second'));
    return { got: input };
  });
}
const caller = defineWorkflow({ name: 'caller', version: 1 }, async (context, input) =>
  context.invoke<JsonValue, JsonValue>('call', 'sleeper', input),
);
const grandparent = defineWorkflow({ name: 'grandparent', version: 1 }, async (context, input) =>
  context.invoke<JsonValue, JsonValue>('call', 'caller', input),
);

const syncTask = (machine: string, more: object = {}): object => ({
  Type: 'Task',
  Resource: 'arn:aws:states:::states:startExecution.sync:2',
  Parameters: { StateMachineArn: machine, Input: { 'a.$': '$.a' } },
  End: true,
  ...more,
});
const machine = (States: object, StartAt: string): JsonValue => ({ StartAt, States }) as unknown as JsonValue;

/** The newest execution of a workflow. */
async function only(engine: EmbeddedEngine, workflow: string): Promise<ExecutionSummary> {
  const { items } = await engine.list('team-x', { workflow });
  expect(items).toHaveLength(1);
  return items[0] ?? expect.fail();
}

const statusOf = async (engine: EmbeddedEngine, workflow: string): Promise<string> =>
  (await only(engine, workflow)).status;
const PATIENT = { interval: 5, timeout: 10_000 };

/** @param meanwhile called before each look: time that passes. */
async function reaches(
  engine: EmbeddedEngine,
  [workflow, status]: readonly [string, string],
  meanwhile: () => void = () => undefined,
): Promise<void> {
  const look = (): Promise<string> => {
    meanwhile();
    return statusOf(engine, workflow);
  };
  await expect.poll(look, PATIENT).toBe(status);
}

/** An end that needs so much time to pass, as soon as the time counts. */
async function endAfter(engine: EmbeddedEngine, id: string, pass: () => void): Promise<ExecutionDescription> {
  const look = async (): Promise<string> => {
    pass();
    return (await engine.describe('team-x', id)).status;
  };
  await expect.poll(look, PATIENT).not.toBe('RUNNING');
  return engine.describe('team-x', id);
}

describe('a child is stopped', () => {
  test('with its parent, and so are its own children', async () => {
    await withEngine({ workflows: [sleeper(), caller, grandparent] }, async ({ engine }) => {
      const { id } = await engine.start(ADA, { workflow: 'grandparent' });
      await reaches(engine, ['sleeper', 'RUNNING']);
      await engine.stop('team-x', id, { error: 'Enough' });
      expect([await statusOf(engine, 'caller'), await statusOf(engine, 'sleeper')]).toEqual(['ABORTED', 'ABORTED']);
      const child = await engine.describe('team-x', (await only(engine, 'caller')).id);
      expect(child.cause).toBe(`Execution "${id}" does not wait for it any more.`);
      const types = (await engine.history('team-x', child.id)).items.map(({ type }) => type);
      expect(types.at(-1)).toBe('ExecutionAborted');
    });
  });

  test('when the time of its parent is up', async () => {
    await withEngine({ workflows: [sleeper(), caller] }, async ({ engine, clock }) => {
      const { id } = await engine.start(ADA, { workflow: 'caller', timeoutSeconds: 60 });
      await reaches(engine, ['sleeper', 'RUNNING']);
      expect((await endAfter(engine, id, () => clock.advance(1000))).status).toBe('TIMED_OUT');
      await reaches(engine, ['sleeper', 'ABORTED']);
    });
  });

  test('when its parent fails, or ends well without it', async () => {
    const leaver = defineWorkflow({ name: 'leaver' }, async (context, input) => {
      const call = context.invoke('call', 'sleeper', {});
      await Promise.race([call, context.wait('a moment', { seconds: 5 })]);
      if (input === 'fail') throw new WorkflowFailure('Moody', 'not today');
      return 'left';
    });
    for (const [input, status] of [
      ['fail', 'FAILED'],
      ['leave', 'SUCCEEDED'],
    ] as const)
      await withEngine({ workflows: [sleeper(), leaver] }, async ({ engine, clock }) => {
        const { id } = await engine.start(ADA, { workflow: 'leaver', input });
        await reaches(engine, ['sleeper', 'RUNNING']);
        expect((await endAfter(engine, id, () => clock.advance(100))).status).toBe(status);
        await reaches(engine, ['sleeper', 'ABORTED']);
      });
  });

  test('when a sibling of its branch fails, while the parent goes on', async () => {
    const kind = aslKind({ runTask: () => Promise.reject(new TaskError('Broken', 'it is')) });
    const parent = machine(
      {
        Both: {
          Type: 'Parallel',
          Branches: [
            machine({ Call: syncTask('sleeper') }, 'Call'),
            machine(
              {
                Nap: { Type: 'Wait', Seconds: 10, Next: 'Break' },
                Break: { Type: 'Task', Resource: 'break', End: true },
              },
              'Nap',
            ),
          ],
          Catch: [{ ErrorEquals: ['Broken'], Next: 'Rest' }],
          End: true,
        },
        Rest: { Type: 'Wait', Seconds: HOUR, End: true },
      },
      'Both',
    );
    await withEngine({ kinds: [kind], workflows: [sleeper()] }, async ({ engine, clock }) => {
      await engine.register('team-x', { name: 'parent', kind: 'asl', definition: parent });
      const { id } = await engine.start(ADA, { workflow: 'parent', input: { a: 1 } });
      await reaches(engine, ['sleeper', 'RUNNING']);
      await reaches(engine, ['sleeper', 'ABORTED'], () => clock.advance(1000));
      expect((await engine.describe('team-x', id)).status).toBe('RUNNING');
      expect((await endAfter(engine, id, () => clock.advance(100_000))).status).toBe('SUCCEEDED');
    });
  });

  test('when a branch of a workflow in code fails beside its own', async () => {
    const parent = defineWorkflow({ name: 'parent' }, async (context) => {
      const both = await context.parallel(
        'both',
        [
          async (branch: DurableContext): Promise<JsonValue> => branch.invoke('call', 'sleeper', {}),
          async (branch: DurableContext): Promise<JsonValue> => {
            await branch.wait('nap', { seconds: 10 });
            return branch.step('break', () => Promise.reject(new Error('broken')), {
              retryStrategy: () => ({ shouldRetry: false }),
            });
          },
        ],
        { completionConfig: { toleratedFailureCount: 0 } },
      );
      await context.wait('rest', { seconds: HOUR });
      return both.failureCount;
    });
    await withEngine({ workflows: [sleeper(), parent] }, async ({ engine, clock }) => {
      const { id } = await engine.start(ADA, { workflow: 'parent' });
      await reaches(engine, ['sleeper', 'RUNNING']);
      await reaches(engine, ['sleeper', 'ABORTED'], () => clock.advance(1000));
      expect((await engine.describe('team-x', id)).status).toBe('RUNNING');
    });
  });

  test('when the time of its task is up, while the parent goes on', async () => {
    const kind = aslKind({ runTask: () => Promise.resolve(null) });
    const call = syncTask('sleeper', {
      TimeoutSeconds: 30,
      Catch: [{ ErrorEquals: ['States.Timeout'], Next: 'Rest' }],
    });
    const definition = machine({ Call: call, Rest: { Type: 'Wait', Seconds: HOUR, End: true } }, 'Call');
    await withEngine({ kinds: [kind], workflows: [sleeper()] }, async ({ engine, clock }) => {
      await engine.register('team-x', { name: 'parent', kind: 'asl', definition });
      const { id } = await engine.start(ADA, { workflow: 'parent', input: { a: 1 } });
      await reaches(engine, ['sleeper', 'RUNNING']);
      await reaches(engine, ['sleeper', 'ABORTED'], () => clock.advance(1000));
      expect((await engine.describe('team-x', id)).status).toBe('RUNNING');
    });
  });

  test('by the start after its parent was ended because of a damaged journal', async () => {
    await withEngine({ workflows: [sleeper(), caller] }, async ({ engine, store, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'caller' });
      await reaches(engine, ['sleeper', 'RUNNING']);
      await turn(60);
      await engine.close();
      const table = store.store('team-x').table(JOURNAL);
      const [record = {}] = (await table.query({ partition: id, prefix: 'c000000002' })).items;
      await table.put({ ...record, sum: 'x' });
      const second = again();
      await second.repair('team-x', id);
      expect(await statusOf(second, 'sleeper')).toBe('RUNNING');
      await second.boot();
      await reaches(second, ['sleeper', 'ABORTED']);
    });
  });

  test('but not another one of the same parent, nor one that is waited for', async () => {
    const parent = defineWorkflow({ name: 'parent' }, async (context) => {
      const kept = context.invoke('kept', 'sleeper', {});
      await Promise.all([context.invoke('quick', 'quick', {}), kept]);
      return 'all';
    });
    const quick = defineWorkflow({ name: 'quick' }, async () => 1);
    await withEngine({ workflows: [sleeper(), quick, parent] }, async ({ engine, clock, again }) => {
      const { id } = await engine.start(ADA, { workflow: 'parent' });
      await reaches(engine, ['quick', 'SUCCEEDED']);
      await reaches(engine, ['sleeper', 'RUNNING']);
      await turn(60);
      await engine.close();
      const second = again();
      await second.boot();
      await turn(60);
      expect(await statusOf(second, 'sleeper')).toBe('RUNNING');
      expect((await endAfter(second, id, () => clock.advance(100_000))).output).toBe('all');
    });
  });
});

describe('a process that ends between a parent and its child', () => {
  /** What parent and child are when a process has died after so many writes, and another one has looked after it. */
  async function afterDeath(
    workflows: readonly CodeWorkflow[],
    dying: (engine: EmbeddedEngine, id: string, advance: (ms: number) => void) => Promise<unknown>,
    { writes, expected }: { readonly writes: number; readonly expected: readonly string[] },
  ): Promise<{ readonly found: string; readonly isDead: boolean }> {
    const clock = fakeClock();
    const store = await openMemoryStore({ clock });
    const open = (root: StoreRoot): EmbeddedEngine =>
      createEmbeddedEngine({
        store: root,
        clock,
        ids: systemIds,
        log: collectLog(),
        tokenKey: TOKEN_KEY,
        drainMs: 0,
        workflows,
      });
    const { root, isDead, dieAfter } = mortal(store);
    const first = open(root);
    await first.boot();
    const { id } = await first.start(ADA, { workflow: 'parent' });
    await reaches(first, ['sleeper', 'RUNNING']);
    await turn(80);
    dieAfter(writes);
    await Promise.race([dying(first, id, (ms) => clock.advance(ms)), turn(80)]);
    await turn(40);
    const died = isDead();
    dieAfter(0);
    const second = open(store);
    await second.boot();
    const look = async (): Promise<string> => {
      clock.advance(100);
      return `${await statusOf(second, 'parent')} ${await statusOf(second, 'sleeper')}`;
    };
    await expect.poll(look, PATIENT).toSatisfy((both) => expected.includes(String(both)));
    const found = await look();
    clock.advance(1);
    await second.close();
    await store.close();
    return { found, isDead: died };
  }

  const called = defineWorkflow({ name: 'parent', version: 1 }, async (context) =>
    context.invoke<JsonValue, JsonValue>('call', 'sleeper', {}),
  );
  const branched = defineWorkflow({ name: 'parent', version: 1 }, async (context) => {
    await context.parallel(
      'both',
      [
        async (branch: DurableContext): Promise<JsonValue> => branch.invoke('call', 'sleeper', {}),
        async (branch: DurableContext): Promise<JsonValue> => {
          await branch.wait('nap', { seconds: 10 });
          throw new Error('broken');
        },
      ],
      { completionConfig: { toleratedFailureCount: 0 } },
    );
    await context.wait('rest', { seconds: HOUR });
    return 'rested';
  });

  test('at any write of a stop leaves neither or both', async () => {
    const seen = new Set<string>();
    for (let writes = 0; writes < 12; writes += 1) {
      const stop = (engine: EmbeddedEngine, id: string) => engine.stop('team-x', id);
      const expected = ['RUNNING RUNNING', 'ABORTED ABORTED'];
      const { found, isDead } = await afterDeath([sleeper(), called], stop, { writes, expected });
      seen.add(found);
      if (!isDead) break;
    }
    expect([...seen].toSorted()).toEqual(['ABORTED ABORTED', 'RUNNING RUNNING']);
  }, 20_000);

  test('at any write of a branch that fails leaves the child of its sibling stopped', async () => {
    let deaths = 0;
    for (let writes = 0; writes < 24; writes += 1) {
      const fail = async (_engine: EmbeddedEngine, _id: string, advance: (ms: number) => void) => advance(10_000);
      const expected = ['RUNNING ABORTED'];
      const { isDead } = await afterDeath([sleeper(), branched], fail, { writes, expected });
      if (!isDead) break;
      deaths += 1;
    }
    expect(deaths).toBeGreaterThan(4);
  }, 30_000);
});

test('a child that is being started while its parent ends does not run', async () => {
  const effects: string[] = [];
  const clock = fakeClock();
  const store = await openMemoryStore({ clock });
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const slow: StoreRoot = {
    label: store.label,
    systemStore: () => store.systemStore(),
    check: () => store.check(),
    close: () => store.close(),
    store: (name) => {
      const inner = store.store(name);
      return {
        tenant: inner.tenant,
        table: (spec) => inner.table(spec),
        queue: (queue, options) => inner.queue(queue, options),
        blobs: inner.blobs,
        changes: inner.changes,
        transact: async (writes) => {
          const isChild = writes.some(
            (write) =>
              'put' in write &&
              write.table.name === EXECUTIONS.name &&
              write.put['workflow'] === 'sleeper' &&
              write.put['status'] === 'RUNNING',
          );
          if (isChild) await held;
          await inner.transact(writes);
        },
      };
    },
  };
  const parts = { clock, ids: systemIds, log: collectLog(), tokenKey: TOKEN_KEY, drainMs: 0 };
  const engine = createEmbeddedEngine({ ...parts, store: slow, workflows: [sleeper(effects), caller] });
  await engine.boot();
  const { id } = await engine.start(ADA, { workflow: 'caller' });
  await turn(40);
  await engine.stop('team-x', id);
  release();
  await expect.poll(async () => (await engine.list('team-x', { workflow: 'sleeper' })).items.length).toBe(1);
  await reaches(engine, ['sleeper', 'ABORTED']);
  expect(effects).toEqual([]);
  clock.advance(1);
  await engine.close();
  await store.close();
});

describe('a redrive of the parent', () => {
  test.each(['invoke', 'sync'])('continues the child that was stopped with it (%s)', async (form) => {
    const effects: string[] = [];
    const kind = aslKind({ runTask: () => Promise.resolve(null) });
    const options = { kinds: [kind], workflows: [sleeper(effects), caller] };
    await withEngine(options, async ({ engine, clock, again }) => {
      const definition = machine({ Call: syncTask('sleeper', { OutputPath: '$.Output' }) }, 'Call');
      await engine.register('team-x', { name: 'sync', kind: 'asl', definition });
      const workflow = form === 'sync' ? 'sync' : 'caller';
      const { id } = await engine.start(ADA, { workflow, input: { a: 1 } });
      await expect.poll(() => effects.length, PATIENT).toBe(1);
      await turn(60);
      await engine.stop('team-x', id);
      expect(await statusOf(engine, 'sleeper')).toBe('ABORTED');
      await engine.redrive('team-x', id);
      await reaches(engine, ['sleeper', 'RUNNING']);
      // A restart in the middle changes nothing.
      await turn(60);
      await engine.close();
      const second = again();
      await second.boot();
      const ended = await endAfter(second, id, () => clock.advance(100_000));
      expect(ended).toMatchObject({ status: 'SUCCEEDED', output: { got: { a: 1 } } });
      expect(await statusOf(second, 'sleeper')).toBe('SUCCEEDED');
      expect(effects).toEqual(['first', 'second']);
    });
  });

  test.each(['invoke', 'sync'])('asks again for what its child failed at (%s)', async (form) => {
    let isWell = false;
    const moody = defineWorkflow({ name: 'moody' }, async () => {
      if (!isWell) throw new WorkflowFailure('Moody', 'not today');
      return 'happy';
    });
    const parent = defineWorkflow({ name: 'caller' }, async (context) =>
      context.invoke<JsonValue, JsonValue>('call', 'moody', {}),
    );
    const kind = aslKind({ runTask: () => Promise.resolve(null) });
    await withEngine({ kinds: [kind], workflows: [moody, parent] }, async ({ engine }) => {
      const definition = machine({ Call: syncTask('moody', { OutputPath: '$.Output' }) }, 'Call');
      await engine.register('team-x', { name: 'sync', kind: 'asl', definition });
      const workflow = form === 'sync' ? 'sync' : 'caller';
      const { id } = await engine.start(ADA, { workflow, input: { a: 1 } });
      expect((await endOf(engine, id)).status).toBe('FAILED');
      isWell = true;
      await engine.redrive('team-x', id);
      expect(await endOf(engine, id)).toMatchObject({ status: 'SUCCEEDED', output: 'happy' });
      const children = (await engine.list('team-x', { workflow: 'moody' })).items;
      // An invoke that is made again is another one; the visit of a state keeps its key, and so its child.
      const statuses = children.map(({ status }) => status).toSorted();
      expect(statuses).toEqual(form === 'sync' ? ['SUCCEEDED'] : ['FAILED', 'SUCCEEDED']);
    });
  });
});

test('a retry of the task tries its child again', async () => {
  let calls = 0;
  const moody = defineWorkflow({ name: 'moody' }, async () => {
    calls += 1;
    if (calls < 3) throw new WorkflowFailure('Moody', 'not today');
    return 'happy';
  });
  const kind = aslKind({ runTask: () => Promise.resolve(null) });
  const Retry = [{ ErrorEquals: ['States.TaskFailed'], IntervalSeconds: 1, MaxAttempts: 3 }];
  await withEngine({ kinds: [kind], workflows: [moody] }, async ({ engine, clock }) => {
    const definition = machine({ Call: syncTask('moody', { Retry, OutputPath: '$.Output' }) }, 'Call');
    await engine.register('team-x', { name: 'parent', kind: 'asl', definition });
    const { id } = await engine.start(ADA, { workflow: 'parent', input: { a: 1 } });
    const ended = await endAfter(engine, id, () => clock.advance(1000));
    expect(ended).toMatchObject({ status: 'SUCCEEDED', output: 'happy' });
    expect((await only(engine, 'moody')).status).toBe('SUCCEEDED');
  });
});

test('a child that is redriven by itself runs although its parent has ended', async () => {
  await withEngine({ workflows: [sleeper(), caller] }, async ({ engine, clock, again }) => {
    const { id } = await engine.start(ADA, { workflow: 'caller', input: 1 });
    await reaches(engine, ['sleeper', 'RUNNING']);
    await engine.stop('team-x', id);
    const child = await only(engine, 'sleeper');
    await engine.redrive('team-x', child.id);
    await turn(60);
    await engine.close();
    const second = again();
    await second.boot();
    const ended = await endAfter(second, child.id, () => clock.advance(100_000));
    expect(ended).toMatchObject({ status: 'SUCCEEDED', output: { got: 1 } });
    expect((await second.describe('team-x', id)).status).toBe('ABORTED');
  });
});
