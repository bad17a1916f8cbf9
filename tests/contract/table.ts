/** What every adapter's `Table` must do; DynamoDB's behaviour is the measure. */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Item, JsonValue, Page, Query, Table, TableSpec, Write } from '../../src/core/ports.ts';
import type { CreateStore } from './harness.ts';
import { failure, withStore } from './harness.ts';

const PLAIN: TableSpec = { name: 'Plain', partitionKey: 'id' };
const SORTED: TableSpec = {
  name: 'Sorted',
  partitionKey: 'owner',
  sortKey: 'at',
  indexes: [
    { name: 'byState', partitionKey: 'state', sortKey: 'at' },
    { name: 'byName', partitionKey: 'name' },
  ],
};

export function tableContract(label: string, create: CreateStore): void {
  describe(`Table of ${label}`, () => {
    itemTests(create);
    conditionTests(create);
    queryTests(create);
    indexTests(create);
    acrossTenantsTests(create);
    transactTests(create);
    expiryTests(create);
    refusalTests(create);
  });
}

/** Every page of a query, following the cursors. */
async function all(table: Table, query: Query): Promise<readonly Item[]> {
  const items: Item[] = [];
  let page: Page = await table.query(query);
  items.push(...page.items);
  while (page.cursor !== undefined) {
    page = await table.query({ ...query, cursor: page.cursor });
    items.push(...page.items);
  }
  return items;
}

async function fill(table: Table, sorts: readonly string[]): Promise<void> {
  await Promise.all(sorts.map((at) => table.put({ owner: 'ada', at })));
}

const sortsOf = (items: readonly Item[]) => items.map((item) => item['at'] as string);

function itemTests(create: CreateStore): void {
  test('an item comes back exactly as it was put', () =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      const item = {
        id: 'a#1',
        text: 'Zoë \u0000 \u2028 😀',
        nested: { deep: [1, 2.5, null, true, { x: {} }] },
        big: 9007199254740991,
        ['__proto__']: 'ordinary',
      };
      await table.put(item);
      expect(await table.get({ id: 'a#1' })).toEqual(item);
      expect(Object.hasOwn((await table.get({ id: 'a#1' })) ?? {}, '__proto__')).toBe(true);
    }));

  test('any JSON survives the trip', () =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      await fc.assert(
        fc.asyncProperty(fc.jsonValue(), async (value) => {
          await table.put({ id: 'k', value: value as JsonValue });
          const stored = await table.get({ id: 'k' });
          expect(JSON.stringify(stored?.['value'])).toBe(JSON.stringify(value));
        }),
        { numRuns: 60 },
      );
    }));

  test('a put replaces the whole item and a delete removes it', () =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      await table.put({ id: 'a', one: 1 });
      await table.put({ id: 'a', two: 2 });
      expect(await table.get({ id: 'a' })).toEqual({ id: 'a', two: 2 });
      await table.delete({ id: 'a' });
      expect(await table.get({ id: 'a' })).toBeUndefined();
    }));

  test('deleting what is not there is no error', () =>
    withStore(create, async (_, store) => {
      await expect(store.table(PLAIN).delete({ id: 'nobody' })).resolves.toBeUndefined();
    }));

  test('tables of one store do not mix', () =>
    withStore(create, async (_, store) => {
      await store.table(PLAIN).put({ id: 'a' });
      expect(await store.table({ name: 'Other', partitionKey: 'id' }).get({ id: 'a' })).toBeUndefined();
    }));
}

