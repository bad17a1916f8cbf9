/** Workflows and their executions over HTTP, in Step Functions' verbs. Every route asks the policy. */

import { authorOf } from '../../audit/audit-trail.ts';
import type { RequestContext } from '../../core/context.ts';
import { PlatformError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { Reply } from '../../gateway/reply.ts';
import { scopeOf, type Action, type Policy } from '../../policy/decide.ts';
import type {
  ExecutionDescription,
  ExecutionStatus,
  ExecutionSummary,
  HistoryEvent,
  TaskFailure,
  WorkflowEngine,
  WorkflowInfo,
} from '../../workflows/engine/workflow-engine.ts';
import { numberIn, reply, textIn, type Asked, type JsonRoute } from './json-route.ts';

export interface WorkflowRoutesParts {
  readonly engine: WorkflowEngine;
  readonly policy: Policy;
}

const STATUSES: readonly ExecutionStatus[] = ['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED'];

export function workflowRoutes(parts: WorkflowRoutesParts): readonly JsonRoute[] {
  const { engine } = parts;
  const allow: Allow = (action, id, { context }) => mustAllow(parts.policy, { action, id }, context);
  return [
    {
      method: 'GET',
      pattern: /^\/v1\/workflows$/,
      handle: async (asked) => {
        await allow('workflow:read', '*', asked);
        const found = await engine.workflows(asked.context.tenant);
        return reply(200, { workflows: found.map(workflowView) });
      },
    },
    { method: 'POST', pattern: /^\/v1\/workflows$/, handle: (asked) => registered(parts, asked) },
    {
      method: 'GET',
      pattern: /^\/v1\/workflows\/executions$/,
      handle: async (asked) => {
        await allow('workflow:read', '*', asked);
        return listed(engine, asked);
      },
    },
    ...executionRoutes(engine, allow),
    {
      method: 'POST',
      pattern: /^\/v1\/workflows\/tasks\/(success|failure|heartbeat)$/,
      handle: async (asked) => {
        await allow('workflow:manage', 'task', asked);
        return told(engine, asked);
      },
    },
    {
      method: 'GET',
      pattern: /^\/v1\/workflows\/([^/]+)$/,
      handle: async (asked) => {
        const [name = ''] = asked.parts;
        await allow('workflow:read', name, asked);
        const found = await engine.workflow(asked.context.tenant, name, numberIn(asked.query, 'version'));
        return reply(200, { ...workflowView(found), definition: found.definition });
      },
    },
    {
      method: 'POST',
      pattern: /^\/v1\/workflows\/([^/]+)\/executions$/,
      handle: async (asked) => {
        await allow('workflow:start', asked.parts[0] ?? '', asked);
        return started(engine, asked);
      },
    },
  ];
}

type Act = (id: string, asked: Asked) => Promise<Reply>;
type Allow = (action: Action, id: string, asked: Asked) => Promise<void>;

/** What is about one execution. */
function executionRoutes(engine: WorkflowEngine, allow: Allow): readonly JsonRoute[] {
  const about = (method: 'GET' | 'POST', tail: string, action: Action, act: Act): JsonRoute => ({
    method,
    pattern: new RegExp(`^/v1/workflows/executions/([^/]+)${tail}$`),
    handle: async (asked) => {
      const [id = ''] = asked.parts;
      await allow(action, id, asked);
      return act(id, asked);
    },
  });
  return [
    about('GET', '', 'workflow:read', async (id, { context }) =>
      reply(200, executionView(await engine.describe(context.tenant, id))),
    ),
    about('GET', '/history', 'workflow:read', (id, asked) => history(engine, id, asked)),
    about('POST', '/stop', 'workflow:manage', async (id, asked) =>
      reply(200, executionView(await stopped(engine, id, asked))),
    ),
    about('POST', '/redrive', 'workflow:manage', async (id, { context }) =>
      reply(202, executionView(await engine.redrive(context.tenant, id, authorOf(context)))),
    ),
  ];
}

async function registered({ engine, policy }: WorkflowRoutesParts, asked: Asked): Promise<Reply> {
  const body = await objectIn(asked);
  const { name, definition, version, description } = body;
  if (typeof name !== 'string' || definition === undefined)
    throw invalid('A workflow needs a name and a definition in the Amazon States Language.');
  await mustAllow(policy, { action: 'workflow:write', id: name }, asked.context);
  const machine = {
    name,
    kind: 'asl',
    definition: definition as JsonValue,
    ...(version === undefined ? {} : { version: wholeNumber(version, 'version') }),
    ...(typeof description === 'string' ? { description } : {}),
  };
  const info = await engine.register(asked.context.tenant, machine, authorOf(asked.context));
  return reply(201, workflowView(info), { location: `/v1/workflows/${encodeURIComponent(info.name)}` });
}

async function started(engine: WorkflowEngine, asked: Asked): Promise<Reply> {
  const [workflow = ''] = asked.parts;
  const { name, input, version, timeoutSeconds } = await objectIn(asked);
  const { traceparent } = asked.context.trace;
  const execution = await engine.start(asked.context.principal, {
    workflow,
    ...(typeof name === 'string' ? { name } : {}),
    ...(input === undefined ? {} : { input: input as JsonValue }),
    ...(version === undefined ? {} : { version: wholeNumber(version, 'version') }),
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds: wholeNumber(timeoutSeconds, 'timeoutSeconds') }),
    ...(traceparent === undefined ? {} : { traceparent }),
  });
  const location = `/v1/workflows/executions/${encodeURIComponent(execution.id)}`;
  return reply(202, executionView(execution), { location });
}

