/** The contract of the serverless orchestrator (seed 004), over HTTP, with functions that really run. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BY_ADA, auditOn } from '../fixtures/audit.ts';
import { openMemoryStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock, systemIds } from '../../src/adapters/embedded/system.ts';
import { runForTest } from '../../src/cli/run-for-test.ts';
import { parseRegistration } from '../../src/registry/registration.ts';
import { RegistrationStore } from '../../src/registry/registration-store.ts';
import { startBare, startInstance } from '../fixtures/assembled.ts';
import type { Assembled } from '../fixtures/assembled.ts';
import { eventsOf, exchange, textOf } from '../fixtures/http-exchange.ts';
import type { Exchange } from '../fixtures/http-exchange.ts';
import { define, scriptedTarget } from '../fixtures/instance.ts';
import type { Json } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { verifies } from './verifies.ts';

/** Answers with `event.reply` when there is one, fails on `event.fail`, else says what it received. */
const HANDLER = `
export const handler = async (event, context) => {
  if (event.fail) { const error = new TypeError('told to fail'); throw error; }
  if (event.args?.fail) throw new TypeError('told to fail');
  if (event.action === 'list') return { resources: [{ uri: 'notes://list/one', name: 'one' }] };
  if (event.action === 'complete') return { values: ['alpha', 'beta'] };
  if (event.reply !== undefined) return event.reply;
  return { event, custom: context.clientContext?.custom ?? context.clientContext?.Custom ?? null, arn: context.invokedFunctionArn };
};
`;

let folder = '';
let gateway: Assembled & { readonly token: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-orchestrator-'));
  await writeFile(join(folder, 'index.mjs'), HANDLER);
  gateway = await startInstance({
    config: {
      server: { name: 'MCP Lambda Server', version: '1.1.0' },
      functions: { name: { handler: 'index.handler', code: folder, description: 'Says what it received.' } },
    },
  });
});

afterAll(async () => {
  await gateway?.close();
  await rm(folder, { recursive: true, force: true });
});

/** What `JSON.parse` gives: the tests look at it field by field. */
type Parsed = ReturnType<typeof JSON.parse>;

interface Answer {
  readonly status: number;
  readonly headers: Exchange['headers'];
  readonly text: string;
  readonly value: Parsed;
}

