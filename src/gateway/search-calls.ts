/** Calls of the gateway's own two tools, which stand in for a long list. */

import { isObject, rawMembers, scan } from '../core/json.ts';
import type { Message } from '../protocol/message.ts';
import { CALL_TOOL, SEARCH_TOOL } from './search.ts';

export function isSearchCall(message: Message): boolean {
  const name = message.method === 'tools/call' ? message.parsed['name'] : undefined;
  return name === SEARCH_TOOL || name === CALL_TOOL;
}

/** A refusal that a model can read. */
export function toolError(text: string): string {
  return JSON.stringify({ content: [{ type: 'text', text }], isError: true });
}

/** The call inside `call_tool`, its arguments as the original text. */
export function innerCall(message: Message, name: string): Message {
  const outer = message.params.find((member) => member.key === 'arguments');
  const scanned = outer === undefined ? undefined : scan(outer.text, 1);
  const inner =
    scanned?.object === undefined || outer === undefined
      ? undefined
      : rawMembers(outer.text, scanned.object).find((member) => member.key === 'arguments');
  const others = message.params.filter((member) => member.key !== 'name' && member.key !== 'arguments');
  const outerArguments = message.parsed['arguments'];
  const args = isObject(outerArguments) ? (outerArguments['arguments'] ?? {}) : {};
  return {
    ...message,
    params: [{ key: 'name', text: JSON.stringify(name) }, { key: 'arguments', text: inner?.text ?? '{}' }, ...others],
    parsed: { ...message.parsed, name, arguments: args },
  };
}
