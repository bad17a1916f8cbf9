/**
 * Revisions 2025-03-26 to 2025-11-25 over HTTP: a session, posts that are answered by JSON or by a stream, and one
 * stream of the server's own. A stream that breaks is resumed from its last event id.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
 */

import { PlatformError } from '../../core/errors.ts';
import type { EgressTextResponse } from '../../core/ports.ts';
import type { Channel, ChannelSink } from '../../upstream/channel.ts';
import { targetProtocolError, targetUnavailable } from '../../upstream/failures.ts';
import type { Outgoing, PeerRequest } from '../../upstream/peer.ts';
import { ReopenPause } from '../../upstream/reopen-pause.ts';
import {
  baseHeaders,
  conversationClosed,
  exchange,
  isPlainJson,
  messageParser,
  notJson,
  readEvents,
  refusalError,
  rpcErrorOf,
  unreachable,
  waitMs,
} from './remote-endpoint.ts';
import type { RemoteEndpoint } from './remote-endpoint.ts';
import { OpenRequests, type Open } from './open-requests.ts';
import { Reachability } from './reachability.ts';
import { addTravelHeaders } from './request-headers.ts';
import type { SseParser } from './sse-parser.ts';

/** Milliseconds for notifications, answers and the end of a session: nobody waits for these. */
const SIDE_TIMEOUT_MS = 15_000;
const DELETE_TIMEOUT_MS = 2_000;
const LINGER_MS = 1_000;
/** Milliseconds that the first request waits for the server's own stream. */
const STREAM_WAIT_MS = 1_000;
/** Before the stream of a request is resumed, unless its server says when. */
const RESUME_PAUSE_MS = 1_000;
/** A server may ask to be asked sooner than in a second, but not without end. */
const SHORTEST_PAUSE_MS = 250;
/** Attempts to resume the stream of one request before its answer counts as lost. */
const MAX_RESUMES = 20;

type OutgoingRequest = Outgoing & { readonly kind: 'request' };

export class LegacyHttpChannel implements Channel {
  /** Requests in flight at the peer; falls when a message was an answer. Set by who makes the link. */
  inFlight: () => number = () => 0;
  /** Status of the newest answer to `initialize`: tells an older server from a broken one. */
  lastStatus = 0;
  readonly #endpoint: RemoteEndpoint;
  readonly #stop = new AbortController();
  readonly #reachability = new Reachability();
  readonly #open = new OpenRequests();
  #headers: Readonly<Record<string, string>>;
  #session: string | undefined;
  #sink: ChannelSink | undefined;
  /** Pending between `notifications/initialized` and the first request. */
  #ready: Promise<void> | undefined;
  #mayAsk = false;
  #streamOpened: () => void = () => undefined;
  /** Ends a pause of the server's own stream. */
  #wake: (() => void) | undefined;

  constructor(endpoint: RemoteEndpoint) {
    this.#endpoint = endpoint;
    this.#headers = baseHeaders(endpoint);
  }

  connect(sink: ChannelSink): void {
    this.#sink = sink;
  }

  negotiated(protocolVersion: string): void {
    this.#headers = { ...this.#headers, 'MCP-Protocol-Version': protocolVersion };
  }

  send(text: string, outgoing: Outgoing): void {
    if (this.#stop.signal.aborted) throw conversationClosed(this.#endpoint);
    if (outgoing.kind === 'request') {
      this.#post(text, outgoing).catch((error: unknown) => {
        this.#open.take(outgoing.id);
        this.#sink?.failed(outgoing.id, error as Error);
        if (this.#reachability.failed(error)) this.#gone();
      });
      return;
    }
    if (outgoing.kind === 'notification' && outgoing.method === 'notifications/cancelled') this.#cancelled(text);
    const sent = this.#postSide(text);
    if (outgoing.kind === 'notification' && outgoing.method === 'notifications/initialized')
      this.#ready = this.#settle(sent);
  }

