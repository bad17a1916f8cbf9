/**
 * Keeps the registrations of each tenant in table `mcp-registrations`, and tells who listens that they changed.
 *
 * An item per registration, under its `id`; beside it an item that claims the name's skeleton, so that no second
 * name can be mistaken for it. Both are written in one transaction with the audit record of the change. The
 * announcement follows at once; an instance that dies between the two leaves a change that other instances see when
 * they next read the table.
 */

import type { AuditEntry, AuditTrail, Author } from '../audit/audit-trail.ts';
import { PlatformError } from '../core/errors.ts';
import type { Clock, IdSource, Item, JsonValue, StoreRoot, TableSpec, TenantStore, Write } from '../core/ports.ts';
import { digestOf, isRegistrationId, nameSkeleton, registrationId } from './registration.ts';
import type { Registration, RegistrationDefinition, RegistrationType } from './registration.ts';

export const REGISTRATIONS: TableSpec = {
  name: 'mcp-registrations',
  partitionKey: 'id',
  indexes: [{ name: 'by-tenant', partitionKey: 'tenant', sortKey: 'listKey' }],
};

/** Topic of the change feed. Detail: `{id, type, action}`. */
const REGISTRATIONS_CHANGED = 'registrations-changed';

export interface RegistrationChange {
  readonly id: string;
  readonly type: RegistrationType;
  readonly action: 'created' | 'replaced' | 'removed';
}

export interface RegistrationStoreParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly audit: AuditTrail;
}

/** What a writer says beside the change itself. */
export interface RegistrationWrite {
  readonly by: Author;
  /** Only when the registration still has this revision. */
  readonly revision?: string | undefined;
}

/** A writer waits for the listeners of its own instance, so that its acknowledgement means "listed". */
export type RegistrationListener = (tenant: string, change: RegistrationChange) => void | Promise<void>;

interface TenantCache {
  readonly stop: () => void;
  /** The list as last read; absent after a change. */
  list: Promise<readonly Registration[]> | undefined;
  /** What is told to the listeners, by sequence of the feed: a write and the feed tell the same change once. */
  readonly told: Map<number, Promise<void>>;
}

const MAX_TOLD = 200;

/** Lost races are tried again this often before the caller is told. */
const ATTEMPTS = 5;

export class RegistrationStore {
  readonly #parts: RegistrationStoreParts;
  readonly #caches = new Map<string, TenantCache>();
  readonly #listeners = new Set<RegistrationListener>();
  /** Stands in for the sequence of changes that the feed has not taken: below zero, so never one of its own. */
  #unpublished = 0;

  constructor(parts: RegistrationStoreParts) {
    this.#parts = parts;
  }

  /** All of a tenant's registrations, by type and name. Read from the table once per change. */
  list(tenant: string): Promise<readonly Registration[]> {
    const cache = this.#cache(tenant);
    if (cache.list === undefined) {
      const reading = this.#read(tenant);
      cache.list = reading;
      reading.catch(() => {
        if (cache.list === reading) cache.list = undefined;
      });
    }
    return cache.list;
  }

  async get(tenant: string, id: string): Promise<Registration | undefined> {
    if (!isRegistrationId(id)) return undefined;
    const item = await this.#store(tenant).table(REGISTRATIONS).get({ id });
    return item === undefined ? undefined : fromItem(item);
  }

  /**
   * @param upsert - Overwrites a registration of the same id, as the seed does.
   * @throws PlatformError `REGISTRATION_EXISTS` when the id, or a name that looks the same, is taken.
   */
  async create(
    tenant: string,
    definition: RegistrationDefinition,
    { by, upsert = false }: { readonly by: Author; readonly upsert?: boolean },
  ): Promise<Registration> {
    const id = registrationId(definition);
    for (let attempt = 1; ; attempt++) {
      const existing = upsert ? await this.get(tenant, id) : undefined;
      try {
        return await this.#write(tenant, definition, { by, existing });
      } catch (error) {
        if (!isConflict(error)) throw error;
        const now = await this.get(tenant, id);
        if (!upsert || now === undefined || attempt >= ATTEMPTS) throw taken(definition, now !== undefined);
      }
    }
  }

