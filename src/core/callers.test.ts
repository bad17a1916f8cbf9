import { expect, test } from 'vitest';
import { meansCaller } from './callers.ts';
import type { Principal } from './context.ts';

const ada: Principal = {
  id: 'ada@dev',
  tenant: 'team-x',
  roles: [],
  scopes: [],
  claims: { ring: 'beta', groups: ['staff', 'web'], level: 3, internal: true, note: { a: 1 }, none: null },
};

test.each(['*', 'ada@dev', 'tenant=team-x', 'ring=beta', 'groups=staff', 'level=3', 'internal=true'])(
  '%s means the caller',
  (entry) => {
    expect(meansCaller(entry, ada)).toBe(true);
  },
);

test.each([
  'ada',
  'ADA@dev',
  'tenant=team-y',
  'ring=bet',
  'ring=',
  'ring',
  '=beta',
  'groups=staff,web',
  'note=[object Object]',
  'none=null',
  'absent=undefined',
  'constructor=x',
  '__proto__=x',
  '',
])('"%s" does not', (entry) => {
  expect(meansCaller(entry, ada)).toBe(false);
});

test('an id that looks like a claim is an id', () => {
  const other = { ...ada, id: 'uid=ada,ou=people' };
  expect(meansCaller('uid=ada,ou=people', other)).toBe(true);
});

test('a tenant is never taken from a claim', () => {
  expect(meansCaller('tenant=team-y', { ...ada, claims: { tenant: 'team-y' } })).toBe(false);
});
