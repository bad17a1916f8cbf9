/**
 * Kills a control plane before and after its commits and effects and at random moments, again and again, also while it
 * recovers, and lets the cloud misbehave meanwhile, until its jobs have ended. The cloud outlives it, as clouds do: the
 * vendor's SDKs against a simulated AWS in this process.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { simulatedAws, type SimulatedAws } from '../../src/adapters/aws/services/simulated-for-test.ts';
import type { StoreRoot } from '../../src/core/ports.ts';
import { bundleProcess } from './bundle-process.ts';
import type { JobsPlan, KillPoint } from './jobs-process.ts';
import { completedSteps, judgeJobs, stepOfKey } from './jobs-verdict.ts';
import { seeded, type Seeded } from './seeded.ts';
import { systemClock } from './store-writer.ts';

/** A run is up to four chains of jobs; sixty of them with two kills each are a minute, a thousand with five an hour. */
const RUNS = Math.max(60, Number(process.env['ZEROPLANE_FAULT_RUNS'] ?? 60));
const SEED = Number(process.env['ZEROPLANE_FAULT_SEED'] ?? 1);
const LANES = 5;
const MAX_KILLS = RUNS > 60 ? 5 : 2;
/** One more would tell nothing new. */
const MAX_FAILURES = 10;
/** The first kill of each run is at another commit; a run has about so many. */
const COMMITS = RUNS > 60 ? 140 : 70;
const BUNDLE = bundleProcess('jobs-process');

const PASSING = ['throttle', 'server-error', 'error-after-effect', 'drop', 'drop-after-effect', 'slow'] as const;

/** What goes wrong while jobs run: mostly what passes, sometimes what ends a job. */
function injectFaults({ faults }: SimulatedAws, random: Seeded): void {
  faults.remove();
  for (let left = random.below(5); left > 0; left--) {
    const fault = random.pick(PASSING);
    faults.add({ fault, times: 1 + random.below(2), delayMs: 300 });
  }
  if (random.percent(20)) faults.add({ service: 'ec2', operation: 'RunInstances', fault: 'already-exists' });
  if (random.percent(20))
    faults.add({ service: 's3', operation: 'PutBucketEncryption', fault: 'dependency-violation' });
  if (random.percent(20)) faults.add({ service: 'ec2', operation: 'CreateSecurityGroup', fault: 'already-exists' });
}

type Chain = readonly [object, ...object[]];

/** Chains of one run; names are the run's own. */
function chainsOf(run: number, random: Seeded): readonly Chain[] {
  const name = `run${run}`;
  const of = (service: string, params: object) => ({ service, params });
  const gone = (body: object) => ({ ...body, action: 'destroy' });
  const bucket = of('s3', { bucketName: `${name}-bucket` });
  const versioned = { ...of('s3', { bucketName: `${name}-bucket`, versioning: true }), action: 'update' };
  const queue = of('sqs', { queueName: `${name}-queue` });
  const table = of('dynamodb', { tableName: `${name}-table`, partitionKey: { name: 'id' } });
  const role = of('iam-role', { roleName: `${name}-role`, trustedServices: ['lambda.amazonaws.com'] });
  const network = of('vpc', { name: `${name}-net`, publicSubnets: 2 });
  const stack = of('web-stack', { name });
  const chains: Chain[] = [
    [bucket, versioned],
    [bucket, gone(bucket)],
    [queue, gone(queue)],
    [table],
    [table, gone(table)],
    [role, gone(role)],
    [network],
    [network, gone(network)],
  ];
  const chosen = new Map<string, Chain>();
  for (let left = 1 + random.below(3); left > 0; left--) {
    const [first, ...rest] = random.pick(chains as [Chain, ...Chain[]]);
    chosen.set(JSON.stringify(first), [first, ...rest]);
  }
  if (run % 3 === 0) chosen.set('stack', random.percent(50) ? [stack] : [stack, gone(stack)]);
  return [...chosen.values()];
}

