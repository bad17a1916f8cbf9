/** How a function is rolled out to those who call it, and who sees it at all. The functions really run. */

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateAliasCommand, LambdaClient, PublishVersionCommand, UpdateAliasCommand } from '@aws-sdk/client-lambda';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { auditOn } from '../fixtures/audit.ts';
import { openMemoryStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { Context } from '../../src/core/context.ts';
import type { Principal } from '../../src/core/context.ts';
import type { FunctionControl } from '../../src/core/function-control.ts';
import type { Logger, PlatformEvent, StoreRoot } from '../../src/core/ports.ts';
import type { Exchange } from '../../src/core/target.ts';
import { FunctionTarget } from '../../src/registry/function-target.ts';
import { parseRegistration } from '../../src/registry/registration.ts';
import { RegistrationStore } from '../../src/registry/registration-store.ts';
import { startGateway } from '../../src/testing.ts';
import { silentLog, startInstance } from '../fixtures/assembled.ts';
import type { AssembledInstance } from '../fixtures/assembled.ts';
import { exchange, textOf } from '../fixtures/http-exchange.ts';
import { define, scriptedTarget, withGateway } from '../fixtures/instance.ts';
import type { Json } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { verifies } from './verifies.ts';

const ARN = 'arn:aws:lambda:us-east-1:000000000000:function:crm';

let folder = '';
let store: StoreRoot;
let gateway: AssembledInstance;
let events: PlatformEvent[] = [];
let logged: Json[] = [];

const log: Logger = { log: (_, message, fields) => void logged.push({ message, ...fields }), with: () => log };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-roll-out-'));
  await mkdir(join(folder, 'crm'));
  store = await openMemoryStore({ clock: systemClock });
  events = [];
  logged = [];
});

