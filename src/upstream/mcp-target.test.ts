import { describe, expect, test } from 'vitest';
import type { Clock, Logger } from '../core/ports.ts';
import type { Exchange, TargetCall, TargetChange } from '../core/target.ts';
import type { Connector, Conversation, ConversationRequest, OpenOptions } from './conversation.ts';
import type { McpTargetOptions } from './mcp-target.ts';
import { Context } from '../core/context.ts';
import { PlatformError, UpstreamRpcError } from '../core/errors.ts';
import { McpTarget } from './mcp-target.ts';

class ManualClock implements Clock {
  time = 0;
  readonly timers = new Set<{ at: number; run: () => void }>();
  nowMs(): number {
    return this.time;
  }
  monotonicMs(): number {
    return this.time;
  }
  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.time + delayMs, run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }
  /** Runs timers in order and lets promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settled();
      const next = [...this.timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
    await settled();
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const quiet: Logger = { log: () => undefined, with: () => quiet };

type Answer = (request: ConversationRequest, conversation: FakeConversation) => Promise<string> | string;

class FakeConversation implements Conversation {
  readonly protocolVersion: string;
  readonly capabilities = { tools: {}, resources: { subscribe: true } };
  readonly serverInfo = { name: 'fake', version: '1' };
  readonly instructions = undefined;
  readonly declaring: boolean;
  readonly requests: ConversationRequest[] = [];
  readonly notices: string[] = [];
  ended = false;
  closed = false;
  readonly era: 'modern' | 'legacy';
  readonly #answer: Answer;
  readonly #listeners = new Set<(method: string, params: Readonly<Record<string, unknown>>) => void>();
  #onEnd: ((reason: Error | undefined) => void)[] = [];
  #lost: ((error: Error) => void)[] = [];

  constructor(era: 'modern' | 'legacy', declaring: boolean, answer: Answer) {
    this.era = era;
    this.protocolVersion = era === 'modern' ? '2026-07-28' : '2025-11-25';
    this.declaring = declaring;
    this.#answer = answer;
  }
  request(request: ConversationRequest): Promise<string> {
    this.requests.push(request);
    return new Promise((resolve, reject) => {
      this.#lost.push(reject);
      void Promise.resolve()
        .then(() => this.#answer(request, this))
        .then(resolve, reject);
    });
  }
  notify(method: string): void {
    this.notices.push(method);
  }
  onNotification(listener: (method: string, params: Readonly<Record<string, unknown>>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  emit(method: string, params: Readonly<Record<string, unknown>> = {}): void {
    for (const listener of this.#listeners) listener(method, params);
  }
  onEnd(listener: (reason: Error | undefined) => void): void {
    this.#onEnd.push(listener);
  }
  die(reason: Error | undefined = new PlatformError('TARGET_UNAVAILABLE', 'target "x" has exited')): void {
    this.ended = true;
    for (const reject of this.#lost) reject(reason ?? new Error('closed'));
    for (const listener of this.#onEnd) listener(reason);
  }
  close(): Promise<void> {
    this.closed = true;
    if (!this.ended) this.die(undefined);
    return Promise.resolve();
  }
}

class FakeConnector implements Connector {
  readonly kind: 'stdio' | 'http';
  readonly opened: FakeConversation[] = [];
  attempts: number[] = [];
  era: 'modern' | 'legacy' = 'legacy';
  refuse: Error | undefined;
  answer: Answer = (request) =>
    request.method === 'tools/list'
      ? '{"tools":[{"name":"a","inputSchema":{"type":"object"}}]}'
      : '{"resources":[],"resourceTemplates":[]}';
  readonly #clock: Clock;

  constructor(clock: Clock, kind: 'stdio' | 'http' = 'stdio') {
    this.#clock = clock;
    this.kind = kind;
  }
  open(options: OpenOptions): Promise<Conversation> {
    this.attempts.push(this.#clock.monotonicMs());
    if (this.refuse !== undefined) return Promise.reject(this.refuse);
    const conversation = new FakeConversation(this.era, Object.keys(options.declare).length > 0, (request, self) =>
      this.answer(request, self),
    );
    this.opened.push(conversation);
    return Promise.resolve(conversation);
  }
  children(): number {
    return this.opened.filter((conversation) => !conversation.ended).length;
  }
  restarts(): number {
    return 0;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function fixture(more: Partial<McpTargetOptions> = {}, kind: 'stdio' | 'http' = 'stdio') {
  const clock = new ManualClock();
  const connector = new FakeConnector(clock, kind);
  const target = new McpTarget({ id: 'x', connector, clock, log: quiet, ...more });
  const context = (id = 'p', tenant = 't', timeoutMs = 60_000) =>
    new Context({ principal: { id, tenant, roles: [], scopes: [] }, requestId: 'r', clock, timeoutMs, log: quiet });
  return { clock, connector, target, context };
}

const mute: Exchange = {
  capabilities: {},
  canAsk: false,
  wantsProgress: false,
  notify: () => undefined,
  ask: () => Promise.reject(new Error('never')),
};

function asker(ask: Exchange['ask'] = () => Promise.resolve('{}')): Exchange {
  return { ...mute, capabilities: { elicitation: {} }, canAsk: true, ask };
}

function toolCall(name = 'a', more: Partial<TargetCall> = {}): TargetCall {
  return {
    method: 'tools/call',
    name,
    params: [{ key: 'name', text: `"${name}"` }],
    meta: [],
    parsed: {},
    repeatable: false,
    ...more,
  };
}

/** An answer that comes when the test says so. */
function held() {
  const waiting: { request: ConversationRequest; on: FakeConversation; answer: (text: string) => void }[] = [];
  const answer: Answer = (request, on) =>
    request.method.endsWith('/list')
      ? '{"tools":[],"resources":[],"resourceTemplates":[]}'
      : new Promise((resolve) => waiting.push({ request, on, answer: resolve }));
  return { waiting, answer };
}

