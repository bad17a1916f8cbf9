/**
 * Streamed answers in a function's own process: the global `awslambda` that handlers are written against, and the
 * stream that it hands them. Nothing is sent before the first write, so a handler that fails earlier fails like any
 * other; one that fails later says so in the trailers.
 */

import { Writable } from 'node:stream';

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const HTTP_INTEGRATION = 'application/vnd.awslambda.http-integration-response';
const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';

/** Defines the global `awslambda`, once, before the handler's module is loaded. */
export function defineGlobal() {
  globalThis.awslambda = {
    ...globalThis.awslambda,
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      return handler;
    },
    HttpResponseStream: {
      /** Begins the answer with its status and headers as JSON and eight NULs. */
      from(stream, prelude) {
        stream.setContentType(HTTP_INTEGRATION);
        const text = JSON.stringify(prelude);
        stream._onBeforeFirstWrite = (write) => {
          write(text);
          write(new Uint8Array(8));
        };
        return stream;
      },
    },
  };
}

export const isStreaming = (handler) => handler[STREAMING] === 'response';

export class ResponseStream extends Writable {
  #connection;
  #path;
  #contentType = 'application/octet-stream';
  #answered = undefined;
  #isEnded = false;
  #trailers = '';

  constructor(connection, path, handler) {
    const highWaterMark = handler[HIGH_WATER_MARK];
    super({ decodeStrings: true, ...(highWaterMark > 0 ? { highWaterMark } : {}) });
    this.#connection = connection;
    this.#path = path;
    // An error of this stream is known to its writer, or else is found at its end.
    this.on('error', () => undefined);
  }

  /** Whether something was sent; the answer of the gateway then follows the end. */
  get hasBegun() {
    return this.#answered !== undefined;
  }

  /** The gateway's answer. */
  get answered() {
    return this.#answered;
  }

  setContentType(type) {
    if (this.hasBegun) throw new Error('Cannot set content-type, too late.');
    this.#contentType = String(type);
  }

  /** Anything but text and bytes is written as JSON. */
  write(chunk, ...rest) {
    const isPlain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    return super.write(isPlain ? chunk : JSON.stringify(chunk), ...rest);
  }

  _write(chunk, _encoding, done) {
    this.#begin();
    this.#send(chunk, done);
  }

  _final(done) {
    if (!this.hasBegun && this._onBeforeFirstWrite !== undefined) {
      const what = 'The stream ended without a write. On AWS status and headers go out with the first write alone:';
      process.stderr.write(`${what} write an empty string before the end.\n`);
    }
    this.#begin();
    this.#end();
    done();
  }

  /** Ends an answer that has begun with the error that came in the middle. Resolves when that is written. */
  async fail(errorType, body) {
    if (this.#isEnded) return;
    const encoded = Buffer.from(body).toString('base64');
    this.#trailers = `${ERROR_TYPE}: ${errorType.replaceAll(/[^\x20-\x7e]/g, '?')}\r\n${ERROR_BODY}: ${encoded}\r\n`;
    if (this.destroyed) {
      this.#end();
      return;
    }
    // What was written before the error comes before it.
    const closed = new Promise((done) => this.once('close', done));
    this.end();
    await closed;
    if (!this.#isEnded) this.#end();
  }

  #begin() {
    if (this.hasBegun) return;
    const headers = [
      'lambda-runtime-function-response-mode: streaming',
      'transfer-encoding: chunked',
      `trailer: ${ERROR_TYPE}, ${ERROR_BODY}`,
      `content-type: ${this.#contentType.replaceAll(/[^\x20-\x7e]/g, '?')}`,
    ];
    this.#answered = this.#connection.open('POST', this.#path, headers);
    this._onBeforeFirstWrite?.((chunk) => this.#send(Buffer.from(chunk)));
  }

  #send(chunk, done) {
    const isRoomy = chunk.length === 0 || this.#connection.write(frame(chunk));
    if (done === undefined) return;
    if (isRoomy) done();
    else this.#connection.onDrain(done);
  }

  #end() {
    this.#isEnded = true;
    this.#connection.write(`0\r\n${this.#trailers}\r\n`);
  }
}

function frame(chunk) {
  const head = `${chunk.length.toString(16)}\r\n`;
  return Buffer.concat([Buffer.from(head), chunk, Buffer.from('\r\n')]);
}

/** Runs a streaming handler until its stream has ended. `whenIdle` calls back when nothing is left to wait for. */
export async function runStreaming(handler, { event, stream, context, whenIdle }) {
  const ended = new Promise((resolve, reject) => {
    const unfinished = () => reject(new Error('Response stream is not finished.'));
    stream.once('finish', resolve);
    stream.once('close', () => (stream.writableFinished ? resolve() : unfinished()));
    whenIdle(unfinished);
  });
  ended.catch(() => undefined);
  const returned = handler(event, stream, context);
  if (typeof returned?.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
  await Promise.race([returned, ended.then(() => returned)]);
  await ended;
}
