/** What goes and what is opened again when an execution that failed continues. */

import { belongsToVisit } from '../operation-name.ts';
import { EXECUTION_OPERATION } from './live-executions.ts';
import type { StoredOperation } from './operation.ts';
import { hasEnded } from './operation.ts';
import type { OperationState } from './operation-state.ts';

export interface Rewound {
  readonly reopened: readonly StoredOperation[];
  readonly removed: readonly string[];
}

export interface Failure {
  /** The visit of the state that failed; its operations are those that {@link belongsToVisit}. */
  readonly failedPath?: string | undefined;
  /** Visits of states that had not ended either: those that failed in the same Parallel or Map. */
  readonly beside?: readonly string[];
  /** Without a path: what failed last with these words is to blame. */
  readonly cause?: string | undefined;
}

/**
 * Failed operations go, and what began after them in the same context: it belonged to the failure. Contexts that they
 * failed are opened again. Whatever succeeded beside them is kept.
 */
export function rewind(state: OperationState, failure: Failure): Rewound {
  const { failedPath, cause, beside = [] } = failure;
  const rewinding = new Rewinding(state, beside);
  if (failedPath !== undefined) rewinding.named(failedPath);
  else if (cause !== undefined) rewinding.lastFailedWith(cause);
  return rewinding.result();
}

class Rewinding {
  readonly #state: OperationState;
  readonly #reopened = new Map<string, StoredOperation>();
  readonly #removed = new Set<string>();

  readonly #beside: readonly string[];

  constructor(state: OperationState, beside: readonly string[]) {
    this.#state = state;
    this.#beside = beside;
  }

  named(path: string): void {
    const named = [...this.#state.all()].filter(({ name = '' }) => belongsToVisit(name, path));
    for (const operation of named) {
      if (this.#isSettled(operation)) continue;
      if (isFailedContext(operation)) this.#reopen(operation);
      else this.#remove(operation);
      this.#reopenAbove(operation);
    }
  }

  lastFailedWith(cause: string): void {
    const failed = [...this.#state.all()].filter((operation) => isFailed(operation) && wordsOf(operation) === cause);
    // Of those with the same words the innermost: it ended first and began last.
    const last = failed.toSorted((a, b) => a.n - b.n).at(-1);
    if (last === undefined) return;
    if (isFailedContext(last)) this.#reopen(last);
    else this.#removeFrom(last);
    this.#reopenAbove(last);
  }

  result(): Rewound {
    const execution = this.#state.get(EXECUTION_OPERATION);
    if (execution !== undefined) this.#reopened.set(execution.id, opened(execution));
    return { reopened: [...this.#reopened.values()], removed: [...this.#removed] };
  }

  #isSettled({ id }: StoredOperation): boolean {
    return this.#removed.has(id) || this.#reopened.has(id);
  }

  #remove({ id }: StoredOperation): void {
    for (const operation of this.#state.subtree(id)) {
      this.#removed.add(operation.id);
      this.#reopened.delete(operation.id);
    }
  }

  /** A failed operation, and what its context did about the failure. */
  #removeFrom(failed: StoredOperation): void {
    this.#remove(failed);
    const { parent, n, e = n } = failed;
    for (const operation of this.#state.all()) {
      const isMeant = operation.parent === parent && operation.type !== 'EXECUTION';
      if (isMeant && operation.n > e && !this.#removed.has(operation.id)) this.#remove(operation);
    }
  }

  #reopen(context: StoredOperation): void {
    if (this.#isSettled(context)) return;
    this.#reopened.set(context.id, opened(context));
    for (const child of this.#state.children(context.id)) {
      if (!isFailed(child)) continue;
      if (isFailedContext(child)) this.#reopen(child);
      else this.#removeFrom(child);
    }
  }

  /** What encloses it, and what failed beside it at the same time. */
  #reopenAbove(operation: StoredOperation): void {
    for (const ancestor of this.#state.ancestors(operation)) {
      if (!hasEnded(ancestor) || this.#isSettled(ancestor)) continue;
      this.#reopened.set(ancestor.id, opened(ancestor));
      const children = [...this.#state.children(ancestor.id)];
      for (const child of children) if (isFailedContext(child) && (child.e ?? 0) >= operation.n) this.#reopen(child);
      for (const visit of this.#beside) this.#removeFailed(children, visit);
    }
  }

  /** A state that failed in another branch or iteration, and would only fail again with what is recorded of it. */
  #removeFailed(siblings: readonly StoredOperation[], visit: string): void {
    const own = siblings.filter(({ name = '', type }) => type !== 'CONTEXT' && belongsToVisit(name, visit));
    if (own.some(isFailed)) for (const operation of own) this.#remove(operation);
  }
}

function isFailed({ type, status }: StoredOperation): boolean {
  return type !== 'EXECUTION' && (status === 'FAILED' || status === 'TIMED_OUT');
}

function isFailedContext(operation: StoredOperation): boolean {
  return operation.type === 'CONTEXT' && isFailed(operation);
}

function wordsOf({ error, type }: StoredOperation): string {
  return error?.ErrorMessage ?? (type === 'CALLBACK' ? 'Callback failed' : '');
}

function opened(operation: StoredOperation): StoredOperation {
  const { end: _end, e: _e, error: _error, ...rest } = operation;
  if (operation.type === 'EXECUTION') return { ...rest, status: 'STARTED' };
  const { payload: _payload, ...empty } = rest;
  return { ...empty, status: 'STARTED' };
}
