import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import type { Exchange } from '../core/target.ts';
import type { Clock } from '../core/ports.ts';
import type { PeerRequest } from './peer.ts';
import { Context } from '../core/context.ts';
import { PlatformError, UpstreamRpcError } from '../core/errors.ts';
import { JsonRpcPeer } from './peer.ts';

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
  advance(ms: number): void {
    this.time += ms;
    for (const timer of this.timers) {
      if (timer.at > this.time) continue;
      this.timers.delete(timer);
      timer.run();
    }
  }
}

const quiet = { log: () => undefined, with: () => quiet };
const principal = { id: 'p', tenant: 't', roles: [], scopes: [] };

interface Told {
  method: string;
  params: string;
}

function fixture() {
  const clock = new ManualClock();
  const sent: { text: string; id: number }[] = [];
  const loose: string[] = [];
  const peer = new JsonRpcPeer({
    target: 'docs',
    clock,
    send: (text, outgoing) => void sent.push({ text, id: outgoing.kind === 'request' ? outgoing.id : 0 }),
    onNotification: (method) => void loose.push(method),
  });
  const context = new Context({ principal, requestId: 'r', clock, timeoutMs: 60_000, log: quiet });
  const request = (more: Partial<PeerRequest> = {}): PeerRequest => ({
    method: 'tools/call',
    params: [],
    meta: [],
    context,
    timeoutMs: 1_000,
    ...more,
  });
  return { clock, sent, loose, peer, context, request };
}

