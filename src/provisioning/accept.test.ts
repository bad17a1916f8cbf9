/** What a request means that names its resource in more than one way, or one that is there already. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { memoryStore, startControlPlane, type Started } from '../../tests/fixtures/control-plane.ts';
import { thingCloud, thingService, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import type { StoreRoot } from '../core/ports.ts';
import type { ServiceDefinition } from './service.ts';

const ID = 'aws:us-east-1:thing:one';
const params = { name: 'one', size: 4 };

let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;
/** Parameters that provisioners were made with. */
let given: unknown[];

/** A service whose provisioners tell what they are made with. */
function watched(service: ServiceDefinition): ServiceDefinition {
  const create = async (): ReturnType<ServiceDefinition['load']> => {
    const loaded = await service.load();
    return { create: (context) => (given.push(context.request.params), loaded.create(context)) };
  };
  return { ...service, load: create };
}

beforeEach(async () => {
  store = await memoryStore();
  cloud = thingCloud();
  given = [];
  const unnamed = { ...thingService(cloud, 'drop'), nameOf: (_params: unknown, id: string) => `drop-${id}` };
  at = await startControlPlane({ store, services: [watched(thingService(cloud)), unnamed] });
  await at.ended((await at.submit({ params })).requestId);
});
afterEach(async () => {
  await at.stop();
  await store.close();
});

const problems = (pointer: string, words: string) => ({
  code: 'PROVISION_INVALID',
  details: { problems: [expect.objectContaining({ pointer, message: expect.stringContaining(words) as unknown })] },
});

test.each(['update', 'destroy'])('an id and parameters of two resources are no %s of either', async (action) => {
  const both = { action, id: ID, params: { name: 'two' } };
  await expect(at.submit(both)).rejects.toMatchObject(problems('/id', 'another resource than "two"'));
  expect(cloud.things.get(ID)?.size).toBe(4);
});

test.each(['update', 'destroy'])('an id and another region than its own are no %s', async (action) => {
  const elsewhere = { action, id: ID, params, region: 'eu-west-1' };
  await expect(at.submit(elsewhere)).rejects.toMatchObject(
    problems('/region', `is "eu-west-1", and ${ID} is not there`),
  );
  expect((await at.ended((await at.submit({ ...elsewhere, region: 'us-east-1' })).requestId)).status).toBe('succeeded');
});

test('a destroy takes the parameters that it is given over those that the resource was made with', async () => {
  for (const named of [{ id: ID, params: { size: 9 } }, { params: { name: 'one', size: 9 } }]) {
    const job = await at.submit({ action: 'destroy', ...named });
    expect(job.params).toEqual({ name: 'one', size: 9 });
    await at.ended(job.requestId);
    expect(given.at(-1)).toMatchObject({ size: 9 });
    await at.ended((await at.submit({ params })).requestId);
  }
  await at.ended((await at.submit({ action: 'destroy', id: ID })).requestId);
  expect(given.at(-1)).toMatchObject({ size: 4 });
});

test('a destroy with parameters that its service does not take is refused', async () => {
  const wrong = at.submit({ action: 'destroy', id: ID, params: { size: 99 } });
  await expect(wrong).rejects.toMatchObject(problems('/params/size', 'not valid'));
  expect(cloud.things.size).toBe(1);
});

test.each(['provision', 'plan', 'update', 'destroy'])(
  'a resource of one environment is not reached by a %s of another',
  async (action) => {
    const elsewhere = at.submit({ action, params, env: 'prod' });
    await expect(elsewhere).rejects.toMatchObject(problems('/env', `is not that of ${ID}`));
  },
);

test('what its request has named is changed by its id', async () => {
  const { requestId, resourceId } = await at.submit({ service: 'drop', params });
  await at.ended(requestId);
  const larger = await at.submit({ service: 'drop', action: 'update', id: resourceId, params: { ...params, size: 8 } });
  expect(await at.ended(larger.requestId)).toMatchObject({ status: 'succeeded', result: { outputs: { size: 8 } } });
});
