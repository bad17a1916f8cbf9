/** What an update would change: the settings that are wanted, beside those that are there. */

import { isDeepStrictEqual } from 'node:util';
import type { JsonValue } from '../../core/ports.ts';
import type { JsonObject } from './google-rest.ts';

type Differences = Readonly<Record<string, { readonly from: JsonValue; readonly to: JsonValue }>>;

/** By path, `versioning.enabled`; what Google adds by itself is no difference. */
export function differencesOf(found: JsonObject, wanted: JsonObject): Differences {
  return Object.fromEntries(leaves(found, wanted, ''));
}

type Leaf = readonly [string, { readonly from: JsonValue; readonly to: JsonValue }];

function leaves(found: JsonValue | undefined, wanted: JsonValue, path: string): readonly Leaf[] {
  if (!isObject(wanted)) {
    // Google leaves out what is empty, false or zero.
    const isEmpty = wanted === false || wanted === 0 || wanted === '';
    if (isDeepStrictEqual(found, wanted) || (found === undefined && isEmpty)) return [];
    return [[path, { from: found ?? null, to: wanted }]];
  }
  const there: JsonObject = isObject(found) ? found : {};
  return Object.entries(wanted).flatMap(([key, value]) =>
    leaves(there[key], value, path === '' ? key : `${path}.${key}`),
  );
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