  /**
   * The first request waits until the server knows that the session has begun; where it may ask, also until its
   * own stream is open, because some servers drop a question that no stream can carry.
   */
  async #settle(sent: Promise<void>): Promise<void> {
    await sent;
    if (this.#stop.signal.aborted) return;
    const open = new Promise<void>((resolve) => {
      this.#streamOpened = resolve;
      this.#endpoint.clock.after(STREAM_WAIT_MS, resolve);
    });
    void this.#listen();
    if (this.#mayAsk) await open;
    this.#ready = undefined;
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stopAll();
    if (this.#session === undefined) return;
    try {
      await exchange(this.#endpoint, { method: 'DELETE', headers: this.#sideHeaders(), timeoutMs: DELETE_TIMEOUT_MS });
    } catch {
      // The server forgets the session by itself some day; 405 is a legal answer too.
    }
  }

  #stopAll(): void {
    this.#stop.abort();
    this.#wake?.();
    this.#open.endAll();
  }

  #sideHeaders(): Record<string, string> {
    return this.#session === undefined ? { ...this.#headers } : { ...this.#headers, 'Mcp-Session-Id': this.#session };
  }

  #cancelled(text: string): void {
    const { params } = JSON.parse(text) as { params: { requestId: number; reason: string } };
    if (!this.#open.end(params.requestId)) return;
    if (params.reason === 'timeout' && this.#reachability.timedOut()) this.#gone();
  }

  /** Ends the conversation; what is in flight gets the error, and the next call opens another. */
  #gone(): void {
    if (this.#stop.signal.aborted) return;
    this.#stopAll();
    this.#sink?.ended(unreachable(this.#endpoint));
  }

  async #postSide(text: string): Promise<void> {
    try {
      const answer = await exchange(this.#endpoint, {
        method: 'POST',
        headers: this.#sideHeaders(),
        body: text,
        timeoutMs: SIDE_TIMEOUT_MS,
      });
      answer.close?.();
      this.#noticeEnd(answer);
    } catch {
      // Nothing waits for it; a server that is gone is noticed by the next request.
    }
  }

  async #post(text: string, outgoing: OutgoingRequest): Promise<void> {
    const { id, request } = outgoing;
    const open: Open = { close: undefined, wanted: true };
    this.#open.add(id, open);
    if (this.#ready !== undefined) await this.#ready;
    if (!open.wanted) return;
    const headers = this.#sideHeaders();
    addTravelHeaders(headers, request);
    const answer = await exchange(this.#endpoint, {
      method: 'POST',
      headers,
      body: text,
      timeoutMs: waitMs(this.#endpoint, request.context, request.timeoutMs),
      onStart: (cancel) => (open.close = cancel),
      // The peer does not say when it gives up on an introduction.
      ...(request.cancellable === false ? { signal: request.context.signal } : {}),
    });
    if (request.method === 'initialize') this.#begin(answer, request);
    if (answer.status !== 200) throw this.#refusal(answer, request.method);
    if (answer.text !== undefined) this.#takeJson(outgoing, answer, answer.text);
    else await this.#takeStream(outgoing, answer, open);
    this.#open.take(id);
  }

  #begin(answer: EgressTextResponse, request: PeerRequest): void {
    this.lastStatus = answer.status;
    this.#mayAsk = request.params.some((member) => member.key === 'capabilities' && member.text !== '{}');
    const session = answer.headers['mcp-session-id'];
    if (session === undefined) return;
    if (!/^[\x21-\x7e]{1,4096}$/.test(session)) {
      throw targetProtocolError(this.#endpoint.target, 'initialize', 'a session id that is no visible ASCII');
    }
    this.#session = session;
  }

  #refusal(answer: EgressTextResponse, method: string): Error {
    answer.close?.();
    this.#noticeEnd(answer);
    return refusalError(this.#endpoint, method, { ...answer, text: answer.text ?? '' });
  }

