import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer as OldServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';

import { Context } from '../../core/context.ts';
import type { PlatformError, UpstreamRpcError } from '../../core/errors.ts';
import type { RawMember } from '../../core/json.ts';
import type { Clock } from '../../core/ports.ts';
import type { Definition, Exchange } from '../../core/target.ts';
import type { Conversation, ConversationRequest, OpenOptions } from '../../upstream/conversation.ts';
import { DECLARE_ALL } from '../../upstream/revisions.ts';
import { createEgress } from '../embedded/egress.ts';
import { createHttpConnector } from './http-connector.ts';
import type { HttpConnectorOptions } from './http-connector.ts';
import { RemoteVerdicts } from './remote-verdicts.ts';

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

function contextOf(extra: { timeoutMs?: number; trace?: { traceparent: string }; hops?: number } = {}): Context {
  return new Context({ principal, requestId: 'r', clock, log: quiet, timeoutMs: 10_000, ...extra });
}

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<string> {
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
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

function connectorTo(url: string, extra: Partial<HttpConnectorOptions> = {}): ReturnType<typeof createHttpConnector> {
  const egress = createEgress({ clock });
  const connector = createHttpConnector({
    target: 'docs',
    url,
    origin: 'operator',
    egress,
    clock,
    clientInfo: { name: 'zeroplane', version: '0' },
    ...extra,
  });
  cleanups.push(async () => {
    await connector.close();
    egress.close();
  });
  return connector;
}

function opening(extra: Partial<OpenOptions> = {}): OpenOptions {
  return { declare: {}, context: contextOf(), timeoutMs: 5_000, ...extra };
}

interface Told extends Exchange {
  readonly told: [string, Record<string, unknown>][];
  readonly asked: [string, Record<string, unknown>][];
}

function caller(answers: Record<string, unknown> = {}, extra: Partial<Exchange> = {}): Told {
  const told: [string, Record<string, unknown>][] = [];
  const asked: [string, Record<string, unknown>][] = [];
  return {
    capabilities: {},
    canAsk: Object.keys(answers).length > 0,
    wantsProgress: true,
    told,
    asked,
    notify: (method, text) => told.push([method, JSON.parse(text) as Record<string, unknown>]),
    ask: async (method, text) => {
      asked.push([method, JSON.parse(text) as Record<string, unknown>]);
      return JSON.stringify(answers[method]);
    },
    ...extra,
  };
}

function members(value: Record<string, unknown>): RawMember[] {
  return Object.entries(value).map(([key, part]) => ({ key, text: JSON.stringify(part) }));
}

function toolCall(
  name: string,
  args: Record<string, unknown> = {},
  extra: Partial<ConversationRequest> = {},
): ConversationRequest {
  return {
    method: 'tools/call',
    params: members({ name, arguments: args }),
    meta: [],
    context: contextOf(),
    timeoutMs: 5_000,
    ...extra,
  };
}

async function resultOf(conversation: Conversation, request: ConversationRequest): Promise<Record<string, unknown>> {
  return JSON.parse(await conversation.request(request)) as Record<string, unknown>;
}

function failure<Kind = PlatformError>(promise: Promise<unknown>): Promise<Kind> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as Kind,
  );
}

/** The adapter's own type is not written for exact optional properties. */
function nodeHandler(
  handler: ReturnType<typeof createMcpHandler>,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const run = toNodeHandler(handler);
  return (request, response) => run(request as Parameters<typeof run>[0], response);
}

async function bodyOf(
  request: IncomingMessage,
): Promise<{ id?: number; method: string; params?: Record<string, unknown> }> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString() || '{}') as { method: string };
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

// ------------------------------------------------------------------------------- servers nobody here wrote

function newServer(): McpServer {
  const server = new McpServer(
    { name: 'new', version: '1' },
    { capabilities: { tools: { listChanged: true }, logging: {} } },
  );
  server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }));
  server.registerTool('steps', { inputSchema: z.object({}) }, async (_args, context) => {
    const progressToken = context.mcpReq._meta?.progressToken ?? 'none';
    await context.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: 1, total: 2 } });
    return { content: [{ type: 'text', text: 'done' }] };
  });
  server.registerTool('slow', { inputSchema: z.object({}) }, async (_args, context) => {
    await new Promise<void>((resolve) => {
      context.mcpReq.signal.addEventListener('abort', () => {
        aborted++;
        resolve();
      });
    });
    return { content: [] };
  });
  return server;
}
let aborted = 0;

