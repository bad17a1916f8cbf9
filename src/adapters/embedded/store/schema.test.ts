import { describe, expect, test } from 'vitest';
import type { SqlDriver } from './driver.ts';
import { openDriver } from './open-driver.ts';
import type { Migration } from './schema.ts';
import { MIGRATIONS, migrate, schemaVersion } from './schema.ts';

const ONE: Migration = { version: 1, sql: 'CREATE TABLE a (v); INSERT INTO a VALUES (1)' };
const TWO: Migration = { version: 2, sql: 'CREATE TABLE b (v); UPDATE a SET v=2' };
const BROKEN: Migration = { version: 2, sql: 'CREATE TABLE b (v); UPDATE a SET v=2; INSERT INTO nowhere VALUES (1)' };

const tablesOf = (driver: SqlDriver) =>
  driver.all("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name").map((row) => row['name']);

describe('migrations', () => {
  test('run once each, in order', async () => {
    const driver = await openDriver(':memory:');
    migrate(driver, 'x', [ONE]);
    migrate(driver, 'x', [ONE, TWO]);
    migrate(driver, 'x', [ONE, TWO]);
    expect(schemaVersion(driver)).toBe(2);
    expect(driver.all('SELECT v FROM a')).toMatchObject([{ v: 2 }]);
  });

  test('a migration that stops halfway leaves the version before it whole', async () => {
    const driver = await openDriver(':memory:');
    expect(() => migrate(driver, 'x', [ONE, BROKEN])).toThrow(/nowhere/u);
    expect(schemaVersion(driver)).toBe(1);
    expect(tablesOf(driver)).toEqual(['a', 'schema_versions']);
    expect(driver.all('SELECT v FROM a')).toMatchObject([{ v: 1 }]);
    migrate(driver, 'x', [ONE, TWO]);
    expect(schemaVersion(driver)).toBe(2);
  });

  test('a database of a newer release is refused, naming both versions and the file', async () => {
    const driver = await openDriver(':memory:');
    migrate(driver, '/data/store.db', [ONE, { version: 41, sql: 'CREATE TABLE later (v)' }]);
    let thrown: unknown;
    try {
      migrate(driver, '/data/store.db', [ONE, TWO]);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'STORE_VERSION', details: { stored: 41, known: 2 } });
    expect((thrown as Error).message).toMatch(/"\/data\/store\.db".*version 41.*up to 2/u);
    expect(tablesOf(driver)).not.toContain('b');
  });

  test('the shipped migrations are numbered from one without a gap', () => {
    expect(MIGRATIONS.map((migration) => migration.version)).toEqual(MIGRATIONS.map((_migration, index) => index + 1));
  });
});
