/**
 * What a function's own description says of its arguments: the text after `Expected format:`. Where that is JSON (a
 * schema, the shorthand, or an example) it makes the tool's schema.
 */

import { isObject } from '../core/json.ts';
import { expectedFormat } from './discovery/naming.ts';
import { toInputSchema } from './parameters.ts';
import { ProblemList } from './problem-list.ts';
import type { SchemaObject } from './schema-bounds.ts';

const MAX_EXAMPLE_DEPTH = 8;

/** `undefined` when the description holds no JSON object behind the mark. */
export function describedSchema(description: string | undefined): SchemaObject | undefined {
  const value = objectIn(expectedFormat(description ?? '') ?? '');
  if (value === undefined) return undefined;
  const problems = new ProblemList();
  const schema = toInputSchema(value, 'description', problems);
  return problems.isEmpty ? schema : exampleSchema(value, 1);
}

/** The text from its first brace to its last, which a sentence may surround. */
function objectIn(text: string): SchemaObject | undefined {
  const start = text.indexOf('{');
  const end = text.lastIndexOf('}');
  if (start < 0 || end < start) return undefined;
  try {
    const value: unknown = JSON.parse(text.slice(start, end + 1));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Names and kinds of an example's members. Nothing is required, since an example cannot say what is. */
function exampleSchema(example: SchemaObject, depth: number): SchemaObject {
  const properties = Object.create(null) as Record<string, SchemaObject>;
  for (const name of Object.keys(example)) properties[name] = exampleType(example[name], depth);
  return { type: 'object', properties };
}

function exampleType(value: unknown, depth: number): SchemaObject {
  if (Array.isArray(value)) return { type: 'array' };
  if (isObject(value)) return depth < MAX_EXAMPLE_DEPTH ? exampleSchema(value, depth + 1) : { type: 'object' };
  if (value === null) return {};
  const type = typeof value;
  return type === 'string' || type === 'number' || type === 'boolean' ? { type, examples: [value] } : {};
}
