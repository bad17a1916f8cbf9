/** Safe repeats: a call that carries a key runs once, and a repeat gets the stored answer. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openMemoryStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { Context } from '../../src/core/context.ts';
import { PlatformError, UpstreamRpcError } from '../../src/core/errors.ts';
import type { StoreRoot } from '../../src/core/ports.ts';
import type { TargetCall } from '../../src/core/target.ts';
import { Ledger } from '../../src/gateway/ledger.ts';
import type { FakeClock } from '../contract/fake-clock.ts';
import { fakeClock } from '../contract/fake-clock.ts';
import type { Assembled } from '../fixtures/assembled.ts';
import { person, silentLog, startBare } from '../fixtures/assembled.ts';
import type { ScriptedTarget } from '../fixtures/instance.ts';
import { define, scriptedTarget } from '../fixtures/instance.ts';
import type { Json, WireEra, WireReply } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';

const KEY = 'io.zeroplane/idempotencyKey';

/** What the tool did, in order. */
let ran: TargetCall[] = [];
let gate: Promise<void> | undefined;
let store: StoreRoot;
let open: Assembled[] = [];

beforeEach(async () => {
  ran = [];
  gate = undefined;
  open = [];
  store = await openMemoryStore({ clock: systemClock });
});

afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  await store.close();
});

function shop(): ScriptedTarget {
  const tools = ['pay', 'book', 'read'].map((name) =>
    define('tool', {
      name,
      inputSchema: { type: 'object' },
      ...(name === 'read' ? { annotations: { idempotentHint: true } } : {}),
    }),
  );
  return scriptedTarget('shop', tools, async (call, exchange, context) => {
    ran.push(call);
    const args = (call.parsed['arguments'] ?? {}) as Json;
    if (args['ask'] === true)
      await exchange.ask(
        'elicitation/create',
        '{"message":"sure?","requestedSchema":{"type":"object","properties":{}}}',
      );
    if (args['refuse'] === true) throw new UpstreamRpcError(-32001, 'no');
    if (args['fail'] === true) return '{"content":[{"type":"text","text":"no money"}],"isError":true}';
    if (typeof args['throw'] === 'string') throw new PlatformError(args['throw'] as 'TARGET_TIMEOUT', 'told to');
    if (args['wait'] === true)
      await Promise.race([
        gate,
        new Promise((_, reject) => context.onAbort?.(() => reject(new PlatformError('CALL_CANCELLED', 'cancelled')))),
      ]);
    const text = typeof args['size'] === 'number' ? 'ä'.repeat(args['size']) : `run ${ran.length}`;
    return `{"content":[{"type":"text","text":${JSON.stringify(text)}}],"big":12345678901234567890}`;
  });
}

async function start(): Promise<Assembled> {
  const gateway = await startBare({ targets: [shop()], store });
  open.push(gateway);
  return gateway;
}

async function client(gateway: Assembled, token = 'ann@team-x', era: WireEra = 'modern'): Promise<WireClient> {
  return new WireClient({ url: gateway.mcp, era, token, capabilities: { elicitation: {} } }).open();
}

const pay = (wire: WireClient, key: string, args: Json = { amount: 5 }, tool = 'pay'): Promise<WireReply> =>
  wire.request('tools/call', { name: `shop___${tool}`, arguments: args }, { headers: { 'idempotency-key': key } });

const textOf = (reply: WireReply): unknown => (reply.result?.['content'] as Json[] | undefined)?.[0]?.['text'];
const dataOf = (reply: WireReply): Json => (reply.error?.data ?? {}) as Json;

describe.each(['modern', 'session', 'stateless'] as const)('%s', (era) => {
  test('a repeat with the same key and arguments gets the stored answer, and the tool ran once', async () => {
    const wire = await client(await start(), 'ann@team-x', era);
    const first = await pay(wire, 'k1');
    const second = await pay(wire, 'k1');
    expect(textOf(first)).toBe('run 1');
    expect(second.result).toEqual(first.result);
    expect(ran).toHaveLength(1);
    expect(ran[0]?.idempotencyKey).toBe('k1');
    expect(ran[0]?.repeatable).toBe(true);
    expect(wire.violations).toEqual([]);
  });

  test('the key may stand in _meta, and is the same key as in the header', async () => {
    const wire = await client(await start(), 'ann@team-x', era);
    const params = { name: 'shop___pay', arguments: { amount: 5 } };
    await wire.request('tools/call', params, { meta: { [KEY]: 'k1' } });
    await wire.request('tools/call', params, { meta: { [KEY]: 'k1' } });
    expect(textOf(await pay(wire, 'k1'))).toBe('run 1');
    expect(ran).toHaveLength(1);
  });
});

