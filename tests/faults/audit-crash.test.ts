/**
 * Kills a process that administrates, before and after the commit of a change with its record and at random moments, and
 * compares the audit trail with what there is: neither has anything that the other has not.
 */

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { auditHead, parseHead } from '../../src/audit/head.ts';
import type { AuditRecord, HeadRecord } from '../../src/audit/audit-record.ts';
import { listAudit, verifyAudit } from '../../src/audit/verify.ts';
import { textOf } from '../../src/core/json.ts';
import type { Item, StoreRoot, TableSpec } from '../../src/core/ports.ts';
import { REGISTRATIONS } from '../../src/registry/registration-store.ts';
import { EXECUTIONS, WORKFLOWS } from '../../src/workflows/engine/tables.ts';
import { AUDIT_KEY } from '../fixtures/audit.ts';
import type { CommitPoint } from './audit-process.ts';
import { bundleProcess } from './bundle-process.ts';
import { seeded, type Seeded } from './seeded.ts';
import { systemClock } from './store-writer.ts';

/** Kills, each of another process on the folder that the one before left. */
const KILLS = Math.max(48, Number(process.env['ZEROPLANE_FAULT_RUNS'] ?? 48));
const SEED = Number(process.env['ZEROPLANE_FAULT_SEED'] ?? 1);
const KILLS_PER_FOLDER = 12;
const TENANT = 'team-x';
const WORKFLOW = 'nightly';
const BUNDLE = bundleProcess('audit-process');

interface Death {
  readonly point?: CommitPoint;
  /** After it said that it is ready. */
  readonly afterMs?: number;
}

/** At each commit once, on each side; then wherever. */
function deathOf(life: number, random: Seeded): Death {
  if (life % 3 === 2) return { afterMs: random.below(400) };
  return { point: { at: 1 + ((life * 7) % 60), side: life % 2 === 0 ? 'before' : 'after' } };
}

/** One process to its death. @returns what it did, as often as it said so. */
async function live(folder: string, life: number, { point, afterMs }: Death): Promise<ReadonlyMap<string, number>> {
  const args = [join(BUNDLE, 'audit-process.mjs'), folder, String(life), JSON.stringify(point ?? null)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors, timer] = ['', '', undefined as NodeJS.Timeout | undefined];
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    if (afterMs !== undefined) timer ??= setTimeout(() => child.kill('SIGKILL'), afterMs);
  });
  // It never reached where it was to die.
  const limit = setTimeout(() => child.kill('SIGTERM'), 30_000);
  const signal = await new Promise<string | null>((resolve) => child.once('close', (_code, by) => resolve(by)));
  for (const each of [timer, limit]) clearTimeout(each);
  if (signal !== 'SIGKILL') throw new Error(`it ended otherwise (${signal ?? 'by itself'}): ${errors.slice(-2_000)}`);
  const done = new Map<string, number>();
  // What follows the last end of a line was not said.
  for (const line of output.split('\n').slice(0, -1))
    if (line.startsWith('did ')) done.set(line.slice(4), (done.get(line.slice(4)) ?? 0) + 1);
  return done;
}

/** Oldest first. */
async function records(store: StoreRoot): Promise<readonly AuditRecord[]> {
  const all: AuditRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await listAudit(store, TENANT, { limit: 500, cursor });
    all.push(...page.records);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return all.toReversed();
}

async function rows(store: StoreRoot, table: TableSpec, index: string, partition: string): Promise<readonly Item[]> {
  const all: Item[] = [];
  let cursor: string | undefined;
  do {
    const query = { index, partition, ...(cursor === undefined ? {} : { cursor }) };
    const page = await store.store(TENANT).table(table).query(query);
    all.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return all;
}

/** The trail and the things that it tells of agree. @returns the end of the trail, and how many records it has. */
async function judge(
  store: StoreRoot,
  done: ReadonlyMap<string, number>,
  kept: readonly HeadRecord[],
): Promise<{ readonly head: readonly HeadRecord[]; readonly count: number }> {
  const verdict = await verifyAudit(store, TENANT, AUDIT_KEY, kept);
  expect(verdict.problems).toEqual([]);
  const trail = await records(store);
  const counts = new Map<string, number>();
  for (const { entry } of trail) {
    const what = `${entry.action} ${entry.resource.id}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  // Nothing that was acknowledged lacks its record.
  for (const [what, times] of done) expect([what, (counts.get(what) ?? 0) >= times]).toEqual([what, true]);
  const last = new Map(trail.map(({ entry }) => [entry.resource.id, entry]));
  const registered = await rows(store, REGISTRATIONS, 'by-tenant', TENANT);
  const known = [...last.values()].filter(({ action }) => /^registration-(?:created|replaced)$/.test(action));
  expect(registered.map(({ id, revision }) => `${textOf(id)} ${textOf(revision)}`).toSorted()).toEqual(
    known.map(({ resource, details }) => `${resource.id} ${textOf(details?.['revision'])}`).toSorted(),
  );
  const versions = counts.get(`workflow-registered ${WORKFLOW}`) ?? 0;
  const newest = await store.store(TENANT).table(WORKFLOWS).get({ name: WORKFLOW, version: 'newest' });
  expect(newest?.['number'] ?? 0).toBe(versions);
  for (const [id, { action }] of last) {
    if (!action.startsWith('execution-')) continue;
    const row = await store.store(TENANT).table(EXECUTIONS).get({ id });
    expect([id, row?.['status']]).toEqual([id, action === 'execution-stopped' ? 'ABORTED' : 'RUNNING']);
  }
  const { head } = await auditHead(store, TENANT);
  return { head: head === '' ? [] : parseHead(head), count: trail.length };
}

test(
  `no change is without its record and no record without its change over ${KILLS} kills (seed ${SEED})`,
  async () => {
    const random = seeded(SEED);
    let [acknowledged, written, folders] = [0, 0, 0];
    for (let life = 0; life < KILLS; folders++) {
      const base = await mkdtemp(join(tmpdir(), 'zeroplane-audit-'));
      const folder = join(base, 'data');
      mkdirSync(folder);
      let kept: readonly HeadRecord[] = [];
      let count = 0;
      for (let n = 0; n < KILLS_PER_FOLDER && life < KILLS; n++, life++) {
        const done = await live(folder, life, deathOf(life, random));
        const store = await openEmbeddedStore({ folder, clock: systemClock });
        try {
          const judged = await judge(store, done, kept);
          kept = judged.head;
          // Several changes share a commit, and the last one may have died before anybody heard of it.
          for (const times of done.values()) acknowledged += times;
          ({ count } = judged);
        } finally {
          await store.close();
        }
      }
      written += count;
      await rm(base, { recursive: true, force: true });
    }
    console.log(
      `seen audit-crash: ${KILLS} kills of administrators on ${folders} folders, ${acknowledged} changes acknowledged, ${written} records, each with its change; every kept head is still there`,
    );
    expect(acknowledged).toBeGreaterThan(KILLS);
    expect(written).toBeGreaterThanOrEqual(acknowledged);
  },
  KILLS * 10_000 + 60_000,
);
