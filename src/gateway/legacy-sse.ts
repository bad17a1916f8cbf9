/**
 * HTTP+SSE of 2024-11-05: `GET /sse` opens the stream and names the address for messages, `POST /message?sessionId=`
 * brings them, answers come on the stream. Also accepts the direct form of the orchestrator's own clients, where the
 * method is the name of a registered tool.
 */

import type { Context } from '../core/context.ts';
import { PlatformError, toPlatformError } from '../core/errors.ts';
import type { Clock, IdSource, StoreRoot, TableSpec } from '../core/ports.ts';
import { LEGACY_METHODS } from '../protocol/era-2025.ts';
import { errorMessage, notificationMessage, toRpcError } from '../protocol/json-rpc.ts';
import { MessageError, decodeMessage } from '../protocol/message.ts';
import type { Message } from '../protocol/message.ts';
import type { Catalogue } from './catalogue.ts';
import { EventStream } from './event-stream.ts';
import { clientOf } from './legacy.ts';
import type { LegacyDispatcher } from './legacy.ts';
import type { Announcer, Notification } from './listen.ts';
import type { Lists } from './lists.ts';
import { logFault } from './modern.ts';
import type { GatewayRequest, Reply } from './reply.ts';
import { retryHeaders } from './reply.ts';
import { Session } from './sessions.ts';
import { resultMessage } from '../protocol/json-rpc.ts';

const TABLE: TableSpec = { name: 'mcp-sse-sessions', partitionKey: 'sessionId' };
const KEEP_SECONDS = 3_600;
const ACCEPTED_HEADERS = Object.freeze({ 'content-type': 'application/json' });

interface Open {
  readonly stream: EventStream;
  session: Session;
  /** Requests whose answers this stream still has to carry. */
  running: number;
  /** The stream ends as soon as nothing runs. */
  isLeaving: boolean;
}

export interface LegacySseParts {
  readonly dispatcher: LegacyDispatcher;
  readonly lists: Lists;
  readonly announcer: Announcer;
  readonly catalogue: Catalogue;
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** The words that clients of old know say what is wrong; these say what to do about it. */
const NEXT_STEPS: ReadonlyMap<string, string> = new Map([
  [
    'Session invalid',
    'The session has ended, or was never yours. Open GET /sse again and send to the address in its first event.',
  ],
  [
    'Missing sessionId query parameter',
    'Send to the address in the first event of GET /sse, which has the session in it.',
  ],
]);

/** The bodies that the orchestrator's clients know. */
function seedError(status: number, error: string, context: Context): Reply {
  const detail = NEXT_STEPS.get(error) ?? error;
  const body = { type: 'about:blank', title: error, status, detail, error, requestId: context.requestId };
  return { status, headers: { 'content-type': 'application/problem+json' }, body: JSON.stringify(body) };
}

/** What went wrong before a message was accepted. */
export function sseFailure(thrown: unknown, context: Context): Reply {
  const error = toPlatformError(thrown);
  if (error.code === 'PARSE_ERROR') return seedError(400, 'Invalid JSON-RPC format', context);
  logFault(error, context);
  const reply = seedError(error.status, error.code === 'INTERNAL' ? 'Internal server error' : error.message, context);
  return { ...reply, headers: { ...reply.headers, ...retryHeaders(error) } };
}

export class LegacySse {
  readonly #parts: LegacySseParts;
  readonly #open = new Map<string, Open>();

  constructor(parts: LegacySseParts) {
    this.#parts = parts;
  }

  /** `GET …/sse`: answers once the session is stored, so that a message cannot arrive before it. */
  async connect(request: GatewayRequest, context: Context): Promise<Reply> {
    const { announcer, clock, ids } = this.#parts;
    announcer.checkCapacity(context.principal);
    const id = ids.uuid();
    const now = Math.floor(clock.nowMs() / 1000);
    const session = new Session({ i: id, e: '', v: '2024-11-05', c: {}, t: now }, context.principal, clock);
    await this.#table(context).put({ sessionId: id, principal: context.principal.id, expiresAt: now + KEEP_SECONDS });
    const stream = new EventStream(clock);
    const prefix = request.path.slice(0, -'/sse'.length);
    stream.sendRaw(`event: endpoint\ndata: ${prefix}/message?sessionId=${id}`);
    const open: Open = { stream, session, running: 0, isLeaving: false };
    this.#open.set(id, open);
    announcer.track(stream, context.principal, () => {
      open.isLeaving = true;
      if (open.running === 0) stream.end();
    });
    const silence = announcer.add({
      principal: context.principal,
      endpoint: '',
      wants: (notification: Notification) =>
        !('uri' in notification) || open.session.subscriptions.has(notification.uri),
      tell: (notification: Notification) =>
        stream.send(
          notificationMessage(
            notification.method,
            'uri' in notification ? JSON.stringify({ uri: notification.uri }) : '{}',
          ),
        ),
    });
    stream.onClose(() => {
      silence();
      this.#close(id, context);
    });
    return stream.reply();
  }

