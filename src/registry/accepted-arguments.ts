/**
 * Arguments in the form of earlier systems, `{"parameters": {…}}`, stand for the ones inside: for functions that were
 * discovered or configured, whose tools had this one parameter there.
 */

import { isObject, rawMembers, scan } from '../core/json.ts';
import type { TargetCall } from '../core/target.ts';
import type { SchemaObject } from './schema-bounds.ts';

const WRAPPER = 'parameters';

/**
 * The call with its arguments unwrapped, when `parameters` is the only argument, holds an object, and is no parameter
 * of the schema. A schema that names no parameter at all leaves open which form is meant; then `whenOpen` decides.
 */
export function acceptedCall(call: TargetCall, schema: SchemaObject, whenOpen: boolean): TargetCall {
  const given = call.parsed['arguments'];
  if (!isObject(given) || !isObject(given[WRAPPER]) || Object.keys(given).length !== 1) return call;
  const { properties } = schema;
  if (isObject(properties) && Object.hasOwn(properties, WRAPPER)) return call;
  const isOpen = !isObject(properties) || Object.keys(properties).length === 0;
  if (isOpen && !whenOpen) return call;
  const text = call.params.find(({ key }) => key === 'arguments')?.text ?? '{}';
  const { object } = scan(text, 1);
  const inner = object === undefined ? undefined : rawMembers(text, object)[0]?.text;
  if (inner === undefined) return call;
  const params = call.params.map((member) => (member.key === 'arguments' ? { key: member.key, text: inner } : member));
  return { ...call, params, parsed: { ...call.parsed, arguments: given[WRAPPER] } };
}
