/** How results and failures of a call are worded for whoever invoked the function. */

import type { Message } from '../../protocol/message.ts';
import type { RpcError } from '../../protocol/json-rpc.ts';
import { PlatformError, toPlatformError } from '../../core/errors.ts';
import { isModern } from '../../protocol/era-2026.ts';
import { toRpcError } from '../../protocol/json-rpc.ts';

export interface FailureParts {
  readonly message: Message;
  readonly requestId: string;
  /** Failures of our own in the words of the original library: code 500 and no reason. */
  readonly compat: boolean;
}

/** A failure as a JSON-RPC error. */
export function rpcFailure(thrown: unknown, { message, requestId, compat }: FailureParts): RpcError {
  const error = toRpcError(thrown, { modern: isModern(message), requestId });
  if (!compat || !(thrown instanceof Error) || error.code !== -32603) return error;
  return { code: 500, message: 'Internal failure, please check Lambda function logs' };
}

/**
 * The result that a tool's caller gets when the time is up: a model can read it and decide.
 *
 * @returns `undefined` when the failure is another one, or no tool was called.
 */
export function timeoutResult(thrown: unknown, message: Message, timeoutMs: number): string | undefined {
  const error = toPlatformError(thrown);
  if (error.code !== 'TARGET_TIMEOUT' || message.method !== 'tools/call') return undefined;
  const text = `${error.code}: the call timed out after ${Math.round(timeoutMs)} ms and may have run. Check what it was to do before you send it again, or raise the function's timeout.`;
  return JSON.stringify({
    content: [{ type: 'text', text }],
    isError: true,
    ...(isModern(message) ? { resultType: 'complete' } : {}),
    _meta: { 'io.zeroplane/error': { code: error.code, retryable: error.retryable } },
  });
}

/** 6 MB, Lambda's limit for an answer that is not streamed, less what wraps it. */
const MAX_ANSWER_BYTES = 6 * 1024 * 1024 - 8_192;
/** What is shorter can under no encoding reach the limit. */
const SURELY_SHORT = MAX_ANSWER_BYTES / 12;

/**
 * @param wraps - How often the text stands inside a JSON string on its way out: each time quotes take one more byte.
 * @throws PlatformError `TARGET_RESPONSE_TOO_LARGE` when Lambda would refuse the answer.
 */
export function checkSize(text: string, wraps: 0 | 1): string {
  if (text.length < SURELY_SHORT) return text;
  const bytes = Buffer.byteLength(wraps === 1 ? JSON.stringify(text) : text);
  if (bytes <= MAX_ANSWER_BYTES) return text;
  throw new PlatformError(
    'TARGET_RESPONSE_TOO_LARGE',
    `The answer has ${bytes} bytes; Lambda carries ${MAX_ANSWER_BYTES}. Ask for less, in pages for instance, or stream the function's response.`,
    { bytes, maxBytes: MAX_ANSWER_BYTES },
  );
}