  #close(id: string, context: Context): void {
    const open = this.#open.get(id);
    this.#open.delete(id);
    open?.session.end(new PlatformError('SESSION_NOT_FOUND', 'The client closed its stream.'));
    this.#table(context)
      .delete({ sessionId: id })
      .catch((error: unknown) => context.log.log('warn', 'session-delete-failed', { reason: String(error) }));
  }

  #table(context: Context) {
    return this.#parts.store.store(context.tenant).table(TABLE);
  }

  /** `POST …/message?sessionId=…`: 202 once the message is accepted; its answer comes on the stream. */
  async message(request: GatewayRequest, context: Context, body: string): Promise<Reply> {
    const id = new URLSearchParams(request.query).get('sessionId');
    if (id === null || id === '') return seedError(400, 'Missing sessionId query parameter', context);
    const open = this.#open.get(id);
    // A session is its principal's alone; for everybody else it does not exist.
    if (
      open === undefined ||
      open.session.principal.id !== context.principal.id ||
      open.session.principal.tenant !== context.tenant
    ) {
      return seedError(404, 'Session invalid', context);
    }
    if (body.trim() === '')
      return seedError(400, 'Missing request body, expected a raw JSON-RPC message string', context);
    let message: Message;
    try {
      message = decodeMessage(body);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      return seedError(400, 'Invalid JSON-RPC format', context);
    }
    const accepted = { status: 202, headers: ACCEPTED_HEADERS, body: '{"status":"Message accepted"}' };
    const pending = this.#accept(message, { request, context, open });
    return pending === undefined ? accepted : { ...accepted, pending };
  }

  /** @returns the end of the work that a request starts. */
  #accept(message: Message, at: { request: GatewayRequest; context: Context; open: Open }): Promise<void> | undefined {
    const { context, open } = at;
    if (message.kind === 'response') open.session.answered(message);
    else if (message.kind === 'notification')
      this.#parts.dispatcher.notification(message, { session: open.session, context });
    else return message.method === 'initialize' ? this.#initialize(message, at) : this.#request(message, at);
    return undefined;
  }

  async #request(message: Message, at: { request: GatewayRequest; context: Context; open: Open }): Promise<void> {
    const { context, request } = at;
    const { session, stream } = at.open;
    let isAnswered = false;
    const outlet = {
      // What a target says after its answer is for nobody.
      send: (text: string) => {
        if (!isAnswered) stream.send(text);
      },
      tell: (text: string) => {
        const hasRoom = stream.hasRoomFor(text);
        if (hasRoom) outlet.send(text);
        return hasRoom;
      },
      finish: (parts: readonly (string | Uint8Array)[]) => {
        isAnswered = true;
        stream.send(
          parts.map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString('utf8'))).join(''),
        );
      },
      canStream: true,
    };
    at.open.running++;
    const called = await this.#direct(message, context).catch(() => message);
    const { version } = session;
    await this.#parts.dispatcher.request(called, { endpoint: '', context, request, session, version, outlet });
    at.open.running--;
    if (at.open.isLeaving && at.open.running === 0) stream.end();
  }

  async #initialize(message: Message, at: { context: Context; open: Open }): Promise<void> {
    const { context, open } = at;
    try {
      const client = clientOf(message);
      const now = Math.floor(this.#parts.clock.nowMs() / 1000);
      open.session = new Session(
        { i: open.session.id, e: '', v: client.version, c: client.capabilities, t: now },
        context.principal,
        this.#parts.clock,
      );
      open.stream.send(resultMessage(message.idText, await this.#parts.lists.introduce(context, '', client.version)));
    } catch (error) {
      open.stream.send(
        errorMessage(message.idText, toRpcError(error, { modern: false, requestId: context.requestId })),
      );
    }
  }

  /** `"method":"data_processor"` calls the tool of that name; names of the protocol win. */
  async #direct(message: Message, context: Context): Promise<Message> {
    if (LEGACY_METHODS.has(message.method)) return message;
    const view = await this.#parts.catalogue.view(context.tenant, '');
    if (view.find('tools', message.method) === undefined) return message;
    const args = `{${message.params.map((member) => `${JSON.stringify(member.key)}:${member.text}`).join(',')}}`;
    return {
      ...message,
      method: 'tools/call',
      params: [
        { key: 'name', text: JSON.stringify(message.method) },
        { key: 'arguments', text: args },
      ],
      parsed: { name: message.method, arguments: JSON.parse(args) as unknown },
    };
  }
}
