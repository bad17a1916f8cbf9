/** Pages of an execution's history, in either direction. */

import { PlatformError } from '../../core/errors.ts';
import type { Executor } from '../durable/executor.ts';
import type { StoredEvent } from '../durable/history-log.ts';
import type { Place } from '../durable/slots.ts';
import type { HistoryEvent, HistoryQuery, Paged } from './workflow-engine.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

/** Of an execution that there is. @throws PlatformError `INVALID_ARGUMENTS`, `INVALID_CURSOR`. */
export async function historyPage(executor: Executor, place: Place, query: HistoryQuery): Promise<Paged<HistoryEvent>> {
  const limit = checkedLimit(query.limit);
  const isReverse = query.reverse === true;
  const first = checkedAfter(query) + 1;
  const cursor = query.cursor === undefined ? undefined : placeOf(query.cursor, isReverse);
  const last = (await executor.history(place, 1))?.last ?? 0;
  const range = isReverse ? before(cursor ?? last, limit) : after(cursor ?? first, { limit, last });
  const items: HistoryEvent[] = [];
  const found = await executor.history(place, range.from);
  for await (const event of found?.events ?? []) {
    if (event.i > range.to) break;
    items.push(toEvent(event));
  }
  const next = range.next === undefined ? {} : { cursor: cursorOf(range.next, isReverse) };
  return { items: isReverse ? items.toReversed() : items, ...next };
}

interface Range {
  readonly from: number;
  readonly to: number;
  /** Where the next page begins. */
  readonly next?: number;
}

function before(to: number, limit: number): Range {
  const from = Math.max(1, to - limit + 1);
  return { from, to, ...(from > 1 && { next: from - 1 }) };
}

function after(from: number, { limit, last }: { readonly limit: number; readonly last: number }): Range {
  const to = Math.min(last, from + limit - 1);
  return { from, to, ...(to < last && { next: to + 1 }) };
}

function toEvent({ i, p, t, at, m, d }: StoredEvent): HistoryEvent {
  return {
    id: i,
    previousEventId: p,
    type: t,
    timestampMs: at,
    ...(m !== undefined && { member: m }),
    details: d ?? {},
  };
}

/** @throws PlatformError `INVALID_ARGUMENTS`. */
export function checkedLimit(limit: number | undefined): number {
  if (limit === undefined) return DEFAULT_LIMIT;
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new PlatformError('INVALID_ARGUMENTS', `A limit is a whole number from 1 to ${MAX_LIMIT}.`);
}

/** Id of the last event that the reader has. @throws PlatformError `INVALID_ARGUMENTS`. */
function checkedAfter({ after: seen = 0, reverse }: HistoryQuery): number {
  if (!Number.isInteger(seen) || seen < 0)
    throw new PlatformError('INVALID_ARGUMENTS', 'after is the id of an event: a whole number from 0.');
  if (seen === 0 || reverse !== true) return seen;
  throw new PlatformError('INVALID_ARGUMENTS', 'after goes forward alone. Leave it or reverse out.');
}

function cursorOf(next: number, isReverse: boolean): string {
  return `${isReverse ? 'r' : 'f'}${next}`;
}

function placeOf(cursor: string, isReverse: boolean): number {
  const found = /^([rf])([1-9]\d{0,8})$/.exec(cursor);
  if (found !== null && (found[1] === 'r') === isReverse) return Number(found[2]);
  throw new PlatformError('INVALID_CURSOR', 'The cursor is not one of this query. Begin again without a cursor.');
}