describe('who shares a conversation', () => {
  test('callers that cannot be asked share one local server per tenant', async () => {
    const { target, connector, context } = fixture();
    for (const [id, tenant] of [
      ['p', 't'],
      ['q', 't'],
      ['p', 'u'],
    ] as const) {
      await target.call(toolCall(), mute, context(id, tenant));
    }
    expect(connector.opened).toHaveLength(2);
    expect(connector.opened[0]?.requests).toHaveLength(2);
  });

  test('a remote server has a conversation per principal', async () => {
    const { target, connector, context } = fixture({}, 'http');
    await target.call(toolCall(), mute, context('p'));
    await target.call(toolCall(), mute, context('q'));
    await target.call(toolCall(), mute, context('p'));
    expect(connector.opened.map((conversation) => conversation.requests.length)).toEqual([2, 1]);
  });

  test('with isolation per principal a local server is not shared either', async () => {
    const { target, connector, context } = fixture({ isolation: 'per-principal' });
    await target.call(toolCall(), mute, context('p'));
    await target.call(toolCall(), mute, context('q'));
    expect(connector.opened).toHaveLength(2);
  });

  test('with isolation per call every call gets a fresh server, ended after it', async () => {
    const { target, connector, context } = fixture({ isolation: 'per-call' });
    await target.call(toolCall(), mute, context());
    await target.call(toolCall(), mute, context());
    await settled();
    expect(connector.opened.map((conversation) => conversation.closed)).toEqual([true, true]);
  });

  test('a caller that can be asked has conversations of its own, which were told so', async () => {
    const { target, connector, context } = fixture();
    await target.call(toolCall(), asker(), context('p'));
    await target.call(toolCall(), asker(), context('q'));
    expect(
      connector.opened
        .filter((conversation) => conversation.declaring)
        .map((conversation) => conversation.requests.length),
    ).toEqual([1, 1]);
  });

  test('a modern server needs none: each request carries what its caller can answer', async () => {
    const { target, connector, context } = fixture();
    connector.era = 'modern';
    const exchange = asker();
    await target.call(toolCall(), exchange, context('p'));
    await target.call(toolCall(), mute, context('q'));
    expect(connector.opened).toHaveLength(1);
    expect(connector.opened[0]?.requests.map((request) => request.exchange)).toEqual([exchange, mute]);
  });

  test('a tool that only an asking conversation lists is called there, whoever calls', async () => {
    const { target, connector, context } = fixture();
    connector.answer = (request, on) => {
      const names = on.declaring ? ['a', 'ask-me'] : ['a'];
      return JSON.stringify({
        tools: names.map((name) => ({ name, inputSchema: { type: 'object' } })),
        resources: [],
        resourceTemplates: [],
      });
    };
    const { definitions } = await target.list(context());
    expect(definitions.map(({ key, declaringOnly }) => [key, declaringOnly])).toEqual([
      ['a', undefined],
      ['ask-me', true],
    ]);
    const definition = definitions[1];
    await target.call(toolCall('ask-me', definition === undefined ? {} : { definition }), mute, context());
    const used = connector.opened.filter((conversation) =>
      conversation.requests.some((request) => request.method === 'tools/call'),
    );
    expect(used.map((conversation) => conversation.declaring)).toEqual([true]);
  });
});

