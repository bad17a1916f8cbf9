/**
 * What Lambda's control plane has said about functions, as it is kept: changes of a configuration, functions that
 * were created, published versions and aliases. Read once, written through; a data folder has one user at a time.
 */

import type { FunctionAlias, FunctionChanges, FunctionRecord } from '../core/function-control.ts';
import type { Item, JsonValue, TableSpec, TenantStore } from '../core/ports.ts';

/** Changes of one function: of the configuration's, or everything about a created one. */
export interface StoredFunction {
  readonly name: string;
  /** Created through the API: a record that does not execute. */
  readonly created?: FunctionRecord;
  /** Fingerprint of the configuration that `changes` and `tags` were made to. Another one has outdated them. */
  readonly fingerprint: string;
  readonly changes: FunctionChanges;
  /** All tags, when they were ever changed. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly modifiedMs: number;
  readonly revision: string;
  /** Numbers are never used twice. */
  readonly nextVersion: number;
}

export interface StoredVersion {
  readonly record: FunctionRecord;
  /** What was published; publishing the same again makes no new version. */
  readonly source: string;
  /** File below the version's folder when the code is one file. */
  readonly file?: string;
}

export interface StoredAlias extends FunctionAlias {
  readonly functionName: string;
}

export interface RecordChange {
  readonly functions?: readonly StoredFunction[];
  readonly versions?: readonly StoredVersion[];
  readonly aliases?: readonly StoredAlias[];
  /** Keys made by {@link versionKey}, {@link aliasKey} and {@link functionKey}. */
  readonly removed?: readonly string[];
}

const FUNCTIONS: TableSpec = { name: 'functions', partitionKey: 'account', sortKey: 'key' };
const ACCOUNT = 'functions';

export const functionKey = (name: string): string => `${name}#function`;
export const versionKey = (name: string, version: string): string => `${name}#version#${version}`;
export const aliasKey = (name: string, alias: string): string => `${name}#alias#${alias}`;

type Stored =
  | { readonly kind: 'function'; readonly value: StoredFunction }
  | { readonly kind: 'version'; readonly value: StoredVersion }
  | { readonly kind: 'alias'; readonly value: StoredAlias };

export class FunctionRecords {
  readonly functions = new Map<string, StoredFunction>();
  readonly versions = new Map<string, StoredVersion>();
  readonly aliases = new Map<string, StoredAlias>();
  readonly #store: TenantStore | undefined;
  #loading: Promise<void> | undefined;

  /** @param store - Absent: kept for as long as this object lives. */
  constructor(store: TenantStore | undefined) {
    this.#store = store;
  }

  /** Reads what is kept, once. A failed read is tried again by the next caller. */
  load(): Promise<void> {
    this.#loading ??= this.#read().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  versionsOf(name: string): StoredVersion[] {
    return [...this.versions.values()]
      .filter(({ record }) => record.name === name)
      .sort((a, b) => Number(a.record.version) - Number(b.record.version));
  }

  aliasesOf(name: string): StoredAlias[] {
    return [...this.aliases.values()]
      .filter(({ functionName }) => functionName === name)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Everything or nothing; what is in memory changes once it is stored. */
  async write(change: RecordChange): Promise<void> {
    const all = storedOf(change);
    await this.#store?.transact([
      ...all.map((stored) => ({ put: toItem(stored), table: FUNCTIONS })),
      ...(change.removed ?? []).map((key) => ({ delete: { account: ACCOUNT, key }, table: FUNCTIONS })),
    ]);
    for (const key of change.removed ?? []) this.#forget(key);
    for (const stored of all) this.#remember(stored);
  }

  async #read(): Promise<void> {
    const table = this.#store?.table(FUNCTIONS);
    for (let cursor: string | undefined, more = table !== undefined; more; more = cursor !== undefined) {
      const page = await table?.query({ partition: ACCOUNT, ...(cursor === undefined ? {} : { cursor }) });
      for (const item of page?.items ?? []) this.#remember(fromItem(item));
      cursor = page?.cursor;
    }
  }

  #remember(stored: Stored): void {
    if (stored.kind === 'function') this.functions.set(stored.value.name, stored.value);
    else if (stored.kind === 'version') this.versions.set(keyOf(stored), stored.value);
    else this.aliases.set(keyOf(stored), stored.value);
  }

  #forget(key: string): void {
    this.versions.delete(key);
    this.aliases.delete(key);
    if (key.endsWith('#function')) this.functions.delete(key.slice(0, -'#function'.length));
  }
}

function storedOf({ functions = [], versions = [], aliases = [] }: RecordChange): Stored[] {
  return [
    ...functions.map((value) => ({ kind: 'function', value }) as const),
    ...versions.map((value) => ({ kind: 'version', value }) as const),
    ...aliases.map((value) => ({ kind: 'alias', value }) as const),
  ];
}

function keyOf(stored: Stored): string {
  if (stored.kind === 'function') return functionKey(stored.value.name);
  if (stored.kind === 'version') return versionKey(stored.value.record.name, stored.value.record.version);
  return aliasKey(stored.value.functionName, stored.value.name);
}

function toItem(stored: Stored): Item {
  const value = JSON.parse(JSON.stringify(stored.value)) as JsonValue;
  return { account: ACCOUNT, key: keyOf(stored), kind: stored.kind, value };
}

function fromItem(item: Item): Stored {
  return { kind: item['kind'], value: item['value'] } as unknown as Stored;
}