afterEach(async () => {
  await gateway?.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** The token `ada@team-x ring=beta` is Ada of that tenant, with the claim. */
function personOf(headers: Readonly<Record<string, unknown>>): Principal {
  const [who = '', ...claims] = String(headers['authorization']).replace('Bearer ', '').split(' ');
  const [id = '', tenant = 'team-x'] = who.split('@');
  const scopes = ['zeroplane:use', 'zeroplane:admin'];
  return { id, tenant, roles: ['admin'], scopes, claims: Object.fromEntries(claims.map((claim) => claim.split('='))) };
}

async function start(config: ConfigInput): Promise<FunctionControl> {
  const authenticator = { authenticate: personOf };
  gateway = await startInstance({ config, store, authenticator, log, dataDir: join(folder, 'data') });
  gateway.instance.events.subscribe((event) => events.push(event));
  return gateway.instance.functionControl;
}

const crm = (more: Json = {}): ConfigInput => ({
  functions: { crm: { handler: 'index.handler', code: join(folder, 'crm'), ...more } },
});

const write = (body: string): Promise<void> =>
  writeFile(
    join(folder, 'crm/index.mjs'),
    `let count = 0;\nexport const handler = async (event, context) => { ${body} };\n`,
  );

/** The function says `text`; as a new version. */
async function publish(control: FunctionControl, body: string): Promise<string> {
  await write(body);
  return (await control.publish('crm')).version;
}

const clientOf = (token: string, path = ''): WireClient =>
  new WireClient({ url: `${gateway.mcp}${path}`, era: 'modern', token });

async function call(token: string, name: string, args: Json = {}): Promise<Json> {
  const { result, error } = await clientOf(token).request('tools/call', { name, arguments: args });
  return result ?? { error };
}

async function said(token: string, name = 'find'): Promise<unknown> {
  const result = await call(token, name);
  return (result['structuredContent'] as Json | undefined)?.['text'] ?? result;
}

async function register(body: Json, token = 'admin', method = 'POST'): Promise<number> {
  const full = { type: 'tool', name: 'find', description: 'Finds.', lambdaArn: `${ARN}:live`, parameters: {}, ...body };
  const url = `${gateway.url}/register${method === 'PUT' ? `/${full.type}-${full.name}` : ''}`;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await exchange({ url, method, headers, body: JSON.stringify(full) });
  if (response.status >= 300) throw new Error(await textOf(response.body));
  return response.status;
}

async function names(token: string, method: string, path = ''): Promise<string[]> {
  const { result } = await clientOf(token, path).request(method);
  const [list] = Object.values(result ?? {}).filter((value) => Array.isArray(value)) as Json[][];
  return (list ?? []).map((each) => String(each['name'])).sort();
}

const VERSION = (text: string): string =>
  `return { text: '${text}', version: process.env.AWS_LAMBDA_FUNCTION_VERSION }`;

verifies('2.5', 'a version goes to a subset of the users first, and to all when its alias is moved', async () => {
  const control = await start({ ...crm(), discover: { list: [] } });
  await control.createAlias('crm', 'live', { functionVersion: await publish(control, VERSION('one')) });
  await control.createAlias('crm', 'next', { functionVersion: await publish(control, VERSION('two')) });
  const canary = { alias: 'next', cohort: ['grace', 'ring=beta'], percent: 30 };
  await register({ canary });

  expect(await said('grace')).toBe('two');
  expect(await said('ada@team-x ring=beta')).toBe('two');
  const others = Array.from({ length: 24 }, (_, index) => `user${index}`);
  const first = await Promise.all(others.map((token) => said(token)));
  expect(new Set(first)).toEqual(new Set(['one', 'two']));
  expect(await Promise.all(others.map((token) => said(token)))).toEqual(first);

  await control.updateAlias('crm', 'live', { functionVersion: '2' });
  await register({}, 'admin', 'PUT');
  expect(new Set(await Promise.all(others.map((token) => said(token))))).toEqual(new Set(['two']));
});

verifies('2.5', 'versions are pinned by ARN, by the registration and by the configuration', async () => {
  const pinned = crm({ version: 1, canary: { version: '$LATEST', cohort: ['grace'] } });
  const control = await start({ functions: { ...pinned.functions } });
  await publish(control, VERSION('one'));
  await publish(control, VERSION('two'));
  await control.createAlias('crm', 'live', { functionVersion: '2' });
  await write(VERSION('three'));
  await register({ name: 'by_arn', lambdaArn: `${ARN}:1` });
  await register({ name: 'by_version', lambdaArn: ARN, version: '1' });
  await register({ name: 'by_alias', lambdaArn: ARN, alias: 'live' });
  await register({ name: 'latest', lambdaArn: ARN });
  const tools = ['by_arn', 'by_version', 'by_alias', 'latest', 'crm'];
  expect(await Promise.all(tools.map((name) => said('ada', name)))).toEqual(['one', 'one', 'two', 'three', 'one']);
  expect(await said('grace', 'crm')).toBe('three');
});

verifies('2.5', 'a canary that fails is switched off for everybody, and stays so after a restart', async () => {
  const config: ConfigInput = { ...crm(), discover: { list: [] } };
  let control = await start(config);
  await control.createAlias('crm', 'live', { functionVersion: await publish(control, VERSION('one')) });
  await control.createAlias('crm', 'next', { functionVersion: await publish(control, `throw new Error('broken')`) });
  const canary = { alias: 'next', percent: 100, rollback: { minCalls: 4, errorPercent: 50 } };
  await register({ canary });
  for (let count = 0; count < 4; count++) expect(await call('ada', 'find')).toMatchObject({ isError: true });
  expect(await said('ada')).toBe('one');

  const facts = { tenant: 'team-x', tool: 'find', candidate: `${ARN}:next`, errorPercent: 100, calls: 4 };
  expect(events).toContainEqual({ type: 'canary-switched-off', ...facts, atMs: expect.any(Number) });
  expect(logged).toContainEqual({ message: 'canary-switched-off', ...facts });
  const off = { tool: 'find', state: 'switched-off', calls: 4, errors: 4, reason: expect.stringContaining('4 of 4') };
  expect(gateway.instance.status().canaries).toMatchObject([off]);

  await gateway.close();
  control = await start(config);
  expect(gateway.instance.status().canaries).toMatchObject([off]);
  expect(await said('ada')).toBe('one');

  // Another version behind the alias is another canary.
  await control.updateAlias('crm', 'next', { functionVersion: await publish(control, VERSION('three')) });
  expect(await said('ada')).toBe('three');
  await expect
    .poll(() => gateway.instance.status().canaries)
    .toMatchObject([{ state: 'running', calls: 1, errors: 0 }]);
});

verifies('2.5', 'a canary whose version does not exist keeps nobody from an answer', async () => {
  const control = await start({ ...crm(), discover: { list: [] } });
  await control.createAlias('crm', 'live', { functionVersion: await publish(control, VERSION('one')) });
  await register({ canary: { version: '7', percent: 100, rollback: { minCalls: 2 } } });
  expect([await said('ada'), await said('ada'), await said('ada')]).toEqual(['one', 'one', 'one']);
  expect(gateway.instance.status().canaries).toMatchObject([{ state: 'switched-off', calls: 2, errors: 2 }]);
});

verifies('2.20', 'a new version behind an alias reaches open clients, and nothing is started anew', async () => {
  const control = await start({ ...crm(), discover: { list: [] } });
  await control.createAlias('crm', 'live', { functionVersion: await publish(control, VERSION('one')) });
  await register({});
  const changes: Json[] = [];
  const client = new WireClient({
    url: gateway.mcp,
    era: 'session',
    token: 'ada',
    onMessage: (message) => changes.push(message),
  });
  await client.open();
  const stream = await client.listen();
  const ask = async (): Promise<unknown> =>
    (await client.request('tools/call', { name: 'find', arguments: {} })).result?.['structuredContent'];
  expect(await ask()).toEqual({ text: 'one', version: '1' });
  await expect.poll(() => gateway.instance.status().targets[0]?.listedAt).toBeDefined();

  await publish(control, VERSION('two'));
  expect(await ask()).toEqual({ text: 'one', version: '1' });
  await control.updateAlias('crm', 'live', { functionVersion: '2' });
  expect(await ask()).toEqual({ text: 'two', version: '2' });

  // What the tool leads to is remembered; what is listed has not changed, so nobody is told to list again.
  const change = { definition: 'tool#find', what: ['code'], previousVersion: '1', version: '2' };
  await expect.poll(() => gateway.instance.status().targets[0]?.changes).toMatchObject([change]);
  expect(logged.filter(({ message }) => message === 'definition-changed')).toMatchObject([change]);
  expect(changes).toEqual([]);
  stream.stop();
});

verifies('2.20', 'the commands of the page, sent by the official SDK, roll a version out and back', async () => {
  await write(VERSION('one'));
  const local = await startGateway({ config: { ...crm(), discover: { list: [] } } });
  const lambda = new LambdaClient({
    endpoint: local.clouds.aws,
    region: 'us-east-1',
    credentials: { accessKeyId: 'zeroplane', secretAccessKey: local.token },
  });
  try {
    const client = new WireClient({ url: local.mcp, era: 'session', token: local.token });
    await client.open();
    const ask = async (): Promise<unknown> =>
      (await client.request('tools/call', { name: 'find', arguments: {} })).result?.['structuredContent'];
    const headers = { authorization: `Bearer ${local.token}`, 'content-type': 'application/json' };
    const tool = { type: 'tool', name: 'find', description: 'Finds.', lambdaArn: `${ARN}:live`, parameters: {} };
    const FunctionName = 'crm';
    const { Version: first } = await lambda.send(new PublishVersionCommand({ FunctionName }));
    await lambda.send(new CreateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: first }));
    await exchange({ url: local.admin, method: 'POST', headers, body: JSON.stringify(tool) });
    expect(await ask()).toEqual({ text: 'one', version: '1' });
    await write(VERSION('two'));
    const { Version: second } = await lambda.send(new PublishVersionCommand({ FunctionName }));
    await lambda.send(new UpdateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: second }));
    expect(await ask()).toEqual({ text: 'two', version: '2' });
    await lambda.send(new UpdateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: first }));
    expect(await ask()).toEqual({ text: 'one', version: '1' });
  } finally {
    lambda.destroy();
    await local.close({ drainMs: 100 });
  }
});

