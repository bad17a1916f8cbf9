/** What became of a call: how a result or an error is counted, and which errors are told as results. */

import { PlatformError, UpstreamRpcError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { CallRequest } from './call.ts';

export function outcomeOfResult(text: string): 'ok' | 'tool-error' | 'input-required' {
  if (text.includes('"isError"') && (JSON.parse(text) as Record<string, unknown>)['isError'] === true)
    return 'tool-error';
  return isInputRequired(text) ? 'input-required' : 'ok';
}

export function isInputRequired(text: string): boolean {
  if (!text.includes('"input_required"')) return false;
  const value: unknown = JSON.parse(text);
  return isObject(value) && value['resultType'] === 'input_required';
}

const AS_TOOL_RESULT = /^(?:TARGET_|FUNCTION_|PAYLOAD_TOO_LARGE|CLIENT_CANNOT_ANSWER|EGRESS_REFUSED|FORBIDDEN)/;

/** A failure of the thing called is a result that a model can read and act on; other errors stay errors. */
export function asToolResult(
  thrown: unknown,
  { message, caller }: CallRequest,
  at: { target: string; requestId: string },
): string | undefined {
  const error = caller.modern ? thrown : unanswerable(thrown);
  const isOurs = error instanceof PlatformError && AS_TOOL_RESULT.test(error.code);
  if (message.method !== 'tools/call' || !isOurs) return undefined;
  return JSON.stringify({
    content: [{ type: 'text', text: `${error.code}: ${error.message}` }],
    isError: true,
    _meta: { 'io.zeroplane/error': { code: error.code, retryable: error.retryable, ...at } },
  });
}

/** Older revisions have no error for a capability that the client lacks: their clients are told in words. */
function unanswerable(thrown: unknown): unknown {
  if (!(thrown instanceof UpstreamRpcError) || thrown.rpcCode !== -32021) return thrown;
  return new PlatformError(
    'CLIENT_CANNOT_ANSWER',
    `The tool needs a capability that this client did not declare (${thrown.message}). Use a client that declares it and keeps a session.`,
  );
}

export function codeOf(error: unknown): string {
  if (error instanceof PlatformError) return error.code;
  return error instanceof UpstreamRpcError ? String(error.rpcCode) : 'INTERNAL';
}

export function outcomeOf(error: unknown): 'error' | 'cancelled' | 'denied' {
  const code = codeOf(error);
  if (code === 'FORBIDDEN') return 'denied';
  return code === 'CALL_CANCELLED' ? 'cancelled' : 'error';
}
