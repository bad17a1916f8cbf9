/** A remote server behind a network that misbehaves (F-57), and one that is down while everybody keeps calling (F-27). */

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer as OldServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';

import { createEgress } from '../../src/adapters/embedded/egress.ts';
import { createHttpConnector } from '../../src/adapters/remote-mcp/http-connector.ts';
import { Context } from '../../src/core/context.ts';
import { PlatformError } from '../../src/core/errors.ts';
import type { Clock } from '../../src/core/ports.ts';
import type { Exchange, TargetCall } from '../../src/core/target.ts';
import type { Connector, Conversation } from '../../src/upstream/conversation.ts';
import { McpTarget } from '../../src/upstream/mcp-target.ts';
import { StartGate } from '../../src/upstream/start-gate.ts';
import { startFaultProxy } from '../fixtures/fault-proxy.ts';
import type { FaultProxy } from '../fixtures/fault-proxy.ts';

const DEADLINE_MS = 400;
const TEXT = 'The quick brown fox jumps over the lazy dog. äöü';

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, Math.min(delayMs, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};
const quiet = { log: () => undefined, with: () => quiet };
const principal = { id: 'p', tenant: 't', roles: [], scopes: [] };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function context(timeoutMs = 10_000): Context {
  return new Context({ principal, requestId: 'r', clock, log: quiet, timeoutMs });
}

async function listen(handler: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<number> {
  const server = createServer((request, response) => void handler(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanups.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return (server.address() as AddressInfo).port;
}

function serveModern(): Promise<number> {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'new', version: '1' }, { capabilities: { tools: { listChanged: false } } });
    server.registerTool('say', { inputSchema: z.object({}) }, () => ({ content: [{ type: 'text', text: TEXT }] }));
    return server;
  });
  const node = toNodeHandler(handler);
  return listen((request, response) => node(request as Parameters<typeof node>[0], response));
}

function serveSessions(): Promise<number> {
  const sessions = new Map<unknown, StreamableHTTPServerTransport>();
  return listen(async (request, response) => {
    const known = sessions.get(request.headers['mcp-session-id']);
    if (known !== undefined) return known.handleRequest(request, response);
    const server = new OldServer({ name: 'old', version: '1' });
    server.registerTool('say', {}, () => ({ content: [{ type: 'text', text: TEXT }] }));
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    await server.connect(transport as never);
    return transport.handleRequest(request, response);
  });
}

interface Line {
  readonly proxy: FaultProxy;
  readonly connector: Connector;
  readonly conversation: Conversation;
}

async function lineTo(port: number): Promise<Line> {
  const proxy = await startFaultProxy(port);
  const egress = createEgress({ clock });
  const connector = createHttpConnector({
    target: 'far',
    url: `http://127.0.0.1:${proxy.port}/mcp`,
    origin: 'operator',
    egress,
    clock,
    clientInfo: { name: 'zeroplane', version: '0' },
  });
  cleanups.push(async () => {
    proxy.set({ mode: 'pass' });
    egress.close();
    await proxy.close();
    await connector.close();
  });
  const conversation = await connector.open({ declare: {}, context: context(), timeoutMs: 5_000 });
  return { proxy, connector, conversation };
}

interface Outcome {
  readonly text?: string;
  readonly error?: Error;
  readonly ms: number;
}

async function say(conversation: Conversation): Promise<Outcome> {
  const started = performance.now();
  const params = [
    { key: 'name', text: '"say"' },
    { key: 'arguments', text: '{}' },
  ];
  try {
    const request = { method: 'tools/call', params, meta: [], context: context(), timeoutMs: DEADLINE_MS };
    return { text: await conversation.request(request), ms: performance.now() - started };
  } catch (error) {
    return { error: error as Error, ms: performance.now() - started };
  }
}

/** Whole or not at all, and never later than the deadline allows. */
function expectWholeOrError(outcome: Outcome): void {
  expect(outcome.ms).toBeLessThan(DEADLINE_MS + 250);
  if (outcome.text === undefined) expect(outcome.error?.name).toMatch(/PlatformError|UpstreamRpcError/);
  else expect(JSON.parse(outcome.text)).toBeTypeOf('object');
}

