/** The tools of the target `cloud`: what each is called, takes and answers. Plain data; nothing of a cloud is loaded. */

import type { Definition } from '../core/target.ts';
import { JOB_STATUSES, type JobAction } from './job.ts';
import { MAX_COMMENT } from './verb-body.ts';
import { requestBodySchema, type Schema } from './request-schema.ts';

interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Schema;
  readonly output: Schema;
  readonly hints: { readonly isReadOnly?: boolean; readonly isDestructive?: boolean; readonly isIdempotent?: boolean };
}

const REQUEST_ID = {
  type: 'object',
  properties: { requestId: { type: 'string', description: 'The job, as the call that made it said.' } },
  required: ['requestId'],
  additionalProperties: false,
} as const;

const DECISION = {
  ...REQUEST_ID,
  properties: { ...REQUEST_ID.properties, comment: { type: 'string', maxLength: MAX_COMMENT, description: 'Why.' } },
} as const;

const PAGE = {
  limit: { type: 'integer', minimum: 1, maximum: 500, description: 'At most this many.' },
  cursor: { type: 'string', description: '`next` of the page before.' },
} as const;

const ENV = { type: 'string', description: 'Of one environment alone.' } as const;

const JOB = {
  type: 'object',
  properties: {
    requestId: { type: 'string' },
    status: { type: 'string' },
    action: { type: 'string' },
    resourceId: { type: 'string' },
    result: { type: 'object' },
    error: { type: 'object' },
  },
  required: ['requestId', 'status'],
} as const;

/** The body of `POST /v1/provision` without what the tool or the caller says already. */
function requestSchema(): Schema {
  const { properties, required, ...rest } = requestBodySchema();
  const { action: _action, tenant: _tenant, ...own } = properties;
  return { ...rest, properties: own, required: required.filter((name) => name !== 'action' && name !== 'tenant') };
}

const REQUEST = requestSchema();

const submits = (name: JobAction, title: string, description: string, hints: Tool['hints']): Tool => ({
  name,
  title,
  description: `${description} Services and their parameters: catalog. Waits up to 20 s, then returns the job's requestId; ask status for the rest.`,
  input: REQUEST,
  output: JOB,
  hints,
});

/** About one job. */
const ofJob = (tool: Omit<Tool, 'output' | 'input'> & { readonly input?: Schema }): Tool => ({
  input: REQUEST_ID,
  ...tool,
  output: JOB,
});

const TOOLS: readonly Tool[] = [
  submits(
    'provision',
    'Provision a cloud resource',
    'Makes a resource of a cloud as a durable job that undoes itself when it fails.',
    {
      isIdempotent: true,
    },
  ),
  submits('plan', 'Plan a provision', 'Says what a provision would do and cost, and changes nothing.', {
    isReadOnly: true,
  }),
  submits('update', 'Update a cloud resource', 'Makes a resource agree with other parameters.', {
    isDestructive: true,
    isIdempotent: true,
  }),
  submits(
    'destroy',
    'Destroy a cloud resource',
    'Removes a resource, named by id or by its parameters, and checks that it is gone.',
    {
      isDestructive: true,
      isIdempotent: true,
    },
  ),
  ofJob({
    name: 'status',
    title: 'Status of a job',
    description: 'State, steps, result and error of a job.',
    hints: { isReadOnly: true },
  }),
  {
    name: 'jobs',
    title: 'List jobs',
    description: 'Jobs of the tenant, newest first.',
    input: {
      type: 'object',
      properties: {
        env: ENV,
        status: { type: 'string', enum: JOB_STATUSES, description: 'In one state alone.' },
        error: { type: 'string', description: 'With an error of this code alone.' },
        ...PAGE,
      },
      additionalProperties: false,
    },
    output: {
      type: 'object',
      properties: { jobs: { type: 'array', items: JOB }, next: { type: ['string', 'null'] } },
      required: ['jobs'],
    },
    hints: { isReadOnly: true },
  },
  ofJob({
    name: 'cancel',
    title: 'Cancel a job',
    description: 'Ends a job that waits; undoes what a running one has made.',
    hints: { isDestructive: true, isIdempotent: true },
  }),
  ofJob({
    name: 'approve',
    title: 'Approve a job',
    description: 'Lets a job run that waits for approval.',
    hints: {},
    input: DECISION,
  }),
  ofJob({
    name: 'reject',
    title: 'Reject a job',
    description: 'Ends a job that waits for approval.',
    hints: { isDestructive: true },
    input: DECISION,
  }),
  ofJob({
    name: 'retry',
    title: 'Retry a job',
    description: 'Continues a failed job forward, or a failed undo.',
    hints: {},
  }),
  ofJob({
    name: 'rollback',
    title: 'Roll a job back',
    description: 'Removes what a job that succeeded has made.',
    hints: { isDestructive: true },
  }),
  {
    name: 'resources',
    title: 'List resources',
    description: 'Resources of the tenant with outputs, owners and tags.',
    input: {
      type: 'object',
      properties: {
        env: ENV,
        cloud: { type: 'string', description: 'Of one cloud alone.' },
        service: { type: 'string', description: 'Of one service alone.' },
        ...PAGE,
      },
      additionalProperties: false,
    },
    output: {
      type: 'object',
      properties: { resources: { type: 'array', items: { type: 'object' } }, next: { type: ['string', 'null'] } },
      required: ['resources'],
    },
    hints: { isReadOnly: true },
  },
  {
    name: 'catalog',
    title: 'List services',
    description:
      'Services that can be provisioned. Name cloud and service to get the JSON Schema of the parameters and the regions.',
    input: {
      type: 'object',
      properties: {
        cloud: { type: 'string', description: 'Of one cloud alone.' },
        service: { type: 'string', description: 'One service alone.' },
      },
      additionalProperties: false,
    },
    output: {
      type: 'object',
      properties: { services: { type: 'array', items: { type: 'object' } } },
      required: ['services'],
    },
    hints: { isReadOnly: true },
  },
];

function definitionOf({ name, title, description, input, output, hints }: Tool): Definition {
  const { isReadOnly = false, isDestructive = false, isIdempotent = isReadOnly } = hints;
  const value = {
    name,
    title,
    description,
    inputSchema: input,
    outputSchema: output,
    annotations: {
      title,
      readOnlyHint: isReadOnly,
      destructiveHint: isDestructive,
      idempotentHint: isIdempotent,
      openWorldHint: true,
    },
  };
  return { kind: 'tool', key: name, text: JSON.stringify(value), value };
}

export const CLOUD_TOOLS: readonly Definition[] = TOOLS.map(definitionOf);
