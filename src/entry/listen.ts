/** Where the gateway listens: the port that is wanted or the next free one, and words for an address that is not to be had. */

import { PlatformError } from '../core/errors.ts';

/** Ports that are tried after the one that is wanted. */
const PORT_ATTEMPTS = 50;

interface Listener {
  listen(port: number, address: string): Promise<{ readonly port: number }>;
}

/**
 * Opens the wanted port, or the next free one; 0 for any.
 *
 * @throws PlatformError `USAGE` that says what is wrong with the address or the port.
 */
export async function listen(listener: Listener, wanted: number, address: string): Promise<{ readonly port: number }> {
  for (let port = wanted; ; port++) {
    try {
      return await listener.listen(port, address);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && wanted !== 0 && port - wanted < PORT_ATTEMPTS && port < 65_535) continue;
      throw new PlatformError('USAGE', failure(error as NodeJS.ErrnoException, { wanted, port, address }), {
        cause: code,
      });
    }
  }
}

function failure(
  { code, message }: NodeJS.ErrnoException,
  at: { readonly wanted: number; readonly port: number; readonly address: string },
): string {
  const { wanted, port, address } = at;
  switch (code) {
    case 'EADDRINUSE':
      return `The ports ${wanted} to ${port} of ${address} are all taken. Choose another with --port, or 0 for any.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `This machine has no address "${address}" (${code}). Leave --host out for this machine alone, or name one of its addresses.`;
    case 'EACCES':
    case 'EPERM':
      return `Port ${port} of ${address} needs rights that this process does not have (${code}). Choose one from 1024 on with --port.`;
    default:
      return `Nothing can listen at ${address}, port ${port} (${code ?? message}). Choose others with --host and --port.`;
  }
}
