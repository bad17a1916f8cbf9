import * as fc from 'fast-check';
import { SignJWT, UnsecuredJWT, exportJWK, exportSPKI, importJWK } from 'jose';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fakeClock, type FakeClock } from '../../../tests/contract/fake-clock.ts';
import type { Logger } from '../../core/ports.ts';
import type { TokenVerifier } from '../../http/authenticate/token-verifier.ts';
import { AUDIENCE, ISSUER, NOW, TestIssuer, makeKey, sign, signAnything, type TestKey } from './issuer-for-test.ts';
import type { IssuerOptions } from './issuer.ts';
import { createTokenVerifier } from './token-verifier.ts';

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const;

const keys = new Map<string, TestKey>();
let clock: FakeClock;
let issuer: TestIssuer;
let said: string[];

const key = (alg: string): TestKey => {
  const found = keys.get(alg);
  if (found === undefined) throw new Error(`no key ${alg}`);
  return found;
};

const log: Logger = {
  log: (_level, message, fields) => void said.push(`${message} ${String(fields?.['reason'])}`),
  with: () => log,
};

const makeVerifier = (options: Partial<IssuerOptions> = {}): TokenVerifier =>
  createTokenVerifier({
    issuers: [
      { issuer: ISSUER, audience: [AUDIENCE], audienceClaim: 'aud', algorithms: ['RS256', 'ES256'], ...options },
    ],
    egress: issuer.egress,
    clock,
    log,
  });

beforeAll(async () => {
  for (const alg of ALGORITHMS) keys.set(alg, await makeKey(`key-${alg}`, alg));
  keys.set('other', await makeKey('key-ES256'));
});

beforeEach(() => {
  clock = fakeClock(NOW * 1000);
  issuer = new TestIssuer();
  issuer.keys = ALGORITHMS.map((alg) => key(alg).jwk);
  said = [];
});

test('a token of the issuer gives its subject and its claims', async () => {
  const verified = await makeVerifier().verify(await sign(key('ES256')));
  expect(verified).toMatchObject({ issuer: ISSUER, subject: 'ada', claims: { tenant: 'team-x' } });
  expect(verified?.untilMs).toBe((NOW + 330) * 1000);
});

test.each(ALGORITHMS)('%s is taken where it is configured', async (alg) => {
  const token = await sign(key(alg));
  expect(await makeVerifier({ algorithms: [alg] }).verify(token)).toBeDefined();
  const others = ALGORITHMS.filter((each) => each !== alg);
  expect(await makeVerifier({ algorithms: others }).verify(token)).toBeUndefined();
});

test.each([
  ['several audiences, ours among them', { aud: ['https://other.example.com', AUDIENCE] }],
  ['thirty seconds after its end', { exp: NOW - 29 }],
  ['thirty seconds before its beginning', { nbf: NOW + 30 }],
  ['no time of issue', { iat: undefined }],
])('taken: %s', async (_title, claims) => {
  expect(await makeVerifier().verify(await sign(key('ES256'), claims))).toBeDefined();
});

test.each([undefined, 'JWT', 'jwt', 'at+jwt', 'application/at+jwt', 'AT+JWT'])('taken: the type %s', async (typ) => {
  expect(await makeVerifier().verify(await sign(key('ES256'), {}, { typ }))).toBeDefined();
});

test('taken: no key id, while one key alone fits the algorithm', async () => {
  const token = await sign(key('ES256'), {}, { kid: undefined });
  expect(await makeVerifier().verify(token)).toBeDefined();
  issuer.keys = [...issuer.keys, { ...key('other').jwk, kid: 'second' }];
  expect(await makeVerifier().verify(token)).toBeUndefined();
});

