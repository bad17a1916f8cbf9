/** Kills a writing process at random moments and compares what it acknowledged with what is there. */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import type { Item, Query, Table, TenantStore } from '../../src/core/ports.ts';
import { LEFT, RIGHT, systemClock } from './store-writer.ts';

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
}

export interface CrashReport {
  readonly acknowledged: number;
  /** Kills that came before the process said that it was ready. */
  readonly killedBeforeReady: number;
}

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

const WRITER = join(import.meta.dirname, 'store-writer.ts');

/** One process, killed `afterMs` after it opened the store, or after it was started. @returns its lines. */
async function runAndKill(folder: string, from: 'ready' | 'start', afterMs: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', WRITER, folder, 'write'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let isArmed = false;
  const arm = (): void => {
    if (isArmed) return;
    isArmed = true;
    setTimeout(() => child.kill('SIGKILL'), afterMs);
  };
  if (from === 'start') arm();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    arm();
  });
  await new Promise((resolve) => child.once('close', resolve));
  // A last line without its end was cut by the kill: not acknowledged as far as anybody could tell.
  return output.split('\n').slice(0, -1);
}

async function readAll(table: Table, query: Query): Promise<readonly Item[]> {
  const items: Item[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const page = await table.query(cursor === '' ? query : { ...query, cursor });
    items.push(...page.items);
    cursor = page.cursor;
  }
  return items;
}

/** @throws when something acknowledged is missing, or half a transaction is there. */
async function verify(store: TenantStore, lines: readonly string[]): Promise<void> {
  let lastChange = 0;
  for (const line of lines) {
    const [kind, id = '', digest] = line.split(' ');
    if (kind === 'failed') throw new Error(`the writer could not open the store: ${line}`);
    if (kind === 'pair') expect(await store.table(LEFT).get({ id }), line).toBeDefined();
    if (kind === 'change') lastChange = Math.max(lastChange, Number(id));
    if (kind === 'blob') {
      const bytes = await store.blobs.get(id);
      expect(
        createHash('sha256')
          .update(bytes ?? '')
          .digest('hex'),
        line,
      ).toBe(digest);
    }
  }
  expect(await store.changes.head()).toBeGreaterThanOrEqual(lastChange);
  for (const item of await readAll(store.table(LEFT), { index: 'byRun', partition: 'r' })) {
    expect(await store.table(RIGHT).get({ id: item['id'] as string }), 'half a transaction').toBeDefined();
  }
}

/** Takes every message out, as the acknowledged ones must be among them. */
async function drain(store: TenantStore): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (;;) {
    const messages = await store.queue('q', { maxReceives: 1000 }).receive({ max: 1000, visibilityMs: 3_600_000 });
    if (messages.length === 0) return ids;
    for (const message of messages) ids.add(message.id);
  }
}

/** The same folder through all kills, so that each start recovers from the kill before. */
export async function crashRuns({ kills, seed }: CrashOptions): Promise<CrashReport> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-crash-'));
  const random = randomSource(seed);
  const lines: string[] = [];
  let killedBeforeReady = 0;
  try {
    for (let kill = 0; kill < kills; kill += 1) {
      const said =
        random() < 0.25
          ? await runAndKill(folder, 'start', random() * 600)
          : await runAndKill(folder, 'ready', random() * 150);
      if (said.length === 0) killedBeforeReady += 1;
      lines.push(...said.filter((line) => line !== 'ready'));
      if (kill % 10 === 9 || kill === kills - 1) await inspect(folder, lines);
    }
    return { acknowledged: lines.length, killedBeforeReady };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function inspect(folder: string, lines: readonly string[]): Promise<void> {
  const root = await openEmbeddedStore({ folder, clock: systemClock });
  try {
    const store = root.store('crash');
    await verify(store, lines);
    const messages = await drain(store);
    const sent = lines.filter((line) => line.startsWith('message ')).map((line) => line.slice('message '.length));
    expect(sent.filter((id) => !messages.has(id))).toEqual([]);
  } finally {
    await root.close();
  }
}
