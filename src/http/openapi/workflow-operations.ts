/** Operations on workflows and their executions, in Step Functions' verbs. */

import { described, ref, text, type Schema } from './json-schema.ts';
import type { Answer, Operation, Parameter } from './operation.ts';
import { executionStatus } from './workflow-schemas.ts';

const inQuery = (name: string, description: string, schema: Schema = text): Parameter => ({
  in: 'query',
  name,
  schema,
  description,
});

/** Pages of the engine are larger than those of jobs. */
const PAGE: readonly Parameter[] = [
  inQuery('limit', 'At most this many.', { type: 'integer', minimum: 1, maximum: 1_000, default: 100 }),
  inQuery('cursor', '`next` of the page before.'),
];

const EXECUTION: Answer = { description: 'The execution.', schema: ref('Execution') };
const STARTED: Answer = {
  ...EXECUTION,
  description: 'The execution is on disk; the same name and input give the same one again.',
  headers: { Location: described(text, 'Where the execution is.') },
};

const workflow = (operation: Omit<Operation, 'tag'>): Operation => ({ ...operation, tag: 'workflows' });

const task = (verb: string, body: string, summary: string): Operation =>
  workflow({
    id: `sendTask${verb}`,
    method: 'post',
    path: `/v1/workflows/tasks/${verb.toLowerCase()}`,
    summary,
    body: { schema: ref(body) },
    answers: { '200': { description: 'It was taken.', schema: { type: 'object' } } },
  });

export const WORKFLOW_OPERATIONS: readonly Operation[] = [
  workflow({
    id: 'listWorkflows',
    method: 'get',
    path: '/v1/workflows',
    summary: 'Workflows of the tenant and those that ship with the product, newest version each.',
    answers: { '200': { description: 'All of them.', schema: ref('WorkflowList') } },
  }),
  workflow({
    id: 'registerWorkflow',
    method: 'post',
    path: '/v1/workflows',
    summary: 'Keep a state machine under a name; another definition is another version.',
    body: { schema: ref('WorkflowRegistration') },
    answers: {
      '201': {
        description: 'The workflow.',
        schema: ref('Workflow'),
        headers: { Location: described(text, 'Where the workflow is.') },
      },
    },
  }),
  workflow({
    id: 'getWorkflow',
    method: 'get',
    path: '/v1/workflows/{workflow}',
    summary: 'A workflow with its definition.',
    parameters: [inQuery('version', 'The newest when absent.', { type: 'integer', minimum: 1 })],
    answers: { '200': { description: 'The workflow.', schema: ref('Workflow') } },
  }),
  workflow({
    id: 'startExecution',
    method: 'post',
    path: '/v1/workflows/{workflow}/executions',
    summary: 'Start an execution.',
    body: { schema: ref('ExecutionStart') },
    answers: { '202': STARTED },
  }),
  workflow({
    id: 'listExecutions',
    method: 'get',
    path: '/v1/workflows/executions',
    summary: 'Executions, newest first.',
    parameters: [
      inQuery('workflow', 'Of one workflow alone.'),
      inQuery('status', 'In one state alone.', executionStatus),
      ...PAGE,
    ],
    answers: { '200': { description: 'A page of executions.', schema: ref('ExecutionList') } },
  }),
  workflow({
    id: 'getExecution',
    method: 'get',
    path: '/v1/workflows/executions/{execution}',
    summary: 'An execution.',
    answers: { '200': EXECUTION },
  }),
  workflow({
    id: 'getExecutionHistory',
    method: 'get',
    path: '/v1/workflows/executions/{execution}/history',
    summary: "What happened, in the form of Step Functions' GetExecutionHistory.",
    parameters: [
      inQuery('reverse', '`true`: newest first.', { type: 'boolean' }),
      inQuery('after', 'Only events with greater ids; not with `reverse`.', { type: 'integer', minimum: 0 }),
      ...PAGE,
    ],
    answers: { '200': { description: 'A page of events.', schema: ref('History') } },
  }),
  workflow({
    id: 'stopExecution',
    method: 'post',
    path: '/v1/workflows/executions/{execution}/stop',
    summary: 'End an execution; one that has ended stays as it is.',
    body: { schema: ref('Failure'), isOptional: true },
    answers: { '200': EXECUTION },
  }),
  workflow({
    id: 'redriveExecution',
    method: 'post',
    path: '/v1/workflows/executions/{execution}/redrive',
    summary: 'Continue an execution where it failed.',
    answers: { '202': EXECUTION },
  }),
  task('Success', 'TaskSuccess', 'End a task that waits for its token, with its output.'),
  task('Failure', 'TaskFailure', 'Fail a task that waits for its token.'),
  task('Heartbeat', 'TaskHeartbeat', 'Say that a task is still being worked on.'),
];
