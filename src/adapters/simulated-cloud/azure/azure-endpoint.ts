/**
 * The local endpoint of Azure: Azure Resource Manager on one loopback port, over TLS of an authority of our own, for
 * Azure's SDKs send no bearer without it.
 */

import { startRestEndpoint } from '../rest-endpoint.ts';
import type { RestEndpoint, RestEndpointOptions } from '../rest-endpoint.ts';
import { RestError } from '../rest-routes.ts';
import type { FoundRoute, RestApi, RestReply, RestRequest } from '../rest-routes.ts';
import { armErrorReply, armFault } from './arm-errors.ts';
import { readArmPath } from './arm-paths.ts';
import type { ArmPath } from './arm-paths.ts';
import { ArmService } from './arm-service.ts';
import { ArmStore } from './arm-store.ts';
import { openAuthority } from './tls-authority.ts';

export interface AzureEndpointOptions extends RestEndpointOptions {
  /** The data folder, where the authority is kept; absent, another one is made by each start. */
  readonly folder?: string | undefined;
  /** How long operations take that are long in Azure. @default 500 */
  readonly operationMs?: number;
}

export interface AzureEndpoint extends RestEndpoint {
  /** PEM of the authority that signed the certificate; `FOLDER/ca.pem` where there is a folder. */
  readonly ca: string;
  /** What provisioners find in their environment: a subscription and a token. */
  readonly env: Readonly<Record<string, string>>;
}

export const SIMULATED_SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';
const OPERATION_MS = 500;

export async function startAzureEndpoint(options: AzureEndpointOptions): Promise<AzureEndpoint> {
  const { control, clock, folder, operationMs = OPERATION_MS } = options;
  const authority = await openAuthority({ folder, clock });
  const store = new ArmStore(control.state, clock);
  const service = new ArmService({ store, clock, operationMs });
  const endpoint = await startRestEndpoint(armApi(service), options, authority.server);
  return {
    ...endpoint,
    ca: authority.ca,
    env: { AZURE_SUBSCRIPTION_ID: SIMULATED_SUBSCRIPTION, AZURE_ACCESS_TOKEN: control.token },
  };
}

function armApi(service: ArmService): RestApi {
  return {
    vendor: 'Azure',
    isOpen: () => false,
    route: (request) => routeOf(service, request),
    unauthenticated: () =>
      new RestError(401, 'InvalidAuthenticationToken', 'The access token is invalid: `zeroplane token` prints one.'),
    fault: armFault,
    errorReply: armErrorReply,
    headers: (requestId) => ({ 'x-ms-request-id': requestId, 'x-ms-correlation-request-id': requestId }),
  };
}

type Handler = (request: RestRequest) => Promise<RestReply>;

/** @throws RestError for what is not simulated. */
function routeOf(service: ArmService, request: RestRequest): FoundRoute {
  const path = readArmPath(request.path);
  if (path === undefined) throw notFound(request);
  if (!request.query.has('api-version')) {
    const message = 'The api-version query parameter (?api-version=) is required for all requests.';
    throw new RestError(400, 'MissingApiVersionParameter', message);
  }
  const handler = handlerOf(service, request.method, path);
  if (handler === undefined) throw notFound(request);
  return { asked: { service: namespaceOf(path), operation: operationOf(request.method, path) }, handle: handler };
}

function handlerOf(service: ArmService, method: string, path: ArmPath): Handler | undefined {
  switch (path.kind) {
    case 'group':
      return pick(method, {
        PUT: (request) => service.putGroup(request, path),
        GET: () => service.getGroup(path),
        HEAD: async () => ({ status: (await service.getGroup(path)).status === 200 ? 204 : 404 }),
        PATCH: (request) => service.patchGroup(request, path),
        DELETE: (request) => service.deleteGroup(request, path),
      });
    case 'resource':
      return pick(method, {
        PUT: (request) => service.put(request, path),
        GET: () => service.get(path),
        PATCH: (request) => service.patch(request, path),
        DELETE: (request) => service.delete(request, path),
      });
    case 'groups':
      return pick(method, { GET: () => service.listGroups(path) });
    case 'resources':
    case 'type':
      return pick(method, { GET: () => service.list(path) });
    case 'operation':
      return pick(method, { GET: (request) => service.operation(request, path) });
    case 'name-check':
      return pick(method, { POST: (request) => service.checkName(request) });
  }
}

function pick(method: string, handlers: Readonly<Record<string, Handler>>): Handler | undefined {
  return Object.hasOwn(handlers, method) ? handlers[method] : undefined;
}

function namespaceOf(path: ArmPath): string {
  return 'namespace' in path ? path.namespace : 'Microsoft.Resources';
}

const VERBS: Readonly<Record<string, string>> = {
  GET: 'read',
  HEAD: 'read',
  PUT: 'write',
  PATCH: 'write',
  DELETE: 'delete',
  POST: 'action',
};

/** As Azure's own list of operations names them: `Microsoft.Storage/storageAccounts/write`. */
function operationOf(method: string, path: ArmPath): string {
  const verb = VERBS[method] ?? method;
  switch (path.kind) {
    case 'group':
    case 'groups':
      return `Microsoft.Resources/subscriptions/resourceGroups/${verb}`;
    case 'resources':
      return 'Microsoft.Resources/subscriptions/resourceGroups/resources/read';
    case 'operation':
      return `${path.namespace}/locations/${path.answers}/read`;
    case 'name-check':
      return 'Microsoft.Storage/checknameavailability/read';
    default:
      return `${path.namespace}/${path.type}/${verb}`;
  }
}

function notFound({ method, path }: RestRequest): RestError {
  return new RestError(404, 'NotFound', `${method} ${path.slice(0, 200)} is not simulated here.`);
}
