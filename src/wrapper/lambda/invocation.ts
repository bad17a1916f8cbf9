/** One invocation: who asks, for which tenant, and how long there is. */

import type { Logger } from '../../core/ports.ts';
import type { LambdaClock } from './lambda-clock.ts';
import type { LambdaContext } from './lambda-event.ts';
import { Context } from '../../core/context.ts';
import { isObject } from '../../core/json.ts';

/** On whose behalf an invocation runs, as far as whoever invoked the function says. */
export interface Identity {
  readonly tenant: string;
  readonly principal: string;
}

/** Without a Lambda context nothing ends a call but this. */
const DEFAULT_TIMEOUT_MS = 900_000;

/** `clientContext.custom`, in either spelling; values that are no texts are left out. */
export function customContext(context: LambdaContext): ReadonlyMap<string, string> {
  const client = context.clientContext;
  const custom = isObject(client) ? (client['custom'] ?? client['Custom']) : undefined;
  if (!isObject(custom)) return new Map();
  return new Map(Object.entries(custom).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/**
 * Who asks: what the gateway wrote into the client context, Lambda's own tenant, or what an authorizer found out
 * about the caller of a URL. A client's own headers never count.
 */
export function identityOf(event: unknown, context: LambdaContext): Identity {
  const custom = customContext(context);
  const tenant = context.tenantId ?? custom.get('zeroplaneTenant') ?? '';
  return { tenant, principal: custom.get('zeroplanePrincipal') ?? authorized(event) ?? '' };
}

function authorized(event: unknown): string | undefined {
  const request = isObject(event) ? event['requestContext'] : undefined;
  if (!isObject(request)) return undefined;
  const identity = isObject(request['identity']) ? request['identity'] : {};
  const authorizer = isObject(request['authorizer']) ? request['authorizer'] : {};
  const { iam, jwt, claims, principalId } = authorizer;
  const tokenClaims = isObject(jwt) && isObject(jwt['claims']) ? jwt['claims'] : claims;
  const found = [
    isObject(iam) ? iam['userArn'] : undefined,
    isObject(tokenClaims) ? tokenClaims['sub'] : undefined,
    principalId,
    identity['userArn'],
  ];
  return found.find((value): value is string => typeof value === 'string' && value !== '');
}

export interface InvocationParts {
  readonly identity: Identity;
  readonly lambda: LambdaContext;
  readonly clock: LambdaClock;
  readonly log: Logger;
  /** Milliseconds that are left for the answer when the server's time is up. */
  readonly marginMs: number;
}

/** The context of one invocation. Its deadline lies before Lambda's own, so that there is time to say so. */
export function invocationContext(parts: InvocationParts): Context {
  const { identity, lambda, clock, log, marginMs } = parts;
  const leftMs = lambda.getRemainingTimeInMillis?.() ?? DEFAULT_TIMEOUT_MS;
  const requestId = lambda.awsRequestId ?? '';
  const id = JSON.stringify([identity.tenant, identity.principal]);
  return new Context({
    // A server serves one tenant only, see `ServerPool`; inside it callers are all that differs.
    principal: { id, tenant: '', roles: [], scopes: [] },
    requestId,
    clock,
    // Of a very short timeout at least half is the server's.
    timeoutMs: Math.max(leftMs - marginMs, leftMs / 2),
    log,
  });
}
