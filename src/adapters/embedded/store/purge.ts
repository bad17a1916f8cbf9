/** Removes what reads no longer show: expired items and blobs, old changes, spent dedupe marks. */

import { deleteBlob } from './blob-store.ts';
import type { SqlDriver } from './driver.ts';
import { numberOf, textOf } from './driver.ts';
import type { StoreCore } from './store-core.ts';

/** How long after opening, and after each round, the next round begins. */
export const PURGE_EVERY_MS = 60_000;
/** Changes stay at least this long. */
const KEEP_CHANGES_MS = 5 * 60_000;
/** Rows of each kind per round: a purge never holds up the writes beside it for long. */
const BATCH = 200;

interface Times {
  readonly nowMs: number;
  readonly steadyMs: number;
}

/** @returns whether a batch was full, so that more may be waiting. */
export async function purge(core: StoreCore): Promise<boolean> {
  const times = { nowMs: core.nowMs(), steadyMs: core.steadyMs() };
  if (!core.read((driver) => hasWork(driver, times))) return false;
  return await core.commit.submit((driver) => {
    const counts = [
      purgeItems(driver, times.nowMs / 1000),
      purgeBlobs(driver, times.nowMs),
      driver.run(`DELETE FROM changes WHERE id IN (SELECT id FROM changes WHERE at < ? LIMIT ${BATCH})`, [
        times.steadyMs - KEEP_CHANGES_MS,
      ]),
      driver.run('DELETE FROM dedupe WHERE until <= ?', [times.steadyMs]),
    ];
    return counts.some((count) => count >= BATCH);
  });
}

/** Asked first, so that an idle instance writes nothing. */
function hasWork(driver: SqlDriver, { nowMs, steadyMs }: Times): boolean {
  const sql = `SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM items WHERE expires_at <= ?)
    OR EXISTS (SELECT 1 FROM blobs WHERE expires_at <= ?)
    OR EXISTS (SELECT 1 FROM changes WHERE at < ?) OR EXISTS (SELECT 1 FROM dedupe WHERE until <= ?)`;
  return driver.all(sql, [nowMs / 1000, nowMs, steadyMs - KEEP_CHANGES_MS, steadyMs]).length > 0;
}

function purgeItems(driver: SqlDriver, nowSeconds: number): number {
  const rows = driver.all(`SELECT rowid AS id, tbl, pk, sk FROM items WHERE expires_at <= ? LIMIT ${BATCH}`, [
    nowSeconds,
  ]);
  for (const row of rows) {
    const key = [textOf(row, 'tbl'), textOf(row, 'pk'), textOf(row, 'sk')];
    driver.run('DELETE FROM index_entries WHERE tbl=? AND base_pk=? AND base_sk=?', key);
    driver.run('DELETE FROM items WHERE rowid=?', [numberOf(row, 'id')]);
  }
  return rows.length;
}

function purgeBlobs(driver: SqlDriver, nowMs: number): number {
  const rows = driver.all('SELECT key FROM blobs WHERE expires_at <= ? LIMIT 20', [nowMs]);
  for (const row of rows) deleteBlob(driver, textOf(row, 'key'));
  return rows.length === 20 ? BATCH : rows.length;
}