function conditionTests(create: CreateStore): void {
  test('exists: false lets the first of many concurrent puts win', () =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      const puts = Array.from({ length: 50 }, (_unused, n) => table.put({ id: 'one', n }, { exists: false }));
      const results = await Promise.allSettled(puts);
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
      const winner = results.findIndex((result) => result.status === 'fulfilled');
      expect(await table.get({ id: 'one' })).toEqual({ id: 'one', n: winner });
    }));

  test('a failed condition says so and writes nothing', () =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      await table.put({ id: 'a', version: 1 });
      await failure(table.put({ id: 'a', version: 9 }, { equals: { version: 2 } }), 'CONDITION_FAILED');
      await failure(table.delete({ id: 'a' }, { equals: { version: 2 } }), 'CONDITION_FAILED');
      await failure(table.put({ id: 'b' }, { exists: true }), 'CONDITION_FAILED');
      expect(await table.get({ id: 'a' })).toEqual({ id: 'a', version: 1 });
      expect(await table.get({ id: 'b' })).toBeUndefined();
    }));

  test.each<[string, JsonValue, JsonValue, boolean]>([
    ['numbers by value', 1, 1.0, true],
    ['strings by bytes', 'é', 'e\u0301', false],
    ['a number from its text', 1, '1', false],
    ['objects without regard to order', { a: 1, b: [{ c: null }] }, { b: [{ c: null }], a: 1 }, true],
    ['objects by all members', { a: 1 }, { a: 1, b: 2 }, false],
    ['arrays by order', [1, 2], [2, 1], false],
    ['null from an absent attribute', null, null, true],
  ])('equals tells %s', (_title, stored, expected, holds) =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      await table.put({ id: 'a', value: stored });
      const update = table.put({ id: 'a', value: 'new' }, { equals: { value: expected } });
      if (holds) await update;
      else await failure(update, 'CONDITION_FAILED');
    }),
  );

  test('equals: null does not hold for an attribute that is absent', () =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      await table.put({ id: 'a' });
      await failure(table.put({ id: 'a' }, { equals: { gone: null } }), 'CONDITION_FAILED');
    }));

  test('a condition may name key attributes by their own values', () =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      await table.put({ owner: 'ada', at: '1', state: 'queued' });
      await table.put({ owner: 'ada', at: '1', state: 'running' }, { equals: { owner: 'ada', state: 'queued' } });
      await failure(table.delete({ owner: 'ada', at: '1' }, { equals: { state: 'queued' } }), 'CONDITION_FAILED');
    }));

  test('one failed condition does not disturb the writes beside it', () =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      const results = await Promise.allSettled([
        table.put({ id: 'a' }),
        table.put({ id: 'b' }, { exists: true }),
        table.put({ id: 'c' }),
      ]);
      expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await table.get({ id: 'c' })).toEqual({ id: 'c' });
    }));

  test('compare-and-set loses no update of many writers', () =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      await table.put({ id: 'n', value: 0 });
      const increment = async (): Promise<void> => {
        const item = await table.get({ id: 'n' });
        const value = item?.['value'] as number;
        await table.put({ id: 'n', value: value + 1 }, { equals: { value } }).catch(increment);
      };
      await Promise.all(Array.from({ length: 20 }, increment));
      expect(await table.get({ id: 'n' })).toEqual({ id: 'n', value: 20 });
    }));
}

function queryTests(create: CreateStore): void {
  const SORTS = ['', 'a', 'aa', 'ab', 'b', 'Z', 'é', '\ud7ff', '\ue000', '\uffff', '😀'].filter((sort) => sort !== '');

  test('sort keys come in the order of their UTF-8 bytes', () =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      await fill(table, SORTS);
      const bytewise = SORTS.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(sortsOf(await all(table, { partition: 'ada' }))).toEqual(bytewise);
      expect(sortsOf(await all(table, { partition: 'ada', descending: true }))).toEqual(bytewise.toReversed());
    }));

  test.each<[string, Omit<Query, 'partition'>, readonly string[]]>([
    ['a prefix', { prefix: 'a' }, ['a', 'aa', 'ab']],
    ['a range, both ends included', { from: 'aa', to: 'b' }, ['aa', 'ab', 'b']],
    ['a lower end', { from: 'b' }, ['b', 'c']],
    ['an upper end', { to: 'aa' }, ['a', 'aa']],
    ['a prefix and an end', { prefix: 'a', from: 'aa' }, ['aa', 'ab']],
    ['descending', { prefix: 'a', descending: true }, ['ab', 'aa', 'a']],
    ['a prefix with characters of LIKE and GLOB', { prefix: '%' }, []],
    ['an empty prefix', { prefix: '' }, ['a', 'aa', 'ab', 'b', 'c']],
    ['nothing', { from: 'x' }, []],
  ])('a query takes %s', (_title, query, expected) =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      await fill(table, ['a', 'aa', 'ab', 'b', 'c']);
      await table.put({ owner: 'bob', at: 'a' });
      expect(sortsOf(await all(table, { partition: 'ada', ...query }))).toEqual(expected);
    }),
  );

  test('prefixes hold for any characters', () =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }).filter((value) => !value.includes('\0'));
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(text, { minLength: 1, maxLength: 8 }),
          text,
          fc.uuid(),
          async (sorts, prefix, owner) => {
            await Promise.all(sorts.map((at) => table.put({ owner, at })));
            const expected = sorts.filter((sort) => sort.startsWith(prefix));
            const found = sortsOf(await all(table, { partition: owner, prefix }));
            expect(found.toSorted()).toEqual(expected.toSorted());
          },
        ),
        { numRuns: 40 },
      );
    }));

  test.each([1, 3, 7, 100])('pages of %i show every item once, in both directions', (limit) =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      const sorts = Array.from({ length: 25 }, (_unused, n) => String(n).padStart(3, '0'));
      await fill(table, sorts);
      expect(sortsOf(await all(table, { partition: 'ada', limit }))).toEqual(sorts);
      expect(sortsOf(await all(table, { partition: 'ada', limit, descending: true }))).toEqual(sorts.toReversed());
      expect((await table.query({ partition: 'ada', limit })).items.length).toBeLessThanOrEqual(limit);
    }),
  );

  test('a cursor goes on although its item and its neighbours are gone', () =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      await fill(table, ['1', '2', '3', '4', '5']);
      const { cursor = '' } = await table.query({ partition: 'ada', limit: 2 });
      await Promise.all(['1', '2', '3'].map((at) => table.delete({ owner: 'ada', at })));
      expect(sortsOf(await all(table, { partition: 'ada', cursor }))).toEqual(['4', '5']);
    }));

  test('a page of large items ends early and goes on with its cursor', () =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      const body = 'x'.repeat(300_000);
      await Promise.all(['1', '2', '3', '4', '5', '6'].map((at) => table.put({ owner: 'ada', at, body })));
      const first = await table.query({ partition: 'ada' });
      expect(first.items.length).toBeLessThan(6);
      expect(sortsOf(await all(table, { partition: 'ada' }))).toEqual(['1', '2', '3', '4', '5', '6']);
    }));

  test('a foreign, damaged or forged cursor is refused', () =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      await fill(table, ['1', '2', '3']);
      await table.put({ owner: 'bob', at: '1' });
      const { cursor = '' } = await table.query({ partition: 'ada', limit: 1 });
      expect(cursor).not.toBe('');
      await failure(table.query({ partition: 'bob', cursor }), 'INVALID_CURSOR');
      await failure(table.query({ partition: 'ada', cursor: cursor.slice(4) }), 'INVALID_CURSOR');
      await failure(table.query({ partition: 'ada', cursor: 'W10' }), 'INVALID_CURSOR');
      await failure(table.query({ partition: 'ada', cursor: '' }), 'INVALID_CURSOR');
    }));
}

