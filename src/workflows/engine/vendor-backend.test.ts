/**
 * The same handlers on the vendor's own backend and on ours: every operation must end alike, and things must happen in
 * the same order.
 */

import type { DurableContext } from '@aws/durable-execution-sdk-js';
import { withDurableExecution } from '@aws/durable-execution-sdk-js';
import { LocalDurableTestRunner, WaitingOperationStatus } from '@aws/durable-execution-sdk-js-testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { skipTime } from '../../../tests/fixtures/skipped-time.ts';
import type { JsonValue, StoreRoot } from '../../core/ports.ts';
import { joinTexts } from '../durable/parts.ts';
import type { StoredOperation } from '../durable/operation.ts';
import { JOURNAL } from '../durable/tables.ts';
import { defineWorkflow } from './code-workflow.ts';
import { ADA, turn, withEngine } from './engine-for-test.ts';

type Handler = (context: DurableContext, input: JsonValue) => Promise<JsonValue>;

interface Case {
  readonly title: string;
  /** Made anew for each backend, so that what it counts begins at nothing. */
  readonly handler: (onToken: (token: string) => void) => Handler;
  /** How the callback `answer` is answered. */
  readonly answer?: { readonly success?: string; readonly failure?: string };
}

const once = { retryStrategy: () => ({ shouldRetry: false }) };
const twice = {
  retryStrategy: (_error: Error, attempt: number) => ({ shouldRetry: attempt < 3, delay: { seconds: 2 } }),
};

function flaky(failures: number): () => Promise<string> {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls <= failures) throw new TypeError(`failure ${calls}`);
    return `worked at ${calls}`;
  };
}

const cases: readonly Case[] = [
  {
    title: 'steps, one after the other',
    handler: () => async (context, input) => {
      const first = await context.step('first', async () => ({ input, n: 1 }));
      await context.step(async () => undefined);
      return context.step('last', async () => [first, 'é😀']);
    },
  },
  {
    title: 'a step that is retried until it works',
    handler: () => {
      const work = flaky(2);
      return async (context) => context.step('flaky', work, twice);
    },
  },
  {
    title: 'a step that fails at last, and its error caught',
    handler: () => {
      const work = flaky(9);
      return async (context) => {
        try {
          return await context.step('flaky', work, twice);
        } catch (thrown) {
          return context.step('after', async () => (thrown as Error).message);
        }
      };
    },
  },
  {
    title: 'an error that nobody catches',
    handler: () => async (context) => {
      await context.step('fine', async () => 1);
      return context.step('bad', flaky(9), once);
    },
  },
  {
    title: 'waits',
    handler: () => async (context) => {
      await context.wait('short', { seconds: 1 });
      await context.wait({ hours: 2 });
      return 'rested';
    },
  },
  {
    title: 'a map with steps and waits inside',
    handler: () => async (context) => {
      const result = await context.map('map', [1, 2, 3], async (each, item) => {
        const doubled = await each.step('double', async () => item * 2);
        await each.wait('pause', { seconds: item });
        return each.step('again', async () => doubled * 2);
      });
      return result.getResults();
    },
  },
  {
    title: 'a map in which one fails and is tolerated',
    handler: () => async (context) => {
      const result = await context.map(
        'map',
        [1, 2, 3],
        async (each, item) =>
          each.step(
            'check',
            async () => {
              if (item === 2) throw new RangeError('two');
              return item;
            },
            once,
          ),
        { completionConfig: { toleratedFailureCount: 1 }, maxConcurrency: 1 },
      );
      return [result.successCount, result.failureCount];
    },
  },
  {
    title: 'parallel branches, one of which fails',
    handler: () => async (context) => {
      const result = await context.parallel('both', [
        { name: 'left', func: async (each) => each.step('l', async () => 'left') },
        { name: 'right', func: async (each) => each.step('r', flaky(9), once) },
      ]);
      return result.failureCount;
    },
  },
  {
    title: 'child contexts in child contexts',
    handler: () => async (context) =>
      context.runInChildContext('outer', async (outer) => {
        const inner = await outer.runInChildContext('inner', async (each) => each.step('deep', async () => 'deep'));
        await outer.wait('pause', { seconds: 3 });
        return outer.step('up', async () => `${inner} and up`);
      }),
  },
  {
    title: 'a child context that fails',
    handler: () => async (context) => {
      try {
        return await context.runInChildContext('child', async (child) => {
          await child.step('fine', async () => 1);
          throw new SyntaxError('by itself');
        });
      } catch (thrown) {
        return (thrown as Error).message;
      }
    },
  },
  {
    title: 'a callback that succeeds',
    handler: (onToken) => async (context) => context.waitForCallback('answer', async (token) => onToken(token)),
    answer: { success: '{"yes":true}' },
  },
  {
    title: 'a callback that fails',
    handler: (onToken) => async (context) => {
      try {
        return await context.waitForCallback('answer', async (token) => onToken(token));
      } catch (thrown) {
        return (thrown as Error).message;
      }
    },
    answer: { failure: 'denied' },
  },
  {
    title: 'a callback that nobody answers',
    handler: () => async (context) => {
      try {
        return await context.waitForCallback('quiet', async () => undefined, { timeout: { seconds: 1 } });
      } catch (thrown) {
        return (thrown as Error).name;
      }
    },
  },
  {
    title: 'a condition that holds at last',
    handler: () => async (context) =>
      context.waitForCondition('poll', async (state: { n: number }) => ({ n: state.n + 1 }), {
        initialState: { n: 0 },
        waitStrategy: (state) =>
          state.n < 4 ? { shouldContinue: true, delay: { seconds: state.n } } : { shouldContinue: false },
      }),
  },
  {
    title: 'a saga: what was made is undone in reverse when a later step fails',
    handler: () => async (context) => {
      const undo: string[] = [];
      try {
        for (const name of ['network', 'disk', 'machine']) {
          await context.step(
            `make ${name}`,
            async () => {
              if (name === 'machine') throw new Error('no capacity');
              return name;
            },
            once,
          );
          undo.unshift(name);
        }
        return 'made';
      } catch {
        for (const name of undo) await context.step(`undo ${name}`, async () => name);
        return undo;
      }
    },
  },
  {
    title: 'promises of several steps together',
    handler: () => async (context) => {
      const steps = [1, 2, 3].map((n) => context.step(`s${n}`, async () => n));
      const all = await context.promise.all('all', steps);
      const settled = await context.promise.allSettled('settled', [context.step('bad', flaky(9), once)]);
      return [all, settled.map(({ status }) => status)];
    },
  },
];

