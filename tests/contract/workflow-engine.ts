/**
 * What every adapter's `WorkflowEngine` must do. The workflows are the adapter's own, in whatever form it runs; what
 * they do is written beside their names.
 */

import { describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/context.ts';
import type { JsonValue } from '../../src/core/ports.ts';
import type {
  ExecutionDescription,
  ExecutionStatus,
  HistoryEvent,
  Paged,
  WorkflowEngine,
} from '../../src/workflows/engine/workflow-engine.ts';
import { failure } from './harness.ts';

/**
 * - `echo`: gives its input back;
 * - `nap`: waits `{seconds}`, gives back `"rested"`;
 * - `ask`: hands a task token out, with a timeout of 60 s and a heartbeat of 20 s, and gives back what the token brings;
 * - `moody`: task `first` succeeds, task `second` fails with `Moody` and the cause `not today` until the harness is
 *   cheered up, and the execution with it; then it gives back `"happy"`.
 */
const CONTRACT_WORKFLOWS = ['echo', 'nap', 'ask', 'moody'] as const;

export interface EngineHarness {
  readonly engine: WorkflowEngine;
  /** Lets time pass without waiting for it. */
  readonly advance: (ms: number) => void;
  /** The next task token that an `ask` hands out. */
  readonly nextToken: () => Promise<string>;
  /** From now on `second` of `moody` succeeds. */
  cheerUp(): void;
  /** How often a task of `moody` was called. */
  calls(task: 'first' | 'second'): number;
  dispose(): Promise<void>;
}

export type CreateEngine = () => Promise<EngineHarness>;

function principalOf(tenant: string, id = 'ada'): Principal {
  return { id, tenant, roles: ['requester'], scopes: ['zeroplane:use'], claims: { sub: id } };
}

export function workflowEngineContract(label: string, create: CreateEngine): void {
  describe(`WorkflowEngine of ${label}`, () => {
    startTests(create);
    endTests(create);
    listTests(create);
    historyTests(create);
    tokenTests(create);
    redriveTests(create);
    isolationTests(create);
  });
}

const ADA = principalOf('team-x');

async function withEngine(create: CreateEngine, body: (harness: EngineHarness) => Promise<void>): Promise<void> {
  const harness = await create();
  try {
    await body(harness);
  } finally {
    await harness.dispose();
  }
}

/** Waits, in real time, until an execution has a status. */
async function reaches(engine: WorkflowEngine, id: string, status: ExecutionStatus): Promise<ExecutionDescription> {
  await expect
    .poll(async () => (await engine.describe('team-x', id)).status, { timeout: 15_000, interval: 2 })
    .toBe(status);
  return engine.describe('team-x', id);
}

async function everything<T>(page: (cursor?: string) => Promise<Paged<T>>): Promise<readonly T[]> {
  const items: T[] = [];
  let next = await page();
  items.push(...next.items);
  while (next.cursor !== undefined) {
    next = await page(next.cursor);
    items.push(...next.items);
  }
  return items;
}

async function allHistory(engine: WorkflowEngine, id: string): Promise<readonly HistoryEvent[]> {
  return everything((cursor) => engine.history('team-x', id, { ...(cursor !== undefined && { cursor }) }));
}

function startTests(create: CreateEngine): void {
  test('the workflows of this suite are there', () =>
    withEngine(create, async ({ engine }) => {
      const names = (await engine.workflows('team-x')).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining([...CONTRACT_WORKFLOWS]));
      await failure(engine.workflow('team-x', 'nope'), 'NOT_FOUND');
      expect((await engine.versions('team-x', 'echo'))[0]).toBe((await engine.workflow('team-x', 'echo')).version);
      await failure(engine.versions('team-x', 'nope'), 'NOT_FOUND');
    }));

  test('an execution runs to its end and keeps what went in and came out', () =>
    withEngine(create, async ({ engine }) => {
      const input = { text: 'Zoë 😀', list: [1, null, { deep: true }] };
      const started = await engine.start(ADA, { workflow: 'echo', name: 'first', input });
      expect(started).toMatchObject({ id: 'echo:first', name: 'first', workflow: 'echo', status: 'RUNNING', input });
      const ended = await reaches(engine, started.id, 'SUCCEEDED');
      expect(ended).toMatchObject({ output: input, input, startedBy: 'ada', tenant: 'team-x', redriveCount: 0 });
      expect(ended.stoppedAtMs).toBeGreaterThanOrEqual(ended.startedAtMs);
    }));

  test('without a name every start is another execution', () =>
    withEngine(create, async ({ engine }) => {
      const [a, b] = await Promise.all([
        engine.start(ADA, { workflow: 'echo' }),
        engine.start(ADA, { workflow: 'echo' }),
      ]);
      expect(a.id).not.toBe(b.id);
      expect((await reaches(engine, a.id, 'SUCCEEDED')).output).toEqual({});
      await reaches(engine, b.id, 'SUCCEEDED');
    }));

  test('a name makes a start idempotent, at the same time and after the end', () =>
    withEngine(create, async ({ engine }) => {
      const start = { workflow: 'echo', name: 'once', input: { a: 1, b: 2 } };
      const started = await Promise.all(Array.from({ length: 10 }, () => engine.start(ADA, start)));
      expect(new Set(started.map(({ id, startedAtMs }) => `${id} ${startedAtMs}`)).size).toBe(1);
      await reaches(engine, 'echo:once', 'SUCCEEDED');
      expect(await engine.start(ADA, start)).toMatchObject({ id: 'echo:once', status: 'SUCCEEDED' });
      expect((await engine.list('team-x')).items).toHaveLength(1);
    }));

  test('a name that was used with another input is refused', () =>
    withEngine(create, async ({ engine }) => {
      await engine.start(ADA, { workflow: 'echo', name: 'once', input: 1 });
      await failure(engine.start(ADA, { workflow: 'echo', name: 'once', input: 2 }), 'EXECUTION_EXISTS');
      await reaches(engine, 'echo:once', 'SUCCEEDED');
      await failure(engine.start(ADA, { workflow: 'echo', name: 'once', input: 2 }), 'EXECUTION_EXISTS');
      const other = await engine.start(ADA, { workflow: 'nap', name: 'once', input: { seconds: 1 } });
      expect(other.id).toBe('nap:once');
    }));

  test.each([
    '',
    'a b',
    'a/b',
    'a:b',
    'a*',
    'a?',
    '<a>',
    'a#',
    'a\\',
    'a"',
    'a\n',
    'a\u0000',
    'a\u0085',
    'x'.repeat(81),
  ])('the execution name %j is refused', (name) =>
    withEngine(create, async ({ engine }) => {
      await failure(engine.start(ADA, { workflow: 'echo', name }), 'INVALID_ARGUMENTS');
      expect((await engine.list('team-x')).items).toEqual([]);
    }),
  );

  test.each(['a', 'x'.repeat(80), 'a-b_c.d', 'ünï', "a(b)!='@+"])('the execution name %j is taken', (name) =>
    withEngine(create, async ({ engine }) => {
      const { id } = await engine.start(ADA, { workflow: 'echo', name });
      expect((await reaches(engine, id, 'SUCCEEDED')).name).toBe(name);
    }),
  );

  test('an unknown workflow or version, and an input over 256 KiB, are refused and leave nothing', () =>
    withEngine(create, async ({ engine }) => {
      await failure(engine.start(ADA, { workflow: 'nope' }), 'NOT_FOUND');
      await failure(engine.start(ADA, { workflow: 'echo', version: 99 }), 'NOT_FOUND');
      await failure(engine.start(ADA, { workflow: 'echo', input: 'x'.repeat(262_143) }), 'PAYLOAD_TOO_LARGE');
      await failure(engine.start(ADA, { workflow: 'echo', timeoutSeconds: 0 }), 'INVALID_ARGUMENTS');
      expect((await engine.list('team-x')).items).toEqual([]);
    }));

  test('an input of 256 KiB goes through', () =>
    withEngine(create, async ({ engine }) => {
      const input = '"'.repeat(131_071);
      const { id } = await engine.start(ADA, { workflow: 'echo', input });
      expect((await reaches(engine, id, 'SUCCEEDED')).output).toBe(input);
    }));
}

