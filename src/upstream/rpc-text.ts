/** How requests of ours are written and what servers answer is read, as text and member by member: no state, no time. */

import type { RawEntry, RawObject } from '../core/json.ts';
import type { ConversationRequest } from './conversation.ts';
import { UpstreamRpcError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';

type RequestParts = Pick<ConversationRequest, 'method' | 'params' | 'meta' | 'exchange'> & {
  /** As in `PeerRequest`. */
  readonly envelope?: string;
};

/** A request as it is sent. Its id is its progress token too, when its caller wants progress. */
export function requestText(id: number, request: RequestParts): string {
  const params = paramsOf(id, request);
  const tail = params === '{}' ? '}' : `,"params":${params}}`;
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(request.method)}${tail}`;
}

function paramsOf(id: number, request: RequestParts): string {
  let meta = request.envelope ?? '';
  if (request.exchange?.wantsProgress === true) meta += `"progressToken":${id},`;
  for (const entry of request.meta) meta += `${JSON.stringify(entry.key)}:${entry.text},`;
  let out = '{';
  for (const entry of request.params) out += `${JSON.stringify(entry.key)}:${entry.text},`;
  if (meta !== '') return `${out}"_meta":{${meta.slice(0, -1)}}}`;
  return out === '{' ? '{}' : `${out.slice(0, -1)}}`;
}

export function member(object: RawObject, key: string): RawEntry | undefined {
  for (const entry of object.members) if (entry.key === key) return entry;
  return undefined;
}

/** The original text of a member; empty when there is none. */
export function memberText(text: string, object: RawObject, key: string): string {
  const entry = member(object, key);
  return entry === undefined ? '' : text.slice(entry.start, entry.end);
}

/** Why an answer is no JSON-RPC answer of MCP, as the end of "answered with …". */
export function answerFault(value: Readonly<Record<string, unknown>>): string | undefined {
  if (value['jsonrpc'] !== '2.0') return 'a message whose "jsonrpc" is not "2.0"';
  if ('error' in value) {
    const { error } = value;
    if ('result' in value) return 'both a result and an error';
    if (!isObject(error) || !Number.isInteger(error['code']) || typeof error['message'] !== 'string')
      return 'a malformed error';
    return undefined;
  }
  return isObject(value['result']) ? undefined : 'a result that is no object';
}

export function rpcError(error: Readonly<Record<string, unknown>>): UpstreamRpcError {
  return new UpstreamRpcError(error['code'] as number, error['message'] as string, error['data']);
}

const DECIMAL = /^[1-9]\d{0,14}$/;

/**
 * The number that we gave a request, and with it its progress, from what a server gives back. JSON-RPC has it return
 * the same value, but some return it as text, and the official SDKs of TypeScript and Python take both.
 */
export function ourId(id: unknown): number | undefined {
  if (typeof id === 'number') return id;
  return typeof id === 'string' && DECIMAL.test(id) ? Number(id) : undefined;
}

/** Id of an answer that parses but breaks our limits (depth, duplicate keys). */
export function answeredId(text: string): number | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value) && !('method' in value)) return ourId(value['id']);
  } catch {
    // Not JSON after all: nothing to find.
  }
  return undefined;
}
