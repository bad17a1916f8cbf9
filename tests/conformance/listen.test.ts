/** `subscriptions/listen` of 2026-07-28: one stream per wish, and nothing on it that was not wished for. */

import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EventStream } from '../../src/gateway/event-stream.ts';
import type { Sink } from '../../src/gateway/reply.ts';
import { fakeClock } from '../contract/fake-clock.ts';
import type { Assembled } from '../fixtures/assembled.ts';
import { startBare, startInstance } from '../fixtures/assembled.ts';
import { eventsOf, exchange, textOf } from '../fixtures/http-exchange.ts';
import type { ScriptedTarget } from '../fixtures/instance.ts';
import { define, scriptedTarget } from '../fixtures/instance.ts';
import type { Json } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { checkWire } from '../oracle/check-wire.ts';

const ID = 'io.modelcontextprotocol/subscriptionId';
const VERSION = '2026-07-28';

let open: (() => Promise<void> | void)[] = [];
let asked: string[] = [];
beforeEach(() => {
  open = [];
  asked = [];
});
afterEach(async () => {
  for (const close of open.toReversed()) await close();
});

function notes(id: string, more: Partial<ScriptedTarget> = {}): ScriptedTarget {
  const definitions = [
    define('tool', { name: 'echo', inputSchema: { type: 'object' } }),
    define('prompt', { name: 'hello' }),
    define('resource', { uri: 'notes://a', name: 'a' }),
    define('resource', { uri: 'https://example.com/b', name: 'b' }),
    define('resource', { uri: 'notes://stubborn', name: 'stubborn' }),
  ];
  return scriptedTarget(
    id,
    definitions,
    (call) => {
      asked.push(`${call.method} ${call.name}`);
      if (call.name === 'notes://stubborn') throw new Error('cannot be subscribed to');
      return call.method === 'tools/call' ? '{"content":[]}' : '{}';
    },
    more,
  );
}

async function start(targets: ScriptedTarget[]): Promise<Assembled> {
  const gateway = await startBare({ targets });
  open.push(() => gateway.close());
  return settled(gateway);
}

/** The first listing of a target is a change as well: waits until it was told. */
async function settled(gateway: Assembled, token = 'ann@team-x'): Promise<Assembled> {
  await new WireClient({ url: gateway.mcp, era: 'modern', token }).request('tools/list');
  await new Promise((resolve) => setTimeout(resolve, 80));
  return gateway;
}

interface Listening {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly messages: Json[];
  readonly ended: Promise<void>;
  cut(): void;
}

interface ListenOptions {
  readonly path?: string;
  readonly token?: string;
  readonly id?: string | number;
  readonly headers?: Record<string, string>;
}

/** Opens a stream and returns once its first message or its refusal is there. */
async function listen(gateway: Assembled, notifications: unknown, options: ListenOptions = {}): Promise<Listening> {
  const { path = '', token = 'ann@team-x', id = 1 } = options;
  const body = {
    jsonrpc: '2.0',
    id,
    method: 'subscriptions/listen',
    params: {
      notifications,
      _meta: {
        'io.modelcontextprotocol/protocolVersion': VERSION,
        'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/clientInfo': { name: 'c', version: '1' },
      },
    },
  };
  const response = await exchange({
    url: gateway.mcp + path,
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': VERSION,
      'mcp-method': 'subscriptions/listen',
      ...options.headers,
    },
    body: JSON.stringify(body),
  });
  open.push(() => response.abort());
  const { status, headers } = response;
  const messages: Json[] = [];
  if (!(headers['content-type'] ?? '').startsWith('text/event-stream')) {
    messages.push(JSON.parse(await textOf(response.body)) as Json);
    return { status, headers, messages, ended: Promise.resolve(), cut: () => undefined };
  }
  let first: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (first = resolve));
  const ended = (async () => {
    for await (const event of eventsOf(response.body)) {
      if (event.data === '') continue;
      messages.push(JSON.parse(event.data) as Json);
      first();
    }
  })();
  ended.catch(() => undefined);
  await begun;
  return { status, headers, messages, ended, cut: () => response.abort() };
}

async function until(holds: () => boolean, what: string, timeoutMs = 5_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`did not happen in ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const methods = (stream: Listening): unknown[] => stream.messages.slice(1).map((message) => message['method']);
const idOf = (message: Json | undefined): unknown =>
  (((message?.['params'] ?? message?.['result']) as Json | undefined)?.['_meta'] as Json | undefined)?.[ID];
const acknowledged = (stream: Listening): unknown =>
  (stream.messages[0] as { params?: Json })?.params?.['notifications'];
const EVERYTHING = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
/** What the oracle says of the server's messages on a listen stream. */
const objections = (stream: Listening): string[] =>
  stream.messages.flatMap((message) =>
    checkWire({ version: VERSION, sender: 'server', message, method: 'subscriptions/listen' }),
  );

/** Changes one list of a target and announces it. */
function change(target: ScriptedTarget, kind: 'tools' | 'prompts' | 'resources'): void {
  const n = target.definitions.length;
  const added = {
    tools: define('tool', { name: `t${n}`, inputSchema: { type: 'object' } }),
    prompts: define('prompt', { name: `p${n}` }),
    resources: define('resource', { uri: `notes://r${n}`, name: `r${n}` }),
  }[kind];
  target.definitions = [...target.definitions, added];
  target.announce({ kind });
}

