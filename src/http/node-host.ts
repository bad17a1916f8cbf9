/** node:http in front of the pipeline: translates, applies the limits of the wire, decides nothing else. */

import { STATUS_CODES, createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { PlatformError } from '../core/errors.ts';
import type { Redactor } from '../core/redact.ts';
import { isStream } from '../gateway/reply.ts';
import type { Reply, Sink } from '../gateway/reply.ts';
import { errorMessage } from '../protocol/json-rpc.ts';
import { BodyBudget, SMALL_BODY_BYTES } from './body-budget.ts';
import type { HttpRequest, Pipeline } from './pipeline.ts';
import type { Place } from './places.ts';
import { readHeaders } from './request-headers.ts';

/** How long a client may take to send; how often that is looked at. */
export interface HostTimeouts {
  readonly headersMs: number;
  /** Headers and body together. */
  readonly requestMs: number;
  readonly checkEveryMs: number;
}

const TIMEOUTS: HostTimeouts = { headersMs: 10_000, requestMs: 15_000, checkEveryMs: 1_000 };
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS = 8_192;
/** An answer of which the client takes nothing is given up after twice this long: the first time only starts the watch. */
const STALLED_MS = 15_000;
/** Smaller answers fit into the buffers of the system. */
const LARGE_ANSWER_CHARACTERS = 65_536;
/** While closing. */
const IDLE_CHECK_MS = 50;

export interface NodeHostOptions {
  readonly pipeline: Pipeline;
  readonly redactor: Redactor;
  /** Bytes of a request body. */
  readonly maxBodyBytes: number;
  /** @default 10 s for headers, 15 s for all of a request, looked at every second */
  readonly timeouts?: HostTimeouts;
}

export interface NodeHost {
  readonly server: Server;
  listen(port: number, host: string): Promise<AddressInfo>;
  /** Stops accepting, waits up to `drainMs` for what is under way, then cuts the rest. */
  close(drainMs: number): Promise<void>;
}

const NO_BYTES = new Uint8Array(0);

interface BodyLimits {
  readonly maxBytes: number;
  readonly budget: BodyBudget;
}

/** As much of a refused body is still taken from the network; a client that goes on is cut off. */
const MAX_DISCARDED_BYTES = 64 * 1_048_576;

/** Many clients read nothing before they have sent everything: without this they would see a broken pipe, not the answer. */
function discard(message: IncomingMessage): void {
  let left = MAX_DISCARDED_BYTES;
  message.removeAllListeners('data');
  message.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) message.destroy();
  });
}

/** `http://host/path` in place of a path, as clients of a proxy write it. Its host counts, whatever the header says (RFC 9112, 3.2.2). */
const ABSOLUTE_FORM = /^https?:\/\/([^/?]+)(.*)$/i;

/** @returns path with query, and host; `undefined` for a plain path. */
function absoluteForm(text: string): readonly [url: string, authority: string] | undefined {
  if (text.startsWith('/')) return undefined;
  const [, authority, rest = ''] = ABSOLUTE_FORM.exec(text) ?? [];
  return authority === undefined ? undefined : [rest.startsWith('/') ? rest : `/${rest}`, authority];
}

/** A request as node:http gives it. A class, because it is made for every request and closures would be made with it. */
class NodeRequest implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: HttpRequest['headers'];
  readonly duplicates: readonly string[];
  readonly #message: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #limits: BodyLimits;
  #body: Uint8Array | undefined;

  constructor(message: IncomingMessage, response: ServerResponse, limits: BodyLimits) {
    const target = message.url ?? '/';
    const absolute = absoluteForm(target);
    const url = absolute === undefined ? target : absolute[0];
    const mark = url.indexOf('?');
    const { headers, duplicates } = readHeaders(message);
    this.method = message.method ?? 'GET';
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = mark < 0 ? '' : url.slice(mark + 1);
    this.headers = absolute === undefined ? headers : { ...headers, host: absolute[1] };
    this.duplicates = duplicates;
    this.#message = message;
    this.#response = response;
    this.#limits = limits;
  }

  onDisconnect(run: () => void): void {
    const response = this.#response;
    response.on('close', () => {
      if (!response.writableFinished) run();
    });
  }

  readBody(place?: Place): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const done = (body: Uint8Array): void => {
        // Read before anybody has a place: for a signature. The route reads it again.
        if (place === undefined) this.#body = body;
        else place.take();
        resolve(body);
      };
      if (this.#body !== undefined) {
        done(this.#body);
        return;
      }
      this.#reserve();
      this.#collect(done, reject);
    });
  }

  /** What is too large is refused as soon as that is known. */
  #reserve(): void {
    const { maxBytes, budget } = this.#limits;
    const length = this.#message.headers['content-length'];
    // Without a length it may become as large as any.
    const announced = length === undefined ? maxBytes : Number(length);
    if (announced > maxBytes) throw tooLarge(maxBytes);
    if (announced > SMALL_BODY_BYTES) budget.reserve(announced, this.#response);
  }

  #collect(done: (body: Uint8Array) => void, failed: (error: unknown) => void): void {
    const message = this.#message;
    const { maxBytes } = this.#limits;
    let first: Buffer | undefined;
    let rest: Buffer[] | undefined;
    let size = 0;
    message.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        discard(message);
        failed(tooLarge(maxBytes));
      } else if (first === undefined) first = chunk;
      else (rest ??= [first]).push(chunk);
    });
    message.on('end', () => {
      try {
        done(rest === undefined ? (first ?? NO_BYTES) : Buffer.concat(rest, size));
      } catch (error) {
        failed(error);
      }
    });
    // Also when the client is gone.
    message.on('error', (error) =>
      failed(
        message.aborted
          ? new PlatformError('CALL_CANCELLED', 'The client closed the connection while sending.')
          : error,
      ),
    );
  }
}

