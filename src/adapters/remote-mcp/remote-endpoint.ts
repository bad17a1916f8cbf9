/** One remote server as the channels see it: where it is, how to post to it, and what its HTTP answers mean. */

import { PlatformError, UpstreamRpcError } from '../../core/errors.ts';
import type { RequestContext } from '../../core/context.ts';
import { isObject } from '../../core/json.ts';
import type { Clock, Egress, EgressRequest, EgressTextResponse } from '../../core/ports.ts';
import { targetProtocolError, targetUnavailable } from '../../upstream/failures.ts';
import { SseError, SseParser } from './sse-parser.ts';
import type { SseEvent } from './sse-parser.ts';

export interface RemoteEndpoint {
  /** Name of the target, for error messages. */
  readonly target: string;
  readonly url: string;
  /** Sent with every request; values are resolved, so they hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the URL stands in the operator's configuration or came by HTTP. */
  readonly origin: EgressRequest['origin'];
  readonly egress: Egress;
  readonly clock: Clock;
  /** Longest JSON answer, in bytes. */
  readonly maxResponseBytes: number;
}

export interface Outbound {
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  /** @default the endpoint's own URL */
  readonly url?: string;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** Given a function that ends the request at once. */
  readonly onStart?: (cancel: () => void) => void;
}

/** Sent with every request; what the endpoint is configured to send comes last. @param more - Of one revision. */
export function baseHeaders(
  { headers }: RemoteEndpoint,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...more, ...headers };
}

/** What a conversation that has ended says to a message that comes after its end. */
export const conversationClosed = ({ target }: RemoteEndpoint): PlatformError =>
  targetUnavailable(target, 'has closed this conversation. Send the request again.');

/** Ends a conversation whose requests time out or find nobody. */
export const unreachable = ({ target }: RemoteEndpoint): PlatformError =>
  targetUnavailable(target, 'cannot be reached. Check that it is running.', { lost: true });

/** Says nothing about the era or about us: a gate in front, a wrong credential, an overload. */
const INCONCLUSIVE: ReadonlySet<number> = new Set([401, 403, 407, 408, 429]);

/** Codes of 2026-07-28 that speak about our own request line by line; relayed they would accuse our caller. */
const HEADER_MISMATCH = -32020;
const UNSUPPORTED_VERSION = -32022;

/** @throws PlatformError as `Egress.requestText` does. */
export function exchange(endpoint: RemoteEndpoint, outbound: Outbound): Promise<EgressTextResponse> {
  const request: EgressRequest = {
    url: outbound.url ?? endpoint.url,
    method: outbound.method,
    headers: outbound.headers,
    origin: endpoint.origin,
    timeoutMs: outbound.timeoutMs,
    body: outbound.body,
    signal: outbound.signal,
  };
  const { egress, maxResponseBytes } = endpoint;
  if (egress.requestText === undefined) return collectSlowly(endpoint, request);
  return egress.requestText(request, { maxBytes: maxResponseBytes, onStart: outbound.onStart });
}

/** For an egress without the short way; such a request ends by its signal or its time alone. */
async function collectSlowly(endpoint: RemoteEndpoint, request: EgressRequest): Promise<EgressTextResponse> {
  const { status, headers, body } = await endpoint.egress.request(request);
  if (isEventStream(headers)) return { status, headers, body };
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
  let text = '';
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > endpoint.maxResponseBytes) throw tooLarge(endpoint);
      text += decoder.decode(chunk, { stream: true });
    }
    text += decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw targetProtocolError(endpoint.target, 'the request', 'text that is not UTF-8');
    throw error;
  }
  return { status, headers, text };
}

function isEventStream(headers: Readonly<Record<string, string>>): boolean {
  return headers['content-type']?.startsWith('text/event-stream') === true;
}

/** JSON is expected without an encoding; anything else would need guessing. */
export function isPlainJson(headers: Readonly<Record<string, string>>): boolean {
  const type = headers['content-type'];
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') return false;
  return type !== undefined && /^application\/json\s*(;|$)/i.test(type);
}

export function notJson(target: string, method: string, headers: Readonly<Record<string, string>>): Error {
  const type = `${headers['content-type'] ?? 'none'}${headers['content-encoding'] === undefined ? '' : `, ${headers['content-encoding']}`}`;
  return targetProtocolError(
    target,
    method,
    `content of type ${type.slice(0, 100)} instead of JSON or an event stream`,
  );
}

function tooLarge(endpoint: RemoteEndpoint): PlatformError {
  const message = `target "${endpoint.target}" answered with more than ${endpoint.maxResponseBytes} bytes. Ask it for less, for example by page.`;
  return new PlatformError('TARGET_RESPONSE_TOO_LARGE', message, { target: endpoint.target });
}

/** Milliseconds that a request may wait, as its peer counts them. Endless ones get a time for the headers alone. */
export function waitMs(endpoint: RemoteEndpoint, context: RequestContext, timeoutMs: number): number {
  const left = Math.min(timeoutMs, context.deadlineMs - endpoint.clock.monotonicMs());
  return Number.isFinite(left) ? Math.max(1, left) : 30_000;
}

/** A stream that keeps us busy for longer at a time is read no faster than it is worked through. */
const BUSY_MS = 5;

/**
 * Hands on the events of a stream until it ends. After a piece that took long the stream is left alone for as long, so
 * that a flood leaves half of the time to everybody else.
 *
 * @throws PlatformError `TARGET_RESPONSE_TOO_LARGE`, `TARGET_PROTOCOL_ERROR` (not UTF-8), `TARGET_UNAVAILABLE`
 *   (the connection broke), `CALL_CANCELLED`.
 */
