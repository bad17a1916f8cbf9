/** Services that a tenant offers: checked before anything of them is kept, run like others, seen by nobody else. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ADA, contextOf, memoryStore, type Started } from '../../tests/fixtures/control-plane.ts';
import { startThings } from '../../tests/fixtures/started-things.ts';
import { refused, thingCloud, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import { listAudit } from '../audit/verify.ts';
import type { Principal } from '../core/context.ts';
import type { JsonValue, StoreRoot } from '../core/ports.ts';
import type { OfferedService } from './control-plane.ts';
import { RESOURCE_LOCKS } from './job.ts';

const EVE: Principal = { ...ADA, id: 'eve', tenant: 'team-y' };

/** A machine that makes two things. */
const PAIR: JsonValue = {
  StartAt: 'First',
  States: {
    First: {
      Type: 'Task',
      Resource: 'zeroplane-provision',
      TimeoutSeconds: 60,
      Parameters: { cloud: 'aws', service: 'thing', params: { 'name.$': "States.Format('{}-a', $.params.name)" } },
      ResultPath: '$.first',
      Next: 'Second',
    },
    Second: {
      Type: 'Task',
      Resource: 'zeroplane-provision',
      TimeoutSeconds: 60,
      Parameters: { cloud: 'aws', service: 'thing', params: { 'name.$': "States.Format('{}-b', $.params.name)" } },
      ResultSelector: { 'last.$': '$.id' },
      End: true,
    },
  },
};
const OFFER: OfferedService = {
  service: 'pair',
  cloud: 'aws',
  title: 'Two things.',
  version: '1',
  params: {
    type: 'object',
    additionalProperties: false,
    required: ['name'],
    properties: { name: { type: 'string', pattern: '^[a-z]+$' }, size: { type: 'integer', default: 3, maximum: 5 } },
  },
  definition: PAIR,
};

let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;

beforeEach(async () => {
  store = await memoryStore();
  cloud = thingCloud();
  at = await startThings(store, cloud);
});
afterEach(async () => {
  await at.stop();
  await store.close();
});

const names = async (principal = ADA): Promise<string[]> =>
  (await at.plane.catalogue(contextOf(principal))).map(({ service }) => service);