function tooLarge(maxBytes: number): PlatformError {
  return new PlatformError('BODY_TOO_LARGE', `The body is larger than ${maxBytes} bytes. Send less, or a reference.`);
}

/** Writes a complete body in one piece where it is small, in order where it is not. */
function writeBody(response: ServerResponse, reply: Reply, redactor: Redactor): void {
  const body = reply.body as string | readonly (string | Uint8Array)[];
  if (typeof body === 'string' || body.every((part) => typeof part === 'string')) {
    const text = redactor.text(typeof body === 'string' ? body : body.join(''));
    response.writeHead(reply.status, headerList(reply, Buffer.byteLength(text)));
    response.end(text);
    if (text.length > LARGE_ANSWER_CHARACTERS) cutWhenStalled(response);
    return;
  }
  const parts = body.map((part) => (typeof part === 'string' ? redactor.text(part) : redactor.bytes(part)));
  const size = parts.reduce((sum, part) => sum + (typeof part === 'string' ? Buffer.byteLength(part) : part.length), 0);
  response.writeHead(reply.status, headerList(reply, size));
  response.cork();
  for (const part of parts) response.write(part);
  response.uncork();
  response.end();
  if (size > LARGE_ANSWER_CHARACTERS) cutWhenStalled(response);
}

/** Names and values in turn, which node:http takes as they are. */
function headerList(reply: Reply, size: number): string[] {
  const list = ['content-length', String(size)];
  for (const name in reply.headers) list.push(name, reply.headers[name] ?? '');
  return list;
}

/** A client that does not read would keep its answer in memory for as long as it likes. */
function cutWhenStalled(response: ServerResponse): void {
  response.setTimeout(STALLED_MS, () => {
    if (response.writableLength > 0) response.destroy();
  });
}

function sinkOf(response: ServerResponse, redactor: Redactor): Sink {
  return {
    write: (text) => void response.write(redactor.text(text)),
    end: () => void response.end(),
    abort: () => void response.destroy(),
    get buffered() {
      return response.writableLength;
    },
    onClose: (run) => void response.on('close', run),
  };
}

function send(response: ServerResponse, reply: Reply, redactor: Redactor): void {
  if (response.destroyed || response.headersSent) return;
  if (!isStream(reply.body)) {
    writeBody(response, reply, redactor);
    return;
  }
  response.writeHead(reply.status, reply.headers);
  response.flushHeaders();
  cutWhenStalled(response);
  reply.body.open(sinkOf(response, redactor));
}

/** Whether an answer has begun on this connection: more bytes would be taken for a part of it. Node asks the same way. */
function isAnswering(socket: Socket): boolean {
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage?.headersSent === true;
}

/** What node:http could not even read as a request: answered in our words, then closed. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET' || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const { code, status, rpcCode, retryable, message } = refusalOf(error.code);
  const body = errorMessage('null', { code: rpcCode, message, data: { code, retryable } });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function refusalOf(code: string | undefined): PlatformError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new PlatformError('HEADERS_TOO_LARGE', `The headers are larger than ${MAX_HEADER_BYTES} bytes. Send fewer.`);
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new PlatformError('REQUEST_TIMEOUT', 'The request did not arrive in time. Send it again.');
  return new PlatformError('INVALID_REQUEST', 'The request is not valid HTTP.');
}

function makeServer(
  serve: (message: IncomingMessage, response: ServerResponse) => void,
  timeouts: HostTimeouts,
): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      // An absent Host is refused by the guard, in our words.
      requireHostHeader: false,
      connectionsCheckingInterval: timeouts.checkEveryMs,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      noDelay: true,
    },
    serve,
  );
  // Their bytes are bounded. A bound on their number would drop the last ones unseen, a second Authorization too.
  server.maxHeadersCount = 0;
  server.headersTimeout = timeouts.headersMs;
  server.requestTimeout = timeouts.requestMs;
  server.keepAliveTimeout = 65_000;
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

export function createNodeHost(options: NodeHostOptions): NodeHost {
  const { pipeline, redactor, maxBodyBytes, timeouts = TIMEOUTS } = options;
  const limits = { maxBytes: maxBodyBytes, budget: new BodyBudget() };
  /** Connections without a request so far. To node:http they are busy, so a close would wait for them. */
  const unused = new Set<Socket>();
  const serve = (message: IncomingMessage, response: ServerResponse): void => {
    // A request that is not understood at all, or an answer that cannot be written, costs its own connection only.
    const cut = (): void => void message.socket.destroy();
    if (unused.size > 0) unused.delete(message.socket);
    try {
      pipeline.handle(new NodeRequest(message, response, limits)).then((reply) => {
        try {
          send(response, reply, redactor);
        } catch {
          cut();
        }
      }, cut);
    } catch {
      cut();
    }
  };
  const server = makeServer(serve, timeouts);
  // An expectation that we do not know may be ignored (RFC 9110, 10.1.1).
  server.on('checkExpectation', serve);
  server.on('connection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  server.on('clientError', (error, socket) => refuseConnection(error, socket as Socket));
  return {
    server,
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.removeListener('error', reject);
          resolve(server.address() as AddressInfo);
        });
      }),
    close: (drainMs) =>
      new Promise((resolve) => {
        const cut = setTimeout(() => server.closeAllConnections(), drainMs);
        // A connection that has had its answer is kept alive by node:http, and would be waited for.
        const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
        server.close(() => {
          clearTimeout(cut);
          clearInterval(idle);
          resolve();
        });
        server.closeIdleConnections();
        for (const socket of unused) socket.destroy();
      }),
  };
}
