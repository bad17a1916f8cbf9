/**
 * The resources of each tenant: written before anything is made, so that what a crash leaves behind has a name, and
 * removed once reading the cloud finds nothing any more.
 */

import { PlatformError } from '../core/errors.ts';
import type { Clock, Item, JsonValue, StoreRoot, TableSpec } from '../core/ports.ts';
import type { ResourceStatus, ResourceView, Sweep } from './control-plane.ts';
import type { Page } from './filled-page.ts';
import type { Job } from './job.ts';
import { resourceId, type CloudName, type OwnershipTags, type ProvisionResponse } from './provisioner.ts';

export const RESOURCES: TableSpec = {
  name: 'Resources',
  partitionKey: 'id',
  indexes: [
    { name: 'byEnv', partitionKey: 'env', sortKey: 'id' },
    { name: 'byTenant', partitionKey: 'tenantGroup', sortKey: 'id' },
    { name: 'byJob', partitionKey: 'requestId', sortKey: 'order' },
    { name: 'due', partitionKey: 'dueGroup', sortKey: 'dueAt', acrossTenants: true },
  ],
};

export const DUE_RESOURCES = 'resources';

/** Between a removal that failed and the next: it doubles from a minute to a day. */
const FIRST_PAUSE_MS = 60_000;
export const LONGEST_PAUSE_MS = 86_400_000;

/** `removed`: gone again while its job goes on, whose undo counts it; nobody else sees it. */
export type StoredStatus = ResourceStatus | 'removed';

export interface Resource extends Omit<ResourceView, 'status'> {
  readonly status: StoredStatus;
  readonly params: Readonly<Record<string, JsonValue>>;
  readonly userTags: Readonly<Record<string, string>>;
  /** Later ones may need earlier ones, so they are undone first. */
  readonly order: string;
  /** Its job found nothing of this name before it asked for it, and has not recorded yet that it made it. */
  readonly wasFree?: true;
}

/** What a job is about to make. */
export interface Intent {
  readonly cloud: string;
  readonly service: string;
  readonly region?: string | undefined;
  readonly name: string;
  readonly params: Readonly<Record<string, JsonValue>>;
}

export interface Intended {
  readonly resource: Resource;
  /** It is there already and another job's; it will be adopted, or refused. */
  readonly isForeign: boolean;
}

export const idOf = ({ cloud, region, service, name }: Omit<Intent, 'params'>): string =>
  resourceId({ cloud: cloud as CloudName, region, service, name });

/** The tags that every resource carries, with their exact values. */
export function ownershipOf(job: Job, service: string): OwnershipTags {
  const { tenant, env, requestId, principal, expiresAt } = job;
  const base = { tenant, env, service, requestId, owner: principal.id, 'managed-by': 'zeroplane' } as const;
  return expiresAt === undefined ? base : { ...base, expiresAt };
}

export class ResourceStore {
  readonly #store: StoreRoot;
  readonly #clock: Clock;
  #counter = 0;

  constructor(store: StoreRoot, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  #table(tenant: string) {
    return this.#store.store(tenant).table(RESOURCES);
  }

  async find(tenant: string, id: string): Promise<Resource | undefined> {
    const item = await this.#table(tenant).get({ id });
    return item === undefined ? undefined : fromItem(item);
  }

  /** @throws PlatformError `RESOURCE_NOT_FOUND`. */
  async get(tenant: string, id: string): Promise<Resource> {
    const found = await this.find(tenant, id);
    if (found !== undefined && found.status !== 'removed') return found;
    const shown = id.slice(0, 200);
    throw new PlatformError('RESOURCE_NOT_FOUND', `There is no resource "${shown}". /v2/resources lists yours.`, {
      resource: shown,
    });
  }

