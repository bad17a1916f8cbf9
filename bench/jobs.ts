/** Jobs of the control plane: accepting, running and listing them, and what the code for each cloud takes to load. */

import type { Verdict } from './targets.ts';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { bundledPart } from './bundled-part.ts';
import { median } from './measure.ts';
import { launch, node } from './processes.ts';
import { atMost } from './targets.ts';

export interface JobPlan {
  readonly rounds: number;
  readonly quick: boolean;
}

const root = fileURLToPath(new URL('../', import.meta.url));
const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

export async function jobVerdicts(plan: JobPlan): Promise<Verdict[]> {
  const folder = mkdtempSync(join(tmpdir(), 'zeroplane-bench-jobs-'));
  try {
    return [...(await plane(folder, plan)), ...(await bundles(folder, plan))];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a part to its end. @returns the JSON document it printed. */
async function outcome<Result>(job: string, folder: string, count: number): Promise<Result> {
  const place = join(folder, `${job}-${count}-${Math.random().toString(36).slice(2)}`);
  mkdirSync(place);
  const words = JSON.stringify({ job, folder: place, count });
  const child = launch(node(await bundledPart('jobs.ts', folder), words));
  let [text, errors] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
  await new Promise((resolve) => child.once('close', resolve));
  if (text === '') throw new Error(`jobs ${job} printed nothing: ${errors.slice(-2_000)}`);
  return JSON.parse(text) as Result;
}

/** With 64 in flight, but for `aloneMs`. */
interface Accepted {
  readonly p99Ms: number;
  readonly p50Ms: number;
  /** p99 of a bare transaction of as many rows and bytes as an acceptance writes. */
  readonly commitMs: number;
  /** p99 of one of a single row. */
  readonly rowMs: number;
  /** Median of the same, one after the other. */
  readonly aloneMs: number;
}

async function plane(folder: string, { rounds, quick }: JobPlan): Promise<Verdict[]> {
  const accepted: Accepted[] = [];
  for (let at = 0; at < Math.min(3, rounds); at++)
    accepted.push(await outcome<Accepted>('accept', folder, quick ? 500 : 2_000));
  const of = (pick: (one: Accepted) => number): number => median(accepted.map(pick));
  const ms = (pick: (one: Accepted) => number): number => rounded(of(pick), 2);
  const jobs = quick ? 200 : 1_000;
  const run = await outcome<{ seconds: number; idealSeconds: number }>('run', folder, jobs);
  const listed = quick ? 10_000 : 100_000;
  const list = await outcome<{ p50Ms: number; p99Ms: number; found: number }>('list', folder, listed);
  return [
    atMost(
      `accepting a request with 64 in flight, p99 (${ms((one) => one.p99Ms)} ms, p50 ${ms((one) => one.p50Ms)} ms), of a bare durable commit of the same rows (${ms((one) => one.commitMs)} ms; of one row ${ms((one) => one.rowMs)} ms, and alone ${ms((one) => one.aloneMs)} ms)`,
      rounded(
        of((one) => one.p99Ms / one.commitMs),
        1,
      ),
      5,
      'times',
    ),
    atMost(
      `${jobs} jobs with one call of 50 ms, four at a time (${rounded(run.seconds, 1)} s, ideal ${run.idealSeconds} s)`,
      rounded(run.seconds / run.idealSeconds, 2),
      1.2,
      'times',
    ),
    atMost(`status by tenant and environment over ${listed} jobs, p99`, rounded(list.p99Ms, 2), 20, 'ms'),
  ];
}

/** The client that each provisioner's bundle stands beside; services without a client of their vendor have Google's library. */
const CLIENTS: Readonly<Record<string, string>> = {
  'aws/s3': '@aws-sdk/client-s3',
  'aws/dynamodb': '@aws-sdk/client-dynamodb',
  'aws/sqs': '@aws-sdk/client-sqs',
  'aws/ec2': '@aws-sdk/client-ec2',
  'aws/vpc': '@aws-sdk/client-ec2',
  'aws/lambda': '@aws-sdk/client-lambda',
  'aws/iam-role': '@aws-sdk/client-iam',
  'azure/resource-group': '@azure/arm-resources',
  'azure/storage': '@azure/arm-storage',
  'azure/vnet': '@azure/arm-network',
};

/**
 * Processor time that the first request of a service costs before it is asked anything: its provisioner is imported into
 * a process that has the catalogue, as the product's has, beside the vendor's client imported into the same. Median of
 * nine processes.
 */
async function bundles(folder: string, { quick }: JobPlan): Promise<Verdict[]> {
  const runs = quick ? 3 : 9;
  const modules = join(folder, 'node_modules');
  if (!existsSync(modules)) symlinkSync(join(root, 'node_modules'), modules);
  const ratios: { readonly name: string; readonly ratio: number }[] = [];
  for (const [name, client] of Object.entries(CLIENTS)) {
    const [cloud = '', service = ''] = name.split('/');
    const path = `./src/adapters/${cloud}/services/${service}`;
    const ours = await loadTime(join(folder, 'ours', name), `${path}/provisioner.ts`, { path, runs });
    const theirs = await loadTime(join(folder, 'theirs', name), client, { path, runs });
    ratios.push({ name, ratio: ours / theirs });
  }
  const [worst] = ratios.toSorted((a, b) => b.ratio - a.ratio);
  const list = ratios.map(({ name, ratio }) => `${name} ${rounded(ratio, 2)}`).join(', ');
  const title = `a provisioner's bundle to load, of its client alone (${list})`;
  return [atMost(title, rounded(worst?.ratio ?? Number.NaN, 2), 1.3, 'times')];
}

/** Milliseconds of processor time to import `what` beside the definition in `path`. */
async function loadTime(
  outdir: string,
  what: string,
  { path, runs }: { readonly path: string; readonly runs: number },
): Promise<number> {
  const entry = (contents: string, name: string): string => {
    mkdirSync(outdir, { recursive: true });
    const file = join(outdir, `${name}.ts`);
    writeFileSync(file, contents);
    return file;
  };
  const from = (target: string): string => JSON.stringify(target.startsWith('.') ? join(root, target) : target);
  await build({
    entryPoints: [
      entry(`export * from ${from(`${path}/definition.ts`)};`, 'catalogue'),
      entry(`export * from ${from(what)};`, 'what'),
    ],
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'error',
    banner: { js: "import { createRequire as __r } from 'node:module'; const require = __r(import.meta.url);" },
  });
  const url = (name: string): string => JSON.stringify(pathToFileURL(join(outdir, `${name}.mjs`)).href);
  const code = `await import(${url('catalogue')}); const before = process.cpuUsage(); await import(${url('what')});
    const { user, system } = process.cpuUsage(before); console.log((user + system) / 1000);`;
  const taken = Array.from({ length: runs }, () => {
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    return Number(stdout.trim().split('\n').at(-1));
  });
  return median(taken);
}
