/**
 * Remembers what each definition said when it was first seen and when it last changed. Nothing is refused for a change
 * yet; a policy that quarantines changed tools reads these rows.
 */

import { createHash } from 'node:crypto';
import { textOf } from '../core/json.ts';
import type { Clock, Logger, StoreRoot, TableSpec, Write } from '../core/ports.ts';

const DEFINITIONS: TableSpec = { name: 'tool-definitions', partitionKey: 'target', sortKey: 'definition' };
const BATCH = 100;
/** A sort key has at most 1,024 bytes on every store; names come from outside. */
const MAX_KEY_BYTES = 1_024;
const HEAD_CHARACTERS = 200;

function rowKey(definition: string): string {
  if (Buffer.byteLength(definition) <= MAX_KEY_BYTES) return definition;
  const hash = createHash('sha256').update(definition).digest('hex');
  return `${definition.slice(0, HEAD_CHARACTERS)}#${hash}`;
}

export class DefinitionRecorder {
  readonly #parts: { readonly store: StoreRoot; readonly clock: Clock; readonly log: Logger };
  #last: Promise<void> = Promise.resolve();

  constructor(parts: { readonly store: StoreRoot; readonly clock: Clock; readonly log: Logger }) {
    this.#parts = parts;
  }

  /**
   * Stores digests that are new or have changed, one listing after the other. Returns at once; a store that fails is
   * logged and asked again with the next listing.
   *
   * @param tenant - Owner of the target, `*` for one that all tenants share.
   * @param digests - Hex SHA-256 by `kind#key`.
   */
  record(tenant: string, target: string, digests: ReadonlyMap<string, string>): void {
    this.#last = this.#last
      .then(() => this.#store(tenant, target, digests))
      .catch((error: unknown) =>
        this.#parts.log.log('warn', 'definition-record-failed', { target, reason: String(error) }),
      );
  }

  /** Resolves when everything recorded so far is stored. */
  settled(): Promise<void> {
    return this.#last;
  }

  async #store(tenant: string, target: string, digests: ReadonlyMap<string, string>): Promise<void> {
    const store = this.#parts.store.store(tenant);
    const known = await this.#known(tenant, target);
    const now = new Date(this.#parts.clock.nowMs()).toISOString();
    const writes: Write[] = [];
    for (const [name, digest] of digests) {
      const definition = rowKey(name);
      const before = known.get(definition);
      if (before?.digest === digest) continue;
      const row = {
        target,
        definition,
        digest,
        firstSeenAt: before?.firstSeenAt ?? now,
        ...(before === undefined ? {} : { changedAt: now, previousDigest: before.digest }),
      };
      writes.push({ table: DEFINITIONS, put: row });
    }
    for (let at = 0; at < writes.length; at += BATCH) await store.transact(writes.slice(at, at + BATCH));
  }

  async #known(tenant: string, target: string): Promise<Map<string, { digest: string; firstSeenAt: string }>> {
    const table = this.#parts.store.store(tenant).table(DEFINITIONS);
    const known = new Map<string, { digest: string; firstSeenAt: string }>();
    let cursor: string | undefined;
    do {
      const page = await table.query({ partition: target, ...(cursor === undefined ? {} : { cursor }) });
      for (const item of page.items)
        known.set(textOf(item['definition']), {
          digest: textOf(item['digest']),
          firstSeenAt: textOf(item['firstSeenAt']),
        });
      cursor = page.cursor;
    } while (cursor !== undefined);
    return known;
  }
}
