/**
 * The MCP core: takes plain requests, gives plain replies. It decides which revision is speaking, per request and from
 * the body; it does not authenticate, and it does not look at Host or Origin: `http/pipeline.ts` has done both.
 */

import type { Context } from '../core/context.ts';
import { PlatformError, toPlatformError } from '../core/errors.ts';
import { arrayElements } from '../core/json.ts';
import type { Clock, EventPort, IdSource, Logger, StoreRoot } from '../core/ports.ts';
import type { Policy } from '../policy/decide.ts';
import { headerValue, isModern } from '../protocol/era-2026.ts';
import { errorMessage, toRpcError } from '../protocol/json-rpc.ts';
import { MessageError, decodeMessage } from '../protocol/message.ts';
import type { Message } from '../protocol/message.ts';
import { checkEncoding, checkJson } from '../protocol/media.ts';
import { isTargetId } from '../protocol/names.ts';
import { decodeUtf8 } from '../protocol/utf8.ts';
import { MODERN_VERSION } from '../protocol/versions.ts';
import { CallRunner } from './call.ts';
import { Catalogue } from './catalogue.ts';
import type { CatalogueParts } from './catalogue.ts';
import { HoldTable } from './hold.ts';
import { LegacyDispatcher } from './legacy.ts';
import { LegacyHttp, methodNotAllowed } from './legacy-http.ts';
import { LegacySse, sseFailure } from './legacy-sse.ts';
import { Ledger } from './ledger.ts';
import { Announcer } from './listen.ts';
import { Lists } from './lists.ts';
import { ModernHandler } from './modern.ts';
import { targetResource } from './publish.ts';
import type { Accepts, GatewayRequest, Received, Reply } from './reply.ts';
import { emptyReply, jsonReply, retryHeaders } from './reply.ts';
import { ResultStore } from './results.ts';
import type { ResultLimits } from './results.ts';
import { Sealer } from '../core/seal.ts';
import { SearchTools } from './search.ts';
import type { SearchOptions } from './search.ts';
import { SessionTable } from './sessions.ts';
import { Subscriptions } from './subscriptions.ts';
import type { TargetSet } from './target-set.ts';
import type { Endpoint } from './view.ts';

const MAX_BATCH = 100;

export interface GatewayOptions {
  readonly targets: TargetSet;
  readonly policy: Policy;
  readonly store: StoreRoot;
  readonly events: EventPort;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  /** 32 bytes, the same in every instance. */
  readonly sealingKey: Uint8Array;
  readonly identity: { readonly name: string; readonly version: string };
  readonly sessionsOn: boolean;
  /** Without authentication lists are the same for everybody. */
  readonly isPublic: boolean;
  readonly search: SearchOptions;
  /** Longest time that a client may reuse a list. */
  readonly maxTtlMs?: number | undefined;
  readonly results?: ResultLimits;
  readonly onDefinitions?: CatalogueParts['onDefinitions'];
  /** Called before a tenant's first request is served; must be cheap when called again. */
  readonly prepareTenant?: (tenant: string) => Promise<void>;
}

export class Gateway {
  readonly catalogue: Catalogue;
  readonly search: SearchTools;
  readonly #modern: ModernHandler;
  readonly #legacy: LegacyHttp;
  readonly #sse: LegacySse;
  readonly #sessions: SessionTable;
  readonly #announcer: Announcer;
  readonly #holds: HoldTable;
  readonly #targets: TargetSet;
  readonly #policy: Policy;
  readonly #prepareTenant: ((tenant: string) => Promise<void>) | undefined;
  readonly #prepared = new Set<string>();

