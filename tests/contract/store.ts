/** What every adapter's `StoreRoot` must do: above all, keep tenants apart. */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlatformError } from '../../src/core/errors.ts';
import type { Item, TableSpec } from '../../src/core/ports.ts';
import type { CreateStore } from './harness.ts';
import { failure, withStore } from './harness.ts';

const JOBS: TableSpec = {
  name: 'Jobs',
  partitionKey: 'id',
  sortKey: 'at',
  indexes: [{ name: 'byState', partitionKey: 'state', sortKey: 'at' }],
};
const LEASE = { max: 10, visibilityMs: 1000 };
const TEXT = { contentType: 'text/plain' };

export function storeContract(label: string, create: CreateStore): void {
  describe(`StoreRoot of ${label}`, () => {
    isolationTests(create);
    systemTests(create);
    lifeTests(create);
  });
}

function isolationTests(create: CreateStore): void {
  test('no tenant sees, changes or counts what another has, under the same names', () =>
    withStore(create, async ({ root }) => {
      const [a, b] = [root.store('team-a'), root.store('team-b')];
      await a.table(JOBS).put({ id: '1', at: 'x', state: 'queued' });
      await a.queue('q').send('secret');
      await a.blobs.put('k', new Uint8Array([1]), TEXT);
      await a.changes.publish('t');
      expect(await b.table(JOBS).get({ id: '1', at: 'x' })).toBeUndefined();
      expect((await b.table(JOBS).query({ partition: '1' })).items).toEqual([]);
      expect((await b.table(JOBS).query({ index: 'byState', partition: 'queued' })).items).toEqual([]);
      expect(await b.queue('q').receive(LEASE)).toEqual([]);
      expect(await b.blobs.get('k')).toBeUndefined();
      expect(await b.changes.read(0)).toEqual([]);
      expect(await b.changes.head()).toBe(0);
      await b.table(JOBS).delete({ id: '1', at: 'x' });
      await b.blobs.delete('k');
      await b.table(JOBS).put({ id: '1', at: 'x', state: 'queued', mine: true }, { exists: false });
      expect(await a.table(JOBS).get({ id: '1', at: 'x' })).toEqual({ id: '1', at: 'x', state: 'queued' });
      expect(await a.blobs.get('k')).toHaveLength(1);
    }));

  test('a receipt and a cursor of one tenant are worth nothing to another', () =>
    withStore(create, async ({ root }) => {
      const [a, b] = [root.store('team-a'), root.store('team-b')];
      await a.queue('q').send(1);
      const [message] = await a.queue('q').receive(LEASE);
      expect(await b.queue('q').ack(message?.receipt ?? '')).toBe(false);
      for (const store of [a, b]) for (const at of ['1', '2']) await store.table(JOBS).put({ id: 'j', at });
      const { cursor = '' } = await a.table(JOBS).query({ partition: 'j', limit: 1 });
      await failure(b.table(JOBS).query({ partition: 'j', cursor }), 'INVALID_CURSOR');
    }));

  test('an operation history of three tenants never mixes them', () =>
    withStore(create, async ({ root }) => {
      const tenants = ['a', 'a.b', 'a-b'];
      const operation = fc.record({
        tenant: fc.constantFrom(...tenants),
        id: fc.constantFrom('1', 'a#1', '#', 'b'),
        action: fc.constantFrom('put', 'delete', 'get', 'query'),
      });
      const model = new Map<string, Item>();
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 30 }), async (operations) => {
          run += 1;
          for (const { tenant, id, action } of operations) {
            const table = root.store(tenant).table(JOBS);
            const key = `${tenant} ${id}`;
            const item = { id, at: 'x', state: 's', by: tenant, run };
            if (action === 'put') {
              await table.put(item);
              model.set(key, item);
            } else if (action === 'delete') {
              await table.delete({ id, at: 'x' });
              model.delete(key);
            } else if (action === 'get') {
              expect(await table.get({ id, at: 'x' })).toEqual(model.get(key));
            } else {
              const { items } = await table.query({ index: 'byState', partition: 's' });
              const mine = [...model].filter(([name]) => name.startsWith(`${tenant} `)).map(([, value]) => value);
              expect(items.map((value) => value['id'] as string).toSorted()).toEqual(
                mine.map((value) => value['id'] as string).toSorted(),
              );
              expect(items.every((value) => value['by'] === tenant)).toBe(true);
            }
          }
        }),
        { numRuns: 30 },
      );
    }));

  test.each(['', '#', 'a#b', '.a', '-a', 'a/b', 'a\0', 'é', 'x'.repeat(64), '../a', 'a\n'])(
    'the tenant %j is refused',
    (tenant) =>
      withStore(create, async ({ root }) => {
        expect(() => root.store(tenant)).toThrow(PlatformError);
      }),
  );

  test('tenants are compared byte for byte', () =>
    withStore(create, async ({ root }) => {
      await root.store('Team').table(JOBS).put({ id: '1', at: 'x' });
      expect(await root.store('team').table(JOBS).get({ id: '1', at: 'x' })).toBeUndefined();
    }));
}

