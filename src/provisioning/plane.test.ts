/** What people and programs ask of jobs in states, moments and ways that nobody planned for. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ADA, contextOf, memoryStore, startControlPlane, type Started } from '../../tests/fixtures/control-plane.ts';
import { refused, thingCloud, thingService, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import { listAudit } from '../audit/verify.ts';
import type { StoreRoot } from '../core/ports.ts';
import { cloudError } from './cloud-errors.ts';
import { JOB_WORKFLOWS } from './job-workflows.ts';
import type { ServiceDefinition } from './service.ts';

const ID = 'aws:us-east-1:thing:one';
const params = { name: 'one' };

let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;

beforeEach(async () => {
  store = await memoryStore();
  cloud = thingCloud();
  at = await startControlPlane({ store, services: [thingService(cloud)] });
});
afterEach(async () => {
  cloud.before = () => undefined;
  await at.stop();
  await store.close();
});

const done = async (body: Readonly<Record<string, unknown>>) => at.ended((await at.submit(body)).requestId);
const resource = async () => (await at.plane.resources({}, contextOf())).items[0];

/** Refuses an effect once. */
function refuseOnce(effect: string): void {
  cloud.before = (each) => {
    if (each !== effect) return;
    cloud.before = () => undefined;
    throw refused('CreateThing');
  };
}

/** Holds an effect until the returned function is called. */
function hold(effect: string): { readonly reached: Promise<void>; readonly release: () => void } {
  let release: () => void = () => undefined;
  const go = new Promise<void>((resolve) => (release = resolve));
  const reached = new Promise<void>((resolve) => {
    cloud.before = (each) => {
      if (each !== effect) return undefined;
      resolve();
      return go;
    };
  });
  return { reached, release };
}

async function executionOf(workflow: string): Promise<string> {
  const { items } = await at.engine.list('team-x', { workflow });
  return items[0]?.id ?? '';
}

