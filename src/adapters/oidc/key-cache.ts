/**
 * The keys of one issuer, kept and renewed.
 *
 * Keys that are a minute old are read again behind the request that needs them, so that no request waits for it; keys
 * nobody has needed for ten minutes are read first. While the issuer cannot be reached, the known ones go on. A key id
 * that is not known is looked for at once, but the issuer is never asked twice within five seconds: key ids are written
 * by callers.
 */

import type { CompactJWSHeaderParameters, JSONWebKeySet, LocalJWKSet } from 'jose';
import { PlatformError } from '../../core/errors.ts';
import type { Clock, Logger } from '../../core/ports.ts';

const RENEW_AFTER_MS = 60_000;
const WAIT_AFTER_MS = 600_000;
/** Longer than any outage that should be lived through, shorter than a stolen key should be good for. */
const KEEP_MS = 86_400_000;
const ASK_EVERY_MS = 5_000;

export type PublicKey = Awaited<ReturnType<LocalJWKSet>>;

export interface KeyCacheParts {
  readonly issuer: string;
  readonly read: () => Promise<JSONWebKeySet>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class KeyCache {
  readonly #parts: KeyCacheParts;
  #keys: LocalJWKSet | undefined;
  /** All on the monotonic clock. */
  #readAtMs = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #isFailing = false;

  constructor(parts: KeyCacheParts) {
    this.#parts = parts;
  }

  /**
   * The one key that fits the algorithm and the key id of a header.
   *
   * @returns `undefined` when the issuer has none, or more than one.
   * @throws PlatformError `ISSUER_UNAVAILABLE` when there are no keys at all.
   */
  async find(header: CompactJWSHeaderParameters): Promise<PublicKey | undefined> {
    const keys = await this.#current();
    const known = await pick(keys, header);
    if (known !== 'unknown') return known;
    await this.#ask();
    const found = this.#keys === keys ? 'unknown' : await pick(this.#keys ?? keys, header);
    return found === 'unknown' ? undefined : found;
  }

  async #current(): Promise<LocalJWKSet> {
    const ageMs = this.#parts.clock.monotonicMs() - this.#readAtMs;
    if (this.#keys === undefined || ageMs >= WAIT_AFTER_MS) await this.#ask();
    else if (ageMs >= RENEW_AFTER_MS) void this.#ask();
    const isKept = this.#parts.clock.monotonicMs() - this.#readAtMs < KEEP_MS;
    if (this.#keys === undefined || !isKept) throw this.#unavailable();
    return this.#keys;
  }

  /** Joins a reading that is under way; does nothing when the last one is too recent. Never rejects. */
  #ask(): Promise<void> {
    const now = this.#parts.clock.monotonicMs();
    if (this.#reading === undefined && now - this.#askedAtMs < ASK_EVERY_MS) return Promise.resolve();
    this.#askedAtMs = this.#reading === undefined ? now : this.#askedAtMs;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { clock, issuer, log, read } = this.#parts;
    try {
      const [{ createLocalJWKSet }, keys] = await Promise.all([import('jose/jwks/local'), read()]);
      this.#keys = createLocalJWKSet(keys);
      this.#readAtMs = clock.monotonicMs();
      if (this.#isFailing) log.log('info', 'issuer-reached', { issuer });
      this.#isFailing = false;
    } catch (error) {
      // Said once for each outage, not once for each try.
      if (!this.#isFailing) log.log('warn', 'issuer-not-reached', { issuer, reason: String(error) });
      this.#isFailing = true;
    }
  }

  #unavailable(): PlatformError {
    const { issuer } = this.#parts;
    return new PlatformError(
      'ISSUER_UNAVAILABLE',
      `The keys of the issuer ${issuer} cannot be read at the moment, so its tokens cannot be checked. Try again in ${ASK_EVERY_MS / 1000} seconds; \`zeroplane doctor\` says what is wrong.`,
      { issuer, retryAfterSeconds: ASK_EVERY_MS / 1000 },
    );
  }
}

async function pick(keys: LocalJWKSet, header: CompactJWSHeaderParameters): Promise<PublicKey | 'unknown' | undefined> {
  try {
    return await keys(header);
  } catch (error) {
    return codeOf(error) === 'ERR_JWKS_NO_MATCHING_KEY' ? 'unknown' : undefined;
  }
}

/** A key that cannot be imported is as good as none. */
function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
