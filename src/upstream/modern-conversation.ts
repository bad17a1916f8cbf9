/** A conversation of revision 2026-07-28 over one shared channel (stdio). Nothing is agreed on beforehand; each request says all. */

import type { PeerLink } from './channel.ts';
import type { Conversation, ConversationRequest } from './conversation.ts';
import type { LinkOpenOptions } from './legacy-conversation.ts';
import { isObject } from '../core/json.ts';
import { ListenStream } from './listen-stream.ts';
import { ModernEnvelope, SERVER_INFO_KEY } from './modern-envelope.ts';
import { MODERN_VERSION, declaresQuestions } from './revisions.ts';

/** Asks who the server is. @returns the text of the DiscoverResult. */
export function discover(link: PeerLink, options: LinkOpenOptions): Promise<string> {
  return link.peer.request({
    method: 'server/discover',
    params: [],
    meta: [],
    envelope: new ModernEnvelope(options.clientInfo, options.declare).text(undefined),
    context: options.context,
    timeoutMs: options.timeoutMs,
    cancellable: false,
  });
}

/**
 * The conversation with a server that answered {@link discover}.
 *
 * `resources/subscribe` and `resources/unsubscribe`, which this revision does not have, become entries of the
 * conversation's own `subscriptions/listen`.
 */
export class ModernConversation implements Conversation {
  readonly era = 'modern';
  readonly protocolVersion = MODERN_VERSION;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: Readonly<Record<string, unknown>> | undefined;
  readonly instructions: string | undefined;
  readonly declaring: boolean;
  readonly #link: PeerLink;
  readonly #envelope: ModernEnvelope;
  readonly #listen: ListenStream;

  constructor(link: PeerLink, discovered: Readonly<Record<string, unknown>>, options: LinkOpenOptions) {
    const { capabilities, instructions, _meta: meta } = discovered;
    const info = isObject(meta) ? meta[SERVER_INFO_KEY] : undefined;
    this.capabilities = isObject(capabilities) ? capabilities : {};
    this.serverInfo = isObject(info) ? info : undefined;
    this.instructions = typeof instructions === 'string' ? instructions : undefined;
    this.declaring = declaresQuestions(options.declare);
    this.#link = link;
    this.#envelope = new ModernEnvelope(options.clientInfo, options.declare);
    this.#listen = new ListenStream(link, this.#envelope, this.capabilities);
    this.#listen.open();
  }

  get ended(): boolean {
    return this.#link.ended;
  }

  request(request: ConversationRequest): Promise<string> {
    if (request.method === 'resources/subscribe' || request.method === 'resources/unsubscribe')
      return this.#subscribe(request);
    const { method, params, meta, exchange, context, timeoutMs, definition } = request;
    const envelope = this.#envelope.text(exchange);
    // Written out, because spreading costs several times as much, and this is every call.
    return this.#link.peer.request({ method, params, meta, exchange, context, timeoutMs, definition, envelope });
  }

  notify(method: string, paramsText: string): void {
    // The only notification a client sends in this revision is a cancellation, and the peer sends those.
    if (method !== 'notifications/roots/list_changed') this.#link.peer.notify(method, paramsText);
  }

  onNotification(listener: (method: string, params: Readonly<Record<string, unknown>>) => void): () => void {
    return this.#link.onNotification(listener);
  }

  onEnd(listener: (reason: Error | undefined) => void): void {
    this.#link.onEnd(listener);
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  async #subscribe(request: ConversationRequest): Promise<string> {
    const uri = JSON.parse(request.params.find((entry) => entry.key === 'uri')?.text ?? 'null') as unknown;
    if (typeof uri === 'string')
      await this.#listen.follow(uri, request.method === 'resources/subscribe', request.timeoutMs);
    return '{}';
  }
}