function endTests(create: CreateEngine): void {
  test('a wait lasts as long as it says', () =>
    withEngine(create, async ({ engine, advance }) => {
      const { id } = await engine.start(ADA, { workflow: 'nap', input: { seconds: 3600 } });
      await expect.poll(async () => (await allHistory(engine, id)).length, { interval: 2 }).toBeGreaterThan(1);
      advance(3_599_000);
      await new Promise((resolve) => setTimeout(resolve, 60));
      expect((await engine.describe('team-x', id)).status).toBe('RUNNING');
      advance(1000);
      expect((await reaches(engine, id, 'SUCCEEDED')).output).toBe('rested');
    }));

  test('a stopped execution stays stopped', () =>
    withEngine(create, async ({ engine, advance }) => {
      const { id } = await engine.start(ADA, { workflow: 'nap', input: { seconds: 60 } });
      const stopped = await engine.stop('team-x', id, { error: 'Enough', cause: 'by hand' });
      expect(stopped).toMatchObject({ status: 'ABORTED', error: 'Enough', cause: 'by hand' });
      advance(120_000);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await engine.stop('team-x', id, { error: 'Again' })).toEqual(stopped);
      const last = (await allHistory(engine, id)).at(-1);
      expect(last).toMatchObject({ type: 'ExecutionAborted', details: { error: 'Enough', cause: 'by hand' } });
    }));

  test('stopping what has ended changes nothing', () =>
    withEngine(create, async ({ engine }) => {
      const { id } = await engine.start(ADA, { workflow: 'echo', input: 7 });
      const ended = await reaches(engine, id, 'SUCCEEDED');
      expect(await engine.stop('team-x', id)).toEqual(ended);
    }));

  test('an execution that outlives its deadline times out', () =>
    withEngine(create, async ({ engine, advance }) => {
      const { id } = await engine.start(ADA, { workflow: 'nap', input: { seconds: 3600 }, timeoutSeconds: 90 });
      await expect.poll(async () => (await allHistory(engine, id)).length, { interval: 2 }).toBeGreaterThan(1);
      await new Promise((resolve) => setTimeout(resolve, 60));
      advance(90_000);
      expect(await reaches(engine, id, 'TIMED_OUT')).toMatchObject({ error: 'States.Timeout' });
      expect((await allHistory(engine, id)).at(-1)?.type).toBe('ExecutionTimedOut');
    }));

  test('whoever listens hears of each end once', () =>
    withEngine(create, async ({ engine }) => {
      const heard: string[] = [];
      const stop = engine.onEnd(({ id, status }) => heard.push(`${id} ${status}`));
      await engine.start(ADA, { workflow: 'echo', name: 'a' });
      await expect.poll(() => heard, { interval: 2 }).toEqual(['echo:a SUCCEEDED']);
      stop();
      await engine.start(ADA, { workflow: 'echo', name: 'b' });
      await reaches(engine, 'echo:b', 'SUCCEEDED');
      expect(heard).toHaveLength(1);
    }));
}

