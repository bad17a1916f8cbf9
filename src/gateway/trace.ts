/**
 * W3C trace context across the gateway: the caller's trace goes on, under a span of our own. `_meta` outranks the HTTP
 * headers, as the protocol says. A caller without a trace starts none.
 */

import { randomBytes } from 'node:crypto';
import type { Trace } from '../core/context.ts';
import type { RawMember } from '../core/json.ts';

const TRACE_KEYS: ReadonlySet<string> = new Set(['traceparent', 'tracestate', 'baggage']);

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const ZEROES = /^0+$/;
/** What intermediaries are asked to carry at least; longer values are dropped rather than cut. */
const MAX_STATE = 512;
const MAX_BAGGAGE = 8_192;

function text(value: unknown, limit: number): string | undefined {
  return typeof value === 'string' && value.length <= limit && /^[\u0020-\u007e]*$/.test(value) ? value : undefined;
}

/**
 * The trace for what is called from here.
 *
 * @param meta - `params._meta` of the request.
 * @param headers - The trace that came by HTTP header.
 * @returns an empty trace when neither holds a valid `traceparent`.
 */
export function childTrace(meta: Readonly<Record<string, unknown>>, headers: Trace): Trace {
  const own = typeof meta['traceparent'] === 'string';
  if (!own && headers.traceparent === undefined) return headers;
  const source: Readonly<Record<string, unknown>> = own ? meta : { ...headers };
  const match = TRACEPARENT.exec(String(source['traceparent']));
  const [, traceId = '', parentId = '', flags = ''] = match ?? [];
  if (match === null || ZEROES.test(traceId) || ZEROES.test(parentId)) return {};
  const tracestate = text(source['tracestate'], MAX_STATE);
  const baggage = text(source['baggage'], MAX_BAGGAGE);
  return {
    traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-${flags}`,
    ...(tracestate === undefined ? {} : { tracestate }),
    ...(baggage === undefined ? {} : { baggage }),
  };
}

/** `_meta` members with the caller's trace replaced by the one that goes on from here. */
export function withTrace(meta: readonly RawMember[], trace: Trace): readonly RawMember[] {
  const hadTrace = meta.some((member) => TRACE_KEYS.has(member.key));
  if (!hadTrace && trace.traceparent === undefined) return meta;
  const rest = hadTrace ? meta.filter((member) => !TRACE_KEYS.has(member.key)) : meta;
  const { traceparent, tracestate, baggage } = trace;
  const own = Object.entries({ traceparent, tracestate, baggage }).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, text: JSON.stringify(value) }],
  );
  return [...rest, ...own];
}
