/** Headers that say in HTTP what the body says in JSON. */

import type { RawMember } from '../../core/json.ts';
import { IDEMPOTENCY_META_KEY } from '../../upstream/outgoing-meta.ts';
import type { PeerRequest } from '../../upstream/peer.ts';
import { encodeHeaderValue, parameterHeaders } from './param-headers.ts';

/** Which member of `params` the `Mcp-Name` header mirrors. */
const NAME_MEMBER: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** What 2026-07-28 mirrors from the body, and what travels with every request. */
export function modernHeaders(base: Readonly<Record<string, string>>, request: PeerRequest): Record<string, string> {
  const { method } = request;
  const headers: Record<string, string> = { ...base, 'Mcp-Method': method };
  const nameMember = NAME_MEMBER.get(method);
  if (nameMember !== undefined) {
    const name = stringMember(request.params, nameMember);
    if (name !== undefined) headers['Mcp-Name'] = encodeHeaderValue(name);
  }
  if (method === 'tools/call') addParameters(headers, request);
  addTravelHeaders(headers, request);
  return headers;
}

function addParameters(headers: Record<string, string>, request: PeerRequest): void {
  const { definition } = request;
  if (definition === undefined) return;
  const text = request.params.find((member) => member.key === 'arguments')?.text;
  const added = parameterHeaders(definition, () => (text === undefined ? undefined : JSON.parse(text)));
  if (added !== undefined) Object.assign(headers, added);
}

/** Trace, hop count and the caller's idempotency key, which both eras send. */
export function addTravelHeaders(headers: Record<string, string>, request: PeerRequest): void {
  const { trace, hops } = request.context;
  // `_meta` and header must not tell two stories; what the caller put into `_meta` comes first.
  const traceparent = stringMember(request.meta, 'traceparent') ?? trace.traceparent;
  if (traceparent !== undefined && isPlain(traceparent)) {
    headers['traceparent'] = traceparent;
    const tracestate = stringMember(request.meta, 'tracestate') ?? trace.tracestate;
    if (tracestate !== undefined && isPlain(tracestate)) headers['tracestate'] = tracestate;
  }
  headers['zeroplane-hops'] = String(hops + 1);
  const key = stringMember(request.meta, IDEMPOTENCY_META_KEY);
  if (key !== undefined && isPlain(key)) headers['Idempotency-Key'] = key;
}

function isPlain(value: string): boolean {
  return value.length <= 1024 && /^[\x20-\x7e]+$/.test(value);
}

function stringMember(members: readonly RawMember[], key: string): string | undefined {
  for (const member of members) {
    if (member.key !== key) continue;
    const value: unknown = JSON.parse(member.text);
    return typeof value === 'string' ? value : undefined;
  }
  return undefined;
}