function listTests(create: CreateEngine): void {
  test('lists are by workflow and status, newest first, page by page', () =>
    withEngine(create, async ({ engine, advance }) => {
      for (const name of ['1', '2', '3', '4', '5']) {
        await engine.start(ADA, { workflow: 'echo', name });
        await reaches(engine, `echo:${name}`, 'SUCCEEDED');
        advance(1000);
      }
      await engine.start(ADA, { workflow: 'nap', name: '6', input: { seconds: 600 } });
      const names = async (query: Parameters<WorkflowEngine['list']>[1]) =>
        (
          await everything((cursor) => engine.list('team-x', { ...query, ...(cursor !== undefined && { cursor }) }))
        ).map(({ name }) => name);
      expect(await names({})).toEqual(['6', '5', '4', '3', '2', '1']);
      expect(await names({ limit: 2 })).toEqual(['6', '5', '4', '3', '2', '1']);
      expect(await names({ workflow: 'echo', limit: 2 })).toEqual(['5', '4', '3', '2', '1']);
      expect(await names({ status: 'RUNNING' })).toEqual(['6']);
      expect(await names({ status: 'SUCCEEDED', limit: 1 })).toEqual(['5', '4', '3', '2', '1']);
      expect(await names({ workflow: 'nap', status: 'RUNNING' })).toEqual(['6']);
      expect(await names({ workflow: 'nap', status: 'FAILED' })).toEqual([]);
      await failure(engine.list('team-x', { limit: 0 }), 'INVALID_ARGUMENTS');
      await failure(engine.list('team-x', { limit: 1001 }), 'INVALID_ARGUMENTS');
      await failure(engine.list('team-x', { cursor: 'made-up' }), 'INVALID_CURSOR');
    }));
}