verifies('2.20', 'an edit of the code is a change of what the tool leads to', async () => {
  await write(VERSION('one'));
  await start(crm());
  const digest = async (): Promise<unknown> => {
    const spec = { name: 'tool-definitions', partitionKey: 'target', sortKey: 'definition' };
    const row = await store.store('team-x').table(spec).get({ target: 'registry', definition: 'tool#crm' });
    return row?.['codeSha256'];
  };
  await expect.poll(digest).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  const first = await digest();
  await write(VERSION('two'));
  await expect.poll(() => said('ada', 'crm')).toBe('two');
  await expect.poll(digest).not.toBe(first);
  const { changes } = gateway.instance.status().targets[0] ?? {};
  expect(changes).toMatchObject([{ what: ['code'], version: '$LATEST', previousCodeSha256: first }]);
});

const INTERNAL = { visibility: 'internal', owner: 'platform' };
const EXTERNAL = 'eve@team-x visibility=external';

/** A tool, a prompt, a resource and a template that are internal, and a tool that is not. */
async function startInternal(): Promise<void> {
  await write(`
    if (event.action === 'list') return { resources: [{ uri: 'plans://listed', name: 'listed' }] };
    return { text: 'done', asked: context.clientContext.custom.zeroplanePrincipal }`);
  await start({
    functions: {
      crm: { handler: 'index.handler', code: join(folder, 'crm') },
      ledger: { handler: 'index.handler', code: join(folder, 'crm'), tags: INTERNAL },
    },
  });
  const tags = INTERNAL;
  await register({ name: 'plan', lambdaArn: ARN, tags });
  await register({ name: 'open', lambdaArn: ARN, tags: { visibility: 'external' } });
  await register({ name: 'of_ledger', lambdaArn: ARN.replace('crm', 'ledger'), tags: { visibility: 'external' } });
  await register({ type: 'prompt', name: 'advice', lambdaArn: ARN, tags });
  await register({ type: 'resource', name: 'now', lambdaArn: ARN, parameters: { uriTemplate: 'plans://now' }, tags });
  await register({ type: 'resource', name: 'day', lambdaArn: ARN, parameters: { uriTemplate: 'plans://{day}' }, tags });
}

