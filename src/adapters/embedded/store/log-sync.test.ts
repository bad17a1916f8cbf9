import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { failure } from '../../../../tests/contract/harness.ts';
import { PlatformError } from '../../../core/errors.ts';
import { systemClock } from '../system.ts';
import { GroupCommit } from './group-commit.ts';
import { LogSync } from './log-sync.ts';
import { openDriver, prepareConnection } from './open-driver.ts';

const FULL = 2;
const NORMAL = 1;

/** A database on disk whose syncs a test lets end. */
async function withLog(
  body: (at: {
    log: LogSync;
    group: GroupCommit;
    mode: () => unknown;
    stored: () => readonly unknown[];
    syncs: ((error: Error | null) => void)[];
  }) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-log-'));
  const file = join(folder, 'store.db');
  const driver = await openDriver(file);
  try {
    prepareConnection(driver);
    driver.exec('CREATE TABLE t (v PRIMARY KEY)');
    const syncs: ((error: Error | null) => void)[] = [];
    const log = new LogSync({ driver, clock: systemClock, file, sync: (_descriptor, done) => void syncs.push(done) });
    await body({
      log,
      group: new GroupCommit({ driver, place: file, log }),
      mode: () => driver.all('PRAGMA synchronous')[0]?.['synchronous'],
      stored: () => driver.all('SELECT v FROM t ORDER BY v').map((row) => row['v']),
      syncs,
    });
    log.close();
  } finally {
    driver.close();
    await rm(folder, { recursive: true });
  }
}

const insert = (group: GroupCommit, value: number): Promise<number> =>
  group.submit((driver) => driver.run('INSERT INTO t VALUES (?)', [value]));

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe('syncs of the log', () => {
  test('are left to SQLite while commits are quick', () =>
    withLog(async ({ log, mode }) => {
      expect([log.afterCommit(0.2), log.afterCommit(9), mode()]).toEqual([undefined, undefined, FULL]);
    }));

  test('are waited for apart once a commit was slow: nothing is acknowledged before, what comes meanwhile shares the next', () =>
    withLog(async ({ log, group, mode, stored, syncs }) => {
      // This one has waited itself.
      expect(log.afterCommit(500)).toBeUndefined();
      expect(mode()).toBe(NORMAL);
      const acknowledged: number[] = [];
      const write = (value: number): void => void insert(group, value).then(() => acknowledged.push(value));
      write(1);
      await turn();
      [2, 3, 4].forEach(write);
      await turn();
      // The thread was free, one sync is under way, and nobody has been told.
      expect([syncs.length, acknowledged, stored()]).toEqual([1, [], [1]]);
      syncs[0]?.(null);
      await turn();
      expect([syncs.length, acknowledged, stored()]).toEqual([2, [1], [1, 2, 3, 4]]);
      syncs[1]?.(null);
      await turn();
      expect(acknowledged).toEqual([1, 2, 3, 4]);
    }));

  test('go back to SQLite when the disk is quick again', () =>
    withLog(async ({ log, mode, syncs }) => {
      void log.afterCommit(500);
      for (let n = 0; n < 50; n += 1) {
        expect(mode()).toBe(NORMAL);
        const synced = log.afterCommit(0.1);
        syncs.at(-1)?.(null);
        await synced;
      }
      expect([mode(), log.afterCommit(0.1)]).toEqual([FULL, undefined]);
    }));

  test('that fail are fatal: the group and what waits are refused, and nothing is acknowledged any more', () =>
    withLog(async ({ log, group, syncs }) => {
      void log.afterCommit(500);
      const refused = failure(insert(group, 1), 'STORE_UNAVAILABLE');
      await turn();
      const waiting = failure(insert(group, 2), 'STORE_UNAVAILABLE');
      syncs[0]?.(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }));
      expect((await refused).message).toContain('fsync failed');
      await waiting;
      await failure(insert(group, 3), 'STORE_UNAVAILABLE');
      expect(group.stopped).toBeDefined();
    }));

  test('are waited for by a close', () =>
    withLog(async ({ log, group, syncs }) => {
      void log.afterCommit(500);
      const write = insert(group, 1);
      await turn();
      let isStopped = false;
      const stopped = group.stop(new PlatformError('STORE_UNAVAILABLE', 'closed'));
      void stopped.then(() => (isStopped = true));
      await turn();
      expect(isStopped).toBe(false);
      syncs[0]?.(null);
      await Promise.all([write, stopped]);
    }));
});