function historyTests(create: CreateEngine): void {
  test('the history has ids without gaps, in both directions and in pages of any size', () =>
    withEngine(create, async ({ engine, advance }) => {
      const { id } = await engine.start(ADA, { workflow: 'nap', input: { seconds: 5 } });
      await expect.poll(async () => (await allHistory(engine, id)).length, { interval: 2 }).toBeGreaterThan(1);
      await new Promise((resolve) => setTimeout(resolve, 60));
      advance(5000);
      await reaches(engine, id, 'SUCCEEDED');
      const events = await allHistory(engine, id);
      expect(events.map((event) => event.id)).toEqual(events.map((_event, at) => at + 1));
      expect(events[0]).toMatchObject({ type: 'ExecutionStarted', previousEventId: 0 });
      expect(events.at(-1)).toMatchObject({ type: 'ExecutionSucceeded', details: { output: '"rested"' } });
      expect(events.map(({ type }) => type)).toContain('WaitStateEntered');
      for (const event of events) expect(event.previousEventId).toBeLessThan(event.id);
      for (const limit of [1, 2, 3, 100]) {
        const page = (reverse: boolean) =>
          everything((cursor) =>
            engine.history('team-x', id, { reverse, limit, ...(cursor !== undefined && { cursor }) }),
          );
        expect(await page(false)).toEqual(events);
        expect(await page(true)).toEqual(events.toReversed());
      }
      for (const after of [0, 1, events.length - 1, events.length])
        expect((await engine.history('team-x', id, { after })).items).toEqual(events.slice(after));
      for (const wrong of [{ after: -1 }, { after: 0.5 }, { after: 1, reverse: true }])
        await failure(engine.history('team-x', id, wrong), 'INVALID_ARGUMENTS');
      await failure(engine.history('team-x', id, { cursor: 'x' }), 'INVALID_CURSOR');
      await failure(engine.history('team-x', id, { limit: 0 }), 'INVALID_ARGUMENTS');
    }));
}

