/** Multi-round-trip requests: questions in the middle of a call, across every pairing of client and target. */

import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { UpstreamRpcError } from '../../src/core/errors.ts';
import type { PlatformError } from '../../src/core/errors.ts';
import type { Clock } from '../../src/core/ports.ts';
import type { Exchange, Target, TargetCall } from '../../src/core/target.ts';
import type { Assembled, BareOptions } from '../fixtures/assembled.ts';
import { startBare } from '../fixtures/assembled.ts';
import { define, scriptedTarget } from '../fixtures/instance.ts';
import type { Json, WireOptions, WireReply } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';

let open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  open = [];
});

async function start(targets: Target[], more: Partial<BareOptions> = {}): Promise<Assembled> {
  const gateway = await startBare({ targets, ...more });
  open.push(gateway);
  return gateway;
}

function modern(gateway: Assembled, more: Partial<WireOptions> = {}, token = 'ann@team-x'): WireClient {
  const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
  return new WireClient({ url: gateway.mcp, era: 'modern', token, capabilities, ...more });
}

const FORM = { type: 'object', properties: { answer: { type: 'string' } } };
const elicit = (message: string): string => JSON.stringify({ message, requestedSchema: FORM });
const said = (value: unknown): string => JSON.stringify({ content: [{ type: 'text', text: JSON.stringify(value) }] });
const accept = (answer: string): Json => ({ action: 'accept', content: { answer } });

interface Seen {
  readonly calls: TargetCall[];
  readonly exchanges: Exchange[];
  readonly refusals: PlatformError[];
}

/** A target of an older revision: it asks in the middle of a call and waits. */
function asker(id = 'old', seen: Seen = { calls: [], exchanges: [], refusals: [] }): Target & { seen: Seen } {
  const names = ['one', 'two', 'rounds', 'kinds', 'url', 'patient', 'plain'];
  const definitions = [
    ...names.map((name) => define('tool', { name, inputSchema: { type: 'object' } })),
    define('prompt', { name: 'ask' }),
    define('resource', { uri: 'notes://ask', name: 'ask' }),
  ];
  const ask = async (exchange: Exchange, method: string, params: string): Promise<unknown> =>
    JSON.parse(await exchange.ask(method, params));
  const run = async (call: TargetCall, exchange: Exchange): Promise<unknown> => {
    switch (call.name) {
      case 'two':
        return Promise.all([
          ask(exchange, 'elicitation/create', elicit('first?')),
          ask(exchange, 'elicitation/create', elicit('second?')),
        ]);
      case 'rounds':
        return [
          await ask(exchange, 'elicitation/create', elicit('first?')),
          await ask(exchange, 'elicitation/create', elicit('then?')),
        ];
      case 'kinds': {
        const message = { role: 'user', content: { type: 'text', text: 'hi' } };
        const sampling = JSON.stringify({ messages: [message], maxTokens: 9 });
        return Promise.all([ask(exchange, 'sampling/createMessage', sampling), ask(exchange, 'roots/list', '{}')]);
      }
      case 'url':
        return ask(
          exchange,
          'elicitation/create',
          '{"mode":"url","message":"go","url":"https://example.com/","elicitationId":"e1"}',
        );
      case 'plain':
        return 'no question';
      default:
        return ask(exchange, 'elicitation/create', elicit('sure?'));
    }
  };
  const call = async (request: TargetCall, exchange: Exchange): Promise<string> => {
    seen.calls.push(request);
    seen.exchanges.push(exchange);
    try {
      const value = await run(request, exchange);
      if (request.method === 'prompts/get')
        return JSON.stringify({ messages: [{ role: 'user', content: { type: 'text', text: JSON.stringify(value) } }] });
      if (request.method === 'resources/read')
        return JSON.stringify({ contents: [{ uri: request.name, text: JSON.stringify(value) }] });
      if (request.method === 'completion/complete') return '{"completion":{"values":[]}}';
      return said(value);
    } catch (error) {
      seen.refusals.push(error as PlatformError);
      throw error;
    }
  };
  return { ...scriptedTarget(id, definitions, call, { kind: 'stdio' }), seen };
}

const call = (wire: WireClient, name: string, args: Json = {}): Promise<WireReply> =>
  wire.request('tools/call', { name, arguments: args });

