/**
 * The workflows that jobs run as, in code: one resource made, changed, removed or planned, and a job undone. Each is
 * durable, so it goes on after a crash where it was; the state of the job itself is the worker's business.
 */

import type { DurableContext } from '@aws/durable-execution-sdk-js';
import { PlatformError } from '../core/errors.ts';
import type { JsonValue } from '../core/ports.ts';
import type { RunInfo } from '../workflows/engine/workflow-engine.ts';
import { WorkflowFailure } from '../workflows/failure.ts';
import { isLeftOver, leftOver } from './at-work.ts';
import { notOwned } from './cloud-errors.ts';
import { wrongState, type Job, type JobError } from './job.ts';
import { DurableSteps } from './durable-steps.ts';
import { looked, noted } from './noted.ts';
import type { CloudProvisioner, NameRecord, ProvisionContext, ProvisionRequest } from './provisioner.ts';
import { idOf, ownershipOf, updatedBy, type Intent, type Resource } from './resource-store.ts';
import type { RunParts } from './run-parts.ts';
import type { Params, ServiceDefinition } from './service.ts';
import { failureOf, recorded } from './step-failure.ts';
import { untilStored } from './store-patience.ts';

/** One resource of a job. */
export interface ResourceInput {
  readonly requestId: string;
  readonly cloud: string;
  readonly service: string;
  readonly region?: string;
  readonly params: Params;
  /** For what exists; otherwise made of the parameters. */
  readonly id?: string;
  /** Of an update: it goes back to what was, so the end of life and the tags of this job do not count. */
  readonly isUndo?: true;
}

type Body = (context: DurableContext, input: JsonValue, run: RunInfo) => Promise<JsonValue>;

/** Names under which the engine knows them. */
export const JOB_WORKFLOWS = {
  provision: 'zeroplane-provision',
  update: 'zeroplane-update',
  destroy: 'zeroplane-destroy',
  plan: 'zeroplane-plan',
  undo: 'zeroplane-undo',
} as const;

/** What a job runs as, forward. */
export const workflowOf = (job: Job): string => job.workflow?.name ?? JOB_WORKFLOWS[job.action];

/** Which run of it: each retry is another. */
export const runOf = (job: Job): string => `r${job.round}`;

export function jobWorkflows(parts: RunParts): Readonly<Record<keyof typeof JOB_WORKFLOWS, Body>> {
  const of =
    (body: (at: Running) => Promise<JsonValue>): Body =>
    async (context, input, run) => {
      try {
        return await body(await begin(parts, context, input as unknown as ResourceInput, run));
      } catch (thrown) {
        if (run.signal.aborted) throw thrown;
        throw failureOf(thrown, parts.redact);
      }
    };
  return {
    provision: of(provision),
    update: of(update),
    destroy: of(destroy),
    plan: of(plan),
    undo: of(undo),
  };
}

/** One run of a workflow. */
interface Running {
  readonly parts: RunParts;
  readonly context: DurableContext;
  readonly input: ResourceInput;
  readonly run: RunInfo;
  readonly job: Job;
}

async function begin(parts: RunParts, context: DurableContext, input: ResourceInput, run: RunInfo): Promise<Running> {
  const { workflow, execution } = run;
  if (parts.names.jobOf({ workflow: workflow.name, name: execution.name }) !== input.requestId)
    throw new PlatformError('FORBIDDEN', `The workflow ${workflow.name} runs for jobs alone. Ask POST /v1/provision.`);
  // What it reads of the job never changes, so it need not be recorded.
  const job = await parts.jobs.get(run.tenant, input.requestId);
  // Without its job's lease and lock nothing may be made: somebody has redriven it by its own name.
  if (job.status !== 'running' && job.status !== 'compensating') throw wrongState(job, 'has nothing under way');
  return { parts, context, input, run, job };
}

