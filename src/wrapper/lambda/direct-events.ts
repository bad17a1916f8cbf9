/**
 * Events of programs that invoke the function directly: a JSON-RPC message as it is, or `{method, params}` with an
 * answer that looks like one of HTTP.
 */

import type { Message } from '../../protocol/message.ts';
import type { JsonRpcObject } from './lambda-event.ts';
import type { MessageRunner } from './message-runner.ts';
import { PlatformError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { MessageError, decodeMessage } from '../../protocol/message.ts';
import { rpcFailure } from './answers.ts';

/** Neither a request nor a notification; the words are those that callers of the original library know. */
const NOT_A_MESSAGE: JsonRpcObject = {
  jsonrpc: '2.0',
  id: 0,
  error: {
    code: -32600,
    message: 'Request is neither a valid JSON-RPC request nor a valid JSON-RPC notification',
  },
};

/** `{method, params}` without JSON-RPC around it. */
export function isMethodEvent(event: unknown): event is { readonly method: string; readonly params?: unknown } {
  return isObject(event) && typeof event['method'] === 'string' && !('jsonrpc' in event);
}

/**
 * Answers a JSON-RPC event: `{jsonrpc, id, result}`, `{jsonrpc, id, error}`, or `{}` for a notification.
 * Never rejects.
 */
export async function answerJsonRpc(event: unknown, runner: MessageRunner): Promise<JsonRpcObject> {
  const message = readMessage(event);
  if (message === undefined) return NOT_A_MESSAGE;
  if (message instanceof MessageError)
    return { jsonrpc: '2.0', id: JSON.parse(message.idText) as unknown, error: failureOf(message.error, runner) };
  if (message.kind === 'notification') return {};
  const id = JSON.parse(message.idText) as unknown;
  try {
    const result = JSON.parse(await runner.resultOf(message, { wraps: 0 })) as unknown;
    return { jsonrpc: '2.0', id, result };
  } catch (error) {
    return { jsonrpc: '2.0', id, error: rpcFailure(error, { message, ...runner.failureParts }) };
  }
}

/**
 * Answers a JSON-RPC event message by message, in one line each: what the server tells meanwhile, then the response.
 * Never rejects.
 */
export async function answerLines(
  event: unknown,
  runner: MessageRunner,
  write: (messageText: string) => void,
): Promise<void> {
  const message = readMessage(event);
  if (message === undefined || message instanceof MessageError || message.kind === 'notification') {
    write(JSON.stringify(await answerJsonRpc(event, runner)));
    return;
  }
  const tell = (messageText: string): void => write(oneLine(messageText));
  let body: string;
  try {
    body = `"result":${await runner.resultOf(message, { tell, wraps: undefined })}`;
  } catch (error) {
    body = `"error":${JSON.stringify(rpcFailure(error, { message, ...runner.failureParts }))}`;
  }
  write(oneLine(`{"jsonrpc":"2.0","id":${message.idText},${body}}`));
}

/** In JSON text line breaks stand between tokens only, where a space says the same. */
function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, ' ') : text;
}

/** A message, why it is an illegal one, or `undefined` for what is no message at all. */
function readMessage(event: unknown): Message | MessageError | undefined {
  try {
    const message = decodeMessage(JSON.stringify(event) ?? 'null');
    return message.kind === 'response' ? undefined : message;
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    return error.error.code === 'INVALID_PARAMS' || error.idText !== 'null' ? error : undefined;
  }
}

function failureOf(error: PlatformError, runner: MessageRunner): unknown {
  return { code: error.rpcCode, message: error.message, data: { code: error.code, requestId: runner.requestId } };
}

/** What `{method, params}` is answered with. `body` is JSON text: the result, or `{"error": {code, message, data}}`. */
export interface MethodAnswer {
  readonly statusCode: number;
  readonly body: string;
}

/** Answers a `{method, params}` event. Never rejects. */
export async function answerMethod(
  event: { readonly method: string; readonly params?: unknown },
  runner: MessageRunner,
): Promise<MethodAnswer> {
  try {
    const message = methodMessage(event);
    if (message.method.startsWith('notifications/')) return { statusCode: 202, body: '{}' };
    return await methodResult(message, runner);
  } catch (error) {
    const failure = error instanceof MessageError ? error.error : error;
    return errorAnswer(failure, NO_MESSAGE, runner);
  }
}

const NO_MESSAGE: Message = {
  kind: 'request',
  idText: '1',
  method: '',
  params: [],
  meta: [],
  parsed: {},
  parsedMeta: {},
};

async function methodResult(message: Message, runner: MessageRunner): Promise<MethodAnswer> {
  try {
    return { statusCode: 200, body: await runner.resultOf(message, { wraps: 1 }) };
  } catch (error) {
    return errorAnswer(error, message, runner);
  }
}

function errorAnswer(thrown: unknown, message: Message, runner: MessageRunner): MethodAnswer {
  const error = rpcFailure(thrown, { message, ...runner.failureParts });
  return { statusCode: statusOf(thrown, error.code), body: JSON.stringify({ error }) };
}

function statusOf(thrown: unknown, code: number): number {
  if (thrown instanceof PlatformError) return thrown.status;
  if (code === -32601) return 404;
  return code === -32602 || code === -32600 ? 400 : 500;
}

/** @throws PlatformError `INVALID_PARAMS` when a call lacks its arguments, MessageError for what JSON-RPC has no form for. */
function methodMessage({ method, params }: { readonly method: string; readonly params?: unknown }): Message {
  const message = decodeMessage(
    JSON.stringify({ jsonrpc: '2.0', id: 1, method, ...(params === undefined || params === null ? {} : { params }) }),
  );
  if (method === 'tools/call' && !isObject(message.parsed['arguments']))
    throw new PlatformError(
      'INVALID_PARAMS',
      'tools/call needs "params.arguments", an object ({} when there are none).',
    );
  return message;
}