async function serveNew(
  legacy: 'stateless' | 'reject' = 'reject',
): Promise<{ url: string; handler: ReturnType<typeof createMcpHandler>; seen: IncomingMessage[] }> {
  const handler = createMcpHandler(newServer, { legacy });
  const node = nodeHandler(handler);
  const seen: IncomingMessage[] = [];
  const url = await serve((request, response) => {
    seen.push(request);
    void node(request, response);
  });
  cleanups.push(() => handler.close());
  return { url, handler, seen };
}

function oldServer(): OldServer {
  const server = new OldServer({ name: 'old', version: '1' }, { capabilities: { logging: {} } });
  server.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }));
  server.registerTool('steps', {}, async (extra) => {
    await extra.sendNotification({
      method: 'notifications/progress',
      params: { progressToken: extra._meta?.progressToken ?? 'none', progress: 1, message: 'half' },
    });
    await server.server.sendLoggingMessage({ level: 'error', data: 'log' }, extra.sessionId);
    return { content: [{ type: 'text', text: 'done' }] };
  });
  server.registerTool('ask', {}, async () => {
    const answer = await server.server.elicitInput({
      message: 'Who?',
      requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
    });
    return { content: [{ type: 'text', text: JSON.stringify(answer) }] };
  });
  server.registerTool('sample', {}, async () => {
    const answer = await server.server.createMessage({
      messages: [{ role: 'user', content: { type: 'text', text: 'hi' } }],
      maxTokens: 5,
    });
    return { content: [{ type: 'text', text: JSON.stringify(answer.content) }] };
  });
  server.registerTool('slow', {}, async (extra) => {
    await new Promise<void>((resolve) => {
      extra.signal.addEventListener('abort', () => {
        aborted++;
        resolve();
      });
    });
    return { content: [] };
  });
  return server;
}

interface OldHost {
  readonly url: string;
  readonly sessions: Map<string, { transport: StreamableHTTPServerTransport; server: OldServer }>;
  readonly seen: string[];
}

async function serveOld(enableJsonResponse = false): Promise<OldHost> {
  const sessions: OldHost['sessions'] = new Map();
  const seen: string[] = [];
  const url = await serve(async (request, response) => {
    const id = request.headers['mcp-session-id'] as string | undefined;
    seen.push(`${request.method} ${String(request.headers['mcp-protocol-version'] ?? '-')}`);
    const known = id === undefined ? undefined : sessions.get(id);
    if (known !== undefined) return known.transport.handleRequest(request, response);
    if (id !== undefined) {
      response.writeHead(404, { 'content-type': 'application/json' });
      return response.end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}');
    }
    const server = oldServer();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse,
      onsessioninitialized: (session) => void sessions.set(session, { transport, server }),
      onsessionclosed: (session) => void sessions.delete(session),
    });
    await server.connect(transport as never);
    return transport.handleRequest(request, response);
  });
  return { url, sessions, seen };
}

async function serveSse(path = '/mcp'): Promise<{ url: string; servers: OldServer[] }> {
  const transports = new Map<string, SSEServerTransport>();
  const servers: OldServer[] = [];
  const url = await serve(async (request, response) => {
    const asked = new URL(request.url ?? '/', 'http://h');
    if (request.method === 'GET' && asked.pathname === path) {
      const transport = new SSEServerTransport('/messages', response);
      transports.set(transport.sessionId, transport);
      const server = oldServer();
      servers.push(server);
      await server.connect(transport);
    } else if (request.method === 'POST' && asked.pathname === '/messages') {
      await transports.get(asked.searchParams.get('sessionId') ?? '')?.handlePostMessage(request, response);
    } else response.writeHead(404).end('not here');
  });
  return { url, servers };
}

