/** What happens by itself, with a clock that is moved by hand: approvals, lost messages, dead letters, ends of life. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeClock, type FakeClock } from '../../tests/contract/fake-clock.ts';
import {
  KEY,
  contextOf,
  memoryStore,
  startControlPlane,
  type StartParts,
  type Started,
} from '../../tests/fixtures/control-plane.ts';
import { refused, thingCloud, thingService, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import { verifyAudit } from '../audit/verify.ts';
import type { Queue, StoreRoot } from '../core/ports.ts';
import type { WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import type { Job } from './job.ts';
import { RESOURCES } from './resource-store.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const params = { name: 'one' };

let clock: FakeClock;
let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;

async function begin(parts: Partial<StartParts> = {}): Promise<void> {
  at = await startControlPlane({ store, clock, services: [thingService(cloud)], everyMs: 1_000, ...parts });
}

beforeEach(async () => {
  clock = fakeClock();
  store = await memoryStore(clock);
  cloud = thingCloud();
  await begin();
});
afterEach(async () => {
  await at.stop();
  const { problems } = await verifyAudit(store, 'team-x', KEY);
  await store.close();
  expect(problems).toEqual([]);
});

/** Lets everything happen that needs no time. */
async function turns(count = 30): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

/** Time goes on, second by second. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) {
    clock.advance(Math.min(1_000, left));
    await turns(8);
  }
}

/** Time goes on at once, as for a machine that slept. */
async function skip(ms: number): Promise<void> {
  clock.advance(ms);
  await turns();
}

async function ended(requestId: string): Promise<Job> {
  for (let n = 0; n < 400; n++) {
    const { job } = await at.plane.status(requestId, contextOf());
    if (['succeeded', 'failed', 'rolled_back', 'rollback_failed', 'cancelled', 'expired'].includes(job.status))
      return job;
    await pass(250);
  }
  throw new Error(`job ${requestId} did not end`);
}

const status = async (requestId: string): Promise<string> => (await at.plane.status(requestId, contextOf())).job.status;
const queue = (): Queue => store.systemStore().queue('provisioning');
const created = (): number => cloud.effects.filter((effect) => effect.startsWith('create')).length;

describe('an approval', () => {
  test('is waited for until its last second, and then the job has expired and gives its resource free', async () => {
    const { requestId } = await at.submit({ params, approval: { required: true } });
    await skip(DAY_MS - 2_000);
    expect(await status(requestId)).toBe('awaiting_approval');
    await skip(4_000);
    await pass(2_000);
    const job = await ended(requestId);
    expect(job).toMatchObject({ status: 'expired', reason: 'nobody approved it in time' });
    await expect(at.plane.approve(requestId, undefined, contextOf())).rejects.toMatchObject({ code: 'JOB_STATE' });
    const next = await at.submit({ params });
    expect((await ended(next.requestId)).status).toBe('succeeded');
  });

  test('in the last second is one', async () => {
    const { requestId } = await at.submit({ params, approval: { required: true, expiresInSeconds: 60 } });
    await skip(59_000);
    await at.plane.approve(requestId, undefined, contextOf());
    await skip(HOUR_MS);
    expect(await ended(requestId)).toMatchObject({ status: 'succeeded', approval: { decision: 'approved' } });
  });

  test('has as much time as was left when the process was gone meanwhile', async () => {
    const { requestId } = await at.submit({ params, approval: { required: true, expiresInSeconds: 60 } });
    await at.stop();
    clock.advance(30_000);
    await begin();
    await pass(5_000);
    expect(await status(requestId)).toBe('awaiting_approval');
    await pass(27_000);
    expect(await status(requestId)).toBe('expired');
  });

  test('is given by one of those who decide at the same moment', async () => {
    const { requestId } = await at.submit({ params, approval: { required: true } });
    const decided = await Promise.allSettled([
      at.plane.approve(requestId, undefined, contextOf()),
      at.plane.reject(requestId, undefined, contextOf()),
      at.plane.cancel(requestId, contextOf()),
      at.plane.approve(requestId, undefined, contextOf()),
    ]);
    expect(decided.filter(({ status: outcome }) => outcome === 'fulfilled')).toHaveLength(1);
    for (const each of decided)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'JOB_STATE' });
    await ended(requestId);
    expect(created()).toBeLessThan(2);
  });
});

