/**
 * JSON Schemas for gateways that take only the plain part of JSON Schema (Bedrock AgentCore and others refuse `$ref`,
 * `anyOf`, `additionalProperties` and more). What can be said plainly stays, limits are put into words, what has no plain
 * form becomes wider (an object where anything was allowed, for lack of a type that says so), and each change is listed.
 * The server itself still checks its arguments by the original.
 */

import { isObject } from '../core/json.ts';

type Schema = Readonly<Record<string, unknown>>;

export interface CleanedSchema {
  readonly schema: Schema;
  /** One sentence for each thing that was changed, with a JSON pointer. */
  readonly changes: readonly string[];
}

/** What the strictest gateways know. Values are copied as they are, but for schemas within. */
const KEPT: ReadonlySet<string> = new Set(['type', 'description', 'properties', 'required', 'items', 'enum']);
/** Say nothing about which values are valid. */
const SILENT: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
  'title',
  'examples',
]);
/** Limits that a model can still keep when they are told. */
const IN_WORDS = [
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'pattern',
  'format',
  'default',
];
/** Deeper levels become objects or arrays of anything. */
const MAX_DEPTH = 8;

interface Work {
  readonly root: Schema;
  readonly changes: string[];
  /** References that are being followed, so that one that leads to itself ends. */
  readonly following: readonly string[];
  readonly pointer: string;
  readonly depth: number;
}

/** @param schema - An input or output schema: an object schema at its root. */
export function cleanSchema(schema: Schema): CleanedSchema {
  const changes: string[] = [];
  const cleaned = clean(schema, { root: schema, changes, following: [], pointer: '', depth: 0 });
  return { schema: { type: 'object', properties: {}, ...cleaned }, changes };
}

function clean(schema: unknown, work: Work): Record<string, unknown> {
  if (!isObject(schema)) return anything(schema, work);
  const { following, resolved } = follow(schema, work);
  if (resolved === undefined) return { type: 'object' };
  const merged = mergeBranches(resolved, { ...work, following });
  if (work.depth >= MAX_DEPTH && (isObject(merged['properties']) || isObject(merged['items']))) {
    note(work, 'is nested deeper than eight levels; from here on anything is taken');
    return typed({ type: merged['type'], description: merged['description'] });
  }
  return members(merged, { ...work, following });
}

/** `true`, `false` or no schema at all. */
function anything(schema: unknown, work: Work): Record<string, unknown> {
  if (schema === false) note(work, 'allowed nothing (false); an object is taken');
  return { type: 'object' };
}

/** Puts what a local `$ref` names in its place. */
function follow(schema: Schema, work: Work): { resolved: Schema | undefined; following: readonly string[] } {
  const reference = schema['$ref'];
  if (typeof reference !== 'string') return { resolved: schema, following: work.following };
  const target = reference.startsWith('#') ? lookUp(work.root, reference) : undefined;
  if (work.following.includes(reference) || target === undefined) {
    const why = target === undefined ? 'cannot be resolved' : 'leads back to itself';
    note(work, `the reference ${reference} ${why}; an object is taken`);
    return { resolved: undefined, following: work.following };
  }
  note(work, `the reference ${reference} was put in its place`);
  const { $ref: _reference, ...own } = schema;
  return follow({ ...target, ...own }, { ...work, following: [...work.following, reference] });
}

