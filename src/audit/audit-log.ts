/**
 * Writes audit records in the same transaction as the change that they tell of, so that neither exists without the
 * other. Changes of a tenant that come while one is being written wait and go together with the next write: the chain
 * has one order, and many callers share one commit.
 */

import { PlatformError } from '../core/errors.ts';
import type { Clock, StoreRoot, TenantStore, Write } from '../core/ports.ts';
import {
  AUDIT_CHAINS,
  AUDIT_RECORDS,
  CHAIN_GROUP,
  hashOf,
  sealOf,
  toItem,
  type AuditRecord,
  type ChainHead,
  type HeadRecord,
} from './audit-record.ts';
import type { AuditEntry, AuditTrail } from './audit-trail.ts';

/** Of one transaction. */
const MAX_WRITES = 100;
/** How often a writer looks how far others have got, and how many of their chains it names then, the newest first. */
const LOOK_MS = 60_000;
const MAX_BESIDE = 20;
/** The chain had gone on without us knowing. */
const MOVED_ON = Symbol('moved on');

export interface AuditLogParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  /** Names this process among the writers; another one after each start. */
  readonly writer: string;
  /** 32 bytes, the same across restarts. */
  readonly key: Uint8Array;
}

interface Change {
  readonly writes: readonly Write[];
  readonly entries: readonly AuditEntry[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Head {
  readonly day: string;
  readonly sequence: number;
  readonly hash: string;
}

interface Chain {
  /** Absent until this process has looked where the trail ends. */
  head: Head | undefined;
  waiting: Change[];
  isWriting: boolean;
  /** When this process last looked at the chains of others, by the clock that never goes back. */
  lookedAtMs: number;
  /** How far this process has named each of them. */
  readonly named: Map<string, number>;
}

export class AuditLog implements AuditTrail {
  readonly #parts: AuditLogParts;
  readonly #chains = new Map<string, Chain>();

  constructor(parts: AuditLogParts) {
    this.#parts = parts;
  }

  commit(tenant: string, writes: readonly Write[], entries: readonly AuditEntry[]): Promise<void> {
    const chain = this.#chains.get(tenant) ?? newChain();
    this.#chains.set(tenant, chain);
    return new Promise((resolve, reject) => {
      chain.waiting.push({ writes, entries, resolve, reject });
      if (!chain.isWriting) void this.#drain(tenant, chain);
    });
  }

  async #drain(tenant: string, chain: Chain): Promise<void> {
    chain.isWriting = true;
    const store = this.#parts.store.store(tenant);
    while (chain.waiting.length > 0) await this.#write(store, chain, takeBatch(chain.waiting));
    chain.isWriting = false;
  }

  /** Writes a batch; who is at fault for its failure is told so, and the rest is written without it. Never rejects. */
  async #write(store: TenantStore, chain: Chain, batch: readonly Change[]): Promise<void> {
    let changes = batch;
    while (changes.length > 0) {
      const error = await this.#tryWrite(store, chain, changes);
      if (error === MOVED_ON) continue;
      if (error === undefined) {
        for (const change of changes) change.resolve();
        return;
      }
      const failed = changeAt(changes, error);
      if (failed !== undefined) {
        failed.change.reject(failed.error);
        changes = changes.filter((change) => change !== failed.change);
      } else if (changes.length === 1 || isOfStore(error)) {
        for (const change of changes) change.reject(error);
        return;
      } else {
        for (const change of changes) await this.#write(store, chain, [change]);
        return;
      }
    }
  }

  /** @returns what failed; {@link MOVED_ON} when it is worth another try. */
  async #tryWrite(store: TenantStore, chain: Chain, changes: readonly Change[]): Promise<unknown> {
    try {
      const from = (chain.head ??= await this.#newest(store));
      const beside = await this.#beside(store, chain, from.hash);
      const { records, head } = this.#chained(store.tenant, from, { changes, beside });
      const writes = changes.flatMap((change) => change.writes);
      try {
        await store.transact([...writes, ...records, headRow(this.#chainName(head), head, this.#parts.key)]);
        chain.head = head;
        if (records.length > 0) this.#noteNamed(chain, beside);
        return undefined;
      } catch (error) {
        if (!isOfChain(error, writes.length)) return error;
        chain.head = await this.#moved(store, from, head.day);
        return MOVED_ON;
      }
    } catch (error) {
      return error;
    }
  }

  /** Where the trail ends that this process goes on with, whoever wrote it. */
  async #newest(store: TenantStore): Promise<Head> {
    const newest = { partition: CHAIN_GROUP, descending: true, limit: 1 };
    const [row] = (await store.table(AUDIT_CHAINS).query(newest)).items as unknown as readonly ChainHead[];
    return { day: '', sequence: 0, hash: row?.hash ?? '' };
  }

  /** How far others have got since this process looked last, without what the record before says anyway. */
  async #beside(store: TenantStore, { named, lookedAtMs }: Chain, previous: string): Promise<readonly HeadRecord[]> {
    if (this.#parts.clock.monotonicMs() - lookedAtMs < LOOK_MS) return [];
    const newest = { partition: CHAIN_GROUP, descending: true, limit: MAX_BESIDE };
    const { items } = await store.table(AUDIT_CHAINS).query(newest);
    return (items as unknown as readonly ChainHead[])
      .filter(
        ({ chain, sequence, hash }) => sequence > (named.get(chain) ?? 0) && hash !== previous && !this.#isOwn(chain),
      )
      .map(({ chain, sequence, hash }) => ({ chain, sequence, hash }));
  }

  #noteNamed(chain: Chain, beside: readonly HeadRecord[]): void {
    for (const each of beside) chain.named.set(each.chain, each.sequence);
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - chain.lookedAtMs >= LOOK_MS) chain.lookedAtMs = nowMs;
  }

