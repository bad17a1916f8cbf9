/**
 * Messages of jobs that come twice, late, in another order, or to a worker that has lost its lease: one effect, one end.
 * Two workers share one store and one engine, as two instances of a deployment do.
 */

import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifyAudit } from '../../src/audit/verify.ts';
import type { Clock, Queue, StoreRoot } from '../../src/core/ports.ts';
import { JobNames } from '../../src/provisioning/job-names.ts';
import { ResourceStore } from '../../src/provisioning/resource-store.ts';
import { JobWorker } from '../../src/provisioning/worker.ts';
import { fakeClock, type FakeClock } from '../contract/fake-clock.ts';
import { KEY, contextOf, memoryStore, quiet, startControlPlane, type Started } from '../fixtures/control-plane.ts';
import { refused, thingCloud, thingService, throttled, type ThingCloud } from '../fixtures/thing-service.ts';

const SEED = Number(process.env['ZEROPLANE_FAULT_SEED'] ?? 1);
const RUNS = Math.max(20, Number(process.env['ZEROPLANE_FAULT_RUNS'] ?? 20));
const TENANT = 'team-x';
const LEASE_MS = 30_000;

let clock: FakeClock;
let store: StoreRoot;
let cloud: ThingCloud;
let at: Started;
const workers: JobWorker[] = [];

beforeEach(async () => {
  clock = fakeClock();
  store = await memoryStore(clock);
  cloud = thingCloud();
  at = await startControlPlane({ store, clock, services: [thingService(cloud)], everyMs: 1_000, leaseMs: LEASE_MS });
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop();
  await at.stop();
  const { problems } = await verifyAudit(store, TENANT, KEY);
  await store.close();
  expect(problems).toEqual([]);
});

/** A second worker; with a clock that never calls back it never renews a lease, as one whose process stands still. */
function second(own: Clock = clock): JobWorker {
  const worker = new JobWorker({
    jobs: at.provisioning.jobs,
    resources: new ResourceStore(store, clock),
    engine: at.engine,
    queue: queue(),
    names: new JobNames(KEY),
    clock: own,
    log: quiet,
    owner: 'second',
    leaseMs: LEASE_MS,
  });
  workers.push(worker);
  return worker;
}

const queue = (): Queue => store.systemStore().queue('provisioning');
const send = (requestId: string): Promise<string> => queue().send({ tenant: TENANT, requestId });
const created = (): number => cloud.effects.filter((effect) => effect.startsWith('create')).length;

async function turns(count = 20): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) {
    clock.advance(Math.min(1_000, left));
    await turns(6);
  }
}