const requestsOf = (reply: WireReply): Record<string, { method: string; params: Json }> =>
  (reply.result?.['inputRequests'] ?? {}) as Record<string, { method: string; params: Json }>;

/** The next request with answers; `more` replaces members of `params`. */
function again(
  wire: WireClient,
  name: string,
  reply: WireReply,
  inputResponses: Json,
  more: Json = {},
): Promise<WireReply> {
  const requestState = reply.result?.['requestState'];
  return wire.request('tools/call', { name, arguments: {}, inputResponses, requestState, ...more });
}

const textOf = (reply: WireReply): string => String((reply.result?.['content'] as Json[] | undefined)?.[0]?.['text']);

describe('a target that asks in the middle, and a client of 2026-07-28', () => {
  test('the question is an input_required result under the target’s name, the answer ends the call', async () => {
    const target = asker();
    const wire = modern(await start([target]));
    const asked = await call(wire, 'old___one');
    expect(asked.result?.['resultType']).toBe('input_required');
    expect(asked.result).not.toHaveProperty('ttlMs');
    expect(Object.values(requestsOf(asked))).toEqual([
      { method: 'elicitation/create', params: { message: '[old] sure?', requestedSchema: FORM } },
    ]);
    const [key = ''] = Object.keys(requestsOf(asked));
    const done = await again(wire, 'old___one', asked, { [key]: accept('yes') });
    expect(done.result?.['resultType']).toBe('complete');
    expect(JSON.parse(textOf(done))).toEqual(accept('yes'));
    expect(target.seen.calls).toHaveLength(1);
    expect(wire.violations).toEqual([]);
  });

  test('a server that sends its user to a page first asks so, and the call is made anew afterwards', async () => {
    let visited = false;
    const data = {
      elicitations: [{ mode: 'url', message: 'Sign in', url: 'https://example.com/in', elicitationId: 'e' }],
    };
    const definitions = [define('tool', { name: 'mail', inputSchema: { type: 'object' } })];
    const run = (): string => {
      if (!visited) throw new UpstreamRpcError(-32042, 'URL elicitation required', data);
      return said('mail');
    };
    const gateway = await start([scriptedTarget('old', definitions, run, { kind: 'stdio' })]);
    const wire = modern(gateway);
    const asked = await call(wire, 'old___mail');
    expect(requestsOf(asked)).toEqual({
      'url-1': {
        method: 'elicitation/create',
        params: { mode: 'url', message: '[old] Sign in', url: 'https://example.com/in' },
      },
    });
    const forms = modern(gateway, { capabilities: { elicitation: { form: {} } } });
    expect(textOf(await call(forms, 'old___mail'))).toMatch(/^CLIENT_CANNOT_ANSWER/);
    visited = true;
    const inputResponses = { 'url-1': { action: 'accept' } };
    const done = await wire.request('tools/call', { name: 'old___mail', arguments: {}, inputResponses });
    expect(textOf(done)).toBe('"mail"');
    expect([...wire.violations, ...forms.violations]).toEqual([]);
  });

  test('decline and cancel reach the target as they are', async () => {
    const wire = modern(await start([asker()]));
    for (const action of ['decline', 'cancel']) {
      const asked = await call(wire, 'old___one');
      const done = await again(wire, 'old___one', asked, { q1: { action } });
      expect(JSON.parse(textOf(done))).toEqual({ action });
    }
  });

  test('questions asked at once come at once; what is not answered is asked again, and unknown keys are ignored', async () => {
    const target = asker();
    const wire = modern(await start([target]));
    const asked = await call(wire, 'old___two');
    const keys = Object.keys(requestsOf(asked));
    expect(keys).toHaveLength(2);
    const part = await again(wire, 'old___two', asked, {
      [keys[0] ?? '']: accept('a'),
      unknown: accept('x'),
      constructor: accept('y'),
    });
    expect(part.result?.['resultType']).toBe('input_required');
    expect(Object.keys(requestsOf(part))).toEqual([keys[1]]);
    expect(part.result?.['requestState']).not.toBe(asked.result?.['requestState']);
    const none = await again(wire, 'old___two', part, {});
    expect(Object.keys(requestsOf(none))).toEqual([keys[1]]);
    const done = await again(wire, 'old___two', none, { [keys[1] ?? '']: accept('b') });
    expect(JSON.parse(textOf(done))).toEqual([accept('a'), accept('b')]);
    expect(target.seen.calls).toHaveLength(1);
    expect(wire.violations).toEqual([]);
  });

  test('a retry without inputResponses at all is asked again', async () => {
    const wire = modern(await start([asker()]));
    const asked = await call(wire, 'old___one');
    const requestState = asked.result?.['requestState'];
    const next = await wire.request('tools/call', { name: 'old___one', arguments: {}, requestState });
    expect(Object.keys(requestsOf(next))).toEqual(Object.keys(requestsOf(asked)));
    expect(textOf(await again(wire, 'old___one', next, { q1: accept('ok') }))).toContain('ok');
  });

  test('a second round has a state of its own, and the first is used up', async () => {
    const wire = modern(await start([asker()]));
    const first = await call(wire, 'old___rounds');
    const second = await again(wire, 'old___rounds', first, { q1: accept('a') });
    expect(Object.values(requestsOf(second))[0]?.params['message']).toBe('[old] then?');
    const replayed = await again(wire, 'old___rounds', first, { q1: accept('z') });
    expect(replayed.error?.code).toBe(-32602);
    const [key = ''] = Object.keys(requestsOf(second));
    const done = await again(wire, 'old___rounds', second, { [key]: accept('b') });
    expect(JSON.parse(textOf(done))).toEqual([accept('a'), accept('b')]);
  });

  test('sampling and roots are asked alike, with numbers in the answers as they came', async () => {
    const wire = modern(await start([asker()]));
    const asked = await call(wire, 'old___kinds');
    expect(
      Object.values(requestsOf(asked))
        .map((each) => each.method)
        .toSorted(),
    ).toEqual(['roots/list', 'sampling/createMessage']);
    const answers = Object.fromEntries(
      Object.entries(requestsOf(asked)).map(([key, { method }]) => [
        key,
        method === 'roots/list'
          ? { roots: [{ uri: 'file:///a' }] }
          : { role: 'assistant', model: 'm', content: { type: 'text', text: 'hello' } },
      ]),
    );
    const done = await again(wire, 'old___kinds', asked, answers);
    expect(textOf(done)).toContain('file:///a');
    expect(textOf(done)).toContain('hello');
    expect(wire.violations).toEqual([]);
  });

  test('prompts and resources are held as well; a completion asks nobody', async () => {
    const target = asker();
    const wire = modern(await start([target]));
    const prompt = await wire.request('prompts/get', { name: 'old___ask' });
    expect(prompt.result?.['resultType']).toBe('input_required');
    const prompted = await wire.request('prompts/get', {
      name: 'old___ask',
      inputResponses: { q1: accept('p') },
      requestState: prompt.result?.['requestState'],
    });
    expect(JSON.stringify(prompted.result)).toContain('messages');
    const read = await wire.complete('resources/read', { uri: 'old+notes://ask' });
    expect(JSON.stringify(read.result)).toContain('decline');
    const completed = await wire.request('completion/complete', {
      ref: { type: 'ref/prompt', name: 'old___ask' },
      argument: { name: 'a', value: '' },
    });
    expect(completed.result?.['resultType']).not.toBe('input_required');
    expect(completed.error?.code).toBe(-32603);
    expect(target.seen.refusals).toHaveLength(1);
    expect(wire.violations).toEqual([]);
  });

  test('what the client did not declare is neither offered to the target nor asked', async () => {
    const cases: [Json, string, boolean][] = [
      [{}, 'one', false],
      [{}, 'kinds', false],
      [{ elicitation: {} }, 'one', true],
      [{ elicitation: {} }, 'url', false],
      [{ elicitation: { url: {} } }, 'url', true],
      [{ elicitation: { url: {} } }, 'one', false],
      [{ sampling: {} }, 'kinds', false],
    ];
    for (const [capabilities, tool, asked] of cases) {
      const target = asker();
      const wire = modern(await start([target]), { capabilities });
      const reply = await call(wire, `old___${tool}`);
      expect([capabilities, tool, reply.result?.['resultType'] === 'input_required']).toEqual([
        capabilities,
        tool,
        asked,
      ]);
      if (!asked)
        expect(reply.result).toMatchObject({
          isError: true,
          content: [{ text: expect.stringContaining('CLIENT_CANNOT_ANSWER') }],
        });
      expect(target.seen.exchanges[0]?.capabilities).toEqual(capabilities);
    }
  });
});

