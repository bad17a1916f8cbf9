/**
 * An incremental parser of event streams: bytes in, whole events out, however the bytes were cut. What is not
 * finished by a blank line is never delivered.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */

export interface SseEvent {
  /** `message` when the stream names none. */
  readonly event: string;
  /** Lines joined by a line feed. */
  readonly data: string;
}

export interface SseParserOptions {
  /** Longest line, in UTF-16 units. @default 6 MiB */
  readonly maxLine?: number;
  /** Longest data of one event, in UTF-16 units. @default 16 MiB */
  readonly maxData?: number;
}

/** The stream breaks a rule from which no parser recovers: a limit, or bytes that are not UTF-8. */
export class SseError extends Error {
  override readonly name = 'SseError';
  readonly reason: 'too-large' | 'not-utf-8';

  constructor(reason: 'too-large' | 'not-utf-8', message: string) {
    super(message);
    this.reason = reason;
  }
}

const MIB = 1024 * 1024;
const LF = 10;

export class SseParser {
  /** Id of the last event that ended; where a stream is resumed. Empty when there was none. */
  lastEventId = '';
  /** Milliseconds the server asked us to wait before reconnecting. */
  retryMs: number | undefined;
  readonly #onEvent: (event: SseEvent) => void;
  readonly #maxLine: number;
  readonly #maxData: number;
  // Strips a byte order mark at the start and keeps the head of a character that the next chunk ends.
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #line = '';
  #afterCarriageReturn = false;
  #data: string | undefined;
  #event = '';
  #id = '';

  constructor(onEvent: (event: SseEvent) => void, options: SseParserOptions = {}) {
    this.#onEvent = onEvent;
    this.#maxLine = options.maxLine ?? 6 * MIB;
    this.#maxData = options.maxData ?? 16 * MIB;
  }

  /** @throws SseError; the parser must not be used after one. */
  push(bytes: Uint8Array): void {
    let text: string;
    try {
      text = this.#decoder.decode(bytes, { stream: true });
    } catch {
      throw new SseError('not-utf-8', 'The event stream is not valid UTF-8.');
    }
    if (text !== '') this.#take(text);
  }

  #take(text: string): void {
    let start = this.#afterCarriageReturn && text.charCodeAt(0) === LF ? 1 : 0;
    this.#afterCarriageReturn = false;
    let feed = text.indexOf('\n', start);
    let carriage = text.indexOf('\r', start);
    while (feed >= 0 || carriage >= 0) {
      const end = carriage >= 0 && (feed < 0 || carriage < feed) ? carriage : feed;
      this.#grow(text.slice(start, end));
      start = end + 1;
      if (end === carriage) {
        if (start === text.length) this.#afterCarriageReturn = true;
        else if (text.charCodeAt(start) === LF) start++;
        carriage = text.indexOf('\r', start);
      }
      if (feed >= 0 && feed < start) feed = text.indexOf('\n', start);
      this.#endLine();
    }
    this.#grow(start === 0 ? text : text.slice(start));
  }

  #grow(part: string): void {
    if (this.#line.length + part.length > this.#maxLine) {
      throw new SseError('too-large', `A line of the event stream is longer than ${this.#maxLine} characters.`);
    }
    this.#line = this.#line === '' ? part : this.#line + part;
  }

  #endLine(): void {
    const line = this.#line;
    this.#line = '';
    if (line === '') {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    if (colon < 0) {
      this.#field(line, '');
      return;
    }
    this.#field(line.slice(0, colon), line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1));
  }

  #field(name: string, value: string): void {
    if (name === 'data') this.#addData(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id') {
      if (!value.includes('\0')) this.#id = value;
    } else if (name === 'retry' && /^\d{1,9}$/.test(value)) this.retryMs = Number(value);
  }

  #addData(value: string): void {
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
    if (this.#data.length > this.#maxData) {
      throw new SseError('too-large', `An event of the stream is longer than ${this.#maxData} characters.`);
    }
  }

  #dispatch(): void {
    const data = this.#data;
    const event = this.#event === '' ? 'message' : this.#event;
    this.lastEventId = this.#id;
    this.#data = undefined;
    this.#event = '';
    if (data !== undefined && data !== '') this.#onEvent({ event, data });
  }
}
