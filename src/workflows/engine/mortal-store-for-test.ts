/** A store whose process dies at a chosen write. */

import type { StoreRoot, Table, TenantStore } from '../../core/ports.ts';

export interface Mortal {
  readonly root: StoreRoot;
  readonly isDead: () => boolean;
  /** Counts anew from now on. */
  readonly dieAfter: (writes: number) => void;
}

/** A store that answers nothing any more after so many writes, as for a process that was killed. */
export function mortal(root: StoreRoot, writes = Number.POSITIVE_INFINITY): Mortal {
  let left = writes;
  let isOdd = writes % 2 !== 0;
  const never = new Promise<never>(() => undefined);
  const alive = <T>(body: () => Promise<T>): Promise<T> => (left <= 0 ? never : body());
  const writing = async <T>(body: () => Promise<T>): Promise<T> => {
    left -= 1;
    // Half of the deaths come after the commit and before its answer.
    if (left < 0) return never;
    const result = await body();
    return left === 0 && !isOdd ? never : result;
  };
  const table = (inner: Table): Table => ({
    spec: inner.spec,
    get: (key) => alive(() => inner.get(key)),
    put: (item, condition) => writing(() => inner.put(item, condition)),
    delete: (key, condition) => writing(() => inner.delete(key, condition)),
    query: (query) => alive(() => inner.query(query)),
  });
  const tenant = (inner: TenantStore): TenantStore => ({
    tenant: inner.tenant,
    table: (spec) => table(inner.table(spec)),
    transact: (all) => writing(() => inner.transact(all)),
    queue: (name, options) => inner.queue(name, options),
    blobs: inner.blobs,
    changes: inner.changes,
  });
  const wrapped: StoreRoot = {
    label: root.label,
    store: (name) => tenant(root.store(name)),
    systemStore: () => tenant(root.systemStore()),
    check: () => root.check(),
    close: async () => undefined,
  };
  const dieAfter = (more: number): void => {
    left = more;
    isOdd = more % 2 !== 0;
  };
  return { root: wrapped, isDead: () => left <= 0, dieAfter };
}
