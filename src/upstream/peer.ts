/**
 * JSON-RPC in both directions over one shared channel: a stdio child, a legacy HTTP session, an SSE stream.
 *
 * The peer gives each request an id and a progress token of its own, finds the request an incoming message
 * belongs to, and keeps the result as the text that arrived. It knows neither how bytes travel nor which
 * revision is spoken: a transport hands it whole messages and sends what it is given.
 */

import type { Clock } from '../core/ports.ts';
import type { RawObject, Scanned } from '../core/json.ts';
import type { Exchange } from '../core/target.ts';
import type { ConversationRequest } from './conversation.ts';
import type { PlatformError } from '../core/errors.ts';
import { arrayElements, isObject, joinMembers, rawMembers, scan } from '../core/json.ts';
import { callCancelled, targetProtocolError, targetTimeout, targetUnavailable } from './failures.ts';
import { answerQuestion } from './questions.ts';
import { IdMap } from './id-map.ts';
import { answerFault, answeredId, member, memberText, ourId, requestText, rpcError } from './rpc-text.ts';

/** What an outgoing message is, for transports that treat requests and answers differently. */
export type Outgoing =
  | { readonly kind: 'request'; readonly id: number; readonly request: PeerRequest }
  | { readonly kind: 'notification'; readonly method: string }
  | { readonly kind: 'answer' };

export interface PeerRequest extends ConversationRequest {
  /** `"key":value,` pairs that stand first in `_meta`, each followed by a comma: the envelope of 2026-07-28. */
  readonly envelope?: string;
  /** Whether `notifications/cancelled` may follow; never for `initialize` and the era probe. @default true */
  readonly cancellable?: boolean;
}

export interface PeerOptions {
  /** Name of the target, for error messages. */
  readonly target: string;
  readonly clock: Clock;
  /** Hands one message to the transport. A transport that fails later calls {@link JsonRpcPeer.fail}. */
  readonly send: (text: string, outgoing: Outgoing) => void;
  /** Notifications that belong to no request. */
  readonly onNotification: (method: string, params: Readonly<Record<string, unknown>>) => void;
  /** Text that is no JSON-RPC message, or an answer nobody waits for. Counted in {@link JsonRpcPeer.garbage}. */
  readonly onGarbage?: (text: string, reason: string) => void;
}

interface Pending {
  readonly id: number;
  readonly request: PeerRequest;
  readonly waitMs: number;
  /** On the clock's monotonic time; infinite for streams. Moves on by the time that the caller took to answer. */
  deadlineMs: number;
  /** Questions of this request that its caller has not answered yet: meanwhile the server is not late. */
  asking: number;
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
  sent: boolean;
  /** Only when the context has no `onAbort`. */
  abort: (() => void) | undefined;
}

interface Message {
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly object: RawObject;
  /** Id of the request on whose stream the message came, when the transport knows. */
  readonly owner: number | undefined;
}

/** More questions than this at once are declined: nobody could answer them, and each is kept until then. */
const MAX_ASKED = 100;

const NO_PARAMS: Readonly<Record<string, unknown>> = Object.freeze({});

export class JsonRpcPeer {
  /** Messages that were dropped: malformed, or answers to nothing. */
  garbage = 0;
  readonly #options: PeerOptions;
  readonly #pending = new IdMap<Pending>();
  /** Questions of the server that are being answered, by their id as JSON text. */
  readonly #questions = new Set<string>();
  /** Questions put to callers that have not come back, withdrawn ones included. */
  #asked = 0;
  #nextId = 1;
  #wakeMs = Number.POSITIVE_INFINITY;
  #stopTimer: (() => void) | undefined;
  #ended: Error | undefined;

