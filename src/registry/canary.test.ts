import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Principal } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { withQualifier } from '../core/lambda-arn.ts';
import { isInCanary, routeOf, type Canary, type CanaryRoute } from './canary.ts';
import { parseRegistration } from './registration.ts';

const ARN = 'arn:aws:lambda:us-east-1:000000000000:function:crm';
const identity = { owner: 'team-x', id: 'tool-find', tool: 'find', generation: '1' };

function canaryOf(settings: Canary, tool = 'find'): CanaryRoute {
  const { canary } = routeOf(ARN, { canary: settings }, { ...identity, tool });
  if (canary === undefined) throw new Error('these settings make no canary');
  return canary;
}

const person = (id: string, more: Partial<Principal> = {}): Principal => ({
  id,
  tenant: 'team-x',
  roles: [],
  scopes: [],
  ...more,
});

describe('what a tool calls', () => {
  test.each([
    [{}, ARN],
    [{ version: '3' }, `${ARN}:3`],
    [{ alias: 'live' }, `${ARN}:live`],
  ])('%j leads to %s', (choice, functionName) => {
    expect(routeOf(ARN, choice, identity)).toEqual({ functionName });
  });

  test('a canary is the same function under the other qualifier', () => {
    const route = routeOf(`${ARN}:live`, { canary: { version: '4', percent: 5 } }, identity);
    expect(route.functionName).toBe(`${ARN}:live`);
    expect(route.canary?.candidate).toBe(`${ARN}:4`);
  });

  test.each([
    ['crm', 'crm:7'],
    ['crm:live', 'crm:7'],
    [`${ARN}:$LATEST`, `${ARN}:7`],
  ])('%s becomes %s', (text, expected) => {
    expect(withQualifier(text, '7')).toBe(expected);
  });
});

describe('who is in a canary', () => {
  test('those who are named, by id, claim or tenant', () => {
    const canary = canaryOf({ alias: 'next', cohort: ['ada@dev', 'ring=beta', 'tenant=team-y'] });
    expect(isInCanary(canary, person('ada@dev'))).toBe(true);
    expect(isInCanary(canary, person('bob@dev', { claims: { ring: 'beta' } }))).toBe(true);
    expect(isInCanary(canary, person('eve@dev', { tenant: 'team-y' }))).toBe(true);
    expect(isInCanary(canary, person('bob@dev', { claims: { ring: 'stable' } }))).toBe(false);
  });

  test('a share of the others that is as large as it says', () => {
    const canary = canaryOf({ alias: 'next', percent: 10 });
    const inside = Array.from({ length: 10_000 }, (_, index) => isInCanary(canary, person(`p${index}`)));
    const share = inside.filter(Boolean).length / 100;
    expect(share).toBeGreaterThan(8.5);
    expect(share).toBeLessThan(11.5);
  });

  test('always the same callers, to whom a larger share only adds', () => {
    const percent = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(fc.string(), percent, percent, (id, one, other) => {
        const [small, large] = [Math.min(one, other), Math.max(one, other)];
        const isIn = (share: number): boolean => isInCanary(canaryOf({ version: '2', percent: share }), person(id));
        expect(isIn(small)).toBe(isIn(small));
        if (isIn(small)) expect(isIn(large)).toBe(true);
      }),
    );
  });

  test('nobody at 0 percent and everybody at 100', () => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        expect(isInCanary(canaryOf({ version: '2', percent: 0, cohort: ['somebody else'] }), person(id))).toBe(false);
        expect(isInCanary(canaryOf({ version: '2', percent: 100 }), person(id))).toBe(true);
      }),
    );
  });

  test('other callers for other tools, so that no one caller tries everything', () => {
    const places = Array.from({ length: 200 }, (_, index) =>
      isInCanary(canaryOf({ version: '2', percent: 50 }, `tool${index}`), person('ada@dev')),
    );
    expect(new Set(places)).toEqual(new Set([true, false]));
  });
});

describe('what a registration may say', () => {
  const body = { type: 'tool', name: 'find', description: 'd', lambdaArn: ARN, parameters: {} };
  const problemsOf = async (more: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const error: unknown = await parseRegistration({ ...body, ...more }).catch((thrown: unknown) => thrown);
    if (!(error instanceof PlatformError)) return [];
    return (error.details['problems'] as { path: string; message: string }[]).map((each) => each.path);
  };

  test('version, alias and canary are kept as they were sent', async () => {
    const canary = { alias: 'next', percent: 2.5, cohort: ['ring=beta'], rollback: { errorPercent: 5, minCalls: 50 } };
    expect(await parseRegistration({ ...body, alias: 'live', canary })).toMatchObject({ alias: 'live', canary });
    expect(await parseRegistration({ ...body, version: '$LATEST' })).toMatchObject({ version: '$LATEST' });
    expect(await parseRegistration({ ...body, lambdaArn: `${ARN}:live`, alias: 'live' })).toMatchObject({
      alias: 'live',
    });
  });

  test.each([
    [{ version: '1', alias: 'live' }, ['alias']],
    [{ version: 1 }, ['version']],
    [{ version: '0' }, ['version']],
    [{ alias: '12' }, ['alias']],
    [{ alias: 'a b' }, ['alias']],
    [{ lambdaArn: `${ARN}:live`, version: '2' }, ['version']],
    [{ lambdaArn: `${ARN}:live`, alias: 'other' }, ['alias']],
    [{ canary: 'next' }, ['canary']],
    [{ canary: { percent: 5 } }, ['canary']],
    [{ canary: { alias: 'next' } }, ['canary']],
    [{ canary: { alias: 'next', percent: 0, cohort: [] } }, ['canary']],
    [{ canary: { alias: 'next', percent: 101 } }, ['canary.percent', 'canary']],
    [{ canary: { alias: 'next', percent: '5' } }, ['canary.percent', 'canary']],
    [{ canary: { version: '2', alias: 'next', percent: 5 } }, ['canary.alias']],
    [{ canary: { version: '2', percent: 5, who: [] } }, ['canary.who']],
    [{ canary: { version: '2', cohort: [''] } }, ['canary.cohort', 'canary']],
    [{ canary: { version: '2', percent: 5, rollback: { minCalls: 1.5 } } }, ['canary.rollback.minCalls']],
    [{ canary: { version: '2', percent: 5, rollback: { errors: 1 } } }, ['canary.rollback.errors']],
    [{ alias: 'live', canary: { alias: 'live', percent: 5 } }, ['canary']],
    [{ lambdaArn: `${ARN}:live`, canary: { alias: 'live', percent: 5 } }, ['canary']],
    [{ type: 'resource', parameters: { uriTemplate: 'a://b' }, canary: { version: '2', percent: 5 } }, ['canary']],
  ])('%j is refused at %j', async (more, paths) => {
    expect(await problemsOf(more)).toEqual(paths);
  });
});