describe('a server of 2026-07-28', () => {
  test('is recognised, and calls pass with every header it checks', async () => {
    const { url, seen } = await serveNew();
    const conversation = await connectorTo(url).open(opening());
    expect(conversation).toMatchObject({ era: 'modern', protocolVersion: '2026-07-28', serverInfo: { name: 'new' } });
    const context = contextOf({
      trace: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
      hops: 2,
    });
    const request = toolCall(
      'echo',
      { text: 'é' },
      { context, meta: members({ 'io.zeroplane/idempotencyKey': 'k1' }) },
    );
    expect(await resultOf(conversation, request)).toMatchObject({ content: [{ type: 'text', text: 'é' }] });
    expect(seen.at(-1)?.headers).toMatchObject({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'echo',
      'zeroplane-hops': '3',
      'idempotency-key': 'k1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
  });

  test('tells of progress on the stream of its request', async () => {
    const { url } = await serveNew();
    const conversation = await connectorTo(url).open(opening());
    const exchange = caller();
    expect(await resultOf(conversation, toolCall('steps', {}, { exchange }))).toMatchObject({
      content: [{ text: 'done' }],
    });
    expect(exchange.told).toEqual([['notifications/progress', { progress: 1, total: 2 }]]);
  });

  test('hears of a cancelled call by its stream closing', async () => {
    const { url } = await serveNew();
    const conversation = await connectorTo(url).open(opening());
    const context = contextOf();
    aborted = 0;
    const running = failure(conversation.request(toolCall('slow', {}, { context })));
    setTimeout(() => context.abort('gone'), 50);
    expect((await running).code).toBe('CALL_CANCELLED');
    await expect.poll(() => aborted).toBe(1);
  });

  test('that does not answer in time is one timeout at the deadline, and hears of it', async () => {
    const { url } = await serveNew();
    const conversation = await connectorTo(url).open(opening());
    aborted = 0;
    const started = performance.now();
    expect((await failure(conversation.request(toolCall('slow', {}, { timeoutMs: 150 })))).code).toBe('TARGET_TIMEOUT');
    expect(performance.now() - started).toBeLessThan(400);
    await expect.poll(() => aborted).toBe(1);
  });

  test('answers errors in its own words', async () => {
    const { url } = await serveNew();
    const conversation = await connectorTo(url).open(opening());
    const unknown = await failure<UpstreamRpcError>(conversation.request({ ...toolCall('x'), method: 'no/such' }));
    expect(unknown).toMatchObject({ name: 'UpstreamRpcError', rpcCode: -32601 });
    const missing = await failure<UpstreamRpcError>(conversation.request(toolCall('absent')));
    expect(missing).toMatchObject({ name: 'UpstreamRpcError', rpcCode: -32602 });
  });

  test('tells of changed lists on a stream that is kept open', async () => {
    const { url, handler } = await serveNew();
    const conversation = await connectorTo(url).open(opening());
    const heard: string[] = [];
    conversation.onNotification((method) => heard.push(method));
    await expect.poll(() => heard).toContain('notifications/subscriptions/acknowledged');
    handler.notify.toolsChanged();
    await expect.poll(() => heard).toContain('notifications/tools/list_changed');
  });

  test('that answers both eras is spoken to in the newer one', async () => {
    const { url } = await serveNew('stateless');
    expect((await connectorTo(url).open(opening())).era).toBe('modern');
  });
});

describe('a server of 2026-07-28 written for the test', () => {
  const discovered = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
  type Handler = (
    message: { id?: number; method: string; params?: Record<string, unknown> },
    response: ServerResponse,
    request: IncomingMessage,
  ) => void;

  function serveModern(handler: Handler, capabilities: Record<string, unknown> = { tools: {} }): Promise<string> {
    return serve(async (request, response) => {
      const message = await bodyOf(request);
      if (message.method !== 'server/discover') return handler(message, response, request);
      sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: { ...discovered, capabilities } });
    });
  }

  async function open(handler: Handler): Promise<Conversation> {
    return connectorTo(await serveModern(handler)).open(opening());
  }

  test('gets arguments as headers where its schema asks for them, and names in Base64 where they need it', async () => {
    let headers: Record<string, unknown> = {};
    const conversation = await open((message, response, request) => {
      headers = request.headers;
      sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: {} });
    });
    const value = {
      name: 'größe',
      inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } },
    };
    const definition: Definition = { kind: 'tool', key: 'größe', text: JSON.stringify(value), value };
    await conversation.request(toolCall('größe', { region: ' a' }, { definition }));
    expect(headers).toMatchObject({ 'mcp-name': '=?base64?Z3LDtsOfZQ==?=', 'mcp-param-region': '=?base64?IGE=?=' });
    // Nothing is undone here, so nothing may be done there.
    expect(headers['accept-encoding']).toBe('identity');
  });

  test('keeps what it sends: unknown fields, big numbers, input_required', async () => {
    const result =
      '{"resultType":"input_required","requestState":"s","x":12345678901234567890,"inputRequests":{"a":{"method":"elicitation/create"}}}';
    const conversation = await open((message, response) => {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
      response.end(`{"result": ${result}, "id": ${message.id}, "jsonrpc": "2.0"}`);
    });
    expect(await conversation.request(toolCall('t'))).toBe(result);
  });

  test.each([-32020, -32022])('never has its error %i relayed as ours', async (code) => {
    for (const status of [400, 200]) {
      const conversation = await open((message, response) =>
        sendJson(response, status, { jsonrpc: '2.0', id: message.id, error: { code, message: 'no' } }),
      );
      const error = await failure(conversation.request(toolCall('t')));
      expect(error).toMatchObject({ code: 'TARGET_PROTOCOL_ERROR', details: { upstreamCode: code, target: 'docs' } });
    }
  });

  test.each([
    ['a web page', 200, 'text/html', '<p>', 'TARGET_PROTOCOL_ERROR'],
    ['no content type', 200, undefined, '{}', 'TARGET_PROTOCOL_ERROR'],
    ['half a message', 200, 'application/json', '{"jsonrpc":"2.0","id":2,"result":{"a"', 'TARGET_PROTOCOL_ERROR'],
    ['another id', 200, 'application/json', '{"jsonrpc":"2.0","id":99,"result":{}}', 'TARGET_PROTOCOL_ERROR'],
    ['a list as result', 200, 'application/json', '{"jsonrpc":"2.0","id":2,"result":[]}', 'TARGET_PROTOCOL_ERROR'],
    ['nothing', 202, undefined, '', 'TARGET_UNAVAILABLE'],
    ['a redirect', 307, undefined, '', 'TARGET_UNAVAILABLE'],
    [
      'a refused credential',
      401,
      'application/json',
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"no"}}',
      'TARGET_UNAVAILABLE',
    ],
    ['an overload', 503, undefined, '', 'TARGET_UNAVAILABLE'],
    [
      'a stream without an answer',
      200,
      'text/event-stream',
      'data: {"jsonrpc":"2.0","method":"notifications/x"}\n\n',
      'TARGET_UNAVAILABLE',
    ],
    [
      'a stream cut inside the answer',
      200,
      'text/event-stream',
      'data: {"jsonrpc":"2.0","id":2,"result":{}}',
      'TARGET_UNAVAILABLE',
    ],
  ])('that answers with %s gives an error at once', async (_name, status, type, body, code) => {
    const conversation = await open(
      (_message, response) =>
        void response.writeHead(status, type === undefined ? {} : { 'content-type': type }).end(body),
    );
    const started = performance.now();
    const error = await failure(conversation.request(toolCall('t')));
    expect(error.code).toBe(code);
    expect(error.message).toContain('"docs"');
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test('with an answer over the limit gives an error and no part of it', async () => {
    const url = await serveModern((message, response) =>
      sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: { x: 'y'.repeat(2000) } }),
    );
    const conversation = await connectorTo(url, { maxResponseBytes: 1000 }).open(opening());
    expect((await failure(conversation.request(toolCall('t')))).code).toBe('TARGET_RESPONSE_TOO_LARGE');
  });

  test('that asks on a stream is not answered, and its answer still counts', async () => {
    let posts = 0;
    const conversation = await open((message, response) => {
      posts++;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"jsonrpc":"2.0","id":7,"method":"roots/list"}\n\n');
      response.end(`data: {"jsonrpc":"2.0","id":${message.id},"result":{}}\n\n`);
    });
    expect(await conversation.request(toolCall('t'))).toBe('{}');
    expect(posts).toBe(1);
  });

  test('whose listen stream breaks is listened to again, and its lists then count as changed', async () => {
    let listens = 0;
    const url = await serveModern(
      (message, response) => {
        listens++;
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(
          `data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":${message.id}}}}\n\n`,
        );
        if (listens === 1) setTimeout(() => response.destroy(), 20);
      },
      { tools: { listChanged: true } },
    );
    const quick: Clock = { ...clock, after: (ms, run) => clock.after(ms > 400 && ms <= 1000 ? 20 : ms, run) };
    const conversation = await connectorTo(url, { clock: quick }).open(opening());
    const heard: string[] = [];
    conversation.onNotification((method) => heard.push(method));
    await expect.poll(() => heard).toContain('notifications/tools/list_changed');
    expect(listens).toBe(2);
    await conversation.close();
  });
});

