/**
 * The journal of executions in the store: records with a sequence and a checksum that runs through them, and
 * snapshots that let older records go. Whoever writes the next record owns the execution: two cannot. What is
 * committed here is on disk before anybody is told.
 */

import type { AuditEntry, AuditTrail } from '../../audit/audit-trail.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Item, StoreRoot, Table, TenantStore, Write } from '../../core/ports.ts';
import type { Head } from './head.ts';
import { entrySum, firstSum } from './head.ts';
import type { EventDraft, StoredEvent } from './history-log.ts';
import { HistoryLog, charactersIn } from './history-log.ts';
import type { StoredOperation } from './operation.ts';
import { OperationState } from './operation-state.ts';
import { joinTexts, writeText } from './parts.ts';
import type { JournalRecord } from './record.ts';
import {
  checkRecord,
  corrupt,
  eventsIn,
  headAfter,
  nextRecord,
  parseRecord,
  recordRow,
  snapshotRow,
} from './record.ts';
import { JOURNAL, TIMERS, textAt, timeText } from './tables.ts';

/** Records after which a snapshot is worth its while. */
const SNAPSHOT_AFTER = 256;
/** Characters of events in one record. As JSON text inside JSON text, with the operations, it is a part of a transaction. */
const EVENTS_TOGETHER = 2_000_000;
/** Items of one transaction when many are written; a part has up to 300 KB. */
const BATCH = 10;

export interface Timer {
  readonly bucket: 'running' | 'waiting' | 'ended';
  readonly atMs: number;
}

/** One execution as this process knows it. Only its holder, under the execution's lock, may change it. */
export interface Loaded {
  readonly tenant: string;
  readonly id: string;
  head: Head;
  readonly state: OperationState;
  readonly history: HistoryLog;
  /** As last stored by this process; `undefined` when it does not know. */
  timer: Timer | undefined;
}

export interface Change {
  readonly operations?: Iterable<StoredOperation>;
  /** Operations that go, with what is below them. */
  readonly removed?: readonly string[];
  /** What {@link Head.started} and {@link Head.bytes} grow by. */
  readonly started?: number;
  readonly bytes?: number;
  readonly events?: readonly EventDraft[];
  readonly timer?: Timer;
  /** Further items for the same transaction. */
  readonly writes?: readonly Write[];
  /** Records of the audit trail for it. */
  readonly entries?: readonly AuditEntry[] | undefined;
}

export interface JournalOptions {
  readonly store: StoreRoot;
  readonly nowMs: () => number;
  /** Names this process in the records it writes. */
  readonly fence: string;
  /** @default changes leave no records there */
  readonly audit?: AuditTrail | undefined;
}

interface Read {
  readonly head: Head;
  readonly state: OperationState;
  /** Of the records that are left. */
  readonly events: readonly StoredEvent[];
}

