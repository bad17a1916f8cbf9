/**
 * Checks tokens of the configured issuers with `jose`: form, header, key, signature, then claims. What a token says of
 * where its key is has no say here.
 */

import type { CompactJWSHeaderParameters, JWTPayload } from 'jose';
import { isObject } from '../../core/json.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { TokenVerifier, VerifiedToken } from '../../http/authenticate/token-verifier.ts';
import type { IssuerOptions } from './issuer.ts';
import { KeyCache, type PublicKey } from './key-cache.ts';
import { KeySource, type TextEgress } from './key-source.ts';

export interface OidcOptions {
  readonly issuers: readonly IssuerOptions[];
  readonly egress: TextEgress;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Issuer {
  readonly options: IssuerOptions;
  readonly keys: KeyCache;
}

/** How far clocks may be apart. */
const LEEWAY_SECONDS = 30;
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const TYPES: ReadonlySet<string> = new Set(['jwt', 'application/jwt', 'at+jwt', 'application/at+jwt']);
/** Keys and addresses of keys that a token brings itself, and extensions that must be understood. */
const REFUSED_PARAMETERS = ['jwk', 'jku', 'x5u', 'x5c', 'crit'] as const;
const MAX_SUBJECT_LENGTH = 255;
/** Control characters, line separators, and halves of characters. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u;

/** Reads no key before the first token of an issuer arrives. */
export function createTokenVerifier(options: OidcOptions): TokenVerifier {
  return new OidcVerifier(options);
}

class OidcVerifier implements TokenVerifier {
  readonly #issuers: ReadonlyMap<string, Issuer>;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor({ issuers, egress, clock, log }: OidcOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#issuers = new Map(
      issuers.map((issuer) => {
        const source = new KeySource(issuer, egress);
        const keys = new KeyCache({ issuer: issuer.issuer, read: () => source.read(), clock, log });
        return [issuer.issuer, { options: issuer, keys }];
      }),
    );
  }

  async verify(token: string): Promise<VerifiedToken | undefined> {
    const parts = readParts(token);
    if (parts === undefined) return this.#refuse('it is no signed token');
    const { header, claims } = parts;
    const issuer = typeof claims['iss'] === 'string' ? this.#issuers.get(claims['iss']) : undefined;
    if (issuer === undefined) return this.#refuse('its issuer is not configured');
    const objection = headerObjection(header, issuer.options);
    if (objection !== undefined) return this.#refuse(objection, issuer);
    const key = await issuer.keys.find(header);
    if (key === undefined) return this.#refuse('no key of the issuer fits its header', issuer);
    const payload = await this.#verified(token, key, issuer);
    return payload && this.#accept(payload, issuer);
  }

  async #verified(token: string, key: PublicKey, issuer: Issuer): Promise<JWTPayload | undefined> {
    const { jwtVerify } = await import('jose/jwt/verify');
    const { algorithms, audience, audienceClaim, issuer: iss } = issuer.options;
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [...algorithms],
        issuer: iss,
        ...(audienceClaim === 'aud' ? { audience: [...audience] } : {}),
        clockTolerance: LEEWAY_SECONDS,
        currentDate: new Date(this.#clock.nowMs()),
        requiredClaims: ['sub', 'exp'],
      });
      return payload;
    } catch (error) {
      return this.#refuse(error instanceof Error ? error.message : String(error), issuer);
    }
  }

  #accept(payload: JWTPayload, issuer: Issuer): VerifiedToken | undefined {
    const { sub, exp } = payload;
    if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_LENGTH || UNSAFE.test(sub))
      return this.#refuse('its subject is no text of 1 to 255 visible characters', issuer);
    const { audience, audienceClaim } = issuer.options;
    if (audienceClaim === 'client_id' && !isForClient(payload, audience))
      return this.#refuse('its client is not the audience', issuer);
    const untilMs = ((exp ?? 0) + LEEWAY_SECONDS) * 1000;
    return { issuer: issuer.options.issuer, subject: sub, claims: Object.freeze(payload), untilMs };
  }

  /** For the operator's log alone. */
  #refuse(reason: string, issuer?: Issuer): undefined {
    const named = issuer === undefined ? {} : { issuer: issuer.options.issuer };
    this.#log.log('debug', 'token-refused', { reason, ...named });
  }
}

/** What a token says of itself, before anything of it is believed. */
function readParts(
  token: string,
): { readonly header: CompactJWSHeaderParameters; readonly claims: Record<string, unknown> } | undefined {
  if (!COMPACT.test(token)) return undefined;
  const [header, claims] = token.split('.', 2).map(decode);
  return isObject(header) && isObject(claims) ? { header: header as CompactJWSHeaderParameters, claims } : undefined;
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

function headerObjection(header: Record<string, unknown>, options: IssuerOptions): string | undefined {
  const { alg, typ, kid } = header;
  if (!options.algorithms.some((allowed) => allowed === alg)) return 'its algorithm is not allowed';
  if (typ !== undefined && !(typeof typ === 'string' && TYPES.has(typ.toLowerCase()))) return 'its type is another one';
  if (kid !== undefined && typeof kid !== 'string') return 'its key id is no text';
  const brought = REFUSED_PARAMETERS.find((name) => Object.hasOwn(header, name));
  return brought === undefined ? undefined : `its header has "${brought}"`;
}

/** A token that names an audience as well is for that audience. */
function isForClient(payload: JWTPayload, audience: readonly string[]): boolean {
  const { client_id: client, aud } = payload;
  if (typeof client !== 'string' || !audience.includes(client)) return false;
  if (aud === undefined) return true;
  return (Array.isArray(aud) ? aud : [aud]).some((each) => audience.includes(each));
}