async function provision(at: Running): Promise<JsonValue> {
  const { parts, input, job } = at;
  const definition = await definitionOf(at, input);
  const name = input.id === undefined ? definition.nameOf(input.params, job.requestId) : nameIn(input.id);
  const intent = { ...input, name };
  const id = idOf(intent);
  const isForeign = await noted(at, 'note-intent', () => intended(at, intent));
  const provisioner = await made(at, definition, { id, params: input.params, region: input.region });
  const isOthers = isForeign && !(await isTakenOver(at, { intent, id, provisioner }));
  const response = await provisioner.provision(requestOf(job, input));
  await noted(at, 'note-result', async () => {
    if (isOthers) await parts.resources.seenReady(job.tenant, id);
    else await parts.resources.record(job.tenant, id, response);
    return null;
  });
  return { ...response };
}

/**
 * @returns whether another job has made it.
 * @throws PlatformError `RESOURCE_BUSY` while a job is at it, `JOB_STATE` for what one has left that has ended.
 */
async function intended({ parts, job }: Running, intent: Intent): Promise<boolean> {
  const known = await parts.resources.find(job.tenant, idOf(intent));
  const isOthers = known !== undefined && known.requestId !== job.requestId;
  if (isOthers && (await isLeftOver(parts.jobs, known, job.requestId))) throw leftOver(known);
  return (await parts.resources.intend(job, intent)).isForeign;
}

/** What another job has made and somebody has removed in the cloud is this job's, so that its undo knows of it. */
async function isTakenOver(
  at: Running,
  { intent, id, provisioner }: { readonly intent: Intent; readonly id: string; readonly provisioner: CloudProvisioner },
): Promise<boolean> {
  const { parts, job } = at;
  const isGone = await looked(at, 'look-for-it', async () => (await provisioner.read(id)) === undefined);
  if (isGone)
    await noted(at, 'note-taken-over', async () => {
      await parts.resources.takeOver(job, intent);
      return null;
    });
  return isGone;
}

async function update(at: Running): Promise<JsonValue> {
  const { parts, input } = at;
  const definition = await definitionOf(at, input);
  const id = required(input);
  const job = input.isUndo === true ? await asItWas(at, id) : at.job;
  const before = await noted(at, 'note-change', async () => {
    const known = await parts.resources.get(job.tenant, id);
    await parts.resources.mark(job.tenant, id, 'updating');
    return known.params;
  });
  const provisioner = await made({ ...at, job }, definition, { id, params: input.params, region: input.region });
  const response = await provisioner.update(id, requestOf(job, input));
  await noted(at, 'note-result', async () => {
    const known = await parts.resources.get(job.tenant, id);
    await parts.resources.put(updatedBy(job, known, { params: input.params, outputs: response.outputs }));
    return null;
  });
  return { ...response, before };
}

/** The job with the end of life and the tags that the resource had before it. */
async function asItWas(at: Running, id: string): Promise<Job> {
  const { parts, job } = at;
  const { expiresAt, userTags } = await noted(at, 'note-before', async () => {
    const known = await parts.resources.get(job.tenant, id);
    return { expiresAt: known.expiresAt ?? null, userTags: known.userTags };
  });
  const { expiresAt: _asked, ...rest } = job;
  return { ...rest, tags: userTags, ...(expiresAt === null ? {} : { expiresAt }) };
}

async function destroy(at: Running): Promise<JsonValue> {
  const { parts, input, job } = at;
  const id = required(input);
  if (job.action === 'provision') return takenBack(at, id);
  const found = await noted(at, 'list-parts', async () => {
    const whole = await parts.resources.get(job.tenant, id);
    const ofJob = await parts.resources.ofJob(job.tenant, whole.requestId);
    return ofJob.filter((each) => each.partOf === id).map((each) => each.id);
  });
  for (const part of found.toReversed()) await removed(at, part);
  await removed(at, id, input.params);
  return { status: 'deprovisioned', id };
}