  constructor(options: PeerOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  /**
   * Sends one request and waits for the text of its `result`, at most `timeoutMs` and never past the context's deadline.
   *
   * @throws UpstreamRpcError, PlatformError `TARGET_TIMEOUT`, `TARGET_PROTOCOL_ERROR`, `CALL_CANCELLED`, and what
   *   {@link fail} and {@link end} are given.
   */
  request(request: PeerRequest): Promise<string> {
    const { target, clock } = this.#options;
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const nowMs = clock.monotonicMs();
    const waitMs = Math.min(request.timeoutMs, request.context.deadlineMs - nowMs);
    if (!(waitMs > 0)) return Promise.reject(targetTimeout(target, request.method, Math.max(0, waitMs)));
    const id = this.#nextId++;
    return new Promise<string>((resolve, reject) => {
      const pending: Pending = {
        id,
        request,
        waitMs,
        deadlineMs: nowMs + waitMs,
        asking: 0,
        resolve,
        reject,
        sent: false,
        abort: undefined,
      };
      this.#pending.add(id, pending);
      this.#watch(pending);
      if (this.#pending.get(id) !== undefined) this.#send(pending);
    });
  }

  notify(method: string, paramsText?: string): void {
    if (this.#ended !== undefined) return;
    const params = paramsText === undefined || paramsText === '{}' ? '' : `,"params":${paramsText}`;
    this.#options.send(`{"jsonrpc":"2.0","method":${JSON.stringify(method)}${params}}`, {
      kind: 'notification',
      method,
    });
  }

  /**
   * Takes one incoming message; never throws. An array is a batch of messages (revision 2025-03-26).
   *
   * @param owner - Id of the request on whose response stream the message came. Shared channels leave it out.
   */
  receive(text: string, owner?: number): void {
    // Nobody waits for anything any more.
    if (this.#ended !== undefined) return;
    let scanned: Scanned;
    try {
      scanned = scan(text, 2);
    } catch (error) {
      this.refuse(text, (error as PlatformError).message, owner);
      return;
    }
    const { value, object } = scanned;
    if (isObject(value) && object !== undefined) this.#dispatch({ text, value, object, owner });
    else if (Array.isArray(value) && value.length > 0 && value.every(isObject))
      for (const part of arrayElements(text) ?? []) this.receive(part, owner);
    else this.#drop(text, 'not a JSON-RPC message');
  }

  /** Ends one request with an error: its transport failed, or its answer was too large to read. */
  fail(id: number, error: Error): void {
    const pending = this.#take(id);
    pending?.reject(error);
  }

  /** Ends every request in flight with `error`; those waiting for an answer will get none. */
  failAll(error: Error): void {
    for (const id of this.#pending.ids()) this.fail(id, error);
  }

  /** The channel is gone: every request in flight and every later one fails with `reason`. */
  end(reason?: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended =
      reason ??
      targetUnavailable(this.#options.target, 'has closed this conversation. Send the request again to open another.');
    this.#questions.clear();
    this.#stopTimer?.();
    this.failAll(this.#ended);
  }

  #send(pending: Pending): void {
    const { id, request } = pending;
    pending.sent = true;
    try {
      this.#options.send(requestText(id, request), { kind: 'request', id, request });
    } catch (error) {
      this.fail(id, error as Error);
    }
  }

  #watch(pending: Pending): void {
    const { request, id } = pending;
    if (pending.deadlineMs < this.#wakeMs) this.#wakeAt(pending.deadlineMs);
    const abort = (): void => {
      this.#giveUp(id, callCancelled(this.#options.target, request.method), 'cancelled by the caller');
    };
    const { context } = request;
    if (context.onAbort !== undefined) context.onAbort(abort);
    else if (context.signal.aborted) abort();
    else {
      pending.abort = abort;
      context.signal.addEventListener('abort', abort, { once: true });
    }
  }

  /** One timer for all requests, at the nearest deadline: most requests are answered long before theirs. */
  #wakeAt(deadlineMs: number): void {
    const { clock } = this.#options;
    this.#stopTimer?.();
    this.#wakeMs = deadlineMs;
    this.#stopTimer = clock.after(Math.max(0, deadlineMs - clock.monotonicMs()), () => {
      this.#stopTimer = undefined;
      this.#wakeMs = Number.POSITIVE_INFINITY;
      this.#expire();
    });
  }

  #expire(): void {
    // A timer may fire a fraction of a millisecond early.
    const nowMs = this.#options.clock.monotonicMs() + 1;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { id, request, waitMs, deadlineMs, asking } of this.#pending.values()) {
      if (asking > 0) continue;
      if (deadlineMs <= nowMs) this.#giveUp(id, targetTimeout(this.#options.target, request.method, waitMs), 'timeout');
      else nextMs = Math.min(nextMs, deadlineMs);
    }
    if (nextMs < this.#wakeMs) this.#wakeAt(nextMs);
  }

  #giveUp(id: number, error: PlatformError, reason: string): void {
    const pending = this.#take(id);
    if (pending === undefined) return;
    pending.reject(error);
    if (pending.request.cancellable === false || !pending.sent) return;
    try {
      this.notify('notifications/cancelled', `{"requestId":${id},"reason":${JSON.stringify(reason)}}`);
    } catch {
      // A channel that cannot carry the notice is ending, and its own failure is reported by its transport.
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.take(id);
    if (pending === undefined) return undefined;
    if (pending.abort !== undefined) pending.request.context.signal.removeEventListener('abort', pending.abort);
    return pending;
  }

