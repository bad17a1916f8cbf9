import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { Context } from '../../core/context.ts';
import type { RequestContext } from '../../core/context.ts';
import { PlatformError } from '../../core/errors.ts';
import type {
  FunctionInvoker,
  Invocation,
  InvocationResult,
  Logger,
  StreamedInvocation,
  StreamEnding,
} from '../../core/ports.ts';
import type { Exchange } from '../../core/target.ts';
import type { Conversation } from '../../upstream/conversation.ts';
import { McpTarget } from '../../upstream/mcp-target.ts';
import { FunctionConnector } from './function-connector.ts';
import type { FunctionConnectorOptions } from './function-connector.ts';

const quiet: Logger = { log: () => undefined, with: () => quiet };

interface Event {
  readonly jsonrpc?: string;
  readonly id?: number;
  readonly method: string;
  readonly params?: { readonly name?: string; readonly arguments?: unknown; readonly _meta?: Record<string, unknown> };
}

/** What a handler does with an event: returns a value, or throws. */
type Handler = (event: Event, invocation: Invocation, context: RequestContext) => unknown;

/** A function error with Lambda's type. */
class Failure extends Error {
  readonly type: string;
  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

/** Lambda without AWS: the handler's value becomes the payload, what it throws a function error. */
class FakeLambda implements FunctionInvoker {
  readonly label = 'embedded';
  readonly events: Event[] = [];
  readonly invocations: Invocation[] = [];
  handler: Handler;
  /** Overrides the payload that the handler's value would become. */
  payload: string | undefined;

  constructor(handler: Handler) {
    this.handler = handler;
  }

  list(): readonly [] {
    return [];
  }

