/** A `fetch` that signs each request for AWS. */

import { PlatformError } from '../../core/errors.ts';
import { sign } from '../../protocol/sigv4.ts';

/** As the global `fetch`. */
export type FetchLike = (url: string | URL, init?: RequestInit) => Promise<Response>;

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface SigningFetchOptions {
  readonly region: string;
  /** `lambda`, `execute-api`, … */
  readonly service: string;
  /** Asked before each request. */
  readonly source: () => Promise<AwsCredentials>;
  /** @default the global fetch */
  readonly baseFetch?: FetchLike | undefined;
}

/** Headers that a proxy may change on the way, and those that `fetch` writes itself. */
const UNSIGNED: ReadonlySet<string> = new Set(['connection', 'content-length', 'expect', 'te', 'user-agent', 'via']);

export function signingFetch(options: SigningFetchOptions): FetchLike {
  // Runs in the client's program, which has no egress of ours to go through.
  const base = options.baseFetch ?? globalThis.fetch;
  return async (url, init = {}) => {
    const body = bodyOf(init.body);
    const { accessKeyId, secretAccessKey, sessionToken } = await options.source();
    const plain = new Headers(init.headers);
    const headers: Record<string, string> = {};
    for (const [name, value] of plain) if (!UNSIGNED.has(name)) headers[name] = value;
    const method = init.method ?? 'GET';
    const { region, service } = options;
    const signed = sign(
      { method, url: String(url), headers, body },
      {
        accessKeyId,
        secretAccessKey,
        ...(sessionToken === undefined ? {} : { sessionToken }),
        region,
        service,
        now: new Date(),
      },
    );
    for (const [name, value] of Object.entries(signed)) if (name.toLowerCase() !== 'host') plain.set(name, value);
    // A signature is for one address: whoever answers with another gets no request.
    return base(url, { ...init, method, headers: plain, redirect: init.redirect ?? 'manual' });
  };
}

function bodyOf(body: RequestInit['body']): string | Uint8Array {
  if (body === undefined || body === null) return '';
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new PlatformError('USAGE', 'A signed request needs a body of text or bytes; a stream cannot be signed here.');
}

/** The credentials in variables, as Lambda gives them to a function. */
export function variableCredentials(env: Readonly<Record<string, string | undefined>>): AwsCredentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: token } = env;
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: token };
}
