/** An issuer in memory: it signs, and answers the egress that a verifier reads keys through. */

import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { JWK, JWTHeaderParameters, JWTPayload } from 'jose';
import type { EgressRequest } from '../../core/ports.ts';
import { PlatformError } from '../../core/errors.ts';
import type { TextEgress } from './key-source.ts';

export const ISSUER = 'https://issuer.example.com/team';
export const AUDIENCE = 'https://gateway.example.com/mcp';
/** 2026-01-01T00:00:00Z, in seconds. */
export const NOW = 1_767_225_600;

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

export interface TestKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: PrivateKey;
  readonly jwk: JWK;
}

export async function makeKey(kid: string, alg = 'ES256'): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** Valid unless changed; `undefined` takes a claim away. */
export function sign(
  key: TestKey,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const given = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'ada',
    iat: NOW,
    exp: NOW + 300,
    tenant: 'team-x',
    roles: ['requester'],
    scope: 'zeroplane:use',
    ...claims,
  };
  const payload = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const { alg, kid } = key;
  return new SignJWT(payload as JWTPayload)
    .setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header } as JWTHeaderParameters)
    .sign(key.privateKey);
}

/** Signed by an ES256 key whatever the header says: libraries would refuse to make some of these. */
export async function signAnything(key: TestKey, header: object, claims: object): Promise<string> {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const signature = await globalThis.crypto.subtle.sign(algorithm, key.privateKey, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString('base64url')}`;
}

/** Text for the network of the test, changed while it runs. */
export class TestIssuer {
  keys: JWK[] = [];
  /** Answers in place of the usual ones, by URL. */
  readonly answers = new Map<string, { readonly status?: number; readonly text: string }>();
  isDown = false;
  readonly asked: string[] = [];

  readonly egress: TextEgress = {
    requestText: async ({ url, origin }: EgressRequest) => {
      this.asked.push(url);
      await Promise.resolve();
      if (this.isDown) throw new PlatformError('TARGET_UNAVAILABLE', `${new URL(url).origin} refused the connection.`);
      const { status = 200, text } = this.answers.get(url) ?? { text: this.#text(url) };
      return { status: origin === 'operator' ? status : 403, headers: {}, text };
    },
  };

  #text(url: string): string {
    if (url === `${ISSUER}/.well-known/openid-configuration`)
      return JSON.stringify({ issuer: ISSUER, jwks_uri: `${ISSUER}/keys` });
    return JSON.stringify({ keys: this.keys });
  }
}
