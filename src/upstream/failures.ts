/** The words for what goes wrong between us and a target, in one place so that all transports sound alike. */

import { PlatformError } from '../core/errors.ts';

export function targetTimeout(target: string, method: string, timeoutMs: number): PlatformError {
  return new PlatformError(
    'TARGET_TIMEOUT',
    `target "${target}" did not answer ${method} within ${Math.round(timeoutMs)} ms. Check the server's log, or raise mcpServers.${target}.timeoutMs.`,
    { target, method, timeoutMs: Math.round(timeoutMs) },
  );
}

export function targetProtocolError(target: string, method: string, what: string): PlatformError {
  return new PlatformError(
    'TARGET_PROTOCOL_ERROR',
    `target "${target}" answered ${method} with ${what}. Report it to the server's author, or update the server.`,
    { target, method },
  );
}

export function targetUnavailable(
  target: string,
  what: string,
  details: Readonly<Record<string, unknown>> = {},
): PlatformError {
  return new PlatformError('TARGET_UNAVAILABLE', `target "${target}" ${what}`, { target, ...details });
}

export function callCancelled(target: string, method: string): PlatformError {
  return new PlatformError(
    'CALL_CANCELLED',
    `${method} on target "${target}" was cancelled by its caller. Send it again if the answer is still wanted.`,
    {
      target,
      method,
    },
  );
}
