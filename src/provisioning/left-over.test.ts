/** A resource never stands in its own way: whatever became of the jobs before, it can be made, changed or removed again. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { contextOf, memoryStore, startControlPlane, type Started } from '../../tests/fixtures/control-plane.ts';
import { refused, thingCloud, thingService, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import type { StoreRoot } from '../core/ports.ts';

const ID = 'aws:us-east-1:thing:one';
const params = { name: 'one' };

let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;
let aheadMs: number;

beforeEach(async () => {
  aheadMs = 0;
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
  store = await memoryStore(clock);
  cloud = thingCloud();
  at = await startControlPlane({ store, clock, services: [thingService(cloud)] });
});
afterEach(async () => {
  await at.stop();
  await store.close();
});

const run = async (action: string, more: object = {}) =>
  at.ended((await at.submit({ action, params, ...more })).requestId);
const resource = () => at.plane.resource(ID, contextOf());
const fails = (...effects: string[]): void => {
  cloud.before = (effect) => {
    if (effects.includes(effect)) throw refused(effect);
  };
};

describe('an update', () => {
  test('of what somebody has removed in the cloud fails, and the resource can be made or removed', async () => {
    await run('provision');
    cloud.things.clear();
    expect(await run('update')).toMatchObject({ status: 'failed', error: { code: 'NOT_FOUND' } });
    expect((await resource()).status).toBe('failed');
    expect((await run('provision')).status).toBe('succeeded');
    expect([(await resource()).status, cloud.things.size]).toEqual(['ready', 1]);
    cloud.things.clear();
    expect((await run('update')).status).toBe('failed');
    expect((await run('destroy')).status).toBe('succeeded');
  });

  test('that is refused before it changes anything leaves everything as it was, and undoes nothing', async () => {
    await run('provision');
    const before = cloud.effects.length;
    fails('compare');
    expect(await run('update', { params: { ...params, size: 7 } })).toMatchObject({ status: 'failed' });
    expect([(await resource()).status, cloud.effects.length]).toEqual(['ready', before]);
  });

  test('whose undo fails leaves a resource that can be changed and removed', async () => {
    await run('provision');
    fails('resize');
    expect((await run('update', { params: { ...params, size: 7 } })).status).toBe('rollback_failed');
    expect((await resource()).status).toBe('failed');
    cloud.before = () => undefined;
    expect((await run('update', { params: { ...params, size: 8 } })).status).toBe('succeeded');
    expect([(await resource()).status, cloud.things.get(ID)?.size]).toEqual(['ready', 8]);
  });
});

test('what a rollback that was asked for could not remove is not made over either', async () => {
  const { requestId } = await run('provision');
  fails('delete');
  await at.plane.rollback(requestId, contextOf());
  expect((await at.ended(requestId)).status).toBe('rollback_failed');
  cloud.before = () => undefined;
  await expect(at.submit({ params })).rejects.toMatchObject({ code: 'JOB_STATE' });
  await at.plane.retry(requestId, contextOf());
  expect((await at.ended(requestId)).status).toBe('rolled_back');
  expect((await run('provision')).status).toBe('succeeded');
});

describe('what a provision could not take back', () => {
  beforeEach(async () => {
    fails('finish', 'delete');
    expect((await run('provision', { ttlSeconds: 3_600 })).status).toBe('rollback_failed');
    expect((await resource()).status).toBe('failed');
    cloud.before = () => undefined;
  });

  test('is not made or changed over: it is said at once how to get rid of it', async () => {
    for (const action of ['provision', 'update'])
      await expect(at.submit({ action, params })).rejects.toMatchObject({
        code: 'JOB_STATE',
        message: expect.stringContaining('Destroy it, or retry that job') as unknown,
      });
  });

  test('is destroyed at the end of its life', async () => {
    aheadMs = 3_600_000;
    await expect.poll(() => cloud.things.size, { timeout: 5_000 }).toBe(0);
  });

  test('can be destroyed', async () => {
    expect((await run('destroy')).status).toBe('succeeded');
    expect(cloud.things.size).toBe(0);
    expect((await run('provision')).status).toBe('succeeded');
  });
});

test('what is made anew, because it was removed in the cloud, belongs to the job that made it', async () => {
  await run('provision');
  cloud.things.clear();
  const { requestId, status } = await run('provision', { ttlSeconds: 3_600 });
  expect([status, (await resource()).requestId]).toEqual(['succeeded', requestId]);
  await at.plane.rollback(requestId, contextOf());
  expect(await at.ended(requestId)).toMatchObject({ status: 'rolled_back', result: { undone: [ID] } });
  expect(cloud.things.size).toBe(0);
});

test('what is made anew in vain is taken back', async () => {
  await run('provision');
  cloud.things.clear();
  fails('finish');
  expect(await run('provision')).toMatchObject({ status: 'rolled_back', result: { undone: [ID] } });
  expect(cloud.things.size).toBe(0);
});

test('what could not be removed and is asked for again is ready again', async () => {
  await run('provision');
  fails('delete');
  expect((await run('destroy')).status).toBe('failed');
  expect((await resource()).status).toBe('failed');
  cloud.before = () => undefined;
  expect(await run('provision')).toMatchObject({ status: 'succeeded', result: { isAdopted: true } });
  expect((await resource()).status).toBe('ready');
});
