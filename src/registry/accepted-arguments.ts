/**
 * Which tools also take their arguments as earlier servers had them, `{"parameters": {…}}`: those of functions that were
 * discovered or configured.
 */

import { isObject } from '../core/json.ts';
import type { SchemaObject } from './schema-bounds.ts';

const WRAPPER = 'parameters';

/**
 * Name of the argument that may hold all others, unless it is a parameter of its own. A schema that names no parameter
 * leaves open which form is meant; then `whenOpen` decides.
 */
export function wrapperOf({ properties }: SchemaObject, whenOpen: boolean): string | undefined {
  const names = isObject(properties) ? Object.keys(properties) : [];
  if (names.length === 0) return whenOpen ? WRAPPER : undefined;
  return names.includes(WRAPPER) ? undefined : WRAPPER;
}
