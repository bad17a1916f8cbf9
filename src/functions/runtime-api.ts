/**
 * The server side of the Lambda Runtime API: a loopback port for each process, opened before it starts and closed
 * with it. Official runtime clients know the API by `host:port` alone, so the port is what keeps the invocations of
 * one function from the processes of another. What happens to an invocation is the slot's business; here is only
 * the wire.
 *
 * The separation is one of mistakes, and of web pages, which cannot send these requests: processes of one user of
 * the machine can read each other's memory whatever a server does.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ResponseBody } from './response-body.ts';

/** 6 MB, as on Lambda, both ways. */
export const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;
/** The error of a stream comes in its trailers, in base64. */
const MAX_HEADER_BYTES = 1024 * 1024;

/** What a process gets for `next`. Header values are ASCII. */
export interface Delivery {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: string;
}

/** Answers a pending `next`. @returns false when the process is gone. */
export type Deliver = (delivery: Delivery) => boolean;

export type Outcome = { readonly kind: 'response' | 'error'; readonly body: string } | { readonly kind: 'too-large' };

/** `repeated` when this invocation was answered before, `unknown` when it never was this process's. */
export type Verdict = 'accepted' | 'repeated' | 'unknown';

/** The invocations of one process. */
export interface RuntimeSlot {
  /**
   * It asks for work. The question may overtake the answer that was sent just before it, because both travel in
   * one packet and the answer's body is read first.
   */
  onNext(deliver: Deliver): void;
  onOutcome(requestId: string, outcome: Outcome): Verdict;
  /** The answer comes piece by piece and has only begun. */
  onStream(requestId: string, body: ResponseBody): Verdict;
  onInitError(body: string): void;
  /** The connection of a pending `next` broke: the process is of no more use. */
  onGone(): void;
}

export interface RuntimeApi {
  /** The value of `AWS_LAMBDA_RUNTIME_API`: `host:port`. */
  readonly address: string;
  /** Breaks its connections; the port is free at once. */
  close(): void;
}

interface Route {
  readonly action: 'next' | 'response' | 'error' | 'init-error';
  readonly requestId: string;
}

const PREFIX = '/2018-06-01/runtime/';
const NEXT: Route = { action: 'next', requestId: '' };
const INIT_ERROR: Route = { action: 'init-error', requestId: '' };

/** Listens on 127.0.0.1 and a free port for the one process behind `slot`. @throws the system's reason, such as EMFILE. */
export async function openRuntimeApi(slot: RuntimeSlot): Promise<RuntimeApi> {
  let address = '';
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) =>
    serve({ slot, address }, request, response),
  );
  // A handler may run for minutes between two requests of its process.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.timeout = 0;
  await listen(server);
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      server.off('error', failed);
      server.on('error', () => undefined);
      done();
    });
  });
}

interface Place {
  readonly slot: RuntimeSlot;
  readonly address: string;
}

function serve({ slot, address }: Place, request: IncomingMessage, response: ServerResponse): void {
  response.on('error', () => undefined);
  request.on('error', () => undefined);
  const route = isOfProcess(request, address) ? findRoute(request) : undefined;
  if (route === undefined) {
    request.resume();
    answer(response, 403, 'Forbidden', 'This address serves the Lambda Runtime API to one process alone.');
  } else if (route.action === 'next') serveNext(slot, request, response);
  else if (route.action === 'response' && isStreamed(request))
    serveStream(slot, route.requestId, { request, response });
  else readBody(request, (body) => serveAnswer(slot, route, { body, response }));
}

/** A browser says where its request comes from, and one that was led here by a name of its own names another host. */
function isOfProcess({ headers }: IncomingMessage, address: string): boolean {
  return headers.host === address && headers.origin === undefined && headers['sec-fetch-site'] === undefined;
}

function findRoute(request: IncomingMessage): Route | undefined {
  const url = request.url ?? '';
  if (!url.startsWith(PREFIX)) return undefined;
  const path = url.slice(PREFIX.length);
  if (request.method === 'GET') return path === 'invocation/next' ? NEXT : undefined;
  if (request.method !== 'POST') return undefined;
  if (path === 'init/error') return INIT_ERROR;
  const [kind, requestId, action, ...rest] = path.split('/');
  if (kind !== 'invocation' || requestId === undefined || rest.length > 0) return undefined;
  return action === 'response' || action === 'error' ? { action, requestId } : undefined;
}

function serveNext(slot: RuntimeSlot, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  let delivered = false;
  slot.onNext((delivery) => {
    if (response.destroyed || response.socket?.destroyed === true) return false;
    delivered = true;
    const body = Buffer.from(delivery.payload);
    response.writeHead(200, { ...delivery.headers, 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
    return true;
  });
  response.on('close', () => {
    if (!delivered) slot.onGone();
  });
}

function isStreamed({ headers }: IncomingMessage): boolean {
  return headers['lambda-runtime-function-response-mode']?.toString().toLowerCase() === 'streaming';
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function serveStream(slot: RuntimeSlot, requestId: string, { request, response }: Exchange): void {
  const body = new ResponseBody(request);
  const verdict = slot.onStream(requestId, body);
  if (verdict !== 'accepted') body.discard();
  void body.ended.then((end) => {
    if (verdict !== 'accepted') refuse(response, verdict);
    else if (end.kind === 'too-large') tooLarge(response, body.maxBytes);
    else answer(response, 202);
  });
}

interface Answered {
  /** Absent when it was too large to keep. */
  readonly body: string | undefined;
  readonly response: ServerResponse;
}

function serveAnswer(slot: RuntimeSlot, route: Route, { body, response }: Answered): void {
  if (route.action === 'init-error') {
    slot.onInitError(body ?? '{}');
    answer(response, 202);
    return;
  }
  const kind = route.action === 'error' ? 'error' : 'response';
  const verdict = slot.onOutcome(route.requestId, body === undefined ? { kind: 'too-large' } : { kind, body });
  if (verdict !== 'accepted') refuse(response, verdict);
  else if (body === undefined) tooLarge(response, MAX_PAYLOAD_BYTES);
  else answer(response, 202);
}

function refuse(response: ServerResponse, verdict: 'repeated' | 'unknown'): void {
  if (verdict === 'unknown')
    answer(response, 400, 'InvalidRequestID', 'No invocation with that id was given to this process.');
  else answer(response, 403, 'InvalidStateTransition', 'That invocation has its answer already.');
}

function tooLarge(response: ServerResponse, maxBytes: number): void {
  answer(response, 413, 'RequestEntityTooLarge', `The answer is larger than ${maxBytes} bytes.`);
}

/** Hands over the whole body, or `undefined` once it has more than {@link MAX_PAYLOAD_BYTES}. */
function readBody(request: IncomingMessage, done: (body: string | undefined) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    // The rest is read and dropped, so that the process gets to see the answer.
    if (size <= MAX_PAYLOAD_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on('end', () => done(size > MAX_PAYLOAD_BYTES ? undefined : Buffer.concat(chunks).toString('utf8')));
}

function answer(response: ServerResponse, status: number, errorType?: string, errorMessage?: string): void {
  const text = JSON.stringify(errorType === undefined ? { status: 'OK' } : { errorType, errorMessage });
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
