/**
 * The administration of registrations, `/register` and `/register/{id}`: plain values in, plain values out. Hosts
 * authenticate and bound the request before it gets here; every route asks the policy.
 *
 * Answers have the seed's fields; errors are problem+json that carry the seed's `error` and `details`.
 */

import { authorOf } from '../../audit/audit-trail.ts';
import type { Principal, RequestContext } from '../../core/context.ts';
import { PlatformError, toPlatformError, type ErrorCode } from '../../core/errors.ts';
import { isObject, scan } from '../../core/json.ts';
import { scopeOf, type Action, type Decision, type Policy, type Resource } from '../../policy/decide.ts';
import { parseRegistration, type Registration, type RegistrationDefinition } from '../../registry/registration.ts';
import { registrationNotFound, type RegistrationStore } from '../../registry/registration-store.ts';

export interface RegisterRequest {
  readonly method: string;
  /** What follows `/register`, raw and still encoded: empty, `/`, or `/{id}`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly bodyText: string;
}

export interface RegisterResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty when there is none. */
  readonly body: string;
}

export interface RegisterDependencies {
  readonly registrations: RegistrationStore;
  readonly policy: Policy;
  /** Whether the operator's configuration has a target of this id for the tenant; it would hide a registered one. */
  readonly isConfigured?: (tenant: string, targetId: string) => boolean;
  /** @throws PlatformError `EGRESS_REFUSED` for the URL of a server that no call could ever reach from here. */
  readonly checkUrl?: (url: string) => void;
}

/** One request on its way through. */
interface Exchange {
  readonly request: RegisterRequest;
  readonly context: RequestContext;
  readonly dependencies: RegisterDependencies;
}

const COLLECTION_METHODS = 'GET, HEAD, POST';
const ITEM_METHODS = 'GET, HEAD, PUT, DELETE';

/** The seed's words for what went wrong; anything else is told by the error's own message. */
const SEED_ERRORS: Partial<Record<ErrorCode, string>> = {
  REGISTRATION_INVALID: 'Invalid registration data',
  PARSE_ERROR: 'Invalid registration data',
  INVALID_REQUEST: 'Invalid registration data',
  REGISTRATION_NOT_FOUND: 'Registration not found',
  REGISTRATION_ID_CHANGED: 'Cannot change registration ID',
  REGISTRATION_EXISTS: 'Registration already exists',
  REGISTRATION_CHANGED: 'Registration has changed',
  METHOD_NOT_ALLOWED: 'Method not allowed',
  NOT_FOUND: 'Not found',
  FORBIDDEN: 'Forbidden',
  INSUFFICIENT_SCOPE: 'Forbidden',
  INTERNAL: 'Internal server error',
};

/** Answers one request. Never rejects. */
export async function handleRegister(
  request: RegisterRequest,
  context: RequestContext,
  dependencies: RegisterDependencies,
): Promise<RegisterResponse> {
  try {
    return await route({ request, context, dependencies });
  } catch (thrown) {
    const error = toPlatformError(thrown);
    if (error.code === 'INTERNAL')
      context.log.log('error', 'a registration request failed', { error: String(error.cause) });
    return problem(error, context.requestId);
  }
}

function route(exchange: Exchange): Promise<RegisterResponse> {
  const { path } = exchange.request;
  if (path === '' || path === '/') return routeCollection(exchange);
  const id = idOf(path);
  if (id === undefined)
    throw new PlatformError('NOT_FOUND', 'There is nothing at this path. Registrations are at /register/{id}.');
  return routeItem(exchange, id);
}

function routeCollection(exchange: Exchange): Promise<RegisterResponse> {
  const { method } = exchange.request;
  if (method === 'GET' || method === 'HEAD') return list(exchange);
  if (method === 'POST') return create(exchange);
  if (method === 'PUT' || method === 'DELETE') {
    const details = [{ path: 'id', message: 'is required' }];
    throw new PlatformError('REGISTRATION_INVALID', `${method} needs the id in the path: /register/{id}.`, {
      error: 'Missing registration ID',
      problems: details,
    });
  }
  throw methodNotAllowed(method, COLLECTION_METHODS);
}

