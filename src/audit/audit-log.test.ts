import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fakeClock } from '../../tests/contract/fake-clock.ts';
import { openMemoryStore } from '../adapters/embedded/store/store.ts';
import { PlatformError } from '../core/errors.ts';
import type { Item, StoreRoot, TableSpec } from '../core/ports.ts';
import { textOf } from '../core/json.ts';
import { AuditLog } from './audit-log.ts';
import { AUDIT_CHAINS, AUDIT_RECORDS, canonical } from './audit-record.ts';
import type { AuditEntry } from './audit-trail.ts';
import { auditHead, parseHead } from './head.ts';
import { listAudit, verifyAudit } from './verify.ts';

const KEY = new Uint8Array(32).fill(7);
const THINGS: TableSpec = { name: 'things', partitionKey: 'id' };
const DAY_MS = 86_400_000;

const entry = (id: string): AuditEntry => ({
  action: 'thing-made',
  resource: { type: 'thing', id },
  principal: 'ada',
  requestId: `r-${id}`,
  details: { size: 1 },
});

async function withLog(
  run: (at: {
    log: AuditLog;
    store: StoreRoot;
    clock: ReturnType<typeof fakeClock>;
    make: (id: string) => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  const clock = fakeClock();
  const store = await openMemoryStore({ clock });
  const log = new AuditLog({ store, clock, writer: 'w1', key: KEY });
  const make = (id: string): Promise<void> =>
    log.commit('team-x', [{ put: { id }, table: THINGS, condition: { exists: false } }], [entry(id)]);
  try {
    await run({ log, store, clock, make });
  } finally {
    await store.close();
  }
}

const verify = (store: StoreRoot, tenant = 'team-x') => verifyAudit(store, tenant, KEY);

/** Rewrites one stored record, as somebody with the database file could. */
async function tamper(store: StoreRoot, position: number, change: (item: Item) => Item | undefined): Promise<void> {
  const [head] = (await store.store('team-x').table(AUDIT_CHAINS).query({ partition: 'chains' })).items;
  const table = store.store('team-x').table(AUDIT_RECORDS);
  const key = { chain: textOf(head?.['chain']), position: String(position).padStart(10, '0') };
  const item = await table.get(key);
  if (item === undefined) throw new Error('no such record');
  const changed = change(item);
  if (changed === undefined) await table.delete(key);
  else await table.put(changed);
}

test('a record is written with its change, in order, and the trail verifies', () =>
  withLog(async ({ store, make }) => {
    for (const id of ['a', 'b', 'c']) await make(id);
    expect(await verify(store)).toMatchObject({ isIntact: true, chains: 1, records: 3, problems: [] });
    const { records } = await listAudit(store, 'team-x');
    expect(records.map(({ sequence, entry: { resource } }) => [sequence, resource.id])).toEqual([
      [3, 'c'],
      [2, 'b'],
      [1, 'a'],
    ]);
    expect(await verify(store, 'team-y')).toMatchObject({ isIntact: true, records: 0 });
  }));

test('a change whose condition fails leaves no record, and does not hold up those that came with it', () =>
  withLog(async ({ store, make }) => {
    await make('a');
    const outcomes = await Promise.allSettled(['b', 'a', 'c', 'a', 'd'].map(make));
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'CONDITION_FAILED', details: { index: 0 } } });
    expect(await verify(store)).toMatchObject({ isIntact: true, records: 4 });
  }));