  /**
   * Notes that a job is about to make a resource. Repeated after a crash it finds its own note.
   *
   * @throws PlatformError `RESOURCE_BUSY` while another job is at it.
   */
  async intend(job: Job, intent: Intent): Promise<Intended> {
    const id = idOf(intent);
    const now = new Date(this.#clock.nowMs()).toISOString();
    const resource = this.#drafted(job, intent, { id, now });
    try {
      await this.#table(job.tenant).put(toItem(resource), { exists: false });
      return { resource, isForeign: false };
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'CONDITION_FAILED') throw error;
    }
    const known = await this.find(job.tenant, id);
    if (known === undefined) return this.intend(job, intent);
    if (known.status === 'removed' || known.requestId === job.requestId) {
      const isNoted = known.status !== 'removed' && known.wasFree === true;
      await this.#table(job.tenant).put(toItem(isNoted ? { ...resource, wasFree: true } : resource), {
        equals: { status: known.status, requestId: known.requestId },
      });
      return { resource, isForeign: false };
    }
    if (known.status === 'ready' || known.status === 'failed') return { resource: known, isForeign: true };
    throw busy(id, known.requestId);
  }

  /**
   * Makes the record of what is gone that of the job which makes it anew.
   *
   * @throws PlatformError `RESOURCE_BUSY` when another job does so too.
   */
  async takeOver(job: Job, intent: Intent): Promise<void> {
    const id = idOf(intent);
    const known = await this.find(job.tenant, id);
    if (known === undefined || known.requestId === job.requestId) return void (await this.intend(job, intent));
    const { status, requestId } = known;
    if (status !== 'ready' && status !== 'failed') throw busy(id, requestId);
    const now = new Date(this.#clock.nowMs()).toISOString();
    const drafted = toItem(this.#drafted(job, intent, { id, now }));
    try {
      await this.#table(job.tenant).put(drafted, { equals: { status, requestId } });
    } catch (error) {
      throw error instanceof PlatformError && error.code === 'CONDITION_FAILED' ? busy(id, requestId) : error;
    }
  }

  /** Something that failed before can be used, as another job has seen. */
  async seenReady(tenant: string, id: string): Promise<void> {
    const known = await this.find(tenant, id);
    if (known?.status === 'failed') await this.put({ ...known, status: 'ready' });
  }

  #drafted(job: Job, intent: Intent, { id, now }: { readonly id: string; readonly now: string }): Resource {
    const { cloud, service, region, name, params } = intent;
    const { tenant, env, requestId, principal, expiresAt, resourceId: whole } = job;
    const tags = Object.fromEntries(
      Object.entries(ownershipOf(job, service)).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    return {
      id,
      cloud,
      service,
      name,
      tenant,
      env,
      status: 'creating',
      isAdopted: false,
      requestId,
      owner: principal.id,
      outputs: {},
      params,
      tags,
      userTags: job.tags,
      createdAt: now,
      updatedAt: now,
      order: `${now}#${String(this.#counter++).padStart(8, '0')}`,
      ...(region === undefined ? {} : { region }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(whole === id ? {} : { partOf: whole }),
    };
  }

  /** Notes that nothing has the name of what a job is about to make. Of another job's resource nothing is noted. */
  async noteFree(job: Job, id: string): Promise<void> {
    const known = await this.find(job.tenant, id);
    if (known === undefined || !isIntentOf(job, known) || known.wasFree === true) return;
    const { status, requestId } = known;
    await this.#table(job.tenant).put(toItem({ ...known, wasFree: true }), { equals: { status, requestId } });
  }

  /** Whether this job has noted so of what it has not recorded as made. */
  async wasFree(job: Job, id: string): Promise<boolean> {
    const known = await this.find(job.tenant, id);
    return known !== undefined && isIntentOf(job, known) && known.wasFree === true;
  }

  /** Notes what became of the intent. */
  async record(tenant: string, id: string, response: ProvisionResponse): Promise<void> {
    const { wasFree: _wasFree, ...known } = await this.get(tenant, id);
    await this.put({ ...known, status: 'ready', outputs: response.outputs, isAdopted: response.isAdopted });
  }

  async put(resource: Resource): Promise<void> {
    const updatedAt = new Date(this.#clock.nowMs()).toISOString();
    await this.#table(resource.tenant).put(toItem({ ...resource, updatedAt }));
  }

  async mark(tenant: string, id: string, status: StoredStatus): Promise<void> {
    const known = await this.find(tenant, id);
    if (known !== undefined && known.status !== status) await this.put({ ...known, status });
  }

  /**
   * Notes that another removal at the end of its life begins, and when the one after it would.
   *
   * @returns `undefined` when it is not due any more.
   */
  async sweeping(tenant: string, id: string): Promise<Sweep | undefined> {
    const known = await this.find(tenant, id);
    const dueAt = known && dueAtOf(known);
    if (known === undefined || dueAt === undefined || Date.parse(dueAt) > this.#clock.nowMs()) return undefined;
    const sweep = this.#sweepOf((known.sweep?.attempts ?? 0) + 1);
    const { status, requestId } = known;
    await this.#table(tenant).put(toItem({ ...known, sweep }), { equals: { status, requestId } });
    return sweep;
  }

  /** The next removal at the end of its life waits until then. */
  async sweepLater(tenant: string, id: string, atMs: number): Promise<void> {
    const known = await this.find(tenant, id);
    if (known?.sweep === undefined) return;
    await this.put({ ...known, sweep: { ...known.sweep, nextAt: new Date(atMs).toISOString() } });
  }

  /** A removal failed, at the resource or a part of it. @returns when the next one comes by itself; `undefined` when none does. */
  async notDestroyed(tenant: string, id: string): Promise<string | undefined> {
    const known = await this.find(tenant, id);
    if (known === undefined) return undefined;
    for (const part of await this.ofJob(tenant, known.requestId))
      if (part.partOf === id && part.status === 'destroying') await this.put({ ...part, status: 'failed' });
    const failed: Resource = { ...known, status: 'failed' };
    const sweep = known.sweep && this.#sweepOf(known.sweep.attempts);
    await this.put(sweep === undefined ? failed : { ...failed, sweep });
    return sweep?.nextAt;
  }

  #sweepOf(attempts: number): Sweep {
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1));
    return { attempts, nextAt: new Date(this.#clock.nowMs() + pauseMs).toISOString() };
  }

  /** It is gone, which the cloud has confirmed. */
  async remove(tenant: string, id: string): Promise<void> {
    await this.#table(tenant).delete({ id });
  }

  /** Everything that a job made or was about to make, the first first. */
  async ofJob(tenant: string, requestId: string): Promise<readonly Resource[]> {
    const page = await this.#table(tenant).query({ index: 'byJob', partition: requestId });
    return page.items.map(fromItem);
  }

  /** With those that are `removed`. */
  async list(
    tenant: string,
    {
      env,
      limit,
      cursor,
    }: { readonly env?: string | undefined; readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<Page<Resource>> {
    const where =
      env === undefined ? { index: 'byTenant', partition: 'resources' } : { index: 'byEnv', partition: env };
    const page = await this.#table(tenant).query({ ...where, limit, ...(cursor === undefined ? {} : { cursor }) });
    return { items: page.items.map(fromItem), cursor: page.cursor };
  }
}

const isIntentOf = (job: Job, { requestId, status }: Resource): boolean =>
  requestId === job.requestId && status !== 'removed';

/** A resource once a job has changed it: tags are added to those it has, and its end moves only where the job names one. */
export function updatedBy(
  { tags, expiresAt }: Pick<Job, 'tags' | 'expiresAt'>,
  known: Resource,
  { params, outputs }: Pick<Resource, 'params' | 'outputs'>,
): Resource {
  const userTags = { ...known.userTags, ...tags };
  const base: Resource = { ...known, status: 'ready', params, outputs, userTags };
  if (expiresAt === undefined) return base;
  const { sweep: _sweep, ...alive } = base;
  return { ...alive, expiresAt, tags: { ...known.tags, expiresAt } };
}

function toItem(resource: Resource): Item {
  const dueAt = dueAtOf(resource);
  return {
    ...(resource as unknown as Item),
    tenantGroup: 'resources',
    ...(dueAt === undefined ? {} : { dueGroup: DUE_RESOURCES, dueAt }),
  };
}

/** When its life ends, or its end is tried again. */
function dueAtOf({ expiresAt, status, sweep }: Resource): string | undefined {
  if (expiresAt === undefined || (status !== 'ready' && status !== 'failed')) return undefined;
  return sweep?.nextAt ?? expiresAt;
}

export function fromItem(item: Item): Resource {
  const { tenantGroup: _group, dueGroup: _due, dueAt: _at, ...resource } = item;
  return resource as unknown as Resource;
}

export function resourceView(resource: Resource): ResourceView {
  const { params: _params, userTags, order: _order, wasFree: _wasFree, tags, status, ...view } = resource;
  return { ...view, status: status as ResourceStatus, tags: { ...userTags, ...tags } };
}

export function busy(id: string, requestId: string): PlatformError {
  return new PlatformError(
    'RESOURCE_BUSY',
    `Job ${requestId} is working on "${id}". Wait for its end, or cancel it: /v2/status/${requestId}.`,
    { resource: id, requestId, retryAfterSeconds: 2 },
  );
}