function indexTests(create: CreateStore): void {
  test('an index shows items by its own keys and follows every change', () =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      await table.put({ owner: 'ada', at: '1', state: 'queued', name: 'x' });
      await table.put({ owner: 'bob', at: '2', state: 'queued' });
      await table.put({ owner: 'cyd', at: '3' });
      expect(sortsOf(await all(table, { index: 'byState', partition: 'queued' }))).toEqual(['1', '2']);
      expect(await all(table, { index: 'byName', partition: 'x' })).toEqual([
        { owner: 'ada', at: '1', state: 'queued', name: 'x' },
      ]);
      await table.put({ owner: 'ada', at: '1', state: 'running' });
      await table.delete({ owner: 'bob', at: '2' });
      expect(await all(table, { index: 'byState', partition: 'queued' })).toEqual([]);
      expect(sortsOf(await all(table, { index: 'byState', partition: 'running' }))).toEqual(['1']);
      expect(await all(table, { index: 'byName', partition: 'x' })).toEqual([]);
    }));

  test('an index with equal sort keys pages through all of them', () =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      const owners = Array.from({ length: 12 }, (_unused, n) => `o${n}`);
      await Promise.all(owners.map((owner) => table.put({ owner, at: 'same', state: 's', name: 'n' })));
      for (const index of ['byState', 'byName']) {
        const partition = index === 'byState' ? 's' : 'n';
        for (const descending of [false, true]) {
          const items = await all(table, { index, partition, limit: 5, descending });
          expect(items.map((item) => item['owner'] as string).toSorted()).toEqual(owners.toSorted());
        }
      }
    }));

  test('an index takes prefixes, ranges and limits too', () =>
    withStore(create, async (_, store) => {
      const table = store.table(SORTED);
      await Promise.all(['1', '12', '2', '3'].map((at) => table.put({ owner: `o${at}`, at, state: 's' })));
      const query = { index: 'byState', partition: 's' };
      expect(sortsOf(await all(table, { ...query, prefix: '1' }))).toEqual(['1', '12']);
      expect(sortsOf(await all(table, { ...query, from: '2', descending: true }))).toEqual(['3', '2']);
      expect((await table.query({ ...query, limit: 1 })).items).toHaveLength(1);
    }));
}