/** Removes one resource of the tenant and its note. @param params - Those it was made with, where not given. */
async function removed(at: Running, id: string, params?: Params): Promise<void> {
  const { parts, job } = at;
  const note = await noted(at, 'note-destroy', async () => {
    const known = await parts.resources.find(job.tenant, id);
    if (known === undefined) return null;
    await parts.resources.mark(job.tenant, id, 'destroying');
    return noteOf(known);
  });
  if (note === null) return;
  const service = await parts.catalogue.find(job.tenant, note.cloud, note.service);
  // A composite is its parts.
  if (service.definition !== undefined) {
    const { region } = note;
    const provisioner = await made(at, service.definition, { id, params: params ?? note.params, region });
    await provisioner.destroy(id);
  }
  await noted(at, 'note-removed', async () => {
    await parts.resources.remove(job.tenant, id);
    return null;
  });
}

/**
 * The way back of a machine, while its job is under way: removes what this job has made. What was there before it, or is
 * another job's, stays, whichever Task names it.
 */
async function takenBack(at: Running, id: string): Promise<JsonValue> {
  const { parts, job } = at;
  const note = await noted(at, 'note-destroy', async () => {
    const known = await parts.resources.find(job.tenant, id);
    if (known === undefined || known.status === 'removed') return 'nothing';
    if (known.requestId !== job.requestId || known.isAdopted) return 'kept';
    await parts.resources.mark(job.tenant, id, 'destroying');
    return noteOf(known);
  });
  if (note === 'kept') return { status: 'kept', id };
  if (note === 'nothing') return { status: 'deprovisioned', id };
  const wasThere = await removedOurs(at, note);
  await noted(at, 'note-removed', async () => {
    // The job still has to say that something was there.
    if (wasThere) await parts.resources.mark(job.tenant, id, 'removed');
    else await parts.resources.remove(job.tenant, id);
    return null;
  });
  return { status: 'deprovisioned', id };
}

async function plan(at: Running): Promise<JsonValue> {
  const { input, job } = at;
  const service = await at.parts.catalogue.find(job.tenant, input.cloud, input.service);
  const { steps, estimate, workflow } = job.plan;
  const base = {
    status: 'planned',
    steps,
    estimate: estimate as unknown as JsonValue,
    ...(workflow === undefined ? {} : { workflow: { ...workflow } }),
  };
  if (service.definition === undefined)
    return { ...base, resources: [{ id: job.resourceId, change: 'create', steps }] };
  const provisioner = await made(at, service.definition, {
    id: job.resourceId,
    params: input.params,
    region: input.region,
  });
  const change = await provisioner.plan(requestOf(job, input));
  return { ...base, steps: change.steps, resources: [change as unknown as JsonValue] };
}

/** What an undo came to. */
export interface Undone {
  /** Ids of what was there and is gone. */
  readonly undone: readonly string[];
}

/** In the reverse order of making. What fails is named, and the rest is undone all the same. */
async function undo(at: Running): Promise<JsonValue> {
  const { parts, job } = at;
  await parts.effects.settled(job.requestId);
  const notes = await noted(at, 'list-made', async () =>
    (await parts.resources.ofJob(job.tenant, job.requestId)).map(noteOf),
  );
  const undone: string[] = [];
  const failures: { id: string; error: JobError }[] = [];
  for (const note of notes.toReversed()) {
    try {
      if (await undoOne(at, note)) undone.push(note.id);
    } catch (thrown) {
      if (at.run.signal.aborted) throw thrown;
      const { code, message, details } = recorded(thrown, parts.redact);
      failures.push({ id: note.id, error: { code, message, details } });
      await noted(at, 'note-left', async () => {
        await parts.resources.mark(job.tenant, note.id, 'failed');
        return null;
      });
    }
  }
  if (failures.length > 0) throw undoFailed(failures);
  return { undone };
}

/** @returns whether there was anything of ours to remove. */
async function undoOne(at: Running, note: Note): Promise<boolean> {
  const { parts, job } = at;
  const wasThere = note.status === 'removed' || (!note.isAdopted && (await removedOurs(at, note)));
  await noted(at, 'note-removed', async () => {
    await parts.resources.remove(job.tenant, note.id);
    return null;
  });
  return wasThere;
}

