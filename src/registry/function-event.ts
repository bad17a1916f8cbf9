/**
 * What a function receives: the event, and the client context with who asks for what.
 *
 * The arguments pass as the text that arrived. The keys `bedrockAgentCore…` are those of the AgentCore gateway, so a
 * function written for either runs behind both.
 */

import type { RequestContext } from '../core/context.ts';
import { joinMembers, type RawMember } from '../core/json.ts';
import type { TargetCall } from '../core/target.ts';
import { SEPARATOR } from '../protocol/names.ts';
import type { EventMode } from './registration.ts';

export const REGISTRY_ID = 'registry';

/** The text of a member of `params`; `otherwise` when it is absent. */
function memberText(members: readonly RawMember[], key: string, otherwise: string): string {
  return members.find((member) => member.key === key)?.text ?? otherwise;
}

/** The event of a tool's function, in the shape that it declares. */
export function toolEvent(mode: EventMode, call: TargetCall, context: RequestContext): string {
  const args = memberText(call.params, 'arguments', '{}');
  switch (mode) {
    case 'arguments':
      return args;
    case 'args-extra':
      return argsExtraEvent(call, context);
    case 'parameters':
      return `{"parameters":${args}}`;
    default:
      return rpcEvent(call, args, context);
  }
}

/** `{args, extra}`: what prompts always receive. */
export function argsExtraEvent(call: TargetCall, context: RequestContext): string {
  return `{"args":${memberText(call.params, 'arguments', '{}')},"extra":${extraText(call.meta, context)}}`;
}

export function readEvent(
  uri: string,
  variables: ReadonlyMap<string, string>,
  of: { readonly call: TargetCall; readonly context: RequestContext },
): string {
  const values = JSON.stringify(Object.fromEntries(variables));
  return `{"action":"read","uri":${JSON.stringify(uri)},"variables":${values},"extra":${extraText(of.call.meta, of.context)}}`;
}

export function listEvent(context: RequestContext): string {
  return `{"action":"list","extra":${extraText([], context)}}`;
}

export function completeEvent(
  argument: { readonly name: string; readonly value: string },
  context: RequestContext,
): string {
  return `{"action":"complete","argument":${JSON.stringify(argument)},"extra":${extraText([], context)}}`;
}

function extraText(meta: readonly RawMember[], context: RequestContext): string {
  const known = { requestId: context.requestId, tenant: context.tenant, principal: context.principal.id };
  return `${JSON.stringify(known).slice(0, -1)},"_meta":${joinMembers(meta)}}`;
}

function rpcEvent(call: TargetCall, args: string, context: RequestContext): string {
  const params = joinMembers([
    { key: 'name', text: JSON.stringify(call.name) },
    { key: 'arguments', text: args },
    ...(call.meta.length > 0 ? [{ key: '_meta', text: joinMembers(call.meta) }] : []),
  ]);
  return `{"jsonrpc":"2.0","id":${JSON.stringify(context.requestId)},"method":"tools/call","params":${params}}`;
}

/**
 * `clientContext.custom`: identity and name, stated by the gateway and not by the caller.
 *
 * @param call - Absent where nobody called, as when resources are listed.
 */
export function clientContext(name: string, context: RequestContext, call?: TargetCall): Record<string, string> {
  const { principal } = context;
  const idempotencyKey = call?.idempotencyKey;
  return {
    bedrockAgentCoreMessageVersion: '1.0',
    bedrockAgentCoreAwsRequestId: context.requestId,
    bedrockAgentCoreMcpMessageId: messageId(call?.messageId) ?? context.requestId,
    bedrockAgentCoreGatewayId: 'zeroplane',
    bedrockAgentCoreTargetId: REGISTRY_ID,
    bedrockAgentCoreToolName: `${REGISTRY_ID}${SEPARATOR}${name}`,
    zeroplaneTenant: context.tenant,
    zeroplanePrincipal: principal.id,
    zeroplaneClaims: JSON.stringify(principal.claims ?? {}),
    ...(idempotencyKey === undefined ? {} : { zeroplaneIdempotencyKey: idempotencyKey }),
  };
}

function messageId(text: string | undefined): string | undefined {
  return text?.startsWith('"') === true ? String(JSON.parse(text)) : text;
}
