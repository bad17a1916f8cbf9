/** How a server of 2025-11-25 sends its user to a page before it does anything, in the form of 2026-07-28. */

import { UpstreamRpcError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';

const URL_ELICITATION_REQUIRED = -32042;

/**
 * The refusal with -32042, which 2026-07-28 has no more, as the questions that it means. Nothing is held meanwhile:
 * the client that comes back makes the call anew, as it would with the older revision.
 *
 * @returns the text of an `input_required` result; `undefined` for any other error.
 */
export function urlQuestions(error: unknown): string | undefined {
  if (!(error instanceof UpstreamRpcError) || error.rpcCode !== URL_ELICITATION_REQUIRED) return undefined;
  const elicitations = isObject(error.data) ? error.data['elicitations'] : undefined;
  if (!Array.isArray(elicitations)) return undefined;
  const inputRequests: Record<string, unknown> = {};
  for (const [index, elicitation] of elicitations.entries()) {
    if (!isObject(elicitation) || typeof elicitation['url'] !== 'string') continue;
    const { url, message } = elicitation;
    const params = { mode: 'url', message: typeof message === 'string' ? message : error.message, url };
    inputRequests[`url-${index + 1}`] = { method: 'elicitation/create', params };
  }
  if (Object.keys(inputRequests).length === 0) return undefined;
  return JSON.stringify({ resultType: 'input_required', inputRequests });
}