const TIMERS: TableSpec = {
  name: 'Timers',
  partitionKey: 'id',
  indexes: [
    { name: 'byOwner', partitionKey: 'owner' },
    { name: 'due', partitionKey: 'dueBucket', sortKey: 'dueAt', acrossTenants: true },
  ],
};

function acrossTenantsTests(create: CreateStore): void {
  test('an index across tenants gives the system the items of all of them, as stored and in order', () =>
    withStore(create, async ({ root }) => {
      await root.store('b').table(TIMERS).put({ id: '1', owner: 'x', tenant: 'b', dueBucket: 'now', dueAt: '2' });
      await root.store('a').table(TIMERS).put({ id: '1', owner: 'x', tenant: 'a', dueBucket: 'now', dueAt: '1' });
      await root.store('a').table(TIMERS).put({ id: '2', owner: 'x', tenant: 'a', dueBucket: 'later', dueAt: '0' });
      const due = await all(root.systemStore().table(TIMERS), { index: 'due', partition: 'now' });
      expect(due).toEqual([
        { id: 'a#1', owner: 'a#x', tenant: 'a', dueBucket: 'now', dueAt: '1' },
        { id: 'b#1', owner: 'b#x', tenant: 'b', dueBucket: 'now', dueAt: '2' },
      ]);
      const limited = { index: 'due', partition: 'now', to: '1' };
      expect(await all(root.systemStore().table(TIMERS), limited)).toHaveLength(1);
    }));

  test('a tenant may not ask an index across tenants, and sees its own items as it put them', () =>
    withStore(create, async ({ root }) => {
      const table = root.store('a').table(TIMERS);
      const item = { id: '1', owner: 'x', tenant: 'a', dueBucket: 'now', dueAt: '1' };
      await table.put(item);
      await failure(table.query({ index: 'due', partition: 'now' }), 'INVALID_ARGUMENTS');
      expect(await table.get({ id: '1' })).toEqual(item);
      expect(await all(table, { index: 'byOwner', partition: 'x' })).toEqual([item]);
      await table.put({ id: '1', owner: 'y' }, { equals: { dueBucket: 'now' } });
      expect(await all(root.systemStore().table(TIMERS), { index: 'due', partition: 'now' })).toEqual([]);
    }));

  test("what the system puts back into an index across tenants stays its tenant's", () =>
    withStore(create, async ({ root }) => {
      await root.store('a').table(TIMERS).put({ id: '1', owner: 'x', tenant: 'a', dueBucket: 'now', dueAt: '1' });
      const system = root.systemStore().table(TIMERS);
      const [item] = await all(system, { index: 'due', partition: 'now' });
      await system.put({ ...item, dueAt: '7' });
      expect(await root.store('a').table(TIMERS).get({ id: '1' })).toMatchObject({ id: '1', owner: 'x', dueAt: '7' });
      expect(await root.store('b').table(TIMERS).get({ id: '1' })).toBeUndefined();
    }));

  test('an attribute cannot be stored with the tenant and without', () =>
    withStore(create, async (_, store) => {
      const indexes = [{ name: 'due', partitionKey: 'id', acrossTenants: true }] as const;
      const mixed = async (): Promise<void> => store.table({ ...TIMERS, name: 'Mixed', indexes }).put({ id: '1' });
      await failure(mixed(), 'INVALID_ARGUMENTS');
    }));
}

function transactTests(create: CreateStore): void {
  test('a transaction writes all, across tables', () =>
    withStore(create, async (_, store) => {
      await store.table(PLAIN).put({ id: 'old' });
      await store.transact([
        { put: { id: 'new' }, table: PLAIN, condition: { exists: false } },
        { put: { owner: 'ada', at: '1', state: 's' }, table: SORTED },
        { delete: { id: 'old' }, table: PLAIN, condition: { exists: true } },
      ]);
      expect(await store.table(PLAIN).get({ id: 'new' })).toEqual({ id: 'new' });
      expect(await store.table(PLAIN).get({ id: 'old' })).toBeUndefined();
      expect(await all(store.table(SORTED), { index: 'byState', partition: 's' })).toHaveLength(1);
    }));

  test.each([0, 1, 99])('a transaction whose write %i fails writes nothing and names it', (index) =>
    withStore(create, async (_, store) => {
      const writes: Write[] = Array.from({ length: 100 }, (_unused, n) => ({ put: { id: `k${n}` }, table: PLAIN }));
      writes[index] = { put: { id: `k${index}` }, table: PLAIN, condition: { exists: true } };
      const error = await failure(store.transact(writes), 'CONDITION_FAILED');
      expect(error.details['index']).toBe(index);
      for (const n of [0, 1, 50, 99]) expect(await store.table(PLAIN).get({ id: `k${n}` })).toBeUndefined();
    }),
  );

  test('a transaction of 101 writes, or of two on one item, is refused', () =>
    withStore(create, async (_, store) => {
      const many: Write[] = Array.from({ length: 101 }, (_unused, n) => ({ put: { id: `k${n}` }, table: PLAIN }));
      await failure(store.transact(many), 'INVALID_ARGUMENTS');
      const twice: Write[] = [
        { put: { id: 'a' }, table: PLAIN },
        { delete: { id: 'a' }, table: PLAIN },
      ];
      await failure(store.transact(twice), 'INVALID_ARGUMENTS');
      expect(await store.table(PLAIN).get({ id: 'k0' })).toBeUndefined();
    }));

  test('an empty transaction is done at once', () =>
    withStore(create, async (_, store) => {
      await expect(store.transact([])).resolves.toBeUndefined();
    }));
}

