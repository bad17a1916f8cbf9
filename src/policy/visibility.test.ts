import { describe, expect, test } from 'vitest';

import type { Principal } from '../core/context.ts';
import { inheritTags } from '../core/visibility.ts';
import { builtInPolicy, type Resource } from './decide.ts';
import { withVisibility, type Audience } from './visibility.ts';

const BY_CLAIM: Audience = { external: ['visibility=external'], internal: [] };

const person = (claims: Readonly<Record<string, unknown>> = {}, id = 'ada'): Principal => ({
  id,
  tenant: 'team-x',
  roles: ['requester'],
  scopes: ['zeroplane:use'],
  claims,
});

const tool = (tags?: Readonly<Record<string, string>>, tenant = 'team-x'): Resource => ({
  type: 'tool',
  id: 'registry___find',
  tenant,
  ...(tags === undefined ? {} : { tags }),
});

const SECRET = tool({ visibility: 'internal' });

/** Whether it may be called, and whether a list shows it: the two must agree. */
async function sees(principal: Principal, resource: Resource, audience = BY_CLAIM): Promise<boolean> {
  const policy = withVisibility(builtInPolicy, () => audience);
  const context = { requestId: 'r' };
  const one = await policy.decide({ principal, action: 'tool:call', resource, context });
  const [listed] = await policy.decideMany(principal, 'tool:call', [resource], context);
  expect(listed).toEqual(one);
  expect(one.visible).toBe(one.allowed);
  return one.allowed;
}

test('what is internal does not exist for an external caller', async () => {
  expect(await sees(person({ visibility: 'external' }), SECRET)).toBe(false);
  expect(await sees(person(), SECRET)).toBe(true);
});

test.each([undefined, {}, { visibility: 'external' }, { visibility: 'Internal' }, { owner: 'internal' }])(
  'what is tagged %j is there for everybody',
  async (tags) => {
    expect(await sees(person({ visibility: 'external' }), tool(tags))).toBe(true);
  },
);

describe('who is external is configured', () => {
  const partners: Audience = { external: ['*'], internal: ['groups=staff', 'ada'] };

  test.each([
    [person({ groups: ['staff'] }, 'bob'), true],
    [person({}, 'ada'), true],
    [person({}, 'bob'), false],
    [person({ groups: ['partners'] }, 'bob'), false],
  ])('%j', async (principal, expected) => {
    expect(await sees(principal, SECRET, partners)).toBe(expected);
  });

  test('and a change counts from the next decision on', async () => {
    let audience = BY_CLAIM;
    const policy = withVisibility(builtInPolicy, () => audience);
    const request = {
      principal: person(),
      action: 'tool:call',
      resource: SECRET,
      context: { requestId: 'r' },
    } as const;
    expect((await policy.decide(request)).allowed).toBe(true);
    audience = partners;
    expect((await policy.decide({ ...request, principal: person({}, 'bob') })).allowed).toBe(false);
  });
});

test('the rule takes away and never gives', async () => {
  expect(await sees(person(), tool({ visibility: 'internal' }, 'team-y'))).toBe(false);
  expect(await sees({ ...person(), scopes: [] }, tool({ visibility: 'external' }))).toBe(false);
});

test.each([
  [undefined, undefined, undefined],
  [{ owner: 'web' }, undefined, { owner: 'web' }],
  [undefined, { cost: '7' }, { cost: '7' }],
  [{ owner: 'web' }, { owner: 'platform', cost: '7' }, { owner: 'web', cost: '7' }],
  [{ visibility: 'internal' }, {}, { visibility: 'internal' }],
  [{ visibility: 'external' }, { visibility: 'internal' }, { visibility: 'internal' }],
  [{ visibility: 'internal' }, { visibility: 'external' }, { visibility: 'internal' }],
])('tags %j over %j are %j', (own, below, expected) => {
  expect(inheritTags(own, below)).toEqual(expected);
});
