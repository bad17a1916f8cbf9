import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { fakeClock } from '../../tests/contract/fake-clock.ts';
import { NOW, TestIssuer, makeKey, sign, type TestKey } from '../adapters/oidc/issuer-for-test.ts';
import { loadConfig } from '../config/load.ts';
import type { Logger } from '../core/ports.ts';
import type { Authenticator, SignableRequest } from '../http/authenticate.ts';
import { makeAuthenticator } from './make-authenticator.ts';

const log: Logger = { log: () => undefined, with: () => log };

let key: TestKey;
let blocks: readonly string[];
beforeAll(async () => {
  key = await makeKey('key', 'RS256');
  const page = await readFile(new URL('../../docs/how-to/sign-in-with-your-issuer.md', import.meta.url), 'utf8');
  blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
});

/** Takes tokens as the block of the page that names this issuer says. */
async function ofPage(issuer: string): Promise<Authenticator> {
  const text = blocks.find((block) => block.includes(issuer)) ?? '';
  const folder = await mkdtemp(join(tmpdir(), 'make-authenticator-'));
  try {
    await writeFile(join(folder, 'zeroplane.yaml'), text);
    const { config } = await loadConfig({ cwd: folder, env: {} });
    const outside = new TestIssuer();
    outside.keys = [key.jwk];
    for (const { issuer: iss } of config.auth.issuers) {
      const base = iss.replace(/\/$/, '');
      const metadata = { issuer: iss, jwks_uri: `${base}/.well-known/jwks.json` };
      outside.answers.set(`${base}/.well-known/openid-configuration`, { text: JSON.stringify(metadata) });
    }
    const clock = fakeClock(NOW * 1000);
    return makeAuthenticator({ token: 'zp_x', issuers: config.auth.issuers, egress: outside.egress, clock, log });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const ask = async (authenticator: Authenticator, token: string): Promise<unknown> => {
  const headers = { authorization: `Bearer ${token}` };
  const request: SignableRequest = {
    method: 'POST',
    path: '/mcp',
    query: '',
    headers,
    readBody: () => Promise.resolve(new Uint8Array()),
  };
  try {
    return await authenticator.authenticate(headers, request);
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
};

test('access tokens in the form of Cognito are read as the page says', async () => {
  const iss = 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI';
  const claims = {
    iss,
    sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    aud: undefined,
    client_id: '1h57kf5cpq17m0eml12EXAMPLE',
    token_use: 'access',
    'cognito:groups': ['developers'],
    'custom:tenant': 'team-x',
    scope: 'openid zeroplane/use',
    tenant: undefined,
    roles: undefined,
  };
  const authenticator = await ofPage(iss);
  expect(await ask(authenticator, await sign(key, claims, { typ: undefined }))).toMatchObject({
    id: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    tenant: 'team-x',
    roles: ['requester'],
    scopes: ['zeroplane:use'],
  });
  const ofOther = await sign(key, { ...claims, client_id: 'another' });
  expect(await ask(authenticator, ofOther)).toMatch(/not valid/);
});

test('access tokens in the form of Auth0 are read as the page says', async () => {
  const claims = {
    iss: 'https://example.eu.auth0.com/',
    sub: 'auth0|507f1f77bcf86cd799439020',
    aud: ['https://gateway.example.com/mcp', 'https://example.eu.auth0.com/userinfo'],
    'https://example.com/tenant': 'team-x',
    'https://example.com/roles': ['approver'],
    scope: 'openid profile zeroplane:use',
    tenant: undefined,
    roles: undefined,
  };
  const authenticator = await ofPage(claims.iss);
  expect(await ask(authenticator, await sign(key, claims))).toMatchObject({
    id: 'auth0|507f1f77bcf86cd799439020',
    tenant: 'team-x',
    roles: ['approver'],
    scopes: ['openid', 'profile', 'zeroplane:use'],
  });
  const withoutSlash = await sign(key, { ...claims, iss: 'https://example.eu.auth0.com' });
  expect(await ask(authenticator, withoutSlash)).toMatch(/not valid/);
});

test('nested claims and tables are read as the page says', async () => {
  const authenticator = await ofPage('organization.id');
  const claims = {
    iss: 'https://id.example.com/realms/platform',
    aud: 'https://gateway.example.com/admin',
    organization: { id: 'team-y' },
    realm_access: { roles: ['offline_access', 'change-board', 'admin'] },
    scp: 'gateway.use',
    tenant: 'team-z',
  };
  expect(await ask(authenticator, await sign(key, claims))).toMatchObject({
    tenant: 'team-y',
    roles: ['approver'],
    scopes: ['zeroplane:use'],
  });
  const foreign = await sign(key, { ...claims, organization: { id: 'team-z' } });
  expect(await ask(authenticator, foreign)).toMatch(/not valid/);
});

test('of several issuers each speaks for its own people', async () => {
  const authenticator = await ofPage('https://login.partner.example');
  const partner = { iss: 'https://login.partner.example', tenant: 'partner' };
  expect(await ask(authenticator, await sign(key, { iss: 'https://id.example.com' }))).toMatchObject({ id: 'ada' });
  expect(await ask(authenticator, await sign(key, partner))).toMatchObject({ id: 'partner:ada', tenant: 'partner' });
  expect(await ask(authenticator, await sign(key, { ...partner, tenant: 'team-x' }))).toMatch(/not valid/);
  const disguised = { iss: 'https://id.example.com', sub: 'partner:ada' };
  expect(await ask(authenticator, await sign(key, disguised))).toMatch(/not valid/);
});
