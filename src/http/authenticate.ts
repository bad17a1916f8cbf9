/** Credentials to Principal. Runs before anything of the body is read. */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Principal } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { HeaderMap } from '../protocol/era-2026.ts';
import { headerValue } from '../protocol/era-2026.ts';

export interface Authenticator {
  /** @throws PlatformError `UNAUTHENTICATED`. */
  authenticate(headers: HeaderMap): Promise<Principal> | Principal;
}

/** Who holds the development token. */
export const DEVELOPER: Principal = Object.freeze({
  id: 'you@dev',
  tenant: 'team-x',
  roles: Object.freeze(['viewer', 'requester', 'approver', 'admin'] as const),
  scopes: Object.freeze(['zeroplane:use', 'zeroplane:admin']),
});

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Accepts the one development token. Compares in constant time. */
export class TokenAuthenticator implements Authenticator {
  readonly #expected: Buffer;
  readonly #plain: Buffer;

  constructor(token: string) {
    this.#plain = Buffer.from(`Bearer ${token}`);
    this.#expected = digest(`Bearer ${token}`);
  }

  authenticate(headers: HeaderMap): Principal {
    const header = headerValue(headers, 'authorization');
    if (header === undefined)
      throw unauthenticated(
        'No credentials came with the request. Send Authorization: Bearer TOKEN; `zeroplane token` prints it.',
      );
    if (!this.#matches(header))
      throw unauthenticated(
        'The credentials are not valid. Send Authorization: Bearer TOKEN; `zeroplane token` prints it.',
      );
    return DEVELOPER;
  }

  #matches(header: string): boolean {
    const given = Buffer.from(header);
    if (given.length === this.#plain.length && timingSafeEqual(given, this.#plain)) return true;
    // The scheme is case-insensitive, and white space may surround the token.
    const normalized = header.trim().replace(/^bearer\s+/i, 'Bearer ');
    return timingSafeEqual(digest(normalized), this.#expected);
  }
}

/** `--auth none`: everybody who reaches the loopback port is the developer. */
export const openAuthenticator: Authenticator = { authenticate: () => DEVELOPER };

function unauthenticated(message: string): PlatformError {
  return new PlatformError('UNAUTHENTICATED', message);
}
