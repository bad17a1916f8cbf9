import { describe, expect, test } from 'vitest';
import type { Clock, Logger } from '../core/ports.ts';
import type { Channel, ChannelSink } from './channel.ts';
import type { Conversation } from './conversation.ts';
import type { NegotiateOptions } from './negotiate.ts';
import { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { PeerLink } from './channel.ts';
import { EraVerdicts, negotiate } from './negotiate.ts';

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
  async advance(ms: number): Promise<void> {
    await settled();
    this.time += ms;
    for (const timer of this.timers) {
      if (timer.at > this.time) continue;
      this.timers.delete(timer);
      timer.run();
    }
    await settled();
  }
}

interface Sent {
  readonly id?: number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** What a server does with a message: an answer's body, `die`, or silence. */
type Server = (message: Sent) => Record<string, unknown> | 'die' | undefined;

const settled = () => new Promise((resolve) => setImmediate(resolve));
const quiet: Logger = { log: () => undefined, with: () => quiet };
const introduction = (protocolVersion = '2025-11-25') => ({
  result: { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } },
});
const unknown = { error: { code: -32601, message: 'Method not found' } };
const discovered = (supportedVersions: string[] = ['2026-07-28'], capabilities: unknown = { tools: {} }) => ({
  result: { supportedVersions, capabilities },
});

function fixture(server: Server) {
  const clock = new ManualClock();
  const started: Sent[][] = [];
  const closed: number[] = [];
  const sinks: ChannelSink[] = [];
  const start = (): PeerLink => {
    const messages: Sent[] = [];
    const index = started.push(messages) - 1;
    let sink: ChannelSink | undefined;
    const channel: Channel = {
      connect: (given) => {
        sink = given;
        sinks.push(given);
      },
      send: (text) => {
        const message = JSON.parse(text) as Sent;
        messages.push(message);
        setImmediate(() => {
          const answer = server(message);
          if (answer === 'die') sink?.ended(new PlatformError('TARGET_UNAVAILABLE', 'target "x" has exited'));
          else if (answer !== undefined) sink?.message(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...answer }));
        });
      },
      close: () => {
        closed.push(index);
        return Promise.resolve();
      },
    };
    return new PeerLink(channel, { target: 'x', clock });
  };
  const fresh = () =>
    new Context({
      principal: { id: 'p', tenant: 't', roles: [], scopes: [] },
      requestId: 'r',
      clock,
      timeoutMs: 60_000,
      log: quiet,
    });
  const options: NegotiateOptions = {
    declare: {},
    context: fresh(),
    timeoutMs: 10_000,
    clientInfo: { name: 'z', version: '1' },
    verdicts: new EraVerdicts(clock),
    verdictKey: 'k',
  };
  return {
    clock,
    started,
    closed,
    sinks,
    start,
    options,
    open: (more: Partial<NegotiateOptions> = {}): Promise<Conversation> =>
      negotiate(start, { ...options, context: fresh(), ...more }),
  };
}

const legacyServer =
  (onProbe: Server): Server =>
  (message) => {
    if (message.method === 'server/discover') return onProbe(message);
    return message.method === 'initialize' ? introduction() : undefined;
  };

