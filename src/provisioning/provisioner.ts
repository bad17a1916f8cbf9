/**
 * The port behind which each cloud's services are made: what a provisioner is given, what it answers, and how it does
 * things so that a crash between two of them neither loses nor repeats one.
 *
 * Which services there are is for `service.ts`; when a provisioner runs, and what happens after its failure, for the
 * job's workflow.
 */

import type { Egress, JsonValue, Logger, SecretSource } from '../core/ports.ts';

export type CloudName = 'aws' | 'gcp' | 'azure';

/** A request as its caller sent it, checked against the service's schema. */
export interface ProvisionRequest {
  readonly cloud: CloudName;
  readonly service: string;
  /** After the schema has filled in its defaults. */
  readonly params: Readonly<Record<string, JsonValue>>;
  readonly tenant: string;
  readonly env: string;
  /** Absent for services without a region. */
  readonly region?: string | undefined;
}

export interface ProvisionResponse {
  readonly status: 'provisioned';
  /** The resource's id here, as {@link resourceId} makes it. */
  readonly id: string;
  /** What users of the resource need: names, ARNs, addresses. Never a credential. */
  readonly outputs: Readonly<Record<string, JsonValue>>;
  /** It was there before and belongs to this tenant; whoever adopts a resource never undoes it. */
  readonly isAdopted: boolean;
}

export interface DeprovisionResponse {
  readonly status: 'deprovisioned';
  readonly id: string;
}

/** One thing that would be made, or found. */
export interface PlannedChange {
  readonly id: string;
  readonly change: 'create' | 'update' | 'adopt' | 'none' | 'destroy';
  /** Steps in order, in the words of the provisioner's own step names. */
  readonly steps: readonly string[];
  /** Fields that an update would change: before and after. */
  readonly differences?: Readonly<Record<string, { readonly from: JsonValue; readonly to: JsonValue }>>;
}