test('a change that no store could write leaves those that came with it alone', () =>
  withLog(async ({ store, log, make }) => {
    await make('a');
    const bad = log.commit(
      'team-x',
      [{ put: { id: 'big', text: 'x'.repeat(500_000) }, table: THINGS }],
      [entry('big')],
    );
    const outcomes = await Promise.allSettled([make('b'), bad, make('c')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await verify(store)).toMatchObject({ isIntact: true, records: 3 });
  }));

test('many changes at once share commits and keep one order', () =>
  withLog(async ({ store, make }) => {
    await Promise.all(Array.from({ length: 150 }, (_none, at) => make(`t${at}`)));
    expect(await verify(store)).toMatchObject({ isIntact: true, records: 150 });
  }));

test('each day and each writer has a chain, and a lost chain is noticed', () =>
  withLog(async ({ store, clock, make }) => {
    await make('a');
    clock.advance(DAY_MS);
    await make('b');
    clock.advance(DAY_MS);
    await make('c');
    const other = new AuditLog({ store, clock, writer: 'w2', key: KEY });
    await other.commit('team-x', [], [entry('d')]);
    expect(await verify(store)).toMatchObject({ isIntact: true, chains: 4, records: 4 });
    const chains = store.store('team-x').table(AUDIT_CHAINS);
    const [, second] = (await chains.query({ partition: 'chains' })).items;
    await chains.delete({ group: 'chains', chain: textOf(second?.['chain']) });
    expect((await verify(store)).problems).toEqual([expect.objectContaining({ problem: 'missing', sequence: 1 })]);
  }));

test.each([
  [
    'edited',
    2,
    (item: Item): Item => ({ ...item, entry: { ...(item['entry'] as object), principal: 'eve' } as never }),
  ],
  ['edited', 1, (item: Item): Item => ({ ...item, at: '2020-01-01T00:00:00.000Z' })],
  ['missing', 2, (): undefined => undefined],
  ['missing', 3, (): undefined => undefined],
  ['seal', 3, (item: Item): Item => ({ ...item, seal: 'f'.repeat(64) })],
] as const)('a record that was %s is named: %i', (problem, position, change) =>
  withLog(async ({ store, make }) => {
    for (const id of ['a', 'b', 'c']) await make(id);
    await tamper(store, position, change);
    const { isIntact, problems } = await verify(store);
    expect(isIntact).toBe(false);
    expect(problems).toEqual([expect.objectContaining({ problem, sequence: position })]);
  }),
);

test('any change of any field of any record is noticed at that record', () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('at', 'previous', 'hash', 'seal', 'entry'),
      (position, field) =>
        withLog(async ({ store, make }) => {
          for (const id of ['a', 'b', 'c', 'd']) await make(id);
          await tamper(store, position, (item) => ({
            ...item,
            [field]: field === 'entry' ? {} : `x${textOf(item[field])}`,
          }));
          const { problems } = await verify(store);
          expect(problems.map(({ sequence }) => sequence)).toEqual([position]);
        }),
    ),
    { numRuns: 20 },
  ));

test('a store whose records were made with another key does not verify', () =>
  withLog(async ({ store, make }) => {
    await make('a');
    const verdict = await verifyAudit(store, 'team-x', new Uint8Array(32).fill(8));
    expect(verdict.problems).toEqual([expect.objectContaining({ problem: 'seal', sequence: 1 })]);
  }));

/** Removes a chain with its end, or all of them, as somebody with the database file could. */
async function removeChains(store: StoreRoot, which: (chain: string, at: number) => boolean): Promise<void> {
  const [chains, records] = [AUDIT_CHAINS, AUDIT_RECORDS].map((spec) => store.store('team-x').table(spec));
  const { items = [] } = (await chains?.query({ partition: 'chains' })) ?? {};
  for (const [at, { chain }] of items.entries()) {
    if (!which(textOf(chain), at)) continue;
    const page = await records?.query({ partition: textOf(chain) });
    for (const { position } of page?.items ?? [])
      await records?.delete({ chain: textOf(chain), position: textOf(position) });
    await chains?.delete({ group: 'chains', chain: textOf(chain) });
  }
}

const restarted = (store: StoreRoot, clock: ReturnType<typeof fakeClock>, writer: string): AuditLog =>
  new AuditLog({ store, clock, writer, key: KEY });

test('a process goes on from where the one before it ended, so that no chain but the last can go unnoticed', () =>
  withLog(async ({ store, clock, make }) => {
    await make('a');
    await restarted(store, clock, 'w2').commit('team-x', [], [entry('b')]);
    await restarted(store, clock, 'w3').commit('team-x', [], [entry('c')]);
    expect(await verify(store)).toMatchObject({ isIntact: true, chains: 3, records: 3 });
    await removeChains(store, (chain) => chain.endsWith('#w2'));
    const { problems } = await verify(store);
    expect(problems).toEqual([expect.objectContaining({ chain: '2026-11-01#w3', problem: 'missing', sequence: 1 })]);
  }));

test('a chain that wrote on after another process had begun is no fault', () =>
  withLog(async ({ store, clock, make }) => {
    await make('a');
    await restarted(store, clock, 'w2').commit('team-x', [], [entry('b')]);
    await make('c');
    expect(await verify(store)).toMatchObject({ isIntact: true, chains: 2, records: 3 });
    expect((await auditHead(store, 'team-x')).records).toMatchObject([
      { chain: '2026-11-01#w1', sequence: 2 },
      { chain: '2026-11-01#w2', sequence: 1 },
    ]);
  }));