function listener(more: Partial<Exchange> = {}): Exchange & { told: Told[] } {
  const told: Told[] = [];
  return {
    told,
    capabilities: {},
    canAsk: true,
    wantsProgress: true,
    notify: (method, params) => void told.push({ method, params }),
    ask: () => Promise.resolve('{"action":"accept","content":{}}'),
    ...more,
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('requests and answers', () => {
  test('a result is handed back as the text that arrived, big numbers and spacing included', async () => {
    const { peer, request } = fixture();
    const answer = peer.request(request());
    peer.receive('{"id":1, "result": {"n": 12345678901234567890, "x" : [1e400]},"jsonrpc":"2.0"}');
    expect(await answer).toBe('{"n": 12345678901234567890, "x" : [1e400]}');
  });

  test('params and meta travel as original text, and a progress token of our own is added', () => {
    const { peer, request, sent } = fixture();
    void peer.request(
      request({
        params: [
          { key: 'name', text: '"a"' },
          { key: 'arguments', text: '{"n":1.0}' },
        ],
        meta: [{ key: 'traceparent', text: '"00-1"' }],
        exchange: listener(),
      }),
    );
    expect(sent[0]?.text).toBe(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":1.0},"_meta":{"progressToken":1,"traceparent":"00-1"}}}',
    );
  });

  test('answers that come out of order reach their own requests', async () => {
    const { peer, request } = fixture();
    const first = peer.request(request());
    const second = peer.request(request());
    peer.receive('{"jsonrpc":"2.0","id":2,"result":{"for":2}}');
    peer.receive('{"jsonrpc":"2.0","id":1,"result":{"for":1}}');
    expect(await Promise.all([first, second])).toEqual(['{"for":1}', '{"for":2}']);
  });

  test('an id that comes back as text is the number that it shows, for answers and for progress', async () => {
    const { peer, request } = fixture();
    const exchange = listener();
    const answers = [1, 2, 3].map(() => peer.request(request({ exchange })));
    peer.receive('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"2","progress":1}}');
    peer.receive('{"jsonrpc":"2.0","id":"2","result":{"for":2}}');
    peer.receive('{"jsonrpc":"2.0","id":"1","error":{"code":-32001,"message":"no"}}');
    peer.receive('{"jsonrpc":"2.0","id":"3","result":{"a":1,"a":2}}');
    expect(exchange.told).toEqual([{ method: 'notifications/progress', params: '{"progress":1}' }]);
    const [first, second, third] = await Promise.allSettled(answers);
    expect(first).toMatchObject({ reason: { rpcCode: -32001 } });
    expect(second).toMatchObject({ value: '{"for":2}' });
    expect(third).toMatchObject({ reason: { code: 'TARGET_PROTOCOL_ERROR' } });
  });

  test.each(['"01"', '"1.0"', '" 1"', '"1e0"', '"0x1"', '""', 'true', '[1]', 'null', '1.5', '"9"'])(
    'the id %s is none of ours, and its answer reaches nobody',
    (id) => {
      const { peer, request } = fixture();
      void peer.request(request());
      peer.receive(`{"jsonrpc":"2.0","id":${id},"result":{}}`);
      expect([peer.inFlight, peer.garbage]).toEqual([1, 1]);
    },
  );

  test('an error keeps its code, message and data', async () => {
    const { peer, request } = fixture();
    const answer = peer.request(request());
    peer.receive('{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"sign in","data":{"a":1}}}');
    await expect(answer).rejects.toMatchObject({ rpcCode: -32042, message: 'sign in', data: { a: 1 } });
    await expect(answer).rejects.toBeInstanceOf(UpstreamRpcError);
  });

  test.each([
    ['jsonrpc 1.0', '{"jsonrpc":"1.0","id":1,"result":{}}'],
    ['no jsonrpc', '{"id":1,"result":{}}'],
    ['a null result', '{"jsonrpc":"2.0","id":1,"result":null}'],
    ['a result that is a list', '{"jsonrpc":"2.0","id":1,"result":[]}'],
    ['an error that is text', '{"jsonrpc":"2.0","id":1,"error":"no"}'],
    ['an error without a code', '{"jsonrpc":"2.0","id":1,"error":{"message":"no"}}'],
    ['both result and error', '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}'],
    ['a key twice', '{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}'],
    ['nesting beyond the limit', `{"jsonrpc":"2.0","id":1,"result":{"a":${'['.repeat(100)}${']'.repeat(100)}}}`],
  ])('%s fails that request only', async (_name, line) => {
    const { peer, request } = fixture();
    const first = peer.request(request());
    const second = peer.request(request());
    peer.receive(line);
    await expect(first).rejects.toMatchObject({ code: 'TARGET_PROTOCOL_ERROR' });
    peer.receive('{"jsonrpc":"2.0","id":2,"result":{"ok":true}}');
    expect(await second).toBe('{"ok":true}');
  });

  test.each([
    ['an unknown id', '{"jsonrpc":"2.0","id":99,"result":{}}'],
    ['no id', '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}'],
    ['text', 'Server started on port 3000'],
    ['half a line', '{"jsonrpc":"2.0","id":1,"resu'],
    ['a number', '7'],
    ['an empty list', '[]'],
  ])('%s is counted and disturbs nobody', async (_name, line) => {
    const { peer, request } = fixture();
    const answer = peer.request(request());
    peer.receive(line);
    expect(peer.garbage).toBe(1);
    peer.receive('{"jsonrpc":"2.0","id":1,"result":{}}');
    expect(await answer).toBe('{}');
  });

  test('a second answer to the same request is dropped', async () => {
    const { peer, request } = fixture();
    const answer = peer.request(request());
    peer.receive('{"jsonrpc":"2.0","id":1,"result":{"a":1}}');
    peer.receive('{"jsonrpc":"2.0","id":1,"result":{"a":2}}');
    expect(await answer).toBe('{"a":1}');
    expect(peer.garbage).toBe(1);
  });

  test('a batch is taken apart without touching its members', async () => {
    const { peer, request } = fixture();
    const answers = [peer.request(request()), peer.request(request())];
    peer.receive('[{"jsonrpc":"2.0","id":2,"result":{"n":1.0}}, {"jsonrpc":"2.0","id":1,"result":{"s":"],"}}]');
    expect(await Promise.all(answers)).toEqual(['{"s":"],"}', '{"n":1.0}']);
  });

  test('the end of the channel fails what is in flight and what comes later', async () => {
    const { peer, request } = fixture();
    const answer = peer.request(request());
    peer.end(new PlatformError('TARGET_UNAVAILABLE', 'gone'));
    await expect(answer).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    await expect(peer.request(request())).rejects.toThrow('gone');
  });

  test('a transport that cannot send fails the request at once', async () => {
    const { clock, request } = fixture();
    const peer = new JsonRpcPeer({
      target: 'docs',
      clock,
      send: () => {
        throw new PlatformError('TARGET_UNAVAILABLE', 'no way');
      },
      onNotification: () => undefined,
    });
    await expect(peer.request(request())).rejects.toThrow('no way');
    expect(peer.inFlight).toBe(0);
  });
});

describe('time and cancellation', () => {
  test('a request ends at its deadline, tells the server, and a late answer is dropped', async () => {
    const { peer, request, clock, sent } = fixture();
    const answer = peer.request(request());
    clock.advance(1_000);
    await expect(answer).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
    expect(JSON.parse(sent[1]?.text ?? '')).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: 1 },
    });
    peer.receive('{"jsonrpc":"2.0","id":1,"result":{}}');
    expect(peer.garbage).toBe(1);
  });

  test("the context's deadline holds when it is nearer", async () => {
    const { peer, request, clock } = fixture();
    const context = new Context({ principal, requestId: 'r', clock, timeoutMs: 100, log: quiet });
    const answer = peer.request(request({ context }));
    clock.advance(100);
    await expect(answer).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
    await expect(peer.request(request({ context }))).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
  });

  test('an abandoned request is cancelled with the id the server knows', async () => {
    const { peer, request, context, sent } = fixture();
    const answer = peer.request(request());
    context.abort('client gone');
    await expect(answer).rejects.toMatchObject({ code: 'CALL_CANCELLED' });
    expect(JSON.parse(sent[1]?.text ?? '')).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: 1 },
    });
    await expect(peer.request(request())).rejects.toMatchObject({ code: 'CALL_CANCELLED' });
  });

  test('a request that must not be cancelled is given up in silence', async () => {
    const { peer, request, clock, sent } = fixture();
    const answer = peer.request(request({ method: 'initialize', cancellable: false }));
    clock.advance(1_000);
    await expect(answer).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
    expect(sent).toHaveLength(1);
  });

  test('nothing is left behind by an answered request', async () => {
    const { peer, request, clock } = fixture();
    for (let id = 1; id <= 100; id++) {
      const answer = peer.request(request());
      peer.receive(`{"jsonrpc":"2.0","id":${id},"result":{}}`);
      await answer;
    }
    expect(peer.inFlight).toBe(0);
    // One timer for all of them, and none once it has found nothing to do.
    expect(clock.timers.size).toBe(1);
    clock.advance(1_000);
    expect(clock.timers.size).toBe(0);
  });

  test('each request ends at its own deadline, whatever the order they were sent in', async () => {
    const { peer, request, clock } = fixture();
    const ended: string[] = [];
    const waits = [500, 100, 900, 100].map((timeoutMs, index) =>
      peer.request(request({ timeoutMs })).catch(() => void ended.push(`${index}@${clock.time}`)),
    );
    for (let time = 0; time < 1_000; time += 50) {
      clock.advance(50);
      await settled();
    }
    await Promise.all(waits);
    expect(ended).toEqual(['1@100', '3@100', '0@500', '2@900']);
  });

  test('a request that was abandoned before it was sent is not sent', async () => {
    const { peer, request, context, sent } = fixture();
    context.abort('gone');
    await expect(peer.request(request())).rejects.toMatchObject({ code: 'CALL_CANCELLED' });
    expect(sent).toEqual([]);
  });
});

