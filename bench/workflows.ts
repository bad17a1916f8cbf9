/** Workflows on the embedded engine: what durability costs beside the bare database, and what many executions take. */

import type { Verdict } from './targets.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundledPart } from './bundled-part.ts';
import { holdDisk } from './held-disk.ts';
import { median } from './measure.ts';
import { launch, node } from './processes.ts';
import { atLeast, atMost } from './targets.ts';

/** Writes a second of a plain disk: a commit takes some 1.5 ms of it. */
const PLAIN_DISK = 2_000;

/** Runs a part to its end. @returns the JSON document it printed. */
async function outcome<Result>(
  folder: string,
  job: object,
  held: (...command: string[]) => string[] = (...command) => command,
): Promise<Result> {
  const command = node('--expose-gc', await bundledPart('workflows.mjs', folder), JSON.stringify(job));
  const child = launch(held(...command));
  let [text, errors] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
  await new Promise((resolve) => child.once('close', resolve));
  if (text === '') throw new Error(`workflows ${JSON.stringify(job)} printed nothing: ${errors.slice(-2000)}`);
  return JSON.parse(text) as Result;
}

export interface WorkflowPlan {
  readonly rounds: number;
  readonly quick: boolean;
  /** Counts the heap over 100,000 executions. */
  readonly full: boolean;
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

/** Every promise about workflows. */
export async function workflowVerdicts(plan: WorkflowPlan): Promise<Verdict[]> {
  const folder = mkdtempSync(join(tmpdir(), 'zeroplane-bench-workflows-'));
  try {
    return [
      ...(await rates(folder, plan)),
      ...(await ratesOnPlainDisk(folder, plan)),
      ...(await sleeping(folder, plan)),
      ...(await living(folder, plan)),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Rates {
  /** Per second: bare commits, executions one at a time, executions with a hundred in flight. */
  readonly figures: readonly { readonly bare: number; readonly alone: number; readonly together: number }[];
  /** Durable commits that one execution makes. */
  readonly commits: number;
  /** Processor time of one transition. */
  readonly cpuMs: number;
}

async function rates(folder: string, { rounds, quick }: WorkflowPlan): Promise<Verdict[]> {
  const job = { job: 'rate', folder: join(folder, 'rate'), count: quick ? 40 : 100, rounds };
  const measured = await outcome<Rates>(folder, job);
  return [
    ...rateVerdicts('ten-state workflow', measured),
    atMost('processor time of a state transition', round(measured.cpuMs, 3), 1, 'ms'),
  ];
}

/** Sharing commits saves what commits cost: little on a disk that answers out of a cache. */
async function ratesOnPlainDisk(folder: string, { rounds, quick }: WorkflowPlan): Promise<Verdict[]> {
  const disk = holdDisk(folder, PLAIN_DISK);
  if (typeof disk === 'string') {
    process.stderr.write(`skip  workflows on a disk held to ${PLAIN_DISK} writes a second: ${disk}\n`);
    return [];
  }
  try {
    const job = { job: 'rate', folder: join(folder, 'plain'), count: quick ? 20 : 50, rounds };
    const measured = await outcome<Rates>(folder, job, (...command) => disk.command(...command));
    return rateVerdicts(`the same on this disk held to ${PLAIN_DISK} writes a second`, measured);
  } finally {
    disk.release();
  }
}

function rateVerdicts(title: string, { figures, commits }: Rates): Verdict[] {
  const alone = median(figures.map((each) => (each.alone * commits) / each.bare));
  const together = median(figures.map((each) => each.together / each.alone));
  const [bareRate, aloneRate, togetherRate] = [
    median(figures.map(({ bare }) => bare)),
    median(figures.map((each) => each.alone)),
    median(figures.map((each) => each.together)),
  ].map(Math.round);
  return [
    atLeast(
      `${title}, one at a time (${aloneRate}/s, ${round(commits, 1)} durable commits each), of bare commits (${bareRate}/s)`,
      round(alone, 2),
      0.5,
      'of the rate',
    ),
    atLeast(`${title}, 100 in flight (${togetherRate}/s), of one at a time`, round(together, 1), 5, 'times'),
  ];
}

interface Rearmed {
  readonly seconds: number;
  readonly mib: number;
  /** Replays without need. */
  readonly naps: number;
  readonly listed: number;
}

async function sleeping(folder: string, { quick }: WorkflowPlan): Promise<Verdict[]> {
  const count = quick ? 2_000 : 10_000;
  const data = join(folder, 'sleepers');
  const made = await outcome<{ naps: number }>(folder, { job: 'sleepers', folder: data, count });
  if (made.naps !== count) throw new Error(`${made.naps} of ${count} executions sleep`);
  const { seconds, mib, naps, listed } = await outcome<Rearmed>(folder, { job: 'rearm', folder: data });
  if (listed < Math.min(1_000, count)) throw new Error(`only ${listed} executions are there`);
  const what = `${count.toLocaleString('en')} suspended executions`;
  return [
    atMost(`${what}: checked and re-armed at the start`, round(seconds, 2), 10, 's'),
    atMost(`${what}: memory of the process`, Math.round(mib), 300, 'MiB'),
    atMost(`${what}: replays before they are due`, naps, 0, 'replays'),
  ];
}

async function living(folder: string, { quick, full }: WorkflowPlan): Promise<Verdict[]> {
  const count = full ? 100_000 : quick ? 5_000 : 20_000;
  const job = { job: 'life', folder: join(folder, 'life'), count };
  const { grownMib, perSecond } = await outcome<{ grownMib: number; perSecond: number }>(folder, job);
  const title = `heap growth over ${(count * 0.8).toLocaleString('en')} executions (${Math.round(perSecond)}/s)`;
  return [atMost(title, round(grownMib, 1), 10, 'MiB')];
}
