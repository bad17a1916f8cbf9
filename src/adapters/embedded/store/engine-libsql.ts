/**
 * The engine for a Node without `node:sqlite`. Only arrays are bound and only `all` reads, because the other
 * call forms of libsql 0.5 misread bytes, add `_metadata`, or ignore options.
 */

import type { Engine, EngineStatement, SqlRow, SqlValue } from './driver.ts';

interface LibsqlStatement {
  all(values: readonly SqlValue[]): Record<string, SqlValue | ArrayBuffer>[];
  run(values: readonly SqlValue[]): { readonly changes: number };
}

interface LibsqlDatabase {
  readonly inTransaction: boolean;
  prepare(sql: string): LibsqlStatement;
  exec(sql: string): void;
  close(): void;
}

type LibsqlModule = { readonly default: new (path: string) => LibsqlDatabase };

/** @throws whatever libsql throws when the file cannot be opened. */
export async function openLibsqlEngine(path: string): Promise<Engine> {
  const module = (await import('libsql')) as unknown as LibsqlModule;
  const database = new module.default(path);
  return {
    name: 'libsql',
    prepare: (sql) => wrapStatement(database.prepare(sql)),
    exec: (sql) => database.exec(sql),
    inTransaction: () => database.inTransaction,
    close: () => database.close(),
  };
}

function wrapStatement(statement: LibsqlStatement): EngineStatement {
  return {
    all: (values) => statement.all(values).map(withBytes),
    run: (values) => statement.run(values).changes,
  };
}

function withBytes(row: Record<string, SqlValue | ArrayBuffer>): SqlRow {
  for (const column in row) {
    const value = row[column];
    if (value instanceof ArrayBuffer) row[column] = new Uint8Array(value);
  }
  return row as SqlRow;
}
