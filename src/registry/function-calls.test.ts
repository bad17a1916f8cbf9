import { expect, test } from 'vitest';

import { fakeClock } from '../../tests/contract/fake-clock.ts';
import { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { FunctionInvoker, InvocationResult, Logger, StreamedInvocation } from '../core/ports.ts';
import type { Exchange } from '../core/target.ts';
import { FunctionCalls, type FunctionCall } from './function-calls.ts';

const log: Logger = { log: () => undefined, with: () => log };
const RESULT: InvocationResult = { payload: '{}', executedVersion: '7', durationMs: 12.4, coldStart: false };
const busy = new PlatformError('FUNCTION_THROTTLED', 'busy', { concurrency: 8 });

function setUp(invoke: FunctionInvoker['invoke'], invokeStream?: FunctionInvoker['invokeStream']) {
  const clock = fakeClock();
  const waits: number[] = [];
  const after = (ms: number, run: () => void): (() => void) => {
    waits.push(ms);
    clock.advance(ms);
    setImmediate(run);
    return () => undefined;
  };
  const base: FunctionInvoker = { label: 'embedded', list: () => [], invoke };
  const invoker = invokeStream === undefined ? base : { ...base, invokeStream };
  const principal = { id: 'ada', tenant: 'team-x', roles: [], scopes: [] };
  const context = new Context({ principal, requestId: 'r1', clock, timeoutMs: 60_000, log });
  return { calls: new FunctionCalls({ invoker, clock: { ...clock, after }, random: () => 0 }), context, clock, waits };
}

const call = (more: Partial<FunctionCall> = {}): FunctionCall => ({
  name: 'crm',
  invocation: { functionName: 'crm', payload: '{}' },
  ...more,
});

/** Fails as often as there are errors, then answers. */
function failing(...errors: readonly PlatformError[]) {
  const left = [...errors];
  const invoke = (): Promise<InvocationResult> => {
    const error = left.shift();
    return error === undefined ? Promise.resolve(RESULT) : Promise.reject(error);
  };
  return { invoke, left };
}

test('an event beyond 6 MB is refused before it is sent', async () => {
  const { calls, context } = setUp(() => Promise.reject(new Error('must not be asked')));
  const payload = JSON.stringify('\u00e9'.repeat(3 * 1024 * 1024));
  const refused = calls.run(call({ invocation: { functionName: 'crm', payload } }), context);
  await expect(refused).rejects.toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
    message: expect.stringMatching(/6291458 bytes; Lambda takes 6291456\. It was not sent\. Send less/),
  });
});

test('an event of just 6 MB is sent', async () => {
  const { calls, context } = setUp(() => Promise.resolve(RESULT));
  const payload = JSON.stringify('x'.repeat(6 * 1024 * 1024 - 2));
  expect(await calls.run(call({ invocation: { functionName: 'crm', payload } }), context)).toEqual(RESULT);
});

test('what the limit of processes has refused is tried again, later each time, and four times in all', async () => {
  const { invoke } = failing(busy, busy, busy);
  const patient = setUp(invoke);
  expect(await patient.calls.run(call(), patient.context)).toEqual(RESULT);
  expect(patient.waits).toEqual([50, 100, 200]);
  const { invoke: never, left } = failing(busy, busy, busy, busy, busy);
  const given = setUp(never);
  await expect(given.calls.run(call(), given.context)).rejects.toBe(busy);
  expect(left).toHaveLength(1);
});

test('nothing is tried again when the answer would come too late', async () => {
  const { invoke, left } = failing(busy, busy);
  const { calls, context, clock } = setUp(invoke);
  clock.advance(59_990);
  await expect(calls.run(call(), context)).rejects.toBe(busy);
  expect(left).toHaveLength(1);
});

test.each([
  ['TARGET_UNAVAILABLE', true, 2],
  ['TARGET_UNAVAILABLE', false, 1],
  ['FUNCTION_THROTTLED', true, 1],
  ['FUNCTION_TIMEOUT', true, 1],
  ['FUNCTION_FAILED', true, 1],
  ['FUNCTION_DENIED', true, 1],
] as const)('%s of a call that is repeatable (%s) is tried %i times', async (code, isRepeatable, attempts) => {
  const error = new PlatformError(code, 'x');
  const { invoke, left } = failing(error, error, error, error);
  const { calls, context } = setUp(invoke);
  await expect(calls.run(call({ isRepeatable }), context)).rejects.toMatchObject({ code });
  expect(4 - left.length).toBe(attempts);
});

test('a caller who leaves between attempts ends them', async () => {
  const { invoke } = failing(busy, busy);
  const clock = fakeClock();
  const principal = { id: 'ada', tenant: 'team-x', roles: [], scopes: [] };
  const context = new Context({ principal, requestId: 'r1', clock, timeoutMs: 60_000, log });
  const invoker: FunctionInvoker = { label: 'embedded', list: () => [], invoke };
  const running = new FunctionCalls({ invoker, clock, random: () => 0 }).run(call(), context);
  await Promise.resolve();
  await Promise.resolve();
  context.abort(new Error('gone'));
  await expect(running).rejects.toMatchObject({ code: 'CALL_CANCELLED' });
});

function listener(logLevel: string | undefined, wantsProgress = false) {
  const heard: { method: string; params: Record<string, unknown> }[] = [];
  const exchange: Exchange = {
    capabilities: {},
    canAsk: false,
    logLevel,
    wantsProgress,
    notify: (method, text) => void heard.push({ method, params: JSON.parse(text) as Record<string, unknown> }),
    ask: () => Promise.reject(new Error('nobody answers')),
  };
  return { exchange, heard };
}

