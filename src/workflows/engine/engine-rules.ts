/** What the verbs check and answer, apart from where it is stored. */

import { PlatformError } from '../../core/errors.ts';
import type { Query } from '../../core/ports.ts';
import type { Found } from '../durable/executor.ts';
import type { EventDraft } from '../durable/history-log.ts';
import { LIMITS } from '../durable/limits.ts';
import type { ExecutionRow } from './execution-row.ts';
import type { ExecutionStatus, PreparedWorkflow, StartExecution, TaskFailure } from './workflow-engine.ts';

/** What Step Functions takes of an error and of a cause, in characters. */
const MAX_ERROR = 256;
const MAX_CAUSE = 32_768;
/** A year, as in the cloud. */
const MAX_TIMEOUT_SECONDS = 366 * 24 * 3600;
const MAX_ID = 1000;

/** JSON text of an input. @throws PlatformError `PAYLOAD_TOO_LARGE`. */
export function inputText({ input = {} }: StartExecution): string {
  const text = JSON.stringify(input);
  if (Buffer.byteLength(text) > LIMITS.valueBytes) throw valueTooLarge('The input of an execution');
  return text;
}

export function valueTooLarge(what: string): PlatformError {
  return new PlatformError(
    'PAYLOAD_TOO_LARGE',
    `${what} has at most ${LIMITS.valueBytes} bytes of JSON. Keep large values elsewhere and pass a reference.`,
  );
}

/** @throws PlatformError `INVALID_ARGUMENTS`. */
export function timeouts(
  wanted: number | undefined,
  defined: number | undefined,
  nowMs: number,
): Pick<ExecutionRow, 'timeoutSeconds' | 'deadlineAtMs'> {
  if (wanted !== undefined && !(wanted > 0 && wanted <= MAX_TIMEOUT_SECONDS))
    throw new PlatformError('INVALID_ARGUMENTS', `timeoutSeconds is a number over 0, up to ${MAX_TIMEOUT_SECONDS}.`);
  if (wanted === undefined && defined === undefined) return {};
  const timeoutSeconds = Math.min(wanted ?? Number.POSITIVE_INFINITY, defined ?? Number.POSITIVE_INFINITY);
  return { timeoutSeconds, deadlineAtMs: nowMs + timeoutSeconds * 1000 };
}

/** @throws PlatformError `INVALID_ARGUMENTS`. */
export function checkedFailure({ error, cause }: TaskFailure): TaskFailure {
  if ((error ?? '').length > MAX_ERROR || (cause ?? '').length > MAX_CAUSE)
    throw new PlatformError(
      'INVALID_ARGUMENTS',
      `An error has at most ${MAX_ERROR} characters, its cause at most ${MAX_CAUSE}.`,
    );
  return { ...(error !== undefined && { error }), ...(cause !== undefined && { cause }) };
}

/** Whether it can be the id of an execution at all; anything else is simply not found. */
export function isId(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID && !/\0|\p{Surrogate}/u.test(id);
}

export function listIndex(
  workflow: string | undefined,
  status: ExecutionStatus | undefined,
): Pick<Query, 'partition'> & { readonly index: string } {
  if (workflow !== undefined && status !== undefined)
    return { index: 'byWorkflowStatus', partition: `${workflow} ${status}` };
  if (workflow !== undefined) return { index: 'byWorkflow', partition: workflow };
  return status === undefined ? { index: 'all', partition: 'all' } : { index: 'byStatus', partition: status };
}

export function startedEvent(row: ExecutionRow, input: string): EventDraft {
  return {
    type: 'ExecutionStarted',
    member: 'executionStartedEventDetails',
    details: { input, stateMachineVersion: row.version },
  };
}

/** The row of an execution that runs again, on what its workflow is now; nobody waits for it yet. */
export function redriven(row: ExecutionRow, present: PreparedWorkflow, nowMs: number): ExecutionRow {
  const { stoppedAtMs: _stopped, error: _error, cause: _cause, failedPath: _path, output: _output, ...rest } = row;
  const { waiter: _waiter, ...kept } = rest;
  return {
    ...kept,
    status: 'RUNNING',
    hash: present.hash,
    kindVersion: present.version,
    redriveCount: row.redriveCount + 1,
    ...(row.timeoutSeconds !== undefined && { deadlineAtMs: nowMs + row.timeoutSeconds * 1000 }),
  };
}

export function notRedrivable({ id, status }: ExecutionRow): PlatformError {
  return new PlatformError(
    'EXECUTION_NOT_REDRIVABLE',
    `Execution "${id}" is ${status}. Only one that failed, timed out or was stopped can be redriven.`,
    { execution: id, status },
  );
}

export function invalidToken(): PlatformError {
  return new PlatformError('TASK_TOKEN_INVALID', 'No task waits with this token.');
}

/** What the holder of a token is told. @throws PlatformError `TASK_TOKEN_INVALID`, `TASK_TIMED_OUT`. */
export function judge(found: Found | undefined): void {
  if (found?.isOpen === true) return;
  const status = found?.operation?.status;
  // One that still waits belongs to an execution that has ended.
  if (status !== 'TIMED_OUT' && status !== 'STARTED') throw invalidToken();
  throw new PlatformError('TASK_TIMED_OUT', 'The task has timed out, or its execution has ended.');
}
