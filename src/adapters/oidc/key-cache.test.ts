import { beforeAll, beforeEach, expect, test } from 'vitest';
import { fakeClock, type FakeClock } from '../../../tests/contract/fake-clock.ts';
import type { Logger } from '../../core/ports.ts';
import type { TokenVerifier } from '../../http/authenticate/token-verifier.ts';
import { AUDIENCE, ISSUER, NOW, TestIssuer, makeKey, sign, signAnything, type TestKey } from './issuer-for-test.ts';
import { createTokenVerifier } from './token-verifier.ts';

const METADATA = `${ISSUER}/.well-known/openid-configuration`;
const KEYS = `${ISSUER}/keys`;

let signing: TestKey;
let other: TestKey;
let clock: FakeClock;
let issuer: TestIssuer;
let said: string[];

const log: Logger = {
  log: (_level, message, fields) => void said.push(`${message} ${String(fields?.['reason'])}`),
  with: () => log,
};

const makeVerifier = (jwksUri?: string): TokenVerifier =>
  createTokenVerifier({
    issuers: [{ issuer: ISSUER, audience: [AUDIENCE], audienceClaim: 'aud', algorithms: ['ES256'], jwksUri }],
    egress: issuer.egress,
    clock,
    log,
  });

beforeAll(async () => {
  [signing, other] = await Promise.all([makeKey('first'), makeKey('first')]);
});

beforeEach(() => {
  clock = fakeClock(NOW * 1000);
  issuer = new TestIssuer();
  issuer.keys = [signing.jwk];
  said = [];
});

test('keys are asked for by the first token, and not by the next', async () => {
  const verifier = makeVerifier();
  expect(issuer.asked).toEqual([]);
  await Promise.all(Array.from({ length: 20 }, async () => verifier.verify(await sign(signing))));
  expect(issuer.asked).toEqual([METADATA, KEYS]);
});

test('keys are read where the operator says, without metadata', async () => {
  const jwksUri = 'https://keys.example.net/all';
  expect(await makeVerifier(jwksUri).verify(await sign(signing))).toBeDefined();
  expect(issuer.asked).toEqual([jwksUri]);
});

test('keys that are new are found at once; those that are gone stay refused', async () => {
  const verifier = makeVerifier();
  await verifier.verify(await sign(signing));
  const next = await makeKey('next');
  issuer.keys = [next.jwk];
  clock.advance(5_000);
  expect(await verifier.verify(await sign(next))).toBeDefined();
  expect(await verifier.verify(await sign(signing))).toBeUndefined();
});

test('keys that are withdrawn are noticed by the traffic of the next minute', async () => {
  const verifier = makeVerifier();
  const token = await sign(signing);
  await verifier.verify(token);
  issuer.keys = [(await makeKey('next')).jwk];
  clock.advance(60_000);
  await verifier.verify(token);
  await expect.poll(() => verifier.verify(token)).toBeUndefined();
});

test('keys are not asked for more than once in five seconds by a hundred forged key ids', async () => {
  const verifier = makeVerifier();
  await verifier.verify(await sign(signing));
  for (let second = 0; second < 20; second++) {
    clock.advance(1_000);
    const forged = Array.from({ length: 5 }, async (_, n) => {
      const token = await sign(other, {}, { kid: `forged-${second}-${n}` });
      return verifier.verify(token);
    });
    expect(await Promise.all(forged)).toEqual(Array.from({ length: 5 }));
  }
  expect(issuer.asked.filter((url) => url === KEYS).length).toBeLessThanOrEqual(5);
  expect(await verifier.verify(await sign(signing))).toBeDefined();
});

test('keys that are known outlive an hour without the issuer', async () => {
  const verifier = makeVerifier();
  const token = await sign(signing, { exp: NOW + 90_000 });
  await verifier.verify(token);
  issuer.isDown = true;
  for (let minute = 0; minute < 60; minute++) {
    clock.advance(60_000);
    expect(await verifier.verify(token)).toBeDefined();
  }
  expect(said.filter((line) => line.startsWith('issuer-not-reached'))).toHaveLength(1);
  issuer.isDown = false;
  clock.advance(60_000);
  await verifier.verify(token);
  await expect.poll(() => said.some((line) => line.startsWith('issuer-reached'))).toBe(true);
});

test('keys are not trusted for longer than a day without the issuer', async () => {
  const verifier = makeVerifier();
  const token = await sign(signing, { exp: NOW + 900_000 });
  await verifier.verify(token);
  issuer.isDown = true;
  clock.advance(86_400_000);
  await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' });
});

test('keys that could never be read are our fault, with a time to come back', async () => {
  issuer.isDown = true;
  const verifier = makeVerifier();
  const token = await sign(signing);
  const details = { issuer: ISSUER, retryAfterSeconds: 5 };
  await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE', status: 503, details });
  await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' });
  expect(issuer.asked).toHaveLength(1);
  issuer.isDown = false;
  clock.advance(5_000);
  expect(await verifier.verify(token)).toBeDefined();
});

test('keys are no reason to ask for anything when the token says itself that it is not valid', async () => {
  issuer.isDown = true;
  for (const [alg, iss] of [
    ['none', ISSUER],
    ['ES256', 'https://other.example.com'],
  ])
    expect(await makeVerifier().verify(await signAnything(signing, { alg }, { iss }))).toBeUndefined();
  expect(issuer.asked).toEqual([]);
});

test.each([
  ['no JSON', KEYS, { text: '<html>' }, 'no JSON object'],
  ['no list', KEYS, { text: '{"keys":{}}' }, 'no list of keys'],
  ['nothing in the list', KEYS, { text: '{"keys":[]}' }, 'no public key'],
  [
    '101 keys',
    KEYS,
    { text: JSON.stringify({ keys: Array.from({ length: 101 }, () => ({ kty: 'EC' })) }) },
    'at most 100',
  ],
  ['a redirect', KEYS, { status: 302, text: '' }, 'answered 302'],
  ['an error', METADATA, { status: 500, text: '{}' }, 'answered 500'],
  ['metadata of another issuer', METADATA, { text: '{"issuer":"https://a.example"}' }, 'metadata of another issuer'],
  ['metadata without keys', METADATA, { text: JSON.stringify({ issuer: ISSUER }) }, 'no jwks_uri'],
  [
    'keys on another origin',
    METADATA,
    { text: JSON.stringify({ issuer: ISSUER, jwks_uri: 'https://issuer.example.com:8443/keys' }) },
    'another origin',
  ],
  [
    'keys on this machine',
    METADATA,
    { text: JSON.stringify({ issuer: ISSUER, jwks_uri: 'file:///etc/passwd' }) },
    'another origin',
  ],
])('an issuer that answers with %s cannot be used, and the log says why', async (_title, url, answer, reason) => {
  issuer.answers.set(url, answer);
  await expect(makeVerifier().verify(await sign(signing))).rejects.toThrow('cannot be read');
  expect(said.join()).toContain(reason);
  expect(issuer.asked.every((asked) => asked.startsWith(`${ISSUER}/`))).toBe(true);
});