describe('calls that may be asked', () => {
  test('run one after the other, in order', async () => {
    const { target, connector, context } = fixture();
    const { waiting, answer } = held();
    connector.answer = answer;
    const calls = ['1', '2', '3'].map((name) => target.call(toolCall(name), asker(), context()));
    for (const expected of ['1', '2', '3']) {
      await settled();
      expect(waiting.map(({ request }) => request.params[0]?.text)).toEqual([`"${expected}"`]);
      waiting.shift()?.answer(`{"for":${expected}}`);
    }
    expect((await Promise.all(calls)).map(({ text }) => text)).toEqual(['{"for":1}', '{"for":2}', '{"for":3}']);
    expect(connector.opened.filter((conversation) => conversation.declaring)).toHaveLength(1);
  });

  test('one that waits past its deadline leaves the line, and those behind move up', async () => {
    const { target, connector, context, clock } = fixture();
    const { waiting, answer } = held();
    connector.answer = answer;
    const first = target.call(toolCall('1'), asker(), context());
    await settled();
    const second = target.call(toolCall('2'), asker(), context('p', 't', 1_000));
    const third = target.call(toolCall('3'), asker(), context());
    const refused = expect(second).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
    await clock.advance(1_000);
    await refused;
    waiting.shift()?.answer('{}');
    await first;
    await settled();
    expect(waiting.map(({ request }) => request.params[0]?.text)).toEqual(['"3"']);
    waiting.shift()?.answer('{}');
    await third;
  });

  test('while a question is held the next call gets a conversation of its own, up to four', async () => {
    const { target, connector, context } = fixture();
    const started: string[] = [];
    connector.answer = async (request) => {
      if (request.method !== 'tools/call') return '{}';
      started.push(request.params[0]?.text ?? '');
      await request.exchange?.ask('elicitation/create', '{}');
      return '{}';
    };
    let answer: (text: string) => void = () => undefined;
    const person = new Promise<string>((resolve) => {
      answer = resolve;
    });
    const calls = Array.from({ length: 6 }, (_, index) =>
      target.call(
        toolCall(String(index)),
        asker(() => person),
        context(),
      ),
    );
    for (let i = 0; i < 10; i++) await settled();
    expect(started).toHaveLength(4);
    expect(connector.opened.filter((conversation) => conversation.declaring)).toHaveLength(4);
    answer('{"action":"accept"}');
    await Promise.all(calls);
    expect(started).toHaveLength(6);
    expect(connector.opened.filter((conversation) => conversation.declaring)).toHaveLength(4);
  });

  test('a changed list of roots is told to the conversations of that principal', async () => {
    const { target, connector, context } = fixture();
    await target.call(toolCall(), asker(), context('p'));
    await target.call(toolCall(), asker(), context('q'));
    target.notify('notifications/roots/list_changed', context('p'));
    const notices = connector.opened
      .filter((conversation) => conversation.declaring)
      .map((conversation) => conversation.notices);
    expect(notices).toEqual([['notifications/roots/list_changed'], []]);
  });
});

