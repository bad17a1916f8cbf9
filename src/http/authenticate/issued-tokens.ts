/** Tokens of issuers outside, checked once and remembered, so that the next request with one costs no signature. */

import type { Principal } from '../../core/context.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { principalOf, type ClaimRules } from './claim-rules.ts';
import type { TokenVerifier } from './token-verifier.ts';

export interface IssuedTokensParts {
  readonly verifier: TokenVerifier;
  readonly rules: readonly ClaimRules[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Room for claims in a header, and a fraction of what a header may have. */
const MAX_TOKEN_LENGTH = 8 * 1024;
/** Some ten kilobytes each. */
const MAX_REMEMBERED = 1_024;
/** How long a verdict stands before the signature is looked at again: an issuer may have withdrawn the key. */
const REMEMBERED_MS = 60_000;

interface Remembered {
  readonly principal: Principal;
  /** On the wall clock, because that is what the token names. */
  readonly untilMs: number;
  /** On the monotonic clock. */
  readonly checkAgainMs: number;
}

export class IssuedTokens {
  readonly #parts: IssuedTokensParts;
  /** By digest, oldest first: a dump of this memory holds no token. */
  readonly #remembered = new Map<string, Remembered>();

  constructor(parts: IssuedTokensParts) {
    this.#parts = parts;
  }

  /**
   * @param digest - Of the token, made by a cryptographic hash.
   * @returns `undefined` for a token that is not valid here.
   * @throws PlatformError `ISSUER_UNAVAILABLE`.
   */
  principalOf(token: string, digest: string): Promise<Principal | undefined> | Principal | undefined {
    const known = this.#remembered.get(digest);
    if (known !== undefined && this.#stands(known)) return known.principal;
    if (token.length > MAX_TOKEN_LENGTH) return this.#refuse(`the token is longer than ${MAX_TOKEN_LENGTH} characters`);
    return this.#check(token, digest);
  }

  #stands({ untilMs, checkAgainMs }: Remembered): boolean {
    const { clock } = this.#parts;
    return clock.nowMs() < untilMs && clock.monotonicMs() < checkAgainMs;
  }

  async #check(token: string, digest: string): Promise<Principal | undefined> {
    const { verifier, rules, clock } = this.#parts;
    this.#remembered.delete(digest);
    const verified = await verifier.verify(token);
    if (verified === undefined) return undefined;
    const principal = principalOf(verified, rules);
    if (typeof principal === 'string') return this.#refuse(principal);
    const checkAgainMs = clock.monotonicMs() + REMEMBERED_MS;
    this.#remember(digest, { principal, untilMs: verified.untilMs, checkAgainMs });
    return principal;
  }

  #remember(digest: string, entry: Remembered): void {
    if (this.#remembered.size >= MAX_REMEMBERED) {
      const [oldest] = this.#remembered.keys();
      if (oldest !== undefined) this.#remembered.delete(oldest);
    }
    this.#remembered.set(digest, entry);
  }

  /** The operator reads why; the caller is told nothing but that it is refused. */
  #refuse(reason: string): undefined {
    this.#parts.log.log('debug', 'token-refused', { reason });
  }
}
