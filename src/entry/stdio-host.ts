/**
 * MCP over stdin and stdout in front of the gateway: each line is a request as HTTP would bring it, each answer and each
 * message of a stream a line. It translates and decides nothing; revisions, sessions and rights are the gateway's.
 *
 * What HTTP says with headers and connections is said here for the client: the mirrored headers of a modern message, the
 * session of a legacy one, the stream of what the server says by itself, and `notifications/cancelled` as the end of a
 * request.
 */

import { isObject, scan } from '../core/json.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { isStream } from '../gateway/reply.ts';
import type { Reply, Sink } from '../gateway/reply.ts';
import type { HttpRequest } from '../http/pipeline.ts';
import type { Place } from '../http/places.ts';
import { headerParameters, isModern, mirrorArguments, mirrorHeaders } from '../protocol/era-2026.ts';
import type { HeaderParameter } from '../protocol/era-2026.ts';
import { decodeMessage } from '../protocol/message.ts';
import type { Message } from '../protocol/message.ts';
import { LineReader } from '../wrapper/line-reader.ts';

/** Answers a request as a host would bring it. Never rejects. */
export type Handle = (request: HttpRequest) => Promise<Reply>;

export interface StdioHostOptions {
  readonly handle: Handle;
  /** `/mcp`, or `/mcp/{target}`. */
  readonly path: string;
  readonly input: AsyncIterable<Uint8Array>;
  /** Takes one line with its end. */
  readonly write: (line: string) => void;
  /** Bytes that the client has not taken yet. */
  readonly buffered?: () => number;
  /** What must not leave is replaced. */
  readonly redact?: (text: string) => string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long requests may go on once the input has ended. @default 10 s */
  readonly drainMs?: number;
}

/** Longest message that is taken. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const DRAIN_MS = 10_000;
/** A stream of the server that has ended is opened again after this. */
const REOPEN_MS = 1_000;

interface Flight {
  /** Not awaited at the end: it would never end by itself. */
  readonly isListening: boolean;
  readonly disconnect: () => void;
}

export class StdioHost {
  readonly #options: StdioHostOptions;
  readonly #flights = new Set<Flight>();
  /** Requests of the modern revision by the text of their id. */
  readonly #modern = new Map<string, Flight>();
  /** Arguments that calls over HTTP mirror in headers, by tool, as far as the client has listed them. */
  readonly #parameters = new Map<string, readonly HeaderParameter[]>();
  #session: string | undefined;
  #version: string | undefined;
  /** A handshake decides what later messages carry, so they wait for it. */
  #handshake: Promise<unknown> | undefined;
  #isClosed = false;
  #idle: () => void = () => {};

  constructor(options: StdioHostOptions) {
    this.#options = options;
  }

  /** Serves until the input ends and its requests are answered, or until {@link close}. */
  async run(): Promise<void> {
    const reader = new LineReader(
      {
        line: (text) => void this.#take(text),
        // The gateway refuses it in its own words.
        invalid: (text) => void this.#take(text),
        oversized: ({ bytes }) => this.#refuse(`The message has ${bytes} bytes; at most ${MAX_LINE_BYTES} are taken.`),
      },
      MAX_LINE_BYTES,
    );
    for await (const chunk of this.#options.input) {
      if (this.#isClosed) return;
      reader.push(Buffer.from(chunk));
    }
    reader.end();
    await this.#drain();
    this.close();
  }

  /** Ends every request; nothing is written afterwards. */
  close(): void {
    this.#isClosed = true;
    for (const flight of this.#flights) flight.disconnect();
    this.#idle();
  }

  async #drain(): Promise<void> {
    await this.#handshake;
    const { clock, drainMs = DRAIN_MS } = this.#options;
    if (!this.#isBusy) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      clock.after(drainMs, resolve);
    });
  }

  get #isBusy(): boolean {
    return [...this.#flights].some((flight) => !flight.isListening);
  }

  // -- messages in -----------------------------------------------------------------------------------------