describe('finding the era of a server', () => {
  test('a modern one is recognised by its introduction and told nothing else', async () => {
    const { open, started } = fixture((message) => (message.method === 'server/discover' ? discovered() : undefined));
    const conversation = await open();
    expect(conversation).toMatchObject({ era: 'modern', protocolVersion: '2026-07-28', capabilities: { tools: {} } });
    expect(started).toHaveLength(1);
    expect(started[0]?.map(({ method }) => method)).toEqual(['server/discover']);
    expect(started[0]?.[0]?.params).toMatchObject({
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'z', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    });
  });

  test.each([
    ['an unknown method', unknown],
    ['invalid params', { error: { code: -32602, message: 'Invalid request parameters' } }],
    ['an error of its own', { error: { code: 1, message: 'not initialized' } }],
    ['a malformed error', { error: 'what?' }],
    ['an answer of another kind', { result: {} }],
    ['older revisions in its introduction', discovered(['2025-11-25'])],
    [
      'an unsupported version beside older ones',
      { error: { code: -32022, message: 'no', data: { supported: ['2025-06-18'], requested: '2026-07-28' } } },
    ],
  ])('a legacy one that answers with %s is initialised on the same process', async (_name, answer) => {
    const { open, started } = fixture(legacyServer(() => answer));
    expect(await open()).toMatchObject({ era: 'legacy', protocolVersion: '2025-11-25' });
    expect(started).toHaveLength(1);
    expect(started[0]?.map(({ method }) => method)).toEqual([
      'server/discover',
      'initialize',
      'notifications/initialized',
    ]);
  });

  test('one that is silent is initialised after two seconds', async () => {
    const { open, started, clock } = fixture(legacyServer(() => undefined));
    const opening = open();
    await clock.advance(1_999);
    expect(started[0]).toHaveLength(1);
    await clock.advance(1);
    expect(await opening).toMatchObject({ era: 'legacy' });
    expect(started).toHaveLength(1);
  });

  test('one that dies of the question is started again and not asked', async () => {
    const { open, started } = fixture(legacyServer(() => 'die'));
    expect(await open()).toMatchObject({ era: 'legacy' });
    expect(started.map((messages) => messages[0]?.method)).toEqual(['server/discover', 'initialize']);
  });

  test('a modern one that was slow to start is asked again when it refuses the other handshake', async () => {
    let asked = 0;
    const { open, clock, started } = fixture((message) => {
      if (message.method === 'initialize') return unknown;
      return message.method === 'server/discover' && asked++ > 0 ? discovered() : undefined;
    });
    const opening = open();
    await clock.advance(2_000);
    for (let i = 0; i < 5; i++) await settled();
    expect(await opening).toMatchObject({ era: 'modern' });
    expect(started).toHaveLength(1);
  });

  test.each([
    ['a revision from the future', discovered(['2027-01-01'])],
    [
      'an unsupported version and only unknown ones',
      { error: { code: -32022, message: 'no', data: { supported: ['2027-01-01'] } } },
    ],
  ])('%s is refused by name, and the process is ended', async (_name, answer) => {
    const { open, closed } = fixture(() => answer);
    await expect(open()).rejects.toMatchObject({
      code: 'TARGET_PROTOCOL_ERROR',
      message: expect.stringContaining('2027-01-01') as string,
    });
    expect(closed).toEqual([0]);
  });
});

describe('what is remembered', () => {
  test('a verdict saves the question for an hour', async () => {
    const { open, started, clock } = fixture(legacyServer(() => unknown));
    await open();
    await open();
    expect(started[1]?.map(({ method }) => method)).toEqual(['initialize', 'notifications/initialized']);
    clock.time += 3_600_000;
    await open();
    expect(started[2]?.[0]?.method).toBe('server/discover');
  });

  test('a wrong verdict is forgotten when the server refuses', async () => {
    const { open, options } = fixture((message) => (message.method === 'initialize' ? unknown : discovered()));
    options.verdicts.set('k', 'legacy');
    await expect(open()).rejects.toMatchObject({ code: 'TARGET_PROTOCOL_ERROR' });
    expect(await open()).toMatchObject({ era: 'modern' });
  });

  test('a configured era outranks the question', async () => {
    const { open, started } = fixture(legacyServer(() => discovered()));
    expect(await open({ probe: 'legacy' })).toMatchObject({ era: 'legacy' });
    expect(started[0]?.[0]?.method).toBe('initialize');
    const modernOnly = fixture(legacyServer(() => unknown));
    await expect(modernOnly.open({ probe: 'modern' })).rejects.toMatchObject({ code: 'TARGET_PROTOCOL_ERROR' });
    expect(modernOnly.closed).toEqual([0]);
  });
});