  async invoke(invocation: Invocation, context: RequestContext): Promise<InvocationResult> {
    const event = JSON.parse(invocation.payload) as Event;
    this.events.push(event);
    this.invocations.push(invocation);
    const ran = { executedVersion: '$LATEST', durationMs: 1, coldStart: false };
    try {
      const value = await this.handler(event, invocation, context);
      return { payload: this.payload ?? JSON.stringify(value), ...ran };
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      const errorType = error instanceof Failure ? error.type : 'UnboundLocalError';
      const payload = JSON.stringify({ errorType, errorMessage: (error as Error).message, stackTrace: ['secret.py'] });
      return { payload, functionError: 'Unhandled', ...ran };
    }
  }
}

const tools = [{ name: 'search', inputSchema: { type: 'object' } }];
const content = [{ type: 'text', text: 'found' }];

/** As our wrapper answers: both eras, by JSON-RPC. */
const wrapped: Handler = ({ id, method }) => {
  const results: Record<string, unknown> = {
    'server/discover': { supportedVersions: ['2026-07-28', '2025-11-25'], capabilities: { tools: {} } },
    'tools/list': { tools, resultType: 'complete' },
    'tools/call': { content, resultType: 'complete' },
  };
  const result = results[method];
  return { jsonrpc: '2.0', id, ...(result === undefined ? { error: { code: -32601, message: 'no' } } : { result }) };
};

/** JSON-RPC of an older revision. */
const older: Handler = (event, ...rest) => {
  const { id, method } = event;
  if (method === 'server/discover') return { jsonrpc: '2.0', id, error: { code: -32601, message: 'unknown' } };
  const serverInfo = { name: 'old', version: '1' };
  if (method === 'initialize')
    return {
      jsonrpc: '2.0',
      id,
      result: { protocolVersion: '2025-06-18', capabilities: { tools: {}, prompts: {} }, serverInfo },
    };
  return wrapped(event, ...rest);
};

/** As the printed handler: two methods, and a variable without a value for every other. */
const printed: Handler = ({ method, params }) => {
  if (method === 'tools/list') return { statusCode: 200, body: JSON.stringify({ tools }) };
  if (method === 'tools/call') return { statusCode: 200, body: JSON.stringify({ content, called: params?.name }) };
  throw new Error("cannot access local variable 'result'");
};

function fixture(handler: Handler, more: Partial<FunctionConnectorOptions> = {}) {
  const clock = fakeClock();
  const lambda = new FakeLambda(handler);
  const connector = new FunctionConnector({
    target: 'docs',
    functionName: 'mcp-docs',
    invoker: lambda,
    clock,
    log: quiet,
    clientInfo: { name: 'zeroplane', version: '1' },
    ...more,
  });
  const principal = { id: 'ada', tenant: 'team-x', roles: [], scopes: [], claims: { sub: 'ada', dept: 7 } } as const;
  const context = new Context({ principal, requestId: 'r-1', clock, timeoutMs: 60_000, log: quiet });
  const open = (): Promise<Conversation> => connector.open({ declare: {}, context, timeoutMs: 10_000 });
  const request = (conversation: Conversation, method: string, params: object = {}, exchange?: Exchange) =>
    conversation.request({
      method,
      params: Object.entries(params).map(([key, value]) => ({ key, text: JSON.stringify(value) })),
      meta: [],
      context,
      timeoutMs: 5_000,
      exchange,
    });
  return { clock, lambda, connector, context, open, request };
}

/** The code and message of what a promise fails with. */
async function failure(promise: Promise<unknown>): Promise<{ code: unknown; message: string }> {
  try {
    await promise;
  } catch (error) {
    return { code: (error as { code?: unknown }).code, message: (error as Error).message };
  }
  throw new Error('it did not fail');
}

const search = { name: 'search', arguments: { search_phrase: 'lambda' } };
const methods = (lambda: FakeLambda): string[] => lambda.events.map((event) => event.method);

describe('finding out how a function is spoken to', () => {
  test('one that introduces itself in 2026-07-28 gets one invocation for each request, and no notification', async () => {
    const { open, request, lambda } = fixture(wrapped);
    const conversation = await open();
    expect(conversation).toMatchObject({ era: 'modern', protocolVersion: '2026-07-28' });
    expect(JSON.parse(await request(conversation, 'tools/call', search))).toMatchObject({ content });
    expect(methods(lambda)).toEqual(['server/discover', 'tools/call']);
    expect(lambda.events[1]).toMatchObject({ jsonrpc: '2.0', params: search });
  });

  test('one of an older revision is initialized, and is not asked for the newer one again', async () => {
    const { open, request, lambda } = fixture(older);
    const conversation = await open();
    expect(conversation).toMatchObject({ era: 'legacy', protocolVersion: '2025-06-18' });
    expect(JSON.parse(await request(conversation, 'tools/list'))).toMatchObject({ tools });
    await open();
    expect(methods(lambda)).toEqual(['server/discover', 'initialize', 'tools/list', 'initialize']);
  });

  test('3.4: the printed contract gets {method, params} and nothing more, and its envelope is taken off', async () => {
    const { open, request, lambda } = fixture(printed);
    const conversation = await open();
    expect(conversation.capabilities).toEqual({ tools: {} });
    lambda.events.length = 0;
    const result = await request(conversation, 'tools/call', search);
    expect(lambda.invocations.at(-1)?.payload).toBe(
      '{"method":"tools/call","params":{"name":"search","arguments":{"search_phrase":"lambda"}}}',
    );
    expect(JSON.parse(result)).toEqual({ content, called: 'search' });
    await open();
    // What it does not know, it is not asked a second time.
    expect(methods(lambda)).toEqual(['tools/call', 'tools/list']);
  });

  test('3.4: a call without arguments has an empty object of them', async () => {
    const { open, request, lambda } = fixture(printed, { contract: 'method-params' });
    await request(await open(), 'tools/call', { name: 'search' });
    expect(lambda.events.at(-1)).toEqual({ method: 'tools/call', params: { name: 'search', arguments: {} } });
  });

  test('one that knows initialize in the printed contract says itself what it has', async () => {
    const initialized = { protocolVersion: '2025-06-18', capabilities: { prompts: {} }, instructions: 'be brief' };
    const { open, lambda } = fixture(
      ({ method }) =>
        method === 'initialize' ? { statusCode: 200, body: JSON.stringify(initialized) } : { nothing: 1 },
      { contract: 'method-params' },
    );
    expect(await open()).toMatchObject(initialized);
    expect(methods(lambda)).toEqual(['initialize']);
  });

  test('a configured contract is not doubted', async () => {
    const { open, lambda } = fixture(printed, { contract: 'json-rpc' });
    expect(await failure(open())).toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    expect(methods(lambda)).toEqual(['server/discover']);
  });

  test('new code is asked again, and whoever listens hears that the lists may have changed', async () => {
    const listeners: ((name: string) => void)[] = [];
    const { open, lambda } = fixture(printed, {
      onFunctionChange: (listener) => {
        listeners.push(listener);
        return () => listeners.splice(0);
      },
    });
    const heard: string[] = [];
    (await open()).onNotification((method) => heard.push(method));
    lambda.handler = wrapped;
    for (const listener of listeners) listener('another');
    expect(heard).toEqual([]);
    for (const listener of listeners) listener('mcp-docs');
    expect(heard).toContain('notifications/tools/list_changed');
    expect((await open()).era).toBe('modern');
  });

  test('a removed target opens nothing and listens to nothing', async () => {
    const listeners: unknown[] = [];
    const { connector, open } = fixture(wrapped, {
      onFunctionChange: (listener) => {
        listeners.push(listener);
        return () => listeners.splice(0);
      },
    });
    const conversation = await open();
    await connector.close();
    expect(conversation.ended).toBe(true);
    expect(listeners).toEqual([]);
    expect(await failure(open())).toMatchObject({ code: 'TARGET_UNAVAILABLE' });
  });
});

describe('what a function is told', () => {
  test('who asks stands in the client context, stated by the gateway, and nothing else does', async () => {
    const { open, request, lambda } = fixture(wrapped);
    await request(await open(), 'tools/call', search);
    expect(lambda.invocations.at(-1)?.clientContext).toEqual({
      zeroplaneTenant: 'team-x',
      zeroplanePrincipal: 'ada',
      zeroplaneClaims: '{"sub":"ada","dept":7}',
    });
  });

  test('a conversation that is shared by a tenant names each request by its own caller', async () => {
    const { connector, lambda, clock } = fixture(wrapped);
    const target = new McpTarget({ id: 'docs', connector, clock, log: quiet });
    const exchange = { capabilities: {}, canAsk: false, wantsProgress: false, notify: () => undefined } as const;
    const silent: Exchange = { ...exchange, ask: () => Promise.reject(new Error('never')) };
    for (const id of ['ada', 'bob', 'eve']) {
      const principal = { id, tenant: id === 'eve' ? 'team-y' : 'team-x', roles: [], scopes: [] };
      const context = new Context({ principal, requestId: 'r', clock, timeoutMs: 10_000, log: quiet });
      const params = [{ key: 'name', text: '"search"' }];
      await target.call(
        { method: 'tools/call', name: 'search', params, meta: [], parsed: {}, repeatable: false },
        silent,
        context,
      );
    }
    expect(methods(lambda)).toEqual(['server/discover', 'tools/call', 'tools/call', 'server/discover', 'tools/call']);
    expect(lambda.invocations.map((each) => each.clientContext?.['zeroplanePrincipal'])).toEqual([
      'ada',
      'ada',
      'bob',
      'eve',
      'eve',
    ]);
    await target.close();
  });

  test('a caller that is gone ends the wait of the invocation, and so does the time limit', async () => {
    const contexts: RequestContext[] = [];
    const { open, request, lambda, clock } = fixture(wrapped);
    const conversation = await open();
    lambda.handler = (_event, _invocation, context) => {
      contexts.push(context);
      return new Promise(() => undefined);
    };
    const late = failure(request(conversation, 'tools/call', search));
    clock.advance(5_000);
    expect(await late).toMatchObject({ code: 'TARGET_TIMEOUT' });
    expect(contexts[0]?.signal.aborted).toBe(true);
    const closing = failure(request(conversation, 'tools/call', search));
    await conversation.close();
    expect(await closing).toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    expect(contexts[1]?.signal.aborted).toBe(true);
  });
});

describe('F-42: what a function answers wrongly is an error of that target', () => {
  const rpc = async (payload: string) => {
    const { open, request, lambda } = fixture(wrapped);
    const conversation = await open();
    lambda.payload = payload;
    return failure(request(conversation, 'tools/call', search));
  };

  test.each([
    ['nothing', ''],
    ['null', 'null'],
    ['no JSON', '<html>502 Bad Gateway</html>'],
    ['half a JSON', '{"jsonrpc":"2.0","id":2,"resu'],
    ['a bare value', '{"temperature":21}'],
    ['the other contract', '{"statusCode":200,"body":"{\\"content\\":[]}"}'],
    ['another id', '{"jsonrpc":"2.0","id":77,"result":{}}'],
    ['no version', '{"id":2,"result":{}}'],
    ['result and error', '{"jsonrpc":"2.0","id":2,"result":{},"error":{"code":1,"message":"x"}}'],
    ['a result that is no object', '{"jsonrpc":"2.0","id":2,"result":[]}'],
  ])('%s', async (_name, payload) => {
    const { code, message } = await rpc(payload);
    expect(code).toBe('TARGET_PROTOCOL_ERROR');
    expect(message).toContain('target "docs" answered tools/call with');
  });

  test('a JSON-RPC message inside an envelope is taken', async () => {
    const { open, request, lambda } = fixture(wrapped);
    const conversation = await open();
    const body = '{"jsonrpc":"2.0","id":2,"result":{"content":[],"big":9007199254740993}}';
    lambda.payload = JSON.stringify({
      statusCode: 200,
      body: Buffer.from(body).toString('base64'),
      isBase64Encoded: true,
    });
    expect(await request(conversation, 'tools/call', search)).toBe('{"content":[],"big":9007199254740993}');
  });

  test('a function error says its type and message, and never its stack', async () => {
    const { open, request, lambda } = fixture(wrapped);
    const conversation = await open();
    lambda.handler = () => Promise.reject(new Failure('KeyError', "'arguments'"));
    const { code, message } = await failure(request(conversation, 'tools/call', search));
    expect(code).toBe('FUNCTION_FAILED');
    expect(message).toBe(`target "docs": function "mcp-docs" failed with KeyError: 'arguments'. Its log says more.`);
  });

  test('a throttled invocation, which has not run, is sent again up to three times', async () => {
    const { open, request, lambda, clock } = fixture(wrapped);
    const conversation = await open();
    let refusals = 2;
    lambda.handler = (...args) => {
      if (refusals-- > 0) throw new PlatformError('FUNCTION_THROTTLED', 'busy');
      return wrapped(...args);
    };
    const moving = async <Result>(promise: Promise<Result>): Promise<Result> => {
      const wait = { over: false };
      const settled = promise.finally(() => (wait.over = true));
      while (!wait.over) {
        clock.advance(50);
        await new Promise(setImmediate);
      }
      return settled;
    };
    expect(JSON.parse(await moving(request(conversation, 'tools/call', search)))).toMatchObject({ content });
    refusals = 100;
    lambda.events.length = 0;
    const refused = await moving(failure(request(conversation, 'tools/call', search)));
    expect(refused).toEqual({ code: 'FUNCTION_THROTTLED', message: 'busy' });
    expect(lambda.events).toHaveLength(4);
  });

  test.each(['FUNCTION_TIMEOUT', 'FUNCTION_NOT_FOUND', 'FUNCTION_DENIED'] as const)(
    'what the invoker refuses with %s is told as that',
    async (refused) => {
      const { open, request, lambda } = fixture(wrapped);
      const conversation = await open();
      lambda.handler = () => Promise.reject(new PlatformError(refused, 'because'));
      expect(await failure(request(conversation, 'tools/call', search))).toEqual({ code: refused, message: 'because' });
    },
  );

  test.each([
    ['Runtime.ImportModuleError', 'FUNCTION_FAILED', 'TARGET_UNAVAILABLE'],
    ['FUNCTION_NOT_FOUND', 'FUNCTION_NOT_FOUND', 'TARGET_UNAVAILABLE'],
    ['FUNCTION_TIMEOUT', 'FUNCTION_TIMEOUT', 'TARGET_TIMEOUT'],
  ] as const)(
    'a function that fails at its first word with %s is a target that cannot be used',
    async (type, code, told) => {
      const error = type.startsWith('Runtime')
        ? new Failure(type, 'no module')
        : new PlatformError(code as 'FUNCTION_TIMEOUT', 'x');
      const { open, lambda } = fixture(() => Promise.reject(error));
      expect(await failure(open())).toMatchObject({ code: told });
      expect(methods(lambda)).toEqual(['server/discover']);
    },
  );

  test('a function that fails in every contract says how it failed', async () => {
    const { open } = fixture(() => Promise.reject(new Failure('OperationalError', 'database is down')));
    const { code, message } = await failure(open());
    expect(code).toBe('TARGET_UNAVAILABLE');
    expect(message).toContain('OperationalError: database is down');
  });

  test('a request over 6 MB is refused before it is sent', async () => {
    const { open, request, lambda } = fixture(wrapped);
    const conversation = await open();
    const params = { name: 'search', arguments: { text: 'x'.repeat(6 * 1024 * 1024) } };
    const { code, message } = await failure(request(conversation, 'tools/call', params));
    expect(code).toBe('PAYLOAD_TOO_LARGE');
    expect(message).toContain('6291456');
    expect(methods(lambda)).toEqual(['server/discover']);
  });
});

describe('replies of the printed contract', () => {
  const ask = async (method: string, payload: unknown) => {
    const { open, request, lambda } = fixture(printed, { contract: 'method-params' });
    const conversation = await open();
    lambda.handler = () => payload;
    return request(conversation, method, method === 'tools/call' ? search : {});
  };

  test.each([
    ['body as text', { statusCode: 200, body: JSON.stringify({ content }) }, { content }],
    ['body as an object', { statusCode: 200, body: { content } }, { content }],
    ['no envelope', { content }, { content }],
    ['a JSON-RPC response', { jsonrpc: '2.0', id: 0, result: { content } }, { content }],
    ['a list of content', { statusCode: 200, body: JSON.stringify(content) }, { content }],
    ['a text', { statusCode: 200, body: 'plain words' }, { content: [{ type: 'text', text: 'plain words' }] }],
    [
      'a value',
      { statusCode: 200, body: '{"degrees":21}' },
      { content: [{ type: 'text', text: '{"degrees":21}' }], structuredContent: { degrees: 21 } },
    ],
  ])('tools/call: %s', async (_name, payload, result) => {
    expect(JSON.parse(await ask('tools/call', payload))).toEqual(result);
  });

  test('tools/list may be a bare list', async () => {
    expect(JSON.parse(await ask('tools/list', { statusCode: 200, body: JSON.stringify(tools) }))).toEqual({ tools });
  });

  test('an error with code and message is that error, whatever its status', async () => {
    const error = { code: -32602, message: 'no such tool', data: { known: ['search'] } };
    for (const statusCode of [200, 400]) {
      const outcome = ask('tools/call', { statusCode, body: JSON.stringify({ error }) });
      await expect(outcome).rejects.toMatchObject({ rpcCode: -32602, message: 'no such tool', data: error.data });
    }
  });

  test('a status of 400 or more without one is a failure in the words of the body', async () => {
    const { code, message } = await failure(ask('tools/call', { statusCode: 503, body: 'try later' }));
    expect(code).toBe('FUNCTION_FAILED');
    expect(message).toContain('answered status 503: try later');
  });

  test('what is no result of a list is a protocol error', async () => {
    expect(await failure(ask('prompts/list', 'nothing'))).toMatchObject({ code: 'TARGET_PROTOCOL_ERROR' });
  });

  test('a result passes as the text that it was', async () => {
    const { open, request, lambda } = fixture(printed, { contract: 'method-params' });
    const conversation = await open();
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue({ maxDepth: 3 }),
        fc.bigInt({ min: 2n ** 60n, max: 2n ** 70n }),
        async (value, big) => {
          const text = `{"content":[],"value":${JSON.stringify(value)},"big":${big}}`;
          for (const payload of [
            text,
            `{"statusCode":200,"body":${JSON.stringify(text)}}`,
            `{"statusCode":200,"body":${text}}`,
          ]) {
            lambda.payload = payload;
            expect(await request(conversation, 'tools/call', search)).toBe(text);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('streams', () => {
  interface Script {
    readonly contentType?: string;
    readonly pieces: readonly string[];
    readonly ending?: StreamEnding;
  }

  class StreamingLambda extends FakeLambda {
    script: Script = { pieces: [] };
    readonly streamed: Invocation[] = [];

    invokeStream(invocation: Invocation): Promise<StreamedInvocation> {
      this.streamed.push(invocation);
      const { contentType = 'application/x-ndjson', pieces, ending = {} } = this.script;
      async function* body(): AsyncGenerator<Uint8Array> {
        for (const piece of pieces) yield Buffer.from(piece);
      }
      return Promise.resolve({ contentType, executedVersion: '1', body: body(), ending: Promise.resolve(ending) });
    }
  }

  const answer = '{"jsonrpc":"2.0","id":2,"result":{"content":[]}}';
  const progress = (n: number): string =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":${n}}}`;

  async function call(script: Script, more: Partial<Exchange> = { wantsProgress: true }) {
    const lambda = new StreamingLambda(wrapped);
    const { open, request } = fixture(wrapped, { invoker: lambda });
    const conversation = await open();
    lambda.script = script;
    const told: string[] = [];
    const exchange: Exchange = {
      capabilities: {},
      canAsk: false,
      wantsProgress: false,
      notify: (method, paramsText) => told.push(`${method} ${paramsText}`),
      ask: () => Promise.reject(new Error('never')),
      ...more,
    };
    const outcome = await request(conversation, 'tools/call', search, exchange).catch(
      (error: unknown) => error as Error,
    );
    return { lambda, outcome, told };
  }

  test('progress comes before the answer, however the bytes are cut', async () => {
    const text = `${progress(1)}\n${progress(2)}\n${answer}\n`;
    const { lambda, outcome, told } = await call({ pieces: text.match(/.{1,7}|\n/gs) ?? [] });
    expect(outcome).toBe('{"content":[]}');
    expect(told).toEqual(['notifications/progress {"progress":1}', 'notifications/progress {"progress":2}']);
    expect(lambda.streamed[0]?.clientContext).toMatchObject({ zeroplaneAccept: 'application/x-ndjson' });
  });

  test('a last line needs no end', async () => {
    expect((await call({ pieces: [answer] })).outcome).toBe('{"content":[]}');
  });

  test('a function that does not stream answers by one document', async () => {
    const { outcome } = await call({
      contentType: 'application/json',
      pieces: [JSON.stringify(JSON.parse(answer), null, 2)],
    });
    expect(JSON.parse(String(outcome))).toEqual({ content: [] });
  });

  test('log messages are streamed too, and nothing is to callers that want neither', async () => {
    expect((await call({ pieces: [answer] }, { logLevel: 'info' })).lambda.streamed).toHaveLength(1);
    expect((await call({ pieces: [] }, {})).lambda.streamed).toHaveLength(0);
  });

  test.each([
    ['ends without an answer', { pieces: [`${progress(1)}\n`] }, 'TARGET_PROTOCOL_ERROR'],
    [
      'fails in its middle',
      {
        pieces: [`${progress(1)}\n`],
        ending: { functionError: 'Unhandled', errorPayload: '{"errorType":"Runtime.ExitError","errorMessage":"gone"}' },
      },
      'FUNCTION_FAILED',
    ],
    ['is not UTF-8', { pieces: ['\uFFFD'] }, 'TARGET_PROTOCOL_ERROR'],
  ])('a stream that %s is an error', async (_name, script, code) => {
    const { outcome } = await call(script);
    expect((outcome as PlatformError).code).toBe(code);
  });
});

describe('a function that does not answer', () => {
  const late = new PlatformError('FUNCTION_TIMEOUT', 'Function "mcp-docs" timed out after 3000 ms and may have run.');
  const lambdasWords = new Failure('Sandbox.Timedout', 'RequestId: 1 Error: Task timed out after 3.00 seconds');

  test.each([
    ['as the local runtime says it', late, 'FUNCTION_TIMEOUT'],
    ['as Lambda says it', lambdasWords, 'FUNCTION_TIMEOUT'],
  ])('is left alone after five times in a row, %s', async (_, error, code) => {
    const { lambda, clock, open, request } = fixture(wrapped);
    const conversation = await open();
    lambda.handler = () => {
      throw error;
    };
    const ask = () => failure(request(conversation, 'tools/call', { name: 'search' }));
    for (let at = 0; at < 5; at++) expect((await ask()).code).toBe(code);
    const asked = lambda.events.length;
    expect(await ask()).toMatchObject({
      code: 'TARGET_BREAKER_OPEN',
      message: expect.stringMatching(/^The target "docs" failed 5 times in a row and is tried again in 10 s/),
    });
    expect(lambda.events).toHaveLength(asked);
    clock.advance(10_001);
    lambda.handler = wrapped;
    await request(conversation, 'tools/call', { name: 'search' });
    await new Promise((resolve) => setImmediate(resolve));
    await request(conversation, 'tools/call', { name: 'search' });
    expect(lambda.events).toHaveLength(asked + 2);
  });

  test('a request whose time is up counts, whatever becomes of its invocation', async () => {
    const { lambda, clock, open, request } = fixture(wrapped);
    const conversation = await open();
    lambda.handler = (_event, _invocation, context) =>
      new Promise((_resolve, reject) => {
        context.onAbort?.(() => reject(new PlatformError('CALL_CANCELLED', 'The call was cancelled.')));
      });
    for (let at = 0; at < 5; at++) {
      const pending = failure(request(conversation, 'tools/call', { name: 'search' }));
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(5_001);
      expect((await pending).code).toBe('TARGET_TIMEOUT');
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect((await failure(request(conversation, 'tools/call', { name: 'search' }))).code).toBe('TARGET_BREAKER_OPEN');
  });

  test('what a function throws is an answer, however often', async () => {
    const { lambda, open, request } = fixture(wrapped);
    const conversation = await open();
    lambda.handler = () => {
      throw new Failure('TypeError', 'no');
    };
    for (let at = 0; at < 7; at++)
      expect((await failure(request(conversation, 'tools/call', { name: 'search' }))).code).toBe('FUNCTION_FAILED');
  });
});
