/** Steps of a provisioner: what is tried again and how often, under which key, and what a restart or a clock changes. */

import { z } from 'zod';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeClock, type FakeClock } from '../../tests/contract/fake-clock.ts';
import { contextOf, memoryStore, startControlPlane, type Started } from '../../tests/fixtures/control-plane.ts';
import { refused, throttled } from '../../tests/fixtures/thing-service.ts';
import type { StoreRoot } from '../core/ports.ts';
import type { Job } from './job.ts';
import type { CloudProvisioner, StepAttempt, Steps } from './provisioner.ts';
import type { ServiceDefinition } from './service.ts';

const MINUTE_MS = 60_000;

let clock: FakeClock;
let store: StoreRoot;
let at: Started;
/** What the next job does. */
let body: (steps: Steps) => Promise<unknown>;

const removed = { status: 'deprovisioned', id: '' } as const;

/** A service whose steps are those of the test. */
const scripted: ServiceDefinition = {
  cloud: 'aws',
  service: 'thing',
  title: 'What the test says.',
  version: '1',
  params: z.strictObject({ name: z.string().default('one') }),
  regions: ['us-east-1'],
  idempotency: 'token',
  nameOf: (params) => params['name'] as string,
  stepsOf: () => [],
  estimate: () => ({ monthlyUsd: 0, usage: [], pricesOf: '2026-11-01' }),
  load: () =>
    Promise.resolve({
      create: ({ steps, id }): CloudProvisioner => ({
        provision: async () => {
          await body(steps);
          return { status: 'provisioned', id, outputs: {}, isAdopted: false };
        },
        destroy: () => Promise.resolve({ ...removed, id }),
        plan: () => Promise.resolve({ id, change: 'create', steps: [] }),
        read: () => Promise.resolve(undefined),
        update: () => Promise.resolve({ status: 'provisioned', id, outputs: {}, isAdopted: false }),
        adopt: () => Promise.resolve(undefined),
      }),
    }),
};

async function begin(): Promise<void> {
  const retries = { attempts: 6, firstMs: 200, longestMs: 20_000 };
  at = await startControlPlane({ store, clock, services: [scripted], retries, everyMs: 1_000 });
}

beforeEach(async () => {
  clock = fakeClock();
  store = await memoryStore(clock);
  await begin();
});
afterEach(async () => {
  await at.stop();
  await store.close();
});

/** Lets everything happen that needs no time of ours: the durable SDK pauses for a moment of its own here and there. */
async function turns(count = 3): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function pass(ms: number, stepMs = 500): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(stepMs, left));
    await turns();
  }
}

async function jobNow(requestId: string): Promise<Job> {
  return (await at.plane.status(requestId, contextOf())).job;
}

/** Submits a job and lets time pass until it has ended. */
async function ended(requestId: string, limitMs = 60 * MINUTE_MS, stepMs = 5_000): Promise<Job> {
  for (let waited = 0; waited < limitMs; waited += 5_000) {
    const job = await jobNow(requestId);
    if (!['queued', 'running', 'compensating'].includes(job.status)) return job;
    await pass(5_000, stepMs);
  }
  throw new Error('it did not end');
}

const submitted = async (): Promise<string> => (await at.submit({})).requestId;

