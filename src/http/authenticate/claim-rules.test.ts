import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { principalOf, type ClaimRules } from './claim-rules.ts';

const ISSUER = 'https://issuer.example.com';

const rulesOf = (more: Partial<ClaimRules> = {}): ClaimRules => ({
  issuer: ISSUER,
  paths: { tenant: 'tenant', roles: 'roles', scopes: 'scope' },
  defaultRoles: [],
  ...more,
});

const read = (claims: Record<string, unknown>, more: Partial<ClaimRules> = {}, others: readonly ClaimRules[] = []) =>
  principalOf({ issuer: ISSUER, subject: 'ada', claims, untilMs: 0 }, [rulesOf(more), ...others]);

test('tenant, roles and scopes are read from their claims', () => {
  const claims = { tenant: 'team-x', roles: ['requester', 'approver'], scope: 'openid zeroplane:use' };
  expect(read(claims)).toEqual({
    id: 'ada',
    tenant: 'team-x',
    roles: ['requester', 'approver'],
    scopes: ['openid', 'zeroplane:use'],
    claims,
  });
});

describe('a path is', () => {
  test.each([
    ['custom:tenant', { 'custom:tenant': 'team-x' }],
    ['https://example.com/tenant', { 'https://example.com/tenant': 'team-x' }],
    ['app.tenant', { app: { tenant: 'team-x' } }],
    ['app.tenant', { 'app.tenant': 'team-x', app: { tenant: 'team-y' } }],
    ['access.https://example.com.tenant', { access: { 'https://example.com': { tenant: 'team-x' } } }],
    ['https://example.com/app.tenant', { 'https://example.com/app': { tenant: 'team-x' } }],
  ])('%s', (path, claims) => {
    const paths = { ...rulesOf().paths, tenant: path };
    expect(read(claims, { paths })).toMatchObject({ tenant: 'team-x' });
  });

  test.each(['constructor', '__proto__', 'toString', 'a.constructor', 'a.__proto__.b', '', '.', 'a.', '.a', 'a..b'])(
    'not "%s"',
    (path) => {
      const paths = { ...rulesOf().paths, tenant: path };
      expect(read({ a: { x: 'team-x' } }, { paths })).toMatch(/no tenant/);
    },
  );
});

test.each(['team-x', 'a', 'A.b_c-1', 'x'.repeat(63)])('"%s" is a tenant', (tenant) => {
  expect(read({ tenant })).toMatchObject({ tenant });
});

test.each([
  undefined,
  null,
  '',
  '*',
  '.',
  '-a',
  'a/b',
  'a#b',
  'a b',
  'team-x\n',
  ' team-x',
  'x'.repeat(64),
  'té',
  7,
  true,
  ['team-x'],
  { toString: 'team-x' },
])('%j is none', (tenant) => {
  expect(read({ tenant })).toMatch(/no tenant/);
});

test('an issuer speaks only for the tenants it is given', () => {
  const tenants = ['team-x'];
  expect(read({ tenant: 'team-x' }, { tenants })).toMatchObject({ tenant: 'team-x' });
  expect(read({ tenant: 'team-y' }, { tenants })).toMatch(/may not name/);
});

describe('roles', () => {
  const rolesOf = (roles: unknown, more: Partial<ClaimRules> = {}): unknown => {
    const found = read({ tenant: 'team-x', roles }, more);
    return typeof found === 'string' ? found : found.roles;
  };

  test.each([
    [undefined, []],
    [null, []],
    ['admin', ['admin']],
    [['viewer', 'owner', 'viewer'], ['viewer']],
    ['viewer admin', []],
    [['Admin'], []],
    [['constructor', '__proto__'], []],
  ])('%j are %j', (given, expected) => {
    expect(rolesOf(given)).toEqual(expected);
  });

  test.each([7, true, { admin: true }, [['admin']], ['admin', 7]])('%j refuse the token', (given) => {
    expect(rolesOf(given)).toMatch(/no text and no list/);
  });

  test('a table alone says what a value means', () => {
    const roles = new Map([
      ['Platform Admins', 'admin'],
      ['dev', 'requester'],
      ['ops', 'requester'],
    ] as const);
    expect(rolesOf(['Platform Admins', 'dev', 'ops'], { roles })).toEqual(['admin', 'requester']);
    expect(rolesOf('Platform Admins', { roles })).toEqual(['admin']);
    expect(rolesOf(['admin', 'viewer'], { roles })).toEqual([]);
  });

  test('the default is for tokens that name none', () => {
    const defaultRoles = ['viewer'] as const;
    expect(rolesOf(undefined, { defaultRoles })).toEqual(['viewer']);
    expect(rolesOf(['owner'], { defaultRoles })).toEqual(['viewer']);
    expect(rolesOf(['requester'], { defaultRoles })).toEqual(['requester']);
  });
});

describe('scopes', () => {
  const scopesOf = (scope: unknown, more: Partial<ClaimRules> = {}): unknown => {
    const found = read({ tenant: 'team-x', scope }, more);
    return typeof found === 'string' ? found : found.scopes;
  };

  test.each([
    [undefined, []],
    ['', []],
    ['  a  b ', ['a', 'b']],
    [
      ['a', 'b c'],
      ['a', 'b c'],
    ],
  ])('%j are %j', (given, expected) => {
    expect(scopesOf(given)).toEqual(expected);
  });

  test('a table alone says what a value means', () => {
    const scopes = new Map([['gateway/use', 'zeroplane:use']]);
    expect(scopesOf('gateway/use zeroplane:admin', { scopes })).toEqual(['zeroplane:use']);
  });

  test('7 refuses the token', () => {
    expect(scopesOf(7)).toMatch(/no text and no list/);
  });
});

describe('several issuers', () => {
  const other = 'https://other.example.com';
  const rules = [rulesOf(), rulesOf({ issuer: other, name: 'corp' })];
  const idOf = (issuer: string, subject: string): string => {
    const found = principalOf({ issuer, subject, claims: { tenant: 'team-x' }, untilMs: 0 }, rules);
    return typeof found === 'string' ? `refused: ${found}` : found.id;
  };

  test('a name stands before the subjects of its issuer', () => {
    expect(idOf(ISSUER, 'ada')).toBe('ada');
    expect(idOf(other, 'ada')).toBe('corp:ada');
    expect(idOf(ISSUER, 'corp:ada')).toMatch(/^refused/);
    expect(idOf('https://third.example.com', 'ada')).toMatch(/^refused/);
  });

  test('no two of their people have one id', () => {
    const person = fc.tuple(fc.constantFrom(ISSUER, other), fc.stringMatching(/^(?:corp|x)?:?(?:corp|x)?:?a?$/));
    fc.assert(
      fc.property(person, person, (one, two) => {
        const ids = [idOf(...one), idOf(...two)];
        if (one[0] !== two[0] || one[1] !== two[1])
          expect(ids[0] === ids[1] && ids[0]?.startsWith('refused') === false).toBe(false);
      }),
    );
  });
});
