/**
 * A loopback port on which a simulated cloud speaks REST with JSON: it reads requests, checks their bearer, lets go wrong
 * what was asked to, and labels every answer. What a request means is for the vendor's API behind it.
 */

import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { PlatformError } from '../../core/errors.ts';
import type { Clock, IdSource, Logger } from '../../core/ports.ts';
import type { Redactor } from '../../core/redact.ts';
import { SIMULATED_HEADER, answerControl, isBearer, isControlPath } from './control.ts';
import type { SimulatedControl } from './control.ts';
import { isAfterEffect } from './faults.ts';
import type { Asked, Fate } from './faults.ts';
import { RestError } from './rest-routes.ts';
import type { RestApi, RestReply, RestRequest } from './rest-routes.ts';
import { readBody, type BodyLimits } from './request-body.ts';

export interface RestEndpointOptions {
  readonly control: SimulatedControl;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly redactor: Redactor;
  /** @default 0, any free one */
  readonly port?: number;
}

export interface RestEndpoint {
  /** `http://127.0.0.1:PORT`, or `https:`. */
  readonly url: string;
  close(): Promise<void>;
}

/** PEM of a key and of its certificate. */
export interface ServerKey {
  readonly key: string;
  readonly cert: string;
}

const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Of all requests at a time: whoever has not proved anything yet can make us keep bytes. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
const BODIES: BodyLimits = {
  maxBytes: MAX_BODY_BYTES,
  maxHeldBytes: MAX_HELD_BYTES,
  tooLarge: () => new RestError(413, 'INVALID_ARGUMENT', `A body has up to ${MAX_BODY_BYTES} bytes.`),
  tooMany: () => new RestError(429, 'RESOURCE_EXHAUSTED', 'Too much at a time. Try again.'),
};
const MAX_HEADER_BYTES = 32 * 1024;
/** For headers and body together. */
const RECEIVE_MS = 60_000;
/** Clients keep connections for some seconds; one that we close first costs them an error. */
const IDLE_MS = 60_000;