describe('what a server tells and asks', () => {
  test('progress reaches the caller it belongs to, without our token', () => {
    const { peer, request } = fixture();
    const [first, second] = [listener(), listener()];
    void peer.request(request({ exchange: first }));
    void peer.request(request({ exchange: second }));
    peer.receive(
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":0.50,"progressToken":2,"x":1.0}}',
    );
    peer.receive('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"two"}}');
    expect(first.told).toEqual([]);
    expect(second.told).toEqual([{ method: 'notifications/progress', params: '{"progress":0.50,"x":1.0}' }]);
  });

  test('a log message goes to the only call in flight, and to nobody when there are two', () => {
    const { peer, request, loose } = fixture();
    const only = listener();
    void peer.request(request({ exchange: only }));
    const message = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1.0}}';
    peer.receive(message);
    void peer.request(request({ exchange: listener() }));
    peer.receive(message);
    expect(only.told).toEqual([{ method: 'notifications/message', params: '{"level":"info","data":1.0}' }]);
    expect(loose).toEqual(['notifications/message']);
  });

  test('a change of a list belongs to no request', () => {
    const { peer, request, loose } = fixture();
    void peer.request(request({ exchange: listener() }));
    peer.receive('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
    expect(loose).toEqual(['notifications/tools/list_changed']);
  });

  test("a question goes to the call in flight and the caller's words go back under the server's id", async () => {
    const { peer, request, sent } = fixture();
    const asked: Told[] = [];
    const exchange = listener({
      ask: (method, params) => {
        asked.push({ method, params });
        return Promise.resolve('{"action":"accept","content":{"n":1.0}}');
      },
    });
    void peer.request(request({ exchange }));
    peer.receive(
      '{"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{"message":"ok?","_meta":{"progressToken":9,"k":1}}}',
    );
    await settled();
    expect(asked).toEqual([{ method: 'elicitation/create', params: '{"message":"ok?","_meta":{"k":1}}' }]);
    expect(sent[1]?.text).toBe('{"jsonrpc":"2.0","id":"q1","result":{"action":"accept","content":{"n":1.0}}}');
  });

  test.each([
    ['elicitation/create', { result: { action: 'decline' } }],
    ['sampling/createMessage', { error: { code: -1 } }],
    ['roots/list', { error: { code: -32601 } }],
    ['vendor/ask', { error: { code: -32601 } }],
    ['ping', { result: {} }],
  ])('%s without anybody to ask is answered at once', (method, answer) => {
    const { peer, sent, request } = fixture();
    void peer.request(request({ exchange: listener({ canAsk: false }) }));
    peer.receive(`{"jsonrpc":"2.0","id":7,"method":"${method}"}`);
    expect(JSON.parse(sent[1]?.text ?? '')).toMatchObject({ id: 7, ...answer });
  });

  test('a question while two callers are in flight is declined: it could be for either', () => {
    const { peer, sent, request } = fixture();
    void peer.request(request({ exchange: listener() }));
    void peer.request(request({ exchange: listener() }));
    peer.receive('{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{}}');
    expect(sent[2]?.text).toContain('"decline"');
  });

  test('of questions without end a hundred are put at once, withdrawn or not, and the others are declined', async () => {
    const { peer, sent, request } = fixture();
    const waiting: ((answer: string) => void)[] = [];
    const exchange = listener({ ask: () => new Promise((resolve) => waiting.push(resolve)) });
    void peer.request(request({ exchange }));
    for (let id = 1; id <= 250; id++) {
      peer.receive(`{"jsonrpc":"2.0","id":${id},"method":"elicitation/create","params":{}}`);
      if (id % 2 === 0)
        peer.receive(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`);
    }
    expect(waiting).toHaveLength(100);
    expect(sent.filter(({ text }) => text.includes('"decline"'))).toHaveLength(150);
    for (const answer of waiting) answer('{"action":"cancel"}');
    await settled();
    peer.receive('{"jsonrpc":"2.0","id":999,"method":"elicitation/create","params":{}}');
    expect(waiting).toHaveLength(101);
  });

  test("a client's refusal reaches the server as it was said", async () => {
    const { peer, sent, request } = fixture();
    const exchange = listener({
      ask: () => Promise.reject(new UpstreamRpcError(-1, 'User rejected', { why: 'busy' })),
    });
    void peer.request(request({ exchange }));
    peer.receive('{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}');
    await settled();
    expect(JSON.parse(sent[1]?.text ?? '')).toEqual({
      jsonrpc: '2.0',
      id: 7,
      error: { code: -1, message: 'User rejected', data: { why: 'busy' } },
    });
  });

  test('a question that the server has withdrawn gets no answer', async () => {
    const { peer, sent, request } = fixture();
    void peer.request(request({ exchange: listener() }));
    peer.receive('{"jsonrpc":"2.0","id":7,"method":"roots/list"}');
    peer.receive('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}');
    await settled();
    expect(sent).toHaveLength(1);
  });
});

test('no text from a server makes receive throw', () => {
  const { peer } = fixture();
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect(() => peer.receive(text)).not.toThrow();
    }),
  );
});