/** One operation without its times, and one thing that happened. */
type Told = Record<string, unknown>;

interface Story {
  readonly status: string;
  readonly result: unknown;
  readonly operations: readonly Told[];
  readonly events: readonly string[];
}

const clean = (value: Told): Told => JSON.parse(JSON.stringify(value)) as Told;

async function onVendor({ handler, answer }: Case): Promise<Story> {
  const made = handler(() => undefined);
  const runner = new LocalDurableTestRunner({
    handlerFunction: withDurableExecution((input: JsonValue, context: DurableContext) => made(context, input)),
  });
  const running = runner.run({ payload: { in: 1 } });
  if (answer !== undefined) {
    const waiting = await runner.getOperation('answer').waitForData(WaitingOperationStatus.SUBMITTED);
    if (answer.success !== undefined) await waiting.sendCallbackSuccess(answer.success);
    else await waiting.sendCallbackFailure({ ErrorMessage: answer.failure });
  }
  const ended = await running;
  const operations = ended.getOperations().map((operation) => vendorOperation({ ...operation.getOperationData() }));
  const events = ended
    .getHistoryEvents()
    .filter(
      ({ EventType = '' }) => /(?:Succeeded|Failed|TimedOut)$/.test(EventType) && !EventType.startsWith('Execution'),
    )
    .map(({ EventType, Id }) => `${String(EventType)} ${String(Id)}`);
  const status = String(ended.getStatus());
  return {
    status,
    result: status === 'SUCCEEDED' ? ended.getResult() : ended.getError().errorMessage,
    operations,
    events,
  };
}

function vendorOperation(data: Told): Told {
  const {
    StartTimestamp: _start,
    EndTimestamp: _end,
    WaitDetails: _wait,
    CallbackDetails,
    StepDetails,
    ...rest
  } = data;
  const { CallbackId: _id, ...callback } = (CallbackDetails ?? {}) as Told;
  const { NextAttemptTimestamp: _next, ...step } = (StepDetails ?? {}) as Told;
  const { ContextDetails, ...plain } = rest;
  return clean({ ...plain, outcome: { ...callback, ...step, ...(ContextDetails as Told | undefined) } });
}

