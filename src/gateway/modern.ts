/** 2026-07-28 on `/mcp`: one request, one answer or one stream; nothing is remembered. */

import type { Context } from '../core/context.ts';
import { PlatformError, UpstreamRpcError, toPlatformError } from '../core/errors.ts';
import { checkEnvelope, encodeModernResult, headerValue, logLevelOf } from '../protocol/era-2026.ts';
import { errorMessage, resultMessage, statusBehindLadder, toRpcError } from '../protocol/json-rpc.ts';
import type { Message } from '../protocol/message.ts';
import { META_CLIENT_CAPABILITIES, MODERN_VERSION } from '../protocol/versions.ts';
import type { CallRunner } from './call.ts';
import type { Caller } from './caller.ts';
import { LIST_METHODS } from './lists.ts';
import type { Lists } from './lists.ts';
import type { Announcer } from './listen.ts';
import type { GatewayRequest, Received, Reply } from './reply.ts';
import { emptyReply, jsonReply, retryHeaders } from './reply.ts';
import { Responder } from './responder.ts';
import type { Part } from './responder.ts';
import { Telling } from './telling.ts';
import type { Clock } from '../core/ports.ts';

export interface ModernParts {
  readonly runner: CallRunner;
  readonly lists: Lists;
  readonly announcer: Announcer;
  readonly clock: Clock;
  readonly serverInfo: string;
}

export class ModernHandler {
  readonly #parts: ModernParts;

  constructor(parts: ModernParts) {
    this.#parts = parts;
  }

  handle(message: Message, at: Received): Promise<Reply> | Reply {
    const { context, request, accepts } = at;
    try {
      checkEnvelope(message, request.headers);
    } catch (error) {
      return jsonReply(toPlatformError(error).status, errorText(error, message, context));
    }
    if (message.kind === 'notification') return emptyReply(202);
    if (message.method === 'subscriptions/listen') return this.#listen(message, at);
    const responder = new Responder({
      clock: this.#parts.clock,
      acceptsJson: accepts.json,
      acceptsSse: accepts.sse,
      expected: 1,
      isBatch: false,
    });
    request.onDisconnect(() => context.abort(new Error('the client closed the connection')));
    void this.#answer(message, at, responder);
    return responder.reply;
  }

  async #listen(message: Message, at: Received): Promise<Reply> {
    try {
      if (!at.accepts.sse)
        throw new PlatformError(
          'NOT_ACCEPTABLE',
          'subscriptions/listen answers a stream: send Accept: text/event-stream.',
        );
      return await this.#parts.announcer.listen(message, at.endpoint, at.context);
    } catch (error) {
      return jsonReply(statusBehindLadder(error, true), errorText(error, message, at.context), retryHeaders(error));
    }
  }

  async #answer(message: Message, at: Received, responder: Responder): Promise<void> {
    const { context } = at;
    try {
      const own = this.#own(message, at);
      if (own !== undefined) {
        responder.finish(200, await own);
        return;
      }
      const text = await this.#call(message, at, responder);
      const cacheable = message.method === 'resources/read';
      const result = encodeModernResult(text, { serverInfo: this.#parts.serverInfo, cacheable });
      responder.finish(200, resultMessage(message.idText, result));
    } catch (error) {
      logFault(error, context);
      responder.finish(statusBehindLadder(error, true), errorText(error, message, context), retryHeaders(error));
    }
  }

  async #call(message: Message, at: Received, responder: Responder): Promise<string> {
    const { context, endpoint, request } = at;
    const telling = new Telling(responder);
    const caller = modernCaller(message, request, { telling, canStream: responder.canStream });
    try {
      return await this.#parts.runner.run({ endpoint, message, caller, context });
    } finally {
      telling.end(caller, context);
    }
  }

  /** What the gateway answers itself: lists and its introduction. */
  #own(message: Message, at: Received): Promise<string | readonly Part[]> | undefined {
    const { endpoint, context } = at;
    const { lists } = this.#parts;
    const { method, idText } = message;
    if (method === 'tools/call') return undefined;
    if (LIST_METHODS.has(method)) {
      const listed = lists.list({ method, endpoint, cursor: message.parsed['cursor'], context, modern: true });
      return listed.then((parts) => [`{"jsonrpc":"2.0","id":${idText},"result":`, ...parts, '}']);
    }
    if (method !== 'server/discover') return undefined;
    return lists.discover(context, endpoint).then((result) => resultMessage(idText, result));
  }
}

function errorText(error: unknown, message: Message, context: Context): string {
  return errorMessage(message.idText, toRpcError(error, { modern: true, requestId: context.requestId }));
}

function modernCaller(
  message: Message,
  request: GatewayRequest,
  stream: { readonly telling: Telling; readonly canStream: boolean },
): Caller {
  return {
    modern: true,
    version: MODERN_VERSION,
    headers: request.headers,
    capabilities: message.parsedMeta[META_CLIENT_CAPABILITIES] as Record<string, unknown>,
    logLevel: logLevelOf(message),
    progressToken: stream.canStream ? message.meta.find((member) => member.key === 'progressToken')?.text : undefined,
    idempotencyKey: idempotencyKeyOf(message, request),
    notify: (method, paramsText) => stream.telling.notify(method, paramsText),
  };
}

/**
 * The explicit key of a call: the header, else `_meta`.
 *
 * @throws PlatformError `INVALID_PARAMS` for one that is empty, longer than 255 characters or no text: a caller that
 * relies on its key must not find out from a second effect that there was none.
 */
export function idempotencyKeyOf(message: Message, request: GatewayRequest): string | undefined {
  const key = headerValue(request.headers, 'idempotency-key') ?? message.parsedMeta['io.zeroplane/idempotencyKey'];
  if (key === undefined || (typeof key === 'string' && key !== '' && key.length <= 255)) return key;
  throw new PlatformError('INVALID_PARAMS', 'The idempotency key must be a text of 1 to 255 characters.');
}

/** Our own faults go to the log with their cause; the caller gets the request id. */
export function logFault(thrown: unknown, context: Context): void {
  if (thrown instanceof UpstreamRpcError) return;
  const error = toPlatformError(thrown);
  if (error.code !== 'INTERNAL') return;
  const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : String(error.cause);
  context.log.log('error', 'request-failed', { requestId: context.requestId, cause });
}
