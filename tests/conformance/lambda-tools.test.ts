/** Functions as tools, as a client sees them: what they receive, what becomes of what they answer, and how they fail. */

import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import { auditOn } from '../fixtures/audit.ts';
import { AwsClients } from '../../src/adapters/aws/aws-clients.ts';
import { AwsFunctionInvoker } from '../../src/adapters/aws/aws-function-invoker.ts';
import { createEgress } from '../../src/adapters/embedded/egress.ts';
import { openMemoryStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock, systemIds } from '../../src/adapters/embedded/system.ts';
import { FunctionTarget } from '../../src/registry/function-target.ts';
import { RegistrationStore } from '../../src/registry/registration-store.ts';
import { builtInPolicy } from '../../src/policy/decide.ts';
import type { Policy } from '../../src/policy/decide.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { startFakeAws } from '../fixtures/aws-api.ts';
import { silentLog, startBare } from '../fixtures/assembled.ts';
import { exchange, textOf, type Parsed } from '../fixtures/http-exchange.ts';
import { withGateway } from '../fixtures/instance.ts';
import type { Json } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { startGateway } from '../../src/testing.ts';
import type { LocalInstance } from '../../src/testing.ts';
import { verifies } from './verifies.ts';

const ECHO = `export const handler = async (event, context) => ({ event, custom: context.clientContext.custom });`;
const REPLY = `export const handler = async (event) => {
  if (event.fail) throw new TypeError('told to fail');
  if (event.hang) await new Promise((resolve) => setTimeout(resolve, 60_000));
  return event.large ? 'x'.repeat(event.large) : event.reply;
};`;
const STREAM = `export const handler = awslambda.streamifyResponse(async (event, plain) => {
  const { status: statusCode, type } = event;
  const stream = type === undefined ? plain
    : awslambda.HttpResponseStream.from(plain, { statusCode, headers: { 'content-type': type } });
  for (const piece of event.pieces) stream.write(piece);
  if (event.megabytes) {
    const block = 'abcdefgh'.repeat(128 * 1024);
    for (let at = 0; at < event.megabytes; at++) if (!stream.write(block)) await new Promise((go) => stream.once('drain', go));
  }
  if (event.fail) throw new TypeError('broke in the middle');
  stream.end();
});`;

let folder = '';
let gateway: LocalInstance;
let client: WireClient;

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

const codeOf = (name: string) => ({ handler: 'index.handler', code: join(folder, name) });

const modern = (at: LocalInstance, endpoint = '', capabilities: Json = {}): WireClient =>
  new WireClient({ url: `${at.mcp}${endpoint}`, era: 'modern', token: at.token ?? '', capabilities });

async function call(name: string, args: Json, of = client): Promise<Parsed> {
  return (await of.request('tools/call', { name, arguments: args })).result;
}

async function register(body: Json): Promise<void> {
  const base = { type: 'tool', description: 'd', lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:echo' };
  const answer = await exchange({
    url: `${gateway.url}/register`,
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...base, parameters: {}, ...body }),
  });
  expect([answer.status, await textOf(answer.body)]).toEqual([201, expect.any(String)]);
}

function functions(): NonNullable<ConfigInput['functions']> {
  return {
    echo: { ...codeOf('echo'), description: 'Echoes' },
    reply: { ...codeOf('reply'), timeoutSeconds: 1, concurrency: 2 },
    stream: { ...codeOf('stream'), streaming: true },
    typed: codeOf('typed'),
    changing: codeOf('changing'),
    'customer-id': { ...codeOf('described'), description: 'Finds. Expected format: {"email": "string"}' },
    checked: { ...codeOf('reply'), outputSchema: join(folder, 'sum.json'), handler: 'checked.handler' },
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-lambda-tools-'));
  await write({
    'echo/index.mjs': ECHO,
    'reply/index.mjs': REPLY,
    'reply/checked.mjs': REPLY,
    'stream/index.mjs': STREAM,
    'typed/index.mjs': ECHO,
    'typed/index.schema.json': JSON.stringify({
      inputSchema: { email: 'string', n: { type: 'integer', optional: true } },
    }),
    'described/index.mjs': ECHO,
    'changing/index.mjs': ECHO,
    'sum.json': JSON.stringify({ type: 'object', properties: { sum: { type: 'number' } }, required: ['sum'] }),
  });
  gateway = await startGateway({ config: { functions: functions() } });
  client = modern(gateway);
});