async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  at: { url: string; token: string } = gateway,
): Promise<Answer> {
  const response = await exchange({
    url: `${at.url}${path}`,
    method,
    headers: {
      authorization: `Bearer ${at.token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await textOf(response.body);
  const isJson = /json/.test(response.headers['content-type'] ?? '');
  return {
    status: response.status,
    headers: response.headers,
    text,
    value: isJson && text ? JSON.parse(text) : undefined,
  };
}

/** As the document prints it. */
const PRINTED = {
  type: 'tool',
  name: 'data_processor',
  description: 'Utility for data manipulation',
  lambdaArn: 'arn:aws:lambda:region:account:function:name',
  parameters: { payload: 'object' },
};

const registration = (name: string, more: Json = {}): Json => ({ ...PRINTED, name, ...more });

async function register(name: string, more: Json = {}): Promise<Parsed> {
  const answer = await send('POST', '/register', registration(name, more));
  expect(answer.status).toBe(201);
  return answer.value;
}

interface Stream {
  readonly response: Exchange;
  /** The address of `endpoint`. */
  readonly address: string;
  /** Text of each `message` event, in order. */
  readonly data: string[];
  /** Waits for the message with this id. */
  answer(id: unknown): Promise<Parsed>;
  post(body: unknown): Promise<Answer>;
  close(): void;
}

/** A client as the document describes it: parses every `data:` line and knows nothing else. */
async function stream(path = '/sse', at: { url: string; token: string } = gateway): Promise<Stream> {
  const headers = { authorization: `Bearer ${at.token}`, accept: 'text/event-stream', connection: 'keep-alive' };
  const response = await exchange({ url: `${at.url}${path}`, method: 'GET', headers });
  expect(response.status).toBe(200);
  const events = eventsOf(response.body);
  const first = await events.next();
  if (first.done === true) throw new Error('the stream is empty');
  expect(first.value.event).toBe('endpoint');
  const data: string[] = [];
  const waiting = new Map<unknown, (message: unknown) => void>();
  void (async () => {
    for await (const event of events) {
      if (event.data === '') continue;
      expect(event.event).toBe('message');
      data.push(event.data);
      const message = JSON.parse(event.data) as Json;
      waiting.get(message['id'])?.(message);
    }
  })().catch(() => undefined);
  return {
    response,
    address: first.value.data,
    data,
    answer: (id) =>
      new Promise((resolve) => {
        const known = data.map((text) => JSON.parse(text) as Json).find((message) => message['id'] === id);
        if (known === undefined) waiting.set(id, resolve);
        else resolve(known);
      }),
    post: (body) => send('POST', first.value.data, body, {}, at),
    close: () => response.abort(),
  };
}

async function ask(session: Stream, id: string | number, method: string, params: Json = {}): Promise<Parsed> {
  const accepted = await session.post({ jsonrpc: '2.0', id, method, params });
  expect(accepted.status).toBe(202);
  return session.answer(id);
}

async function until(holds: () => Promise<boolean> | boolean, what: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never happened: ${what}`);
}

const SESSIONS = { name: 'mcp-sse-sessions', partitionKey: 'sessionId' };
const REGISTRATIONS = { name: 'mcp-registrations', partitionKey: 'id' };
const idOf = (session: Stream): string => new URLSearchParams(session.address.split('?')[1]).get('sessionId') ?? '';

// ------------------------------------------------------------------------------------------- two planes

verifies('4.1 4.2', 'what is administered on /register runs on /sse and /message, from two tables', async () => {
  await register('planes', { lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:name' });
  const session = await stream();
  const answer = await ask(session, 1, 'tools/call', { name: 'planes', arguments: { payload: 1 } });
  expect(answer.result.structuredContent.arn).toMatch(/:function:name$/);
  const tables = gateway.store.store('team-x');
  expect(await tables.table(SESSIONS).get({ sessionId: idOf(session) })).toMatchObject({ sessionId: idOf(session) });
  expect(await tables.table(REGISTRATIONS).get({ id: 'tool-planes' })).toMatchObject({ id: 'tool-planes' });
  session.close();
});

verifies('4.7', 'the server calls itself what the configuration says', async () => {
  const session = await stream();
  const params = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
  const answer = await ask(session, 1, 'initialize', params);
  expect(answer.result.serverInfo).toEqual({ name: 'MCP Lambda Server', version: '1.1.0' });
  expect(answer.result.protocolVersion).toBe('2024-11-05');
  session.close();
});

verifies('4.8', 'what was registered before a start is listed, and open streams hear of what comes after', async () => {
  await register('early');
  const next = await startInstance({ store: gateway.store });
  const session = await stream('/sse', next);
  const early = await ask(session, 1, 'tools/list');
  expect(early.result.tools.map((tool: Json) => tool['name'])).toContain('early');
  const startedMs = performance.now();
  const created = await send('POST', '/register', registration('late'), {}, next);
  expect(created.status).toBe(201);
  await until(() => session.data.some((text) => text.includes('notifications/tools/list_changed')), 'list_changed');
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  const late = await ask(session, 2, 'tools/list');
  expect(late.result.tools.map((tool: Json) => tool['name'])).toContain('late');
  session.close();
  await next.close();
});

// ------------------------------------------------------------------------------------------- /register

verifies(
  '4.10',
  'a registration is a tool, a resource or a prompt with a Lambda ARN of any partition and qualifier',
  async () => {
    for (const [type, parameters] of [
      ['tool', { a: 'string' }],
      ['prompt', { a: 'string' }],
      ['resource', { uriTemplate: 'notes://ten/{id}' }],
    ] as const) {
      await register('ten', { type, parameters });
    }
    const arns = [
      'arn:aws:lambda:ap-southeast-2:123456789012:function:name',
      'arn:aws-cn:lambda:cn-north-1:123456789012:function:name:7',
      'arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:name:live',
      'arn:aws:lambda:region:account:function:name',
    ];
    for (const lambdaArn of arns)
      expect((await send('POST', '/register?upsert=true', registration('partitions', { lambdaArn }))).status).toBe(201);
    for (const lambdaArn of ['arn:aws:s3:::bucket', 'name', '', 7, 'arn:aws:lambda:region:account'])
      expect((await send('POST', '/register', registration('bad', { lambdaArn }))).status).toBe(400);
    expect((await send('POST', '/register', registration('bad', { type: 'thing' }))).status).toBe(400);
  },
);

verifies('4.11', 'a new registration answers 201 with its id and everything that was sent', async () => {
  const created = await send('POST', '/register', registration('eleven'));
  expect(created.status).toBe(201);
  expect(created.value).toMatchObject({ id: 'tool-eleven', ...registration('eleven') });
  expect(created.headers['content-type']).toBe('application/json');
});

verifies('4.12', 'an invalid body and malformed JSON answer 400 with error and details', async () => {
  const invalid = await send('POST', '/register', { type: 'tool', name: 'twelve' });
  const malformed = await send('POST', '/register', '{"type":');
  for (const answer of [invalid, malformed]) {
    expect(answer.status).toBe(400);
    expect(answer.value.error).toBe('Invalid registration data');
    expect(Array.isArray(answer.value.details)).toBe(true);
    expect(answer.value.details.length).toBeGreaterThan(0);
  }
  expect(invalid.value.details.map((detail: Json) => detail['path'])).toEqual([
    'description',
    'lambdaArn',
    'parameters',
  ]);
});

verifies('4.13', 'an existing id answers 409 and is overwritten on request', async () => {
  await register('thirteen');
  const again = await send('POST', '/register', registration('thirteen', { description: 'another' }));
  expect(again.status).toBe(409);
  expect((await send('GET', '/register/tool-thirteen')).value.description).toBe(PRINTED.description);
  const over = await send('POST', '/register?upsert=true', registration('thirteen', { description: 'another' }));
  expect(over.status).toBe(201);
  expect((await send('GET', '/register/tool-thirteen')).value.description).toBe('another');
});

verifies('4.14', 'PUT replaces the whole body and refuses what the contract refuses', async () => {
  await register('fourteen');
  const replaced = await send('PUT', '/register/tool-fourteen', registration('fourteen', { description: 'new' }));
  expect(replaced.status).toBe(200);
  expect(replaced.value).toMatchObject({ id: 'tool-fourteen', description: 'new' });
  expect((await send('PUT', '/register/tool-absent', registration('absent'))).status).toBe(404);
  const renamed = await send('PUT', '/register/tool-fourteen', registration('other'));
  expect(renamed.status).toBe(400);
  expect(renamed.value.error).toBe('Cannot change registration ID');
  expect((await send('PUT', '/register', registration('fourteen'))).status).toBe(400);
  const broken = await send('PUT', '/register/tool-fourteen', '{"type":"tool"');
  expect(broken.status).toBe(400);
  expect(broken.value.error).toBe('Invalid registration data');
  expect((await send('PUT', '/register/tool-fourteen', { type: 'tool', name: 'fourteen' })).status).toBe(400);
});

verifies('4.15', 'DELETE answers 204 and nothing else, then 404', async () => {
  await register('fifteen');
  const removed = await send('DELETE', '/register/tool-fifteen');
  expect(removed.status).toBe(204);
  expect(removed.text).toBe('');
  expect((await send('DELETE', '/register/tool-fifteen')).status).toBe(404);
  expect((await send('DELETE', '/register')).status).toBe(400);
  const session = await stream();
  const gone = await ask(session, 1, 'tools/call', { name: 'fifteen', arguments: {} });
  expect(gone.error.code).toBe(-32602);
  session.close();
});

verifies('4.16', 'GET lists every registration, however large the list, and one by its id', async () => {
  const store = await openMemoryStore({ clock: systemClock });
  const registrations = new RegistrationStore({ store, clock: systemClock, ids: systemIds, audit: auditOn(store) });
  // 150 of 8 kB are more than one scan of a megabyte would bring.
  const definition = await parseRegistration(registration('many', { description: 'x'.repeat(8_000) }));
  const names = Array.from({ length: 150 }, (_, i) => `many${i}`);
  await Promise.all(names.map((name) => registrations.create('team-x', { ...definition, name }, { by: BY_ADA })));
  registrations.close();
  const next = await startInstance({ store });
  const all = await send('GET', '/register', undefined, {}, next);
  expect(all.status).toBe(200);
  expect(all.text.length).toBeGreaterThan(1_048_576);
  expect(new Set(all.value.map((each: Json) => each['id'])).size).toBe(150);
  expect((await send('GET', '/register/tool-many7', undefined, {}, next)).value).toMatchObject({ name: 'many7' });
  expect((await send('GET', '/register/tool-none', undefined, {}, next)).status).toBe(404);
  await next.close();
  await store.close();
});

verifies('4.17', 'other methods answer 405 with Allow, other paths 404', async () => {
  const patched = await send('PATCH', '/register/tool-x', '{}');
  expect(patched.status).toBe(405);
  expect(patched.headers['allow']).toContain('PUT');
  expect(patched.value.error).toBe('Method not allowed');
  expect((await send('PATCH', '/register', '{}')).status).toBe(405);
  for (const path of ['/register/a/b', '/registered', '/other', '/']) {
    const answer = await send('GET', path);
    expect(answer.status).toBe(404);
    expect(answer.value.error).toBe('Not found');
  }
});

verifies('4.18', 'the id is taken from the raw path, encoded or not', async () => {
  await register('eighteen.a-b');
  expect((await send('GET', '/register/tool-eighteen.a-b')).value.name).toBe('eighteen.a-b');
  expect((await send('GET', '/register/tool%2Deighteen%2Ea-b')).value.name).toBe('eighteen.a-b');
  expect((await send('GET', '/register/tool-eighteen.a-b?x=1')).status).toBe(200);
});

verifies(
  '4.19',
  'parameters are shorthand, nested shorthand, or JSON Schema, and are what tools/list shows',
  async () => {
    const nested = {
      text: 'string',
      count: 'number',
      whole: 'integer',
      flag: 'boolean',
      any: 'object',
      list: 'array',
      maybe: { type: 'string', optional: true },
      tags: { type: 'array', items: 'string' },
      place: { type: 'object', properties: { city: 'string' } },
    };
    await register('nineteen', { parameters: nested });
    const schema = {
      type: 'object',
      properties: { n: { type: 'integer', minimum: 1 } },
      required: ['n'],
      additionalProperties: false,
    };
    await register('nineteen_schema', { parameters: schema });
    const session = await stream();
    const { result } = await ask(session, 1, 'tools/list');
    const shown = (name: string): Parsed => result.tools.find((tool: Json) => tool['name'] === name).inputSchema;
    expect(shown('nineteen')).toMatchObject({
      type: 'object',
      properties: {
        text: { type: 'string' },
        count: { type: 'number' },
        whole: { type: 'integer' },
        flag: { type: 'boolean' },
        list: { type: 'array' },
        maybe: { type: 'string' },
        tags: { type: 'array', items: { type: 'string' } },
        place: { type: 'object', properties: { city: { type: 'string' } } },
      },
    });
    expect(shown('nineteen').properties.any).not.toHaveProperty('type');
    expect((shown('nineteen').required as string[]).toSorted()).toEqual([
      'any',
      'count',
      'flag',
      'list',
      'place',
      'tags',
      'text',
      'whole',
    ]);
    expect(shown('nineteen_schema')).toMatchObject(schema);
    const wrong = await ask(session, 2, 'tools/call', { name: 'nineteen_schema', arguments: { n: 0 } });
    expect(wrong.result.isError).toBe(true);
    expect((await send('POST', '/register', registration('bad', { parameters: { a: 'text' } }))).status).toBe(400);
    session.close();
  },
);

verifies('4.20', 'a resource has a URI template, and completions as lists or from a function', async () => {
  const parameters = {
    uriTemplate: 'notes://twenty/{id}/{kind}',
    completions: { id: ['red', 'rose', 'blue'], kind: PRINTED.lambdaArn },
  };
  await register('twenty', { type: 'resource', parameters });
  const session = await stream();
  const templates = await ask(session, 1, 'resources/templates/list');
  expect(templates.result.resourceTemplates.map((each: Json) => each['uriTemplate'])).toContain(parameters.uriTemplate);
  const ref = { type: 'ref/resource', uri: parameters.uriTemplate };
  const listed = await ask(session, 2, 'completion/complete', { ref, argument: { name: 'id', value: 'r' } });
  expect(listed.result.completion.values).toEqual(['red', 'rose']);
  const asked = await ask(session, 3, 'completion/complete', { ref, argument: { name: 'kind', value: 'al' } });
  expect(asked.result.completion.values).toEqual(['alpha']);
  const code = await send(
    'POST',
    '/register',
    registration('bad', { type: 'resource', parameters: { uriTemplate: 'no template' } }),
  );
  expect(code.status).toBe(400);
  session.close();
});

verifies('4.21', 'parameters are stored as a JSON string and answered as they were sent', async () => {
  await register('twentyone', { parameters: { payload: 'object', n: 'integer' } });
  const item = await gateway.store.store('team-x').table(REGISTRATIONS).get({ id: 'tool-twentyone' });
  expect(item?.['parameters']).toBe('{"payload":"object","n":"integer"}');
  const read = await send('GET', '/register/tool-twentyone');
  expect(read.value.parameters).toEqual({ payload: 'object', n: 'integer' });
});

// ------------------------------------------------------------------------------------------- /sse, /message

verifies('4.30', 'a stream has its headers as real HTTP headers, under any prefix', async () => {
  const session = await stream();
  expect(session.response.headers['content-type']).toMatch(/^text\/event-stream/);
  expect(session.response.headers['cache-control']).toContain('no-cache');
  expect(session.response.headers['connection']).toBe('keep-alive');
  expect(session.response.headers).not.toHaveProperty('access-control-allow-origin');
  session.close();
  const prefixed = await stream('/default/sse');
  expect(prefixed.address).toMatch(/^\/default\/message\?sessionId=/);
  expect((await ask(prefixed, 1, 'ping')).result).toEqual({});
  prefixed.close();
  const open = await startInstance({ config: { compat: ['004'], cors: { origins: ['*'] } } });
  const headers = { authorization: `Bearer ${open.token}`, origin: 'https://app.example.com' };
  const any = await exchange({ url: `${open.url}/sse`, method: 'GET', headers });
  expect(any.headers['access-control-allow-origin']).toBe('*');
  any.abort();
  await open.close();
});

verifies('4.31', 'the first event names the address with the session id', async () => {
  const session = await stream();
  expect(session.address).toMatch(
    /^\/message\?sessionId=[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  session.close();
});

verifies(
  '4.32',
  'every further event is one message whose data is JSON, as onmessage and JSON.parse want it',
  async () => {
    await register('thirtytwo', { parameters: { reply: 'object' } });
    const session = await stream();
    // Text with line breaks of every kind must stay on one line of data.
    const text = 'a\nb\r\nc\u2028d\u0085e';
    const answer = await ask(session, 1, 'tools/call', {
      name: 'thirtytwo',
      arguments: { reply: { content: [{ type: 'text', text }] } },
    });
    expect(answer).toEqual({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } });
    expect(session.data.filter((line) => 'id' in JSON.parse(line))).toHaveLength(1);
    session.close();
  },
);

verifies('4.33', 'a message is accepted with 202, its id a string or a number that comes back as it was', async () => {
  const session = await stream();
  for (const id of ['req-456', '', 0, -7, 9_007_199_254_740_991]) {
    const accepted = await session.post({ jsonrpc: '2.0', id, method: 'ping' });
    expect(accepted.status).toBe(202);
    expect(accepted.value).toEqual({ status: 'Message accepted' });
    expect(accepted.headers['content-type']).toMatch(/^application\/json/);
    expect(await session.answer(id)).toEqual({ jsonrpc: '2.0', id, result: {} });
  }
  const noted = await session.post({ jsonrpc: '2.0', method: 'notifications/initialized' });
  expect([noted.status, noted.value]).toEqual([202, { status: 'Message accepted' }]);
  session.close();
});

verifies(
  '4.34',
  'a method that is the name of a tool calls it; names of the protocol win; others are unknown',
  async () => {
    await register('direct', { parameters: { payload: 'object' } });
    await register('ping');
    const session = await stream();
    const called = await ask(session, 1, 'direct', { payload: { deep: [1, 2] } });
    expect(called.result.structuredContent.event).toEqual({ payload: { deep: [1, 2] } });
    expect((await ask(session, 2, 'ping')).result).toEqual({});
    const unknown = await ask(session, 3, 'no_such_tool', { payload: 1 });
    expect(unknown.error.code).toBe(-32601);
    const elsewhere = await send('POST', '/mcp', { jsonrpc: '2.0', id: 4, method: 'direct', params: { payload: 1 } });
    expect(elsewhere.value.error.code).toBe(-32601);
    session.close();
  },
);

verifies('4.35', 'the whole protocol of 2024-11-05 runs on a stream', async () => {
  await register('std', { parameters: { payload: 'object' } });
  await register('std', { type: 'prompt', parameters: { topic: 'string' } });
  await register('std', { type: 'resource', parameters: { uriTemplate: 'notes://std/{id}' } });
  const wire = await new WireClient({ url: `${gateway.url}/sse`, era: 'sse', token: gateway.token }).open();
  const list = async (method: string, member: string, key: string): Promise<unknown[] | undefined> =>
    ((await wire.request(method)).result as Record<string, Json[]>)[member]?.map((each) => each[key]);
  expect((await wire.request('ping')).result).toEqual({});
  expect(await list('tools/list', 'tools', 'name')).toContain('std');
  expect(await list('prompts/list', 'prompts', 'name')).toContain('std');
  expect(await list('resources/templates/list', 'resourceTemplates', 'uriTemplate')).toContain('notes://std/{id}');
  expect(await list('resources/list', 'resources', 'uri')).toContain('notes://list/one');
  const call = await wire.request('tools/call', { name: 'std', arguments: { payload: 1 } });
  expect(call.result?.['content']).toHaveLength(1);
  const prompt = await wire.request('prompts/get', { name: 'std', arguments: { topic: 'sea' } });
  expect(prompt.result?.['messages']).toHaveLength(1);
  const read = await wire.request('resources/read', { uri: 'notes://std/5' });
  expect(read.result).toMatchObject({ contents: [{ uri: 'notes://std/5' }] });
  const completed = await wire.request('completion/complete', {
    ref: { type: 'ref/resource', uri: 'notes://std/{id}' },
    argument: { name: 'id', value: '' },
  });
  expect(completed.result?.['completion']).toMatchObject({ values: [] });
  expect((await wire.request('tools/nothing')).error?.code).toBe(-32601);
  expect(wire.violations.filter((text) => text.startsWith('server'))).toEqual([]);
  await wire.close();
});

verifies(
  '4.36',
  'absent or wrong credentials are 401, an unknown or foreign session 404, too much 429 with Retry-After',
  async () => {
    for (const path of ['/sse', '/register']) {
      const none = await exchange({ url: `${gateway.url}${path}`, method: 'GET', headers: {} });
      expect(none.status).toBe(401);
      expect(none.headers['www-authenticate']).toMatch(/^Bearer/);
      await textOf(none.body);
      expect((await send('GET', path, undefined, { authorization: 'Bearer wrong' })).status).toBe(401);
    }
    expect((await send('POST', '/message?sessionId=x', '{}', { authorization: 'Bearer wrong' })).status).toBe(401);
    expect(
      (await send('POST', '/message?sessionId=session-123', { jsonrpc: '2.0', id: 1, method: 'ping' })).status,
    ).toBe(404);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow = scriptedTarget(
      'slow',
      [define('tool', { name: 'wait', inputSchema: { type: 'object' } })],
      async () => {
        await held;
        return '{"content":[]}';
      },
    );
    const bare = await startBare({ targets: [slow], limits: { inFlight: 8, inFlightPerPrincipal: 2 } });
    const at = { url: bare.url, token: 'ann@team-x' };
    const session = await stream('/sse', at);
    const foreign = await send(
      'POST',
      session.address,
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      {},
      { ...at, token: 'bob@team-x' },
    );
    expect(foreign.status).toBe(404);
    expect(foreign.value.error).toBe('Session invalid');
    for (const id of [1, 2])
      expect((await session.post({ jsonrpc: '2.0', id, method: 'slow___wait', params: {} })).status).toBe(202);
    const third = await session.post({ jsonrpc: '2.0', id: 3, method: 'slow___wait', params: {} });
    expect(third.status).toBe(429);
    expect(Number(third.headers['retry-after'])).toBeGreaterThan(0);
    release();
    await session.answer(2);
    await until(
      async () => (await session.post({ jsonrpc: '2.0', id: 4, method: 'ping' })).status === 202,
      'room again',
    );
    session.close();
    await bare.close();
  },
);

verifies('4.37', 'what is missing or malformed on /message has its status and its words', async () => {
  const session = await stream();
  const refused: [string, unknown, number, string][] = [
    ['/message', { jsonrpc: '2.0', id: 1, method: 'ping' }, 400, 'Missing sessionId query parameter'],
    ['/message?sessionId=', { jsonrpc: '2.0', id: 1, method: 'ping' }, 400, 'Missing sessionId query parameter'],
    [session.address, '', 400, 'Missing request body, expected a raw JSON-RPC message string'],
    [session.address, '  \n', 400, 'Missing request body, expected a raw JSON-RPC message string'],
    [session.address, '{"jsonrpc":"2.0"', 400, 'Invalid JSON-RPC format'],
    [session.address, '{"id":1,"method":"ping"}', 400, 'Invalid JSON-RPC format'],
    [session.address, '[]', 400, 'Invalid JSON-RPC format'],
    [session.address, '"ping"', 400, 'Invalid JSON-RPC format'],
    [session.address, '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 400, 'Invalid JSON-RPC format'],
    [
      '/message?sessionId=6f1f7d0e-0000-4000-8000-000000000000',
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      404,
      'Session invalid',
    ],
    ['/nothing', { jsonrpc: '2.0', id: 1, method: 'ping' }, 404, 'Not found'],
  ];
  for (const [path, body, status, error] of refused) {
    const answer = await send('POST', path, body);
    expect([path, answer.status, answer.value?.error]).toEqual([path, status, error]);
  }
  const notText = await exchange({
    url: `${gateway.url}${session.address}`,
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' },
    body: Buffer.from([0x7b, 0xff, 0x7d]) as unknown as string,
  });
  expect(notText.status).toBe(400);
  expect(JSON.parse(await textOf(notText.body)).error).toBe('Invalid JSON-RPC format');
  expect(session.data).toEqual([]);
  session.close();
});

verifies('4.37', 'a fault of our own is 500 with the words that clients know, on every plane', async () => {
  const fail = (): never => {
    throw new TypeError('a fault');
  };
  const bare = await startBare({
    targets: [],
    store: { label: 'embedded', store: fail, systemStore: fail, check: fail, close: () => Promise.resolve() },
  });
  const answer = await send('GET', '/sse', undefined, {}, { url: bare.url, token: 'ann@team-x' });
  expect(answer.status).toBe(500);
  expect(answer.value.error).toBe('Internal server error');
  expect(answer.text).not.toContain('a fault');
  await bare.close();
});

verifies('4.38', 'each request is answered once, and nothing is written after the end', async () => {
  const finished: (() => void)[] = [];
  const target = scriptedTarget(
    'one',
    [define('tool', { name: 'slow', inputSchema: { type: 'object' } })],
    async () => {
      await new Promise<void>((resolve) => finished.push(resolve));
      return '{"content":[]}';
    },
  );
  const bare = await startBare({ targets: [target] });
  const session = await stream('/sse', { url: bare.url, token: 'ann@team-x' });
  const ids = Array.from({ length: 40 }, (_, i) => i);
  await Promise.all(ids.map((id) => session.post({ jsonrpc: '2.0', id, method: id % 2 ? 'ping' : 'tools/list' })));
  await Promise.all(ids.map((id) => session.answer(id)));
  // The first list of a target is a change, and may be told meanwhile.
  const answered = (): unknown[] =>
    session.data.map((text) => (JSON.parse(text) as { id?: unknown }).id).filter((id) => id !== undefined);
  expect(answered().toSorted((a, b) => Number(a) - Number(b))).toEqual(ids);
  await session.post({
    jsonrpc: '2.0',
    id: 'late',
    method: 'tools/call',
    params: { name: 'one___slow', arguments: {} },
  });
  await until(() => finished.length === 1, 'the call runs');
  session.close();
  await until(
    async () => (await session.post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status === 404,
    'the session ends',
  );
  finished[0]?.();
  // A second stream works on as if nothing had been.
  const other = await stream('/sse', { url: bare.url, token: 'ann@team-x' });
  expect((await ask(other, 1, 'ping')).result).toEqual({});
  expect(answered()).toHaveLength(40);
  other.close();
  await bare.close();
});

verifies(
  '4.39',
  'the session row is there from connect to close, and its time to live ends it after a crash',
  async () => {
    const table = gateway.store.store('team-x').table(SESSIONS);
    const session = await stream();
    const row = await table.get({ sessionId: idOf(session) });
    expect(row).toMatchObject({ sessionId: idOf(session), principal: 'you@dev' });
    const lifeSeconds = Number(row?.['expiresAt']) - Date.now() / 1000;
    expect(lifeSeconds).toBeGreaterThan(3_000);
    expect(lifeSeconds).toBeLessThan(24 * 3_600);
    session.close();
    await until(async () => (await table.get({ sessionId: idOf(session) })) === undefined, 'the row is deleted');
    expect((await session.post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status).toBe(404);
    // What a dead process left behind: a row in the past is not read any more, and its session is unknown.
    await table.put({ sessionId: 'left-behind', principal: 'you@dev', expiresAt: Math.floor(Date.now() / 1000) - 1 });
    expect(await table.get({ sessionId: 'left-behind' })).toBeUndefined();
    expect(
      (await send('POST', '/message?sessionId=left-behind', { jsonrpc: '2.0', id: 1, method: 'ping' })).status,
    ).toBe(404);
  },
);

// ------------------------------------------------------------------------------------------- functions

verifies(
  '4.41',
  'a tool receives its bare arguments and who asks, or {args, extra}; prompts and resources the shapes of old',
  async () => {
    await register('fortyone', { parameters: { payload: 'object' } });
    await register('fortyone_extra', { parameters: { payload: 'object' }, event: 'args-extra' });
    await register('fortyone', { type: 'prompt', parameters: { topic: 'string' } });
    await register('fortyone', { type: 'resource', parameters: { uriTemplate: 'notes://fortyone/{id}' } });
    const session = await stream();
    const bare = await ask(session, 1, 'tools/call', { name: 'fortyone', arguments: { payload: 5 } });
    expect(bare.result.structuredContent.event).toEqual({ payload: 5 });
    expect(bare.result.structuredContent.custom).toMatchObject({
      bedrockAgentCoreMessageVersion: '1.0',
      bedrockAgentCoreToolName: 'registry___fortyone',
      zeroplaneTenant: 'team-x',
      zeroplanePrincipal: 'you@dev',
    });
    const extra = await ask(session, 2, 'tools/call', {
      name: 'fortyone_extra',
      arguments: { payload: 5 },
      _meta: { 'example.org/k': 1 },
    });
    expect(extra.result.structuredContent.event).toMatchObject({
      args: { payload: 5 },
      extra: { tenant: 'team-x', principal: 'you@dev', _meta: { 'example.org/k': 1 } },
    });
    const prompt = await ask(session, 3, 'prompts/get', { name: 'fortyone', arguments: { topic: 'sea' } });
    expect(JSON.parse(prompt.result.messages[0].content.text).event).toMatchObject({
      args: { topic: 'sea' },
      extra: { tenant: 'team-x' },
    });
    const read = await ask(session, 4, 'resources/read', { uri: 'notes://fortyone/a%20b' });
    expect(JSON.parse(read.result.contents[0].text).event).toMatchObject({
      action: 'read',
      uri: 'notes://fortyone/a%20b',
      variables: { id: 'a b' },
      extra: { tenant: 'team-x' },
    });
    // `{action:"list"}` is what brought the URI that the function listed.
    const listed = await ask(session, 5, 'resources/list');
    expect(listed.result.resources.map((each: Json) => each['uri'])).toContain('notes://list/one');
    session.close();
  },
);

verifies(
  '4.42',
  'a function answers a result, one inside {statusCode, body} as object or text, or bare; failures are isError',
  async () => {
    await register('fortytwo', {
      parameters: { reply: { type: 'object', optional: true }, fail: { type: 'boolean', optional: true } },
    });
    await register('fortytwo', { type: 'prompt', parameters: { fail: { type: 'string', optional: true } } });
    const session = await stream();
    let id = 0;
    const call = async (args: Json): Promise<Parsed> =>
      (await ask(session, ++id, 'tools/call', { name: 'fortytwo', arguments: args })).result;
    const ready = { content: [{ type: 'text', text: 'hi' }] };
    expect(await call({ reply: ready })).toEqual(ready);
    expect(await call({ reply: { statusCode: 200, body: ready } })).toEqual(ready);
    expect(await call({ reply: { statusCode: 200, body: JSON.stringify(ready) } })).toEqual(ready);
    expect(await call({ reply: { sum: 3 } })).toMatchObject({
      structuredContent: { sum: 3 },
      content: [{ text: '{"sum":3}' }],
    });
    const refused = await call({ reply: { statusCode: 422, body: 'no such thing' } });
    expect(refused).toMatchObject({ isError: true, content: [{ text: 'no such thing' }] });
    const failed = await call({ fail: true });
    expect(failed).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('TypeError: told to fail') }],
    });
    expect(failed.content[0].text).not.toContain('index.mjs');
    const prompt = await ask(session, ++id, 'prompts/get', { name: 'fortytwo', arguments: { fail: 'yes' } });
    expect(prompt.error).toMatchObject({ code: -32603, message: expect.stringContaining('told to fail') });
    session.close();
  },
);

verifies('4.43', 'arguments are checked before the function runs, and each failure says what to do', async () => {
  await register('fortythree', { parameters: { count: 'integer' } });
  await register('fortythree_gone', { lambdaArn: 'arn:aws:lambda:region:account:function:gone' });
  const session = await stream();
  const wrong = await ask(session, 1, 'tools/call', { name: 'fortythree', arguments: { count: 'many' } });
  expect(wrong.result.isError).toBe(true);
  expect(wrong.result.content[0].text).toMatch(/count/);
  expect(wrong.result.content[0].text).toMatch(/tools\/list/);
  const missing = await ask(session, 2, 'fortythree', {});
  expect(missing.result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('count') }] });
  const gone = await ask(session, 3, 'fortythree_gone', { payload: 1 });
  expect(gone.result).toMatchObject({
    isError: true,
    content: [{ text: expect.stringMatching(/"gone".*Add functions\.gone/s) }],
  });
  const unknown = await ask(session, 4, 'tools/call', { name: 'fortythree_none', arguments: {} });
  expect(unknown.error).toMatchObject({ code: -32602, message: 'Unknown tool or not allowed: fortythree_none' });
  expect(unknown.error.data.knownTargets).toContain('registry');
  // The checklist of the text: is the session active, is the method registered, do the parameters conform?
  const unregistered = await ask(session, 5, 'fortythree_none', { payload: 1 });
  expect(unregistered.error).toMatchObject({
    code: -32601,
    message: expect.stringMatching(/fortythree_none.*tools\/list/),
  });
  session.close();
  await until(
    async () => (await session.post({ jsonrpc: '2.0', id: 6, method: 'ping' })).status === 404,
    'it has ended',
  );
  const ended = await session.post({ jsonrpc: '2.0', id: 7, method: 'ping' });
  expect(ended.value).toMatchObject({
    error: 'Session invalid',
    detail: expect.stringContaining('Open GET /sse again'),
  });
});

verifies('4.44', 'the printed registration and the printed message work as printed', async () => {
  const printed = `{
"type": "tool",
"name": "data_processor",
"description": "Utility for data manipulation",
"lambdaArn": "arn:aws:lambda:region:account:function:name",
"parameters": { "payload": "object" }
}`;
  const created = await send('POST', '/register', printed);
  expect(created.status).toBe(201);
  expect(created.value.id).toBe('tool-data_processor');
  const session = await stream();
  const accepted = await session.post(`{
"jsonrpc": "2.0",
"id": "req-456",
"method": "data_processor",
"params": { "payload": "data_input" }
}`);
  expect([accepted.status, accepted.value]).toEqual([202, { status: 'Message accepted' }]);
  const answer = await session.answer('req-456');
  expect(answer.result.structuredContent.event).toEqual({ payload: 'data_input' });
  expect(answer.result.isError).toBeUndefined();
  session.close();
});

verifies('4.44', 'the printed tool is listed and called by the SSE transport of the official SDK', async () => {
  await send('POST', '/register?upsert=true', PRINTED);
  // In a process of its own: the import conditions of these tests would choose a dependency's TypeScript source.
  const script = `
    import { Client } from '@modelcontextprotocol/sdk/client/index.js';
    import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
    const headers = { authorization: 'Bearer ${gateway.token}' };
    const client = new Client({ name: 'sdk', version: '1' }, { capabilities: {} });
    await client.connect(new SSEClientTransport(new URL('${gateway.url}/sse'), { requestInit: { headers } }));
    const { tools } = await client.listTools();
    const called = await client.callTool({ name: 'data_processor', arguments: { payload: 'data_input' } });
    await client.close();
    console.log(JSON.stringify({ names: tools.map((tool) => tool.name), called }));
  `;
  const args = ['--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: 10_000 });
  const { names, called } = JSON.parse(stdout) as { names: string[]; called: Json };
  expect(names).toContain('data_processor');
  expect(called['structuredContent']).toMatchObject({ event: { payload: 'data_input' } });
});

// ------------------------------------------------------------------------------------------- the package

const root = fileURLToPath(new URL('../../', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, Parsed>;

verifies('4.57', 'the scripts are there, and installing asks for no AWS tool', () => {
  for (const script of ['lint', 'test', 'build']) expect(manifest['scripts'], script).toHaveProperty(script);
  for (const hook of ['preinstall', 'install', 'postinstall', 'prepare'])
    expect(manifest['scripts']).not.toHaveProperty(hook);
  expect(readFileSync(join(root, '.npmrc'), 'utf8')).toMatch(/ignore-scripts\s*=\s*true/);
});

// Deployment to AWS has no code yet; the day its script comes, this says so.
test.fails('npm run deploy exists', () => {
  expect(manifest['scripts']).toHaveProperty('deploy');
});

verifies('4.58', 'Node 20 or newer, under the MIT licence, with the steps of a contribution', () => {
  expect(manifest['engines'].node).toMatch(/^>=20/);
  expect(manifest['license']).toBe('MIT');
  expect(readFileSync(join(root, 'LICENSE'), 'utf8')).toContain('MIT License');
  expect(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')).toMatch(/npm (ci|install|test)/);
});

verifies('4.60', 'doctor asks what the checklist asks, and a running instance passes', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'zeroplane-doctor-'));
  await mkdir(join(cwd, '.zeroplane'));
  const note = { pid: process.pid, url: gateway.url, token: gateway.token };
  await writeFile(join(cwd, '.zeroplane', 'instance.json'), JSON.stringify(note));
  const { stdout } = await runForTest(['doctor', '--output', 'json'], { cwd });
  const checks = JSON.parse(stdout) as { name: string; status: string }[];
  const passed = checks.filter((check) => check.status === 'pass').map((check) => check.name);
  // Credentials valid, rights to invoke, network path; session alive, method registered, parameters conform.
  for (const check of ['credentials', 'rights', 'network', 'session', 'registrations', 'parameters'])
    expect(passed, JSON.stringify(checks)).toContain(check);
  await rm(cwd, { recursive: true, force: true });
});

// ------------------------------------------------------------------------------------------- control plane's part

verifies(
  '0.18',
  'with sessions off GET and DELETE answer 405 with Allow, POST answers JSON, and /health says who runs',
  async () => {
    const off = await startInstance({ config: { sessions: 'off' } });
    for (const method of ['GET', 'DELETE']) {
      const answer = await send(method, '/mcp', undefined, { accept: 'text/event-stream' }, off);
      expect(answer.status).toBe(405);
      expect(answer.headers['allow']).toBe('POST');
      expect(answer.value).toEqual({
        jsonrpc: '2.0',
        error: { code: -32000, message: 'Method not allowed' },
        id: null,
      });
    }
    const body = {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
    };
    const accept = { accept: 'application/json, text/event-stream' };
    const started = await send('POST', '/mcp', body, accept, off);
    expect(started.status).toBe(200);
    expect(started.headers).not.toHaveProperty('mcp-session-id');
    const listed = await send('POST', '/mcp', { jsonrpc: '2.0', id: 2, method: 'tools/list' }, accept, off);
    expect(listed.headers['content-type']).toBe('application/json');
    expect(listed.value.result.tools).toEqual([]);
    const health = await exchange({ url: `${off.url}/health`, method: 'GET', headers: {} });
    expect(health.status).toBe(200);
    expect(Object.keys(JSON.parse(await textOf(health.body))).sort()).toEqual(['logStreamName', 'version']);
    await off.close();
  },
);

verifies('0.19', 'what went wrong for one call shows in no other', async () => {
  const bodies = [
    { jsonrpc: '2.0', id: 'a', method: 'tools/call', params: { name: 'first-name', arguments: {} } },
    { jsonrpc: '2.0', id: 'b', method: 'no/such' },
    { jsonrpc: '2.0', id: 'c', method: 'tools/call', params: { name: 'second-name', arguments: {} } },
  ];
  const both = await Promise.all(bodies.map((body) => send('POST', '/mcp', body)));
  const [first, method, second] = both.map((answer) => answer.value);
  expect(first).toMatchObject({ id: 'a', error: { code: -32602, message: 'Unknown tool or not allowed: first-name' } });
  expect(method).toMatchObject({ id: 'b', error: { code: -32601 } });
  expect(method.error.data).not.toHaveProperty('knownTargets');
  expect(second).toMatchObject({
    id: 'c',
    error: { code: -32602, message: 'Unknown tool or not allowed: second-name' },
  });
  expect(first.error.data.requestId).not.toBe(second.error.data.requestId);
});
