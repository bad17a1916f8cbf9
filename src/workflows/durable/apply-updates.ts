/**
 * What a checkpoint's updates make of the operations there are: the transitions that Lambda's durable executions
 * allow, and nothing else. Changes no state; the caller stores the outcome first.
 */

import type { OperationUpdate } from '@aws/durable-execution-sdk-js';
import { LIMITS, refused } from './limits.ts';
import type { Moment, StoredOperation } from './operation.ts';

/** Operations by id, newest state. */
export interface Operations {
  get(id: string): StoredOperation | undefined;
}

export interface Transition {
  readonly after: StoredOperation;
  /** Absent when the operation is new. */
  readonly before?: StoredOperation | undefined;
}

export interface Applied {
  /** New states, in the order of the last update of each. */
  readonly changed: ReadonlyMap<string, StoredOperation>;
  /** What each update did. */
  readonly transitions: readonly Transition[];
  /** Operations that were not there before. */
  readonly started: number;
  /** Bytes of the values in the updates. */
  readonly bytes: number;
  /** Result of the whole execution, when it is too large for the answer of the invocation. */
  readonly result?: string;
}

/** @throws DurableExecutionClientError for what Lambda would refuse. */
export function applyUpdates(updates: readonly OperationUpdate[], operations: Operations, at: Moment): Applied {
  const changed = new Map<string, StoredOperation>();
  const transitions: Transition[] = [];
  let [started, bytes] = [0, 0];
  let result: string | undefined;
  for (const update of updates) {
    bytes += checkedBytes(update);
    if (update.Type === 'EXECUTION') {
      result = update.Payload ?? '';
      continue;
    }
    const id = idOf(update);
    const before = changed.get(id) ?? operations.get(id);
    if (before === undefined) {
      started += 1;
      checkParent(update, changed, operations);
    }
    const begun = before ?? begin(update, { id, n: at.started + started, nowMs: at.nowMs });
    const moment = { nowMs: at.nowMs, started: at.started + started };
    const after = before === undefined && update.Action === 'START' ? begun : advance(begun, update, moment);
    changed.delete(id);
    changed.set(id, after);
    transitions.push({ after, before });
  }
  return { changed, transitions, started, bytes, ...(result !== undefined && { result }) };
}

function idOf({ Id }: OperationUpdate): string {
  if (Id === undefined || Id === '') throw refused('Operation update must have an Id.');
  return Id;
}

function checkedBytes(update: OperationUpdate): number {
  const payload = update.Payload === undefined ? 0 : Buffer.byteLength(update.Payload);
  // The result of the whole execution is judged where the execution ends.
  if (payload > LIMITS.valueBytes && update.Type !== 'EXECUTION') throw refused(tooLarge(update, payload));
  const error = update.Error === undefined ? 0 : Buffer.byteLength(JSON.stringify(update));
  if (error > LIMITS.errorBytes) throw refused(`Error object size must be less than ${LIMITS.errorBytes} bytes.`);
  return payload + error + (update.Name?.length ?? 0);
}

function tooLarge({ Name, Type }: OperationUpdate, bytes: number): string {
  return `The result of ${Type ?? 'operation'} "${Name ?? ''}" has ${bytes} bytes, and at most ${LIMITS.valueBytes} are stored. Keep large values elsewhere and pass a reference.`;
}

function checkParent(update: OperationUpdate, changed: Operations, operations: Operations): void {
  const { ParentId } = update;
  if (ParentId === undefined || ParentId === '') return;
  const parent = changed.get(ParentId) ?? operations.get(ParentId);
  if (parent?.type !== 'CONTEXT') throw refused('Invalid parent operation id.');
}

interface Beginning {
  readonly id: string;
  readonly n: number;
  readonly nowMs: number;
}

function begin(update: OperationUpdate, { id, n, nowMs }: Beginning): StoredOperation {
  const { ParentId, Name, SubType, Type } = update;
  if (Type === undefined) throw refused('Operation update must have a Type.');
  return {
    id,
    ...(ParentId !== undefined && ParentId !== '' && { parent: ParentId }),
    ...(Name !== undefined && { name: Name }),
    type: Type,
    ...(SubType !== undefined && { sub: SubType }),
    status: 'STARTED',
    n,
    start: nowMs,
    ...beginningOf(update, nowMs),
  };
}

