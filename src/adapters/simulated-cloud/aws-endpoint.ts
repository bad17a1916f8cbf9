/**
 * The local AWS endpoint: one loopback port that the vendor's SDKs and command line take for AWS. Every request is
 * signed with the access key `zeroplane` and the development token, and goes to the service that its signature names.
 */

import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Context } from '../../core/context.ts';
import type { Principal } from '../../core/context.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Clock, IdSource, Logger } from '../../core/ports.ts';
import type { Redactor } from '../../core/redact.ts';
import { readClaim, verify } from '../../protocol/sigv4.ts';
import type { Claim, SignedRequest } from '../../protocol/sigv4.ts';
import { errorReply, toAwsError } from './aws-errors.ts';
import { awsFault } from './aws-faults.ts';
import { AwsError } from './aws-service.ts';
import type { AwsReply, AwsRequest, AwsService } from './aws-service.ts';
import { SIMULATED_HEADER, answerControl, isControlPath } from './control.ts';
import type { SimulatedControl } from './control.ts';
import { isAfterEffect } from './faults.ts';
import type { Asked, Fate } from './faults.ts';
import { readBody, type BodyLimits } from './request-body.ts';

export interface AwsEndpointOptions {
  readonly services: readonly AwsService[];
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Whom a valid signature stands for. */
  readonly principal: Principal;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly redactor: Redactor;
  /** Serves `/_zeroplane/` and lets things go wrong; absent, neither. */
  readonly control?: SimulatedControl;
  /** @default 0, any free one */
  readonly port?: number;
}

export interface AwsEndpoint {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Takes over a connection that another listener has accepted. */
  accept(socket: Socket): void;
  close(): Promise<void>;
}

const MIB = 1024 * 1024;
/** An archive of 6 MiB in Base64, and room for what stands around it. */
const MAX_BODY_BYTES = 8 * MIB + 64 * 1024;
/** Of all requests at a time: whoever has not proved anything yet can make us keep bytes. */
const MAX_HELD_BYTES = 128 * MIB;
const BODIES: BodyLimits = { maxBytes: MAX_BODY_BYTES, maxHeldBytes: MAX_HELD_BYTES, tooLarge, tooMany };
const MAX_HEADER_BYTES = 32 * 1024;
/** A function may run for a quarter of an hour. */
const REQUEST_MS = 900_000;
/** For headers and body together. */
const RECEIVE_MS = 60_000;
/** Clients keep connections for some seconds; one that we close first costs them an error. */
const IDLE_MS = 60_000;