function routeItem(exchange: Exchange, id: string): Promise<RegisterResponse> {
  switch (exchange.request.method) {
    case 'GET':
    case 'HEAD':
      return read(exchange, id);
    case 'PUT':
      return replace(exchange, id);
    case 'DELETE':
      return remove(exchange, id);
    default:
      throw methodNotAllowed(exchange.request.method, ITEM_METHODS);
  }
}

/** The id of `/{id}`; `undefined` for deeper paths and broken encodings. */
function idOf(path: string): string | undefined {
  const raw = path.slice(1).replace(/\/$/, '');
  if (raw.includes('/')) return undefined;
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}

async function list({ context, dependencies }: Exchange): Promise<RegisterResponse> {
  await authorize({ context, dependencies }, 'registration:read', collection(context.tenant));
  const all = await dependencies.registrations.list(context.tenant);
  const resources = all.map(resourceOf);
  const decisions = await dependencies.policy.decideMany(context.principal, 'registration:read', resources, {
    requestId: context.requestId,
  });
  return json(
    200,
    all.filter((_registration, index) => decisions[index]?.allowed === true),
  );
}

async function create({ request, context, dependencies }: Exchange): Promise<RegisterResponse> {
  await authorize({ context, dependencies }, 'registration:write', collection(context.tenant));
  const definition = await readDefinition(request, context.principal);
  const resource = {
    type: 'registration',
    id: `${definition.type}-${definition.name}`,
    tenant: context.tenant,
    tags: definition.tags ?? {},
  };
  await authorize({ context, dependencies }, 'registration:write', resource);
  refuseHidden(definition, context.tenant, dependencies);
  refuseUnreachable(definition, dependencies);
  const upsert = request.query.get('upsert') === 'true';
  const registration = await dependencies.registrations.create(context.tenant, definition, {
    by: authorOf(context),
    upsert,
  });
  const location = `/register/${encodeURIComponent(registration.id)}`;
  // An overwritten one is 201 as well, as the seed answers.
  return json(201, registration, { ...entityTag(registration), location });
}

/** @throws PlatformError `REGISTRATION_EXISTS`: nobody would ever see the server. */
function refuseHidden(
  { type, name }: RegistrationDefinition,
  tenant: string,
  { isConfigured }: RegisterDependencies,
): void {
  if (type !== 'mcp' || isConfigured?.(tenant, name) !== true) return;
  const what = `The configuration has a target "${name}" already, which comes first. Choose another name.`;
  throw new PlatformError('REGISTRATION_EXISTS', what, { id: `mcp-${name}` });
}

/** Here rather than at each call, where only its callers would hear of it. @throws PlatformError `EGRESS_REFUSED`. */
function refuseUnreachable(definition: RegistrationDefinition, { checkUrl }: RegisterDependencies): void {
  if (definition.type === 'mcp') checkUrl?.(definition.url);
}

async function read(exchange: Exchange, id: string): Promise<RegisterResponse> {
  const registration = await find(exchange, id, 'registration:read');
  return json(200, registration, entityTag(registration));
}

async function replace(exchange: Exchange, id: string): Promise<RegisterResponse> {
  const { request, context, dependencies } = exchange;
  await find(exchange, id, 'registration:write');
  const definition = await readDefinition(request, context.principal);
  refuseUnreachable(definition, dependencies);
  const registration = await dependencies.registrations.replace(context.tenant, id, definition, {
    by: authorOf(context),
    revision: expectedRevision(request),
  });
  return json(200, registration, entityTag(registration));
}

async function remove(exchange: Exchange, id: string): Promise<RegisterResponse> {
  await find(exchange, id, 'registration:write');
  const { request, context, dependencies } = exchange;
  const write = { by: authorOf(context), revision: expectedRevision(request) };
  await dependencies.registrations.remove(context.tenant, id, write);
  return { status: 204, headers: {}, body: '' };
}

/** The registration, once the caller may do this with it. One that it may not see is not found. */
async function find(exchange: Exchange, id: string, action: Action): Promise<Registration> {
  const { context, dependencies } = exchange;
  await authorize(exchange, action, collection(context.tenant));
  const registration = await dependencies.registrations.require(context.tenant, id);
  const decision = await ask(exchange, action, resourceOf(registration));
  if (!decision.visible) throw registrationNotFound(id);
  refuse(decision, action);
  return registration;
}