const wrongClaims: readonly (readonly [string, Record<string, unknown>])[] = [
  ['a foreign issuer', { iss: 'https://other.example.com' }],
  ['the issuer with a slash', { iss: `${ISSUER}/` }],
  ['the issuer in other letters', { iss: ISSUER.toUpperCase() }],
  ['no issuer', { iss: undefined }],
  ['a list of issuers', { iss: [ISSUER] }],
  ['a foreign audience', { aud: 'https://other.example.com' }],
  ['an audience that begins like ours', { aud: `${AUDIENCE}/x` }],
  ['no audience', { aud: undefined }],
  ['an empty list of audiences', { aud: [] }],
  ['an audience of another type', { aud: { a: AUDIENCE } }],
  ['expired', { exp: NOW - 31 }],
  ['no end', { exp: undefined }],
  ['an end in words', { exp: '2099-01-01' }],
  ['an end that is a list', { exp: [NOW + 300] }],
  ['an end that is nothing', { exp: null }],
  ['not yet valid', { nbf: NOW + 31 }],
  ['a beginning in words', { nbf: '0' }],
  ['a time of issue in words', { iat: 'now' }],
  ['no subject', { sub: undefined }],
  ['an empty subject', { sub: '' }],
  ['a subject of another type', { sub: 7 }],
  ['a subject that is a list', { sub: ['ada'] }],
  ['a subject with a line break', { sub: 'ada\n' }],
  ['a subject with half a character', { sub: 'ada\ud800' }],
  ['a subject of 256 characters', { sub: 'a'.repeat(256) }],
];

test.each(wrongClaims)('refused: %s', async (_title, claims) => {
  expect(await makeVerifier().verify(await sign(key('ES256'), claims))).toBeUndefined();
  expect(said).toHaveLength(1);
});

describe('refused: a header that', () => {
  test.each([
    ['has an unknown key id', { kid: 'key-9' }, 'no key'],
    ['has the key id of a key for another algorithm', { kid: 'key-RS256' }, 'no key'],
    ['has a key id of another type', { kid: 7 }, 'key id is no text'],
    ['has another type', { typ: 'logout+jwt' }, 'type'],
    ['has the type of an identity proof', { typ: 'dpop+jwt' }, 'type'],
    ['has a type of another type', { typ: ['at+jwt'] }, 'type'],
    ['names an extension', { crit: ['b64'], b64: true }, '"crit"'],
    ['names an extension that nobody knows', { crit: ['exp'], exp: 1 }, '"crit"'],
    ['names where its keys are', { jku: 'https://evil.example.com/keys' }, '"jku"'],
    ['names where its certificate is', { x5u: 'https://evil.example.com/cert' }, '"x5u"'],
    ['brings a certificate', { x5c: ['MIIB'] }, '"x5c"'],
    ['has an algorithm in other letters', { alg: 'es256' }, 'algorithm'],
    ['has a list of algorithms', { alg: ['ES256'] }, 'algorithm'],
  ])('%s', async (_title, header, reason) => {
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', exp: NOW + 300 };
    const base = { alg: 'ES256', kid: 'key-ES256' };
    const verifier = makeVerifier();
    expect(await verifier.verify(await signAnything(key('ES256'), base, claims))).toBeDefined();
    expect(await verifier.verify(await signAnything(key('ES256'), { ...base, ...header }, claims))).toBeUndefined();
    expect(said.at(-1)).toContain(reason);
    expect(issuer.asked.filter((url) => !url.startsWith(ISSUER))).toEqual([]);
  });

  test('brings the key that signed it', async () => {
    const other = key('other');
    const token = await sign(other, {}, { jwk: other.jwk, kid: undefined });
    expect(await makeVerifier().verify(token)).toBeUndefined();
  });
});

