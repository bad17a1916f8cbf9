/**
 * Takes queued jobs and sees each to its end. A message names a job and nothing else; what is to be done stands in the
 * job's state, so a message that comes twice, or after a crash, does no harm. Whoever works on a job holds its lease:
 * with each lease the fence grows, and a writer with an older one changes nothing any more.
 */

import type { Principal } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { Clock, JsonValue, Logger, Queue, QueueMessage } from '../core/ports.ts';
import type { ExecutionDescription, WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import { forwardRunOf, stopForwardRun } from './forward-run.ts';
import { JOB_WORKFLOWS, type ResourceInput, type Undone } from './job-workflows.ts';
import { firstErrorOf, isEnded, type Job, type JobError, type JobStatus } from './job.ts';
import type { JobNames } from './job-names.ts';
import type { JobStore } from './job-store.ts';
import type { ResourceStore } from './resource-store.ts';
import { jobErrorOf, runErrorOf } from './step-failure.ts';
import { untilStored } from './store-patience.ts';

export interface WorkerParts {
  readonly jobs: JobStore;
  readonly resources: ResourceStore;
  readonly engine: WorkflowEngine;
  /** Of all tenants; messages are `{tenant, requestId}`. */
  readonly queue: Queue;
  readonly names: JobNames;
  readonly clock: Clock;
  readonly log: Logger;
  /** Names this process among the holders of leases. */
  readonly owner: string;
  /** Jobs at a time. @default 4 */
  readonly concurrency?: number | undefined;
  /** @default 30000 */
  readonly leaseMs?: number | undefined;
  /** Told of each job that has ended. */
  readonly onEnd?: (job: Job) => void;
}

const LEASE_MS = 30_000;
const CONCURRENCY = 4;
const IDLE_MS = 1_000;

export class JobWorker {
  readonly #parts: WorkerParts;
  readonly #leaseMs: number;
  readonly #running = new Map<string, Promise<void>>();
  /** Of those, the ones whose work is done and only has to be written down: the next job need not wait for that. */
  readonly #ending = new Set<string>();
  readonly #waiting = new Map<string, (ended: ExecutionDescription) => void>();
  #stopEngine: () => void = () => undefined;
  #cancelTimer: () => void = () => undefined;
  #isStopped = false;
  #isPolling = false;
  #isWoken = false;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#leaseMs = parts.leaseMs ?? LEASE_MS;
  }

  start(): void {
    this.#stopEngine = this.#parts.engine.onEnd((ended) => {
      const key = keyOf(ended.tenant, ended.id);
      this.#waiting.get(key)?.(ended);
    });
    this.wake();
  }

  /** Looks for messages now. */
  wake(): void {
    if (this.#isPolling) this.#isWoken = true;
    else void this.#poll();
  }

  /** Takes nothing new; jobs under way go on in the next process. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#stopEngine();
    for (const [key, end] of this.#waiting) {
      this.#waiting.delete(key);
      end(STOPPED);
    }
    await Promise.allSettled(this.#running.values());
  }

  get running(): number {
    return this.#running.size;
  }

  isWorkingOn(tenant: string, requestId: string): boolean {
    return this.#running.has(keyOf(tenant, requestId));
  }

  async #poll(): Promise<void> {
    this.#isPolling = true;
    this.#cancelTimer();
    try {
      do {
        this.#isWoken = false;
        while (!this.#isStopped && (await this.#take()) > 0);
      } while (this.#isWoken && !this.#isStopped);
    } catch (error) {
      this.#parts.log.log('error', 'jobs-not-received', {
        reason: error instanceof Error ? error.message : String(error),
      });
    } finally {
      this.#isPolling = false;
      if (!this.#isStopped) this.#cancelTimer = this.#parts.clock.after(IDLE_MS, () => this.wake());
    }
  }

  /** @returns how many messages came. */
  async #take(): Promise<number> {
    const free = (this.#parts.concurrency ?? CONCURRENCY) - this.#running.size + this.#ending.size;
    if (free <= 0) return 0;
    const messages = await this.#parts.queue.receive({ max: Math.min(10, free), visibilityMs: this.#leaseMs * 2 });
    for (const message of messages) this.#begin(message);
    return messages.length;
  }

  #begin(message: QueueMessage): void {
    const { tenant, requestId } = message.body as { readonly tenant: string; readonly requestId: string };
    const key = keyOf(tenant, requestId);
    if (this.#running.has(key)) {
      void this.#parts.queue.ack(message.receipt);
      return;
    }
    const patience = { clock: this.#parts.clock, log: this.#parts.log, isWanted: () => !this.#isStopped };
    const run = untilStored(() => this.#handle(message, tenant, requestId), patience)
      .catch((error: unknown) => this.#failed(message, error))
      .finally(() => {
        this.#running.delete(key);
        this.#ending.delete(key);
        if (!this.#isStopped) this.wake();
      });
    this.#running.set(key, run);
  }

  async #failed(message: QueueMessage, error: unknown): Promise<void> {
    const { tenant, requestId } = message.body as { readonly tenant: string; readonly requestId: string };
    const job = await this.#parts.jobs.find(tenant, requestId).catch(() => undefined);
    // Without this note the next delivery would be taken for one that ended with its process.
    if (job !== undefined && !isEnded(job.status))
      await this.#parts.jobs
        .touch(job, { failures: message.receives }, this.#parts.clock.nowMs() + this.#leaseMs)
        .catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.log.log('error', 'job-not-worked-on', { jobId: requestId, reason, receives: message.receives });
    await this.#later(message, reason).catch(() => undefined);
  }

  /** In the end it is among the dead letters; the reaper then ends the job with that reason. */
  async #later({ receipt, receives, body }: QueueMessage, reason: string): Promise<void> {
    const { queue } = this.#parts;
    const delayMs = 1_000 * receives;
    const isOurs = await queue.release(receipt, { delayMs, reason });
    if (!isOurs) await queue.send(body, { delayMs });
  }

  async #handle(message: QueueMessage, tenant: string, requestId: string): Promise<void> {
    const { queue, jobs } = this.#parts;
    // Begun again after the store could not take its end.
    this.#ending.delete(keyOf(tenant, requestId));
    const found = await jobs.find(tenant, requestId);
    // A process that ends is no fault of the job: such a delivery does not count. Until its end the reaper watches it.
    if (found !== undefined && diedBefore(message, found)) await queue.ack(message.receipt);
    const job = found === undefined || isEnded(found.status) ? undefined : await this.#leased(found);
    if (job !== undefined) {
      const stopBeating = this.#beat(job, message.receipt);
      try {
        await this.#work(job);
      } finally {
        stopBeating();
      }
    }
    // Unfinished only when this process goes down: the message comes again in the next. Not waited for, since one that
    // comes again after its job's end does no harm.
    if (!this.#isStopped) void queue.ack(message.receipt).catch(() => undefined);
  }

  /** @returns `undefined` when somebody else is quicker, or nothing is to be done. */
  async #leased(job: Job): Promise<Job | undefined> {
    const { jobs, clock, owner } = this.#parts;
    const lease = { fence: job.fence + 1, leaseOwner: owner };
    const dueAtMs = clock.nowMs() + this.#leaseMs;
    if (job.status === 'queued') return jobs.advance(job, { to: 'running', change: lease, dueAtMs, by: 'system' });
    return job.status === 'running' || job.status === 'compensating' ? jobs.touch(job, lease, dueAtMs) : undefined;
  }

  /** Renews the lease and the message's invisibility while the job is worked on. */
  #beat(job: Job, receipt: string): () => void {
    const { jobs, queue, clock } = this.#parts;
    let cancel = (): void => undefined;
    const next = (): void => {
      cancel = clock.after(this.#leaseMs / 3, () => {
        const dueAtMs = clock.nowMs() + this.#leaseMs;
        void Promise.all([this.#renew(jobs, job, dueAtMs), queue.extend(receipt, this.#leaseMs * 2)])
          .catch(() => undefined)
          .then(next);
      });
    };
    next();
    return () => cancel();
  }

  /** Only while the lease is still this one. */
  async #renew(jobs: JobStore, { tenant, requestId, fence }: Job, dueAtMs: number): Promise<void> {
    const now = await jobs.find(tenant, requestId);
    if (now?.fence === fence && !isEnded(now.status)) await jobs.touch(now, {}, dueAtMs);
  }

  async #work(job: Job): Promise<void> {
    if (job.status === 'compensating') return this.#undo(job);
    const run = forwardRunOf(job, this.#parts.names);
    const version = job.workflow === undefined ? {} : { version: Number(job.workflow.version) };
    const ended = await this.#executed(job, { ...run, ...version, input: inputOf(job) });
    if (ended === STOPPED) return;
    if (ended.status === 'SUCCEEDED') await this.#succeeded(job, ended.output ?? null);
    else if (ended.status === 'ABORTED') await this.#stopped(job, run.workflow);
    else await this.#broke(job, await runErrorOf(this.#parts.engine, ended));
  }

  /** A cancel has moved the job on before it stopped the execution, so this changes only what somebody else has stopped. */
  async #stopped(job: Job, workflow: string): Promise<void> {
    const message = `Somebody stopped the execution of ${workflow} that this job ran as. A job is ended with its own cancel; ask again for what it should have made.`;
    await this.#broke(job, { code: 'EXECUTION_STOPPED', message });
  }

  async #succeeded(job: Job, output: JsonValue): Promise<void> {
    this.#ending.add(keyOf(job.tenant, job.requestId));
    this.wake();
    const result = resultOf(job, output);
    if (job.workflow !== undefined) await this.#noteComposite(job, result);
    await this.#end(job, 'succeeded', { result });
  }

  /** The whole is a resource too, so that it can be listed and destroyed. */
  async #noteComposite(job: Job, result: Readonly<Record<string, JsonValue>>): Promise<void> {
    const { resources } = this.#parts;
    const { cloud, service, region, params, resourceId, tenant } = job;
    const name = decodeURIComponent(resourceId.split(':')[3] ?? '');
    await resources.intend(job, { cloud, service, region, name, params });
    const outputs = (result['outputs'] ?? {}) as Readonly<Record<string, JsonValue>>;
    await resources.record(tenant, resourceId, { status: 'provisioned', id: resourceId, outputs, isAdopted: false });
  }

  /** A failure is undone, if there is anything to undo. */
  async #broke(job: Job, error: JobError): Promise<void> {
    const { resources, jobs, clock } = this.#parts;
    const { tenant, requestId, resourceId, action } = job;
    if (action === 'destroy') {
      const nextAt = await resources.notDestroyed(tenant, resourceId);
      const reason = nextAt === undefined ? {} : { reason: `the end of its life is tried again at ${nextAt}` };
      await this.#end(job, 'failed', { error, ...reason });
      return;
    }
    const isUntouched = action === 'update' && isOfComparison(error);
    if (isUntouched) await resources.mark(tenant, resourceId, isMissing(error) ? 'failed' : 'ready');
    const made = action === 'update' ? 1 : (await resources.ofJob(tenant, requestId)).length;
    if (action === 'plan' || isUntouched || made === 0) {
      await this.#end(job, 'failed', { error });
      return;
    }
    const dueAtMs = clock.nowMs() + this.#leaseMs;
    const next = await jobs.advance(job, { to: 'compensating', change: { error }, dueAtMs, by: 'system' });
    if (next !== undefined) await this.#undo(next);
  }

  async #undo(job: Job): Promise<void> {
    // The process that cancelled it may have ended before it was stopped: nothing is made while it is undone.
    await stopForwardRun(job, this.#parts.names, this.#parts.engine);
    const ended = await this.#executed(job, await this.#undoOf(job));
    if (ended === STOPPED) return;
    const first = firstErrorOf(job);
    if (ended.status !== 'SUCCEEDED') {
      const error = jobErrorOf(ended.error, ended.cause);
      // What went wrong first is what its reader wants to know; what is left stands beside it.
      const details = { ...first?.details, rollback: error as unknown as JsonValue };
      if (job.action === 'update') await this.#parts.resources.mark(job.tenant, job.resourceId, 'failed');
      await this.#end(job, 'rollback_failed', {
        error: { code: 'ROLLBACK_FAILED', message: error.message, ...first, details },
      });
      return;
    }
    const { undone = [] } = (ended.output ?? {}) as unknown as Partial<Undone>;
    const isNothing = job.action === 'provision' && undone.length === 0 && first !== undefined;
    if (isNothing) await this.#end(job, 'failed', {});
    else await this.#end(job, 'rolled_back', { result: { status: 'rolled_back', undone } });
  }

  /** A provision is undone by removing; an update by going back to the parameters that were. */
  async #undoOf(job: Job): Promise<Start> {
    const { requestId, round, action } = job;
    const workflow = action === 'update' ? JOB_WORKFLOWS.update : JOB_WORKFLOWS.undo;
    const name = this.#parts.names.of(workflow, requestId, `u${round}`);
    if (action !== 'update') return { workflow, name, input: { requestId, ...placeOf(job) } };
    const { params } = await this.#parts.resources.get(job.tenant, job.resourceId);
    return { workflow, name, input: { ...(inputOf({ ...job, params }) as object), isUndo: true } };
  }

  async #end(job: Job, to: JobStatus, change: Partial<Job>): Promise<void> {
    const ended = await this.#parts.jobs.advance(job, { to, change, by: 'system' });
    if (ended !== undefined) this.#parts.onEnd?.(ended);
  }

  async #started(principal: Principal, start: Start): Promise<ExecutionDescription> {
    try {
      return await this.#parts.engine.start(principal, start);
    } catch (error) {
      if (error instanceof PlatformError && isHopeless(error)) return neverBegun(error);
      throw error;
    }
  }

  /** Starts the execution, or finds it as it is after a crash, and waits for its end. */
  async #executed(job: Job, start: Start): Promise<ExecutionDescription> {
    const { engine } = this.#parts;
    const { id, roles, scopes } = job.principal;
    const principal = { id, tenant: job.tenant, roles, scopes };
    const execution = await this.#started(principal, start);
    if (execution.status !== 'RUNNING') return execution;
    const key = keyOf(job.tenant, execution.id);
    const ended = new Promise<ExecutionDescription>((resolve) => this.#waiting.set(key, resolve));
    try {
      // It may have ended between the start and the listening.
      const now = await engine.describe(job.tenant, execution.id);
      return now.status === 'RUNNING' && !this.#isStopped ? await ended : this.#isStopped ? STOPPED : now;
    } finally {
      this.#waiting.delete(key);
    }
  }
}

