/** Conditions of puts and deletes, judged on the item as stored. */

import { PlatformError } from '../../../core/errors.ts';
import type { Condition, Item, JsonValue } from '../../../core/ports.ts';

/** @param item the stored item; `undefined` when it is absent or expired. */
export function meets(item: Item | undefined, condition: Condition): boolean {
  if (condition.exists !== undefined && condition.exists !== (item !== undefined)) return false;
  if (condition.equals === undefined) return true;
  if (item === undefined) return false;
  const stored = item;
  return Object.entries(condition.equals).every(
    ([attribute, value]) => Object.hasOwn(stored, attribute) && sameJson(stored[attribute], value),
  );
}

/** @param index position of the write in its transaction. */
export function conditionFailed(table: string, index: number): PlatformError {
  return new PlatformError(
    'CONDITION_FAILED',
    `An item of table "${table}" is not as the write expects, so nothing was written. Read it again and decide anew.`,
    { table, index },
  );
}

/** Equality of JSON values; the order of an object's members does not count. */
function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) return sameArray(a, b);
  return sameObject(a as Item, b as Item);
}

function sameArray(a: object, b: object): boolean {
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  return a.every((value: JsonValue, index) => sameJson(value, b[index] as JsonValue));
}

function sameObject(a: Item, b: Item): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && sameJson(a[name], b[name]));
}
