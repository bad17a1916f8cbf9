/**
 * What every request passes, in this order, before anything is dispatched: Host and Origin, credentials, capacity, then
 * the route. Nothing is served outside of it but the health checks.
 */

import { Context } from '../core/context.ts';
import type { Principal, Trace } from '../core/context.ts';
import { PlatformError, toPlatformError } from '../core/errors.ts';
import type { Clock, IdSource, Logger } from '../core/ports.ts';
import { Gateway } from '../gateway/gateway.ts';
import type { GatewayRequest, Reply } from '../gateway/reply.ts';
import { emptyReply, jsonReply, retryHeaders } from '../gateway/reply.ts';
import { SCOPE_USE } from '../policy/decide.ts';
import { headerValue } from '../protocol/era-2026.ts';
import { errorMessage, toRpcError } from '../protocol/json-rpc.ts';
import type { Authenticator } from './authenticate.ts';
import type { Guard } from './guard.ts';
import { Places } from './places.ts';
import type { Place, PlaceLimits } from './places.ts';
import { problemReply } from './problem.ts';

export interface HttpRequest extends GatewayRequest {
  /** Names of headers that came more than once. */
  readonly duplicates: readonly string[];
  /** May be called again, and gives the same. @param place - Taken before the body is handed over. */
  readBody(place?: Place): Promise<Uint8Array>;
}

/** A request of somebody who has a place. */
class PlacedRequest implements GatewayRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: GatewayRequest['headers'];
  readonly #request: HttpRequest;
  readonly #place: Place;

  constructor(request: HttpRequest, place: Place) {
    this.method = request.method;
    this.path = request.path;
    this.query = request.query;
    this.headers = request.headers;
    this.#request = request;
    this.#place = place;
  }

  /** A body that is still on its way holds no place: clients that send slowly would keep everybody else out. */
  readBody(): Promise<Uint8Array> {
    this.#place.leave();
    return this.#request.readBody(this.#place);
  }

  onDisconnect(run: () => void): void {
    this.#request.onDisconnect(run);
  }
}

/** A REST route; `undefined` when the path is not its own. */
export type Route = (request: GatewayRequest, context: Context) => Promise<Reply> | undefined;

export interface PipelineOptions {
  readonly gateway: Gateway;
  readonly guard: Guard;
  readonly authenticator: Authenticator;
  readonly routes: readonly Route[];
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly limits: PlaceLimits;
  readonly health: { readonly version: string; readonly logStreamName: string; ready(): Promise<void> };
}

type CorsHeaders = Readonly<Record<string, string>> | undefined;

/** The longest that anybody waits for anything; targets have shorter deadlines of their own. */
const REQUEST_TIMEOUT_MS = 900_000;