  /**
   * Replaces the definition of `id`, which stays.
   *
   * @throws PlatformError `REGISTRATION_NOT_FOUND`, `REGISTRATION_ID_CHANGED`, `REGISTRATION_CHANGED`.
   */
  async replace(
    tenant: string,
    id: string,
    definition: RegistrationDefinition,
    { by, revision }: RegistrationWrite,
  ): Promise<Registration> {
    for (let attempt = 1; ; attempt++) {
      const existing = await this.require(tenant, id, revision);
      if (registrationId(definition) !== id) {
        const next = `Register "${registrationId(definition)}" anew and remove "${id}".`;
        throw new PlatformError(
          'REGISTRATION_ID_CHANGED',
          `Type and name make the id, and "${id}" cannot change. ${next}`,
          { id },
        );
      }
      try {
        return await this.#write(tenant, definition, { by, existing });
      } catch (error) {
        if (!isConflict(error)) throw error;
        if (attempt >= ATTEMPTS) throw changed(id);
      }
    }
  }

  /** @throws PlatformError `REGISTRATION_NOT_FOUND`, `REGISTRATION_CHANGED`. */
  async remove(tenant: string, id: string, { by, revision }: RegistrationWrite): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const existing = await this.require(tenant, id, revision);
      const writes: Write[] = [
        { table: REGISTRATIONS, delete: { id }, condition: { equals: { revision: existing.revision } } },
        { table: REGISTRATIONS, delete: { id: claimId(existing) }, condition: { equals: { owner: id } } },
      ];
      try {
        await this.#parts.audit.commit(tenant, writes, [entryOf('removed', existing, by)]);
        return await this.#announce(tenant, { id, type: existing.type, action: 'removed' });
      } catch (error) {
        if (!isConflict(error)) throw error;
        if (attempt >= ATTEMPTS) throw changed(id);
      }
    }
  }

  /** @throws PlatformError `REGISTRATION_NOT_FOUND`, `REGISTRATION_CHANGED` when it has another revision than the given one. */
  async require(tenant: string, id: string, revision?: string): Promise<Registration> {
    const existing = await this.get(tenant, id);
    if (existing === undefined) throw registrationNotFound(id);
    if (revision !== undefined && existing.revision !== revision) throw changed(id);
    return existing;
  }

  /** Hears of changes in every tenant that was listed or watched here, other instances' included within a second. */
  onChange(listener: RegistrationListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops listening to the store. */
  close(): void {
    for (const cache of this.#caches.values()) cache.stop();
    this.#caches.clear();
    this.#listeners.clear();
  }

  #store(tenant: string): TenantStore {
    return this.#parts.store.store(tenant);
  }

  #cache(tenant: string): TenantCache {
    let cache = this.#caches.get(tenant);
    if (cache === undefined) {
      const stop = this.#store(tenant).changes.watch(({ topic, sequence, detail }) => {
        if (topic === REGISTRATIONS_CHANGED) void this.#tell(tenant, sequence, detail as unknown as RegistrationChange);
      });
      cache = { stop, list: undefined, told: new Map() };
      this.#caches.set(tenant, cache);
    }
    return cache;
  }

  #tell(tenant: string, sequence: number, change: RegistrationChange): Promise<void> {
    const cache = this.#cache(tenant);
    const known = cache.told.get(sequence);
    if (known !== undefined) return known;
    cache.list = undefined;
    const listeners = [...this.#listeners].map(async (listener) => listener(tenant, change));
    const telling = Promise.allSettled(listeners).then(() => undefined);
    cache.told.set(sequence, telling);
    if (cache.told.size > MAX_TOLD) cache.told.delete(cache.told.keys().next().value ?? 0);
    return telling;
  }

  async #read(tenant: string): Promise<readonly Registration[]> {
    const table = this.#store(tenant).table(REGISTRATIONS);
    const found: Registration[] = [];
    let cursor: string | undefined;
    do {
      const page = await table.query({
        index: 'by-tenant',
        partition: tenant,
        ...(cursor === undefined ? {} : { cursor }),
      });
      found.push(...page.items.map(fromItem));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return found;
  }

  async #write(
    tenant: string,
    definition: RegistrationDefinition,
    { by, existing }: { readonly by: Author; readonly existing: Registration | undefined },
  ): Promise<Registration> {
    const now = new Date(this.#parts.clock.nowMs()).toISOString();
    const registration: Registration = {
      id: registrationId(definition),
      ...definition,
      tenant,
      revision: this.#parts.ids.uuid(),
      digest: digestOf(definition),
      createdAt: existing?.createdAt ?? now,
      updatedAt: now,
    };
    const absent = { exists: false };
    const condition = existing === undefined ? absent : { equals: { revision: existing.revision } };
    const claim = { id: claimId(definition), owner: registration.id };
    const action = existing === undefined ? 'created' : 'replaced';
    await this.#parts.audit.commit(
      tenant,
      [
        { table: REGISTRATIONS, put: toItem(registration), condition },
        {
          table: REGISTRATIONS,
          put: claim,
          condition: existing === undefined ? absent : { equals: { owner: registration.id } },
        },
      ],
      [entryOf(action, registration, by)],
    );
    await this.#announce(tenant, { id: registration.id, type: registration.type, action });
    return registration;
  }

  /** Whoever asks this instance next sees the change, even before the feed has come round. */
  async #announce(tenant: string, change: RegistrationChange): Promise<void> {
    this.#cache(tenant).list = undefined;
    // What is stored is stored: a feed that cannot be written (the disk is full by now) must not make it look refused.
    const sequence = await this.#store(tenant)
      .changes.publish(REGISTRATIONS_CHANGED, { ...change })
      .catch(() => --this.#unpublished);
    await this.#tell(tenant, sequence, change);
  }
}

