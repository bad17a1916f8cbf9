/** Errors on their way through the journal of a workflow: what is recorded, and what comes out of it again. */

import { ERRORS, PlatformError, type ErrorCode } from '../core/errors.ts';
import { textOf } from '../core/json.ts';
import type { JsonValue } from '../core/ports.ts';
import type { ExecutionDescription, WorkflowEngine } from '../workflows/engine/workflow-engine.ts';
import { WorkflowFailure } from '../workflows/failure.ts';
import type { JobError } from './job.ts';

export interface RecordedError {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, JsonValue>>;
}

/** Masks the secrets that are known. */
export type Redact = (text: string) => string;

/** Never a stack: the record is read by the tenant. */
export function recorded(thrown: unknown, redact: Redact): RecordedError {
  if (!(thrown instanceof PlatformError))
    return {
      code: 'INTERNAL',
      message: 'An internal error occurred. The log entry of this job says more.',
      details: {},
    };
  const details = JSON.parse(redact(JSON.stringify(thrown.details))) as Record<string, JsonValue>;
  return { code: thrown.code, message: redact(thrown.message), details };
}

export function revived({ code, message, details }: RecordedError): PlatformError {
  return new PlatformError((code in ERRORS ? code : 'INTERNAL') as ErrorCode, message, details);
}

/** How a job's workflow ends badly; the cause is a {@link JobError} as JSON. */
export function failureOf(thrown: unknown, redact: Redact): WorkflowFailure {
  if (thrown instanceof WorkflowFailure) return thrown;
  const { code, message, details } = recorded(thrown, redact);
  const named = typeof details['step'] === 'string' ? details['step'] : undefined;
  const error: JobError = { code, message, details, ...(named === undefined ? {} : { step: named }) };
  return new WorkflowFailure(code, JSON.stringify(error));
}

/** What a failed execution says, as a job's error. */
export function jobErrorOf(error: string | undefined, cause: string | undefined): JobError {
  const parsed = parse(cause);
  if (parsed !== undefined) return parsed;
  return {
    code: error === undefined || error === '' ? 'WORKFLOW_FAILED' : error,
    message: cause ?? 'The workflow failed.',
  };
}

/**
 * Why the execution that a job ran as failed: in its own words or, where its machine ends in a Fail that says nothing, in
 * those of the last Task that failed.
 */
export async function runErrorOf(
  engine: Pick<WorkflowEngine, 'history'>,
  { tenant, id, workflow, error = '', cause = '' }: ExecutionDescription,
): Promise<JobError> {
  if (error !== '' || cause !== '') return jobErrorOf(error, cause);
  const { items } = await engine.history(tenant, id, { reverse: true, limit: 100 });
  const last = items.find(({ details }) => textOf(details['error']) !== '')?.details;
  if (last !== undefined) return jobErrorOf(textOf(last['error']), textOf(last['cause']));
  const message = `The machine "${workflow}" ended in a Fail state that does not say why. Give it an Error and a Cause, or see \`zeroplane workflows history ${id}\`.`;
  return { code: 'WORKFLOW_FAILED', message };
}

function parse(cause: string | undefined): JobError | undefined {
  if (cause?.startsWith('{') !== true) return undefined;
  try {
    const value = JSON.parse(cause) as Partial<JobError>;
    return typeof value.code === 'string' && typeof value.message === 'string' ? (value as JobError) : undefined;
  } catch {
    return undefined;
  }
}
