/** Questions about JSON values that stop as soon as the answer is known. */

import type { JsonValue } from '../../core/ports.ts';
import type { Work } from './work.ts';

/** Values that hold one another; what is deeper could not be written as text. */
const DEEPEST = 1000;

/**
 * Whether the JSON text of a value has more characters than `most`, for certain: a value that is made of others many
 * times over would take for ever to write, or more memory than there is.
 */
export function isLargerThan(value: JsonValue, most: number, work?: Work): boolean {
  return leftOf(value, { most, depth: 0, work }) < 0;
}

/** What of `most` is left; negative when it does not suffice. */
function leftOf(value: JsonValue, at: { most: number; depth: number; work: Work | undefined }): number {
  at.work?.values();
  if (typeof value === 'string') return at.most - value.length - 2;
  if (typeof value !== 'object' || value === null) return at.most - 1;
  if (at.depth >= DEEPEST) return -1;
  // Two brackets, and one comma less than there are members.
  const inner = { ...at, most: at.most - 1, depth: at.depth + 1 };
  if (Array.isArray(value)) {
    for (const each of value as readonly JsonValue[]) {
      inner.most = leftOf(each, inner) - 1;
      if (inner.most < 0) return inner.most;
    }
    return value.length === 0 ? at.most - 2 : inner.most;
  }
  const object = value as { readonly [key: string]: JsonValue };
  const keys = Object.keys(object);
  for (const key of keys) {
    inner.most -= key.length + 4;
    inner.most = leftOf(object[key] ?? null, inner);
    if (inner.most < 0) return inner.most;
  }
  return keys.length === 0 ? at.most - 2 : inner.most;
}

/** Whether two values are the same JSON, whatever the order of their members. */
export function isSameJson(one: JsonValue, other: JsonValue, work?: Work): boolean {
  work?.values();
  if (typeof one === 'string' && typeof other === 'string') return isSameText(one, other, work);
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return one === other;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  if (Array.isArray(one)) return areSameItems(one as readonly JsonValue[], other as readonly JsonValue[], work);
  return areSameMembers(one as Members, other as Members, work);
}

interface Members {
  readonly [key: string]: JsonValue;
}

function isSameText(one: string, other: string, work: Work | undefined): boolean {
  if (one.length !== other.length) return false;
  // Comparing is quicker than writing.
  work?.text(one.length / 16);
  return one === other;
}

function areSameItems(one: readonly JsonValue[], other: readonly JsonValue[], work: Work | undefined): boolean {
  return one.length === other.length && one.every((each, index) => isSameJson(each, other[index] ?? null, work));
}

function areSameMembers(one: Members, other: Members, work: Work | undefined): boolean {
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  return keys.every((key) => Object.hasOwn(other, key) && isSameJson(one[key] ?? null, other[key] ?? null, work));
}
