/**
 * Everything that can be asked of the control plane, for one caller at a time: HTTP, MCP and the command line ask
 * through this and nothing else. Each verb asks the policy; what belongs to another tenant does not exist.
 */

import type { RequestContext } from '../core/context.ts';
import type { JsonValue } from '../core/ports.ts';
import type { Job, JobAction, JobStatus } from './job.ts';
import type { PriceEstimate } from './service.ts';

/** Something that happened to a job, as `/v2/jobs/{id}/events` tells it. */
export interface JobEvent {
  /** Grows within its job, from 1. */
  readonly id: number;
  readonly type: 'job-status-changed' | 'step-started' | 'step-ended' | 'job-ended';
  readonly at: string;
  /**
   * `job-status-changed`: `{status, reason?}`. `step-started`: `{step, resourceId, attempt}`. `step-ended`: the same
   * with `outcome` `ok`, `failed` or `retrying` and `error?` (`{code, message}`). `job-ended`: `{status, result?, error?}`.
   */
  readonly data: Readonly<Record<string, JsonValue>>;
}

export interface JobStep {
  readonly step: string;
  readonly resourceId: string;
  readonly status: 'running' | 'retrying' | 'succeeded' | 'failed';
  readonly attempts: number;
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** How telling the end of a job by its webhook goes. */
export interface WebhookState {
  readonly status: 'pending' | 'delivered' | 'given-up';
  readonly attempts: number;
  /** Why the last attempt failed. */
  readonly reason?: string;
}

export interface JobDetails {
  readonly job: Job;
  readonly steps: readonly JobStep[];
  /** Of a job that has ended and asked for one. */
  readonly webhook?: WebhookState | undefined;
}

export const RESOURCE_STATUSES = ['creating', 'ready', 'updating', 'destroying', 'failed'] as const;
export type ResourceStatus = (typeof RESOURCE_STATUSES)[number];

/** A resource of a tenant, as `/v2/resources` lists it. */
export interface ResourceView {
  readonly id: string;
  readonly cloud: string;
  readonly service: string;
  readonly region?: string;
  readonly name: string;
  readonly tenant: string;
  readonly env: string;
  readonly status: ResourceStatus;
  readonly isAdopted: boolean;
  /** The job that made it. */
  readonly requestId: string;
  readonly owner: string;
  readonly outputs: Readonly<Record<string, JsonValue>>;
  /** The ownership tags with their exact values. */
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly expiresAt?: string;
  /** Id of the composite that it is part of. */
  readonly partOf?: string;
  /** Once its life has ended. */
  readonly sweep?: Sweep;
}

/** How far the removal at the end of a life has come. */
export interface Sweep {
  /** Jobs that were asked for. */
  readonly attempts: number;
  /** When the next one is asked for if it is still there: minutes later at first, at most a day. RFC 3339 in UTC. */
  readonly nextAt: string;
}

/** A service as `/v1/catalog` describes it. */
export interface CatalogEntry {
  readonly cloud: string;
  readonly service: string;
  readonly version: string;
  readonly title: string;
  readonly actions: readonly JobAction[];
  readonly regions?: readonly string[];
  /** JSON Schema 2020-12 of `params`. */
  readonly params: JsonValue;
  /** Of a service that a workflow makes. */
  readonly workflow?: { readonly name: string; readonly version: string; readonly owner: string };
  readonly idempotency: 'token' | 'lookup' | 'name';
  /** What a resource with the default parameters costs; absent where there are none. */
  readonly estimate?: PriceEstimate;
  readonly label: 'simulated' | 'live';
}

export interface Listed<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface Submission {
  /** The parsed body: see `request.ts`. */
  readonly body: unknown;
  /** Of the header `Idempotency-Key`: 1 to 255 visible characters. */
  readonly idempotencyKey?: string | undefined;
  /** For routes and tools that mean one action whatever the body says. */
  readonly action?: JobAction | undefined;
}

/** A service that a tenant offers: a state machine with the schema of its parameters. */
export interface OfferedService {
  readonly service: string;
  readonly cloud: string;
  readonly title: string;
  readonly version: string;
  /** JSON Schema of the parameters. */
  readonly params: JsonValue;
  /** Amazon States Language. */
  readonly definition: JsonValue;
}

export interface ControlPlane {
  /**
   * Accepts a request: once this returns, it is on disk.
   *
   * @throws PlatformError `PROVISION_INVALID` with `details.problems` (each `{pointer, message, allowed?, nearest?}`),
   *   `FORBIDDEN`, `INSUFFICIENT_SCOPE`, `RESOURCE_BUSY` with the active `requestId`, `RESOURCE_NOT_FOUND`,
   *   `IDEMPOTENCY_MISMATCH`.
   */
  submit(submission: Submission, context: RequestContext): Promise<{ readonly job: Job; readonly isRepeat: boolean }>;
  /** @throws PlatformError `JOB_NOT_FOUND`. */
  status(requestId: string, context: RequestContext): Promise<JobDetails>;
  /** Newest first. @throws PlatformError `INVALID_CURSOR`. */
  list(
    query: {
      readonly env?: string | undefined;
      readonly status?: JobStatus | undefined;
      /** Code of the job's error: `JOB_UNPROCESSABLE` for those whose messages are dead letters. */
      readonly error?: string | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    },
    context: RequestContext,
  ): Promise<Listed<Job>>;
  /** The job once it has ended, or as it is after `timeoutMs`. @throws PlatformError `JOB_NOT_FOUND`. */
  wait(requestId: string, timeoutMs: number, context: RequestContext): Promise<Job>;
  /** @throws PlatformError `JOB_NOT_FOUND`, `JOB_STATE`, `FORBIDDEN` as each of the following. */
  cancel(requestId: string, context: RequestContext): Promise<Job>;
  approve(requestId: string, comment: string | undefined, context: RequestContext): Promise<Job>;
  reject(requestId: string, comment: string | undefined, context: RequestContext): Promise<Job>;
  retry(requestId: string, context: RequestContext): Promise<Job>;
  rollback(requestId: string, context: RequestContext): Promise<Job>;
  /** Events after `after`, oldest first, at most 500. @throws PlatformError `JOB_NOT_FOUND`. */
  events(requestId: string, after: number, context: RequestContext): Promise<readonly JobEvent[]>;
  /** Calls back for each event of a job from now on, until the returned function is called. */
  watch(requestId: string, tenant: string, listener: (event: JobEvent) => void): () => void;
  resources(
    query: {
      readonly env?: string | undefined;
      readonly cloud?: string | undefined;
      readonly service?: string | undefined;
      readonly status?: ResourceStatus | undefined;
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    },
    context: RequestContext,
  ): Promise<Listed<ResourceView>>;
  /** @throws PlatformError `RESOURCE_NOT_FOUND`, also for another tenant's. */
  resource(id: string, context: RequestContext): Promise<ResourceView>;
  /** Services of all clouds, and those that the tenant offers. */
  catalogue(context: RequestContext): Promise<readonly CatalogEntry[]>;
  /** @throws PlatformError `PROVISION_INVALID`, `WORKFLOW_INVALID`, `WORKFLOW_UNSUPPORTED`, `WORKFLOW_EXISTS`. */
  offer(service: OfferedService, context: RequestContext): Promise<CatalogEntry>;
}