test.each([7, 'seven', ''])('begins with the acknowledgement; its id %j is in every message', async (id) => {
  const target = notes('docs');
  const stream = await listen(await start([target]), EVERYTHING, { id });
  expect(stream.status).toBe(200);
  expect(stream.headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
  expect(stream.messages[0]).toEqual({
    jsonrpc: '2.0',
    method: 'notifications/subscriptions/acknowledged',
    params: { _meta: { [ID]: id }, notifications: EVERYTHING },
  });
  change(target, 'tools');
  await until(() => stream.messages.length > 1, 'told');
  expect(stream.messages.map(idOf)).toEqual([id, id]);
  expect(objections(stream)).toEqual([]);
});

test.each([
  [{ toolsListChanged: true }, ['notifications/tools/list_changed']],
  [{ promptsListChanged: true }, ['notifications/prompts/list_changed']],
  [{ resourcesListChanged: true, toolsListChanged: false }, ['notifications/resources/list_changed']],
  [{}, []],
  [
    EVERYTHING,
    ['notifications/tools/list_changed', 'notifications/prompts/list_changed', 'notifications/resources/list_changed'],
  ],
])('who wants %j hears that and nothing else', async (wish, heard) => {
  const target = notes('docs');
  const gateway = await start([target]);
  const stream = await listen(gateway, wish);
  const control = await listen(gateway, EVERYTHING, { id: 'control' });
  for (const kind of ['tools', 'prompts', 'resources'] as const) change(target, kind);
  target.announce({ kind: 'resource', uri: 'notes://a' });
  await until(() => control.messages.length >= 4, 'all told');
  await pause(60);
  expect(new Set(methods(stream))).toEqual(new Set(heard));
  expect(control.messages.every((message) => idOf(message) === 'control')).toBe(true);
});

test('what is no wish of ours is left out of the acknowledgement; what is no wish at all is refused', async () => {
  const gateway = await start([notes('docs')]);
  const stream = await listen(gateway, {
    toolsListChanged: 'yes',
    taskIds: ['t'],
    unknown: true,
    promptsListChanged: true,
  });
  expect(acknowledged(stream)).toEqual({ promptsListChanged: true });
  for (const wish of [undefined, null, [], 'all', 7]) {
    const refused = await listen(gateway, wish);
    expect([wish, refused.messages[0]?.['error']]).toEqual([wish, expect.objectContaining({ code: -32602 })]);
  }
  const json = await listen(gateway, EVERYTHING, { headers: { accept: 'application/json' } });
  expect([json.status, json.messages[0]?.['id']]).toEqual([406, 1]);
});

describe('resources', () => {
  test('are subscribed by their public URI on the endpoint of all, and by their own on the endpoint of one', async () => {
    const target = notes('docs');
    const gateway = await start([target, notes('other')]);
    const wish = [
      'docs+notes://a',
      'https://example.com/b',
      'notes://a',
      'docs+notes://stubborn',
      'none+notes://a',
      'docs+notes://',
    ];
    const all = await listen(gateway, { resourceSubscriptions: wish });
    expect(all.messages[0]).toMatchObject({
      params: {
        notifications: { resourceSubscriptions: ['docs+notes://a', 'https://example.com/b', 'docs+notes://'] },
      },
    });
    const one = await listen(gateway, { resourceSubscriptions: ['notes://a', 'notes://stubborn'] }, { path: '/docs' });
    expect(one.messages[0]).toMatchObject({ params: { notifications: { resourceSubscriptions: ['notes://a'] } } });
    const none = await listen(gateway, EVERYTHING);
    target.announce({ kind: 'resource', uri: 'notes://a' });
    await until(() => all.messages.length > 1 && one.messages.length > 1, 'updated');
    expect(all.messages[1]).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/resources/updated',
      params: { _meta: { [ID]: 1 }, uri: 'docs+notes://a' },
    });
    expect(one.messages[1]).toMatchObject({ params: { uri: 'notes://a' } });
    target.announce({ kind: 'resource', uri: 'notes://elsewhere' });
    await pause(100);
    expect([all.messages.length, one.messages.length, none.messages.length]).toEqual([2, 2, 1]);
    expect(objections(all)).toEqual([]);
  });

  test('are asked of the target once, however many listen, and given back when the last has gone', async () => {
    const gateway = await start([notes('docs')]);
    const wish = { resourceSubscriptions: ['docs+notes://a', 'docs+notes://a'] };
    const streams = [await listen(gateway, wish), await listen(gateway, wish, { token: 'bob@team-x' })];
    expect(asked).toEqual(['resources/subscribe notes://a']);
    streams[0]?.cut();
    await pause(60);
    expect(asked).toHaveLength(1);
    streams[1]?.cut();
    await until(() => asked.includes('resources/unsubscribe notes://a'), 'given back');
    expect(asked).toHaveLength(2);
  });

  test('are at most 256 on one stream', async () => {
    const gateway = await start([notes('docs')]);
    const uris = Array.from({ length: 300 }, (_, i) => `docs+notes://n${i}`);
    const stream = await listen(gateway, { resourceSubscriptions: uris });
    expect(acknowledged(stream)).toEqual({ resourceSubscriptions: uris.slice(0, 256) });
  });
});

