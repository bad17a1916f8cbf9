/** The way back of a machine: it takes back what its own job made, and leaves everything else where it is. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { contextOf, memoryStore, type Started } from '../../tests/fixtures/control-plane.ts';
import { startThings } from '../../tests/fixtures/started-things.ts';
import { refused, thingCloud, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import type { JsonValue, StoreRoot } from '../core/ports.ts';
import type { OfferedService } from './control-plane.ts';

const BASE = 'aws:us-east-1:thing:base';
const TOP = 'aws:us-east-1:thing:top';

const task = (Resource: string, Parameters: JsonValue, more: object): JsonValue =>
  ({ Type: 'Task', Resource, TimeoutSeconds: 60, Parameters, ...more }) as JsonValue;

/** Makes `base`, then `top` of the asked size; when that fails, removes both by their ids and fails with the first error. */
const TOWER: JsonValue = {
  StartAt: 'Base',
  States: {
    Base: task(
      'zeroplane-provision',
      { cloud: 'aws', service: 'thing', params: { name: 'base' } },
      { ResultPath: '$.base', Next: 'Top' },
    ),
    Top: task(
      'zeroplane-provision',
      { cloud: 'aws', service: 'thing', params: { name: 'top', 'size.$': '$.params.size' } },
      { Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'RemoveTop' }], End: true },
    ),
    RemoveTop: task('zeroplane-destroy', { id: TOP }, { ResultPath: '$.top', Next: 'RemoveBase' }),
    RemoveBase: task('zeroplane-destroy', { id: BASE }, { ResultPath: '$.base', Next: 'Undone' }),
    Undone: { Type: 'Fail', ErrorPath: '$.failure.Error', CausePath: '$.failure.Cause' },
  },
};

const OFFER: OfferedService = {
  service: 'tower',
  cloud: 'aws',
  title: 'Two things.',
  version: '1',
  params: { type: 'object', properties: { name: { type: 'string' }, size: { type: 'integer' } } },
  definition: TOWER,
};

let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;

beforeEach(async () => {
  store = await memoryStore();
  cloud = thingCloud();
  at = await startThings(store, cloud);
  await at.plane.offer(OFFER, contextOf());
});
afterEach(async () => {
  await at.stop();
  await store.close();
});

const build = async (size: number) => {
  const { requestId } = await at.submit({ service: 'tower', params: { name: 'x', size } });
  return at.ended(requestId);
};
const ids = async () => (await at.plane.resources({}, contextOf())).items.map(({ id }) => id);
const topIsRefused = (): void => {
  let made = 0;
  cloud.before = (effect) => {
    if (effect === 'create' && (made += 1) === 2) throw refused('CreateThing');
  };
};

test('removes what the job made, and the job ends with its first error', async () => {
  topIsRefused();
  expect(await build(1)).toMatchObject({
    status: 'rolled_back',
    error: { code: 'CLOUD_REFUSED' },
    result: { undone: [BASE] },
  });
  expect([cloud.things.size, await ids()]).toEqual([0, []]);
});

test('leaves what another job of the tenant has made', async () => {
  const { requestId } = await at.submit({ params: { name: 'base' } });
  await at.ended(requestId);
  topIsRefused();
  expect(await build(1)).toMatchObject({ status: 'failed', error: { code: 'CLOUD_REFUSED' } });
  expect([[...cloud.things.keys()], await ids()]).toEqual([[BASE], [BASE]]);
});

test('leaves what was there and is on no record here, however far the job was with it', async () => {
  for (const id of [BASE, TOP]) cloud.things.set(id, { id, tenant: 'team-x', requestId: 'older', size: 1, token: '' });
  cloud.before = (effect) => {
    // Of `base` it is recorded that it was there; of `top` not yet.
    if (effect === 'finish' && cloud.effects.includes(`finish:${BASE}`)) throw refused('FinishThing');
  };
  expect(await build(1)).toMatchObject({ status: 'failed', error: { code: 'CLOUD_REFUSED' } });
  expect([[...cloud.things.keys()], await ids()]).toEqual([[BASE, TOP], []]);
});

test('passes over what was never begun: the job ends at once with what was wrong', async () => {
  expect(await build(99)).toMatchObject({
    status: 'rolled_back',
    error: {
      code: 'PROVISION_INVALID',
      message: 'aws thing: /params/size is not valid: too big: expected number to be <=10.',
    },
    result: { undone: [BASE] },
  });
  expect(await ids()).toEqual([]);
});

test('a part that an ended job has left half-made is said to be so at once', async () => {
  cloud.before = (effect) => {
    if (effect === 'finish' || effect === 'delete') throw refused(effect);
  };
  const { requestId } = await at.submit({ params: { name: 'base' } });
  expect((await at.ended(requestId)).status).toBe('rollback_failed');
  cloud.before = () => undefined;
  expect(await build(1)).toMatchObject({
    status: 'failed',
    error: { code: 'JOB_STATE', message: expect.stringContaining(`it is what job ${requestId}`) as unknown },
  });
});

test('where the machine fails without a word, the job has those of the Task that failed', async () => {
  const wanted = { cloud: 'aws', service: 'thing', params: { name: 'base' } };
  const Catch = [{ ErrorEquals: ['States.ALL'], Next: 'Rollback' }];
  const States = { Make: task('zeroplane-provision', wanted, { Catch, End: true }), Rollback: { Type: 'Fail' } };
  const definition = { StartAt: 'Make', States } as JsonValue;
  await at.plane.offer({ ...OFFER, service: 'curt', definition }, contextOf());
  cloud.before = (effect) => {
    if (effect === 'create') throw refused('CreateThing');
  };
  const { requestId } = await at.submit({ service: 'curt', params: { name: 'x' } });
  expect(await at.ended(requestId)).toMatchObject({
    status: 'failed',
    error: { code: 'CLOUD_REFUSED', message: expect.stringContaining('it has no such colour') as unknown },
  });
  const silent = { StartAt: 'No', States: { No: { Type: 'Fail' } } };
  await at.plane.offer({ ...OFFER, service: 'silent', definition: silent }, contextOf());
  const other = await at.submit({ service: 'silent', params: { name: 'x' } });
  expect((await at.ended(other.requestId)).error).toMatchObject({
    code: 'WORKFLOW_FAILED',
    message: expect.stringContaining('ended in a Fail state that does not say why') as unknown,
  });
});
