/** Which tables the database has seen, with which keys and indexes; fills an index that a release adds. */

import { PlatformError } from '../../../core/errors.ts';
import type { TableSpec } from '../../../core/ports.ts';
import type { SqlDriver } from './driver.ts';
import { textOf } from './driver.ts';
import type { GroupCommit } from './group-commit.ts';
import { ItemShape } from './item-shape.ts';
import { insertEntries } from './item-writes.ts';
import { SYSTEM_SCOPE, checkedText } from './scope.ts';

interface Known {
  readonly signature: string;
  /** `undefined` once the database agrees. */
  ready: Promise<void> | undefined;
}

export class TableCatalogue {
  readonly #commit: GroupCommit;
  readonly #driver: SqlDriver;
  readonly #known = new Map<string, Known>();
  /** Specs seen before, by identity: the usual case costs one look-up. */
  readonly #seen = new WeakMap<TableSpec, Known>();

  constructor(driver: SqlDriver, commit: GroupCommit) {
    this.#driver = driver;
    this.#commit = commit;
  }

  /**
   * @param purpose reading a table that was never written needs no preparation.
   * @returns a promise to wait for before the table is used, `undefined` when there is nothing to wait for.
   * @throws PlatformError `INVALID_ARGUMENTS` when two parts of the process describe one table differently.
   */
  ensure(spec: TableSpec, purpose: 'read' | 'write'): Promise<void> | undefined {
    const seen = this.#seen.get(spec);
    if (seen !== undefined && this.#known.get(spec.name) === seen) return seen.ready;
    const known = this.#known.get(spec.name) ?? this.#enter(spec, purpose);
    if (known === undefined) return undefined;
    if (known.signature !== signatureOf(spec)) throw describedTwice(spec);
    this.#seen.set(spec, known);
    return known.ready;
  }

  #enter(spec: TableSpec, purpose: 'read' | 'write'): Known | undefined {
    checkedText(spec.name, 'A table name', 255);
    const state = stateOf(this.#driver, spec);
    if (state === 'new' && purpose === 'read') return undefined;
    const known: Known = { signature: signatureOf(spec), ready: undefined };
    if (state !== 'current') {
      known.ready = this.#update(spec, known);
      // Whoever waits for it sees the failure; nobody may be waiting.
      known.ready.catch(() => undefined);
    }
    this.#known.set(spec.name, known);
    return known;
  }

  async #update(spec: TableSpec, known: Known): Promise<void> {
    try {
      await this.#commit.submit((driver) => recordSpec(driver, spec));
      known.ready = undefined;
    } catch (thrown) {
      // The next use tries again: a full disk passes.
      this.#known.delete(spec.name);
      throw thrown;
    }
  }
}

function keysOf(spec: TableSpec): string {
  return JSON.stringify([spec.partitionKey, spec.sortKey ?? null]);
}

function indexesOf(spec: TableSpec): string {
  const indexes = (spec.indexes ?? []).map(({ name, partitionKey, sortKey, acrossTenants }) => [
    name,
    partitionKey,
    sortKey ?? '',
    ...(acrossTenants === true ? ['across tenants'] : []),
  ]);
  return JSON.stringify(indexes.sort(([a = ''], [b = '']) => (a < b ? -1 : 1)));
}

function signatureOf(spec: TableSpec): string {
  return keysOf(spec) + indexesOf(spec);
}

/**
 * How the database knows the table: not at all, as described, or with other indexes.
 *
 * @throws PlatformError `STORE_VERSION` when the table was stored under other keys.
 */
function stateOf(driver: SqlDriver, spec: TableSpec): 'new' | 'current' | 'outdated' {
  const [row] = driver.all('SELECT keys, indexes FROM table_specs WHERE name=?', [spec.name]);
  if (row === undefined) return 'new';
  if (textOf(row, 'keys') !== keysOf(spec)) throw otherKeys(spec, textOf(row, 'keys'));
  return textOf(row, 'indexes') === indexesOf(spec) ? 'current' : 'outdated';
}

function recordSpec(driver: SqlDriver, spec: TableSpec): void {
  const upsert = 'INSERT INTO table_specs VALUES (?,?,?) ON CONFLICT (name) DO UPDATE SET indexes=excluded.indexes';
  driver.run(upsert, [spec.name, keysOf(spec), indexesOf(spec)]);
  driver.run('DELETE FROM index_entries WHERE tbl=?', [spec.name]);
  if ((spec.indexes ?? []).length > 0) fillIndexes(driver, spec);
}

/** Entries are made from the stored values, so tenant prefixes are in them already. */
function fillIndexes(driver: SqlDriver, spec: TableSpec): void {
  const shape = new ItemShape(spec, SYSTEM_SCOPE);
  let after: readonly [string, string] = ['', ''];
  for (;;) {
    const rows = driver.all(
      'SELECT pk, sk, json FROM items WHERE tbl=? AND (pk, sk) > (?,?) ORDER BY pk, sk LIMIT 100',
      [spec.name, ...after],
    );
    for (const row of rows) {
      insertEntries(driver, spec.name, shape.toStored(shape.parse(textOf(row, 'json'))));
      after = [textOf(row, 'pk'), textOf(row, 'sk')];
    }
    if (rows.length < 100) return;
  }
}

function describedTwice(spec: TableSpec): PlatformError {
  return new PlatformError(
    'INVALID_ARGUMENTS',
    `Table "${spec.name}" is described in two different ways in this process.`,
  );
}

function otherKeys(spec: TableSpec, stored: string): PlatformError {
  return new PlatformError(
    'STORE_VERSION',
    `Table "${spec.name}" is stored with the keys ${stored}, and this Zeroplane expects ${keysOf(spec)}. Use the Zeroplane that wrote it, or another data folder.`,
    { table: spec.name },
  );
}