async function ended(requestId: string): Promise<string> {
  for (let n = 0; n < 400; n++) {
    const { job } = await at.plane.status(requestId, contextOf());
    if (!['queued', 'running', 'compensating'].includes(job.status)) return job.status;
    await pass(1_000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error('the job did not end');
}

async function endings(requestId: string): Promise<unknown[]> {
  const events = await at.plane.events(requestId, 0, contextOf());
  return events.filter(({ type }) => type === 'job-ended').map(({ data }) => data['status']);
}

/** Holds the effect until it is let go. */
function held(effect: string): { readonly reached: Promise<void>; readonly release: () => void } {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const reached = new Promise<void>((resolve) => {
    cloud.before = async (each) => {
      if (each !== effect) return;
      resolve();
      await gate;
    };
  });
  return { reached, release: () => release() };
}

describe('F-13 a message that comes', () => {
  test.each([2, 3, 4, 5])('%i times, before, while and after it is worked on, has one effect', async (copies) => {
    const { reached, release } = held('create');
    second().start();
    const { requestId } = await at.submit({ params: { name: 'one' } });
    for (let n = 1; n < copies; n++) await send(requestId);
    await reached;
    for (let n = 0; n < copies; n++) await send(requestId);
    await pass(2_000);
    release();
    expect(await ended(requestId)).toBe('succeeded');
    for (let n = 0; n < copies; n++) await send(requestId);
    await pass(5_000);
    expect([created(), await endings(requestId)]).toEqual([1, ['succeeded']]);
    expect(await queue().receive({ max: 10, visibilityMs: 1 })).toEqual([]);
  });
});

describe('F-14 a message of before', () => {
  test('about a job that has been cancelled since undoes it, and makes nothing', async () => {
    const { reached, release } = held('finish');
    const { requestId } = await at.submit({ params: { name: 'one' } });
    await reached;
    // Sent for the run, delivered after the cancel.
    await queue().send({ tenant: TENANT, requestId }, { delayMs: 3_000 });
    await at.plane.cancel(requestId, contextOf());
    release();
    expect(await ended(requestId)).toBe('rolled_back');
    await pass(10_000);
    expect([cloud.things.size, created(), await endings(requestId)]).toEqual([0, 1, ['rolled_back']]);
  });

  test.each([
    ['rolled back', 'finish'],
    ['failed', 'create'],
  ])('about a job that has %s since changes nothing', async (_how, effect) => {
    cloud.before = (each) => {
      if (each === effect) throw refused('AnyThing');
    };
    const { requestId } = await at.submit({ params: { name: 'one' } });
    const status = await ended(requestId);
    cloud.before = () => undefined;
    const before = [...cloud.effects];
    for (let n = 0; n < 3; n++) await send(requestId);
    await pass(5_000);
    expect([cloud.effects, await endings(requestId)]).toEqual([before, [status]]);
  });

  test('whatever order messages, cancels and retries come in: at most one of each effect, one end for each round', async () => {
    let n = 0;
    const deed = fc.constantFrom('send', 'send', 'cancel', 'retry', 'rollback', 'pass', 'fault', 'late');
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { minLength: 1, maxLength: 8 }), async (deeds) => {
        cloud.effects.length = 0;
        const name = `n${n++}`;
        const { requestId } = await at.submit({ params: { name } });
        for (const each of deeds) await perform(each, requestId);
        cloud.before = () => undefined;
        const status = await ended(requestId);
        const { job } = await at.plane.status(requestId, contextOf());
        const isThere = cloud.things.has(`aws:us-east-1:thing:${name}`);
        expect([isThere, (await endings(requestId)).at(-1)]).toEqual([status === 'succeeded', status]);
        // Each retry after a failure may make it once more; nothing else may.
        expect(created()).toBeLessThanOrEqual(job.round);
        expect((await endings(requestId)).length).toBeLessThanOrEqual(job.round + 1);
      }),
      { numRuns: RUNS, seed: SEED },
    );
  });
});

async function perform(deed: string, requestId: string): Promise<void> {
  const may = (promise: Promise<unknown>): Promise<unknown> => promise.catch(() => undefined);
  if (deed === 'send') await send(requestId);
  else if (deed === 'late') await queue().send({ tenant: TENANT, requestId }, { delayMs: 4_000 });
  else if (deed === 'cancel') await may(at.plane.cancel(requestId, contextOf()));
  else if (deed === 'retry') await may(at.plane.retry(requestId, contextOf()));
  else if (deed === 'rollback') await may(at.plane.rollback(requestId, contextOf()));
  else if (deed === 'pass') await pass(2_000);
  else {
    let isFirst = true;
    cloud.before = (effect) => {
      if (effect !== 'finish' || !isFirst) return;
      isFirst = false;
      throw refused('FinishThing');
    };
  }
}

