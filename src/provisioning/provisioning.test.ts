import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ADA,
  KEY,
  contextOf,
  memoryStore,
  startControlPlane,
  type StartParts,
  type Started,
} from '../../tests/fixtures/control-plane.ts';
import { refused, thingCloud, thingService, throttled, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import { listAudit, verifyAudit } from '../audit/verify.ts';
import type { Principal } from '../core/context.ts';
import type { StoreRoot } from '../core/ports.ts';
import { RESOURCE_LOCKS } from './job.ts';

const ID = 'aws:us-east-1:thing:one';
const params = { name: 'one' };

let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;

async function begin(parts: Partial<StartParts> = {}): Promise<void> {
  at = await startControlPlane({ store, services: [thingService(cloud)], ...parts });
}

beforeEach(async () => {
  store = await memoryStore();
  cloud = thingCloud();
  await begin();
});
afterEach(async () => {
  await at.stop();
  const verdict = await verifyAudit(store, 'team-x', KEY);
  await store.close();
  expect(verdict.problems).toEqual([]);
});

const statuses = async (requestId: string): Promise<unknown[]> =>
  (await at.plane.events(requestId, 0, contextOf()))
    .filter(({ type }) => type === 'job-status-changed')
    .map(({ data }) => data['status']);
const resources = async () => (await at.plane.resources({}, contextOf())).items;
const locks = async () => store.store('team-x').table(RESOURCE_LOCKS).get({ id: ID });

describe('a provision', () => {
  test('is made step by step, recorded and listed', async () => {
    const { requestId } = await at.submit({ params: { ...params, size: 3 }, tags: { team: 'blue' } });
    const job = await at.ended(requestId);
    expect(job).toMatchObject({
      status: 'succeeded',
      result: { status: 'provisioned', id: ID, outputs: { size: 3 }, isAdopted: false },
      plan: { estimate: { monthlyUsd: 6 } },
    });
    expect(cloud.effects).toEqual([`create:${ID}`, `finish:${ID}`]);
    expect(await statuses(requestId)).toEqual(['accepted', 'planned', 'queued', 'running', 'succeeded']);
    expect(await resources()).toEqual([
      expect.objectContaining({
        id: ID,
        status: 'ready',
        requestId,
        owner: 'ada',
        outputs: { name: ID, size: 3 },
        tags: {
          team: 'blue',
          tenant: 'team-x',
          env: 'dev',
          service: 'thing',
          requestId,
          owner: 'ada',
          'managed-by': 'zeroplane',
        },
      }),
    ]);
    const { steps } = await at.plane.status(requestId, contextOf());
    expect(steps.map(({ step, status, attempts }) => [step, status, attempts])).toEqual([
      ['create-thing', 'succeeded', 1],
      ['finish-thing', 'succeeded', 1],
      ['await-thing', 'succeeded', 1],
    ]);
    expect(await locks()).toBeUndefined();
    const { records } = await listAudit(store, 'team-x');
    expect(records.map(({ entry }) => [entry.action, entry.principal])).toEqual([
      ['job-succeeded', 'system'],
      ['job-running', 'system'],
      ['job-accepted', 'ada'],
    ]);
  });

  test('tries again what is worth it, with one key for all attempts', async () => {
    const attempts: number[] = [];
    cloud.before = (effect, attempt) => {
      if (effect !== 'create') return;
      attempts.push(attempt);
      if (attempt < 3) throw throttled('CreateThing');
    };
    const job = await at.ended((await at.submit({ params })).requestId);
    expect(job.status).toBe('succeeded');
    expect(attempts).toEqual([1, 2, 3]);
  });

  test('that is refused before anything was made has failed, with the words of the cloud and the step', async () => {
    cloud.before = (effect) => {
      if (effect === 'create') throw refused('CreateThing');
    };
    const { requestId } = await at.submit({ params });
    expect(await at.ended(requestId)).toMatchObject({
      status: 'failed',
      error: { code: 'CLOUD_REFUSED', step: 'create-thing', details: { cloudCode: 'NoSuchColour' } },
    });
    expect([await resources(), await locks()]).toEqual([[], undefined]);
  });

  test('that fails half-way is undone', async () => {
    cloud.before = (effect) => {
      if (effect === 'finish') throw refused('FinishThing');
    };
    const { requestId } = await at.submit({ params });
    expect(await at.ended(requestId)).toMatchObject({
      status: 'rolled_back',
      error: { code: 'CLOUD_REFUSED', step: 'finish-thing' },
      result: { status: 'rolled_back', undone: [ID] },
    });
    expect(await statuses(requestId)).toEqual([
      'accepted',
      'planned',
      'queued',
      'running',
      'compensating',
      'rolled_back',
    ]);
    expect([[...cloud.things], await resources(), await locks()]).toEqual([[], [], undefined]);
  });

  test('whose answer is lost after the effect makes nothing twice', async () => {
    let lost = 0;
    cloud.after = (effect) => {
      if (effect === 'create' && lost++ < 1) throw throttled('CreateThing');
    };
    const job = await at.ended((await at.submit({ params })).requestId);
    expect(job).toMatchObject({ status: 'succeeded', result: { isAdopted: false } });
    expect(cloud.effects.filter((effect) => effect.startsWith('create'))).toHaveLength(1);
  });

  test('of what the tenant has adopts it, and its undo leaves it alone', async () => {
    const first = await at.ended((await at.submit({ params })).requestId);
    const second = await at.ended((await at.submit({ params })).requestId);
    expect(second).toMatchObject({ status: 'succeeded', result: { isAdopted: true } });
    expect((await resources())[0]).toMatchObject({ requestId: first.requestId });
    await at.plane.rollback(second.requestId, contextOf());
    expect((await at.ended(second.requestId)).status).toBe('rolled_back');
    expect(cloud.things.size).toBe(1);
  });

  test("of what is somebody else's fails and touches nothing", async () => {
    cloud.things.set(ID, { id: ID, tenant: 'team-y', requestId: 'other', size: 1, token: '' });
    const job = await at.ended((await at.submit({ params })).requestId);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'RESOURCE_NOT_OWNED' } });
    expect([cloud.effects, [...cloud.things.values()].length]).toEqual([[], 1]);
  });

  test('undoes what an undo could not, when it is retried', async () => {
    cloud.before = (effect) => {
      if (effect === 'finish' || effect === 'delete') throw refused('AnyThing');
    };
    const { requestId } = await at.submit({ params });
    const stuck = await at.ended(requestId);
    expect(stuck).toMatchObject({
      status: 'rollback_failed',
      error: { code: 'CLOUD_REFUSED', details: { rollback: { code: 'ROLLBACK_FAILED' } } },
    });
    expect(cloud.things.size).toBe(1);
    cloud.before = () => undefined;
    await at.plane.retry(requestId, contextOf());
    expect((await at.ended(requestId)).status).toBe('rolled_back');
    expect([cloud.things.size, await locks()]).toEqual([0, undefined]);
  });

  test('that failed goes forward again when it is retried, under the same id', async () => {
    cloud.before = (effect) => {
      if (effect === 'create') throw refused('CreateThing');
    };
    const { requestId } = await at.submit({ params });
    expect((await at.ended(requestId)).status).toBe('failed');
    cloud.before = () => undefined;
    expect(await at.plane.retry(requestId, contextOf())).toMatchObject({ requestId, status: 'queued', round: 2 });
    expect((await at.ended(requestId)).status).toBe('succeeded');
  });
});

