/** What undici or Node says when a request fails, in words that name the server and the next step. */

import { PlatformError } from '../../core/errors.ts';

const ADVICE: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'refused the connection. Check that the server is running and that the port is right.'],
  ['ENOTFOUND', 'has a name that cannot be resolved. Check the spelling and the name server.'],
  ['EAI_AGAIN', 'has a name that cannot be resolved at the moment. Check the network and the name server.'],
  ['ECONNRESET', 'closed the connection before its answer was complete. Check the log of that server.'],
  ['EPIPE', 'closed the connection while it was being written to. Check the log of that server.'],
  ['ETIMEDOUT', 'did not accept a connection in time. Check the address and the firewall.'],
  ['EHOSTUNREACH', 'cannot be reached from here. Check the address and the network.'],
  ['ENETUNREACH', 'cannot be reached from here. Check the address and the network.'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS there. Write http:// in the URL, or the port that speaks TLS.'],
  [
    'ERR_SSL_PACKET_LENGTH_TOO_LONG',
    'does not speak TLS there. Write http:// in the URL, or the port that speaks TLS.',
  ],
  ['HPE_HEADER_OVERFLOW', 'sent response headers over 16 KiB. Check that server.'],
  ['ECANCELED', 'was not asked, because this gateway is shutting down. Send the request again.'],
]);

/** Codes of undici, in Node's words. */
const NODE_CODES: ReadonlyMap<string, string> = new Map([
  ['UND_ERR_SOCKET', 'ECONNRESET'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'ECONNRESET'],
  ['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'],
  ['UND_ERR_HEADERS_OVERFLOW', 'HPE_HEADER_OVERFLOW'],
  ['UND_ERR_CLOSED', 'ECANCELED'],
  ['UND_ERR_DESTROYED', 'ECANCELED'],
]);

/** Nothing was sent, because undici would not send it. */
const REFUSED: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);

/**
 * Translates whatever ended a request.
 *
 * @param origin - Scheme, host and port alone, because a path or query may hold a secret.
 * @param sent - Whether the server may have got the request. @default false
 * @returns `CALL_CANCELLED` when the caller's signal ended it, else our own error unchanged, else
 *   `EGRESS_REFUSED` for headers that cannot be sent, else `TARGET_UNAVAILABLE` with Node's code in
 *   `details.cause`, and `details.lost` when the connection of a sent request broke.
 */
export function requestFailure(
  error: unknown,
  origin: string,
  signal: AbortSignal | undefined,
  sent = false,
): PlatformError {
  if (error instanceof PlatformError) return error;
  if (signal?.aborted === true) return cancelled(signal, origin);
  const code = codeOf(error);
  if (REFUSED.has(code)) return refused(error, origin);
  const said = ADVICE.get(code) ?? adviceFor(code);
  const lost = sent && (code === 'ECONNRESET' || code === 'EPIPE');
  const details = { origin, cause: code, ...(lost ? { lost } : {}) };
  return new PlatformError('TARGET_UNAVAILABLE', `${origin} ${said} (${code})`, details, { cause: error });
}

function refused(error: unknown, origin: string): PlatformError {
  const { message } = error as Error;
  return new PlatformError(
    'EGRESS_REFUSED',
    `A header for ${origin} is one that HTTP does not allow here (${message}). Correct or encode it.`,
    { origin },
    { cause: error },
  );
}

function cancelled(signal: AbortSignal, origin: string): PlatformError {
  if (signal.reason instanceof PlatformError) return signal.reason;
  return new PlatformError('CALL_CANCELLED', `The request to ${origin} was cancelled because nobody waits for it.`, {
    origin,
  });
}

/** With several addresses Node collects one error each; the first tells enough. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  const { code, name, message = '' } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  // Undici's parser has no code for what it met, and "bad …" is its word for an answer that was not asked for.
  if (name === 'HTTPParserError' || message.startsWith('bad '))
    return message.includes('EOF') ? 'ECONNRESET' : 'HPE_INVALID';
  return typeof code === 'string' ? (NODE_CODES.get(code) ?? code) : 'UNKNOWN';
}

function adviceFor(code: string): string {
  if (code.startsWith('HPE_')) return 'did not answer in valid HTTP. Check that the URL leads to an MCP server.';
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return 'could not prove its identity by TLS. Check its certificate, or name your authority in NODE_EXTRA_CA_CERTS.';
  }
  return 'could not be reached. Check the address and the log of that server.';
}
