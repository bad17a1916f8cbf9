/** Workflows and executions as the API shows them. */

import type { ExecutionStatus } from '../../workflows/engine/workflow-engine.ts';
import {
  anyObject,
  anything,
  described,
  flag,
  instant,
  listOf,
  oneOf,
  ref,
  shape,
  text,
  wholeNumber,
  type Schema,
} from './json-schema.ts';

const STATUSES = Object.keys({
  RUNNING: true,
  SUCCEEDED: true,
  FAILED: true,
  TIMED_OUT: true,
  ABORTED: true,
} satisfies Record<ExecutionStatus, true>);

export const executionStatus = oneOf(STATUSES);

const summary = {
  id: described(text, '`workflow:name`.'),
  name: text,
  workflow: text,
  version: wholeNumber(1),
  status: executionStatus,
  startedAt: instant,
  'stoppedAt?': instant,
};

const workflow = {
  name: text,
  version: wholeNumber(1),
  kind: described(text, '`asl`, or `code` for those in code.'),
  builtIn: described(flag, 'It ships with the product.'),
  hash: text,
  createdAt: instant,
  'description?': text,
};

const next = described({ type: ['string', 'null'] }, 'Cursor of the next page.');

/** Its details stand under a name of their own, as in `GetExecutionHistory`. */
const historyEvent: Schema = {
  type: 'object',
  properties: { id: wholeNumber(1), previousEventId: wholeNumber(), type: text, timestamp: instant },
  required: ['id', 'previousEventId', 'type', 'timestamp'],
  additionalProperties: anyObject,
};

export const WORKFLOW_SCHEMAS: Readonly<Record<string, Schema>> = {
  Workflow: shape({ ...workflow, 'definition?': described(anything, 'With one workflow alone; absent for code.') }),
  WorkflowList: shape({ workflows: listOf(ref('Workflow')) }),
  WorkflowRegistration: shape({
    name: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,80}$' },
    definition: described(anyObject, 'In the Amazon States Language.'),
    'version?': wholeNumber(1),
    'description?': text,
  }),
  ExecutionSummary: shape(summary),
  ExecutionList: shape({ executions: listOf(ref('ExecutionSummary')), next }),
  Execution: shape({
    ...summary,
    startedBy: text,
    input: anything,
    'output?': anything,
    'error?': text,
    'cause?': text,
    redriveCount: wholeNumber(),
    'deadlineAt?': instant,
  }),
  ExecutionStart: shape({
    'name?': described(text, 'The same name and input are the same execution.'),
    'input?': anything,
    'version?': wholeNumber(1),
    'timeoutSeconds?': wholeNumber(1),
  }),
  HistoryEvent: historyEvent,
  History: shape({ events: listOf(ref('HistoryEvent')), next }),
  Failure: shape({ 'error?': text, 'cause?': text }),
  TaskSuccess: shape({ taskToken: text, 'output?': anything }),
  TaskFailure: shape({ taskToken: text, 'error?': text, 'cause?': text }),
  TaskHeartbeat: shape({ taskToken: text }),
};
