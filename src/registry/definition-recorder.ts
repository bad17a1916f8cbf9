/**
 * Remembers what each definition said, and which code it led to, when it was first seen and when that last changed.
 * Nothing is refused for a change yet; a policy that quarantines changed tools reads these rows.
 */

import { createHash } from 'node:crypto';
import { textOf } from '../core/json.ts';
import type { Clock, Item, Logger, StoreRoot, TableSpec, Write } from '../core/ports.ts';
import type { DefinitionMark } from '../core/target.ts';

const DEFINITIONS: TableSpec = { name: 'tool-definitions', partitionKey: 'target', sortKey: 'definition' };
const BATCH = 100;
/** A sort key has at most 1,024 bytes on every store; names come from outside. */
const MAX_KEY_BYTES = 1_024;
const HEAD_CHARACTERS = 200;
const MAX_SHOWN = 20;

function rowKey(definition: string): string {
  if (Buffer.byteLength(definition) <= MAX_KEY_BYTES) return definition;
  const hash = createHash('sha256').update(definition).digest('hex');
  return `${definition.slice(0, HEAD_CHARACTERS)}#${hash}`;
}

/** The last change of one definition, for the status page. */
export interface DefinitionChange {
  /** `tool#find`. */
  readonly definition: string;
  readonly changedAt: string;
  /** `definition`: what callers read of it; `code`: the version or the bytes behind it. */
  readonly what: readonly ('definition' | 'code')[];
  readonly version?: string;
  readonly previousVersion?: string;
  readonly codeSha256?: string;
  readonly previousCodeSha256?: string;
}

interface RecorderParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly log: Logger;
}

export class DefinitionRecorder {
  readonly #parts: RecorderParts;
  /** Newest first, by tenant and target. */
  readonly #changes = new Map<string, readonly DefinitionChange[]>();
  #last: Promise<void> = Promise.resolve();

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  /**
   * Stores marks that are new or have changed, one listing after the other. Returns at once; a store that fails is
   * logged and asked again with the next listing.
   *
   * @param tenant - Owner of the target, `*` for one that all tenants share.
   * @param marks - By `kind#key`.
   */
  record(tenant: string, target: string, marks: ReadonlyMap<string, DefinitionMark>): void {
    this.#last = this.#last
      .then(() => this.#store(tenant, target, marks))
      .catch((error: unknown) =>
        this.#parts.log.log('warn', 'definition-record-failed', { target, reason: String(error) }),
      );
  }

  /** Resolves when everything recorded so far is stored. */
  settled(): Promise<void> {
    return this.#last;
  }

  /** The newest changes of a target's definitions that are still listed, at most 20. */
  changes(tenant: string, target: string): readonly DefinitionChange[] {
    return this.#changes.get(`${tenant}\0${target}`) ?? [];
  }

  async #store(tenant: string, target: string, marks: ReadonlyMap<string, DefinitionMark>): Promise<void> {
    const store = this.#parts.store.store(tenant);
    const known = await this.#known(tenant, target);
    const rows: Item[] = [];
    const writes: Write[] = [];
    for (const [name, mark] of marks) {
      const definition = rowKey(name);
      const before = known.get(definition);
      const row = this.#rowOf({ target, definition }, mark, before);
      rows.push(row ?? before ?? {});
      if (row !== undefined) writes.push({ table: DEFINITIONS, put: row });
    }
    for (let at = 0; at < writes.length; at += BATCH) await store.transact(writes.slice(at, at + BATCH));
    this.#changes.set(`${tenant}\0${target}`, newestChanges(rows));
    for (const { put } of writes as readonly { readonly put: Item }[]) this.#tell(tenant, put, known);
  }

  /** The row to write; `undefined` when the stored one says the same. */
  #rowOf(key: { readonly target: string; readonly definition: string }, mark: DefinitionMark, before?: Item) {
    const { digest, code } = mark;
    const now = new Date(this.#parts.clock.nowMs()).toISOString();
    if (before === undefined) return { ...key, ...codeRow(code), digest, firstSeenAt: now };
    const isReworded = before['digest'] !== digest;
    const hadCode = before['codeSha256'] !== undefined;
    const isOtherCode =
      code !== undefined && (before['codeSha256'] !== code.sha256 || before['functionVersion'] !== code.version);
    if (!isReworded && !isOtherCode) return undefined;
    // Code that becomes known is no change of it.
    if (!isReworded && !hadCode) return { ...before, ...codeRow(code) };
    const { previousDigest: _digest, previousVersion: _version, previousCodeSha256: _sha, ...kept } = before;
    return {
      ...kept,
      ...codeRow(code),
      digest,
      changedAt: now,
      ...(isReworded ? { previousDigest: before['digest'] ?? '' } : {}),
      ...(isOtherCode && hadCode ? previousCode(before) : {}),
    };
  }

  #tell(tenant: string, row: Item, known: ReadonlyMap<string, Item>): void {
    const before = known.get(textOf(row['definition']));
    const change = changeOf(row);
    if (change === undefined || before?.['changedAt'] === row['changedAt']) return;
    this.#parts.log.log('info', 'definition-changed', { tenant, target: row['target'], ...change });
  }

  async #known(tenant: string, target: string): Promise<Map<string, Item>> {
    const table = this.#parts.store.store(tenant).table(DEFINITIONS);
    const known = new Map<string, Item>();
    let cursor: string | undefined;
    do {
      const page = await table.query({ partition: target, ...(cursor === undefined ? {} : { cursor }) });
      for (const item of page.items) known.set(textOf(item['definition']), item);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return known;
  }
}

function codeRow(code: DefinitionMark['code']): Item {
  return code === undefined ? {} : { functionVersion: code.version, codeSha256: code.sha256 };
}

function previousCode(before: Item): Item {
  return {
    previousVersion: before['functionVersion'] ?? '',
    previousCodeSha256: before['codeSha256'] ?? '',
  };
}

function changeOf(row: Item): DefinitionChange | undefined {
  if (row['changedAt'] === undefined) return undefined;
  const isReworded = row['previousDigest'] !== undefined;
  const isOtherCode = row['previousCodeSha256'] !== undefined;
  return {
    definition: textOf(row['definition']),
    changedAt: textOf(row['changedAt']),
    what: [...(isReworded ? (['definition'] as const) : []), ...(isOtherCode ? (['code'] as const) : [])],
    ...(isOtherCode
      ? {
          version: textOf(row['functionVersion']),
          previousVersion: textOf(row['previousVersion']),
          codeSha256: textOf(row['codeSha256']),
          previousCodeSha256: textOf(row['previousCodeSha256']),
        }
      : {}),
  };
}

function newestChanges(rows: readonly Item[]): readonly DefinitionChange[] {
  return rows
    .flatMap((row) => changeOf(row) ?? [])
    .sort((a, b) => (a.changedAt < b.changedAt ? 1 : -1))
    .slice(0, MAX_SHOWN);
}
