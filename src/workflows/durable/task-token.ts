/**
 * Task tokens: they name a waiting task to the outside and cannot be guessed. Made from a key, so that a replay makes
 * the same one again although only its hash is stored.
 */

import { createHmac, hash } from 'node:crypto';
import type { StoredOperation } from './operation.ts';

export class TaskTokens {
  readonly #key: Buffer;

  /** @param key at least 32 bytes, the same across restarts. */
  constructor(key: Uint8Array) {
    if (key.length < 32) throw new Error('the key of task tokens must have 32 bytes');
    this.#key = Buffer.from(key);
  }

  /** Of one start of one callback; a redrive that starts it again makes another. */
  mint(tenant: string, execution: string, { id, n, start }: StoredOperation): string {
    const callback = JSON.stringify(['task-token', tenant, execution, id, n, start]);
    return createHmac('sha256', this.#key).update(callback).digest('base64url');
  }
}

export function tokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}
