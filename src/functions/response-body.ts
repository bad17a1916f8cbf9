/**
 * A function's answer as it arrives at the Runtime API, piece by piece. It is read no faster than somebody takes
 * it, so that a function which writes faster than its caller reads has to wait; its last words, when it fails in the
 * middle, come in the trailers.
 */

import type { IncomingMessage } from 'node:http';

/** 200 MB, as on Lambda. */
const MAX_STREAM_BYTES = 200 * 1024 * 1024;

/** How a body ended: `broken` when its process went away. */
export type BodyEnd =
  | { readonly kind: 'complete' | 'broken' | 'too-large' }
  | { readonly kind: 'error'; readonly body: string };

const ERROR_TYPE = 'lambda-runtime-function-error-type';
const ERROR_BODY = 'lambda-runtime-function-error-body';
const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

export class ResponseBody implements AsyncIterable<Uint8Array> {
  readonly contentType: string;
  readonly maxBytes: number;
  /** Settles when nothing more will come, read or not. Never rejects. */
  readonly ended: Promise<BodyEnd>;
  readonly #request: IncomingMessage;
  #end: (end: BodyEnd) => void = () => undefined;
  #size = 0;
  #isOver = false;
  #isDiscarded = false;
  #wake: (() => void) | undefined;

  constructor(request: IncomingMessage, maxBytes = MAX_STREAM_BYTES) {
    this.#request = request;
    this.maxBytes = maxBytes;
    this.contentType = request.headers['content-type'] ?? DEFAULT_CONTENT_TYPE;
    this.ended = new Promise((resolve) => {
      this.#end = (end) => {
        this.#isOver = true;
        this.#wake?.();
        resolve(end);
      };
    });
    request.on('readable', this.#onReadable);
    request.once('end', () => this.#end(endOf(request)));
    request.once('close', () => this.#end({ kind: 'broken' }));
  }

  /** To be read once; whoever stops early lets the rest go. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      while (!this.#isDiscarded) {
        // What had arrived before its process went away is read all the same.
        const chunk = this.#request.read() as Buffer | null;
        if (chunk !== null) {
          if (!this.#count(chunk)) return;
          yield chunk;
        } else if (this.#isOver) return;
        else await this.#more();
      }
    } finally {
      this.discard();
    }
  }

  /** Reads the rest and drops it, so that the function can finish. */
  discard(): void {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    this.#wake?.();
    this.#request.off('readable', this.#onReadable);
    this.#request.on('data', (chunk: Buffer) => void this.#count(chunk));
    this.#request.resume();
  }

  readonly #onReadable = (): void => this.#wake?.();

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** @returns false, and ends the body, once there is too much of it. */
  #count(chunk: Buffer): boolean {
    this.#size += chunk.length;
    if (this.#size <= this.maxBytes) return true;
    this.#end({ kind: 'too-large' });
    return false;
  }
}

function endOf({ trailers }: IncomingMessage): BodyEnd {
  const errorType = trailers[ERROR_TYPE];
  const encoded = trailers[ERROR_BODY];
  if (errorType === undefined && encoded === undefined) return { kind: 'complete' };
  if (encoded !== undefined && encoded !== '')
    return { kind: 'error', body: Buffer.from(encoded, 'base64').toString('utf8') };
  return { kind: 'error', body: JSON.stringify({ errorType: errorType ?? 'Runtime.StreamError', errorMessage: '' }) };
}
