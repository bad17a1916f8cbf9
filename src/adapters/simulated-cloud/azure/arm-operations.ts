/**
 * Long operations of Azure. What there is to know of one stands in its id, so that nothing has to be kept and it goes on
 * after a restart; the resource itself knows when it is done.
 */

import type { Clock } from '../../../core/ports.ts';
import { RestError } from '../rest-routes.ts';
import type { RestRequest } from '../rest-routes.ts';
import type { Ending } from './arm-types.ts';

export interface ArmOperation {
  readonly verb: 'create' | 'delete';
  /** Of the resource or group, in lower case. */
  readonly id: string;
  readonly startedMs: number;
  readonly readyMs: number;
}

/** Seconds that clients are asked to wait between two questions. */
const RETRY_AFTER = '1';

function encodeOperation(operation: ArmOperation): string {
  return Buffer.from(JSON.stringify(operation)).toString('base64url');
}

/** @throws RestError for an id that none has. */
export function decodeOperation(id: string): ArmOperation {
  try {
    const read = JSON.parse(Buffer.from(id, 'base64url').toString('utf8')) as Partial<ArmOperation>;
    const { verb, id: resource, startedMs, readyMs } = read;
    if (
      (verb === 'create' || verb === 'delete') &&
      typeof resource === 'string' &&
      typeof startedMs === 'number' &&
      typeof readyMs === 'number'
    )
      return { verb, id: resource, startedMs, readyMs };
  } catch {
    // Told below.
  }
  throw new RestError(404, 'NotFound', 'The entity was not found.');
}

/** Where to ask how an operation is; every way that its ending has. */
export function operationHeaders(
  operation: ArmOperation,
  at: {
    readonly request: Pick<RestRequest, 'origin' | 'query'>;
    readonly subscription: string;
    readonly namespace: string;
    readonly location: string;
    readonly ending: Ending;
  },
): Readonly<Record<string, string>> {
  const { request, subscription, namespace, location, ending } = at;
  if (ending === 'sync') return {};
  const base = `${request.origin}/subscriptions/${subscription}/providers/${namespace}/locations/${location}`;
  const rest = `${encodeOperation(operation)}?api-version=${request.query.get('api-version') ?? ''}`;
  const result = { location: `${base}/operationresults/${rest}`, 'retry-after': RETRY_AFTER };
  if (ending === 'location') return result;
  const asynchronous = { 'azure-asyncoperation': `${base}/operations/${rest}`, 'retry-after': RETRY_AFTER };
  return operation.verb === 'delete' ? { ...result, ...asynchronous } : asynchronous;
}

export function isOver(operation: ArmOperation, clock: Clock): boolean {
  return clock.nowMs() >= operation.readyMs;
}
