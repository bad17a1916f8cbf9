/** A durable operation as the journal keeps it, and as the SDK sees it. */

import type { ErrorObject, OperationStatus, OperationType, WireOperation } from '@aws/durable-execution-sdk-js';

/** Times are milliseconds since 1970. Absent members are left out of the journal. */
export interface StoredOperation {
  readonly id: string;
  readonly parent?: string;
  readonly name?: string;
  readonly type: OperationType;
  /** `Step`, `Wait`, `MapIteration` and their like. */
  readonly sub?: string;
  readonly status: OperationStatus;
  /** Place in the order of starts, from 1; 0 for the execution itself. */
  readonly n: number;
  readonly start: number;
  readonly end?: number;
  /** How many had started when it ended: what has a greater `n` began after it. */
  readonly e?: number;
  /** Result of a step, context, callback or invocation; state of a waitForCondition; input of the execution. */
  readonly payload?: string;
  readonly error?: ErrorObject;
  /** Attempts of a step that have ended. */
  readonly attempt?: number;
  /** End of a wait, next attempt of a step, timeout of a callback. */
  readonly due?: number;
  /** Interval of a callback's heartbeat, and when the next one must have come. */
  readonly beatMs?: number;
  readonly beatDue?: number;
  /** Children are kept after the end. */
  readonly keeps?: true;
  /** What an `invoke` starts. */
  readonly target?: string;
}

const TERMINAL: ReadonlySet<OperationStatus> = new Set(['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED', 'STOPPED']);

export function hasEnded(operation: StoredOperation): boolean {
  return TERMINAL.has(operation.status);
}

/** When something happens to it by itself; `undefined` when nothing will. */
export function dueTime(operation: StoredOperation): number | undefined {
  const { status, type, due, beatDue } = operation;
  if (type === 'STEP' ? status !== 'PENDING' : status !== 'STARTED') return undefined;
  if (type !== 'CALLBACK') return due;
  return due === undefined || beatDue === undefined ? (due ?? beatDue) : Math.min(due, beatDue);
}

/** Now, by the clock and by the order of starts. */
export interface Moment {
  readonly nowMs: number;
  readonly started: number;
}

/** What becomes of it at its due time. */
export function whenDue(operation: StoredOperation, { nowMs, started }: Moment): StoredOperation {
  switch (operation.type) {
    case 'STEP':
      return { ...operation, status: 'READY' };
    case 'WAIT':
      return { ...operation, status: 'SUCCEEDED', end: nowMs, e: started };
    default:
      return {
        ...operation,
        status: 'TIMED_OUT',
        end: nowMs,
        e: started,
        error: { ErrorMessage: timeoutMessage(operation, nowMs) },
      };
  }
}

function timeoutMessage({ due, beatDue }: StoredOperation, nowMs: number): string {
  const isBeat = beatDue !== undefined && beatDue <= nowMs && (due === undefined || beatDue <= due);
  return isBeat ? 'Callback timed out on heartbeat' : 'Callback timed out';
}

/** @param callbackId of a callback; it is not stored with the operation. */
export function toWire(operation: StoredOperation, callbackId?: string): WireOperation {
  return {
    Id: operation.id,
    ParentId: operation.parent,
    Name: operation.name,
    Type: operation.type,
    SubType: operation.sub,
    StartTimestamp: new Date(operation.start),
    EndTimestamp: operation.end === undefined ? undefined : new Date(operation.end),
    Status: operation.status,
    ...details(operation, callbackId),
  };
}

function details(operation: StoredOperation, callbackId: string | undefined): Partial<WireOperation> {
  const { payload: Result, error: Error, due } = operation;
  const dueDate = due === undefined ? undefined : new Date(due);
  switch (operation.type) {
    case 'EXECUTION':
      return { ExecutionDetails: { InputPayload: Result } };
    case 'STEP':
      return { StepDetails: { Attempt: operation.attempt, NextAttemptTimestamp: dueDate, Result, Error } };
    case 'WAIT':
      return { WaitDetails: { ScheduledEndTimestamp: dueDate } };
    case 'CONTEXT':
      return { ContextDetails: { ReplayChildren: operation.keeps, Result, Error } };
    case 'CALLBACK':
      return { CallbackDetails: { CallbackId: callbackId, Result, Error } };
    case 'CHAINED_INVOKE':
      return { ChainedInvokeDetails: { Result, Error } };
  }
}
