/**
 * What a legacy session was sent, kept for a while so that a client whose connection broke can read on from the last
 * event it saw. Each stream has a log of its own: nothing is replayed across streams.
 */

import type { Clock } from '../core/ports.ts';
import type { EventStream } from './event-stream.ts';

const MAX_EVENTS = 256;
const MAX_BYTES = 1_048_576;
/** A finished stream can be read to its end for this long. */
const KEEP_MS = 5 * 60_000;
const MAX_STREAMS = 64;

interface Logged {
  readonly sequence: number;
  readonly text: string;
}

export class LoggedStream {
  readonly name: string;
  readonly #events: Logged[] = [];
  #bytes = 0;
  #sequence = 0;
  #attached: EventStream | undefined;
  ended = false;

  constructor(name: string) {
    this.name = name;
  }

  get isAttached(): boolean {
    return this.#attached !== undefined && !this.#attached.ended;
  }

  /** Whether a message that the client can do without may be sent too. Without a client it is kept for the next one. */
  hasRoomFor(messageText: string): boolean {
    return this.#attached?.hasRoomFor(messageText) ?? true;
  }

  send(text: string): void {
    const sequence = ++this.#sequence;
    this.#events.push({ sequence, text });
    this.#bytes += text.length;
    while (this.#events.length > MAX_EVENTS || (this.#bytes > MAX_BYTES && this.#events.length > 1)) {
      this.#bytes -= this.#events.shift()?.text.length ?? 0;
    }
    this.#attached?.send(text, `${this.name}.${sequence}`);
  }

  /** The empty first event of 2025-11-25, from which a client can resume before anything was said. */
  prime(stream: EventStream): void {
    stream.sendRaw(`id: ${this.name}.0\nretry: 1000\ndata: `);
  }

  /** Sends what came after `sequence` and everything from now on. The stream before is let go. */
  attach(stream: EventStream, sequence = 0): void {
    this.#attached?.end();
    this.#attached = stream;
    stream.onClose(() => {
      if (this.#attached === stream) this.#attached = undefined;
    });
    for (const event of this.#events)
      if (event.sequence > sequence) stream.send(event.text, `${this.name}.${event.sequence}`);
    if (this.ended) stream.end();
  }

  finish(): void {
    this.ended = true;
    this.#attached?.end();
  }
}

export class EventLog {
  readonly #clock: Clock;
  readonly #streams = new Map<string, LoggedStream>();
  #opened = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isAttached(): boolean {
    return [...this.#streams.values()].some((stream) => stream.isAttached);
  }

  /** @param kind - `g` for a GET stream, `p` for the answer to a POST. */
  open(kind: 'g' | 'p'): LoggedStream {
    const stream = new LoggedStream(`${kind}${++this.#opened}`);
    this.#streams.set(stream.name, stream);
    if (this.#streams.size > MAX_STREAMS) this.#dropOldest();
    return stream;
  }

  #dropOldest(): void {
    for (const [name, stream] of this.#streams) {
      if (stream.isAttached) continue;
      this.#streams.delete(name);
      return;
    }
  }

  finish(stream: LoggedStream): void {
    stream.finish();
    this.#clock.after(KEEP_MS, () => this.#streams.delete(stream.name));
  }

  /** The stream that an event id names, and how far the client has read. */
  find(eventId: string): { readonly stream: LoggedStream; readonly sequence: number } | undefined {
    const [name = '', sequence = ''] = eventId.split('.');
    const stream = this.#streams.get(name);
    return stream === undefined || !/^\d{1,15}$/.test(sequence) ? undefined : { stream, sequence: Number(sequence) };
  }

  /** The newest GET stream that somebody reads: server-to-client messages go to one stream only. */
  listener(): LoggedStream | undefined {
    return [...this.#streams.values()].toReversed().find((stream) => stream.name.startsWith('g') && stream.isAttached);
  }

  /** The newest GET stream, read or not: a client that resumes it gets what it missed. */
  latest(): LoggedStream | undefined {
    return this.listener() ?? [...this.#streams.values()].toReversed().find((stream) => stream.name.startsWith('g'));
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.finish();
    this.#streams.clear();
  }
}
