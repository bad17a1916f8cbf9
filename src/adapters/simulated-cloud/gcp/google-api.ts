/** Google's side of a simulated cloud: its services, its token endpoint, and its errors in their two forms. */

import type { Asked, FaultName } from '../faults.ts';
import { RestError, findRoute } from '../rest-routes.ts';
import type { FoundRoute, RestApi, RestReply, RestRequest, Route } from '../rest-routes.ts';

/** Reasons of Cloud Storage, which has no `status`. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'invalid',
  401: 'authError',
  403: 'forbidden',
  404: 'notFound',
  409: 'conflict',
  412: 'conditionNotMet',
  413: 'uploadTooLarge',
  429: 'rateLimitExceeded',
  500: 'backendError',
  503: 'backendError',
};

/** @param open - Paths that are answered without a bearer. */
export function googleApi(routes: readonly Route[], open: ReadonlySet<string>): RestApi {
  return {
    vendor: 'Google',
    isOpen: ({ path }) => open.has(path),
    route: (request) => routeOf(routes, request),
    unauthenticated: () =>
      new RestError(
        401,
        'UNAUTHENTICATED',
        'Request had invalid authentication credentials: `zeroplane token` prints one.',
      ),
    fault: faultError,
    errorReply,
    headers: (requestId) => ({ 'x-guploader-uploadid': requestId }),
  };
}

function routeOf(routes: readonly Route[], request: RestRequest): FoundRoute {
  const found = findRoute(routes, request);
  if (found !== undefined) return found;
  throw new RestError(404, 'NOT_FOUND', `${request.method} ${request.path.slice(0, 200)} is not simulated here.`);
}

function faultError(fault: FaultName, { service }: Asked): RestError | undefined {
  const asked = '(a fault that was asked for)';
  switch (fault) {
    case 'throttle':
      return new RestError(429, 'RESOURCE_EXHAUSTED', `Quota exceeded ${asked}`);
    case 'server-error':
    case 'error-after-effect':
      return new RestError(503, 'UNAVAILABLE', `The service is currently unavailable ${asked}`);
    case 'already-exists':
      return new RestError(409, 'ALREADY_EXISTS', `The requested name is not available ${asked}`);
    case 'dependency-violation':
      return service === 'storage'
        ? new RestError(409, 'FAILED_PRECONDITION', `The bucket you tried to delete is not empty ${asked}`)
        : new RestError(400, 'FAILED_PRECONDITION', `It is still in use ${asked}`);
    default:
      return undefined;
  }
}

function errorReply(error: RestError, { path }: { readonly path: string }): RestReply {
  const { status, code, message } = error;
  if (!/^(?:\/upload)?(?:\/storage\/v1)?\/b(?:\/|$)/.test(path))
    return { status, body: { error: { code: status, message, status: code } } };
  const reason = REASONS[status] ?? 'invalid';
  return { status, body: { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } } };
}
