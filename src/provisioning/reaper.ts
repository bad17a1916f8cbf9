/**
 * What happens by itself: jobs whose holder is gone are given out again, approvals expire, resources that have outlived
 * their time are destroyed, and what nobody could work on is ended with its reason. Looks across tenants, through the
 * one index that does.
 */

import { createHash, randomUUID } from 'node:crypto';
import { Context } from '../core/context.ts';
import { isObject, textOf } from '../core/json.ts';
import type { Clock, DeadLetter, Item, Logger, Queue, StoreRoot, TableSpec, TenantStore } from '../core/ports.ts';
import type { Acceptance } from './accept.ts';
import { DUE_JOBS, JOBS, fromItem, isEnded, isUnderWay, type Job, type JobError } from './job.ts';
import type { JobStore } from './job-store.ts';
import {
  DUE_RESOURCES,
  RESOURCES,
  LONGEST_PAUSE_MS,
  fromItem as resourceFrom,
  type Resource,
  type ResourceStore,
} from './resource-store.ts';

export interface ReaperParts {
  readonly store: StoreRoot;
  readonly jobs: JobStore;
  readonly resources: ResourceStore;
  readonly acceptance: Acceptance;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Logger;
  readonly wake: () => void;
  /** Whether this process is at it: its lease is late only because the process was. */
  readonly isWorkingOn: (tenant: string, requestId: string) => boolean;
  readonly onEnd: (job: Job) => void;
  /** @default 1000 */
  readonly everyMs?: number | undefined;
}

const EVERY_MS = 1_000;
const PAGE = 100;
/** After a message was sent again, this long is waited for its effect. */
const AGAIN_MS = 30_000;

