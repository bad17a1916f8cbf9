/** Credentials to Principal. Runs before anything of the body is read. */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Principal } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import type { HeaderMap } from '../protocol/era-2026.ts';
import { headerValue } from '../protocol/era-2026.ts';
import { isSigned, readClaim, verify } from '../protocol/sigv4.ts';
import type { IssuedTokens } from './authenticate/issued-tokens.ts';
import type { HttpRequest } from './pipeline.ts';

/** What a signature covers beside the headers. */
export type SignableRequest = Pick<HttpRequest, 'method' | 'path' | 'query' | 'headers' | 'readBody'>;

export interface Authenticator {
  /**
   * @param request - The whole request, for credentials that cover more of it than the headers.
   * @throws PlatformError `UNAUTHENTICATED`, `ISSUER_UNAVAILABLE`.
   */
  authenticate(headers: HeaderMap, request: SignableRequest): Promise<Principal> | Principal;
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

const HOW_DEVELOPMENT = '`zeroplane token` prints it';
const HOW_ISSUED = 'with a current access token of an issuer that is configured here';

/**
 * Accepts the one development token, compared in constant time, and the tokens of the issuers of the configuration.
 *
 * Every token that is refused gets the same answer: what was wrong with it is nobody's business but the operator's.
 */
export class TokenAuthenticator implements Authenticator {
  readonly #expected: Buffer;
  readonly #plain: Buffer;
  readonly #issued: IssuedTokens | undefined;

  constructor(token: string, issued?: IssuedTokens) {
    this.#plain = Buffer.from(`Bearer ${token}`);
    this.#expected = digest(`Bearer ${token}`);
    this.#issued = issued;
  }

  /** @throws PlatformError `UNAUTHENTICATED`, `ISSUER_UNAVAILABLE`. */
  authenticate(headers: HeaderMap): Promise<Principal> | Principal {
    const header = headerValue(headers, 'authorization');
    if (header === undefined) throw this.#refusal('No credentials came with the request');
    const given = Buffer.from(header);
    if (given.length === this.#plain.length && timingSafeEqual(given, this.#plain)) return DEVELOPER;
    // The scheme is case-insensitive, and white space may surround the token.
    const bearer = header.trim().replace(/^bearer\s+/i, 'Bearer ');
    const mark = digest(bearer);
    if (timingSafeEqual(mark, this.#expected)) return DEVELOPER;
    return this.#ofIssuer(bearer, mark);
  }

  #ofIssuer(bearer: string, mark: Buffer): Promise<Principal> | Principal {
    const isBearer = bearer.startsWith('Bearer ');
    const found = isBearer
      ? this.#issued?.principalOf(bearer.slice('Bearer '.length), mark.toString('base64'))
      : undefined;
    return found instanceof Promise ? found.then((principal) => this.#known(principal)) : this.#known(found);
  }

  #known(principal: Principal | undefined): Principal {
    if (principal === undefined) throw this.#refusal('The credentials are not valid');
    return principal;
  }

  #refusal(what: string): PlatformError {
    return unauthenticated(
      this.#issued === undefined
        ? `${what}. Send Authorization: Bearer TOKEN; ${HOW_DEVELOPMENT}.`
        : `${what}. Send Authorization: Bearer TOKEN, ${HOW_ISSUED}.`,
    );
  }
}

/** `--auth none`: everybody who reaches the loopback port is the developer. */
export const openAuthenticator: Authenticator = { authenticate: () => DEVELOPER };

/** The access key that stands for the development token on everything that takes signatures. */
export const ACCESS_KEY_ID = 'zeroplane';

/** Routes of the older server, whose clients sign. `/mcp` takes bearers alone. */
const SIGNABLE = /^\/register(?:\/|$)|\/sse$|\/message$/;

/**
 * Takes AWS signatures, made with {@link ACCESS_KEY_ID} and the development token, beside what another authenticator
 * takes. A body is covered by its signature, so it is read, within the usual limits, before anybody is let in.
 */
export class SignatureAuthenticator implements Authenticator {
  readonly #token: string;
  readonly #others: Authenticator;
  readonly #clock: Clock;

  constructor(parts: { readonly token: string; readonly others: Authenticator; readonly clock: Clock }) {
    this.#token = parts.token;
    this.#others = parts.others;
    this.#clock = parts.clock;
  }

  authenticate(headers: HeaderMap, request: SignableRequest): Promise<Principal> | Principal {
    if (!isSigned(request) || !SIGNABLE.test(request.path)) return this.#others.authenticate(headers, request);
    return this.#verified(request);
  }

  async #verified(request: SignableRequest): Promise<Principal> {
    const claim = readClaim(request);
    const nowMs = this.#clock.nowMs();
    // One answer for every reason: which part of a signature was wrong is nobody's business.
    if (claim?.accessKeyId !== ACCESS_KEY_ID) throw badSignature();
    const body = await request.readBody();
    if (verify(request, claim, { secretAccessKey: this.#token, nowMs, body }) !== undefined) throw badSignature();
    return DEVELOPER;
  }
}

function badSignature(): PlatformError {
  return unauthenticated(
    'The AWS signature is not valid here. Sign with the keys that `zeroplane token --aws` prints, and check the clock.',
  );
}

function unauthenticated(message: string): PlatformError {
  return new PlatformError('UNAUTHENTICATED', message);
}
