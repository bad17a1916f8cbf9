/** Queries of a table or a secondary index: one partition, a range of sort keys, page by page. */

import { PlatformError } from '../../../core/errors.ts';
import type { Item, Page, Query } from '../../../core/ports.ts';
import type { Place } from './cursor.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { SqlDriver, SqlRow, SqlValue } from './driver.ts';
import { textOf } from './driver.ts';
import type { ItemShape } from './item-shape.ts';
import { checkedInteger } from './scope.ts';

const MAX_LIMIT = 1000;
/** A page ends here even below its limit, as DynamoDB's does. */
const MAX_PAGE_BYTES = 1024 * 1024;
/** Rows fetched at once, so that a page of large items is not read whole before it is cut. */
const BATCH = 100;

interface Plan {
  /** Identifies the query inside its cursors. */
  readonly identity: string;
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** Columns that order the rows, sort key first; the cursor continues after their last values. */
  readonly order: readonly string[];
  readonly descending: boolean;
}

/** @throws PlatformError `INVALID_ARGUMENTS`, `INVALID_CURSOR`. */
export function queryPage(driver: SqlDriver, shape: ItemShape, query: Query, nowSeconds: number): Page {
  const limit = checkedInteger(query.limit ?? MAX_LIMIT, 'The limit of a query', [1, MAX_LIMIT]);
  const plan = makePlan(shape, query, nowSeconds);
  let place = query.cursor === undefined ? undefined : decodeCursor(plan.identity, query.cursor);
  const items: Item[] = [];
  let bytes = 0;
  for (;;) {
    const rows = fetchRows(driver, plan, place);
    for (const row of rows) {
      if (place !== undefined && (items.length === limit || bytes >= MAX_PAGE_BYTES)) {
        return { items, cursor: encodeCursor(plan.identity, place) };
      }
      const json = textOf(row, 'json');
      items.push(shape.fromStored(json));
      bytes += json.length;
      place = placeOf(row);
    }
    if (rows.length < BATCH) return { items };
  }
}

function makePlan(shape: ItemShape, query: Query, nowSeconds: number): Plan {
  const table = shape.spec.name;
  const { partitionKey, sortKey } = query.index === undefined ? shape.spec : shape.index(query.index);
  const partition = shape.keyValue(partitionKey, query.partition);
  const source = query.index === undefined ? tableSource(table, partition) : indexSource(table, query.index, partition);
  const bounds = sortBounds(shape, query, sortKey);
  const descending = query.descending === true;
  return {
    identity: JSON.stringify([table, query.index ?? null, partition, descending]),
    sql: `${source.sql} AND (t.expires_at IS NULL OR t.expires_at > ?)${bounds.map(([test]) => ` AND ${source.order[0]} ${test} ?`).join('')}`,
    values: [...source.values, nowSeconds, ...bounds.map(([, value]) => value)],
    order: source.order,
    descending,
  };
}

type Source = Pick<Plan, 'sql' | 'values' | 'order'>;

function tableSource(table: string, partition: string): Source {
  return {
    sql: 'SELECT t.sk AS sort, t.pk AS base_pk, t.sk AS base_sk, t.json FROM items t WHERE t.tbl=? AND t.pk=?',
    values: [table, partition],
    order: ['t.sk'],
  };
}

/** CROSS JOIN keeps SQLite from starting with the items. */
function indexSource(table: string, index: string, partition: string): Source {
  return {
    sql: `SELECT k.sk AS sort, k.base_pk, k.base_sk, t.json FROM index_entries k
      CROSS JOIN items t ON t.tbl=k.tbl AND t.pk=k.base_pk AND t.sk=k.base_sk WHERE k.tbl=? AND k.idx=? AND k.pk=?`,
    values: [table, index, partition],
    order: ['k.sk', 'k.base_pk', 'k.base_sk'],
  };
}

type Bound = readonly [test: '>=' | '<=' | '<', value: string];

function sortBounds(shape: ItemShape, query: Query, sortKey: string | undefined): readonly Bound[] {
  const { prefix, from, to } = query;
  if (prefix === undefined && from === undefined && to === undefined) return [];
  if (sortKey === undefined) {
    throw new PlatformError('INVALID_ARGUMENTS', `Table "${shape.spec.name}" has no sort key to range over.`);
  }
  const bounds: Bound[] = [];
  if (from !== undefined) bounds.push(['>=', shape.boundValue(sortKey, from)]);
  if (to !== undefined) bounds.push(['<=', shape.boundValue(sortKey, to)]);
  if (prefix !== undefined) bounds.push(...prefixBounds(shape.boundValue(sortKey, prefix)));
  return bounds;
}

function prefixBounds(prefix: string): readonly Bound[] {
  const end = afterPrefix(prefix);
  return end === undefined
    ? [['>=', prefix]]
    : [
        ['>=', prefix],
        ['<', end],
      ];
}

const LAST_CODE_POINT = 0x10ffff;

/**
 * The least string above every string that begins with `prefix`, in the order of UTF-8 bytes, which is the
 * order of code points; `undefined` when there is none.
 */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  // The surrogates between D800 and DFFF are no characters.
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
}

function fetchRows(driver: SqlDriver, plan: Plan, place: Place | undefined): readonly SqlRow[] {
  const { order, descending } = plan;
  const after =
    place === undefined
      ? ''
      : ` AND (${order.join(', ')}) ${descending ? '<' : '>'} (${order.map(() => '?').join(', ')})`;
  const sorted = order.map((column) => `${column} ${descending ? 'DESC' : 'ASC'}`).join(', ');
  const sql = `${plan.sql}${after} ORDER BY ${sorted} LIMIT ${BATCH}`;
  return driver.all(sql, place === undefined ? plan.values : [...plan.values, ...place.slice(0, order.length)]);
}

function placeOf(row: SqlRow): Place {
  return [textOf(row, 'sort'), textOf(row, 'base_pk'), textOf(row, 'base_sk')];
}