test('2.17: a caller that asked for logs hears of a call before and after it, without its arguments', async () => {
  const { calls, context } = setUp(() => Promise.resolve(RESULT));
  const { exchange, heard } = listener('info');
  const secret = { functionName: 'crm', payload: '{"password":"hunter2"}' };
  await calls.run(call({ exchange, invocation: secret }), context);
  expect(heard).toEqual([
    { method: 'notifications/message', params: { level: 'info', logger: 'crm', data: 'Invoking function crm.' } },
    {
      method: 'notifications/message',
      params: { level: 'info', logger: 'crm', data: 'Function crm (version 7) answered after 12 ms.' },
    },
  ]);
});

test('2.17: a failure is told as an error, of the function and of the call alike', async () => {
  const failed = { ...RESULT, payload: '{"errorType":"KeyError","errorMessage":"email"}', functionError: 'Unhandled' };
  const first = setUp(() => Promise.resolve(failed));
  const { exchange, heard } = listener('error');
  await first.calls.run(call({ exchange }), first.context);
  const second = setUp(() => Promise.reject(new PlatformError('FUNCTION_DENIED', 'not yours')));
  await expect(second.calls.run(call({ exchange }), second.context)).rejects.toThrow('not yours');
  expect(heard.filter(({ params }) => params['level'] === 'error').map(({ params }) => params['data'])).toEqual([
    expect.stringContaining('Function "crm" failed with KeyError: email'),
    'FUNCTION_DENIED: not yours',
  ]);
});

test('2.17: nobody who did not ask is told', async () => {
  const { calls, context } = setUp(() => Promise.resolve(RESULT));
  const { exchange, heard } = listener(undefined, true);
  await calls.run(call({ exchange }), context);
  expect(heard).toEqual([]);
});

function streamOf(pieces: readonly string[]): StreamedInvocation {
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  return { contentType: 'text/plain', executedVersion: '3', body: body(), ending: Promise.resolve({ logTail: 'END' }) };
}

test('a streaming function is read to its end, and progress is told twice a second at most', async () => {
  const { calls, context } = setUp(
    () => Promise.reject(new Error('not streamed')),
    () => Promise.resolve(streamOf(['one ', 'two ', 'three'])),
  );
  const { exchange, heard } = listener(undefined, true);
  const answer = await calls.run(call({ isStreaming: true, exchange }), context);
  expect(answer).toMatchObject({
    payload: '',
    executedVersion: '3',
    logTail: 'END',
    streamed: { contentType: 'text/plain' },
  });
  expect(answer.streamed?.bytes.toString()).toBe('one two three');
  expect(heard).toEqual([
    { method: 'notifications/progress', params: { progress: 4, message: 'Function crm has sent 4 bytes.' } },
  ]);
});

test('an invoker that cannot stream answers at once', async () => {
  const { calls, context } = setUp(() => Promise.resolve(RESULT));
  expect(await calls.run(call({ isStreaming: true }), context)).toEqual(RESULT);
});

test('a caller who leaves in the middle of a stream does not wait for its end', async () => {
  const body: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }),
  };
  const { calls, context } = setUp(
    () => Promise.reject(new Error('not streamed')),
    () => Promise.resolve({ ...streamOf([]), body }),
  );
  const running = calls.run(call({ isStreaming: true }), context);
  setImmediate(() => context.abort(new Error('gone')));
  await expect(running).rejects.toMatchObject({
    code: 'CALL_CANCELLED',
    message: expect.stringContaining('may have run'),
  });
});

test('a call that got no answer may have run, and says so', async () => {
  const error = new PlatformError('TARGET_UNAVAILABLE', 'AWS could not answer.', { function: 'crm' });
  const { calls, context } = setUp(() => Promise.reject(error));
  await expect(calls.run(call(), context)).rejects.toMatchObject({
    message: 'AWS could not answer. It may have run.',
    details: { function: 'crm', lost: true },
  });
});

test('a function whose time is up five times in a row is left alone, for its tenant and version only', async () => {
  const timedOut = {
    ...RESULT,
    functionError: 'Unhandled',
    payload: '{"errorMessage":"Task timed out after 3.00 seconds"}',
  };
  const asked: string[] = [];
  const { calls, context, clock } = setUp(({ functionName }) => {
    asked.push(functionName);
    return Promise.resolve(timedOut);
  });
  for (let at = 0; at < 5; at++) await calls.run(call(), context);
  await expect(calls.run(call(), context)).rejects.toMatchObject({
    code: 'TARGET_BREAKER_OPEN',
    message: expect.stringContaining('Last failure: Function "crm" timed out after 3000 ms and may have run'),
  });
  await calls.run(call({ invocation: { functionName: 'crm:2', payload: '{}' } }), context);
  const other = { id: 'bo', tenant: 'team-y', roles: [], scopes: [] };
  await calls.run(call(), new Context({ principal: other, requestId: 'r2', clock, timeoutMs: 60_000, log }));
  expect(asked).toEqual([...Array.from({ length: 5 }, () => 'crm'), 'crm:2', 'crm']);
});

test('a function that throws, is throttled or whose caller leaves is called again, however often', async () => {
  const failed = { ...RESULT, functionError: 'Unhandled', payload: '{"errorType":"TypeError","errorMessage":"no"}' };
  const outcomes = [
    failed,
    new PlatformError('FUNCTION_THROTTLED', 'slow'),
    new PlatformError('CALL_CANCELLED', 'left'),
  ];
  for (const outcome of outcomes) {
    let asked = 0;
    const { calls, context } = setUp(() => {
      asked++;
      return outcome instanceof PlatformError ? Promise.reject(outcome) : Promise.resolve(outcome);
    });
    for (let at = 0; at < 7; at++) await calls.run(call(), context).catch(() => undefined);
    expect(asked).toBe(7);
  }
});
