/**
 * Kills a control plane at every kind of event and at random moments, again and again, while the cloud misbehaves, until
 * its jobs have ended. The cloud outlives it, as clouds do: the vendor's SDKs against a simulated AWS in this process.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { simulatedAws, type SimulatedAws } from '../../src/adapters/aws/services/simulated-for-test.ts';
import type { FaultRule } from '../../src/adapters/simulated-cloud/faults.ts';
import { verifyAudit } from '../../src/audit/verify.ts';
import type { StoreRoot } from '../../src/core/ports.ts';
import { JOBS, JOB_EVENTS, RESOURCE_LOCKS, fromItem, isEnded, type Job } from '../../src/provisioning/job.ts';
import { RESOURCES } from '../../src/provisioning/resource-store.ts';
import { KEY } from '../fixtures/control-plane.ts';
import { systemClock } from './store-writer.ts';

/** One run is three jobs and up to five kills. */
const RUNS = Math.max(4, Math.ceil(Number(process.env['ZEROPLANE_FAULT_RUNS'] ?? 20) / 2));
const SEED = Number(process.env['ZEROPLANE_FAULT_SEED'] ?? 1);
const MAX_KILLS = 5;
const RUNNER = join(import.meta.dirname, 'jobs-process.ts');
const TENANT = 'team-x';

let aws: SimulatedAws;
let moving: NodeJS.Timeout;

beforeAll(async () => {
  aws = await simulatedAws();
  // Its time goes ten times as fast, so that machines boot while a test can wait for them.
  moving = setInterval(() => aws.advance(500), 50);
});
afterAll(async () => {
  clearInterval(moving);
  await aws.close();
});

