import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { BY_ADA, auditOn } from '../../tests/fixtures/audit.ts';
import { fakeClock, type FakeClock } from '../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../adapters/embedded/store/store.ts';
import { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { rawMembers, scan } from '../core/json.ts';
import type { FunctionInvoker, Invocation, InvocationResult, Logger, StoreRoot } from '../core/ports.ts';
import type { Exchange, TargetCall, TargetChange } from '../core/target.ts';
import { createFunctionRuntime } from '../functions/function-runtime.ts';
import { FunctionTarget, type FunctionTargetParts } from './function-target.ts';
import { parseRegistration, type EventMode } from './registration.ts';
import { RegistrationStore } from './registration-store.ts';

const log: Logger = { log: () => undefined, with: () => log };
const exchange = {} as Exchange;

/** Answers with whatever the test says, and remembers what it was asked. */
class ScriptedInvoker implements FunctionInvoker {
  readonly label = 'embedded';
  readonly asked: Invocation[] = [];
  reply: string | PlatformError | { readonly failed: string } = '{}';
  names = ['crm'];

  list() {
    return this.names.map((name) => ({
      name,
      arn: `arn:aws:lambda:us-east-1:000000000000:function:${name}`,
      runtime: 'nodejs22.x',
      description: '',
      tags: {},
      timeoutSeconds: 3,
      memoryMb: 128,
    }));
  }

  invoke(invocation: Invocation): Promise<InvocationResult> {
    this.asked.push(invocation);
    const { reply } = this;
    if (reply instanceof PlatformError) return Promise.reject(reply);
    const result = { executedVersion: '$LATEST', durationMs: 1, coldStart: false };
    return Promise.resolve(
      typeof reply === 'string'
        ? { ...result, payload: reply }
        : { ...result, payload: reply.failed, functionError: 'Unhandled' },
    );
  }

  get event(): unknown {
    return JSON.parse(this.asked.at(-1)?.payload ?? 'null');
  }
}

let clock: FakeClock;
let store: StoreRoot;
let registrations: RegistrationStore;
let invoker: ScriptedInvoker;
let target: FunctionTarget;

beforeEach(async () => {
  clock = fakeClock();
  store = await openMemoryStore({ clock });
  registrations = new RegistrationStore({
    store,
    clock,
    ids: { uuid: () => crypto.randomUUID() },
    audit: auditOn(store),
  });
  invoker = new ScriptedInvoker();
  target = make();
});

afterEach(async () => {
  await target.close();
  registrations.close();
  await store.close();
});

function make(parts: Partial<FunctionTargetParts> = {}): FunctionTarget {
  return new FunctionTarget({ invoker, registrations, clock, store, log, functions: [], ...parts });
}

function context(tenant = 'team-x'): Context {
  const principal = { id: 'ada', tenant, roles: [], scopes: [], claims: { dept: 'R&D' } } as const;
  return new Context({ principal, requestId: 'request-1', clock, timeoutMs: 60_000, log });
}

async function register(body: Readonly<Record<string, unknown>>, tenant = 'team-x'): Promise<void> {
  const base = { type: 'tool', description: 'd', lambdaArn: 'arn:aws:lambda:eu-west-1:1:function:crm', parameters: {} };
  await registrations.create(tenant, await parseRegistration({ ...base, ...body }), { by: BY_ADA });
}

function callOf(
  method: TargetCall['method'],
  name: string,
  paramsText: string,
  extra: Partial<TargetCall> = {},
): TargetCall {
  const { value, object } = scan(paramsText);
  if (object === undefined) throw new Error('params must be an object');
  return {
    method,
    name,
    params: rawMembers(paramsText, object),
    meta: [],
    parsed: value as Record<string, unknown>,
    repeatable: false,
    ...extra,
  };
}

async function call(name: string, argumentsText = '{}', tenant?: string) {
  const params = `{"name":${JSON.stringify(name)},"arguments":${argumentsText}}`;
  const { text } = await target.call(callOf('tools/call', name, params), exchange, context(tenant));
  return { text, value: JSON.parse(text) };
}

async function names(tenant?: string): Promise<string[]> {
  return (await target.list(context(tenant))).definitions.map((each) => `${each.kind} ${each.key}`).sort();
}

test('a listing has the registered tools, prompts and resources of the tenant alone', async () => {
  await register({ name: 'find', parameters: { city: 'string' }, tags: { owner: 'web' } });
  await register({
    type: 'prompt',
    name: 'greet',
    parameters: { who: { type: 'string', description: 'Whom' }, tone: { type: 'string', optional: true } },
  });
  await register({ type: 'resource', name: 'page', parameters: { uriTemplate: 'docs://{page}' } });
  await register({ type: 'resource', name: 'home', parameters: { uriTemplate: 'docs://home' } });
  await registrations.create(
    'team-x',
    await parseRegistration({ type: 'mcp', name: 'remote', url: 'https://example.com/' }),
    { by: BY_ADA },
  );
  const { definitions, capabilities } = await target.list(context());
  expect(definitions.map((each) => each.value)).toEqual([
    {
      name: 'find',
      description: 'd',
      inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
    {
      name: 'greet',
      description: 'd',
      arguments: [
        { name: 'who', description: 'Whom', required: true },
        { name: 'tone', required: false },
      ],
    },
    { uri: 'docs://home', name: 'home', description: 'd' },
    { uriTemplate: 'docs://{page}', name: 'page', description: 'd' },
  ]);
  expect(definitions[0]).toMatchObject({ kind: 'tool', key: 'find', tags: { owner: 'web' } });
  expect(capabilities).toMatchObject({ tools: { listChanged: true }, completions: {} });
  expect(await names('team-y')).toEqual([]);
});

test('configured functions are published under a legal name with their description and schema', async () => {
  target = make({
    functions: [
      {
        name: 'prod-find.customer',
        schema: { type: 'object', properties: { id: { type: 'string' } } },
        description: 'Finds',
      },
      { name: 'prod-find-customer' },
      { name: 'prod-2fa' },
      { name: 'other' },
      { name: 'prod-broken', schema: { a: 'strin' } },
    ],
    discovery: { prefix: 'prod-' },
  });
  const { definitions, skipped } = await target.list(context());
  expect(definitions.map((each) => each.value)).toEqual([
    {
      name: 'find_customer',
      description: 'Finds',
      inputSchema: { type: 'object', properties: { id: { type: 'string' } } },
    },
    {
      name: 'find_customer_2',
      description: 'AWS Lambda function: prod-find-customer',
      inputSchema: { type: 'object' },
    },
    { name: '_2fa', description: 'AWS Lambda function: prod-2fa', inputSchema: { type: 'object' } },
  ]);
  expect(skipped).toMatchObject([{ key: 'broken', reason: expect.stringContaining('strin') }]);
});

test.each([
  [{ list: ['b'] }, ['b']],
  [{ prefix: 'a', list: ['b'] }, ['a', 'b']],
  [{ lambdaTags: { mcp: 'yes' } }, ['a', 'c']],
  [{ lambdaTags: { mcp: 'yes' }, excludeTags: { stage: 'beta' } }, ['a']],
  [{ owner: 'web' }, ['b']],
  [undefined, ['a', 'b', 'c']],
])('discovery %j selects %j', async (discovery, expected) => {
  const functions = [
    { name: 'a', tags: { mcp: 'yes' } },
    { name: 'b', tags: { owner: 'web' } },
    { name: 'c', tags: { mcp: 'yes', stage: 'beta' } },
  ];
  target = make({ functions, discovery });
  const listed = (await target.list(context())).definitions.map((each) => String(each.value['description']).at(-1));
  expect(listed).toEqual(expected.map((name) => name.at(-1)));
});

test('a registration of a configured function replaces it, one of another function takes its name', async () => {
  target = make({ functions: [{ name: 'crm' }, { name: 'mail' }] });
  await register({ name: 'crm', description: 'Registered' });
  await register({ name: 'mail', description: 'Registered', lambdaArn: 'arn:aws:lambda:r:a:function:crm' });
  expect(await names()).toEqual(['tool crm', 'tool mail', 'tool mail_2']);
});

test('a function that names its tenants is neither listed nor callable for others, even by registration', async () => {
  invoker.names = ['crm', 'secret'];
  target = make({ functions: [{ name: 'secret', tenants: ['team-y'] }] });
  await register({ name: 'spy', lambdaArn: 'arn:aws:lambda:r:a:function:secret' });
  expect(await names()).toEqual(['tool spy']);
  expect(await names('team-y')).toEqual(['tool secret']);
  const refused: unknown = await call('spy').catch((error: unknown) => error);
  expect(refused).toMatchObject({
    code: 'FUNCTION_NOT_FOUND',
    message: expect.stringContaining('does not exist here'),
  });
  expect(String(refused)).not.toContain('crm, secret');
  expect(invoker.asked).toEqual([]);
});

test('the function gets the arguments as they arrived and the caller in the client context', async () => {
  await register({ name: 'find', parameters: { n: 'number' } });
  await call('find', '{"n": 12345678901234567890.10}');
  const [asked] = invoker.asked;
  expect(asked).toMatchObject({
    functionName: 'arn:aws:lambda:eu-west-1:1:function:crm',
    payload: '{"n": 12345678901234567890.10}',
  });
  expect(asked?.clientContext).toEqual({
    bedrockAgentCoreMessageVersion: '1.0',
    bedrockAgentCoreAwsRequestId: 'request-1',
    bedrockAgentCoreMcpMessageId: 'request-1',
    bedrockAgentCoreGatewayId: 'zeroplane',
    bedrockAgentCoreTargetId: 'registry',
    bedrockAgentCoreToolName: 'registry___find',
    zeroplaneTenant: 'team-x',
    zeroplanePrincipal: 'ada',
    zeroplaneClaims: '{"dept":"R&D"}',
  });
});

const EXTRA = { requestId: 'request-1', tenant: 'team-x', principal: 'ada', _meta: { trace: 1 } };

test.each<[EventMode, unknown]>([
  ['arguments', { a: 1 }],
  ['args-extra', { args: { a: 1 }, extra: EXTRA }],
  ['parameters', { parameters: { a: 1 } }],
  [
    'mcp',
    {
      jsonrpc: '2.0',
      id: 'request-1',
      method: 'tools/call',
      params: { name: 'find', arguments: { a: 1 }, _meta: { trace: 1 } },
    },
  ],
])('with event %s the function receives its shape', async (event, expected) => {
  await register({ name: 'find', event, parameters: { a: 'integer' } });
  const made = callOf('tools/call', 'find', '{"name":"find","arguments":{"a":1}}', {
    meta: [{ key: 'trace', text: '1' }],
    idempotencyKey: 'k1',
  });
  await target.call(made, exchange, context());
  expect(invoker.event).toEqual(expected);
  expect(invoker.asked[0]?.clientContext).toMatchObject({ zeroplaneIdempotencyKey: 'k1' });
});

test.each([
  [
    'an object',
    '{"n":12345678901234567890}',
    '{"content":[{"type":"text","text":"{\\"n\\":12345678901234567890}"}],"structuredContent":{"n":12345678901234567890}}',
  ],
  ['a string', '"done"', '{"content":[{"type":"text","text":"done"}]}'],
  ['a number beyond 2^53', '12345678901234567890', '{"content":[{"type":"text","text":"12345678901234567890"}]}'],
  ['a list', '[1]', '{"content":[{"type":"text","text":"[1]"}]}'],
  ['nothing', 'null', '{"content":[{"type":"text","text":"null"}]}'],
  [
    'a ready result',
    '{"content":[{"type":"new","x":1e999}],"more":1}',
    '{"content":[{"type":"new","x":1e999}],"more":1}',
  ],
  [
    'an object whose content is no result',
    '{"content":"page"}',
    '{"content":[{"type":"text","text":"{\\"content\\":\\"page\\"}"}],"structuredContent":{"content":"page"}}',
  ],
  [
    'an envelope with an object',
    '{"statusCode":200,"body":{"n":1.0}}',
    '{"content":[{"type":"text","text":"{\\"n\\":1.0}"}],"structuredContent":{"n":1.0}}',
  ],
  [
    'an envelope with JSON text',
    '{"statusCode":200,"body":"{\\"n\\":1}"}',
    '{"content":[{"type":"text","text":"{\\"n\\":1}"}],"structuredContent":{"n":1}}',
  ],
  [
    'an envelope with plain text',
    '{"statusCode":201,"headers":{},"body":"<p>"}',
    '{"content":[{"type":"text","text":"<p>"}]}',
  ],
  [
    'an envelope with base64',
    '{"statusCode":200,"isBase64Encoded":true,"body":"aGk="}',
    '{"content":[{"type":"text","text":"hi"}]}',
  ],
  ['an envelope with a ready result', '{"statusCode":200,"body":"{\\"content\\":[]}"}', '{"content":[]}'],
  ['a refusal', '{"statusCode":404,"body":"none"}', '{"content":[{"type":"text","text":"none"}],"isError":true}'],
  [
    'a refusal with a ready result',
    '{"statusCode":500,"body":{"content":[],"isError":false}}',
    '{"content":[],"isError":true}',
  ],
  [
    'an object that only has a statusCode',
    '{"statusCode":404,"page":"x"}',
    '{"content":[{"type":"text","text":"{\\"statusCode\\":404,\\"page\\":\\"x\\"}"}],"structuredContent":{"statusCode":404,"page":"x"}}',
  ],
  ['text that is no JSON', 'NaN', '{"content":[{"type":"text","text":"NaN"}]}'],
])('a reply of %s becomes a result', async (_title, reply, expected) => {
  await register({ name: 'find' });
  invoker.reply = reply;
  expect((await call('find')).text).toBe(expected);
});

test('a failed function is an error result with type and message, without the stack', async () => {
  await register({ name: 'find' });
  invoker.reply = { failed: '{"errorType":"TypeError","errorMessage":"bad colour","stackTrace":["secret path"]}' };
  const { value } = await call('find');
  expect(value).toEqual({
    content: [{ type: 'text', text: expect.stringContaining('Function "find" failed with TypeError: bad colour.') }],
    isError: true,
    _meta: {
      'io.zeroplane/error': {
        code: 'FUNCTION_FAILED',
        retryable: false,
        target: 'registry',
        requestId: 'request-1',
      },
    },
  });
  expect(JSON.stringify(value)).not.toContain('secret path');
});

test.each(['FUNCTION_TIMEOUT', 'FUNCTION_DENIED', 'PAYLOAD_TOO_LARGE', 'FUNCTION_FAILED'] as const)(
  '%s reaches whoever words errors, after one attempt',
  async (code) => {
    await register({ name: 'find' });
    invoker.reply = new PlatformError(code, 'timed out after 3000 ms; it may have run');
    await expect(call('find')).rejects.toMatchObject({ code, message: 'timed out after 3000 ms; it may have run' });
    expect(invoker.asked).toHaveLength(1);
  },
);

test('a cancelled call is no result', async () => {
  await register({ name: 'find' });
  invoker.reply = new PlatformError('CALL_CANCELLED', 'cancelled');
  await expect(call('find')).rejects.toMatchObject({ code: 'CALL_CANCELLED' });
});

test('an absent function is an error that says what to do', async () => {
  await register({ name: 'find', lambdaArn: 'arn:aws:lambda:region:account:function:name' });
  invoker.reply = new PlatformError('FUNCTION_NOT_FOUND', 'x');
  const message = 'function "name", which does not exist here. Add functions.name to the configuration';
  await expect(call('find')).rejects.toMatchObject({
    code: 'FUNCTION_NOT_FOUND',
    message: expect.stringContaining(message),
  });
});

test('arguments that do not conform never reach the function', async () => {
  await register({ name: 'find', parameters: { city: 'string' } });
  const { value } = await call('find', '{"city":7}');
  expect(value).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('Parameter "city" must be string.') }],
  });
  expect(invoker.asked).toEqual([]);
});