describe('a server that ends', () => {
  test('a call that may be repeated is, once', async () => {
    const { target, connector, context, clock } = fixture();
    connector.answer = (_request, on) => {
      if (connector.opened.length === 1) on.die();
      return '{"run":2}';
    };
    const call = target.call(toolCall('a', { repeatable: true }), mute, context());
    await clock.advance(200);
    expect((await call).text).toBe('{"run":2}');
    expect(connector.opened).toHaveLength(2);
  });

  test('a call that may not be repeated fails, and the next one works', async () => {
    const { target, connector, context, clock } = fixture();
    connector.answer = (_request, on) => {
      if (connector.opened.length === 1) on.die();
      return '{}';
    };
    await expect(target.call(toolCall(), mute, context())).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    expect(connector.opened).toHaveLength(1);
    const next = target.call(toolCall(), mute, context());
    await clock.advance(100);
    expect((await next).text).toBe('{}');
  });

  test('a call that the server never saw is sent again even so', async () => {
    const { target, connector, context, clock } = fixture();
    let sent = 0;
    connector.answer = () => {
      if (sent++ === 0) throw new PlatformError('TARGET_UNAVAILABLE', 'session unknown', { processed: false });
      return '{}';
    };
    const call = target.call(toolCall(), mute, context());
    await clock.advance(200);
    expect((await call).text).toBe('{}');
  });

  test('a shared local server comes back by itself, and what it offers is announced as new', async () => {
    const { target, connector, context, clock } = fixture();
    const changes: TargetChange[] = [];
    target.onChange((change) => changes.push(change));
    await target.call(toolCall(), mute, context());
    connector.opened[0]?.die();
    await clock.advance(99);
    expect(connector.opened).toHaveLength(1);
    await clock.advance(100);
    expect(connector.opened).toHaveLength(2);
    expect(changes.map(({ kind }) => kind)).toEqual(['tools', 'prompts', 'resources']);
  });

  test('resources that somebody follows are followed again', async () => {
    const { target, connector, context, clock } = fixture();
    const follow = (method: string, uri: string) =>
      target.call(
        {
          method,
          name: uri,
          params: [{ key: 'uri', text: JSON.stringify(uri) }],
          meta: [],
          parsed: {},
          repeatable: false,
        },
        mute,
        context(),
      );
    await follow('resources/subscribe', 'file:///a');
    await follow('resources/subscribe', 'file:///b');
    await follow('resources/unsubscribe', 'file:///a');
    connector.opened[0]?.die();
    await clock.advance(200);
    expect(connector.opened[1]?.requests.map((request) => [request.method, request.params[0]?.text])).toEqual([
      ['resources/subscribe', '"file:///b"'],
    ]);
  });
});

describe('a server that keeps failing', () => {
  const broken = new PlatformError('TARGET_UNAVAILABLE', 'target "x" has exited with code 3');

  test('is tried with growing pauses, then at most every ten seconds, and calls fail at once with the reason', async () => {
    const { target, connector, context, clock } = fixture();
    connector.refuse = broken;
    for (let i = 0; i < 600; i++) {
      target.call(toolCall(), mute, context('p', 't', 50)).catch(() => undefined);
      await clock.advance(100);
    }
    expect(connector.attempts[0]).toBe(0);
    expect(connector.attempts.length).toBeLessThanOrEqual(9);
    const gaps = connector.attempts.slice(1).map((at, index) => at - (connector.attempts[index] ?? 0));
    for (const gap of gaps.slice(0, 4)) expect(gap).toBeGreaterThanOrEqual(100);
    for (const gap of gaps.slice(4)) {
      expect(gap).toBeGreaterThanOrEqual(10_000);
      expect(gap).toBeLessThanOrEqual(30_200);
    }
    await expect(target.call(toolCall(), mute, context())).rejects.toMatchObject({
      code: 'TARGET_BREAKER_OPEN',
      message: expect.stringContaining('has exited with code 3') as string,
    });
    expect(target.status()).toMatchObject({ state: 'down', reason: broken.message });
  });

  test('is well again after one success', async () => {
    const { target, connector, context, clock } = fixture();
    await target.list(context());
    connector.refuse = broken;
    for (const conversation of connector.opened) conversation.die();
    await clock.advance(20_000);
    expect(target.status()).toMatchObject({ state: 'degraded', reason: broken.message });
    connector.refuse = undefined;
    await clock.advance(31_000);
    await target.call(toolCall(), mute, context());
    expect(target.status()).toMatchObject({ state: 'ready' });
    expect(target.status().reason).toBeUndefined();
  });

  test("a server's own error says nothing about its health", async () => {
    const { target, connector, context } = fixture();
    connector.answer = () => {
      throw new UpstreamRpcError(-32602, 'no');
    };
    for (let i = 0; i < 10; i++)
      await expect(target.call(toolCall(), mute, context())).rejects.toBeInstanceOf(UpstreamRpcError);
    expect(target.status().state).toBe('ready');
    expect(connector.opened).toHaveLength(1);
  });

  test('a caller with little time left does not spoil the start for the others', async () => {
    const { target, connector, context, clock } = fixture();
    let ready: (conversation: Conversation) => void = () => undefined;
    connector.open = () => {
      connector.attempts.push(0);
      return new Promise((resolve) => {
        ready = resolve;
      });
    };
    const hasty = target.call(toolCall(), mute, context('p', 't', 100));
    const patient = target.call(toolCall(), mute, context());
    const changes: TargetChange[] = [];
    target.onChange((change) => changes.push(change));
    const refused = expect(hasty).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
    await clock.advance(101);
    await refused;
    ready(new FakeConversation('legacy', false, () => '{}'));
    expect((await patient).text).toBe('{}');
    expect(connector.attempts).toHaveLength(1);
    // Nobody who had given up misses that the server is there after all.
    await clock.advance(20);
    expect(changes).toContainEqual({ kind: 'tools' });
  });
});

