/**
 * The local AWS endpoint: one loopback port that the vendor's SDKs and command line take for AWS. Every request is
 * signed with the access key `zeroplane` and the development token, and goes to the service that its signature names.
 */

import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Context } from '../../core/context.ts';
import type { Principal } from '../../core/context.ts';
import type { Clock, IdSource, Logger } from '../../core/ports.ts';
import { readClaim, verify } from '../../protocol/sigv4.ts';
import type { Claim, SignedRequest } from '../../protocol/sigv4.ts';
import { errorReply, toAwsError } from './aws-errors.ts';
import { AwsError } from './aws-service.ts';
import type { AwsReply, AwsRequest, AwsService } from './aws-service.ts';

export interface AwsEndpointOptions {
  readonly services: readonly AwsService[];
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Whom a valid signature stands for. */
  readonly principal: Principal;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  /** @default 0, any free one */
  readonly port?: number;
}

export interface AwsEndpoint {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Lambda's own limit of a request, and room for what stands around a payload. */
const MAX_BODY_BYTES = 6 * 1024 * 1024 + 64 * 1024;
const MAX_HEADER_BYTES = 32 * 1024;
/** A function may run for a quarter of an hour. */
const REQUEST_MS = 900_000;
/** For headers and body together. */
const RECEIVE_MS = 60_000;

export async function startAwsEndpoint(options: AwsEndpointOptions): Promise<AwsEndpoint> {
  const endpoint = new Endpoint(options);
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: RECEIVE_MS }, (message, response) =>
    endpoint.serve(message, response),
  );
  await listen(server, options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

class Endpoint {
  readonly #options: AwsEndpointOptions;
  readonly #services: ReadonlyMap<string, AwsService>;

  constructor(options: AwsEndpointOptions) {
    this.#options = options;
    this.#services = new Map(options.services.map((service) => [service.name, service]));
  }

  serve(message: IncomingMessage, response: ServerResponse): void {
    const requestId = this.#options.ids.uuid();
    this.#answer(message, response, requestId)
      .then((reply) => write(response, reply, requestId))
      .catch((error: unknown) => {
        this.#options.log.log('warn', 'answer of the AWS endpoint not sent', { requestId, cause: String(error) });
        response.destroy();
      });
  }

  async #answer(message: IncomingMessage, response: ServerResponse, requestId: string): Promise<AwsReply> {
    let protocol: AwsService['protocol'];
    try {
      checkHost(message);
      const body = await readBody(message);
      const { claim, signed } = this.#authenticated(message, body);
      const service = this.#services.get(claim.service);
      if (service === undefined)
        throw new AwsError('UnknownOperationException', `The service "${claim.service}" is not simulated here.`, 404);
      protocol = service.protocol;
      const context = this.#context(requestId);
      response.on('close', () => {
        if (!response.writableFinished) context.abort(new Error('the client closed the connection'));
      });
      return await service.handle(requestOf(signed, body, { claim, context }));
    } catch (thrown) {
      const error = toAwsError(thrown);
      if (error.status >= 500)
        this.#options.log.log('error', 'request-failed', {
          requestId,
          cause: thrown instanceof Error ? thrown.stack : String(thrown),
        });
      return errorReply(error, protocol, requestId);
    }
  }

  #context(requestId: string): Context {
    const { principal, clock, log } = this.#options;
    return new Context({ principal, requestId, clock, log, timeoutMs: REQUEST_MS });
  }

  /** @throws AwsError in AWS's words: which part of a signature is wrong is said only as far as AWS says it. */
  #authenticated(message: IncomingMessage, body: Buffer): { claim: Claim; signed: SignedRequest } {
    const { accessKeyId, secretAccessKey, clock } = this.#options;
    const url = message.url ?? '/';
    const mark = url.indexOf('?');
    const signed: SignedRequest = {
      method: message.method ?? 'GET',
      path: mark < 0 ? url : url.slice(0, mark),
      query: mark < 0 ? '' : url.slice(mark + 1),
      headers: message.headers,
    };
    const claim = readClaim(signed);
    const next = '`zeroplane token --aws` prints the keys.';
    if (claim === undefined)
      throw new AwsError('MissingAuthenticationTokenException', `Missing Authentication Token: ${next}`, 403);
    if (claim.accessKeyId !== accessKeyId)
      throw new AwsError(
        'UnrecognizedClientException',
        `The security token included in the request is invalid: ${next}`,
        403,
      );
    const refusal = verify(signed, claim, { secretAccessKey, nowMs: clock.nowMs(), body });
    if (refusal === undefined) return { claim, signed };
    const what =
      refusal === 'expired'
        ? 'Signature expired: check the clock.'
        : `The request signature we calculated does not match the signature you provided: ${next}`;
    throw new AwsError('InvalidSignatureException', what, 403);
  }
}

/** A web page that has learned the port still cannot sign, but needs no answer either. */
function checkHost(message: IncomingMessage): void {
  const host = (message.headers.host ?? '').replace(/:\d+$/, '');
  if (['127.0.0.1', 'localhost', '[::1]'].includes(host) || host.endsWith('.localhost')) return;
  throw new AwsError('AccessDeniedException', 'The host is not one of this machine.', 403);
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

function readBody(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    message.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
      else chunks.length = 0;
    });
    message.on('end', () => {
      if (size > MAX_BODY_BYTES)
        reject(new AwsError('RequestTooLargeException', `Request must be smaller than ${MAX_BODY_BYTES} bytes.`, 413));
      else resolve(Buffer.concat(chunks, size));
    });
    message.on('error', reject);
  });
}

async function write(response: ServerResponse, reply: AwsReply, requestId: string): Promise<void> {
  const { status, headers, body } = reply;
  const all = { ...headers, 'x-amzn-requestid': requestId };
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
