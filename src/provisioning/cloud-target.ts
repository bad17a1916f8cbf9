/** The control plane as tools of the gateway: the same requests, decided and recorded in the same way. */

import type { RequestContext } from '../core/context.ts';
import { PlatformError, toPlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { nearestOf } from '../core/nearest.ts';
import type { Exchange, Target, TargetCall, TargetListing, TargetResult, TargetStatus } from '../core/target.ts';
import { errorResult } from '../registry/function-result.ts';
import { CLOUD_TOOLS } from './cloud-tools.ts';
import type { CatalogEntry, ControlPlane, JobDetails, JobEvent } from './control-plane.ts';
import { refuseProblems, type RequestProblem } from './problems.ts';
import { DECISION_MEMBERS, readVerbBody } from './verb-body.ts';
import { isEnded, JOB_STATUSES, jobView, type Job, type JobAction, type JobStatus } from './job.ts';

export interface CloudTargetParts {
  /** Loaded by the first call. */
  readonly plane: () => Promise<ControlPlane>;
  readonly isLive: boolean;
}

/** How long a call waits for its job's end before it returns what is known. */
const WAIT_MS = 20_000;

type Args = Readonly<Record<string, unknown>>;

/** One call on its way. */
interface At {
  readonly plane: ControlPlane;
  readonly args: Args;
  readonly call: TargetCall;
  readonly exchange: Exchange;
  readonly context: RequestContext;
}

export class CloudTarget implements Target {
  readonly id = 'cloud';
  readonly kind = 'in-process';
  readonly label: Target['label'];
  readonly #parts: CloudTargetParts;

  constructor(parts: CloudTargetParts) {
    this.#parts = parts;
    this.label = parts.isLive ? 'live' : 'simulated';
  }

  list(): Promise<TargetListing> {
    return Promise.resolve({
      definitions: CLOUD_TOOLS,
      capabilities: { tools: {} },
      instructions:
        'Clouds: resources are made as jobs. Ask catalog for services and their parameters, plan to see what would be done, provision to do it, status for what became of it.',
    });
  }

  async call(call: TargetCall, exchange: Exchange, context: RequestContext): Promise<TargetResult> {
    const act = ACTS.get(call.name);
    if (call.method !== 'tools/call' || act === undefined)
      throw new PlatformError('UNKNOWN_NAME', `The target "cloud" has no "${call.name}".`);
    const { arguments: given } = call.parsed;
    try {
      const plane = await this.#parts.plane();
      const value = await act({ plane, args: isObject(given) ? given : {}, call, exchange, context });
      return {
        text: JSON.stringify({ content: [{ type: 'text', text: JSON.stringify(value) }], structuredContent: value }),
      };
    } catch (thrown) {
      const error = toPlatformError(thrown);
      const { code } = error;
      // Our own fault is the gateway's to report.
      if (code === 'INTERNAL') throw thrown;
      return {
        text: errorResult({ code, message: wordsOfError(error), requestId: context.requestId, target: this.id }),
      };
    }
  }

  onChange(): () => void {
    return () => undefined;
  }

  status(): TargetStatus {
    return { state: 'ready' };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

type Act = (at: At) => Promise<Record<string, unknown>>;

const submit =
  (action: JobAction): Act =>
  (at) =>
    submitted(at, action);

const decision =
  (verb: 'approve' | 'reject'): Act =>
  async ({ plane, args, context }) => {
    const { comment } = readVerbBody(args, ['requestId', ...DECISION_MEMBERS]);
    return jobView(await plane[verb](idIn(args), comment, context));
  };

const change =
  (verb: 'cancel' | 'retry' | 'rollback'): Act =>
  async (at) => {
    readVerbBody(at.args, ['requestId']);
    return waited(at, await at.plane[verb](idIn(at.args), at.context));
  };

const ACTS: ReadonlyMap<string, Act> = new Map<string, Act>([
  ['provision', submit('provision')],
  ['plan', submit('plan')],
  ['update', submit('update')],
  ['destroy', submit('destroy')],
  ['status', statusOf],
  ['jobs', jobs],
  ['cancel', change('cancel')],
  ['retry', change('retry')],
  ['rollback', change('rollback')],
  ['approve', decision('approve')],
  ['reject', decision('reject')],
  ['resources', resources],
  ['catalog', catalogue],
]);

async function submitted(at: At, action: JobAction): Promise<Record<string, unknown>> {
  const { plane, args, call, context } = at;
  refuseProblems(saidAlready(args));
  const body = { ...args, tenant: context.tenant, action };
  const { job } = await plane.submit({ body, action, idempotencyKey: call.idempotencyKey }, context);
  return waited(at, job);
}

/** Nobody is to think that a job is another tenant's, or does something else than the tool's name says. */
function saidAlready(args: Args): readonly RequestProblem[] {
  const said = { tenant: 'the tenant is that of the token', action: 'the name of the tool says what is done' };
  return Object.entries(said)
    .filter(([name]) => Object.hasOwn(args, name))
    .map(([name, why]) => ({ pointer: `/${name}`, message: `is no argument here: ${why}` }));
}

/** What became of the job in the time that a call may take; the caller hears of each step meanwhile. */
async function waited({ plane, exchange, context }: At, job: Job): Promise<Record<string, unknown>> {
  if (isEnded(job.status) || job.status === 'awaiting_approval') return jobView(job);
  const stop = exchange.wantsProgress
    ? plane.watch(job.requestId, context.tenant, progressOf(exchange, job))
    : undefined;
  try {
    return jobView(await plane.wait(job.requestId, WAIT_MS, context));
  } finally {
    stop?.();
  }
}

/** Accepted, planned, queued and running before its steps, and its end after them. */
const EVENTS_AROUND_STEPS = 6;

/** Ids of events grow, as progress must. How many there will be is known but for retries and an undo. */
function progressOf(exchange: Exchange, job: Job): (event: JobEvent) => void {
  const expected = EVENTS_AROUND_STEPS + 2 * job.plan.steps.length;
  return ({ id, type, data }) => {
    if (type === 'job-ended') return;
    const progress = { progress: id, total: Math.max(id, expected), message: wordsOf(type, data) };
    exchange.notify('notifications/progress', JSON.stringify(progress));
  };
}

function wordsOf(type: JobEvent['type'], data: JobEvent['data']): string {
  const { step, status, outcome } = data as {
    readonly step?: string;
    readonly status?: string;
    readonly outcome?: string;
  };
  if (type === 'job-status-changed') return `The job is ${status ?? ''}.`;
  return type === 'step-started' ? `Step ${step ?? ''} has begun.` : `Step ${step ?? ''}: ${outcome ?? ''}.`;
}

async function jobs({ plane, args, context }: At): Promise<Record<string, unknown>> {
  onlyOf(args, ['env', 'status', 'error', ...PAGING]);
  const status = statusIn(args);
  const wanted = { env: textAt(args, 'env'), status, error: textAt(args, 'error') };
  const { items, next } = await plane.list({ ...wanted, ...pageOf(args) }, context);
  return { jobs: items.map(jobView), next };
}

async function statusOf({ plane, args, context }: At): Promise<Record<string, unknown>> {
  const id = idIn(args);
  onlyOf(args, ['requestId']);
  return detailsView(await plane.status(id, context));
}

function statusIn(args: Args): JobStatus | undefined {
  const text = textAt(args, 'status');
  const status = JOB_STATUSES.find((each) => each === text);
  if (text === undefined || status !== undefined) return status;
  throw new PlatformError('INVALID_ARGUMENTS', `"status" must be one of ${JOB_STATUSES.join(', ')}.`);
}

async function resources({ plane, args, context }: At): Promise<Record<string, unknown>> {
  onlyOf(args, ['env', 'cloud', 'service', ...PAGING]);
  const wanted = { env: textAt(args, 'env'), cloud: textAt(args, 'cloud'), service: textAt(args, 'service') };
  const { items, next } = await plane.resources({ ...wanted, ...pageOf(args) }, context);
  return { resources: items, next };
}

/** The schemas of all services would fill a model's context; it gets them of the one that it names. */
async function catalogue({ plane, args, context }: At): Promise<Record<string, unknown>> {
  onlyOf(args, ['cloud', 'service']);
  const [cloud, service] = [textAt(args, 'cloud'), textAt(args, 'service')];
  const all = await plane.catalogue(context);
  const found = all.filter(
    (each) => (cloud === undefined || each.cloud === cloud) && (service === undefined || each.service === service),
  );
  if (service !== undefined && found.length === 0) throw noService(service, cloud, all);
  if (service !== undefined) return { services: found };
  return {
    services: found.map(({ cloud: of, service: name, title, actions, label }) => ({
      cloud: of,
      service: name,
      title,
      actions,
      label,
    })),
  };
}

function noService(service: string, cloud: string | undefined, all: readonly CatalogEntry[]): PlatformError {
  const names = all.filter((each) => cloud === undefined || each.cloud === cloud).map((each) => each.service);
  const near = nearestOf(service, names);
  const hint = near === undefined ? ` There are ${names.join(', ')}.` : ` Did you mean "${near}"?`;
  const of = cloud === undefined ? '' : ` of ${cloud.slice(0, 40)}`;
  return new PlatformError('RESOURCE_NOT_FOUND', `There is no service "${service.slice(0, 100)}"${of}.${hint}`);
}

function detailsView({ job, steps, webhook }: JobDetails): Record<string, unknown> {
  return { ...jobView(job), steps, ...(webhook === undefined ? {} : { webhook }) };
}

/** A model that is told of every problem can mend them in one go. */
function wordsOfError({ message, details }: PlatformError): string {
  const problems = details['problems'];
  if (!Array.isArray(problems) || problems.length < 2) return message;
  const lines = (problems as readonly RequestProblem[]).map(({ pointer, message: what }) => `${pointer} ${what}`);
  return `${message}\n${lines.join('\n')}`;
}

function idIn(args: Args): string {
  const id = args['requestId'];
  if (typeof id === 'string' && id !== '') return id;
  throw new PlatformError('INVALID_ARGUMENTS', '"requestId" is required: the job, as the call that made it said.');
}

/** A filter that is not known would give more than was asked for. @throws PlatformError `INVALID_ARGUMENTS`. */
function onlyOf(args: Args, names: readonly string[]): void {
  const unknown = Object.keys(args).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const near = nearestOf(unknown, names);
  const hint = near === undefined ? ` There are ${names.join(', ')}.` : ` Did you mean "${near}"?`;
  throw new PlatformError('INVALID_ARGUMENTS', `"${unknown.slice(0, 100)}" is no argument here.${hint}`);
}

function textAt(args: Args, name: string): string | undefined {
  const value = args[name];
  if (typeof value === 'string' || value === undefined) return value === '' ? undefined : value;
  throw new PlatformError('INVALID_ARGUMENTS', `"${name}" must be a text.`);
}

const PAGING = ['limit', 'cursor'];

function pageOf(args: Args): { readonly limit: number | undefined; readonly cursor: string | undefined } {
  const { limit } = args;
  const isCount = typeof limit === 'number' && Number.isInteger(limit) && limit >= 1 && limit <= 500;
  if (limit !== undefined && !isCount)
    throw new PlatformError('INVALID_ARGUMENTS', '"limit" must be a whole number from 1 to 500.');
  return { limit: isCount ? limit : undefined, cursor: textAt(args, 'cursor') };
}