afterAll(async () => {
  expect(client.violations).toEqual([]);
  await gateway.close();
  await rm(folder, { recursive: true, force: true });
});

verifies('2.4', 'a function is told who asks, by verified claims, and for which tool and message', async () => {
  await register({ name: 'who' });
  const reply = await client.request('tools/call', { name: 'who', arguments: {} }, { id: 'message-7' });
  expect((reply.result as Parsed).structuredContent.custom).toEqual({
    bedrockAgentCoreMessageVersion: '1.0',
    bedrockAgentCoreAwsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    bedrockAgentCoreMcpMessageId: 'message-7',
    bedrockAgentCoreGatewayId: 'zeroplane',
    bedrockAgentCoreTargetId: 'registry',
    bedrockAgentCoreToolName: 'registry___who',
    zeroplaneTenant: 'team-x',
    zeroplanePrincipal: 'you@dev',
    zeroplaneClaims: '{}',
  });
});

verifies('2.4', 'what a caller claims of itself in arguments and _meta does not become its identity', async () => {
  const forged = { zeroplaneTenant: 'team-y', clientContext: { custom: { zeroplanePrincipal: 'root' } } };
  const reply = await client.request('tools/call', { name: 'echo', arguments: forged }, { meta: forged });
  const { event, custom } = (reply.result as Parsed).structuredContent;
  expect(event).toEqual(forged);
  expect(custom).toMatchObject({ zeroplaneTenant: 'team-x', zeroplanePrincipal: 'you@dev' });
});

verifies('2.12', 'a real inputSchema is listed and held: of the file beside the code, of the description', async () => {
  const { tools } = (await client.request('tools/list')).result as Parsed;
  const schemaOf = (name: string): unknown => tools.find((tool: Parsed) => tool.name === name)?.inputSchema;
  expect(schemaOf('typed')).toEqual({
    type: 'object',
    properties: { email: { type: 'string' }, n: { type: 'integer' } },
    required: ['email'],
  });
  expect(schemaOf('customer_id')).toMatchObject({ required: ['email'] });
  expect(tools.find((tool: Parsed) => tool.name === 'customer_id').description).toBe(
    'Finds. Expected format: {"email": "string"}\n\nParameters: {"email": "string"}',
  );
  const refused = await call('typed', { email: 5 });
  expect(refused).toMatchObject({ isError: true, _meta: { 'io.zeroplane/error': { code: 'INVALID_ARGUMENTS' } } });
  expect(refused.content[0].text).toContain('Parameter "email" must be string');
});

verifies('2.12', 'a changed file beside the code is another schema for the next list', async () => {
  await call('changing', {});
  const listed = async (): Promise<unknown> => {
    const { tools } = (await client.request('tools/list')).result as Parsed;
    return tools.find((tool: Parsed) => tool.name === 'changing').inputSchema.required;
  };
  expect(await listed()).toBeUndefined();
  await write({ 'changing/schema.json': JSON.stringify({ id: 'string' }) });
  await expect.poll(listed, { timeout: 5_000 }).toEqual(['id']);
  expect((await call('changing', {})).isError).toBe(true);
});

