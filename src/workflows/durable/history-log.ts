/**
 * The events of one execution: each key once, ids without gaps. They are stored in the records of the journal, and
 * beside it once those are gone.
 */

import type { Item, JsonValue, Table, TenantStore, Write } from '../../core/ports.ts';
import { forgetTold } from '../told-again.ts';
import { joinTexts, writeText } from './parts.ts';
import type { PackedEvents } from './packed-events.ts';
import { packEvents, unpackEvents } from './packed-events.ts';
import { eventsIn, parseRecord } from './record.ts';
import { HISTORY, JOURNAL, numberText, textAt } from './tables.ts';

export interface EventDraft {
  /** A draft under a key that was used is dropped. Absent for events that happen once by their nature. */
  readonly key?: string;
  readonly type: string;
  readonly member?: string;
  readonly details?: { readonly [name: string]: JsonValue };
  /** Key of the event that led to it. @default the event before */
  readonly previous?: string;
  /** @default now */
  readonly atMs?: number;
}

/** As stored; short names, for there are many. */
export interface StoredEvent {
  readonly i: number;
  readonly p: number;
  readonly t: string;
  readonly at: number;
  readonly m?: string;
  readonly d?: { readonly [name: string]: JsonValue };
  readonly k?: string;
}

/** Characters of the texts among an event's details: what is long in one is text. */
export function charactersIn(details: { readonly [name: string]: JsonValue }): number {
  let characters = 0;
  for (const name in details) {
    const value = details[name];
    if (typeof value === 'string') characters += value.length;
  }
  return characters;
}

export class HistoryLog {
  readonly #store: TenantStore;
  readonly #execution: string;
  /** Ids of stored events by key; `undefined` until they have been read. */
  #ids: Map<string, number> | undefined;

  /** @param events all that are stored, when they are at hand. */
  constructor(store: TenantStore, execution: string, events: Iterable<StoredEvent> | undefined) {
    this.#store = store;
    this.#execution = execution;
    if (events === undefined) return;
    this.#ids = new Map();
    for (const event of events) note(this.#ids, event);
  }

  /** Makes {@link stamp} know every key that was used. */
  async prepare(): Promise<void> {
    if (this.#ids !== undefined) return;
    const ids = new Map<string, number>();
    for await (const event of this.read()) note(ids, event);
    this.#ids = ids;
  }

  get isPrepared(): boolean {
    return this.#ids !== undefined;
  }

  /** Gives the drafts that are new their ids. @param last id of the newest stored event. */
  stamp(drafts: readonly EventDraft[], last: number, nowMs: number): readonly StoredEvent[] {
    if (drafts.length === 0) return [];
    const ids = this.#ids ?? new Map<string, number>();
    const stamped: StoredEvent[] = [];
    const fresh = new Map<string, number>();
    for (const draft of drafts) {
      const { key, previous } = draft;
      if (key !== undefined && (ids.has(key) || fresh.has(key))) continue;
      const i = last + stamped.length + 1;
      const before = previous === undefined ? undefined : (fresh.get(previous) ?? ids.get(previous));
      if (key !== undefined) fresh.set(key, i);
      stamped.push(stored(draft, { i, p: before ?? i - 1, at: draft.atMs ?? nowMs }));
    }
    return stamped;
  }

  /** Remembers the keys of events that are stored now. */
  keep(events: readonly StoredEvent[]): void {
    if (this.#ids === undefined) return;
    for (const event of events) note(this.#ids, event);
  }

  /** Writes that keep the events of records that will go. */
  archive(events: readonly StoredEvent[]): readonly Write[] {
    const [first] = events;
    if (first === undefined) return [];
    const row = numberText(first.i);
    return writeText({ table: HISTORY, execution: this.#execution, row, text: JSON.stringify(packEvents(events)) });
  }

  /** Every event from `first` on, in order. */
  async *read(first = 1): AsyncGenerator<StoredEvent> {
    let next = first;
    for await (const events of this.#stored(first)) {
      // Events of records that could not be removed any more are in both places.
      for (const event of events) {
        if (event.i < next) continue;
        next = event.i + 1;
        yield event;
      }
    }
  }

  async remove(): Promise<void> {
    for await (const items of pages(this.#table(), { partition: this.#execution })) {
      const deletes = items.map((item): Write => ({
        table: HISTORY,
        delete: { execution: this.#execution, row: textAt(item, 'row') },
      }));
      for (let at = 0; at < deletes.length; at += 100) await this.#store.transact(deletes.slice(at, at + 100));
    }
  }

  async *#stored(first: number): AsyncGenerator<readonly StoredEvent[]> {
    const archived = { partition: this.#execution, from: await this.#rowOf(first) };
    for await (const items of pages(this.#table(), archived))
      for (const found of joinTexts(items))
        yield found === undefined ? [] : unpackEvents(JSON.parse(found.text) as PackedEvents);
    const records = { partition: this.#execution, prefix: 'c' };
    for await (const items of pages(this.#store.table(JOURNAL), records))
      for (const found of joinTexts(items))
        yield found === undefined ? [] : eventsIn(parseRecord(this.#execution, found.text));
  }

  /** The row that holds an event: the last one whose first event is not after it. */
  async #rowOf(event: number): Promise<string> {
    const to = `${numberText(event)}~`;
    const page = await this.#table().query({ partition: this.#execution, to, descending: true, limit: 1 });
    const [row = ''] = textAt(page.items[0], 'row').split('.');
    return row;
  }

  #table(): Table {
    return this.#store.table(HISTORY);
  }
}

function stored(
  { type, member, details, key }: EventDraft,
  place: { readonly i: number; readonly p: number; readonly at: number },
): StoredEvent {
  return {
    i: place.i,
    p: place.p,
    t: type,
    at: place.at,
    ...(member !== undefined && { m: member }),
    ...(details !== undefined && { d: details }),
    ...(key !== undefined && { k: key }),
  };
}

const REDRIVEN = 'redriven/';

/** Key of the event that says so: what had not ended tells again what it told before. */
export function redrivenKey(count: number, failedPath: string | undefined): string {
  return `${REDRIVEN}${count}/${failedPath ?? ''}`;
}

function note(ids: Map<string, number>, { k, i }: StoredEvent): void {
  if (k === undefined) return;
  if (k.startsWith(REDRIVEN)) {
    const path = k.slice(k.indexOf('/', REDRIVEN.length) + 1);
    forgetTold(ids, path);
  }
  ids.set(k, i);
}

/** Rows of a query, never with the parts of one text on two pages. */
async function* pages(
  table: Table,
  query: { readonly partition: string; readonly from?: string; readonly prefix?: string },
): AsyncGenerator<readonly Item[]> {
  let rest: readonly Item[] = [];
  let page = await table.query(query);
  for (;;) {
    const items = [...rest, ...page.items];
    if (page.cursor === undefined) {
      yield items;
      return;
    }
    const end = lastStart(items);
    yield items.slice(0, end);
    rest = items.slice(end);
    page = await table.query({ ...query, cursor: page.cursor });
  }
}

/** Where the text that may be unfinished begins. */
function lastStart(items: readonly Item[]): number {
  return items.findLastIndex((item) => textAt(item, 'row').endsWith(`.${numberText(0)}`));
}