async function stopped(engine: WorkflowEngine, id: string, asked: Asked): Promise<ExecutionDescription> {
  return engine.stop(asked.context.tenant, id, await failureOf(asked), authorOf(asked.context));
}

async function listed(engine: WorkflowEngine, { query, context }: Asked): Promise<Reply> {
  const status = textIn(query, 'status');
  if (status !== undefined && !STATUSES.some((each) => each === status))
    throw invalid(`The query member "status" must be one of ${STATUSES.join(', ')}.`);
  const [workflow, cursor, limit] = [textIn(query, 'workflow'), textIn(query, 'cursor'), numberIn(query, 'limit')];
  const page = await engine.list(context.tenant, {
    ...(workflow === undefined ? {} : { workflow }),
    ...(status === undefined ? {} : { status: status as ExecutionStatus }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(limit === undefined ? {} : { limit }),
  });
  return reply(200, { executions: page.items.map(summaryView), next: page.cursor ?? null });
}

async function history(engine: WorkflowEngine, id: string, { query, context }: Asked): Promise<Reply> {
  const [cursor, limit, after] = [textIn(query, 'cursor'), numberIn(query, 'limit'), numberIn(query, 'after')];
  const page = await engine.history(context.tenant, id, {
    reverse: textIn(query, 'reverse') === 'true',
    ...(after === undefined ? {} : { after }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(limit === undefined ? {} : { limit }),
  });
  return reply(200, { events: page.items.map(eventView), next: page.cursor ?? null });
}

async function told(engine: WorkflowEngine, asked: Asked): Promise<Reply> {
  const { tenant } = asked.context;
  const by = authorOf(asked.context);
  const body = await objectIn(asked);
  const { taskToken: token } = body;
  if (typeof token !== 'string') throw invalid('taskToken is required: the one that the task was given.');
  const [verb] = asked.parts;
  if (verb === 'success') await engine.sendTaskSuccess(tenant, token, (body['output'] ?? null) as JsonValue, by);
  else if (verb === 'failure') await engine.sendTaskFailure(tenant, token, failureIn(body), by);
  else await engine.sendTaskHeartbeat(tenant, token);
  return reply(200, {});
}

async function failureOf(asked: Asked): Promise<TaskFailure> {
  return asked.header('content-type') === undefined ? {} : failureIn(await objectIn(asked));
}

function failureIn({ error, cause }: Readonly<Record<string, unknown>>): TaskFailure {
  return {
    ...(typeof error === 'string' ? { error } : {}),
    ...(typeof cause === 'string' ? { cause } : {}),
  };
}

async function objectIn(asked: Asked): Promise<Readonly<Record<string, unknown>>> {
  const body = await asked.body();
  if (isObject(body)) return body;
  throw invalid('The body must be a JSON object.');
}

function wholeNumber(value: unknown, name: string): number {
  if (Number.isInteger(value) && (value as number) > 0) return value as number;
  throw invalid(`"${name}" must be a whole number from 1.`);
}

const invalid = (message: string): PlatformError => new PlatformError('INVALID_ARGUMENTS', message);
const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString());

function workflowView({ name, version, kind, owner, hash, createdAtMs, description }: WorkflowInfo): object {
  return { name, version, kind, builtIn: owner === '*', hash, createdAt: iso(createdAtMs), description };
}

function summaryView({ id, name, workflow, version, status, startedAtMs, stoppedAtMs }: ExecutionSummary): object {
  return { id, name, workflow, version, status, startedAt: iso(startedAtMs), stoppedAt: iso(stoppedAtMs) };
}

function executionView(execution: ExecutionDescription): object {
  const { startedBy, input, output, error, cause, redriveCount, deadlineAtMs } = execution;
  const deadlineAt = iso(deadlineAtMs);
  return { ...summaryView(execution), startedBy, input, output, error, cause, redriveCount, deadlineAt };
}

/** As `GetExecutionHistory` gives it. */
function eventView({ id, previousEventId, type, timestampMs, member, details }: HistoryEvent): object {
  const named = member === undefined ? {} : { [member]: details };
  return { id, previousEventId, type, timestamp: iso(timestampMs), ...named };
}

/** @throws PlatformError `INSUFFICIENT_SCOPE`, `NOT_FOUND` for what the caller may not know of, `FORBIDDEN`. */
export async function mustAllow(
  policy: Policy,
  { action, id, type = 'workflow' }: { readonly action: Action; readonly id: string; readonly type?: string },
  { principal, tenant, requestId }: RequestContext,
): Promise<void> {
  const resource = { type, id, tenant };
  const decision = await policy.decide({ principal, action, resource, context: { requestId } });
  if (decision.allowed) return;
  if (decision.rule === 'scope') {
    const scope = scopeOf(action);
    throw new PlatformError('INSUFFICIENT_SCOPE', `This needs the scope ${scope}. Ask for a token that has it.`, {
      scope,
    });
  }
  if (!decision.visible) throw new PlatformError('NOT_FOUND', `There is no ${type} of that name.`);
  throw new PlatformError(
    'FORBIDDEN',
    `You may not do this (${action}): ${decision.reason ?? 'the policy refused it'}.`,
    {
      action,
    },
  );
}
