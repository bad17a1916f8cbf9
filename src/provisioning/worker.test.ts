import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  ADA,
  contextOf,
  memoryStore,
  startControlPlane,
  type StartParts,
  type Started,
} from '../../tests/fixtures/control-plane.ts';
import { thingCloud, thingService, throttled, type ThingCloud } from '../../tests/fixtures/thing-service.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import type { Queue, StoreRoot } from '../core/ports.ts';
import { JOBS, fromItem } from './job.ts';

const params = { name: 'one' };

let store: StoreRoot;
let cloud: ThingCloud;
const open: Started[] = [];

async function begin(parts: Partial<StartParts> = {}): Promise<Started> {
  const at = await startControlPlane({ store, services: [thingService(cloud)], ...parts });
  open.push(at);
  return at;
}

beforeEach(async () => {
  store = await memoryStore();
  cloud = thingCloud();
});
afterEach(async () => {
  for (const at of open.splice(0)) await at.stop();
  await store.close();
});

const queue = (): Queue => store.systemStore().queue('provisioning');
const created = (): number => cloud.effects.filter((effect) => effect.startsWith('create')).length;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const lateMs = Date.now() + 12_000;
  while (!(await isSo())) {
    if (Date.now() > lateMs) throw new Error('it never came to be');
    await pause(5);
  }
}

test('a message that comes five times, and after the end, has one effect', async () => {
  const at = await begin();
  cloud.before = () => pause(10);
  const { requestId } = await at.submit({ params });
  for (let copy = 0; copy < 5; copy++) await queue().send({ tenant: ADA.tenant, requestId });
  expect((await at.ended(requestId)).status).toBe('succeeded');
  for (let copy = 0; copy < 3; copy++) await queue().send({ tenant: ADA.tenant, requestId });
  await pause(100);
  const { items } = await at.plane.list({}, contextOf());
  expect([created(), items.length, items[0]?.status]).toEqual([1, 1, 'succeeded']);
});

test("a message about a job that nobody has is nobody's work", async () => {
  const at = await begin();
  await queue().send({ tenant: ADA.tenant, requestId: 'unknown' });
  const { requestId } = await at.submit({ params });
  expect((await at.ended(requestId)).status).toBe('succeeded');
  await until(async () => (await queue().receive({ max: 10, visibilityMs: 1 })).length === 0);
});

test('of two workers on one store one makes the resource, and its job ends once', async () => {
  const [one, two] = [await begin({ leaseMs: 300 }), await begin({ leaseMs: 300 })];
  cloud.before = () => pause(30);
  const { requestId } = await one.submit({ params });
  await queue().send({ tenant: ADA.tenant, requestId });
  await queue().send({ tenant: ADA.tenant, requestId });
  await until(async () => (await two.plane.status(requestId, contextOf())).job.status === 'succeeded');
  await pause(100);
  const events = await one.plane.events(requestId, 0, contextOf());
  expect(events.filter(({ type }) => type === 'job-ended')).toHaveLength(1);
  expect(created()).toBe(1);
});

test('a clock that jumps back or forward loses no lease and ends no job early', async () => {
  let jumpMs = 0;
  const clock = { ...systemClock, nowMs: () => Date.now() + jumpMs };
  const at = await begin({ clock, leaseMs: 500 });
  let release: () => void = () => undefined;
  cloud.before = (effect) => (effect === 'finish' ? new Promise((resolve) => (release = resolve)) : undefined);
  const { requestId } = await at.submit({ params, ttlSeconds: 86_400 });
  await until(() => created() === 1);
  for (const ms of [3_600_000, -3_600_000]) {
    jumpMs = ms;
    await at.provisioning.sweep();
    await pause(60);
    expect((await at.plane.status(requestId, contextOf())).job.status).toBe('running');
  }
  jumpMs = 0;
  cloud.before = () => undefined;
  release();
  expect((await at.ended(requestId)).status).toBe('succeeded');
  expect(created()).toBe(1);
});

test('a cancel whose process died before it stopped the execution: it is stopped before it is undone', async () => {
  const first = await begin();
  let letGo: () => void = () => undefined;
  let isHeld = false;
  cloud.before = () =>
    new Promise((_resolve, reject) => {
      isHeld = true;
      letGo = () => reject(throttled('create'));
    });
  const { requestId } = await first.submit({ params });
  await until(() => isHeld);
  const stopped = first.stop();
  letGo();
  await stopped;
  open.pop();
  const table = store.store(ADA.tenant).table(JOBS);
  const item = (await table.get({ requestId })) ?? {};
  const cancelled = { ...item, status: 'compensating', reason: 'cancelled', fence: Number(item['fence']) + 1 };
  await table.put({ ...cancelled, dueGroup: 'jobs', dueAt: '2020-01-01T00:00:00.000Z' });
  // What still ran would go on with what is gone.
  cloud.before = () => pause(50);
  const second = await begin();
  expect(await second.ended(requestId)).toMatchObject({ status: 'rolled_back', reason: 'cancelled' });
  await pause(300);
  expect(cloud.things.size).toBe(0);
  expect(cloud.effects.filter((effect) => effect.startsWith('finish'))).toEqual([]);
});

test('a job whose message was lost is given out again by the reaper', async () => {
  const at = await begin();
  await at.stop();
  open.pop();
  // Accepted by a process that died before it could send the message.
  const other = await begin();
  const { requestId } = await other.submit({ params, approval: { required: true } });
  const table = store.store(ADA.tenant).table(JOBS);
  const item = await table.get({ requestId });
  const job = { ...fromItem(item ?? {}), status: 'queued' as const };
  await table.put({
    ...(job as never as object),
    tenantGroup: 'jobs',
    dueGroup: 'jobs',
    dueAt: '2020-01-01T00:00:00.000Z',
  });
  expect((await other.ended(requestId)).status).toBe('succeeded');
});