export class Reaper {
  readonly #parts: ReaperParts;
  readonly #system: TenantStore;
  #cancel: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: ReaperParts) {
    this.#parts = parts;
    this.#system = parts.store.systemStore();
  }

  /** Jobs that a process before this one left behind are given out at once: whoever held them is gone. */
  async start(): Promise<void> {
    for (const item of await this.#due(JOBS, DUE_JOBS, undefined)) {
      const job = fromItem(item);
      if (isUnderWay(job.status)) await this.#giveOut(job);
    }
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#round;
  }

  /** One round, for whoever does not want to wait for it. */
  async run(): Promise<void> {
    const nowIso = new Date(this.#parts.clock.nowMs()).toISOString();
    for (const item of await this.#due(JOBS, DUE_JOBS, nowIso)) await this.#reap(fromItem(item));
    for (const item of await this.#due(RESOURCES, DUE_RESOURCES, nowIso)) await this.#sweep(resourceFrom(item));
    await this.#buryDead();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.after(this.#parts.everyMs ?? EVERY_MS, () => {
      this.#round = this.run()
        .catch((error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          this.#parts.log.log('error', 'reaper-failed', { reason });
        })
        .finally(() => this.#schedule());
    });
  }

  /** @param until - ISO time; absent for all there are. */
  async #due(table: TableSpec, group: string, until: string | undefined): Promise<readonly Item[]> {
    const items: Item[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#system.table(table).query({
        index: 'due',
        partition: group,
        limit: PAGE,
        ...(until === undefined ? {} : { to: until }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      items.push(...page.items.map(withoutTenant));
      cursor = page.cursor;
    } while (cursor !== undefined && items.length < 10 * PAGE);
    return items;
  }

  async #reap(due: Job): Promise<void> {
    const { jobs, isWorkingOn, onEnd } = this.#parts;
    // The index may be behind; what counts is the job.
    const job = await jobs.find(due.tenant, due.requestId);
    if (job === undefined || isEnded(job.status)) return;
    if (job.status === 'awaiting_approval') {
      const reason = 'nobody approved it in time';
      const ended = await jobs.advance(job, { to: 'expired', change: { reason }, by: 'system' });
      if (ended !== undefined) onEnd(ended);
    } else if (!isWorkingOn(job.tenant, job.requestId)) await this.#giveOut(job);
  }

  async #giveOut(job: Job): Promise<void> {
    const { jobs, queue, clock, wake } = this.#parts;
    const { tenant, requestId } = job;
    const held = await jobs.touch(job, {}, clock.nowMs() + AGAIN_MS);
    if (held === undefined) return;
    await queue.send({ tenant, requestId });
    wake();
  }

  /** A resource whose time is up becomes a job like any other. */
  async #sweep({ tenant, id, cloud, service, env, expiresAt, partOf }: Resource): Promise<void> {
    const { acceptance, clock, log, queue, resources, wake } = this.#parts;
    // Parts go with the whole.
    if (partOf !== undefined && (await resources.find(tenant, partOf)) !== undefined) return;
    const principal = { id: 'system', tenant, roles: ['admin'], scopes: ['zeroplane:use'] } as const;
    const context = new Context({ principal, requestId: randomUUID(), clock, timeoutMs: 30_000, log });
    try {
      // Written first: whoever dies behind it leaves a resource that is found due again in a while, and not at once forever.
      const sweep = await resources.sweeping(tenant, id);
      if (sweep === undefined) return;
      const { attempts, nextAt } = sweep;
      const body = acceptance.read({ body: { cloud, service, tenant, env, id, action: 'destroy', params: {} } });
      // Once for each attempt, however many find it due.
      const key = `sweep:${digestOf(`${id} ${expiresAt ?? ''} ${attempts}`)}`;
      const { job, isRepeat } = await acceptance.accept(body, key, context);
      if (isRepeat) return;
      log.log('info', 'resource-expired', { resource: id, tenant, jobId: job.requestId, attempts, nextAt });
      const { approval, status } = job;
      // Whoever is asked has that long to answer, and is asked again a day after a no.
      if (status === 'awaiting_approval' && approval !== undefined)
        return await resources.sweepLater(tenant, id, Date.parse(approval.expiresAt) + LONGEST_PAUSE_MS);
      await queue.send({ tenant, requestId: job.requestId });
      wake();
    } catch (error) {
      log.log('warn', 'resource-not-swept', {
        resource: id,
        tenant,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** What it has made is never left behind silently: such a job ends as one whose undo has failed, and can be retried. */
  async #bury(job: Job, error: JobError): Promise<Job | undefined> {
    const { jobs, resources, clock } = this.#parts;
    const change = { error, fence: job.fence + 1 };
    const made = job.action === 'provision' ? await resources.ofJob(job.tenant, job.requestId) : [];
    if (job.status === 'compensating' || (job.status === 'running' && made.length > 0)) {
      const dueAtMs = clock.nowMs() + AGAIN_MS;
      const undoing =
        job.status === 'compensating'
          ? job
          : await jobs.advance(job, { to: 'compensating', change, dueAtMs, by: 'system' });
      for (const { id, status } of made)
        if (status !== 'ready' && status !== 'removed') await resources.mark(job.tenant, id, 'failed');
      if (job.action === 'update') await resources.mark(job.tenant, job.resourceId, 'failed');
      return undoing && jobs.advance(undoing, { to: 'rollback_failed', change: { error }, by: 'system' });
    }
    if (job.action === 'destroy') await resources.notDestroyed(job.tenant, job.resourceId);
    if (job.action === 'update') await resources.mark(job.tenant, job.resourceId, 'failed');
    return jobs.advance(job, { to: 'failed', change, by: 'system' });
  }

  /** A job whose message has failed too often ends, and says why. */
  async #buryDead(): Promise<void> {
    for (const letter of await this.#parts.queue.deadLetters()) {
      try {
        await this.#buryLetter(letter);
      } catch (error) {
        // One that cannot be buried is no reason to leave the others.
        const reason = error instanceof Error ? error.message : String(error);
        this.#parts.log.log('warn', 'dead-letter-not-buried', { letter: letter.id, reason });
      }
    }
  }

  async #buryLetter({ id, body, receives, reason }: DeadLetter): Promise<void> {
    const { jobs, isWorkingOn, queue } = this.#parts;
    const { tenant, requestId } = isObject(body) ? body : {};
    // Nobody's job: it stays among the dead letters for people to read.
    if (typeof tenant !== 'string' || typeof requestId !== 'string') return;
    const job = await jobs.find(tenant, requestId);
    if (job === undefined || isWorkingOn(tenant, requestId)) return;
    if (!isEnded(job.status)) await this.#buryJob(job, { receives, reason });
    // From here on the job is what is listed and retried. A letter that stayed would end it again after its retry; sent
    // once more, it finds a job that has ended, and is gone.
    await queue.redrive(id);
  }

  async #buryJob(job: Job, { receives, reason }: Pick<DeadLetter, 'receives' | 'reason'>): Promise<void> {
    const error = {
      code: 'JOB_UNPROCESSABLE',
      message: `The job was tried ${receives} times and could not be worked on: ${reason}. Retry it once that is mended.`,
    };
    const ended = await this.#bury(job, error);
    if (ended !== undefined) this.#parts.onEnd(ended);
  }
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Rows of the system's view have the tenant in their keys; it stands in an attribute too. */
function withoutTenant(item: Item): Item {
  const prefix = `${textOf(item['tenant'])}#`;
  return Object.fromEntries(
    Object.entries(item).map(([key, value]) => [
      key,
      typeof value === 'string' && value.startsWith(prefix) ? value.slice(prefix.length) : value,
    ]),
  );
}
