/** One request on its way through undici: from the moment it is wanted to the last byte of its answer. */

import { isUtf8 } from 'node:buffer';
import type { Dispatcher } from 'undici';

import { PlatformError } from '../../core/errors.ts';
import type { Clock, EgressRequest, EgressTextResponse } from '../../core/ports.ts';
import { EgressBody } from './egress-body.ts';
import { requestFailure } from './egress-failure.ts';

export interface ExchangeOptions {
  readonly request: EgressRequest;
  /** Scheme, host and port: all of the URL that may be shown. */
  readonly origin: string;
  readonly clock: Clock;
  /** Most bytes of a body that is collected. Without it no body is: each is handed on as it arrives. */
  readonly maxBytes: number | undefined;
  readonly resolve: (response: EgressTextResponse) => void;
  readonly reject: (error: PlatformError) => void;
}

type Headers = Readonly<Record<string, string>>;
type RawHeaders = Readonly<Record<string, string | string[] | undefined>>;

const NO_HEADERS: Headers = Object.freeze({});

/** Undici calls it; nothing here throws but what is meant for undici. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions;
  #phase: 'waiting' | 'collecting' | 'streaming' | 'over' = 'waiting';
  /** Present once the request is being written. */
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #headers: Headers = NO_HEADERS;
  #chunks: Buffer[] = [];
  #size = 0;
  #body: EgressBody | undefined;
  #stopTimer: (() => void) | undefined;
  #stopListening: (() => void) | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    const { signal, timeoutMs } = options.request;
    if (signal !== undefined) this.#listen(signal);
    if (this.#phase === 'waiting' && timeoutMs !== Number.POSITIVE_INFINITY) this.#startTimer(timeoutMs);
  }

  get isOver(): boolean {
    return this.#phase === 'over';
  }

  /** Ends the request at once, at any time. */
  close(): void {
    if (this.#phase === 'over') return;
    const error = Object.assign(new Error('closed from this side'), { code: 'ECONNRESET' });
    this.fail(requestFailure(error, this.#options.origin, this.#options.request.signal));
  }

  /** Ends the request with whatever went wrong. */
  fail(error: unknown): void {
    if (this.#phase === 'over') return;
    const { request, origin, reject } = this.#options;
    const sent = this.#controller !== undefined;
    const failure = requestFailure(error, origin, request.signal, sent);
    this.#finish();
    if (this.#body === undefined) reject(failure);
    else this.#body.end(failure);
    this.#controller?.abort(failure);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Thrown errors drop a request that is not written yet, and keep the connection for the next one.
    if (this.#phase === 'over') throw new Error('Nobody waits for this request any more.');
    if (this.#controller !== undefined)
      throw Object.assign(new Error('A request is written once.'), { code: 'ECONNRESET' });
    this.#controller = controller;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: RawHeaders): void {
    if (status < 200 || this.#phase === 'over') return;
    this.#status = status;
    this.#headers = flatHeaders(headers);
    const { maxBytes } = this.#options;
    const streams = maxBytes === undefined || this.#headers['content-type']?.startsWith('text/event-stream') === true;
    this.#phase = streams ? 'streaming' : 'collecting';
    if (streams) this.#stream(controller);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase === 'streaming') this.#body?.push(chunk);
    else if (this.#phase === 'collecting') this.#collect(chunk);
  }

  onResponseEnd(): void {
    if (this.#phase === 'over') return;
    const { origin, reject, resolve } = this.#options;
    this.#finish();
    if (this.#body !== undefined) {
      this.#body.end();
      return;
    }
    const [first] = this.#chunks;
    const bytes = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#size);
    if (isUtf8(bytes))
      resolve({ status: this.#status, headers: this.#headers, text: withoutMark(bytes.toString('utf8')) });
    else reject(notUtf8(origin, this.#headers['content-encoding']));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  #stream(controller: Dispatcher.DispatchController): void {
    const close = (): void => this.close();
    const body = new EgressBody(controller, close);
    this.#body = body;
    this.#stopTimer?.();
    this.#options.resolve({ status: this.#status, headers: this.#headers, body, close });
  }

  #collect(chunk: Buffer): void {
    const { maxBytes = 0, origin } = this.#options;
    this.#size += chunk.length;
    if (this.#size > maxBytes) this.fail(tooLarge(origin, maxBytes));
    else this.#chunks.push(chunk);
  }

  #finish(): void {
    this.#phase = 'over';
    this.#stopTimer?.();
    this.#stopListening?.();
  }

  #listen(signal: AbortSignal): void {
    const abort = (): void => this.fail(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    this.#stopListening = () => signal.removeEventListener('abort', abort);
  }

  #startTimer(timeoutMs: number): void {
    const { clock, origin } = this.#options;
    this.#stopTimer = clock.after(timeoutMs, () => {
      const message = `${origin} did not answer within ${timeoutMs} ms. Check the server, or raise its timeoutMs.`;
      this.fail(new PlatformError('TARGET_TIMEOUT', message, { origin, timeoutMs }));
    });
  }
}

/** A byte order mark says how the text is encoded and is no part of it. */
function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

/** Undici gives one text for a header, or a list where it came more than once. Nearly no answer has a list. */
function flatHeaders(headers: RawHeaders): Headers {
  let lists = false;
  for (const name in headers) if (typeof headers[name] !== 'string') lists = true;
  if (!lists) return headers as Headers;
  // No prototype, because the names come from outside.
  const out = Object.create(null) as Record<string, string>;
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    out[name] = typeof value === 'string' ? value : (value ?? []).join(', ');
  }
  return out;
}

function tooLarge(origin: string, maxBytes: number): PlatformError {
  const message = `${origin} answered with more than ${maxBytes} bytes. Ask it for less, for example by page.`;
  return new PlatformError('TARGET_RESPONSE_TOO_LARGE', message, { origin, maxBytes });
}

function notUtf8(origin: string, encoding: string | undefined): PlatformError {
  const what =
    encoding === undefined ? 'text that is not UTF-8' : `an encoding that nobody asked for (${encoding.slice(0, 40)})`;
  const message = `${origin} answered with ${what}. Check that server.`;
  return new PlatformError('TARGET_PROTOCOL_ERROR', message, { origin });
}