test("in mcp mode the result of the JSON-RPC response is passed on, and its error is the function's own", async () => {
  await register({ name: 'find', event: 'mcp' });
  invoker.reply = '{"jsonrpc":"2.0","id":"request-1","result":{"content":[{"type":"text","text":"1"}],"x":1.0}}';
  expect((await call('find')).text).toBe('{"content":[{"type":"text","text":"1"}],"x":1.0}');
  invoker.reply = '{"jsonrpc":"2.0","id":"request-1","error":{"code":-32001,"message":"not today","data":1}}';
  await expect(call('find')).rejects.toMatchObject({
    name: 'UpstreamRpcError',
    rpcCode: -32001,
    message: 'not today',
    data: 1,
  });
});

test('a prompt is asked with args and extra, and answers messages or plain text', async () => {
  await register({ type: 'prompt', name: 'greet', parameters: { who: 'string' } });
  const made = callOf('prompts/get', 'greet', '{"name":"greet","arguments":{"who":"Ada"}}');
  invoker.reply = '"Hello Ada"';
  const { text } = await target.call(made, exchange, context());
  expect(JSON.parse(text)).toEqual({ messages: [{ role: 'user', content: { type: 'text', text: 'Hello Ada' } }] });
  expect(invoker.event).toEqual({ args: { who: 'Ada' }, extra: { ...EXTRA, _meta: {} } });
  invoker.reply = '{"statusCode":200,"body":"{\\"messages\\":[]}"}';
  expect((await target.call(made, exchange, context())).text).toBe('{"messages":[]}');
  invoker.reply = '{"statusCode":500,"body":"no"}';
  await expect(target.call(made, exchange, context())).rejects.toMatchObject({ code: 'FUNCTION_FAILED' });
  await expect(
    target.call(callOf('prompts/get', 'greet', '{"name":"greet"}'), exchange, context()),
  ).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining('"who"') });
});

