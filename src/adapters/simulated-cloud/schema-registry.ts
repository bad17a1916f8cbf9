/** The JSON Schemas of this machine: those of a folder, and those that programs have put beside them. */

import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Item, Table, TableSpec } from '../../core/ports.ts';

export const SCHEMAS: TableSpec = { name: 'aws-schemas', partitionKey: 'kind', sortKey: 'id' };

/** All in one partition: a registry of a laptop holds few. */
const KIND = 'schema';

export interface RegistrySchema {
  readonly registry: string;
  readonly name: string;
  readonly content: string;
  /** `JSONSchemaDraft4` or `OpenApi3`. */
  readonly type: string;
  readonly description: string;
  /** From 1; one that comes from the folder has 1. */
  readonly version: number;
  /** ISO 8601. */
  readonly modifiedAt: string;
  /** Whether it is a file, which only its owner changes. */
  readonly isFile: boolean;
}

export type NewSchema = Pick<RegistrySchema, 'registry' | 'name' | 'content' | 'type' | 'description'>;

export interface SchemaRegistryParts {
  /** `REGISTRY/NAME.json` each. */
  readonly folder: string | undefined;
  /** Of {@link SCHEMAS}. */
  readonly table: Table;
  readonly clock: Clock;
}

export class SchemaRegistry {
  readonly #parts: SchemaRegistryParts;

  constructor(parts: SchemaRegistryParts) {
    this.#parts = parts;
  }

  /** A file wins over what was put under the same name. */
  async get(registry: string, name: string): Promise<RegistrySchema | undefined> {
    if (!isName(registry) || !isName(name)) return undefined;
    return (await this.#file(registry, name)) ?? this.#stored(registry, name);
  }

  /** Stores the next version; the caller has checked that there is no file of this name. */
  async put(schema: NewSchema): Promise<RegistrySchema> {
    const { registry, name } = schema;
    const before = await this.#stored(registry, name);
    const modifiedAt = new Date(this.#parts.clock.nowMs()).toISOString();
    const next = { ...schema, version: (before?.version ?? 0) + 1, modifiedAt, isFile: false };
    await this.#parts.table.put({ kind: KIND, id: idOf(registry, name), ...next });
    return next;
  }

  async delete(registry: string, name: string): Promise<void> {
    await this.#parts.table.delete({ kind: KIND, id: idOf(registry, name) });
  }

  /** Names, sorted. */
  async registries(): Promise<readonly string[]> {
    const ids = await this.#storedIds('');
    return sorted([...(await this.#folders('')), ...ids.map((id) => id.slice(0, id.indexOf('/')))]);
  }

  /** Names, sorted. */
  async names(registry: string): Promise<readonly string[]> {
    if (!isName(registry)) return [];
    const files = (await this.#folders(registry)).flatMap((name) =>
      name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : [],
    );
    const ids = await this.#storedIds(`${registry}/`);
    return sorted([...files, ...ids.map((id) => id.slice(registry.length + 1))]);
  }

  async #file(registry: string, name: string): Promise<RegistrySchema | undefined> {
    if (this.#parts.folder === undefined) return undefined;
    const path = join(this.#parts.folder, registry, `${name}.json`);
    try {
      const [content, { mtime }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
      const type = isOpenApi(content) ? 'OpenApi3' : 'JSONSchemaDraft4';
      const common = { registry, name, content, type, description: '' };
      return { ...common, version: 1, modifiedAt: mtime.toISOString(), isFile: true };
    } catch {
      return undefined;
    }
  }

  async #stored(registry: string, name: string): Promise<RegistrySchema | undefined> {
    const item = await this.#parts.table.get({ kind: KIND, id: idOf(registry, name) });
    return item === undefined ? undefined : schemaOf(item);
  }

  async #storedIds(prefix: string): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#parts.table.query({
        partition: KIND,
        ...(prefix === '' ? {} : { prefix }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      ids.push(...page.items.map((item) => textOf(item, 'id')));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return ids;
  }

  async #folders(below: string): Promise<string[]> {
    if (this.#parts.folder === undefined) return [];
    return readdir(join(this.#parts.folder, below)).catch(() => []);
  }
}

/** Nothing but a name leads into the folder. */
export function isName(name: string): boolean {
  return /^[A-Za-z0-9_.@-]{1,385}$/.test(name) && !/^\.+$/.test(name);
}

const idOf = (registry: string, name: string): string => `${registry}/${name}`;

function schemaOf(item: Item): RegistrySchema {
  return {
    registry: textOf(item, 'registry'),
    name: textOf(item, 'name'),
    content: textOf(item, 'content'),
    type: textOf(item, 'type'),
    description: textOf(item, 'description'),
    version: Number(item['version']),
    modifiedAt: textOf(item, 'modifiedAt'),
    isFile: false,
  };
}

function textOf(item: Item, key: string): string {
  const value = item[key];
  return typeof value === 'string' ? value : '';
}

function isOpenApi(content: string): boolean {
  try {
    const value: unknown = JSON.parse(content);
    return typeof value === 'object' && value !== null && 'openapi' in value;
  } catch {
    return false;
  }
}

function sorted(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort((one, other) => (one < other ? -1 : 1));
}
