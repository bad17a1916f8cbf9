/** What starting costs: time to the ready line with no target, memory then, memory after very many calls. */

import type { Timing } from './measure.ts';
import type { Verdict } from './targets.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, Series } from './measure.ts';
import { launchReady, node, onCore, residentMib, stop } from './processes.ts';
import { callOf } from './requests.ts';
import { product } from './subjects.ts';
import { atMost } from './targets.ts';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

async function startOnce(): Promise<{ ms: number; mib: number | undefined }> {
  const folder = mkdtempSync(join(tmpdir(), 'zeroplane-bench-'));
  const flags = [
    '--no-samples',
    '--port',
    '0',
    '--data-dir',
    join(folder, 'data'),
    '--no-open',
    '--output',
    'stream-json',
  ];
  const began = performance.now();
  const { child, ready } = await launchReady(onCore(0, ...node(MAIN, 'dev', ...flags)), { cwd: folder });
  const ms = performance.now() - began;
  const mib = residentMib(ready.pid ?? child.pid ?? 0);
  await stop(child);
  rmSync(folder, { recursive: true, force: true });
  return { ms, mib };
}

/** `zeroplane dev --no-samples`, started `runs` times. */
export async function startCosts(runs: number): Promise<Verdict[]> {
  const starts = [];
  for (let run = 0; run < runs; run++) starts.push(await startOnce());
  const mib = starts.map((start) => start.mib).filter((value) => value !== undefined);
  const ms = Math.round(median(starts.map((start) => start.ms)));
  const verdicts = [atMost('dev --no-samples to its ready line', ms, 500, 'ms')];
  return mib.length === 0
    ? verdicts
    : [...verdicts, atMost('memory after start with no target', median(mib), 80, 'MiB')];
}

/** Memory between the first tenth and the end of `calls` calls of 100 B in process. */
export async function memoryGrowth(calls: number, connections: number): Promise<Verdict[]> {
  const { ready, pid } = await product({ sets: [{ targets: 1, tools: 1 }] });
  const requests = [callOf(ready, 'bench___echo', 100)];
  const series = new Series({
    id: 'memory',
    title: 'memory',
    port: Number(new URL(ready.url).port),
    pid,
    requests,
    minBytes: 100,
  });
  const timing: Timing = { connections, warmupMs: 0, durationMs: 2_000, rewarmMs: 0 };
  let first: number | undefined;
  while (series.calls < calls) {
    await series.run(timing);
    if (series.summary().requestsPerSecond === 0)
      throw new Error(`no call was answered: ${series.summary().firstError}`);
    if (series.calls >= calls / 10) first ??= residentMib(pid);
  }
  const last = residentMib(pid);
  if (first === undefined || last === undefined) return [];
  const growth = Math.round((last - first) * 10) / 10;
  return [
    atMost(
      `memory growth to ${Math.round(series.calls).toLocaleString('en')} calls (${last} MiB at the end)`,
      growth,
      20,
      'MiB',
    ),
  ];
}
