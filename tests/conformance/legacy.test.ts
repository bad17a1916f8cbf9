/** The revisions with a handshake on Streamable HTTP: 2024-11-05 (which reaches it too), 2025-03-26, 2025-06-18, 2025-11-25. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openMemoryStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { PlatformError, UpstreamRpcError } from '../../src/core/errors.ts';
import type { StoreRoot } from '../../src/core/ports.ts';
import type { Exchange, TargetCall } from '../../src/core/target.ts';
import type { LocalInstance } from '../../src/testing.ts';
import { startGateway } from '../../src/testing.ts';
import type { Assembled, BareOptions } from '../fixtures/assembled.ts';
import { startBare, startInstance } from '../fixtures/assembled.ts';
import type { StreamEvent } from '../fixtures/http-exchange.ts';
import { eventsOf, exchange, textOf as bodyOf } from '../fixtures/http-exchange.ts';
import type { ScriptedTarget } from '../fixtures/instance.ts';
import { define, scriptedTarget } from '../fixtures/instance.ts';
import type { Json, WireOptions, WireReply } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import type { Revision } from '../oracle/check-wire.ts';

const VERSIONS = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'] as const;
const WITH_HEADER = ['2025-06-18', '2025-11-25'] as const;
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

let store: StoreRoot;
let open: { close(): Promise<void> }[] = [];
/** Ends the calls that wait, by their argument `gate`. */
let gates = new Map<string, () => void>();
let cancelled: string[] = [];
let calls: TargetCall[] = [];
let notified: string[] = [];
/** What the target's questions were answered with. */
let answers: unknown[] = [];

beforeEach(async () => {
  store = await openMemoryStore({ clock: systemClock });
  open = [];
  gates = new Map();
  cancelled = [];
  calls = [];
  notified = [];
  answers = [];
});

afterEach(async () => {
  for (const release of gates.values()) release();
  await Promise.all(open.toReversed().map((each) => each.close()));
  await store.close();
});

const QUESTIONS: Record<string, [string, string]> = {
  form: [
    'elicitation/create',
    '{"message":"sure?","requestedSchema":{"type":"object","properties":{}},"big":12345678901234567890}',
  ],
  url: ['elicitation/create', '{"mode":"url","message":"go","url":"https://example.com/","elicitationId":"e"}'],
  sampling: [
    'sampling/createMessage',
    '{"messages":[{"role":"user","content":{"type":"text","text":"hi"}}],"maxTokens":3}',
  ],
  roots: ['roots/list', '{}'],
};

const CONTENT = JSON.stringify({
  content: [
    { type: 'text', text: 'plain' },
    { type: 'audio', data: 'AAAA', mimeType: 'audio/wav' },
    { type: 'resource_link', uri: 'notes://a', name: 'a', title: 'A note' },
  ],
  structuredContent: { n: 1 },
});

async function act(call: TargetCall, talk: Exchange): Promise<string> {
  const args = (call.parsed['arguments'] ?? {}) as Json;
  switch (call.name) {
    case 'progress':
      for (let i = 1; i <= 3; i++) {
        talk.notify('notifications/progress', `{"progress":${i},"total":3}`);
        if (i === 1 && typeof args['gate'] === 'string')
          await new Promise<void>((resolve) => gates.set(String(args['gate']), resolve));
      }
      // Some servers talk on after their answer.
      if (args['late'] === true) setTimeout(() => talk.notify('notifications/progress', '{"progress":4}'), 20);
      return '{"content":[{"type":"text","text":"done"}]}';
    case 'log':
      for (const level of LEVELS)
        talk.notify('notifications/message', JSON.stringify({ level, logger: 'own', data: level }));
      return '{"content":[]}';
    case 'ask': {
      const [method, params] = QUESTIONS[String(args['kind'])] ?? ['', ''];
      answers.push(JSON.parse(await talk.ask(method, params)));
      return '{"content":[{"type":"text","text":"asked"}]}';
    }
    case 'content':
      return args['list'] === true ? '{"content":[],"structuredContent":[1,2]}' : CONTENT;
    default:
      return `{"content":[{"type":"text","text":${JSON.stringify(JSON.stringify(args))}}]}`;
  }
}

function work(more: { failsToSubscribe?: boolean } = {}): ScriptedTarget {
  const tools = ['echo', 'wait', 'progress', 'log', 'ask', 'content'].map((name) =>
    define('tool', { name, inputSchema: { type: 'object' } }),
  );
  const definitions = [...tools, ...['a', 'b'].map((name) => define('resource', { uri: `notes://${name}`, name }))];
  const run = async (
    call: TargetCall,
    talk: Exchange,
    context: { onAbort?(run: (reason: unknown) => void): void },
  ): Promise<string> => {
    calls.push(call);
    if (call.method.startsWith('resources/')) {
      if (more.failsToSubscribe === true) throw new UpstreamRpcError(-32601, 'no such method');
      return '{}';
    }
    if (call.name !== 'wait') return act(call, talk);
    const gate = String((call.parsed['arguments'] as Json)['gate']);
    return new Promise((resolve, reject) => {
      gates.set(gate, () => resolve('{"content":[{"type":"text","text":"waited"}]}'));
      context.onAbort?.((reason) => {
        cancelled.push(`${gate}: ${reason instanceof Error ? reason.message : 'aborted'}`);
        reject(new PlatformError('CALL_CANCELLED', 'cancelled'));
      });
    });
  };
  return scriptedTarget('work', definitions, run, { kind: 'stdio', notify: (method) => void notified.push(method) });
}

async function start(more: Partial<BareOptions> = {}): Promise<Assembled> {
  const gateway = await startBare({ targets: [work()], store, ...more });
  open.push(gateway);
  return gateway;
}

