/** What Node says when a request fails, in words that name the server and the next step. */

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
  ['HPE_HEADER_OVERFLOW', 'sent response headers over 16 KiB. Check that server.'],
]);

/**
 * Translates whatever ended a request.
 *
 * @param origin - Scheme, host and port alone, because a path or query may hold a secret.
 * @returns `CALL_CANCELLED` when the caller's signal ended it, else our own error unchanged, else
 *   `TARGET_UNAVAILABLE` with Node's code in `details.cause`.
 */
export function requestFailure(error: unknown, origin: string, signal: AbortSignal | undefined): PlatformError {
  if (error instanceof PlatformError) return error;
  if (signal?.aborted === true) return cancelled(signal, origin);
  const code = codeOf(error);
  const said = ADVICE.get(code) ?? adviceFor(code);
  return new PlatformError(
    'TARGET_UNAVAILABLE',
    `${origin} ${said} (${code})`,
    { origin, cause: code },
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
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' ? code : 'UNKNOWN';
}

function adviceFor(code: string): string {
  if (code.startsWith('HPE_')) return 'did not answer in valid HTTP. Check that the URL leads to an MCP server.';
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return 'could not prove its identity by TLS. Check its certificate, or name your authority in NODE_EXTRA_CA_CERTS.';
  }
  return 'could not be reached. Check the address and the log of that server.';
}
