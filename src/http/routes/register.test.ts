import { afterEach, beforeEach, expect, test } from 'vitest';

import { BY_ADA, auditOn } from '../../../tests/fixtures/audit.ts';
import { scriptedTarget } from '../../../tests/fixtures/instance.ts';
import { fakeClock, type FakeClock } from '../../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import { Context, type Principal } from '../../core/context.ts';
import type { Logger, StoreRoot } from '../../core/ports.ts';
import { TargetSet } from '../../gateway/target-set.ts';
import { builtInPolicy, SCOPE_ADMIN, SCOPE_USE, type Policy } from '../../policy/decide.ts';
import { REGISTRATIONS, RegistrationStore } from '../../registry/registration-store.ts';
import { handleRegister, type RegisterRequest } from './register.ts';

const log: Logger = { log: () => undefined, with: () => log };
const ADMIN: Principal = { id: 'you@dev', tenant: 'team-x', roles: ['admin'], scopes: [SCOPE_USE, SCOPE_ADMIN] };

let store: StoreRoot;
let clock: FakeClock;
let registrations: RegistrationStore;
let targets: TargetSet;

beforeEach(async () => {
  clock = fakeClock();
  targets = new TargetSet();
  store = await openMemoryStore({ clock });
  registrations = new RegistrationStore({
    store,
    clock,
    ids: { uuid: () => crypto.randomUUID() },
    audit: auditOn(store),
  });
});

afterEach(async () => {
  registrations.close();
  await store.close();
});

async function send(
  method: string,
  path: string,
  options: {
    body?: unknown;
    text?: string;
    headers?: Record<string, string>;
    principal?: Principal;
    policy?: Policy;
  } = {},
) {
  const [route = '', query = ''] = path.split('?');
  const request: RegisterRequest = {
    method,
    path: route,
    query: new URLSearchParams(query),
    headers: options.headers ?? {},
    bodyText: options.text ?? (options.body === undefined ? '' : JSON.stringify(options.body)),
  };
  const context = new Context({
    principal: options.principal ?? ADMIN,
    requestId: 'request-1',
    clock,
    timeoutMs: 1000,
    log,
  });
  const response = await handleRegister(request, context, {
    registrations,
    policy: options.policy ?? builtInPolicy,
    isConfigured: (tenant, id) => targets.isShared(tenant, id),
  });
  return { ...response, value: response.body === '' ? undefined : JSON.parse(response.body) };
}

/** As the seed prints it. */
const PRINTED = {
  type: 'tool',
  name: 'data_processor',
  description: 'Utility for data manipulation',
  lambdaArn: 'arn:aws:lambda:region:account:function:name',
  parameters: { payload: 'object' },
};

test('the printed registration is created, read, listed, replaced and removed', async () => {
  const created = await send('POST', '', { body: PRINTED });
  expect(created).toMatchObject({ status: 201, value: { id: 'tool-data_processor', ...PRINTED, tenant: 'team-x' } });
  expect(created.headers).toMatchObject({
    'content-type': 'application/json',
    location: '/register/tool-data_processor',
  });
  expect((await send('GET', '/tool-data_processor')).value).toEqual(created.value);
  expect((await send('GET', '')).value).toEqual([created.value]);
  const replaced = await send('PUT', '/tool-data_processor', { body: { ...PRINTED, description: 'Better' } });
  expect(replaced).toMatchObject({
    status: 200,
    value: { id: 'tool-data_processor', description: 'Better', createdAt: created.value.createdAt },
  });
  expect(replaced.value.digest).not.toBe(created.value.digest);
  expect(await send('DELETE', '/tool-data_processor')).toMatchObject({ status: 204, body: '' });
  expect((await send('GET', '')).value).toEqual([]);
  expect(await send('POST', '', { body: PRINTED })).toMatchObject({ status: 201 });
});

test('parameters are stored as JSON text under the names of the seed', async () => {
  await send('POST', '', { body: PRINTED });
  const item = await store.store('team-x').table(REGISTRATIONS).get({ id: 'tool-data_processor' });
  expect(item).toMatchObject({
    id: 'tool-data_processor',
    type: 'tool',
    lambdaArn: PRINTED.lambdaArn,
    parameters: '{"payload":"object"}',
  });
  const stored = await store.systemStore().table(REGISTRATIONS).get({ id: 'team-x#tool-data_processor' });
  expect(stored).toMatchObject({ id: 'team-x#tool-data_processor' });
});