  constructor(options: GatewayOptions) {
    const { targets, policy, store, events, clock, ids, log } = options;
    const serverInfo = JSON.stringify(options.identity);
    const sealer = new Sealer(options.sealingKey);
    this.#targets = targets;
    this.#policy = policy;
    this.#prepareTenant = options.prepareTenant;
    this.search = new SearchTools(options.search);
    this.catalogue = new Catalogue({
      targets,
      clock,
      ids,
      log,
      ...(options.onDefinitions === undefined ? {} : { onDefinitions: options.onDefinitions }),
    });
    this.#holds = new HoldTable({ sealer, clock, ids });
    const subscriptions = new Subscriptions({ catalogue: this.catalogue, policy, clock });
    const runner = new CallRunner({
      catalogue: this.catalogue,
      policy,
      events,
      clock,
      holds: this.#holds,
      ledger: new Ledger({ store, clock, instanceId: ids.uuid() }),
      results: new ResultStore({
        store,
        clock,
        ids,
        ...(options.results === undefined ? {} : { limits: options.results }),
      }),
      search: this.search,
    });
    const lists = new Lists({
      catalogue: this.catalogue,
      policy,
      sealer,
      search: this.search,
      serverInfo,
      isPublic: options.isPublic,
      maxTtlMs: options.maxTtlMs,
    });
    this.#sessions = new SessionTable({ sealer, store, clock, ids });
    this.#announcer = new Announcer({ catalogue: this.catalogue, clock, serverInfo, subscriptions });
    const dispatcher = new LegacyDispatcher({ runner, lists, sessions: this.#sessions, subscriptions, targets, clock });
    const shared = { dispatcher, lists, announcer: this.#announcer, clock };
    this.#modern = new ModernHandler({ runner, lists, announcer: this.#announcer, clock, serverInfo });
    this.#legacy = new LegacyHttp({ ...shared, sessions: this.#sessions, sessionsOn: options.sessionsOn });
    this.#sse = new LegacySse({ ...shared, catalogue: this.catalogue, store, ids });
  }

  /** Whether a path is one of the gateway's own. */
  static owns(path: string): boolean {
    return path === '/mcp' || path.startsWith('/mcp/') || path.endsWith('/sse') || path.endsWith('/message');
  }

  /** Answers one request. Whatever goes wrong is a reply, never an exception. */
  handle(request: GatewayRequest, context: Context): Promise<Reply> {
    const isMcp = request.path === '/mcp' || request.path.startsWith('/mcp/');
    return isMcp ? this.#mcp(request, context) : this.#sseRoutes(request, context);
  }

  async #prepare(tenant: string): Promise<void> {
    await this.#prepareTenant?.(tenant);
    this.#prepared.add(tenant);
  }

  async #mcp(request: GatewayRequest, context: Context): Promise<Reply> {
    try {
      if (!this.#prepared.has(context.tenant)) await this.#prepare(context.tenant);
      const endpoint = this.#endpointOf(request, context);
      if (endpoint !== '') await this.#checkTarget(endpoint, context);
      const at = { endpoint, context, request, accepts: acceptsOf(request) };
      if (request.method === 'GET') return await this.#legacy.get(at);
      if (request.method === 'DELETE') return await this.#legacy.delete(at);
      if (request.method !== 'POST') return methodNotAllowed('GET, POST, DELETE');
      checkJson(request.headers);
      if (!at.accepts.json && !at.accepts.sse)
        throw new PlatformError('NOT_ACCEPTABLE', 'Accept must admit application/json or text/event-stream.');
      return await this.#post(decodeUtf8(await request.readBody()), at);
    } catch (error) {
      return failure(error, context);
    }
  }

  /** A target that does not exist and one that the caller may not see answer alike. */
  #endpointOf(request: GatewayRequest, context: Context): Endpoint {
    if (request.path === '/mcp') return '';
    const endpoint = request.path.slice('/mcp/'.length);
    if (endpoint === '' || (isTargetId(endpoint) && this.#targets.get(context.tenant, endpoint) !== undefined))
      return endpoint;
    throw unknownTarget(endpoint);
  }

  /** @throws PlatformError `NOT_FOUND` for a target that the policy hides from the caller. */
  async #checkTarget(endpoint: Endpoint, { principal, tenant, requestId }: Context): Promise<void> {
    const target = this.#targets.get(tenant, endpoint);
    if (target?.tags === undefined) return;
    const resource = targetResource(target, tenant);
    const decision = await this.#policy.decide({ principal, action: 'tool:list', resource, context: { requestId } });
    if (!decision.visible) throw unknownTarget(endpoint);
  }

  #post(text: string, at: Received): Promise<Reply> | Reply {
    const elements = text.trimStart().startsWith('[') ? arrayElements(text) : undefined;
    if (elements !== undefined) return this.#legacy.batch(decodeBatch(elements), at);
    const message = decodeMessage(text);
    if (isModern(message)) return this.#modern.handle(message, at);
    if (headerValue(at.request.headers, 'mcp-protocol-version')?.trim() === MODERN_VERSION) {
      // The era by header: nothing is answered, and nothing in this revision is told this way.
      if (message.kind === 'notification') return emptyReply(202);
      throw unclaimed(message);
    }
    return this.#legacy.post(message, at);
  }

  async #sseRoutes(request: GatewayRequest, context: Context): Promise<Reply> {
    try {
      if (!this.#prepared.has(context.tenant)) await this.#prepare(context.tenant);
      if (request.path.endsWith('/sse'))
        return request.method === 'GET' ? await this.#sse.connect(request, context) : methodNotAllowed('GET');
      if (request.method !== 'POST') return methodNotAllowed('POST');
      // Clients of the older server send JSON under any type or none.
      checkEncoding(request.headers);
      return await this.#sse.message(request, context, decodeUtf8(await request.readBody()));
    } catch (error) {
      return sseFailure(error, context);
    }
  }

  /** Says goodbye on every stream; calls under way go on, and their answers still go out. */
  drain(): void {
    this.#holds.close();
    this.#announcer.close();
  }

  /** Also refuses what is still under way. */
  close(): void {
    this.drain();
    this.#sessions.close(
      new PlatformError('SHUTTING_DOWN', 'The gateway is shutting down. Connect again in a moment.'),
    );
  }
}

