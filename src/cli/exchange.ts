/** One HTTP exchange with an instance on this machine, over node:http, with the answer whole or event by event. */

import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { PlatformError } from '../core/errors.ts';

export interface ExchangeRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Until the answer is complete. */
  readonly timeoutMs: number;
}

export interface ExchangeAnswer {
  readonly status: number;
  readonly contentType: string;
  /** All of it; empty when `onEvent` took an event stream. */
  readonly text: string;
}

/** Answers larger than this are refused; the gateway sends at most 5 MiB and pages of 1 MiB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * @param onEvent - Called with the data of each event when the answer is an event stream; returning true ends it.
 * @throws PlatformError `INSTANCE_NOT_RUNNING` when nobody listens, `REQUEST_TIMEOUT`.
 */
export async function exchange(request: ExchangeRequest, onEvent?: (data: string) => boolean): Promise<ExchangeAnswer> {
  const expiry = AbortSignal.timeout(request.timeoutMs);
  try {
    const response = await send(request, expiry);
    const contentType = response.headers['content-type'] ?? '';
    const status = response.statusCode ?? 0;
    if (onEvent === undefined || !contentType.startsWith('text/event-stream')) {
      return { status, contentType, text: await readAll(response) };
    }
    await readEvents(response, onEvent);
    return { status, contentType, text: '' };
  } catch (error) {
    throw explain(error, request, expiry.aborted);
  }
}

function send(request: ExchangeRequest, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const start = request.url.startsWith('https:') ? httpsRequest : httpRequest;
    const body = request.body === undefined ? undefined : Buffer.from(request.body);
    const length = body === undefined ? {} : { 'Content-Length': String(body.length) };
    const outgoing = start(request.url, {
      method: request.method,
      headers: { ...request.headers, ...length },
      signal,
      agent: false,
    });
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES)
      throw new PlatformError('TARGET_RESPONSE_TOO_LARGE', 'The answer is larger than 64 MiB.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function readEvents(response: IncomingMessage, onEvent: (data: string) => boolean): Promise<void> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response as AsyncIterable<string>) {
    const blocks = (rest + chunk).split(/\r\n\r\n|\n\n|\r\r/);
    rest = blocks.pop() ?? '';
    if (rest.length > MAX_ANSWER_BYTES)
      throw new PlatformError('TARGET_RESPONSE_TOO_LARGE', 'An event is larger than 64 MiB.');
    for (const block of blocks) {
      const data = eventData(block);
      if (data !== undefined && onEvent(data)) return;
    }
  }
}

function eventData(block: string): string | undefined {
  const lines = block.split(/\r\n|\n|\r/).filter((line) => line.startsWith('data:'));
  if (lines.length === 0) return undefined;
  return lines.map((line) => line.slice(line.startsWith('data: ') ? 6 : 5)).join('\n');
}

function explain(error: unknown, request: ExchangeRequest, isExpired: boolean): unknown {
  if (error instanceof PlatformError) return error;
  const { origin } = new URL(request.url);
  if (isExpired) {
    const message = `${origin} did not answer within ${request.timeoutMs / 1000} s. Give it longer with --timeout.`;
    return new PlatformError('REQUEST_TIMEOUT', message, {}, { cause: error });
  }
  const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  const details = { next: 'zeroplane dev' };
  return new PlatformError('INSTANCE_NOT_RUNNING', `${origin} cannot be reached (${reason}).`, details, {
    cause: error,
  });
}