/** An engine that can start nothing while `isBroken` says so. */
const breaking =
  (isBroken: () => boolean) =>
  (engine: WorkflowEngine): WorkflowEngine => ({
    label: engine.label,
    register: (...all) => engine.register(...all),
    workflows: (tenant) => engine.workflows(tenant),
    workflow: (...all) => engine.workflow(...all),
    versions: (...all) => engine.versions(...all),
    start: (principal, start) =>
      isBroken() && JSON.stringify(start.input).includes('"poison"')
        ? Promise.reject(new Error('the engine has hiccups'))
        : engine.start(principal, start),
    describe: (...all) => engine.describe(...all),
    history: (...all) => engine.history(...all),
    list: (...all) => engine.list(...all),
    stop: (...all) => engine.stop(...all),
    redrive: (...all) => engine.redrive(...all),
    sendTaskSuccess: (...all) => engine.sendTaskSuccess(...all),
    sendTaskFailure: (...all) => engine.sendTaskFailure(...all),
    sendTaskHeartbeat: (...all) => engine.sendTaskHeartbeat(...all),
    onEnd: (listener) => engine.onEnd(listener),
  });

describe('a job that nobody can work on', () => {
  let isBroken = true;
  const poison = { params: { name: 'poison' } };

  beforeEach(async () => {
    isBroken = true;
    await at.stop();
    await begin({ around: breaking(() => isBroken) });
  });

  test('fails after five tries with the reason, and others go on meanwhile', async () => {
    const { requestId } = await at.submit(poison);
    const other = await at.submit({ params });
    expect((await ended(other.requestId)).status).toBe('succeeded');
    expect(await status(requestId)).not.toBe('failed');
    const job = await ended(requestId);
    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'JOB_UNPROCESSABLE', message: expect.stringContaining('the engine has hiccups') },
    });
    expect(job.error?.message).toContain('5 times');
    // The job stands for its dead letter: it is listed by its error, and the queue keeps nothing for ever.
    const { items } = await at.plane.list({ error: 'JOB_UNPROCESSABLE' }, contextOf());
    expect(items.map((each) => each.requestId)).toEqual([requestId]);
    await pass(5_000);
    expect(await queue().deadLetters()).toEqual([]);
  });

  test('is not ended once more by its old dead letter while its retry waits for a worker', async () => {
    await at.stop();
    await begin({ around: breaking(() => isBroken), concurrency: 1 });
    const { requestId } = await at.submit(poison);
    await ended(requestId);
    isBroken = false;
    let release: () => void = () => undefined;
    cloud.before = () => new Promise((resolve) => (release = resolve));
    const other = await at.submit({ params });
    await pass(2_000);
    expect(await status(other.requestId)).toBe('running');
    await at.plane.retry(requestId, contextOf());
    await pass(5_000);
    expect(await status(requestId)).toBe('queued');
    cloud.before = () => undefined;
    release();
    for (const id of [other.requestId, requestId]) expect((await ended(id)).status).toBe('succeeded');
  });

  test('is worked on once when its message comes twice again and the job is retried', async () => {
    const { requestId } = await at.submit(poison);
    await ended(requestId);
    isBroken = false;
    for (let times = 0; times < 2; times++) await queue().send({ tenant: 'team-x', requestId });
    await pass(5_000);
    // An ended job stays ended whoever speaks of it; going on is somebody's decision.
    expect([await status(requestId), created()]).toEqual(['failed', 0]);
    await at.plane.retry(requestId, contextOf());
    await expect(at.plane.retry(requestId, contextOf())).rejects.toMatchObject({ code: 'JOB_STATE' });
    expect((await ended(requestId)).status).toBe('succeeded');
    expect(created()).toBe(1);
    const events = await at.plane.events(requestId, 0, contextOf());
    expect(events.filter(({ type }) => type === 'job-ended').map(({ data }) => data['status'])).toEqual([
      'failed',
      'succeeded',
    ]);
  });

  test('and has made something ends as one whose undo failed, so that it is not forgotten', async () => {
    isBroken = false;
    cloud.before = (effect) => {
      if (effect !== 'finish') return;
      isBroken = true;
      throw refused('FinishThing');
    };
    const { requestId } = await at.submit(poison);
    expect(await ended(requestId)).toMatchObject({ status: 'rollback_failed', error: { code: 'JOB_UNPROCESSABLE' } });
    expect(cloud.things.size).toBe(1);
    isBroken = false;
    await at.plane.retry(requestId, contextOf());
    expect((await ended(requestId)).status).toBe('rolled_back');
    expect(cloud.things.size).toBe(0);
  });
});