describe('requestState of the gateway', () => {
  const refused = async (reply: Promise<WireReply>): Promise<void> => {
    const { error, status } = await reply;
    expect(status).toBe(200);
    expect(error).toMatchObject({ code: -32602, data: { code: 'INVALID_REQUEST_STATE' } });
  };

  test('is refused when it was changed, and the call still waits for the right one', async () => {
    const target = asker();
    const wire = modern(await start([target]));
    const asked = await call(wire, 'old___one');
    const state = String(asked.result?.['requestState']);
    const middle = Math.floor(state.length / 2);
    const flipped = `${state.slice(0, middle)}${state[middle] === 'A' ? 'B' : 'A'}${state.slice(middle + 1)}`;
    for (const requestState of [
      flipped,
      `${state}A`,
      state.slice(0, -4),
      'zp1.',
      'zp1.AAAA',
      'other',
      '',
      state.slice(4),
      7,
      null,
    ])
      await refused(again(wire, 'old___one', asked, { q1: accept('x') }, { requestState }));
    expect(target.seen.calls).toHaveLength(1);
    expect(JSON.parse(textOf(await again(wire, 'old___one', asked, { q1: accept('yes') })))).toEqual(accept('yes'));
  });

  test('is worth nothing to another principal or tenant', async () => {
    const gateway = await start([asker()]);
    const asked = await call(modern(gateway), 'old___one');
    for (const token of ['bob@team-x', 'ann@team-y'])
      await refused(again(modern(gateway, {}, token), 'old___one', asked, { q1: accept('x') }));
    expect(textOf(await again(modern(gateway), 'old___one', asked, { q1: accept('yes') }))).toContain('yes');
  });

  test('belongs to one call: other arguments, another tool and another target are refused', async () => {
    const gateway = await start([asker('old'), asker('other')]);
    const wire = modern(gateway);
    const asked = await call(wire, 'old___one');
    await refused(again(wire, 'old___one', asked, { q1: accept('x') }, { arguments: { more: 1 } }));
    await refused(again(wire, 'old___two', asked, { q1: accept('x') }));
    await refused(again(wire, 'other___one', asked, { q1: accept('x') }));
    const bare = await call(modern(gateway, { url: `${gateway.mcp}/old` }), 'one');
    await refused(again(modern(gateway, { url: `${gateway.mcp}/other` }), 'one', bare, { q1: accept('x') }));
    expect(textOf(await again(wire, 'old___one', asked, { q1: accept('yes') }))).toContain('yes');
  });

  test('is used once, even when two retries race', async () => {
    const wire = modern(await start([asker()]));
    const asked = await call(wire, 'old___one');
    const replies = await Promise.all([1, 2, 3].map((n) => again(wire, 'old___one', asked, { q1: accept(`n${n}`) })));
    expect(replies.filter((reply) => reply.error === undefined)).toHaveLength(1);
    await refused(again(wire, 'old___one', asked, { q1: accept('x') }));
  });

  test('a retry whose answers are no object leaves the call waiting', async () => {
    const wire = modern(await start([asker()]));
    const asked = await call(wire, 'old___one');
    const bad = await again(wire, 'old___one', asked, {}, { inputResponses: [1] });
    expect(bad.error?.code).toBe(-32602);
    expect(textOf(await again(wire, 'old___one', asked, { q1: accept('yes') }))).toContain('yes');
  });

  test('expires after five minutes, and the target hears that nobody answered', async () => {
    const late: { atMs: number; run: () => void }[] = [];
    const clock: Clock = {
      ...systemClock,
      after(delayMs, run) {
        if (delayMs < 10_000) return systemClock.after(delayMs, run);
        const timer = { atMs: delayMs, run };
        late.push(timer);
        return () => void late.splice(late.indexOf(timer), 1);
      },
    };
    const target = asker();
    const wire = modern(await start([target], { clock }));
    const asked = await call(wire, 'old___one');
    const [timer] = late.filter((each) => each.atMs === 300_000);
    timer?.run();
    await refused(again(wire, 'old___one', asked, { q1: accept('x') }));
    expect(target.seen.refusals.map((error) => error.code)).toEqual(['CLIENT_CANNOT_ANSWER']);
  });

  test('ends with the gateway: a target that is asked for an answer hears that there is none', async () => {
    const target = asker();
    const gateway = await startBare({ targets: [target] });
    await call(modern(gateway), 'old___one');
    await gateway.close();
    expect(target.seen.refusals.map((error) => error.code)).toEqual(['CLIENT_CANNOT_ANSWER']);
  });

  test('of too many held calls of one principal on one target the oldest gives way, and nobody else is disturbed', async () => {
    const target = asker();
    const gateway = await start([target, asker('second')]);
    const wire = modern(gateway);
    const bob = modern(gateway, {}, 'bob@team-x');
    const bobs = await call(bob, 'old___one');
    const second = await call(wire, 'second___one');
    const asked: WireReply[] = [];
    for (let i = 0; i < 6; i++) asked.push(await call(wire, 'old___one'));
    const ended = await Promise.all(asked.map((each) => again(wire, 'old___one', each, { q1: accept('ok') })));
    const alive = ended.map((reply) => reply.error === undefined);
    expect(alive.filter(Boolean).length).toBeGreaterThanOrEqual(3);
    expect(alive.lastIndexOf(false)).toBeLessThan(alive.indexOf(true));
    expect(alive).toContain(false);
    expect(textOf(await again(bob, 'old___one', bobs, { q1: accept('bob') }))).toContain('bob');
    expect(textOf(await again(wire, 'second___one', second, { q1: accept('second') }))).toContain('second');
  });
});

