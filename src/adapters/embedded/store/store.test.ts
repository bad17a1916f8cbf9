import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FakeClock } from '../../../../tests/contract/fake-clock.ts';
import { fakeClock } from '../../../../tests/contract/fake-clock.ts';
import { failure } from '../../../../tests/contract/harness.ts';
import type { StoreRoot, TableSpec } from '../../../core/ports.ts';
import { hasNodeSqlite, openDriver, prepareConnection } from './open-driver.ts';
import { openEmbeddedStore, openMemoryStore } from './store.ts';

const PLAIN: TableSpec = { name: 'Plain', partitionKey: 'id' };
const LEASE = { max: 10, visibilityMs: 30_000 };

async function withFolder(body: (folder: string, clock: FakeClock) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-store-'));
  try {
    await body(folder, fakeClock());
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Opens, hands over, closes. */
async function session(folder: string, clock: FakeClock, body: (root: StoreRoot) => Promise<void>): Promise<void> {
  const root = await openEmbeddedStore({ folder, clock });
  try {
    await body(root);
  } finally {
    await root.close();
  }
}

describe('the data folder', () => {
  test('is private and ignored by git', () =>
    withFolder(async (parent, clock) => {
      const folder = join(parent, 'a', '.zeroplane');
      await session(folder, clock, async () => {
        expect((await stat(folder)).mode & 0o777).toBe(0o700);
        expect(await readFile(join(folder, '.gitignore'), 'utf8')).toBe('*\n');
      });
    }));

  test('keeps a .gitignore that somebody changed', () =>
    withFolder(async (folder, clock) => {
      await writeFile(join(folder, '.gitignore'), '# mine\n');
      await session(folder, clock, async () => undefined);
      expect(await readFile(join(folder, '.gitignore'), 'utf8')).toBe('# mine\n');
    }));

  test('that is a project gets no .gitignore', () =>
    withFolder(async (folder, clock) => {
      await writeFile(join(folder, 'package.json'), '{}');
      await session(folder, clock, async () => undefined);
      expect(existsSync(join(folder, '.gitignore'))).toBe(false);
    }));

  test('others may enter still keeps its data to its owner', () =>
    withFolder(async (parent, clock) => {
      const folder = join(parent, 'shared');
      await mkdir(folder, { mode: 0o755 });
      await session(folder, clock, async (root) => {
        await root.check();
        for (const name of ['store.db', 'store.db-wal', 'store.owner.json']) {
          expect((await stat(join(folder, name))).mode & 0o077, name).toBe(0);
        }
      });
    }));

  test.each(['a-file/data', 'a-file'])('that cannot be made ("%s") is named at start', (name) =>
    withFolder(async (parent, clock) => {
      await writeFile(join(parent, 'a-file'), 'x');
      const folder = join(parent, name);
      const error = await failure(openEmbeddedStore({ folder, clock }), 'STORE_UNAVAILABLE');
      expect(error.message).toContain(folder);
      expect(error.message).toContain('--data-dir');
    }),
  );

  test.runIf(process.platform === 'linux')('where no folder can be made is an error and not a wait without end', () =>
    withFolder(async (_parent, clock) => {
      const error = await failure(openEmbeddedStore({ folder: '/proc/zeroplane/data', clock }), 'STORE_UNAVAILABLE');
      expect(error.message).toContain('/proc/zeroplane/data');
    }),
  );

  test('serves one store at a time, and says who has it', () =>
    withFolder(async (folder, clock) => {
      await session(folder, clock, async (root) => {
        const error = await failure(openEmbeddedStore({ folder, clock }), 'STORE_LOCKED');
        expect(error.details).toEqual({ folder, pid: process.pid });
        expect(error.message).toContain(folder);
        expect(error.message).toContain(`process ${process.pid}`);
        await root.check();
      });
      expect(existsSync(join(folder, 'store.owner.json'))).toBe(false);
      await session(folder, clock, (root) => root.check());
    }));

  test('is refused to a second process while the first lives, however the first then ends', () =>
    withFolder(async (folder, clock) => {
      const holder = spawn(process.execPath, [
        '--import',
        'tsx',
        join(import.meta.dirname, '../../../../tests/faults/store-writer.ts'),
        folder,
        'hold',
      ]);
      const ended = new Promise((resolve) => holder.once('exit', resolve));
      await new Promise((resolve) => holder.stdout.once('data', resolve));
      const error = await failure(openEmbeddedStore({ folder, clock }), 'STORE_LOCKED');
      expect(error.details['pid']).toBe(holder.pid);
      holder.kill('SIGKILL');
      await ended;
      expect(existsSync(join(folder, 'store.owner.json'))).toBe(true);
      await session(folder, clock, (root) => root.check());
    }));

  test('is free although a stale owner file names a living process', () =>
    withFolder(async (folder, clock) => {
      await writeFile(join(folder, 'store.owner.json'), JSON.stringify({ pid: process.pid }));
      await session(folder, clock, (root) => root.check());
    }));

  test('is free again after a start that failed', () =>
    withFolder(async (folder, clock) => {
      await writeFile(join(folder, 'store.db'), 'x'.repeat(9000));
      await failure(openEmbeddedStore({ folder, clock }), 'STORE_CORRUPT');
      await rm(join(folder, 'store.db'));
      await session(folder, clock, (root) => root.check());
    }));
});

describe('a damaged store', () => {
  test.each(['store.db'])('that is no database is refused, naming the file and the ways out', (name) =>
    withFolder(async (folder, clock) => {
      await writeFile(join(folder, name), 'no database at all '.repeat(500));
      const error = await failure(openEmbeddedStore({ folder, clock }), 'STORE_CORRUPT');
      expect(error.message).toContain(join(folder, name));
      expect(error.message).toMatch(/backup/u);
      expect(await readFile(join(folder, name), 'utf8')).toMatch(/^no database/u);
    }),
  );

  test('with one page of items overwritten is refused after an unclean end', () =>
    withFolder(async (folder, clock) => {
      await fillAndClose(folder, clock);
      const bytes = await readFile(join(folder, 'store.db'));
      bytes.fill(0xff, bytes.length - 4096);
      await writeFile(join(folder, 'store.db'), bytes);
      await writeFile(join(folder, 'store.owner.json'), '{"pid":1}');
      await failure(openEmbeddedStore({ folder, clock }), 'STORE_CORRUPT');
    }));

  test('with pages overwritten is refused after an unclean end', () =>
    withFolder(async (folder, clock) => {
      await fillAndClose(folder, clock);
      const bytes = await readFile(join(folder, 'store.db'));
      bytes.fill(0xff, 8192, bytes.length - 4096);
      await writeFile(join(folder, 'store.db'), bytes);
      await writeFile(join(folder, 'store.owner.json'), '{"pid":1}');
      const error = await failure(openEmbeddedStore({ folder, clock }), 'STORE_CORRUPT');
      expect(error.message).toContain('store.db');
    }));

  test('cut short is refused after an unclean end', () =>
    withFolder(async (folder, clock) => {
      await fillAndClose(folder, clock);
      await truncate(join(folder, 'store.db'), 3 * 4096);
      await writeFile(join(folder, 'store.owner.json'), '{"pid":1}');
      await failure(openEmbeddedStore({ folder, clock }), 'STORE_CORRUPT');
    }));

  test('with a torn end of its log opens without the torn part', () =>
    withFolder(async (folder, clock) => {
      const copy = `${folder}-copy`;
      await mkdir(copy);
      try {
        await session(folder, clock, async (root) => {
          const table = root.store('t').table(PLAIN);
          for (const id of ['1', '2', '3']) await table.put({ id, body: 'x'.repeat(2000) });
          await writeFile(join(copy, 'store.db'), await readFile(join(folder, 'store.db')));
          const log = await readFile(join(folder, 'store.db-wal'));
          await writeFile(
            join(copy, 'store.db-wal'),
            Buffer.concat([log.subarray(0, log.length - 100), Buffer.alloc(5000)]),
          );
        });
        await session(copy, clock, async (root) => {
          const table = root.store('t').table(PLAIN);
          expect(await table.get({ id: '2' })).toBeDefined();
          expect(await table.get({ id: '3' })).toBeUndefined();
          await root.check();
        });
      } finally {
        await rm(copy, { recursive: true });
      }
    }));

  test('by a newer release is refused and left alone', () =>
    withFolder(async (folder, clock) => {
      await fillAndClose(folder, clock);
      const driver = await openDriver(join(folder, 'store.db'));
      driver.exec("INSERT INTO schema_versions VALUES (99, 'later')");
      driver.close();
      const error = await failure(openEmbeddedStore({ folder, clock }), 'STORE_VERSION');
      expect(error.message).toMatch(/99/u);
    }));
});

async function fillAndClose(folder: string, clock: FakeClock): Promise<void> {
  await session(folder, clock, async (root) => {
    const table = root.store('t').table(PLAIN);
    await Promise.all(Array.from({ length: 200 }, (_unused, n) => table.put({ id: `k${n}`, body: 'x'.repeat(500) })));
  });
}

describe('a store opened again', () => {
  test('has everything it acknowledged', () =>
    withFolder(async (folder, clock) => {
      await session(folder, clock, async (root) => {
        const store = root.store('t');
        await store.table(PLAIN).put({ id: 'a', v: 1 });
        await store.queue('q').send('x');
        await store.blobs.put('k', new Uint8Array(2_000_000).fill(7), { contentType: 'x/y' });
        await store.changes.publish('t', 1);
      });
      await session(folder, clock, async (root) => {
        const store = root.store('t');
        expect(await store.table(PLAIN).get({ id: 'a' })).toEqual({ id: 'a', v: 1 });
        expect(await store.queue('q').receive(LEASE)).toMatchObject([{ body: 'x', receives: 1 }]);
        expect(await store.blobs.get('k')).toHaveLength(2_000_000);
        expect(await store.changes.head()).toBe(1);
        expect(await store.changes.publish('t')).toBe(2);
      });
    }));

  test('fills an index that a release adds, and drops one that it removes', () =>
    withFolder(async (folder, clock) => {
      const indexed: TableSpec = { ...PLAIN, indexes: [{ name: 'byKind', partitionKey: 'kind' }] };
      await session(folder, clock, async (root) => {
        const ids = Array.from({ length: 250 }, (_unused, n) => `k${n}`);
        await Promise.all(
          ids.map((id) =>
            root
              .systemStore()
              .table(PLAIN)
              .put({ id: `t#${id}`, kind: 't#x' }),
          ),
        );
      });
      await session(folder, clock, async (root) => {
        const found = await root.store('t').table(indexed).query({ index: 'byKind', partition: 'x' });
        expect(found.items).toHaveLength(250);
        expect(found.items[0]).toMatchObject({ kind: 'x' });
      });
      await session(folder, clock, (root) => root.store('t').table(PLAIN).put({ id: 'k0' }));
      await session(folder, clock, async (root) => {
        const found = await root.store('t').table(indexed).query({ index: 'byKind', partition: 'x' });
        expect(found.items).toHaveLength(250 - 1);
      });
    }));

  test('refuses a table whose keys have changed', () =>
    withFolder(async (folder, clock) => {
      await session(folder, clock, (root) => root.store('t').table(PLAIN).put({ id: 'a' }));
      await session(folder, clock, async (root) => {
        const other = root.store('t').table({ ...PLAIN, sortKey: 'at' });
        await failure(other.put({ id: 'a', at: 'x' }), 'STORE_VERSION');
      });
    }));

  test('delivers at once what the process before was working on', () =>
    withFolder(async (folder, clock) => {
      await session(folder, clock, async (root) => {
        await root.store('t').queue('q').send('x');
        await root.store('t').queue('q').receive({ max: 1, visibilityMs: 3_600_000 });
        await root.store('t').queue('q').send('later', { delayMs: 60_000 });
      });
      await session(folder, clock, async (root) => {
        expect(await root.store('t').queue('q').receive(LEASE)).toMatchObject([{ body: 'x', receives: 2 }]);
      });
    }));
});

describe('time', () => {
  test('leases and delays do not follow a clock that jumps', async () => {
    const clock = fakeClock();
    const root = await openMemoryStore({ clock });
    const queue = root.store('t').queue('q');
    await queue.send('now');
    await queue.send('later', { delayMs: 60_000 });
    await queue.receive(LEASE);
    for (const jump of [3_600_000, -7_200_000]) {
      clock.jumpWall(jump);
      expect(await queue.receive(LEASE)).toEqual([]);
    }
    clock.advance(30_000);
    expect(await queue.receive(LEASE)).toMatchObject([{ body: 'now', receives: 2 }]);
    await root.close();
  });

  test('what has expired is removed from the disk, whoever it belongs to', () =>
    withFolder(async (folder, clock) => {
      await session(folder, clock, async (root) => {
        const spec: TableSpec = { ...PLAIN, indexes: [{ name: 'i', partitionKey: 'kind' }] };
        const expiresAt = clock.nowMs() / 1000 + 10;
        const puts = Array.from({ length: 450 }, (_unused, n) =>
          root
            .store(`t${n % 3}`)
            .table(spec)
            .put({ id: `${n}`, kind: 'k', expiresAt }),
        );
        await Promise.all(puts);
        await root
          .store('t')
          .blobs.put('b', new Uint8Array(10), { contentType: 'x/y', expiresAtMs: clock.nowMs() + 10 });
        await root.store('t').changes.publish('old');
        await root.store('t').queue('q').send('x', { dedupeId: 'd' });
        clock.advance(6 * 60_000);
        await expect.poll(() => root.store('t').changes.read(0), { interval: 5 }).toEqual([]);
        await root.check();
      });
      const driver = await openDriver(join(folder, 'store.db'));
      for (const table of ['items', 'index_entries', 'blobs', 'blob_chunks', 'changes', 'dedupe']) {
        expect(driver.all(`SELECT count(*) AS n FROM ${table}`)).toMatchObject([{ n: 0 }]);
      }
      driver.close();
    }));

  test('an idle store writes nothing', async () => {
    const clock = fakeClock();
    const root = await openMemoryStore({ clock });
    const sequence = await root.store('t').changes.publish('x');
    for (let minute = 0; minute < 4; minute += 1) clock.advance(60_000);
    expect(await root.store('t').changes.head()).toBe(sequence);
    expect(await root.store('t').changes.read(0)).toHaveLength(1);
    await root.close();
  });
});

test('a blob whose put was cut short leaves nothing behind', () =>
  withFolder(async (folder, clock) => {
    await session(folder, clock, async () => undefined);
    const driver = await openDriver(join(folder, 'store.db'));
    driver.run('INSERT INTO blob_chunks (blob_id, n, bytes) VALUES (?,?,?)', ['lost', 0, new Uint8Array(10)]);
    driver.close();
    await session(folder, clock, async () => undefined);
    const again = await openDriver(join(folder, 'store.db'));
    expect(again.all('SELECT count(*) AS n FROM blob_chunks')).toMatchObject([{ n: 0 }]);
    again.close();
  }));

test('a table that was never written is read without a write', () =>
  withFolder(async (folder, clock) => {
    await session(folder, clock, async (root) => {
      const table = root.store('t').table(PLAIN);
      expect(await table.query({ partition: 'a' })).toEqual({ items: [] });
      expect(await table.get({ id: 'a' })).toBeUndefined();
    });
    const driver = await openDriver(join(folder, 'store.db'));
    expect(driver.all('SELECT * FROM table_specs')).toEqual([]);
    driver.close();
  }));

test.each(['libsql', ...(hasNodeSqlite() ? (['node:sqlite'] as const) : [])] as const)(
  'a connection of %s keeps a log and makes an fsync for each commit',
  (engine) =>
    withFolder(async (folder) => {
      const driver = await openDriver(join(folder, 'x.db'), engine);
      prepareConnection(driver);
      expect(driver.all('PRAGMA journal_mode')).toMatchObject([{ journal_mode: 'wal' }]);
      expect(driver.all('PRAGMA synchronous')).toMatchObject([{ synchronous: 2 }]);
      expect(driver.all('PRAGMA wal_autocheckpoint')).toMatchObject([{ wal_autocheckpoint: 0 }]);
      expect(driver.all('PRAGMA busy_timeout')).toMatchObject([{ timeout: 2000 }]);
      driver.close();
    }),
);

test('two descriptions of one table in one process are refused', async () => {
  const root = await openMemoryStore({ clock: fakeClock() });
  await root.store('t').table(PLAIN).put({ id: 'a' });
  const other = root.store('t').table({ ...PLAIN, indexes: [{ name: 'i', partitionKey: 'kind' }] });
  await failure(other.put({ id: 'a' }), 'INVALID_ARGUMENTS');
  await root.close();
});