verifies(
  '2.12',
  'a tag names a schema of the registry of AWS, which the real client reads; a bad one costs nothing else',
  async () => {
    const keys = { AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'us-east-1' };
    const before = { ...process.env };
    Object.assign(process.env, keys);
    const arn = 'arn:aws:schemas:us-east-1:123456789012:schema/tools/Customer';
    const answer = (event: unknown): unknown => ({ event });
    const aws = await startFakeAws([
      { name: 'typed-in-aws', tags: { mcp: 'true', schema: arn }, answer },
      { name: 'misspelt-in-aws', tags: { mcp: 'true', schema: 'arn:aws:schemas:nonsense' }, answer },
    ]);
    const Customer = { type: 'object', required: ['email'], properties: { email: { type: 'string', nullable: true } } };
    aws.schemas.set(
      arn,
      JSON.stringify({ openapi: '3.0.0', info: { title: 'x' }, components: { schemas: { Customer } } }),
    );
    const discover = { lambdaTags: { mcp: 'true' }, schemaTag: 'schema' };
    try {
      await withGateway({ config: { discover, clouds: { aws: { endpoint: aws.url } } } }, async (at) => {
        const cloud = modern(at);
        const { tools } = (await cloud.request('tools/list')).result as Parsed;
        expect(tools.map((tool: Parsed) => [tool.name, tool.inputSchema.required])).toEqual([
          ['misspelt_in_aws', undefined],
          ['typed_in_aws', ['email']],
        ]);
        expect((await call('typed_in_aws', {}, cloud)).content[0].text).toContain('Parameter "email" is missing');
        expect((await call('typed_in_aws', { email: null }, cloud)).structuredContent).toEqual({
          event: { email: null },
        });
        expect((await call('misspelt_in_aws', { any: 1 }, cloud)).structuredContent).toEqual({ event: { any: 1 } });
        expect(cloud.violations).toEqual([]);
      });
    } finally {
      for (const name of Object.keys(keys)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
      await aws.close();
    }
  },
);

verifies('2.13', 'typed input and {parameters: {…}} are both accepted, and held against the same schema', async () => {
  for (const args of [{ email: 'a@b.c', n: 1 }, { parameters: { email: 'a@b.c', n: 1 } }]) {
    expect((await call('typed', args)).structuredContent.event).toEqual({ email: 'a@b.c', n: 1 });
  }
  expect((await call('typed', { parameters: { n: 'x' } })).isError).toBe(true);
  expect((await call('typed', { parameters: { email: 'a' }, more: 1 })).isError).toBe(true);
  // Without a schema nobody can tell which form is meant, and a registration never had the other one.
  const wrapped = { parameters: { email: 'a@b.c' } };
  expect((await call('echo', wrapped)).structuredContent.event).toEqual(wrapped);
  await register({ name: 'registered', parameters: { email: { type: 'string', optional: true } } });
  expect((await call('registered', wrapped)).structuredContent.event).toEqual(wrapped);
});

verifies('2.13', 'a policy judges wrapped arguments as it does typed ones', () => {
  const policy: Policy = {
    ...builtInPolicy,
    decide: (request) => {
      const args = request.context.arguments;
      if (Number(args?.['n']) > 10) return { allowed: false, visible: true, rule: 'small-numbers' };
      return builtInPolicy.decide(request);
    },
  };
  return withGateway({ config: { functions: functions() }, policy }, async (at) => {
    const judged = modern(at);
    for (const n of [5, 50]) {
      const args = { email: 'a@b.c', n };
      for (const given of [args, { parameters: args }, { parameters: { parameters: args } }]) {
        const { isError } = await call('typed', given, judged);
        expect([n, isError === true]).toEqual([n, n > 10]);
      }
    }
  });
});

const READY = { content: [{ type: 'text', text: 'hi' }] };

verifies('4.41 4.42', 'every event mode with every kind of answer', async () => {
  const META = { 'example.org/k': 1 };
  const events: Record<string, (args: Json) => unknown> = {
    arguments: (args) => args,
    'args-extra': (args) => ({
      args,
      extra: expect.objectContaining({ tenant: 'team-x', principal: 'you@dev', _meta: META }),
    }),
    parameters: (args) => ({ parameters: args }),
    mcp: (args) =>
      expect.objectContaining({
        jsonrpc: '2.0',
        method: 'tools/call',
        params: expect.objectContaining({ arguments: args, _meta: META }),
      }),
  };
  for (const [event, expected] of Object.entries(events)) {
    await register({ name: `event-${event}`, event });
    const reply = await client.request('tools/call', { name: `event-${event}`, arguments: { a: 1 } }, { meta: META });
    expect((reply.result as Parsed).structuredContent.event, event).toEqual(expected({ a: 1 }));
  }
  const replies: [unknown, Json][] = [
    [READY, READY],
    [{ statusCode: 200, body: READY }, READY],
    [{ statusCode: 200, body: JSON.stringify(READY) }, READY],
    [{ sum: 3 }, { content: [{ type: 'text', text: '{"sum":3}' }], structuredContent: { sum: 3 } }],
    ['words', { content: [{ type: 'text', text: 'words' }] }],
    [null, { content: [{ type: 'text', text: 'null' }] }],
    [
      { statusCode: 422, body: 'no such thing' },
      { content: [{ type: 'text', text: 'no such thing' }], isError: true },
    ],
    [
      { statusCode: 200, headers: { 'Content-Type': 'image/png' }, isBase64Encoded: true, body: 'iVBOR/8=' },
      { content: [{ type: 'image', data: 'iVBOR/8=', mimeType: 'image/png' }] },
    ],
    // What only looks like a result would break its client, so it is handed on as what it is: JSON.
    [
      { content: [{ type: 'text' }] },
      {
        content: [{ type: 'text', text: '{"content":[{"type":"text"}]}' }],
        structuredContent: { content: [{ type: 'text' }] },
      },
    ],
    [
      { ...READY, structuredContent: 'no object' },
      { content: [{ type: 'text', text: expect.stringContaining('no object') }], structuredContent: expect.anything() },
    ],
  ];
  for (const [reply, expected] of replies) {
    const { resultType: _, _meta, ...result } = await call('reply', { reply });
    expect(result).toEqual(expected);
  }
});

verifies('4.42', "an answer is held against the tool's output schema", async () => {
  const { tools } = (await client.request('tools/list')).result as Parsed;
  const listed = tools.find((tool: Parsed) => tool.name === 'checked');
  expect(listed.outputSchema).toMatchObject({ required: ['sum'] });
  expect((await call('checked', { reply: { sum: 3 } })).structuredContent).toEqual({ sum: 3 });
  expect((await call('checked', { reply: { ...READY, structuredContent: { sum: 3 } } })).content).toEqual(
    READY.content,
  );
  for (const reply of [{ sum: 'three' }, 'three', READY]) {
    const { isError, content } = await call('checked', { reply });
    expect(isError).toBe(true);
    expect(content[0].text).toMatch(
      /^FUNCTION_FAILED: Function "checked" has run, and its answer is not what its output schema promises/,
    );
  }
  // A refusal is no answer of that kind.
  const refused = await call('checked', { reply: { statusCode: 404, body: 'none' } });
  expect(refused).toMatchObject({ isError: true, content: [{ text: 'none' }] });
});

verifies(
  '4.42',
  'a streamed answer becomes a result: text, lines, HTTP answers, and what breaks in the middle',
  async () => {
    const of = async (args: Json) => call('stream', { pieces: [], ...args });
    expect((await of({ pieces: ['one ', 'two'] })).content).toEqual([{ type: 'text', text: 'one two' }]);
    expect((await of({ pieces: ['{"n":', '1}'] })).structuredContent).toEqual({ n: 1 });
    expect(await of({ pieces: ['{"n":1}\n', '{"n":2}\n'], status: 200, type: 'application/x-ndjson' })).toMatchObject({
      content: [{ type: 'text', text: '{"n":1}\n{"n":2}\n' }],
      structuredContent: { items: [{ n: 1 }, { n: 2 }] },
    });
    expect(await of({ pieces: ['none'], status: 404, type: 'text/plain' })).toMatchObject({
      isError: true,
      content: [{ text: 'none' }],
    });
    const broken = await of({ pieces: ['{"rows":['], fail: true });
    expect(broken).toMatchObject({ isError: true, _meta: { 'io.zeroplane/error': { code: 'FUNCTION_FAILED' } } });
    expect(broken.content[0].text).toContain('TypeError: broke in the middle');
  },
);

verifies('4.42', 'a streamed answer beyond the size of a message is stored and read by pages', async () => {
  const result = await call('stream', { pieces: [], megabytes: 20 });
  const link = result.content.find((item: Parsed) => item.type === 'resource_link');
  expect(link.size).toBeGreaterThan(20 * 1024 * 1024);
  const last = `${String(link.uri).replace(/page=\d+$/, '')}page=20`;
  const page = await client.request('resources/read', { uri: last });
  expect((page.result as Parsed).contents[0].text).toMatch(/abcdefgh"\}\]\}$/);
});

verifies(
  '4.42',
  'the official client takes output schemas, pictures, stored results and failures as they are',
  async () => {
    // In a process of its own: the import conditions of these tests would choose a dependency's TypeScript source.
    const script = `
    import { Client } from '@modelcontextprotocol/sdk/client/index.js';
    import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
    const headers = { authorization: 'Bearer ${gateway.token}' };
    const client = new Client({ name: 'sdk', version: '1' }, { capabilities: {} });
    await client.connect(new StreamableHTTPClientTransport(new URL('${gateway.mcp}'), { requestInit: { headers } }));
    await client.listTools();
    const call = (name, args) => client.callTool({ name, arguments: args });
    const picture = { statusCode: 200, headers: { 'content-type': 'image/png' }, isBase64Encoded: true, body: 'iVBORw==' };
    const results = [
      await call('checked', { reply: { sum: 3 } }),
      await call('checked', { reply: 'three' }),
      await call('reply', { reply: picture }),
      await call('stream', { pieces: [], megabytes: 6 }),
    ];
    await client.close();
    console.log(JSON.stringify(results));
  `;
    const args = ['--input-type=module', '-e', script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
    const [sum, wrong, picture, stored] = JSON.parse(stdout) as Parsed[];
    expect(sum.structuredContent).toEqual({ sum: 3 });
    expect(wrong.isError).toBe(true);
    expect(picture.content).toEqual([{ type: 'image', data: 'iVBORw==', mimeType: 'image/png' }]);
    expect(stored.content.map((item: Parsed) => item.type)).toEqual(['text', 'resource_link']);
  },
);

verifies('2.14', 'a failed function is a result with isError that says what to do, in either wording', async () => {
  const failed = await call('reply', { fail: true });
  expect(failed).toMatchObject({
    isError: true,
    _meta: { 'io.zeroplane/error': { code: 'FUNCTION_FAILED', retryable: false, target: 'registry' } },
  });
  expect(failed.content[0].text).toBe(
    'FUNCTION_FAILED: Function "reply" failed with TypeError: told to fail. If the arguments are right, its owner finds the stack in its log.',
  );
});

verifies(
  '2.14 2.13',
  'compat 002 words answers and errors as the earlier servers did, and opens their arguments',
  () => {
    const config: ConfigInput = { functions: functions(), compat: ['002'] };
    return withGateway({ config }, async (at) => {
      const old = modern(at);
      expect((await call('reply', { reply: { id: 1 } }, old)).content).toEqual([
        { type: 'text', text: 'Function reply returned: {\n  "id": 1\n}' },
      ]);
      expect((await call('reply', { parameters: { reply: 'x' } }, old)).content[0].text).toBe(
        'Function reply returned: "x"',
      );
      const failed = await call('reply', { fail: true }, old);
      expect(failed.isError).toBe(true);
      expect(failed.content[0].text).toMatch(/^Function reply returned with error: Unhandled \(.*told to fail\)$/);
      expect(old.violations).toEqual([]);
    });
  },
);

verifies('4.41', 'compat 004 gives a registered tool {args, extra}', () => {
  const config: ConfigInput = { functions: functions(), compat: ['004'] };
  return withGateway({ config }, async (at) => {
    const before = gateway;
    gateway = at;
    try {
      await register({ name: 'old-way' });
      await register({ name: 'new-way', event: 'arguments' });
    } finally {
      gateway = before;
    }
    const old = modern(at);
    expect((await call('old-way', { a: 1 }, old)).structuredContent.event).toMatchObject({ args: { a: 1 }, extra: {} });
    expect((await call('new-way', { a: 1 }, old)).structuredContent.event).toEqual({ a: 1 });
  });
});

verifies('2.15', 'the generic pair holds arguments and answers as the tools of functions do', () => {
  const config: ConfigInput = { functions: functions(), discover: { generic: true } };
  return withGateway({ config }, async (at) => {
    const pair = modern(at);
    const invoke = (name: string, parameters: Json): Promise<Parsed> =>
      call('invoke_lambda_function', { function_name: name, parameters }, pair);
    expect((await invoke('typed', { email: 'a@b.c' })).structuredContent.event).toEqual({ email: 'a@b.c' });
    expect((await invoke('typed', { email: 5 })).content[0].text).toMatch(/^INVALID_ARGUMENTS: Parameter "email"/);
    expect((await invoke('stream', { pieces: ['one ', 'two'] })).content).toEqual([{ type: 'text', text: 'one two' }]);
    expect((await invoke('checked', { reply: 'three' })).content[0].text).toContain('output schema');
    const refused = await invoke('unknown', {});
    expect(refused).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('is not valid') }] });
    expect(pair.violations).toEqual([]);
  });
});

