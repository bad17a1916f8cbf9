/** One line of the audit trail, and how it is chained to the line before. Pure, so that writer and verifier agree. */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Item, JsonValue, TableSpec } from '../core/ports.ts';
import type { AuditEntry } from './audit-trail.ts';

/** A record by its place and its hash. */
export interface HeadRecord {
  readonly chain: string;
  readonly sequence: number;
  readonly hash: string;
}

export interface AuditRecord {
  /** `2026-11-25#<writer>`: one chain per tenant, day and writing process. */
  readonly chain: string;
  /** From 1, without gaps. */
  readonly sequence: number;
  readonly at: string;
  readonly entry: AuditEntry;
  /**
   * Hash of the record before; of a chain's first, of the newest record there was: of this writer's chain of the day
   * before, or of whoever wrote last before this process did. `''` where the trail begins.
   */
  readonly previous: string;
  /**
   * The ends of the chains of other processes, as far as they had got: where several write at the same time, each holds
   * what the others have written. Absent where there is nothing new of them.
   */
  readonly beside?: readonly HeadRecord[];
  /** Hex SHA-256 of everything above, and the tenant. */
  readonly hash: string;
  /** HMAC of the hash under the instance's key: who can write to the store and has no key cannot make one. */
  readonly seal: string;
}

export const AUDIT_RECORDS: TableSpec = { name: 'AuditRecords', partitionKey: 'chain', sortKey: 'position' };

/** One row per chain with its newest record, so that records missing at its end are noticed. */
export const AUDIT_CHAINS: TableSpec = { name: 'AuditChains', partitionKey: 'group', sortKey: 'chain' };
/** The one partition of {@link AUDIT_CHAINS}. */
export const CHAIN_GROUP = 'chains';

export interface ChainHead {
  readonly chain: string;
  readonly sequence: number;
  readonly hash: string;
  readonly seal: string;
}

/** The sort key: text that sorts as the number does. */
export const positionOf = (sequence: number): string => String(sequence).padStart(10, '0');

/** JSON whose members are in the order of their names, so that equal values have equal text. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`);
  return `{${members.join(',')}}`;
}

export function hashOf(tenant: string, record: Omit<AuditRecord, 'hash' | 'seal'>): string {
  const { chain, sequence, at, entry, previous, beside } = record;
  return createHash('sha256').update(canonical({ tenant, chain, sequence, at, entry, previous, beside })).digest('hex');
}

export function sealOf(key: Uint8Array, hash: string): string {
  return createHmac('sha256', key).update(`audit\0${hash}`).digest('hex');
}

export function isSealed(key: Uint8Array, hash: string, seal: string): boolean {
  const expected = Buffer.from(sealOf(key, hash));
  const given = Buffer.from(seal);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

export function toItem(record: AuditRecord): Item {
  const { beside, entry, ...rest } = record;
  const base = { ...rest, entry: entry as unknown as JsonValue, position: positionOf(record.sequence) };
  return beside === undefined ? base : { ...base, beside: beside.map((each) => ({ ...each })) };
}

export function fromItem(item: Item): AuditRecord {
  const { chain, sequence, at, entry, previous, beside, hash, seal } = item as unknown as AuditRecord;
  return { chain, sequence, at, entry, previous, ...(beside === undefined ? {} : { beside }), hash, seal };
}
