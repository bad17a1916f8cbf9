/** A conversation of 2026-07-28 with what only HTTP asks of it: trace keys in both places, headers from schemas. */

import type { RawMember } from '../../core/json.ts';
import type { Definition } from '../../core/target.ts';
import type { ConversationRequest } from '../../upstream/conversation.ts';
import { ModernConversation } from '../../upstream/modern-conversation.ts';
import { headerObjection } from './param-headers.ts';

export class RemoteModernConversation extends ModernConversation {
  objection(definition: Definition): string | undefined {
    return headerObjection(definition);
  }

  override request(request: ConversationRequest): Promise<string> {
    return super.request(request.context.trace.traceparent === undefined ? request : withTrace(request));
  }
}

/** The caller's own `_meta` is right already; a trace that came by header is written into it. */
function withTrace(request: ConversationRequest): ConversationRequest {
  if (request.meta.some((member) => member.key === 'traceparent')) return request;
  const { traceparent, tracestate, baggage } = request.context.trace;
  const added: RawMember[] = [];
  for (const [key, value] of Object.entries({ traceparent, tracestate, baggage })) {
    if (value !== undefined && !request.meta.some((member) => member.key === key))
      added.push({ key, text: JSON.stringify(value) });
  }
  return { ...request, meta: [...request.meta, ...added] };
}