function beginningOf(update: OperationUpdate, nowMs: number): Partial<StoredOperation> {
  switch (update.Type) {
    case 'WAIT':
      return { due: nowMs + (update.WaitOptions?.WaitSeconds ?? 0) * 1000 };
    case 'CALLBACK': {
      const { TimeoutSeconds, HeartbeatTimeoutSeconds } = update.CallbackOptions ?? {};
      return {
        ...(TimeoutSeconds !== undefined && { due: nowMs + TimeoutSeconds * 1000 }),
        ...(HeartbeatTimeoutSeconds !== undefined && {
          beatMs: HeartbeatTimeoutSeconds * 1000,
          beatDue: nowMs + HeartbeatTimeoutSeconds * 1000,
        }),
      };
    }
    case 'CHAINED_INVOKE':
      return {
        target: update.ChainedInvokeOptions?.FunctionName ?? '',
        ...(update.Payload !== undefined && { payload: update.Payload }),
      };
    default:
      return {};
  }
}

function advance(operation: StoredOperation, update: OperationUpdate, moment: Moment): StoredOperation {
  if (update.Type !== operation.type) throw refused(`Operation ${operation.id} is a ${operation.type}.`);
  switch (operation.type) {
    case 'STEP':
      return advanceStep(operation, update, moment);
    case 'CONTEXT':
      return advanceContext(operation, update, moment);
    default:
      if (update.Action !== 'CANCEL' || operation.status !== 'STARTED') throw invalid(operation, update);
      return { ...operation, status: 'CANCELLED', ...endAt(moment) };
  }
}

function advanceStep(operation: StoredOperation, update: OperationUpdate, moment: Moment): StoredOperation {
  const { status } = operation;
  if (update.Action === 'START') {
    if (status !== 'READY') throw invalid(operation, update);
    return { ...operation, status: 'STARTED' };
  }
  if (status !== 'STARTED' && status !== 'READY') throw invalid(operation, update);
  const attempt = (operation.attempt ?? 0) + 1;
  // eslint-disable-next-line no-unused-vars -- leaves the outcome of the attempt before out
  const { payload: _payload, error: _error, due: _due, ...rest } = operation;
  const outcome = { ...rest, attempt, ...outcomeOf(update) };
  switch (update.Action) {
    case 'SUCCEED':
      return { ...outcome, status: 'SUCCEEDED', ...endAt(moment) };
    case 'FAIL':
      return { ...outcome, status: 'FAILED', ...endAt(moment) };
    case 'RETRY':
      if (update.StepOptions === undefined) throw refused('Invalid StepOptions for the given action.');
      return {
        ...outcome,
        status: 'PENDING',
        due: moment.nowMs + (update.StepOptions.NextAttemptDelaySeconds ?? 0) * 1000,
      };
    default:
      throw invalid(operation, update);
  }
}

function advanceContext(operation: StoredOperation, update: OperationUpdate, moment: Moment): StoredOperation {
  if (operation.status !== 'STARTED') throw invalid(operation, update);
  if (update.Action !== 'SUCCEED' && update.Action !== 'FAIL') throw invalid(operation, update);
  return {
    ...operation,
    status: update.Action === 'SUCCEED' ? 'SUCCEEDED' : 'FAILED',
    ...endAt(moment),
    ...outcomeOf(update),
    ...(update.ContextOptions?.ReplayChildren === true && { keeps: true as const }),
  };
}

function endAt({ nowMs, started }: Moment): Pick<StoredOperation, 'end' | 'e'> {
  return { end: nowMs, e: started };
}

function outcomeOf({ Action, Payload, Error }: OperationUpdate): Pick<StoredOperation, 'payload' | 'error'> {
  if (Action === 'FAIL' && Payload !== undefined) throw refused('Cannot provide a Payload for FAIL action.');
  if (Action === 'SUCCEED' && Error !== undefined) throw refused('Cannot provide an Error for SUCCEED action.');
  return { ...(Payload !== undefined && { payload: Payload }), ...(Error !== undefined && { error: Error }) };
}

function invalid({ type, status, name }: StoredOperation, { Action }: OperationUpdate): Error {
  return refused(`Invalid current ${type} state to ${String(Action)}: "${name ?? ''}" is ${status}.`);
}
