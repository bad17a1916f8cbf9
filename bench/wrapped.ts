/** Wrapped servers and the local Lambda runtime: what a call, a bundle and a child cost. */

import type { Row } from './measure.ts';
import type { Verdict } from './targets.ts';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { median } from './measure.ts';
import { launch, node, onCore, part } from './processes.ts';
import { callRows, SMALL, startUnpinned, stdioChild } from './subjects.ts';
import { atLeast, atMost } from './targets.ts';

/** A real server: the handler's peer starts it for each call. */
const EVERYTHING = fileURLToPath(
  new URL('../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url),
);
const WRAPPER = fileURLToPath(new URL('../dist/wrapper.js', import.meta.url));

/** The runtime and its processes run where they like: pinned, all of them would share the one core of the server. */
export async function lambdaRows(): Promise<Row[]> {
  const server = await startUnpinned('--import', 'tsx', part('lambda.mjs'));
  return callRows(server, { id: 'lambda', title: 'zeroplane, local Lambda invoke of an echo', sizes: [SMALL] });
}

/** Runs a part to its end. @returns the JSON document it printed. */
async function outcome<Result>(command: readonly string[]): Promise<Result> {
  // Killed children are part of the plan, and no news.
  const child = launch(command, { env: { ...process.env, LOG_LEVEL: 'error' } });
  let [text, errors] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
  await new Promise((resolve) => child.once('close', resolve));
  if (text === '') throw new Error(`${command.join(' ')} printed nothing: ${errors.slice(-2000)}`);
  return JSON.parse(text) as Result;
}

export interface WrappedPlan {
  /** `node_modules` with the peer; absent leaves it out. */
  readonly modules: string | undefined;
  readonly rounds: number;
  readonly quick: boolean;
}

/** Every promise about wrapped servers. */
export async function wrapperVerdicts(plan: WrappedPlan): Promise<Verdict[]> {
  return [...(await callTimes(plan)), ...(await bundleCosts(plan.rounds)), ...(await lives(plan.quick))];
}

interface Times {
  readonly handlerUs: number;
  readonly directUs: number;
  readonly overDirect: number;
  readonly peerUs?: number;
}

const timed = (job: object): Promise<Times> =>
  outcome<Times>(onCore(0, ...node(part('wrapped-calls.mjs'), JSON.stringify(job))));

/** Against the child alone with the leanest child there is, and against the peer with one that people use. */
async function callTimes({ modules, rounds, quick }: WrappedPlan): Promise<Verdict[]> {
  // Fewer calls would time the compiler.
  const lean = { child: stdioChild(), argument: 'text', calls: 2_000, rounds };
  const { handlerUs, directUs, overDirect } = await timed(lean);
  const verdict = atMost(
    `wrapped handler, warm call (${Math.round(handlerUs)} µs), of the same child directly (${Math.round(directUs)} µs)`,
    Math.round(overDirect * 100) / 100,
    1.5,
    'times',
  );
  if (modules === undefined) return [verdict];
  const peer = pathToFileURL(join(modules, '@aws/run-mcp-servers-with-aws-lambda/dist/index.js')).href;
  const child = onCore(1, ...node(EVERYTHING, 'stdio'));
  const times = await timed({ ...lean, child, argument: 'message', calls: 200, peer, peerCalls: quick ? 5 : 25 });
  const { peerUs = Number.NaN } = times;
  const figures = `${Math.round(times.handlerUs)} µs against ${Math.round(peerUs / 1000)} ms`;
  const title = `server-everything called through us, of run-mcp-servers-with-aws-lambda 0.5.21 (${figures})`;
  return [verdict, atLeast(title, Math.round(peerUs / times.handlerUs), 500, 'times')];
}

/** Size of a minified handler, and the processor time that loading it takes. */
async function bundleCosts(rounds: number): Promise<Verdict[]> {
  const folder = mkdtempSync(join(tmpdir(), 'zeroplane-bench-bundle-'));
  const file = join(folder, 'index.mjs');
  const contents = `export { createHandler } from ${JSON.stringify(WRAPPER)};`;
  await build({
    stdin: { contents, resolveDir: folder },
    outfile: file,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['@aws-sdk/*'],
  });
  const kilobytes = gzipSync(readFileSync(file)).length / 1000;
  const script = `const before = process.cpuUsage();
    await import(${JSON.stringify(pathToFileURL(file).href)});
    const { user, system } = process.cpuUsage(before);
    console.log((user + system) / 1000);`;
  writeFileSync(join(folder, 'load.mjs'), script);
  const loads: number[] = [];
  for (let round = 0; round < rounds * 3; round++)
    loads.push(await outcome<number>(onCore(0, ...node(join(folder, 'load.mjs')))));
  rmSync(folder, { recursive: true });
  return [
    atMost('handler bundle, gzipped', Math.round(kilobytes * 10) / 10, 60, 'kB'),
    atMost('processor time to load it', Math.round(median(loads) * 10) / 10, 15, 'ms'),
  ];
}

interface Life {
  readonly started: number;
  readonly orphans: number;
  readonly callsMib: number;
  readonly restartsMib: number;
}

async function lives(quick: boolean): Promise<Verdict[]> {
  const job = { child: stdioChild(), calls: quick ? 2_000 : 10_000, restarts: quick ? 40 : 1_000 };
  const life = await outcome<Life>(onCore(0, ...node(part('wrapped-life.mjs'), JSON.stringify(job))));
  const counted = (value: number): string => value.toLocaleString('en');
  const mib = (value: number): number => Math.round(value * 10) / 10;
  return [
    atMost(`children of a handler left after ${counted(life.started)} starts`, life.orphans, 0, 'processes'),
    atMost(`memory growth of a handler over ${counted(job.calls)} calls`, mib(life.callsMib), 20, 'MiB'),
    atMost(
      `memory growth of a handler over the second half of ${counted(job.restarts)} restarts`,
      mib(life.restartsMib),
      20,
      'MiB',
    ),
  ];
}