describe('other actions', () => {
  test('a plan says what would be done and does nothing', async () => {
    const job = await at.ended((await at.submit({ action: 'plan', params })).requestId);
    expect(job).toMatchObject({
      status: 'succeeded',
      result: {
        status: 'planned',
        steps: ['create-thing', 'finish-thing', 'await-thing'],
        resources: [{ change: 'create' }],
      },
    });
    expect([cloud.effects, await resources()]).toEqual([[], []]);
  });

  test('a destroy takes an id or the parameters, and leaves nothing', async () => {
    await at.ended((await at.submit({ params })).requestId);
    const byId = await at.ended((await at.submit({ action: 'destroy', id: ID })).requestId);
    expect(byId).toMatchObject({ status: 'succeeded', result: { status: 'deprovisioned', id: ID } });
    await at.ended((await at.submit({ params })).requestId);
    const byParams = await at.ended((await at.submit({ action: 'destroy', params })).requestId);
    expect(byParams.status).toBe('succeeded');
    expect([cloud.things.size, await resources()]).toEqual([0, []]);
    await expect(at.submit({ action: 'destroy', id: ID })).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' });
  });

  test('an update changes, and one that fails goes back to what was', async () => {
    await at.ended((await at.submit({ params })).requestId);
    const larger = { name: 'one', size: 5 };
    expect((await at.ended((await at.submit({ action: 'update', params: larger })).requestId)).status).toBe(
      'succeeded',
    );
    expect(cloud.things.get(ID)?.size).toBe(5);
    let isFirst = true;
    cloud.after = (effect) => {
      if (effect !== 'resize' || !isFirst) return;
      isFirst = false;
      throw refused('ResizeThing');
    };
    const failed = await at.ended((await at.submit({ action: 'update', params: { name: 'one', size: 9 } })).requestId);
    expect(failed).toMatchObject({ status: 'rolled_back', error: { code: 'CLOUD_REFUSED' } });
    expect(cloud.things.get(ID)?.size).toBe(5);
    expect((await resources())[0]).toMatchObject({ status: 'ready', outputs: { size: 5 } });
  });

  test('a job that succeeded can be rolled back', async () => {
    const { requestId } = await at.submit({ params });
    await at.ended(requestId);
    await at.plane.rollback(requestId, contextOf());
    expect(await at.ended(requestId)).toMatchObject({ status: 'rolled_back', reason: 'requested' });
    expect(cloud.things.size).toBe(0);
    await expect(at.plane.rollback(requestId, contextOf())).rejects.toMatchObject({ code: 'JOB_STATE' });
  });
});