describe('F-15 a job that takes longer than its lease', () => {
  test('stays with its worker as long as that renews it', async () => {
    const { reached, release } = held('finish');
    const { requestId } = await at.submit({ params: { name: 'one' } });
    await reached;
    second().start();
    await pass(10 * LEASE_MS);
    const { job } = await at.plane.status(requestId, contextOf());
    expect([job.status, job.fence, job.leaseOwner === 'second']).toEqual(['running', 1, false]);
    release();
    expect(await ended(requestId)).toBe('succeeded');
    expect([created(), await endings(requestId)]).toEqual([1, ['succeeded']]);
  });

  test('goes to another when its worker stands still, and whoever comes back late changes nothing', async () => {
    // The worker of this process takes nothing, so that the one that stands still gets the job.
    await at.stop();
    at = await startControlPlane({ store, clock, services: [thingService(cloud)], everyMs: 1_000, concurrency: 0 });
    const { reached, release } = held('finish');
    const frozen: Clock = { ...clock, after: () => () => undefined };
    second(frozen).start();
    const { requestId } = await at.submit({ params: { name: 'one' } });
    workers[0]?.wake();
    await reached;
    const before = await at.plane.status(requestId, contextOf());
    expect(before.job).toMatchObject({ leaseOwner: 'second', fence: 1 });
    await pass(2 * LEASE_MS + 5_000);
    const other = new JobWorker({
      jobs: at.provisioning.jobs,
      resources: new ResourceStore(store, clock),
      engine: at.engine,
      queue: queue(),
      names: new JobNames(KEY),
      clock,
      log: quiet,
      owner: 'third',
      leaseMs: LEASE_MS,
    });
    workers.push(other);
    other.start();
    await pass(2_000);
    const after = await at.plane.status(requestId, contextOf());
    expect(after.job.leaseOwner).toBe('third');
    expect(after.job.fence).toBeGreaterThan(1);
    release();
    // Both hear of the end of the execution; one may say so.
    expect(await ended(requestId)).toBe('succeeded');
    await pass(2_000);
    expect([created(), await endings(requestId)]).toEqual([1, ['succeeded']]);
  });
});

describe('F-64 a removal', () => {
  test('that fails three times in passing converges', async () => {
    let left = 3;
    cloud.before = (effect, attempt) => {
      if (effect === 'finish') throw refused('FinishThing');
      if (effect === 'delete' && left-- > 0 && attempt > 0) throw throttled('DeleteThing');
    };
    const { requestId } = await at.submit({ params: { name: 'one' } });
    // Three attempts are all that a step has here; the undo then names what is left and is retried.
    expect(await ended(requestId)).toBe('rollback_failed');
    const { job } = await at.plane.status(requestId, contextOf());
    expect(job.error?.details).toMatchObject({
      rollback: {
        code: 'ROLLBACK_FAILED',
        details: { left: [{ id: 'aws:us-east-1:thing:one', error: { code: 'CLOUD_THROTTLED' } }] },
      },
    });
    expect(cloud.things.size).toBe(1);
    await at.plane.retry(requestId, contextOf());
    expect(await ended(requestId)).toBe('rolled_back');
    expect([cloud.things.size, (await at.plane.resources({}, contextOf())).items]).toEqual([0, []]);
  });

  test('whose answer is lost has removed it all the same, and that is an end', async () => {
    let left = 1;
    cloud.before = (effect) => {
      if (effect === 'finish') throw refused('FinishThing');
    };
    cloud.after = (effect) => {
      if (effect === 'delete' && left-- > 0) throw throttled('DeleteThing');
    };
    const { requestId } = await at.submit({ params: { name: 'one' } });
    expect(await ended(requestId)).toBe('rolled_back');
    expect(cloud.effects.filter((effect) => effect.startsWith('delete'))).toHaveLength(1);
  });
});

test('F-36 of a thousand jumps of the clock none ends a job early or makes anything twice', async () => {
  const ids: string[] = [];
  for (let n = 0; n < 20; n++) {
    const { reached, release } = held('finish');
    const { requestId } = await at.submit({ params: { name: `n${n}` }, ttlSeconds: 30 * 86_400 });
    ids.push(requestId);
    await reached;
    for (let jump = 0; jump < 50; jump++) {
      clock.jumpWall((jump % 2 === 0 ? 1 : -1) * (jump + 1) * 60_000);
      await pass(100);
    }
    expect((await at.plane.status(requestId, contextOf())).job.status).toBe('running');
    release();
    expect(await ended(requestId)).toBe('succeeded');
  }
  expect(created()).toBe(20);
  for (const id of ids) expect(await endings(id)).toEqual(['succeeded']);
}, 60_000);
