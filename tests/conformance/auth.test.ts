/**
 * Who asks: tokens of a real issuer on loopback, over HTTP, from the first request to keys that change while the
 * gateway runs. What is wrong with a token in detail is in `src/adapters/oidc`; here the answers are compared.
 */

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import * as fc from 'fast-check';
import { SignJWT, UnsecuredJWT, exportJWK, exportSPKI, generateKeyPair, importJWK } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import type { Clock } from '../../src/core/ports.ts';
import { startInstance, type AssembledInstance } from '../fixtures/assembled.ts';
import { exchange, textOf } from '../fixtures/http-exchange.ts';
import { define, scriptedTarget } from '../fixtures/instance.ts';
import { AUDIENCE, startIssuer, type OidcIssuer } from '../fixtures/oidc-issuer.ts';
import { WireClient, type Json } from '../fixtures/wire-client.ts';
import { verifies } from './verifies.ts';

const A = 'team-a';
const PEOPLE = {
  ada: { claims: { tenant: A, roles: ['admin'] } },
  bob: { claims: { tenant: 'team-b', roles: ['admin'] } },
  vera: { claims: { tenant: A, roles: ['viewer'] } },
  rita: { claims: { tenant: A, roles: ['requester'] } },
  alex: { claims: { tenant: A, roles: ['approver'] } },
  nora: { claims: { tenant: A } },
  uma: { claims: { tenant: A, roles: ['admin'] }, scope: 'zeroplane:use' },
  otto: { claims: { tenant: A, roles: ['admin'] }, scope: 'zeroplane:admin' },
  lost: { claims: { roles: ['admin'] } },
};
type Name = keyof typeof PEOPLE;

let issuer: OidcIssuer;
let gateway: AssembledInstance;
const tokens = new Map<string, string>();

const configOf = (url: string): ConfigInput => ({ auth: { issuers: [{ issuer: url, audience: AUDIENCE }] } });

/** One of everything, for these tenants, and a tool that says who asks. */
const target = (id: string, tenants?: readonly string[]) =>
  scriptedTarget(
    id,
    [
      define('tool', { name: 'whoami', inputSchema: { type: 'object' } }),
      define('prompt', { name: 'say' }),
      define('resource', { uri: 'memo:x', name: 'x' }),
    ],
    ({ method }, _exchange, { principal, tenant }) =>
      method === 'tools/call'
        ? JSON.stringify({ content: [{ type: 'text', text: JSON.stringify({ ...principal, tenant }) }] })
        : '{"messages":[],"contents":[{"uri":"memo:x","text":"memo"}]}',
    tenants === undefined ? {} : { tenants },
  );

const targets = () => [target('all'), target('only-a', [A]), target('only-b', ['team-b'])];

beforeAll(async () => {
  issuer = await startIssuer(PEOPLE);
  gateway = await startInstance({ config: configOf(issuer.url), targets: targets() });
  for (const name of Object.keys(PEOPLE)) tokens.set(name, await issuer.token(name));
});

afterAll(async () => {
  await gateway?.close();
  await issuer?.close();
});

const tokenOf = (name: Name): string => tokens.get(name) ?? '';
const wireOf = (name: Name): WireClient => new WireClient({ url: gateway.mcp, era: 'modern', token: tokenOf(name) });

const names = async (name: Name, list: string, key = 'name'): Promise<unknown[]> => {
  const { result } = await wireOf(name).request(`${list}/list`);
  return ((result?.[list] ?? []) as Json[]).map((item) => item[key]);
};

interface Answer {
  readonly status: number;
  readonly headers: Json;
  readonly text: string;
}

const send = async (
  path: string,
  token: string | undefined,
  more: { method?: string; body?: object; at?: AssembledInstance } = {},
): Promise<Answer> => {
  const { method = 'GET', body, at = gateway } = more;
  const reply = await exchange({
    url: at.url + path,
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      accept: 'application/json, text/event-stream',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { date: _date, ...headers } = reply.headers;
  return { status: reply.status, headers, text: await textOf(reply.body) };
};

const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} };
const list = (token: string | undefined, at = gateway): Promise<Answer> =>
  send('/mcp', token, { method: 'POST', body: LIST, at });

const registration = (more: Json = {}): Json => ({
  type: 'tool',
  name: 'greet',
  description: 'Greets.',
  lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:greet',
  parameters: { type: 'object', properties: {} },
  ...more,
});