interface Death {
  readonly point?: KillPoint;
  /** After its start, ready or not. */
  readonly afterMs?: number;
}

function deathOf(run: number, life: number, random: Seeded): Death {
  const side = random.pick<KillPoint['side']>(['before', 'after']);
  if (life === 0) return { point: { what: 'commit', at: 1 + ((run * 37) % COMMITS), side } };
  if (random.percent(40)) return { point: { what: 'commit', at: 1 + random.below(60), side } };
  if (random.percent(60)) return { point: { what: 'effect', at: 1 + random.below(8), side } };
  return { afterMs: 150 + random.below(1_500) };
}

/** One process to its end or its death. @returns what it said. */
async function live(folder: string, planFile: string, { point, afterMs }: Death): Promise<readonly string[]> {
  const args = [join(BUNDLE, 'jobs-process.mjs'), folder, planFile, JSON.stringify(point ?? null)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const timer = afterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), afterMs);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once('close', (...ending) => resolve(ending)),
  );
  clearTimeout(timer);
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`it ended with ${code ?? signal}: ${errors.slice(-2_000)}`);
  return output.split('\n');
}

interface Run {
  readonly random: Seeded;
  readonly about: string;
  readonly tenant: string;
  readonly folder: string;
  readonly planFile: string;
  readonly accepted: Map<string, string>;
  readonly refused: Map<string, string>;
  /** Last words before each death. */
  readonly deaths: string[];
  /** Effects, each time one began. */
  readonly begun: string[];
}

interface Counted {
  readonly deaths: readonly string[];
  readonly endings: readonly string[];
  /** Effects that a death met half-way and that were begun again. */
  readonly again: number;
}

async function opened<T>({ folder }: Run, body: (root: StoreRoot) => Promise<T>): Promise<T> {
  const store = await openEmbeddedStore({ folder, clock: systemClock });
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}

/** Takes what it is told; every third time it does and says that it did not. */
interface Receiver {
  readonly url: string;
  /** Ids of the events, each time one came. */
  readonly told: readonly string[];
  close(): Promise<void>;
}

