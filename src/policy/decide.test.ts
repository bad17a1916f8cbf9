import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Principal, Role } from '../core/context.ts';
import { builtInPolicy, scopeOf, type Action, type Decision, type Resource } from './decide.ts';

const ROLES = ['viewer', 'requester', 'approver', 'admin'] as const;
const BOTH = ['zeroplane:use', 'zeroplane:admin'];

/** Every action, with the roles that have it within scope. */
const TABLE: readonly (readonly [Action, scope: string, roles: readonly Role[]])[] = [
  ['tool:list', 'zeroplane:use', ROLES],
  ['tool:call', 'zeroplane:use', ['requester', 'admin']],
  ['resource:read', 'zeroplane:use', ROLES],
  ['prompt:get', 'zeroplane:use', ['requester', 'admin']],
  ['completion:complete', 'zeroplane:use', ['requester', 'admin']],
  ['registration:read', 'zeroplane:use', ROLES],
  ['registration:write', 'zeroplane:admin', ['admin']],
  ['job:provision', 'zeroplane:use', ['requester', 'admin']],
  ['job:read', 'zeroplane:use', ROLES],
  ['job:approve', 'zeroplane:use', ['approver', 'admin']],
  ['job:manage', 'zeroplane:use', ['requester', 'admin']],
  ['workflow:write', 'zeroplane:admin', ['admin']],
  ['workflow:start', 'zeroplane:use', ['requester', 'admin']],
  ['workflow:read', 'zeroplane:use', ROLES],
  ['workflow:manage', 'zeroplane:use', ['requester', 'admin']],
  ['audit:read', 'zeroplane:admin', ['admin']],
  ['admin:instance', 'zeroplane:admin', ['admin']],
];

const person = (roles: readonly Role[], scopes: readonly string[] = BOTH): Principal => ({
  id: 'ada',
  tenant: 'team-x',
  roles,
  scopes,
});

const thing = (tenant = 'team-x'): Resource => ({ type: 'tool', id: 'docs___get', tenant });

const ask = (principal: Principal, action: Action, resource = thing()): Decision =>
  builtInPolicy.decide({ principal, action, resource, context: { requestId: 'r' } }) as Decision;

describe.each(TABLE)('%s', (action, scope, roles) => {
  test(`needs the scope ${scope}`, () => {
    expect(scopeOf(action)).toBe(scope);
    const others = BOTH.filter((each) => each !== scope);
    expect(ask(person(ROLES, others), action)).toMatchObject({ allowed: false, visible: false, rule: 'scope' });
  });

  test.each(ROLES)('as %s', (role) => {
    expect(ask(person([role]), action).allowed).toBe(roles.includes(role));
  });

  test('without a role', () => {
    expect(ask(person([]), action)).toMatchObject({ allowed: false, visible: false, rule: 'role' });
  });
});

test('a scope has no prefix that opens it', () => {
  for (const scope of ['zeroplane', 'zeroplane:', 'zeroplane:use ', 'Zeroplane:Use', 'zeroplane:use:x'])
    expect(ask(person(ROLES, [scope]), 'tool:call').rule).toBe('scope');
});

test('who may read a thing is told which role the action needs', () => {
  expect(ask(person(['viewer']), 'tool:call')).toEqual({
    allowed: false,
    visible: true,
    rule: 'role',
    reason: 'needs the role requester or admin',
  });
  expect(ask(person(['requester']), 'job:approve')).toMatchObject({ visible: true, rule: 'role' });
  expect(ask(person(['viewer']), 'audit:read')).toMatchObject({ visible: false, rule: 'role' });
});

test('what may be read is visible only within the scope that reads it', () => {
  expect(ask(person(['viewer'], ['zeroplane:admin']), 'registration:write').visible).toBe(false);
});

const anyone = fc.record({
  id: fc.string(),
  tenant: fc.constantFrom('team-x', 'team-y'),
  roles: fc.subarray([...ROLES]),
  scopes: fc.subarray(BOTH),
});
const anyAction = fc.constantFrom(...TABLE.map(([action]) => action));

test('a thing of another tenant is hidden from everybody, for every action', () => {
  fc.assert(
    fc.property(anyone, anyAction, (principal, action) => {
      const decision = ask(principal, action, thing('team-z'));
      expect(decision).toMatchObject({ allowed: false, visible: false });
    }),
  );
});

test('a list shows what a call allows: many at once and one by one agree', async () => {
  const things = [thing(), thing('team-y'), thing('*')];
  await fc.assert(
    fc.asyncProperty(anyone, anyAction, async (principal, action) => {
      const listed = await builtInPolicy.decideMany(principal, action, things, { requestId: 'r' });
      expect(listed).toEqual(things.map((each) => ask({ ...principal }, action, each)));
    }),
  );
});

test('a role or a scope more never takes anything away', () => {
  fc.assert(
    fc.property(anyone, anyAction, fc.constantFrom(...ROLES), (principal, action, role) => {
      const before = ask(principal, action, thing(principal.tenant));
      const more = { ...principal, roles: [...principal.roles, role], scopes: BOTH };
      const after = ask(more, action, thing(principal.tenant));
      expect(Number(after.allowed)).toBeGreaterThanOrEqual(Number(before.allowed));
      expect(Number(after.visible)).toBeGreaterThanOrEqual(Number(before.visible));
    }),
  );
});