  /** A session that the server no longer knows takes every request in flight with it; the next call opens another. */
  #noticeEnd(answer: EgressTextResponse): void {
    if (this.#session === undefined || !isSessionEnd(answer) || this.#stop.signal.aborted) return;
    this.#session = undefined;
    this.#stopAll();
    const { target } = this.#endpoint;
    this.#sink?.ended(
      targetUnavailable(target, 'has ended its session. Send the request again to open another.', {
        status: answer.status,
        sessionEnded: true,
        // A session that does not exist runs nothing, so the call may be sent again on a new one.
        processed: false,
      }),
    );
  }

  #takeJson(outgoing: OutgoingRequest, answer: EgressTextResponse, text: string): void {
    const { target } = this.#endpoint;
    const { method } = outgoing.request;
    if (!isPlainJson(answer.headers)) throw notJson(target, method, answer.headers);
    if (!this.#deliver(text, outgoing.id))
      throw targetProtocolError(target, method, 'a message that does not answer it');
  }

  /** @returns whether the message answered the request. */
  #deliver(text: string, id: number): boolean {
    this.#reachability.answered();
    const before = this.inFlight();
    this.#sink?.message(text, id);
    return this.inFlight() < before;
  }

  /** Reads the request's stream; where the server closed only the connection, goes on from the last event. */
  async #takeStream(outgoing: OutgoingRequest, first: EgressTextResponse, open: Open): Promise<void> {
    let answer = first;
    let lastEventId = '';
    let retryMs: number | undefined;
    for (let round = 0; ; round++) {
      const { answered, parser, error } = await this.#readStream(outgoing.id, answer, open);
      if (answered || !open.wanted) return;
      if (parser.lastEventId !== '') lastEventId = parser.lastEventId;
      retryMs = parser.retryMs ?? retryMs;
      if (lastEventId === '' || round >= MAX_RESUMES) throw error ?? this.#lost(outgoing);
      await this.#pause(open, retryMs ?? RESUME_PAUSE_MS);
      if (!open.wanted) return;
      answer = await this.#get(lastEventId, outgoing, open);
    }
  }

  #lost(outgoing: OutgoingRequest): PlatformError {
    return targetUnavailable(
      this.#endpoint.target,
      `ended the stream of ${outgoing.request.method} without an answer. Check its log.`,
    );
  }

  async #get(lastEventId: string, outgoing: OutgoingRequest, open: Open): Promise<EgressTextResponse> {
    const answer = await exchange(this.#endpoint, {
      method: 'GET',
      headers: { ...this.#sideHeaders(), Accept: 'text/event-stream', 'Last-Event-ID': lastEventId },
      timeoutMs: waitMs(this.#endpoint, outgoing.request.context, outgoing.request.timeoutMs),
      onStart: (cancel) => (open.close = cancel),
    });
    if (answer.body !== undefined && answer.status === 200) return answer;
    this.#noticeEnd(answer);
    answer.close?.();
    throw this.#lost(outgoing);
  }

  async #readStream(
    id: number,
    answer: EgressTextResponse,
    open: Open,
  ): Promise<{ answered: boolean; parser: SseParser; error?: Error }> {
    const { clock } = this.#endpoint;
    let answered = false;
    let stop: (() => void) | undefined;
    if (!open.wanted) answer.close?.();
    const parser = messageParser((message) => {
      if (this.#deliver(message, id)) answered = true;
      if (answered) stop ??= clock.after(LINGER_MS, () => answer.close?.());
    });
    try {
      if (answer.body !== undefined) await readEvents(this.#endpoint, answer.body, parser);
      return { answered, parser };
    } catch (error) {
      if (isFatal(error) && !answered) throw error;
      return { answered, parser, error: error as Error };
    } finally {
      stop?.();
    }
  }

  /** The server's own stream: list changes, and questions that belong to no post. 405 means there is none. */
  async #listen(): Promise<void> {
    let lastEventId = '';
    const pause = new ReopenPause(this.#endpoint.clock);
    while (!this.#stop.signal.aborted) {
      const parser = messageParser((message) => {
        pause.used();
        this.#sink?.message(message);
      });
      const goesOn = await this.#listenOnce(parser, { lastEventId, opened: () => pause.opened() });
      if (!goesOn || this.#stop.signal.aborted) return;
      if (parser.lastEventId !== '') lastEventId = parser.lastEventId;
      const pauseMs = pause.next();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#endpoint.clock.after(Math.max(SHORTEST_PAUSE_MS, parser.retryMs ?? pauseMs), resolve);
      });
    }
  }

  /** @returns whether it makes sense to listen again. */
  async #listenOnce(
    parser: SseParser,
    { lastEventId, opened }: { readonly lastEventId: string; readonly opened: () => void },
  ): Promise<boolean> {
    const resume = lastEventId === '' ? {} : { 'Last-Event-ID': lastEventId };
    try {
      const answer = await exchange(this.#endpoint, {
        method: 'GET',
        headers: { ...this.#sideHeaders(), Accept: 'text/event-stream', ...resume },
        signal: this.#stop.signal,
        timeoutMs: 30_000,
      });
      this.#streamOpened();
      if (answer.body === undefined || answer.status !== 200) {
        answer.close?.();
        this.#noticeEnd(answer);
        return answer.status >= 500 || answer.status === 429;
      }
      opened();
      await readEvents(this.#endpoint, answer.body, parser);
      return true;
    } catch (error) {
      this.#streamOpened();
      return !isFatal(error);
    }
  }

  #pause(open: Open, pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#endpoint.clock.after(pauseMs, resolve);
      open.close = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** 404 by the specification; 400 naming the session is what servers answer that keep sessions in memory and restart. */
function isSessionEnd({ status, text }: EgressTextResponse): boolean {
  if (status === 404) return true;
  const message = status === 400 ? rpcErrorOf(text ?? '')?.message : undefined;
  return message !== undefined && /session/i.test(message);
}

/** Asking again would bring the same bytes again. */
function isFatal(error: unknown): boolean {
  return !(error instanceof PlatformError) || error.code !== 'TARGET_UNAVAILABLE';
}
