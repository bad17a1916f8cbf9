/** Kills a process that runs workflows at random moments, again and again, until they have all ended right. */

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { joinTexts } from '../../src/workflows/durable/parts.ts';
import type { StoredOperation } from '../../src/workflows/durable/operation.ts';
import { JOURNAL } from '../../src/workflows/durable/tables.ts';
import { systemClock } from './store-writer.ts';
import { EXPECTED, busy, openEngine } from './workflow-runner.ts';

const RUNS = Math.max(3, Math.ceil(Number(process.env['ZEROPLANE_FAULT_RUNS'] ?? 30) / 3));
const SEED = Number(process.env['ZEROPLANE_FAULT_SEED'] ?? 1);
const COUNT = 6;
const RUNNER = join(import.meta.dirname, 'workflow-runner.ts');

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

/** One process, killed `afterMs` after it is ready, or left alone. @returns whether it came to its end. */
async function run(folder: string, afterMs: number | undefined): Promise<boolean> {
  const child = spawn(process.execPath, ['--import', 'tsx', RUNNER, folder, String(COUNT)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let timer: NodeJS.Timeout | undefined;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    if (afterMs !== undefined) timer ??= setTimeout(() => child.kill('SIGKILL'), afterMs);
  });
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return output.includes('done\n');
}

function effects(base: string): readonly string[] {
  try {
    return readFileSync(join(base, 'effects.log'), 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}

/** Names of the steps that the journal knows to have succeeded. */
async function completed(folder: string): Promise<ReadonlySet<string>> {
  const store = await openEmbeddedStore({ folder, clock: systemClock });
  const names = new Set<string>();
  for (let n = 0; n < COUNT; n += 1) {
    const partition = `busy:w${n}`;
    const { items } = await store.store('crash').table(JOURNAL).query({ partition, prefix: 'c' });
    for (const found of joinTexts(items)) {
      const { o } = JSON.parse(found?.text ?? '{"o":[]}') as { readonly o: readonly StoredOperation[] };
      for (const { type, status, name = '' } of o) if (type === 'STEP' && status === 'SUCCEEDED') names.add(name);
    }
  }
  await store.close();
  return names;
}

/** One set of workflows from their start to their end, with up to five kills. @returns what was counted. */
async function round(seed: number): Promise<{ readonly kills: number; readonly repeated: number }> {
  const random = randomSource(seed);
  const base = await mkdtemp(join(tmpdir(), 'zeroplane-workflows-'));
  const folder = join(base, 'data');
  mkdirSync(folder);
  for (let attempt = 0; ; attempt += 1) {
    const before = await completed(folder);
    const seen = effects(base).length;
    const isLast = attempt >= 5;
    const isDone = await run(folder, isLast ? undefined : Math.floor(random() * 900));
    const now = effects(base).slice(seen);
    const again = now.filter((line) => line.startsWith('begin ') && before.has(line.slice('begin '.length)));
    expect(again, `seed ${seed}, attempt ${attempt}`).toEqual([]);
    if (isDone) {
      const repeated = await verify(folder, effects(base));
      await rm(base, { recursive: true });
      return { kills: attempt, repeated };
    }
    expect(isLast, 'a process that was left alone ended its work').toBe(false);
  }
}

test(
  `no step that had succeeded runs again, and all ends right, over ${RUNS} rounds of kills (seed ${SEED})`,
  async () => {
    const seeds = Array.from({ length: RUNS }, (_unused, n) => SEED * 1000 + n);
    let [kills, repeated] = [0, 0];
    // Most of a round is waiting.
    const lane = async (): Promise<void> => {
      for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
        const counted = await round(seed);
        kills += counted.kills;
        repeated += counted.repeated;
      }
    };
    await Promise.all([lane(), lane(), lane()]);
    console.log(`seen workflow-crash: ${kills} kills, ${repeated} steps in flight ran again, none that had succeeded`);
    expect(kills).toBeGreaterThan(RUNS);
  },
  RUNS * 20_000 + 30_000,
);

/** @returns how many effects were begun more than once: those that a kill met half way. */
async function verify(folder: string, lines: readonly string[]): Promise<number> {
  const workflows = busy(
    async () => undefined,
    () => undefined,
  );
  const { engine, close } = await openEngine(folder, { workflows });
  await engine.boot();
  for (let n = 0; n < COUNT; n += 1) {
    const ended = await engine.describe('crash', `busy:w${n}`);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', output: EXPECTED });
    const { items } = await engine.history('crash', `busy:w${n}`, { limit: 1000 });
    expect(items.map(({ id }) => id)).toEqual(items.map((_event, at) => at + 1));
    const names = items.filter(({ type }) => type === 'TaskStateExited').map(({ details }) => details['name']);
    expect(new Set(names).size).toBe(names.length);
    // In the order of the saga, each made before it is undone.
    const order = ['make network', 'make disk', 'make machine', 'undo disk', 'undo network'].map((what) =>
      lines.indexOf(`begin w${n} ${what}`),
    );
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order[0]).toBeGreaterThan(0);
  }
  expect((await engine.list('crash', { workflow: 'child' })).items).toHaveLength(COUNT);
  await close();
  const begun = lines.filter((line) => line.startsWith('begin '));
  return begun.length - new Set(begun).size;
}