function ask(
  exchange: Pick<Exchange, 'context' | 'dependencies'>,
  action: Action,
  resource: Resource,
): Promise<Decision> | Decision {
  const { context, dependencies } = exchange;
  return dependencies.policy.decide({
    principal: context.principal,
    action,
    resource,
    context: { requestId: context.requestId },
  });
}

/** @throws PlatformError `INSUFFICIENT_SCOPE`, `FORBIDDEN`. */
async function authorize(
  exchange: Pick<Exchange, 'context' | 'dependencies'>,
  action: Action,
  resource: Resource,
): Promise<void> {
  refuse(await ask(exchange, action, resource), action);
}

function refuse(decision: Decision, action: Action): void {
  if (decision.allowed) return;
  const why = decision.reason === undefined ? '' : ` (${decision.reason})`;
  if (decision.rule === 'scope') {
    const scope = scopeOf(action);
    throw new PlatformError('INSUFFICIENT_SCOPE', `This needs the scope ${scope}. Ask for a token that has it.`, {
      scope,
    });
  }
  throw new PlatformError(
    'FORBIDDEN',
    `The policy does not allow ${action}${why}. Ask an administrator of your tenant.`,
    { action },
  );
}

function collection(tenant: string): Resource {
  return { type: 'registration', id: '*', tenant };
}

function resourceOf(registration: Registration): Resource {
  return { type: 'registration', id: registration.id, tenant: registration.tenant, tags: registration.tags ?? {} };
}

/** @throws PlatformError `REGISTRATION_INVALID`, `PARSE_ERROR`, `INVALID_REQUEST`; `FORBIDDEN` for another tenant's. */
async function readDefinition(request: RegisterRequest, principal: Principal): Promise<RegistrationDefinition> {
  const { value } = scan(request.bodyText, 0);
  if (isObject(value) && Object.hasOwn(value, 'tenant') && value['tenant'] !== principal.tenant) {
    throw new PlatformError(
      'FORBIDDEN',
      'A registration belongs to the tenant of the token. Leave "tenant" out of the body.',
    );
  }
  return parseRegistration(value);
}

/** The revision in `If-Match`; `*` and an absent header match any. */
function expectedRevision(request: RegisterRequest): string | undefined {
  const header = request.headers['if-match']?.trim();
  if (header === undefined || header === '*') return undefined;
  return /^"([^"]*)"$/.exec(header)?.[1] ?? header;
}

function entityTag(registration: Registration): Record<string, string> {
  return { etag: `"${registration.revision}"` };
}

function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): RegisterResponse {
  return {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(value),
  };
}

function methodNotAllowed(method: string, allow: string): PlatformError {
  return new PlatformError('METHOD_NOT_ALLOWED', `${method.slice(0, 20)} is not supported here. Allowed: ${allow}.`, {
    allow,
  });
}

function problem(error: PlatformError, requestId: string): RegisterResponse {
  const { problems, error: words, allow, scope } = error.details;
  const seedError = typeof words === 'string' ? words : (SEED_ERRORS[error.code] ?? error.message);
  const body = {
    type: 'about:blank',
    title: seedError,
    status: error.status,
    detail: error.message,
    code: error.code,
    retryable: error.retryable,
    requestId,
    error: seedError,
    ...(problems === undefined ? detailsOf(error, seedError) : { details: problems }),
  };
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
  if (typeof allow === 'string') headers['allow'] = allow;
  if (typeof scope === 'string') headers['www-authenticate'] = `Bearer error="insufficient_scope", scope="${scope}"`;
  if (error.retryable) headers['retry-after'] = '1';
  return { status: error.status, headers, body: JSON.stringify(body) };
}

/** Malformed JSON has the same shape as an invalid field. */
function detailsOf(error: PlatformError, seedError: string): { readonly details?: readonly unknown[] } {
  return seedError === SEED_ERRORS.REGISTRATION_INVALID ? { details: [{ path: '', message: error.message }] } : {};
}
