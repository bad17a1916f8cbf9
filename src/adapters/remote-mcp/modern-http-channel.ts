/**
 * Revision 2026-07-28 over HTTP: each request is a POST of its own, answered by JSON or by a stream that belongs
 * to it alone. Closing that stream is how a request is cancelled.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 */

import type { EgressTextResponse } from '../../core/ports.ts';
import { PlatformError, UpstreamRpcError } from '../../core/errors.ts';
import type { Channel, ChannelSink } from '../../upstream/channel.ts';
import { targetProtocolError, targetUnavailable } from '../../upstream/failures.ts';
import type { Outgoing, PeerRequest } from '../../upstream/peer.ts';
import { ReopenPause } from '../../upstream/reopen-pause.ts';
import { MODERN_VERSION } from '../../upstream/revisions.ts';
import {
  aboutOurRequest,
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
import { ModernHeaders } from './request-headers.ts';

/** Milliseconds an answered stream may stay open before its connection is given up instead of kept. */
const LINGER_MS = 1_000;

type OutgoingRequest = Outgoing & { readonly kind: 'request' };

export class ModernHttpChannel implements Channel {
  /** Requests in flight at the peer; falls when a message was an answer. Set by who makes the link. */
  inFlight: () => number = () => 0;
  readonly #endpoint: RemoteEndpoint;
  readonly #headers: ModernHeaders;
  readonly #open = new OpenRequests();
  #sink: ChannelSink | undefined;
  readonly #reachability = new Reachability();
  #closed = false;

  constructor(endpoint: RemoteEndpoint) {
    this.#endpoint = endpoint;
    this.#headers = new ModernHeaders(baseHeaders(endpoint, { 'MCP-Protocol-Version': MODERN_VERSION }));
  }

  connect(sink: ChannelSink): void {
    this.#sink = sink;
  }

  send(text: string, outgoing: Outgoing): void {
    if (this.#closed) throw conversationClosed(this.#endpoint);
    if (outgoing.kind === 'request') {
      const open: Open = { close: undefined, wanted: true };
      this.#open.add(outgoing.id, open);
      if (outgoing.request.method === 'subscriptions/listen')
        this.#listen(text, outgoing, open).catch(this.#failing(outgoing));
      else this.#post(text, outgoing, open);
    } else if (outgoing.kind === 'notification' && outgoing.method === 'notifications/cancelled') this.#cancel(text);
    // Answers are dropped: a server of this revision must not ask on a stream. Other notifications do not exist.
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#open.endAll();
    return Promise.resolve();
  }

  #failing(outgoing: OutgoingRequest): (error: unknown) => void {
    return (error) => {
      this.#open.take(outgoing.id);
      const { target } = this.#endpoint;
      const translated =
        error instanceof UpstreamRpcError ? aboutOurRequest(target, outgoing.request.method, error) : undefined;
      this.#sink?.failed(outgoing.id, translated ?? (error as Error));
      // A server may well refuse to be listened to; only calls tell whether it is there.
      if (outgoing.request.method === 'subscriptions/listen') return;
      if (this.#reachability.failed(error) || isReplaced(error)) this.#gone();
    };
  }

  #cancel(text: string): void {
    const { params } = JSON.parse(text) as { params: { requestId: number; reason: string } };
    this.#open.end(params.requestId);
    if (params.reason === 'timeout' && this.#reachability.timedOut()) this.#gone();
  }

  /** Ends the conversation; what is in flight gets the error, and the next call opens another. */
  #gone(): void {
    if (this.#closed) return;
    void this.close();
    this.#sink?.ended(unreachable(this.#endpoint));
  }

  #post(text: string, outgoing: OutgoingRequest, open: Open): void {
    const fail = this.#failing(outgoing);
    this.#request(text, outgoing.request, open).then((answer) => {
      if (answer.text === undefined) {
        this.#takeStream(outgoing, answer).catch(fail);
        return;
      }
      try {
        this.#takeJson(outgoing, answer, answer.text);
        this.#open.take(outgoing.id);
      } catch (error) {
        fail(error);
      }
    }, fail);
  }

  async #takeStream(outgoing: OutgoingRequest, answer: EgressTextResponse): Promise<void> {
    const answered = await this.#readStream(outgoing, answer);
    this.#open.take(outgoing.id);
    if (answered) return;
    const { target } = this.#endpoint;
    throw targetUnavailable(
      target,
      `ended the stream of ${outgoing.request.method} without an answer. Check its log.`,
      {
        lost: true,
      },
    );
  }

  /** The peer keeps the time of most requests and says when they are given up; the others have a signal and a timer. */
  #request(text: string, request: PeerRequest, open: Open): Promise<EgressTextResponse> {
    const { context } = request;
    const onStart = (cancel: () => void): void => {
      open.close = cancel;
      if (!open.wanted) cancel();
    };
    const peerKeepsTime =
      request.cancellable !== false &&
      this.#endpoint.egress.requestText !== undefined &&
      request.timeoutMs < Number.POSITIVE_INFINITY;
    return exchange(this.#endpoint, {
      method: 'POST',
      headers: this.#headers.of(request),
      body: text,
      onStart,
      signal: peerKeepsTime ? undefined : context.signal,
      timeoutMs: peerKeepsTime ? Number.POSITIVE_INFINITY : waitMs(this.#endpoint, context, request.timeoutMs),
    });
  }

  #takeJson(outgoing: OutgoingRequest, answer: EgressTextResponse, text: string): void {
    const { target } = this.#endpoint;
    const { method } = outgoing.request;
    if (answer.status !== 200) throw refusalError(this.#endpoint, method, { ...answer, text });
    if (!isPlainJson(answer.headers)) throw notJson(target, method, answer.headers);
    if (!this.#deliver(text, outgoing)) throw targetProtocolError(target, method, 'a message that does not answer it');
  }

  /** @returns whether the message answered the request. */
  #deliver(text: string, outgoing: OutgoingRequest): boolean {
    if (text.length < 8192 && text.includes('-3202')) {
      const error = rpcErrorOf(text);
      const ours = error && aboutOurRequest(this.#endpoint.target, outgoing.request.method, error);
      if (ours !== undefined) throw ours;
    }
    this.#reachability.answered();
    const before = this.inFlight();
    this.#sink?.message(text, outgoing.id);
    return this.inFlight() < before;
  }

  async #readStream(outgoing: OutgoingRequest, answer: EgressTextResponse): Promise<boolean> {
    const { clock } = this.#endpoint;
    if (answer.status !== 200) {
      answer.close?.();
      throw refusalError(this.#endpoint, outgoing.request.method, { ...answer, text: '' });
    }
    let answered = false;
    let stop: (() => void) | undefined;
    const parser = messageParser((message) => {
      if (answered) return;
      answered = this.#deliver(message, outgoing);
      // A stream that ends by itself leaves its connection to the next request.
      if (answered) stop = clock.after(LINGER_MS, () => answer.close?.());
    });
    try {
      await readEvents(this.#endpoint, answer.body ?? nothing(), parser);
    } catch (error) {
      if (!answered) throw error;
    } finally {
      stop?.();
    }
    return answered;
  }

  /**
   * Keeps `subscriptions/listen` open for as long as the peer wants it. A connection that breaks, or ends without an
   * answer, is opened again after a pause.
   */
  async #listen(text: string, outgoing: OutgoingRequest, open: Open): Promise<void> {
    const pause = new ReopenPause(this.#endpoint.clock);
    for (let round = 0; open.wanted && !this.#closed; round++) {
      try {
        const answer = await this.#request(text, outgoing.request, open);
        if (answer.text !== undefined) return this.#takeJson(outgoing, answer, answer.text);
        if (answer.status === 200) pause.opened();
        if (round > 0 && answer.status === 200) this.#assumeChanges(outgoing);
        if (await this.#readStream(outgoing, answer)) return;
      } catch (error) {
        if (!open.wanted || !isBroken(error)) throw error;
      }
      await this.#rest(open, pause.next());
    }
  }

  /** While the stream was broken something may have been missed, so what it tells of counts as changed. */
  #assumeChanges(outgoing: OutgoingRequest): void {
    const filter = JSON.parse(outgoing.request.params[0]?.text ?? '{}') as Record<string, unknown>;
    for (const kind of ['tools', 'prompts', 'resources']) {
      if (filter[`${kind}ListChanged`] !== true) continue;
      this.#sink?.message(`{"jsonrpc":"2.0","method":"notifications/${kind}/list_changed"}`);
    }
  }

  #rest(open: Open, pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#endpoint.clock.after(pauseMs, resolve);
      open.close = () => {
        cancel();
        resolve();
      };
    });
  }
}

async function* nothing(): AsyncIterable<Uint8Array> {
  // An answer without a body has no events.
}

/** What answers there no longer speaks this revision; opening again finds out what it speaks now. */
function isReplaced(error: unknown): boolean {
  if (!(error instanceof PlatformError)) return false;
  const { status, upstreamCode } = error.details;
  return status === 400 || status === 404 || status === 405 || upstreamCode === -32022;
}

/** A connection that went away may come back; a refusal stays one. */
function isBroken(error: unknown): boolean {
  const { code, details } = error as { code?: string; details?: { status?: number } };
  if (code === 'TARGET_TIMEOUT') return true;
  return (
    code === 'TARGET_UNAVAILABLE' && (details?.status === undefined || details.status >= 500 || details.status === 429)
  );
}