describe.each([
  ['2026-07-28', serveModern],
  ['2025-11-25 with sessions', serveSessions],
] as const)('F-57: a server of %s', (_name, serve) => {
  test.each([{ mode: 'slices' }, { mode: 'latency', ms: 30 }, { mode: 'slow', bytes: 100, pauseMs: 5 }] as const)(
    'is heard whole through $mode',
    async (fault) => {
      const { proxy, conversation } = await lineTo(await serve());
      proxy.set(fault);
      const outcome = await say(conversation);
      expect(outcome.error).toBeUndefined();
      expect(JSON.parse(outcome.text ?? '')).toMatchObject({ content: [{ text: TEXT }] });
    },
  );

  test('that is swallowed gives one error at the deadline', async () => {
    const { proxy, conversation } = await lineTo(await serve());
    proxy.set({ mode: 'blackhole' });
    const outcome = await say(conversation);
    expect(outcome.error).toMatchObject({ code: 'TARGET_TIMEOUT' });
    expect(outcome.ms).toBeGreaterThan(DEADLINE_MS - 20);
    expect(outcome.ms).toBeLessThan(DEADLINE_MS + 250);
  });

  test('that drips too slowly gives one error at the deadline', async () => {
    const { proxy, conversation } = await lineTo(await serve());
    proxy.set({ mode: 'slow', bytes: 1, pauseMs: 20 });
    const outcome = await say(conversation);
    expect(outcome.error).toMatchObject({ code: 'TARGET_TIMEOUT' });
    expect(outcome.ms).toBeLessThan(DEADLINE_MS + 250);
  });

  test('whose connection is reset after any number of bytes gives an error or the whole answer', async () => {
    const port = await serve();
    let errors = 0;
    for (let afterBytes = 0; afterBytes < 700; afterBytes += 23) {
      const { proxy, conversation } = await lineTo(port);
      proxy.set({ mode: 'reset', afterBytes });
      const outcome = await say(conversation);
      expectWholeOrError(outcome);
      if (outcome.text === undefined) errors++;
      else expect(JSON.parse(outcome.text)).toMatchObject({ content: [{ text: TEXT }] });
      proxy.set({ mode: 'pass' });
      await conversation.close();
    }
    expect(errors).toBeGreaterThan(5);
  });

  test('whose answer has any bit flipped gives an error or a whole message, and the process lives', async () => {
    const port = await serve();
    for (let byte = 0; byte < 600; byte += 13) {
      const { proxy, conversation } = await lineTo(port);
      proxy.set({ mode: 'flip', byte, bit: byte % 8 });
      expectWholeOrError(await say(conversation));
      proxy.set({ mode: 'pass' });
      void conversation.close();
    }
  });

  test('is called again as soon as the network is well', async () => {
    const { proxy, connector, conversation } = await lineTo(await serve());
    proxy.set({ mode: 'reset', afterBytes: 0 });
    expect((await say(conversation)).error).toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    proxy.set({ mode: 'pass' });
    const next = conversation.ended
      ? await connector.open({ declare: {}, context: context(), timeoutMs: 2_000 })
      : conversation;
    expect((await say(next)).error).toBeUndefined();
  });
});

const exchange: Exchange = {
  capabilities: {},
  canAsk: false,
  wantsProgress: false,
  notify: () => undefined,
  ask: () => Promise.reject(new Error('nobody')),
};
const call: TargetCall = {
  method: 'tools/call',
  name: 'say',
  params: [
    { key: 'name', text: '"say"' },
    { key: 'arguments', text: '{}' },
  ],
  meta: [],
  parsed: { name: 'say', arguments: {} },
  repeatable: true,
};

/** The product's own pauses, a tenth as long, so that six seconds stand for a minute. */
const SCALE = 10;
const DOWN_MS = 60_000 / SCALE;
const CALLS_PER_SECOND = 200;
const SCALED_TIMEOUT_MS = 150;

describe('F-27: a server that is down while 200 calls a second arrive', () => {
  test.each([
    ['2026-07-28', 'refuse', serveModern],
    ['2026-07-28', 'blackhole', serveModern],
    ['2025-11-25', 'refuse', serveSessions],
    ['2025-11-25', 'blackhole', serveSessions],
  ] as const)('of %s (%s) is left alone by the breaker, and used again soon after', async (_name, mode, serve) => {
    const { proxy, connector } = await lineTo(await serve());
    const gate = new StartGate({
      target: 'far',
      clock,
      firstPauseMs: 100 / SCALE,
      openPausesMs: [10_000 / SCALE, 30_000 / SCALE],
    });
    const target = new McpTarget({
      id: 'far',
      connector,
      clock,
      log: quiet,
      gate,
      timeoutMs: SCALED_TIMEOUT_MS,
      openTimeoutMs: SCALED_TIMEOUT_MS,
    });
    cleanups.push(() => target.close());
    await target.call(call, exchange, context());
    const codes = new Map<string, number>();
    const before = proxy.connections();
    proxy.set({ mode });
    const pending: Promise<unknown>[] = [];
    const end = performance.now() + DOWN_MS;
    while (performance.now() < end) {
      const outcome = target.call(call, exchange, context(2_000)).then(
        () => 'ok',
        (error: unknown) => (error instanceof PlatformError ? error.code : 'other'),
      );
      pending.push(outcome.then((code) => codes.set(code, (codes.get(code) ?? 0) + 1)));
      await new Promise((resolve) => setTimeout(resolve, 1000 / CALLS_PER_SECOND));
    }
    await Promise.all(pending);
    const total = pending.length;
    const reached = proxy.connections() - before;
    console.log(`F-27 ${mode}: ${total} calls, ${reached} connections, ${JSON.stringify([...codes])}`);
    expect(codes.get('other') ?? 0).toBe(0);
    expect(codes.get('TARGET_BREAKER_OPEN') ?? 0).toBeGreaterThan(total / 2);
    expect(reached).toBeLessThan(total * 0.1);
    proxy.set({ mode: 'pass' });
    const recovered = performance.now();
    await expect
      .poll(
        () =>
          target.call(call, exchange, context()).then(
            () => 'ok',
            () => 'no',
          ),
        { timeout: 30_000 / SCALE + 500, interval: 20 },
      )
      .toBe('ok');
    expect(performance.now() - recovered).toBeLessThan(30_000 / SCALE + 500);
  });
});