test('a resource is read through its template, and a plain one by its URI', async () => {
  await register({ type: 'resource', name: 'page', parameters: { uriTemplate: 'docs://{book}/{page}' } });
  await register({ type: 'resource', name: 'home', parameters: { uriTemplate: 'docs://home' } });
  const read = (uri: string) =>
    target.call(callOf('resources/read', uri, JSON.stringify({ uri })), exchange, context());
  invoker.reply = '"text of it"';
  expect(JSON.parse((await read('docs://b%20c/7')).text)).toEqual({
    contents: [{ uri: 'docs://b%20c/7', mimeType: 'text/plain', text: 'text of it' }],
  });
  expect(invoker.event).toEqual({
    action: 'read',
    uri: 'docs://b%20c/7',
    variables: { book: 'b c', page: '7' },
    extra: { ...EXTRA, _meta: {} },
  });
  invoker.reply = '{"contents":[{"uri":"docs://home","blob":"eA=="}]}';
  expect((await read('docs://home')).text).toBe(invoker.reply);
  await expect(read('docs://a/b/c')).rejects.toMatchObject({ code: 'UNKNOWN_NAME' });
});

test('the function behind a template lists its resources, and is asked again only after a minute', async () => {
  await register({ type: 'resource', name: 'page', parameters: { uriTemplate: 'docs://{page}' } });
  invoker.reply = '{"statusCode":200,"body":{"resources":[{"uri":"docs://one","name":"One"},{"name":"no uri"}]}}';
  expect(await names()).toEqual(['resource docs://one', 'template docs://{page}']);
  expect(invoker.event).toMatchObject({ action: 'list' });
  await names();
  expect(invoker.asked).toHaveLength(1);
  clock.advance(61_000);
  invoker.reply = new PlatformError('FUNCTION_TIMEOUT', 'late');
  expect(await names()).toEqual(['resource docs://one', 'template docs://{page}']);
  expect(invoker.asked).toHaveLength(2);
});

