/** Reads the public keys of an issuer, through the one way out. Remembers nothing but where they are. */

import type { JSONWebKeySet } from 'jose';
import { isObject } from '../../core/json.ts';
import type { Egress } from '../../core/ports.ts';
import type { IssuerOptions } from './issuer.ts';

/** The short way out, for small texts. */
export type TextEgress = Required<Pick<Egress, 'requestText'>>;

const TIMEOUT_MS = 5_000;
/** Some hundred keys; the largest issuers have ten. */
const MAX_BYTES = 256 * 1024;
const MAX_KEYS = 100;

export class KeySource {
  readonly #issuer: Pick<IssuerOptions, 'issuer' | 'jwksUri'>;
  readonly #egress: TextEgress;
  #found: string | undefined;

  constructor(issuer: Pick<IssuerOptions, 'issuer' | 'jwksUri'>, egress: TextEgress) {
    this.#issuer = issuer;
    this.#egress = egress;
  }

  /** @throws Error that says what is wrong with the issuer's answers, or PlatformError of the egress. */
  async read(): Promise<JSONWebKeySet> {
    const url = this.#issuer.jwksUri ?? this.#found ?? (await this.#discover());
    try {
      return publicKeys(await this.#get(url), url);
    } catch (error) {
      // An issuer may move its keys; its metadata is asked again.
      this.#found = undefined;
      throw error;
    }
  }

  async #discover(): Promise<string> {
    const { issuer } = this.#issuer;
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const { issuer: named, jwks_uri: uri } = await this.#get(url);
    if (named !== issuer) throw new Error(`${url} is the metadata of another issuer, ${shown(named)}`);
    if (typeof uri !== 'string' || !URL.canParse(uri)) throw new Error(`${url} names no jwks_uri`);
    // Whoever writes the metadata must not send this gateway elsewhere; the operator may.
    if (new URL(uri).origin !== new URL(issuer).origin)
      throw new Error(`${url} names keys on another origin, ${shown(uri)}; write it as jwksUri if it is right`);
    this.#found = uri;
    return uri;
  }

  async #get(url: string): Promise<Record<string, unknown>> {
    const answer = await this.#egress.requestText(
      { url, method: 'GET', headers: { accept: 'application/json' }, origin: 'operator', timeoutMs: TIMEOUT_MS },
      { maxBytes: MAX_BYTES },
    );
    answer.close?.();
    if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}`);
    const value = parse(answer.text);
    if (!isObject(value)) throw new Error(`${url} answered no JSON object`);
    return value;
  }
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Keys that signatures can be checked with. A secret or private key in a public list is nobody's key. */
function publicKeys({ keys }: Record<string, unknown>, url: string): JSONWebKeySet {
  if (!Array.isArray(keys)) throw new Error(`${url} answered no list of keys`);
  const usable = keys.filter((key) => isObject(key) && key['kty'] !== 'oct' && key['d'] === undefined);
  if (usable.length === 0) throw new Error(`${url} has no public key`);
  if (usable.length > MAX_KEYS) throw new Error(`${url} has ${usable.length} keys; at most ${MAX_KEYS} are taken`);
  return { keys: usable as JSONWebKeySet['keys'] };
}

function shown(value: unknown): string {
  return JSON.stringify(value ?? null).slice(0, 200);
}