describe('an offer', () => {
  test.each<readonly [string, Partial<OfferedService>, string]>([
    ['a name with capitals', { service: 'Pair' }, 'PROVISION_INVALID'],
    ['a name like a path', { service: '../pair' }, 'PROVISION_INVALID'],
    ['a name that is the prototype of objects', { service: '__proto__' }, 'PROVISION_INVALID'],
    ['the name of a service that ships', { service: 'thing' }, 'PROVISION_INVALID'],
    ['a schema that is a list', { params: [] }, 'PROVISION_INVALID'],
    ['a cloud that there is not', { cloud: 'moon:x' }, 'PROVISION_INVALID'],
    ['regions that are no list', { regions: 5 } as object, 'PROVISION_INVALID'],
    ['a place of its own in the store', { group: 'elsewhere', expiresAt: 1 } as object, 'PROVISION_INVALID'],
    ['an owner', { workflow: { name: 'service-x', version: 1, owner: '*' } } as object, 'PROVISION_INVALID'],
    ['a schema of an unknown type', { params: { type: 'colour' } }, 'PROVISION_INVALID'],
    ['no machine', { definition: {} }, 'WORKFLOW_INVALID'],
    ['a machine that leads nowhere', { definition: { StartAt: 'Gone', States: {} } }, 'WORKFLOW_INVALID'],
    [
      'a machine outside of the profile',
      {
        definition: {
          StartAt: 'A',
          States: { A: { Type: 'Task', Resource: 'arn:aws:states:::ecs:runTask', End: true } },
        },
      },
      'WORKFLOW_UNSUPPORTED',
    ],
  ])('with %s is refused, and is not in the catalogue', async (_name, change, code) => {
    await expect(at.plane.offer({ ...OFFER, ...change }, contextOf())).rejects.toMatchObject({ code });
    expect(await names()).toEqual(['thing']);
    expect(await at.engine.workflows('team-x')).not.toContainEqual(expect.objectContaining({ name: 'service-pair' }));
  });

  test('is in the audit trail, with who made it', async () => {
    await at.plane.offer(OFFER, contextOf());
    const { records } = await listAudit(store, 'team-x');
    expect(records.map(({ entry }) => entry)).toMatchObject([
      { action: 'service-offered', principal: 'ada', resource: { type: 'service', id: 'aws:pair' } },
      { action: 'workflow-registered', principal: 'ada', resource: { type: 'workflow', id: 'service-pair' } },
    ]);
  });

  test('does not take the place of one of the same name for another cloud', async () => {
    await at.plane.offer(OFFER, contextOf());
    await expect(at.plane.offer({ ...OFFER, cloud: 'multi' }, contextOf())).rejects.toMatchObject({
      code: 'PROVISION_INVALID',
      details: { problems: [{ pointer: '/service', message: 'is offered for aws already' }] },
    });
    expect((await at.plane.catalogue(contextOf())).map((each) => each.cloud)).toEqual(['aws', 'aws']);
  });

  test('is in the catalogue, however much there is beside it', async () => {
    const definition = { ...(PAIR as object), Comment: 'x'.repeat(200_000) };
    for (let at_ = 0; at_ < 7; at_++)
      await at.plane.offer({ ...OFFER, service: `pair-${at_}`, definition }, contextOf());
    expect(await names()).toHaveLength(8);
  });

  test('needs the right to administer', async () => {
    const requester: Principal = { ...ADA, roles: ['requester'], scopes: ['zeroplane:use'] };
    await expect(at.plane.offer(OFFER, contextOf(requester))).rejects.toMatchObject({ code: 'INSUFFICIENT_SCOPE' });
    expect(await names()).toEqual(['thing']);
  });

  test('is in the catalogue of its tenant alone', async () => {
    await at.plane.offer(OFFER, contextOf());
    expect([await names(), await names(EVE)]).toEqual([['thing', 'pair'], ['thing']]);
    await expect(at.submit({ service: 'pair', params: { name: 'x' } }, undefined, EVE)).rejects.toMatchObject({
      code: 'PROVISION_INVALID',
    });
    await at.plane.offer({ ...OFFER, title: 'Two of hers.' }, contextOf(EVE));
    const entries = await at.plane.catalogue(contextOf());
    expect(entries.find(({ service }) => service === 'pair')?.title).toBe('Two things.');
  });

  test('may be made again as it is; the same version with another machine is refused', async () => {
    await at.plane.offer(OFFER, contextOf());
    await at.plane.offer(OFFER, contextOf());
    const other = { ...(PAIR as object), Comment: 'another' };
    await expect(at.plane.offer({ ...OFFER, definition: other }, contextOf())).rejects.toMatchObject({
      code: 'WORKFLOW_EXISTS',
    });
    const next = await at.plane.offer({ ...OFFER, version: '2', definition: other }, contextOf());
    expect(next.workflow).toMatchObject({ name: 'service-pair', version: '2', owner: 'team-x' });
  });
});

