/** The history of a workflow in code, told from its durable operations in Step Functions' events. */

import type { JsonValue } from '../../core/ports.ts';
import type { EventDraft } from '../durable/history-log.ts';
import type { StoredOperation } from '../durable/operation.ts';

type Details = { readonly [name: string]: JsonValue };

/** Events that the change of one operation is worth. Those that outsiders cause have a key, for they may be told twice. */
export function operationEvents(after: StoredOperation, before: StoredOperation | undefined): readonly EventDraft[] {
  const events = before === undefined ? entered(after) : [];
  if (after.status === before?.status) return events;
  return [...events, ...attempted(after, before), ...exited(after)];
}

function titleOf({ name, type }: StoredOperation): string {
  return name ?? type.toLowerCase();
}

/** Which state an operation would be in a machine. */
function stateOf({ type, sub }: StoredOperation): string {
  if (type === 'WAIT') return 'WaitState';
  if (type !== 'CONTEXT') return 'TaskState';
  if (sub === 'Map') return 'MapState';
  return sub === 'Parallel' ? 'ParallelState' : 'PassState';
}

/** Iterations, branches and the inside of a waitForCallback are no states of their own. */
function isPart({ sub }: StoredOperation): boolean {
  return sub === 'MapIteration' || sub === 'ParallelBranch';
}

function entered(operation: StoredOperation): EventDraft[] {
  if (isPart(operation)) return operation.sub === 'MapIteration' ? [iteration(operation, 'MapIterationStarted')] : [];
  const name = titleOf(operation);
  const state = stateOf(operation);
  const events: EventDraft[] = [
    { type: `${state}Entered`, member: 'stateEnteredEventDetails', details: { name }, atMs: operation.start },
  ];
  if (state === 'TaskState') events.push(task(operation, 'TaskScheduled'));
  if (state === 'ParallelState' || state === 'MapState') events.push({ type: `${state}Started` });
  return events;
}

function attempted(operation: StoredOperation, before: StoredOperation | undefined): EventDraft[] {
  if (operation.type === 'CONTEXT' || operation.type === 'WAIT') return [];
  if (operation.type === 'STEP' && operation.status === 'STARTED')
    return before === undefined ? [] : [task(operation, 'TaskScheduled')];
  switch (operation.status) {
    case 'PENDING':
      return operation.error === undefined ? [] : [task(operation, 'TaskFailed', errorOf(operation))];
    case 'FAILED':
      return [task(operation, 'TaskFailed', errorOf(operation))];
    case 'TIMED_OUT':
      return [task(operation, 'TaskTimedOut', errorOf(operation))];
    case 'SUCCEEDED':
      return [task(operation, 'TaskSucceeded', { output: operation.payload ?? 'null' })];
    default:
      return [];
  }
}

function exited(operation: StoredOperation): EventDraft[] {
  const { status, payload } = operation;
  if (isPart(operation)) {
    if (operation.sub !== 'MapIteration' || (status !== 'SUCCEEDED' && status !== 'FAILED')) return [];
    return [iteration(operation, status === 'SUCCEEDED' ? 'MapIterationSucceeded' : 'MapIterationFailed')];
  }
  const state = stateOf(operation);
  const isContainer = state === 'ParallelState' || state === 'MapState';
  if (status === 'FAILED' && isContainer) return [{ type: `${state}Failed` }];
  if (status !== 'SUCCEEDED') return [];
  const details: Details = { name: titleOf(operation), output: payload ?? 'null' };
  const exit: EventDraft = {
    ...keyed(operation, 'exited'),
    type: `${state}Exited`,
    member: 'stateExitedEventDetails',
    details,
  };
  return isContainer ? [{ type: `${state}Succeeded` }, exit] : [exit];
}

function iteration(operation: StoredOperation, type: string): EventDraft {
  return {
    type,
    member: `${type.charAt(0).toLowerCase()}${type.slice(1)}EventDetails`,
    details: { name: titleOf(operation) },
  };
}

function task(operation: StoredOperation, type: string, more: Details = {}): EventDraft {
  const details = { resourceType: operation.type.toLowerCase(), resource: titleOf(operation), ...more };
  const member = `${type.charAt(0).toLowerCase()}${type.slice(1)}EventDetails`;
  return { ...keyed(operation, type), type, member, details };
}

function keyed(operation: StoredOperation, what: string): { readonly key?: string } {
  const isAnswered = operation.type === 'CALLBACK' || operation.type === 'CHAINED_INVOKE';
  return isAnswered ? { key: `${operation.id}/${operation.n}/${what}` } : {};
}

function errorOf({ error }: StoredOperation): Details {
  return { error: error?.ErrorType ?? 'Error', cause: error?.ErrorMessage ?? '' };
}
