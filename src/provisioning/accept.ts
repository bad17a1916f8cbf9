/**
 * From a request's body to a job on disk: checked against the catalogue, planned, held for approval where somebody asks
 * for it, with its resource locked against other jobs. Nothing is stored of a request that is refused.
 */

import { createHash } from 'node:crypto';
import { canonical } from '../audit/audit-record.ts';
import type { RequestContext } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { orderedId } from '../core/ordered-id.ts';
import type { Clock, IdSource, StoreRoot, Write } from '../core/ports.ts';
import type { WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import { isLeftOver, jobAt, leftOver } from './at-work.ts';
import type { CatalogService, ServiceCatalogue } from './catalogue.ts';
import type { Submission } from './control-plane.ts';
import { JOB_KEYS, RESOURCE_LOCKS, type Job, type JobApproval, type JobStatus } from './job.ts';
import type { JobStore } from './job-store.ts';
import { notAmong, refuseProblems } from './problems.ts';
import { parseResourceId } from './provisioner.ts';
import { parseBody, regionOf, type ProvisionBody } from './request.ts';
import { runOfService, type RunOfService } from './requested-version.ts';
import { busy, idOf, type Resource, type ResourceStore } from './resource-store.ts';
import type { Params } from './service.ts';

const KEY_SECONDS = 86_400;
/** How long a queued job may wait before the reaper sends its message again. */
export const QUEUED_MS = 30_000;
const DEFAULT_APPROVAL_SECONDS = 86_400;
/** The same for a secret that there is and for one that there is not. */
const NOT_YOURS =
  'names no secret that webhooks of your tenant may be signed with; an operator lists it under provisioning.webhookSecrets';

/** Whose requests wait for somebody's consent. */
export interface ApprovalRule {
  readonly cloud?: string | undefined;
  readonly service?: string | undefined;
  readonly env?: string | undefined;
  readonly action?: string | undefined;
  readonly expiresInSeconds?: number | undefined;
}

export interface AcceptParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly jobs: JobStore;
  readonly resources: ResourceStore;
  readonly catalogue: ServiceCatalogue;
  readonly approvals: () => readonly ApprovalRule[];
  readonly labelOf: (cloud: string) => Job['label'];
  /** Whether webhooks of a tenant may be signed with a secret of this name: who may, speaks in its owner's name. */
  readonly maySignWith: (secretRef: string, tenant: string) => boolean;
  /** Knows the versions of workflows. */
  readonly engine: () => Pick<WorkflowEngine, 'workflow' | 'versions'>;
}

/** A request that was understood. */
interface Meant {
  readonly body: ProvisionBody;
  readonly service: CatalogService;
  readonly params: Params;
  readonly region: string | undefined;
  readonly resourceId: string;
  readonly env: string;
  /** What is on record of it. */
  readonly known?: Resource | undefined;
}

/** The same with what will run, where the service is a workflow. */
interface Planned extends Meant {
  readonly run: RunOfService;
}

export class Acceptance {
  readonly #parts: AcceptParts;

  constructor(parts: AcceptParts) {
    this.#parts = parts;
  }

  /** Reads the body's shape; what it means is for {@link accept}. @throws PlatformError `PROVISION_INVALID`. */
  read(submission: Submission): ProvisionBody {
    const { body, action } = submission;
    return parseBody(body, action);
  }

  /**
   * @returns the job, and whether an earlier request with the same key led to it.
   * @throws PlatformError as `ControlPlane.submit`.
   */
  async accept(
    body: ProvisionBody,
    key: string | undefined,
    context: RequestContext,
  ): Promise<{ readonly job: Job; readonly isRepeat: boolean }> {
    const id = key === undefined ? undefined : keyId(context, key);
    const digest = createHash('sha256')
      .update(canonical(asMeant(body)))
      .digest('hex');
    const before = id === undefined ? undefined : await this.#repeated(context.tenant, id, digest);
    if (before !== undefined) return { job: before, isRepeat: true };
    const requestId = orderedId(this.#parts.ids, this.#parts.clock);
    const meant = await this.#understood(body, requestId, context);
    const job = this.#jobOf(meant, requestId, context);
    try {
      await this.#store(job, id === undefined ? undefined : { id, digest });
    } catch (error) {
      const winner = await this.#lost(error, job, id, digest);
      if (winner === undefined) throw error;
      return { job: winner, isRepeat: true };
    }
    return { job, isRepeat: false };
  }

  async #repeated(tenant: string, id: string, digest: string): Promise<Job | undefined> {
    const row = await this.#parts.store.store(tenant).table(JOB_KEYS).get({ id });
    if (row === undefined) return undefined;
    if (row['digest'] !== digest)
      throw new PlatformError(
        'IDEMPOTENCY_MISMATCH',
        'This Idempotency-Key was used with another body. Use a new key for a new request.',
      );
    return this.#parts.jobs.find(tenant, row['requestId'] as string);
  }