  async #take(text: string): Promise<void> {
    const message = readMessage(text);
    if (this.#handshake !== undefined) await this.#handshake;
    if (message !== undefined && this.#isCancellation(message)) return;
    const work = this.#post(text, message);
    if (message?.method === 'initialize') {
      this.#handshake = work;
      await work;
      this.#handshake = undefined;
    }
    if (message?.method === 'notifications/initialized') void work.then(() => this.#listen());
  }

  /** Of a modern request: its end, which HTTP tells by closing the connection. */
  #isCancellation(message: Message): boolean {
    if (message.method !== 'notifications/cancelled') return false;
    const flight = this.#modern.get(JSON.stringify(message.parsed['requestId']));
    flight?.disconnect();
    return flight !== undefined || isModern(message);
  }

  async #post(text: string, message: Message | undefined): Promise<void> {
    const request = this.#request('POST', this.#headers(message), text);
    const isListening = message?.method === 'subscriptions/listen';
    const flight = { isListening, disconnect: request.disconnect };
    const key = message !== undefined && message.kind === 'request' && isModern(message) ? message.idText : undefined;
    if (key !== undefined) this.#modern.set(key, flight);
    this.#flights.add(flight);
    try {
      const reply = await this.#options.handle(request);
      if (message?.method === 'initialize') this.#open(reply);
      await this.#answer(reply, message);
    } finally {
      if (key !== undefined && this.#modern.get(key) === flight) this.#modern.delete(key);
      this.#flights.delete(flight);
      if (!this.#isBusy) this.#idle();
    }
  }

  #headers(message: Message | undefined): Record<string, string> {
    const common = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    if (message !== undefined && isModern(message))
      return { ...common, ...mirrorHeaders(message), ...this.#argumentHeaders(message) };
    return { ...common, ...this.#sessionHeaders() };
  }

  #argumentHeaders(message: Message): Readonly<Record<string, string>> {
    const { name } = message.parsed;
    const parameters = typeof name === 'string' ? this.#parameters.get(name) : undefined;
    return parameters === undefined ? {} : mirrorArguments(parameters, message.parsed['arguments']);
  }

  #sessionHeaders(): Record<string, string> {
    return {
      ...(this.#session === undefined ? {} : { 'mcp-session-id': this.#session }),
      ...(this.#version === undefined ? {} : { 'mcp-protocol-version': this.#version }),
    };
  }

  #request(method: string, headers: Record<string, string>, text = ''): HttpRequest & { disconnect: () => void } {
    const listeners: (() => void)[] = [];
    let isGone = false;
    return {
      method,
      path: this.#options.path,
      query: '',
      headers: { host: '127.0.0.1', ...headers },
      duplicates: [],
      readBody(place?: Place) {
        place?.take();
        return Promise.resolve(Buffer.from(text));
      },
      onDisconnect(run) {
        if (isGone) run();
        else listeners.push(run);
      },
      disconnect() {
        if (isGone) return;
        isGone = true;
        for (const run of listeners) run();
      },
    };
  }

  // -- messages out ----------------------------------------------------------------------------------------

  /** A new session: what comes next belongs to it. */
  #open(reply: Reply): void {
    this.#session = reply.headers['mcp-session-id'];
    const result = isStream(reply.body) ? undefined : parse(textOf(reply.body))?.['result'];
    const version = isObject(result) ? result['protocolVersion'] : undefined;
    this.#version = typeof version === 'string' ? version : undefined;
  }

  async #answer(reply: Reply, message: Message | undefined): Promise<void> {
    if (isStream(reply.body)) return this.#stream(reply.body, message);
    const text = textOf(reply.body);
    if (text === '') return;
    this.#learn(message, text);
    // What is refused before it is read has no id, and a client could not tell which of its requests is meant.
    const isUnnamed = message?.kind === 'request' && message.idText !== 'null' && parse(text)?.['id'] === null;
    if (isUnnamed) this.#write(text.replace(/"id":\s*null/, `"id":${message.idText}`));
    else if (message === undefined || message.kind === 'request' || text.startsWith('[')) this.#write(text);
    else this.#options.log.log('warn', 'message-refused', { method: message.method, answer: text.slice(0, 500) });
  }

  #stream(body: { open(sink: Sink): void }, message: Message | undefined): Promise<void> {
    return new Promise((resolve) => {
      const closers: (() => void)[] = [];
      const end = (): void => {
        for (const run of closers.splice(0)) run();
        resolve();
      };
      const { buffered } = this.#options;
      const flight = {
        isListening: message?.method === 'subscriptions/listen' || message === undefined,
        disconnect: end,
      };
      this.#flights.add(flight);
      closers.push(() => this.#flights.delete(flight));
      const events = new EventReader((data) => {
        this.#learn(message, data);
        this.#write(data);
      });
      body.open({
        write: (text) => events.push(text),
        end,
        abort: end,
        get buffered() {
          return buffered?.() ?? 0;
        },
        onClose: (run) => void closers.push(run),
      });
    });
  }

  /** What the server says by itself; until the client or the gateway ends the session. */
  async #listen(): Promise<void> {
    if (this.#session === undefined || this.#isClosed) return;
    const { session } = { session: this.#session };
    const headers = { accept: 'text/event-stream', ...this.#sessionHeaders() };
    const reply = await this.#options.handle(this.#request('GET', headers));
    if (!isStream(reply.body)) return;
    await this.#stream(reply.body, undefined);
    if (!this.#isClosed && this.#session === session) this.#options.clock.after(REOPEN_MS, () => void this.#listen());
  }

  /** Remembers which arguments of listed tools are mirrored in headers. */
  #learn(message: Message | undefined, text: string): void {
    if (message?.method !== 'tools/list' || !text.includes('"x-mcp-header"')) return;
    const result = parse(text)?.['result'];
    const tools = isObject(result) && Array.isArray(result['tools']) ? (result['tools'] as unknown[]) : [];
    for (const tool of tools) {
      if (!isObject(tool) || typeof tool['name'] !== 'string') continue;
      const parameters = headerParameters(tool['inputSchema']);
      if (parameters.length > 0) this.#parameters.set(tool['name'], parameters);
    }
  }

  #refuse(message: string): void {
    this.#write(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32600, message } }));
  }

  #write(text: string): void {
    if (this.#isClosed) return;
    const { redact, write } = this.#options;
    // Line breaks between tokens would end the line.
    const line = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, ' ') : text;
    write(`${redact === undefined ? line : redact(line)}\n`);
  }
}

/** Puts the data of events together; the gateway writes one line of data for each. */
class EventReader {
  readonly #onData: (data: string) => void;
  #rest = '';

  constructor(onData: (data: string) => void) {
    this.#onData = onData;
  }

  push(text: string): void {
    const events = (this.#rest + text).split('\n\n');
    this.#rest = events.pop() ?? '';
    for (const event of events) {
      const data = event
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(line.startsWith('data: ') ? 6 : 5))
        .join('\n');
      // The event that only names itself is for clients that resume.
      if (data !== '') this.#onData(data);
    }
  }
}

function readMessage(text: string): Message | undefined {
  try {
    return decodeMessage(text);
  } catch {
    return undefined;
  }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const { value } = scan(text, 0);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function textOf(body: string | readonly (string | Uint8Array)[]): string {
  if (typeof body === 'string') return body;
  return body.map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString('utf8'))).join('');
}
