/** JSON-RPC messages as events, for functions made by `zeroplane/wrapper` and others that speak MCP themselves. */

import type { Context } from '../../core/context.ts';
import type { OversizedLine } from '../line-reader.ts';
import type { FunctionEndpoint, OutgoingRequest } from './function-channel.ts';
import { PlatformError } from '../../core/errors.ts';
import { targetProtocolError } from '../../upstream/failures.ts';
import { LineReader } from '../line-reader.ts';
import { FunctionChannel, clientContextOf } from './function-channel.ts';
import { hasThrown, isResponse, readReply } from './function-reply.ts';

/** Longest message of a stream, and the longest answer in it. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Tells the handler to write JSON-RPC messages line by line, and is the media type of such an answer. */
const LINES = 'application/x-ndjson';
/** A reply that surely is JSON-RPC; the peer finds out everything else about it. */
const BEGINS_AS_RESPONSE = /^\s*\{\s*"jsonrpc"\s*:/;

export class JsonRpcChannel extends FunctionChannel {
  /** Whether it is still open in which contract the function works: a reply that is no JSON-RPC then decides it. */
  mayBeForeign = false;
  /** It has decided against JSON-RPC. */
  isForeign = false;
  readonly #streams: boolean;

  /** @param streams - Reads every answer as a stream, which may be larger than 6 MB; otherwise only where the caller wants to hear of progress. */
  constructor(endpoint: FunctionEndpoint, streams: boolean) {
    super(endpoint);
    this.#streams = streams;
  }

  protected async answer(text: string, outgoing: OutgoingRequest, context: Context): Promise<void> {
    try {
      if (this.#wantsStream(outgoing)) await this.#stream(text, outgoing, context);
      else this.#take((await this.invoke(text, outgoing, context)).payload, outgoing);
    } catch (error) {
      if (this.mayBeForeign && hasThrown(error)) this.isForeign = true;
      throw error;
    }
  }

  #wantsStream({ request }: OutgoingRequest): boolean {
    if (this.endpoint.invoker.invokeStream === undefined) return false;
    const { exchange } = request;
    if (this.#streams) return true;
    return exchange !== undefined && (exchange.wantsProgress || exchange.logLevel !== undefined);
  }

  #take(payload: string, outgoing: OutgoingRequest): void {
    if (BEGINS_AS_RESPONSE.test(payload)) {
      if (!this.deliver(payload, outgoing)) throw this.#notAnAnswer(outgoing, 'a message that does not answer it');
      return;
    }
    const reply = readReply(payload);
    if (!isResponse(reply)) this.#foreign(outgoing, payload);
    else if (!this.deliver(reply.text, outgoing))
      throw this.#notAnAnswer(outgoing, 'a message that does not answer it');
  }

  #foreign(outgoing: OutgoingRequest, payload: string): never {
    this.isForeign = this.mayBeForeign;
    const what = `something that is no JSON-RPC message: ${payload.slice(0, 200)}`;
    // While the contract is open this is no fault, only an answer to that question; any code but a protocol's will do.
    if (this.isForeign) throw new PlatformError('FUNCTION_FAILED', what, { target: this.endpoint.target });
    throw this.#notAnAnswer(outgoing, what);
  }

  #notAnAnswer({ request }: OutgoingRequest, what: string): PlatformError {
    return targetProtocolError(this.endpoint.target, request.method, what);
  }

  async #stream(text: string, outgoing: OutgoingRequest, context: Context): Promise<void> {
    const { functionName, invoker } = this.endpoint;
    this.checkSize(text);
    const clientContext = { ...clientContextOf(outgoing.request), zeroplaneAccept: LINES };
    const streamed = await this.throughThrottle(context, async () =>
      invoker.invokeStream?.({ functionName, payload: text, clientContext }, context),
    );
    if (streamed === undefined) return;
    const isLines = streamed.contentType.startsWith(LINES);
    const read = isLines ? this.#readLines(streamed.body, outgoing) : collect(streamed.body);
    const payload = await read;
    if (payload === undefined) return;
    const { functionError, errorPayload = '{}', logTail } = await streamed.ending;
    if (functionError !== undefined) throw this.failure(errorPayload, logTail);
    if (isLines) throw this.#notAnAnswer(outgoing, 'a stream that ended without an answer');
    this.#take(payload, outgoing);
  }

  /** @returns `undefined` once the answer has come, and an empty text when the stream ended without one. */
  async #readLines(body: AsyncIterable<Uint8Array>, outgoing: OutgoingRequest): Promise<'' | undefined> {
    let isAnswered = false;
    const take = (line: string): void => {
      if (!isAnswered) isAnswered = this.deliver(line, outgoing);
    };
    const oversized = ({ bytes }: OversizedLine): never => {
      throw tooLarge(bytes);
    };
    const invalid = (): never => {
      throw this.#notAnAnswer(outgoing, 'text that is not UTF-8');
    };
    const reader = new LineReader({ line: take, invalid, oversized }, MAX_MESSAGE_BYTES);
    for await (const chunk of body) {
      reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      // Whatever comes after the answer belongs to nobody.
      if (isAnswered) return undefined;
    }
    reader.end();
    return isAnswered ? undefined : '';
  }
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_MESSAGE_BYTES) throw tooLarge(size);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(bytes: number): PlatformError {
  return new PlatformError(
    'TARGET_RESPONSE_TOO_LARGE',
    `The function's answer has ${bytes} bytes or more; at most ${MAX_MESSAGE_BYTES} are read. Ask for less, in pages for instance.`,
    { bytes, maxBytes: MAX_MESSAGE_BYTES },
  );
}
