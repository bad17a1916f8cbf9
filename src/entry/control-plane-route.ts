/** The routes of the control plane; what they need is loaded with the first request that means them. */

import type { Context } from '../core/context.ts';
import { toPlatformError } from '../core/errors.ts';
import type { Clock, StoreRoot } from '../core/ports.ts';
import type { GatewayRequest, Reply } from '../gateway/reply.ts';
import { problemReply } from '../http/problem.ts';
import type { Policy } from '../policy/decide.ts';
import type { ControlPlaneHost } from './control-plane-host.ts';

/** What belongs to it; `/v1/tools` and `/v1/instance` have routes of their own. */
const OWN =
  /^\/(?:provision|terminate|v1\/(?:provision|catalog|workflows|audit|openapi\.json|schemas)|v2\/(?:status|jobs|resources))(?:\/|$)/;

export interface ControlPlaneRouteParts {
  readonly host: ControlPlaneHost;
  readonly policy: Policy;
  readonly store: StoreRoot;
  readonly sealingKey: Uint8Array;
  readonly clock: Clock;
  readonly version: string;
}

type Handler = (request: GatewayRequest, context: Context) => Promise<Reply> | undefined;

export function controlPlaneRoute(parts: ControlPlaneRouteParts): Handler {
  let handler: Promise<Handler> | undefined;
  return (request, context) => {
    if (!OWN.test(request.path)) return undefined;
    handler ??= load(parts).catch((error: unknown) => {
      handler = undefined;
      throw error;
    });
    return answer(handler, request, context);
  };
}

async function load({ host, policy, store, sealingKey, clock, version }: ControlPlaneRouteParts): Promise<Handler> {
  const { plane, engine } = await host.running();
  const { provisioningRoutes } = await import('../http/routes/provisioning.ts');
  return provisioningRoutes({ plane, engine, policy, store, sealingKey, clock, version });
}

async function answer(handler: Promise<Handler>, request: GatewayRequest, context: Context): Promise<Reply> {
  try {
    const reply = (await handler)(request, context);
    if (reply !== undefined) return await reply;
  } catch (thrown) {
    context.log.log('error', 'request-failed', {
      requestId: context.requestId,
      cause: thrown instanceof Error ? thrown.stack : String(thrown),
    });
    return problemReply(toPlatformError(thrown), context.requestId);
  }
  throw new Error(`no route takes ${request.path}`);
}