test('a removal that nobody can work on leaves its resource where it can be removed again', async () => {
  let isBroken = false;
  await at.stop();
  await begin({ around: breaking(() => isBroken) });
  const made = await at.submit({ params: { name: 'poison' } });
  await ended(made.requestId);
  isBroken = true;
  const asked = await at.submit({ action: 'destroy', params: { name: 'poison' } });
  // As a process leaves it that ends while it removes.
  const table = store.store('team-x').table(RESOURCES);
  await table.put({ ...(await table.get({ id: made.resourceId })), status: 'destroying' });
  expect(await ended(asked.requestId)).toMatchObject({ status: 'failed', error: { code: 'JOB_UNPROCESSABLE' } });
  expect((await at.plane.resources({}, contextOf())).items).toMatchObject([{ status: 'failed' }]);
  isBroken = false;
  const again = await at.submit({ action: 'destroy', params: { name: 'poison' } });
  expect((await ended(again.requestId)).status).toBe('succeeded');
});

test('a message that is none is put aside, and keeps no other from being put aside', async () => {
  for (const body of [null, 'text', {}, { tenant: 7, requestId: [] }, { tenant: 'no tenant!', requestId: 'x' }])
    await queue().send(body);
  const { requestId } = await at.submit({ params });
  expect((await ended(requestId)).status).toBe('succeeded');
  await pass(120_000);
  await at.provisioning.sweep();
  const next = await at.submit({ params: { name: 'two' } });
  expect((await ended(next.requestId)).status).toBe('succeeded');
  expect(await queue().receive({ max: 10, visibilityMs: 1 })).toEqual([]);
});

test('a job whose message nobody could send is sent again half a minute later', async () => {
  let isDown = true;
  const real = store;
  const failing: StoreRoot = {
    ...real,
    label: real.label,
    store: (tenant) => real.store(tenant),
    check: () => real.check(),
    close: () => real.close(),
    systemStore: () => {
      const system = real.systemStore();
      return {
        tenant: system.tenant,
        table: (spec) => system.table(spec),
        transact: (writes) => system.transact(writes),
        blobs: system.blobs,
        changes: system.changes,
        queue: (name, options) => {
          const inner = system.queue(name, options);
          return {
            send: (...all) => (isDown ? Promise.reject(new Error('the queue is down')) : inner.send(...all)),
            receive: (options_) => inner.receive(options_),
            ack: (receipt) => inner.ack(receipt),
            extend: (...all) => inner.extend(...all),
            release: (...all) => inner.release(...all),
            deadLetters: () => inner.deadLetters(),
            redrive: (id) => inner.redrive(id),
          };
        },
      };
    },
  };
  await at.stop();
  await begin({ store: failing });
  const { requestId, status: accepted } = await at.submit({ params });
  expect(accepted).toBe('queued');
  await pass(60_000);
  expect(await status(requestId)).toBe('queued');
  isDown = false;
  await pass(35_000);
  expect((await ended(requestId)).status).toBe('succeeded');
});

describe('a resource with a time to live', () => {
  test('is destroyed once, however often the sweeper meets it', async () => {
    const { requestId } = await at.submit({ params, ttlSeconds: 3_600 });
    await ended(requestId);
    await skip(HOUR_MS - 60_000);
    expect(cloud.things.size).toBe(1);
    let release: () => void = () => undefined;
    cloud.before = (effect) => (effect === 'delete' ? new Promise((resolve) => (release = resolve)) : undefined);
    await pass(70_000);
    await at.provisioning.sweep();
    await at.provisioning.sweep();
    const { items } = await at.plane.list({}, contextOf());
    expect(items.map(({ action, principal }) => [action, principal.id])).toContainEqual(['destroy', 'system']);
    expect(items).toHaveLength(2);
    cloud.before = () => undefined;
    release();
    for (const job of items) expect((await ended(job.requestId)).status).toBe('succeeded');
    expect([cloud.things.size, (await at.plane.resources({}, contextOf())).items]).toEqual([0, []]);
  });

  test('that cannot be destroyed stays on the list, and can be destroyed by hand', async () => {
    await ended((await at.submit({ params, ttlSeconds: 60 })).requestId);
    cloud.before = (effect) => {
      if (effect === 'delete') throw refused('DeleteThing');
    };
    await pass(65_000);
    const sweep = (await at.plane.list({}, contextOf())).items.find(({ action }) => action === 'destroy');
    expect(await ended(sweep?.requestId ?? '')).toMatchObject({ status: 'failed', error: { code: 'CLOUD_REFUSED' } });
    expect((await at.plane.resources({}, contextOf())).items).toMatchObject([{ status: 'failed' }]);
    cloud.before = () => undefined;
    await at.plane.retry(sweep?.requestId ?? '', contextOf());
    expect((await ended(sweep?.requestId ?? '')).status).toBe('succeeded');
    expect(await store.store('team-x').table(RESOURCES).get({ id: 'aws:us-east-1:thing:one' })).toBeUndefined();
  });
});

