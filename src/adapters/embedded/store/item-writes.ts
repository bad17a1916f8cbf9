/** Puts and deletes of items, made inside a transaction of the group commit. */

import { PlatformError } from '../../../core/errors.ts';
import type { Condition, Item, Write } from '../../../core/ports.ts';
import { conditionFailed, meets } from './condition.ts';
import type { SqlDriver } from './driver.ts';
import { textOf } from './driver.ts';
import type { ItemShape, StoredItem, StoredKey } from './item-shape.ts';

/** DynamoDB's limits for one transaction. */
const MAX_WRITES = 100;
const MAX_TRANSACTION_BYTES = 4 * 1024 * 1024;

/** A write checked and encoded before it enters the transaction. */
export interface PreparedWrite {
  readonly shape: ItemShape;
  readonly key: StoredKey;
  /** Absent for a delete. */
  readonly item?: StoredItem;
  readonly condition?: Condition;
}

/** @throws PlatformError `INVALID_ARGUMENTS`, `ITEM_TOO_LARGE`. */
export function prepareWrite(write: Write, shape: ItemShape): PreparedWrite {
  const condition = storedCondition(write.condition, shape);
  if ('put' in write) {
    const item = shape.toStored(write.put);
    return { shape, key: item, item, ...condition };
  }
  return { shape, key: shape.keyOf(write.delete), ...condition };
}

function storedCondition(condition: Condition | undefined, shape: ItemShape): { readonly condition?: Condition } {
  if (condition === undefined) return {};
  if (condition.equals === undefined) return { condition };
  return { condition: { ...condition, equals: shape.withPrefixes(condition.equals) } };
}

/** @throws PlatformError `INVALID_ARGUMENTS`, `ITEM_TOO_LARGE` for what DynamoDB would refuse as a whole. */
export function checkTransaction(writes: readonly PreparedWrite[]): void {
  // An item alone is within the limits.
  if (writes.length === 1) return;
  if (writes.length > MAX_WRITES)
    throw invalid(`A transaction has at most ${MAX_WRITES} writes, not ${writes.length}.`);
  const targets = new Set<string>();
  let bytes = 0;
  for (const { shape, key, item } of writes) {
    targets.add(JSON.stringify([shape.spec.name, key.pk, key.sk]));
    bytes += item === undefined ? 0 : Buffer.byteLength(item.json);
  }
  if (targets.size < writes.length) throw invalid('A transaction may write each item once only.');
  if (bytes > MAX_TRANSACTION_BYTES)
    throw new PlatformError('ITEM_TOO_LARGE', 'A transaction holds at most 4 MB of items.');
}

/**
 * All of `writes`, or none when it throws: every condition is judged before the first change.
 *
 * @throws PlatformError `CONDITION_FAILED` with `details.index` of the first write whose condition fails.
 */
export function applyWrites(driver: SqlDriver, writes: readonly PreparedWrite[], nowSeconds: number): void {
  const first = loneInsert(writes);
  if (first >= 0) {
    insertNew(driver, writes, { index: first, nowSeconds });
  } else {
    writes.forEach((write, index) => {
      if (write.condition === undefined) return;
      const stored = readItem(driver, write, nowSeconds);
      if (!meets(stored, write.condition)) throw conditionFailed(write.shape.spec.name, index);
    });
  }
  writes.forEach((write, index) => {
    if (index !== first) applyWrite(driver, write);
  });
}

/**
 * The usual transaction has one condition, that an item is new. Made first, that write judges its condition itself and
 * spares a reading.
 *
 * @returns its index, -1 in any other transaction.
 */
function loneInsert(writes: readonly PreparedWrite[]): number {
  let found = -1;
  for (const [index, { condition, item }] of writes.entries()) {
    if (condition === undefined) continue;
    if (found >= 0 || item === undefined || condition.exists !== false || condition.equals !== undefined) return -1;
    found = index;
  }
  return found;
}

const INSERT_ITEM = `INSERT INTO items (tbl, pk, sk, json, expires_at) VALUES (?,?,?,?,?)
  ON CONFLICT (tbl, pk, sk) DO NOTHING`;
/** An expired item that has not been removed yet counts as absent. */
const REPLACE_EXPIRED = 'UPDATE items SET json=?, expires_at=? WHERE tbl=? AND pk=? AND sk=? AND expires_at <= ?';

function insertNew(
  driver: SqlDriver,
  writes: readonly PreparedWrite[],
  { index, nowSeconds }: { readonly index: number; readonly nowSeconds: number },
): void {
  const { shape, key, item } = writes[index] as PreparedWrite & { readonly item: StoredItem };
  const table = shape.spec.name;
  if (driver.run(INSERT_ITEM, [table, key.pk, key.sk, item.json, item.expiresAt]) > 0) {
    insertEntries(driver, table, item);
    return;
  }
  const values = [item.json, item.expiresAt, table, key.pk, key.sk, nowSeconds];
  if (driver.run(REPLACE_EXPIRED, values) === 0) throw conditionFailed(table, index);
  replaceEntries(driver, shape, { key, item });
}

const SELECT_ITEM = 'SELECT json FROM items WHERE tbl=? AND pk=? AND sk=? AND (expires_at IS NULL OR expires_at > ?)';

/** The stored JSON text, `undefined` when the item is absent or expired. */
export function readJson(driver: SqlDriver, table: string, key: StoredKey, nowSeconds: number): string | undefined {
  const [row] = driver.all(SELECT_ITEM, [table, key.pk, key.sk, nowSeconds]);
  return row === undefined ? undefined : textOf(row, 'json');
}

function readItem(driver: SqlDriver, { shape, key }: PreparedWrite, nowSeconds: number): Item | undefined {
  const json = readJson(driver, shape.spec.name, key, nowSeconds);
  return json === undefined ? undefined : shape.parse(json);
}

const UPSERT_ITEM = `INSERT INTO items (tbl, pk, sk, json, expires_at) VALUES (?,?,?,?,?)
  ON CONFLICT (tbl, pk, sk) DO UPDATE SET json=excluded.json, expires_at=excluded.expires_at`;

function applyWrite(driver: SqlDriver, { shape, key, item }: PreparedWrite): void {
  const table = shape.spec.name;
  if (item === undefined) driver.run('DELETE FROM items WHERE tbl=? AND pk=? AND sk=?', [table, key.pk, key.sk]);
  else driver.run(UPSERT_ITEM, [table, key.pk, key.sk, item.json, item.expiresAt]);
  replaceEntries(driver, shape, { key, item });
}

function replaceEntries(
  driver: SqlDriver,
  { spec }: ItemShape,
  { key, item }: { readonly key: StoredKey; readonly item: StoredItem | undefined },
): void {
  if (spec.indexes === undefined) return;
  driver.run('DELETE FROM index_entries WHERE tbl=? AND base_pk=? AND base_sk=?', [spec.name, key.pk, key.sk]);
  if (item !== undefined) insertEntries(driver, spec.name, item);
}

/** The rows of the secondary indexes that show `item`, in one statement: each costs more to ask for than to do. */
export function insertEntries(driver: SqlDriver, table: string, { pk, sk, entries }: StoredItem): void {
  if (entries.length === 0) return;
  const rows = entries.map(() => '(?,?,?,?,?,?)').join(',');
  driver.run(
    `INSERT INTO index_entries (tbl, idx, pk, sk, base_pk, base_sk) VALUES ${rows}`,
    entries.flatMap((entry) => [table, entry.index, entry.pk, entry.sk, pk, sk]),
  );
}

function invalid(message: string): PlatformError {
  return new PlatformError('INVALID_ARGUMENTS', message);
}
