/**
 * Values of the body that 2026-07-28 mirrors into headers: `Mcp-Name`, and `Mcp-Param-*` for the properties
 * that a tool's schema marks with `x-mcp-header`.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 */

import { isObject } from '../../core/json.ts';
import type { Definition } from '../../core/target.ts';

const ANNOTATION = 'x-mcp-header';
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const PRIMITIVES: ReadonlySet<unknown> = new Set(['string', 'integer', 'boolean']);
const MAX_DEPTH = 64;

/** One annotated property: the name part of its header, and the chain of `properties` keys to its value. */
interface MirroredParameter {
  readonly header: string;
  readonly path: readonly string[];
}

interface Reading {
  readonly parameters: readonly MirroredParameter[];
  /** Why the definition is invalid. */
  readonly fault?: string;
}

const readings = new WeakMap<Definition, Reading>();

/**
 * Why a client of this transport must not list a tool.
 *
 * @returns `undefined` when it may.
 */
export function headerObjection(definition: Definition): string | undefined {
  return definition.kind === 'tool' ? readDefinition(definition).fault : undefined;
}

/** Whether calls of a tool may have `Mcp-Param-*` headers. */
export function mirrorsParameters(definition: Definition): boolean {
  return readDefinition(definition).parameters.length > 0;
}

/**
 * The `Mcp-Param-*` headers of one call; absent and null arguments have none.
 *
 * @param readArguments - Parses `params.arguments`; asked only when the schema marks something.
 */
export function parameterHeaders(
  definition: Definition,
  readArguments: () => unknown,
): Record<string, string> | undefined {
  const { parameters } = readDefinition(definition);
  if (parameters.length === 0) return undefined;
  const args = readArguments();
  const headers: Record<string, string> = {};
  for (const { header, path } of parameters) {
    const value = valueAt(args, path);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      headers[`Mcp-Param-${header}`] = encodeHeaderValue(String(value));
    }
  }
  return headers;
}

/** Plain where a header can carry it, else `=?base64?…?=`; also what would be mistaken for that form. */
export function encodeHeaderValue(value: string): string {
  const plain = /^[\x20-\x7e\t]*$/.test(value) && value === value.trim() && value !== '';
  if (plain && !(value.startsWith('=?base64?') && value.endsWith('?='))) return value;
  return `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

function readDefinition(definition: Definition): Reading {
  let reading = readings.get(definition);
  if (reading === undefined) {
    reading = readSchema(definition);
    readings.set(definition, reading);
  }
  return reading;
}

function readSchema(definition: Definition): Reading {
  // Most tools have none, and text is searched faster than a tree is walked.
  if (!definition.text.includes(ANNOTATION)) return { parameters: [] };
  const parameters: MirroredParameter[] = [];
  try {
    collect(definition.value['inputSchema'], { path: [], reachable: true, property: false }, parameters);
  } catch (error) {
    if (error instanceof InvalidAnnotation) return { parameters: [], fault: error.message };
    throw error;
  }
  return { parameters };
}

class InvalidAnnotation extends Error {}

interface Position {
  readonly path: readonly string[];
  /** Every step from the root was a `properties` key. */
  readonly reachable: boolean;
  /** Stands for a property, not for the root or a keyword's own object. */
  readonly property: boolean;
}

function collect(schema: unknown, at: Position, found: MirroredParameter[]): void {
  if (at.path.length > MAX_DEPTH)
    throw new InvalidAnnotation(`its input schema is nested deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(schema)) {
    for (const entry of schema) collect(entry, { path: [...at.path, '[]'], reachable: false, property: true }, found);
    return;
  }
  if (!isObject(schema)) return;
  if (Object.hasOwn(schema, ANNOTATION)) found.push(readAnnotation(schema, at, found));
  for (const [key, value] of Object.entries(schema)) {
    // Values that are data, not schemas, may have any key.
    if (key === ANNOTATION || key === 'const' || key === 'enum' || key === 'default' || key === 'examples') continue;
    if (key === 'properties' && isObject(value)) {
      for (const [name, property] of Object.entries(value)) {
        collect(property, { path: [...at.path, name], reachable: at.reachable, property: true }, found);
      }
    } else collect(value, { path: [...at.path, key], reachable: false, property: true }, found);
  }
}

function readAnnotation(
  schema: Readonly<Record<string, unknown>>,
  at: Position,
  found: readonly MirroredParameter[],
): MirroredParameter {
  const header = schema[ANNOTATION];
  const place = at.path.join('.') || 'the schema itself';
  if (typeof header !== 'string' || !TOKEN.test(header)) {
    throw new InvalidAnnotation(`${ANNOTATION} of ${place} is not a header name`);
  }
  if (!at.reachable || !at.property) {
    throw new InvalidAnnotation(`${ANNOTATION} of ${place} is not on a property that "properties" alone leads to`);
  }
  if (!PRIMITIVES.has(schema['type'])) {
    throw new InvalidAnnotation(`${ANNOTATION} of ${place} is on a type other than string, integer or boolean`);
  }
  if (found.some((other) => other.header.toLowerCase() === header.toLowerCase())) {
    throw new InvalidAnnotation(`two properties have the ${ANNOTATION} "${header}"`);
  }
  return { header, path: at.path };
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const key of path) {
    if (!isObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}