/** The first listing of a target is a change as well: waits until it was told. */
async function settled(gateway: Assembled, token = 'ann@team-x'): Promise<Assembled> {
  await new WireClient({ url: gateway.mcp, era: 'stateless', token }).request('tools/list');
  await new Promise((resolve) => setTimeout(resolve, 80));
  return gateway;
}

async function session(gateway: { readonly mcp: string }, more: Partial<WireOptions> = {}): Promise<WireClient> {
  return new WireClient({ url: gateway.mcp, era: 'session', token: 'ann@team-x', ...more }).open();
}

/** A second program with the same session, as after its own restart. */
function sameSession(wire: WireClient, gateway: { readonly mcp: string }, more: Partial<WireOptions> = {}): WireClient {
  const other = new WireClient({ ...wire.options, url: gateway.mcp, ...more });
  other.sessionId = wire.sessionId;
  return other;
}

const textOf = (reply: WireReply): string => String((reply.result?.['content'] as Json[] | undefined)?.[0]?.['text']);
const call = (wire: WireClient, name: string, args: Json = {}): Promise<WireReply> =>
  wire.request('tools/call', { name: `work___${name}`, arguments: args });

async function until(holds: () => boolean, what: string, timeoutMs = 5_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`did not happen in ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface RawStream {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly events: StreamEvent[];
  readonly messages: Json[];
  ended: boolean;
  cut(): void;
}

/** Events as they stand on the wire. */
async function raw(
  wire: WireClient,
  method: 'GET' | 'POST',
  more: { body?: object; headers?: Record<string, string> } = {},
): Promise<RawStream> {
  const versioned = wire.version >= '2025-06-18' ? { 'mcp-protocol-version': wire.version } : {};
  const response = await exchange({
    url: wire.options.url,
    method,
    headers: {
      authorization: `Bearer ${wire.options.token}`,
      accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(wire.sessionId === undefined ? {} : { 'mcp-session-id': wire.sessionId }),
      ...versioned,
      ...more.headers,
    },
    ...(more.body === undefined ? {} : { body: JSON.stringify(more.body) }),
  });
  const stream: RawStream = {
    status: response.status,
    headers: response.headers,
    events: [],
    messages: [],
    ended: false,
    cut: () => response.abort(),
  };
  void (async () => {
    for await (const event of eventsOf(response.body)) {
      stream.events.push(event);
      if (event.data !== '') stream.messages.push(JSON.parse(event.data) as Json);
    }
    stream.ended = true;
  })().catch(() => undefined);
  open.push({ close: () => Promise.resolve(response.abort()) });
  return stream;
}

const methodsOf = (stream: RawStream): unknown[] => stream.messages.map((message) => message['method'] ?? 'answer');

describe('the handshake', () => {
  test.each(VERSIONS)('%s is answered as asked, with a session', async (version) => {
    const wire = await session(await start(), { version });
    expect(wire.initialized).toMatchObject({ protocolVersion: version, serverInfo: { name: 'zeroplane' } });
    expect(wire.initialized?.['capabilities']).toMatchObject({
      logging: {},
      tools: { listChanged: true },
      resources: { subscribe: true },
    });
    expect(wire.sessionId).toMatch(/^[\x21-\x7e]+$/);
    expect(textOf(await call(wire, 'echo', { a: 1 }))).toBe('{"a":1}');
    expect((await wire.request('ping')).result).toEqual({});
    expect(wire.violations).toEqual([]);
    await wire.close();
  });

  test.each(['2023-01-01', '2026-07-28', '2099-01-01', 'latest', ''])(
    'an unknown version %j is answered with our newest',
    async (protocolVersion) => {
      const gateway = await start();
      const wire = new WireClient({ url: gateway.mcp, era: 'session', token: 'ann@team-x' });
      const reply = await wire.request('initialize', {
        protocolVersion,
        capabilities: {},
        clientInfo: { name: 'c', version: '1' },
      });
      expect(reply.result?.['protocolVersion']).toBe('2025-11-25');
    },
  );

  test('with the id of an old session it opens a new one', async () => {
    const gateway = await start();
    const wire = await session(gateway);
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
    const reply = await wire.request('initialize', params);
    expect(reply.status).toBe(200);
    expect(reply.headers['mcp-session-id']).not.toBe(wire.sessionId);
    const forged = await wire.request('initialize', params, { headers: { 'mcp-session-id': 'forged' } });
    expect(forged.status).toBe(200);
  });

  test('a version that is no text is refused', async () => {
    const wire = new WireClient({ url: (await start()).mcp, era: 'session', token: 'ann@team-x' });
    const reply = await wire.request('initialize', { protocolVersion: 7, capabilities: {} });
    expect([reply.status, reply.error?.code]).toEqual([400, -32602]);
  });
});

describe('the version header', () => {
  test.each(WITH_HEADER)('%s: unknown is 400 on every method, absent is the session’s', async (version) => {
    const wire = await session(await start(), { version });
    for (const bad of ['2023-01-01', 'x', '']) {
      const reply = await wire.request('ping', {}, { headers: { 'mcp-protocol-version': bad } });
      expect([bad, reply.status, reply.error?.code]).toEqual([bad, 400, -32600]);
      const got = await raw(wire, 'GET', { headers: { 'mcp-protocol-version': bad } });
      expect([bad, got.status]).toEqual([bad, 400]);
      const ended = await exchange({
        url: wire.options.url,
        method: 'DELETE',
        headers: {
          authorization: 'Bearer ann@team-x',
          'mcp-session-id': wire.sessionId ?? '',
          'mcp-protocol-version': bad,
        },
      });
      expect([bad, ended.status]).toEqual([bad, 400]);
      await bodyOf(ended.body);
    }
    const absent = await wire.post({ jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-protocol-version': version });
    expect(absent.status).toBe(200);
  });

  test('without header and session 2025-03-26 is assumed', async () => {
    const gateway = await start();
    const wire = new WireClient({ url: gateway.mcp, era: 'session', token: 'ann@team-x', version: '2025-03-26' });
    const reply = await call(wire, 'content');
    expect(reply.result).toMatchObject({ content: [{ type: 'text' }, { type: 'audio' }, { type: 'text' }] });
  });
});

describe('a session', () => {
  test('that was deleted is 404 everywhere, and still after a restart', async () => {
    const gateway = await start();
    const wire = await session(gateway);
    const headers = { authorization: 'Bearer ann@team-x', 'mcp-session-id': wire.sessionId ?? '' };
    const stream = await raw(wire, 'GET');
    const ended = await exchange({ url: wire.options.url, method: 'DELETE', headers });
    expect(ended.status).toBe(204);
    expect(await bodyOf(ended.body)).toBe('');
    await until(() => stream.ended, 'the GET stream ends');
    const gone = async (at: Assembled): Promise<void> => {
      const reply = await sameSession(wire, at).request('ping');
      expect([reply.status, reply.error?.code]).toEqual([404, -32600]);
      expect((await raw(sameSession(wire, at), 'GET')).status).toBe(404);
      const again = await exchange({ url: at.mcp, method: 'DELETE', headers });
      expect(again.status).toBe(404);
      await bodyOf(again.body);
    };
    await gone(gateway);
    await gateway.close();
    open = open.filter((each) => each !== gateway);
    await gone(await start());
  });

  test('survives a restart with its version, log level and subscriptions, which its target is told again', async () => {
    const first = await start();
    const wire = await session(first, { version: '2025-06-18' });
    await wire.request('logging/setLevel', { level: 'error' });
    await wire.request('resources/subscribe', { uri: 'work+notes://a' });
    await first.close();
    open = open.filter((each) => each !== first);
    calls = [];
    const target = work();
    const second = await start({ targets: [target] });
    const logged: unknown[] = [];
    const next = sameSession(wire, second, {
      onMessage: (message) => logged.push((message['params'] as Json | undefined)?.['level']),
    });
    await settled(second);
    await call(next, 'log');
    expect(logged).toEqual(['error', 'critical', 'alert', 'emergency']);
    await until(
      () => calls.some((each) => each.method === 'resources/subscribe' && each.name === 'notes://a'),
      'subscribed again',
    );
    const stream = await raw(next, 'GET');
    target.announce({ kind: 'resource', uri: 'notes://a' });
    await until(() => stream.messages.length > 0, 'updated');
    expect(stream.messages[0]).toMatchObject({
      method: 'notifications/resources/updated',
      params: { uri: 'work+notes://a' },
    });
    expect(stream.events.every((event) => event.retry === undefined)).toBe(true);
  });

  test('survives a restart on the same data folder, and so does its end', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'zeroplane-legacy-'));
    const run = (): Promise<LocalInstance> => startGateway({ dataDir: folder, targets: [work()] });
    let gateway = await run();
    const { token } = gateway;
    const wires = [await session(gateway, { token }), await session(gateway, { token })];
    const [lives, ends] = wires as [WireClient, WireClient];
    const endedId = ends.sessionId;
    await ends.close();
    await gateway.close({ drainMs: 50 });
    gateway = await run();
    try {
      expect(textOf(await call(sameSession(lives, gateway), 'echo', { a: 1 }))).toBe('{"a":1}');
      ends.sessionId = endedId;
      expect((await sameSession(ends, gateway).request('ping')).status).toBe(404);
    } finally {
      await gateway.close({ drainMs: 50 });
      await rm(folder, { recursive: true, force: true });
    }
  });

  test.each([
    ['forged', (id: string) => `${id.slice(0, -6)}AAAAAA`],
    ['cut', (id: string) => id.slice(0, 40)],
    ['made up', () => 'session-123'],
    ['empty', () => ''],
  ])('with an id that is %s is 404', async (_what, change) => {
    const gateway = await start();
    const wire = await session(gateway);
    wire.sessionId = change(wire.sessionId ?? '');
    expect((await wire.request('ping')).status).toBe(404);
  });

  test('belongs to its principal, its tenant and its endpoint', async () => {
    const gateway = await start();
    const wire = await session(gateway);
    for (const token of ['bob@team-x', 'ann@team-y'])
      expect((await sameSession(wire, gateway, { token }).request('ping')).status).toBe(404);
    const other = new WireClient({ ...wire.options, url: `${gateway.mcp}/work` });
    other.sessionId = wire.sessionId;
    expect((await other.request('ping')).status).toBe(404);
    expect((await wire.request('ping')).status).toBe(200);
  });

  test('is not needed: a request without one is answered, and what needs one is refused', async () => {
    const gateway = await start();
    const wire = new WireClient({ url: gateway.mcp, era: 'stateless', token: 'ann@team-x' });
    expect(textOf(await call(wire, 'echo', { a: 1 }))).toBe('{"a":1}');
    expect((await wire.request('resources/subscribe', { uri: 'work+notes://a' })).error?.code).toBe(-32600);
    const got = await exchange({
      url: gateway.mcp,
      method: 'GET',
      headers: { authorization: 'Bearer ann@team-x', accept: 'text/event-stream' },
    });
    expect(got.status).toBe(400);
    await bodyOf(got.body);
    expect(calls.filter((each) => each.method.startsWith('resources/'))).toEqual([]);
  });

  test('with sessions off there is none, GET and DELETE are 405, and calls are answered', async () => {
    const gateway = await start({ sessionsOn: false });
    const wire = await session(gateway);
    expect(wire.sessionId).toBeUndefined();
    for (const method of ['GET', 'DELETE']) {
      const headers = { authorization: 'Bearer ann@team-x', accept: 'text/event-stream', 'mcp-session-id': 'x' };
      const response = await exchange({ url: gateway.mcp, method, headers });
      expect([response.status, response.headers['allow']]).toEqual([405, 'POST']);
      await bodyOf(response.body);
    }
    expect(textOf(await call(wire, 'echo'))).toBe('{}');
  });
});

describe('the GET stream', () => {
  test('needs Accept: text/event-stream', async () => {
    const wire = await session(await start());
    expect((await raw(wire, 'GET', { headers: { accept: 'application/json' } })).status).toBe(406);
  });

  test('tells of a changed list within a second, once, and only of what changed', async () => {
    const target = work();
    const wire = await session(await settled(await start({ targets: [target] })));
    const stream = await raw(wire, 'GET');
    target.definitions = [...target.definitions, define('tool', { name: 'new', inputSchema: { type: 'object' } })];
    const startedMs = performance.now();
    target.announce({ kind: 'tools' });
    target.announce({ kind: 'tools' });
    await until(() => stream.messages.length > 0, 'list_changed');
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(methodsOf(stream)).toEqual(['notifications/tools/list_changed']);
    expect(JSON.stringify((await wire.request('tools/list')).result)).toContain('work___new');
  });

  test('tells of a registration within a second', async () => {
    const gateway = await startInstance({ store });
    open.push(gateway);
    const wire = await session(await settled(gateway, gateway.token), { token: gateway.token });
    const stream = await raw(wire, 'GET');
    const body = {
      type: 'tool',
      name: 't',
      description: 'd',
      lambdaArn: 'arn:aws:lambda:region:account:function:x',
      parameters: {},
    };
    const response = await fetch(`${gateway.url}/register`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(201);
    await until(() => methodsOf(stream).includes('notifications/tools/list_changed'), 'list_changed', 1_000);
  });

  test('of two that are open only one is told', async () => {
    const target = work();
    const wire = await session(await settled(await start({ targets: [target] })));
    const streams = [await raw(wire, 'GET'), await raw(wire, 'GET')];
    target.definitions = target.definitions.slice(1);
    target.announce({ kind: 'tools' });
    await until(() => streams.some((stream) => stream.messages.length > 0), 'list_changed');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(streams.flatMap((stream) => stream.messages)).toHaveLength(1);
  });

  test('begins with an empty event and a retry time in 2025-11-25, and with nothing before', async () => {
    const gateway = await settled(await start());
    const target = async (version: Revision): Promise<RawStream> => {
      const stream = await raw(await session(gateway, { version }), 'GET');
      await new Promise((resolve) => setTimeout(resolve, 30));
      return stream;
    };
    const primed = await target('2025-11-25');
    expect(primed.events).toEqual([
      { event: 'message', data: '', id: expect.stringMatching(/\S/), retry: expect.stringMatching(/^\d+$/) },
    ]);
    for (const version of ['2025-03-26', '2025-06-18'] as const) expect((await target(version)).events).toEqual([]);
  });

  test('replays what came after Last-Event-ID, and nothing twice', async () => {
    const target = work();
    const wire = await session(await settled(await start({ targets: [target] })));
    await wire.request('resources/subscribe', { uri: 'work+notes://a' });
    const first = await raw(wire, 'GET');
    const update = async (seen: () => number): Promise<void> => {
      const before = seen();
      target.announce({ kind: 'resource', uri: 'notes://a' });
      await until(() => seen() > before, 'updated');
    };
    await update(() => first.messages.length);
    await update(() => first.messages.length);
    const ids = first.events.flatMap((event) => event.id ?? []);
    expect(new Set(ids).size).toBe(3);
    first.cut();
    await new Promise((resolve) => setTimeout(resolve, 20));
    target.announce({ kind: 'resource', uri: 'notes://a' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = await raw(wire, 'GET', { headers: { 'last-event-id': ids[1] ?? '' } });
    await until(() => second.messages.length >= 2, 'the second and the third');
    expect(second.events.map((event) => event.id)[0]).toBe(ids[2]);
    await update(() => second.messages.length);
    const all = second.events.map((event) => event.id);
    expect(new Set(all).size).toBe(all.length);
    expect(second.messages).toHaveLength(3);
  });

  test('after an event id that nobody knows says that everything may have changed', async () => {
    const wire = await session(await start());
    const stream = await raw(wire, 'GET', { headers: { 'last-event-id': 'g99.5' } });
    await until(() => stream.messages.length >= 3, 'list_changed');
    expect(methodsOf(stream)).toEqual(
      ['tools', 'prompts', 'resources'].map((kind) => `notifications/${kind}/list_changed`),
    );
  });

  test('never replays another session’s stream', async () => {
    const gateway = await start();
    const [one, two] = [await session(gateway), await session(gateway)];
    const post = await raw(one, 'POST', {
      body: {
        jsonrpc: '2.0',
        id: 'p',
        method: 'tools/call',
        params: { name: 'work___progress', arguments: {}, _meta: { progressToken: 1 } },
      },
    });
    await until(() => post.ended, 'the call ends');
    const id = post.events.find((event) => event.data !== '')?.id ?? '';
    const stream = await raw(two, 'GET', { headers: { 'last-event-id': id } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stream.messages.every((message) => String(message['method']).endsWith('list_changed'))).toBe(true);
  });
});

describe('a call whose connection breaks', () => {
  const body = (gate: string, id: string): object => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'work___progress', arguments: { gate }, _meta: { progressToken: 'tok' } },
  });

  test.each(['2025-03-26', '2025-06-18', '2025-11-25'] as const)(
    '%s: goes on, and a GET brings the rest with the result',
    async (version) => {
      const wire = await session(await start(), { version });
      const post = await raw(wire, 'POST', { body: body('g', 'c1') });
      await until(() => post.messages.length === 1, 'the first progress');
      if (version === '2025-11-25')
        expect(post.events[0]).toMatchObject({ data: '', retry: expect.stringMatching(/^\d+$/) });
      const last = post.events.at(-1)?.id ?? '';
      expect(last).not.toBe('');
      post.cut();
      await new Promise((resolve) => setTimeout(resolve, 30));
      gates.get('g')?.();
      const rest = await raw(wire, 'GET', { headers: { 'last-event-id': last } });
      await until(() => rest.ended, 'the stream is read to its end');
      expect(rest.messages.map((message) => message['id'] ?? (message['params'] as Json)['progress'])).toEqual([
        2,
        3,
        'c1',
      ]);
      expect(rest.messages.at(-1)).toMatchObject({ result: { content: [{ text: 'done' }] } });
      const again = await raw(wire, 'GET', { headers: { 'last-event-id': last } });
      await until(() => again.ended, 'and again');
      expect(again.messages).toEqual(rest.messages);
    },
  );

  test('can be resumed before it ends, and from before its first message', async () => {
    const wire = await session(await start());
    const post = await raw(wire, 'POST', { body: body('g', 'c1') });
    await until(() => post.messages.length === 1, 'the first progress');
    const primer = post.events[0]?.id ?? '';
    post.cut();
    const rest = await raw(wire, 'GET', { headers: { 'last-event-id': primer } });
    await until(() => rest.messages.length === 1, 'the first progress again');
    gates.get('g')?.();
    await until(() => rest.ended, 'the end');
    expect(rest.messages).toHaveLength(4);
  });

  test('is not cancelled by the break, answered as JSON or not', async () => {
    const wire = await session(await start());
    const waiting = exchange({
      url: wire.options.url,
      method: 'POST',
      headers: {
        authorization: 'Bearer ann@team-x',
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': wire.sessionId ?? '',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'work___wait', arguments: { gate: 'w' } },
      }),
    });
    waiting.catch(() => undefined);
    await until(() => gates.has('w'), 'the call runs');
    const post = await raw(wire, 'POST', { body: body('g', 'c2') });
    await until(() => post.messages.length === 1, 'the stream runs');
    post.cut();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(cancelled).toEqual([]);
    gates.get('w')?.();
    await bodyOf((await waiting).body);
  });
});

describe('notifications/cancelled', () => {
  test('cancels the call it names and no other', async () => {
    const wire = await session(await start());
    const replies = ['one', 'two', '3'].map((gate) =>
      wire.request('tools/call', { name: 'work___wait', arguments: { gate } }, { id: gate === '3' ? 3 : gate }),
    );
    await until(() => gates.size === 3, 'all run');
    await wire.notify('notifications/cancelled', { requestId: 'two', reason: 'changed my mind' });
    await until(() => cancelled.length > 0, 'cancelled');
    expect(cancelled).toEqual(['two: changed my mind']);
    // The text "3" is not the number 3, and what is unknown cancels nothing.
    for (const requestId of ['3', 'none', null, {}])
      expect((await wire.notify('notifications/cancelled', { requestId })).status).toBe(202);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(cancelled).toHaveLength(1);
    await wire.notify('notifications/cancelled', { requestId: 3 });
    await until(() => cancelled.length === 2, 'the number is cancelled');
    gates.get('one')?.();
    expect(textOf((await replies[0]) as WireReply)).toBe('waited');
    await Promise.all(replies);
  });

  test('of another session cancels nothing, though the ids are equal', async () => {
    const gateway = await start();
    const [one, two] = [await session(gateway), await session(gateway)];
    const reply = one.request('tools/call', { name: 'work___wait', arguments: { gate: 'g' } }, { id: 'same' });
    await until(() => gates.size === 1, 'runs');
    await two.notify('notifications/cancelled', { requestId: 'same' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(cancelled).toEqual([]);
    gates.get('g')?.();
    expect(textOf(await reply)).toBe('waited');
  });
});

describe('progress and logging', () => {
  test.each(['session', 'sse'] as const)('%s: what a target says after its answer reaches nobody', async (era) => {
    const gateway = await settled(await start());
    const heard: unknown[] = [];
    const url = era === 'sse' ? `${gateway.url}/sse` : gateway.mcp;
    const wire = await session(gateway, {
      era,
      url,
      onMessage: (message) => heard.push((message['params'] as Json)['progress']),
    });
    const params = { name: 'work___progress', arguments: { late: true } };
    await wire.request('tools/call', params, { meta: { progressToken: 1 } });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(heard).toEqual([1, 2, 3]);
    if (era === 'sse') return;
    const stream = await raw(wire, 'GET', { headers: { 'last-event-id': 'p1.0' } });
    await until(() => stream.ended, 'replayed');
    expect(stream.messages).toHaveLength(4);
  });

  test('a call that streams counts as in flight until its end', async () => {
    const wire = await session(await start({ limits: { inFlight: 8, inFlightPerPrincipal: 2 } }));
    const body = (id: string): object => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'work___progress', arguments: { gate: id }, _meta: { progressToken: id } },
    });
    const streams = [await raw(wire, 'POST', { body: body('a') }), await raw(wire, 'POST', { body: body('b') })];
    await until(() => gates.size === 2, 'both run');
    const refused = await wire.request('ping');
    expect([refused.status, refused.error?.code]).toEqual([429, 429]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    // A broken connection does not end the call, so it makes no room either.
    streams[0]?.cut();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect((await wire.request('ping')).status).toBe(429);
    for (const release of gates.values()) release();
    await until(() => streams[1]?.ended === true, 'the end');
    expect((await wire.request('ping')).status).toBe(200);
  });

  test.each(['2025-03-26', '2025-06-18', '2025-11-25'] as const)(
    '%s: progress has the caller’s own token and comes before the result',
    async (version) => {
      const wire = await session(await start(), { version });
      const reply = await wire.request(
        'tools/call',
        { name: 'work___progress', arguments: {} },
        { meta: { progressToken: 'tok-1' } },
      );
      expect(
        reply.messages.map((message) => (message['params'] as Json | undefined)?.['progress'] ?? 'answer'),
      ).toEqual([1, 2, 3, 'answer']);
      expect(reply.messages[0]?.['params']).toMatchObject({ progressToken: 'tok-1', total: 3 });
      const silent = await call(wire, 'progress');
      expect(silent.messages).toHaveLength(1);
      expect(silent.headers['content-type']).toBe('application/json');
      expect(wire.violations).toEqual([]);
    },
  );

  test.each(LEVELS.map((level, index) => [level, LEVELS.slice(index)] as const))(
    'at %s what is less is not sent',
    async (level, passing) => {
      const heard: unknown[] = [];
      const wire = await session(await start(), { onMessage: (message) => heard.push(message['params']) });
      expect((await wire.request('logging/setLevel', { level })).result).toEqual({});
      await call(wire, 'log');
      expect(heard).toEqual(passing.map((each) => ({ level: each, logger: 'work/own', data: each })));
    },
  );

  test('an unknown level is refused and changes nothing', async () => {
    const heard: unknown[] = [];
    const wire = await session(await start(), { onMessage: (message) => heard.push(message) });
    await wire.request('logging/setLevel', { level: 'alert' });
    for (const level of ['loud', 7, undefined])
      expect((await wire.request('logging/setLevel', { level })).error?.code).toBe(-32602);
    await call(wire, 'log');
    expect(heard).toHaveLength(2);
  });

  test('a level counts for its own session alone', async () => {
    const gateway = await start();
    const heard: unknown[] = [];
    await (await session(gateway)).request('logging/setLevel', { level: 'emergency' });
    await call(await session(gateway, { onMessage: (message) => heard.push(message) }), 'log');
    expect(heard).toHaveLength(8);
  });
});

describe('resources/subscribe', () => {
  test('only who subscribed is told, under the public URI; the target is asked once and let go at the last', async () => {
    const target = work();
    const gateway = await settled(await start({ targets: [target] }));
    const wires = [
      await session(gateway),
      await session(gateway),
      await session(gateway),
      await session(gateway, { url: `${gateway.mcp}/work` }),
    ];
    const [one, two, three, bare] = wires as [WireClient, WireClient, WireClient, WireClient];
    const streams = await Promise.all(wires.map((wire) => raw(wire, 'GET')));
    for (const wire of [one, two])
      expect((await wire.request('resources/subscribe', { uri: 'work+notes://a' })).result).toEqual({});
    await one.request('resources/subscribe', { uri: 'work+notes://a' });
    await three.request('resources/subscribe', { uri: 'work+notes://b' });
    await bare.request('resources/subscribe', { uri: 'notes://a' });
    const asked = (): string[] =>
      calls.filter((each) => each.method.includes('subscribe')).map((each) => `${each.method} ${each.name}`);
    expect(asked()).toEqual(['resources/subscribe notes://a', 'resources/subscribe notes://b']);
    target.announce({ kind: 'resource', uri: 'notes://a' });
    await until(() => [0, 1, 3].every((index) => streams[index]?.messages.length === 1), 'updated');
    expect(streams[2]?.messages).toEqual([]);
    expect(streams[0]?.messages[0]).toMatchObject({
      method: 'notifications/resources/updated',
      params: { uri: 'work+notes://a' },
    });
    expect(streams[3]?.messages[0]).toMatchObject({ params: { uri: 'notes://a' } });
    // Who never subscribed cannot take away what others have.
    expect((await three.request('resources/unsubscribe', { uri: 'work+notes://a' })).result).toEqual({});
    await one.request('resources/unsubscribe', { uri: 'work+notes://a' });
    expect(asked()).toHaveLength(2);
    target.announce({ kind: 'resource', uri: 'notes://a' });
    await until(() => streams[1]?.messages.length === 2, 'still updated');
    expect(streams[0]?.messages).toHaveLength(1);
    await two.close();
    await bare.close();
    await until(() => asked().includes('resources/unsubscribe notes://a'), 'let go');
    expect(asked()).toHaveLength(3);
  });

  test('two who subscribe at the same time share one subscription of the target', async () => {
    const gateway = await settled(await start());
    const [one, two] = [await session(gateway), await session(gateway)];
    const uri = 'work+notes://a';
    await Promise.all([one, two].map((wire) => wire.request('resources/subscribe', { uri })));
    await one.request('resources/unsubscribe', { uri });
    expect(calls.map((each) => each.method)).toEqual(['resources/subscribe']);
    await two.request('resources/unsubscribe', { uri });
    expect(calls.map((each) => each.method)).toEqual(['resources/subscribe', 'resources/unsubscribe']);
  });

  test('on HTTP+SSE the stream tells of it, and its end gives it back', async () => {
    const target = work();
    const gateway = await settled(await start({ targets: [target] }));
    const heard: Json[] = [];
    const wire = await session(gateway, {
      era: 'sse',
      url: `${gateway.url}/sse`,
      version: '2024-11-05',
      onMessage: (message) => heard.push(message),
    });
    await wire.request('resources/subscribe', { uri: 'work+notes://b' });
    for (const name of ['a', 'b']) target.announce({ kind: 'resource', uri: `notes://${name}` });
    await until(() => heard.length > 0, 'updated');
    expect(heard).toEqual([
      { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'work+notes://b' } },
    ]);
    await wire.close();
    await until(() => calls.some((each) => each.method === 'resources/unsubscribe'), 'given back');
  });

  test('what does not exist, has no public name or cannot be subscribed to is refused', async () => {
    const wire = await session(await start());
    for (const uri of ['none+notes://a', 'notes://a'])
      expect((await wire.request('resources/subscribe', { uri })).error?.code).toBe(-32602);
    expect((await wire.request('resources/subscribe', {})).error?.code).toBe(-32602);
    const other = await session(await start({ targets: [work({ failsToSubscribe: true })] }));
    expect((await other.request('resources/subscribe', { uri: 'work+notes://a' })).error?.code).toBe(-32601);
  });
});

