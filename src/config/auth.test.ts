import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig, type LoadedConfig } from './load.ts';
import { ConfigError } from './problems.ts';

let cwd = '';
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'config-auth-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function load(auth: unknown): Promise<LoadedConfig> {
  await writeFile(join(cwd, 'zeroplane.json'), JSON.stringify({ auth }));
  return loadConfig({ cwd, env: {} });
}

async function problemsOf(auth: unknown): Promise<string[]> {
  const error = await load(auth).catch((thrown: unknown) => thrown);
  return error instanceof ConfigError ? error.problems.map(({ path, message }) => `${path}: ${message}`) : [];
}

const ONE = { issuer: 'https://issuer.example.com/', audience: 'https://gateway.example.com/mcp' };

test('an issuer needs an address and an audience; everything else has a default', async () => {
  const { config } = await load({ issuers: [ONE] });
  expect(config.auth.issuers).toEqual([
    {
      ...ONE,
      audienceClaim: 'aud',
      algorithms: ['RS256', 'ES256'],
      claims: { tenant: 'tenant', roles: 'roles', scopes: 'scope' },
      defaultRoles: [],
    },
  ]);
});

test.each(['https://a.example', 'https://a.example:8443/pool', 'http://127.0.0.1:3000', 'http://localhost:3000/'])(
  '%s may be an issuer',
  async (issuer) => {
    expect(await problemsOf({ issuers: [{ ...ONE, issuer, jwksUri: issuer }] })).toEqual([]);
  },
);

test.each([
  'http://a.example',
  'http://127.0.0.1.a.example',
  'https://user:secret@a.example',
  'https://a.example?x=1',
  'https://a.example#x',
  'ftp://a.example',
  'a.example',
  '',
])('"%s" may not', async (issuer) => {
  const [problem = '', ...others] = await problemsOf({ issuers: [{ ...ONE, issuer }] });
  expect(problem).toMatch(/^auth\.issuers/);
  expect(others).toEqual([]);
  expect(await problemsOf({ issuers: [{ ...ONE, jwksUri: issuer }] })).toHaveLength(1);
});

test.each(['HS256', 'HS512', 'none', 'RS1', 'rs256'])('%s is no algorithm', async (alg) => {
  expect(await problemsOf({ issuers: [{ ...ONE, algorithms: [alg] }] })).toHaveLength(1);
});

test.each([
  { audience: '' },
  { audience: [] },
  { algorithms: [] },
  { roles: { admins: 'root' } },
  { scopes: { all: 'everything' } },
  { defaultRoles: ['root'] },
  { tenants: ['a b'] },
  { tenants: [] },
  { name: 'a:b' },
  { audiance: 'x' },
  { claims: { tenants: 'x' } },
])('%j is refused', async (more) => {
  expect(await problemsOf({ issuers: [{ ...ONE, ...more }] })).not.toEqual([]);
});

describe('several issuers', () => {
  const two = { ...ONE, issuer: 'https://two.example.com' };
  const three = { ...ONE, issuer: 'https://three.example.com' };

  test('are told apart by names, and one may do without', async () => {
    const named = [ONE, { ...two, name: 'two' }, { ...three, name: 'three' }];
    expect(await problemsOf({ issuers: named })).toEqual([]);
    expect(await problemsOf({ issuers: [ONE, two] })).toEqual([
      expect.stringMatching(/needs "name": only one issuer may do without/),
    ]);
    expect(
      await problemsOf({
        issuers: [
          { ...ONE, name: 'a' },
          { ...two, name: 'a' },
        ],
      }),
    ).toEqual(['auth.issuers[1].name: "a" is the name of an entry above']);
  });

  test('stand in the list once each', async () => {
    expect(await problemsOf({ issuers: [ONE, { ...ONE, name: 'again' }] })).toEqual([
      expect.stringMatching(/is the issuer of an entry above/),
    ]);
  });
});

test('issuers mean nothing where everybody is let in', async () => {
  expect(await problemsOf({ mode: 'none', issuers: [ONE] })).toEqual([expect.stringMatching(/lets everybody in/)]);
});