describe.each([
  ['streams', false],
  ['JSON', true],
])('a server of 2025 with sessions that answers by %s', (_name, asJson) => {
  test('is recognised, keeps one session, and is told when it ends', async () => {
    const host = await serveOld(asJson);
    const conversation = await connectorTo(host.url).open(opening());
    expect(conversation).toMatchObject({ era: 'legacy', protocolVersion: '2025-11-25', serverInfo: { name: 'old' } });
    expect(await resultOf(conversation, toolCall('echo', { text: 'a' }))).toEqual({
      content: [{ type: 'text', text: 'a' }],
    });
    expect(await resultOf(conversation, toolCall('echo', { text: 'b' }))).toEqual({
      content: [{ type: 'text', text: 'b' }],
    });
    expect(host.sessions.size).toBe(1);
    expect(host.seen.filter((line) => line === 'POST 2025-11-25')).toHaveLength(3);
    await conversation.close();
    expect(host.sessions.size).toBe(0);
  });

  test('that forgot the session ends the conversation, and the call may be repeated', async () => {
    const host = await serveOld(asJson);
    const connector = connectorTo(host.url);
    const conversation = await connector.open(opening());
    const ended = new Promise((resolve) => {
      conversation.onEnd(resolve);
    });
    host.sessions.clear();
    expect(await failure(conversation.request(toolCall('echo', { text: 'a' })))).toMatchObject({
      code: 'TARGET_UNAVAILABLE',
      details: { sessionEnded: true, processed: false },
    });
    expect(await ended).toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    expect(conversation.ended).toBe(true);
    const again = await connector.open(opening());
    expect(await resultOf(again, toolCall('echo', { text: 'a' }))).toEqual({ content: [{ type: 'text', text: 'a' }] });
  });
});