describe('questions of a target', () => {
  const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };
  const result: Record<string, Json> = {
    'elicitation/create': { action: 'accept', content: { a: 'b' } },
    'sampling/createMessage': { role: 'assistant', model: 'm', content: { type: 'text', text: 'hello' } },
    'roots/list': { roots: [{ uri: 'file:///a', name: 'a' }] },
  };

  test.each([
    ['2025-11-25', 'form'],
    ['2025-11-25', 'url'],
    ['2025-11-25', 'sampling'],
    ['2025-11-25', 'roots'],
    ['2025-06-18', 'form'],
    ['2025-06-18', 'sampling'],
    ['2025-03-26', 'sampling'],
    ['2025-03-26', 'roots'],
  ] as const)('%s: %s is asked under an id of our own, and its answer reaches the target', async (version, kind) => {
    const asked: Json[] = [];
    const wire = await session(await start(), {
      version,
      capabilities: version === '2025-11-25' ? capabilities : { elicitation: {}, sampling: {}, roots: {} },
      answer: (method) => result[method] ?? {},
      onMessage: (message) => asked.push(message),
    });
    const reply = await call(wire, 'ask', { kind });
    expect(textOf(reply)).toBe('asked');
    const [method] = QUESTIONS[kind] ?? [''];
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ jsonrpc: '2.0', method, id: expect.stringMatching(/^zp-/) });
    if (kind === 'form') expect(asked[0]).toMatchObject({ params: { message: '[work] sure?' } });
    expect(answers).toEqual([result[method]]);
    expect(wire.violations.filter((text) => !text.includes('big'))).toEqual([]);
    await wire.close();
  });

  test('numbers beyond 2^53 in a question stay as they are', async () => {
    const wire = await session(await start(), { capabilities });
    const post = await raw(wire, 'POST', {
      body: {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'work___ask', arguments: { kind: 'form' } },
      },
    });
    await until(() => post.messages.length === 1, 'asked');
    expect(post.events.find((event) => event.data !== '')?.data).toContain('12345678901234567890');
  });

  test('questions of two calls have different ids, and each answer goes where it belongs', async () => {
    const wire = await session(await start(), { capabilities });
    const streams = await Promise.all(
      ['a', 'b'].map((id) =>
        raw(wire, 'POST', {
          body: {
            jsonrpc: '2.0',
            id,
            method: 'tools/call',
            params: { name: 'work___ask', arguments: { kind: 'roots' } },
          },
        }),
      ),
    );
    await until(() => streams.every((stream) => stream.messages.length === 1), 'both asked');
    const ids = streams.map((stream) => stream.messages[0]?.['id']);
    expect(ids[0]).not.toBe(ids[1]);
    const answered = await wire.post({ jsonrpc: '2.0', id: ids[1], result: { roots: [{ uri: 'file:///second' }] } });
    expect([answered.status, answered.text]).toEqual([202, '']);
    await until(() => streams[1]?.ended === true, 'the second ends');
    expect(streams[0]?.ended).toBe(false);
    await wire.post({ jsonrpc: '2.0', id: ids[0], result: { roots: [] } });
    await until(() => streams[0]?.ended === true, 'the first ends');
    expect(answers).toEqual([{ roots: [{ uri: 'file:///second' }] }, { roots: [] }]);
    // An answer that nobody waits for is taken and forgotten.
    expect((await wire.post({ jsonrpc: '2.0', id: ids[0], result: {} })).status).toBe(202);
  });

  test('an error of the client reaches the target as its own words', async () => {
    const wire = await session(await start(), { capabilities });
    const post = await raw(wire, 'POST', {
      body: {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'work___ask', arguments: { kind: 'sampling' } },
      },
    });
    await until(() => post.messages.length === 1, 'asked');
    await wire.post({
      jsonrpc: '2.0',
      id: post.messages[0]?.['id'],
      error: { code: -1, message: 'User rejected', data: { n: 1 } },
    });
    await until(() => post.ended, 'ends');
    expect(post.messages.at(-1)).toMatchObject({
      id: 1,
      error: { code: -1, message: 'User rejected', data: { n: 1 } },
    });
  });

  test('another session cannot answer', async () => {
    const gateway = await start();
    const [one, two] = [await session(gateway, { capabilities }), await session(gateway, { capabilities })];
    const post = await raw(one, 'POST', {
      body: {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'work___ask', arguments: { kind: 'roots' } },
      },
    });
    await until(() => post.messages.length === 1, 'asked');
    await two.post({ jsonrpc: '2.0', id: post.messages[0]?.['id'], result: { roots: [] } });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(post.ended).toBe(false);
  });

  test.each([
    ['declared nothing', {}, 'form'],
    ['declared forms only', { elicitation: {} }, 'url'],
    ['declared no sampling', { elicitation: {} }, 'sampling'],
  ])('a client that %s is not asked, and the tool hears it', async (_what, declared, kind) => {
    const asked: Json[] = [];
    const wire = await session(await start(), { capabilities: declared, onMessage: (message) => asked.push(message) });
    const reply = await call(wire, 'ask', { kind });
    expect(reply.result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('CLIENT_CANNOT_ANSWER') }],
    });
    expect(asked).toEqual([]);
  });

  test('a session that ends refuses what is still open', async () => {
    const wire = await session(await start(), { capabilities });
    const post = await raw(wire, 'POST', {
      body: {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'work___ask', arguments: { kind: 'roots' } },
      },
    });
    await until(() => post.messages.length === 1, 'asked');
    await wire.close();
    await until(() => post.ended, 'the stream ends');
    expect(answers).toEqual([]);
  });

  test('changed roots are passed on to the targets', async () => {
    const wire = await session(await start(), { capabilities });
    expect((await wire.notify('notifications/roots/list_changed')).status).toBe(202);
    expect(notified).toEqual(['notifications/roots/list_changed']);
  });
});

