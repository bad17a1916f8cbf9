import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Running } from '../fixtures/child.ts';
import type { GatewayReady } from '../fixtures/gateway.ts';
import type { RecordingProxy } from '../fixtures/recording-proxy.ts';
import type { WireEra } from '../fixtures/wire-client.ts';
import { fixtureServer } from '../fixtures/child.ts';
import { startRecordingProxy } from '../fixtures/recording-proxy.ts';
import { fixtureCommand, realServers, startGateway } from '../fixtures/gateway.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { clients } from '../peers/clients.ts';

let gateway: Running<GatewayReady>;
let remote: Running<{ url: string }>;
let proxy: RecordingProxy;

beforeAll(async () => {
  remote = await fixtureServer('http-modern');
  gateway = await startGateway((folder) => {
    const { mcpServers, functions } = realServers(folder);
    return {
      mcpServers: { ...mcpServers, local: fixtureCommand('stdio-legacy'), remote: { url: remote.ready.url } },
      functions,
    };
  });
  proxy = await startRecordingProxy(gateway.ready.url);
  const registration = {
    type: 'tool',
    name: 'welcome',
    description: 'Greets, as registered while the gateway runs.',
    lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:greet',
    parameters: { name: 'string' },
  };
  const response = await fetch(gateway.ready.admin, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.ready.token}` },
    body: JSON.stringify(registration),
  });
  expect(response.status, await response.text()).toBe(201);
}, 40_000);

afterAll(async () => {
  await proxy?.close();
  await Promise.all([gateway?.stop(), remote?.stop()]);
});

const addressOf = (transport: 'http' | 'sse', target?: string): string => {
  if (transport === 'sse') return `${proxy.url}/sse`;
  return target === undefined ? `${proxy.url}/mcp` : `${proxy.url}/mcp/${target}`;
};

describe.each(clients)('$name', (client) => {
  const connect = (target?: string) =>
    client.connect({ url: addressOf(client.transport, target), token: gateway.ready.token });

  test('lists and calls tools of real servers and functions', async () => {
    const connection = await connect();
    try {
      const names = await connection.list();
      expect(names).toEqual(
        expect.arrayContaining([
          'everything___echo',
          'filesystem___read_text_file',
          'memory___read_graph',
          'thinking___sequentialthinking',
          'greet',
          'welcome',
        ]),
      );
      expect(await connection.call('everything___echo', { message: 'hello' })).toContain('hello');
      expect(await connection.call('memory___read_graph', {})).toContain('entities');
      expect(await connection.call('greet', { name: 'Ada' })).toContain('Hello, Ada!');
      expect(await connection.call('welcome', { name: 'Bob' })).toContain('Hello, Bob!');
      await expect(connection.call('nothing___here', {})).rejects.toThrow();
    } finally {
      await connection.close();
    }
  });

  test.runIf(client.transport === 'http')('uses bare names at the endpoint of one target', async () => {
    const connection = await connect('everything');
    try {
      const names = await connection.list();
      expect(names).toContain('echo');
      expect(names.some((name) => name.includes('___'))).toBe(false);
      expect(await connection.call('echo', { message: 'alone' })).toContain('alone');
    } finally {
      await connection.close();
    }
  });

  test.runIf(client.elicits).each(['local', 'remote'])(
    'answers a question in the middle of a call of the %s server',
    async (target) => {
      const connection = await connect();
      try {
        const text = await connection.call(`${target}___test_elicitation`, { message: 'Who are you?' });
        expect(text).toContain('action=accept');
        expect(text).toContain('Ada');
      } finally {
        await connection.close();
      }
    },
  );
});

test('the gateway sent these clients nothing that the schema of their revision refuses', () => {
  expect(new Set(proxy.seen.map((seen) => seen.version))).toEqual(new Set(['2025-11-25', '2026-07-28']));
  expect(proxy.seen.length).toBeGreaterThan(100);
  expect(proxy.violations()).toEqual([]);
});

describe.each<WireEra>(['modern', 'session', 'stateless', 'sse'])('on the wire, %s', (era) => {
  test('every message fits the schema of its revision', async () => {
    const url = era === 'sse' ? `${gateway.ready.url}/sse` : gateway.ready.mcp;
    const wire = await new WireClient({ url, era, token: gateway.ready.token }).open();
    for (const method of ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list']) {
      expect((await wire.request(method)).error).toBeUndefined();
    }
    for (const target of ['everything', 'local', 'remote']) {
      const name = target === 'everything' ? 'everything___get-tiny-image' : `${target}___test_multiple_content_types`;
      expect((await wire.request('tools/call', { name, arguments: {} })).result?.['content']).toBeDefined();
    }
    expect((await wire.request('tools/call', { name: 'nothing', arguments: {} })).error?.code).toBe(-32602);
    await wire.close();
    expect(wire.violations).toEqual([]);
  });
});
