/** Where executions are kept. Each table is prefixed with the tenant by the store. */

import type { Item, TableSpec } from '../../core/ports.ts';

/** Records of an execution in order and snapshots of its operations: `row` is `c` or `s`, `<sequence>.<part>`. */
export const JOURNAL: TableSpec = { name: 'WorkflowJournal', partitionKey: 'execution', sortKey: 'row' };

/** Events of an execution whose records are gone: `row` is the id of the first event in it, then the part. */
export const HISTORY: TableSpec = { name: 'WorkflowHistory', partitionKey: 'execution', sortKey: 'row' };

/**
 * What has to be done with an execution, and when. `bucket`: `running` (now), `waiting` (from `at` on), `ended` (its
 * records may go from `at` on). `at` is milliseconds since 1970 in 15 digits. `sequence` is the record that the
 * journal reached then, so that a lost end is noticed.
 */
export const TIMERS: TableSpec = {
  name: 'WorkflowTimers',
  partitionKey: 'execution',
  indexes: [{ name: 'due', partitionKey: 'bucket', sortKey: 'at', acrossTenants: true }],
};

/** Task tokens by their hash. */
export const TOKENS: TableSpec = { name: 'WorkflowTaskTokens', partitionKey: 'hash' };

/** Engines and their heartbeats, of all tenants together. */
export const OWNERS: TableSpec = { name: 'WorkflowOwners', partitionKey: 'scope', sortKey: 'owner' };

/** `at` of a timer that never comes by itself. */
export const NEVER_MS = 999_999_999_999_999;

export function timeText(ms: number): string {
  return String(Math.min(NEVER_MS, Math.max(0, Math.ceil(ms)))).padStart(15, '0');
}

export function numberText(n: number): string {
  return String(n).padStart(9, '0');
}

/** A string attribute, empty when the item has none. */
export function textAt(item: Item | undefined, attribute: string): string {
  const value = item?.[attribute];
  return typeof value === 'string' ? value : '';
}
