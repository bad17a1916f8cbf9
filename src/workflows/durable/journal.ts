/**
 * The journal of executions in the store: records with a sequence and a checksum that runs through them, snapshots
 * that let older records go, and a head that names the process which may write. What is committed here is on disk
 * before anybody is told.
 */

import { PlatformError } from '../../core/errors.ts';
import type { Item, StoreRoot, Table, TenantStore, Write } from '../../core/ports.ts';
import type { Head } from './head.ts';
import { HEAD_ROW, entrySum, firstSum, headItem, headOf } from './head.ts';
import type { EventDraft } from './history-log.ts';
import { HistoryLog } from './history-log.ts';
import type { StoredOperation } from './operation.ts';
import { OperationState } from './operation-state.ts';
import { joinTexts, writeText } from './parts.ts';
import { JOURNAL, TIMERS, numberText, timeText, textAt } from './tables.ts';

/** Records after which a snapshot is worth its while. */
const SNAPSHOT_AFTER = 256;
/** Items of one transaction when many are written or removed; a part has up to 300 KB. */
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
}

interface Record {
  /** Operations in their new state. */
  readonly o: readonly StoredOperation[];
  /** Ids of operations that were removed. */
  readonly d?: readonly string[];
}

export interface JournalOptions {
  readonly store: StoreRoot;
  readonly nowMs: () => number;
  /** Names this process in the heads it writes. */
  readonly fence: string;
}

