/** Which definitions of a server are refused, whatever transport they came by. */

import type { Definition } from '../core/target.ts';
import { isObject } from '../core/json.ts';

/** Longest name of a tool or prompt. */
const MAX_NAME_LENGTH = 256;
/** Longest URI or template. */
const MAX_URI_LENGTH = 8_192;

/** Control, format (zero-width, bidirectional), surrogate and private-use characters: what a name can hide behind. */
const HIDDEN = /\p{C}|\p{Zl}|\p{Zp}/u;

/** @returns why the definition may not be listed; `undefined` when it may. */
export function definitionObjection(definition: Definition): string | undefined {
  const { kind, key, value } = definition;
  const maxLength = kind === 'tool' || kind === 'prompt' ? MAX_NAME_LENGTH : MAX_URI_LENGTH;
  if (key === '') return 'an empty name';
  if (key.length > maxLength) return `a name of ${key.length} characters; at most ${maxLength} are allowed`;
  if (HIDDEN.test(key)) return 'a name with control or invisible characters';
  return kind === 'tool' ? schemaObjection(value['inputSchema']) : undefined;
}

function schemaObjection(schema: unknown): string | undefined {
  if (!isObject(schema)) return 'an inputSchema that is no object';
  return schema['type'] === 'object' ? undefined : 'an inputSchema whose type is not "object"';
}