describe('a server of 2025 with sessions', () => {
  test('asks its caller in the middle of a call, and the caller alone', async () => {
    const { url } = await serveOld();
    const conversation = await connectorTo(url).open(opening({ declare: DECLARE_ALL }));
    const exchange = caller({
      'elicitation/create': { action: 'accept', content: { name: 'Ada' } },
      'sampling/createMessage': { role: 'assistant', model: 'm', content: { type: 'text', text: 'hello' } },
    });
    expect(await resultOf(conversation, toolCall('ask', {}, { exchange }))).toEqual({
      content: [{ type: 'text', text: '{"action":"accept","content":{"name":"Ada"}}' }],
    });
    expect(await resultOf(conversation, toolCall('sample', {}, { exchange }))).toEqual({
      content: [{ type: 'text', text: '{"type":"text","text":"hello"}' }],
    });
    expect(exchange.asked.map(([method]) => method)).toEqual(['elicitation/create', 'sampling/createMessage']);
    expect(exchange.asked[0]?.[1]).toMatchObject({ message: 'Who?' });
  });

  test('hears a refusal when nobody can be asked', async () => {
    const { url } = await serveOld();
    const conversation = await connectorTo(url).open(opening({ declare: DECLARE_ALL }));
    expect(await resultOf(conversation, toolCall('ask', {}, { exchange: caller() }))).toEqual({
      content: [{ type: 'text', text: '{"action":"decline"}' }],
    });
  });

  test('tells of progress and logs during a call, and of changed lists at any time', async () => {
    const { url, sessions } = await serveOld();
    const conversation = await connectorTo(url).open(opening());
    const heard: string[] = [];
    conversation.onNotification((method) => heard.push(method));
    const exchange = caller();
    await conversation.request(toolCall('steps', {}, { exchange }));
    expect(exchange.told).toContainEqual(['notifications/progress', { progress: 1, message: 'half' }]);
    // The server's own stream opens beside the first calls.
    await expect
      .poll(async () => {
        for (const { server } of sessions.values()) server.sendToolListChanged();
        await new Promise((resolve) => setTimeout(resolve, 20));
        return heard;
      })
      .toContain('notifications/tools/list_changed');
  });

  test('hears of a cancelled call by a notification', async () => {
    const { url } = await serveOld();
    const conversation = await connectorTo(url).open(opening());
    aborted = 0;
    const context = contextOf();
    const running = failure(conversation.request(toolCall('slow', {}, { context })));
    setTimeout(() => context.abort('gone'), 50);
    expect((await running).code).toBe('CALL_CANCELLED');
    await expect.poll(() => aborted).toBe(1);
    expect(await resultOf(conversation, toolCall('echo', { text: 'still here' }))).toMatchObject({
      content: [{ text: 'still here' }],
    });
  });
});

