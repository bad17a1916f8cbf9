/**
 * What Azure's SDKs send their requests through: the egress, and only to the places they are meant for. Long operations
 * are asked for at addresses that an answer names, and the bearer must not follow one to a stranger.
 */

import { createHttpHeaders } from '@azure/core-rest-pipeline';
import type { HttpClient, PipelineRequest, PipelineResponse } from '@azure/core-rest-pipeline';
import { PlatformError } from '../../core/errors.ts';
import { cloudError } from '../../provisioning/cloud-errors.ts';
import type { CloudPlace } from '../../provisioning/provisioner.ts';

/** Lists of a subscription come in pages of some hundred KB. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

export interface TransportOptions {
  readonly place: CloudPlace;
  /** Ends every request: a job whose time is up sends nothing more, whatever the SDK has begun. */
  readonly signal?: AbortSignal;
  /** Whether a request may go to this origin. */
  readonly mayAsk: (url: URL) => boolean;
}

export interface AzureTransport extends HttpClient {
  /** Milliseconds that the last answer asked to wait; `undefined` where it did not say. */
  readonly retryAfterMs: number | undefined;
}

export function createAzureTransport({ place, mayAsk, signal }: TransportOptions): AzureTransport {
  let retryAfterMs: number | undefined;
  return {
    get retryAfterMs() {
      return retryAfterMs;
    },
    async sendRequest(request) {
      if (!mayAsk(new URL(request.url))) throw refusedAddress(request);
      const { status, headers, text } = await ask(place, request, signal);
      const seconds = Number(headers['retry-after']);
      retryAfterMs = Number.isFinite(seconds) && headers['retry-after'] !== undefined ? seconds * 1000 : undefined;
      return { request, status, headers: createHttpHeaders({ ...headers }), bodyAsText: text };
    },
  };
}

type Answer = Pick<PipelineResponse, 'status'> & {
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
};

async function ask(place: CloudPlace, request: PipelineRequest, signal: AbortSignal | undefined): Promise<Answer> {
  try {
    const { status, headers, body } = await place.egress.request({
      url: request.url,
      method: request.method,
      headers: request.headers.toJSON(),
      body: textOf(request.body),
      signal: request.abortSignal instanceof AbortSignal ? request.abortSignal : signal,
      ca: place.ca,
      origin: 'operator',
      timeoutMs: TIMEOUT_MS,
    });
    return { status, headers, text: await collect(body) };
  } catch (thrown) {
    if (thrown instanceof PlatformError && thrown.code === 'EGRESS_REFUSED') throw thrown;
    const message = thrown instanceof Error ? thrown.message : 'no answer';
    const [operation, cloudCode] = [request.method, 'NoAnswer'];
    throw cloudError({ cloud: 'azure', fault: 'unavailable', operation, cloudCode, message, cause: thrown });
  }
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > MAX_ANSWER_BYTES) throw new RangeError(`The answer has more than ${MAX_ANSWER_BYTES} bytes.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function textOf(body: PipelineRequest['body']): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return body;
  throw new TypeError('The SDK of Azure sent a body that is no text.');
}

function refusedAddress(request: PipelineRequest): PlatformError {
  const { host } = new URL(request.url);
  return cloudError({
    cloud: 'azure',
    fault: 'refused',
    operation: request.method,
    cloudCode: 'ForeignAddress',
    message: `An answer led to ${host}, which is not the place that Azure was asked at`,
  });
}