function tokenTests(create: CreateEngine): void {
  const asked = async ({ engine, nextToken }: EngineHarness): Promise<{ id: string; token: string }> => {
    const { id } = await engine.start(ADA, { workflow: 'ask' });
    return { id, token: await nextToken() };
  };

  test.each<[string, JsonValue]>([
    ['an object', { approved: true, by: 'Zoë' }],
    ['null', null],
    ['a text', 'yes'],
    ['an empty list', []],
  ])('a task token brings %s', (_title, output) =>
    withEngine(create, async (harness) => {
      const { id, token } = await asked(harness);
      await harness.engine.sendTaskSuccess('team-x', token, output);
      expect((await reaches(harness.engine, id, 'SUCCEEDED')).output).toEqual(output);
    }),
  );

  test('a task that is said to have failed fails with those words', () =>
    withEngine(create, async (harness) => {
      const { id, token } = await asked(harness);
      await harness.engine.sendTaskFailure('team-x', token, { error: 'Denied', cause: 'too expensive' });
      expect((await reaches(harness.engine, id, 'FAILED')).cause).toContain('too expensive');
    }));

  test('a token counts once', () =>
    withEngine(create, async (harness) => {
      const { id, token } = await asked(harness);
      const { engine } = harness;
      const sent = await Promise.allSettled([1, 2, 3].map((n) => engine.sendTaskSuccess('team-x', token, n)));
      expect(sent.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      await reaches(engine, id, 'SUCCEEDED');
      await failure(engine.sendTaskSuccess('team-x', token, 9), 'TASK_TOKEN_INVALID');
      await failure(engine.sendTaskFailure('team-x', token, {}), 'TASK_TOKEN_INVALID');
      await failure(engine.sendTaskHeartbeat('team-x', token), 'TASK_TOKEN_INVALID');
    }));

  test('unknown, forged and foreign tokens get one and the same answer', () =>
    withEngine(create, async (harness) => {
      const { id, token } = await asked(harness);
      const { engine } = harness;
      const flipped = `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`;
      const errors = [
        await failure(engine.sendTaskSuccess('team-x', 'nope', 1), 'TASK_TOKEN_INVALID'),
        await failure(engine.sendTaskSuccess('team-x', '', 1), 'TASK_TOKEN_INVALID'),
        await failure(engine.sendTaskSuccess('team-x', flipped, 1), 'TASK_TOKEN_INVALID'),
        await failure(engine.sendTaskSuccess('team-y', token, 1), 'TASK_TOKEN_INVALID'),
        await failure(engine.sendTaskFailure('team-y', token, {}), 'TASK_TOKEN_INVALID'),
        await failure(engine.sendTaskHeartbeat('team-y', token), 'TASK_TOKEN_INVALID'),
      ];
      expect(new Set(errors.map(({ message }) => message)).size).toBe(1);
      await engine.sendTaskSuccess('team-x', token, 'fine');
      await reaches(engine, id, 'SUCCEEDED');
    }));

  test('a task times out without an answer, and with heartbeats when they stay away', () =>
    withEngine(create, async (harness) => {
      const { id, token } = await asked(harness);
      const { engine, advance } = harness;
      for (const _beat of [1, 2]) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        advance(15_000);
        await engine.sendTaskHeartbeat('team-x', token);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await engine.describe('team-x', id)).status).toBe('RUNNING');
      advance(20_000);
      await reaches(engine, id, 'FAILED');
      await failure(engine.sendTaskSuccess('team-x', token, 1), 'TASK_TIMED_OUT');
      await failure(engine.sendTaskHeartbeat('team-x', token), 'TASK_TIMED_OUT');
    }));

  test('heartbeats do not lengthen the timeout', () =>
    withEngine(create, async (harness) => {
      const { id, token } = await asked(harness);
      const { engine, advance } = harness;
      for (const _beat of [1, 2, 3, 4]) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        advance(14_900);
        await engine.sendTaskHeartbeat('team-x', token);
      }
      await new Promise((resolve) => setTimeout(resolve, 40));
      advance(400);
      await reaches(engine, id, 'FAILED');
      await failure(engine.sendTaskSuccess('team-x', token, 1), 'TASK_TIMED_OUT');
    }));

  test('the token of an execution that was stopped is worth nothing more', () =>
    withEngine(create, async (harness) => {
      const { id, token } = await asked(harness);
      await harness.engine.stop('team-x', id);
      await failure(harness.engine.sendTaskSuccess('team-x', token, 1), 'TASK_TIMED_OUT');
      expect((await harness.engine.describe('team-x', id)).status).toBe('ABORTED');
    }));

  test('what is too large to be stored is refused', () =>
    withEngine(create, async (harness) => {
      const { token } = await asked(harness);
      const { engine } = harness;
      await failure(engine.sendTaskSuccess('team-x', token, 'x'.repeat(262_143)), 'PAYLOAD_TOO_LARGE');
      await failure(engine.sendTaskFailure('team-x', token, { error: 'x'.repeat(257) }), 'INVALID_ARGUMENTS');
      await failure(engine.sendTaskFailure('team-x', token, { cause: 'x'.repeat(32_769) }), 'INVALID_ARGUMENTS');
      await engine.sendTaskSuccess('team-x', token, 'small');
    }));
}