describe('a session server written for the test', () => {
  test.each(['x', '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'])(
    'that sends %s on its own stream without end leaves time to everybody else',
    async (data) => {
      const events = `data: ${data}\n\n`.repeat(2_000);
      const url = await serve(async (request, response) => {
        if (request.method === 'GET') {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          // Both ends share this process, so the server pauses as well.
          const flood = setInterval(() => response.write(events), 1);
          return void response.on('close', () => clearInterval(flood));
        }
        const message = await bodyOf(request);
        if (message.method === 'server/discover') return void response.writeHead(400).end();
        if (message.id === undefined) return void response.writeHead(202).end();
        const introduction = {
          protocolVersion: '2025-11-25',
          capabilities: {},
          serverInfo: { name: 'x', version: '1' },
        };
        sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: introduction });
      });
      const conversation = await connectorTo(url).open(opening());
      await conversation.request(toolCall('t'));
      let turns = 0;
      const stop = setInterval(() => turns++, 5);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      clearInterval(stop);
      expect(turns).toBeGreaterThan(30);
      if (data === 'x') {
        const error = await failure(conversation.request(toolCall('t')));
        expect(error.message).toMatch(/sent 10000 lines .* no messages, and the conversation was ended/);
      } else expect(await conversation.request(toolCall('t'))).toContain('2025-11-25');
      await conversation.close();
    },
  );

  test('that ends its own stream at once and asks for no pause is not asked without end', async () => {
    let gets = 0;
    const url = await serve(async (request, response) => {
      if (request.method === 'GET') {
        gets++;
        return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('retry: 0\nid: 1\ndata:\n\n');
      }
      const message = await bodyOf(request);
      if (message.method === 'server/discover') return void response.writeHead(400).end();
      if (message.id === undefined) return void response.writeHead(202).end();
      const introduction = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } };
      sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: introduction });
    });
    const conversation = await connectorTo(url).open(opening());
    await conversation.request(toolCall('t'));
    await expect.poll(() => gets).toBeGreaterThan(1);
    const before = gets;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(gets - before).toBeLessThanOrEqual(4);
    await conversation.close();
  });

  test('may close the connection of a request and be asked for the rest', async () => {
    const gets: unknown[] = [];
    let id = 0;
    const url = await serve(async (request, response) => {
      if (request.method === 'GET') {
        gets.push(request.headers['last-event-id']);
        if (request.headers['last-event-id'] === undefined) return void response.writeHead(405).end();
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        return void response.end(`id: e2\ndata: {"jsonrpc":"2.0","id":${id},"result":{"late":true}}\n\n`);
      }
      const message = await bodyOf(request);
      if (message.method === 'server/discover') return void response.writeHead(400).end();
      if (message.method === 'initialize') {
        return sendJson(response, 200, {
          jsonrpc: '2.0',
          id: message.id,
          result: { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 'x', version: '1' } },
        });
      }
      if (message.id === undefined) return void response.writeHead(202).end();
      id = message.id;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end('id: e1\nretry: 30\ndata:\n\n');
    });
    const conversation = await connectorTo(url).open(opening());
    expect(await conversation.request(toolCall('t'))).toBe('{"late":true}');
    expect(gets).toContain('e1');
    expect(conversation.protocolVersion).toBe('2025-06-18');
  });
});

describe('a server of 2024-11-05', () => {
  test.each(['http', 'sse'] as const)('is reached by its event stream when configured as %s', async (kind) => {
    const { url } = await serveSse();
    const conversation = await connectorTo(url, { kind }).open(opening({ declare: DECLARE_ALL }));
    expect(conversation).toMatchObject({ era: 'legacy', serverInfo: { name: 'old' } });
    const exchange = caller({ 'elicitation/create': { action: 'accept', content: { name: 'Ada' } } });
    expect(await resultOf(conversation, toolCall('ask', {}, { exchange }))).toEqual({
      content: [{ type: 'text', text: '{"action":"accept","content":{"name":"Ada"}}' }],
    });
    await conversation.request(toolCall('steps', {}, { exchange }));
    expect(exchange.told).toContainEqual(['notifications/progress', { progress: 1, message: 'half' }]);
  });

  test('whose stream ends takes the call in flight with it', async () => {
    const { url, servers } = await serveSse();
    const conversation = await connectorTo(url, { kind: 'sse' }).open(opening());
    const running = failure(conversation.request(toolCall('slow')));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await servers[0]?.close();
    expect((await running).code).toBe('TARGET_UNAVAILABLE');
    expect(conversation.ended).toBe(true);
  });

  test('may not send us to another origin', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: endpoint\ndata: http://127.0.0.1:1/steal\n\n');
    });
    const error = await failure(
      connectorTo(url, { kind: 'sse', headers: { Authorization: 'Bearer s3cret' } }).open(opening()),
    );
    expect(error.code).toBe('TARGET_PROTOCOL_ERROR');
    expect(error.message).toContain('own origin');
  });

  test('that never names its endpoint is a timeout', async () => {
    const url = await serve((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
    );
    expect((await failure(connectorTo(url, { kind: 'sse' }).open(opening({ timeoutMs: 200 })))).code).toBe(
      'TARGET_TIMEOUT',
    );
  });
});