export async function startAwsEndpoint(options: AwsEndpointOptions): Promise<AwsEndpoint> {
  const endpoint = new Endpoint(options);
  const settings = { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: RECEIVE_MS, keepAliveTimeout: IDLE_MS };
  const server = createServer(settings, (message, response) => endpoint.serve(message, response));
  await listen(server, options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    accept: (socket) => void server.emit('connection', socket),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** @throws PlatformError `CONFIG_INVALID` when somebody else has the port: clients were told this one. */
function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const what = `The local AWS endpoint cannot have port ${port} (${error.code ?? error.message}).`;
      reject(new PlatformError('CONFIG_INVALID', `${what} Choose another clouds.aws.port, or 0.`, { port }));
    });
    server.listen(port, '127.0.0.1', () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

/** Thrown where a fault ends the connection without an answer. */
class Dropped extends Error {}

class Endpoint {
  readonly #options: AwsEndpointOptions;
  readonly #services: ReadonlyMap<string, AwsService>;
  readonly #held = { bytes: 0 };

  constructor(options: AwsEndpointOptions) {
    this.#options = options;
    this.#services = new Map(options.services.map((service) => [service.name, service]));
  }

  serve(message: IncomingMessage, response: ServerResponse): void {
    const requestId = this.#options.ids.uuid();
    this.#answer(message, response, requestId)
      .then((reply) => write(response, reply, requestId))
      .catch((error: unknown) => {
        response.destroy();
        if (error instanceof Dropped) return;
        this.#options.log.log('warn', 'answer of the AWS endpoint not sent', { requestId, cause: String(error) });
      });
  }

  async #answer(message: IncomingMessage, response: ServerResponse, requestId: string): Promise<AwsReply> {
    let protocol: AwsService['protocol'];
    try {
      checkSender(message);
      const signed = signedRequest(message);
      if (isControlPath(signed.path)) return await this.#control(signed, message);
      const claim = readClaim(signed);
      protocol = this.#services.get(claim?.service ?? '')?.protocol;
      this.#checkKey(claim);
      const body = await readBody(message, this.#held, BODIES);
      this.#verify(signed, claim, body);
      const service = this.#services.get(claim.service);
      if (service === undefined)
        throw new AwsError('UnknownOperationException', `The service "${claim.service}" is not simulated here.`, 404);
      const context = this.#context(requestId);
      response.on('close', () => {
        if (!response.writableFinished) context.abort(new Error('the client closed the connection'));
      });
      const reply = await this.#handle(service, requestOf(signed, body, { claim, context }));
      return typeof reply.body === 'string' ? { ...reply, body: this.#options.redactor.text(reply.body) } : reply;
    } catch (thrown) {
      if (thrown instanceof Dropped) throw thrown;
      return this.#refusal(thrown, { protocol, requestId, isGone: response.destroyed });
    }
  }

  async #control(signed: SignedRequest, message: IncomingMessage): Promise<AwsReply> {
    const { control } = this.#options;
    if (control === undefined) throw new AwsError('UnknownOperationException', 'Nothing of it is kept here.', 404);
    const { method, path, query } = signed;
    const { authorization } = message.headers;
    const body = await readBody(message, this.#held, BODIES);
    return answerControl(control, { method, path, query: new URLSearchParams(query), authorization, body });
  }

  /** Lets the service answer, and what was asked to go wrong with it go wrong. */
  async #handle(service: AwsService, request: AwsRequest): Promise<AwsReply> {
    const asked = { service: service.name, operation: service.operationOf?.(request) ?? '' };
    const fate = this.#options.control?.faults.meet(asked);
    if (fate === undefined) return service.handle(request);
    if (!isAfterEffect(fate)) strike(fate, asked);
    const { fault, delayMs } = fate;
    const reply = await service.handle(fault === 'slow-operation' ? { ...request, extraMs: delayMs } : request);
    if (fault === 'slow') await pause(this.#options.clock, delayMs);
    if (isAfterEffect(fate)) strike(fate, asked);
    return reply;
  }

  #refusal(
    thrown: unknown,
    at: { readonly protocol: AwsService['protocol']; readonly requestId: string; readonly isGone: boolean },
  ): AwsReply {
    const { protocol, requestId } = at;
    const error = toAwsError(thrown);
    const { log, redactor } = this.#options;
    // Its own refusals are answers, those that somebody has asked for among them.
    if (!(thrown instanceof AwsError) && error.status >= 500 && !at.isGone)
      log.log('error', 'request-failed', {
        requestId,
        cause: thrown instanceof Error ? thrown.stack : String(thrown),
      });
    const reply = errorReply(error, protocol, requestId);
    return { ...reply, body: typeof reply.body === 'string' ? redactor.text(reply.body) : reply.body };
  }

  #context(requestId: string): Context {
    const { principal, clock, log } = this.#options;
    return new Context({ principal, requestId, clock, log, timeoutMs: REQUEST_MS });
  }

  /** @throws AwsError for a request that nothing of its body can make valid. */
  #checkKey(claim: Claim | undefined): asserts claim is Claim {
    if (claim === undefined)
      throw new AwsError('MissingAuthenticationTokenException', `Missing Authentication Token: ${KEYS}`, 403);
    if (claim.accessKeyId === this.#options.accessKeyId) return;
    const what = `The security token included in the request is invalid: ${KEYS}`;
    throw new AwsError('UnrecognizedClientException', what, 403);
  }

  /** @throws AwsError in AWS's words: which part of a signature is wrong is said only as far as AWS says it. */
  #verify(signed: SignedRequest, claim: Claim, body: Buffer): void {
    const { secretAccessKey, clock } = this.#options;
    const refusal = verify(signed, claim, {
      secretAccessKey,
      nowMs: clock.nowMs(),
      body,
      mayLeaveBodyOpen: claim.service === 's3',
    });
    if (refusal === undefined) return;
    const what =
      refusal === 'expired'
        ? 'Signature expired: check the clock.'
        : `The request signature we calculated does not match the signature you provided: ${KEYS}`;
    throw new AwsError('InvalidSignatureException', what, 403);
  }
}

const KEYS = '`zeroplane token --aws` prints the keys.';

/** @throws AwsError, Dropped; nothing for what is no error. */
function strike({ fault }: Fate, asked: Asked): void {
  if (fault === 'drop' || fault === 'drop-after-effect') throw new Dropped();
  const error = awsFault(fault, asked);
  if (error !== undefined) throw error;
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}

function signedRequest(message: IncomingMessage): SignedRequest {
  const url = message.url ?? '/';
  const mark = url.indexOf('?');
  return {
    method: message.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? '' : url.slice(mark + 1),
    headers: message.headers,
  };
}

/** Programs of this machine only. With `--auth none` the keys are known, and a web page could sign with them. */
function checkSender({ headers }: IncomingMessage): void {
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(host) || host.endsWith('.localhost');
  if (!isHere) throw new AwsError('AccessDeniedException', 'The host is not one of this machine.', 403);
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
    throw new AwsError('AccessDeniedException', 'Web pages are not answered here.', 403);
}

function requestOf(
  signed: SignedRequest,
  body: Buffer,
  at: { readonly claim: Claim; readonly context: Context },
): AwsRequest {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(signed.headers)) if (typeof value === 'string') headers[name] = value;
  const { method, path, query } = signed;
  return {
    method,
    path,
    query: new URLSearchParams(query),
    headers,
    body,
    region: at.claim.region,
    context: at.context,
  };
}

function tooLarge(): AwsError {
  return new AwsError('RequestTooLargeException', `Request must be smaller than ${MAX_BODY_BYTES} bytes.`, 413);
}

function tooMany(): AwsError {
  return new AwsError('TooManyRequestsException', 'Too many large requests at a time. Try again.', 429);
}

async function write(response: ServerResponse, reply: AwsReply, requestId: string): Promise<void> {
  const { status, headers, body } = reply;
  const all = { ...headers, ...SIMULATED_HEADER, 'x-amzn-requestid': requestId };
  if (typeof body === 'string') {
    response.writeHead(status, { ...all, 'content-length': Buffer.byteLength(body) });
    response.end(body);
    return;
  }
  response.writeHead(status, all);
  for await (const piece of body) {
    if (response.destroyed) return;
    if (!response.write(piece)) await new Promise<void>((resume) => drained(response, resume));
  }
  response.end();
}

function drained(response: ServerResponse, resume: () => void): void {
  response.once('drain', resume);
  response.once('close', resume);
}