describe('what a revision does not know', () => {
  test.each([
    ['2025-11-25', ['text', 'audio', 'resource_link'], true],
    ['2025-06-18', ['text', 'audio', 'resource_link'], true],
    ['2025-03-26', ['text', 'audio', 'text'], false],
    ['2024-11-05', ['text', 'resource', 'text'], false],
  ] as const)('%s gets %j', async (version, types, hasStructured) => {
    const wire = await session(await start(), { version });
    const { result } = await call(wire, 'content');
    const content = result?.['content'] as Json[];
    expect(content.map((block) => block['type'])).toEqual(types);
    if (hasStructured) expect(result?.['structuredContent']).toEqual({ n: 1 });
    if (types[2] === 'text') expect(content[2]?.['text']).toContain('work+notes://a');
    if (types[1] === 'resource')
      expect(content[1]).toMatchObject({ resource: { mimeType: 'audio/wav', blob: 'AAAA' } });
    const list = await call(wire, 'content', { list: true });
    expect(Array.isArray(list.result?.['structuredContent'])).toBe(false);
    expect(wire.violations).toEqual([]);
  });

  test('methods of 2026-07-28 are unknown', async () => {
    const wire = await session(await start());
    for (const method of ['server/discover', 'subscriptions/listen', 'nothing'])
      expect((await wire.request(method)).error?.code).toBe(-32601);
  });
});

