/** What carries messages to one server and back, and the peer that speaks over it. */

import type { Clock } from '../core/ports.ts';
import type { Outgoing } from './peer.ts';
import { JsonRpcPeer } from './peer.ts';

/** Where a channel reports to. */
export interface ChannelSink {
  /** One whole message. `owner` is the id of the request on whose own stream it came, if it has one. */
  message(text: string, owner?: number): void;
  /** A message that cannot be read (invalid UTF-8); its request hears of it when its id is legible. */
  unreadable(text: string, reason: string): void;
  /** One request cannot be answered any more. */
  failed(id: number, error: Error): void;
  /** None of the requests in flight can be answered any more, yet the channel goes on. */
  failedAll(error: Error): void;
  /** The channel is gone. Called once; `reason` is absent when it was closed on request. */
  ended(reason?: Error): void;
}

export interface Channel {
  /** Called once, before anything is sent. */
  connect(sink: ChannelSink): void;
  /** @throws PlatformError `TARGET_UNAVAILABLE` when the message cannot even be queued. */
  send(text: string, outgoing: Outgoing): void;
  /** The revision that was agreed on, for transports that name it in a header. */
  negotiated?(protocolVersion: string): void;
  close(): Promise<void>;
}

export interface LinkOptions {
  /** Name of the target, for error messages. */
  readonly target: string;
  readonly clock: Clock;
  /** Every line that was dropped. */
  readonly onGarbage?: (text: string, reason: string) => void;
}

type NotificationListener = (method: string, params: Readonly<Record<string, unknown>>) => void;

/** A channel with its peer, before and after the handshake. Conversations are built on a link. */
export class PeerLink {
  readonly target: string;
  readonly clock: Clock;
  readonly peer: JsonRpcPeer;
  readonly #channel: Channel;
  readonly #notified = new Set<NotificationListener>();
  readonly #endListeners: ((reason: Error | undefined) => void)[] = [];
  #ended = false;
  #reason: Error | undefined;

  constructor(channel: Channel, options: LinkOptions) {
    this.target = options.target;
    this.clock = options.clock;
    this.#channel = channel;
    this.peer = new JsonRpcPeer({
      target: options.target,
      clock: options.clock,
      send: (text, outgoing) => {
        channel.send(text, outgoing);
      },
      onNotification: (method, params) => {
        for (const listener of this.#notified) listener(method, params);
      },
      ...(options.onGarbage === undefined ? {} : { onGarbage: options.onGarbage }),
    });
    channel.connect(this.#sink());
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Why the link ended without being asked to. */
  get endReason(): Error | undefined {
    return this.#reason;
  }

  negotiated(protocolVersion: string): void {
    this.#channel.negotiated?.(protocolVersion);
  }

  onNotification(listener: NotificationListener): () => void {
    this.#notified.add(listener);
    return () => this.#notified.delete(listener);
  }

  /** Calls back at once when the link has ended already. */
  onEnd(listener: (reason: Error | undefined) => void): void {
    if (this.#ended) listener(this.#reason);
    else this.#endListeners.push(listener);
  }

  /** Ends the conversation from this side, because what the server sends is of no use. */
  giveUp(reason: Error): void {
    this.#end(reason);
    void this.#channel.close();
  }

  async close(): Promise<void> {
    this.#end(undefined);
    await this.#channel.close();
  }

  #sink(): ChannelSink {
    const { peer } = this;
    return {
      message: (text, owner) => {
        peer.receive(text, owner);
      },
      unreadable: (text, reason) => {
        peer.refuse(text, reason);
      },
      failed: (id, error) => {
        peer.fail(id, error);
      },
      failedAll: (error) => {
        peer.failAll(error);
      },
      ended: (reason) => {
        this.#end(reason);
      },
    };
  }

  #end(reason: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reason = reason;
    this.peer.end(reason);
    for (const listener of this.#endListeners) listener(reason);
    this.#endListeners.length = 0;
  }
}