/** @param tls - Absent for plain HTTP. @throws PlatformError `CONFIG_INVALID` when somebody else has the port. */
export async function startRestEndpoint(
  api: RestApi,
  options: RestEndpointOptions,
  tls?: ServerKey,
): Promise<RestEndpoint> {
  const settings = { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: RECEIVE_MS, keepAliveTimeout: IDLE_MS };
  const endpoint = new Endpoint(api, options, tls === undefined ? 'http' : 'https');
  const serve = (message: IncomingMessage, response: ServerResponse): void => endpoint.serve(message, response);
  const server = tls === undefined ? createServer(settings, serve) : createTlsServer({ ...settings, ...tls }, serve);
  const port = await listen(server, options.port ?? 0, api.vendor);
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number, vendor: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const what = `The local endpoint of ${vendor} cannot have port ${port} (${error.code ?? error.message}).`;
      reject(new PlatformError('CONFIG_INVALID', `${what} Choose another port of this cloud, or 0.`, { port }));
    });
    server.listen(port, '127.0.0.1', () => {
      server.removeAllListeners('error');
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Thrown where a fault ends the connection without an answer. */
class Dropped extends Error {}

interface WireReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

class Endpoint {
  readonly #api: RestApi;
  readonly #options: RestEndpointOptions;
  readonly #scheme: string;
  readonly #held = { bytes: 0 };

  constructor(api: RestApi, options: RestEndpointOptions, scheme: string) {
    this.#api = api;
    this.#options = options;
    this.#scheme = scheme;
  }

  serve(message: IncomingMessage, response: ServerResponse): void {
    const requestId = this.#options.ids.uuid();
    this.#answer(message, requestId)
      .then(({ status, headers, text }) => {
        const length = status === 204 ? {} : { 'content-length': String(Buffer.byteLength(text)) };
        response.writeHead(status, { ...headers, ...this.#api.headers(requestId), ...SIMULATED_HEADER, ...length });
        response.end(text);
      })
      .catch((error: unknown) => {
        response.destroy();
        if (error instanceof Dropped) return;
        this.#options.log.log('warn', 'answer of a simulated cloud not sent', { requestId, cause: String(error) });
      });
  }

  async #answer(message: IncomingMessage, requestId: string): Promise<WireReply> {
    const url = message.url ?? '/';
    const path = url.split('?', 1)[0] ?? '/';
    try {
      checkSender(message);
      const body = await readBody(message, this.#held, BODIES);
      const request = this.#request(message, { path, url, body, requestId });
      if (isControlPath(path)) return await this.#control(request);
      // What is handed out without a bearer is the bearer, which would be masked like any other secret.
      if (this.#api.isOpen(request)) return onWire(await this.#handle(request));
      const { headers, text, status } = onWire(await this.#handle(this.#checked(request)));
      return { status, headers, text: this.#options.redactor.text(text) };
    } catch (thrown) {
      if (thrown instanceof Dropped) throw thrown;
      return onWire(this.#refusal(thrown, path, requestId));
    }
  }

  #request(
    { method = 'GET', headers }: IncomingMessage,
    at: { readonly path: string; readonly url: string; readonly body: Buffer; readonly requestId: string },
  ): RestRequest {
    const { path, url, body, requestId } = at;
    const flat = Object.create(null) as Record<string, string>;
    for (const [name, value] of Object.entries(headers)) if (typeof value === 'string') flat[name] = value;
    const query = new URLSearchParams(url.slice(path.length + 1));
    const origin = `${this.#scheme}://${flat['host'] ?? '127.0.0.1'}`;
    return { method, path, query, headers: flat, body, origin, requestId, extraMs: 0 };
  }

  async #control({ method, path, query, headers, body }: RestRequest): Promise<WireReply> {
    const authorization = headers['authorization'];
    const reply = await answerControl(this.#options.control, { method, path, query, authorization, body });
    return { status: reply.status, headers: reply.headers, text: this.#options.redactor.text(reply.body) };
  }

  #checked(request: RestRequest): RestRequest {
    if (isBearer(request.headers['authorization'], this.#options.control.token)) return request;
    throw this.#api.unauthenticated();
  }

  /** Lets the API answer, and what was asked to go wrong with it go wrong. */
  async #handle(request: RestRequest): Promise<RestReply> {
    const route = this.#api.route(request);
    const { asked } = route;
    const fate = this.#options.control.faults.meet({ service: asked.service, operation: asked.operation });
    if (fate === undefined) return route.handle(request);
    if (!isAfterEffect(fate)) this.#strike(fate, asked);
    const { fault, delayMs } = fate;
    const reply = await route.handle(fault === 'slow-operation' ? { ...request, extraMs: delayMs } : request);
    if (fault === 'slow') await new Promise<void>((resume) => void this.#options.clock.after(delayMs, resume));
    if (isAfterEffect(fate)) this.#strike(fate, asked);
    return reply;
  }

  /** @throws RestError, Dropped; nothing for what is no error. */
  #strike({ fault }: Fate, asked: Asked): void {
    if (fault === 'drop' || fault === 'drop-after-effect') throw new Dropped();
    const error = this.#api.fault(fault, asked);
    if (error !== undefined) throw error;
  }

  #refusal(thrown: unknown, path: string, requestId: string): RestReply {
    if (thrown instanceof RestError) return this.#api.errorReply(thrown, { path });
    const cause = thrown instanceof Error ? thrown.stack : String(thrown);
    this.#options.log.log('error', 'request-failed', { requestId, cause });
    const ours = new RestError(500, 'INTERNAL', 'Our fault. The log says what happened.');
    return this.#api.errorReply(ours, { path });
  }
}

function onWire({ status, headers, body }: RestReply): WireReply {
  const type = body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' };
  return { status, headers: { ...type, ...headers }, text: body === undefined ? '' : JSON.stringify(body) };
}

/** Programs of this machine only. With `--auth none` the token is known, and a web page could send it. */
function checkSender({ headers }: IncomingMessage): void {
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(host) || host.endsWith('.localhost');
  if (!isHere) throw new RestError(403, 'PERMISSION_DENIED', 'The host is not one of this machine.');
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
    throw new RestError(403, 'PERMISSION_DENIED', 'Web pages are not answered here.');
}
