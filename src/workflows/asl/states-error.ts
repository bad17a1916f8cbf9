/** Errors of the Amazon States Language: what Retry and Catch see. */

/** The names that the language defines and that are thrown here. */
export const STATES = {
  all: 'States.ALL',
  taskFailed: 'States.TaskFailed',
  timeout: 'States.Timeout',
  heartbeatTimeout: 'States.HeartbeatTimeout',
  runtime: 'States.Runtime',
  dataLimit: 'States.DataLimitExceeded',
  resultPath: 'States.ResultPathMatchFailure',
  parameterPath: 'States.ParameterPathFailure',
  intrinsic: 'States.IntrinsicFailure',
  noChoice: 'States.NoChoiceMatched',
  query: 'States.QueryEvaluationError',
  threshold: 'States.ExceedToleratedFailureThreshold',
} as const;

/** An error with the name and the cause that a Retry or Catch may look at. */
export class StatesError extends Error {
  override readonly name: string;
  readonly error: string;
  override readonly cause: string;
  /** Of an error that left a Parallel or Map: the operation prefix of the inner state where it began. */
  readonly failedPath: string | undefined;

  constructor(error: string, cause: string, failedPath?: string) {
    super(cause);
    this.name = error === '' ? 'States.Failed' : error;
    this.error = error;
    this.cause = cause;
    this.failedPath = failedPath;
  }
}

/** What a host rejects with when a task failed: the function's error type (or a `States.` name) and its cause. */
export class TaskError extends StatesError {}

/**
 * Whether an `ErrorEquals` list names this error. `States.Timeout` also stands for a missed heartbeat, as the
 * language defines it; `States.TaskFailed` stands for everything but timeouts. No wildcard stands for
 * `States.DataLimitExceeded`, and nothing at all names `States.Runtime`: it always ends the execution.
 *
 * @see docs/reference/state-machines.md, with the sentences behind it
 */
export function namesError(errorEquals: readonly string[], error: string): boolean {
  if (error === STATES.runtime) return false;
  return errorEquals.some((name) => {
    if (name === error) return true;
    if (name === STATES.timeout) return error === STATES.heartbeatTimeout;
    if (error === STATES.dataLimit) return false;
    if (name === STATES.all) return true;
    return name === STATES.taskFailed && error !== STATES.timeout && error !== STATES.heartbeatTimeout;
  });
}
