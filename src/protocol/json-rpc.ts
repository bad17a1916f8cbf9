/** The only place where errors become JSON-RPC. */

import type { ErrorDetails } from '../core/errors.ts';
import { PlatformError, UpstreamRpcError, toPlatformError } from '../core/errors.ts';

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

export function resultMessage(idText: string, resultText: string): string {
  return `{"jsonrpc":"2.0","id":${idText},"result":${resultText}}`;
}

export function errorMessage(idText: string, error: RpcError): string {
  return `{"jsonrpc":"2.0","id":${idText},"error":${JSON.stringify(error)}}`;
}

export function notificationMessage(method: string, paramsText: string): string {
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${paramsText}}`;
}

/** Codes of the specification's reserved range that only the hop that made them may send. */
function isReserved(code: number): boolean {
  return code <= -32020 && code >= -32099;
}

/**
 * A server's own error in the words of the caller's revision.
 *
 * Codes that name this hop's headers or versions would mislead the caller, so they become -32603; the retired
 * -32002 (resource not found) is -32602 in the modern revision.
 */
function upstreamRpcError(error: UpstreamRpcError, modern: boolean): RpcError {
  const data = error.data === undefined ? {} : { data: error.data };
  if (error.rpcCode === -32021 && modern) return { code: -32021, message: error.message, ...data };
  if (error.rpcCode === -32002) return { code: modern ? -32602 : -32002, message: error.message, ...data };
  if (isReserved(error.rpcCode) && !(error.rpcCode === -32042 && !modern)) {
    return {
      code: -32603,
      message: error.message,
      data: { code: 'TARGET_PROTOCOL_ERROR', upstreamCode: error.rpcCode, upstreamData: error.data },
    };
  }
  return { code: error.rpcCode, message: error.message, ...data };
}

/** `data` of our own errors: what a program can act on. */
function ourData(error: PlatformError, requestId: string): ErrorDetails {
  return { code: error.code, retryable: error.retryable, requestId, ...error.details };
}

/** Any thrown value as a JSON-RPC error object. */
export function toRpcError(thrown: unknown, at: { readonly modern: boolean; readonly requestId: string }): RpcError {
  if (thrown instanceof UpstreamRpcError) return upstreamRpcError(thrown, at.modern);
  const error = toPlatformError(thrown);
  // 2026-07-28 defines `data` of these itself.
  if (error.code === 'UNSUPPORTED_PROTOCOL_VERSION' || error.code === 'MISSING_CLIENT_CAPABILITY') {
    return { code: error.rpcCode, message: error.message, data: error.details };
  }
  return { code: error.rpcCode, message: error.message, data: ourData(error, at.requestId) };
}

/** HTTP status of an error that happened behind the request ladder: 200 but where a revision fixes another. */
export function statusBehindLadder(thrown: unknown, modern: boolean): number {
  if (thrown instanceof UpstreamRpcError) return modern && thrown.rpcCode === -32021 ? 400 : 200;
  if (!(thrown instanceof PlatformError)) return 200;
  if (thrown.code === 'MISSING_CLIENT_CAPABILITY') return modern ? 400 : 200;
  if (thrown.code === 'METHOD_NOT_FOUND') return modern ? 404 : 200;
  if (thrown.code === 'TOO_MANY_REQUESTS' || thrown.code === 'OVERLOADED' || thrown.code === 'SHUTTING_DOWN')
    return thrown.status;
  if (thrown.code === 'HEADER_MISMATCH' || thrown.code === 'NOT_ACCEPTABLE') return thrown.status;
  return 200;
}
