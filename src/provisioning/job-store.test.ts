/** Jobs on disk: who may change one, and how its events are numbered whoever tells them. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KEY, memoryStore } from '../../tests/fixtures/control-plane.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import { AuditLog } from '../audit/audit-log.ts';
import { verifyAudit } from '../audit/verify.ts';
import type { StoreRoot } from '../core/ports.ts';
import type { JobEvent } from './control-plane.ts';
import { JobStore } from './job-store.ts';
import { DELIVERIES } from './webhooks.ts';
import { JOBS, JOB_EVENTS, RESOURCE_LOCKS, type Job, type JobStatus } from './job.ts';

const TENANT = 'team-x';

let store: StoreRoot;
let jobs: JobStore;

/** A store of jobs as each process has one. */
const another = (writer: string): JobStore => {
  const audit = new AuditLog({ store, clock: systemClock, writer, key: KEY });
  return new JobStore({ store, clock: systemClock, audit });
};

beforeEach(async () => {
  store = await memoryStore();
  jobs = another('one');
});
afterEach(async () => {
  const { problems } = await verifyAudit(store, TENANT, KEY);
  await store.close();
  expect(problems).toEqual([]);
});

function jobOf(requestId: string, status: JobStatus = 'queued', resourceId = 'aws:us-east-1:thing:one'): Job {
  return {
    requestId,
    tenant: TENANT,
    env: 'dev',
    status,
    action: 'provision',
    cloud: 'aws',
    service: 'thing',
    params: {},
    resourceId,
    principal: { id: 'ada', roles: [], scopes: [] },
    tags: {},
    createdAt: '2026-11-01T00:00:00.000Z',
    timestamp: '2026-11-01T00:00:00.000Z',
    label: 'simulated',
    plan: { steps: [], estimate: { monthlyUsd: 0, usage: [], pricesOf: '2026-11-01' } },
    fence: 0,
    round: 1,
  };
}

async function created(requestId: string, status: JobStatus = 'queued'): Promise<Job> {
  const job = jobOf(requestId, status, `aws:us-east-1:thing:${requestId}`);
  const lock = { put: { id: job.resourceId, requestId }, table: RESOURCE_LOCKS, condition: { exists: false } };
  await jobs.create(job, { dueAtMs: 1, writes: [lock], passed: ['accepted', 'planned', status] });
  return job;
}

const run = (job: Job, by: JobStore = jobs): Promise<Job | undefined> =>
  by.advance(job, { to: 'running', change: { fence: job.fence + 1 }, by: 'system' });

describe('a change of a job', () => {
  test('is made by one of all who try at once', async () => {
    const job = await created('a');
    const tried = await Promise.all(Array.from({ length: 8 }, (_unused, n) => run(job, another(`writer-${n}`))));
    expect(tried.filter((each) => each !== undefined)).toHaveLength(1);
    const events = await jobs.events(TENANT, 'a', 0);
    expect(events.map(({ data }) => data['status'])).toEqual(['accepted', 'planned', 'queued', 'running']);
  });

  test('under an older lease changes nothing: neither state, nor lease, nor events, nor lock', async () => {
    const job = await created('a');
    const old = await run(job);
    if (old === undefined) throw new Error('it is running');
    const newer = await jobs.touch(old, { fence: old.fence + 1, leaseOwner: 'two' }, 1);
    expect(newer).toBeDefined();
    const before = await jobs.events(TENANT, 'a', 0);
    expect(await jobs.advance(old, { to: 'succeeded', by: 'system' })).toBeUndefined();
    expect(await jobs.advance(old, { to: 'failed', by: 'system' })).toBeUndefined();
    expect(await jobs.touch(old, { leaseOwner: 'one' }, 1)).toBeUndefined();
    expect(await jobs.find(TENANT, 'a')).toMatchObject({ status: 'running', leaseOwner: 'two' });
    expect(await jobs.events(TENANT, 'a', 0)).toEqual(before);
    expect(await store.store(TENANT).table(RESOURCE_LOCKS).get({ id: job.resourceId })).toBeDefined();
  });

  test('that may not follow is refused, and nothing is written', async () => {
    const job = await created('a');
    await expect(jobs.advance(job, { to: 'succeeded', by: 'system' })).rejects.toMatchObject({ code: 'JOB_STATE' });
    const running = await run(job);
    const ended = running && (await jobs.advance(running, { to: 'succeeded', by: 'system' }));
    if (ended === undefined) throw new Error('it has ended');
    for (const to of ['running', 'queued', 'failed', 'expired', 'cancelled', 'succeeded'] as const)
      await expect(jobs.advance(ended, { to, by: 'eve' })).rejects.toMatchObject({ code: 'JOB_STATE' });
    const events = await jobs.events(TENANT, 'a', 0);
    expect(events.filter(({ type }) => type === 'job-ended')).toHaveLength(1);
    expect(await store.store(TENANT).table(RESOURCE_LOCKS).get({ id: job.resourceId })).toBeUndefined();
  });

  test('is there with its event, its audit record and its lock, or not at all', async () => {
    await created('a');
    const rival = jobOf('b', 'queued', 'aws:us-east-1:thing:a');
    const lock = { put: { id: rival.resourceId, requestId: 'b' }, table: RESOURCE_LOCKS, condition: { exists: false } };
    await expect(jobs.create(rival, { dueAtMs: 1, writes: [lock], passed: ['queued'] })).rejects.toMatchObject({
      code: 'CONDITION_FAILED',
    });
    expect(await jobs.find(TENANT, 'b')).toBeUndefined();
    expect(await jobs.events(TENANT, 'b', 0)).toEqual([]);
    expect((await verifyAudit(store, TENANT, KEY)).records).toBe(1);
  });

  test('that ends it takes the delivery to its webhook along, so that no death in between loses it', async () => {
    const webhook = { url: 'https://hooks.test/', secretRef: 'hook' };
    const job = { ...(await created('a')), webhook };
    const deliveries = store.store(TENANT).table(DELIVERIES);
    const running = await run(job);
    expect(await deliveries.get({ id: 'a-failed-1' })).toBeUndefined();
    if (running !== undefined) await jobs.advance(running, { to: 'failed', by: 'system' });
    expect(await deliveries.get({ id: 'a-failed-1' })).toMatchObject({ status: 'pending', dueAt: expect.any(String) });
  });

  test('that is in the way of others does not take them along', async () => {
    const [a, b, c] = [await created('a'), await created('b'), await created('c')];
    const stale = { ...b, fence: 7 };
    const moved = await Promise.all([run(a), run(stale), run(c)]);
    expect(moved.map((each) => each?.requestId)).toEqual(['a', undefined, 'c']);
  });
});

