/** How a table's items map to stored rows: keys, secondary index entries, tenant prefixes, size. */

import { PlatformError } from '../../../core/errors.ts';
import type { IndexSpec, Item, JsonValue, Key, TableSpec } from '../../../core/ports.ts';
import type { Scope } from './scope.ts';
import { checkedText, stripPrefix } from './scope.ts';

/** DynamoDB's limits for an item and its keys, in bytes. */
const MAX_ITEM_BYTES = 400 * 1024;
const MAX_PARTITION_BYTES = 2048;
const MAX_SORT_BYTES = 1024;

export interface StoredKey {
  readonly pk: string;
  /** `''` in a table without sort key. */
  readonly sk: string;
}

export interface StoredItem extends StoredKey {
  readonly json: string;
  /** Epoch seconds, `null` for an item that stays. */
  readonly expiresAt: number | null;
  readonly entries: readonly IndexEntry[];
}

export interface IndexEntry extends StoredKey {
  readonly index: string;
}

/** One table seen in one scope. */
export class ItemShape {
  readonly spec: TableSpec;
  readonly #scope: Scope;
  /** Partition attributes of the table and its tenants' indexes: the ones that carry the tenant. */
  readonly #prefixed: ReadonlySet<string>;

  constructor(spec: TableSpec, scope: Scope) {
    this.spec = spec;
    this.#scope = scope;
    this.#prefixed = prefixedAttributes(spec);
  }

  /** @throws PlatformError `INVALID_ARGUMENTS`. */
  keyOf(values: Key | Item): StoredKey {
    const { partitionKey, sortKey } = this.spec;
    const pk = this.keyValue(partitionKey, values[partitionKey], MAX_PARTITION_BYTES);
    return { pk, sk: sortKey === undefined ? '' : this.keyValue(sortKey, values[sortKey], MAX_SORT_BYTES) };
  }

  /** @throws PlatformError `INVALID_ARGUMENTS`, `ITEM_TOO_LARGE`. */
  toStored(item: Item): StoredItem {
    const key = this.keyOf(item);
    const stored = this.withPrefixes(item);
    const json = JSON.stringify(stored);
    if (json.length * 3 > MAX_ITEM_BYTES && Buffer.byteLength(json) > MAX_ITEM_BYTES) throw this.#tooLarge();
    const { expiresAt } = item;
    return { ...key, json, expiresAt: typeof expiresAt === 'number' ? expiresAt : null, entries: this.#entries(item) };
  }

  /** The attribute values as stored. */
  withPrefixes(item: Item): Item {
    const { prefix } = this.#scope;
    if (prefix === '') return item;
    const stored: Record<string, JsonValue> = { ...item };
    for (const attribute of this.#prefixed) {
      const value = item[attribute];
      if (typeof value === 'string' && Object.hasOwn(item, attribute)) stored[attribute] = prefix + value;
    }
    return stored;
  }

  /** @throws PlatformError `STORE_CORRUPT` when the text is no JSON object. */
  fromStored(json: string): Item {
    const item = this.parse(json) as Record<string, JsonValue>;
    if (this.#scope.prefix === '') return item;
    for (const attribute of this.#prefixed) {
      const value = item[attribute];
      if (typeof value === 'string') item[attribute] = stripPrefix(this.#scope, value);
    }
    return item;
  }

  parse(json: string): Item {
    try {
      return JSON.parse(json) as Item;
    } catch (cause) {
      throw new PlatformError(
        'STORE_CORRUPT',
        `A stored item of table "${this.spec.name}" is unreadable. Stop the instance and restore the data folder from a backup.`,
        { table: this.spec.name },
        { cause },
      );
    }
  }

  /** The stored value of a key attribute. @throws PlatformError `INVALID_ARGUMENTS`. */
  keyValue(attribute: string, value: unknown, maxBytes: number = MAX_PARTITION_BYTES): string {
    const text = checkedText(value, `Key attribute "${attribute}" of table "${this.spec.name}"`, maxBytes);
    return this.#prefixed.has(attribute) ? checkedText(this.#scope.prefix + text, attribute, maxBytes) : text;
  }

  /** A bound of a sort-key range as stored; unlike a key it may be empty. */
  boundValue(attribute: string, value: string): string {
    const text = value === '' ? '' : checkedText(value, `A sort-key bound of "${attribute}"`, MAX_PARTITION_BYTES);
    return this.#prefixed.has(attribute) ? this.#scope.prefix + text : text;
  }

  /** @throws PlatformError `INVALID_ARGUMENTS` when the table has no such index, or it is not this scope's to ask. */
  index(name: string): IndexSpec {
    const found = this.spec.indexes?.find((index) => index.name === name);
    if (found === undefined) throw invalid(`Table "${this.spec.name}" has no index "${name}".`);
    if (found.acrossTenants === true && this.#scope.prefix !== '') {
      throw invalid(`Index "${name}" of table "${this.spec.name}" is across tenants. Ask it through the system store.`);
    }
    return found;
  }

  /** An item without all key attributes of an index is simply not in it. */
  #entries(item: Item): readonly IndexEntry[] {
    const entries: IndexEntry[] = [];
    for (const { name, partitionKey, sortKey } of this.spec.indexes ?? []) {
      if (!isPresent(item, partitionKey) || (sortKey !== undefined && !isPresent(item, sortKey))) continue;
      const pk = this.keyValue(partitionKey, item[partitionKey], MAX_PARTITION_BYTES);
      entries.push({
        index: name,
        pk,
        sk: sortKey === undefined ? '' : this.keyValue(sortKey, item[sortKey], MAX_SORT_BYTES),
      });
    }
    return entries;
  }

  #tooLarge(): PlatformError {
    return new PlatformError(
      'ITEM_TOO_LARGE',
      `An item of table "${this.spec.name}" is larger than 400 KB. Keep large values in the blob store and refer to them.`,
      { table: this.spec.name },
    );
  }
}

/** A shape is made for every write; what follows from the table alone is found once. */
const prefixedOf = new WeakMap<TableSpec, ReadonlySet<string>>();

function prefixedAttributes(spec: TableSpec): ReadonlySet<string> {
  const known = prefixedOf.get(spec);
  if (known !== undefined) return known;
  const found = findPrefixed(spec);
  prefixedOf.set(spec, found);
  return found;
}

/** @throws PlatformError `INVALID_ARGUMENTS` when one attribute would be stored with the tenant and without. */
function findPrefixed(spec: TableSpec): ReadonlySet<string> {
  const indexes = spec.indexes ?? [];
  const tenants = indexes.filter((index) => index.acrossTenants !== true);
  const prefixed = new Set([spec.partitionKey, ...tenants.map((index) => index.partitionKey)]);
  for (const { name, partitionKey, acrossTenants } of indexes) {
    if (acrossTenants !== true || !prefixed.has(partitionKey)) continue;
    throw invalid(
      `Index "${name}" of table "${spec.name}" is across tenants, and its attribute "${partitionKey}" carries the tenant elsewhere. Give it an attribute of its own.`,
    );
  }
  return prefixed;
}

function invalid(message: string): PlatformError {
  return new PlatformError('INVALID_ARGUMENTS', message);
}

function isPresent(item: Item, attribute: string): boolean {
  return Object.hasOwn(item, attribute) && item[attribute] !== undefined;
}