test('an existing id is 409 unless upsert is asked for', async () => {
  const first = await send('POST', '', { body: PRINTED });
  const again = await send('POST', '', { body: PRINTED });
  expect(again).toMatchObject({
    status: 409,
    value: { code: 'REGISTRATION_EXISTS', error: 'Registration already exists' },
  });
  const upsert = await send('POST', '?upsert=true', { body: { ...PRINTED, description: 'New' } });
  expect(upsert).toMatchObject({ status: 201, value: { id: first.value.id, description: 'New' } });
  expect((await send('POST', '?upsert=true', { body: { ...PRINTED, name: 'other' } })).status).toBe(201);
});

test('a server under the name of a configured target, which would hide it, is refused', async () => {
  targets.add(scriptedTarget('docs', [], () => '{}'));
  targets.add(scriptedTarget('theirs', [], () => '{}', { tenants: ['team-y'] }));
  const server = { type: 'mcp', url: 'https://example.com/mcp' };
  for (const query of ['', '?upsert=true'])
    expect(await send('POST', query, { body: { ...server, name: 'docs' } })).toMatchObject({
      status: 409,
      value: { code: 'REGISTRATION_EXISTS', detail: expect.stringContaining('configuration has a target "docs"') },
    });
  // What other tenants have is not told.
  expect(await send('POST', '', { body: { ...server, name: 'theirs' } })).toMatchObject({ status: 201 });
  expect(await send('POST', '', { body: { ...PRINTED, name: 'docs' } })).toMatchObject({ status: 201 });
});

test('a name that differs only in case is refused, and free again after removal', async () => {
  await send('POST', '', { body: PRINTED });
  const twin = { ...PRINTED, name: 'Data_Processor' };
  expect(await send('POST', '', { body: twin })).toMatchObject({ status: 409 });
  expect(await send('POST', '?upsert=true', { body: twin })).toMatchObject({ status: 409 });
  expect(await send('POST', '', { body: { ...PRINTED, type: 'prompt' } })).toMatchObject({ status: 201 });
  await send('DELETE', '/tool-data_processor');
  expect(await send('POST', '', { body: twin })).toMatchObject({ status: 201 });
});

test.each([
  ['no object', []],
  ['an unknown type', { ...PRINTED, type: 'widget' }],
  ['an unknown field', { ...PRINTED, colour: 'red' }],
  ['no name', { ...PRINTED, name: undefined }],
  ['the separator in the name', { ...PRINTED, name: 'a___b' }],
  ['a space in the name', { ...PRINTED, name: 'a b' }],
  ['an invisible character in the name', { ...PRINTED, name: 'a\u200Bb' }],
  ['a direction mark in the name', { ...PRINTED, name: 'a\u202Eb' }],
  ['a name of 129 characters', { ...PRINTED, name: 'x'.repeat(129) }],
  ['no description', { ...PRINTED, description: undefined }],
  ['a hidden instruction in the description', { ...PRINTED, description: `hello\u{E0041}` }],
  ['no function', { ...PRINTED, lambdaArn: undefined }],
  ['an ARN of another service', { ...PRINTED, lambdaArn: 'arn:aws:s3:::bucket' }],
  ['an ARN with six parts', { ...PRINTED, lambdaArn: 'arn:aws:lambda:region:account:function' }],
  ['no parameters', { ...PRINTED, parameters: undefined }],
  ['a parameter type that does not exist', { ...PRINTED, parameters: { a: 'strin' } }],
  ['an invalid JSON Schema', { ...PRINTED, parameters: { a: { type: 'strng' } } }],
  ['an unknown event', { ...PRINTED, event: 'sqs' }],
  ['a tag that is no text', { ...PRINTED, tags: { a: 1 } }],
  ['a resource without template', { ...PRINTED, type: 'resource' }],
  [
    'a resource with a template that names a variable twice',
    { ...PRINTED, type: 'resource', parameters: { uriTemplate: 'a://{x}/{x}' } },
  ],
  [
    'completions of an unknown variable',
    { ...PRINTED, type: 'resource', parameters: { uriTemplate: 'a://{x}', completions: { y: [] } } },
  ],
  ['a server whose name is no target id', { type: 'mcp', name: 'My_Server', url: 'https://example.com/mcp' }],
  ['a server with a reserved name', { type: 'mcp', name: 'registry', url: 'https://example.com/mcp' }],
  ['a server with a file URL', { type: 'mcp', name: 'docs', url: 'file:///etc/passwd' }],
  ['a server with a password in its URL', { type: 'mcp', name: 'docs', url: 'https://a:b@example.com/' }],
  [
    'a server with a function',
    { type: 'mcp', name: 'docs', url: 'https://example.com/', lambdaArn: PRINTED.lambdaArn },
  ],
])('%s is invalid registration data, and nothing is stored', async (_title, body) => {
  const response = await send('POST', '', { body });
  expect(response).toMatchObject({
    status: 400,
    value: { error: 'Invalid registration data', code: 'REGISTRATION_INVALID', requestId: 'request-1' },
  });
  expect(response.headers['content-type']).toBe('application/problem+json');
  expect(response.value.details.length).toBeGreaterThan(0);
  expect(response.value.details[0]).toMatchObject({ path: expect.any(String), message: expect.any(String) });
  expect((await send('GET', '')).value).toEqual([]);
});