/** A small seeded generator (mulberry32), so that a failing run can be repeated. */
function randomSource(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = () => number;
const pick = <Item>(random: Random, items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;

/** What goes wrong while jobs run: mostly what passes, sometimes what ends a job. */
function injectFaults(random: Random): void {
  for (const { id } of aws.faults.list()) aws.faults.remove(id);
  const passing: readonly FaultRule['fault'][] = [
    'throttle',
    'server-error',
    'error-after-effect',
    'drop',
    'drop-after-effect',
  ];
  for (let at = 0; at < 4; at++) aws.faults.add({ fault: pick(random, passing), times: 1 + Math.floor(random() * 2) });
  if (random() < 0.4) aws.faults.add({ service: 'ec2', operation: 'RunInstances', fault: 'already-exists', times: 1 });
  if (random() < 0.3)
    aws.faults.add({ service: 's3', operation: 'PutBucketEncryption', fault: 'dependency-violation', times: 1 });
}

/** Three jobs of one run; names are the run's own. */
function plan(run: number, random: Random): readonly object[] {
  const name = `run${run}`;
  const kinds: readonly object[] = [
    { service: 's3', params: { bucketName: `${name}-bucket`, versioning: true } },
    { service: 'sqs', params: { queueName: `${name}-queue` } },
    { service: 'vpc', params: { name: `${name}-net`, publicSubnets: 2 } },
    { service: 'iam-role', params: { roleName: `${name}-role`, trustedServices: ['lambda.amazonaws.com'] } },
  ];
  const stack = { service: 'web-stack', params: { name } };
  return [stack, pick(random, kinds), pick(random, kinds.slice(0, 2))].filter(
    (body, at, all) => all.findIndex((other) => JSON.stringify(other) === JSON.stringify(body)) === at,
  );
}

interface When {
  /** Milliseconds after it is ready, or the n-th event that it tells of. */
  readonly afterMs?: number;
  readonly atEvent?: number;
}

/** One process to its end or its kill. @returns what it said. */
async function live(folder: string, planFile: string, when: When | undefined): Promise<readonly string[]> {
  const { endpoint = '' } = aws.place;
  const { secretAccessKey } = aws.settings.credentials;
  const args = [
    '--conditions=zeroplane-source',
    '--import',
    'tsx',
    RUNNER,
    folder,
    endpoint,
    secretAccessKey,
    planFile,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors, events] = ['', '', 0];
  let timer: NodeJS.Timeout | undefined;
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    events += chunk.split('\nevent ').length - 1;
    if (when?.atEvent !== undefined && events >= when.atEvent) child.kill('SIGKILL');
    if (when?.afterMs !== undefined) timer ??= setTimeout(() => child.kill('SIGKILL'), when.afterMs);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  if (code !== 0 && code !== null) throw new Error(`it ended with ${code}: ${errors.slice(-2_000)}`);
  return output.split('\n');
}

interface Counted {
  readonly kills: number;
  readonly statuses: readonly string[];
}

async function round(run: number): Promise<Counted> {
  const random = randomSource(SEED * 1_000 + run);
  const base = await mkdtemp(join(tmpdir(), 'zeroplane-jobs-'));
  const folder = join(base, 'data');
  mkdirSync(folder);
  const planFile = join(base, 'plan.json');
  const bodies = plan(run, random);
  writeFileSync(planFile, JSON.stringify(bodies));
  injectFaults(random);
  const before = new Set(await aws.owned(TENANT));
  const accepted = new Map<string, string>();
  let kills = 0;
  for (;;) {
    const isLast = kills >= MAX_KILLS;
    const when = random() < 0.6 ? { atEvent: 1 + Math.floor(random() * 14) } : { afterMs: Math.floor(random() * 700) };
    const lines = await live(folder, planFile, isLast ? undefined : when);
    for (const line of lines) {
      const [, n = '', id = ''] = /^accepted (\d+) (\S+)$/.exec(line) ?? [];
      if (n === '') continue;
      // A key leads to the same job in every life.
      expect(accepted.get(n) ?? id).toBe(id);
      accepted.set(n, id);
    }
    if (lines.includes('done')) break;
    if (isLast) throw new Error(`run ${run}: the jobs did not end\n${lines.join('\n')}`);
    kills++;
  }
  const store = await openEmbeddedStore({ folder, clock: systemClock });
  try {
    const expected = { run, expected: bodies.length, accepted: [...accepted.values()], before };
    return { kills, statuses: await judge(store, expected) };
  } finally {
    await store.close();
    await rm(base, { recursive: true, force: true });
  }
}

interface Expected {
  readonly run: number;
  readonly expected: number;
  readonly accepted: readonly string[];
  /** What the cloud had when the run began. */
  readonly before: ReadonlySet<string>;
}

/** Everything that must hold after the last life, whatever happened in those before. */
async function judge(root: StoreRoot, { run, expected, accepted, before }: Expected): Promise<readonly string[]> {
  const store = root.store(TENANT);
  const { items } = await store.table(JOBS).query({ index: 'byTenant', partition: 'jobs' });
  const jobs = items.map(fromItem);
  const about = `run ${run} of seed ${SEED}`;
  // None is lost, none is stuck, none is there twice.
  expect([jobs.length, about]).toEqual([expected, about]);
  expect(jobs.map(({ requestId }) => requestId).toSorted()).toEqual(accepted.toSorted());
  expect(jobs.filter(({ status }) => !isEnded(status) || status === 'rollback_failed')).toEqual([]);
  for (const job of jobs) await judgeEvents(root, job, about);
  await judgeCloud(root, jobs, { run, about, before });
  const verdict = await verifyAudit(root, TENANT, KEY);
  expect([verdict.problems, about]).toEqual([[], about]);
  for (const { resourceId } of jobs)
    expect([await store.table(RESOURCE_LOCKS).get({ id: resourceId }), about]).toEqual([undefined, about]);
  return jobs.map(({ status }) => status);
}

async function judgeEvents(root: StoreRoot, { requestId, status }: Job, about: string): Promise<void> {
  const { items } = await root.store(TENANT).table(JOB_EVENTS).query({ partition: requestId });
  const types = items.map(({ type }) => type);
  expect([types.filter((type) => type === 'job-ended').length, types.at(-1), about]).toEqual([1, 'job-ended', about]);
  expect(items.map(({ position }) => Number(position))).toEqual(items.map((_item, at) => at + 1));
  expect(items.at(-1)?.['data']).toMatchObject({ status });
}

/** What the cloud has is what the tenant is told that it has: no orphan, nothing missing, nothing twice. */
async function judgeCloud(
  root: StoreRoot,
  jobs: readonly Job[],
  { run, about, before }: { readonly run: number; readonly about: string; readonly before: ReadonlySet<string> },
): Promise<void> {
  const { items } = await root.store(TENANT).table(RESOURCES).query({ index: 'byTenant', partition: 'resources' });
  const listed = items.map(({ id }) => id as string);
  const made = jobs.filter(({ status }) => status === 'succeeded');
  const expected = made.flatMap(({ resourceId, service }) =>
    service === 'web-stack'
      ? ['ec2', 'vpc', 'web-stack'].map((part) => `aws:us-east-1:${part}:run${run}`)
      : [resourceId],
  );
  expect([listed.toSorted(), about]).toEqual([expected.toSorted(), about]);
  const held = (await aws.owned(TENANT)).filter((each) => !before.has(each)).map(kindOf);
  const wanted = made.flatMap(({ service }) => PARTS[service] ?? []);
  expect([held.toSorted(), about]).toEqual([wanted.toSorted(), about]);
}

const NETWORK = ['vpc', 'internet-gateway', 'route-table', 'security-group', 'subnet'].map((part) => `ec2-${part}`);
/** What each service of the plans is in the cloud. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  s3: ['s3-bucket'],
  sqs: ['sqs-queue'],
  'iam-role': ['iam-role'],
  vpc: [...NETWORK, 'ec2-subnet'],
  'web-stack': [...NETWORK, 'ec2-instance', 'ec2-address'],
};

const kindOf = (held: string): string => held.split('/')[0] ?? '';

test('jobs end right whenever their process is killed, and the cloud has what the tenant is told, no more and no less', async () => {
  const statuses = new Map<string, number>();
  let kills = 0;
  for (let run = 1; run <= RUNS; run++) {
    const counted = await round(run);
    kills += counted.kills;
    for (const status of counted.statuses) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  const ends = [...statuses].map(([status, count]) => `${count} ${status}`).join(', ');
  console.log(`seen jobs: ${RUNS} runs, ${kills} kills, seed ${SEED}: ${ends}; nothing lost, stuck, twice or orphaned`);
}, 1_800_000);
