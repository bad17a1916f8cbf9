/**
 * The caps of Lambda durable functions and Step Functions, kept here too, so that what runs on a laptop also runs in
 * the cloud.
 */

import { DurableExecutionClientError, DurableExecutionClientErrorScope } from '@aws/durable-execution-sdk-js';

export const LIMITS = {
  /** Operations that one execution may start. */
  operations: 3000,
  /** Bytes that one execution may write: payloads, errors and names of operations, and its input. */
  storedBytes: 100 * 1024 * 1024,
  /** Of one value: input, output, result of a step, output of a task. */
  valueBytes: 256 * 1024,
  /** Of an update that reports an error, whole. */
  errorBytes: 32 * 1024,
  /** Events in the history of one execution. */
  historyEvents: 25_000,
} as const;

/**
 * Refuses a checkpoint for good: the SDK fails the execution with it, as it does when Lambda answers
 * `InvalidParameterValueException`.
 */
export function refused(message: string): DurableExecutionClientError {
  return new DurableExecutionClientError(message, { scope: DurableExecutionClientErrorScope.EXECUTION });
}

/** Ends the invocation alone; the execution continues in another one, here or elsewhere. */
export function interrupted(message: string, cause?: unknown): DurableExecutionClientError {
  return new DurableExecutionClientError(message, { scope: DurableExecutionClientErrorScope.INVOCATION, cause });
}