test.each(['', '{', '{"a":1,"a":2}', `${'['.repeat(70)}${']'.repeat(70)}`])(
  'the malformed body %j is 400 with details',
  async (text) => {
    expect(await send('POST', '', { text })).toMatchObject({
      status: 400,
      value: { error: 'Invalid registration data', details: [{ path: '' }] },
    });
  },
);

test('a put needs an existing id that stays and a valid body', async () => {
  await send('POST', '', { body: PRINTED });
  expect(await send('PUT', '/tool-absent', { body: PRINTED })).toMatchObject({
    status: 404,
    value: { error: 'Registration not found' },
  });
  expect(await send('PUT', '/tool-data_processor', { body: { ...PRINTED, name: 'other' } })).toMatchObject({
    status: 400,
    value: { error: 'Cannot change registration ID' },
  });
  expect(await send('PUT', '/tool-data_processor', { body: { type: 'tool' } })).toMatchObject({
    status: 400,
    value: { error: 'Invalid registration data' },
  });
  expect(await send('PUT', '/tool-data_processor', { text: '{' })).toMatchObject({ status: 400 });
});

test('a body that was read, edited and put back is taken, but for the fields of the server', async () => {
  const { value } = await send('POST', '', { body: PRINTED });
  const put = await send('PUT', '/tool-data_processor', {
    body: { ...value, description: 'Edited', createdAt: 'forged', digest: 'forged' },
  });
  expect(put).toMatchObject({ status: 200, value: { description: 'Edited', createdAt: value.createdAt } });
  expect(put.value.digest).toMatch(/^[0-9a-f]{64}$/);
});

test('a stale revision is 412 and changes nothing', async () => {
  const first = await send('POST', '', { body: PRINTED });
  const etag = first.headers['etag'] ?? '';
  const headers = { 'if-match': etag };
  expect((await send('PUT', '/tool-data_processor', { body: { ...PRINTED, description: 'B' }, headers })).status).toBe(
    200,
  );
  expect(await send('PUT', '/tool-data_processor', { body: { ...PRINTED, description: 'C' }, headers })).toMatchObject({
    status: 412,
    value: { code: 'REGISTRATION_CHANGED' },
  });
  expect((await send('DELETE', '/tool-data_processor', { headers })).status).toBe(412);
  expect((await send('GET', '/tool-data_processor')).value.description).toBe('B');
  expect((await send('DELETE', '/tool-data_processor', { headers: { 'if-match': '*' } })).status).toBe(204);
});