describe('finding out', () => {
  test.each([401, 403, 407, 408, 429, 500, 502, 503])(
    'status %i says nothing about the era and is not remembered',
    async (status) => {
      const asked: string[] = [];
      let open = false;
      const handler = nodeHandler(createMcpHandler(newServer));
      const url = await serve(async (request, response) => {
        if (open) return handler(request, response);
        asked.push((await bodyOf(request)).method);
        return response
          .writeHead(status, { 'retry-after': '3' })
          .end('{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"x"}}');
      });
      const connector = connectorTo(url);
      expect(await failure(connector.open(opening()))).toMatchObject({
        code: 'TARGET_UNAVAILABLE',
        details: { status, retryAfter: '3', retryAfterMs: 3_000 },
        ...(status === 429 || status >= 500
          ? { message: expect.stringContaining('end the request again in 3 s.') as string }
          : {}),
      });
      expect(asked).toEqual(['server/discover']);
      open = true;
      expect((await connector.open(opening())).era).toBe('modern');
    },
  );

  test.each([
    [
      'an older list in the error',
      { code: -32022, message: 'x', data: { supported: ['2025-11-25'], requested: '2026-07-28' } },
    ],
    ['an error of its own', { code: -32000, message: 'Bad Request: Server not initialized' }],
    ['an unknown method', { code: -32601, message: 'Method not found' }],
  ])('a server that answers with %s gets initialize', async (_name, error) => {
    const asked: string[] = [];
    const url = await serve(async (request, response) => {
      const message = await bodyOf(request);
      asked.push(message.method);
      if (message.method === 'server/discover') return sendJson(response, 400, { jsonrpc: '2.0', id: null, error });
      if (message.method !== 'initialize') return void response.writeHead(202).end();
      sendJson(response, 200, {
        jsonrpc: '2.0',
        id: message.id,
        result: { protocolVersion: '2025-03-26', capabilities: {}, serverInfo: { name: 'x', version: '1' } },
      });
    });
    expect((await connectorTo(url).open(opening())).protocolVersion).toBe('2025-03-26');
    expect(asked.slice(0, 2)).toEqual(['server/discover', 'initialize']);
  });

  test('a server that shares no revision with us is named so', async () => {
    const url = await serve(async (request, response) => {
      const message = await bodyOf(request);
      sendJson(response, 400, {
        jsonrpc: '2.0',
        id: message.id,
        error: { code: -32022, message: 'x', data: { supported: ['2031-01-01'] } },
      });
    });
    const error = await failure(connectorTo(url).open(opening()));
    expect(error).toMatchObject({ code: 'TARGET_PROTOCOL_ERROR' });
    expect(error.message).toContain('2031-01-01');
  });

  test.each([
    ['/mcp/', '/mcp/'],
    ['?a=1', '/mcp?a=1'],
    ['http://', ''],
    [undefined, ''],
  ])('a redirect to %s is not followed, and its whole address is told', async (location, told) => {
    const url = await serve(
      (_request, response) => void response.writeHead(307, location === undefined ? {} : { location }).end(),
    );
    const error = await failure(connectorTo(url).open(opening()));
    const address = told === '' ? '' : ` (${new URL(told, url).href})`;
    expect(error.message).toContain(
      `answered HTTP 307. Redirects are not followed: put the final address${address} into mcpServers.docs.url.`,
    );
  });

  test('a page that is no MCP server is an error that says so', async () => {
    const url = await serve(
      (_request, response) => void response.writeHead(404, { 'content-type': 'text/html' }).end('<p>no</p>'),
    );
    const error = await failure(connectorTo(url).open(opening()));
    expect(error).toMatchObject({ code: 'TARGET_UNAVAILABLE', details: { status: 404 } });
    expect(error.message).toContain('mcpServers.docs.url');
  });

  test('nobody listening is an error that names the address and not the credential', async () => {
    const url = await serve(() => undefined);
    await cleanups.pop()?.();
    const error = await failure(
      connectorTo(`${url}?key=s3cret`, { headers: { Authorization: 'Bearer s3cret' } }).open(opening()),
    );
    expect(error.code).toBe('TARGET_UNAVAILABLE');
    expect(`${error.message} ${JSON.stringify(error.details)}`).not.toContain('s3cret');
  });

  test('a legacy verdict is used without asking, and asked again beside a call once it is old', async () => {
    let now = 0;
    const steady: Clock = { ...clock, monotonicMs: () => performance.now() + now };
    const verdicts = new RemoteVerdicts(steady);
    let upgraded = false;
    const asked: string[] = [];
    const modern = nodeHandler(createMcpHandler(newServer, { legacy: 'stateless' }));
    const old = await serveOld();
    const url = await serve(async (request, response) => {
      asked.push(String(request.headers['mcp-method'] ?? request.method));
      if (upgraded) return modern(request, response);
      const session = [...old.sessions.values()].at(-1);
      if (request.headers['mcp-session-id'] !== undefined && session !== undefined)
        return session.transport.handleRequest(request, response);
      response.setHeader('x', '1');
      const server = oldServer();
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void old.sessions.set(id, { transport, server }),
      });
      await server.connect(transport as never);
      return transport.handleRequest(request, response);
    });
    const connector = connectorTo(url, { verdicts, clock: steady });
    const patient = (): OpenOptions => opening({ context: contextOf({ timeoutMs: 1_000_000 }) });
    expect((await connector.open(patient())).era).toBe('legacy');
    expect(asked.filter((line) => line === 'server/discover')).toHaveLength(1);
    expect((await connector.open(patient())).era).toBe('legacy');
    expect(asked.filter((line) => line === 'server/discover')).toHaveLength(1);
    now = 700_000;
    upgraded = true;
    expect((await connector.open(patient())).era).toBe('legacy');
    await expect.poll(async () => (await connector.open(patient())).era).toBe('modern');
  });

  test('a server that is replaced by an older one is found out again', async () => {
    const old = await serveOld();
    const modern = nodeHandler(createMcpHandler(newServer, { legacy: 'reject' }));
    let replaced = false;
    const url = await serve(async (request, response) => {
      if (!replaced) return modern(request, response);
      const { port } = new URL(old.url);
      const body: Buffer[] = [];
      for await (const part of request) body.push(part as Buffer);
      if (request.headers['mcp-method'] !== undefined) return response.writeHead(404).end();
      const { host: _host, ...headers } = request.headers;
      const forward = httpRequest({ port, host: '127.0.0.1', path: '/mcp', method: request.method ?? 'GET', headers });
      forward.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      forward.on('error', () => response.destroy());
      response.on('close', () => forward.destroy());
      return forward.end(Buffer.concat(body));
    });
    const connector = connectorTo(url);
    const conversation = await connector.open(opening());
    expect(conversation.era).toBe('modern');
    replaced = true;
    expect(await failure(conversation.request(toolCall('echo', { text: 'a' })))).toMatchObject({
      details: { status: 404 },
    });
    expect(conversation.ended).toBe(true);
    const again = await connector.open(opening());
    expect(again.era).toBe('legacy');
    expect(await resultOf(again, toolCall('echo', { text: 'a' }))).toMatchObject({ content: [{ text: 'a' }] });
  });

  test('a URL of a caller that leads inside is refused before anything is sent', async () => {
    let hits = 0;
    const url = await serve((_request, response) => {
      hits++;
      response.end();
    });
    expect((await failure(connectorTo(url, { origin: 'caller' }).open(opening()))).code).toBe('EGRESS_REFUSED');
    expect(hits).toBe(0);
  });
});

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startEverything(transport: 'streamableHttp' | 'sse'): Promise<number> {
  const port = await freePort();
  const shim = new URL('../../../tests/fixtures/loopback.mjs', import.meta.url);
  const script = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'));
  const child = spawn(process.execPath, ['--import', shim.href, script, transport], {
    env: { PATH: process.env['PATH'], PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  cleanups.push(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (/running on port|listening on port/i.test(said)) resolve();
    });
    void gone.then(() => reject(new Error(said)));
  });
  return port;
}

describe('server-everything', () => {
  test.each([
    ['streamableHttp', 'mcp'],
    ['sse', 'sse'],
  ] as const)('over %s lists, calls and asks', async (transport, path) => {
    const port = await startEverything(transport);
    const conversation = await connectorTo(`http://127.0.0.1:${port}/${path}`).open(opening({ declare: DECLARE_ALL }));
    expect(conversation.era).toBe('legacy');
    const list = await resultOf(conversation, {
      method: 'tools/list',
      params: [],
      meta: [],
      context: contextOf(),
      timeoutMs: 5000,
    });
    const names = (list['tools'] as { name: string }[]).map(({ name }) => name);
    expect(names).toContain('echo');
    expect(await resultOf(conversation, toolCall('echo', { message: 'hi' }))).toMatchObject({
      content: [{ text: 'Echo: hi' }],
    });
    const exchange = caller({
      'sampling/createMessage': { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled' } },
    });
    const sampled = await conversation.request(
      toolCall('trigger-sampling-request', { prompt: 'p', maxTokens: 5 }, { exchange }),
    );
    expect(sampled).toContain('sampled');
    expect(exchange.asked).toHaveLength(1);
    await conversation.close();
  });
});