describe('a server that hangs', () => {
  test('is replaced when it does not answer a ping either', async () => {
    const { target, connector, context, clock } = fixture({ timeoutMs: 1_000 });
    connector.answer = (request, on) => {
      if (on !== connector.opened[0]) return '{}';
      return new Promise(
        (_resolve, reject) =>
          void clock.after(request.timeoutMs, () => reject(new PlatformError('TARGET_TIMEOUT', 'too late'))),
      );
    };
    const refused = expect(target.call(toolCall(), mute, context())).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
    await clock.advance(1_000);
    await refused;
    expect(connector.opened[0]?.requests.map(({ method }) => method)).toEqual(['tools/call', 'ping']);
    await clock.advance(31_000);
    expect(connector.opened.map(({ ended }) => ended)).toEqual([true, false]);
    expect((await target.call(toolCall(), mute, context())).text).toBe('{}');
  });

  test('stays when it is only slow', async () => {
    const { target, connector, context, clock } = fixture({ timeoutMs: 1_000 });
    connector.answer = (request) => {
      if (request.method === 'ping') return '{}';
      return new Promise(
        (_resolve, reject) =>
          void clock.after(request.timeoutMs, () => reject(new PlatformError('TARGET_TIMEOUT', 'too late'))),
      );
    };
    const refused = expect(target.call(toolCall(), mute, context())).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
    await clock.advance(1_000);
    await refused;
    await clock.advance(100_000);
    expect(connector.opened.map(({ ended }) => ended)).toEqual([false]);
  });
});

describe('how many conversations there are', () => {
  test('unused ones end; the shared local one stays', async () => {
    const { target, connector, context, clock } = fixture();
    await target.list(context());
    await target.call(toolCall(), asker(), context());
    expect(connector.children()).toBe(3);
    await clock.advance(40_000);
    expect(connector.children()).toBe(2);
    await clock.advance(700_000);
    expect(
      connector.opened.filter((conversation) => !conversation.ended).map((conversation) => conversation.declaring),
    ).toEqual([false]);
  });

  test('at the cap the one that was idle longest makes room', async () => {
    const { target, connector, context, clock } = fixture({ maxConversations: 2 }, 'http');
    for (const id of ['p', 'q', 'r']) {
      await target.call(toolCall(), mute, context(id));
      await clock.advance(10);
    }
    expect(connector.opened.map((conversation) => conversation.ended)).toEqual([true, false, false]);
  });

  test('at the cap with all in use the next caller is told to come back', async () => {
    const { target, connector, context } = fixture({ maxConversations: 1 }, 'http');
    const { waiting, answer } = held();
    connector.answer = answer;
    const first = target.call(toolCall(), mute, context('p'));
    await settled();
    await expect(target.call(toolCall(), mute, context('q'))).rejects.toMatchObject({ code: 'OVERLOADED' });
    waiting[0]?.answer('{}');
    await first;
  });

  test('closing ends all of them', async () => {
    const { target, connector, context, clock } = fixture();
    await target.list(context());
    await target.call(toolCall(), asker(), context());
    await target.close();
    expect(connector.children()).toBe(0);
    await expect(target.call(toolCall(), mute, context())).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    await clock.advance(60_000);
    expect(connector.children()).toBe(0);
  });
});

