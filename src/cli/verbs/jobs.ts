/** `jobs`, `resources`, `catalog` and `audit`: what the control plane has, and what is decided about it. */

import { PlatformError } from '../../core/errors.ts';
import type { CliContext, CliEvent, Handler, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { connectToInstance } from '../instance.ts';
import type { Style } from '../style.ts';
import { oneLine, plural, table } from '../style.ts';
import { followJob, jobResult, jobText, type JobView } from './job-progress.ts';

export async function* jobsLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', `/v2/status?${queryOf(invocation, ['env', 'status', 'limit', 'cursor'])}`);
  const { jobs } = value as { jobs: readonly JobView[] };
  yield result(value, (style) => jobsText(jobs, style));
  return undefined;
}

function jobsText(jobs: readonly JobView[], style: Style): string {
  if (jobs.length === 0) return 'No jobs. Make something with  zeroplane provision';
  const rows = jobs.map(({ requestId, status, action, resourceId, env, createdAt }) => [
    { text: requestId, paint: style.bold },
    status,
    action,
    oneLine(resourceId, 80),
    env,
    createdAt,
  ]);
  return `${table(rows, '')}\n${style.dim(plural(jobs.length, 'job'))}`;
}

export async function* jobsShow(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', `/v2/status/${encodeURIComponent(invocation.word)}`);
  const job = value as JobView;
  yield result(job, (style) => {
    const rows = (job.steps ?? []).map(({ step, status, attempts, resourceId }) => [
      step,
      status,
      attempts > 1 ? plural(attempts, 'attempt') : '',
      oneLine(resourceId, 80),
    ]);
    return rows.length === 0 ? jobText(job, style) : `${jobText(job, style)}\n${table(rows, '  ')}`;
  });
  return undefined;
}

export async function* jobsWatch(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, number> {
  const client = await connectToInstance(invocation, context);
  return yield* followJob(client, invocation.word, invocation);
}

export const jobsCancel = decision('cancel');
export const jobsRetry = decision('retry');
export const jobsRollback = decision('rollback');
export const jobsApprove = decision('approve');
export const jobsReject = decision('reject');

/** Decides, and follows what comes of it where something does. */
function decision(verb: string): Handler {
  return async function* decide(invocation, context): AsyncGenerator<CliEvent, number> {
    const client = await connectToInstance(invocation, context);
    const comment = invocation.text('comment');
    const path = `/v2/jobs/${encodeURIComponent(invocation.word)}/${verb}`;
    const { value } = await client.rest('POST', path, comment === undefined ? undefined : { comment });
    const job = value as JobView;
    const goesOn = ['queued', 'running', 'compensating'].includes(job.status);
    if (!goesOn || invocation.isSet('detach')) {
      yield* jobResult(job);
      return EXIT.ok;
    }
    return yield* followJob(client, job.requestId, invocation);
  };
}

interface ResourceRow {
  readonly id: string;
  readonly status: string;
  readonly env: string;
  readonly owner: string;
  readonly expiresAt?: string;
  readonly isAdopted: boolean;
}

export async function* resourcesLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const query = queryOf(invocation, ['env', 'cloud', 'service', 'limit', 'cursor']);
  const { value } = await client.rest('GET', `/v2/resources?${query}`);
  const { resources } = value as { resources: readonly ResourceRow[] };
  yield result(value, (style) => resourcesText(resources, style));
  return undefined;
}

function resourcesText(resources: readonly ResourceRow[], style: Style): string {
  if (resources.length === 0) return 'No resources. Make one with  zeroplane provision';
  const rows = resources.map(({ id, status, env, owner, expiresAt, isAdopted }) => [
    { text: oneLine(id, 120), paint: style.bold },
    isAdopted ? `${status}, adopted` : status,
    env,
    owner,
    expiresAt === undefined ? '' : `until ${expiresAt}`,
  ]);
  return `${table(rows, '')}\n${style.dim(plural(resources.length, 'resource'))}`;
}

interface ServiceRow {
  readonly cloud: string;
  readonly service: string;
  readonly title: string;
  readonly label: string;
}

export async function* catalogLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', '/v1/catalog');
  const { services } = value as { services: readonly ServiceRow[] };
  yield result(value, (style) =>
    table(
      services.map(({ cloud, service, title, label }) => [
        { text: cloud, paint: style.bold },
        { text: service, paint: style.bold },
        `[${label}]`,
        oneLine(title, 100),
      ]),
      '',
    ),
  );
  return undefined;
}

interface AuditRow {
  readonly at: string;
  readonly sequence: number;
  readonly entry: {
    readonly action: string;
    readonly principal: string;
    readonly resource: { readonly type: string; readonly id: string };
  };
}

export async function* auditLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', `/v1/audit?${queryOf(invocation, ['limit', 'cursor'])}`);
  const { records } = value as { records: readonly AuditRow[] };
  yield result(value, (style) =>
    records.length === 0
      ? 'Nothing has been recorded yet.'
      : table(
          records.map(({ at: when, entry: { action, principal, resource } }) => [
            when,
            { text: action, paint: style.bold },
            oneLine(`${resource.type} ${resource.id}`, 100),
            oneLine(principal, 60),
          ]),
          '',
        ),
  );
  return undefined;
}

interface Verdict {
  readonly isIntact: boolean;
  readonly chains: number;
  readonly records: number;
  readonly until?: string;
  readonly problems: readonly { readonly chain: string; readonly sequence: number; readonly message: string }[];
}

/** Ends with 1 when the trail was touched. */
export async function* auditVerify(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, number> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest('GET', '/v1/audit/verify');
  const verdict = value as Verdict;
  yield result(verdict, (style) => verdictText(verdict, style));
  return verdict.isIntact ? EXIT.ok : EXIT.failed;
}

function verdictText({ isIntact, chains, records, until, problems }: Verdict, style: Style): string {
  const size = `${plural(records, 'record')} in ${plural(chains, 'chain')}`;
  if (isIntact) return `${style.good('intact')} ${size}${until === undefined ? '' : `, until ${until}`}`;
  const lines = problems.map(({ chain, sequence, message }) => `  ${chain} record ${sequence}  ${message}`);
  return [`${style.bad('touched')} ${size}`, ...lines].join('\n');
}

function queryOf(invocation: Invocation, names: readonly string[]): string {
  const query = new URLSearchParams();
  for (const name of names) {
    const value = invocation.text(name);
    if (value !== undefined) query.set(name, value);
  }
  const limit = query.get('limit');
  if (limit !== null && !/^[1-9]\d{0,2}$/.test(limit))
    throw new PlatformError('USAGE', '--limit takes a whole number from 1 to 500.');
  return query.toString();
}
