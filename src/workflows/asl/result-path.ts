/** ResultPath: where a result goes in a state's input. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { JsonPath, Segment } from './json-path.ts';
import { STATES, StatesError } from './states-error.ts';

/**
 * A copy of `input` with `result` at the place that `path` names. Missing objects on the way are made; an array
 * takes an index that it has.
 *
 * @throws StatesError `States.ResultPathMatchFailure` when the path runs through a value that cannot hold it.
 */
export function placeResult(input: JsonValue, path: JsonPath, result: JsonValue): JsonValue {
  return place(input, path, { result, depth: 0 });
}

function place(value: JsonValue, path: JsonPath, at: { result: JsonValue; depth: number }): JsonValue {
  const segment = path.segments[at.depth];
  if (segment === undefined) return at.result;
  const inner = (child: JsonValue): JsonValue => place(child, path, { result: at.result, depth: at.depth + 1 });
  const isLast = at.depth === path.segments.length - 1;
  if (segment.kind === 'name' && isObject(value)) return withName(value, segment.name, inner);
  if (segment.kind === 'index' && Array.isArray(value)) {
    const items = value as readonly JsonValue[];
    const old = items[segment.index];
    if (old !== undefined) return items.map((each, index) => (index === segment.index ? inner(each) : each));
  }
  throw mismatch(path, segment, isLast);
}

function withName(value: object, name: string, inner: (child: JsonValue) => JsonValue): JsonValue {
  const old = Object.hasOwn(value, name) ? (value as { [key: string]: JsonValue })[name] : undefined;
  // A definition of its own: a key such as __proto__ must become a member like any other.
  const copy = { ...value } as { [key: string]: JsonValue };
  Object.defineProperty(copy, name, { value: inner(old ?? {}), enumerable: true, writable: true, configurable: true });
  return copy;
}

function mismatch(path: JsonPath, segment: Segment, isLast: boolean): StatesError {
  const missing = segment.kind === 'name' ? segment.name : segment.kind === 'index' ? `[${segment.index}]` : '?';
  return new StatesError(
    STATES.resultPath,
    `Unable to apply ResultPath ${path.text}: the input has no ${isLast ? 'place for' : 'object at'} ${missing}.`,
  );
}