describe('a job of an offered service', () => {
  beforeEach(() => at.plane.offer(OFFER, contextOf()));

  test('makes its parts, is listed as a whole, and its destroy removes all of it', async () => {
    const { requestId, params } = await at.submit({ service: 'pair', params: { name: 'x' } });
    expect(params).toEqual({ name: 'x', size: 3 });
    expect(await at.ended(requestId)).toMatchObject({
      status: 'succeeded',
      result: { outputs: { last: 'aws:us-east-1:thing:x-b' } },
    });
    const { items } = await at.plane.resources({}, contextOf());
    expect(new Map(items.map(({ name, partOf }) => [name, partOf]))).toEqual(
      new Map([
        ['x', undefined],
        ['x-a', 'aws:-:pair:x'],
        ['x-b', 'aws:-:pair:x'],
      ]),
    );
    const gone = await at.submit({ service: 'pair', action: 'destroy', id: 'aws:-:pair:x' });
    expect((await at.ended(gone.requestId)).status).toBe('succeeded');
    expect([cloud.things.size, (await at.plane.resources({}, contextOf())).items]).toEqual([0, []]);
  });

  test('whose destroy fails at a part leaves nothing that looks as if a job were at it', async () => {
    await at.ended((await at.submit({ service: 'pair', params: { name: 'x' } })).requestId);
    cloud.before = (effect) => {
      if (effect === 'delete') throw refused('DeleteThing');
    };
    const destroy = { service: 'pair', action: 'destroy', id: 'aws:-:pair:x' };
    expect((await at.ended((await at.submit(destroy)).requestId)).status).toBe('failed');
    const { items } = await at.plane.resources({}, contextOf());
    expect(new Map(items.map(({ name, status }) => [name, status]))).toEqual(
      new Map([
        ['x', 'failed'],
        ['x-a', 'ready'],
        ['x-b', 'failed'],
      ]),
    );
    cloud.before = () => undefined;
    expect((await at.ended((await at.submit(destroy)).requestId)).status).toBe('succeeded');
    expect([cloud.things.size, (await at.plane.resources({}, contextOf())).items]).toEqual([0, []]);
  });

  test('is alone with its parts, and a job of a part alone with it', async () => {
    const { requestId } = await at.submit({ service: 'pair', params: { name: 'x' } });
    await at.ended(requestId);
    const held = { approval: { required: true } };
    const part = await at.submit({ action: 'update', params: { name: 'x-a', size: 2 }, ...held });
    const destroysAll = () => at.submit({ service: 'pair', action: 'destroy', id: 'aws:-:pair:x', ...held });
    await expect(destroysAll()).rejects.toMatchObject({
      code: 'RESOURCE_BUSY',
      details: { resource: 'aws:us-east-1:thing:x-a', requestId: part.requestId },
    });
    await at.plane.reject(part.requestId, undefined, contextOf());
    const whole = await destroysAll();
    for (const action of ['provision', 'update', 'destroy'])
      await expect(at.submit({ action, params: { name: 'x-b' } })).rejects.toMatchObject({
        code: 'RESOURCE_BUSY',
        details: { resource: 'aws:-:pair:x', requestId: whole.requestId },
      });
  });

  test('that fails half-way leaves nothing, although its machine has no way back', async () => {
    cloud.before = (effect) => {
      if (effect === 'create' && cloud.things.size === 1) throw refused('CreateThing');
    };
    const { requestId } = await at.submit({ service: 'pair', params: { name: 'x' } });
    expect(await at.ended(requestId)).toMatchObject({ status: 'rolled_back', error: { code: 'CLOUD_REFUSED' } });
    expect([cloud.things.size, (await at.plane.resources({}, contextOf())).items]).toEqual([0, []]);
  });

  test.each([
    ['a parameter that its schema does not know', { name: 'x', colour: 'red' }, '/params/colour is not known here.'],
    ['a value outside of it', { name: 'x', size: 6 }, '/params/size must be <= 5.'],
    ['a name of another form', { name: 'X' }, '/params/name must match pattern "^[a-z]+$".'],
    ['none at all', {}, '/params/name is required.'],
  ])('with %s is refused by its place, and nothing is stored', async (_name, params, words) => {
    const submitted = at.submit({ service: 'pair', params });
    await expect(submitted).rejects.toMatchObject({
      code: 'PROVISION_INVALID',
      message: `${words} Nothing was stored.`,
    });
    expect((await at.plane.list({}, contextOf())).items).toEqual([]);
  });

  describe('that asks for a version', () => {
    /** Makes one thing, under the name of the whole. */
    const single: JsonValue = {
      StartAt: 'Only',
      States: {
        Only: {
          Type: 'Task',
          Resource: 'zeroplane-provision',
          TimeoutSeconds: 60,
          Parameters: { cloud: 'aws', service: 'thing', params: { 'name.$': '$.params.name' } },
          ResultSelector: { 'last.$': '$.id' },
          End: true,
        },
      },
    };
    beforeEach(() => at.plane.offer({ ...OFFER, version: '7', definition: single }, contextOf()));
    const asked = (version: string, more: object = {}) =>
      at.submit({ service: 'pair', params: { name: 'x' }, workflow: { name: 'service-pair', version }, ...more });

    test.each([
      ['1', ['First', 'Second'], 2],
      ['7', ['Only'], 1],
    ])('runs version %s, plans its steps and says so', async (version, steps, things) => {
      const { requestId, plan } = await asked(version);
      const workflow = { name: 'service-pair', version };
      expect(plan).toMatchObject({ steps, workflow });
      expect(await at.ended(requestId)).toMatchObject({ status: 'succeeded', workflow });
      expect(cloud.things.size).toBe(things);
      const [execution] = (await at.engine.list('team-x', { workflow: 'service-pair' })).items;
      expect(execution?.version).toBe(Number(version));
    });

    test('in a plan gets the plan of that version, and nothing is made', async () => {
      const { requestId } = await asked('1', { action: 'plan' });
      expect(await at.ended(requestId)).toMatchObject({
        status: 'succeeded',
        result: {
          status: 'planned',
          steps: ['First', 'Second'],
          workflow: { name: 'service-pair', version: '1' },
        },
      });
      expect(cloud.things.size).toBe(0);
    });

    test('runs it also when another is offered before somebody consents', async () => {
      const { requestId } = await asked('1', { approval: { required: true } });
      await at.plane.offer({ ...OFFER, version: '8', definition: single }, contextOf());
      await at.plane.approve(requestId, undefined, contextOf());
      expect(await at.ended(requestId)).toMatchObject({ status: 'succeeded', workflow: { version: '1' } });
      expect(cloud.things.size).toBe(2);
    });

    test.each<[string, object, object]>([
      [
        'a version that there is not',
        { workflow: { name: 'service-pair', version: '2' } },
        { pointer: '/workflow/version', allowed: ['7', '1'] },
      ],
      [
        'a version written otherwise',
        { workflow: { name: 'service-pair', version: '01' } },
        { pointer: '/workflow/version', allowed: ['7', '1'] },
      ],
      [
        'the pointer to the newest',
        { workflow: { name: 'service-pair', version: 'newest' } },
        { pointer: '/workflow/version', allowed: ['7', '1'] },
      ],
      [
        'another workflow',
        { workflow: { name: 'service-pear', version: '1' } },
        { pointer: '/workflow/name', allowed: ['service-pair'], nearest: 'service-pair' },
      ],
      ['a service that is no workflow', { service: 'thing' }, { pointer: '/workflow' }],
      ['a destroy', { action: 'destroy' }, { pointer: '/workflow' }],
    ])('of %s is refused with its place, and nothing is stored', async (_name, more, problem) => {
      await expect(asked('1', more)).rejects.toMatchObject({
        code: 'PROVISION_INVALID',
        details: { problems: [problem] },
      });
      expect((await at.plane.list({}, contextOf())).items).toEqual([]);
      expect(await store.store('team-x').table(RESOURCE_LOCKS).get({ id: 'aws:-:pair:x' })).toBeUndefined();
    });
  });

  test('goes on with the version that it began with when another is offered', async () => {
    let release: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => {
      cloud.before = () => {
        resolve();
        return new Promise((go) => (release = go));
      };
    });
    const { requestId, workflow } = await at.submit({ service: 'pair', params: { name: 'x' } });
    await reached;
    await at.plane.offer(
      { ...OFFER, version: '2', definition: { StartAt: 'Done', States: { Done: { Type: 'Succeed' } } } },
      contextOf(),
    );
    cloud.before = () => undefined;
    release();
    expect(await at.ended(requestId)).toMatchObject({ status: 'succeeded', workflow });
    expect([cloud.things.size, workflow?.version]).toEqual([2, '1']);
    const next = await at.submit({ service: 'pair', params: { name: 'y' } });
    expect([next.workflow?.version, (await at.ended(next.requestId)).status]).toEqual(['2', 'succeeded']);
  });
});
