/** The only place where errors become RFC 9457 problems. */

import type { PlatformError } from '../core/errors.ts';
import type { Reply } from '../gateway/reply.ts';

/** @param extensions - Further members, such as the `error` and `details` that older clients read. */
export function problemReply(
  error: PlatformError,
  requestId: string,
  extensions: Readonly<Record<string, unknown>> = {},
): Reply {
  const body = {
    // First: what RFC 9457 and every client read is never a detail's.
    ...error.details,
    type: 'about:blank',
    title: error.code,
    status: error.status,
    detail: error.message,
    instance: requestId,
    code: error.code,
    retryable: error.retryable,
    ...extensions,
  };
  const retryAfter = error.details['retryAfterSeconds'];
  return {
    status: error.status,
    headers: {
      'content-type': 'application/problem+json',
      ...(typeof retryAfter === 'number' ? { 'retry-after': String(retryAfter) } : {}),
    },
    body: JSON.stringify(body),
  };
}
