/** The engine built into Node 22.13 and later. */

import type { Engine, EngineStatement, SqlRow, SqlValue } from './driver.ts';

interface NodeStatement {
  all(...values: readonly SqlValue[]): SqlRow[];
  run(...values: readonly SqlValue[]): { readonly changes: number | bigint };
}

interface NodeDatabase {
  readonly isTransaction: boolean;
  prepare(sql: string): NodeStatement;
  exec(sql: string): void;
  close(): void;
}

type NodeSqlite = { readonly DatabaseSync: new (path: string) => NodeDatabase };

/**
 * Asked of the process instead of imported, so that bundlers and test runners leave it alone.
 *
 * @returns `undefined` where this Node has no usable `node:sqlite`.
 */
export function loadNodeSqlite(): NodeSqlite | undefined {
  const module = process.getBuiltinModule('node:sqlite') as unknown as NodeSqlite | undefined;
  return module !== undefined && knowsTransactions(module) ? module : undefined;
}

/** Early versions cannot tell whether a transaction is open, which group commit must know. */
function knowsTransactions(module: NodeSqlite): boolean {
  const probe = new module.DatabaseSync(':memory:');
  try {
    return typeof (probe as { isTransaction?: unknown }).isTransaction === 'boolean';
  } finally {
    probe.close();
  }
}

export function openNodeEngine(module: NodeSqlite, path: string): Engine {
  const database = new module.DatabaseSync(path);
  return {
    name: 'node:sqlite',
    prepare: (sql) => wrapStatement(database.prepare(sql)),
    exec: (sql) => database.exec(sql),
    inTransaction: () => database.isTransaction,
    close: () => database.close(),
  };
}

function wrapStatement(statement: NodeStatement): EngineStatement {
  return {
    all: (values) => statement.all(...values),
    run: (values) => Number(statement.run(...values).changes),
  };
}
