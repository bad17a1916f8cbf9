/**
 * One measurement of jobs, as a JSON document on standard output. argv[2] is `{job, folder, count}`:
 *
 * - `accept`: requests accepted with 64 in flight, beside the bare database's own commits of as many rows;
 * - `run`: `count` jobs of a service with one wire call of 50 ms, four at a time;
 * - `list`: a tenant's status by environment over `count` jobs.
 */

import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import type { StoreRoot, Write } from '../../src/core/ports.ts';
import { JOBS, toItem, type Job } from '../../src/provisioning/job.ts';
import type { CloudProvisioner, ProvisionContext } from '../../src/provisioning/provisioner.ts';
import type { ServiceDefinition } from '../../src/provisioning/service.ts';
import { ADA, contextOf, startControlPlane } from '../../tests/fixtures/control-plane.ts';

const { job, folder, count } = JSON.parse(process.argv[2] ?? '{}') as { job: string; folder: string; count: number };
const IN_FLIGHT = 64;
const WIRE_MS = 50;
/** What an acceptance writes: job, lock, key, three events, an audit record and the end of its chain. */
const ROWS = 8;
/** Of them together 2.6 kB. */
const ROW_BYTES = 330;

const at = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

/** Runs `count` of something, as many at a time as said. @returns how long each took, in ms. */
async function times(total: number, inFlight: number, one: (n: number) => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < total) {
      const n = next++;
      const startedMs = performance.now();
      await one(n);
      taken.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return taken;
}

/** Its only step is a call over the wire that takes 50 ms. */
function waitingService(url: string): ServiceDefinition {
  const call = (id: string): Promise<null> =>
    new Promise((resolve, reject) => {
      const outgoing = request(`${url}/${id}`, (response) => {
        response.resume();
        response.once('end', () => resolve(null));
      });
      outgoing.once('error', reject);
      outgoing.end();
    });
  const create = ({ id, steps }: ProvisionContext): CloudProvisioner => ({
    provision: async () => {
      await steps.run('call', () => call(id));
      return { status: 'provisioned', id, outputs: {}, isAdopted: false };
    },
    destroy: () => Promise.resolve({ status: 'deprovisioned', id }),
    plan: () => Promise.resolve({ id, change: 'create', steps: ['call'] }),
    read: () => Promise.resolve(undefined),
    update: () => Promise.reject(new Error('not here')),
    adopt: () => Promise.resolve(undefined),
  });
  return {
    cloud: 'aws',
    service: 'waiting',
    title: 'One call.',
    version: '1',
    params: z.strictObject({ name: z.string() }),
    idempotency: 'name',
    nameOf: (params) => params['name'] as string,
    stepsOf: () => ['call'],
    estimate: () => ({ monthlyUsd: 0, usage: [], pricesOf: '2026-11-01' }),
    load: () => Promise.resolve({ create }),
  };
}

async function accept(store: StoreRoot): Promise<object> {
  const plane = await startControlPlane({
    store,
    services: [waitingService('http://127.0.0.1:1')],
    clock: systemClock,
  });
  const table = { name: 'bare', partitionKey: 'id' };
  const bare = store.store('bare');
  const body = 'x'.repeat(ROW_BYTES);
  const submit = (n: number): Promise<unknown> =>
    plane.submit({ service: 'waiting', params: { name: `thing-${n}` }, approval: { required: true } }, `key-${n}`);
  const commit = (rows: number, n: number): Promise<void> =>
    bare.transact(Array.from({ length: rows }, (_none, row): Write => ({ put: { id: `${n}-${row}`, body }, table })));
  await times(200, IN_FLIGHT, (n) => submit(1_000_000 + n));
  await times(200, IN_FLIGHT, (n) => commit(ROWS, 1_000_000 + n));
  const row = await times(count, IN_FLIGHT, (n) => commit(1, 2_000_000 + n));
  const alone = await times(200, 1, (n) => commit(1, 3_000_000 + n));
  const commits = await times(count, IN_FLIGHT, (n) => commit(ROWS, n));
  const accepted = await times(count, IN_FLIGHT, submit);
  await plane.stop();
  return {
    p99Ms: at(accepted, 0.99),
    p50Ms: at(accepted, 0.5),
    commitMs: at(commits, 0.99),
    rowMs: at(row, 0.99),
    aloneMs: at(alone, 0.5),
  };
}

