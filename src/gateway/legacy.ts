/**
 * The revisions with a handshake on `/mcp`: messages single or in batches, with a session or without. Shared by the
 * HTTP+SSE transport of 2024-11-05, whose answers travel on another stream.
 */

import type { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject, textOf } from '../core/json.ts';
import type { Clock } from '../core/ports.ts';
import { LEGACY_METHODS, LOG_LEVELS, encodeLegacyResult } from '../protocol/era-2025.ts';
import { errorMessage, resultMessage, toRpcError } from '../protocol/json-rpc.ts';
import type { Message } from '../protocol/message.ts';
import { negotiateLegacy } from '../protocol/versions.ts';
import type { CallRunner } from './call.ts';
import type { Caller } from './caller.ts';
import { LIST_METHODS } from './lists.ts';
import type { Lists } from './lists.ts';
import { idempotencyKeyOf, logFault } from './modern.ts';
import type { GatewayRequest } from './reply.ts';
import type { Part } from './responder.ts';
import type { Session, SessionTable } from './sessions.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { TargetSet } from './target-set.ts';
import type { Listening } from './telling.ts';
import { Telling } from './telling.ts';
import type { Endpoint } from './view.ts';

export interface LegacyParts {
  readonly runner: CallRunner;
  readonly lists: Lists;
  readonly sessions: SessionTable;
  readonly subscriptions: Subscriptions;
  readonly targets: TargetSet;
  readonly clock: Clock;
}

/** Where the answers and questions of one message go. */
export interface Outlet extends Listening {
  finish(parts: readonly Part[]): void;
  /** Whether {@link send} and {@link tell} reach the client before the answer. */
  readonly canStream: boolean;
}

export interface LegacyAt {
  readonly endpoint: Endpoint;
  readonly context: Context;
  readonly request: GatewayRequest;
  readonly session: Session | undefined;
  readonly version: string;
  readonly outlet: Outlet;
}

/** A client may answer a question for this long. */
const ASK_MS = 300_000;

export class LegacyDispatcher {
  readonly #parts: LegacyParts;

  constructor(parts: LegacyParts) {
    this.#parts = parts;
  }

  /** Answers one request through the outlet. Never throws. */
  async request(message: Message, at: LegacyAt): Promise<void> {
    const { context, session, outlet } = at;
    session?.inFlight.set(message.idText, context);
    try {
      outlet.finish(await this.#result(message, at));
    } catch (error) {
      logFault(error, context);
      outlet.finish([errorMessage(message.idText, toRpcError(error, { modern: false, requestId: context.requestId }))]);
    } finally {
      session?.inFlight.delete(message.idText);
    }
  }

  async #result(message: Message, at: LegacyAt): Promise<readonly Part[]> {
    const { endpoint, context, version } = at;
    const { method } = message;
    if (!LEGACY_METHODS.has(method))
      throw new PlatformError(
        'METHOD_NOT_FOUND',
        `Method not found: ${method.slice(0, 100)}. It is no method of this revision; a tool is called by tools/call, or on /message by a name that tools/list shows.`,
      );
    if (LIST_METHODS.has(method)) {
      const parts = await this.#parts.lists.list({
        method,
        endpoint,
        cursor: message.parsed['cursor'],
        context,
        modern: false,
      });
      return [`{"jsonrpc":"2.0","id":${message.idText},"result":`, ...parts, '}'];
    }
    const own = await this.#own(message, at);
    if (own !== undefined) return [resultMessage(message.idText, own)];
    return [resultMessage(message.idText, encodeLegacyResult(await this.#call(message, at), version))];
  }

  async #call(message: Message, at: LegacyAt): Promise<string> {
    const { endpoint, context, outlet } = at;
    const telling = new Telling(outlet);
    const caller = legacyCaller(message, at, { telling, clock: this.#parts.clock });
    try {
      return await this.#parts.runner.run({ endpoint, message, caller, context });
    } finally {
      telling.end(caller, context);
    }
  }

  /** Methods that the gateway answers itself. */
  async #own(message: Message, at: LegacyAt): Promise<string | undefined> {
    const { session, endpoint, context } = at;
    switch (message.method) {
      case 'ping':
        return '{}';
      case 'logging/setLevel':
        return this.#setLevel(message, session);
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        return this.#subscribe(message, at);
      case 'initialize':
        // Without a session of its own (batches, `sessions: off`) the handshake is only an introduction.
        return this.#parts.lists.introduce(context, endpoint, negotiateLegacy(message.parsed['protocolVersion']));
      default:
        return undefined;
    }
  }

  async #setLevel(message: Message, session: Session | undefined): Promise<string> {
    const level = message.parsed['level'];
    if (typeof level !== 'string' || !(LOG_LEVELS as readonly string[]).includes(level)) {
      throw new PlatformError('INVALID_PARAMS', `"level" must be one of ${LOG_LEVELS.join(', ')}.`);
    }
    if (session === undefined) return '{}';
    session.logLevel = level;
    await this.#parts.sessions.save(session);
    return '{}';
  }

  async #subscribe(message: Message, at: LegacyAt): Promise<string> {
    const { session, endpoint, context } = at;
    const uri = message.parsed['uri'];
    if (typeof uri !== 'string') throw new PlatformError('INVALID_PARAMS', '"uri" must be the URI of a resource.');
    const isOn = message.method === 'resources/subscribe';
    if (session === undefined) {
      if (!isOn) return '{}';
      throw new PlatformError('INVALID_REQUEST', 'A subscription needs a session: without one nobody can be told.');
    }
    // What this session does not have it cannot give back: the target is asked once for all who subscribe.
    if (isOn === session.subscriptions.has(uri)) return '{}';
    if (isOn) await this.#add(session, uri, { endpoint, context });
    else {
      session.subscriptions.delete(uri);
      await this.#parts.subscriptions.remove(context, endpoint, uri);
    }
    await this.#parts.sessions.save(session);
    return '{}';
  }

  async #add(session: Session, uri: string, at: { endpoint: Endpoint; context: Context }): Promise<void> {
    if (session.subscriptions.size === 0) this.#releaseAtEnd(session, at);
    session.subscriptions.add(uri);
    const known = await this.#parts.subscriptions.add(at.context, at.endpoint, uri).catch((error: unknown) => {
      session.subscriptions.delete(uri);
      throw error;
    });
    if (known) return;
    session.subscriptions.delete(uri);
    throw new PlatformError('UNKNOWN_NAME', `Unknown resource or not allowed: ${uri.slice(0, 256)}`);
  }

  #releaseAtEnd(session: Session, at: { endpoint: Endpoint; context: Context }): void {
    session.onEnd(() => {
      this.#parts.subscriptions.releaseAll(at.context, { endpoint: at.endpoint, uris: [...session.subscriptions] });
      session.subscriptions.clear();
    });
  }

  /** A session that came back after a restart: its targets do not know of its subscriptions any more. */
  restore(session: Session, context: Context): void {
    if (session.subscriptions.size === 0) return;
    const at = { endpoint: session.endpoint, context };
    this.#releaseAtEnd(session, at);
    for (const uri of session.subscriptions) {
      this.#parts.subscriptions
        .add(context, session.endpoint, uri)
        .then((known) => known || session.subscriptions.delete(uri))
        .catch((error: unknown) => context.log.log('debug', 'resubscribe-failed', { uri, reason: String(error) }));
    }
  }

  /** A client's notification: nothing is answered. */
  notification(message: Message, at: Pick<LegacyAt, 'session' | 'context'>): void {
    const { session, context } = at;
    if (message.method === 'notifications/cancelled' && session !== undefined) {
      const id = message.parsed['requestId'];
      session.inFlight
        .get(JSON.stringify(id))
        ?.abort(new Error(textOf(message.parsed['reason']).slice(0, 200) || 'cancelled by the client'));
    }
    if (message.method === 'notifications/roots/list_changed') {
      for (const target of this.#parts.targets.of(context.tenant)) target.notify?.(message.method, context);
    }
  }
}

