/** The schema as JSON Schema, for editors, for the reference page, and for naming the key that was meant. */

import { z } from 'zod';
import type { NodePath } from './document.ts';

export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
}

export function toJsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }) as JsonSchema;
}

/** The schema of the value at `path`; the first branch that knows the way where there is a choice. */
export function schemaAt(schema: JsonSchema, path: NodePath): JsonSchema | undefined {
  const [part, ...rest] = path;
  if (part === undefined) return schema;
  for (const branch of schema.anyOf ?? []) {
    const found = schemaAt(branch, path);
    if (found !== undefined) return found;
  }
  const next = typeof part === 'number' ? schema.items : memberOf(schema, part);
  return next === undefined ? undefined : schemaAt(next, rest);
}

function memberOf(schema: JsonSchema, key: string): JsonSchema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) return schema.properties[key];
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

/** The keys that may stand at `path`; empty where any may. */
export function keysAt(schema: JsonSchema, path: NodePath): readonly string[] {
  return Object.keys(schemaAt(schema, path)?.properties ?? {});
}