/** A target of 2026-07-28 that asks by results of its own. `rounds` questions, then it says what it got. */
function modernTarget(rounds: number, seen: Seen, question = JSON.parse(elicit('sure?')) as Json): Target {
  const definitions = [
    define('tool', { name: 'ask', inputSchema: { type: 'object' } }),
    define('prompt', { name: 'ask' }),
  ];
  return scriptedTarget('new', definitions, (request, exchange) => {
    seen.calls.push(request);
    seen.exchanges.push(exchange);
    const round = Number(/^round (\d+)/.exec((request.parsed['requestState'] as string | undefined) ?? '')?.[1] ?? 0);
    if (round >= rounds) return said({ state: request.parsed['requestState'], got: request.parsed['inputResponses'] });
    const requests = JSON.stringify({ [`k${round}`]: { method: 'elicitation/create', params: question } });
    return `{"resultType":"input_required","inputRequests":${requests},"requestState":"round ${round + 1} \\u00e9\\/\\u0000😀 zp1.x=="}`;
  });
}

describe('a target of 2026-07-28', () => {
  const STATE = 'round 1 é/\u0000😀 zp1.x==';

  test('its requestState reaches the client and comes back exactly, with the answers as they came', async () => {
    const seen: Seen = { calls: [], exchanges: [], refusals: [] };
    const wire = modern(await start([modernTarget(1, seen)]));
    const asked = await call(wire, 'new___ask');
    expect(asked.text).toContain('"requestState":"round 1 \\u00e9\\/\\u0000😀 zp1.x=="');
    expect(asked.result?.['requestState']).toBe(STATE);
    expect(requestsOf(asked)['k0']?.params['message']).toBe('[new] sure?');
    const done = await again(wire, 'new___ask', asked, { k0: accept('yes') });
    expect(JSON.parse(textOf(done))).toEqual({ state: STATE, got: { k0: accept('yes') } });
    const sent = seen.calls[1]?.params.find((member) => member.key === 'requestState');
    expect(JSON.parse(sent?.text ?? '')).toBe(STATE);
    expect(wire.violations).toEqual([]);
  });

  test('a state that looks like ours but was not sealed here is the target’s: gateways can stand in a row', async () => {
    const inner = await start([asker()]);
    const relay = scriptedTarget(
      'gate',
      [define('tool', { name: 'one', inputSchema: { type: 'object' } })],
      async (request) => {
        const far = modern(inner, { url: `${inner.mcp}/old` }, 'relay@team-x');
        const reply = await far.request('tools/call', { ...request.parsed, name: 'one' });
        if (reply.error !== undefined) throw new Error(reply.error.message);
        return JSON.stringify(reply.result);
      },
    );
    const wire = modern(await start([relay], { sealingKey: new Uint8Array(32).fill(9) }));
    const asked = await call(wire, 'gate___one');
    expect(String(asked.result?.['requestState'])).toMatch(/^zp1\./);
    const done = await again(wire, 'gate___one', asked, { q1: accept('through both') });
    expect(textOf(done)).toContain('through both');
  });

  test('is told exactly what the client declared, less what cannot be relayed', async () => {
    const seen: Seen = { calls: [], exchanges: [], refusals: [] };
    const gateway = await start([modernTarget(0, seen)]);
    await call(modern(gateway, { capabilities: {} }), 'new___ask');
    await call(
      modern(gateway, {
        capabilities: {
          elicitation: { form: {} },
          experimental: { x: {} },
          extensions: { 'io.modelcontextprotocol/ui': { a: 1 }, 'x/y': {} },
        },
      }),
      'new___ask',
    );
    const { capabilities: _no, ...rest } = modern(gateway).options;
    const legacy = await new WireClient({
      ...rest,
      era: 'session',
      capabilities: { sampling: {}, roots: { listChanged: true } },
    }).open();
    await call(legacy, 'new___ask');
    const stateless = new WireClient({ ...rest, era: 'stateless', capabilities: { elicitation: {} } });
    await call(stateless, 'new___ask');
    expect(seen.exchanges.map((exchange) => exchange.capabilities)).toEqual([
      {},
      { elicitation: { form: {} }, extensions: { 'io.modelcontextprotocol/ui': { a: 1 } } },
      { sampling: {}, roots: { listChanged: true } },
      {},
    ]);
    await legacy.close();
  });
});

