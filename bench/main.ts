/**
 * `npm run bench`: the built product beside its floors and peers, in one run.
 *
 * Every server stays up for the whole run and is measured alone, in turn, five times; figures are medians.
 * Ratios are what counts: absolute figures change from machine to machine. `--quick` takes about a minute,
 * `--full` counts memory over a million calls, `--floors` leaves the product out, `--no-peers` the proxies,
 * `--only PATTERN` measures the rows whose id matches, `--check` fails on a miss,
 * `--jobs` measures workflows and jobs instead and stores them in `bench/results/jobs.json`,
 * `--json` prints the document that is stored in `bench/results/latest.json`.
 */

import type { Row, Summary, Timing } from './measure.ts';
import type { Verdict } from './targets.ts';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { Series } from './measure.ts';
import { pinned, stopAll } from './processes.ts';
import { memoryGrowth, startCosts } from './start.ts';
import { floors, peers, productCalls, productList } from './subjects.ts';
import { judge } from './targets.ts';
import { jobVerdicts } from './jobs.ts';
import { workflowVerdicts } from './workflows.ts';
import { lambdaRows, wrapperVerdicts } from './wrapped.ts';

const flag = { type: 'boolean', default: false } as const;
const { values: options } = parseArgs({
  options: {
    quick: flag,
    full: flag,
    floors: flag,
    'no-peers': flag,
    json: flag,
    rounds: { type: 'string' },
    only: { type: 'string' },
    check: flag,
    jobs: flag,
  },
});

const rounds = Number(options.rounds ?? (options.quick ? 3 : 5));
const timing: Timing = {
  connections: 16,
  warmupMs: 200,
  rewarmMs: options.quick ? 600 : 1_500,
  durationMs: options.quick ? 500 : 1_500,
};
const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function installPeers(): Promise<string | undefined> {
  if (options['no-peers']) return undefined;
  // @ts-expect-error -- a plain script without types
  const { install } = (await import('../scripts/suites/lib.mjs')) as {
    install: (name: string, packages: object) => string;
  };
  const packages = { 'mcp-proxy': '6.7.19', supergateway: '4.0.0', '@aws/run-mcp-servers-with-aws-lambda': '0.5.21' };
  return install('bench', packages);
}

async function allRows(modules: string | undefined): Promise<Row[]> {
  const rows = await floors();
  rows.push(...(await peers(modules)));
  if (options.floors) return rows;
  rows.push(...(await productCalls()));
  rows.push(...(await lambdaRows()));
  rows.push(...(await productList(1, 1_000)));
  rows.push(...(await productList(1_000, 10)));
  return rows;
}

async function measureAll(rows: readonly Row[]): Promise<Summary[]> {
  const wanted = new RegExp(options.only ?? '');
  const all = rows.filter((row) => wanted.test(row.id)).map((row) => new Series(row));
  say(`warming up, ${all.length} rows`);
  for (const series of all) await series.warm({ ...timing, durationMs: timing.durationMs * 2 });
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}`);
    for (const series of all) await series.run(timing);
  }
  return all.map((series) => series.summary());
}

const padded = (value: string | number | undefined, width: number): string => String(value ?? '-').padStart(width);

function printRows(rows: readonly Summary[]): void {
  const echo = rows.find((row) => row.id === 'echo/small')?.requestsPerSecond;
  console.log(`${'row'.padEnd(62)}   req/s          spread  of echo  p50 µs  p99 µs  CPU µs  MiB`);
  for (const row of rows) {
    const spread = `${row.spread[0]}-${row.spread[1]}`;
    const ratio = echo === undefined ? '-' : (row.requestsPerSecond / echo).toFixed(3);
    const figures = [
      padded(row.requestsPerSecond, 8),
      padded(spread, 16),
      padded(ratio, 9),
      padded(row.p50Us, 8),
      padded(row.p99Us, 8),
    ];
    console.log(`${row.title.padEnd(62)}${figures.join('')}${padded(row.cpuUs, 8)}${padded(row.residentMib, 7)}`);
    if (row.errors > 0) console.log(`  ${row.errors} wrong answers, the first: ${row.firstError.slice(0, 300)}`);
  }
}

function printVerdicts(verdicts: readonly Verdict[]): void {
  console.log('');
  for (const { title, value, bound, pass } of verdicts)
    console.log(`${pass ? 'pass' : 'MISS'}  ${title}: ${value} (${bound})`);
}

/** The control plane: its figures stand beside the database and the ideal, not beside the echo. */
async function controlPlane(): Promise<boolean> {
  const { quick, full } = options;
  const verdicts = [...(await workflowVerdicts({ rounds, quick, full })), ...(await jobVerdicts({ rounds, quick }))];
  store(
    'jobs.json',
    JSON.stringify({ at: new Date().toISOString(), machine: machine(), rounds, verdicts }, undefined, 2),
  );
  printVerdicts(verdicts);
  return !options.check || verdicts.every((verdict) => verdict.pass);
}

const machine = (): object => ({ node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, pinned });

function store(name: string, document: string): void {
  mkdirSync(new URL('./results/', import.meta.url), { recursive: true });
  writeFileSync(new URL(`./results/${name}`, import.meta.url), `${document}\n`);
}

async function main(): Promise<boolean> {
  if (options.jobs) return controlPlane();
  const modules = await installPeers();
  const rows = await measureAll(await allRows(modules));
  await stopAll();
  const verdicts = judge(new Map(rows.map((row) => [row.id, row])));
  if (!options.floors) {
    verdicts.push(...(await startCosts(rounds)));
    verdicts.push(...(await wrapperVerdicts({ modules, rounds, quick: options.quick })));
    verdicts.push(...(await memoryGrowth(options.full ? 1_000_000 : 200_000, timing.connections)));
  }
  const document = JSON.stringify(
    { at: new Date().toISOString(), machine: machine(), rounds, timing, rows, verdicts },
    undefined,
    2,
  );
  // Part of the table would read like the whole of it.
  if (options.only === undefined && !options.floors) store('latest.json', document);
  if (options.json) console.log(document);
  else {
    printRows(rows);
    printVerdicts(verdicts);
  }
  return rows.every((row) => row.errors === 0) && (!options.check || verdicts.every((verdict) => verdict.pass));
}

process.once('SIGINT', () => void stopAll().finally(() => process.exit(130)));
try {
  process.exitCode = (await main()) ? 0 : 1;
} finally {
  await stopAll();
}