verifies('2.17', 'server instructions are given, and a caller that asks for logs hears of each call', async () => {
  const introduced = (await modern(gateway, '/registry').request('server/discover')).result as Parsed;
  expect(introduced.instructions).toMatch(/^These tools are Lambda functions/);
  const logs = async (args: Json, level: string): Promise<unknown[]> => {
    const meta = { 'io.modelcontextprotocol/logLevel': level };
    const { messages } = await client.request('tools/call', { name: 'reply', arguments: args }, { meta });
    return messages
      .filter((each) => each['method'] === 'notifications/message')
      .map((each) => (each['params'] as Json)['data']);
  };
  expect(await logs({ reply: 1 }, 'info')).toEqual([
    'Invoking function reply.',
    expect.stringMatching(/^Function reply \(version \$LATEST\) answered after \d+ ms\.$/),
  ]);
  expect(await logs({ fail: true }, 'error')).toEqual([expect.stringContaining('told to fail')]);
  const silent = await client.request('tools/call', { name: 'reply', arguments: { reply: 1 } });
  expect(silent.messages).toHaveLength(1);
});

verifies(
  'F-41',
  'a function that outlives its time is a result that says after how long, and that it may have run',
  async () => {
    const late = await call('reply', { hang: true });
    expect(late).toMatchObject({
      isError: true,
      _meta: { 'io.zeroplane/error': { code: 'FUNCTION_TIMEOUT', retryable: true } },
    });
    expect(late.content[0].text).toMatch(/Function "reply" timed out after 1000 ms and may have run\./);
  },
);

