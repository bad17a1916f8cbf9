/** The history of a workflow in code, told from its durable operations in Step Functions' events. */

import type { JsonValue } from '../../core/ports.ts';
import type { EventDraft } from '../durable/history-log.ts';
import type { StoredOperation } from '../durable/operation.ts';
import type { OperationChange } from '../durable/program.ts';

type Details = { readonly [name: string]: JsonValue };

/** Events that the change of one operation is worth. Those that outsiders cause have a key, for they may be told twice. */
export function operationEvents(change: OperationChange): readonly EventDraft[] {
  const { after, before } = change;
  if (isInsideTask(change)) return insideTask(change);
  const events = before === undefined ? entered(after) : [];
  if (after.status === before?.status) return events;
  return [...events, ...attempted(after, before), ...exited(after)];
}

/** A waitForCallback is one task with a token; what it consists of tells how the task fares. */
function isInsideTask({ parent }: OperationChange): boolean {
  return parent?.sub === 'WaitForCallback';
}

function insideTask({ after, before, parent }: OperationChange): EventDraft[] {
  const { status, type } = after;
  const named = { ...after, name: parent?.name ?? 'callback' };
  if (status === before?.status) return [];
  if (type === 'CALLBACK') return status === 'STARTED' ? [task(named, 'TaskScheduled')] : attempted(named, before);
  if (type !== 'STEP') return [];
  if (status === 'SUCCEEDED') return [task(named, 'TaskSubmitted')];
  return status === 'FAILED' ? [task(named, 'TaskSubmitFailed', errorOf(after))] : [];
}

function titleOf({ name, type }: StoredOperation): string {
  return name ?? type.toLowerCase();
}

/** Which state an operation would be in a machine. */
function stateOf({ type, sub }: StoredOperation): string {
  if (type === 'WAIT') return 'WaitState';
  if (type !== 'CONTEXT' || sub === 'WaitForCallback') return 'TaskState';
  if (sub === 'Map') return 'MapState';
  return sub === 'Parallel' ? 'ParallelState' : 'PassState';
}

/** Iterations and branches are no states of their own. */
function isPart({ sub }: StoredOperation): boolean {
  return sub === 'MapIteration' || sub === 'ParallelBranch';
}

function entered(operation: StoredOperation): EventDraft[] {
  if (isPart(operation)) return operation.sub === 'MapIteration' ? [iteration(operation, 'MapIterationStarted')] : [];
  const state = stateOf(operation);
  const details = { name: titleOf(operation) };
  const events: EventDraft[] = [
    { type: `${state}Entered`, member: 'stateEnteredEventDetails', details, atMs: operation.start },
  ];
  if (state === 'TaskState' && operation.type !== 'CONTEXT') events.push(task(operation, 'TaskScheduled'));
  if (state === 'ParallelState' || state === 'MapState') events.push({ type: `${state}Started` });
  return events;
}

function attempted(operation: StoredOperation, before: StoredOperation | undefined): EventDraft[] {
  const { type, status, error, payload } = operation;
  if (type === 'CONTEXT' || type === 'WAIT') return [];
  switch (status) {
    case 'STARTED':
      return before === undefined ? [] : [task(operation, 'TaskScheduled')];
    case 'PENDING':
      return error === undefined ? [] : [task(operation, 'TaskFailed', errorOf(operation))];
    case 'FAILED':
      return [task(operation, 'TaskFailed', errorOf(operation))];
    case 'TIMED_OUT':
      return [task(operation, 'TaskTimedOut', errorOf(operation))];
    case 'SUCCEEDED':
      return [task(operation, 'TaskSucceeded', { output: payload ?? 'null' })];
    default:
      return [];
  }
}

function exited(operation: StoredOperation): EventDraft[] {
  const { status, payload } = operation;
  if (isPart(operation)) return iterated(operation);
  const state = stateOf(operation);
  const isContainer = state === 'ParallelState' || state === 'MapState';
  if (status === 'FAILED' && isContainer) return [{ type: `${state}Failed` }];
  if (status !== 'SUCCEEDED') return [];
  const details: Details = { name: titleOf(operation), output: payload ?? 'null' };
  const exit = {
    ...keyed(operation, 'exited'),
    type: `${state}Exited`,
    member: 'stateExitedEventDetails',
    details,
  };
  return isContainer ? [{ type: `${state}Succeeded` }, exit] : [exit];
}

function iterated(operation: StoredOperation): EventDraft[] {
  if (operation.sub !== 'MapIteration') return [];
  if (operation.status === 'SUCCEEDED') return [iteration(operation, 'MapIterationSucceeded')];
  return operation.status === 'FAILED' ? [iteration(operation, 'MapIterationFailed')] : [];
}

function iteration(operation: StoredOperation, type: string): EventDraft {
  return { type, member: memberOf(type), details: { name: titleOf(operation) } };
}

function task(operation: StoredOperation, type: string, more: Details = {}): EventDraft {
  const details = { resourceType: operation.type.toLowerCase(), resource: titleOf(operation), ...more };
  return { ...keyed(operation, type), type, member: memberOf(type), details };
}

function memberOf(type: string): string {
  return `${type.charAt(0).toLowerCase()}${type.slice(1)}EventDetails`;
}

function keyed({ type, id, n }: StoredOperation, what: string): { readonly key?: string } {
  return type === 'CALLBACK' || type === 'CHAINED_INVOKE' ? { key: `${id}/${n}/${what}` } : {};
}

function errorOf({ error }: StoredOperation): Details {
  return { error: error?.ErrorType ?? 'Error', cause: error?.ErrorMessage ?? '' };
}