verifies('2.21', 'an internal tool is not there for external callers, on any endpoint', async () => {
  await startInternal();
  for (const path of ['', '/registry']) {
    expect(await names('ada', 'tools/list', path)).toEqual(['crm', 'ledger', 'of_ledger', 'open', 'plan']);
    expect(await names(EXTERNAL, 'tools/list', path)).toEqual(['crm', 'open']);
    expect(await names('ada', 'prompts/list', path)).toEqual(['advice']);
    expect(await names(EXTERNAL, 'prompts/list', path)).toEqual([]);
    expect(await names('ada', 'resources/list', path)).toEqual(['listed', 'now']);
    expect(await names(EXTERNAL, 'resources/list', path)).toEqual([]);
    expect(await names('ada', 'resources/templates/list', path)).toEqual(['day']);
    expect(await names(EXTERNAL, 'resources/templates/list', path)).toEqual([]);
  }
});

verifies('2.21', 'a call of an internal tool answers like a call of a name that nobody has', async () => {
  await startInternal();
  const requests: [string, Json][] = [
    ['tools/call', { name: 'plan', arguments: {} }],
    ['tools/call', { name: 'ledger', arguments: {} }],
    ['tools/call', { name: 'of_ledger', arguments: {} }],
    ['prompts/get', { name: 'advice' }],
    ['resources/read', { uri: 'plans://now' }],
    ['resources/read', { uri: 'plans://listed' }],
    ['resources/read', { uri: 'plans://tomorrow' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'advice' }, argument: { name: 'a', value: '' } }],
    [
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'plans://{day}' }, argument: { name: 'day', value: '' } },
    ],
  ];
  for (const path of ['', '/registry'])
    for (const [method, params] of requests) {
      expect((await clientOf('ada', path).request(method, params)).error).toBeUndefined();
      const refused = await clientOf(EXTERNAL, path).request(method, params);
      const nothing = JSON.parse(
        JSON.stringify(params)
          .replace(/plan"|ledger"|of_ledger"|advice"/, 'absent"')
          .replace('plans://', 'absent://'),
      ) as Json;
      const unknown = await clientOf(EXTERNAL, path).request(method, nothing);
      const shape = ({ status, error }: typeof refused): unknown => [
        status,
        error?.code,
        Object.keys(error?.data ?? {}),
      ];
      expect([method, params, shape(refused)]).toEqual([method, params, shape(unknown)]);
      expect(refused.error?.code).toBe(-32602);
    }
  expect(await said(EXTERNAL, 'open')).toBe('done');
});

