/**
 * Transports for the official MCP clients, to servers behind Lambda. They fit
 * `@modelcontextprotocol/client` and version 1 of `@modelcontextprotocol/sdk` alike by their shape, and import neither.
 *
 * Runs in the client's process, not in a handler; a handler's bundle has nothing of it.
 */

import type { CredentialSource, SigV4FetchOptions } from './client-credentials.ts';
import type { AwsCredentials, FetchLike } from './signed-fetch.ts';
import { PlatformError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { ClientTransport } from './client-transport.ts';
import { createSigV4Fetch } from './client-credentials.ts';
import { eventMessages } from './event-messages.ts';

export { createSigV4Fetch };
export type { AwsCredentials, CredentialSource, FetchLike, SigV4FetchOptions };

export interface LambdaFunctionParameters {
  /** Name or ARN of a function, a version or an alias. */
  readonly functionName: string;
  /** @default AWS_REGION, AWS_DEFAULT_REGION, else us-east-1 */
  readonly regionName?: string | undefined;
  /** @default the variables AWS_ACCESS_KEY_ID and so on, else the AWS SDK's default chain where it is installed */
  readonly credentials?: CredentialSource | undefined;
  /** Address of the Lambda service. @default AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL, else the region's own */
  readonly endpoint?: string | undefined;
  /** What the function finds in `context.clientContext`. */
  readonly clientContext?: Readonly<Record<string, unknown>> | undefined;
  /** @default the global fetch */
  readonly baseFetch?: FetchLike | undefined;
}

/** Speaks to a server by invoking its function, one message at a time. */
export class LambdaFunctionClientTransport extends ClientTransport {
  readonly #parameters: LambdaFunctionParameters;
  readonly #fetch: FetchLike;
  readonly #url: string;

  constructor(parameters: LambdaFunctionParameters) {
    super();
    this.#parameters = parameters;
    const env = process.env;
    const region = parameters.regionName ?? env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? 'us-east-1';
    const endpoint =
      parameters.endpoint ??
      env['AWS_ENDPOINT_URL_LAMBDA'] ??
      env['AWS_ENDPOINT_URL'] ??
      `https://lambda.${region}.amazonaws.com`;
    this.#url = `${endpoint.replace(/\/$/, '')}/2015-03-31/functions/${encodeURIComponent(parameters.functionName)}/invocations`;
    const { credentials, baseFetch } = parameters;
    this.#fetch = createSigV4Fetch({ region, service: 'lambda', credentials, baseFetch });
  }

  protected async exchange(message: object, signal: AbortSignal): Promise<void> {
    const answer = await this.#invoke(message, signal);
    // A notification is answered with an empty object.
    if (isObject(answer) && ('result' in answer || 'error' in answer)) this.receive(answer);
    else if ('id' in message && 'method' in message)
      throw this.#failure(`answered with something that is no JSON-RPC: ${JSON.stringify(answer).slice(0, 200)}`);
  }

  async #invoke(message: object, signal: AbortSignal): Promise<unknown> {
    const { clientContext } = this.#parameters;
    const context = clientContext && Buffer.from(JSON.stringify(clientContext)).toString('base64');
    const response = await this.#fetch(this.#url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(context === undefined ? {} : { 'x-amz-client-context': context }),
      },
      body: JSON.stringify(message),
      signal,
    });
    const text = await response.text();
    if (!response.ok) throw this.#failure(`could not be invoked (HTTP ${response.status}): ${text.slice(0, 300)}`);
    const failed = response.headers.get('x-amz-function-error');
    if (failed !== null) throw this.#failure(`failed (${failed}): ${text.slice(0, 300)}`);
    return JSON.parse(text) as unknown;
  }

  #failure(what: string): PlatformError {
    const { functionName } = this.#parameters;
    return new PlatformError('FUNCTION_FAILED', `function "${functionName}" ${what}. Look at the function's log.`, {
      function: functionName,
    });
  }
}

export interface SigV4TransportOptions {
  /** `lambda` for a Function URL, `execute-api` for API Gateway. */
  readonly service: string;
  readonly region: string;
  /** @default as {@link LambdaFunctionParameters.credentials} */
  readonly credentials?: CredentialSource | undefined;
  /** Members to send with each request; their `headers` are signed too. */
  readonly requestInit?: RequestInit | undefined;
  /** @default the global fetch */
  readonly fetch?: FetchLike | undefined;
}

/** Streamable HTTP with each request signed: servers behind IAM, such as a Function URL with `AWS_IAM`. */
export class StreamableHTTPClientWithSigV4Transport extends ClientTransport {
  /** Tells the client that each request has a stream of its own, which ends when the request is cancelled. */
  readonly hasPerRequestStream = true;
  readonly #url: string;
  readonly #fetch: FetchLike;
  readonly #requestInit: RequestInit;

  constructor(url: URL | string, options: SigV4TransportOptions) {
    super();
    this.#url = String(url);
    this.#requestInit = options.requestInit ?? {};
    const { service, region, credentials, fetch: baseFetch } = options;
    this.#fetch = createSigV4Fetch({ service, region, credentials, baseFetch });
  }

  protected async exchange(
    message: object,
    signal: AbortSignal,
    added: Readonly<Record<string, string>>,
  ): Promise<void> {
    const headers = new Headers(this.#requestInit.headers);
    headers.set('content-type', 'application/json');
    headers.set('accept', 'application/json, text/event-stream');
    for (const [name, value] of Object.entries({ ...this.headersFor(message), ...added })) headers.set(name, value);
    const body = JSON.stringify(message);
    const response = await this.#fetch(this.#url, { ...this.#requestInit, method: 'POST', headers, body, signal });
    this.sessionId = response.headers.get('mcp-session-id') ?? this.sessionId;
    await this.#read(response, 'id' in message && 'method' in message);
  }

  async #read(response: Response, expectsAnswer: boolean): Promise<void> {
    const type = response.headers.get('content-type') ?? '';
    if (type.includes('text/event-stream') && response.body !== null) {
      for await (const message of eventMessages(response.body as AsyncIterable<Uint8Array>)) this.receive(message);
      return;
    }
    const text = await response.text();
    const answer = type.includes('application/json') && text !== '' ? (JSON.parse(text) as unknown) : undefined;
    // Refusals of the server are JSON-RPC errors with an HTTP status of their own.
    const answers = Array.isArray(answer) ? answer : [answer];
    const isAnswer = answers.every((each) => isObject(each) && 'jsonrpc' in each && each['id'] !== null);
    if (isAnswer && expectsAnswer) for (const each of answers) this.receive(each);
    else if (!response.ok)
      throw new HttpError(response.status, `HTTP ${response.status} from ${this.#url}: ${text.slice(0, 300)}`);
  }

  /** Ends the session that the server gave, if it gave one. */
  async terminateSession(): Promise<void> {
    if (this.sessionId === undefined) return;
    await this.#fetch(this.#url, { method: 'DELETE', headers: { 'mcp-session-id': this.sessionId } });
    this.sessionId = undefined;
  }
}

/** A refusal by HTTP status; `code` is where the official clients look for it. */
class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