export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #places: Places;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#places = new Places(options.limits);
  }

  get inFlight(): number {
    return this.#places.inFlight;
  }

  /** From now on new requests are refused; those under way go on. */
  drain(): void {
    this.#places.drain();
  }

  async handle(request: HttpRequest): Promise<Reply> {
    const { guard, ids, authenticator } = this.#options;
    const requestId = ids.uuid();
    let cors: CorsHeaders;
    let place: Place | undefined;
    try {
      guard.check(request.headers, request.duplicates);
      cors = guard.corsHeaders(headerValue(request.headers, 'origin'));
      if (request.method === 'OPTIONS') return this.#preflight(cors);
      const health = this.#health(request);
      if (health !== undefined) return await health;
      const found = authenticator.authenticate(request.headers, request);
      const principal = found instanceof Promise ? await found : found;
      place = this.#places.of(principal);
      place.take();
      const placed = new PlacedRequest(request, place);
      const reply = await this.#dispatch(placed, this.#context(request, principal, requestId));
      leaveAfter(reply, place);
      return cors === undefined ? reply : { ...reply, headers: { ...reply.headers, ...cors } };
    } catch (error) {
      place?.leave();
      return this.#refusal(error, request, { requestId, cors });
    }
  }

  #preflight(cors: CorsHeaders): Reply {
    if (cors === undefined)
      throw new PlatformError('METHOD_NOT_ALLOWED', 'OPTIONS is answered only to the origins of cors.origins.');
    return emptyReply(204, {
      ...cors,
      'access-control-allow-methods': 'GET, POST, PUT, DELETE',
      'access-control-allow-headers':
        'Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID, Idempotency-Key, If-Match, Prefer',
      'access-control-max-age': '600',
    });
  }

  #health(request: HttpRequest): Promise<Reply> | undefined {
    if (request.method !== 'GET') return undefined;
    const { health } = this.#options;
    if (request.path === '/health')
      return Promise.resolve(
        jsonReply(200, JSON.stringify({ version: health.version, logStreamName: health.logStreamName })),
      );
    if (request.path === '/healthz') return Promise.resolve(jsonReply(200, '{"status":"ok"}'));
    if (request.path !== '/readyz') return undefined;
    if (this.#places.isDraining) return Promise.resolve(jsonReply(503, '{"status":"shutting down"}'));
    return health.ready().then(
      () => jsonReply(200, '{"status":"ready"}'),
      (error: unknown) =>
        jsonReply(503, JSON.stringify({ status: 'not ready', reason: toPlatformError(error).message })),
    );
  }

  #dispatch(request: GatewayRequest, context: Context): Promise<Reply> {
    const { principal } = context;
    if (Gateway.owns(request.path)) {
      checkScope(principal);
      return this.#options.gateway.handle(request, context);
    }
    for (const route of this.#options.routes) {
      const reply = route(request, context);
      if (reply !== undefined) return reply;
    }
    throw new PlatformError('NOT_FOUND', `There is nothing at ${request.path.slice(0, 100)}.`);
  }

  #context(request: HttpRequest, principal: Principal, requestId: string): Context {
    const { clock, log } = this.#options;
    const hops = Number(headerValue(request.headers, 'zeroplane-hops') ?? 0);
    return new Context({
      principal,
      requestId,
      clock,
      log,
      timeoutMs: REQUEST_TIMEOUT_MS,
      hops: Number.isInteger(hops) && hops >= 0 ? hops : 0,
      trace: traceOf(request),
    });
  }

  #refusal(thrown: unknown, request: HttpRequest, at: { requestId: string; cors: CorsHeaders }): Reply {
    const error = toPlatformError(thrown);
    if (error.code === 'INTERNAL')
      this.#options.log.log('error', 'request-failed', {
        requestId: at.requestId,
        cause: error.cause instanceof Error ? error.cause.stack : String(error.cause),
      });
    const challenge = challengeOf(error);
    const isMcp = request.path === '/mcp' || request.path.startsWith('/mcp/');
    const reply = isMcp
      ? rpcReply(error, at.requestId)
      : problemReply(error, at.requestId, { error: seedWords(error) });
    return { ...reply, headers: { ...reply.headers, ...challenge, ...at.cors } };
  }
}

/** Streams that listen hold no place once they are open: they have caps of their own. */
function leaveAfter(reply: Reply, place: Place): void {
  if (reply.pending === undefined) place.leave();
  else void reply.pending.then(() => place.leave());
}

/** Before any name of the request is read. @throws PlatformError `INSUFFICIENT_SCOPE`. */
function checkScope(principal: Principal): void {
  if (principal.scopes.includes(SCOPE_USE)) return;
  throw new PlatformError('INSUFFICIENT_SCOPE', `This needs the scope ${SCOPE_USE}. Ask for a token that has it.`, {
    scope: SCOPE_USE,
  });
}

function challengeOf(error: PlatformError): Readonly<Record<string, string>> {
  if (error.code === 'UNAUTHENTICATED')
    return { 'www-authenticate': 'Bearer realm="zeroplane", error="invalid_token"' };
  if (error.code !== 'INSUFFICIENT_SCOPE') return {};
  const scope = typeof error.details['scope'] === 'string' ? error.details['scope'] : SCOPE_USE;
  return { 'www-authenticate': `Bearer realm="zeroplane", error="insufficient_scope", scope="${scope}"` };
}

/** The words of `error` that clients of the older server compare with. */
function seedWords(error: PlatformError): string {
  if (error.code === 'NOT_FOUND') return 'Not found';
  return error.code === 'INTERNAL' ? 'Internal server error' : error.message;
}

function rpcReply(error: PlatformError, requestId: string): Reply {
  const text = errorMessage('null', toRpcError(error, { modern: false, requestId }));
  return jsonReply(error.status, text, retryHeaders(error));
}

function traceOf(request: HttpRequest): Trace | undefined {
  const traceparent = headerValue(request.headers, 'traceparent');
  if (traceparent === undefined) return undefined;
  const tracestate = headerValue(request.headers, 'tracestate');
  const baggage = headerValue(request.headers, 'baggage');
  return {
    traceparent,
    ...(tracestate === undefined ? {} : { tracestate }),
    ...(baggage === undefined ? {} : { baggage }),
  };
}
