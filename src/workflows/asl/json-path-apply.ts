/** Applies a parsed JSONPath to values. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import { isSameJson } from './json-size.ts';
import type { Comparison, Filter, JsonPath, Operand, PathFunction, Segment } from './json-path.ts';
import type { Work } from './work.ts';

/** Where the roots of paths lead. */
export interface PathSources {
  readonly input: JsonValue;
  readonly context: () => JsonValue;
  /** `undefined` for a variable that has no value here. */
  readonly variable: (name: string) => JsonValue | undefined;
  /** Of the state that looks. @default no limit but each path's own */
  readonly work?: Work | undefined;
}

/** A path that leads nowhere, or to too much. */
export class PathFailure extends Error {
  override readonly name = 'PathFailure';
}

/** Values that one application of a path may look at; `$..*..*` over a large value is what would exceed it. */
const MOST_VISITED = 200_000;

/**
 * The value that a path leads to; of an indefinite path (with `*`, `..`, a slice, a filter or several indexes) the
 * array of all values, which may be empty.
 *
 * @throws PathFailure when a definite path leads nowhere.
 */
export function applyPath(path: JsonPath, sources: PathSources): JsonValue {
  const document = rootOf(path, sources);
  if (path.segments.length === 0) return document;
  const run = new Application(document, sources.work);
  if (path.isDefinite) {
    const found = run.definite(document, path.segments);
    if (found !== undefined) return found;
    throw new PathFailure(`The path ${path.text} leads to nothing.`);
  }
  const last = path.segments.at(-1);
  const found = run.all(document, path.segments);
  return last?.kind === 'function' ? (found[0] ?? null) : found;
}

function rootOf(path: JsonPath, sources: PathSources): JsonValue {
  if (path.root.kind === 'input') return sources.input;
  if (path.root.kind === 'context') return sources.context();
  const value = sources.variable(path.root.name);
  if (value !== undefined) return value;
  throw new PathFailure(`The variable $${path.root.name} has no value here.`);
}

class Application {
  readonly #document: JsonValue;
  readonly #work: Work | undefined;
  #visited = 0;

  constructor(document: JsonValue, work: Work | undefined) {
    this.#document = document;
    this.#work = work;
  }

  #visit(count = 1): void {
    this.#work?.values(count);
    this.#visited += count;
    if (this.#visited > MOST_VISITED) throw new PathFailure(`The path looks at more than ${MOST_VISITED} values.`);
  }

  definite(value: JsonValue, segments: readonly Segment[]): JsonValue | undefined {
    let current: JsonValue | undefined = value;
    for (const segment of segments) {
      if (current === undefined) return undefined;
      this.#visit();
      current = segment.kind === 'function' ? apply(segment.name, current) : one(current, segment);
    }
    return current;
  }

  all(value: JsonValue, segments: readonly Segment[]): JsonValue[] {
    let current: readonly JsonValue[] = [value];
    for (const [index, segment] of segments.entries()) {
      if (segment.kind === 'descend') current = current.flatMap((each) => this.#below(each));
      else if (segment.kind === 'function') return [apply(segment.name, index === 1 ? (current[0] ?? null) : current)];
      else current = current.flatMap((each) => this.#select(each, segment));
      this.#visit(current.length);
    }
    return [...current];
  }

  /** The value itself and everything in it, outer before inner. */
  #below(value: JsonValue): JsonValue[] {
    const found: JsonValue[] = [value];
    for (let index = 0; index < found.length; index++) {
      this.#visit();
      const each = found[index];
      if (each !== undefined) found.push(...children(each));
    }
    return found;
  }

  #select(value: JsonValue, segment: Exclude<Segment, { kind: 'descend' | 'function' }>): readonly JsonValue[] {
    switch (segment.kind) {
      case 'wildcard':
        return children(value);
      case 'slice':
        return Array.isArray(value) ? slice(value, segment) : [];
      case 'indexes':
        return segment.indexes.map((index) => item(value, index)).filter((each) => each !== undefined);
      case 'filter':
        return (Array.isArray(value) ? (value as readonly JsonValue[]) : [value]).filter((each) =>
          this.#holds(segment.test, each),
        );
      case 'name':
      case 'names':
      case 'index': {
        const found = one(value, segment);
        return found === undefined ? [] : [found];
      }
    }
  }