function claimId(definition: { readonly type: RegistrationType; readonly name: string }): string {
  return `name#${nameSkeleton(definition)}`;
}

/** Which definition it was, by its digest, and where it leads. */
function entryOf(action: RegistrationChange['action'], registration: Registration, by: Author): AuditEntry {
  const { id, type, revision, digest } = registration;
  return {
    ...by,
    action: `registration-${action}`,
    resource: { type: 'registration', id },
    details: { type, revision, digest, ...placeOf(registration) },
  };
}

function placeOf(registration: Registration): Readonly<Record<string, string>> {
  // The rest of an address may hold a key.
  if (registration.type === 'mcp') return { origin: new URL(registration.url).origin };
  const { lambdaArn, version, alias } = registration;
  return {
    lambdaArn,
    ...(version === undefined ? {} : { version }),
    ...(alias === undefined ? {} : { alias }),
  };
}

function isConflict(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'CONDITION_FAILED';
}

export function registrationNotFound(id: string): PlatformError {
  const shown = id.slice(0, 140);
  return new PlatformError(
    'REGISTRATION_NOT_FOUND',
    `There is no registration "${shown}". GET /register lists what there is.`,
    { id: shown },
  );
}

function taken(definition: RegistrationDefinition, isSame: boolean): PlatformError {
  const id = registrationId(definition);
  if (isSame)
    return new PlatformError(
      'REGISTRATION_EXISTS',
      `"${id}" is registered already. Replace it with PUT /register/${id}, or add ?upsert=true.`,
      { id },
    );
  const what = `A registration whose name differs from "${definition.name}" only in the case of its letters exists.`;
  return new PlatformError('REGISTRATION_EXISTS', `${what} Choose another name.`, { id });
}

function changed(id: string): PlatformError {
  return new PlatformError(
    'REGISTRATION_CHANGED',
    `"${id}" was changed by somebody else. Read it again and repeat your change on what you find.`,
    { id },
  );
}

/** Attributes whose keys are other people's. `parameters` is stored as JSON text in the seed too. */
const AS_TEXT = ['parameters', 'outputSchema', 'tags', 'canary'] as const;

function toItem(registration: Registration): Item {
  const item: Record<string, JsonValue> = {
    ...(registration as unknown as Item),
    listKey: `${registration.type}#${registration.name}`,
  };
  for (const name of AS_TEXT) if (item[name] !== undefined) item[name] = JSON.stringify(item[name]);
  return item;
}

function fromItem(item: Item): Registration {
  const { listKey: _listKey, ...rest } = item;
  const registration: Record<string, unknown> = rest;
  for (const name of AS_TEXT) {
    const text = registration[name];
    if (typeof text === 'string') registration[name] = JSON.parse(text) as unknown;
  }
  return registration as unknown as Registration;
}
