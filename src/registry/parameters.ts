/**
 * From the `parameters` of a registration to the JSON Schema that clients see. Two forms are taken: a full JSON
 * Schema of an object, as it stands, and the shorthand map of name to type:
 *
 * ```json
 * {"city": "string", "days": {"type": "integer", "optional": true}, "tags": {"type": "array", "items": "string"}}
 * ```
 *
 * The word `"object"` alone stands for any JSON value and is published without a type.
 */

import { isObject } from '../core/json.ts';
import type { ProblemList } from './problem-list.ts';
import { checkBounds, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, type SchemaObject } from './schema-bounds.ts';

/** Takes everything: for a function that says nothing about its arguments. */
export const PERMISSIVE_SCHEMA: SchemaObject = Object.freeze({ type: 'object' });

const DIALECT_2020 = 'https://json-schema.org/draft/2020-12/schema';
export const DIALECT_7 = 'http://json-schema.org/draft-07/schema';

/** Keys that a full schema may have at its root; a map with any other key is shorthand. */
const ROOT_KEYWORDS = new Set([
  '$schema',
  '$comment',
  '$defs',
  '$ref',
  'additionalProperties',
  'allOf',
  'anyOf',
  'const',
  'default',
  'definitions',
  'dependentRequired',
  'dependentSchemas',
  'dependencies',
  'deprecated',
  'description',
  'else',
  'enum',
  'examples',
  'if',
  'maxProperties',
  'minProperties',
  'not',
  'oneOf',
  'patternProperties',
  'properties',
  'propertyNames',
  'readOnly',
  'required',
  'then',
  'title',
  'type',
  'unevaluatedProperties',
  'writeOnly',
  '$id',
  '$anchor',
  '$dynamicRef',
  '$dynamicAnchor',
  '$vocabulary',
]);

const WORDS: ReadonlyMap<string, SchemaObject> = new Map<string, SchemaObject>([
  ['string', { type: 'string' }],
  ['number', { type: 'number' }],
  ['integer', { type: 'integer' }],
  ['boolean', { type: 'boolean' }],
  ['array', { type: 'array' }],
  ['object', {}],
]);

const MAX_PARAMETERS = 200;

/**
 * @param path - Where the parameters stand, for the messages.
 * @returns the schema; it is of use only when nothing was added to `problems`.
 */
export function toInputSchema(parameters: unknown, path: string, problems: ProblemList): SchemaObject {
  if (!isObject(parameters)) {
    problems.add(path, 'must be an object: a map of name to type, or a JSON Schema');
    return PERMISSIVE_SCHEMA;
  }
  if (Buffer.byteLength(JSON.stringify(parameters)) > MAX_SCHEMA_BYTES) {
    problems.add(path, `is larger than ${MAX_SCHEMA_BYTES / 1024} KiB`);
    return PERMISSIVE_SCHEMA;
  }
  const schema = isFullSchema(parameters) ? parameters : fromShorthand(parameters, { path, problems, depth: 1 });
  checkRoot(schema, path, problems);
  checkBounds(schema, path, problems);
  return schema;
}

/** A lone `{"type":"object"}` is a schema; `{"type":"string"}` is the shorthand of one parameter named `type`. */
function isFullSchema(parameters: SchemaObject): boolean {
  if (typeof parameters['$schema'] === 'string' && parameters['$schema'].includes('://')) return true;
  if (parameters['type'] !== 'object') return false;
  const properties = parameters['properties'];
  return (
    Object.keys(parameters).every((key) => ROOT_KEYWORDS.has(key)) && (properties === undefined || isObject(properties))
  );
}

function checkRoot(schema: SchemaObject, path: string, problems: ProblemList): void {
  if (schema['type'] !== 'object') problems.add(path, 'must describe an object: set "type" to "object"');
  const dialect = schema['$schema'];
  if (dialect === undefined) return;
  const plain = typeof dialect === 'string' ? dialect.replace(/#$/, '') : '';
  if (plain !== DIALECT_2020 && plain !== DIALECT_7)
    problems.add(`${path}.$schema`, `must be ${DIALECT_2020} or ${DIALECT_7}`);
}

interface At {
  readonly path: string;
  readonly problems: ProblemList;
  readonly depth: number;
}

function fromShorthand(map: SchemaObject, at: At): SchemaObject {
  const names = Object.keys(map);
  if (names.length > MAX_PARAMETERS) at.problems.add(at.path, `has more than ${MAX_PARAMETERS} parameters`);
  const properties = Object.create(null) as Record<string, SchemaObject>;
  const required: string[] = [];
  for (const name of names.slice(0, MAX_PARAMETERS)) {
    const value = map[name];
    properties[name] = fromType(value, { ...at, path: `${at.path}.${name}` });
    if (!isObject(value) || value['optional'] !== true) required.push(name);
  }
  return { type: 'object', properties, ...(required.length > 0 ? { required } : {}) };
}

/** One parameter's type: a word, `{type:"array",items}`, `{type:"object",properties}`, or any JSON Schema. */
function fromType(value: unknown, at: At): SchemaObject {
  if (at.depth > MAX_SCHEMA_DEPTH) {
    at.problems.add(at.path, `is nested deeper than ${MAX_SCHEMA_DEPTH} levels`);
    return {};
  }
  if (typeof value === 'string') return fromWord(value, at);
  if (!isObject(value)) {
    at.problems.add(at.path, 'must be a type, such as "string", or a JSON Schema');
    return {};
  }
  const { optional, ...schema } = value;
  if (optional !== undefined && typeof optional !== 'boolean')
    at.problems.add(`${at.path}.optional`, 'must be true or false');
  const deeper = { ...at, depth: at.depth + 1 };
  const items = schema['items'];
  if (schema['type'] === 'array' && isShorthand(items)) {
    return { ...schema, items: fromType(items, { ...deeper, path: `${at.path}.items` }) };
  }
  const properties = schema['properties'];
  if (schema['type'] === 'object' && isObject(properties) && schema['required'] === undefined) {
    return { ...schema, ...fromShorthand(properties, { ...deeper, path: `${at.path}.properties` }) };
  }
  return schema;
}

/** Items that only shorthand can mean; everything else is left as the JSON Schema it is. */
function isShorthand(items: unknown): boolean {
  return (
    typeof items === 'string' ||
    (isObject(items) && (items['type'] === 'array' || items['type'] === 'object' || 'optional' in items))
  );
}

function fromWord(word: string, at: At): SchemaObject {
  const schema = WORDS.get(word);
  if (schema !== undefined) return { ...schema };
  at.problems.add(at.path, `has the unknown type "${word.slice(0, 40)}"; known: ${[...WORDS.keys()].join(', ')}`);
  return {};
}
