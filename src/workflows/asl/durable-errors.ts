/** Errors on their way through the durable SDK, which records a type and a message of them and little else. */

import { CallbackTimeoutError, ChildContextError, DurableOperationError } from '@aws/durable-execution-sdk-js';
import { Aborted } from './lane.ts';
import { STATES, StatesError } from './states-error.ts';

interface Packed {
  readonly error: string;
  readonly cause: string;
  readonly failedPath?: string;
}

/** An error that leaves a durable context with its name and its place. */
export function packed(failure: StatesError): ChildContextError {
  const { error, cause, failedPath } = failure;
  const data: Packed = { error, cause, ...(failedPath === undefined ? {} : { failedPath }) };
  return new ChildContextError(cause === '' ? error : cause, undefined, JSON.stringify(data));
}

/**
 * What an operation's error was before it was recorded.
 *
 * @returns the error itself when it is none of the SDK's.
 */
export function fromDurable(error: unknown): Error {
  if (!(error instanceof DurableOperationError)) return error instanceof Error ? error : new Error(String(error));
  const data = dataIn(error);
  if (data !== undefined) return new StatesError(data.error, data.cause, data.failedPath);
  const recorded = error.cause;
  if (error instanceof CallbackTimeoutError) return timeoutOf(error);
  const name = recorded?.name ?? '';
  if (name === Aborted.errorName) return new Aborted();
  // A name that nobody gave: a task that was failed without one.
  return new StatesError(
    name === '' || name === 'Error' ? STATES.taskFailed : name,
    recorded?.message ?? error.message,
  );
}

function timeoutOf(error: CallbackTimeoutError): StatesError {
  const isHeartbeat = /heartbeat/i.test(`${error.cause?.name ?? ''} ${error.message}`);
  return isHeartbeat
    ? new StatesError(STATES.heartbeatTimeout, 'The task sent no heartbeat in time.')
    : new StatesError(STATES.timeout, 'The task was not completed in time.');
}

/** Contexts wrap errors in one another; the data stay with the innermost. */
function dataIn(error: DurableOperationError): Packed | undefined {
  let each: unknown = error;
  while (each instanceof DurableOperationError) {
    if (each instanceof ChildContextError && typeof each.errorData === 'string') {
      return JSON.parse(each.errorData) as Packed;
    }
    each = each.cause;
  }
  return undefined;
}