/** An end that no engine has seen, for what can never begin. */
function neverBegun(error: PlatformError): ExecutionDescription {
  const cause = JSON.stringify({ code: error.code, message: error.message });
  return { status: 'FAILED', error: error.code, cause } as unknown as ExecutionDescription;
}

/** Whether an earlier delivery ended neither well nor with an error, but with its process. */
function diedBefore({ receives }: QueueMessage, { failures = 0 }: Job): boolean {
  return receives - 1 > failures;
}

interface Start {
  readonly workflow: string;
  readonly version?: number;
  readonly name: string;
  readonly input: JsonValue;
}

/** Stands for an end that this process will not see. */
const STOPPED = Object.freeze({ status: 'RUNNING' }) as unknown as ExecutionDescription;

const keyOf = (tenant: string, id: string): string => `${tenant}\n${id}`;

function placeOf({
  cloud,
  service,
  region,
  params,
}: Job): Omit<ResourceInput, 'requestId'> & { readonly params: Job['params'] } {
  return { cloud, service, params, ...(region === undefined ? {} : { region }) };
}

/** A machine gets its parameters and the job it runs for; a resource's workflow what it is to make. */
/** An update begins with a look at what there is; nothing is changed by then. */
const isOfComparison = ({ step }: JobError): boolean => step?.startsWith('compare-') === true;

/** There is nothing of the tenant's that could be updated. */
const isMissing = ({ code }: JobError): boolean => code === 'NOT_FOUND' || code === 'RESOURCE_NOT_OWNED';

function inputOf(job: Job): JsonValue {
  const { requestId, tenant, env, region = null, params, resourceId, action, principal } = job;
  if (job.workflow !== undefined) return { params, job: { requestId, tenant, env, region, owner: principal.id } };
  const input: ResourceInput = { requestId, ...placeOf(job), ...(action === 'provision' ? {} : { id: resourceId }) };
  return input as unknown as JsonValue;
}

function resultOf(job: Job, output: JsonValue): Readonly<Record<string, JsonValue>> {
  const value = typeof output === 'object' && output !== null && !Array.isArray(output) ? output : { output };
  if (job.workflow === undefined) return value as Readonly<Record<string, JsonValue>>;
  return { status: 'provisioned', id: job.resourceId, outputs: value as JsonValue };
}

/** Whether an error of the engine means that the job can never run as it is. */
function isHopeless(error: PlatformError): boolean {
  return ['NOT_FOUND', 'WORKFLOW_CHANGED', 'PAYLOAD_TOO_LARGE'].includes(error.code);
}
