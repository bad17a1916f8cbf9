import { createHash } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { fakeClock, type FakeClock } from '../../../tests/contract/fake-clock.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';
import { DEVELOPER, TokenAuthenticator } from '../authenticate.ts';
import { IssuedTokens } from './issued-tokens.ts';

const ISSUER = 'https://issuer.example.com';
const log: Logger = { log: () => undefined, with: () => log };

let clock: FakeClock;
let checked: string[];
let isKeyWithdrawn: boolean;

/** Takes tokens that are the name of somebody; they end after ten minutes. */
function makeTokens(): IssuedTokens {
  return new IssuedTokens({
    verifier: {
      verify: (token) => {
        checked.push(token);
        if (token === 'unavailable') return Promise.reject(new PlatformError('ISSUER_UNAVAILABLE', 'No keys.'));
        if (token.startsWith('forged') || isKeyWithdrawn) return Promise.resolve(undefined);
        const claims = { tenant: token === 'nowhere' ? undefined : 'team-x', n: token };
        return Promise.resolve({ issuer: ISSUER, subject: token.slice(0, 200), claims, untilMs: untilMs });
      },
    },
    rules: [{ issuer: ISSUER, paths: { tenant: 'tenant', roles: 'roles', scopes: 'scope' }, defaultRoles: [] }],
    clock,
    log,
  });
}

let untilMs: number;

beforeEach(() => {
  clock = fakeClock();
  checked = [];
  isKeyWithdrawn = false;
  untilMs = clock.nowMs() + 600_000;
});

const ask = (tokens: IssuedTokens, token: string) =>
  tokens.principalOf(token, createHash('sha256').update(token).digest('base64'));

test('a token is checked once, and then known at once', async () => {
  const tokens = makeTokens();
  const first = await ask(tokens, 'ada');
  expect(first).toMatchObject({ id: 'ada', tenant: 'team-x' });
  expect(ask(tokens, 'ada')).toBe(first);
  expect(await ask(tokens, 'bob')).toMatchObject({ id: 'bob' });
  expect(checked).toEqual(['ada', 'bob']);
});

test('a token that has ended is known no longer, also when the clock was set forward', async () => {
  const tokens = makeTokens();
  await ask(tokens, 'ada');
  clock.jumpWall(600_000);
  await ask(tokens, 'ada');
  expect(checked).toEqual(['ada', 'ada']);
});

test('a withdrawn key counts within a minute', async () => {
  const tokens = makeTokens();
  await ask(tokens, 'ada');
  isKeyWithdrawn = true;
  clock.advance(59_999);
  expect(ask(tokens, 'ada')).toMatchObject({ id: 'ada' });
  clock.advance(1);
  expect(await ask(tokens, 'ada')).toBeUndefined();
  expect(await ask(tokens, 'ada')).toBeUndefined();
});

test('what is refused is not remembered', async () => {
  const tokens = makeTokens();
  for (const token of ['forged', 'forged', 'nowhere', 'nowhere']) expect(await ask(tokens, token)).toBeUndefined();
  expect(checked).toHaveLength(4);
});

test('a token over 8 KiB is not even looked at', async () => {
  const tokens = makeTokens();
  expect(await ask(tokens, 'a'.repeat(8_193))).toBeUndefined();
  expect(checked).toEqual([]);
  expect(await ask(tokens, 'a'.repeat(8_192))).toBeDefined();
});

test('a thousand tokens are remembered, and the oldest leave first', async () => {
  const tokens = makeTokens();
  for (let n = 0; n <= 1_024; n++) await ask(tokens, `person-${n}`);
  checked = [];
  void ask(tokens, 'person-1');
  void ask(tokens, 'person-1024');
  expect(checked).toEqual([]);
  await ask(tokens, 'person-0');
  expect(checked).toEqual(['person-0']);
});

const refusalOf = async (authenticator: TokenAuthenticator, authorization: string): Promise<unknown> => {
  try {
    return await authenticator.authenticate({ authorization });
  } catch (error) {
    return error instanceof PlatformError ? [error.code, error.message, error.details] : error;
  }
};

test('the development token goes on beside the tokens of issuers, without a check', async () => {
  const authenticator = new TokenAuthenticator('zp_secret', makeTokens());
  for (const header of ['Bearer zp_secret', 'bearer  zp_secret ', ' BEARER zp_secret'])
    expect(authenticator.authenticate({ authorization: header })).toBe(DEVELOPER);
  expect(await authenticator.authenticate({ authorization: 'bearer ada' })).toMatchObject({ id: 'ada' });
  expect(checked).toEqual(['ada']);
});

test('whatever is wrong with credentials, the answer is the same', async () => {
  const authenticator = new TokenAuthenticator('zp_secret', makeTokens());
  const headers = [
    'Bearer forged',
    'Bearer nowhere',
    'Bearer',
    'Basic YWRhOg==',
    'ada',
    'Bearer ',
    `Bearer ${'a'.repeat(9_000)}`,
  ];
  const answers = await Promise.all(headers.map((header) => refusalOf(authenticator, header)));
  expect(answers[0]).toEqual(['UNAUTHENTICATED', expect.stringContaining('not valid'), {}]);
  expect(new Set(answers.map((each) => JSON.stringify(each))).size).toBe(1);
});

test('a token that cannot be checked is not called invalid', async () => {
  const authenticator = new TokenAuthenticator('zp_secret', makeTokens());
  expect(await refusalOf(authenticator, 'Bearer unavailable')).toEqual(['ISSUER_UNAVAILABLE', 'No keys.', {}]);
});