function legacyCaller(
  message: Message,
  at: LegacyAt,
  { telling, clock }: { readonly telling: Telling; readonly clock: Clock },
): Caller {
  const { session, outlet, request, version } = at;
  const ask =
    session !== undefined && outlet.canStream
      ? {
          ask: (method: string, paramsText: string) => askClient({ session, outlet, clock }, method, paramsText),
        }
      : {};
  return {
    modern: false,
    version,
    headers: request.headers,
    capabilities: session?.capabilities ?? {},
    logLevel: session?.logLevel,
    progressToken: outlet.canStream ? message.meta.find((member) => member.key === 'progressToken')?.text : undefined,
    idempotencyKey: idempotencyKeyOf(message, request),
    notify: (method, paramsText) => telling.notify(method, paramsText),
    ...ask,
  };
}

function askClient(
  at: { readonly session: Session; readonly outlet: Outlet; readonly clock: Clock },
  method: string,
  paramsText: string,
): Promise<string> {
  const { idText, answer } = at.session.ask();
  const params = paramsText === '' ? '{}' : paramsText;
  at.outlet.send(`{"jsonrpc":"2.0","id":${idText},"method":${JSON.stringify(method)},"params":${params}}`);
  const cancel = at.clock.after(ASK_MS, () => {
    at.session.answered({
      kind: 'response',
      idText,
      method: '',
      params: [],
      meta: [],
      parsed: {},
      parsedMeta: {},
      error: { code: -32603, message: `The client did not answer ${method} in time.` },
    });
  });
  return answer.finally(cancel);
}

/** What `initialize` says of its client. @throws PlatformError `INVALID_PARAMS`. */
export function clientOf(message: Message): {
  readonly version: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
} {
  const { protocolVersion, capabilities } = message.parsed;
  if (typeof protocolVersion !== 'string')
    throw new PlatformError('INVALID_PARAMS', '"protocolVersion" must name a revision, such as "2025-11-25".');
  if (capabilities !== undefined && !isObject(capabilities))
    throw new PlatformError('INVALID_PARAMS', '"capabilities" must be an object.');
  return {
    version: negotiateLegacy(protocolVersion),
    capabilities: (capabilities as Record<string, unknown> | undefined) ?? {},
  };
}