test('a head that was kept still holds after more was written, in the same chain and in others', () =>
  withLog(async ({ store, clock, make }) => {
    expect(await auditHead(store, 'team-x')).toEqual({ head: '', records: [] });
    await make('a');
    const { head } = await auditHead(store, 'team-x');
    await make('b');
    clock.advance(DAY_MS);
    await make('c');
    expect(await verifyAudit(store, 'team-x', KEY, parseHead(head))).toMatchObject({ isIntact: true, records: 3 });
  }));

test.each([
  ['all of it', () => true],
  ['what one process wrote last', (chain: string) => chain.endsWith('#w2')],
] as const)(
  'a trail from which %s was removed, ends and all, is intact by itself, but lacks the kept head',
  (_what, which) =>
    withLog(async ({ store, clock, make }) => {
      await make('a');
      await restarted(store, clock, 'w2').commit('team-x', [], [entry('b')]);
      const { head, records } = await auditHead(store, 'team-x');
      expect(records).toMatchObject([{ chain: '2026-11-01#w2', sequence: 1 }]);
      await removeChains(store, which);
      expect(await verify(store)).toMatchObject({ isIntact: true });
      const { isIntact, problems } = await verifyAudit(store, 'team-x', KEY, parseHead(head));
      expect(isIntact).toBe(false);
      expect(problems).toEqual([expect.objectContaining({ chain: '2026-11-01#w2', sequence: 1, problem: 'missing' })]);
    }),
);

test('a trail that was put back to what it once was, seals and all, lacks the kept head', () =>
  withLog(async ({ store, make }) => {
    await make('a');
    const chains = store.store('team-x').table(AUDIT_CHAINS);
    const [before] = (await chains.query({ partition: 'chains' })).items;
    await make('b');
    const { head } = await auditHead(store, 'team-x');
    await tamper(store, 2, () => undefined);
    await chains.put(before ?? {});
    expect(await verify(store)).toMatchObject({ isIntact: true, records: 1 });
    const { problems } = await verifyAudit(store, 'team-x', KEY, parseHead(head));
    expect(problems).toEqual([expect.objectContaining({ sequence: 2, problem: 'missing' })]);
  }));

test.each(['', 'nothing', '2026-11-01#w1:1', `2026-11-01#w1:1:${'0'.repeat(64)},x`])('"%s" is no head', (text) => {
  expect(() => parseHead(text)).toThrow(/zeroplane audit head/);
});

describe('of two processes that write on one store', () => {
  const two = (
    run: (at: {
      first: (id: string) => Promise<void>;
      second: (id: string) => Promise<void>;
      store: StoreRoot;
      clock: ReturnType<typeof fakeClock>;
    }) => Promise<void>,
  ): Promise<void> =>
    withLog(async ({ store, clock, make }) => {
      const other = restarted(store, clock, 'w2');
      const second = (id: string): Promise<void> => other.commit('team-x', [], [entry(id)]);
      await run({ first: make, second, store, clock });
    });

  test('each holds what the other has written, so that its chain cannot go unnoticed', () =>
    two(async ({ first, second, store, clock }) => {
      await first('a');
      for (const id of ['b', 'c']) await second(id);
      clock.advance(60_000);
      await first('d');
      const { records } = await listAudit(store, 'team-x');
      expect(records.find(({ entry: { resource } }) => resource.id === 'd')?.beside).toMatchObject([
        { chain: '2026-11-01#w2', sequence: 2 },
      ]);
      expect(await verify(store)).toMatchObject({ isIntact: true, records: 4 });
      await removeChains(store, (chain) => chain.endsWith('#w2'));
      expect((await verify(store)).problems).toEqual([
        expect.objectContaining({ chain: '2026-11-01#w2', sequence: 2, problem: 'missing' }),
      ]);
    }));

  test('the end of one that was cut back, seal and all, is missed by the other', () =>
    two(async ({ first, second, store, clock }) => {
      await first('a');
      await second('b');
      const chains = store.store('team-x').table(AUDIT_CHAINS);
      const before = await chains.get({ group: 'chains', chain: '2026-11-01#w2' });
      await second('c');
      clock.advance(60_000);
      await first('d');
      await store.store('team-x').table(AUDIT_RECORDS).delete({ chain: '2026-11-01#w2', position: '0000000002' });
      await chains.put(before ?? {});
      expect((await verify(store)).problems).toEqual([
        expect.objectContaining({ chain: '2026-11-01#w2', sequence: 2, problem: 'missing' }),
      ]);
    }));

  test('nothing is named twice, and no record is larger for it within a minute', () =>
    two(async ({ first, second, store, clock }) => {
      await first('a');
      await second('b');
      await first('c');
      clock.advance(60_000);
      for (const id of ['d', 'e']) await first(id);
      clock.advance(60_000);
      await first('f');
      const { records } = await listAudit(store, 'team-x');
      const naming = records.filter(({ beside }) => beside !== undefined).map(({ entry: { resource } }) => resource.id);
      expect(naming).toEqual(['d']);
    }));

  test('what one wrote last is missed by a kept head alone, which has a record of each', () =>
    two(async ({ first, second, store, clock }) => {
      await first('a');
      await second('b');
      clock.advance(60_000);
      await first('c');
      const chains = store.store('team-x').table(AUDIT_CHAINS);
      const before = await chains.get({ group: 'chains', chain: '2026-11-01#w2' });
      await second('d');
      const { head, records } = await auditHead(store, 'team-x');
      expect(records.map(({ chain }) => chain)).toEqual(['2026-11-01#w1', '2026-11-01#w2']);
      const last = { chain: '2026-11-01#w2', position: '0000000002' };
      await store.store('team-x').table(AUDIT_RECORDS).delete(last);
      await chains.put(before ?? {});
      expect(await verify(store)).toMatchObject({ isIntact: true });
      expect((await verifyAudit(store, 'team-x', KEY, parseHead(head))).isIntact).toBe(false);
    }));
});