test('a resource function that hangs delays the listing by its budget only', async () => {
  await register({ type: 'resource', name: 'page', parameters: { uriTemplate: 'docs://{page}' } });
  await register({ name: 'find' });
  invoker.invoke = () => new Promise(() => undefined);
  const listing = names();
  for (let turn = 0; turn < 10; turn++) await new Promise((done) => setImmediate(done));
  clock.advance(2000);
  expect(await listing).toEqual(['template docs://{page}', 'tool find']);
});

test('variables are completed from a list or by a function', async () => {
  const completions = { city: ['Bern', 'Berlin', 'Basel'], zip: 'arn:aws:lambda:r:a:function:crm' };
  await register({ type: 'resource', name: 'w', parameters: { uriTemplate: 'w://{city}/{zip}', completions } });
  const complete = async (name: string, value: string) => {
    const params = { ref: { type: 'ref/resource', uri: 'w://{city}/{zip}' }, argument: { name, value } };
    return JSON.parse(
      (
        await target.call(
          callOf('completion/complete', 'w://{city}/{zip}', JSON.stringify(params)),
          exchange,
          context(),
        )
      ).text,
    );
  };
  expect(await complete('city', 'ber')).toEqual({
    completion: { values: ['Bern', 'Berlin'], total: 2, hasMore: false },
  });
  invoker.reply = '["3000","3001","4000"]';
  expect(await complete('zip', '30')).toEqual({ completion: { values: ['3000', '3001'], total: 2, hasMore: false } });
  expect(invoker.event).toMatchObject({ action: 'complete', argument: { name: 'zip', value: '30' } });
  expect(await complete('other', '')).toEqual({ completion: { values: [], total: 0, hasMore: false } });
});