export async function readEvents(
  { target, clock }: Pick<RemoteEndpoint, 'target' | 'clock'>,
  body: AsyncIterable<Uint8Array>,
  parser: SseParser,
): Promise<void> {
  try {
    for await (const chunk of body) {
      const startMs = clock.monotonicMs();
      parser.push(chunk);
      const tookMs = clock.monotonicMs() - startMs;
      if (tookMs > BUSY_MS) await new Promise<void>((resolve) => void clock.after(tookMs, resolve));
    }
  } catch (error) {
    if (!(error instanceof SseError)) throw error;
    if (error.reason === 'not-utf-8') throw targetProtocolError(target, 'the request', 'text that is not UTF-8');
    throw new PlatformError(
      'TARGET_RESPONSE_TOO_LARGE',
      `target "${target}" broke a limit: ${error.message} Ask it for less.`,
      { target },
    );
  }
}

/** A parser whose messages, but for other kinds of events, are handed on. */
export function messageParser(onMessage: (text: string) => void): SseParser {
  return new SseParser((event: SseEvent) => {
    if (event.event === 'message') onMessage(event.data);
  });
}

type Addressed = Pick<RemoteEndpoint, 'target' | 'url'>;

export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/**
 * What an answer other than 2xx means for the request it belongs to.
 *
 * @returns UpstreamRpcError when the body is a JSON-RPC error, PlatformError `TARGET_PROTOCOL_ERROR` for the
 *   errors of 2026-07-28 that only concern our request, else `TARGET_UNAVAILABLE` with the status.
 */
export function refusalError(endpoint: Addressed, method: string, refusal: Refusal): Error {
  const { target } = endpoint;
  const { status } = refusal;
  // A server that fails at its introduction has said nothing about the revisions it speaks.
  const fails = status > 500 || (status === 500 && (method === 'server/discover' || method === 'initialize'));
  if (status < 400 || fails || INCONCLUSIVE.has(status)) return statusError(endpoint, refusal);
  const rpc = rpcErrorOf(refusal.text);
  if (rpc === undefined) return statusError(endpoint, refusal);
  return aboutOurRequest(target, method, rpc) ?? rpc;
}

/** `undefined` unless the error is one that must not be relayed as our own. */
export function aboutOurRequest(target: string, method: string, error: UpstreamRpcError): PlatformError | undefined {
  if (error.rpcCode !== HEADER_MISMATCH && error.rpcCode !== UNSUPPORTED_VERSION) return undefined;
  const reason =
    error.rpcCode === HEADER_MISMATCH
      ? 'that our headers do not match our body'
      : 'that it does not speak our revision';
  return new PlatformError(
    'TARGET_PROTOCOL_ERROR',
    `target "${target}" answered ${method} with error ${error.rpcCode}: it says ${reason}. Its list has been read too long ago, or the server needs an update.`,
    {
      target,
      method,
      upstreamCode: error.rpcCode,
      upstreamMessage: error.message.slice(0, 300),
      upstreamData: error.data,
    },
    { cause: error },
  );
}

/** The JSON-RPC error in a body, whichever id it carries: the exchange already says which request it is about. */
export function rpcErrorOf(text: string): UpstreamRpcError | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value['jsonrpc'] !== '2.0' || !isObject(value['error'])) return undefined;
  const { code, message, data } = value['error'];
  if (typeof code !== 'number' || typeof message !== 'string') return undefined;
  return new UpstreamRpcError(code, message, data);
}

/** Whether a failure leaves the era open: the next attempt may find a gate open or the server awake. */
export function isInconclusive(error: PlatformError): boolean {
  const { status } = error.details;
  if (error.code !== 'TARGET_UNAVAILABLE')
    return error.code !== 'TARGET_PROTOCOL_ERROR' && error.code !== 'TARGET_TIMEOUT';
  return typeof status !== 'number' || status < 400 || status >= 500 || INCONCLUSIVE.has(status);
}

function statusError(endpoint: Addressed, refusal: Refusal): PlatformError {
  const { status, headers } = refusal;
  const retryAfter = headers['retry-after'];
  const seconds = retryAfterSeconds(headers);
  return targetUnavailable(endpoint.target, `answered HTTP ${status}. ${statusAdvice(endpoint, refusal)}`, {
    status,
    ...(retryAfter === undefined ? {} : { retryAfter: retryAfter.slice(0, 100) }),
    ...(seconds === undefined ? {} : { retryAfterMs: seconds * 1_000 }),
  });
}

/** Of the two forms of `Retry-After` the one in seconds; a date would be of another clock. */
function retryAfterSeconds(headers: Readonly<Record<string, string>>): number | undefined {
  const text = headers['retry-after'];
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

function statusAdvice({ target, url }: Addressed, { status, headers }: Refusal): string {
  const seconds = retryAfterSeconds(headers);
  const when = seconds === undefined ? 'later' : `in ${seconds} s`;
  if (status < 300) return 'Check that its URL leads to an MCP server.';
  if (status < 400) {
    const location = headers['location'];
    // Often it is a path alone, and mostly the same one with a slash at its end.
    const to =
      location !== undefined && URL.canParse(location, url) ? ` (${new URL(location, url).href.slice(0, 200)})` : '';
    return `Redirects are not followed: put the final address${to} into mcpServers.${target}.url.`;
  }
  if (status === 401 || status === 403 || status === 407)
    return `Check the credential in mcpServers.${target}.headers.`;
  if (status === 429) return `It limits how often it is called. Send the request again ${when}.`;
  if (status === 404 || status === 405) return `Check mcpServers.${target}.url.`;
  if (status >= 500) return `Check the log of that server, or send the request again ${when}.`;
  return 'Check the log of that server.';
}