describe('events', () => {
  test('of one job are numbered without gaps although several processes tell them', async () => {
    const job = await created('a');
    const processes = [another('two'), another('three'), jobs];
    const step = (n: number) => ({ type: 'step-started', data: { step: `s${n}` } }) as const;
    await Promise.all(Array.from({ length: 60 }, (_unused, n) => (processes[n % 3] ?? jobs).tell(job, step(n))));
    const events = await jobs.events(TENANT, 'a', 0);
    expect(events.map(({ id }) => id)).toEqual(events.map((_event, at) => at + 1));
    expect(new Set(events.map(({ data }) => data['step'])).size).toBe(61);
  });

  test('of a step are written with the end of the job at the latest, however many they are, and before it', async () => {
    const job = await created('a');
    const running = await run(job);
    const told = Array.from({ length: 130 }, (_unused, n) =>
      jobs.tell(job, { type: 'step-started', data: { step: `s${n}` } }),
    );
    if (running !== undefined) await jobs.advance(running, { to: 'failed', by: 'system' });
    await Promise.all(told);
    const events = await jobs.events(TENANT, 'a', 0);
    expect(events.map(({ id }) => id)).toEqual(events.map((_event, at) => at + 1));
    expect(events.filter(({ type }) => type === 'step-started').map(({ data }) => data['step'])).toEqual(
      told.map((_each, n) => `s${n}`),
    );
    expect(events.at(-1)?.type).toBe('job-ended');
  });

  test('of a step outlive a change that could not be made, and a process that ends in good order', async () => {
    const job = await created('a');
    const heard: string[] = [];
    jobs.watch(TENANT, 'a', ({ type }) => heard.push(type));
    const told = jobs.tell(job, { type: 'step-started', data: { step: 'one' } });
    expect(await run({ ...job, fence: 7 })).toBeUndefined();
    expect(heard).toEqual([]);
    await jobs.flush();
    await told;
    expect(heard).toEqual(['step-started']);
  });

  test('reach who watches, in order, and nobody after that', async () => {
    const job = await created('a');
    const heard: JobEvent[] = [];
    const stop = jobs.watch(TENANT, 'a', (event) => heard.push(event));
    jobs.watch('team-y', 'a', (event) => heard.push(event));
    const running = await run(job);
    stop();
    if (running !== undefined) await jobs.advance(running, { to: 'failed', by: 'system' });
    expect(heard.map(({ data }) => data)).toEqual([{ status: 'running' }]);
  });

  test('are read from where a reader was', async () => {
    await created('a');
    expect((await jobs.events(TENANT, 'a', 1)).map(({ id }) => id)).toEqual([2, 3]);
    expect((await jobs.events(TENANT, 'a', 1, 1)).map(({ id }) => id)).toEqual([2]);
    expect(await jobs.events('team-y', 'a', 0)).toEqual([]);
    const { items } = await store.store(TENANT).table(JOB_EVENTS).query({ partition: 'a' });
    expect(items.map(({ position }) => position)).toEqual(['00000001', '00000002', '00000003']);
  });
});

test('a list goes page by page and never crosses tenants', async () => {
  for (const id of ['a', 'b', 'c']) await created(id);
  const first = await jobs.list(TENANT, { env: 'dev', limit: 2 });
  const second = await jobs.list(TENANT, { env: 'dev', limit: 2, cursor: first.cursor });
  expect([...first.items, ...second.items].map(({ requestId }) => requestId).toSorted()).toEqual(['a', 'b', 'c']);
  expect((await jobs.list(TENANT, { env: 'prod', limit: 2 })).items).toEqual([]);
  expect((await jobs.list('team-y', { limit: 2 })).items).toEqual([]);
  await expect(jobs.get('team-y', 'a')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  expect(await store.store('team-y').table(JOBS).get({ requestId: 'a' })).toBeUndefined();
});
