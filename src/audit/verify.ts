/** Reads a tenant's audit trail from its first record to its last, and says where it was touched. */

import { PlatformError } from '../core/errors.ts';
import { textOf } from '../core/json.ts';
import type { StoreRoot, TenantStore } from '../core/ports.ts';
import {
  AUDIT_RECORDS,
  fromItem,
  hashOf,
  isSealed,
  positionOf,
  type AuditRecord,
  type ChainHead,
  type HeadRecord,
} from './audit-record.ts';
import { allItems, chainsOf } from './head.ts';

export interface AuditProblem {
  readonly chain: string;
  /** The first record that is wrong or missing. */
  readonly sequence: number;
  readonly problem: 'edited' | 'missing' | 'reordered' | 'seal' | 'head';
  readonly message: string;
}

export interface AuditVerdict {
  readonly isIntact: boolean;
  readonly chains: number;
  readonly records: number;
  /** When the newest verified record was written; absent when there is none. */
  readonly until?: string;
  /** At most one of each chain: what comes after it proves nothing. */
  readonly problems: readonly AuditProblem[];
}

/**
 * @param key - The key that the records were sealed with.
 * @param kept - A head of earlier, which the trail must still have: without one, a trail that was put back to what it
 *   was at some time, or removed from some time on, looks like one that had got no further.
 */
export async function verifyAudit(
  root: StoreRoot,
  tenant: string,
  key: Uint8Array,
  kept: readonly HeadRecord[] = [],
): Promise<AuditVerdict> {
  const store = root.store(tenant);
  const [heads, firsts] = await chainsOf(store);
  const problems: AuditProblem[] = [];
  /** Records that others name, kept heads among them. */
  const named = new Set([...firsts.map(({ previous }) => previous), ...kept.map(({ hash }) => hash)]);
  const found = new Set(heads.map(({ hash }) => hash));
  const places = new Set<string>();
  const beside = new Map<string, HeadRecord>();
  let records = 0;
  let until: string | undefined;
  for (const head of heads) {
    const chain = (await allItems(store, head.chain)).map(fromItem);
    const problem = problemOf(tenant, chain, head, key);
    if (problem !== undefined) problems.push({ chain: head.chain, ...problem });
    for (const record of chain.filter(({ hash }) => named.has(hash))) {
      found.add(record.hash);
      places.add(placeText(record));
    }
    noteBeside(beside, chain);
    records += chain.length;
    const last = chain.at(-1)?.at;
    if (last !== undefined && (until === undefined || last > until)) until = last;
  }
  const touched = new Set(problems.map(({ chain }) => chain));
  problems.push(...lostChains(firsts, found).filter(({ chain }) => !touched.has(chain)));
  problems.push(...lostHeads(kept, places).filter(({ chain }) => !touched.has(chain)));
  for (const { chain } of problems) touched.add(chain);
  const others = [...beside.values()].filter(({ chain }) => !touched.has(chain));
  problems.push(...(await lostBeside(store, others)));
  const seen = until === undefined ? {} : { until };
  return { isIntact: problems.length === 0, chains: heads.length, records, ...seen, problems };
}

const placeText = ({ chain, sequence, hash }: HeadRecord): string => `${chain}:${sequence}:${hash}`;

/** A chain that goes on from another names the record that it goes on from. */
function lostChains(firsts: readonly AuditRecord[], found: ReadonlySet<string>): AuditProblem[] {
  return firsts
    .filter(({ previous }) => previous !== '' && !found.has(previous))
    .map(({ chain }) => ({
      chain,
      sequence: 1,
      problem: 'missing',
      message: 'It goes on from a record that is not there: the chain before it is gone, or its end.',
    }));
}

function lostHeads(kept: readonly HeadRecord[], places: ReadonlySet<string>): AuditProblem[] {
  return kept
    .filter((record) => !places.has(placeText(record)))
    .map(({ chain, sequence }) => ({
      chain,
      sequence,
      problem: 'missing',
      message: `Record ${sequence}, the head that you kept, is not there or is another one: what was written until then was removed or replaced.`,
    }));
}

/** Of each chain the furthest record that another names: it stands for those before it. */
function noteBeside(beside: Map<string, HeadRecord>, chain: readonly AuditRecord[]): void {
  for (const other of chain.flatMap((record) => record.beside ?? []))
    if (other.sequence > (beside.get(other.chain)?.sequence ?? 0)) beside.set(other.chain, other);
}