describe('an approval', () => {
  test('that comes after its window is refused, also before anybody has noticed the end of it', async () => {
    await at.stop();
    let aheadMs = 0;
    const clock = { ...systemClock, nowMs: () => Date.now() + aheadMs };
    at = await startControlPlane({ store, services: [thingService(cloud)], clock, everyMs: 60_000 });
    const { requestId } = await at.submit({ params, approval: { required: true, expiresInSeconds: 60 } });
    aheadMs = 60_001;
    for (const decision of ['approve', 'reject'] as const)
      await expect(at.plane[decision](requestId, undefined, contextOf(ADA, clock))).rejects.toMatchObject({
        code: 'JOB_STATE',
        message: expect.stringContaining('which has passed') as unknown,
      });
    expect(cloud.things.size).toBe(0);
  });

  test.each(['approve', 'reject'] as const)('and %s of the same job at once lead to one decision', async (first) => {
    const second = first === 'approve' ? 'reject' : 'approve';
    const { requestId } = await at.submit({ params, approval: { required: true } });
    const both = await Promise.allSettled([
      at.plane[first](requestId, undefined, contextOf()),
      at.plane[second](requestId, undefined, contextOf()),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const lost = both.find((each) => each.status === 'rejected');
    expect(lost?.reason).toMatchObject({ code: 'JOB_STATE' });
    const { status, approval } = await at.ended(requestId);
    expect([status, approval?.decision]).toBeOneOf([
      ['succeeded', 'approved'],
      ['cancelled', 'rejected'],
    ]);
  });
});

describe('a resource in use', () => {
  test('refuses the rollback of the job that made it, and names who is at it', async () => {
    const { requestId } = await done({ params });
    const holder = await at.submit({ params, action: 'destroy', approval: { required: true } });
    await expect(at.plane.rollback(requestId, contextOf())).rejects.toMatchObject({
      code: 'RESOURCE_BUSY',
      details: { requestId: holder.requestId, resource: ID },
    });
    await at.plane.cancel(holder.requestId, contextOf());
    await at.plane.rollback(requestId, contextOf());
    expect(await at.ended(requestId)).toMatchObject({ status: 'rolled_back' });
  });

  test('refuses the retry of a job that failed at it', async () => {
    refuseOnce('create');
    const { requestId, status } = await done({ params });
    const { requestId: other } = await at.submit({ params, approval: { required: true } });
    expect(status).toBe('failed');
    await expect(at.plane.retry(requestId, contextOf())).rejects.toMatchObject({
      code: 'RESOURCE_BUSY',
      details: { requestId: other },
    });
  });

  test('refuses a destroy while it is being made', async () => {
    const { reached, release } = hold('create');
    const { requestId } = await at.submit({ params });
    await reached;
    await expect(at.submit({ params, action: 'destroy' })).rejects.toMatchObject({
      code: 'RESOURCE_BUSY',
      details: { requestId },
    });
    release();
    expect(await at.ended(requestId)).toMatchObject({ status: 'succeeded' });
  });
});

describe('a job that is tried again', () => {
  test('and succeeds says nothing any more of what had failed', async () => {
    refuseOnce('create');
    const { requestId, error } = await done({ params });
    expect(error?.code).toBe('CLOUD_REFUSED');
    expect(await at.plane.retry(requestId, contextOf())).not.toHaveProperty('error');
    const job = await at.ended(requestId);
    expect(job).toMatchObject({ status: 'succeeded', result: { id: ID } });
    expect(job).not.toHaveProperty('error');
  });

  test('and undoes what it could not undo before says what failed first, and of nothing left', async () => {
    let isStuck = true;
    cloud.before = (effect) => {
      if (effect === 'finish' || (effect === 'delete' && isStuck)) throw refused('DeleteThing');
    };
    const { requestId, status, error } = await done({ params });
    expect([status, error?.code, Object.keys(error?.details ?? {})]).toEqual([
      'rollback_failed',
      'CLOUD_REFUSED',
      expect.arrayContaining(['rollback']),
    ]);
    isStuck = false;
    await at.plane.retry(requestId, contextOf());
    const undone = await at.ended(requestId);
    expect(undone).toMatchObject({ status: 'rolled_back', error: { code: 'CLOUD_REFUSED', step: 'finish-thing' } });
    expect(undone.error?.details).not.toHaveProperty('rollback');
  });

  test('after a rollback that failed is rolled back, also when somebody else has removed the rest', async () => {
    const { requestId } = await done({ params });
    cloud.before = (effect) => {
      if (effect === 'delete') throw refused('DeleteThing');
    };
    await at.plane.rollback(requestId, contextOf());
    expect(await at.ended(requestId)).toMatchObject({ status: 'rollback_failed', error: { code: 'ROLLBACK_FAILED' } });
    cloud.things.clear();
    cloud.before = () => undefined;
    await at.plane.retry(requestId, contextOf());
    const job = await at.ended(requestId);
    expect(job).toMatchObject({ status: 'rolled_back', result: { undone: [] } });
    expect(job).not.toHaveProperty('error');
  });
});

describe('an update', () => {
  test('with a time to live moves the end of the resource, and adds its tags', async () => {
    await done({ params, ttlSeconds: 3_600, tags: { team: 'blue', cost: '1' } });
    const { expiresAt } = await done({ params, action: 'update', ttlSeconds: 7_200, tags: { team: 'red' } });
    expect(expiresAt).toBeDefined();
    const changed = await resource();
    expect(changed).toMatchObject({ expiresAt, tags: { team: 'red', cost: '1', expiresAt, owner: 'ada' } });
    // Nothing is asked for of either.
    await done({ params: { ...params, size: 2 }, action: 'update' });
    expect(await resource()).toMatchObject({ expiresAt, tags: { team: 'red', expiresAt } });
  });

  test('that is undone leaves the end of the resource where it was', async () => {
    const { expiresAt } = await done({ params, ttlSeconds: 3_600, tags: { team: 'blue' } });
    cloud.before = (effect) => {
      if (effect !== 'resize') return;
      cloud.before = () => undefined;
      throw refused('ResizeThing');
    };
    const change = { params: { ...params, size: 5 }, action: 'update', ttlSeconds: 7_200, tags: { team: 'red' } };
    expect(await done(change)).toMatchObject({ status: 'rolled_back' });
    expect(await resource()).toMatchObject({ status: 'ready', expiresAt, tags: { team: 'blue', expiresAt } });
  });
});

describe('the execution of a job', () => {
  test('that somebody stops by its own name ends the job too, and frees the resource', async () => {
    const { reached, release } = hold('finish');
    const { requestId } = await at.submit({ params });
    await reached;
    await at.engine.stop('team-x', await executionOf(JOB_WORKFLOWS.provision), {});
    release();
    expect(await at.ended(requestId)).toMatchObject({
      status: 'rolled_back',
      error: { code: 'EXECUTION_STOPPED' },
      result: { undone: [ID] },
    });
    expect(cloud.things.size).toBe(0);
    expect(await done({ params })).toMatchObject({ status: 'succeeded' });
  });

  test('that somebody redrives by its own name makes nothing behind the back of the job', async () => {
    const { reached, release } = hold('create');
    const { requestId } = await at.submit({ params });
    await reached;
    const execution = await executionOf(JOB_WORKFLOWS.provision);
    await at.plane.cancel(requestId, contextOf());
    release();
    const { status } = await at.ended(requestId);
    const before = [...cloud.effects];
    const ended = new Promise<string>((resolve) => at.engine.onEnd((each) => resolve(each.status)));
    await at.engine.redrive('team-x', execution);
    expect(await ended).toBe('FAILED');
    expect([cloud.effects, cloud.things.size]).toEqual([before, 0]);
    expect(await at.ended(requestId)).toMatchObject({ status });
  });
});

test('an undo that may not even look says so at once, and not after many more tries', async () => {
  await at.stop();
  const definition = thingService(cloud);
  const mayNotLook = () =>
    Promise.reject(
      cloudError({ cloud: 'aws', fault: 'denied', operation: 'GetThing', cloudCode: 'AccessDenied', message: 'no' }),
    );
  const load: ServiceDefinition['load'] = async () => {
    const made = await definition.load();
    return { create: (context) => Object.assign(made.create(context), { read: mayNotLook }) };
  };
  at = await startControlPlane({ store, services: [{ ...definition, load }] });
  refuseOnce('finish');
  expect(await done({ params })).toMatchObject({
    status: 'rollback_failed',
    error: {
      code: 'CLOUD_REFUSED',
      details: { rollback: { details: { left: [{ error: { code: 'CLOUD_DENIED' } }] } } },
    },
  });
});

test('what is kept of a failure has the known secrets masked', async () => {
  await at.stop();
  const redact = (text: string): string => text.replaceAll('hunter2', '[redacted]');
  at = await startControlPlane({ store, services: [thingService(cloud)], redact });
  cloud.before = () => {
    throw cloudError({ cloud: 'aws', fault: 'throttled', operation: 'A', cloudCode: 'B', message: 'you sent hunter2' });
  };
  const { requestId, error } = await done({ params });
  expect(error?.message).toContain('you sent [redacted]');
  const execution = await executionOf(JOB_WORKFLOWS.provision);
  const { items } = await at.engine.history('team-x', execution, {});
  const events = await at.plane.events(requestId, 0, contextOf());
  expect(JSON.stringify([items, events])).not.toContain('hunter2');
});

describe('the audit trail', () => {
  const actions = async (): Promise<readonly unknown[]> => {
    const { records } = await listAudit(store, 'team-x');
    return records.map(({ entry }) => [entry.action, entry.principal]);
  };

  test('says who approved and who rejected', async () => {
    const first = await at.submit({ params, approval: { required: true } });
    await at.plane.approve(first.requestId, undefined, contextOf({ ...ADA, id: 'ann' }));
    await at.ended(first.requestId);
    const second = await at.submit({ params: { name: 'two' }, approval: { required: true } });
    await at.plane.reject(second.requestId, undefined, contextOf({ ...ADA, id: 'bo' }));
    expect(await actions()).toEqual(
      expect.arrayContaining([
        ['job-approved', 'ann'],
        ['job-rejected', 'bo'],
      ]),
    );
  });

  test('is read newest first over the starts of a day, and from no cursor that it did not give', async () => {
    for (let start = 0; start < 6; start++) {
      await done({ params: { name: `of-start-${start}` } });
      await at.stop();
      at = await startControlPlane({ store, services: [thingService(cloud)] });
    }
    const { records } = await listAudit(store, 'team-x');
    const times = records.map((record) => record.at);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(new Set(records.map(({ chain }) => chain)).size).toBe(6);
    for (const cursor of ['forged', `forged\n`, records[0]?.chain])
      await expect(listAudit(store, 'team-x', { cursor })).rejects.toMatchObject({ code: 'INVALID_CURSOR' });
  });
});
