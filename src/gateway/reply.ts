/** What the gateway takes from a host and gives back: plain values, and streams as a callback on a sink. */

import type { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { HeaderMap } from '../protocol/era-2026.ts';
import type { Endpoint } from './view.ts';

export interface GatewayRequest {
  readonly method: string;
  /** The path without the query. */
  readonly path: string;
  /** The query without `?`. */
  readonly query: string;
  /** Names in lower case. */
  readonly headers: HeaderMap;
  /** Reads the body once. @throws PlatformError `BODY_TOO_LARGE`, `REQUEST_TIMEOUT`. */
  readBody(): Promise<Uint8Array>;
  /** Calls back when the client has gone before the reply was complete. */
  onDisconnect(run: () => void): void;
}

/** What a client takes as an answer. */
export interface Accepts {
  readonly json: boolean;
  readonly sse: boolean;
}

/** A request to `/mcp` or `/mcp/{target}` on its way to one of the eras. */
export interface Received {
  readonly endpoint: Endpoint;
  readonly context: Context;
  readonly request: GatewayRequest;
  readonly accepts: Accepts;
}

/** Where a stream writes. A host applies backpressure by growing `buffered`. */
export interface Sink {
  write(text: string): void;
  end(): void;
  /** Closes the connection at once; what is buffered is lost. */
  abort(): void;
  /** Bytes written and not yet taken by the network. */
  readonly buffered: number;
  onClose(run: () => void): void;
}

export type Body = string | readonly (string | Uint8Array)[] | { open(sink: Sink): void };

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
  /** Ends when the work behind the reply does: until then the request counts as in flight. Never rejects. */
  readonly pending?: Promise<void>;
}

export function isStream(body: Body): body is { open(sink: Sink): void } {
  return typeof body === 'object' && 'open' in body;
}

const JSON_HEADERS = Object.freeze({ 'content-type': 'application/json' });

export function jsonReply(
  status: number,
  body: string | readonly (string | Uint8Array)[],
  headers?: Readonly<Record<string, string>>,
): Reply {
  return { status, headers: headers === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...headers }, body };
}

/** `Retry-After` of an error that says when to come back. */
export function retryHeaders(error: unknown): Readonly<Record<string, string>> {
  const seconds = error instanceof PlatformError ? error.details['retryAfterSeconds'] : undefined;
  return typeof seconds === 'number' ? { 'retry-after': String(seconds) } : {};
}

export function emptyReply(status: number, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers, body: '' };
}
