/**
 * What goes wrong on purpose in a simulated cloud: rules that programs set over HTTP, each matched once per request. Which
 * words a vendor has for a fault is for that vendor's endpoint.
 */

import { PlatformError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';

export const FAULTS = [
  /** Refused before anything was done, as too much at a time. */
  'throttle',
  /** A 500 before anything was done. */
  'server-error',
  /** The same after it was done. */
  'error-after-effect',
  /** The answer is held back for `delayMs`. */
  'slow',
  /** The answer comes at once; what it began takes `delayMs` longer. */
  'slow-operation',
  /** Refused as if somebody else had the name. */
  'already-exists',
  /** Refused as if something else still used it. */
  'dependency-violation',
  /** The connection ends before anything was done. */
  'drop',
  /** The connection ends after it was done. */
  'drop-after-effect',
] as const;
export type FaultName = (typeof FAULTS)[number];

export interface FaultRule {
  /** As the vendor names it: `s3`, `run`, `Microsoft.Storage`. Absent for all. */
  readonly service?: string;
  /** As the vendor names it: `CreateBucket`. Absent for all. */
  readonly operation?: string;
  readonly fault: FaultName;
  /** Requests that it meets before it is used up. @default 1 */
  readonly times: number;
  /** For `slow` and `slow-operation`. */
  readonly delayMs: number;
}

/** A rule with the name under which it is taken back. */
export interface SetRule extends FaultRule {
  readonly id: string;
}

/** A request by its name. */
export interface Asked {
  readonly service: string;
  readonly operation: string;
}

export interface Counted extends Asked {
  readonly requests: number;
}

/** What one request meets. */
export interface Fate {
  readonly fault: FaultName;
  readonly delayMs: number;
}

const MAX_RULES = 1_000;
const MAX_TIMES = 1_000_000;
const MAX_DELAY_MS = 600_000;
/** Names of operations that are counted; what comes beyond is no operation of any service. */
const MAX_NAMES = 2_000;

/** Lives in memory: after a restart nothing goes wrong until it is asked for again. */
export class Faults {
  readonly #rules: { rule: SetRule; left: number }[] = [];
  readonly #counts = new Map<string, { readonly asked: Asked; requests: number }>();
  #next = 1;

  /** @throws PlatformError `INVALID_ARGUMENTS` when there are too many. */
  add(rule: Omit<FaultRule, 'times' | 'delayMs'> & Partial<FaultRule>): SetRule {
    if (this.#rules.length >= MAX_RULES)
      throw new PlatformError('INVALID_ARGUMENTS', `There are ${MAX_RULES} faults already. Take some back first.`);
    const set: SetRule = { times: 1, delayMs: 0, ...rule, id: String(this.#next++) };
    this.#rules.push({ rule: set, left: set.times });
    return set;
  }

  /** Rules that are not used up; `times` is what is left of them. */
  list(): readonly SetRule[] {
    return this.#rules.map(({ rule, left }) => ({ ...rule, times: left }));
  }

  /** @param id - Absent for all. @returns how many were taken back. */
  remove(id?: string): number {
    const before = this.#rules.length;
    const kept = id === undefined ? [] : this.#rules.filter(({ rule }) => rule.id !== id);
    this.#rules.splice(0, before, ...kept);
    return before - kept.length;
  }

  /** Counts the request, and uses up one time of the oldest rule that fits it. */
  meet(asked: Asked): Fate | undefined {
    this.#count(asked);
    const found = this.#rules.find(({ rule }) => fits(rule, asked));
    if (found === undefined) return undefined;
    found.left -= 1;
    if (found.left <= 0) this.remove(found.rule.id);
    return { fault: found.rule.fault, delayMs: found.rule.delayMs };
  }

  /** Every operation that was asked for since the start, or since {@link forgetCounts}. */
  counts(): readonly Counted[] {
    return [...this.#counts.values()].map(({ asked, requests }) => ({ ...asked, requests }));
  }

  forgetCounts(): void {
    this.#counts.clear();
  }

  #count(asked: Asked): void {
    const key = `${asked.service} ${asked.operation}`;
    const found = this.#counts.get(key);
    if (found !== undefined) found.requests += 1;
    else if (this.#counts.size < MAX_NAMES) this.#counts.set(key, { asked, requests: 1 });
  }
}

function fits(rule: FaultRule, { service, operation }: Asked): boolean {
  return (
    (rule.service === undefined || rule.service === service) &&
    (rule.operation === undefined || rule.operation === operation)
  );
}

/** Whether the fault strikes once the request has had its effect. */
export function isAfterEffect(fate: Fate): boolean {
  return fate.fault === 'error-after-effect' || fate.fault === 'drop-after-effect';
}

/** A rule as JSON has it. @throws PlatformError `INVALID_ARGUMENTS`. */
export function readRule(value: unknown): Omit<FaultRule, 'times' | 'delayMs'> & Partial<FaultRule> {
  if (!isObject(value)) throw wrong('A fault is an object.');
  const known = ['service', 'operation', 'fault', 'times', 'delayMs'];
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange !== undefined) throw wrong(`"${strange}" is not one of ${known.join(', ')}.`);
  const fault = FAULTS.find((name) => name === value['fault']);
  if (fault === undefined) throw wrong(`fault is one of ${FAULTS.join(', ')}.`);
  return {
    fault,
    ...textOf(value, 'service'),
    ...textOf(value, 'operation'),
    times: numberOf(value, 'times', { least: 1, most: MAX_TIMES, otherwise: 1 }),
    delayMs: numberOf(value, 'delayMs', { least: 0, most: MAX_DELAY_MS, otherwise: 0 }),
  };
}

function textOf<Key extends string>(value: Record<string, unknown>, key: Key): { readonly [K in Key]?: string } {
  const text = value[key];
  if (text === undefined) return {};
  if (typeof text !== 'string' || text.length > 200) throw wrong(`${key} is a text of at most 200 characters.`);
  return { [key]: text } as { readonly [K in Key]?: string };
}

function numberOf(
  value: Record<string, unknown>,
  key: string,
  bounds: { readonly least: number; readonly most: number; readonly otherwise: number },
): number {
  const number = value[key] ?? bounds.otherwise;
  if (Number.isInteger(number) && Number(number) >= bounds.least && Number(number) <= bounds.most)
    return Number(number);
  throw wrong(`${key} is a whole number from ${bounds.least} to ${bounds.most}.`);
}

function wrong(what: string): PlatformError {
  return new PlatformError('INVALID_ARGUMENTS', `The fault was not set. ${what}`);
}

/** Rules and counts as the control route shows them. */
export function faultsAsJson(faults: Faults): JsonValue {
  return {
    faults: faults.list().map((rule) => ({ ...rule })),
    requests: faults.counts().map((each) => ({ ...each })),
  };
}
