import { describe, expect, test } from 'vitest';
import { failure } from '../../../../tests/contract/harness.ts';
import { PlatformError } from '../../../core/errors.ts';
import type { SqlDriver } from './driver.ts';
import { GroupCommit } from './group-commit.ts';
import { openDriver } from './open-driver.ts';

/** A driver in memory that counts commits and fails statements on request, as a sick disk would. */
async function sickDriver() {
  const inner = await openDriver(':memory:', 'libsql');
  inner.exec('CREATE TABLE t (v PRIMARY KEY)');
  const failing = new Map<string, number>();
  const log: string[] = [];
  const attempt = <T>(sql: string, run: () => T): T => {
    log.push(sql);
    for (const [begin, code] of failing) {
      if (sql.startsWith(begin)) throw Object.assign(new Error('disk'), { rawCode: code });
    }
    return run();
  };
  const driver: SqlDriver = {
    engine: 'libsql',
    get writtenBytes() {
      return inner.writtenBytes;
    },
    get changedRows() {
      return inner.changedRows;
    },
    exec: (sql) => attempt(sql, () => inner.exec(sql)),
    all: (sql, values) => attempt(sql, () => inner.all(sql, values)),
    run: (sql, values) => attempt(sql, () => inner.run(sql, values)),
    inTransaction: () => inner.inTransaction(),
    close: () => inner.close(),
  };
  const stored = () => inner.all('SELECT v FROM t ORDER BY v').map((row) => row['v']);
  return { driver, failing, stored, commits: () => log.filter((sql) => sql === 'COMMIT').length, log };
}

const insert = (value: number | string) => (driver: SqlDriver) => driver.run('INSERT INTO t VALUES (?)', [value]);

describe('group commit', () => {
  test('writes of one turn share one commit, and later ones get their own', async () => {
    const { driver, commits, stored } = await sickDriver();
    const group = new GroupCommit({ driver, place: 'here' });
    await Promise.all([1, 2, 3].map((value) => group.submit(insert(value))));
    expect(commits()).toBe(1);
    await group.submit(insert(4));
    expect(commits()).toBe(2);
    expect(stored()).toEqual([1, 2, 3, 4]);
  });

  test('nothing is acknowledged before the commit', async () => {
    const { driver, commits } = await sickDriver();
    const group = new GroupCommit({ driver, place: 'here' });
    let isAcknowledged = false;
    const write = group.submit(insert(1));
    void write.then(() => (isAcknowledged = true));
    await Promise.resolve();
    expect([isAcknowledged, commits()]).toEqual([false, 0]);
    await write;
    expect(commits()).toBe(1);
  });

  test('a write that refuses itself is undone alone', async () => {
    const { driver, stored } = await sickDriver();
    const group = new GroupCommit({ driver, place: 'here' });
    const refused = group.submit((inner) => {
      insert(2)(inner);
      throw new PlatformError('CONDITION_FAILED', 'no');
    });
    const results = await Promise.allSettled([group.submit(insert(1)), refused, group.submit(insert(3))]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(stored()).toEqual([1, 3]);
  });

  test('a programming error in one write fails that write and no other', async () => {
    const { driver, stored } = await sickDriver();
    const group = new GroupCommit({ driver, place: 'here' });
    const broken = group.submit(() => {
      throw new TypeError('oops');
    });
    await Promise.all([failure(broken, 'INTERNAL'), group.submit(insert(1))]);
    expect(stored()).toEqual([1]);
  });

  test.each([
    ['while writing', 'INSERT'],
    ['at the commit', 'COMMIT'],
  ])('a disk that is full %s fails the group with STORE_FULL, and it recovers', async (_title, statement) => {
    const { driver, failing, stored } = await sickDriver();
    const group = new GroupCommit({ driver, place: '/data/store.db' });
    failing.set(statement, 13);
    const errors = await Promise.all([1, 2].map((value) => failure(group.submit(insert(value)), 'STORE_FULL')));
    expect(errors[0]).toMatchObject({ status: 507, retryable: true });
    expect(errors[0]?.message).toContain('/data/store.db');
    failing.clear();
    await group.submit(insert(3));
    expect(stored()).toEqual([3]);
  });

  test('a failed fsync stops the store for good, tells once, and reads go on', async () => {
    const { driver, failing, commits, stored } = await sickDriver();
    const told: PlatformError[] = [];
    const group = new GroupCommit({ driver, place: 'here', onFatal: (error) => told.push(error) });
    await group.submit(insert(1));
    failing.set('COMMIT', 1034);
    await Promise.all([2, 3].map((value) => failure(group.submit(insert(value)), 'STORE_UNAVAILABLE')));
    failing.clear();
    const before = commits();
    await failure(group.submit(insert(4)), 'STORE_UNAVAILABLE');
    expect(commits()).toBe(before);
    expect(told).toHaveLength(1);
    expect(stored()).toEqual([1]);
  });

  test('what waits behind a failed fsync is refused too', async () => {
    const { driver, failing } = await sickDriver();
    const group = new GroupCommit({ driver, place: 'here' });
    failing.set('COMMIT', 1034);
    const writes = Array.from({ length: 1000 }, (_unused, value) => group.submit(insert(value)));
    const results = await Promise.allSettled(writes);
    expect(results.every((result) => result.status === 'rejected')).toBe(true);
  });

  test('a fsync that fails while the log is copied into the file stops the store as well', async () => {
    const { driver, failing, log } = await sickDriver();
    const told: PlatformError[] = [];
    const group = new GroupCommit({ driver, place: 'here', onFatal: (error) => told.push(error) });
    failing.set('PRAGMA wal_checkpoint', 1034);
    await group.submit(insert('x'.repeat(17 * 1024 * 1024)));
    expect(log).toContain('PRAGMA wal_checkpoint(PASSIVE)');
    expect(told).toMatchObject([{ code: 'STORE_UNAVAILABLE' }]);
    await failure(group.submit(insert(1)), 'STORE_UNAVAILABLE');
  });

  test.each([
    ['busy', 5],
    ['read-only', 8],
    ['reporting a write error', 778],
  ])('a database that is %s fails the group and may recover', async (_title, code) => {
    const { driver, failing, stored } = await sickDriver();
    const group = new GroupCommit({ driver, place: 'here' });
    failing.set('BEGIN', code);
    await failure(group.submit(insert(1)), 'STORE_UNAVAILABLE');
    failing.clear();
    await group.submit(insert(2));
    expect(stored()).toEqual([2]);
  });

  test('a damaged database gets no further writes', async () => {
    const { driver, failing } = await sickDriver();
    const told: PlatformError[] = [];
    const group = new GroupCommit({ driver, place: '/data/store.db', onFatal: (error) => told.push(error) });
    failing.set('INSERT', 11);
    const error = await failure(group.submit(insert(1)), 'STORE_CORRUPT');
    expect(error.message).toMatch(/\/data\/store\.db.*restore a backup/u);
    failing.clear();
    await failure(group.submit(insert(2)), 'STORE_CORRUPT');
    expect(told).toHaveLength(1);
  });

  test('the queue of waiting writes has an end', async () => {
    const { driver } = await sickDriver();
    const group = new GroupCommit({ driver, place: 'here' });
    const writes = Array.from({ length: 20_001 }, (_unused, value) => group.submit(insert(value)));
    await failure(writes.at(-1) ?? Promise.resolve(), 'OVERLOADED');
    await Promise.all(writes.slice(0, -1));
  });
});
