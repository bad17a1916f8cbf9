/**
 * Jobs on disk: each change of a job's state is one transaction with its event and its audit record, and holds only if
 * the job is still as the writer knew it.
 */

import type { AuditEntry, AuditTrail } from '../audit/audit-trail.ts';
import { PlatformError } from '../core/errors.ts';
import type { Clock, Item, JsonValue, StoreRoot, Write } from '../core/ports.ts';
import type { JobEvent } from './control-plane.ts';
import type { Page } from './filled-page.ts';
import {
  JOBS,
  JOB_EVENTS,
  RESOURCE_LOCKS,
  advanced,
  fromItem,
  isEnded,
  jobNotFound,
  toItem,
  type Job,
  type JobStatus,
} from './job.ts';
import { deliveryWrites } from './webhooks.ts';

export interface JobStoreParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly audit: AuditTrail;
}

/** One change of a job's state, with everything that belongs to it. */
export interface JobChange {
  readonly to: JobStatus;
  readonly change?: Partial<Job>;
  /** When the reaper has to look at the job although nothing happened; absent in states that are ends. */
  readonly dueAtMs?: number | undefined;
  /** Who did it, for the audit; `system` when it happened by itself. */
  readonly by: string;
  readonly writes?: readonly Write[];
}

/** Written with a job that begins. */
export interface JobCreation {
  readonly dueAtMs: number | undefined;
  readonly writes: readonly Write[];
  /** The states that it passed through at once, in order; the last is the job's. */
  readonly passed: readonly JobStatus[];
}

type EventDraft = Omit<JobEvent, 'id' | 'at'>;
type Listener = (event: JobEvent) => void;

interface CommitParts {
  readonly writes: readonly Write[];
  readonly drafts: readonly EventDraft[];
  readonly entries: readonly AuditEntry[];
}

/** What is told of a step, until it is written. */
interface Told {
  readonly draft: EventDraft;
  readonly at: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Of one job's events: the number of the newest, whoever waits to write the next, and what goes with the next write. */
interface EventLine {
  last: number | undefined;
  tail: Promise<unknown>;
  waiting: Told[];
  cancel: (() => void) | undefined;
}

const MAX_LINES = 10_000;
/** What is told of steps waits so long for company: for other steps, or for a change of the job's state. */
const TOGETHER_MS = 100;
/** In one write; a transaction takes a hundred. */
const MAX_TOLD = 50;
const position = (id: number): string => String(id).padStart(8, '0');
const isLost = (error: unknown): error is PlatformError =>
  error instanceof PlatformError && error.code === 'CONDITION_FAILED';

export class JobStore {
  readonly #parts: JobStoreParts;
  readonly #lines = new Map<string, EventLine>();
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(parts: JobStoreParts) {
    this.#parts = parts;
  }