test('unknown names and methods are refused', async () => {
  await expect(call('nothing')).rejects.toMatchObject({ code: 'UNKNOWN_NAME' });
  await expect(
    target.call(callOf('resources/subscribe', 'a:', '{"uri":"a:"}'), exchange, context()),
  ).rejects.toMatchObject({ code: 'METHOD_NOT_FOUND' });
});

test('a change is announced for its tenant, and the next list and call know of it', async () => {
  const heard: TargetChange[] = [];
  target.onChange((change) => heard.push(change));
  expect(await names()).toEqual([]);
  await register({ name: 'find' });
  expect(heard).toEqual([{ kind: 'tools', tenant: 'team-x' }]);
  expect(await names()).toEqual(['tool find']);
  expect((await call('find')).value.isError).toBeUndefined();
  await registrations.remove('team-x', 'tool-find', { by: BY_ADA });
  await expect(call('find')).rejects.toMatchObject({ code: 'UNKNOWN_NAME' });
  await register({ type: 'prompt', name: 'p' }, 'team-y');
  expect(heard.at(-1)).toEqual({ kind: 'prompts', tenant: 'team-y' });
  target.setFunctions([{ name: 'added' }]);
  expect(heard.at(-1)).toEqual({ kind: 'tools' });
  expect(await names()).toEqual(['tool added']);
});