describe('a step', () => {
  test('that meets passing faults is tried six times in all, with growing pauses and one key', async () => {
    const attempts: (StepAttempt & { readonly atMs: number })[] = [];
    body = (steps) =>
      steps.run('make', (attempt) => {
        attempts.push({ ...attempt, atMs: clock.monotonicMs() });
        return Promise.reject(throttled('Make'));
      });
    const job = await ended(await submitted(), MINUTE_MS, 100);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'CLOUD_THROTTLED', step: 'make' } });
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new Set(attempts.map(({ key }) => key)).size).toBe(1);
    expect(new Set(attempts.map(({ token }) => token)).size).toBe(1);
    expect(attempts[0]?.token).toMatch(/^[0-9a-f]{32}$/);
    const pauses = attempts.slice(1).map(({ atMs }, n) => atMs - (attempts[n]?.atMs ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(5_000);
    expect(pauses.at(-1)).toBeGreaterThan(pauses[0] ?? Infinity);
  });

  test('that is refused for good, or fails in a way that nobody foresaw, is not tried again', async () => {
    for (const [thrown, code] of [
      [refused('Make'), 'CLOUD_REFUSED'],
      [new TypeError('secret is undefined'), 'INTERNAL'],
    ] as const) {
      let count = 0;
      body = (steps) =>
        steps.run('make', () => {
          count++;
          return Promise.reject(thrown);
        });
      const job = await ended(await submitted());
      expect([job.status, job.error?.code, count]).toEqual(['failed', code, 1]);
      expect(JSON.stringify(job)).not.toContain('secret is undefined');
    }
  });

  test('has a key for each visit of its name, and none is repeated', async () => {
    const keys: string[] = [];
    body = async (steps) => {
      for (const name of ['make', 'make', 'tag'])
        await steps.run(name, ({ key }) => {
          keys.push(key);
          return Promise.resolve(null);
        });
    };
    await ended(await submitted());
    expect(keys.map((key) => key.replace(/^.*\//, ''))).toEqual(['make#1', 'make#2', 'tag#1']);
    const other = await at.submit({ params: { name: 'two' } });
    await ended(other.requestId);
    expect(new Set(keys).size).toBe(6);
  });

  test('whose process ended goes on under its key in the next, and what had succeeded is not repeated', async () => {
    const made: string[] = [];
    let isStuck = true;
    let reached: () => void = () => undefined;
    const stuck = new Promise<void>((resolve) => (reached = resolve));
    body = async (steps) => {
      await steps.run('first', ({ key }) => {
        made.push(key);
        return Promise.resolve(null);
      });
      await steps.run('second', async ({ key, signal }) => {
        made.push(key);
        if (!isStuck) return null;
        reached();
        return new Promise<null>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(throttled('Second')), { once: true });
        });
      });
    };
    const requestId = await submitted();
    await stuck;
    const stopping = at.stop();
    await pass(2_000);
    await stopping;
    isStuck = false;
    await begin();
    expect((await ended(requestId)).status).toBe('succeeded');
    expect(made.map((key) => key.replace(/^.*\//, ''))).toEqual(['first#1', 'second#1', 'second#1']);
    expect(made[1]).toBe(made[2]);
  });
});

describe('a question', () => {
  const asking = (answer: () => unknown, options = { everyMs: 30_000, timeoutMs: 10 * MINUTE_MS }) => {
    const asked = { count: 0 };
    body = (steps) =>
      steps.until(
        'await',
        () => {
          asked.count++;
          return Promise.resolve(answer() as never);
        },
        options,
      );
    return asked;
  };

  test('is asked until it is answered, and told of once', async () => {
    let isReady = false;
    const asked = asking(() => (isReady ? 'ready' : undefined));
    const requestId = await submitted();
    await pass(5 * MINUTE_MS, 5_000);
    expect(asked.count).toBeGreaterThan(7);
    isReady = true;
    expect((await ended(requestId)).status).toBe('succeeded');
    const events = await at.plane.events(requestId, 0, contextOf());
    expect(events.filter(({ type }) => type.startsWith('step')).map(({ type }) => type)).toEqual([
      'step-started',
      'step-ended',
    ]);
  });

  test('that meets passing faults says why it goes on, each reason once', async () => {
    let [count, isReady] = [0, false];
    asking(() => {
      count++;
      if (isReady) return 'ready';
      throw count < 4 ? throttled('Look') : throttled('LookAgain');
    });
    const requestId = await submitted();
    await pass(5 * MINUTE_MS, 5_000);
    const { steps } = await at.plane.status(requestId, contextOf());
    expect(steps).toMatchObject([{ status: 'retrying', error: { code: 'CLOUD_THROTTLED' } }]);
    isReady = true;
    expect((await ended(requestId)).status).toBe('succeeded');
    const events = await at.plane.events(requestId, 0, contextOf());
    expect(events.filter(({ type }) => type === 'step-ended').map(({ data }) => data['outcome'])).toEqual([
      'retrying',
      'retrying',
      'ok',
    ]);
  });

  test('that is not answered in time fails with what to do, at its time and not before', async () => {
    asking(() => undefined);
    const requestId = await submitted();
    await pass(9 * MINUTE_MS, 5_000);
    expect((await jobNow(requestId)).status).toBe('running');
    const job = await ended(requestId, 5 * MINUTE_MS);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'CLOUD_TIMEOUT', step: 'await' } });
    expect(job.error?.message).toContain('Retry the job');
  });

  test('gets neither less time from a clock set forward nor more from one set back or from a restart', async () => {
    asking(() => undefined);
    const requestId = await submitted();
    await pass(2 * MINUTE_MS, 5_000);
    clock.jumpWall(60 * MINUTE_MS);
    await pass(2 * MINUTE_MS, 5_000);
    expect((await jobNow(requestId)).status).toBe('running');
    const stopping = at.stop();
    await pass(2_000);
    await stopping;
    await begin();
    await pass(4 * MINUTE_MS, 5_000);
    expect((await jobNow(requestId)).status).toBe('running');
    expect(await ended(requestId, 4 * MINUTE_MS)).toMatchObject({ error: { code: 'CLOUD_TIMEOUT' } });
  });

  test('survives passing faults and ends at one that does not pass', async () => {
    let faults = 0;
    const asked = asking(() => {
      faults++;
      throw faults < 5 ? throttled('Look') : refused('Look');
    });
    expect(await ended(await submitted())).toMatchObject({ status: 'failed', error: { code: 'CLOUD_REFUSED' } });
    expect(asked.count).toBe(5);
  });
});

test('a cancel ends a step that waits, at once', async () => {
  let attempts = 0;
  body = (steps) =>
    steps.run('make', () => {
      attempts++;
      return Promise.reject(throttled('Make'));
    });
  const requestId = await submitted();
  await turns(20);
  await at.plane.cancel(requestId, contextOf());
  await turns(20);
  const before = attempts;
  const job = await ended(requestId, 10_000);
  expect([job.status, job.reason, attempts]).toEqual(['rolled_back', 'cancelled', before]);
});