export class Journal {
  readonly #options: JournalOptions;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** An execution of which nothing is stored yet; its first commit creates it. */
  begin(tenant: string, id: string): Loaded {
    const { fence } = this.#options;
    const sum = firstSum(tenant, id);
    const head: Head = { fence, sequence: 0, sum, started: 0, bytes: 0, events: 0, snapshot: 0 };
    const history = new HistoryLog(this.#store(tenant), id, []);
    return { tenant, id, head, state: new OperationState(), history, timer: undefined };
  }

  /**
   * Everything that is stored, checked from the first record to the last.
   *
   * @returns `undefined` when there is no such execution.
   * @throws PlatformError `JOURNAL_CORRUPT`.
   */
  async load(tenant: string, id: string): Promise<Loaded | undefined> {
    for (;;) {
      const head = await this.head(tenant, id);
      if (head === undefined) return undefined;
      try {
        return this.#loaded(tenant, id, await this.#read(tenant, id, head));
      } catch (thrown) {
        // Somebody else may have written between the reads.
        const now = await this.head(tenant, id);
        if (now === undefined || now.sequence === head.sequence) throw thrown;
      }
    }
  }

  /** As the newest record says it, which is checked by {@link load} alone. @throws PlatformError `JOURNAL_CORRUPT`. */
  async head(tenant: string, id: string): Promise<Head | undefined> {
    const table = this.#table(tenant);
    const newest = await table.query({ partition: id, prefix: 'c', descending: true, limit: 1 });
    if (newest.items[0] === undefined) return undefined;
    const [row = ''] = textAt(newest.items[0], 'row').split('.');
    const [found] = joinTexts(await this.#rows(tenant, id, { prefix: `${row}.` }));
    if (found === undefined) throw corrupt(id, 'its last record is incomplete');
    return headAfter(parseRecord(id, found.text), { sequence: Number(row.slice(1)), first: found.first });
  }

  /** Makes this process the only one that may write. @returns whether another one wrote last. */
  async takeOver(loaded: Loaded): Promise<boolean> {
    const { fence } = this.#options;
    if (loaded.head.fence === fence) return false;
    loaded.head = { ...loaded.head, fence };
    await this.commit(loaded, {});
    return true;
  }

  /**
   * Stores a change whole, then takes it into memory. Of its events, which are told again after a crash, those that one
   * transaction does not hold are stored before it.
   *
   * @throws PlatformError `EXECUTION_FENCED` when another process has written, and what the store throws.
   */
  async commit(loaded: Loaded, change: Change): Promise<void> {
    const drafts = change.events ?? [];
    if (drafts.length > 0 && !loaded.history.isPrepared) await loaded.history.prepare();
    const parts = inParts(drafts);
    for (const events of parts.slice(0, -1)) await this.#commit(loaded, { events });
    await this.#commit(loaded, { ...change, events: parts.at(-1) ?? [] });
  }

  async #commit(loaded: Loaded, change: Change): Promise<void> {
    const drafts = change.events ?? [];
    const events = loaded.history.stamp(drafts, loaded.head.events, this.#options.nowMs());
    const operations = [...(change.operations ?? [])];
    const grown = grow(loaded.head, change, events.length);
    const { removed = [], timer = loaded.timer } = change;
    const { next, writes } = nextRecord(loaded.id, grown, { operations, removed, events });
    const isMoved = timer !== undefined && !isSame(timer, loaded.timer);
    const others = [...(isMoved ? [timerWrite(loaded, timer, next.sequence)] : []), ...(change.writes ?? [])];
    await this.#write(loaded, [...writes, ...others], change.entries);
    loaded.head = next;
    loaded.timer = timer;
    loaded.history.keep(events);
    loaded.state.merge(operations, removed);
  }

  /** Replaces many records by one snapshot. Call it under the execution's lock, when it has time. */
  async compact(loaded: Loaded): Promise<void> {
    const { head, id } = loaded;
    const at = head.sequence;
    if (at - head.snapshot < SNAPSHOT_AFTER) return;
    const { events } = await this.#read(loaded.tenant, id, head);
    const text = JSON.stringify({ o: [...loaded.state.all()], n: [0, 0, 0, 0] } satisfies JournalRecord);
    const more = { base: head.sum, sum: entrySum(head.sum, at, text) };
    const snapshot = writeText({ table: JOURNAL, execution: id, row: snapshotRow(at), text, more });
    const store = this.#store(loaded.tenant);
    for (const batch of batches([...loaded.history.archive(events), ...snapshot])) await store.transact(batch);
    loaded.head = { ...head, snapshot: at };
    // From this record on the snapshot counts; before it, nothing has changed.
    await this.commit(loaded, {});
    await this.#removeRows(loaded, (row) => row < recordRow(at + 1) || (row > 's' && row < snapshotRow(at)));
  }

  /** Removes every trace of an execution's operations and events. */
  async remove(tenant: string, id: string): Promise<void> {
    await this.#removeRows({ tenant, id }, () => true);
    await new HistoryLog(this.#store(tenant), id, undefined).remove();
  }

  async #write(
    { tenant, id }: Loaded,
    [record, ...others]: readonly Write[],
    entries: readonly AuditEntry[] = [],
  ): Promise<void> {
    if (record === undefined) return;
    const writes = [{ ...record, condition: { exists: false } }, ...others];
    const { audit } = this.#options;
    try {
      if (audit === undefined || entries.length === 0) await this.#store(tenant).transact(writes);
      else await audit.commit(tenant, writes, entries);
    } catch (thrown) {
      if (thrown instanceof PlatformError && thrown.code === 'CONDITION_FAILED' && thrown.details['index'] === 0)
        throw fenced(id);
      throw thrown;
    }
  }

  #loaded(tenant: string, id: string, { head, state, events }: Read): Loaded {
    const known = head.snapshot === 0 ? events : undefined;
    return { tenant, id, head, state, history: new HistoryLog(this.#store(tenant), id, known), timer: undefined };
  }

  async #read(tenant: string, id: string, head: Head): Promise<Read> {
    const state = new OperationState();
    const events: StoredEvent[] = [];
    let [sum, sequence] = [firstSum(tenant, id), 0];
    if (head.snapshot > 0) {
      const snapshot = await this.#snapshot(tenant, id, head.snapshot);
      state.merge(parseRecord(id, snapshot.text).o);
      [sum, sequence] = [snapshot.base, head.snapshot];
    }
    const range = { from: recordRow(sequence + 1), to: `${recordRow(head.sequence)}~` };
    for (const each of joinTexts(await this.#rows(tenant, id, range))) {
      sequence += 1;
      const found = checkRecord(id, each, { sequence, before: sum });
      const record = parseRecord(id, found.text);
      sum = textAt(found.first, 'sum');
      state.merge(record.o, record.d);
      events.push(...eventsIn(record));
    }
    const least = Math.max(head.sequence, await this.#promised(tenant, id));
    if (sequence < least) throw corrupt(id, `it ends at record ${sequence} instead of ${least}`);
    return { head, state, events };
  }

  /** The record up to which the execution's timer says that the journal reaches. */
  async #promised(tenant: string, id: string): Promise<number> {
    const timer = await this.#store(tenant).table(TIMERS).get({ execution: id });
    return Number(timer?.['sequence'] ?? 0);
  }

  async #snapshot(tenant: string, id: string, at: number): Promise<{ readonly text: string; readonly base: string }> {
    const [found] = joinTexts(await this.#rows(tenant, id, { prefix: `${snapshotRow(at)}.` }));
    const base = textAt(found?.first, 'base');
    if (found === undefined || entrySum(base, at, found.text) !== found.first['sum'])
      throw corrupt(id, `its snapshot ${at} is missing or not what was written`);
    return { text: found.text, base };
  }

  async #rows(
    tenant: string,
    id: string,
    range: { readonly prefix?: string; readonly from?: string; readonly to?: string },
  ): Promise<readonly Item[]> {
    const table = this.#table(tenant);
    let page = await table.query({ partition: id, ...range });
    if (page.cursor === undefined) return page.items;
    const items = [...page.items];
    while (page.cursor !== undefined) {
      page = await table.query({ partition: id, ...range, cursor: page.cursor });
      items.push(...page.items);
    }
    return items;
  }

  async #removeRows(of: { tenant: string; id: string }, goes: (row: string) => boolean): Promise<void> {
    const rows = (await this.#rows(of.tenant, of.id, {})).map((item) => textAt(item, 'row')).filter(goes);
    const deletes = rows.map((row): Write => ({ table: JOURNAL, delete: { execution: of.id, row } }));
    for (const batch of batches(deletes, 100)) await this.#store(of.tenant).transact(batch);
  }

  #store(tenant: string): TenantStore {
    return this.#options.store.store(tenant);
  }

  #table(tenant: string): Table {
    return this.#store(tenant).table(JOURNAL);
  }
}