describe('batches of 2025-03-26', () => {
  const ping = (id: string | number): Json => ({ jsonrpc: '2.0', id, method: 'ping' });

  test('requests and notifications together are answered with an array of the answers', async () => {
    const wire = await session(await start(), { version: '2025-03-26' });
    const reply = await wire.post(
      JSON.stringify([
        ping(1),
        { jsonrpc: '2.0', method: 'notifications/roots/list_changed' },
        { jsonrpc: '2.0', id: 'two', method: 'tools/call', params: { name: 'work___echo', arguments: { a: 1 } } },
        { jsonrpc: '2.0', id: 3, method: 'nothing' },
      ]),
    );
    expect(reply.status).toBe(200);
    const all = JSON.parse(reply.text) as Json[];
    expect(new Map(all.map((each) => [each['id'], 'result' in each])).size).toBe(3);
    expect(all.find((each) => each['id'] === 3)).toMatchObject({ error: { code: -32601 } });
    expect(notified).toHaveLength(1);
  });

  test('one request alone is still an array; notifications alone are 202', async () => {
    const wire = await session(await start(), { version: '2025-03-26' });
    expect(JSON.parse((await wire.post(JSON.stringify([ping(1)]))).text)).toEqual([
      { jsonrpc: '2.0', id: 1, result: {} },
    ]);
    const notes = await wire.post(JSON.stringify([{ jsonrpc: '2.0', method: 'notifications/initialized' }]));
    expect([notes.status, notes.text]).toEqual([202, '']);
  });

  test('streams when a member tells of its progress or asks, and every answer comes once', async () => {
    const wire = await session(await start(), { version: '2025-03-26', capabilities: { roots: {} } });
    const batch = [
      ping('p'),
      {
        jsonrpc: '2.0',
        id: 'q',
        method: 'tools/call',
        params: { name: 'work___progress', arguments: {}, _meta: { progressToken: 5 } },
      },
      { jsonrpc: '2.0', id: 'r', method: 'tools/call', params: { name: 'work___ask', arguments: { kind: 'roots' } } },
    ];
    const stream = await raw(wire, 'POST', { body: batch });
    expect(stream.headers['content-type']).toBe('text/event-stream');
    const asked = (): Json | undefined => stream.messages.find((message) => message['method'] === 'roots/list');
    await until(() => asked() !== undefined, 'asked');
    await wire.post(JSON.stringify([{ jsonrpc: '2.0', id: asked()?.['id'], result: { roots: [] } }]));
    await until(() => stream.ended, 'all answered');
    const ids = stream.messages.filter((message) => !('method' in message)).map((message) => message['id']);
    expect(new Set(ids)).toEqual(new Set(['p', 'q', 'r']));
    expect(ids).toHaveLength(3);
    expect(methodsOf(stream).filter((method) => method === 'notifications/progress')).toHaveLength(3);
  });

  test('a member is cancelled alone', async () => {
    const wire = await session(await start(), { version: '2025-03-26' });
    const wait = (id: string): Json => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'work___wait', arguments: { gate: id } },
    });
    const reply = wire.post(JSON.stringify([wait('x'), wait('y')]));
    await until(() => gates.size === 2, 'both run');
    await wire.notify('notifications/cancelled', { requestId: 'x' });
    await until(() => cancelled.length === 1, 'cancelled');
    expect(cancelled[0]).toMatch(/^x/);
    gates.get('y')?.();
    const all = JSON.parse((await reply).text) as Json[];
    expect(all.find((each) => each['id'] === 'y')).toHaveProperty('result');
    expect(all.find((each) => each['id'] === 'x')).toHaveProperty('error');
  });

  test.each(WITH_HEADER)('%s has none: 400, with a session or without', async (version) => {
    const gateway = await start();
    for (const wire of [
      await session(gateway, { version }),
      new WireClient({ url: gateway.mcp, era: 'stateless', version, token: 'ann@team-x' }),
    ]) {
      const reply = await wire.post(JSON.stringify([ping(1)]));
      expect([reply.status, reply.error?.code]).toEqual([400, -32600]);
    }
  });
});
