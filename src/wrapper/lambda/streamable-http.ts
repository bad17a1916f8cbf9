/**
 * Streamable HTTP without sessions, one request for itself: checks what HTTP says, takes the messages apart, and puts
 * the answers together as one document, or as an event stream when something was said before the answer.
 */

import type { Message } from '../../protocol/message.ts';
import type { HttpAnswer, HttpRequest } from './http-event.ts';
import type { PlatformError } from '../../core/errors.ts';
import { toPlatformError } from '../../core/errors.ts';
import { arrayElements } from '../../core/json.ts';
import { checkEnvelope, isModern } from '../../protocol/era-2026.ts';
import { errorMessage, toRpcError } from '../../protocol/json-rpc.ts';
import { checkEncoding, mediaType } from '../../protocol/media.ts';
import { MessageError, decodeMessage } from '../../protocol/message.ts';
import { decodeUtf8 } from '../../protocol/utf8.ts';
import { SUPPORTED_VERSIONS, isLegacyVersion } from '../../protocol/versions.ts';

/** Answers the single messages of a request. */
export interface Answerer {
  /** @returns the whole JSON-RPC response. Never rejects. */
  respond(message: Message, at: AnswerAt): Promise<Response>;
  readonly requestId: string;
}

export interface AnswerAt {
  /** The message as it arrived. */
  readonly text: string;
  readonly headers: HttpRequest['headers'];
  /** Sends one JSON-RPC message before the answer; absent when the client takes no event stream. */
  readonly tell: ((messageText: string) => void) | undefined;
}

export interface Response {
  readonly status: number;
  readonly text: string;
}

/** Where an answer goes while it is being made. Without one it is collected. */
export interface ResponseStream {
  /** Sends the head; called once, before anything is written. */
  open(statusCode: number, headers: Readonly<Record<string, string>>): void;
  write(text: string): void;
  end(): void;
  /** Calls back after `delayMs`, unless the returned function is called before. */
  after(delayMs: number, run: () => void): () => void;
}

export interface HttpOptions {
  /** Value of `Access-Control-Allow-Origin`; `false` leaves these headers to the function's URL. */
  readonly cors: string | false;
}

