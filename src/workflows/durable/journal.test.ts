import { describe, expect, test } from 'vitest';
import { fakeClock } from '../../../tests/contract/fake-clock.ts';
import { failure } from '../../../tests/contract/harness.ts';
import { openMemoryStore } from '../../adapters/embedded/store/store.ts';
import type { StoreRoot, TenantStore } from '../../core/ports.ts';
import type { StoredEvent } from './history-log.ts';
import type { Loaded } from './journal.ts';
import { Journal } from './journal.ts';
import type { StoredOperation } from './operation.ts';
import { JOURNAL, textAt } from './tables.ts';

const step = (n: number, more: Partial<StoredOperation> = {}): StoredOperation => ({
  id: `s${n}`,
  type: 'STEP',
  status: 'SUCCEEDED',
  n,
  start: n,
  payload: `result ${n}`,
  ...more,
});

/** A store whose writes after the first `writes` fail. */
function failing(root: StoreRoot, writes: number): StoreRoot {
  let left = writes;
  const wrap = (inner: TenantStore): TenantStore => ({
    tenant: inner.tenant,
    table: (spec) => inner.table(spec),
    transact: async (all) => {
      left -= 1;
      if (left < 0) throw new Error('the process is gone');
      await inner.transact(all);
    },
    queue: (name) => inner.queue(name),
    blobs: inner.blobs,
    changes: inner.changes,
  });
  return {
    label: root.label,
    store: (tenant) => wrap(root.store(tenant)),
    systemStore: () => root.systemStore(),
    check: () => root.check(),
    close: async () => undefined,
  };
}

const journalOn = (store: StoreRoot, fence = 'me'): Journal => new Journal({ store, fence, nowMs: () => 7 });

async function withStore(body: (store: StoreRoot) => Promise<void>): Promise<void> {
  const store = await openMemoryStore({ clock: fakeClock() });
  try {
    await body(store);
  } finally {
    await store.close();
  }
}

/** Commits `count` records, each with an operation and an event. */
async function filled(journal: Journal, count: number): Promise<Loaded> {
  const loaded = journal.begin('t', 'x');
  for (let n = 1; n <= count; n += 1) {
    const operations = [step((n % 40) + 1, { payload: `result ${n}` })];
    await journal.commit(loaded, { operations, started: 1, bytes: 10, events: [{ key: `k${n}`, type: `T${n}` }] });
  }
  return loaded;
}

async function eventsOf(loaded: Loaded, first = 1): Promise<readonly StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of loaded.history.read(first)) events.push(event);
  return events;
}

const rowsOf = async (store: StoreRoot): Promise<readonly string[]> =>
  (await store.store('t').table(JOURNAL).query({ partition: 'x' })).items.map((item) => textAt(item, 'row'));

describe('a journal', () => {
  test('comes back as it was committed, with its events, and goes on', () =>
    withStore(async (store) => {
      const journal = journalOn(store);
      const loaded = await filled(journal, 50);
      const again = await journal.load('t', 'x');
      expect(again?.head).toEqual(loaded.head);
      expect([...(again?.state.all() ?? [])]).toEqual([...loaded.state.all()]);
      expect((await eventsOf(loaded)).map(({ i, t }) => [i, t])).toEqual(
        Array.from({ length: 50 }, (_unused, n) => [n + 1, `T${n + 1}`]),
      );
      if (again === undefined) throw new Error('nothing was loaded');
      await journal.commit(again, {
        events: [
          { key: 'k3', type: 'again' },
          { key: 'new', type: 'new', previous: 'k7' },
        ],
      });
      expect((await eventsOf(again, 51)).map(({ i, p, t }) => [i, p, t])).toEqual([[51, 7, 'new']]);
      expect(await journal.load('t', 'nobody')).toBeUndefined();
    }));

  test('has one writer: whoever took it over', () =>
    withStore(async (store) => {
      const first = await filled(journalOn(store, 'first'), 3);
      const second = await journalOn(store, 'second').load('t', 'x');
      if (second === undefined) throw new Error('nothing was loaded');
      await journalOn(store, 'second').takeOver(second);
      await failure(journalOn(store, 'first').commit(first, { operations: [step(9)] }), 'EXECUTION_FENCED');
      await journalOn(store, 'second').commit(second, { operations: [step(9)] });
      // Nothing of what was refused is in memory.
      expect(first.state.get('s9')).toBeUndefined();
      expect((await journalOn(store).load('t', 'x'))?.head).toMatchObject({ fence: 'second', sequence: 5 });
    }));

  test('is made once', () =>
    withStore(async (store) => {
      await filled(journalOn(store), 1);
      const other = journalOn(store).begin('t', 'x');
      await failure(journalOn(store).commit(other, { operations: [step(1)] }), 'EXECUTION_FENCED');
    }));

  test('that is long becomes a snapshot, and loses nothing whatever write of that is its last', () =>
    withStore(async (store) => {
      const before = await filled(journalOn(store), 300);
      const operations = [...before.state.all()];
      const events = await eventsOf(before);
      let isDone = false;
      for (let writes = 0; !isDone; writes += 1) {
        expect(writes).toBeLessThan(30);
        const journal = journalOn(failing(store, writes));
        const loaded = await journal.load('t', 'x');
        if (loaded === undefined) throw new Error('nothing was loaded');
        isDone = await journal.compact(loaded).then(
          () => true,
          () => false,
        );
        const again = await journalOn(store).load('t', 'x');
        if (again === undefined) throw new Error('nothing was loaded');
        const byId = (all: Iterable<StoredOperation>) => [...all].toSorted((a, b) => (a.id < b.id ? -1 : 1));
        expect(byId(again.state.all()), `after ${writes} writes`).toEqual(byId(operations));
        expect(await eventsOf(again), `after ${writes} writes`).toEqual(events);
        expect(again.head).toMatchObject({ started: 300, bytes: 3000, events: 300 });
      }
      // What an unfinished attempt left goes with the next snapshot.
      const journal = journalOn(store);
      const loaded = await journal.load('t', 'x');
      if (loaded === undefined) throw new Error('nothing was loaded');
      expect(loaded.head.snapshot).toBeGreaterThan(299);
      for (let n = 301; n <= 600; n += 1)
        await journal.commit(loaded, { operations: [step(1)], events: [{ key: `k${n}`, type: `T${n}` }] });
      await journal.compact(loaded);
      expect((await rowsOf(store)).filter((row) => row.startsWith('s'))).toHaveLength(1);
      expect((await rowsOf(store)).length).toBeLessThan(5);
      const last = await journal.load('t', 'x');
      if (last === undefined) throw new Error('nothing was loaded');
      expect((await eventsOf(last)).map(({ i }) => i)).toEqual(Array.from({ length: 600 }, (_unused, n) => n + 1));
      expect((await eventsOf(last, 450)).map(({ i }) => i)[0]).toBe(450);
      // Keys are known although their records are gone.
      await journal.commit(last, { events: [{ key: 'k5', type: 'again' }] });
      expect(last.head.events).toBe(600);
    }));

  test('keeps texts that are larger than an item', () =>
    withStore(async (store) => {
      const journal = journalOn(store);
      const loaded = journal.begin('t', 'x');
      const payload = `${'"'.repeat(150_000)}${'😀'.repeat(60_000)}\u0001`;
      await journal.commit(loaded, { operations: [step(1, { payload }), step(2, { payload })] });
      expect((await journal.load('t', 'x'))?.state.get('s2')?.payload).toBe(payload);
      await journal.remove('t', 'x');
      expect(await rowsOf(store)).toEqual([]);
    }));
});