/** A token nobody signed. */
const raw = (header: object, claims: object, signature = 'AAAA'): string =>
  [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + `.${signature}`;

test('refused: a signature by another key of the same name', async () => {
  expect(await makeVerifier().verify(await sign(key('other')))).toBeUndefined();
});

test('refused: no algorithm', async () => {
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', exp: NOW + 300 };
  const verifier = makeVerifier();
  for (const alg of ['none', 'None', 'NONE', '', undefined, null, ['ES256']])
    for (const signature of ['', 'AAAA'])
      expect(await verifier.verify(raw({ alg, kid: 'key-ES256' }, claims, signature)), String(alg)).toBeUndefined();
  expect(await verifier.verify(new UnsecuredJWT(claims).encode())).toBeUndefined();
});

test.each(['RS256', 'ES256'])('refused: a public %s key used as a shared secret, in every form it has', async (alg) => {
  const { jwk, kid } = key(alg);
  const published = await importJWK(jwk, alg, { extractable: true });
  if (published instanceof Uint8Array) throw new Error('a public key');
  const pem = await exportSPKI(published);
  const forms = [
    pem,
    pem.trim(),
    JSON.stringify(jwk),
    JSON.stringify(await exportJWK(published)),
    jwk.n ?? jwk.x ?? '',
  ];
  for (const secret of forms) {
    for (const hmac of ['HS256', 'HS384', 'HS512']) {
      const token = await new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub: 'ada', exp: NOW + 300 })
        .setProtectedHeader({ alg: hmac, kid })
        .sign(Buffer.from(secret.padEnd(64, ' ')));
      expect(await makeVerifier().verify(token)).toBeUndefined();
    }
  }
});

test('a secret or a private key among the public ones is nobody’s key', async () => {
  const { privateKey, jwk } = key('ES256');
  issuer.keys = [{ ...(await exportJWK(privateKey)), kid: 'key-ES256', alg: 'ES256' }, key('RS256').jwk];
  expect(await makeVerifier().verify(await sign(key('ES256')))).toBeUndefined();
  issuer.keys = [
    { kty: 'oct', k: 'c2VjcmV0', kid: 'key-ES256' },
    { ...jwk, use: 'enc' },
  ];
  expect(await makeVerifier().verify(await sign(key('ES256')))).toBeUndefined();
});

test.each([
  '',
  'a',
  'a.b',
  'a.b.c',
  'a.b.c.d.e',
  '..',
  'e30.e30.',
  'e30.e30.e30',
  'bnVsbA.bnVsbA.AAAA',
  'ä.ö.ü',
  'a.b.c\n',
])('refused: "%s"', async (text) => {
  expect(await makeVerifier().verify(text)).toBeUndefined();
});

test('a token with anything changed in it is refused, or is the same one', async () => {
  const verifier = makeVerifier();
  const token = await sign(key('ES256'));
  const original = await verifier.verify(token);
  const position = fc.nat({ max: token.length - 1 });
  await fc.assert(
    fc.asyncProperty(position, fc.nat({ max: 7 }), async (at, bit) => {
      const bytes = Buffer.from(token);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      const found = await verifier.verify(bytes.toString('latin1'));
      // The last letter of a part has bits that mean nothing.
      if (found !== undefined) expect(found).toEqual(original);
    }),
    { numRuns: 2_000 },
  );
  await fc.assert(
    fc.asyncProperty(position, fc.string({ maxLength: 3 }), fc.nat({ max: 3 }), async (at, more, drop) => {
      const changed = token.slice(0, at) + more + token.slice(at + drop);
      const found = await verifier.verify(changed);
      if (changed !== token && found !== undefined) expect(found).toEqual(original);
    }),
    { numRuns: 1_000 },
  );
});

describe('a client as audience', () => {
  const cognito = { audienceClaim: 'client_id', audience: ['client-1'] } as const;

  test.each([
    [{ aud: undefined, client_id: 'client-1' }, true],
    [{ aud: 'client-1', client_id: 'client-1' }, true],
    [{ aud: undefined, client_id: 'client-2' }, false],
    [{ aud: undefined, client_id: ['client-1'] }, false],
    [{ aud: undefined }, false],
    [{ aud: 'client-1' }, false],
    [{ aud: 'https://other.example.com', client_id: 'client-1' }, false],
  ])('%j', async (claims, isTaken) => {
    const verified = await makeVerifier(cognito).verify(await sign(key('ES256'), claims));
    expect(verified !== undefined).toBe(isTaken);
  });
});
