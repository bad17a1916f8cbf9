/** `StoreRoot` and `TenantStore`: hands out tables, queues, blobs and feeds, each bound to one scope. */

import { randomUUID } from 'node:crypto';
import { PlatformError } from '../../../core/errors.ts';
import type {
  BlobStore,
  ChangeFeed,
  Clock,
  Queue,
  QueueOptions,
  StoreRoot,
  Table,
  TableSpec,
  TenantStore,
  Write,
} from '../../../core/ports.ts';
import { EmbeddedBlobStore } from './blob-store.ts';
import { EmbeddedChangeFeed } from './change-feed.ts';
import type { SqlDriver } from './driver.ts';
import { textOf } from './driver.ts';
import { PURGE_EVERY_MS, purge } from './purge.ts';
import { EmbeddedQueue } from './queue.ts';
import type { Scope } from './scope.ts';
import { SYSTEM_SCOPE, tenantScope } from './scope.ts';
import type { StoreCore } from './store-core.ts';
import { EmbeddedTable, transact } from './table.ts';

interface RootOptions {
  readonly clock: Clock;
  /** Gives the data folder free. */
  readonly release: () => void;
}

export class EmbeddedStoreRoot implements StoreRoot {
  readonly label = 'embedded';
  readonly #core: StoreCore;
  readonly #driver: SqlDriver;
  readonly #options: RootOptions;
  readonly #stores = new Map<string, TenantStore>();
  readonly #system: TenantStore;
  #cancelPurge: () => void = () => undefined;
  #closing: Promise<void> | undefined;

  constructor(core: StoreCore, driver: SqlDriver, options: RootOptions) {
    this.#core = core;
    this.#driver = driver;
    this.#options = options;
    this.#system = new EmbeddedTenantStore(core, SYSTEM_SCOPE);
    this.#schedulePurge();
  }

  store(tenant: string): TenantStore {
    const known = this.#stores.get(tenant);
    if (known !== undefined) return known;
    const store = new EmbeddedTenantStore(this.#core, tenantScope(tenant));
    this.#stores.set(tenant, store);
    return store;
  }

  systemStore(): TenantStore {
    return this.#system;
  }

  /** Writes one row and reads it back. */
  async check(): Promise<void> {
    const value = randomUUID();
    await this.#core.commit.submit((driver) => driver.run('INSERT OR REPLACE INTO probe VALUES (1, ?)', [value]));
    const [row] = this.#core.read((driver) => driver.all('SELECT value FROM probe WHERE id=1'));
    // A check that ran meanwhile may have written its own value; a missing one is a lost write.
    if (row === undefined || textOf(row, 'value') === '') throw lostWrite(this.#core.place);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelPurge();
    await this.#core.commit.stop(closed(this.#core.place));
    try {
      this.#driver.all('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // Nothing is lost: the log holds every acknowledged write and is read at the next start.
    }
    this.#driver.close();
    this.#options.release();
  }

  #schedulePurge(): void {
    this.#cancelPurge = this.#options.clock.after(PURGE_EVERY_MS, () => void this.#purge());
  }

  async #purge(): Promise<void> {
    try {
      while (await purge(this.#core));
    } catch {
      // Purging only frees space. What stopped it also meets the next write, which has a caller to tell.
    }
    if (this.#closing === undefined) this.#schedulePurge();
  }
}

class EmbeddedTenantStore implements TenantStore {
  readonly tenant: string;
  readonly blobs: BlobStore;
  readonly changes: ChangeFeed;
  readonly #core: StoreCore;
  readonly #scope: Scope;

  constructor(core: StoreCore, scope: Scope) {
    this.tenant = scope.tenant;
    this.blobs = new EmbeddedBlobStore(core, scope);
    this.changes = new EmbeddedChangeFeed(core, scope);
    this.#core = core;
    this.#scope = scope;
  }

  table(spec: TableSpec): Table {
    return new EmbeddedTable(this.#core, this.#scope, spec);
  }

  transact(writes: readonly Write[]): Promise<void> {
    return transact(this.#core, this.#scope, writes);
  }

  queue(name: string, options: QueueOptions = {}): Queue {
    return new EmbeddedQueue(this.#core, this.#scope, { ...options, name });
  }
}

function closed(place: string): PlatformError {
  return new PlatformError('STORE_UNAVAILABLE', `The store in "${place}" is closed. Open it again to use it.`);
}

function lostWrite(place: string): PlatformError {
  return new PlatformError(
    'STORE_UNAVAILABLE',
    `The store in "${place}" did not give back what was just written. Check the disk.`,
    { place },
  );
}
