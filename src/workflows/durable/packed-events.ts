/**
 * Events as a record keeps them. A history is most of what a workflow writes, and most of an event follows from its
 * type and from the event before it; what does is left out.
 */

import type { JsonValue } from '../../core/ports.ts';
import type { StoredEvent } from './history-log.ts';

type Details = { readonly [name: string]: JsonValue };

/** What does not follow: the event before when it is not the last one, another time than the first's, another member. */
interface Odd {
  readonly p?: number;
  readonly at?: number;
  /** 0 when there is none. */
  readonly m?: string | 0;
}

/** Type, details, key, oddities; what is absent at the end is left out, before that it is 0. A key in a list ends with the type. */
type PackedEvent = readonly [type: string, details?: Details | 0, key?: string | readonly [string] | 0, odd?: Odd];

/** Id and time of the first, then the events. */
export type PackedEvents = readonly [first: number, atMs: number, ...events: PackedEvent[]];

/** @param events One after another: each has the id behind the one before. */
export function packEvents(events: readonly StoredEvent[]): PackedEvents | undefined {
  const [first] = events;
  if (first === undefined) return undefined;
  return [first.i, first.at, ...events.map((event) => packed(event, first.at))];
}

export function unpackEvents(packedEvents: PackedEvents | undefined): readonly StoredEvent[] {
  if (packedEvents === undefined) return [];
  const [first, atMs, ...events] = packedEvents;
  return events.map((event, index) => unpacked(event, first + index, atMs));
}

function packed({ i, p, t, at, m, d, k }: StoredEvent, firstAt: number): PackedEvent {
  const odd: Odd = {
    ...(p !== i - 1 && { p }),
    ...(at !== firstAt && { at }),
    ...(m !== (d === undefined ? undefined : memberOf(t)) && { m: m ?? 0 }),
  };
  if (hasMembers(odd)) return [t, d === undefined ? 0 : whole(d, 0), k === undefined ? 0 : keyOf(k, t), odd];
  if (k !== undefined) return [t, d === undefined ? 0 : whole(d, 0), keyOf(k, t)];
  return d === undefined ? [t] : [t, whole(d, 0)];
}

function unpacked([t, d, k, odd]: PackedEvent, i: number, at: number): StoredEvent {
  const details = d === undefined || d === 0 ? undefined : whole(d, COMPLETE);
  const member = odd?.m === undefined ? (details === undefined ? undefined : memberOf(t)) : odd.m;
  return {
    i,
    p: odd?.p ?? i - 1,
    t,
    at: odd?.at ?? at,
    ...(member !== undefined && member !== 0 && { m: member }),
    ...(details !== undefined && { d: details }),
    ...(k !== undefined && k !== 0 && { k: typeof k === 'string' ? k : `${k[0]}/${t}` }),
  };
}

function keyOf(key: string, type: string): string | readonly [string] {
  return key.endsWith(`/${type}`) ? [key.slice(0, -type.length - 1)] : key;
}

/** The member of Step Functions' events that has the details of a type. */
function memberOf(type: string): string {
  if (type.endsWith('StateEntered')) return 'stateEnteredEventDetails';
  if (type.endsWith('StateExited')) return 'stateExitedEventDetails';
  return `${type.charAt(0).toLowerCase()}${type.slice(1)}EventDetails`;
}

/** What says that an input or output is there as a whole, which all are. */
const COMPLETE = { truncated: false };
const SAYS_SO = ['inputDetails', 'outputDetails'] as const;

/** With {@link COMPLETE} in place of 0, or the other way round. */
function whole(details: Details, said: typeof COMPLETE | 0): Details {
  let changed: Record<string, JsonValue> | undefined;
  for (const name of SAYS_SO) {
    const value = details[name];
    if (said === 0 ? !isComplete(value) : value !== 0) continue;
    changed ??= { ...details };
    changed[name] = said;
  }
  return changed ?? details;
}

function isComplete(value: JsonValue | undefined): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return (value as Details)['truncated'] === false && Object.keys(value).length === 1;
}

function hasMembers(odd: Odd): boolean {
  for (const _name in odd) return true;
  return false;
}
