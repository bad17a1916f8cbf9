/**
 * What the AWS SDK sends its requests through: the egress, so that its connections obey the same rules as all others.
 * It carries bytes and nothing else; signing, retries and reading the answer are above it.
 */

import { Readable } from 'node:stream';
import type { Egress } from '../../core/ports.ts';

/** A request as the SDK hands it over: already signed, its path encoded, its query not. */
interface SdkRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface SdkOptions {
  readonly abortSignal?: AbortSignal;
  readonly requestTimeout?: number;
}

interface SdkResponse {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: Readable;
}

/** The members of the SDK's own handlers. A type and not an interface: the SDK takes it as a plain record. */
export type SdkTransport = {
  readonly metadata: { readonly handlerProtocol: string };
  handle(request: SdkRequest, options?: SdkOptions): Promise<{ readonly response: SdkResponse }>;
  destroy(): void;
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): Record<string, never>;
};

/** @param timeoutMs - Until the headers of an answer have arrived. */
export function createSdkTransport(egress: Egress, timeoutMs: number): SdkTransport {
  return {
    metadata: { handlerProtocol: 'http/1.1' },
    async handle(request, options = {}) {
      const { status, headers, body } = await egress.request({
        url: urlOf(request),
        method: request.method,
        headers: request.headers,
        body: textOf(request.body),
        signal: options.abortSignal,
        origin: 'operator',
        timeoutMs: options.requestTimeout ?? timeoutMs,
      });
      return { response: { statusCode: status, headers: { ...headers }, body: Readable.from(body) } };
    },
    destroy: () => {},
    updateHttpClientConfig: () => {},
    httpHandlerConfigs: () => ({}),
  };
}

function urlOf(request: SdkRequest): string {
  const port = request.port === undefined ? '' : `:${request.port}`;
  const query = queryOf(request.query ?? {});
  return `${request.protocol}//${request.hostname}${port}${request.path}${query === '' ? '' : `?${query}`}`;
}

/** As the signature was computed: every character escaped that RFC 3986 does not leave alone. */
function queryOf(query: NonNullable<SdkRequest['query']>): string {
  return Object.keys(query)
    .toSorted()
    .flatMap((key) => {
      const value = query[key];
      if (value === null || value === undefined) return [escapeUri(key)];
      return [value].flat().map((each) => `${escapeUri(key)}=${escapeUri(each)}`);
    })
    .join('&');
}

function escapeUri(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Requests of the services used here are JSON, so their bytes are text. */
function textOf(body: unknown): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  throw new TypeError('The AWS SDK sent a body that is neither text nor bytes.');
}
