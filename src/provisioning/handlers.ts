/**
 * The functions that state machines make resources with. Each runs a workflow of its own under the job's name, so that
 * a resource has its steps, its retries and its place among what the job has made, and a repeat finds it as it is.
 */

import { createHash } from 'node:crypto';
import { PlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { JsonValue } from '../core/ports.ts';
import type { TaskCall } from '../workflows/asl/asl-host.ts';
import { TaskError } from '../workflows/asl/states-error.ts';
import type { ExecutionDescription, RunInfo, WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import type { InProcessHandler } from '../workflows/task-runner.ts';
import type { ServiceCatalogue } from './catalogue.ts';
import type { ControlPlane } from './control-plane.ts';
import { JOB_WORKFLOWS, type ResourceInput } from './job-workflows.ts';
import { isEnded, type Job } from './job.ts';
import type { JobNames } from './job-names.ts';
import type { JobStore } from './job-store.ts';
import { ofPart } from './problems.ts';
import type { ResourceStore } from './resource-store.ts';
import type { Params } from './service.ts';
import { jobErrorOf } from './step-failure.ts';
import { untilStored } from './store-patience.ts';

export interface HandlerParts {
  readonly jobs: JobStore;
  readonly catalogue: ServiceCatalogue;
  readonly names: JobNames;
  readonly resources: Pick<ResourceStore, 'find'>;
  /** Given once it is there: the engine runs what calls it. */
  readonly engine: () => WorkflowEngine;
  /** The door that everybody asks at, who asks the policy. */
  readonly submit: ControlPlane['submit'];
}

/** What a Task asks for. */
interface Asked {
  readonly cloud: string;
  readonly service: string;
  readonly params: Params;
  readonly region?: string | undefined;
  readonly env: string;
}

export function provisioningHandlers(parts: HandlerParts): ReadonlyMap<string, InProcessHandler> {
  return new Map<string, InProcessHandler>([
    ['zeroplane-provision', (input, call, run) => provision(parts, askedBy(input), { call, run })],
    ['zeroplane-destroy', (input, call, run) => destroy(parts, idIn(input), { call, run })],
    ['create-vpc', (input, call, run) => createVpc(parts, input, { call, run })],
    ['provision-ec2', (input, call, run) => provisionEc2(parts, input, { call, run })],
  ]);
}

interface At {
  readonly call: TaskCall;
  readonly run: RunInfo;
}

async function provision(parts: HandlerParts, asked: Asked, at: At): Promise<JsonValue> {
  const job = await jobOf(parts, at.run);
  if (job === undefined) return provisionAsJob(parts, asked, at);
  const service = await parts.catalogue.find(job.tenant, asked.cloud, asked.service);
  const region = asked.region ?? (asked.cloud === job.cloud ? job.region : undefined) ?? service.defaultRegion;
  const { cloud, service: name } = asked;
  const params = await parts.catalogue.checked(service, asked.params, region).catch((thrown: unknown) => {
    throw ofPart(`${cloud} ${name}`, thrown);
  });
  const base: ResourceInput = { requestId: job.requestId, cloud, service: name, params };
  return child(parts, JOB_WORKFLOWS.provision, region === undefined ? base : { ...base, region }, { at, job });
}

async function destroy(parts: HandlerParts, id: string, at: At): Promise<JsonValue> {
  const job = await jobOf(parts, at.run);
  const [cloud = '', , service = ''] = id.split(':').map(decodeURIComponent);
  if (job === undefined) return destroyAsJob(parts, { id, cloud, service }, at);
  return child(parts, JOB_WORKFLOWS.destroy, { requestId: job.requestId, cloud, service, params: {}, id }, { at, job });
}

/** Starts the resource's workflow, or finds it, and waits for its end. */
async function child(
  parts: HandlerParts,
  workflow: string,
  input: ResourceInput,
  { at, job }: { readonly at: At; readonly job: Job },
): Promise<JsonValue> {
  const { call, run } = at;
  const part = createHash('sha256').update(call.key).digest('hex').slice(0, 20);
  const name = parts.names.of(workflow, job.requestId, part);
  const start = { workflow, name, input: input as unknown as JsonValue };
  const patience = { clock: run.clock, log: run.log, isWanted: () => !call.signal.aborted };
  const begun = await untilStored(() => parts.engine().start(run.principal, start), patience);
  const ended = await endOf(parts.engine(), begun, call.signal);
  if (ended.status === 'SUCCEEDED') return ended.output ?? null;
  const { code, message } = jobErrorOf(ended.error, ended.cause);
  throw new TaskError(code, message);
}

function endOf(
  engine: WorkflowEngine,
  execution: ExecutionDescription,
  signal: AbortSignal,
): Promise<ExecutionDescription> {
  if (execution.status !== 'RUNNING') return Promise.resolve(execution);
  return new Promise((resolve, reject) => {
    const finish = (ended: ExecutionDescription): void => {
      stop();
      resolve(ended);
    };
    const stop = engine.onEnd((ended) => {
      if (ended.id === execution.id && ended.tenant === execution.tenant) finish(ended);
    });
    const abort = (): void => {
      stop();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    // It may have ended before anybody listened.
    engine
      .describe(execution.tenant, execution.id)
      .then((now) => now.status !== 'RUNNING' && finish(now))
      .catch(reject);
  });
}

/** A machine that no job runs has a job made for each resource, so that it is recorded, listed and undone like others. */
async function provisionAsJob(parts: HandlerParts, asked: Asked, at: At): Promise<JsonValue> {
  const { cloud, service, params, region, env } = asked;
  const job = await asJob(
    parts,
    { cloud, service, params, env, action: 'provision', ...(region === undefined ? {} : { region }) },
    at,
  );
  return job.result ?? null;
}

async function destroyAsJob(
  parts: HandlerParts,
  { id, cloud, service }: { readonly id: string; readonly cloud: string; readonly service: string },
  at: At,
): Promise<JsonValue> {
  const env = (await parts.resources.find(at.run.tenant, id))?.env ?? 'dev';
  const job = await asJob(parts, { cloud, service, params: {}, env, action: 'destroy', id }, at);
  return job.result ?? null;
}

async function asJob(parts: HandlerParts, body: Readonly<Record<string, unknown>>, { call, run }: At): Promise<Job> {
  const { jobs, submit } = parts;
  const { tenant, context } = run;
  const idempotencyKey = createHash('sha256').update(call.key).digest('hex');
  const { job } = await submit({ body: { ...body, tenant }, idempotencyKey }, context);
  const ended = await new Promise<Job>((resolve, reject) => {
    const look = (): void =>
      void jobs.get(tenant, job.requestId).then((now) => isEnded(now.status) && finish(now), reject);
    const stop = jobs.watch(tenant, job.requestId, ({ type }) => type === 'job-ended' && look());
    const finish = (now: Job): void => {
      stop();
      resolve(now);
    };
    call.signal.addEventListener('abort', () => (stop(), reject(call.signal.reason as Error)), { once: true });
    look();
  });
  if (ended.status === 'succeeded') return ended;
  throw new TaskError(
    ended.error?.code ?? ended.status,
    ended.error?.message ?? `Job ${ended.requestId} is ${ended.status}.`,
  );
}

/** The job that this execution runs for, while it does. */
async function jobOf({ jobs, names }: HandlerParts, run: RunInfo): Promise<Job | undefined> {
  const requestId = names.jobOf({ workflow: run.workflow.name, name: run.execution.name });
  const job = requestId === undefined ? undefined : await jobs.find(run.tenant, requestId);
  return job?.status === 'running' || job?.status === 'compensating' ? job : undefined;
}

function askedBy(input: JsonValue): Asked {
  if (!isObject(input)) throw wrongInput('an object with cloud, service and params');
  const { cloud, service, params = {}, region, env } = input as Partial<Asked>;
  if (typeof cloud !== 'string' || typeof service !== 'string' || !isObject(params))
    throw wrongInput('an object with cloud, service and params');
  const base = { cloud, service, params: params as Params, env: typeof env === 'string' ? env : 'dev' };
  return typeof region === 'string' ? { ...base, region } : base;
}

function idIn(input: JsonValue): string {
  const id = isObject(input) ? input['id'] : undefined;
  if (typeof id !== 'string') throw wrongInput('an object with the id of a resource');
  return id;
}

function wrongInput(what: string): PlatformError {
  return new PlatformError('INVALID_ARGUMENTS', `The Task's input must be ${what}. See /v1/catalog.`);
}

/** The seed's first state: a network, whose outputs the next state finds beside what it was given. */
async function createVpc(parts: HandlerParts, input: JsonValue, at: At): Promise<JsonValue> {
  const given = isObject(input) ? input : {};
  const vpc = await provision(parts, { cloud: 'aws', service: 'vpc', ...seedInput(given, 'vpc') }, at);
  return { ...(given as Readonly<Record<string, JsonValue>>), vpc };
}

async function provisionEc2(parts: HandlerParts, input: JsonValue, at: At): Promise<JsonValue> {
  const given = isObject(input) ? input : {};
  const outputs = isObject(given['vpc']) && isObject(given['vpc']['outputs']) ? given['vpc']['outputs'] : {};
  const { params, ...place } = seedInput(given, 'ec2');
  const [subnet] = Array.isArray(outputs['subnetIds']) ? (outputs['subnetIds'] as string[]) : [];
  const { securityGroupId } = outputs;
  const inNetwork = {
    ...(subnet === undefined ? {} : { subnetId: subnet }),
    ...(typeof securityGroupId === 'string' ? { securityGroupIds: [securityGroupId] } : {}),
  };
  const ec2 = await provision(
    parts,
    { cloud: 'aws', service: 'ec2', ...place, params: { ...inNetwork, ...params } },
    at,
  );
  return { ...(given as Readonly<Record<string, JsonValue>>), ec2 };
}

/** `params.vpc` and `params.ec2` of the job, each where given. */
function seedInput(
  given: Readonly<Record<string, unknown>>,
  part: string,
): { readonly params: Params; readonly env: string } {
  const all = isObject(given['params']) ? given['params'] : {};
  const params = isObject(all[part]) ? (all[part] as Params) : {};
  const job = isObject(given['job']) ? given['job'] : {};
  return { params, env: typeof job['env'] === 'string' ? job['env'] : 'dev' };
}