async function lostBeside(store: TenantStore, named: readonly HeadRecord[]): Promise<AuditProblem[]> {
  const problems: AuditProblem[] = [];
  for (const { chain, sequence, hash } of named) {
    const item = await store.table(AUDIT_RECORDS).get({ chain, position: positionOf(sequence) });
    if (item?.['hash'] === hash) continue;
    const message = `Record ${sequence}, which another process saw there, is not there or is another one: the chain is gone, or its end.`;
    problems.push({ chain, sequence, problem: 'missing', message });
  }
  return problems;
}

type Found = Omit<AuditProblem, 'chain'>;

function problemOf(tenant: string, chain: readonly AuditRecord[], head: ChainHead, key: Uint8Array): Found | undefined {
  let previous: string | undefined;
  for (const [index, record] of chain.entries()) {
    const found = recordProblem(tenant, record, { expected: index + 1, previous, key });
    if (found !== undefined) return found;
    previous = record.hash;
  }
  const next = chain.length + 1;
  if (!isSealed(key, `${head.sequence}:${head.hash}`, head.seal))
    return { sequence: next, problem: 'head', message: "The seal of the chain's end is not ours." };
  if (head.sequence > chain.length)
    return {
      sequence: next,
      problem: 'missing',
      message: `The chain had ${head.sequence} records and has ${chain.length}.`,
    };
  if (head.sequence < chain.length || head.hash !== previous)
    return {
      sequence: head.sequence,
      problem: 'head',
      message: "The chain's end is not the record that was sealed as such.",
    };
  return undefined;
}

function recordProblem(
  tenant: string,
  record: AuditRecord,
  {
    expected,
    previous,
    key,
  }: { readonly expected: number; readonly previous: string | undefined; readonly key: Uint8Array },
): Found | undefined {
  const { sequence } = record;
  if (sequence !== expected)
    return { sequence: expected, problem: 'missing', message: `Record ${expected} is missing; ${sequence} follows.` };
  if (hashOf(tenant, record) !== record.hash)
    return { sequence, problem: 'edited', message: `Record ${sequence} was changed after it was written.` };
  if (!isSealed(key, record.hash, record.seal))
    return { sequence, problem: 'seal', message: `Record ${sequence} was not written by this installation.` };
  if (previous !== undefined && record.previous !== previous)
    return { sequence, problem: 'reordered', message: `Record ${sequence} does not follow the one before it.` };
  return undefined;
}

/** A cursor is a chain, and the store's cursor within it; the latter is empty at the chain's begin. */
function placeOf(cursor: string, chains: readonly string[]): { readonly from: string; readonly after: string } {
  const [from = '', after] = cursor.split('\n');
  if (after !== undefined && chains.includes(from)) return { from, after };
  throw new PlatformError('INVALID_CURSOR', 'The cursor is not one of this query. Begin again without a cursor.');
}

/** The newest records first, for people. @throws PlatformError `INVALID_CURSOR`. */
export async function listAudit(
  root: StoreRoot,
  tenant: string,
  { limit = 100, cursor }: { readonly limit?: number; readonly cursor?: string | undefined } = {},
): Promise<{ readonly records: readonly AuditRecord[]; readonly next: string | null }> {
  const store = root.store(tenant);
  const chains = (await allItems(store, 'chains')).map((item) => textOf(item['chain'])).toReversed();
  const { from, after } = cursor === undefined ? {} : placeOf(cursor, chains);
  const records: AuditRecord[] = [];
  for (const chain of from === undefined ? chains : chains.slice(Math.max(0, chains.indexOf(from)))) {
    const page = await store.table(AUDIT_RECORDS).query({
      partition: chain,
      descending: true,
      limit: limit - records.length,
      ...(chain === from && after !== undefined && after !== '' ? { cursor: after } : {}),
    });
    records.push(...page.items.map(fromItem));
    if (page.cursor !== undefined) return { records, next: `${chain}\n${page.cursor}` };
    if (records.length >= limit) break;
  }
  const last = records.at(-1)?.chain;
  const following = last === undefined ? undefined : chains[chains.indexOf(last) + 1];
  return { records, next: records.length >= limit && following !== undefined ? `${following}\n` : null };
}
