/** `jobs`: what was asked for, what became of it, and what is decided about it. */

import type { CliContext, CliEvent, Handler, Invocation } from '../command.ts';
import { result } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { connectToInstance } from '../instance.ts';
import type { Style } from '../style.ts';
import { oneLine, plural, table } from '../style.ts';
import { followJob, jobOf, jobResult, jobText, lastEventOf, type JobView } from './job-progress.ts';
import { isFiltered, moreText, queryOf } from './query.ts';

export async function* jobsLs(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const { value } = await client.rest(
    'GET',
    `/v2/status?${queryOf(invocation, ['env', 'status', 'error', 'limit', 'cursor'])}`,
  );
  const { jobs } = value as { jobs: readonly JobView[] };
  const isNone = jobs.length === 0 && isFiltered(invocation, ['env', 'status', 'error', 'cursor']);
  yield result(value, (style) => (isNone ? 'No jobs like that.' : jobsText(jobs, style)) + moreText(value));
  return undefined;
}

function jobsText(jobs: readonly JobView[], style: Style): string {
  if (jobs.length === 0) return 'No jobs. Make something with  zeroplane provision';
  const rows = jobs.map(({ requestId, status, action, resourceId, env, createdAt, error, reason }) => [
    { text: requestId, paint: style.bold },
    status,
    action,
    oneLine(resourceId, 80),
    env,
    createdAt,
    oneLine(error?.code ?? reason ?? '', 60),
  ]);
  return `${table(rows, '')}\n${style.dim(plural(jobs.length, 'job'))}`;
}

export async function* jobsShow(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, undefined> {
  const client = await connectToInstance(invocation, context);
  const job = await jobOf(client, invocation.word);
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
  return yield* followJob({ client, requestId: invocation.word }, invocation);
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
    // Of what happened in the rounds before nobody wants to hear again.
    const after = ['retry', 'rollback'].includes(verb) ? await lastEventOf(client, invocation.word) : 0;
    const path = `/v2/jobs/${encodeURIComponent(invocation.word)}/${verb}`;
    const { value } = await client.rest('POST', path, comment === undefined ? undefined : { comment });
    const job = value as JobView;
    const goesOn = ['queued', 'running', 'compensating'].includes(job.status);
    if (!goesOn || invocation.isSet('detach')) {
      yield* jobResult(job);
      return EXIT.ok;
    }
    return yield* followJob({ client, requestId: job.requestId, after }, invocation);
  };
}
