/** What travels to a server in `_meta` beside the protocol's own keys. */

import type { RequestContext } from '../core/context.ts';
import type { RawMember } from '../core/json.ts';
import type { TargetCall, TargetKind } from '../core/target.ts';

export const IDEMPOTENCY_META_KEY = 'io.zeroplane/idempotencyKey';

/** The caller's own members, the trace where it came by header, and the idempotency key for remote servers. */
export function outgoingMeta(call: TargetCall, context: RequestContext, kind: TargetKind): readonly RawMember[] {
  const { traceparent, tracestate, baggage } = context.trace;
  const added: RawMember[] = [];
  if (traceparent !== undefined && !has(call.meta, 'traceparent')) {
    for (const [key, value] of Object.entries({ traceparent, tracestate, baggage })) {
      if (value !== undefined && !has(call.meta, key)) added.push({ key, text: JSON.stringify(value) });
    }
  }
  if (call.idempotencyKey !== undefined && kind !== 'stdio' && !has(call.meta, IDEMPOTENCY_META_KEY)) {
    added.push({ key: IDEMPOTENCY_META_KEY, text: JSON.stringify(call.idempotencyKey) });
  }
  return added.length === 0 ? call.meta : [...call.meta, ...added];
}

function has(members: readonly RawMember[], key: string): boolean {
  return members.some((member) => member.key === key);
}
