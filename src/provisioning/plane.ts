/** The control plane as its callers see it: asks the policy, then the parts that do the work. */

import type { RequestContext } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { Clock, Queue } from '../core/ports.ts';
import type { Action, Decision, Policy } from '../policy/decide.ts';
import type { WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import { QUEUED_MS, type Acceptance } from './accept.ts';
import { catalogEntry, type ServiceCatalogue } from './catalogue.ts';
import type {
  CatalogEntry,
  ControlPlane,
  JobDetails,
  WebhookState,
  JobEvent,
  Listed,
  OfferedService,
  ResourceView,
  Submission,
} from './control-plane.ts';
import { filledPage } from './filled-page.ts';
import { stopForwardRun } from './forward-run.ts';
import type { JobNames } from './job-names.ts';
import type { JobChange, JobStore } from './job-store.ts';
import { isEnded, jobNotFound, wrongState, type Job, type JobStatus } from './job.ts';
import type { OfferStore } from './offers.ts';
import { busy, resourceView, type Resource, type ResourceStore } from './resource-store.ts';
import { stepsOf } from './steps-view.ts';
import { RESOURCE_LOCKS } from './job.ts';

export interface PlaneParts {
  readonly policy: Policy;
  readonly jobs: JobStore;
  readonly resources: ResourceStore;
  readonly catalogue: ServiceCatalogue;
  readonly offers: OfferStore;
  readonly acceptance: Acceptance;
  readonly engine: () => WorkflowEngine;
  readonly queue: Queue;
  readonly names: JobNames;
  readonly clock: Clock;
  /** Whether who asked may also consent. */
  readonly selfApproval: () => boolean;
  /** How a cloud's backend is labelled. */
  readonly labelOf: (cloud: string) => CatalogEntry['label'];
  /** A message was sent: the worker of this process need not wait to find it. */
  readonly wake: () => void;
  readonly webhookOf: (job: Job) => Promise<WebhookState | undefined>;
  /** Told of each job that ended without a worker. */
  readonly onEnd: (job: Job) => void;
}

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 500;

export class Plane implements ControlPlane {
  readonly #parts: PlaneParts;

  constructor(parts: PlaneParts) {
    this.#parts = parts;
  }

  async submit(
    submission: Submission,
    context: RequestContext,
  ): Promise<{ readonly job: Job; readonly isRepeat: boolean }> {
    const { acceptance } = this.#parts;
    const body = acceptance.read(submission);
    if (body.tenant !== context.tenant)
      throw new PlatformError(
        'FORBIDDEN',
        `The tenant "${body.tenant}" of the body is not yours, which is "${context.tenant}".`,
      );
    const id = `${body.cloud}:${body.service}`;
    await this.#mustAllow('job:provision', { type: 'job', id, tenant: body.tenant, tags: { env: body.env } }, context);
    const accepted = await acceptance.accept(body, submission.idempotencyKey, context);
    if (!accepted.isRepeat && accepted.job.status === 'queued') await this.#enqueue(accepted.job);
    return accepted;
  }

  async status(requestId: string, context: RequestContext): Promise<JobDetails> {
    const job = await this.#visible(requestId, context);
    const events = await this.#parts.jobs.events(job.tenant, requestId, 0, 1_000);
    return { job, steps: stepsOf(events), webhook: await this.#parts.webhookOf(job) };
  }

  async list(
    { env, status, error, limit, cursor }: Parameters<ControlPlane['list']>[0],
    context: RequestContext,
  ): Promise<Listed<Job>> {
    await this.#mustAllow('job:read', { type: 'job', id: '*', tenant: context.tenant }, context);
    const isFiltered = status !== undefined || error !== undefined;
    const fits = (job: Job): boolean =>
      (status === undefined || job.status === status) && (error === undefined || job.error?.code === error);
    const { items, cursor: next = null } = await filledPage(
      (rows, from) => this.#parts.jobs.list(context.tenant, { env, limit: rows, cursor: from }),
      { limit: limitOf(limit), cursor, fits: isFiltered ? fits : undefined },
    );
    return { items, next };
  }

  async wait(requestId: string, timeoutMs: number, context: RequestContext): Promise<Job> {
    const job = await this.#visible(requestId, context);
    if (isEnded(job.status)) return job;
    const { jobs, clock } = this.#parts;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        stopWatching();
        cancel();
        resolve();
      };
      const stopWatching = jobs.watch(job.tenant, requestId, ({ type }) => type === 'job-ended' && finish());
      const cancel = clock.after(timeoutMs, finish);
      context.signal.addEventListener('abort', finish, { once: true });
      // It may have ended before anybody watched.
      void jobs.get(job.tenant, requestId).then((now) => isEnded(now.status) && finish(), finish);
    });
    return jobs.get(job.tenant, requestId);
  }

  async cancel(requestId: string, context: RequestContext): Promise<Job> {
    const job = await this.#managed('job:manage', requestId, context);
    const reason = 'cancelled';
    if (job.status === 'awaiting_approval' || job.status === 'queued') {
      const ended = await this.#moved(job, { to: 'cancelled', change: { reason }, by: context.principal.id });
      this.#parts.onEnd(ended);
      return ended;
    }
    if (job.status !== 'running' || job.action !== 'provision') throw wrongState(job, 'cannot be cancelled');
    const moved = await this.#moved(job, {
      to: 'compensating',
      change: { reason, fence: job.fence + 1 },
      dueAtMs: this.#parts.clock.nowMs() + QUEUED_MS,
      by: context.principal.id,
    });
    // What it made is undone by the next lease, which stops it too if this process ends here.
    await stopForwardRun(job, this.#parts.names, this.#parts.engine());
    await this.#enqueue(moved);
    return moved;
  }

  async approve(requestId: string, comment: string | undefined, context: RequestContext): Promise<Job> {
    const job = await this.#undecided('job:approve', requestId, context);
    if (job.principal.id === context.principal.id && !this.#parts.selfApproval())
      throw new PlatformError(
        'FORBIDDEN',
        'You asked for this job, and approvals.selfApproval is off: somebody else has to approve it. You may reject or cancel it.',
        { requestId },
      );
    const approval = this.#decision(job, 'approved', { comment, by: context.principal.id });
    const dueAtMs = this.#parts.clock.nowMs() + QUEUED_MS;
    const moved = await this.#moved(job, { to: 'queued', change: { approval }, dueAtMs, by: context.principal.id });
    await this.#enqueue(moved);
    return moved;
  }

  async reject(requestId: string, comment: string | undefined, context: RequestContext): Promise<Job> {
    const action = (await this.#mayTakeBack(requestId, context)) ? 'job:manage' : 'job:approve';
    const job = await this.#undecided(action, requestId, context);
    const approval = this.#decision(job, 'rejected', { comment, by: context.principal.id });
    const change = { approval, reason: 'rejected' };
    const ended = await this.#moved(job, { to: 'cancelled', change, by: context.principal.id });
    this.#parts.onEnd(ended);
    return ended;
  }

  /** Who asked for a job takes it back, approver or not: that is no consent to anything. */
  async #mayTakeBack(requestId: string, context: RequestContext): Promise<boolean> {
    const { tenant, principal } = context;
    const job = await this.#parts.jobs.find(tenant, requestId);
    if (job === undefined || job.principal.id !== principal.id) return false;
    const { allowed } = await this.#decide('job:manage', resourceOf(job), context);
    return allowed;
  }

  async #undecided(action: 'job:approve' | 'job:manage', requestId: string, context: RequestContext): Promise<Job> {
    const job = await this.#managed(action, requestId, context);
    if (job.status !== 'awaiting_approval') throw wrongState(job, 'does not wait for approval');
    const until = job.approval?.expiresAt;
    // The reaper may be a moment late, or a process that was down.
    if (until !== undefined && Date.parse(until) <= this.#parts.clock.nowMs())
      throw wrongState(job, `waited for approval until ${until}, which has passed`);
    return job;
  }

  #decision(
    job: Job,
    decision: 'approved' | 'rejected',
    { comment, by }: { readonly comment: string | undefined; readonly by: string },
  ): NonNullable<Job['approval']> {
    const decidedAt = new Date(this.#parts.clock.nowMs()).toISOString();
    const base = { because: 'request', expiresAt: decidedAt, ...job.approval, decision, decidedBy: by, decidedAt };
    return comment === undefined ? base : { ...base, comment };
  }

  async retry(requestId: string, context: RequestContext): Promise<Job> {
    const job = await this.#managed('job:manage', requestId, context);
    if (job.status !== 'failed' && job.status !== 'rollback_failed') throw wrongState(job, 'has nothing to retry');
    const to = job.status === 'failed' ? 'queued' : 'compensating';
    return this.#again(job, to, {}, context);
  }

  async rollback(requestId: string, context: RequestContext): Promise<Job> {
    const job = await this.#managed('job:manage', requestId, context);
    if (job.status !== 'succeeded' || job.action !== 'provision') throw wrongState(job, 'cannot be rolled back');
    return this.#again(job, 'compensating', { reason: 'requested' }, context);
  }

  /** Another round of a job that had ended. @throws PlatformError `RESOURCE_BUSY`. */
  async #again(job: Job, to: JobStatus, change: Partial<Job>, context: RequestContext): Promise<Job> {
    const { requestId, resourceId, round, action } = job;
    const lock = { put: { id: resourceId, requestId }, table: RESOURCE_LOCKS, condition: { exists: false } } as const;
    const moved = await this.#moved(job, {
      to,
      change: { ...change, round: round + 1 },
      dueAtMs: this.#parts.clock.nowMs() + QUEUED_MS,
      by: context.principal.id,
      writes: action === 'plan' ? [] : [lock],
    });
    await this.#enqueue(moved);
    return moved;
  }

  async events(requestId: string, after: number, context: RequestContext): Promise<readonly JobEvent[]> {
    const job = await this.#visible(requestId, context);
    return this.#parts.jobs.events(job.tenant, requestId, after);
  }

  watch(requestId: string, tenant: string, listener: (event: JobEvent) => void): () => void {
    return this.#parts.jobs.watch(tenant, requestId, listener);
  }

  async resources(
    { env, cloud, service, status, limit, cursor }: Parameters<ControlPlane['resources']>[0],
    context: RequestContext,
  ): Promise<Listed<ResourceView>> {
    await this.#mustAllow('job:read', { type: 'job', id: '*', tenant: context.tenant }, context);
    const fits = (each: Resource): boolean =>
      each.status !== 'removed' &&
      (cloud === undefined || each.cloud === cloud) &&
      (service === undefined || each.service === service) &&
      (status === undefined || each.status === status);
    const { items, cursor: next = null } = await filledPage(
      (rows, from) => this.#parts.resources.list(context.tenant, { env, limit: rows, cursor: from }),
      { limit: limitOf(limit), cursor, fits },
    );
    return { items: items.map(resourceView), next };
  }

  async resource(id: string, context: RequestContext): Promise<ResourceView> {
    await this.#mustAllow('job:read', { type: 'job', id: '*', tenant: context.tenant }, context);
    return resourceView(await this.#parts.resources.get(context.tenant, id));
  }

  async catalogue(context: RequestContext): Promise<readonly CatalogEntry[]> {
    await this.#mustAllow('job:read', { type: 'job', id: '*', tenant: context.tenant }, context);
    const all = await this.#parts.catalogue.all(context.tenant);
    return all.map((service) => catalogEntry(service, this.#parts.labelOf(service.cloud)));
  }

  async offer(service: OfferedService, context: RequestContext): Promise<CatalogEntry> {
    await this.#mustAllow('workflow:write', { type: 'workflow', id: service.service, tenant: context.tenant }, context);
    const offered = await this.#parts.offers.offer(context, service);
    return catalogEntry(offered, this.#parts.labelOf(offered.cloud));
  }

  async #enqueue({ tenant, requestId, round, status }: Job): Promise<void> {
    const dedupeId = `${tenant}#${requestId}#${status}#${round}`;
    try {
      await this.#parts.queue.send({ tenant, requestId }, { dedupeId });
    } catch {
      // The job is on disk and due soon: the reaper sends its message.
      return;
    }
    this.#parts.wake();
  }

  /** @throws PlatformError `RESOURCE_BUSY`, `JOB_STATE` when somebody else was quicker. */
  async #moved(job: Job, change: JobChange): Promise<Job> {
    const moved = await this.#parts.jobs.advance(job, change);
    if (moved !== undefined) return moved;
    const now = await this.#parts.jobs.get(job.tenant, job.requestId);
    const holder = now.status === job.status ? await this.#parts.jobs.holderOf(job.tenant, job.resourceId) : undefined;
    throw holder === undefined ? wrongState(now, 'has just changed') : busy(job.resourceId, holder);
  }

  async #visible(requestId: string, context: RequestContext): Promise<Job> {
    return this.#managed('job:read', requestId, context);
  }

  /** @throws PlatformError `JOB_NOT_FOUND` also for what the caller may not know of. */
  async #managed(action: Action, requestId: string, context: RequestContext): Promise<Job> {
    const job = await this.#parts.jobs.find(context.tenant, requestId);
    if (job === undefined) throw jobNotFound(requestId);
    await this.#mustAllow(action, resourceOf(job), context);
    return job;
  }

  async #decide(
    action: Action,
    resource: Asked['resource'],
    { principal, requestId }: RequestContext,
  ): Promise<Decision> {
    return await this.#parts.policy.decide({ principal, action, resource, context: { requestId } });
  }

  async #mustAllow(action: Action, resource: Asked['resource'], context: RequestContext): Promise<void> {
    const decision = await this.#decide(action, resource, context);
    if (decision.allowed) return;
    if (decision.rule === 'scope') {
      const scope = action === 'workflow:write' ? 'zeroplane:admin' : 'zeroplane:use';
      throw new PlatformError('INSUFFICIENT_SCOPE', `This needs the scope ${scope}. Ask for a token that has it.`, {
        scope,
      });
    }
    if (!decision.visible && resource.type === 'job' && resource.id !== '*') throw jobNotFound(resource.id);
    throw new PlatformError(
      'FORBIDDEN',
      `You may not do this (${action}): ${decision.reason ?? 'the policy refused it'}.`,
      {
        action,
      },
    );
  }
}

type Asked = Parameters<Policy['decide']>[0];

function resourceOf({ requestId, tenant, env }: Job): Asked['resource'] {
  return { type: 'job', id: requestId, tenant, tags: { env } };
}

function limitOf(limit: number | undefined): number {
  return Math.min(MAX_LIMIT, Math.max(1, limit ?? DEFAULT_LIMIT));
}