function unknownTarget(endpoint: string): PlatformError {
  return new PlatformError('NOT_FOUND', `Unknown target or not allowed: ${endpoint.slice(0, 80)}`);
}

/** What came with the header of the modern revision but without its envelope. */
function unclaimed(message: Message): MessageError {
  const error =
    message.kind === 'response'
      ? new PlatformError('INVALID_REQUEST', `Revision ${MODERN_VERSION} has no posted responses.`)
      : new PlatformError(
          'INVALID_PARAMS',
          `A ${MODERN_VERSION} request carries "params._meta" with its protocolVersion and clientCapabilities.`,
        );
  return new MessageError(error, message.idText);
}

function failure(thrown: unknown, context: Context): Reply {
  const idText = thrown instanceof MessageError ? thrown.idText : 'null';
  const inner = thrown instanceof MessageError ? thrown.error : thrown;
  const error = toPlatformError(inner);
  if (error.code === 'INTERNAL')
    context.log.log('error', 'request-failed', {
      requestId: context.requestId,
      cause: error.cause instanceof Error ? error.cause.stack : String(error.cause),
    });
  if (error.code === 'CALL_CANCELLED') return emptyReply(499);
  return jsonReply(
    error.status,
    errorMessage(idText, toRpcError(error, { modern: false, requestId: context.requestId })),
    retryHeaders(error),
  );
}

const BOTH: Accepts = { json: true, sse: true };

/** Media types that a client takes; an absent header takes all. */
function acceptsOf(request: GatewayRequest): Accepts {
  const accept = headerValue(request.headers, 'accept');
  if (accept === undefined || accept === 'application/json, text/event-stream') return BOTH;
  const ranges = accept
    .toLowerCase()
    .split(',')
    .map((range) => range.split(';').map((part) => part.trim()))
    .filter(([, ...parameters]) => !parameters.some((parameter) => /^q=0(?:\.0+)?$/.test(parameter)))
    .map(([type = '']) => type);
  const has = (...types: string[]): boolean => types.some((type) => ranges.includes(type));
  return {
    json: has('application/json', 'application/*', '*/*'),
    sse: has('text/event-stream', 'text/*', '*/*'),
  };
}

/**
 * The messages of a batch; an element that is no message is an answer of its own.
 *
 * @throws MessageError for an empty batch, one that is too long or no JSON, or one with a message of the modern form.
 */
function decodeBatch(elements: readonly string[]): (Message | MessageError)[] {
  const { length } = elements;
  if (length === 0) throw refusedBatch('The batch is empty.');
  if (length > MAX_BATCH) throw refusedBatch(`The batch has ${length} messages; at most ${MAX_BATCH} are allowed.`);
  const decoded = elements.map(decodeElement);
  const messages = decoded.filter((message): message is Message => !(message instanceof MessageError));
  if (messages.some(isModern))
    throw refusedBatch(`Revision ${MODERN_VERSION} has no batches. Send one message per request.`);
  if (messages.some((message) => message.method === 'initialize'))
    throw refusedBatch('initialize must not be part of a batch.');
  return decoded;
}

function decodeElement(text: string): Message | MessageError {
  try {
    return decodeMessage(text);
  } catch (error) {
    // What is no JSON spoils the whole text.
    if (error instanceof MessageError && error.error.code !== 'PARSE_ERROR') return error;
    throw error;
  }
}

function refusedBatch(what: string): MessageError {
  return new MessageError(new PlatformError('INVALID_REQUEST', what), 'null');
}