test('closing with a drain lets running calls end and begins no others', async () => {
  const { target, connector, context, clock } = fixture();
  const { waiting, answer } = held();
  connector.answer = answer;
  const running = target.call(toolCall(), mute, context());
  await settled();
  const closing = target.close({ drainMs: 1_000 });
  await expect(target.call(toolCall(), mute, context())).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
  expect(connector.children()).toBe(1);
  waiting[0]?.answer('{"n":1}');
  expect((await running).text).toBe('{"n":1}');
  await closing;
  expect(connector.children()).toBe(0);
  expect(clock.timers.size).toBe(0);
});

test('closing with a drain does not wait for ever', async () => {
  const { target, connector, context, clock } = fixture();
  connector.answer = held().answer;
  const running = expect(target.call(toolCall(), mute, context())).rejects.toThrow();
  await settled();
  const closing = target.close({ drainMs: 1_000 });
  await clock.advance(1_000);
  await closing;
  await running;
  expect(connector.children()).toBe(0);
});

describe('what travels', () => {
  test('a trace that came by header is written into meta, unless the caller wrote its own', async () => {
    const { target, connector, clock } = fixture();
    const trace = { traceparent: '00-a', tracestate: 'b=c' };
    const traced = new Context({
      principal: { id: 'p', tenant: 't', roles: [], scopes: [] },
      requestId: 'r',
      clock,
      timeoutMs: 1_000,
      log: quiet,
      trace,
    });
    await target.call(toolCall(), mute, traced);
    await target.call(toolCall('a', { meta: [{ key: 'traceparent', text: '"own"' }] }), mute, traced);
    expect(connector.opened[0]?.requests.map((request) => request.meta)).toEqual([
      [
        { key: 'traceparent', text: '"00-a"' },
        { key: 'tracestate', text: '"b=c"' },
      ],
      [{ key: 'traceparent', text: '"own"' }],
    ]);
  });

  test('an idempotency key reaches remote servers', async () => {
    const { target, connector, context } = fixture({}, 'http');
    await target.call(toolCall('a', { idempotencyKey: 'k1' }), mute, context());
    expect(connector.opened[0]?.requests[0]?.meta).toEqual([{ key: 'io.zeroplane/idempotencyKey', text: '"k1"' }]);
  });

  test('announcements of the server reach listeners once, however often it says so', async () => {
    const { target, connector, context, clock } = fixture();
    const changes: TargetChange[] = [];
    const stop = target.onChange((change) => changes.push(change));
    await target.call(toolCall(), mute, context());
    for (let i = 0; i < 1_000; i++) connector.opened[0]?.emit('notifications/tools/list_changed');
    connector.opened[0]?.emit('notifications/resources/updated', { uri: 'file:///a' });
    await clock.advance(20);
    expect(changes).toEqual([{ kind: 'tools' }, { kind: 'resource', uri: 'file:///a' }]);
    stop();
    connector.opened[0]?.emit('notifications/tools/list_changed');
    await clock.advance(20);
    expect(changes).toHaveLength(2);
  });

  test('a server that announces a change whenever its list is read is read once a second', async () => {
    const { target, connector, context, clock } = fixture();
    let reads = 0;
    await target.call(toolCall(), mute, context());
    const emit = (): void => connector.opened[0]?.emit('notifications/tools/list_changed');
    target.onChange(() => {
      reads++;
      emit();
    });
    emit();
    for (let i = 0; i < 50; i++) await clock.advance(20);
    expect(reads).toBeLessThanOrEqual(11);
    for (let i = 0; i < 500; i++) await clock.advance(20);
    expect(reads).toBeGreaterThanOrEqual(19);
    expect(reads).toBeLessThanOrEqual(21);
  });
});
