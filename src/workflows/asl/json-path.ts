/**
 * JSONPath as Step Functions speaks it (Jayway's dialect), parsed once and kept. Nothing is evaluated as code, and
 * both parsing and applying are bounded: a path that is too long or visits too much ends with an error.
 */

import { parsePath } from './json-path-parser.ts';

/** What a path begins at: the value at hand, the context object (`$$`), or a workflow variable (`$name`). */
export type PathRoot =
  | { readonly kind: 'input' }
  | { readonly kind: 'context' }
  | { readonly kind: 'variable'; readonly name: string };

export type Segment =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'indexes'; readonly indexes: readonly number[] }
  | {
      readonly kind: 'slice';
      readonly from: number | undefined;
      readonly to: number | undefined;
      readonly step: number;
    }
  | { readonly kind: 'wildcard' }
  | { readonly kind: 'filter'; readonly test: Filter }
  /** `..`: the rest of the path is applied to the value and everything below it. */
  | { readonly kind: 'descend' }
  /** `.length()` and its like, only at the end. */
  | { readonly kind: 'function'; readonly name: PathFunction };

export type PathFunction = 'length' | 'min' | 'max' | 'avg' | 'sum' | 'keys';

export type Comparison = '==' | '!=' | '<=' | '<' | '>=' | '>' | 'in' | 'nin' | 'contains' | 'size' | 'empty';

export type Operand =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null | readonly unknown[] }
  /** `@.x` looks at the element, `$.x` at the whole document. */
  | { readonly kind: 'path'; readonly from: 'element' | 'document'; readonly segments: readonly Segment[] };

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Filter[] }
  | { readonly kind: 'not'; readonly part: Filter }
  | { readonly kind: 'exists'; readonly operand: Operand }
  | { readonly kind: 'compare'; readonly left: Operand; readonly comparison: Comparison; readonly right: Operand };

export interface JsonPath {
  readonly text: string;
  readonly root: PathRoot;
  readonly segments: readonly Segment[];
  /** A definite path names one place: its result is that value, and its absence an error. Others yield arrays. */
  readonly isDefinite: boolean;
  /** Only names and indexes that are not negative: what ResultPath may be. */
  readonly isReference: boolean;
}

/** Machines repeat their paths in every run; what a hostile machine adds is dropped with the rest when it is full. */
const MOST_KEPT = 2000;
const kept = new Map<string, JsonPath>();

/** @throws PathSyntaxError naming the place. */
export function compilePath(text: string): JsonPath {
  const known = kept.get(text);
  if (known !== undefined) return known;
  const path = parsePath(text);
  if (kept.size >= MOST_KEPT) kept.clear();
  kept.set(text, path);
  return path;
}