  #dispatch(message: Message): void {
    const { value } = message;
    const { method } = value;
    const hasId = 'id' in value;
    if (typeof method !== 'string') {
      if (hasId && ('result' in value || 'error' in value)) this.#answer(message);
      else this.#drop(message.text, 'neither a method nor an answer');
    } else if (value['jsonrpc'] !== '2.0') this.#drop(message.text, 'jsonrpc is not "2.0"');
    else if (hasId) this.#question(message, method);
    else this.#notification(message, method);
  }

  #answer(message: Message): void {
    const { value } = message;
    const id = ourId(value['id']);
    const pending = id === undefined ? undefined : this.#take(id);
    if (pending === undefined) {
      this.#drop(message.text, 'an answer that nobody waits for');
      return;
    }
    const fault = answerFault(value);
    if (fault !== undefined) pending.reject(targetProtocolError(this.#options.target, pending.request.method, fault));
    else if ('error' in value) pending.reject(rpcError(value['error'] as Record<string, unknown>));
    else pending.resolve(memberText(message.text, message.object, 'result'));
  }

  #notification(message: Message, method: string): void {
    const params = isObject(message.value['params']) ? message.value['params'] : NO_PARAMS;
    if (method === 'notifications/progress') this.#progress(message, params);
    else if (method === 'notifications/cancelled') this.#questions.delete(JSON.stringify(params['requestId']));
    else if (method === 'notifications/message' || method === 'notifications/elicitation/complete') {
      const exchange = this.#exchangeFor(message.owner);
      if (exchange === undefined) this.#options.onNotification(method, params);
      else exchange.notify(method, memberText(message.text, message.object, 'params') || '{}');
    } else this.#options.onNotification(method, params);
  }

  #progress(message: Message, params: Readonly<Record<string, unknown>>): void {
    const token = ourId(params['progressToken']);
    const exchange = token === undefined ? undefined : this.#pending.get(token)?.request.exchange;
    if (exchange === undefined || !exchange.wantsProgress) return;
    const object = member(message.object, 'params')?.object;
    if (object === undefined) return;
    const rest = rawMembers(message.text, object).filter((entry) => entry.key !== 'progressToken');
    exchange.notify('notifications/progress', joinMembers(rest));
  }

  /**
   * The caller that a message without correlation belongs to: the only one there is, or nobody.
   *
   * @param asks - Whether the message is a question, which only a caller that can answer may get.
   */
  #exchangeFor(owner: number | undefined, asks = false): Exchange | undefined {
    const owned = owner === undefined ? undefined : this.#pending.get(owner);
    if (owned !== undefined) return owned.request.exchange;
    let found: Exchange | undefined;
    for (const { request } of this.#pending.values()) {
      if (request.exchange === undefined || (asks && !request.exchange.canAsk)) continue;
      if (found !== undefined) return undefined;
      found = request.exchange;
    }
    return found;
  }

  #question(message: Message, method: string): void {
    const id = JSON.stringify(message.value['id']);
    const params = memberText(message.text, message.object, 'params') || '{}';
    const exchange = this.#asked < MAX_ASKED ? this.#exchangeFor(message.owner, true) : undefined;
    const answer = answerQuestion(method, params, exchange);
    if (typeof answer === 'string') {
      this.#reply(id, answer);
      return;
    }
    this.#questions.add(id);
    this.#asked++;
    const resume = this.#pause(exchange);
    void answer.then((body) => {
      this.#asked--;
      resume();
      // A question that was withdrawn, or whose channel has ended, gets no answer.
      if (this.#questions.delete(id)) this.#reply(id, body);
    });
  }

  /** Stops the deadline of the request that a question belongs to. The question itself is bounded by the gateway. */
  #pause(exchange: Exchange | undefined): () => void {
    const { clock } = this.#options;
    const pending = [...this.#pending.values()].find(
      ({ request }) => exchange !== undefined && request.exchange === exchange,
    );
    if (pending === undefined) return () => undefined;
    const pausedMs = clock.monotonicMs();
    pending.asking++;
    return () => {
      pending.asking--;
      pending.deadlineMs += clock.monotonicMs() - pausedMs;
      if (pending.deadlineMs < this.#wakeMs && this.#pending.get(pending.id) !== undefined)
        this.#wakeAt(pending.deadlineMs);
    };
  }

  /** @param body - `"result":…` or `"error":…`. */
  #reply(id: string, body: string): void {
    if (this.#ended !== undefined) return;
    try {
      this.#options.send(`{"jsonrpc":"2.0","id":${id},${body}}`, { kind: 'answer' });
    } catch {
      // As in #giveUp: the transport reports its own end.
    }
  }

  #drop(text: string, reason: string): void {
    this.garbage++;
    this.#options.onGarbage?.(text, reason);
  }

  /**
   * Drops a message that may not be used. When it is clearly an answer, its request hears of it at once instead
   * of at the deadline.
   */
  refuse(text: string, reason: string, owner?: number): void {
    this.#drop(text, reason);
    const id = answeredId(text) ?? owner;
    const pending = id === undefined ? undefined : this.#take(id);
    pending?.reject(targetProtocolError(this.#options.target, pending.request.method, `unusable JSON (${reason})`));
  }
}
