/**
 * Executions that earlier versions began and the present one ends: each is opened as it was in the store of its version,
 * as after a kill and an upgrade, and has to come to its right end without doing again what was recorded as done.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { JOURNALS, journalNames, readJournal, restore } from '../../../tests/fixtures/journals/journal-file.ts';
import type { JournalFile, JournalRow } from '../../../tests/fixtures/journals/journal-file.ts';
import type { Effects, Life, Scene } from '../../../tests/fixtures/journals/scenes.ts';
import { SCENES, codeFor, kindsFor } from '../../../tests/fixtures/journals/scenes.ts';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import { systemIds } from '../../adapters/embedded/system.ts';
import { createEmbeddedEngine } from './embedded-engine.ts';
import { TOKEN_KEY, collectLog } from './engine-for-test.ts';
import { EXECUTIONS } from './tables.ts';
import type { ExecutionDescription, HistoryEvent } from './workflow-engine.ts';

const { version: present } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};
const versions = readdirSync(JOURNALS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .toSorted();

function sceneOf(name: string): Scene {
  return SCENES.find((scene) => scene.name === name) ?? expect.fail(`${name} was recorded and is no scene any more`);
}

/** A present engine on the rows of a file. */
async function opened(
  { header, rows }: JournalFile,
  body: (life: Life & { readonly ends: () => Promise<ExecutionDescription> }) => Promise<void>,
): Promise<void> {
  const clock = fakeClock(header.nowMs);
  const store = await openMemoryStore({ clock });
  await restore(store, rows);
  const effects: Effects = { isRecording: false, ran: [], tokens: [...header.tokens] };
  const parts = { store, clock, ids: systemIds, log: collectLog(), tokenKey: TOKEN_KEY, drainMs: 0 };
  const engine = createEmbeddedEngine({ ...parts, kinds: kindsFor(effects), workflows: codeFor(effects) });
  await engine.boot();
  const id = header.execution;
  const ends = async (): Promise<ExecutionDescription> => {
    const look = async (): Promise<string> => {
      clock.advance(60_000);
      return (await engine.describe('team-x', id)).status;
    };
    await expect.poll(look, { interval: 5, timeout: 10_000 }).not.toBe('RUNNING');
    return engine.describe('team-x', id);
  };
  try {
    await body({ engine, clock, effects, id, ends });
  } finally {
    const closing = engine.close();
    clock.advance(1);
    await closing;
    await store.close();
  }
}

async function historyOf({ engine, id }: Life): Promise<readonly HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for (;;) {
    const { items } = await engine.history('team-x', id, { limit: 1000, after: events.length });
    if (items.length === 0) return events;
    events.push(...items);
  }
}

test('the present version has recorded every scene', async () => {
  expect(versions, 'run: node --import tsx scripts/record-journals.mjs').toContain(present);
  expect(await journalNames(present)).toEqual(SCENES.map(({ name }) => name).toSorted());
});

describe.each(versions)('an execution that %s began', (version) => {
  const names = readdirSync(`${JOURNALS}/${version}`).map((name) => name.replace('.jsonl', ''));

  test.each(names)('%s comes to its right end', async (name) => {
    const file = await readJournal(version, name);
    const { goOn, end } = sceneOf(name);
    await opened(file, async (life) => {
      await goOn?.(life);
      expect(await life.ends()).toMatchObject({ status: 'SUCCEEDED', output: end.output });
      expect(life.effects.ran).toEqual(end.ran);
      const events = await historyOf(life);
      expect(events.map((event) => event.id)).toEqual(events.map((_event, at) => at + 1));
      expect([events[0]?.type, events.at(-1)?.type]).toEqual(['ExecutionStarted', 'ExecutionSucceeded']);
    });
  });
});

describe('an execution of an interpreter that is newer', () => {
  /** As a later version will have written it, whose interpreter makes other operations. */
  const later = (row: JournalRow): JournalRow =>
    row.table === EXECUTIONS.name ? { ...row, item: { ...row.item, kindVersion: '2' } } : row;

  test('is refused with both versions and the way out, and nothing of it runs', async () => {
    const file = await readJournal(present, 'machine-waiting');
    await opened({ ...file, rows: file.rows.map(later) }, async ({ engine, id, effects, ends }) => {
      const refused = await ends();
      expect(refused).toMatchObject({ status: 'FAILED', error: 'WORKFLOW_CHANGED' });
      expect(refused.cause).toMatch(/began with version 2 \(.*this instance has 1 \(.*or redrive the execution/s);
      expect(effects.ran).toEqual([]);
      // The way out.
      await engine.redrive('team-x', id);
      expect(await ends()).toMatchObject({ status: 'SUCCEEDED', output: sceneOf('machine-waiting').end.output });
    });
  });

  test('does not keep the others from going on', async () => {
    const [newer, own] = [await readJournal(present, 'machine-waiting'), await readJournal(present, 'machine-map')];
    const rows = [...newer.rows.map(later), ...own.rows];
    await opened({ header: own.header, rows }, async ({ engine, clock, ends }) => {
      const other = async (): Promise<string> => (await engine.describe('team-x', newer.header.execution)).status;
      expect(await ends()).toMatchObject({ status: 'SUCCEEDED', output: sceneOf('machine-map').end.output });
      expect(await other()).toBe('RUNNING');
      clock.advance(3_600_000);
      await expect.poll(other, { interval: 5, timeout: 10_000 }).toBe('FAILED');
    });
  });
});