  /** @throws PlatformError `CONDITION_FAILED` when the lock or the key among `writes` is taken. */
  async create(job: Job, { dueAtMs, writes, passed }: JobCreation): Promise<void> {
    const drafts = passed.map((status): EventDraft => ({ type: 'job-status-changed', data: { status } }));
    // Its id was made a moment ago, so there is neither a job nor an event of that name to look for.
    const jobWrite: Write = { put: toItem(job, isoOf(dueAtMs)), table: JOBS };
    this.#lineOf(`${job.tenant}\n${job.requestId}`).last = 0;
    await this.#commit(job, {
      writes: [jobWrite, ...writes],
      drafts,
      entries: [entryOf(job, 'job-accepted', job.principal.id)],
    });
  }

  async find(tenant: string, requestId: string): Promise<Job | undefined> {
    const item = await this.#parts.store.store(tenant).table(JOBS).get({ requestId });
    return item === undefined ? undefined : fromItem(item);
  }

  /** @throws PlatformError `JOB_NOT_FOUND`. */
  async get(tenant: string, requestId: string): Promise<Job> {
    const job = await this.find(tenant, requestId);
    if (job === undefined) throw jobNotFound(requestId);
    return job;
  }

  /** Which job is working on a resource. */
  async holderOf(tenant: string, resourceId: string): Promise<string | undefined> {
    const lock = await this.#parts.store.store(tenant).table(RESOURCE_LOCKS).get({ id: resourceId });
    return lock === undefined ? undefined : (lock['requestId'] as string);
  }

  /**
   * Moves a job on. Ends give the resource free.
   *
   * @returns `undefined` when the job is no longer as `job` says: somebody else has moved it, or taken its lease.
   * @throws PlatformError `JOB_STATE` when the state may not follow.
   */
  async advance(job: Job, { to, change = {}, dueAtMs, by, writes = [] }: JobChange): Promise<Job | undefined> {
    const next = advanced(job, to, change, this.#parts.clock.nowMs());
    const { requestId, reason } = next;
    const drafts: EventDraft[] = [
      { type: 'job-status-changed', data: { status: to, ...(reason === undefined ? {} : { reason }) } },
    ];
    if (isEnded(to)) drafts.push({ type: 'job-ended', data: endOf(next) });
    // Whoever may end a job holds its lock, so it is free from here on.
    const free: Write[] =
      isEnded(to) && next.action !== 'plan' ? [{ delete: { id: next.resourceId }, table: RESOURCE_LOCKS }] : [];
    const told = isEnded(to) ? deliveryWrites(next, this.#parts.clock.nowMs()) : [];
    try {
      await this.#commit(next, {
        writes: [jobRow(job, next, dueAtMs), ...free, ...writes, ...told],
        drafts,
        entries: [entryOf(next, `job-${change.approval?.decision ?? to.replace('_', '-')}`, by)],
      });
      return next;
    } catch (error) {
      if (isLost(error)) return undefined;
      throw error;
    } finally {
      if (isEnded(to)) this.#lines.delete(`${job.tenant}\n${requestId}`);
    }
  }

  /** Changes what a job knows without moving it: a lease, a longer lease. @returns as {@link advance}. */
  async touch(job: Job, change: Partial<Job>, dueAtMs: number): Promise<Job | undefined> {
    const next = { ...job, ...change };
    try {
      await this.#parts.store.store(job.tenant).transact([jobRow(job, next, dueAtMs)]);
      return next;
    } catch (error) {
      if (isLost(error)) return undefined;
      throw error;
    }
  }

  /** Tells of a step. Resolves once it is stored, a moment later and in the order of telling. */
  tell(job: Pick<Job, 'tenant' | 'requestId'>, draft: EventDraft): Promise<void> {
    const line = this.#lineOf(`${job.tenant}\n${job.requestId}`);
    const at = new Date(this.#parts.clock.nowMs()).toISOString();
    return new Promise((resolve, reject) => {
      line.waiting.push({ draft, at, resolve, reject });
      this.#writeSoon(job, line);
    });
  }

  #writeSoon(job: Pick<Job, 'tenant' | 'requestId'>, line: EventLine): void {
    line.cancel ??= this.#parts.clock.after(TOGETHER_MS, () => {
      line.cancel = undefined;
      void this.#commit(job, { writes: [], drafts: [], entries: [] }).catch(() => undefined);
    });
  }

  /** Writes what was told and waits; for a process that ends. */
  async flush(): Promise<void> {
    const keys = [...this.#lines].filter(([, { waiting }]) => waiting.length > 0).map(([key]) => key);
    await Promise.allSettled(
      keys.map((key) => {
        const [tenant = '', requestId = ''] = key.split('\n');
        return this.#commit({ tenant, requestId }, { writes: [], drafts: [], entries: [] });
      }),
    );
  }

  async events(tenant: string, requestId: string, after: number, limit = 500): Promise<readonly JobEvent[]> {
    const page = await this.#parts.store
      .store(tenant)
      .table(JOB_EVENTS)
      .query({ partition: requestId, from: position(after + 1), limit });
    return page.items.map(eventOf);
  }

  watch(tenant: string, requestId: string, listener: Listener): () => void {
    const key = `${tenant}\n${requestId}`;
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(key);
    };
  }

  async list(
    tenant: string,
    {
      env,
      limit,
      cursor,
    }: { readonly env?: string | undefined; readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<Page<Job>> {
    const where = env === undefined ? { index: 'byTenant', partition: 'jobs' } : { index: 'byEnv', partition: env };
    const page = await this.#parts.store
      .store(tenant)
      .table(JOBS)
      .query({ ...where, descending: true, limit, ...(cursor === undefined ? {} : { cursor }) });
    return { items: page.items.map(fromItem), cursor: page.cursor };
  }

  /** Events of one job are numbered one after the other, whoever tells them. */
  #commit(job: Pick<Job, 'tenant' | 'requestId'>, parts: CommitParts): Promise<void> {
    const key = `${job.tenant}\n${job.requestId}`;
    const line = this.#lineOf(key);
    const done = line.tail.then(() => this.#numbered(job, line, parts));
    line.tail = done.catch(() => undefined);
    return done;
  }

  /** Writes the drafts behind what was told before them. */
  async #numbered(
    job: Pick<Job, 'tenant' | 'requestId'>,
    line: EventLine,
    { writes, drafts, entries }: CommitParts,
  ): Promise<void> {
    const isChange = writes.length > 0;
    if (isChange && line.waiting.length > MAX_TOLD) {
      await this.#numbered(job, line, { writes: [], drafts: [], entries: [] });
      return this.#numbered(job, line, { writes, drafts, entries });
    }
    const told = line.waiting.splice(0, MAX_TOLD);
    if (told.length === 0 && !isChange) return;
    try {
      await this.#numberedWrite(job, line, { writes, drafts, entries, told });
      for (const { resolve } of told) resolve();
    } catch (error) {
      // The steps are not to blame for a change that could not be made.
      if (isChange) line.waiting.unshift(...told);
      else for (const { reject } of told) reject(error);
      throw error;
    } finally {
      if (line.waiting.length > 0) this.#writeSoon(job, line);
    }
  }

  async #numberedWrite(
    job: Pick<Job, 'tenant' | 'requestId'>,
    line: EventLine,
    { writes, drafts, entries, told }: CommitParts & { readonly told: readonly Told[] },
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      line.last ??= await this.#lastEvent(job);
      const now = new Date(this.#parts.clock.nowMs()).toISOString();
      const all = [...told, ...drafts.map((draft) => ({ draft, at: now }))];
      const events = all.map(({ draft, at }, index): JobEvent => ({ id: (line.last ?? 0) + index + 1, at, ...draft }));
      // Positions have no gaps: where the first is free, so are those behind it.
      const rows = events.map((event, index): Write => eventRow(job.requestId, event, index === 0));
      try {
        await this.#write(job.tenant, [...writes, ...rows], entries);
        line.last += events.length;
        this.#publish(job, events);
        return;
      } catch (error) {
        const index = isLost(error) ? error.details['index'] : undefined;
        // Another instance has told something of the same job.
        if (typeof index !== 'number' || index < writes.length || attempt >= 5) throw error;
        line.last = undefined;
      }
    }
  }

  #write(tenant: string, writes: readonly Write[], entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length > 0) return this.#parts.audit.commit(tenant, writes, entries);
    return this.#parts.store.store(tenant).transact(writes);
  }

  #publish({ tenant, requestId }: Pick<Job, 'tenant' | 'requestId'>, events: readonly JobEvent[]): void {
    const listeners = this.#listeners.get(`${tenant}\n${requestId}`);
    for (const event of events) for (const listener of listeners ?? []) listener(event);
  }

  #lineOf(key: string): EventLine {
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    if (this.#lines.size >= MAX_LINES) this.#lines.delete(this.#lines.keys().next().value ?? '');
    const line: EventLine = { last: undefined, tail: Promise.resolve(), waiting: [], cancel: undefined };
    this.#lines.set(key, line);
    return line;
  }

  async #lastEvent({ tenant, requestId }: Pick<Job, 'tenant' | 'requestId'>): Promise<number> {
    const page = await this.#parts.store
      .store(tenant)
      .table(JOB_EVENTS)
      .query({ partition: requestId, descending: true, limit: 1 });
    const [item] = page.items;
    return item === undefined ? 0 : Number(item['position']);
  }
}

function isoOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

/** Holds only while the job is in the state and under the lease that the writer knew. */
function jobRow(before: Job, after: Job, dueAtMs: number | undefined): Write {
  const { status, fence } = before;
  return { put: toItem(after, isoOf(dueAtMs)), table: JOBS, condition: { equals: { status, fence } } };
}

function eventRow(requestId: string, event: JobEvent, isChecked: boolean): Write {
  const item: Item = { requestId, position: position(event.id), type: event.type, at: event.at, data: event.data };
  return { put: item, table: JOB_EVENTS, ...(isChecked ? { condition: { exists: false } } : {}) };
}

function eventOf(item: Item): JobEvent {
  const { position: at, type, data } = item as unknown as JobEvent & { position: string };
  return { id: Number(at), type, at: (item as unknown as JobEvent).at, data };
}

function entryOf(job: Job, action: string, by: string): AuditEntry {
  const { requestId, env, cloud, service, resourceId, error, reason } = job;
  const why = error === undefined ? reason : error.code;
  return {
    action,
    resource: { type: 'job', id: requestId },
    principal: by,
    requestId,
    details: { action: job.action, cloud, service, env, resource: resourceId, ...(why === undefined ? {} : { why }) },
  };
}

function endOf({ status, result, error }: Job): Readonly<Record<string, JsonValue>> {
  return {
    status,
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
  };
}
