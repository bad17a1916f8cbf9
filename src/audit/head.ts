/**
 * The head of a trail: its newest records, as text that is kept where nobody reaches who can write to the store. Each
 * record stands for all before it, so a trail that has them still has everything that it had.
 */

import { PlatformError } from '../core/errors.ts';
import type { Item, StoreRoot, TenantStore } from '../core/ports.ts';
import {
  AUDIT_CHAINS,
  AUDIT_RECORDS,
  CHAIN_GROUP,
  fromItem,
  type AuditRecord,
  type ChainHead,
  type HeadRecord,
} from './audit-record.ts';

export interface AuditHead {
  /** For {@link parseHead}; `''` while nothing is recorded. */
  readonly head: string;
  /** One, and one more for each process that wrote at the same time as another. */
  readonly records: readonly HeadRecord[];
}

const RECORD = /^(\d{4}-\d\d-\d\d#[\w-]{1,100}):(\d{1,10}):([0-9a-f]{64})$/;

/** Reads no more than the ends of the chains: whether the trail is whole is for `verifyAudit` to say. */
export async function auditHead(root: StoreRoot, tenant: string): Promise<AuditHead> {
  const store = root.store(tenant);
  const [ends, firsts] = await chainsOf(store);
  const continued = new Set(firsts.map(({ previous }) => previous));
  const records = ends
    .filter(({ hash }) => !continued.has(hash))
    .map(({ chain, sequence, hash }) => ({ chain, sequence, hash }));
  const head = records.map(({ chain, sequence, hash }) => `${chain}:${sequence}:${hash}`).join(',');
  return { head, records };
}

/** @throws PlatformError `INVALID_ARGUMENTS` for what is not a whole head. */
export function parseHead(text: string): readonly HeadRecord[] {
  return text.split(',').map((part) => {
    const [, chain, sequence, hash] = RECORD.exec(part.trim()) ?? [];
    if (chain !== undefined && sequence !== undefined && hash !== undefined)
      return { chain, sequence: Number(sequence), hash };
    throw new PlatformError(
      'INVALID_ARGUMENTS',
      `"${part.slice(0, 60)}" is no head of an audit trail. Give the whole text that zeroplane audit head printed.`,
    );
  });
}

/** The ends of all chains, and the first record of each that has one. */
export async function chainsOf(store: TenantStore): Promise<[readonly ChainHead[], readonly AuditRecord[]]> {
  const ends = (await allItems(store, 'chains')) as unknown as readonly ChainHead[];
  const firsts: AuditRecord[] = [];
  for (const { chain } of ends) {
    const { items } = await store.table(AUDIT_RECORDS).query({ partition: chain, limit: 1 });
    firsts.push(...items.map(fromItem));
  }
  return [ends, firsts];
}

/** `chains` for the ends, otherwise a chain's records, to the last page. */
export async function allItems(store: TenantStore, what: string): Promise<readonly Item[]> {
  const table = store.table(what === 'chains' ? AUDIT_CHAINS : AUDIT_RECORDS);
  const partition = what === 'chains' ? CHAIN_GROUP : what;
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const page = await table.query({ partition, ...(cursor === undefined ? {} : { cursor }) });
    items.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return items;
}