export class Journal {
  readonly #options: JournalOptions;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** An execution of which nothing is stored yet; its first commit creates it. */
  begin(tenant: string, id: string): Loaded {
    const head: Head = {
      fence: this.#options.fence,
      sequence: 0,
      sum: firstSum(tenant, id),
      started: 0,
      bytes: 0,
      events: 0,
      snapshot: 0,
    };
    const state = new OperationState();
    return { tenant, id, head, state, history: HistoryLog.empty(this.#store(tenant), id), timer: undefined };
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
        const state = new OperationState();
        for (const record of await this.#records(tenant, id, head)) state.merge(record.o, record.d);
        return { tenant, id, head, state, history: HistoryLog.stored(this.#store(tenant), id), timer: undefined };
      } catch (thrown) {
        // Somebody else may have written between the reads.
        const now = await this.head(tenant, id);
        if (now === undefined || now.sequence === head.sequence) throw thrown;
      }
    }
  }

  async head(tenant: string, id: string): Promise<Head | undefined> {
    const item = await this.#table(tenant).get({ execution: id, row: HEAD_ROW });
    return item === undefined ? undefined : headOf(item);
  }

  /** Makes this process the only one that may write. */
  async takeOver(loaded: Loaded): Promise<void> {
    if (loaded.head.fence === this.#options.fence) return;
    const taken = { ...loaded.head, fence: this.#options.fence };
    await this.#write(loaded, taken, []);
    loaded.head = taken;
  }

  /**
   * Stores a change whole, then takes it into memory.
   *
   * @throws PlatformError `EXECUTION_FENCED` when another process has taken over, and what the store throws.
   */
  async commit(loaded: Loaded, change: Change): Promise<void> {
    const { head } = loaded;
    const operations = [...(change.operations ?? [])];
    const hasRecord = operations.length > 0 || (change.removed?.length ?? 0) > 0;
    const events = await loaded.history.stamp(change.events ?? [], head.events, this.#options.nowMs());
    const text = hasRecord ? recordText(operations, change.removed) : '';
    const next: Head = {
      ...head,
      sequence: head.sequence + (hasRecord ? 1 : 0),
      sum: hasRecord ? entrySum(head.sum, head.sequence + 1, text) : head.sum,
      started: head.started + (change.started ?? 0),
      bytes: head.bytes + (change.bytes ?? 0),
      events: head.events + events.length,
    };
    const { timer = loaded.timer } = change;
    await this.#write(loaded, next, [
      ...(hasRecord ? this.#recordWrites(loaded, next, text) : []),
      ...loaded.history.writes(events),
      ...(timer !== undefined && !isSame(timer, loaded.timer) ? [timerWrite(loaded, timer)] : []),
      ...(change.writes ?? []),
    ]);
    loaded.head = next;
    loaded.timer = timer;
    loaded.history.keep(events);
    loaded.state.merge(operations, change.removed);
  }

  /** Replaces many records by one snapshot. Call it under the execution's lock, when it has time. */
  async compact(loaded: Loaded): Promise<void> {
    const { head } = loaded;
    if (head.sequence - head.snapshot < SNAPSHOT_AFTER) return;
    const text = recordText([...loaded.state.all()], undefined);
    const row = `s${numberText(head.sequence)}`;
    const more = { base: head.sum, sum: entrySum(head.sum, head.sequence, text) };
    const writes = writeText({ table: JOURNAL, execution: loaded.id, row, text, more });
    for (const batch of batches(writes)) await this.#store(loaded.tenant).transact(batch);
    const next = { ...head, snapshot: head.sequence };
    await this.#write(loaded, next, []);
    loaded.head = next;
    await this.#removeRows(loaded, (name) => name !== HEAD_ROW && !name.startsWith(`${row}.`));
  }

  /** Removes every trace of an execution's operations and events. */
  async remove(tenant: string, id: string): Promise<void> {
    await this.#removeRows({ tenant, id }, () => true);
    await HistoryLog.stored(this.#store(tenant), id).remove();
  }

  async #write(loaded: Loaded, next: Head, writes: readonly Write[]): Promise<void> {
    const condition =
      loaded.head.sequence === 0 && loaded.head.events === 0
        ? { exists: false }
        : { equals: { fence: loaded.head.fence, sequence: loaded.head.sequence, events: loaded.head.events } };
    const put = { table: JOURNAL, put: headItem(loaded.id, next), condition };
    try {
      await this.#store(loaded.tenant).transact([put, ...writes]);
    } catch (thrown) {
      if (thrown instanceof PlatformError && thrown.code === 'CONDITION_FAILED' && thrown.details['index'] === 0)
        throw fenced(loaded.id);
      throw thrown;
    }
  }

  #recordWrites(loaded: Loaded, next: Head, text: string): readonly Write[] {
    const row = `c${numberText(next.sequence)}`;
    return writeText({ table: JOURNAL, execution: loaded.id, row, text, more: { sum: next.sum } });
  }

  async #records(tenant: string, id: string, head: Head): Promise<readonly Record[]> {
    const records: Record[] = [];
    let [sum, sequence] = [firstSum(tenant, id), 0];
    if (head.snapshot > 0) {
      const snapshot = await this.#snapshot(tenant, id, head.snapshot);
      records.push(parsed(id, snapshot.text));
      [sum, sequence] = [snapshot.base, head.snapshot];
    }
    const range = { from: `c${numberText(sequence + 1)}`, to: `c${numberText(head.sequence)}~` };
    for (const found of joinTexts(await this.#rows(tenant, id, range))) {
      sequence += 1;
      if (found?.row !== `c${numberText(sequence)}`) throw corrupt(id, `record ${sequence} is missing or incomplete`);
      sum = entrySum(sum, sequence, found.text);
      if (sum !== found.first['sum']) throw corrupt(id, `record ${sequence} is not what was written`);
      records.push(parsed(id, found.text));
    }
    if (sequence !== head.sequence) throw corrupt(id, `it ends at record ${sequence} instead of ${head.sequence}`);
    if (sum !== head.sum) throw corrupt(id, 'its head is not what was written');
    return records;
  }

  async #snapshot(tenant: string, id: string, at: number): Promise<{ readonly text: string; readonly base: string }> {
    const row = `s${numberText(at)}`;
    const [found] = joinTexts(await this.#rows(tenant, id, { prefix: `${row}.` }));
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
    const items: Item[] = [];
    const table = this.#table(tenant);
    let page = await table.query({ partition: id, ...range });
    items.push(...page.items);
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

function recordText(o: readonly StoredOperation[], d: readonly string[] | undefined): string {
  const record: Record = { o, ...(d !== undefined && d.length > 0 && { d }) };
  return JSON.stringify(record);
}

function parsed(id: string, text: string): Record {
  try {
    return JSON.parse(text) as Record;
  } catch {
    throw corrupt(id, 'a record is no JSON');
  }
}

function isSame(a: Timer, b: Timer | undefined): boolean {
  return b !== undefined && a.bucket === b.bucket && a.atMs === b.atMs;
}

export function timerWrite(of: { readonly tenant: string; readonly id: string }, { bucket, atMs }: Timer): Write {
  return { table: TIMERS, put: { execution: of.id, tenant: of.tenant, bucket, at: timeText(atMs) } };
}

export function* batches<T>(all: readonly T[], size = BATCH): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

function fenced(id: string): PlatformError {
  return new PlatformError(
    'EXECUTION_FENCED',
    `Another process has taken execution "${id}" over, so nothing more is written of it here.`,
    { execution: id },
  );
}

function corrupt(id: string, what: string): PlatformError {
  return new PlatformError(
    'JOURNAL_CORRUPT',
    `The journal of execution "${id}" is damaged: ${what}. Restore the data folder from a backup, or end the execution as failed with: zeroplane workflows repair ${id}`,
    { execution: id },
  );
}