  #holds(filter: Filter, element: JsonValue): boolean {
    this.#visit();
    switch (filter.kind) {
      case 'and':
        return filter.parts.every((part) => this.#holds(part, element));
      case 'or':
        return filter.parts.some((part) => this.#holds(part, element));
      case 'not':
        return !this.#holds(filter.part, element);
      case 'exists':
        return this.#operand(filter.operand, element) !== undefined;
      case 'compare':
        return compare(
          { left: this.#operand(filter.left, element), right: this.#operand(filter.right, element) },
          filter.comparison,
          this.#work,
        );
    }
  }

  /** `undefined` when the path leads nowhere. An indefinite path inside a filter stands for its values, if any. */
  #operand(operand: Operand, element: JsonValue): JsonValue | undefined {
    if (operand.kind === 'literal') return operand.value as JsonValue;
    const from = operand.from === 'element' ? element : this.#document;
    if (operand.segments.every((segment) => segment.kind === 'name' || segment.kind === 'index')) {
      return this.definite(from, operand.segments);
    }
    const found = this.all(from, operand.segments);
    if (operand.segments.at(-1)?.kind === 'function') return found[0];
    return found.length === 0 ? undefined : found;
  }
}

function children(value: JsonValue): readonly JsonValue[] {
  if (Array.isArray(value)) return value as readonly JsonValue[];
  return isObject(value) ? Object.values(value as { [key: string]: JsonValue }) : [];
}

function one(value: JsonValue, segment: Segment): JsonValue | undefined {
  if (segment.kind === 'index') return item(value, segment.index);
  if (!isObject(value)) return undefined;
  if (segment.kind === 'name') return own(value, segment.name);
  if (segment.kind !== 'names') return undefined;
  const found = segment.names
    .map((name) => [name, own(value, name)] as const)
    .filter((entry): entry is readonly [string, JsonValue] => entry[1] !== undefined);
  return Object.fromEntries(found);
}

function own(value: object, name: string): JsonValue | undefined {
  return Object.hasOwn(value, name) ? (value as { [key: string]: JsonValue })[name] : undefined;
}

function item(value: JsonValue, index: number): JsonValue | undefined {
  return Array.isArray(value) ? (value as readonly JsonValue[]).at(index) : undefined;
}

function slice(
  values: readonly JsonValue[],
  { from, to, step }: { from: number | undefined; to: number | undefined; step: number },
): readonly JsonValue[] {
  const taken = values.slice(from ?? 0, to ?? values.length);
  return step === 1 ? taken : taken.filter((_, index) => index % step === 0);
}

function numbers(value: JsonValue): number[] {
  const found = Array.isArray(value) ? value.filter((each) => typeof each === 'number') : [];
  if (found.length === 0) throw new PathFailure('A function of a path needs an array with numbers.');
  return found;
}

function apply(name: PathFunction, value: JsonValue): JsonValue {
  switch (name) {
    case 'length':
      if (typeof value === 'string' || Array.isArray(value)) return value.length;
      return isObject(value) ? Object.keys(value).length : null;
    case 'keys':
      return isObject(value) ? Object.keys(value) : null;
    case 'min':
      return numbers(value).reduce((least, each) => Math.min(least, each));
    case 'max':
      return numbers(value).reduce((most, each) => Math.max(most, each));
    case 'sum':
      return numbers(value).reduce((sum, each) => sum + each);
    case 'avg':
      return numbers(value).reduce((sum, each) => sum + each) / numbers(value).length;
  }
}

/** Two values of different types are unequal and have no order. */
function compare(
  { left, right }: { readonly left: JsonValue | undefined; readonly right: JsonValue | undefined },
  comparison: Comparison,
  work: Work | undefined,
): boolean {
  if (comparison === 'empty') return isEmpty(left) === right;
  if (left === undefined || right === undefined) return comparison === '!=' || comparison === 'nin';
  switch (comparison) {
    case '==':
      return isSameJson(left, right, work);
    case '!=':
      return !isSameJson(left, right, work);
    case 'in':
      return includes(right, left, work);
    case 'nin':
      return !includes(right, left, work);
    case 'contains':
      return typeof left === 'string' ? typeof right === 'string' && left.includes(right) : includes(left, right, work);
    case 'size':
      return apply('length', left) === (typeof right === 'number' ? right : apply('length', right));
    default:
      return inOrder(left, comparison, right);
  }
}

function includes(values: JsonValue, value: JsonValue, work: Work | undefined): boolean {
  return Array.isArray(values) && values.some((each) => isSameJson(each as JsonValue, value, work));
}

function isEmpty(value: JsonValue | undefined): boolean {
  return value !== undefined && apply('length', value) === 0;
}

function inOrder(left: JsonValue, comparison: '<' | '<=' | '>' | '>=', right: JsonValue): boolean {
  const areNumbers = typeof left === 'number' && typeof right === 'number';
  const areStrings = typeof left === 'string' && typeof right === 'string';
  if (!areNumbers && !areStrings) return false;
  if (comparison === '<') return left < right;
  if (comparison === '<=') return left <= right;
  return comparison === '>' ? left > right : left >= right;
}
