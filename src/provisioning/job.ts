/**
 * A job: one request to make, change or remove something, from its acceptance to its end. Pure: which states there are,
 * which may follow which, and how a job looks in the store and to its readers.
 */

import type { Role } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { Item, JsonValue, TableSpec } from '../core/ports.ts';
import type { PriceEstimate } from './service.ts';

export type JobStatus =
  | 'accepted'
  | 'planned'
  | 'awaiting_approval'
  | 'queued'
  | 'running'
  | 'succeeded'
  | 'compensating'
  | 'rolled_back'
  | 'rollback_failed'
  | 'failed'
  | 'cancelled'
  | 'expired';

export type JobAction = 'provision' | 'destroy' | 'update' | 'plan';

/** What may follow. `retry` and `rollback` lead out of states that are otherwise ends. */
const FOLLOWS: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  accepted: ['planned', 'failed', 'cancelled'],
  planned: ['awaiting_approval', 'queued', 'failed', 'cancelled'],
  awaiting_approval: ['queued', 'cancelled', 'expired'],
  queued: ['running', 'cancelled', 'failed'],
  running: ['succeeded', 'compensating', 'failed'],
  succeeded: ['compensating'],
  compensating: ['rolled_back', 'rollback_failed', 'failed'],
  rolled_back: [],
  rollback_failed: ['compensating'],
  failed: ['queued'],
  cancelled: [],
  expired: [],
};

/** Every state. */
export const JOB_STATUSES = Object.keys(FOLLOWS) as readonly JobStatus[];

const mayFollow = (from: JobStatus, to: JobStatus): boolean => FOLLOWS[from].includes(to);

/** Nothing more happens by itself. */
export const isEnded = (status: JobStatus): boolean =>
  ['succeeded', 'rolled_back', 'rollback_failed', 'failed', 'cancelled', 'expired'].includes(status);

/** What somebody must be doing: a job in such a state has a lease, or is about to be given one. */
export const isUnderWay = (status: JobStatus): boolean => ['queued', 'running', 'compensating'].includes(status);

/** Who asked, as far as a job needs to act in that name later. */
export interface JobPrincipal {
  readonly id: string;
  readonly roles: readonly Role[];
  readonly scopes: readonly string[];
}

/** Of a failure: what a reader needs to mend it. */
export interface JobError {
  readonly code: string;
  readonly message: string;
  /** Where it happened: the name of a step or state. */
  readonly step?: string;
  readonly details?: Readonly<Record<string, JsonValue>>;
}

export interface JobApproval {
  readonly expiresAt: string;
  /** Why it is needed: `request`, or the rule that says so. */
  readonly because: string;
  readonly decision?: 'approved' | 'rejected';
  readonly decidedBy?: string;
  readonly decidedAt?: string;
  readonly comment?: string;
}

/** What is to happen, as it was when the job was accepted. */
export interface JobPlan {
  readonly steps: readonly string[];
  readonly estimate: PriceEstimate;
  /** Of a service that is a workflow. */
  readonly workflow?: VersionedWorkflow;
}

export interface VersionedWorkflow {
  readonly name: string;
  readonly version: string;
}

export interface Job {
  readonly requestId: string;
  readonly tenant: string;
  readonly env: string;
  readonly status: JobStatus;
  readonly action: JobAction;
  /** `aws`, `gcp`, `azure`, or `multi` for a service of several. */
  readonly cloud: string;
  readonly service: string;
  readonly region?: string;
  /** Checked, with the schema's defaults. Never a secret: secrets are references. */
  readonly params: Readonly<Record<string, JsonValue>>;
  readonly resourceId: string;
  readonly principal: JobPrincipal;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: string;
  /** Of the newest change. */
  readonly timestamp: string;
  readonly expiresAt?: string;
  readonly approval?: JobApproval;
  readonly webhook?: { readonly url: string; readonly secretRef: string };
  /** The machine that a composite service runs, in the version that the job began with. */
  readonly workflow?: VersionedWorkflow;
  /** Whether the cloud is simulated here. */
  readonly label: 'simulated' | 'live';
  readonly plan: JobPlan;
  readonly result?: Readonly<Record<string, JsonValue>>;
  readonly error?: JobError;
  /** `cancelled`, `requested`: why it is undone although nothing failed; of a removal that failed, when the next one comes. */
  readonly reason?: string;
  /** Grows with each lease; who holds an older one changes nothing any more. */
  readonly fence: number;
  readonly leaseOwner?: string;
  /** Deliveries of its message, one after the other, that ended in an error of ours. */
  readonly failures?: number;
  /** How often it was run or undone: each has an execution of its own. */
  readonly round: number;
}