  /** Somebody else took the key or the resource in the same moment. */
  async #lost(error: unknown, job: Job, id: string | undefined, digest: string): Promise<Job | undefined> {
    if (!(error instanceof PlatformError) || error.code !== 'CONDITION_FAILED') return undefined;
    const before = id === undefined ? undefined : await this.#repeated(job.tenant, id, digest);
    if (before !== undefined) return before;
    const holder = await this.#parts.jobs.holderOf(job.tenant, job.resourceId);
    if (holder !== undefined) throw busy(job.resourceId, holder);
    return undefined;
  }

  async #understood(body: ProvisionBody, requestId: string, { tenant }: RequestContext): Promise<Planned> {
    const service = await this.#parts.catalogue.find(tenant, body.cloud, body.service);
    const { actions } = service;
    const { webhook } = body;
    if (webhook !== undefined && !this.#parts.maySignWith(webhook.secretRef, tenant))
      refuseProblems([{ pointer: '/webhook/secretRef', message: NOT_YOURS }]);
    if (!actions.includes(body.action))
      refuseProblems([{ pointer: '/action', message: `is not offered by ${service.service}`, allowed: actions }]);
    const run = await runOfService(this.#parts.engine, { tenant, service, body });
    const meant =
      body.id === undefined
        ? await this.#described(body, service, { requestId, tenant })
        : await this.#identified(body, service, { id: body.id, tenant });
    // Who may act in one environment, and says so, must not reach into another.
    if (meant.env !== body.env)
      refuseProblems([{ ...notAmong('/env', body.env, [meant.env]), message: `is not that of ${meant.resourceId}` }]);
    await this.#mustBeFree(meant, tenant);
    return { ...meant, run };
  }

  /** By its parameters, which give its name. */
  async #described(
    body: ProvisionBody,
    service: CatalogService,
    { requestId, tenant }: { readonly requestId: string; readonly tenant: string },
  ): Promise<Meant> {
    const region = regionOf(body as Pick<ProvisionBody, 'region' | 'params'>) ?? service.defaultRegion;
    const params = await this.#parts.catalogue.checked(service, body.params as Params, region);
    const name = service.nameOf(params, requestId);
    const resourceId = idOf({ cloud: body.cloud, service: body.service, region, name });
    const known = await this.#parts.resources.find(tenant, resourceId);
    if (known === undefined || known.status === 'removed')
      return { body, service, params, region, resourceId, env: body.env };
    const { env } = known;
    const meant = body.action === 'destroy' ? await this.#over(known, body, service) : params;
    return { body, service, params: meant, region, resourceId, env, known };
  }

  /** By its id; a destroy then needs no parameters, and takes those that it is given in place of the stored ones. */
  async #identified(
    body: ProvisionBody,
    service: CatalogService,
    { id, tenant }: { readonly id: string; readonly tenant: string },
  ): Promise<Meant> {
    const known = await this.#named(body, id, tenant);
    const { region, env } = known;
    const asked = regionOf(body as Pick<ProvisionBody, 'region' | 'params'>);
    if (asked !== undefined && asked !== region)
      refuseProblems([{ pointer: '/region', message: `is "${asked}", and ${id} is not there` }]);
    const params =
      body.action === 'destroy'
        ? await this.#over(known, body, service)
        : await this.#parts.catalogue.checked(service, body.params as Params, region);
    const meant = { cloud: body.cloud, service: body.service, region, name: nameIn(service, params) };
    if (meant.name !== undefined && idOf({ ...meant, name: meant.name }) !== id)
      refuseProblems([
        { pointer: '/id', message: `is another resource than "${meant.name}", which params name: say which is meant` },
      ]);
    return { body, service, params, region, resourceId: id, env, known };
  }

  /** What a resource was made with, under what its removal asks for: a part of it that is not named goes too. */
  async #over(known: Resource, body: ProvisionBody, service: CatalogService): Promise<Params> {
    if (Object.keys(body.params).length === 0) return known.params;
    return this.#parts.catalogue.checked(service, { ...known.params, ...(body.params as Params) }, known.region);
  }

  /** The resource that an id means; its cloud and service must be those of the body. */
  async #named(body: ProvisionBody, id: string, tenant: string): Promise<Resource> {
    const parts = parseResourceId(id);
    if (parts === undefined || parts.cloud !== body.cloud || parts.service !== body.service)
      refuseProblems([{ pointer: '/id', message: `is no resource of ${body.cloud} ${body.service}` }]);
    return this.#parts.resources.get(tenant, id);
  }

  /** @throws PlatformError `RESOURCE_NOT_FOUND`, `RESOURCE_BUSY`, or `JOB_STATE` for what an ended job has left half-made. */
  async #mustBeFree({ body: { action }, resourceId: id, known }: Meant, tenant: string): Promise<void> {
    if (action === 'plan' || (known === undefined && action === 'provision')) return;
    const found = known ?? (await this.#parts.resources.get(tenant, id));
    await this.#mustBeAlone(found);
    const { jobs } = this.#parts;
    if (action !== 'destroy' && (await isLeftOver(jobs, found))) throw leftOver(found);
    // Who provisions what another job is making is told so by its lock.
    if (found.status === 'ready' || found.status === 'failed' || action === 'provision') return;
    const holder = await jobAt(jobs, found);
    if (holder !== undefined) throw busy(id, holder);
  }

  /** No job is at a part while one is at its whole, and the other way round. @throws PlatformError `RESOURCE_BUSY`. */
  async #mustBeAlone({ id, tenant, partOf, requestId }: Resource): Promise<void> {
    const { jobs, resources } = this.#parts;
    const parts = (await resources.ofJob(tenant, requestId))
      .filter((each) => each.partOf === id)
      .map((each) => each.id);
    for (const other of [...(partOf === undefined ? [] : [partOf]), ...parts]) {
      const holder = await jobs.holderOf(tenant, other);
      if (holder !== undefined) throw busy(other, holder);
    }
  }

  #jobOf(
    { body, service, params, region, resourceId, env, run }: Planned,
    requestId: string,
    context: RequestContext,
  ): Job {
    const now = this.#parts.clock.nowMs();
    const timestamp = new Date(now).toISOString();
    const approval = this.#approvalOf(body, env, now);
    const { principal } = context;
    const { ttlSeconds, webhook } = body;
    const { workflow, steps = service.stepsOf(params) } = run;
    return {
      requestId,
      tenant: context.tenant,
      env,
      status: approval === undefined ? 'queued' : 'awaiting_approval',
      action: body.action,
      cloud: body.cloud,
      service: body.service,
      params,
      resourceId,
      principal: { id: principal.id, roles: principal.roles, scopes: principal.scopes },
      tags: body.tags,
      createdAt: timestamp,
      timestamp,
      plan: { steps, estimate: service.estimate(params, region), ...(workflow === undefined ? {} : { workflow }) },
      label: this.#parts.labelOf(body.cloud),
      fence: 0,
      round: 1,
      ...(region === undefined ? {} : { region }),
      ...(ttlSeconds === undefined ? {} : { expiresAt: new Date(now + ttlSeconds * 1000).toISOString() }),
      ...(approval === undefined ? {} : { approval }),
      ...(webhook === undefined ? {} : { webhook }),
      ...(workflow === undefined || body.action !== 'provision' ? {} : { workflow }),
    };
  }

  #approvalOf(body: ProvisionBody, env: string, nowMs: number): JobApproval | undefined {
    if (body.action === 'plan') return undefined;
    const rule = this.#parts.approvals().find((each) => matches(each, body, env));
    const isAsked = body.approval?.required === true;
    if (rule === undefined && !isAsked) return undefined;
    const seconds = body.approval?.expiresInSeconds ?? rule?.expiresInSeconds ?? DEFAULT_APPROVAL_SECONDS;
    return { expiresAt: new Date(nowMs + seconds * 1000).toISOString(), because: isAsked ? 'request' : 'rule' };
  }

  async #store(job: Job, key: { readonly id: string; readonly digest: string } | undefined): Promise<void> {
    const { requestId, resourceId, action, status, approval } = job;
    const nowMs = this.#parts.clock.nowMs();
    const lock: Write = { put: { id: resourceId, requestId }, table: RESOURCE_LOCKS, condition: { exists: false } };
    const expiresAt = Math.ceil(nowMs / 1000) + KEY_SECONDS;
    const writes: Write[] = [
      ...(action === 'plan' ? [] : [lock]),
      ...(key === undefined
        ? []
        : [{ put: { ...key, requestId, expiresAt }, table: JOB_KEYS, condition: { exists: false } }]),
    ];
    const passed: JobStatus[] = ['accepted', 'planned', status];
    const dueAtMs = approval === undefined ? nowMs + QUEUED_MS : Date.parse(approval.expiresAt);
    await this.#parts.jobs.create(job, { dueAtMs, writes, passed });
  }
}

/** The name that parameters give to a resource; `undefined` where its request gives it one. */
function nameIn(service: CatalogService, params: Params): string | undefined {
  const [name, other] = ['a', 'b'].map((requestId) => service.nameOf(params, requestId));
  return name === other ? name : undefined;
}

/** Two bodies of one key are the same when they mean the same: an id says which environment it is of. */
function asMeant(body: ProvisionBody): ProvisionBody {
  return body.action === 'destroy' && body.id !== undefined ? { ...body, env: '' } : body;
}

/** A key means something only together with who brought it. */
function keyId({ principal }: RequestContext, key: string): string {
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw new PlatformError('INVALID_ARGUMENTS', 'An Idempotency-Key has 1 to 255 visible ASCII characters.');
  return createHash('sha256')
    .update(JSON.stringify([principal.id, 'provision', key]))
    .digest('hex');
}

function matches(rule: ApprovalRule, body: ProvisionBody, env: string): boolean {
  const { cloud, service, action } = body;
  const given = { cloud, service, action, env };
  return (['cloud', 'service', 'action', 'env'] as const).every(
    (key) => rule[key] === undefined || rule[key] === given[key],
  );
}
