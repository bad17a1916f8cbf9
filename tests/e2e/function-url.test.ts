/** Official SDK clients against a wrapped server behind a Function URL. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, describe, expect, test } from 'vitest';
import { createHandler } from '../../src/wrapper.ts';
import type { HandlerOptions } from '../../src/wrapper.ts';
import { functionUrl } from '../fixtures/function-url.ts';

process.env['LOG_LEVEL'] ??= 'ERROR';

const require = createRequire(import.meta.url);
const real = (name: string): string =>
  join(dirname(require.resolve(`@modelcontextprotocol/${name}/package.json`)), 'dist', 'index.js');
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

async function serve(script: string, options: Partial<HandlerOptions> = {}, args: string[] = []): Promise<string> {
  const handler = createHandler({ command: process.execPath, args: [script, ...args], name: 'x', ...options });
  const front = await functionUrl(handler, { streaming: options.streaming === true });
  open.push(handler, front);
  return front.url;
}

async function older(url: string): Promise<Client1> {
  const client = new Client1({ name: 'v1', version: '1' });
  open.push(client);
  await client.connect(new Transport1(new URL(url)) as Parameters<Client1['connect']>[0]);
  return client;
}

async function newer(url: string, capabilities: object = {}): Promise<Client2> {
  const client = new Client2(
    { name: 'v2', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities },
  );
  open.push(client);
  await client.connect(new Transport2(new URL(url)));
  return client;
}

describe.each([false, true])('streaming: %s', (streaming) => {
  test('SDK 1 lists, calls, reads, prompts and completes on a real server', async () => {
    const client = await older(await serve(real('server-everything'), { streaming }));
    expect(client.getServerVersion()?.name).toBe('mcp-servers/everything');
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toContain('get-sum');
    const sum = await client.callTool({ name: 'get-sum', arguments: { a: 2, b: 3 } });
    expect(JSON.stringify(sum.content)).toContain('5');
    const { resources } = await client.listResources();
    const { contents } = await client.readResource({ uri: resources[0]?.uri ?? '' });
    expect(contents).toHaveLength(1);
    const { prompts } = await client.listPrompts();
    expect(prompts.length).toBeGreaterThan(1);
    const { messages } = await client.getPrompt({ name: 'simple-prompt' });
    expect(messages).toHaveLength(1);
    const { completion } = await client.complete({
      ref: { type: 'ref/prompt', name: 'completable-prompt' },
      argument: { name: 'department', value: 'E' },
    });
    expect(completion.values.length).toBeGreaterThan(0);
    await expect(client.callTool({ name: 'no-such-tool' })).resolves.toMatchObject({ isError: true });
  });

  test('SDK 2 in 2026-07-28 does the same, and hears of progress', async () => {
    const client = await newer(await serve(real('server-everything'), { streaming }));
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toContain('get-sum');
    const heard: number[] = [];
    await client.callTool(
      { name: 'trigger-long-running-operation', arguments: { duration: 0.3, steps: 3 } },
      { onprogress: ({ progress }) => void heard.push(progress) },
    );
    expect(heard).toEqual([1, 2, 3]);
    await expect(client.callTool({ name: 'echo', arguments: { message: 'äöü' } })).resolves.toMatchObject({
      content: [{ text: 'Echo: äöü' }],
    });
  });

  test('SDK 2 answers the question of an older server in the middle of its call', async () => {
    for (const questions of ['hold', 'replay'] as const) {
      const client = await newer(await serve(fixture('asking-server.mjs'), { streaming, questions }), {
        elicitation: { form: {} },
      });
      client.setRequestHandler('elicitation/create', ({ params }) => ({
        action: 'accept',
        content: { value: `<${params.message}>` },
      }));
      const result = await client.callTool({ name: 'book', arguments: { seats: 2 } });
      expect(result.content).toEqual([{ type: 'text', text: 'booked 2: <which day?>, <which seat?>' }]);
    }
  });

  test('a modern server serves both generations of clients', async () => {
    const url = await serve(fixture('modern-server.mjs'), { streaming });
    for (const client of [await older(url), await newer(url)]) {
      const result = await client.callTool({ name: 'echo', arguments: { text: 'hi' } });
      expect(result.content).toEqual([{ type: 'text', text: 'hi' }]);
    }
  });
});

test('progress reaches the client of a stream while the tool still runs', async () => {
  const client = await older(await serve(real('server-everything'), { streaming: true }));
  const heard: number[] = [];
  const began = performance.now();
  await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 1, steps: 2 } }, undefined, {
    onprogress: () => void heard.push(performance.now() - began),
  });
  expect(heard).toHaveLength(2);
  expect((heard[1] ?? 0) - (heard[0] ?? 0)).toBeGreaterThan(300);
});
