/** How a workflow ends badly, in the words of Step Functions: an error name for machines and a cause for people. */

/** Ends an execution. `name` is the error name, so that a recorded error of it carries that name as its type. */
export class WorkflowFailure extends Error {
  override readonly name: string;
  /** `States.Timeout`, the error type of a function, or what a Fail state says. Empty when a Fail state says nothing. */
  readonly error: string;
  override readonly cause: string;
  /**
   * The state that failed, as the beginning of the names of its durable operations: `Net[3]/Create#1`. A redrive
   * begins there. Absent when no state is to blame.
   */
  readonly failedPath: string | undefined;

  constructor(error: string, cause: string, failedPath?: string) {
    super(cause);
    this.name = error === '' ? 'States.Failed' : error;
    this.error = error;
    this.cause = cause;
    this.failedPath = failedPath;
  }
}
