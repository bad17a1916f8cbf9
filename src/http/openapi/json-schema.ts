/** Words for writing JSON Schema 2020-12, and moving a schema to another place. */

import { isObject } from '../../core/json.ts';

export type Schema = Readonly<Record<string, unknown>>;

export const text: Schema = { type: 'string' };
export const flag: Schema = { type: 'boolean' };
export const instant: Schema = { type: 'string', format: 'date-time' };
export const anything: Schema = {};
export const anyObject: Schema = { type: 'object' };
export const wholeNumber = (minimum = 0): Schema => ({ type: 'integer', minimum });
export const listOf = (items: Schema): Schema => ({ type: 'array', items });
export const oneOf = (values: readonly string[]): Schema => ({ type: 'string', enum: values });
export const mapOf = (values: Schema): Schema => ({ type: 'object', additionalProperties: values });
export const described = (schema: Schema, description: string): Schema => ({ ...schema, description });

/** An object that has nothing else; a name that ends in `?` may be absent. */
export function shape(properties: Readonly<Record<string, Schema>>): Schema {
  const entries = Object.entries(properties).map(([name, schema]) => ({
    name: name.replace(/\?$/, ''),
    isRequired: !name.endsWith('?'),
    schema,
  }));
  return {
    type: 'object',
    properties: Object.fromEntries(entries.map(({ name, schema }) => [name, schema])),
    required: entries.filter(({ isRequired }) => isRequired).map(({ name }) => name),
    additionalProperties: false,
  };
}

/** `#/components/schemas/NAME`. */
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** A schema with each `$ref` changed; those in values (`const`, `enum`, `default`, `examples`) are no references. */
export function withRefs(schema: unknown, change: (reference: string) => string): unknown {
  if (Array.isArray(schema)) return schema.map((each) => withRefs(each, change));
  if (!isObject(schema)) return schema;
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] => {
    if (['const', 'enum', 'default', 'examples'].includes(key)) return [key, value];
    return [key, key === '$ref' && typeof value === 'string' ? change(value) : withRefs(value, change)];
  });
  return Object.fromEntries(entries);
}

/** A schema that stood by itself, as a component: what it refers to in itself has moved with it. */
export function asComponent(schema: unknown, name: string): Schema {
  if (!isObject(schema)) return anyObject;
  const { $schema: _dialect, $id: _id, ...rest } = schema;
  return withRefs(rest, (reference) =>
    reference.startsWith('#') ? `#/components/schemas/${name}${reference.slice(1)}` : reference,
  ) as Schema;
}
