/**
 * Revision 2024-11-05 over HTTP: one stream from the server, whose first event names where to post. Answers come
 * on the stream, so a stream that breaks ends the conversation.
 *
 * @see https://modelcontextprotocol.io/specification/2024-11-05/basic/transports
 */

import type { EgressTextResponse } from '../../core/ports.ts';
import type { Channel, ChannelSink } from '../../upstream/channel.ts';
import { targetProtocolError, targetTimeout, targetUnavailable } from '../../upstream/failures.ts';
import type { Outgoing } from '../../upstream/peer.ts';
import { conversationClosed, exchange, readEvents, refusalError, waitMs } from './remote-endpoint.ts';
import type { RemoteEndpoint } from './remote-endpoint.ts';
import { addTravelHeaders } from './request-headers.ts';
import { SseParser } from './sse-parser.ts';

const SIDE_TIMEOUT_MS = 15_000;

export interface SseOpenOptions {
  readonly signal: AbortSignal;
  /** Milliseconds until the server must have named its endpoint. */
  readonly timeoutMs: number;
}

/**
 * Opens the stream and waits for the `endpoint` event.
 *
 * @throws PlatformError `TARGET_UNAVAILABLE` (no stream), `TARGET_TIMEOUT` (no endpoint in time),
 *   `TARGET_PROTOCOL_ERROR` (an endpoint of another origin, which could be sent our credentials).
 */
export async function openSseChannel(endpoint: RemoteEndpoint, options: SseOpenOptions): Promise<LegacySseChannel> {
  const answer = await exchange(endpoint, {
    method: 'GET',
    headers: { Accept: 'text/event-stream', ...endpoint.headers },
    timeoutMs: options.timeoutMs,
    signal: options.signal,
  });
  if (answer.body === undefined || answer.status !== 200) {
    answer.close?.();
    throw refusalError(endpoint, 'the event stream', { ...answer, text: '' });
  }
  const channel = new LegacySseChannel(endpoint, answer);
  try {
    await channel.ready(options.timeoutMs);
  } catch (error) {
    await channel.close();
    throw error;
  }
  return channel;
}

/** Messages that are kept before anybody listens; a server has nothing to say before it was spoken to. */
const MAX_EARLY = 100;

export class LegacySseChannel implements Channel {
  readonly #endpoint: RemoteEndpoint;
  readonly #stream: EgressTextResponse;
  readonly #early: string[] = [];
  #sink: ChannelSink | undefined;
  #postUrl: string | undefined;
  #announce: ((error?: Error) => void) | undefined;
  #closed = false;
  #ended: Error | undefined;

  constructor(endpoint: RemoteEndpoint, stream: EgressTextResponse) {
    this.#endpoint = endpoint;
    this.#stream = stream;
    void this.#read();
  }

  ready(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#endpoint.clock.after(timeoutMs, () => {
        this.#announce?.(targetTimeout(this.#endpoint.target, 'the event stream', timeoutMs));
      });
      this.#announce = (error) => {
        this.#announce = undefined;
        cancel();
        if (error === undefined) resolve();
        else reject(error);
      };
      if (this.#ended !== undefined) this.#announce(this.#ended);
      else if (this.#postUrl !== undefined) this.#announce();
    });
  }

  connect(sink: ChannelSink): void {
    this.#sink = sink;
    for (const text of this.#early.splice(0)) sink.message(text);
    if (this.#ended !== undefined) sink.ended(this.#ended);
  }

  send(text: string, outgoing: Outgoing): void {
    if (this.#closed || this.#ended !== undefined) throw conversationClosed(this.#endpoint);
    this.#post(text, outgoing).catch((error: unknown) => {
      if (outgoing.kind === 'request') this.#sink?.failed(outgoing.id, error as Error);
      // Nothing waits for the other kinds.
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#stream.close?.();
    return Promise.resolve();
  }

  async #post(text: string, outgoing: Outgoing): Promise<void> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json', ...this.#endpoint.headers };
    const request = outgoing.kind === 'request' ? outgoing.request : undefined;
    if (request !== undefined) addTravelHeaders(headers, request);
    const answer = await exchange(this.#endpoint, {
      method: 'POST',
      url: this.#postUrl ?? this.#endpoint.url,
      headers,
      body: text,
      timeoutMs: request === undefined ? SIDE_TIMEOUT_MS : waitMs(this.#endpoint, request.context, request.timeoutMs),
    });
    answer.close?.();
    if (answer.status >= 200 && answer.status < 300) return;
    throw refusalError(this.#endpoint, request?.method ?? 'a message', { ...answer, text: answer.text ?? '' });
  }

  async #read(): Promise<void> {
    const { target } = this.#endpoint;
    let reason: Error = targetUnavailable(target, 'closed its event stream. Send the request again to open another.');
    const parser = new SseParser(({ event, data }) => {
      if (event === 'endpoint' && this.#postUrl === undefined) this.#takeEndpoint(data);
      else if (event === 'message') this.#take(data);
    });
    try {
      if (this.#stream.body !== undefined) await readEvents(this.#endpoint, this.#stream.body, parser);
    } catch (error) {
      reason = error as Error;
    }
    this.#stream.close?.();
    this.#ended = reason;
    this.#announce?.(reason);
    this.#sink?.ended(this.#closed ? undefined : reason);
  }

  /** @throws PlatformError, which ends the stream: a server that points elsewhere is not to be talked to. */
  #takeEndpoint(data: string): void {
    const { target, url } = this.#endpoint;
    const resolved = URL.canParse(data, url) ? new URL(data, url) : undefined;
    if (resolved === undefined || resolved.origin !== new URL(url).origin) {
      throw targetProtocolError(target, 'the event stream', 'an endpoint that is not of its own origin');
    }
    this.#postUrl = resolved.href;
    this.#announce?.();
  }

  #take(data: string): void {
    if (this.#sink !== undefined) this.#sink.message(data);
    else if (this.#early.length < MAX_EARLY) this.#early.push(data);
  }
}
