/**
 * Tokens that only we can make and read: session ids, cursors, request state. AES-256-GCM, so that a token tells its
 * holder nothing; bound to a purpose, a tenant and a principal, so that it is worth nothing in other hands.
 */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Principal } from './context.ts';

export type SealPurpose = 'session' | 'cursor' | 'request-state';

export class Sealer {
  readonly #key: Buffer;

  /** @param key - 32 bytes, the same in every instance and across restarts. */
  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new Error('the sealing key must have 32 bytes');
    this.#key = Buffer.from(key);
  }

  /** @returns base64url text: visible ASCII, safe in a header and a query. */
  seal(purpose: SealPurpose, principal: Principal, value: unknown): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(`${purpose}\0${principal.tenant}\0${principal.id}`));
    const sealed = Buffer.concat([
      nonce,
      cipher.update(JSON.stringify(value), 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return sealed.toString('base64url');
  }

  /** @returns `undefined` for anything forged, foreign, made for another purpose, or longer than `maxLength` characters. */
  open(purpose: SealPurpose, principal: Principal, token: string, maxLength = 8192): unknown {
    if (token.length > maxLength || !/^[A-Za-z0-9_-]+$/.test(token)) return undefined;
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length < 28) return undefined;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12));
      decipher.setAAD(Buffer.from(`${purpose}\0${principal.tenant}\0${principal.id}`));
      decipher.setAuthTag(bytes.subarray(-16));
      return JSON.parse(
        Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8'),
      ) as unknown;
    } catch {
      return undefined;
    }
  }
}
