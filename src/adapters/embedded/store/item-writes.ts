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
 * All of `writes`: every condition is judged before the first change.
 *
 * @throws PlatformError `CONDITION_FAILED` with `details.index` of the first write whose condition fails.
 */
export function applyWrites(driver: SqlDriver, writes: readonly PreparedWrite[], nowSeconds: number): void {
  writes.forEach((write, index) => {
    if (write.condition === undefined) return;
    const stored = readItem(driver, write, nowSeconds);
    if (!meets(stored, write.condition)) throw conditionFailed(write.shape.spec.name, index);
  });
  for (const write of writes) applyWrite(driver, write);
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
  if (shape.spec.indexes !== undefined) {
    driver.run('DELETE FROM index_entries WHERE tbl=? AND base_pk=? AND base_sk=?', [table, key.pk, key.sk]);
  }
  if (item === undefined) {
    driver.run('DELETE FROM items WHERE tbl=? AND pk=? AND sk=?', [table, key.pk, key.sk]);
    return;
  }
  driver.run(UPSERT_ITEM, [table, key.pk, key.sk, item.json, item.expiresAt]);
  insertEntries(driver, table, item);
}

/** The rows of the secondary indexes that show `item`. */
export function insertEntries(driver: SqlDriver, table: string, item: StoredItem): void {
  for (const { index, pk, sk } of item.entries) {
    driver.run('INSERT INTO index_entries (tbl, idx, pk, sk, base_pk, base_sk) VALUES (?,?,?,?,?,?)', [
      table,
      index,
      pk,
      sk,
      item.pk,
      item.sk,
    ]);
  }
}

function invalid(message: string): PlatformError {
  return new PlatformError('INVALID_ARGUMENTS', message);
}