/**
 * Named as the seed's table, with its key. `byEnv` answers "which jobs has this tenant in this environment", newest
 * last; `due` what a reaper must look at, across tenants.
 */
export const JOBS: TableSpec = {
  name: 'ProvisioningJobs',
  partitionKey: 'requestId',
  indexes: [
    { name: 'byEnv', partitionKey: 'env', sortKey: 'createdAt' },
    { name: 'byTenant', partitionKey: 'tenantGroup', sortKey: 'createdAt' },
    { name: 'due', partitionKey: 'dueGroup', sortKey: 'dueAt', acrossTenants: true },
  ],
};

/** Who is working on what: one active job for each resource. */
export const RESOURCE_LOCKS: TableSpec = { name: 'ResourceLocks', partitionKey: 'id' };

export const JOB_EVENTS: TableSpec = { name: 'JobEvents', partitionKey: 'requestId', sortKey: 'position' };

/** Keys that callers bring for safe repeats, and the job that each of them led to. */
export const JOB_KEYS: TableSpec = { name: 'JobKeys', partitionKey: 'id' };

export const DUE_JOBS = 'jobs';

/** @param dueAt - When somebody has to look at it although nothing happened; absent for what has ended. */
export function toItem(job: Job, dueAt: string | undefined): Item {
  const due = dueAt === undefined ? {} : { dueGroup: DUE_JOBS, dueAt };
  return { ...(job as unknown as Item), tenantGroup: 'jobs', ...due };
}

export function fromItem(item: Item): Job {
  const { tenantGroup: _group, dueGroup: _due, dueAt: _at, ...job } = item;
  return job as unknown as Job;
}

/** The next state of a job. @throws PlatformError `JOB_STATE` when it may not follow. */
export function advanced(job: Job, to: JobStatus, change: Partial<Job>, nowMs: number): Job {
  if (!mayFollow(job.status, to)) throw wrongState(job, `cannot become ${to}`);
  return { ...kept(job, to), ...change, status: to, timestamp: new Date(nowMs).toISOString() };
}

/** What a job still says in its next state: one that is tried again has not failed, one that is undone has nothing left. */
function kept(job: Job, to: JobStatus): Job {
  const { error: _error, ...withoutError } = job;
  if (to === 'rolled_back') {
    const first = firstErrorOf(job);
    return first === undefined ? withoutError : { ...withoutError, error: first };
  }
  if (job.status !== 'failed') return job;
  const { reason: _reason, result: _result, ...afresh } = withoutError;
  return afresh;
}

/** What went wrong before any undo did; absent for a job whose undo was asked for. */
export function firstErrorOf({ error }: Pick<Job, 'error'>): JobError | undefined {
  if (error === undefined || error.code === 'ROLLBACK_FAILED') return undefined;
  const { rollback: _rollback, ...details } = error.details ?? {};
  return { ...error, details };
}

export function wrongState(job: Pick<Job, 'requestId' | 'status'>, what: string): PlatformError {
  return new PlatformError(
    'JOB_STATE',
    `Job ${job.requestId} is ${job.status} and ${what}. Ask for its status to see what is possible now.`,
    { requestId: job.requestId, jobStatus: job.status },
  );
}

export function jobNotFound(requestId: string): PlatformError {
  return new PlatformError('JOB_NOT_FOUND', `There is no job ${requestId.slice(0, 100)}. /v2/status lists yours.`, {
    requestId: requestId.slice(0, 100),
  });
}

/** The job as its readers see it. */
export function jobView(job: Job): Record<string, unknown> {
  const { requestId, status, action, cloud, service, env, tenant, region, resourceId, createdAt, timestamp } = job;
  const { result, error, reason, approval, expiresAt, workflow, tags, principal, plan, label } = job;
  return {
    requestId,
    status,
    action,
    cloud,
    service,
    tenant,
    env,
    region,
    resourceId,
    label,
    requestedBy: principal.id,
    createdAt,
    updatedAt: timestamp,
    expiresAt,
    approval,
    workflow,
    tags: Object.keys(tags).length === 0 ? undefined : tags,
    estimate: plan.estimate,
    result,
    error,
    reason,
    links: { self: `/v2/status/${requestId}`, events: `/v2/jobs/${requestId}/events` },
  };
}