describe('the older handshake', () => {
  test.each(['2024-10-07', '2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])(
    'revision %s is spoken when the server chooses it',
    async (version) => {
      const { open } = fixture((message) => (message.method === 'initialize' ? introduction(version) : unknown));
      expect(await open()).toMatchObject({ protocolVersion: version });
    },
  );

  test.each(['2023-01-01', '2026-07-28', undefined])('revision %s is refused', async (version) => {
    const { open, closed } = fixture((message) =>
      message.method === 'initialize' ? { result: { protocolVersion: version } } : unknown,
    );
    await expect(open()).rejects.toMatchObject({ code: 'TARGET_PROTOCOL_ERROR' });
    expect(closed).toEqual([0]);
  });

  test('a server that hangs fails at the start deadline', async () => {
    const { open, clock, closed } = fixture(() => undefined);
    const refused = expect(open()).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
    await clock.advance(2_000);
    await clock.advance(8_000);
    await refused;
    expect(closed).toEqual([0]);
  });

  test('answers of the newer revision are not among the parameters of its calls', async () => {
    const { open, started, options } = fixture((message) => {
      if (message.method === 'initialize') return introduction();
      return message.method === 'server/discover' ? unknown : { result: {} };
    });
    const conversation = await open();
    const params = [
      { key: 'name', text: '"mail"' },
      { key: 'inputResponses', text: '{"url-1":{"action":"accept"}}' },
    ];
    const { context } = options;
    await conversation.request({ method: 'tools/call', params, meta: [], context, timeoutMs: 1_000 });
    expect(started[0]?.find(({ method }) => method === 'tools/call')?.params).toEqual({ name: 'mail' });
  });

  test('the log level is raised to the most talkative that was asked for, and never lowered', async () => {
    const { open, started, options } = fixture((message) => {
      if (message.method === 'initialize')
        return { result: { protocolVersion: '2025-11-25', capabilities: { logging: {} } } };
      return message.method === 'server/discover' ? unknown : { result: {} };
    });
    const conversation = await open();
    for (const logLevel of ['warning', 'error', 'debug']) {
      const exchange = {
        capabilities: {},
        canAsk: false,
        wantsProgress: false,
        logLevel,
        notify: () => undefined,
        ask: () => Promise.resolve(''),
      };
      await conversation.request({
        method: 'tools/call',
        params: [],
        meta: [],
        context: options.context,
        timeoutMs: 1_000,
        exchange,
      });
    }
    expect(
      started[0]?.filter(({ method }) => method === 'logging/setLevel').map(({ params }) => params?.['level']),
    ).toEqual(['warning', 'debug']);
  });
});

describe('a modern conversation', () => {
  const capable: Server = (message) => {
    if (message.method === 'server/discover')
      return discovered(undefined, { tools: { listChanged: true }, resources: { subscribe: true } });
    return message.method === 'tools/call' ? { result: { resultType: 'complete' } } : undefined;
  };

  test('says in each request what its caller can answer and wants logged', async () => {
    const { open, started, options } = fixture(capable);
    const conversation = await open();
    const exchange = {
      capabilities: { elicitation: {} },
      canAsk: true,
      wantsProgress: true,
      logLevel: 'info',
      notify: () => undefined,
      ask: () => Promise.resolve(''),
    };
    await conversation.request({
      method: 'tools/call',
      params: [],
      meta: [{ key: 'k', text: '1.0' }],
      context: options.context,
      timeoutMs: 1_000,
      exchange,
    });
    expect(started[0]?.find(({ method }) => method === 'tools/call')?.params?.['_meta']).toMatchObject({
      'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
      'io.modelcontextprotocol/logLevel': 'info',
      progressToken: expect.any(Number) as number,
      k: 1,
    });
  });

  test.each([
    ['at once', 0, [1_000, 2_000, 4_000, 8_000]],
    ['after ten seconds', 10_000, [1_000, 1_000, 1_000, 1_000]],
  ])('listens again to a server that ends its stream %s after pauses of its own', async (_, lastsMs, pauses) => {
    const { clock, open, started, sinks } = fixture(capable);
    await open();
    const listens = (): Sent[] => started[0]?.filter(({ method }) => method === 'subscriptions/listen') ?? [];
    for (const [round, pauseMs] of pauses.entries()) {
      expect(listens()).toHaveLength(round + 1);
      await clock.advance(lastsMs);
      sinks[0]?.message(`{"jsonrpc":"2.0","id":${listens().at(-1)?.id},"result":{"resultType":"complete"}}`);
      await clock.advance(pauseMs / 2 - 1);
      expect(listens()).toHaveLength(round + 1);
      await clock.advance(pauseMs / 2 + 1);
    }
    expect(listens()).toHaveLength(pauses.length + 1);
  });

  test('listens to what the server announces; following a resource replaces the stream', async () => {
    const { open, started, sinks, options } = fixture(capable);
    const conversation = await open();
    const heard: string[] = [];
    conversation.onNotification((method) => void heard.push(method));
    const follow = (method: string) =>
      conversation.request({
        method,
        params: [{ key: 'uri', text: '"file:///a"' }],
        meta: [],
        context: options.context,
        timeoutMs: 1_000,
      });
    const following = follow('resources/subscribe');
    sinks[0]?.message('{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}');
    expect(await following).toBe('{}');
    const listens = started[0]?.filter(({ method }) => method === 'subscriptions/listen') ?? [];
    expect(listens.map(({ params }) => params?.['notifications'])).toEqual([
      { toolsListChanged: true },
      { toolsListChanged: true, resourceSubscriptions: ['file:///a'] },
    ]);
    const cancelled = started[0]
      ?.filter(({ method }) => method === 'notifications/cancelled')
      .map(({ params }) => params?.['requestId']);
    expect(cancelled).toEqual([listens[0]?.id]);
    sinks[0]?.message('{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{}}}');
    expect(heard).toContain('notifications/tools/list_changed');
  });
});