async function webhookReceiver(): Promise<Receiver> {
  const told: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      told.push((JSON.parse(body) as { readonly id: string }).id);
      response.writeHead(told.length % 3 === 0 ? 500 : 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}/`, told, close };
}

interface Lane {
  readonly aws: SimulatedAws;
  readonly receiver: Receiver;
}

/** From the first submission to the end of all jobs. */
async function round(n: number, { aws, receiver }: Lane): Promise<Counted> {
  const base = await mkdtemp(join(tmpdir(), 'zeroplane-jobs-'));
  const random = seeded(SEED * 100_000 + n);
  const run: Run = {
    random,
    about: `run ${n} of seed ${SEED}`,
    tenant: `team-${n}`,
    folder: join(base, 'data'),
    planFile: join(base, 'plan.json'),
    accepted: new Map(),
    refused: new Map(),
    deaths: [],
    begun: [],
  };
  mkdirSync(run.folder);
  const chains = chainsOf(n, random);
  const cancel = random.percent(15) ? { chain: 0, afterEvents: 1 + random.below(12) } : undefined;
  const { endpoint = '' } = aws.place;
  const { secretAccessKey: secret } = aws.settings.credentials;
  const plan: JobsPlan = {
    tenant: run.tenant,
    endpoint,
    secret,
    chains,
    webhook: receiver.url,
    ...(cancel === undefined ? {} : { cancel }),
  };
  writeFileSync(run.planFile, JSON.stringify(plan));
  injectFaults(aws, random);
  await toTheEnd(run, n);
  const { accepted, refused, about, tenant } = run;
  expect(accepted.size + refused.size, about).toBe(chains.flat().length);
  const jobs = await opened(run, (store) =>
    judgeJobs(store, { about, tenant, aws, accepted, refused, told: receiver.told }),
  );
  await rm(base, { recursive: true, force: true });
  const endings = jobs.map(({ action, status }) => `${action} ${status}`);
  return { deaths: run.deaths, endings, again: run.begun.length - new Set(run.begun).size };
}

/** Lives until all jobs have ended; the last one is left alone. */
async function toTheEnd(run: Run, n: number): Promise<void> {
  for (let life = 0; ; life++) {
    const isLast = life >= MAX_KILLS;
    const completed = life === 0 ? new Set() : await opened(run, (store) => completedSteps(store, run.tenant));
    const lines = await live(run.folder, run.planFile, isLast ? {} : deathOf(n, life, run.random));
    hear(run, lines, completed);
    if (lines.includes('done')) return;
    if (isLast) throw new Error(`${run.about}: the jobs did not end\n${lines.join('\n')}`);
    run.deaths.push(lines.findLast((line) => /^(event|begin|end|ready)/.test(line)) ?? 'start');
  }
}

function hear(run: Run, lines: readonly string[], completed: ReadonlySet<unknown>): void {
  const { accepted, refused, about } = run;
  for (const line of lines) {
    const [word, first = '', second = ''] = line.split(' ');
    if (word === 'accepted') {
      // A key leads to the same job in every life.
      expect(accepted.get(first) ?? second, about).toBe(second);
      accepted.set(first, second);
    } else if (word === 'refused') refused.set(first, line.split(' ').slice(2).join(' '));
    else if (word === 'begin') {
      run.begun.push(first);
      expect(completed.has(stepOfKey(first)), `${about}: ${first} had succeeded and ran again`).toBe(false);
    }
  }
}

/** A place in the life of a job, without its ids. */
const placeOf = (words: string): string =>
  words
    .replace(/^event \S+/, 'event')
    .replace(/^(begin|end) .*\/([^#/]+)#\d+$/, '$1 $2')
    .trim();

const tally = (words: Iterable<string>): string => {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([word, count]) => `${count} ${word}`)
    .join(', ');
};

function wordsOf(failure: unknown): string {
  const { actual, expected } = failure as { readonly actual?: unknown; readonly expected?: unknown };
  return `${String(failure)}\n${JSON.stringify({ actual, expected })}`.slice(0, 2_000);
}

test(
  `jobs end right whenever their process is killed, and the cloud has what the tenant is told (${RUNS} runs, seed ${SEED})`,
  async () => {
    const left = Array.from({ length: RUNS }, (_unused, n) => n + 1);
    const counted: Counted[] = [];
    const failures: unknown[] = [];
    const lane = async (): Promise<void> => {
      const [aws, receiver] = [await simulatedAws(), await webhookReceiver()];
      // Its time goes ten times as fast, so that machines boot while a test can wait for them.
      const moving = setInterval(() => aws.advance(500), 50);
      try {
        for (let n = left.shift(); n !== undefined && failures.length < MAX_FAILURES; n = left.shift())
          await round(n, { aws, receiver }).then(
            (each) => counted.push(each),
            (failure: unknown) => failures.push(failure),
          );
      } finally {
        clearInterval(moving);
        await Promise.all([aws.close(), receiver.close()]);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    if (failures.length > 0) throw new Error(failures.map(wordsOf).join('\n\n'));
    const deaths = counted.flatMap((each) => each.deaths);
    const places = new Set(deaths.map(placeOf));
    const again = counted.reduce((sum, each) => sum + each.again, 0);
    console.log(
      `seen jobs-crash: ${counted.length} runs, ${deaths.length} kills at ${places.size} places, seed ${SEED}; ${tally(counted.flatMap((each) => each.endings))}; ${again} effects asked for again, none of a step that had succeeded; nothing lost, stuck, twice or orphaned`,
    );
    expect(deaths.length).toBeGreaterThan(RUNS);
  },
  RUNS * 10_000 + 60_000,
);