function lookUp(root: Schema, reference: string): Schema | undefined {
  let at: unknown = root;
  for (const part of decodeURIComponent(reference.slice(1)).split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (!isObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return isObject(at) ? at : undefined;
}

/** `allOf` adds up; of `anyOf` and `oneOf` a null branch is dropped, and one that is left is taken. */
function mergeBranches(schema: Schema, work: Work): Schema {
  let merged: Record<string, unknown> = { ...schema };
  if (Array.isArray(merged['allOf'])) {
    const { allOf, ...own } = merged;
    note(work, 'allOf was merged');
    const parts = (allOf as unknown[]).map((part) => (isObject(part) ? (follow(part, work).resolved ?? {}) : {}));
    merged = [...parts, own].reduce<Record<string, unknown>>(merge, {});
  }
  for (const key of ['anyOf', 'oneOf']) {
    if (!Array.isArray(merged[key])) continue;
    const { [key]: branches, ...own } = merged;
    merged = { ...own, ...chosen(branches as unknown[], { ...work, pointer: `${work.pointer}/${key}` }) };
  }
  return merged;
}

function merge(
  one: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const both = { ...one, ...other };
  if (isObject(one['properties']) && isObject(other['properties']))
    both['properties'] = { ...one['properties'], ...other['properties'] };
  if (Array.isArray(one['required']) && Array.isArray(other['required']))
    both['required'] = [...new Set([...(one['required'] as unknown[]), ...(other['required'] as unknown[])])];
  return both;
}

function chosen(branches: readonly unknown[], work: Work): Schema {
  const schemas = branches.filter(isObject).map((branch) => follow(branch, work).resolved ?? {});
  const real = schemas.filter((branch) => branch['type'] !== 'null');
  const [first] = real;
  if (first !== undefined && real.length === 1) {
    note(work, 'one branch is left without null, and was taken');
    return first;
  }
  const constants = real.map((branch) => branch['const']);
  if (constants.length > 0 && constants.every((value) => typeof value === 'string')) {
    note(work, 'constants became an enum');
    return { type: 'string', enum: constants };
  }
  const types = [...new Set(real.map((branch) => branch['type']))];
  const only = types.length === 1 && typeof types[0] === 'string' ? types[0] : undefined;
  note(
    work,
    only === undefined
      ? 'has branches of several types; any value is taken'
      : `has branches of ${only}; any ${only} is taken`,
  );
  return only === undefined ? {} : { type: only };
}

function members(schema: Schema, work: Work): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties' && isObject(value)) out['properties'] = propertiesOf(value, work);
    else if (key === 'items') out['items'] = itemsOf(value, work);
    else if (key === 'type') out['type'] = typeOf(value, work);
    else if (key === 'const') out['enum'] = [value];
    else if (KEPT.has(key)) out[key] = value;
    else if (IN_WORDS.includes(key)) note(work, `${key} was put into words`);
    else if (!SILENT.has(key)) note(work, `${key} was left out`);
  }
  const words = inWords(schema);
  if (words !== '')
    out['description'] = [out['description'], words].filter((part) => typeof part === 'string').join(' ');
  return typed(out);
}

function propertiesOf(properties: Schema, work: Work): Record<string, unknown> {
  // No prototype: a parameter may be called anything.
  const out = Object.create(null) as Record<string, unknown>;
  for (const [name, property] of Object.entries(properties)) {
    const pointer = `${work.pointer}/properties/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    out[name] = clean(property, { ...work, pointer, depth: work.depth + 1 });
  }
  return out;
}

function itemsOf(items: unknown, work: Work): Record<string, unknown> {
  const inner = { ...work, pointer: `${work.pointer}/items`, depth: work.depth + 1 };
  if (!Array.isArray(items)) return clean(items, inner);
  note(inner, 'described each place of a list; the first was taken for all');
  return clean((items as unknown[])[0] ?? {}, inner);
}

/** A list of types loses null; of several others the first stays. */
function typeOf(type: unknown, work: Work): unknown {
  if (!Array.isArray(type)) return type;
  const real = (type as unknown[]).filter((each) => each !== 'null');
  note(work, `of the types ${(type as unknown[]).join(', ')} ${String(real[0])} was taken`);
  return real[0] ?? 'string';
}

function inWords(schema: Schema): string {
  const told = IN_WORDS.filter((key) => schema[key] !== undefined).map(
    (key) => `${key}: ${JSON.stringify(schema[key])}`,
  );
  return told.length === 0 ? '' : `(${told.join(', ')})`;
}

/** Every schema of the plain part has a type. */
function typed(schema: Record<string, unknown>): Record<string, unknown> {
  const out = Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined));
  if (typeof out['type'] === 'string') return out;
  const values = Array.isArray(out['enum']) ? (out['enum'] as unknown[]) : [];
  const [first] = values;
  const type = isObject(out['properties']) || values.length === 0 ? 'object' : typeof first;
  return { type: out['items'] === undefined ? type : 'array', ...out };
}

function note(work: Work, what: string): void {
  const place = work.pointer === '' ? '/' : work.pointer;
  work.changes.push(`${place}: ${what}.`);
}