function expiryTests(create: CreateStore): void {
  test('an expired item is hidden from get, query and index, and counts as absent', () =>
    withStore(create, async (harness, store) => {
      const table = store.table(SORTED);
      const expiresAt = Math.floor(harness.nowMs() / 1000) + 60;
      await table.put({ owner: 'ada', at: '1', state: 's', expiresAt });
      await table.put({ owner: 'ada', at: '2', state: 's' });
      harness.advance(59_000);
      expect(await table.get({ owner: 'ada', at: '1' })).toBeDefined();
      harness.advance(2000);
      expect(await table.get({ owner: 'ada', at: '1' })).toBeUndefined();
      expect(sortsOf(await all(table, { partition: 'ada' }))).toEqual(['2']);
      expect(sortsOf(await all(table, { index: 'byState', partition: 's' }))).toEqual(['2']);
      await failure(table.put({ owner: 'ada', at: '1' }, { exists: true }), 'CONDITION_FAILED');
      await table.put({ owner: 'ada', at: '1', fresh: true }, { exists: false });
      expect(await table.get({ owner: 'ada', at: '1' })).toEqual({ owner: 'ada', at: '1', fresh: true });
    }));
}

function refusalTests(create: CreateStore): void {
  test('an item of 400 KB is taken and one byte more is refused', () =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      // The stored text also holds the tenant's prefix.
      const room = 400 * 1024 - JSON.stringify({ id: 'team-x#a', body: '' }).length;
      await table.put({ id: 'a', body: 'x'.repeat(room) });
      await failure(table.put({ id: 'a', body: 'x'.repeat(room + 1) }), 'ITEM_TOO_LARGE');
      await failure(table.put({ id: 'a', body: 'é'.repeat(room / 2 + 1) }), 'ITEM_TOO_LARGE');
      expect((await table.get({ id: 'a' }))?.['body']).toHaveLength(room);
    }));

  test.each<[string, JsonValue | undefined]>([
    ['absent', undefined],
    ['empty', ''],
    ['a number', 7],
    ['a boolean', true],
    ['null', null],
    ['with NUL', 'a\0b'],
    ['with half a surrogate pair', 'a\ud800'],
    ['over 2 KB', 'k'.repeat(2100)],
  ])('a key that is %s is refused', (_title, id) =>
    withStore(create, async (_, store) => {
      const table = store.table(PLAIN);
      const key = { id } as never;
      await failure(table.put(key), 'INVALID_ARGUMENTS');
      await failure(table.get(key), 'INVALID_ARGUMENTS');
      await failure(table.delete(key), 'INVALID_ARGUMENTS');
      await failure(table.query({ partition: id as never }), 'INVALID_ARGUMENTS');
    }),
  );

  test.each<[string, Query]>([
    ['a limit of 0', { partition: 'a', limit: 0 }],
    ['a limit over 1,000', { partition: 'a', limit: 1001 }],
    ['a broken limit', { partition: 'a', limit: 1.5 }],
    ['an unknown index', { partition: 'a', index: 'nope' }],
    ['a range without a sort key', { partition: 'a', index: 'byName', prefix: 'x' }],
  ])('a query with %s is refused', (_title, query) =>
    withStore(create, async (_, store) => {
      await failure(store.table(SORTED).query(query), 'INVALID_ARGUMENTS');
    }),
  );

  test('an index attribute that is no string is refused', () =>
    withStore(create, async (_, store) => {
      await failure(store.table(SORTED).put({ owner: 'ada', at: '1', state: 7 }), 'INVALID_ARGUMENTS');
    }));
}