describe('acceptance', () => {
  test('a request with a key that was used leads to the same job, and another body is refused', async () => {
    const first = await at.submit({ params }, 'key-1');
    const again = await at.submit({ params }, 'key-1');
    expect(again.requestId).toBe(first.requestId);
    await expect(at.submit({ params: { name: 'two' } }, 'key-1')).rejects.toMatchObject({
      code: 'IDEMPOTENCY_MISMATCH',
    });
    const many = await Promise.all(Array.from({ length: 20 }, () => at.submit({ params: { name: 'two' } }, 'key-2')));
    expect(new Set(many.map(({ requestId }) => requestId)).size).toBe(1);
    await Promise.all([first, ...many].map(({ requestId }) => at.ended(requestId)));
  });

  test('one job at a time works on a resource, and the other hears of it', async () => {
    let release: () => void = () => undefined;
    cloud.before = (effect) => (effect === 'create' ? new Promise((resolve) => (release = resolve)) : undefined);
    const { requestId } = await at.submit({ params });
    await expect(at.submit({ params })).rejects.toMatchObject({ code: 'RESOURCE_BUSY', details: { requestId } });
    await until(() => cloud.effects.length === 0 && release.length === 1);
    release();
    await at.ended(requestId);
  });

  test('all that is wrong is said at once, with places, and nothing is stored', async () => {
    const failure = await at
      .submit({ cloud: 'aws', params: { nam: 'one', size: 50 }, colour: 'red', ttlSeconds: 1 })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'PROVISION_INVALID',
      details: {
        problems: [
          expect.objectContaining({ pointer: '/ttlSeconds' }),
          expect.objectContaining({ pointer: '/colour', allowed: expect.arrayContaining(['cloud']) }),
        ],
      },
    });
    const inParams = await at.submit({ params: { nam: 'one', size: 50 } }).catch((error: unknown) => error);
    expect(inParams).toMatchObject({
      details: {
        problems: [
          { pointer: '/params/name', message: 'is required' },
          expect.objectContaining({ pointer: '/params/size' }),
          expect.objectContaining({ pointer: '/params/nam', nearest: 'name' }),
        ],
      },
    });
    for (const [body, pointer, nearest] of [
      [{ cloud: 'asw' }, '/cloud', 'aws'],
      [{ service: 'thign' }, '/service', 'thing'],
      [{ action: 'provison' }, '/action', 'provision'],
      [{ params, region: 'us-east-2' }, '/region', 'us-east-1'],
      [{ params: { ...params, region: 'us-east-1' }, region: 'eu-west-1' }, '/region', undefined],
      [{ params, env: 'a b' }, '/env', undefined],
      [{ params, tags: { tenant: 'x' } }, '/tags/tenant', undefined],
    ] as const) {
      const error = (await at.submit(body).catch((thrown: unknown) => thrown)) as { details: { problems: object[] } };
      expect(error.details.problems).toEqual([
        expect.objectContaining({ pointer, ...(nearest === undefined ? {} : { nearest }) }),
      ]);
    }
    expect((await at.plane.list({}, contextOf())).items).toEqual([]);
    expect((await verifyAudit(store, 'team-x', KEY)).records).toBe(0);
  });

  test('a tenant sees and asks for nothing of another', async () => {
    const eve: Principal = { ...ADA, id: 'eve', tenant: 'team-y' };
    const { requestId } = await at.submit({ params });
    await at.ended(requestId);
    await expect(at.submit({ params, tenant: 'team-x' }, undefined, eve)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    for (const verb of ['status', 'cancel', 'retry', 'rollback'] as const)
      await expect(at.plane[verb](requestId, contextOf(eve))).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
    expect((await at.plane.list({}, contextOf(eve))).items).toEqual([]);
    expect((await at.plane.resources({}, contextOf(eve))).items).toEqual([]);
    await expect(at.submit({ action: 'destroy', id: ID }, undefined, eve)).rejects.toMatchObject({
      code: 'RESOURCE_NOT_FOUND',
    });
  });
});