function systemTests(create: CreateStore): void {
  test('the system store sees and writes stored values across tenants', () =>
    withStore(create, async ({ root }) => {
      await root.store('team-a').table(JOBS).put({ id: '1', at: 'x', state: 'queued' });
      const system = root.systemStore().table(JOBS);
      const stored = { id: 'team-a#1', at: 'x', state: 'team-a#queued' };
      expect(await system.get({ id: 'team-a#1', at: 'x' })).toEqual(stored);
      expect((await system.query({ index: 'byState', partition: 'team-a#queued' })).items).toEqual([stored]);
      await system.put({ ...stored, state: 'team-a#done' }, { equals: { state: 'team-a#queued' } });
      expect(await root.store('team-a').table(JOBS).get({ id: '1', at: 'x' })).toEqual({
        id: '1',
        at: 'x',
        state: 'done',
      });
    }));

  test('the system store hears the changes of every tenant', () =>
    withStore(create, async ({ root }) => {
      const heard: string[] = [];
      const stop = root.systemStore().changes.watch((change) => heard.push(change.topic));
      await root.store('team-a').changes.publish('one');
      await root.store('team-b').changes.publish('two');
      await expect.poll(() => heard, { timeout: 1000, interval: 5 }).toEqual(['team-a#one', 'team-b#two']);
      stop();
    }));

  test('the system store reaches queues and blobs by their stored names', () =>
    withStore(create, async ({ root }) => {
      await root.store('team-a').queue('q').send('x');
      await root.store('team-a').blobs.put('k', new Uint8Array([7]), TEXT);
      expect(await root.systemStore().queue('team-a#q').receive(LEASE)).toMatchObject([{ body: 'x' }]);
      expect(await root.systemStore().blobs.get('team-a#k')).toEqual(new Uint8Array([7]));
    }));
}

function lifeTests(create: CreateStore): void {
  test('check passes while the store takes writes and fails once it is closed', () =>
    withStore(create, async ({ root }) => {
      await Promise.all([root.check(), root.check()]);
      await root.close();
      await failure(root.check(), 'STORE_UNAVAILABLE');
      await failure(root.store('a').table(JOBS).put({ id: '1', at: 'x' }), 'STORE_UNAVAILABLE');
      await failure(root.store('a').table(JOBS).get({ id: '1', at: 'x' }), 'STORE_UNAVAILABLE');
    }));

  test('writes under way when it closes are finished, and closing twice is harmless', () =>
    withStore(create, async ({ root }) => {
      const puts = Array.from({ length: 600 }, (_unused, n) =>
        root
          .store('a')
          .table(JOBS)
          .put({ id: String(n), at: 'x' }),
      );
      // The table is new, so its writes first wait for it to be recorded.
      await puts[0];
      const closing = root.close();
      const settled = await Promise.allSettled(puts);
      await Promise.all([closing, root.close()]);
      expect(settled.filter((result) => result.status === 'rejected')).toEqual([]);
    }));
}
