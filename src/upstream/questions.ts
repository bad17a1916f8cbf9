/**
 * Answers to what a server asks in the middle of a call. The caller's own answer is passed through; where
 * nobody can answer, the server hears so in its own protocol and goes on.
 */

import type { RawMember } from '../core/json.ts';
import type { Exchange } from '../core/target.ts';
import { PlatformError, UpstreamRpcError } from '../core/errors.ts';
import { joinMembers, rawMembers, scan } from '../core/json.ts';

/** Nobody saw the question. `decline` is the answer that servers handle without retrying. */
const DECLINED: ReadonlyMap<string, string> = new Map([
  ['elicitation/create', '"result":{"action":"decline"}'],
  ['sampling/createMessage', errorBody(-1, 'The client of this call cannot sample.')],
  ['roots/list', errorBody(-32601, 'The client of this call has no roots.')],
]);

/**
 * @returns the body of the answer (`"result":…` or `"error":…`), at once or when the caller has answered. The promise never rejects.
 */
export function answerQuestion(
  method: string,
  paramsText: string,
  exchange: Exchange | undefined,
): string | Promise<string> {
  if (method === 'ping') return '"result":{}';
  const declined = DECLINED.get(method);
  if (declined === undefined) return errorBody(-32601, `Method not found: ${method.slice(0, 200)}`);
  if (exchange === undefined || !exchange.canAsk) return declined;
  return ask(exchange, method, withoutProgressToken(paramsText), declined);
}

async function ask(exchange: Exchange, method: string, paramsText: string, declined: string): Promise<string> {
  try {
    return `"result":${await exchange.ask(method, paramsText)}`;
  } catch (error) {
    if (error instanceof UpstreamRpcError) return errorBody(error.rpcCode, error.message, error.data);
    if (error instanceof PlatformError && error.code !== 'CLIENT_CANNOT_ANSWER')
      return errorBody(error.rpcCode, error.message);
    return declined;
  }
}

function errorBody(code: number, message: string, data?: unknown): string {
  return `"error":${JSON.stringify({ code, message, ...(data === undefined ? {} : { data }) })}`;
}

/** The token is the server's, for this hop; the caller's hop has tokens of its own. */
function withoutProgressToken(paramsText: string): string {
  if (!paramsText.includes('"progressToken"')) return paramsText;
  const { object } = scan(paramsText, 2);
  if (object === undefined) return paramsText;
  const members: RawMember[] = [];
  for (const entry of object.members) {
    if (entry.key !== '_meta' || entry.object === undefined)
      members.push({ key: entry.key, text: paramsText.slice(entry.start, entry.end) });
    else
      members.push({
        key: '_meta',
        text: joinMembers(rawMembers(paramsText, entry.object).filter((part) => part.key !== 'progressToken')),
      });
  }
  return joinMembers(members);
}
