/**
 * The server side of the Lambda Runtime API, on a loopback port of its own.
 *
 * Each process has a slot with an unguessable path, which is part of its `AWS_LAMBDA_RUNTIME_API`: no function can
 * take, answer or even see the invocations of another. What happens to an invocation is the slot's business; here
 * is only the wire.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */

import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** 6 MB, as on Lambda, both ways. */
export const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;

/** What a process gets for `next`. Header values are ASCII. */
export interface Delivery {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: string;
}

/** Answers a pending `next`. @returns false when the process is gone. */
export type Deliver = (delivery: Delivery) => boolean;

export type Outcome = { readonly kind: 'response' | 'error'; readonly body: string } | { readonly kind: 'too-large' };

/** The invocations of one process. */
export interface RuntimeSlot {
  /**
   * It asks for work. The question may overtake the answer that was sent just before it, because both travel in
   * one packet and the answer's body is read first.
   */
  onNext(deliver: Deliver): void;
  /** `repeated` when this invocation was answered before, `unknown` when it never was this process's. */
  onOutcome(requestId: string, outcome: Outcome): 'accepted' | 'repeated' | 'unknown';
  onInitError(body: string): void;
  /** The connection of a pending `next` broke: the process is of no more use. */
  onGone(): void;
}

export interface RuntimeApi {
  /** @returns the value of `AWS_LAMBDA_RUNTIME_API` for this slot, and how to end it. */
  open(slot: RuntimeSlot): { readonly address: string; close(): void };
  close(): Promise<void>;
}

interface Route {
  readonly slot: RuntimeSlot;
  readonly action: 'next' | 'response' | 'error' | 'init-error';
  readonly requestId: string;
}

const PREFIX = '/2018-06-01/runtime/';

/** Starts the server on 127.0.0.1 and a free port. */
export async function startRuntimeApi(): Promise<RuntimeApi> {
  const slots = new Map<string, RuntimeSlot>();
  const server = createServer((request, response) => serve(slots, request, response));
  // A handler may run for minutes between two requests of its process.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.timeout = 0;
  await listen(server);
  const { port } = server.address() as AddressInfo;
  return {
    open(slot) {
      const secret = randomBytes(24).toString('hex');
      slots.set(secret, slot);
      return { address: `127.0.0.1:${port}/${secret}`, close: () => slots.delete(secret) };
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      server.off('error', failed);
      done();
    });
  });
}

function serve(slots: Map<string, RuntimeSlot>, request: IncomingMessage, response: ServerResponse): void {
  response.on('error', () => undefined);
  request.on('error', () => undefined);
  const route = findRoute(slots, request);
  if (route === undefined) answer(response, 403, 'Forbidden', 'No process of this runtime has that address.');
  else if (route.action === 'next') serveNext(route.slot, request, response);
  else readBody(request, (body) => serveAnswer(route, body, response));
}

function findRoute(slots: Map<string, RuntimeSlot>, request: IncomingMessage): Route | undefined {
  const url = request.url ?? '';
  const slash = url.indexOf('/', 1);
  const slot = slots.get(url.slice(1, slash));
  if (slot === undefined || !url.startsWith(PREFIX, slash)) return undefined;
  const path = url.slice(slash + PREFIX.length);
  if (request.method === 'GET') return path === 'invocation/next' ? { slot, action: 'next', requestId: '' } : undefined;
  if (request.method !== 'POST') return undefined;
  if (path === 'init/error') return { slot, action: 'init-error', requestId: '' };
  const [kind, requestId, action, ...rest] = path.split('/');
  if (kind !== 'invocation' || requestId === undefined || rest.length > 0) return undefined;
  return action === 'response' || action === 'error' ? { slot, action, requestId } : undefined;
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

function serveAnswer(route: Route, body: string | undefined, response: ServerResponse): void {
  if (route.action === 'init-error') {
    route.slot.onInitError(body ?? '{}');
    answer(response, 202);
    return;
  }
  const kind = route.action === 'error' ? 'error' : 'response';
  const verdict = route.slot.onOutcome(route.requestId, body === undefined ? { kind: 'too-large' } : { kind, body });
  if (verdict === 'unknown')
    answer(response, 400, 'InvalidRequestID', 'No invocation with that id was given to this process.');
  else if (verdict === 'repeated')
    answer(response, 403, 'InvalidStateTransition', 'That invocation has its answer already.');
  else if (body === undefined)
    answer(response, 413, 'RequestEntityTooLarge', `The answer is larger than ${MAX_PAYLOAD_BYTES} bytes.`);
  else answer(response, 202);
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