verifies('0.4', 'the official SDK client lists and calls with a token of the issuer', async () => {
  const client = new Client({ name: 'peer', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  const requestInit = { headers: { Authorization: `Bearer ${tokenOf('rita')}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(gateway.mcp), { requestInit }));
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(['all___whoami', 'only-a___whoami']);
  const { content } = await client.callTool({ name: 'all___whoami', arguments: {} });
  await client.close();
  const [block] = content as { text: string }[];
  const { claims, ...principal } = JSON.parse(block?.text ?? '') as Json;
  expect(principal).toEqual({
    id: 'rita',
    tenant: A,
    roles: ['requester'],
    scopes: ['zeroplane:use', 'zeroplane:admin'],
  });
  expect(claims).toMatchObject({ iss: issuer.url, client_id: 'rita', aud: AUDIENCE });
});

verifies('0.4', 'the same token opens every endpoint, and the development token goes on', async () => {
  for (const token of [tokenOf('ada'), gateway.token]) {
    expect((await list(token)).status).toBe(200);
    for (const path of ['/register', '/v1/instance', '/v1/tools?query=whoami'])
      expect((await send(path, token)).status, path).toBe(200);
    const stream = await exchange({
      url: `${gateway.url}/sse`,
      method: 'GET',
      headers: { authorization: `Bearer ${token}` },
    });
    expect(stream.status).toBe(200);
    stream.abort();
  }
});

verifies('0.4-tenants', 'lists and calls stay within the tenant of the token', async () => {
  for (const [name, own] of [
    ['ada', 'only-a'],
    ['bob', 'only-b'],
  ] as const) {
    expect(await names(name, 'tools')).toEqual(['all___whoami', `${own}___whoami`]);
    expect(await names(name, 'prompts')).toEqual(['all___say', `${own}___say`]);
    expect(await names(name, 'resources', 'uri')).toEqual(['all+memo:x', `${own}+memo:x`]);
  }
  const bare = ({ text }: Answer, name: string): string =>
    text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID').replaceAll(name, 'NAME');
  const call = (name: string) =>
    send('/mcp', tokenOf('bob'), { method: 'POST', body: { ...LIST, method: 'tools/call', params: { name } } });
  const [foreign, unknown] = [await call('only-a___whoami'), await call('no-such___whoami')];
  expect(foreign.text).toContain('-32602');
  expect(bare(foreign, 'only-a___whoami')).toBe(bare(unknown, 'no-such___whoami'));
});

verifies('0.4-tenants', 'registrations of one tenant do not exist for the other, whatever a request says', async () => {
  const [ada, bob] = [tokenOf('ada'), tokenOf('bob')];
  const greet = '/register/tool-greet';
  expect((await send('/register', ada, { method: 'POST', body: registration() })).status).toBe(201);
  const foreign = await send('/register', bob, { method: 'POST', body: registration({ tenant: A }) });
  expect(foreign.status).toBe(403);
  for (const [method, body] of [['GET'], ['PUT', registration()], ['DELETE']] as const)
    for (const path of [greet, `${greet}?tenant=${A}`])
      expect((await send(path, bob, { method, ...(body && { body }) })).status, method).toBe(404);
  expect(JSON.parse((await send('/register', bob)).text)).toEqual([]);
  expect(await names('ada', 'tools')).toContain('greet');
  expect(await names('bob', 'tools')).not.toContain('greet');
  expect((await send(greet, ada, { method: 'DELETE' })).status).toBe(204);
});

/** Tokens that are refused, by what is wrong with each. */
async function hostileTokens(): Promise<[string, string][]> {
  const now = Math.floor(Date.now() / 1000);
  const own = issuer.publicKey();
  const published = await importJWK(own, 'RS256', { extractable: true });
  if (published instanceof Uint8Array) throw new Error('a public key');
  const spki = await exportSPKI(published);
  const claims = { iss: issuer.url, aud: AUDIENCE, sub: 'ada', exp: now + 300, tenant: A, roles: ['admin'] };
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const strange = (header: Json) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'key-1', ...header }).sign(privateKey);
  const confused = (secret: string) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'key-1' }).sign(Buffer.from(secret));
  const { kty, n, e } = own;
  const jwk = JSON.parse(JSON.stringify({ kty, n, e })) as Json;
  const plain = new UnsecuredJWT(claims).encode();
  const good = tokenOf('ada');
  const [head = '', body = '', signature = ''] = good.split('.');
  return [
    ['no algorithm', plain],
    ['no algorithm, with a signature', `${plain}${signature}`],
    ['the public key as a shared secret', await confused(spki)],
    ['the public key as a shared secret, without its last line break', await confused(spki.trim())],
    ['a foreign key', await strange({})],
    ['a foreign key of an unknown id', await strange({ kid: 'key-9' })],
    ['a foreign key that it brings', await strange({ jwk: await exportJWK(publicKey), kid: undefined })],
    ['a foreign key at an address that it brings', await strange({ jku: `${issuer.url}/jwks` })],
    ['our own key, brought by it', await issuer.sign({}, { jwk })],
    ['our own key, at an address', await issuer.sign({}, { jku: `${issuer.url}/jwks` })],
    ['our own key, in a certificate', await issuer.sign({}, { x5c: ['MIIB'] })],
    ['our own key, in a certificate at an address', await issuer.sign({}, { x5u: `${issuer.url}/cert` })],
    ['another type', await issuer.sign({}, { typ: 'logout+jwt' })],
    ['a foreign issuer', await issuer.sign({ iss: 'https://issuer.example.net' })],
    ['a foreign audience', await issuer.sign({ aud: 'https://other.example.com' })],
    ['the audience of another server of the same issuer', await issuer.token('ada', 'https://other.example.com/mcp')],
    ['no audience', await issuer.sign({ aud: undefined })],
    ['expired', await issuer.sign({ exp: now - 31 })],
    ['no end', await issuer.sign({ exp: undefined })],
    ['not yet valid', await issuer.sign({ nbf: now + 60 })],
    ['no subject', await issuer.sign({ sub: undefined })],
    ['no tenant', tokenOf('lost')],
    ['a tenant that is a list', await issuer.sign({ tenant: [A] })],
    ['a tenant with a separator', await issuer.sign({ tenant: 'team-a#team-b' })],
    ['a tenant for all', await issuer.sign({ tenant: '*' })],
    ['roles that are an object', await issuer.sign({ roles: { admin: true } })],
    ['scopes that are a number', await issuer.sign({ scope: 1 })],
    ['longer than 8 KiB', await issuer.sign({ more: 'x'.repeat(8_192) })],
    ['no signature', `${head}.${body}.`],
    ['two parts', `${head}.${body}`],
    ['the claims of somebody else', `${head}.${tokenOf('bob').split('.')[1] ?? ''}.${signature}`],
    ['no token', 'x'],
  ];
}

verifies('0.4-hostile', 'whatever is wrong with a token, every endpoint gives one answer', async () => {
  const hostile = await hostileTokens();
  for (const ask of [
    (token: string) => list(token),
    (token: string) => send('/register', token),
    (token: string) => send('/v1/instance', token),
    (token: string) => send('/sse', token),
  ]) {
    const answers = new Set<string>();
    for (const [what, token] of hostile) {
      const answer = await ask(token);
      expect(answer.status, what).toBe(401);
      expect(answer.headers['www-authenticate'], what).toBe('Bearer realm="zeroplane", error="invalid_token"');
      answers.add(JSON.stringify(answer).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID'));
    }
    expect([...answers]).toHaveLength(1);
  }
  expect((await list(tokenOf('ada'))).status).toBe(200);
});

verifies('0.4-hostile', 'a changed token is refused, or is the caller whose claims it has', async () => {
  const [ada, bob] = [tokenOf('ada'), tokenOf('bob')];
  const seen = new Map([ada, bob].map((token) => [token.split('.')[1], list(token)]));
  const position = fc.nat({ max: ada.length - 1 });
  const changed = fc.oneof(
    fc
      .tuple(position, fc.constantFrom('a', 'Z', '0', '9', '-', '_', '.'))
      .map(([at, letter]) => ada.slice(0, at) + letter + ada.slice(at + 1)),
    position.map((at) => ada.slice(0, at) + ada.slice(at + 1)),
    fc
      .tuple(position, position)
      .map(([from, to]) => ada.slice(0, from) + bob.slice(from, to) + ada.slice(Math.max(from, to))),
  );
  await fc.assert(
    fc.asyncProperty(changed, async (token) => {
      const { status, text } = await list(token);
      if (status !== 401) expect(text).toBe((await seen.get(token.split('.')[1]))?.text);
    }),
    { numRuns: 300 },
  );
});

/** A clock that can be moved on while everything else runs. */
const movable = (): { readonly clock: Clock; readonly move: (ms: number) => void } => {
  let extraMs = 0;
  return {
    clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + extraMs },
    move: (ms) => void (extraMs += ms),
  };
};

verifies('0.4-keys', 'keys rotate without a restart, and an issuer that is down disturbs nobody it knows', async () => {
  const rotating = await startIssuer(PEOPLE);
  const { clock, move } = movable();
  const at = await startInstance({ config: configOf(rotating.url), targets: targets(), clock });
  try {
    const old = await rotating.token('ada');
    expect((await list(old, at)).status).toBe(200);
    await rotating.rotate();
    move(5_000);
    const fresh = await rotating.token('ada');
    expect((await list(fresh, at)).status, 'the new key').toBe(200);
    move(60_000);
    expect((await list(old, at)).status, 'the withdrawn key').toBe(401);
    rotating.fail(true);
    for (let minutes = 0; minutes < 60; minutes += 10) {
      move(600_000);
      expect((await list(fresh, at)).status, `down for ${minutes} minutes`).toBe(200);
    }
    const before = rotating.asked.length;
    const forged = await rotating.sign({}, { kid: 'key-9' });
    const answers = await Promise.all(Array.from({ length: 100 }, () => list(forged, at)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect(rotating.asked.length - before).toBeLessThanOrEqual(5);
  } finally {
    await at.close();
    await rotating.close();
  }
});

verifies(
  '0.4-keys',
  'an issuer whose keys were never read is a 503 with a time to wait, and is asked again',
  async () => {
    const late = await startIssuer(PEOPLE);
    const { clock, move } = movable();
    const at = await startInstance({ config: configOf(late.url), targets: targets(), clock });
    try {
      const token = await late.token('ada');
      late.fail(true);
      const refused = await list(token, at);
      expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
      expect(refused.text).toContain('cannot be read at the moment');
      expect((await send('/register', token, { at })).status).toBe(503);
      expect((await list(at.token, at)).status, 'the development token').toBe(200);
      late.fail(false);
      move(5_000);
      expect((await list(token, at)).status).toBe(200);
    } finally {
      await at.close();
      await late.close();
    }
  },
);

verifies('0.4-roles', 'a missing scope is 403 with a challenge that names it', async () => {
  const use = await list(tokenOf('otto'));
  expect(use.status).toBe(403);
  expect(use.headers['www-authenticate']).toContain('error="insufficient_scope", scope="zeroplane:use"');
  const admin = await send('/register', tokenOf('uma'), { method: 'POST', body: registration() });
  expect(admin.status).toBe(403);
  expect(admin.headers['www-authenticate']).toContain('error="insufficient_scope", scope="zeroplane:admin"');
  expect((await send('/register', tokenOf('uma'))).status).toBe(200);
  expect((await send('/v1/instance', tokenOf('uma'))).status).toBe(403);
});

verifies('0.4-roles', 'lists show what a role may use', async () => {
  const lists = async (name: Name): Promise<number[]> => [
    (await names(name, 'tools')).length,
    (await names(name, 'prompts')).length,
    (await names(name, 'resources')).length,
  ];
  expect(await lists('ada')).toEqual([2, 2, 2]);
  expect(await lists('rita')).toEqual([2, 2, 2]);
  expect(await lists('vera')).toEqual([0, 0, 2]);
  expect(await lists('alex')).toEqual([0, 0, 2]);
  expect(await lists('nora')).toEqual([0, 0, 0]);
});

verifies('0.4-roles', 'a viewer reads, and is told which role a call needs', async () => {
  const vera = wireOf('vera');
  const read = await vera.request('resources/read', { uri: 'all+memo:x' });
  expect(JSON.stringify(read.result)).toContain('memo');
  const called = await vera.request('tools/call', { name: 'all___whoami', arguments: {} });
  expect(called.result).toMatchObject({ isError: true });
  expect(JSON.stringify(called.result)).toContain('needs the role requester or admin');
  const unknown = await vera.request('tools/call', { name: 'only-b___whoami', arguments: {} });
  expect(unknown.error).toMatchObject({ code: -32602, data: { knownTargets: ['all', 'only-a', 'registry'] } });
  expect((await send('/register', tokenOf('vera'))).status).toBe(200);
  const written = await send('/register', tokenOf('rita'), { method: 'POST', body: registration() });
  expect(written).toMatchObject({ status: 403, text: expect.stringContaining('FORBIDDEN') as unknown });
});

verifies('0.4-roles', 'without a role nothing can be seen or called', async () => {
  const nora = wireOf('nora');
  const unknown = await nora.request('tools/call', { name: 'all___whoami', arguments: {} });
  expect(unknown.error).toMatchObject({ code: -32602, data: { knownTargets: [] } });
  expect((await send('/register', tokenOf('nora'))).status).toBe(403);
});

test('a caller who comes again asks nothing of the issuer', async () => {
  const before = issuer.asked.length;
  for (let n = 0; n < 20; n++) expect((await list(tokenOf('ada'))).status).toBe(200);
  expect(issuer.asked.length).toBe(before);
});
