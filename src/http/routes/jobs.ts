/** Jobs over HTTP: asking for one, looking at it, deciding on it, following it. */

import { PlatformError } from '../../core/errors.ts';
import type { RequestContext } from '../../core/context.ts';
import type { Clock } from '../../core/ports.ts';
import type { Reply } from '../../gateway/reply.ts';
import type { ControlPlane, JobDetails } from '../../provisioning/control-plane.ts';
import { isEnded, JOB_STATUSES, jobView, type Job, type JobAction } from '../../provisioning/job.ts';
import { DECISION_MEMBERS, readVerbBody } from '../../provisioning/verb-body.ts';
import { JobStreams } from './job-events.ts';
import { limitIn, oneOf, onlyIn, reply, textIn, type Asked, type JsonRoute } from './json-route.ts';

const MAX_WAIT_SECONDS = 25;

export function jobRoutes(plane: ControlPlane, clock: Clock): readonly JsonRoute[] {
  const streams = new JobStreams(plane, clock);
  const verb = (name: string, act: (requestId: string, asked: Asked) => Promise<Job>): JsonRoute => ({
    method: 'POST',
    pattern: new RegExp(`^/v2/jobs/([^/]+)/${name}$`),
    handle: async (asked) => reply(202, jobView(await act(asked.parts[0] ?? '', asked))),
  });
  const change = (name: 'cancel' | 'retry' | 'rollback'): JsonRoute =>
    verb(name, async (id, asked) => {
      readVerbBody(await asked.optionalBody(), []);
      return plane[name](id, asked.context);
    });
  const decision = (name: 'approve' | 'reject'): JsonRoute =>
    verb(name, async (id, asked) => {
      const { comment } = readVerbBody(await asked.optionalBody(), DECISION_MEMBERS);
      return plane[name](id, comment, asked.context);
    });
  return [
    { method: 'POST', pattern: /^(?:\/v1)?\/provision$/, handle: (asked) => submitted(plane, asked) },
    { method: 'POST', pattern: /^\/terminate$/, handle: (asked) => submitted(plane, asked, 'destroy') },
    { method: 'GET', pattern: /^\/v2\/status$/, handle: (asked) => listed(plane, asked) },
    {
      method: 'GET',
      pattern: /^\/v2\/status\/([^/]+)$/,
      handle: async ({ parts, context }) => reply(200, detailsView(await plane.status(parts[0] ?? '', context))),
    },
    change('cancel'),
    change('retry'),
    change('rollback'),
    decision('approve'),
    decision('reject'),
    { method: 'GET', pattern: /^\/v2\/jobs\/([^/]+)\/events$/, handle: (asked) => streams.follow(asked) },
  ];
}

function detailsView({ job, steps, webhook }: JobDetails): Record<string, unknown> {
  return { ...jobView(job), steps, ...(webhook === undefined ? {} : { webhook }) };
}

/** 202 at once, or 200 when the caller would wait and the job ended in time. */
async function submitted(plane: ControlPlane, asked: Asked, action?: JobAction): Promise<Reply> {
  const { context } = asked;
  const idempotencyKey = asked.header('idempotency-key');
  const { job } = await plane.submit({ body: await asked.body(), idempotencyKey, action }, context);
  const waitSeconds = waitOf(asked.header('prefer'));
  const location = `/v2/status/${job.requestId}`;
  if (waitSeconds === undefined) return reply(202, jobView(job), { location });
  asked.request.onDisconnect(() => context.abort(new Error('the client closed the connection')));
  const now = await plane.wait(job.requestId, waitSeconds * 1_000, context);
  const headers = { location, 'preference-applied': `wait=${waitSeconds}` };
  return reply(isEnded(now.status) ? 200 : 202, jobView(now), headers);
}

/** `Prefer: wait=N`, RFC 7240; more than 25 s is 25 s, and what is not understood is no wish. */
function waitOf(prefer: string | undefined): number | undefined {
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?/i.exec(prefer ?? '')?.[1];
  return seconds === undefined ? undefined : Math.min(MAX_WAIT_SECONDS, Number(seconds));
}

async function listed(plane: ControlPlane, { query, context }: Asked): Promise<Reply> {
  onlyIn(query, ['tenant', 'env', 'status', 'error', 'limit', 'cursor']);
  checkTenant(query, context);
  const status = oneOf(query, 'status', JOB_STATUSES);
  const wanted = { env: textIn(query, 'env'), status, error: textIn(query, 'error') };
  const page = { limit: limitIn(query), cursor: textIn(query, 'cursor') };
  const { items, next } = await plane.list({ ...wanted, ...page }, context);
  return reply(200, { jobs: items.map(jobView), next });
}

/** Naming one's own tenant is allowed, another's is not. @throws PlatformError `FORBIDDEN`. */
export function checkTenant(query: URLSearchParams, { tenant }: RequestContext): void {
  const asked = textIn(query, 'tenant');
  if (asked === undefined || asked === tenant) return;
  throw new PlatformError('FORBIDDEN', `The tenant "${asked.slice(0, 63)}" is not yours, which is "${tenant}".`);
}