verifies('2.21', 'who is external is the operator’s to say, for searches too', async () => {
  await write(VERSION('one'));
  await start({
    ...crm({ tags: INTERNAL, description: 'Looks up customers.' }),
    audience: { external: ['*'], internal: ['groups=staff'] },
    endpoints: { mcp: { search: { above: 1 } } },
  });
  await register({ name: 'open', lambdaArn: ARN.replace('crm', 'absent'), description: 'Looks up prices.' });
  await register({ name: 'more', lambdaArn: ARN.replace('crm', 'absent'), description: 'Looks up weather.' });
  const found = async (token: string): Promise<string> =>
    JSON.stringify(await call(token, 'search_tools', { query: 'looks up customers' }));
  expect(await found('ada groups=staff')).toContain('"crm"');
  expect(await found('ada')).not.toContain('"crm"');
});

test('2.21: whatever works for a caller reaches an internal tool under the caller’s own name', async () => {
  const registrations = new RegistrationStore({
    store,
    clock: systemClock,
    ids: { uuid: () => crypto.randomUUID() },
    audit: auditOn(store),
  });
  const asked: unknown[] = [];
  const target = new FunctionTarget({
    invoker: {
      label: 'embedded',
      list: () => [],
      invoke: ({ clientContext }) => {
        asked.push(clientContext?.['zeroplanePrincipal']);
        return Promise.resolve({ payload: '"done"', executedVersion: '$LATEST', durationMs: 1, coldStart: false });
      },
    },
    registrations,
    clock: systemClock,
    log: silentLog,
    store,
    functions: [{ name: 'ledger', tags: INTERNAL }],
  });
  const principal = personOf({ authorization: `Bearer ${EXTERNAL}` });
  const context = new Context({ principal, requestId: 'r', clock: systemClock, timeoutMs: 5000, log: silentLog });
  const params = [{ key: 'name', text: '"ledger"' }];
  const step = {
    method: 'tools/call',
    name: 'ledger',
    params,
    meta: [],
    parsed: { name: 'ledger' },
    repeatable: false,
  };
  const { text } = await target.call(step, {} as Exchange, context);
  expect(JSON.parse(text)).toMatchObject({ content: [{ text: 'done' }] });
  expect(asked).toEqual(['eve']);
  await target.close();
  registrations.close();
});

verifies('2.21', 'the tags of a tool, its function’s among them, are in the event of each call', async () => {
  await startInternal();
  await said('ada', 'of_ledger');
  await said('ada', 'plan');
  const ended = events.filter((event) => event.type === 'call-ended');
  expect(ended).toMatchObject([
    { name: 'of_ledger', outcome: 'ok', tags: { visibility: 'internal', owner: 'platform' } },
    { name: 'plan', outcome: 'ok', tags: INTERNAL },
  ]);
});

verifies('2.21', 'the pair that lists and invokes functions knows of no internal one either', async () => {
  await write(VERSION('one'));
  await start({ ...crm({ tags: INTERNAL }), discover: { generic: true } });
  const listed = async (token: string): Promise<unknown> =>
    (await call(token, 'list_lambda_functions'))['structuredContent'];
  const invoked = (token: string): Promise<Json> => call(token, 'invoke_lambda_function', { function_name: 'crm' });
  expect(await listed('ada')).toEqual({ functions: [{ FunctionName: 'crm' }] });
  expect(await listed(EXTERNAL)).toEqual({ functions: [] });
  expect(await invoked('ada')).toMatchObject({ structuredContent: { text: 'one' } });
  expect(await invoked(EXTERNAL)).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('Function crm is not valid') }],
  });
});

test('2.21: an error about a function that is not there names no internal one', async () => {
  await startInternal();
  await register({ name: 'lost', lambdaArn: ARN.replace('crm', 'absent') });
  const content = [{ text: expect.stringContaining('Known functions: crm.') }];
  expect(await call(EXTERNAL, 'lost')).toMatchObject({ isError: true, content });
});

