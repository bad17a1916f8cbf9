/**
 * What a simulated cloud holds: things of a kind with an id, as JSON in a table of the store. It survives restarts, and
 * everything of it can be listed. Which kinds there are, and what they mean, is for the services.
 */

import { PlatformError } from '../../core/errors.ts';
import { textOf } from '../../core/json.ts';
import type { Condition, Item, JsonValue, Table, TableSpec } from '../../core/ports.ts';

/** One partition for each cloud; ids sort within their kind. */
export const CLOUD_CONTENTS: TableSpec = { name: 'CloudContents', partitionKey: 'cloud', sortKey: 'key' };

/** `aws`, `gcp` or `azure`. */
export type SimulatedCloudName = 'aws' | 'gcp' | 'azure';

export type Value = { readonly [member: string]: JsonValue };

export interface Held {
  /** `s3-bucket`: letters, digits and `-`. */
  readonly kind: string;
  readonly id: string;
  readonly value: Value;
}

/** A thing of a known kind. */
export interface Entry<Stored extends Value = Value> {
  readonly id: string;
  readonly value: Stored;
}

export interface HeldPage {
  readonly contents: readonly Held[];
  readonly next?: string;
}

export interface PageOptions {
  readonly kind?: string;
  /** Beginning of the ids; only with a kind. */
  readonly within?: string;
  readonly cursor?: string;
  /** @default 1000, the most */
  readonly limit?: number;
}

/** Writers of one thing that come in each other's way; more means that something is wrong. */
const MAX_ATTEMPTS = 50;

export class SimulatedState {
  readonly cloud: SimulatedCloudName;
  readonly #table: Table;

  /** @param table - Made of {@link CLOUD_CONTENTS}. */
  constructor(cloud: SimulatedCloudName, table: Table) {
    this.cloud = cloud;
    this.#table = table;
  }

  async get<Stored extends Value = Value>(kind: string, id: string): Promise<Stored | undefined> {
    const item = await this.#table.get(this.#key(kind, id));
    return item === undefined ? undefined : (item['value'] as Stored);
  }

  /** Whatever was there before. */
  async put(kind: string, id: string, value: Value): Promise<void> {
    const before = await this.#table.get(this.#key(kind, id));
    await this.#table.put(this.#item({ kind, id, value }, revisionOf(before) + 1));
  }

  /** @returns false when there is one already, which stays as it is. */
  create(kind: string, id: string, value: Value): Promise<boolean> {
    return this.#write({ kind, id, value }, 1, { exists: false });
  }

  /**
   * Reads and writes as one: nobody's change in between is lost.
   *
   * @param change - May be called again; what it throws is thrown on and nothing is written.
   * @returns the new value, `undefined` when there is none to change.
   */
  async update<Stored extends Value = Value>(
    kind: string,
    id: string,
    change: (value: Stored) => Stored,
  ): Promise<Stored | undefined> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const item = await this.#table.get(this.#key(kind, id));
      if (item === undefined) return undefined;
      const value = change(item['value'] as Stored);
      const revision = revisionOf(item);
      if (await this.#write({ kind, id, value }, revision + 1, { equals: { revision } })) return value;
    }
    throw new PlatformError('OVERLOADED', `Too many change ${kind} "${id}" of ${this.cloud} at a time. Try again.`);
  }

  /** @returns whether there was one. */
  async delete(kind: string, id: string): Promise<boolean> {
    try {
      await this.#table.delete(this.#key(kind, id), { exists: true });
      return true;
    } catch (error) {
      if (isLost(error)) return false;
      throw error;
    }
  }

  /** All of a kind, by id. @param prefix - Ids that begin with this. */
  async list<Stored extends Value = Value>(kind: string, prefix = ''): Promise<Entry<Stored>[]> {
    const found: Entry<Stored>[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.#table.query({
        partition: this.cloud,
        prefix: `${kind}/${prefix}`,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const item of page.items) found.push({ id: heldOf(item).id, value: item['value'] as Stored });
      if (page.cursor === undefined) return found;
      ({ cursor } = page);
    }
  }

  /** A page of everything, or of a kind, or of what begins with something within a kind. */
  async page(options: PageOptions): Promise<HeldPage> {
    const { kind, within = '', cursor, limit = 1_000 } = options;
    const page = await this.#table.query({
      partition: this.cloud,
      limit,
      ...(kind === undefined ? {} : { prefix: `${kind}/${within}` }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    const contents = page.items.map(heldOf);
    return page.cursor === undefined ? { contents } : { contents, next: page.cursor };
  }

  #key(kind: string, id: string): { readonly cloud: string; readonly key: string } {
    return { cloud: this.cloud, key: `${kind}/${id}` };
  }

  #item({ kind, id, value }: Held, revision: number): Item {
    return { ...this.#key(kind, id), value, revision };
  }

  async #write(held: Held, revision: number, condition: Condition): Promise<boolean> {
    try {
      await this.#table.put(this.#item(held, revision), condition);
      return true;
    } catch (error) {
      if (isLost(error)) return false;
      throw error;
    }
  }
}

function revisionOf(item: Item | undefined): number {
  return typeof item?.['revision'] === 'number' ? item['revision'] : 0;
}

function heldOf(item: Item): Held {
  const key = textOf(item['key']);
  const slash = key.indexOf('/');
  return { kind: key.slice(0, slash), id: key.slice(slash + 1), value: item['value'] as Value };
}

function isLost(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'CONDITION_FAILED';
}