describe('approval and cancel', () => {
  test('a request that asks for approval waits for it', async () => {
    const { requestId, status } = await at.submit({ params, approval: { required: true } });
    expect([status, cloud.effects]).toEqual(['awaiting_approval', []]);
    await at.plane.approve(requestId, 'go on', contextOf());
    expect(await at.ended(requestId)).toMatchObject({
      status: 'succeeded',
      approval: { decision: 'approved', decidedBy: 'ada', comment: 'go on', because: 'request' },
    });
    await expect(at.plane.approve(requestId, undefined, contextOf())).rejects.toMatchObject({ code: 'JOB_STATE' });
  });

  test('a rule asks for it too, who asked may not consent where that is off, and a rejection ends the job', async () => {
    await at.stop();
    await begin({ approvals: () => [{ env: 'prod' }], selfApproval: () => false });
    const free = await at.submit({ params });
    expect((await at.ended(free.requestId)).status).toBe('succeeded');
    const { requestId } = await at.submit({ params: { name: 'two' }, env: 'prod' });
    await expect(at.plane.approve(requestId, undefined, contextOf())).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('reject or cancel') as string,
    });
    const bo: Principal = { ...ADA, id: 'bo', roles: ['approver'] };
    expect(await at.plane.reject(requestId, 'no', contextOf(bo))).toMatchObject({
      status: 'cancelled',
      reason: 'rejected',
    });
    const requester: Principal = { ...ADA, id: 'cy', roles: ['requester'] };
    const next = await at.submit({ params: { name: 'two' }, env: 'prod' });
    await expect(at.plane.approve(next.requestId, undefined, contextOf(requester))).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    await at.plane.cancel(next.requestId, contextOf());
  });

  test('who asked may take it back where self-approval is off, by a rejection as by a cancel, and nobody else may', async () => {
    await at.stop();
    await begin({ approvals: () => [{ env: 'prod' }], selfApproval: () => false });
    const requester: Principal = { ...ADA, id: 'cy', roles: ['requester'] };
    const ask = (by: Principal) => at.submit({ params: { name: 'two' }, env: 'prod' }, undefined, by);
    for (const by of [ADA, requester]) {
      const { requestId } = await ask(by);
      const other = contextOf({ ...requester, id: 'di' });
      await expect(at.plane.reject(requestId, undefined, other)).rejects.toMatchObject({ code: 'FORBIDDEN' });
      expect(await at.plane.reject(requestId, 'not needed', contextOf(by))).toMatchObject({
        status: 'cancelled',
        reason: 'rejected',
        approval: { decision: 'rejected', decidedBy: by.id, comment: 'not needed' },
      });
    }
    const { requestId } = await ask(ADA);
    const viewer = contextOf({ ...ADA, roles: ['viewer'] });
    await expect(at.plane.reject(requestId, undefined, viewer)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await at.plane.cancel(requestId, contextOf())).toMatchObject({ status: 'cancelled' });
    expect(cloud.effects).toEqual([]);
  });

  test('an approval that nobody gives expires', async () => {
    const { requestId } = await at.submit({ params, approval: { required: true, expiresInSeconds: 1 } });
    expect(await at.ended(requestId)).toMatchObject({ status: 'expired' });
    expect(await locks()).toBeUndefined();
  });

  test('a cancel before it runs ends it, and while it runs undoes what was made', async () => {
    const waiting = await at.submit({ params, approval: { required: true } });
    expect(await at.plane.cancel(waiting.requestId, contextOf())).toMatchObject({ status: 'cancelled' });
    let isReached = false;
    cloud.before = (effect) => {
      if (effect !== 'finish') return undefined;
      isReached = true;
      return new Promise((resolve) => setTimeout(resolve, 50));
    };
    const { requestId } = await at.submit({ params });
    await until(() => isReached);
    expect(await at.plane.cancel(requestId, contextOf())).toMatchObject({ status: 'compensating' });
    expect(await at.ended(requestId)).toMatchObject({ status: 'rolled_back', reason: 'cancelled' });
    expect(cloud.things.size).toBe(0);
  });
});