/** A resource as the cloud has it now. */
export interface ResourceState {
  readonly id: string;
  readonly outputs: Readonly<Record<string, JsonValue>>;
  /** Whether its ownership tags name this tenant, and in an undo this very request. */
  readonly isOwned: boolean;
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * Makes and removes the resources of one service, for one job.
 *
 * Every method may throw `PlatformError`: `RESOURCE_NOT_OWNED` when the name is somebody else's, `CLOUD_THROTTLED` and
 * `CLOUD_UNAVAILABLE` (worth another attempt), `CLOUD_REFUSED` (the cloud said no, with its own code in
 * `details.cloudCode`), `CLOUD_DENIED` (credentials or rights).
 */
export interface CloudProvisioner {
  /** Makes the resource; adopts it when it exists and its tags name this tenant. */
  provision(input: ProvisionRequest): Promise<ProvisionResponse>;
  /**
   * Removes whatever of the resource there is, also after a provision that stopped half-way, and returns once reading
   * it back finds nothing. Absent is done.
   */
  destroy(id: string): Promise<DeprovisionResponse>;
  /** Reads and changes nothing. */
  plan(input: ProvisionRequest): Promise<PlannedChange>;
  /** `undefined` when there is none. */
  read(id: string): Promise<ResourceState | undefined>;
  /** Makes an existing resource of this tenant agree with the parameters. */
  update(id: string, input: ProvisionRequest): Promise<ProvisionResponse>;
  /** Takes an existing resource of this tenant as it is, tagging it; `undefined` when there is none. */
  adopt(input: ProvisionRequest): Promise<ProvisionResponse | undefined>;
}

/** What one attempt of a step may use. */
export interface StepAttempt {
  /** `execution/path#visit`: the same for each attempt, resume and redrive of this step. */
  readonly key: string;
  /** {@link key} as a provider's idempotency token: the first 32 hex digits of its SHA-256. */
  readonly token: string;
  /** From 1. */
  readonly attempt: number;
  readonly signal: AbortSignal;
}

/**
 * How a provisioner does anything that matters: named steps, whose results are on disk before the next one begins. After
 * a crash a finished step is not run again and one that was under way is, with the same key.
 */
export interface Steps {
  /**
   * Runs an effect and records what it returned. Retried by itself on `retryable` errors, with growing pauses.
   *
   * @param name - Unique within the provisioner's run, in the imperative: `create-bucket`.
   */
  run<Result extends JsonValue>(name: string, effect: (attempt: StepAttempt) => Promise<Result>): Promise<Result>;
  /**
   * Asks until the answer is there. Each question is an attempt of its own and the pause between them survives a
   * restart, so a long operation goes on from its handle: record the handle with {@link run} first.
   *
   * @param ask - Answers `undefined` while the cloud is still busy.
   * @throws PlatformError `CLOUD_TIMEOUT` when `timeoutMs` have passed.
   */
  until<Result extends JsonValue>(
    name: string,
    ask: (attempt: StepAttempt) => Promise<Result | undefined>,
    options: { readonly everyMs: number; readonly timeoutMs: number },
  ): Promise<Result>;
}

/** The tags that every resource carries, with their exact values; each cloud writes them in its own form. */
export interface OwnershipTags {
  readonly tenant: string;
  readonly env: string;
  readonly service: string;
  readonly requestId: string;
  /** Id of the principal who asked. */
  readonly owner: string;
  /** RFC 3339 in UTC; absent without a time to live. */
  readonly expiresAt?: string | undefined;
  readonly 'managed-by': 'zeroplane';
}

/** Where a cloud answers, and how it is spoken to. */
export interface CloudPlace {
  /** Origin of every service; absent where the vendor's own addresses are meant. */
  readonly endpoint?: string | undefined;
  /** PEM of the authority that signed the endpoint's certificate, for a simulated one over TLS. */
  readonly ca?: string | undefined;
  readonly label: 'simulated' | 'live';
  /** The one way out; SDKs get a transport made of it. */
  readonly egress: Egress;
  /** Answers references to credentials; values never reach params, state, logs or errors. */
  readonly secrets: SecretSource;
  /** Environment variables in which the vendor's own credential chain looks. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * What a job has on record of a resource's name beside its steps, so that another run and the undo know it too: how a
 * thing is recognised whose maker did not live to tag it.
 */
export interface NameRecord {
  /** Notes that nothing has the name. Before the call that makes something of it. */
  noteFree(): Promise<void>;
  /** Whether this job has noted so, and not recorded since that it made the resource. */
  wasFree(): Promise<boolean>;
}

/** What a provisioner is made of: one job's view. */
export interface ProvisionContext {
  readonly request: ProvisionRequest;
  /** See {@link resourceId}. */
  readonly id: string;
  readonly requestId: string;
  /** Mandatory tags, written last and never overridden by {@link userTags}. */
  readonly ownership: OwnershipTags;
  readonly userTags: Readonly<Record<string, string>>;
  readonly place: CloudPlace;
  readonly steps: Steps;
  /** Absent where nothing is on record; what carries no tags is then nobody's. */
  readonly names?: NameRecord | undefined;
  /**
   * Whether this undoes what the same request has made: `destroy` then leaves alone what another request made, so that an
   * adopted resource outlives its adopter. @default false
   */
  readonly isRollback?: boolean | undefined;
  readonly log: Logger;
  /** Aborted when the job's deadline has passed or its lease is lost. */
  readonly signal: AbortSignal;
}

/**
 * A resource's id here: `aws:us-east-1:s3:project-assets`. Known before the resource is made, so that what a crash left
 * half-made can be named and removed. `-` stands for no region; parts are percent-encoded.
 */
export function resourceId(parts: {
  readonly cloud: CloudName | 'multi';
  readonly region?: string | undefined;
  readonly service: string;
  readonly name: string;
}): string {
  const { cloud, region = '-', service, name } = parts;
  return [cloud, region, service, name].map(encodeURIComponent).join(':');
}

export interface ResourceIdParts {
  /** `multi` for what a service of several clouds made. */
  readonly cloud: CloudName | 'multi';
  readonly region?: string;
  readonly service: string;
  readonly name: string;
}

/** The parts of a {@link resourceId}; `undefined` when the text is none. */
export function parseResourceId(id: string): ResourceIdParts | undefined {
  const match = /^(aws|gcp|azure|multi):([^:]+):([^:]+):([^:]+)$/.exec(id);
  if (match === null) return undefined;
  try {
    const [region = '', service = '', name = ''] = match.slice(2).map(decodeURIComponent);
    const base = { cloud: match[1] as ResourceIdParts['cloud'], service, name };
    return region === '-' ? base : { ...base, region };
  } catch {
    return undefined;
  }
}