verifies(
  'F-41',
  'a function that outlives its time five times in a row is left alone, and others are not',
  async () => {
    const slow = { ...codeOf('reply'), timeoutSeconds: 1, concurrency: 5 };
    const config: ConfigInput = { functions: { slow, well: codeOf('reply') } };
    await withGateway({ config }, async (at) => {
      const caller = modern(at);
      const codeFor = async (name: string, args: Json): Promise<unknown> => {
        const result = await call(name, args, caller);
        return result._meta?.['io.zeroplane/error']?.code ?? result.content[0].text;
      };
      const late = await Promise.all([1, 2, 3, 4, 5].map(() => codeFor('slow', { hang: true })));
      expect(late).toEqual(Array.from({ length: 5 }, () => 'FUNCTION_TIMEOUT'));
      const refused = await call('slow', { reply: 'not asked' }, caller);
      expect(refused.content[0].text).toMatch(
        /^TARGET_BREAKER_OPEN: The function "slow" failed 5 times in a row and is tried again in \d+ s; this call was not sent\./,
      );
      expect(await codeFor('well', { reply: 'asked' })).toBe('asked');
    });
  },
);

verifies(
  '4.43',
  'what is too large, too much or not there is told before or instead of the function, with a next step',
  async () => {
    const large = await call('reply', { large: 7 * 1024 * 1024 });
    expect(large).toMatchObject({ isError: true, _meta: { 'io.zeroplane/error': { code: 'PAYLOAD_TOO_LARGE' } } });
    expect(large.content[0].text).toContain('reference to stored data or stream its answer');
    // Three at once where two may run: the third waits for its turn.
    const all = await Promise.all([1, 2, 3].map((reply) => call('reply', { reply })));
    expect(all.map((result) => result.content[0].text)).toEqual(['1', '2', '3']);
  },
);