/** Removes what this job has made of a resource. @returns whether there was anything. */
async function removedOurs(at: Running, note: Note): Promise<boolean> {
  const { definition } = await at.parts.catalogue.find(at.job.tenant, note.cloud, note.service);
  if (definition === undefined) return false;
  const provisioner = await made(at, definition, { ...note, isRollback: true });
  const wasThere = await looked(at, 'look', async () => (await provisioner.read(note.id))?.isOwned === true);
  // Also where reading finds nothing: a part may be there without the whole. What is there and is not ours is left alone.
  const mayBeOurs = async (): Promise<boolean> => (await provisioner.read(note.id))?.isOwned !== false;
  if (wasThere || (await looked(at, 'look-again', mayBeOurs))) await provisioner.destroy(note.id);
  return wasThere;
}

function undoFailed(failures: readonly { readonly id: string; readonly error: JobError }[]): WorkflowFailure {
  const left = failures.map(({ id }) => id).join(', ');
  const message = `The undo could not remove ${left}. ${failures[0]?.error.message ?? ''} Retry the job once that is mended.`;
  const error: JobError = {
    code: 'ROLLBACK_FAILED',
    message,
    details: { left: failures as unknown as JsonValue },
  };
  return new WorkflowFailure('ROLLBACK_FAILED', JSON.stringify(error));
}

type Note = Pick<Resource, 'id' | 'cloud' | 'service' | 'params' | 'isAdopted' | 'status'> & {
  readonly region?: string | undefined;
};

function noteOf({ id, cloud, service, params, isAdopted, status, region }: Resource): Note {
  return { id, cloud, service, params, isAdopted, status, ...(region === undefined ? {} : { region }) };
}

function required({ id }: ResourceInput): string {
  if (id === undefined) throw new PlatformError('INTERNAL', 'A change of a resource needs its id.');
  return id;
}

const nameIn = (id: string): string => decodeURIComponent(id.split(':')[3] ?? '');

async function definitionOf({ parts, job }: Running, { cloud, service }: ResourceInput): Promise<ServiceDefinition> {
  const { definition } = await parts.catalogue.find(job.tenant, cloud, service);
  if (definition === undefined) throw notOwned(`${cloud} ${service}`, 'a composite cannot be a part of another');
  return definition;
}

function requestOf({ tenant, env }: Job, { cloud, service, region, params }: ResourceInput): ProvisionRequest {
  const base = { cloud: cloud as ProvisionRequest['cloud'], service, params, tenant, env };
  return region === undefined ? base : { ...base, region };
}

/** What is on record of a resource's name; a store that is full is waited for. */
function namesOf({ parts, run, job }: Pick<Running, 'parts' | 'run' | 'job'>, id: string): NameRecord {
  const patience = { clock: parts.clock, log: run.log, isWanted: () => !run.signal.aborted };
  return {
    noteFree: () => untilStored(() => parts.resources.noteFree(job, id), patience),
    wasFree: () => parts.resources.wasFree(job, id),
  };
}

/** A provisioner for one resource of this job. */
async function made(
  { parts, context, run, job }: Running,
  definition: ServiceDefinition,
  target: {
    readonly id: string;
    readonly params: Params;
    readonly region?: string | undefined;
    readonly isRollback?: boolean;
  },
): Promise<CloudProvisioner> {
  const { cloud, service } = definition;
  const steps = new DurableSteps({
    context,
    run: parts,
    job,
    resourceId: target.id,
    root: `${run.execution.name}/${target.id}`,
    signal: run.signal,
    log: run.log,
  });
  const { region, params, id } = target;
  const input: ProvisionContext = {
    request: requestOf(job, {
      requestId: job.requestId,
      cloud,
      service,
      params,
      ...(region === undefined ? {} : { region }),
    }),
    id,
    requestId: job.requestId,
    ownership: ownershipOf(job, service),
    userTags: job.tags,
    place: await parts.placeOf(cloud, job.tenant),
    steps,
    names: namesOf({ parts, run, job }, id),
    isRollback: target.isRollback,
    log: run.log,
    signal: run.signal,
  };
  return (await definition.load()).create(input);
}
