/** A Server-Sent Events stream: bounded, kept alive, and usable before the host has opened it. */

import type { Clock } from '../core/ports.ts';
import type { Reply, Sink } from './reply.ts';

/**
 * A client on whose stream more than this waits gets nothing more: its stream ends (it may resume or call again). It is
 * asked before a message is written, so an answer of any size leaves, and there is room for another one behind it.
 */
const MAX_BUFFERED_BYTES = 8 * 1_048_576;
/** So much may wait of what a client can do without. */
const MAX_TOLD_BYTES = 1_048_576;
const HEARTBEAT_MS = 15_000;

const SSE_HEADERS = Object.freeze({
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
});

export class EventStream {
  readonly #clock: Clock;
  #sink: Sink | undefined;
  #waiting: string[] = [];
  #waitingCharacters = 0;
  #ended = false;
  #closeListeners: (() => void)[] = [];
  #stopHeartbeat: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The stream has ended, by us or by the client. */
  get ended(): boolean {
    return this.#ended;
  }

  reply(headers: Readonly<Record<string, string>> = {}): Reply {
    return { status: 200, headers: { ...SSE_HEADERS, ...headers }, body: { open: (sink) => this.#open(sink) } };
  }

  #open(sink: Sink): void {
    this.#sink = sink;
    sink.onClose(() => this.#closed());
    for (const text of this.#waiting) sink.write(text);
    this.#waiting = [];
    if (this.#ended) sink.end();
    else this.#beat();
  }

  #beat(): void {
    this.#stopHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      this.#write(': keep-alive\n\n');
      if (!this.#ended) this.#beat();
    });
  }

  /** Whether a message that the client can do without may be sent too; one that reads slowly gets the others alone. */
  hasRoomFor(messageText: string): boolean {
    return (this.#sink?.buffered ?? this.#waitingCharacters) + messageText.length <= MAX_TOLD_BYTES;
  }

  #write(text: string): void {
    if (this.#ended) return;
    if (this.#sink === undefined) {
      this.#waiting.push(text);
      this.#waitingCharacters += text.length;
      return;
    }
    if (this.#sink.buffered <= MAX_BUFFERED_BYTES) {
      this.#sink.write(text);
      return;
    }
    // A polite end would wait behind what is not read, and hold its memory for as long.
    this.#sink.abort();
    this.#closed();
  }

  /** Sends one JSON-RPC message. Line breaks between tokens would end the SSE line, so they become spaces. */
  send(messageText: string, id?: string): void {
    const data = /[\r\n]/.test(messageText) ? messageText.replaceAll(/[\r\n]+/g, ' ') : messageText;
    this.#write(`${id === undefined ? '' : `id: ${id}\n`}event: message\ndata: ${data}\n\n`);
  }

  /** Sends an event that is no JSON-RPC message (`endpoint`, the priming event of 2025-11-25). */
  sendRaw(lines: string): void {
    this.#write(`${lines}\n\n`);
  }

  end(): void {
    if (this.#ended) return;
    this.#sink?.end();
    this.#closed();
  }

  #closed(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopHeartbeat?.();
    for (const run of this.#closeListeners) run();
    this.#closeListeners = [];
  }

  onClose(run: () => void): void {
    if (this.#ended) run();
    else this.#closeListeners.push(run);
  }
}
