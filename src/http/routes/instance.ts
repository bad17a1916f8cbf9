/** `GET /v1/instance`: what runs here and how it does. */

import type { TargetState } from '../../core/target.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Context } from '../../core/context.ts';
import type { GatewayRequest, Reply } from '../../gateway/reply.ts';
import { jsonReply } from '../../gateway/reply.ts';
import type { Policy } from '../../policy/decide.ts';
import type { CanaryReport } from '../../registry/canary-switch.ts';
import type { DefinitionChange } from '../../registry/definition-recorder.ts';
import { problemReply } from '../problem.ts';

export interface TargetReport {
  readonly id: string;
  readonly kind: string;
  readonly label: string;
  readonly state: TargetState;
  readonly reason?: string;
  readonly tools: number;
  readonly prompts: number;
  readonly resources: number;
  readonly listedAt?: string;
  readonly restarts?: number;
  readonly children?: number;
  readonly protocolVersion?: string;
  readonly skipped: readonly { readonly key: string; readonly reason: string }[];
  /** Newest first, at most 20. */
  readonly changes: readonly DefinitionChange[];
}

export interface ConfigProblemReport {
  readonly code: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface InstanceStatus {
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly url: string;
  readonly mcp: string;
  readonly startedAt: string;
  readonly catalogueVersion: number;
  readonly auth: 'token' | 'none';
  readonly backends: readonly { readonly name: string; readonly label: string; readonly detail?: string }[];
  /** Local stand-ins for clouds, which the clouds' own programs can use. */
  readonly clouds: readonly { readonly name: string; readonly label: string; readonly url: string }[];
  readonly targets: readonly TargetReport[];
  readonly canaries: readonly CanaryReport[];
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
  readonly config: {
    readonly path?: string;
    readonly state: 'ok' | 'invalid';
    readonly problems?: readonly ConfigProblemReport[];
  };
}

export function instanceRoute(parts: { readonly policy: Policy; readonly status: () => InstanceStatus }) {
  return (request: GatewayRequest, context: Context): Promise<Reply> | undefined => {
    if (request.path !== '/v1/instance') return undefined;
    return answer(request, context, parts);
  };
}

async function answer(
  request: GatewayRequest,
  context: Context,
  parts: { readonly policy: Policy; readonly status: () => InstanceStatus },
): Promise<Reply> {
  if (request.method !== 'GET') {
    const reply = problemReply(
      new PlatformError('METHOD_NOT_ALLOWED', `${request.method} is not allowed here. Use GET.`),
      context.requestId,
    );
    return { ...reply, headers: { ...reply.headers, allow: 'GET' } };
  }
  const resource = { type: 'instance', id: 'instance', tenant: context.tenant };
  const decision = await parts.policy.decide({
    principal: context.principal,
    action: 'admin:instance',
    resource,
    context: { requestId: context.requestId },
  });
  if (!decision.allowed)
    return problemReply(
      new PlatformError('FORBIDDEN', 'The instance is shown to administrators only.'),
      context.requestId,
    );
  return jsonReply(200, JSON.stringify(parts.status()));
}