describe('a target of 2026-07-28 and an older client', () => {
  const session = async (gateway: Assembled, more: Partial<WireOptions> = {}): Promise<WireClient> =>
    new WireClient({
      url: gateway.mcp,
      era: 'session',
      token: 'ann@team-x',
      capabilities: { elicitation: {} },
      ...more,
    }).open();

  test.each([1, 3, 8])('%i rounds are asked on its stream, and the result comes last', async (rounds) => {
    const seen: Seen = { calls: [], exchanges: [], refusals: [] };
    const asked: Json[] = [];
    const wire = await session(await start([modernTarget(rounds, seen)]), {
      answer: (method, params) => {
        asked.push({ method, message: params['message'] });
        return accept(`a${asked.length}`);
      },
    });
    const reply = await call(wire, 'new___ask');
    expect(asked).toEqual(
      Array.from({ length: rounds }, () => ({ method: 'elicitation/create', message: '[new] sure?' })),
    );
    expect(JSON.parse(textOf(reply))).toMatchObject({ got: { [`k${rounds - 1}`]: accept(`a${rounds}`) } });
    expect(reply.result).not.toHaveProperty('resultType');
    expect(seen.calls).toHaveLength(rounds + 1);
    expect(wire.violations).toEqual([]);
    await wire.close();
  });

  test('a target that asks on and on is stopped after eight rounds, as an error of the tool', async () => {
    const seen: Seen = { calls: [], exchanges: [], refusals: [] };
    const wire = await session(await start([modernTarget(99, seen)]), { answer: () => accept('x') });
    const reply = await call(wire, 'new___ask');
    expect(reply.result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('8 rounds') }] });
    expect(seen.calls.length).toBeLessThanOrEqual(9);
    await wire.close();
  });

  test.each([
    ['a session that declared nothing', 'session', {}],
    ['no session', 'stateless', { elicitation: {} }],
  ] as const)('%s cannot be asked: an error of the tool, an error of the prompt', async (_what, era, capabilities) => {
    const seen: Seen = { calls: [], exchanges: [], refusals: [] };
    const wire = await session(await start([modernTarget(1, seen)]), { era, capabilities });
    const reply = await call(wire, 'new___ask');
    expect(reply.result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('cannot be asked') }],
    });
    const prompt = await wire.request('prompts/get', { name: 'new___ask' });
    expect(prompt.error).toMatchObject({ code: -32603, message: expect.stringContaining('cannot be asked') });
    expect(wire.violations).toEqual([]);
    await wire.close();
  });

  test('a client that takes JSON alone cannot be asked, though it has a session', async () => {
    const seen: Seen = { calls: [], exchanges: [], refusals: [] };
    const wire = await session(await start([modernTarget(1, seen)]));
    const reply = await wire.post(
      { jsonrpc: '2.0', id: 77, method: 'tools/call', params: { name: 'new___ask', arguments: {} } },
      { accept: 'application/json' },
    );
    expect(reply.result).toMatchObject({ isError: true });
    expect(seen.exchanges[0]?.canAsk).toBe(false);
    await wire.close();
  });
});