describe('by itself', () => {
  test('what has outlived its time is destroyed', async () => {
    await at.stop();
    await begin();
    const { requestId } = await at.submit({ params, ttlSeconds: 60 });
    const { expiresAt } = await at.ended(requestId);
    expect((await resources())[0]).toMatchObject({ expiresAt });
    await at.stop();
    const later = { ...(await import('../adapters/embedded/system.ts')).systemClock };
    const clock = { ...later, nowMs: () => Date.now() + 61_000 };
    await begin({ clock });
    await until(async () => cloud.things.size === 0 && (await resources()).length === 0);
    const { items } = await at.plane.list({}, contextOf());
    expect(items[0]).toMatchObject({ action: 'destroy', principal: { id: 'system' } });
    await at.ended(items[0]?.requestId ?? '');
  });

  test('a job goes on in the next process from where it was, and repeats nothing that was finished', async () => {
    let release: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => {
      cloud.before = (effect) => {
        if (effect !== 'finish') return undefined;
        resolve();
        return new Promise((go) => (release = go));
      };
    });
    const { requestId } = await at.submit({ params });
    await reached;
    const stopping = at.stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    cloud.before = () => undefined;
    release();
    await stopping;
    await begin();
    expect((await at.ended(requestId)).status).toBe('succeeded');
    expect(cloud.effects.filter((effect) => effect.startsWith('create'))).toHaveLength(1);
  });
});

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const lateMs = Date.now() + 8_000;
  while (!(await isSo())) {
    if (Date.now() > lateMs) throw new Error('it never came to be');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