  /**
   * The end of our own chain as it is stored: a store may say that a commit failed which it has made.
   *
   * @throws PlatformError `STORE_CORRUPT` when the chain is as we know it, and yet its next record is there.
   */
  async #moved(store: TenantStore, known: Head, day: string): Promise<Head> {
    const chain = this.#chainName({ day });
    const row = (await store.table(AUDIT_CHAINS).get({ group: CHAIN_GROUP, chain })) as ChainHead | undefined;
    const least = known.day === day ? known.sequence : 0;
    if (row !== undefined && row.sequence > least) return { day, sequence: row.sequence, hash: row.hash };
    throw new PlatformError(
      'STORE_CORRUPT',
      `The audit trail of tenant "${store.tenant}" has records behind its end, in chain "${chain}", so nothing is changed. Run zeroplane audit verify; a restart begins a new chain.`,
      { tenant: store.tenant, chain },
    );
  }

  #isOwn(chain: string): boolean {
    return chain.endsWith(`#${this.#parts.writer}`);
  }

  #chainName({ day }: Pick<Head, 'day'>): string {
    return `${day}#${this.#parts.writer}`;
  }

  #chained(
    tenant: string,
    from: Head,
    { changes, beside }: { readonly changes: readonly Change[]; readonly beside: readonly HeadRecord[] },
  ): { readonly records: Write[]; readonly head: Head } {
    const at = new Date(this.#parts.clock.nowMs()).toISOString();
    const day = at.slice(0, 10);
    // A clock that goes back stays in its chain: the order is that of writing.
    let head: Head = day > from.day ? { day, sequence: 0, hash: from.hash } : from;
    const records = changes
      .flatMap((change) => change.entries)
      .map((entry, index): Write => {
        // The first of a batch names the others.
        const others = index === 0 && beside.length > 0 ? { beside } : {};
        const record = this.#record(tenant, head, { at, entry, ...others });
        head = { day: head.day, sequence: record.sequence, hash: record.hash };
        return { put: toItem(record), table: AUDIT_RECORDS, condition: { exists: false } };
      });
    return { records, head };
  }

  #record(tenant: string, head: Head, content: Pick<AuditRecord, 'at' | 'entry' | 'beside'>): AuditRecord {
    const open = { chain: this.#chainName(head), sequence: head.sequence + 1, previous: head.hash, ...content };
    const hash = hashOf(tenant, open);
    return { ...open, hash, seal: sealOf(this.#parts.key, hash) };
  }
}

const newChain = (): Chain => ({
  head: undefined,
  waiting: [],
  isWriting: false,
  lookedAtMs: -Infinity,
  named: new Map(),
});

function headRow(chain: string, { sequence, hash }: Head, key: Uint8Array): Write {
  return {
    put: { group: CHAIN_GROUP, chain, sequence, hash, seal: sealOf(key, `${sequence}:${hash}`) },
    table: AUDIT_CHAINS,
  };
}

/** As many waiting changes as one transaction takes, at least one; no item is written twice in one. */
function takeBatch(waiting: Change[]): Change[] {
  const items = new Set<string>();
  let size = 1;
  let count = 0;
  for (const { writes, entries } of waiting) {
    const keys = writes.map(itemOf);
    size += writes.length + entries.length;
    if (count > 0 && (size > MAX_WRITES || keys.some((key) => items.has(key)))) break;
    for (const key of keys) items.add(key);
    count++;
  }
  return waiting.splice(0, count);
}

function itemOf(write: Write): string {
  const { name, partitionKey, sortKey } = write.table;
  const item = 'put' in write ? write.put : write.delete;
  return JSON.stringify([name, item[partitionKey], sortKey === undefined ? '' : item[sortKey]]);
}

/** A record of ours was in the way, not a condition of a change. */
function isOfChain(error: unknown, writes: number): boolean {
  if (!(error instanceof PlatformError) || error.code !== 'CONDITION_FAILED') return false;
  const { index } = error.details;
  return typeof index === 'number' && index >= writes;
}

/** The store cannot write at all, whatever is written. */
function isOfStore(error: unknown): boolean {
  return error instanceof PlatformError && error.code.startsWith('STORE_');
}

/** Whose condition it was that failed, and the error as that change would have had it alone. */
function changeAt(
  changes: readonly Change[],
  error: unknown,
): { readonly change: Change; readonly error: PlatformError } | undefined {
  if (!(error instanceof PlatformError) || error.code !== 'CONDITION_FAILED') return undefined;
  let index = error.details['index'];
  if (typeof index !== 'number') return undefined;
  for (const change of changes) {
    if (index < change.writes.length) {
      const details = { ...error.details, index };
      return { change, error: new PlatformError('CONDITION_FAILED', error.message, details, { cause: error }) };
    }
    index -= change.writes.length;
  }
  return undefined;
}
