/** What proves a bearer token of an issuer outside. Implemented in `adapters/oidc`. */

/** A token whose signature, issuer, audience and times were checked. */
export interface VerifiedToken {
  /** `iss`, one of those that the verifier was made for. */
  readonly issuer: string;
  /** `sub`: 1 to 255 characters, none of them a control character. */
  readonly subject: string;
  /** All claims, as signed. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970 from which on the token is refused, the leeway included. */
  readonly untilMs: number;
}

export interface TokenVerifier {
  /**
   * @returns `undefined` for a token that is not valid here, whatever is wrong with it.
   * @throws PlatformError `ISSUER_UNAVAILABLE` when it cannot be checked for lack of keys.
   */
  verify(token: string): Promise<VerifiedToken | undefined>;
}
