/** The fingerprint of a definition: what a model reads of it, so that a later change can be noticed. */

import { createHash } from 'node:crypto';

import { isObject } from '../core/json.ts';

/** JSON with sorted keys and no white space: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((element) => canonicalJson(element ?? null)).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const members = Object.keys(value)
    .sort()
    .filter((key) => value[key] !== undefined)
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  return `{${members.join(',')}}`;
}

/** Hex SHA-256 of name, description and schema in canonical form. */
export function definitionDigest(name: string, description: string, schema: unknown): string {
  return createHash('sha256').update(canonicalJson({ description, name, schema })).digest('hex');
}

/** What the digest takes for the schema of a tool: that of its arguments, with that of its answer where there is one. */
export function described(inputSchema: unknown, outputSchema: unknown): unknown {
  return outputSchema === undefined ? inputSchema : { inputSchema, outputSchema };
}