test('a registration is told within a second', async () => {
  const gateway = await startInstance();
  open.push(() => gateway.close());
  await settled(gateway, gateway.token);
  const stream = await listen(gateway, { toolsListChanged: true }, { token: gateway.token });
  const startedMs = performance.now();
  const response = await fetch(`${gateway.url}/register`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      type: 'tool',
      name: 't',
      description: 'd',
      lambdaArn: 'arn:aws:lambda:region:account:function:x',
      parameters: {},
    }),
  });
  expect(response.status).toBe(201);
  await until(() => stream.messages.length > 1, 'told');
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  expect(methods(stream)).toEqual(['notifications/tools/list_changed']);
});

test('the endpoint of one target hears of that one alone, and a tenant only of what is its own', async () => {
  const mine = notes('mine', { tenants: ['team-x'] });
  const shared = notes('shared');
  const gateway = await start([mine, shared]);
  const one = await listen(gateway, EVERYTHING, { path: '/shared' });
  const all = await listen(gateway, EVERYTHING);
  const other = await listen(gateway, EVERYTHING, { token: 'eve@team-y' });
  change(mine, 'tools');
  await until(() => all.messages.length > 1, 'told');
  await pause(60);
  expect([one.messages.length, other.messages.length]).toEqual([1, 1]);
  change(shared, 'tools');
  await until(() => other.messages.length > 1 && one.messages.length > 1, 'both told');
});

test('changes in a burst are told once', async () => {
  const target = notes('docs');
  const stream = await listen(await start([target]), EVERYTHING);
  for (let i = 0; i < 20; i++) change(target, 'tools');
  await until(() => stream.messages.length > 1, 'told');
  await pause(150);
  expect(stream.messages.length).toBeLessThanOrEqual(3);
});

test('at shutdown every stream gets its response and ends', async () => {
  const gateway = await startBare({ targets: [notes('docs')] });
  const streams = [await listen(gateway, EVERYTHING, { id: 'a' }), await listen(gateway, {}, { id: 2 })];
  await gateway.close();
  await Promise.all(streams.map((stream) => stream.ended));
  expect(streams.map((stream) => stream.messages.at(-1))).toEqual(
    ['a', 2].map((id) => ({
      jsonrpc: '2.0',
      id,
      result: {
        resultType: 'complete',
        _meta: { [ID]: id, 'io.modelcontextprotocol/serverInfo': { name: 'zeroplane', version: '0.0.0' } },
      },
    })),
  );
  expect(streams.flatMap(objections)).toEqual([]);
});

test('128 streams are one caller’s most: the next is 429 with the time to wait, others are not concerned', async () => {
  const gateway = await start([notes('docs')]);
  const streams = await Promise.all(Array.from({ length: 128 }, (_, i) => listen(gateway, {}, { id: i })));
  expect(streams.every((stream) => stream.status === 200)).toBe(true);
  const refused = await listen(gateway, {}, { id: 'more' });
  expect(refused.status).toBe(429);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(refused.messages[0]).toMatchObject({ id: 'more', error: { code: 429 } });
  expect((await listen(gateway, {}, { token: 'bob@team-x' })).status).toBe(200);
  streams[5]?.cut();
  await pause(50);
  expect((await listen(gateway, {}, { id: 'now' })).status).toBe(200);
});