const MAX_BATCH = 100;
const JSON_HEADERS = Object.freeze({ 'Content-Type': 'application/json' });
const SSE_HEADERS = Object.freeze({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache, no-transform' });
const ALLOW = Object.freeze({ Allow: 'POST, OPTIONS' });
/** Milliseconds of silence before a stream says that it is alive. */
const HEARTBEAT_MS = 15_000;
/** Milliseconds after which an unanswered request gets its stream, so that nobody on the way gives up. */
const OPEN_AFTER_MS = 5_000;

/** A request that gets no further than this. */
class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/**
 * Answers one HTTP request. Never rejects.
 *
 * @returns the answer, or nothing when it went into `stream`.
 */
export async function answerHttp(
  request: HttpRequest,
  answerer: Answerer,
  options: HttpOptions,
  stream?: ResponseStream,
): Promise<HttpAnswer | undefined> {
  const cors = corsHeaders(options.cors);
  let answer: HttpAnswer | undefined;
  try {
    if (request.method === 'OPTIONS') answer = { statusCode: 200, headers: cors, body: '' };
    else answer = await exchange(request, answerer, cors, stream);
  } catch (error) {
    answer = refusalAnswer(error, answerer, cors);
  }
  if (stream === undefined || answer === undefined) return answer;
  stream.open(answer.statusCode, answer.headers);
  if (answer.body !== '') stream.write(answer.body);
  stream.end();
  return undefined;
}

function corsHeaders(origin: string | false): Record<string, string> {
  if (origin === false) return {};
  return {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Methods': 'POST, GET, OPTIONS',
    'Access-Control-Allow-Headers':
      'Content-Type, Accept, Authorization, Last-Event-ID, Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name',
  };
}

function refusalAnswer(error: unknown, { requestId }: Answerer, cors: Record<string, string>): HttpAnswer {
  const isRefusal = error instanceof Refusal;
  const failure = error instanceof MessageError ? error.error : error;
  const rpc = isRefusal
    ? { code: error.code, message: error.message }
    : toRpcError(failure, { modern: true, requestId });
  return {
    statusCode: isRefusal ? error.status : toPlatformError(failure).status,
    headers: { ...JSON_HEADERS, ...cors, ...(isRefusal ? error.headers : {}) },
    body: errorMessage(error instanceof MessageError ? error.idText : 'null', rpc),
  };
}

async function exchange(
  request: HttpRequest,
  answerer: Answerer,
  cors: Record<string, string>,
  stream: ResponseStream | undefined,
): Promise<HttpAnswer | undefined> {
  checkHead(request);
  const { texts, isBatch } = readTexts(request.body);
  const messages = texts.map(readMessage);
  checkRevision(messages, request.headers, isBatch);
  const waiting = messages.flatMap((message, index) =>
    message.kind === 'request' ? [{ message, text: texts[index] ?? '' }] : [],
  );
  if (waiting.length === 0) return { statusCode: 202, headers: cors, body: '' };
  const outlet = new Outlet(accepts(request, 'text/event-stream'), cors, stream);
  const respond = ({ message, text }: { message: Message; text: string }): Promise<Response> =>
    answerer.respond(message, { text, headers: request.headers, tell: outlet.tell });
  const responses = await Promise.all(waiting.map(respond));
  return outlet.finish(responses, isBatch);
}

/** @throws Refusal */
function checkHead(request: HttpRequest): void {
  const { method, headers } = request;
  if (method === 'GET')
    throw new Refusal(405, -32000, 'Method Not Allowed: a function keeps no stream to listen on', ALLOW);
  if (method !== 'POST') throw new Refusal(405, -32000, 'Method Not Allowed', ALLOW);
  if (!accepts(request, 'application/json'))
    throw new Refusal(406, -32000, 'Not Acceptable: Client must accept application/json');
  const type = headers['content-type'];
  if (mediaType(type) !== 'application/json')
    throw new Refusal(415, -32000, 'Unsupported Media Type: Content-Type must be application/json');
  try {
    checkEncoding(headers);
  } catch (error) {
    throw new Refusal(415, -32000, (error as Error).message);
  }
}

/** Whether a type is among those that the client takes, by its own name or a wildcard. */
function accepts({ headers }: HttpRequest, type: string): boolean {
  const wanted = [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*'];
  return (headers['accept'] ?? '').split(',').some((range) => {
    const isRefused = /;\s*q=0(?:\.0*)?\s*$/.test(range);
    return !isRefused && wanted.includes(mediaType(range) ?? '');
  });
}

/** @throws Refusal, PlatformError `PARSE_ERROR`. */
function readTexts(body: Uint8Array): { readonly texts: readonly string[]; readonly isBatch: boolean } {
  const text = decodeUtf8(body);
  if (text.trim() === '') throw new Refusal(400, -32700, 'Parse error: Empty request body');
  if (!text.trimStart().startsWith('[')) return { texts: [text], isBatch: false };
  const texts = arrayElements(text);
  if (texts === undefined) throw new Refusal(400, -32700, 'Parse error: Invalid JSON');
  if (texts.length === 0) throw new Refusal(400, -32600, 'Invalid Request: the batch is empty');
  if (texts.length > MAX_BATCH)
    throw new Refusal(400, -32600, `Invalid Request: a batch has at most ${MAX_BATCH} messages`);
  return { texts, isBatch: true };
}

/** @throws MessageError */
function readMessage(text: string): Message {
  return decodeMessage(text);
}

/** @throws Refusal, PlatformError of the request ladder. */
function checkRevision(messages: readonly Message[], headers: HttpRequest['headers'], isBatch: boolean): void {
  for (const message of messages) {
    if (!isModern(message)) continue;
    if (isBatch) throw new Refusal(400, -32600, 'Invalid Request: revision 2026-07-28 has no batches');
    try {
      checkEnvelope(message, headers);
    } catch (error) {
      throw new MessageError(error as PlatformError, message.idText);
    }
    return;
  }
  const version = headers['mcp-protocol-version']?.trim();
  if (version === undefined || isLegacyVersion(version)) return;
  const supported = SUPPORTED_VERSIONS.join(', ');
  throw new Refusal(400, -32600, `Unsupported protocol version: ${version.slice(0, 40)} (supported: ${supported})`);
}

/** What goes out for one request: a document, unless something is said before the answer. */
class Outlet {
  readonly tell: ((messageText: string) => void) | undefined;
  readonly #cors: Record<string, string>;
  readonly #stream: ResponseStream | undefined;
  /** Messages told so far, where nothing can be sent yet. */
  readonly #told: string[] = [];
  #open = false;
  #finished = false;
  #stopTimer: (() => void) | undefined;

  constructor(acceptsEvents: boolean, cors: Record<string, string>, stream: ResponseStream | undefined) {
    this.#cors = cors;
    this.#stream = stream;
    if (!acceptsEvents) return;
    this.tell = (messageText) => this.#tell(messageText);
    this.#stopTimer = stream?.after(OPEN_AFTER_MS, () => this.#beat());
  }

  /** @returns the whole answer, or nothing when it went into the stream. */
  finish(responses: readonly Response[], isBatch: boolean): HttpAnswer | undefined {
    this.#finished = true;
    this.#stopTimer?.();
    if (this.#open) {
      for (const { text } of responses) this.#stream?.write(event(text));
      this.#stream?.end();
      return undefined;
    }
    const texts = responses.map(({ text }) => text);
    if (this.#told.length > 0)
      return {
        statusCode: 200,
        headers: { ...SSE_HEADERS, ...this.#cors },
        body: [...this.#told, ...texts].map(event).join(''),
      };
    return {
      statusCode: isBatch ? 200 : (responses[0]?.status ?? 200),
      headers: { ...JSON_HEADERS, ...this.#cors },
      body: isBatch ? `[${texts.join(',')}]` : (texts[0] ?? ''),
    };
  }

  #tell(messageText: string): void {
    if (this.#finished) return;
    if (this.#stream === undefined) {
      this.#told.push(messageText);
      return;
    }
    this.#opened().write(event(messageText));
  }

  #opened(): ResponseStream {
    const stream = this.#stream as ResponseStream;
    if (!this.#open) stream.open(200, { ...SSE_HEADERS, ...this.#cors });
    this.#open = true;
    return stream;
  }

  #beat(): void {
    this.#opened().write(': keep-alive\n\n');
    this.#stopTimer = this.#stream?.after(HEARTBEAT_MS, () => this.#beat());
  }
}

/** Line breaks between tokens would end the line, so they become spaces. */
function event(messageText: string): string {
  const data = /[\r\n]/.test(messageText) ? messageText.replaceAll(/[\r\n]+/g, ' ') : messageText;
  return `event: message\ndata: ${data}\n\n`;
}
