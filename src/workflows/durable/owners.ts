/**
 * Which processes that share a store are alive. Each says so by counting; the others watch the count by their own
 * steady clock, so no two clocks are ever compared.
 */

import type { Clock, Logger, StoreRoot, Table } from '../../core/ports.ts';
import { OWNERS } from './tables.ts';

export interface OwnersParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly log: Logger;
  readonly owner: string;
  /** Absent where this process is the only one. */
  readonly leaseMs?: number | undefined;
}

/** What all tenants share lies under this owner. */
const SHARED = '*';
const SCOPE = 'engines';

export class Owners {
  readonly #parts: OwnersParts;
  readonly #seen = new Map<string, { readonly beat: unknown; readonly atMs: number }>();
  #beat = 0;
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(parts: OwnersParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    if (this.#parts.leaseMs !== undefined) await this.#sign(this.#parts.leaseMs);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    if (this.#parts.leaseMs !== undefined) await this.#table().delete({ scope: SCOPE, owner: this.#parts.owner });
  }

  /** Whether an execution that `owner` wrote last may be continued here. */
  async mayTakeFrom(owner: string): Promise<boolean> {
    const { leaseMs, clock } = this.#parts;
    if (leaseMs === undefined || owner === this.#parts.owner) return true;
    const item = await this.#table().get({ scope: SCOPE, owner });
    if (item === undefined) return true;
    const nowMs = clock.monotonicMs();
    const seen = this.#seen.get(owner);
    if (seen !== undefined && seen.beat === item['beat']) return nowMs - seen.atMs >= leaseMs;
    this.#seen.set(owner, { beat: item['beat'], atMs: nowMs });
    return false;
  }

  async #sign(leaseMs: number): Promise<void> {
    this.#beat += 1;
    try {
      await this.#table().put({ scope: SCOPE, owner: this.#parts.owner, beat: this.#beat });
    } catch (thrown) {
      // Others may take over now; their fence keeps this process from writing.
      this.#parts.log.log('warn', 'workflow-heartbeat-failed', { reason: String(thrown) });
    }
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.after(leaseMs / 3, () => void this.#sign(leaseMs));
  }

  #table(): Table {
    return this.#parts.store.store(SHARED).table(OWNERS);
  }
}