describe('a stream alone', () => {
  interface FakeSink extends Sink {
    readonly texts: string[];
    buffered: number;
    aborted: number;
    over: number;
    leave(): void;
  }

  function fakeSink(): FakeSink {
    let left: () => void = () => undefined;
    const sink: FakeSink = {
      texts: [],
      buffered: 0,
      aborted: 0,
      over: 0,
      write: (text) => void sink.texts.push(text),
      end: () => void sink.over++,
      abort: () => void sink.aborted++,
      onClose: (run) => (left = run),
      leave: () => left(),
    };
    return sink;
  }

  function opened(clock = fakeClock()): { stream: EventStream; sink: FakeSink; clock: typeof clock } {
    const stream = new EventStream(clock);
    const sink = fakeSink();
    const { body } = stream.reply();
    if (typeof body !== 'object' || !('open' in body)) throw new Error('no stream');
    body.open(sink);
    return { stream, sink, clock };
  }

  test('is kept alive by a comment every 15 seconds, until it ends', () => {
    const { stream, sink, clock } = opened();
    clock.advance(14_999);
    expect(sink.texts).toEqual([]);
    clock.advance(1);
    clock.advance(15_000);
    expect(sink.texts).toEqual([': keep-alive\n\n', ': keep-alive\n\n']);
    stream.end();
    clock.advance(60_000);
    expect(sink.texts).toHaveLength(2);
    expect(sink.over).toBe(1);
  });

  test('that is not read is cut once it holds more than 8 MiB, and hears nothing more', () => {
    const { stream, sink } = opened();
    let closed = 0;
    stream.onClose(() => closed++);
    sink.buffered = 8 * 1_048_576;
    stream.send('{"a":1}');
    expect([sink.aborted, closed]).toEqual([0, 0]);
    sink.buffered++;
    stream.send('{"a":2}');
    expect([sink.aborted, closed, stream.ended]).toEqual([1, 1, true]);
    stream.send('{"a":3}');
    expect(sink.texts).toHaveLength(1);
  });

  test('has room for what its client can do without up to a mebibyte, before it is opened too', () => {
    const { stream, sink } = opened();
    sink.buffered = 1_048_576 - 7;
    expect(stream.hasRoomFor('{"a":1}')).toBe(true);
    sink.buffered++;
    expect(stream.hasRoomFor('{"a":1}')).toBe(false);
    const unopened = new EventStream(fakeClock());
    unopened.send(JSON.stringify('x'.repeat(1_048_000)));
    expect([unopened.hasRoomFor('{}'), unopened.hasRoomFor('y'.repeat(600))]).toEqual([true, false]);
  });

  test('whose client has left writes nothing and tells so once', () => {
    const { stream, sink, clock } = opened();
    let closed = 0;
    stream.onClose(() => closed++);
    sink.leave();
    stream.send('{}');
    stream.end();
    clock.advance(60_000);
    expect([sink.texts.length, closed]).toEqual([0, 1]);
  });

  test('puts each message on one line of data, whatever white space it has', () => {
    const { stream, sink } = opened();
    stream.send('{\r\n"a":\n1}', 'x.1');
    expect(sink.texts).toEqual(['id: x.1\nevent: message\ndata: { "a": 1}\n\n']);
  });
});

test('a client that stops reading is told less, its call ends well, and another client is not disturbed', async () => {
  const call = { stopped: false, ended: false };
  const loud = scriptedTarget(
    'loud',
    [define('tool', { name: 'shout', inputSchema: { type: 'object' } })],
    async (_call, talk, context) => {
      context.onAbort?.(() => (call.stopped = true));
      const params = JSON.stringify({ level: 'info', data: 'x'.repeat(262_144) });
      // Far more than the buffers of two sockets hold.
      for (let sent = 0; sent < 400 && !call.stopped; sent++) {
        talk.notify('notifications/message', params);
        await new Promise((resolve) => setImmediate(resolve));
      }
      call.ended = true;
      return '{"content":[]}';
    },
  );
  const gateway = await start([loud as ScriptedTarget, notes('docs')]);
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: {
      name: 'loud___shout',
      arguments: {},
      _meta: {
        'io.modelcontextprotocol/protocolVersion': VERSION,
        'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/logLevel': 'debug',
      },
    },
  });
  const { port } = new URL(gateway.url);
  const socket = connect(Number(port), '127.0.0.1');
  open.push(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.pause();
  socket.write(
    `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ann@team-x\r\nContent-Type: application/json\r\nAccept: text/event-stream, application/json\r\nMCP-Protocol-Version: ${VERSION}\r\nMcp-Method: tools/call\r\nMcp-Name: loud___shout\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await until(() => call.ended, 'the call ends');
  expect(call.stopped).toBe(false);
  const wire = new WireClient({ url: gateway.mcp, era: 'modern', token: 'bob@team-x' });
  expect((await wire.request('tools/call', { name: 'docs___echo', arguments: {} })).result).toMatchObject({
    content: [],
  });
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void received.push(chunk));
  socket.resume();
  const heard = (): string => Buffer.concat(received.slice(-20)).toString('utf8');
  await until(() => heard().includes('"resultType":"complete"'), 'the answer is read');
  expect(heard()).toMatch(/"data":"\d+ notifications of this call were left out/);
});
