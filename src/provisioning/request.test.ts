/** Bodies that are wrong in every way: refused in the same words, and nothing of them is kept. */

import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KEY, contextOf, memoryStore, startControlPlane, type Started } from '../../tests/fixtures/control-plane.ts';
import { thingCloud, thingService, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import { verifyAudit } from '../audit/verify.ts';
import type { StoreRoot } from '../core/ports.ts';
import { parseBody, regionOf } from './request.ts';

const GOOD = {
  cloud: 'aws',
  action: 'provision',
  service: 'thing',
  params: { name: 'one' },
  tenant: 'team-x',
  env: 'dev',
};

let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;

beforeEach(async () => {
  store = await memoryStore();
  cloud = thingCloud();
  at = await startControlPlane({ store, services: [thingService(cloud)] });
});
afterEach(async () => {
  await at.stop();
  await store.close();
});

async function refusal(body: unknown): Promise<unknown> {
  return at.plane.submit({ body }, contextOf()).then(
    () => 'accepted',
    (error: unknown) => error,
  );
}

/** Nothing is there that was not there before. */
async function expectNothing(): Promise<void> {
  expect((await at.plane.list({}, contextOf())).items).toEqual([]);
  expect((await at.plane.resources({}, contextOf())).items).toEqual([]);
  expect((await verifyAudit(store, 'team-x', KEY)).records).toBe(0);
  expect(await store.systemStore().queue('provisioning').receive({ max: 1, visibilityMs: 1 })).toEqual([]);
  expect(cloud.effects).toEqual([]);
}

const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`) as unknown;
/** As it comes out of `JSON.parse`: the key is an ordinary one. */
const withPrototype = (key: string): unknown => JSON.parse(`{"${key}":{"isAdmin":true}}`) as unknown;

describe('a body that is wrong', () => {
  test.each<readonly [string, unknown, string]>([
    ['nothing', undefined, ''],
    ['null', null, ''],
    ['a text', 'provision', ''],
    ['a list', [GOOD], ''],
    ['an empty object', {}, '/cloud'],
    ['a cloud that is no text', { ...GOOD, cloud: 7 }, '/cloud'],
    ['an empty cloud', { ...GOOD, cloud: '' }, '/cloud'],
    ['a cloud of a megabyte', { ...GOOD, cloud: 'a'.repeat(1024 * 1024) }, ''],
    ['an unknown cloud', { ...GOOD, cloud: 'moon' }, '/cloud'],
    ['a cloud named like a method', { ...GOOD, cloud: 'constructor' }, '/cloud'],
    ['an unknown service', { ...GOOD, service: 'toString' }, '/service'],
    ['a service of nothing', { ...GOOD, service: '__proto__' }, '/service'],
    ['an unknown action', { ...GOOD, action: 'destroy!' }, '/action'],
    ['an action named like a method', { ...GOOD, action: 'hasOwnProperty' }, '/action'],
    ['a tenant with a separator', { ...GOOD, tenant: 'team-x#other' }, '/tenant'],
    ['a tenant with a zero byte', { ...GOOD, tenant: 'team-x\0' }, '/tenant'],
    ['an environment that is too long', { ...GOOD, env: 'e'.repeat(64) }, '/env'],
    ['params that are a list', { ...GOOD, params: [] }, '/params'],
    ['params that are null', { ...GOOD, params: null }, '/params'],
    ['params of the wrong type', { ...GOOD, params: { name: { $ne: null } } }, '/params/name'],
    ['a number that is none', { ...GOOD, params: { name: 'one', size: Number.NaN } }, '/params/size'],
    ['a number that is too large', { ...GOOD, params: { name: 'one', size: 1e308 } }, '/params/size'],
    ['an unknown parameter', { ...GOOD, params: { name: 'one', colour: 'red' } }, '/params/colour'],
    ['an unknown key', { ...GOOD, colour: 'red' }, '/colour'],
    ['a key with a slash', { ...GOOD, 'a/b~c': 1 }, '/a~1b~0c'],
    ['a prototype among the params', { ...GOOD, params: withPrototype('__proto__') }, '/params/__proto__'],
    ['a constructor among the params', { ...GOOD, params: withPrototype('constructor') }, '/params/name'],
    ['a prototype among the tags', { ...GOOD, tags: withPrototype('__proto__') }, '/tags/__proto__'],
    ['a reserved tag', { ...GOOD, tags: { owner: 'eve' } }, '/tags/owner'],
    [
      'the tag that parts are found by',
      { ...GOOD, tags: { 'resource-id': 'aws:us-east-1:vpc:other' } },
      '/tags/resource-id',
    ],
    ["the label of a tenant's hash", { ...GOOD, tags: { 'tenant-hash': '0' } }, '/tags/tenant-hash'],
    ['the label that ends a life', { ...GOOD, tags: { 'expires-at': '1' } }, '/tags/expires-at'],
    ['a key of tags that AWS keeps for itself', { ...GOOD, tags: { 'AWS:x': '1' } }, '/tags/AWS:x'],
    ['a key of tags that Azure keeps for itself', { ...GOOD, tags: { microsoftish: '1' } }, '/tags/microsoftish'],
    ['a key of tags that not every cloud takes', { ...GOOD, tags: { größe: '1' } }, '/tags/größe'],
    ['a tag that is no text', { ...GOOD, tags: { cost: 7 } }, '/tags/cost'],
    [
      'too many tags',
      { ...GOOD, tags: Object.fromEntries(Array.from({ length: 31 }, (_u, n) => [`t${n}`, ''])) },
      '/tags',
    ],
    ['a time to live that is over', { ...GOOD, ttlSeconds: -1 }, '/ttlSeconds'],
    ['a time to live of part seconds', { ...GOOD, ttlSeconds: 60.5 }, '/ttlSeconds'],
    ['an approval of another shape', { ...GOOD, approval: true }, '/approval'],
    ['a webhook that is a file', { ...GOOD, webhook: { url: 'file:///etc/passwd', secretRef: 'x' } }, '/webhook/url'],
    ['a webhook that runs', { ...GOOD, webhook: { url: 'javascript:alert(1)', secretRef: 'x' } }, '/webhook/url'],
    [
      'a webhook with a secret instead of its name',
      { ...GOOD, webhook: { url: 'https://x.test', secret: 'x' } },
      '/webhook/secretRef',
    ],
    ['two regions', { ...GOOD, region: 'eu-west-1', params: { name: 'one', region: 'us-east-1' } }, '/region'],
    ['an id of another service', { ...GOOD, action: 'destroy', id: 'aws:us-east-1:s3:one' }, '/id'],
    ['an id that is none', { ...GOOD, action: 'destroy', id: '../../etc' }, '/id'],
    ['params that are too deep', { ...GOOD, params: nested(5_000) }, ''],
    ['a body that is too large', { ...GOOD, params: { name: 'x'.repeat(200_000) } }, ''],
    [
      'a body of many members',
      { ...GOOD, params: Object.fromEntries(Array.from({ length: 50_000 }, (_u, n) => [n, 0])) },
      '',
    ],
  ])('%s is refused with its place, and nothing is stored', async (_name, body, pointer) => {
    const error = (await refusal(body)) as {
      readonly code: string;
      readonly details: { readonly problems: unknown[] };
    };
    expect(error).toMatchObject({ code: 'PROVISION_INVALID', status: 400 });
    expect(error.details.problems).toContainEqual(expect.objectContaining({ pointer }));
    await expectNothing();
  });

  test('anything at all is refused or understood, and what is refused leaves nothing', async () => {
    const anyPart = fc.oneof(
      { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 4 }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(undefined, '', '__proto__', 'aws', 'thing', 'team-x', 'dev', 0, -1, {}, []),
      },
    );
    const keys = [
      ...Object.keys(GOOD),
      'region',
      'id',
      'ttlSeconds',
      'approval',
      'tags',
      'webhook',
      'workflow',
      '__proto__',
    ];
    const change = fc.record({ key: fc.oneof(fc.constantFrom(...keys), fc.string()), value: anyPart });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const body: Record<string, unknown> = Object.assign(Object.create(null) as object, GOOD);
        for (const { key, value } of changes) body[key] = value;
        // Made of nothing that there is, so whatever is accepted below cannot come from it.
        body['service'] = body['service'] === 'thing' ? 'nothing' : body['service'];
        const error = await refusal(body);
        const code = (error as { readonly code?: string }).code;
        expect(['PROVISION_INVALID', 'FORBIDDEN']).toContain(code);
        // Only a tenant that could be somebody's is called another's.
        if (code === 'FORBIDDEN') expect(body['tenant']).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
      }),
      { numRuns: 400 },
    );
    await expectNothing();
  });
});

describe('a body that is right', () => {
  test('is read with its defaults', () => {
    expect(parseBody(GOOD)).toEqual({ ...GOOD, tags: {} });
    const { action: _action, ...without } = GOOD;
    expect(parseBody(without, 'destroy').action).toBe('destroy');
    expect(() => parseBody(GOOD, 'destroy')).toThrow(/\/action/);
  });

  test('may have its region in two places as long as they agree', () => {
    expect(regionOf({ params: { region: 'eu-west-1' } })).toBe('eu-west-1');
    expect(regionOf({ region: 'eu-west-1', params: { region: 'eu-west-1' } })).toBe('eu-west-1');
    expect(regionOf({ region: 'eu-west-1', params: {} })).toBe('eu-west-1');
    expect(() => regionOf({ region: 'eu-west-1', params: { region: 'us-east-1' } })).toThrow(/name one/);
  });
});