test('a writer waits for the listeners of its own instance', async () => {
  let done = false;
  registrations.onChange(async () => {
    await new Promise((next) => setImmediate(next));
    done = true;
  });
  await register({ name: 'find' });
  expect(done).toBe(true);
});

test('another instance on the same store hears of a change', async () => {
  const other = new RegistrationStore({
    store,
    clock,
    ids: { uuid: () => crypto.randomUUID() },
    audit: auditOn(store),
  });
  const heard: string[] = [];
  other.onChange((_tenant, change) => void heard.push(change.id));
  expect(await other.list('team-x')).toEqual([]);
  await register({ name: 'find' });
  clock.advance(1000);
  await new Promise((next) => setImmediate(next));
  expect(heard).toEqual(['tool-find']);
  expect(await other.list('team-x')).toHaveLength(1);
  other.close();
});

test('the printed registration and call run a real function, and so does the sample', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-printed-'));
  await writeFile(
    join(folder, 'index.mjs'),
    'export const handler = async (event, context) => ({ event, tenant: context.clientContext.custom.zeroplaneTenant });',
  );
  const runtime = createFunctionRuntime({
    functions: [
      { name: 'name', handler: 'index.handler', runtime: 'nodejs24.x', code: folder },
      {
        name: 'customer-id-from-email',
        handler: 'index.handler',
        runtime: 'nodejs24.x',
        code: 'samples/functions/customer-id-from-email',
      },
    ],
    baseDir: process.cwd(),
    clock,
    log,
    ids: { uuid: () => crypto.randomUUID() },
  });
  target = make({
    invoker: runtime,
    functions: [{ name: 'customer-id-from-email', description: 'The customer id of an e-mail address' }],
  });
  try {
    await register({
      name: 'data_processor',
      lambdaArn: 'arn:aws:lambda:region:account:function:name',
      parameters: { payload: 'object' },
    });
    expect((await call('data_processor', '{"payload":"data_input"}')).value).toEqual({
      content: [{ type: 'text', text: '{"event":{"payload":"data_input"},"tenant":"team-x"}' }],
      structuredContent: { event: { payload: 'data_input' }, tenant: 'team-x' },
    });
    expect((await call('customer_id_from_email', '{"email":"Ada@Example.com"}')).value.structuredContent).toEqual({
      email: 'ada@example.com',
      customerId: expect.stringMatching(/^C-[0-9A-F]{8}$/),
    });
    expect((await call('customer_id_from_email', '{"email":"nobody"}')).value).toMatchObject({ isError: true });
  } finally {
    await runtime.close();
    await rm(folder, { recursive: true });
  }
});

