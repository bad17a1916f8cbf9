/** From the reply of a function to the text of an MCP result. */

import { UpstreamRpcError, type ErrorCode, ERRORS } from '../core/errors.ts';
import { isObject, joinMembers } from '../core/json.ts';
import type { InvocationResult } from '../core/ports.ts';
import { failureOf } from './function-failure.ts';
import { REGISTRY_ID } from './function-event.ts';
import { isReady, readReply, readStreamed, replyWords, type Reply } from './function-reply.ts';
import type { StreamedAnswer } from './streamed-answer.ts';

/** What an invocation brought; `payload` is empty where the answer was streamed. */
export interface FunctionAnswer extends InvocationResult {
  readonly streamed?: StreamedAnswer;
}

/** The text of a tool's result, with what its output schema is about. */
export interface ToolResult {
  readonly text: string;
  readonly isError: boolean;
  readonly structured?: unknown;
}

const MAX_ERROR_TEXT = 8 * 1024;

export interface ErrorText {
  readonly code: ErrorCode;
  readonly message: string;
  readonly requestId: string;
  /** @default the registry */
  readonly target?: string;
}

/** A failure that is told as a result, as the gateway words its own. */
export function errorResult({ code, message, requestId, target = REGISTRY_ID }: ErrorText): string {
  const about = { code, retryable: ERRORS[code].retryable, target, requestId };
  return JSON.stringify({
    content: [{ type: 'text', text: `${code}: ${message}`.slice(0, MAX_ERROR_TEXT) }],
    isError: true,
    _meta: { 'io.zeroplane/error': about },
  });
}

/** Reads an answer that is no failure of the function itself. */
export function replyOf(answer: FunctionAnswer): Reply {
  return answer.streamed === undefined ? readReply(answer.payload) : readStreamed(answer.streamed);
}

/** The text of a `tools/call` result. */
export function toolResult(name: string, answer: FunctionAnswer, requestId: string): ToolResult {
  if (answer.functionError !== undefined)
    return { text: errorResult({ ...failureOf(name, answer.payload), requestId }), isError: true };
  const reply = replyOf(answer);
  if (reply.unreadable !== undefined) {
    const message = `Function "${name}" has run and answered ${reply.unreadable}. Its owner should let it answer JSON, text, a picture or a link.`;
    return { text: errorResult({ code: 'FUNCTION_FAILED', message, requestId }), isError: true };
  }
  if (isReady(reply, 'content')) return readyResult(reply);
  const isError = reply.isFailure;
  const structured = isObject(reply.value) ? `,"structuredContent":${reply.text}` : '';
  const text = `{"content":[${contentOf(reply)}]${structured}${isError ? ',"isError":true' : ''}}`;
  return { text, isError, ...(structured === '' ? {} : { structured: reply.value }) };
}

function readyResult(reply: Reply): ToolResult {
  const value = isObject(reply.value) ? reply.value : {};
  const isError = reply.isFailure || value['isError'] === true;
  const { structuredContent: structured } = value;
  return {
    text: reply.isFailure ? markedAsError(reply) : reply.text,
    isError,
    ...(structured === undefined ? {} : { structured }),
  };
}

function contentOf(reply: Reply): string {
  const { media } = reply;
  if (media === undefined) return `{"type":"text","text":${JSON.stringify(replyWords(reply))}}`;
  return JSON.stringify({ type: media.mimeType.startsWith('image/') ? 'image' : 'audio', ...media });
}

function markedAsError(reply: Reply): string {
  return joinMembers([...reply.members.filter((member) => member.key !== 'isError'), { key: 'isError', text: 'true' }]);
}

/** The result in a JSON-RPC response that a function of event mode `mcp` returned; other answers as they are. */
export function unwrapRpc(answer: FunctionAnswer): FunctionAnswer {
  if (answer.functionError !== undefined) return answer;
  const { value, members } = replyOf(answer);
  if (!isObject(value) || value['jsonrpc'] !== '2.0') return answer;
  const { error } = value;
  if (isObject(error)) {
    const code = typeof error['code'] === 'number' ? error['code'] : -32603;
    throw new UpstreamRpcError(
      code,
      typeof error['message'] === 'string' ? error['message'] : 'The function answered an error.',
      error['data'],
    );
  }
  const { streamed: _, ...rest } = answer;
  const result = members.find((member) => member.key === 'result')?.text;
  if (result !== undefined) return { ...rest, payload: result };
  const errorMessage = 'It answered a JSON-RPC message without result and error.';
  return { ...rest, functionError: 'Unhandled', payload: JSON.stringify({ errorType: 'BadAnswer', errorMessage }) };
}

/** The text of a `prompts/get` result. */
export function promptResult(reply: Reply): string {
  if (isReady(reply, 'messages')) return reply.text;
  return `{"messages":[{"role":"user","content":${contentOf(reply)}}]}`;
}

/** The text of a `resources/read` result. */
export function readResult(uri: string, reply: Reply): string {
  if (isReady(reply, 'contents')) return reply.text;
  const { media } = reply;
  if (media !== undefined) return JSON.stringify({ contents: [{ uri, mimeType: media.mimeType, blob: media.data }] });
  const isText = typeof reply.value === 'string';
  const contents = { uri, mimeType: isText ? 'text/plain' : 'application/json', text: replyWords(reply) };
  return JSON.stringify({ contents: [contents] });
}