test('the same key with other arguments is refused, and nothing runs', async () => {
  const wire = await client(await start());
  await pay(wire, 'k1');
  const other = await pay(wire, 'k1', { amount: 6 });
  expect(other.error).toMatchObject({ code: 422, message: expect.stringContaining('other arguments') });
  expect(dataOf(other)).toMatchObject({ code: 'IDEMPOTENCY_MISMATCH' });
  expect(ran).toHaveLength(1);
});

test('a repeat while the first is in flight answers 409 with the time to wait', async () => {
  let release: () => void = () => undefined;
  gate = new Promise((resolve) => (release = resolve));
  const wire = await client(await start());
  const first = pay(wire, 'k1', { wait: true });
  while (ran.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const second = await pay(wire, 'k1', { wait: true });
  expect(second.error?.code).toBe(409);
  expect(dataOf(second)).toMatchObject({ code: 'IDEMPOTENCY_IN_FLIGHT', retryable: true, retryAfterSeconds: 1 });
  release();
  expect(textOf(await first)).toBe('run 1');
  expect(textOf(await pay(wire, 'k1', { wait: true }))).toBe('run 1');
  expect(ran).toHaveLength(1);
});

test('of many repeats that come at once one runs', async () => {
  const wire = await client(await start());
  const replies = await Promise.all(Array.from({ length: 30 }, () => pay(wire, 'k1')));
  expect(ran).toHaveLength(1);
  for (const reply of replies)
    expect(reply.error === undefined ? textOf(reply) : reply.error.code).toBeOneOf(['run 1', 409]);
});

test('a key counts per tool, per principal and per tenant', async () => {
  const gateway = await start();
  const ann = await client(gateway);
  await pay(ann, 'k1');
  await pay(ann, 'k1', { amount: 5 }, 'book');
  await pay(await client(gateway, 'bob@team-x'), 'k1');
  await pay(await client(gateway, 'ann@team-y'), 'k1');
  await pay(ann, 'k2');
  expect(ran).toHaveLength(5);
});

test('a key on the endpoint of all targets is the same key on the endpoint of one', async () => {
  const gateway = await start();
  await pay(await client(gateway), 'k1');
  const one = await new WireClient({ url: `${gateway.mcp}/shop`, era: 'modern', token: 'ann@team-x' }).open();
  const again = await one.request(
    'tools/call',
    { name: 'pay', arguments: { amount: 5 } },
    { headers: { 'idempotency-key': 'k1' } },
  );
  expect(textOf(again)).toBe('run 1');
  expect(ran).toHaveLength(1);
});

test('without a key every call runs, whatever its annotation says', async () => {
  const wire = await client(await start());
  for (let i = 0; i < 2; i++) await wire.request('tools/call', { name: 'shop___read', arguments: {} });
  for (let i = 0; i < 2; i++) await wire.request('tools/call', { name: 'shop___pay', arguments: {} });
  expect(ran.map((call) => call.repeatable)).toEqual([true, true, false, false]);
});

test.each([
  ['no character', ''],
  ['256 characters', 'x'.repeat(256)],
  ['no text', 7],
])('a key of %s is refused, since the caller relies on it', async (_what, key) => {
  const wire = await client(await start());
  const reply = await wire.request('tools/call', { name: 'shop___pay', arguments: {} }, { meta: { [KEY]: key } });
  expect(reply.error).toMatchObject({ code: -32602, message: expect.stringContaining('idempotency key') });
  expect(ran).toEqual([]);
});

test("a tool's own failure is an answer and is stored; a refusal is none", async () => {
  const wire = await client(await start());
  for (let i = 0; i < 2; i++) expect(textOf(await pay(wire, 'k1', { fail: true }))).toBe('no money');
  expect(ran).toHaveLength(1);
  for (let i = 0; i < 2; i++) expect((await pay(wire, 'k2', { refuse: true })).error?.code).toBe(-32001);
  expect(ran).toHaveLength(3);
  for (let i = 0; i < 2; i++) await pay(wire, 'k3', { throw: 'TARGET_BREAKER_OPEN' });
  expect(ran).toHaveLength(5);
});

test('a call that timed out may have run, so its key runs nothing again', async () => {
  const wire = await client(await start());
  expect(textOf(await pay(wire, 'k1', { throw: 'TARGET_TIMEOUT' }))).toContain('TARGET_TIMEOUT');
  const again = await pay(wire, 'k1', { throw: 'TARGET_TIMEOUT' });
  expect(again.error).toMatchObject({ code: 409, message: expect.stringContaining('may have run') });
  expect(dataOf(again)).toMatchObject({ interrupted: true });
  expect(ran).toHaveLength(1);
});

test('a client that lost its connection in the middle and repeats does not pay twice', async () => {
  gate = new Promise(() => undefined);
  const wire = await client(await start());
  const controller = new AbortController();
  const lost = fetch(wire.options.url, {
    method: 'POST',
    signal: controller.signal,
    headers: {
      authorization: 'Bearer ann@team-x',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'shop___pay',
      'idempotency-key': 'k1',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name: 'shop___pay',
        arguments: { wait: true },
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  });
  while (ran.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort();
  await expect(lost).rejects.toThrow();
  let again = await pay(wire, 'k1', { wait: true });
  for (let i = 0; i < 100 && dataOf(again)['interrupted'] !== true; i++) again = await pay(wire, 'k1', { wait: true });
  expect(dataOf(again)).toMatchObject({ code: 'IDEMPOTENCY_IN_FLIGHT', interrupted: true });
  expect(ran).toHaveLength(1);
});

test('what a gateway left behind that died in the middle is told as interrupted by the next', async () => {
  gate = new Promise(() => undefined);
  const dead = await client(await start());
  void pay(dead, 'k1', { wait: true }).catch(() => undefined);
  while (ran.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const reply = await pay(await client(await start()), 'k1', { wait: true });
  expect(reply.error).toMatchObject({ code: 409, message: expect.stringContaining('may have run') });
  expect(dataOf(reply)).toMatchObject({ code: 'IDEMPOTENCY_IN_FLIGHT', interrupted: true });
  expect(ran).toHaveLength(1);
});

test('a question is no answer: the key waits for the end, and then repeats it', async () => {
  const wire = await client(await start());
  const asked = await pay(wire, 'k1', { ask: true });
  expect(asked.result?.['resultType']).toBe('input_required');
  const done = await wire.request(
    'tools/call',
    {
      name: 'shop___pay',
      arguments: { ask: true },
      inputResponses: { q1: { action: 'accept', content: {} } },
      requestState: asked.result?.['requestState'],
    },
    { headers: { 'idempotency-key': 'k1' } },
  );
  expect(textOf(done)).toBe('run 1');
  expect((await pay(wire, 'k1', { ask: true })).result).toEqual(done.result);
  expect(ran).toHaveLength(1);
});

test('a large answer is repeated to the last byte, and so are numbers that JSON.parse would spoil', async () => {
  const wire = await client(await start());
  const headers = { 'idempotency-key': 'k1' };
  const params = { name: 'shop___pay', arguments: { size: 200_000 } };
  const first = await wire.request('tools/call', params, { headers });
  const second = await wire.request('tools/call', params, { headers });
  expect(second.text.length).toBeGreaterThan(200_000);
  expect(second.text.replace(/"id":\d+/, '')).toBe(first.text.replace(/"id":\d+/, ''));
  expect(second.text).toContain('12345678901234567890');
  expect(ran).toHaveLength(1);
});

test('the answer survives a restart', async () => {
  await pay(await client(await start()), 'k1');
  expect(textOf(await pay(await client(await start()), 'k1'))).toBe('run 1');
  expect(ran).toHaveLength(1);
});

describe('the ledger alone', () => {
  let clock: FakeClock;
  let memory: StoreRoot;
  let ledger: Ledger;
  const entry = { key: 'k', tool: 'shop___pay', digest: 'd' };
  const context = (token = 'ann@team-x'): Context =>
    new Context({ principal: person(token), requestId: 'r', clock, timeoutMs: 1_000, log: silentLog });
  const answering =
    (text: string, final = true) =>
    () =>
      Promise.resolve({ text, final });

  beforeEach(async () => {
    clock = fakeClock();
    memory = await openMemoryStore({ clock });
    ledger = new Ledger({ store: memory, clock, instanceId: 'one' });
  });
  afterEach(() => memory.close());

  test.each([
    ['small', 'first'],
    ['large', 'ß'.repeat(300_000)],
  ])('a %s answer is kept for 24 hours and no longer', async (_size, text) => {
    expect(await ledger.once(context(), entry, answering(text))).toBe(text);
    clock.advance(86_399_000);
    expect(await ledger.once(context(), entry, answering('second'))).toBe(text);
    clock.advance(3_000);
    expect(await ledger.once(context(), entry, answering('second'))).toBe('second');
  });

  test('an answer that is not final leaves the key free', async () => {
    expect(await ledger.once(context(), entry, answering('question', false))).toBe('question');
    expect(await ledger.once(context(), entry, answering('answer'))).toBe('answer');
    expect(await ledger.once(context(), entry, answering('another'))).toBe('answer');
  });

  test("another process's running call is interrupted, its finished one repeated", async () => {
    const other = new Ledger({ store: memory, clock, instanceId: 'two' });
    void ledger.once(context(), entry, () => new Promise(() => undefined));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(other.once(context(), entry, answering('x'))).rejects.toMatchObject({
      code: 'IDEMPOTENCY_IN_FLIGHT',
      details: { interrupted: true },
    });
    await ledger.once(context(), { ...entry, key: 'done' }, answering('kept'));
    expect(await other.once(context(), { ...entry, key: 'done' }, answering('x'))).toBe('kept');
  });

  test.each([
    ['TARGET_TIMEOUT', {}, true],
    ['FUNCTION_TIMEOUT', {}, true],
    ['CALL_CANCELLED', {}, true],
    ['TARGET_PROTOCOL_ERROR', {}, true],
    ['STORE_FULL', {}, true],
    ['TARGET_UNAVAILABLE', { lost: true }, true],
    ['TARGET_UNAVAILABLE', { lost: true, processed: false }, false],
    ['TARGET_UNAVAILABLE', {}, false],
    ['TARGET_BREAKER_OPEN', {}, false],
    ['INVALID_ARGUMENTS', {}, false],
  ] as const)('%s %j: that the work may be done is %s', async (code, details, used) => {
    const failing = (): Promise<never> => Promise.reject(new PlatformError(code, 'told to', details));
    await expect(ledger.once(context(), entry, failing)).rejects.toMatchObject({ code });
    const again = ledger.once(context(), entry, answering('ran again'));
    if (used)
      await expect(again).rejects.toMatchObject({ code: 'IDEMPOTENCY_IN_FLIGHT', details: { interrupted: true } });
    else expect(await again).toBe('ran again');
  });

  test('an answer that cannot be kept reaches the caller, and its key runs nothing again', async () => {
    const full: StoreRoot = {
      label: memory.label,
      systemStore: () => memory.systemStore(),
      check: () => memory.check(),
      close: () => memory.close(),
      store(tenant) {
        const inner = memory.store(tenant);
        const put = (): Promise<never> => Promise.reject(new PlatformError('STORE_FULL', 'no room'));
        return {
          tenant,
          table: (spec) => inner.table(spec),
          transact: (writes) => inner.transact(writes),
          queue: (name, options) => inner.queue(name, options),
          blobs: {
            put,
            get: (key, range) => inner.blobs.get(key, range),
            head: (key) => inner.blobs.head(key),
            delete: (key) => inner.blobs.delete(key),
          },
          changes: inner.changes,
        };
      },
    };
    const crowded = new Ledger({ store: full, clock, instanceId: 'one' });
    const text = 'x'.repeat(300_000);
    expect(await crowded.once(context(), entry, answering(text))).toBe(text);
    await expect(crowded.once(context(), entry, answering('again'))).rejects.toMatchObject({
      code: 'IDEMPOTENCY_IN_FLIGHT',
    });
  });

  test('parts of the scope cannot be shifted into one another', async () => {
    await ledger.once(context('a@team-x'), { ...entry, tool: 'b\0c', key: 'd' }, answering('first'));
    expect(await ledger.once(context('a@team-x'), { ...entry, tool: 'b', key: 'c\0d' }, answering('second'))).toBe(
      'second',
    );
  });
});