function redriveTests(create: CreateEngine): void {
  test('a redrive goes on where the execution failed, under the same id', () =>
    withEngine(create, async (harness) => {
      const { engine } = harness;
      const { id } = await engine.start(ADA, { workflow: 'moody', input: { a: 1 } });
      const failed = await reaches(engine, id, 'FAILED');
      expect(failed.cause).toContain('not today');
      expect((await allHistory(engine, id)).at(-1)?.type).toBe('ExecutionFailed');
      harness.cheerUp();
      const before = harness.calls('second');
      expect(await engine.redrive('team-x', id)).toMatchObject({ id, redriveCount: 1 });
      const ended = await reaches(engine, id, 'SUCCEEDED');
      expect(ended).toMatchObject({ output: 'happy', redriveCount: 1, startedAtMs: failed.startedAtMs });
      expect(ended).not.toHaveProperty('cause');
      expect([harness.calls('first'), harness.calls('second')]).toEqual([1, before + 1]);
      const types = (await allHistory(engine, id)).map(({ type }) => type);
      expect(types.filter((type) => type === 'ExecutionStarted')).toHaveLength(1);
      expect(types.indexOf('ExecutionRedriven')).toBeGreaterThan(types.indexOf('ExecutionFailed'));
      expect(types.at(-1)).toBe('ExecutionSucceeded');
    }));

  test('an execution may be redriven again and again, once at a time', () =>
    withEngine(create, async (harness) => {
      const { engine } = harness;
      const { id } = await engine.start(ADA, { workflow: 'moody' });
      await reaches(engine, id, 'FAILED');
      const redrives = await Promise.allSettled([engine.redrive('team-x', id), engine.redrive('team-x', id)]);
      expect(redrives.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
      await expect.poll(async () => (await engine.describe('team-x', id)).status, { interval: 2 }).toBe('FAILED');
      harness.cheerUp();
      await engine.redrive('team-x', id);
      await reaches(engine, id, 'SUCCEEDED');
      expect(harness.calls('first')).toBe(1);
    }));

  test('a stopped execution goes on with a redrive', () =>
    withEngine(create, async ({ engine, advance }) => {
      const { id } = await engine.start(ADA, { workflow: 'nap', input: { seconds: 60 } });
      await engine.stop('team-x', id);
      await engine.redrive('team-x', id);
      await new Promise((resolve) => setTimeout(resolve, 60));
      advance(60_000);
      await reaches(engine, id, 'SUCCEEDED');
    }));

  test('what runs or has succeeded is not redriven', () =>
    withEngine(create, async ({ engine }) => {
      const { id } = await engine.start(ADA, { workflow: 'nap', input: { seconds: 60 } });
      await failure(engine.redrive('team-x', id), 'EXECUTION_NOT_REDRIVABLE');
      const echo = await engine.start(ADA, { workflow: 'echo' });
      await reaches(engine, echo.id, 'SUCCEEDED');
      await failure(engine.redrive('team-x', echo.id), 'EXECUTION_NOT_REDRIVABLE');
    }));
}

function isolationTests(create: CreateEngine): void {
  test('what belongs to another tenant does not exist', () =>
    withEngine(create, async ({ engine }) => {
      const { id } = await engine.start(ADA, { workflow: 'nap', name: 'mine', input: { seconds: 60 } });
      for (const use of [
        engine.describe('team-y', id),
        engine.history('team-y', id),
        engine.stop('team-y', id),
        engine.redrive('team-y', id),
      ])
        await failure(use, 'NOT_FOUND');
      expect((await engine.list('team-y')).items).toEqual([]);
      const theirs = await engine.start(principalOf('team-y'), {
        workflow: 'nap',
        name: 'mine',
        input: { seconds: 5 },
      });
      expect(theirs).toMatchObject({ id, tenant: 'team-y', input: { seconds: 5 } });
      expect((await engine.describe('team-x', id)).input).toEqual({ seconds: 60 });
      await engine.stop('team-y', id);
      expect((await engine.describe('team-x', id)).status).toBe('RUNNING');
    }));

  test.each(['', 'nope', 'a\0b', '\ud800', 'x'.repeat(5000), 'echo:'])('the id %j is not found', (id) =>
    withEngine(create, async ({ engine }) => {
      await failure(engine.describe('team-x', id), 'NOT_FOUND');
      await failure(engine.stop('team-x', id), 'NOT_FOUND');
    }),
  );
}