verifies('2.21', 'a server that is tagged internal is hidden with all that it has', async () => {
  const definitions = [define('tool', { name: 'read', inputSchema: { type: 'object' } })];
  const result = '{"content":[{"type":"text","text":"read"}]}';
  const docs = scriptedTarget('docs', definitions, () => result, { tags: INTERNAL });
  const remote = scriptedTarget('wiki', definitions, () => result);
  await withGateway({ auth: 'none', targets: [remote] }, async ({ url }) => {
    gateway = await startInstance({
      config: {
        egress: { allow: ['127.0.0.1'] },
        mcpServers: { near: { url: `${url}/mcp/wiki`, tags: INTERNAL } },
      },
      targets: [docs],
      store,
      authenticator: { authenticate: personOf },
    });
    const body = { type: 'mcp', name: 'far', url: `${url}/mcp/wiki`, tags: INTERNAL };
    const headers = { authorization: 'Bearer ada', 'content-type': 'application/json' };
    await exchange({ url: `${gateway.url}/register`, method: 'POST', headers, body: JSON.stringify(body) });
    const at = async (token: string, path: string): Promise<number> =>
      (await clientOf(token, path).request('tools/list')).status;
    await expect.poll(() => names('ada', 'tools/list')).toEqual(['docs___read', 'far___read', 'near___read']);
    expect(await names(EXTERNAL, 'tools/list')).toEqual([]);
    expect([await at('ada', '/docs'), await at(EXTERNAL, '/docs'), await at(EXTERNAL, '/nothing')]).toEqual([
      200, 404, 404,
    ]);
    const { result: told } = await clientOf(EXTERNAL).request('server/discover');
    expect(told?.['instructions']).not.toMatch(/docs|far|near/);
    const { error } = await clientOf(EXTERNAL).request('tools/call', { name: 'nothing', arguments: {} });
    expect(error?.data).toMatchObject({ knownTargets: ['registry'] });
    for (const name of ['docs___read', 'far___read', 'near___read']) {
      expect(await call('ada', name)).toMatchObject({ content: [{ text: 'read' }] });
      expect(await call(EXTERNAL, name)).toMatchObject({ error: { code: -32602 } });
      const read = { uri: `${name.split('___')[0]}+notes://x` };
      expect((await clientOf(EXTERNAL).request('resources/read', read)).error?.code).toBe(-32602);
    }
  });
});

verifies('2.21', 'a tag that is set while the function runs counts from the next list on', async () => {
  await write(VERSION('one'));
  const control = await start(crm());
  expect(await names(EXTERNAL, 'tools/list')).toEqual(['crm']);
  await control.tag('crm', { visibility: 'internal' });
  await expect.poll(() => names(EXTERNAL, 'tools/list')).toEqual([]);
  expect(await call(EXTERNAL, 'crm')).toMatchObject({ error: { code: -32602 } });
  expect(await said('ada', 'crm')).toBe('one');
});

verifies('F-40', 'two tenants that call one warm function in turn never meet in a process', async () => {
  await write(`count++; globalThis.last ??= []; globalThis.last.push(context.clientContext.custom.zeroplaneTenant);
    return { text: process.pid + ' ' + count + ' ' + [...new Set(globalThis.last)] }`);
  await start(crm({ concurrency: 2 }));
  const turns: unknown[] = [];
  for (let turn = 0; turn < 3; turn++) turns.push(await said('ada@team-a', 'crm'), await said('bob@team-b', 'crm'));
  const [a = '', b = ''] = turns.map((turn) => String(turn).split(' ')[0]);
  expect(a).not.toBe(b);
  expect(turns).toEqual([1, 2, 3].flatMap((count) => [`${a} ${count} team-a`, `${b} ${count} team-b`]));
});

test('2.5: the registration and the configuration of the page are taken as printed', async () => {
  const page = await readFile(new URL('../../docs/how-to/roll-out-a-function.md', import.meta.url), 'utf8');
  const [json = ''] = /(?<=^```json\n)[^`]*/m.exec(page) ?? [];
  const [entry = '', audience = ''] = page.match(/(?<=^```yaml\n)[^`]*/gm) ?? [];
  expect(await parseRegistration(JSON.parse(json))).toMatchObject({ alias: 'live', canary: { alias: 'next' } });
  await writeFile(join(folder, 'zeroplane.yaml'), entry + audience);
  const { config } = await loadConfig({ cwd: folder, env: {} });
  expect(config.functions['shipping-cost']).toMatchObject({ alias: 'live', canary: { alias: 'next', percent: 10 } });
  expect(config.audience).toEqual({ external: ['*'], internal: ['groups=staff'] });
});