test.each([
  ['PUT', '', 400],
  ['DELETE', '/', 400],
  ['DELETE', '/tool-absent', 404],
  ['GET', '/tool-absent', 404],
  ['GET', '/name%23tool-data_processor', 404],
  ['GET', '/tool-a/b', 404],
  ['GET', '/%zz', 404],
  ['PATCH', '', 405],
  ['POST', '/tool-data_processor', 405],
])('%s %j is %i', async (method, path, status) => {
  await send('POST', '', { body: PRINTED });
  const response = await send(method, path, { body: PRINTED });
  expect(response.status).toBe(status);
  expect(response.value.error).toEqual(expect.any(String));
  if (status === 405) expect(response.headers['allow']).toContain('GET');
});

test('a tenant neither sees nor changes the registrations of another', async () => {
  const stranger: Principal = { ...ADMIN, tenant: 'team-y' };
  await send('POST', '', { body: PRINTED });
  expect((await send('GET', '', { principal: stranger })).value).toEqual([]);
  expect((await send('GET', '/tool-data_processor', { principal: stranger })).status).toBe(404);
  expect((await send('DELETE', '/tool-data_processor', { principal: stranger })).status).toBe(404);
  expect((await send('POST', '', { body: { ...PRINTED, tenant: 'team-x' }, principal: stranger })).status).toBe(403);
  expect((await send('POST', '', { body: PRINTED, principal: stranger })).status).toBe(201);
});

test('writing needs the admin scope, and a policy may hide a single registration', async () => {
  const user: Principal = { ...ADMIN, scopes: [SCOPE_USE] };
  await send('POST', '', { body: PRINTED });
  const refused = await send('DELETE', '/tool-data_processor', { principal: user });
  expect(refused).toMatchObject({ status: 403, value: { code: 'INSUFFICIENT_SCOPE', error: 'Forbidden' } });
  expect(refused.headers['www-authenticate']).toContain('zeroplane:admin');
  expect((await send('GET', '', { principal: user })).value).toHaveLength(1);
  const hidden = { allowed: false, visible: false, rule: 'secret' };
  const policy: Policy = {
    decide: (request) => (request.resource.id === '*' ? builtInPolicy.decide(request) : Promise.resolve(hidden)),
    decideMany: (_principal, _action, resources) => Promise.resolve(resources.map(() => hidden)),
  };
  expect((await send('GET', '', { policy })).value).toEqual([]);
  expect((await send('GET', '/tool-data_processor', { policy })).status).toBe(404);
});

test('a remote server is registered under the id of its target', async () => {
  const body = { type: 'mcp', name: 'docs', url: 'https://example.com/mcp', tags: { owner: 'web' } };
  expect(await send('POST', '', { body })).toMatchObject({ status: 201, value: { id: 'mcp-docs', ...body } });
  expect(await registrations.list('team-x')).toMatchObject([body]);
});

test('of many writers of one id exactly one creates it, and every upsert ends well', async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => send('POST', '', { body: PRINTED })));
  expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([
    201, 409, 409, 409, 409, 409, 409, 409,
  ]);
  const upserts = await Promise.all(Array.from({ length: 3 }, () => send('POST', '?upsert=true', { body: PRINTED })));
  expect(upserts.map((answer) => answer.status)).toEqual([201, 201, 201]);
});

test('a listener hears of every change, and a list shows it at once', async () => {
  const heard: unknown[] = [];
  registrations.onChange((tenant, change) => void heard.push([tenant, change.id, change.action]));
  expect(await registrations.list('team-x')).toEqual([]);
  await send('POST', '', { body: PRINTED });
  expect(await registrations.list('team-x')).toHaveLength(1);
  await send('PUT', '/tool-data_processor', { body: PRINTED });
  await send('DELETE', '/tool-data_processor');
  expect(await registrations.list('team-x')).toEqual([]);
  clock.advance(1000);
  await new Promise((done) => setImmediate(done));
  expect(heard).toEqual([
    ['team-x', 'tool-data_processor', 'created'],
    ['team-x', 'tool-data_processor', 'replaced'],
    ['team-x', 'tool-data_processor', 'removed'],
  ]);
});

test('more registrations than one page holds are listed in full', async () => {
  for (let start = 0; start < 1200; start += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        registrations.create('team-x', { ...PRINTED, type: 'tool', name: `t${start + i}` }, { by: BY_ADA }),
      ),
    );
  }
  expect((await send('GET', '')).value).toHaveLength(1200);
});
