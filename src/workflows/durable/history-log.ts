/** The events of one execution: each key once, ids without gaps, stored with the change that they tell of. */

import type { Item, JsonValue, TenantStore, Write } from '../../core/ports.ts';
import { joinTexts, writeText } from './parts.ts';
import { HISTORY, numberText, textAt } from './tables.ts';

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

export class HistoryLog {
  readonly #store: TenantStore;
  readonly #execution: string;
  /** Ids of stored events by key; `undefined` until they have been read. */
  #ids: Map<string, number> | undefined;

  private constructor(store: TenantStore, execution: string, ids: Map<string, number> | undefined) {
    this.#store = store;
    this.#execution = execution;
    this.#ids = ids;
  }

  static empty(store: TenantStore, execution: string): HistoryLog {
    return new HistoryLog(store, execution, new Map());
  }

  static stored(store: TenantStore, execution: string): HistoryLog {
    return new HistoryLog(store, execution, undefined);
  }

  /** Gives the drafts that are new their ids. @param last id of the newest stored event. */
  async stamp(drafts: readonly EventDraft[], last: number, nowMs: number): Promise<readonly StoredEvent[]> {
    if (drafts.length === 0) return [];
    const ids = drafts.some(({ key }) => key !== undefined) ? await this.#known() : new Map<string, number>();
    const stamped: StoredEvent[] = [];
    const fresh = new Map<string, number>();
    for (const { key, type, member, details, previous, atMs } of drafts) {
      if (key !== undefined && (ids.has(key) || fresh.has(key))) continue;
      const i = last + stamped.length + 1;
      const before = previous === undefined ? undefined : (fresh.get(previous) ?? ids.get(previous));
      if (key !== undefined) fresh.set(key, i);
      stamped.push({
        i,
        p: before ?? i - 1,
        t: type,
        at: atMs ?? nowMs,
        ...(member !== undefined && { m: member }),
        ...(details !== undefined && { d: details }),
        ...(key !== undefined && { k: key }),
      });
    }
    return stamped;
  }

  writes(events: readonly StoredEvent[]): readonly Write[] {
    const [first] = events;
    if (first === undefined) return [];
    const row = numberText(first.i);
    return writeText({ table: HISTORY, execution: this.#execution, row, text: JSON.stringify(events) });
  }

  /** Remembers the keys of events that are stored now. */
  keep(events: readonly StoredEvent[]): void {
    for (const event of events) note(this.#ids, event);
  }

  /** Every event from `first` on, in order. */
  async *read(first = 1): AsyncGenerator<StoredEvent> {
    for await (const items of this.#pages(await this.#rowOf(first))) {
      for (const found of joinTexts(items)) {
        const events = found === undefined ? [] : (JSON.parse(found.text) as readonly StoredEvent[]);
        for (const event of events) if (event.i >= first) yield event;
      }
    }
  }

  async remove(): Promise<void> {
    for await (const items of this.#pages('')) {
      const rows = items.map((item): Write => ({
        table: HISTORY,
        delete: { execution: this.#execution, row: textAt(item, 'row') },
      }));
      for (let at = 0; at < rows.length; at += 100) await this.#store.transact(rows.slice(at, at + 100));
    }
  }

  async #known(): Promise<Map<string, number>> {
    if (this.#ids !== undefined) return this.#ids;
    const ids = new Map<string, number>();
    for await (const event of this.read()) note(ids, event);
    this.#ids = ids;
    return ids;
  }

  /** The row that holds an event: the last one whose first event is not after it. */
  async #rowOf(event: number): Promise<string> {
    const to = `${numberText(event)}~`;
    const page = await this.#table().query({ partition: this.#execution, to, descending: true, limit: 1 });
    const [row = ''] = textAt(page.items[0], 'row').split('.');
    return row;
  }

  async *#pages(from: string): AsyncGenerator<readonly Item[]> {
    const query = { partition: this.#execution, from };
    // Parts of one text may lie on two pages.
    let rest: readonly Item[] = [];
    let page = await this.#table().query(query);
    for (;;) {
      const items = [...rest, ...page.items];
      if (page.cursor === undefined) {
        yield items;
        return;
      }
      const end = lastStart(items);
      yield items.slice(0, end);
      rest = items.slice(end);
      page = await this.#table().query({ ...query, cursor: page.cursor });
    }
  }

  #table() {
    return this.#store.table(HISTORY);
  }
}

const REDRIVEN = 'redriven/';

/** Key of the event that says so: what the failed state told before, it tells again. */
export function redrivenKey(count: number, failedPath: string | undefined): string {
  return `${REDRIVEN}${count}/${failedPath ?? ''}`;
}

function note(ids: Map<string, number> | undefined, { k, i }: StoredEvent): void {
  if (ids === undefined || k === undefined) return;
  if (k.startsWith(REDRIVEN)) {
    const path = k.slice(k.indexOf('/', REDRIVEN.length) + 1);
    if (path !== '') for (const key of ids.keys()) if (key.startsWith(path)) ids.delete(key);
  }
  ids.set(k, i);
}

/** Where the text that may be unfinished begins. */
function lastStart(items: readonly Item[]): number {
  return items.findLastIndex((item) => textAt(item, 'row').endsWith(`.${numberText(0)}`));
}
