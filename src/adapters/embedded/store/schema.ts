/**
 * The database's layout as numbered migrations. A released migration never changes; a new layout is a new
 * number at the end. Each runs in one transaction with its own entry in `schema_versions`.
 */

import { PlatformError } from '../../../core/errors.ts';
import type { SqlDriver } from './driver.ts';
import { numberOf } from './driver.ts';

export interface Migration {
  readonly version: number;
  readonly sql: string;
}

/**
 * `items` holds every table's items, `index_entries` one row per item and secondary index it appears in.
 * The default BINARY collation compares UTF-8 bytes, which is DynamoDB's order.
 */
const FIRST = `
CREATE TABLE items (
  tbl TEXT NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL, json TEXT NOT NULL, expires_at REAL,
  UNIQUE (tbl, pk, sk)
);
CREATE INDEX items_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE index_entries (
  tbl TEXT NOT NULL, idx TEXT NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL,
  base_pk TEXT NOT NULL, base_sk TEXT NOT NULL,
  PRIMARY KEY (tbl, idx, pk, sk, base_pk, base_sk)
) WITHOUT ROWID;
CREATE INDEX index_entries_base ON index_entries (tbl, base_pk, base_sk);
CREATE TABLE table_specs (name TEXT PRIMARY KEY, keys TEXT NOT NULL, indexes TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, queue TEXT NOT NULL, body TEXT NOT NULL,
  visible_at REAL NOT NULL, receives INTEGER NOT NULL, receipt TEXT, reason TEXT, failed_at TEXT
);
CREATE INDEX messages_due ON messages (queue, visible_at, seq) WHERE failed_at IS NULL;
CREATE INDEX messages_dead ON messages (queue, failed_at) WHERE failed_at IS NOT NULL;
CREATE UNIQUE INDEX messages_receipt ON messages (receipt) WHERE receipt IS NOT NULL;
CREATE TABLE dedupe (
  queue TEXT NOT NULL, dedupe_id TEXT NOT NULL, message_id TEXT NOT NULL, until REAL NOT NULL,
  PRIMARY KEY (queue, dedupe_id)
) WITHOUT ROWID;
CREATE INDEX dedupe_until ON dedupe (until);

CREATE TABLE blobs (
  key TEXT PRIMARY KEY, blob_id TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, content_type TEXT NOT NULL,
  digest TEXT NOT NULL, expires_at REAL
);
CREATE INDEX blobs_expiry ON blobs (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE blob_chunks (blob_id TEXT NOT NULL, n INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (blob_id, n));

CREATE TABLE changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, sequence INTEGER NOT NULL, topic TEXT NOT NULL,
  detail TEXT NOT NULL, at REAL NOT NULL, UNIQUE (tenant, sequence)
);
CREATE INDEX changes_at ON changes (at);
CREATE TABLE change_heads (tenant TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE probe (id INTEGER PRIMARY KEY, value TEXT NOT NULL);
`;

export const MIGRATIONS: readonly Migration[] = [{ version: 1, sql: FIRST }];

/**
 * Brings the database to the newest version, one transaction per step, so an interruption leaves the step
 * before it whole.
 *
 * @param place the file, for messages.
 * @throws PlatformError `STORE_VERSION` when a newer Zeroplane has written the database.
 */
export function migrate(driver: SqlDriver, place: string, migrations: readonly Migration[] = MIGRATIONS): void {
  driver.exec('CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)');
  const stored = schemaVersion(driver);
  const known = migrations.at(-1)?.version ?? 0;
  if (stored > known) throw tooNew(place, stored, known);
  for (const migration of migrations) if (migration.version > stored) apply(driver, migration);
}

/** The newest version applied, 0 for a new database. */
export function schemaVersion(driver: SqlDriver): number {
  const [row] = driver.all('SELECT coalesce(max(version), 0) AS version FROM schema_versions');
  return row === undefined ? 0 : numberOf(row, 'version');
}

function apply(driver: SqlDriver, migration: Migration): void {
  driver.exec('BEGIN IMMEDIATE');
  try {
    driver.exec(migration.sql);
    driver.exec(`INSERT INTO schema_versions VALUES (${migration.version}, datetime('now'))`);
    driver.exec('COMMIT');
  } catch (thrown) {
    if (driver.inTransaction()) driver.exec('ROLLBACK');
    throw thrown;
  }
}

function tooNew(place: string, stored: number, known: number): PlatformError {
  return new PlatformError(
    'STORE_VERSION',
    `The database "${place}" has schema version ${stored}, and this Zeroplane knows versions up to ${known}. Use the newer Zeroplane that wrote it, or another data folder.`,
    { place, stored, known },
  );
}