/** What our journal says happened, in its order. */
async function onOurs({ handler, answer }: Case): Promise<Story> {
  const tokens: string[] = [];
  const made = handler((token) => tokens.push(token));
  const workflow = defineWorkflow({ name: 'same' }, (context, input) => made(context, input));
  const stories: Story[] = [];
  await withEngine({ workflows: [workflow] }, async ({ engine, store, clock }) => {
    const { id } = await engine.start(ADA, { workflow: 'same', input: { in: 1 } });
    for (;;) {
      await turn(25);
      const { status, output, cause } = await engine.describe('team-x', id);
      if (status !== 'RUNNING') {
        stories.push({ status, result: output ?? cause, ...retold(await recordsOf(store, id)) });
        return;
      }
      const token = tokens.shift();
      if (token === undefined) clock.advance(3_600_000);
      else if (answer?.success !== undefined) await engine.sendTaskSuccess('team-x', token, JSON.parse(answer.success));
      else await engine.sendTaskFailure('team-x', token, { cause: answer?.failure ?? '' });
    }
  });
  const [story] = stories;
  if (story === undefined) throw new Error('the execution did not end');
  return story;
}

async function recordsOf(store: StoreRoot, id: string): Promise<readonly StoredOperation[]> {
  const page = await store.store('team-x').table(JOURNAL).query({ partition: id, prefix: 'c' });
  return [...joinTexts(page.items)].flatMap(
    (found) => (JSON.parse(found?.text ?? '{"o":[]}') as { o: StoredOperation[] }).o,
  );
}

function retold(changes: readonly StoredOperation[]): Pick<Story, 'operations' | 'events'> {
  const last = new Map<string, StoredOperation>();
  const events: string[] = [];
  for (const change of changes.filter(({ type }) => type !== 'EXECUTION')) {
    const before = last.get(change.id);
    last.set(change.id, change);
    const event = eventOf(change, before);
    if (event !== undefined) events.push(`${event} ${change.id}`);
  }
  return { operations: [...last.values()].toSorted((a, b) => a.n - b.n).map(ourOperation), events };
}

const KINDS: Record<string, string> = { STEP: 'Step', WAIT: 'Wait', CONTEXT: 'Context', CALLBACK: 'Callback' };

function eventOf({ type, status, error }: StoredOperation, before: StoredOperation | undefined): string | undefined {
  if (status === before?.status) return undefined;
  const kind = KINDS[type] ?? type;
  if (status === 'PENDING') return `${kind}${error === undefined ? 'Succeeded' : 'Failed'}`;
  if (status === 'SUCCEEDED' || status === 'FAILED') return `${kind}${status === 'FAILED' ? 'Failed' : 'Succeeded'}`;
  return status === 'TIMED_OUT' ? `${kind}TimedOut` : undefined;
}

function ourOperation({ id, parent, name, type, sub, status, attempt, payload, error, keeps }: StoredOperation): Told {
  const outcome = { Attempt: attempt, Result: payload, Error: error, ReplayChildren: keeps };
  return clean({ Id: id, ParentId: parent, Name: name, Type: type, SubType: sub, Status: status, outcome });
}

const byId = (operations: readonly Told[]): readonly Told[] =>
  operations.toSorted((a, b) => (String(a['Id']) < String(b['Id']) ? -1 : 1));

describe("the same handler on the vendor's backend and on ours", () => {
  const vendor = new Map<string, Story>();

  beforeAll(async () => {
    await skipTime();
    try {
      await Promise.all(cases.map(async (each) => vendor.set(each.title, await onVendor(each))));
    } finally {
      await LocalDurableTestRunner.teardownTestEnvironment();
    }
  }, 60_000);

  test.each(cases)('$title', async (testCase) => {
    const theirs = vendor.get(testCase.title);
    const ours = await onOurs(testCase);
    expect({ status: ours.status, result: ours.result }).toEqual({ status: theirs?.status, result: theirs?.result });
    expect(byId(ours.operations)).toEqual(byId(theirs?.operations ?? []));
    expect(ours.events).toEqual(theirs?.events);
  });
});