test('a removal that failed is tried again after a minute, then twice as long each time, up to a day', async () => {
  const { requestId } = await at.submit({ params, ttlSeconds: 60 });
  await ended(requestId);
  cloud.before = (effect) => {
    if (effect === 'delete') throw refused('DeleteThing');
  };
  const sweeps = async (): Promise<readonly Job[]> =>
    (await at.plane.list({}, contextOf())).items.filter(({ action }) => action === 'destroy');
  const view = async () => (await at.plane.resources({}, contextOf())).items[0];
  await pass(62_000);
  for (const [attempts, minutes] of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_440, 1_440].map(
    (pause, index) => [index + 1, pause] as const,
  )) {
    const all = await sweeps();
    expect(all).toHaveLength(attempts);
    for (const { requestId: sweepId } of all) await ended(sweepId);
    const sweep = (await view())?.sweep;
    expect(sweep?.attempts).toBe(attempts);
    const leftMs = Date.parse(sweep?.nextAt ?? '') - clock.nowMs();
    expect(leftMs).toBeLessThanOrEqual(minutes * 60_000);
    expect(leftMs).toBeGreaterThan(minutes * 60_000 - 10_000);
    const [newest] = (await sweeps()).toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    expect(newest).toMatchObject({ status: 'failed', reason: expect.stringContaining(sweep?.nextAt ?? '-') as string });
    await skip(leftMs - 1_000);
    await pass(500);
    expect(await sweeps()).toHaveLength(attempts);
    await pass(3_000);
  }
  cloud.before = () => undefined;
  await skip(2 * DAY_MS);
  await pass(4_000);
  expect([cloud.things.size, await view()]).toEqual([0, undefined]);
});

test('a removal that waits for an approval is asked for again a day after its window', async () => {
  await at.stop();
  await begin({ approvals: () => [{ action: 'destroy', expiresInSeconds: 60 }] });
  await ended((await at.submit({ params, ttlSeconds: 60 })).requestId);
  await pass(65_000);
  const sweep = (await at.plane.list({}, contextOf())).items.find(({ action }) => action === 'destroy');
  expect(sweep?.status).toBe('awaiting_approval');
  const [resource] = (await at.plane.resources({}, contextOf())).items;
  expect(Date.parse(resource?.sweep?.nextAt ?? '')).toBe(Date.parse(sweep?.approval?.expiresAt ?? '') + DAY_MS);
  await at.plane.reject(sweep?.requestId ?? '', 'keep it', contextOf());
  await pass(300_000);
  expect((await at.plane.list({}, contextOf())).items).toHaveLength(2);
});

test('a life that is made longer ends anew', async () => {
  await ended((await at.submit({ params, ttlSeconds: 60 })).requestId);
  cloud.before = (effect) => {
    if (effect === 'delete') throw refused('DeleteThing');
  };
  await pass(70_000);
  const update = await at.submit({ action: 'update', params: { name: 'one', size: 2 }, ttlSeconds: 3_600 });
  expect((await ended(update.requestId)).status).toBe('succeeded');
  const [resource] = (await at.plane.resources({}, contextOf())).items;
  expect([resource?.sweep, resource?.status]).toEqual([undefined, 'ready']);
  const before = (await at.plane.list({}, contextOf())).items.length;
  await pass(120_000);
  expect((await at.plane.list({}, contextOf())).items).toHaveLength(before);
});

test('an hour forth and an hour back change nothing for a job at work', async () => {
  let release: () => void = () => undefined;
  cloud.before = (effect) => (effect === 'finish' ? new Promise((resolve) => (release = resolve)) : undefined);
  const { requestId } = await at.submit({ params });
  await turns();
  for (const jumpMs of [HOUR_MS, -2 * HOUR_MS, HOUR_MS]) {
    clock.jumpWall(jumpMs);
    await pass(70_000);
    expect(await status(requestId)).toBe('running');
  }
  cloud.before = () => undefined;
  release();
  expect((await ended(requestId)).status).toBe('succeeded');
  expect(created()).toBe(1);
});
