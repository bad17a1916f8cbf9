/** What the tables, queues, blobs and feeds of one open store share. */

import type { Clock } from '../../../core/ports.ts';
import { ChangeHub } from './change-hub.ts';
import type { SqlDriver } from './driver.ts';
import { GroupCommit } from './group-commit.ts';
import type { LogSync } from './log-sync.ts';
import { toStoreError } from './store-error.ts';
import { TableCatalogue } from './table-catalogue.ts';
import type { PlatformError } from '../../../core/errors.ts';

export interface CoreParts {
  readonly driver: SqlDriver;
  readonly clock: Clock;
  /** Named in messages. */
  readonly place: string;
  readonly onFatal?: ((error: PlatformError) => void) | undefined;
  /** Of a store on disk. */
  readonly log?: LogSync | undefined;
}

export class StoreCore {
  readonly commit: GroupCommit;
  readonly tables: TableCatalogue;
  readonly hub = new ChangeHub();
  readonly place: string;
  readonly #driver: SqlDriver;
  readonly #clock: Clock;
  readonly #steadyOffsetMs: number;

  constructor(parts: CoreParts) {
    this.place = parts.place;
    this.#driver = parts.driver;
    this.#clock = parts.clock;
    this.#steadyOffsetMs = parts.clock.nowMs() - parts.clock.monotonicMs();
    this.commit = new GroupCommit(parts);
    this.tables = new TableCatalogue(parts.driver, this.commit);
  }

  /** Runs a read at once; it sees committed data only. @throws PlatformError. */
  read<T>(run: (driver: SqlDriver) => T): T {
    try {
      return run(this.#driver);
    } catch (thrown) {
      throw toStoreError(thrown, this.place);
    }
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  nowSeconds(): number {
    return this.#clock.nowMs() / 1000;
  }

  /**
   * Milliseconds that began as wall time when the store was opened and never jump since: leases, delays and
   * retention outlive a restart, yet a changed clock neither ends nor prolongs them.
   */
  steadyMs(): number {
    return this.#clock.monotonicMs() + this.#steadyOffsetMs;
  }
}
