import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

import { expect, test } from 'vitest';

import { toInputSchema } from './parameters.ts';
import { ProblemList } from './problem-list.ts';

async function converse(messages: readonly unknown[], answers: number): Promise<unknown[]> {
  const child = spawn(process.execPath, ['samples/hello/server.mjs'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((done) => child.once('exit', done));
  const received: unknown[] = [];
  child.stdin.write(
    messages.map((message) => `${typeof message === 'string' ? message : JSON.stringify(message)}\n`).join(''),
  );
  for await (const line of createInterface({ input: child.stdout })) {
    received.push(JSON.parse(line));
    if (received.length === answers) child.stdin.end();
  }
  expect(await ended).toBe(0);
  return received;
}

const request = (id: number, method: string, params?: unknown): unknown => ({
  jsonrpc: '2.0',
  id,
  method,
  ...(params === undefined ? {} : { params }),
});

test('the sample server opens a session, lists and calls', async () => {
  const answers = await converse(
    [
      request(1, 'initialize', {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 't', version: '1' },
      }),
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      request(2, 'ping'),
      request(3, 'tools/list'),
      request(4, 'tools/call', { name: 'greet', arguments: { name: 'Ada' } }),
      request(5, 'tools/call', { name: 'greet' }),
      request(6, 'resources/read', { uri: 'hello://about' }),
      request(7, 'prompts/get', { name: 'introduce', arguments: { first: 'Ada', second: 'Grace' } }),
      request(8, 'tools/call', { name: 'nothing' }),
      request(9, 'toString'),
      '{',
    ],
    10,
  );
  expect(answers).toMatchObject([
    { id: 1, result: { protocolVersion: '2025-11-25', serverInfo: { name: 'hello' }, capabilities: { tools: {} } } },
    { id: 2, result: {} },
    { id: 3, result: { tools: [{ name: 'greet', inputSchema: { required: ['name'] } }] } },
    { id: 4, result: { content: [{ type: 'text', text: 'Hello, Ada!' }] } },
    { id: 5, result: { isError: true } },
    { id: 6, result: { contents: [{ uri: 'hello://about', mimeType: 'text/plain' }] } },
    { id: 7, result: { messages: [{ role: 'user', content: { type: 'text' } }] } },
    { id: 8, error: { code: -32602 } },
    { id: 9, error: { code: -32601 } },
    { id: null, error: { code: -32700 } },
  ]);
});

test.each([
  ['2025-06-18', '2025-06-18'],
  ['2024-11-05', '2024-11-05'],
  ['2099-01-01', '2025-11-25'],
  [undefined, '2025-11-25'],
])('asked for revision %s the sample server answers %s', async (asked, answered) => {
  expect(await converse([request(1, 'initialize', { protocolVersion: asked })], 1)).toMatchObject([
    { result: { protocolVersion: answered } },
  ]);
});

test("the sample function's schema is one that the registry takes", async () => {
  const schema: unknown = JSON.parse(await readFile('samples/functions/customer-id-from-email/schema.json', 'utf8'));
  const problems = new ProblemList();
  expect(toInputSchema(schema, 'schema', problems)).toEqual(schema);
  expect(problems.problems).toEqual([]);
});