test('two writers that commit at once keep a chain each, and both verify', () =>
  withLog(async ({ store, clock, make }) => {
    const other = restarted(store, clock, 'w2');
    const ids = Array.from({ length: 60 }, (_none, at) => `t${at}`);
    await Promise.all(
      ids.map((id, at) =>
        at % 2 === 0
          ? make(id)
          : other.commit('team-x', [{ put: { id }, table: THINGS, condition: { exists: false } }], [entry(id)]),
      ),
    );
    expect(await verify(store)).toMatchObject({ isIntact: true, chains: 2, records: 60 });
  }));

/** A store that makes a commit and says that it failed, as one far away may. */
function forgetful(root: StoreRoot, isForgotten: () => boolean): StoreRoot {
  return {
    ...root,
    store: (tenant) => {
      const store = root.store(tenant);
      return {
        tenant,
        table: (spec) => store.table(spec),
        transact: async (writes) => {
          await store.transact(writes);
          if (isForgotten()) throw new PlatformError('STORE_UNAVAILABLE', 'No answer came.');
        },
        queue: (name, options) => store.queue(name, options),
        blobs: store.blobs,
        changes: store.changes,
      };
    },
  };
}

test('a commit that was made although the store said otherwise does not stop those after it', () =>
  withLog(async ({ store, clock }) => {
    let isForgotten = true;
    const log = restarted(
      forgetful(store, () => isForgotten),
      clock,
      'w1',
    );
    await expect(log.commit('team-x', [], [entry('a')])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    isForgotten = false;
    await log.commit('team-x', [], [entry('b')]);
    expect(await verify(store)).toMatchObject({ isIntact: true, records: 2 });
  }));

test('a record that was put behind the end stops changes with the way out, and is never taken for a lost race', () =>
  withLog(async ({ store, log, make }) => {
    await make('a');
    await store.store('team-x').table(AUDIT_RECORDS).put({ chain: '2026-11-01#w1', position: '0000000002' });
    await expect(log.commit('team-x', [], [entry('b')])).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining('zeroplane audit verify') as string,
    });
  }));

test('pages of the trail meet without gap or repeat, across chains', () =>
  withLog(async ({ store, clock, make }) => {
    for (let at = 0; at < 7; at++) {
      await make(`t${at}`);
      if (at % 3 === 2) clock.advance(DAY_MS);
    }
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listAudit(store, 'team-x', { limit: 2, cursor });
      found.push(...page.records.map(({ entry: { resource } }) => resource.id));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(found).toEqual(['t6', 't5', 't4', 't3', 't2', 't1', 't0']);
  }));

test('equal values have equal canonical text', () => {
  expect(canonical({ b: [1, { d: null, c: 'x' }], a: undefined })).toBe('{"b":[1,{"c":"x","d":null}]}');
});
