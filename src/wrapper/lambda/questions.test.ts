import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import type { HandlerOptions } from './handler-core.ts';
import type { WrappedHandler } from './create-handler.ts';
import { createHandler } from './create-handler.ts';

process.env['LOG_LEVEL'] ??= 'error';

const script = fileURLToPath(new URL('../../../tests/fixtures/asking-server.mjs', import.meta.url));
const open: WrappedHandler[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((handler) => handler.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function asking(options: Partial<HandlerOptions>): WrappedHandler {
  const handler = createHandler({ command: process.execPath, args: [script], name: 'x', ...options });
  open.push(handler);
  return handler;
}

function logFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zeroplane-asking-'));
  folders.push(folder);
  return join(folder, 'log');
}

interface Result {
  readonly resultType?: string;
  readonly inputRequests?: Record<string, { readonly method: string; readonly params: { readonly message: string } }>;
  readonly requestState?: string;
  readonly content?: readonly { readonly text: string }[];
  readonly isError?: boolean;
}
interface Answer {
  readonly result?: Result;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: { readonly code: string } };
}

const CAPABILITIES = { elicitation: { form: {} }, sampling: {}, roots: {} };

function calling(handler: WrappedHandler, capabilities: object = CAPABILITIES, principal = 'ada') {
  return async (name: string, args: object = {}, more: object = {}, ms = 20_000): Promise<Answer> => {
    const end = performance.now() + ms;
    const event = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name,
        arguments: args,
        ...more,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': capabilities,
        },
      },
    };
    return (await handler(event, {
      getRemainingTimeInMillis: () => end - performance.now(),
      clientContext: { custom: { zeroplanePrincipal: principal } },
    })) as Answer;
  };
}

const accept = (value: string): object => ({ action: 'accept', content: { value } });
const questions = (answer: Answer): string[] =>
  Object.values(answer.result?.inputRequests ?? {}).map((request) => request.params.message);

/** Answers every question by its own message until there are none. */
async function converse(
  call: ReturnType<typeof calling>,
  name: string,
  args: object = {},
): Promise<[Answer, string[]]> {
  const asked: string[] = [];
  let answer = await call(name, args);
  for (let round = 0; round < 10 && answer.result?.resultType === 'input_required'; round++) {
    asked.push(...questions(answer));
    const inputResponses = Object.fromEntries(
      Object.entries(answer.result.inputRequests ?? {}).map(([key, { params }]) => [
        key,
        accept(`<${params.message}>`),
      ]),
    );
    answer = await call(name, args, { inputResponses, requestState: answer.result.requestState });
  }
  return [answer, asked];
}

describe.each(['hold', 'replay'] as const)('questions: %s', (mode) => {
  test('a call that asks twice ends after two rounds with both answers', async () => {
    const [answer, asked] = await converse(calling(asking({ questions: mode })), 'book', { seats: 2 });
    expect(asked).toEqual(['which day?', 'which seat?']);
    expect(answer.result?.content?.[0]?.text).toBe('booked 2: <which day?>, <which seat?>');
    expect(answer.result?.resultType).toBe('complete');
  });

  test('questions that a server puts at once come as one round', async () => {
    const [answer, asked] = await converse(calling(asking({ questions: mode })), 'both');
    expect(asked).toEqual(['left?', 'right?']);
    expect(answer.result?.content?.[0]?.text).toBe('<left?> and <right?>');
  });

  test('an answer that does not come is asked for again', async () => {
    const call = calling(asking({ questions: mode }));
    const first = await call('both');
    const [key = ''] = Object.keys(first.result?.inputRequests ?? {});
    const second = await call(
      'both',
      {},
      {
        inputResponses: { [key]: accept('L'), unknown: accept('X') },
        requestState: first.result?.requestState,
      },
    );
    expect(questions(second)).toEqual(['right?']);
  });

  test('a state is good for its own caller, call and arguments only', async () => {
    const handler = asking({ questions: mode });
    const call = calling(handler);
    const first = await call('book', { seats: 2 });
    const requestState = first.result?.requestState ?? '';
    const code = async (answer: Promise<Answer>): Promise<unknown> => [
      (await answer).error?.code,
      (await answer).error?.data?.code,
    ];
    const refused = [-32602, 'INVALID_REQUEST_STATE'];
    expect(await code(call('book', { seats: 3 }, { requestState }))).toEqual(refused);
    expect(await code(call('both', {}, { requestState }))).toEqual(refused);
    expect(await code(calling(handler, CAPABILITIES, 'eve')('book', { seats: 2 }, { requestState }))).toEqual(refused);
    expect(await code(call('book', { seats: 2 }, { requestState: `${requestState.slice(0, -4)}AAAA` }))).toEqual(
      refused,
    );
    expect(await code(call('book', { seats: 2 }, { requestState: 'somebody-else' }))).toEqual(refused);
  });

  test('a question that the caller cannot answer is declined, and the call goes on', async () => {
    const [answer, asked] = await converse(calling(asking({ questions: mode }), { sampling: {} }), 'book', {
      seats: 1,
    });
    expect(asked).toEqual([]);
    expect(answer.result?.content?.[0]?.text).toBe('booked 1: decline, decline');
  });

  test('a refusal of the person reaches the server as one', async () => {
    const call = calling(asking({ questions: mode }));
    const first = await call('both');
    const inputResponses = Object.fromEntries(
      Object.keys(first.result?.inputRequests ?? {}).map((key) => [key, { action: 'cancel' }]),
    );
    const second = await call('both', {}, { inputResponses, requestState: first.result?.requestState });
    expect(second.result?.content?.[0]?.text).toBe('cancel and cancel');
  });

  test('a call that asks nothing ends at once, in a process that stays warm', async () => {
    const call = calling(asking({ questions: mode }));
    const first = (await call('pid')).result?.content?.[0]?.text;
    expect((await call('pid')).result?.content?.[0]?.text).toBe(first);
  });
});

