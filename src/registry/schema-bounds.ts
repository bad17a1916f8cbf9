/** Limits of a JSON Schema that somebody else wrote: it is compiled and run, so it is data that acts. */

import { isObject } from '../core/json.ts';
import { LinearPattern, PatternError } from './linear-pattern.ts';
import type { ProblemList } from './problem-list.ts';

export const MAX_SCHEMA_DEPTH = 32;
export const MAX_SUBSCHEMAS = 2000;
export const MAX_SCHEMA_BYTES = 64 * 1024;

const MAPS = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];
const LISTS = ['allOf', 'anyOf', 'oneOf', 'prefixItems'];
const SINGLES = [
  'items',
  'additionalItems',
  'additionalProperties',
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
  'contentSchema',
];
/** They change what a reference means, or reach outside the schema. */
const REFUSED = [
  '$id',
  'id',
  '$anchor',
  '$dynamicRef',
  '$dynamicAnchor',
  '$recursiveRef',
  '$recursiveAnchor',
  '$vocabulary',
];

export type SchemaObject = Readonly<Record<string, unknown>>;

interface Visit {
  readonly schema: unknown;
  /** JSON pointer in URI fragment form, beginning with `#`. */
  readonly pointer: string;
  readonly depth: number;
}

/** Calls back for every subschema, the root included; stops descending where the callback says false. */
export function visitSchemas(root: unknown, visit: (at: Visit) => boolean): void {
  const open: Visit[] = [{ schema: root, pointer: '#', depth: 1 }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (visit(at) && isObject(at.schema)) open.push(...children(at.schema, at.pointer, at.depth + 1));
  }
}

function children(schema: SchemaObject, pointer: string, depth: number): Visit[] {
  const found: Visit[] = [];
  const add = (child: unknown, ...steps: string[]): void => {
    found.push({ schema: child, pointer: `${pointer}/${steps.map(escapeStep).join('/')}`, depth });
  };
  const list = (key: string, value: unknown): void => {
    if (Array.isArray(value)) value.forEach((child, index) => add(child, key, String(index)));
  };
  for (const key of MAPS) {
    const map = own(schema, key);
    if (isObject(map)) for (const name of Object.keys(map)) add(map[name], key, name);
  }
  for (const key of LISTS) list(key, own(schema, key));
  for (const key of SINGLES) {
    const value = own(schema, key);
    if (Array.isArray(value)) list(key, value);
    else if (value !== undefined) add(value, key);
  }
  return found;
}

function own(object: SchemaObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function escapeStep(step: string): string {
  return step.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Adds what is out of bounds. The caller has bounded the text's size and its nesting. */
export function checkBounds(root: unknown, path: string, problems: ProblemList): void {
  const pointers = new Set<string>();
  const references: { readonly from: string; readonly to: string }[] = [];
  visitSchemas(root, ({ schema, pointer, depth }) => {
    const at = `${path}${pointer.slice(1).replaceAll('/', '.')}`;
    if (pointers.size >= MAX_SUBSCHEMAS) {
      if (pointers.size === MAX_SUBSCHEMAS) problems.add(path, `has more than ${MAX_SUBSCHEMAS} subschemas`);
      pointers.add('');
      return false;
    }
    pointers.add(pointer);
    if (depth > MAX_SCHEMA_DEPTH) {
      problems.add(at, `is nested deeper than ${MAX_SCHEMA_DEPTH} levels`);
      return false;
    }
    if (typeof schema !== 'boolean' && !isObject(schema))
      problems.add(at, 'must be a JSON Schema: an object or a boolean');
    if (!isObject(schema)) return false;
    checkKeywords(schema, at, problems);
    const reference = own(schema, '$ref');
    if (reference !== undefined) references.push({ from: at, to: typeof reference === 'string' ? reference : '' });
    return true;
  });
  for (const { from, to } of references) checkReference(from, to, { pointers, problems });
}

function checkKeywords(schema: SchemaObject, at: string, problems: ProblemList): void {
  for (const keyword of REFUSED) {
    if (typeof own(schema, keyword) === 'string' || (keyword !== 'id' && own(schema, keyword) !== undefined)) {
      problems.add(`${at}.${keyword}`, 'is not supported; use $ref with #/$defs/… instead');
    }
  }
  const pattern = own(schema, 'pattern');
  if (typeof pattern === 'string') checkPattern(pattern, `${at}.pattern`, problems);
  const byPattern = own(schema, 'patternProperties');
  if (isObject(byPattern))
    for (const key of Object.keys(byPattern)) checkPattern(key, `${at}.patternProperties`, problems);
}

function checkPattern(pattern: string, at: string, problems: ProblemList): void {
  try {
    void new LinearPattern(pattern);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    problems.add(at, error.message);
  }
}

function checkReference(
  from: string,
  to: string,
  known: { readonly pointers: ReadonlySet<string>; readonly problems: ProblemList },
): void {
  if (to !== '#' && !to.startsWith('#/')) {
    known.problems.add(`${from}.$ref`, 'must point inside the schema, such as #/$defs/name');
  } else if (!known.pointers.has(decodeFragment(to))) {
    known.problems.add(`${from}.$ref`, 'points to no subschema');
  }
}

function decodeFragment(pointer: string): string {
  try {
    return decodeURIComponent(pointer);
  } catch {
    return pointer;
  }
}