// ------------------------------------------------------------------------------------------- AWS

interface Canned {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

const refusal = (
  status: number,
  type: string,
  message: string,
  more: Readonly<Record<string, string>> = {},
): Canned => ({
  status,
  headers: { 'x-amzn-errortype': type, 'content-type': 'application/json', ...more },
  body: JSON.stringify({ Type: 'User', message, Message: message }),
});
const functionError = (body: string): Canned => ({ headers: { 'x-amz-function-error': 'Unhandled' }, body });

/** What Lambda may answer, and the code, words and number of requests that become of it. */
const ANSWERS: Readonly<Record<string, readonly [Canned, string, RegExp, number]>> = {
  throttled: [
    refusal(429, 'TooManyRequestsException', 'Rate Exceeded.'),
    'FUNCTION_THROTTLED',
    /Try again in a moment/,
    3,
  ],
  broken: [refusal(500, 'ServiceException', 'Internal'), 'TARGET_UNAVAILABLE', /could not answer.*may have run/s, 1],
  busy: [
    refusal(503, 'ServiceUnavailableException', 'Unavailable'),
    'TARGET_UNAVAILABLE',
    /could not answer.*may have run/s,
    1,
  ],
  denied: [refusal(403, 'AccessDeniedException', 'not authorized'), 'FUNCTION_DENIED', /lambda:InvokeFunction/, 1],
  gone: [refusal(404, 'ResourceNotFoundException', 'Function not found'), 'FUNCTION_NOT_FOUND', /correct the ARN/, 1],
  'too-large-event': [refusal(413, 'RequestTooLargeException', 'too large'), 'PAYLOAD_TOO_LARGE', /Send less/, 1],
  threw: [
    functionError('{"errorType":"KeyError","errorMessage":"email","stackTrace":["  File \\"/var/task/app.py\\""]}'),
    'FUNCTION_FAILED',
    /KeyError: email\. If the arguments are right/,
    1,
  ],
  late: [
    functionError('{"errorMessage":"1b2c Task timed out after 3.00 seconds"}'),
    'FUNCTION_TIMEOUT',
    /after 3000 ms and may have run/,
    1,
  ],
  'too-large-answer': [
    functionError('{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded"}'),
    'PAYLOAD_TOO_LARGE',
    /has run, and its answer is larger/,
    1,
  ],
  'malformed-error': [functionError('<html>'), 'FUNCTION_FAILED', /failed with Error: <html>/, 1],
  'malformed-result': [{ body: '{"jsonrpc":"2.0","id":1}' }, 'FUNCTION_FAILED', /without result and error/, 1],
  binary: [
    { body: JSON.stringify({ statusCode: 200, isBase64Encoded: true, body: '//79' }) },
    'FUNCTION_FAILED',
    /no text, picture or sound/,
    1,
  ],
};

/** Answers each function with the entry of its name, and counts. */
async function fakeLambda(): Promise<{
  readonly server: Server;
  readonly url: string;
  readonly count: Map<string, number>;
}> {
  const count = new Map<string, number>();
  const server = createServer((request, response) => {
    const name = decodeURIComponent(/function(?:%3A|:)([\w-]+)/i.exec(request.url ?? '')?.[1] ?? '');
    count.set(name, (count.get(name) ?? 0) + 1);
    const [{ status = 200, headers = {}, body }] = ANSWERS[name] ?? [{ body: name === 'empty' ? '' : 'not JSON' }];
    request
      .resume()
      .on('end', () => response.writeHead(status, { 'x-amz-executed-version': '3', ...headers }).end(body));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, count };
}

verifies(
  'F-42 2.14',
  'whatever Lambda answers is one result that says what to do, sent again only when it surely has not run',
  async () => {
    const { server, url, count } = await fakeLambda();
    const store = await openMemoryStore({ clock: systemClock });
    const registrations = new RegistrationStore({ store, clock: systemClock, ids: systemIds, audit: auditOn(store) });
    const egress = createEgress({ allow: [], clock: systemClock });
    const env = { AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'us-east-1' };
    const options = { endpoint: url, env, egress, clock: systemClock, log: silentLog, random: () => 0 };
    const names = [...Object.keys(ANSWERS), 'empty', 'plain'];
    const target = new FunctionTarget({
      invoker: new AwsFunctionInvoker(new AwsClients(options), options),
      registrations,
      store,
      clock: systemClock,
      log: silentLog,
      functions: names.map((name) => ({
        name,
        functionName: `arn:aws:lambda:us-east-1:123456789012:function:${name}`,
        event: name === 'malformed-result' ? ('mcp' as const) : undefined,
      })),
    });
    const bare = await startBare({ targets: [target] });
    try {
      const aws = new WireClient({ url: bare.mcp, era: 'modern', token: 'ada@team-x' });
      for (const [name, [, code, words, requests]] of Object.entries(ANSWERS)) {
        const result = await call(name.replaceAll('-', '_'), {}, aws);
        expect(result, name).toMatchObject({ isError: true, _meta: { 'io.zeroplane/error': { code } } });
        expect(result.content[0].text, name).toMatch(words);
        expect(result.content[0].text, name).not.toContain('/var/task');
        expect(count.get(name), name).toBe(requests);
      }
      expect(await call('plain', {}, aws)).toMatchObject({ content: [{ type: 'text', text: 'not JSON' }] });
      expect(await call('empty', {}, aws)).toMatchObject({ content: [{ type: 'text', text: 'null' }] });
      expect(aws.violations).toEqual([]);
    } finally {
      await bare.close();
      await target.close();
      registrations.close();
      egress.close();
      await store.close();
      server.close();
    }
  },
);
