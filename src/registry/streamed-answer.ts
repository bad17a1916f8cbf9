/**
 * Reads the answer of a function that streams, up to Lambda's 200 MB, and takes the prelude off an HTTP answer:
 * status and headers as JSON, eight NUL bytes, then the body.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
 */

import { isObject } from '../core/json.ts';
import type { StreamedInvocation } from '../core/ports.ts';

const MAX_STREAM_BYTES = 200 * 1024 * 1024;
const HTTP_ANSWER = 'application/vnd.awslambda.http-integration-response';
/** Lambda's own name for it. */
const TOO_LARGE = 'Function.ResponseSizeTooLarge';
const PRELUDE_END = Buffer.alloc(8);
const MAX_PRELUDE_BYTES = 1024 * 1024;

/** A whole streamed answer. */
export interface StreamedAnswer {
  readonly bytes: Buffer;
  /** Lower case, without parameters; of an HTTP answer the one in its headers. */
  readonly contentType: string;
  /** Of an HTTP answer. */
  readonly statusCode?: number;
}

export interface Reading {
  readonly answer?: StreamedAnswer;
  /** Present when the function failed before its end, or answered what cannot be read: JSON text of the error. */
  readonly errorPayload?: string;
  readonly functionError?: string;
  readonly logTail?: string;
}

export interface ReadOptions {
  /** Called with the number of bytes so far, after each piece. */
  readonly onBytes: (count: number) => void;
  /** Rejects when nobody waits any longer; never resolves. */
  readonly abandoned: Promise<never>;
}

/** Reads to the end. Rejects only as `abandoned` does; what the function does wrong is in the reading. */
export async function readStream(stream: StreamedInvocation, options: ReadOptions): Promise<Reading> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const source = stream.body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([source.next(), options.abandoned]);
      if (next.done === true) break;
      size += next.value.length;
      if (size > MAX_STREAM_BYTES) return failed(`It is larger than ${MAX_STREAM_BYTES} bytes.`, TOO_LARGE);
      pieces.push(next.value);
      options.onBytes(size);
    }
  } finally {
    // Lets the rest go; a piece that is awaited would hold this up.
    void source.return?.(undefined);
  }
  const { functionError, errorPayload = '{}', logTail } = await stream.ending;
  const log = logTail === undefined ? {} : { logTail };
  if (functionError !== undefined) return { functionError, errorPayload, ...log };
  const bytes = Buffer.concat(pieces, size);
  const type = mediaType(stream.contentType);
  if (type !== HTTP_ANSWER) return { answer: { bytes, contentType: type }, ...log };
  return { ...readHttp(bytes), ...log };
}

function readHttp(bytes: Buffer): Reading {
  const end = bytes.subarray(0, MAX_PRELUDE_BYTES).indexOf(PRELUDE_END);
  const prelude = end < 0 ? undefined : parsed(bytes.toString('utf8', 0, end));
  if (!isObject(prelude)) return failed('The HTTP answer has no readable prelude.');
  const { statusCode = 200, headers } = prelude;
  if (typeof statusCode !== 'number') return failed('The HTTP answer has a status that is no number.');
  const contentType = mediaType(headerOf(headers, 'content-type') ?? 'application/json');
  return { answer: { bytes: bytes.subarray(end + PRELUDE_END.length), contentType, statusCode } };
}

function failed(errorMessage: string, errorType = 'StreamError'): Reading {
  const errorPayload = JSON.stringify({ errorType, errorMessage });
  return { functionError: 'Unhandled', errorPayload };
}

export function mediaType(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** By name in any case. */
export function headerOf(headers: unknown, name: string): string | undefined {
  if (!isObject(headers)) return undefined;
  const found = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return typeof found === 'string' ? found : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