describe('hold', () => {
  test('the call goes on where it stopped, so that nothing happens twice', async () => {
    const log = logFile();
    const [answer] = await converse(calling(asking({ questions: 'hold', env: { ASKING_LOG: log } })), 'late', {});
    expect(answer.result?.content?.[0]?.text).toBe('done');
    expect(readFileSync(log, 'utf8')).toBe('before\nafter\n');
  });

  test('another instance says that the call is not there', async () => {
    const first = await calling(asking({ questions: 'hold' }))('book', { seats: 2 });
    const second = await calling(asking({ questions: 'hold' }))(
      'book',
      { seats: 2 },
      {
        requestState: first.result?.requestState,
      },
    );
    expect(second.error?.message).toMatch(/in another instance of this function \([0-9a-f]{12}, not [0-9a-f]{12}\)/);
    expect(second.error?.data?.code).toBe('INVALID_REQUEST_STATE');
  });

  test('a call whose answers do not come in time ends, and says so later', async () => {
    const log = logFile();
    const call = calling(asking({ questions: 'hold', holdMs: 100, env: { ASKING_LOG: log } }));
    const first = await call('late');
    await expect.poll(() => readFileSync(log, 'utf8'), { timeout: 5_000 }).toContain('cancelled');
    const second = await call('late', {}, { requestState: first.result?.requestState });
    expect(second.error?.message).toContain('has ended');
  });

  test('a fourth waiting call of one caller gives up the oldest', async () => {
    const call = calling(asking({ questions: 'hold' }));
    const states = [];
    for (let i = 0; i < 4; i++) states.push((await call('book', { seats: 2 })).result?.requestState);
    expect((await call('book', { seats: 2 }, { requestState: states[0] })).error?.message).toContain('has ended');
    const last = await call('book', { seats: 2 }, { requestState: states[3], inputResponses: { q1: accept('mon') } });
    expect(questions(last)).toEqual(['which seat?']);
  });

  test('each invocation has its own deadline', async () => {
    const call = calling(asking({ questions: 'hold' }));
    const first = await call('stall');
    const second = await call(
      'stall',
      {},
      { inputResponses: { q1: accept('x') }, requestState: first.result?.requestState },
      800,
    );
    expect(second.result?.isError).toBe(true);
    expect(second.result?.content?.[0]?.text).toContain('timed out');
  });
});

describe('replay', () => {
  test('any instance with the same key goes on with the call', async () => {
    const options = { questions: 'replay', stateKey: 'shared' } as const;
    const [one, two] = [calling(asking(options)), calling(asking(options))];
    let turn = 0;
    const either = ((...args: Parameters<typeof one>) => (turn++ % 2 === 0 ? one : two)(...args)) as typeof one;
    const [answer] = await converse(either, 'book', { seats: 2 });
    expect(answer.result?.content?.[0]?.text).toBe('booked 2: <which day?>, <which seat?>');
    const first = await one('book', { seats: 2 });
    const other = calling(asking({ questions: 'replay', stateKey: 'another' }));
    const refused = await other('book', { seats: 2 }, { requestState: first.result?.requestState });
    expect(refused.error?.data?.code).toBe('INVALID_REQUEST_STATE');
  });

  test('what stands before a question runs once per round, what stands behind the last one once', async () => {
    const log = logFile();
    const [answer] = await converse(calling(asking({ questions: 'replay', env: { ASKING_LOG: log } })), 'late', {});
    expect(answer.result?.content?.[0]?.text).toBe('done');
    // The process that asked was ended without a chance to take silence for an answer.
    expect(readFileSync(log, 'utf8')).toBe('before\nbefore\nafter\n');
  });

  test('a question that has changed is asked again', async () => {
    const log = logFile();
    const call = calling(asking({ questions: 'replay', env: { ASKING_LOG: log } }));
    const first = await call('fickle');
    expect(questions(first)).toEqual(['code 1?']);
    const second = await call(
      'fickle',
      {},
      { inputResponses: { q1: accept('1') }, requestState: first.result?.requestState },
    );
    expect(questions(second)).toEqual(['code 2?']);
  });

  test('a tool that never asks the same twice is given up', async () => {
    const log = logFile();
    const [answer] = await converse(calling(asking({ questions: 'replay', env: { ASKING_LOG: log } })), 'pid');
    expect(answer.error).toBeUndefined();
    const call = calling(asking({ questions: 'replay', env: { ASKING_LOG: log } }));
    let current = await call('fickle');
    for (let round = 0; round < 20 && current.error === undefined; round++)
      current = await call('fickle', {}, { inputResponses: {}, requestState: current.result?.requestState });
    expect(current.error?.message).toContain('has asked 16 times');
  });
});

test('declined questions never reach the caller', async () => {
  const [answer, asked] = await converse(calling(asking({ questions: 'decline' })), 'book', { seats: 1 });
  expect(asked).toEqual([]);
  expect(answer.result?.content?.[0]?.text).toBe('booked 1: decline, decline');
});