/** All jobs are queued, behind four that hold the worker until the clock starts. */
async function run(store: StoreRoot): Promise<object> {
  let open: () => void = () => undefined;
  const isOpen = new Promise<void>((resolve) => (open = resolve));
  const server = createServer((incoming, response) => {
    const isGate = incoming.url?.includes('gate') === true;
    if (isGate) void isOpen.then(() => response.end('{}'));
    else setTimeout(() => response.end('{}'), WIRE_MS);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const plane = await startControlPlane({
    store,
    services: [waitingService(url)],
    concurrency: 4,
    everyMs: 1_000,
    clock: systemClock,
  });
  const begin = async (name: string): Promise<string> =>
    (await plane.submit({ service: 'waiting', params: { name } })).requestId;
  await plane.ended(await begin('warm'));
  for (let n = 0; n < 4; n++) await begin(`gate-${n}`);
  const ids: string[] = [];
  await times(count, 16, async (n) => ids.push(await begin(`thing-${n}`)));
  const ends = ids.map((id) => plane.plane.wait(id, 120_000, contextOf()));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const startedMs = performance.now();
  open();
  await Promise.all(ends);
  const seconds = (performance.now() - startedMs) / 1_000;
  await plane.stop();
  server.close();
  server.closeAllConnections();
  return { seconds, idealSeconds: (count * WIRE_MS) / 4 / 1_000 };
}

async function list(store: StoreRoot): Promise<object> {
  const tenant = store.store(ADA.tenant);
  const plane = await startControlPlane({
    store,
    services: [waitingService('http://127.0.0.1:1')],
    clock: systemClock,
  });
  for (let n = 0; n < count; n += 100) {
    const writes = Array.from({ length: 100 }, (_none, k): Write => ({
      put: toItem(made(n + k), undefined),
      table: JOBS,
    }));
    await tenant.transact(writes);
  }
  const query = { env: 'env-7', limit: 100 };
  await times(20, 1, () => plane.plane.list(query, contextOf()));
  const taken = await times(200, 1, () => plane.plane.list(query, contextOf()));
  const { items } = await plane.plane.list(query, contextOf());
  await plane.stop();
  return { p50Ms: at(taken, 0.5), p99Ms: at(taken, 0.99), found: items.length };
}

function made(n: number): Job {
  const createdAt = new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString();
  return {
    requestId: `job-${n}`,
    tenant: ADA.tenant,
    env: `env-${n % 20}`,
    status: 'succeeded',
    action: 'provision',
    cloud: 'aws',
    service: 'waiting',
    params: { name: `thing-${n}` },
    resourceId: `aws:-:waiting:thing-${n}`,
    principal: { id: 'ada', roles: ['requester'], scopes: ['zeroplane:use'] },
    tags: {},
    createdAt,
    timestamp: createdAt,
    label: 'simulated',
    plan: { steps: ['call'], estimate: { monthlyUsd: 0, usage: [], pricesOf: '2026-11-01' } },
    result: { status: 'provisioned' },
    fence: 1,
    round: 1,
  };
}

const hold = setInterval(() => undefined, 60_000);
const store = await openEmbeddedStore({ folder, clock: systemClock });
const measure = { accept, run, list }[job];
if (measure === undefined) throw new Error(`there is no job ${job}`);
process.stdout.write(`${JSON.stringify(await measure(store))}\n`);
await store.close();
clearInterval(hold);
process.exit(0);
