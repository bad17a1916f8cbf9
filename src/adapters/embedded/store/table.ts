/** `Table` over the shared `items` rows. */

import type { Condition, Item, Key, Page, Query, Table, TableSpec, Write } from '../../../core/ports.ts';
import type { StoreCore } from './store-core.ts';
import { queryPage } from './item-query.ts';
import { ItemShape } from './item-shape.ts';
import type { PreparedWrite } from './item-writes.ts';
import { applyWrites, checkTransaction, prepareWrite, readJson } from './item-writes.ts';
import type { Scope } from './scope.ts';

export class EmbeddedTable implements Table {
  readonly spec: TableSpec;
  readonly #core: StoreCore;
  readonly #scope: Scope;
  readonly #shape: ItemShape;

  constructor(core: StoreCore, scope: Scope, spec: TableSpec) {
    this.spec = spec;
    this.#core = core;
    this.#scope = scope;
    this.#shape = new ItemShape(spec, scope);
  }

  async get(key: Key): Promise<Item | undefined> {
    const stored = this.#shape.keyOf(key);
    const json = this.#core.read((driver) => readJson(driver, this.spec.name, stored, this.#core.nowSeconds()));
    return json === undefined ? undefined : this.#shape.fromStored(json);
  }

  put(item: Item, condition?: Condition): Promise<void> {
    return transact(this.#core, this.#scope, [{ put: item, table: this.spec, ...(condition && { condition }) }]);
  }

  delete(key: Key, condition?: Condition): Promise<void> {
    return transact(this.#core, this.#scope, [{ delete: key, table: this.spec, ...(condition && { condition }) }]);
  }

  async query(query: Query): Promise<Page> {
    const wait = this.#core.read(() => this.#core.tables.ensure(this.spec, 'read'));
    if (wait !== undefined) await wait;
    return this.#core.read((driver) => queryPage(driver, this.#shape, query, this.#core.nowSeconds()));
  }
}

/** All of `writes` or none; everything that can be checked without the database is checked first. */
export async function transact(core: StoreCore, scope: Scope, writes: readonly Write[]): Promise<void> {
  if (writes.length === 0) return;
  const prepared: PreparedWrite[] = writes.map((write) => prepareWrite(write, new ItemShape(write.table, scope)));
  checkTransaction(prepared);
  for (const { table } of writes) {
    const wait = core.read(() => core.tables.ensure(table, 'write'));
    if (wait !== undefined) await wait;
  }
  await core.commit.submit((driver) => applyWrites(driver, prepared, core.nowSeconds()));
}
