/**
 * Arguments in the form of earlier systems: all of them inside one, `{"parameters": {…}}`. Taken out before anything is
 * decided about a call, so that a policy judges what the tool gets.
 */

import { isObject, rawMembers, scan, type RawMember } from './json.ts';

/** What of a call holds its arguments, as text and parsed. */
export interface CallParams {
  readonly params: readonly RawMember[];
  readonly parsed: Readonly<Record<string, unknown>>;
}

/** The call as it is when `wrapper` is not its only argument and an object; however often that is inside itself. */
export function withoutWrapper<Call extends CallParams>(call: Call, wrapper: string): Call {
  let args = call.parsed['arguments'];
  let text: string | undefined;
  while (isObject(args) && isObject(args[wrapper]) && Object.keys(args).length === 1) {
    text = onlyMember(text ?? call.params.find(({ key }) => key === 'arguments')?.text ?? '{}');
    args = args[wrapper];
  }
  if (text === undefined) return call;
  const inner = text;
  const params = call.params.map((member) => (member.key === 'arguments' ? { key: member.key, text: inner } : member));
  return { ...call, params, parsed: { ...call.parsed, arguments: args } };
}

function onlyMember(text: string): string {
  const { object } = scan(text, 1);
  return (object === undefined ? undefined : rawMembers(text, object)[0]?.text) ?? text;
}