/** Events that are stored together, in their order. */
function inParts(drafts: readonly EventDraft[]): readonly (readonly EventDraft[])[] {
  const parts: EventDraft[][] = [];
  let room = 0;
  for (const draft of drafts) {
    const size = sizeOf(draft);
    if (parts.length === 0 || size > room) {
      parts.push([]);
      room = EVENTS_TOGETHER;
    }
    parts.at(-1)?.push(draft);
    room -= size;
  }
  return parts;
}

/** Characters, about: what is long in an event is text. */
function sizeOf({ details = {} }: EventDraft): number {
  return 300 + charactersIn(details);
}

function grow(head: Head, { started = 0, bytes = 0 }: Change, events: number): Head {
  return { ...head, started: head.started + started, bytes: head.bytes + bytes, events: head.events + events };
}

function isSame(a: Timer, b: Timer | undefined): boolean {
  return b !== undefined && a.bucket === b.bucket && a.atMs === b.atMs;
}

/** Says when something is to be done, and how far the journal reached then. */
function timerWrite({ tenant, id }: Loaded, { bucket, atMs }: Timer, sequence: number): Write {
  return { table: TIMERS, put: { execution: id, tenant, bucket, at: timeText(atMs), sequence } };
}

function* batches<T>(all: readonly T[], size = BATCH): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

function fenced(id: string): PlatformError {
  return new PlatformError(
    'EXECUTION_FENCED',
    `Another process has taken execution "${id}" over, so nothing more is written of it here.`,
    { execution: id },
  );
}
