/** Headers that say in HTTP what the body says in JSON. */

import type { RawMember } from '../../core/json.ts';
import type { Definition } from '../../core/target.ts';
import { IDEMPOTENCY_META_KEY } from '../../upstream/outgoing-meta.ts';
import type { PeerRequest } from '../../upstream/peer.ts';
import { encodeHeaderValue, mirrorsParameters, parameterHeaders } from './param-headers.ts';

/** Which member of `params` the `Mcp-Name` header mirrors. */
const NAME_MEMBER: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** Headers of one definition's calls that are the same from call to call, and what they were made for. */
interface Fixed {
  readonly method: string;
  readonly nameText: string | undefined;
  readonly hops: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** The headers of every request to one server: what 2026-07-28 mirrors from the body, and what travels along. */
export class ModernHeaders {
  readonly #base: Readonly<Record<string, string>>;
  readonly #fixed = new WeakMap<Definition, Fixed>();

  /** @param base - Sent with every request. */
  constructor(base: Readonly<Record<string, string>>) {
    this.#base = base;
  }

  /** Most calls bring neither trace nor key and mirror no argument, and share one object. */
  of(request: PeerRequest): Readonly<Record<string, string>> {
    const { definition, meta, context } = request;
    if (definition === undefined || meta.length > 0 || context.trace.traceparent !== undefined)
      return this.#make(request);
    if (request.method === 'tools/call' && mirrorsParameters(definition)) return this.#make(request);
    const { hops } = context;
    const nameText = nameTextOf(request);
    let fixed = this.#fixed.get(definition);
    if (fixed?.nameText !== nameText || fixed?.method !== request.method || fixed.hops !== hops) {
      fixed = { method: request.method, nameText, hops, headers: this.#make(request) };
      this.#fixed.set(definition, fixed);
    }
    return fixed.headers;
  }

  #make(request: PeerRequest): Record<string, string> {
    const headers: Record<string, string> = { ...this.#base, 'Mcp-Method': request.method };
    const name: unknown = JSON.parse(nameTextOf(request) ?? 'null');
    if (typeof name === 'string') headers['Mcp-Name'] = encodeHeaderValue(name);
    if (request.method === 'tools/call') addParameters(headers, request);
    addTravelHeaders(headers, request);
    return headers;
  }
}

/** JSON text of the member that `Mcp-Name` mirrors. */
function nameTextOf({ method, params }: PeerRequest): string | undefined {
  const key = NAME_MEMBER.get(method);
  if (key === undefined) return undefined;
  for (const member of params) if (member.key === key) return member.text;
  return undefined;
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
