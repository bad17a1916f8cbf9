/** Errors that cross from thread to thread: as data, and made again. */

import { DurableExecutionClientErrorScope, isDurableExecutionClientError } from '@aws/durable-execution-sdk-js';
import { StatesError, TaskError } from '../asl/states-error.ts';
import { interrupted, refused } from '../durable/limits.ts';
import type { Failure } from './messages.ts';

export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof StatesError) {
    const { error, cause, failedPath } = thrown;
    return { kind: 'states', error, cause, ...(failedPath === undefined ? {} : { failedPath }) };
  }
  if (isDurableExecutionClientError(thrown)) {
    const isFinal = thrown.scope === DurableExecutionClientErrorScope.EXECUTION;
    return { kind: 'client', message: thrown.message, isFinal };
  }
  if (thrown instanceof Error) return { kind: 'other', name: thrown.name, message: thrown.message };
  return { kind: 'other', name: 'Error', message: String(thrown) };
}

export function errorOf(failure: Failure): Error {
  switch (failure.kind) {
    case 'states':
      return new TaskError(failure.error, failure.cause, failure.failedPath);
    case 'client':
      return failure.isFinal ? refused(failure.message) : interrupted(failure.message);
    case 'other':
      return Object.assign(new Error(failure.message), { name: failure.name });
  }
}
