/** Streamable HTTP of 2025-03-26 to 2025-11-25: POST with JSON or stream, GET with replay, DELETE. */

import { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import { headerValue } from '../protocol/era-2026.ts';
import { errorMessage, notificationMessage, resultMessage, toRpcError } from '../protocol/json-rpc.ts';
import { MessageError } from '../protocol/message.ts';
import type { Message } from '../protocol/message.ts';
import { SUPPORTED_VERSIONS, isLegacyVersion } from '../protocol/versions.ts';
import { EventStream } from './event-stream.ts';
import { clientOf } from './legacy.ts';
import type { LegacyDispatcher } from './legacy.ts';
import type { Announcer, Notification } from './listen.ts';
import type { Lists } from './lists.ts';
import type { GatewayRequest, Received, Reply } from './reply.ts';
import { emptyReply, jsonReply, retryHeaders } from './reply.ts';
import { Responder } from './responder.ts';
import type { Session, SessionTable } from './sessions.ts';

export interface LegacyHttpParts {
  readonly dispatcher: LegacyDispatcher;
  readonly lists: Lists;
  readonly sessions: SessionTable;
  readonly announcer: Announcer;
  readonly clock: Clock;
  /** `off`: no session ids, GET and DELETE answer 405. */
  readonly sessionsOn: boolean;
}

function refuse(error: unknown, at: { idText: string; context: Context }, status?: number): Reply {
  const code = status ?? (error instanceof PlatformError ? error.status : 500);
  return jsonReply(
    code,
    errorMessage(at.idText, toRpcError(error, { modern: false, requestId: at.context.requestId })),
    retryHeaders(error),
  );
}

export class LegacyHttp {
  readonly #parts: LegacyHttpParts;
  /** Sessions whose changes are announced, so that each is announced once. */
  readonly #announced = new WeakSet<Session>();

  constructor(parts: LegacyHttpParts) {
    this.#parts = parts;
  }

  async post(message: Message, at: Received): Promise<Reply> {
    try {
      // A new handshake ignores the session id of an old one.
      if (message.method === 'initialize' && message.kind === 'request') return await this.#initialize(message, at);
      const session = await this.#session(at);
      const version = this.#version(at.request, session);
      return await this.#dispatch([message], false, { ...at, session, version });
    } catch (error) {
      return refuse(error, { idText: message.idText, context: at.context });
    }
  }

  /** An array of messages, where an element that is no message gets an error of its own. */
  async batch(messages: readonly (Message | MessageError)[], at: Received): Promise<Reply> {
    try {
      const session = await this.#session(at);
      const version = this.#version(at.request, session);
      if (version > '2025-03-26')
        throw new PlatformError('INVALID_REQUEST', `Revision ${version} has no batches. Send one message per request.`);
      return await this.#dispatch(messages, true, { ...at, session, version });
    } catch (error) {
      return refuse(error, { idText: 'null', context: at.context });
    }
  }

  async #session(at: Received): Promise<Session | undefined> {
    const token = headerValue(at.request.headers, 'mcp-session-id');
    if (token === undefined || !this.#parts.sessionsOn) return undefined;
    const session = await this.#parts.sessions.resume(token, at.context.principal, at.endpoint);
    if (this.#announced.has(session)) return session;
    this.#announce(session);
    this.#parts.dispatcher.restore(session, at.context);
    return session;
  }

  #version(request: GatewayRequest, session: Session | undefined): string {
    const header = headerValue(request.headers, 'mcp-protocol-version')?.trim();
    if (header === undefined) return session?.version ?? '2025-03-26';
    if (!isLegacyVersion(header)) {
      throw new PlatformError(
        'INVALID_REQUEST',
        `Unsupported protocol version: ${header.slice(0, 40)} (supported: ${SUPPORTED_VERSIONS.join(', ')})`,
      );
    }
    return session?.version ?? header;
  }

  async #initialize(message: Message, at: Received): Promise<Reply> {
    const client = clientOf(message);
    const result = await this.#parts.lists.introduce(at.context, at.endpoint, client.version);
    if (!this.#parts.sessionsOn) return this.#one(at, resultMessage(message.idText, result), {});
    const { token, session } = this.#parts.sessions.open(at.context.principal, at.endpoint, client);
    this.#announce(session);
    return this.#one(at, resultMessage(message.idText, result), { 'mcp-session-id': token });
  }

  #one(at: Received, text: string, headers: Readonly<Record<string, string>>): Reply {
    if (at.accepts.json) return jsonReply(200, text, headers);
    const stream = new EventStream(this.#parts.clock);
    stream.send(text);
    stream.end();
    return stream.reply(headers);
  }

  async #dispatch(
    received: readonly (Message | MessageError)[],
    isBatch: boolean,
    at: Received & { session: Session | undefined; version: string },
  ): Promise<Reply> {
    const { dispatcher, clock } = this.#parts;
    const { session, version, context } = at;
    const refusals = received.flatMap((message) =>
      message instanceof MessageError
        ? [errorMessage(message.idText, toRpcError(message.error, { modern: false, requestId: context.requestId }))]
        : [],
    );
    const messages = received.filter((message): message is Message => !(message instanceof MessageError));
    const requests = messages.filter((message) => message.kind === 'request');
    for (const message of messages) {
      if (message.kind === 'notification') dispatcher.notification(message, at);
      if (message.kind === 'response') session?.answered(message);
    }
    if (requests.length === 0)
      return refusals.length === 0 ? emptyReply(202) : jsonReply(400, `[${refusals.join(',')}]`);
    const responder = new Responder({
      clock,
      acceptsJson: at.accepts.json,
      acceptsSse: at.accepts.sse,
      expected: requests.length + refusals.length,
      isBatch,
      ...(session === undefined
        ? {}
        : {
            log: {
              open: () => session.log.open('p'),
              finish: (stream) => session.log.finish(stream),
              primed: version >= '2025-11-25',
            },
          }),
    });
    // A broken connection cancels nothing in these revisions: the client may resume, or has sent `cancelled`.
    for (const refusal of refusals) responder.finish(200, [refusal]);
    for (const message of requests) {
      const outlet = {
        send: (text: string) => responder.send(text),
        tell: (text: string) => responder.tell(text),
        finish: (parts: readonly (string | Uint8Array)[]) => responder.finish(200, parts),
        canStream: responder.canStream,
      };
      const own = isBatch ? sibling(context, clock) : context;
      void dispatcher.request(message, { ...at, context: own, outlet });
    }
    return responder.reply;
  }

  /** `GET`: the stream for what the server says on its own account. */
  async get(at: Received): Promise<Reply> {
    if (!this.#parts.sessionsOn) return methodNotAllowed('POST');
    if (!at.accepts.sse)
      return refuse(new PlatformError('NOT_ACCEPTABLE', 'GET opens an event stream: send Accept: text/event-stream.'), {
        idText: 'null',
        context: at.context,
      });
    try {
      if (headerValue(at.request.headers, 'mcp-session-id') === undefined) {
        throw new PlatformError('INVALID_REQUEST', 'GET needs the Mcp-Session-Id of an initialized session.');
      }
      const session = await this.#session(at);
      if (session === undefined) throw new PlatformError('SESSION_NOT_FOUND', 'The session is unknown.');
      this.#version(at.request, session);
      this.#parts.announcer.checkCapacity(session.principal);
      return this.#openStream(session, headerValue(at.request.headers, 'last-event-id'));
    } catch (error) {
      return refuse(error, { idText: 'null', context: at.context });
    }
  }

  #openStream(session: Session, lastEventId: string | undefined): Reply {
    const stream = new EventStream(this.#parts.clock);
    const resumed = lastEventId === undefined ? undefined : session.log.find(lastEventId);
    this.#parts.announcer.track(stream, session.principal, () => stream.end());
    if (resumed !== undefined) {
      resumed.stream.attach(stream, resumed.sequence);
      return stream.reply();
    }
    const logged = session.log.open('g');
    if (session.version >= '2025-11-25') logged.prime(stream);
    logged.attach(stream);
    // An event id that is no longer known means that something may have been missed: say so.
    if (lastEventId !== undefined)
      for (const method of ['tools', 'prompts', 'resources'])
        logged.send(notificationMessage(`notifications/${method}/list_changed`, '{}'));
    return stream.reply();
  }

  /** Changes reach a session on its GET stream; without one they wait in the log of the last. */
  #announce(session: Session): void {
    this.#announced.add(session);
    const remove = this.#parts.announcer.add({
      principal: session.principal,
      endpoint: session.endpoint,
      wants: (notification: Notification) => !('uri' in notification) || session.subscriptions.has(notification.uri),
      tell: (notification: Notification) =>
        session.log
          .latest()
          ?.send(
            notificationMessage(
              notification.method,
              'uri' in notification ? JSON.stringify({ uri: notification.uri }) : '{}',
            ),
          ),
    });
    session.onEnd(remove);
  }

  /** `DELETE` ends the session. */
  async delete(at: Received): Promise<Reply> {
    if (!this.#parts.sessionsOn) return methodNotAllowed('POST');
    try {
      if (headerValue(at.request.headers, 'mcp-session-id') === undefined)
        throw new PlatformError('INVALID_REQUEST', 'DELETE needs the Mcp-Session-Id of the session to end.');
      const session = await this.#session(at);
      this.#version(at.request, session);
      if (session !== undefined) await this.#parts.sessions.end(session);
      return emptyReply(204);
    } catch (error) {
      return refuse(error, { idText: 'null', context: at.context });
    }
  }
}

export function methodNotAllowed(allow: string): Reply {
  return jsonReply(405, '{"jsonrpc":"2.0","error":{"code":-32000,"message":"Method not allowed"},"id":null}', {
    allow,
  });
}

/** Each request of a batch can be cancelled on its own. */
function sibling(context: Context, clock: Clock): Context {
  const copy = new Context({
    principal: context.principal,
    requestId: context.requestId,
    clock,
    timeoutMs: context.deadlineMs - clock.monotonicMs(),
    log: context.log,
    trace: context.trace,
    hops: context.hops,
  });
  context.onAbort((reason) => copy.abort(reason));
  return copy;
}