test('2.12: a tag names the schema of a function, which is listed and held; a bad ARN leaves the tool open', async () => {
  const document = { type: 'object', properties: { email: { type: 'string' } }, required: ['email'] };
  target = make({
    functions: [
      { name: 'sales', tags: { schema: 'arn:aws:schemas:r:1:schema/tools/customer' } },
      { name: 'open', tags: { schema: 'nonsense' } },
    ],
    discovery: { schemaTag: 'schema' },
    schemaSource: {
      schema: (arn) =>
        arn === 'nonsense'
          ? Promise.reject(new PlatformError('INVALID_ARGUMENTS', 'no ARN of a schema'))
          : Promise.resolve(JSON.stringify(document)),
    },
  });
  const { definitions, skipped } = await target.list(context());
  expect(definitions.map(({ value }) => value['inputSchema'])).toEqual([document, { type: 'object' }]);
  expect(skipped).toEqual([]);
  const { value } = await call('sales', '{}');
  expect(value).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('"email" is missing') }] });
  expect((await call('open', '{"anything":1}')).value.isError).toBeUndefined();
});

test('a new version of the schema that a tag names is there with the next list after five minutes', async () => {
  let name = 'first';
  const properties = () => ({ type: 'object', properties: { [name]: { type: 'string' } } });
  const schemaSource = { schema: () => Promise.resolve(JSON.stringify(properties())) };
  target = make({
    functions: [{ name: 'sales', tags: { schema: 'arn' } }],
    discovery: { schemaTag: 'schema' },
    schemaSource,
  });
  const listed = async () => (await target.list(context())).definitions[0]?.value['inputSchema'];
  const first = properties();
  expect(await listed()).toEqual(first);
  name = 'second';
  expect(await listed()).toEqual(first);
  clock.advance(300_000);
  expect(await listed()).toEqual(properties());
});

test('2.13: wrapped arguments reach the function as the text that arrived, in every event mode', async () => {
  const schema = { type: 'object', properties: { n: { type: 'number' } } };
  const expected: [EventMode, string][] = [
    ['arguments', '{"n": 1.0}'],
    ['parameters', '{"parameters":{"n": 1.0}}'],
    ['args-extra', '{"args":{"n": 1.0},"extra":'],
    ['mcp', '"params":{"name":"crm","arguments":{"n": 1.0}}'],
  ];
  for (const [event, text] of expected) {
    target = make({ functions: [{ name: 'crm', schema, event }] });
    await call('crm', '{ "parameters" : {"n": 1.0} }');
    expect(invoker.asked.at(-1)?.payload).toContain(text);
  }
});

test.each([
  ['another argument beside it', '{"parameters":{"n":1},"n":2}'],
  ['no object in it', '{"parameters":[1]}'],
])('arguments with %s are taken as they are', async (_title, text) => {
  target = make({ functions: [{ name: 'crm', schema: { type: 'object', properties: { n: { type: 'number' } } } }] });
  await call('crm', text);
  expect(invoker.asked.at(-1)?.payload).toBe(text);
});

test('a parameter that is called parameters is one', async () => {
  const schema = { type: 'object', properties: { parameters: { type: 'object' } } };
  target = make({ functions: [{ name: 'crm', schema }] });
  await call('crm', '{"parameters":{"n":1}}');
  expect(invoker.asked.at(-1)?.payload).toBe('{"parameters":{"n":1}}');
});

test('a function is tried again when the limit of processes refused it, and the caller sees one answer', async () => {
  await register({ name: 'find' });
  const busy = new PlatformError('FUNCTION_THROTTLED', 'busy', { concurrency: 8 });
  invoker.reply = busy;
  const answer = call('find');
  for (let turn = 0; turn < 10; turn++) await new Promise((done) => setImmediate(done));
  invoker.reply = '{}';
  clock.advance(100);
  expect((await answer).value.isError).toBeUndefined();
  expect(invoker.asked).toHaveLength(2);
});

test('a schema that is none is told the caller and never runs the function', async () => {
  target = make({ functions: [{ name: 'crm', schema: { type: 'object', required: 'email' } }] });
  const { value } = await call('crm');
  expect(value).toMatchObject({
    isError: true,
    content: [{ text: expect.stringMatching(/schema is not a valid JSON Schema.*owner of the tool must correct it/s) }],
  });
  expect(invoker.asked).toEqual([]);
});
