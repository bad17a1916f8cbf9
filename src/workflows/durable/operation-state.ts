/**
 * The operations of one execution in memory, as its journal tells them. What succeeded as a whole loses its parts, as
 * on Lambda; what failed, whole or in part, keeps them for a redrive.
 */

import type { StoredOperation } from './operation.ts';
import { dueTime, hasEnded } from './operation.ts';

export class OperationState {
  /** In the order of their starts: the SDK takes the first for the execution itself. */
  readonly #operations = new Map<string, StoredOperation>();
  readonly #children = new Map<string, string[]>();
  /** Ids of operations that something will happen to by itself. */
  readonly #waiting = new Set<string>();
  #hasAsked = false;
  #hasLeft = false;

  get size(): number {
    return this.#operations.size;
  }

  get(id: string): StoredOperation | undefined {
    return this.#operations.get(id);
  }

  /** Whether any operation was ever answered by somebody else, as far as these operations go back. */
  get hasAsked(): boolean {
    return this.#hasAsked;
  }

  /** Whether an operation waits for its answer, and something for the operation. */
  awaits(id: string): boolean {
    const operation = this.#operations.get(id);
    return operation !== undefined && isAsking(operation) && !this.isAbandoned(operation);
  }

  /** Whether something stopped waiting for an answer since this was asked last. */
  takeLeft(): boolean {
    const hasLeft = this.#hasLeft;
    this.#hasLeft = false;
    return hasLeft;
  }

  all(): IterableIterator<StoredOperation> {
    return this.#operations.values();
  }

  /** What the SDK is shown: nothing below a context that has ended and does not keep it. */
  shown(): readonly StoredOperation[] {
    return [...this.all()].filter((operation) => {
      for (const ancestor of this.ancestors(operation)) if (hasEnded(ancestor) && ancestor.keeps !== true) return false;
      return true;
    });
  }

  children(id: string): readonly StoredOperation[] {
    return (this.#children.get(id) ?? [])
      .map((child) => this.#operations.get(child))
      .filter((child) => child !== undefined);
  }

  /** Takes newer states in. The children of a context that has ended go, unless it keeps them. */
  merge(changed: Iterable<StoredOperation>, removed: Iterable<string> = []): void {
    for (const id of removed) this.#remove(id);
    for (const operation of changed) this.#put(operation);
  }

  /** The time at which the next thing happens by itself. */
  nextDue(): number | undefined {
    let next: number | undefined;
    for (const operation of this.#due(Number.POSITIVE_INFINITY)) {
      const at = dueTime(operation);
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  /** Operations whose time has come. */
  due(nowMs: number): readonly StoredOperation[] {
    return this.#waiting.size === 0 ? [] : [...this.#due(nowMs)];
  }

  /** The operation and everything below it. */
  *subtree(id: string): Generator<StoredOperation> {
    const operation = this.#operations.get(id);
    if (operation === undefined) return;
    yield operation;
    for (const child of this.#children.get(id) ?? []) yield* this.subtree(child);
  }

  *ancestors(operation: StoredOperation): Generator<StoredOperation> {
    let { parent } = operation;
    while (parent !== undefined) {
      const found = this.#operations.get(parent);
      if (found === undefined) return;
      yield found;
      ({ parent } = found);
    }
  }

  *#due(nowMs: number): Generator<StoredOperation> {
    for (const id of this.#waiting) {
      const operation = this.#operations.get(id);
      const at = operation === undefined ? undefined : dueTime(operation);
      if (operation !== undefined && at !== undefined && at <= nowMs) yield operation;
    }
  }

  #put(operation: StoredOperation): void {
    const { id, parent } = operation;
    if (parent !== undefined && !this.#operations.has(id)) this.#childrenOf(parent).push(id);
    this.#operations.set(id, operation);
    if (dueTime(operation) === undefined || this.isAbandoned(operation)) this.#waiting.delete(id);
    else this.#waiting.add(id);
    if (canAsk(operation)) {
      this.#hasAsked = true;
      this.#hasLeft ||= operation.status === 'TIMED_OUT' || operation.status === 'CANCELLED';
    }
    if (operation.type !== 'CONTEXT') return;
    if (hasEnded(operation)) this.#endChildren(operation);
    else this.#wakeChildren(operation);
  }

  #childrenOf(parent: string): string[] {
    const known = this.#children.get(parent);
    if (known !== undefined) return known;
    const made: string[] = [];
    this.#children.set(parent, made);
    return made;
  }

  /** What waits below a context that has ended is waited for by nobody. */
  isAbandoned(operation: StoredOperation): boolean {
    for (const ancestor of this.ancestors(operation)) if (hasEnded(ancestor)) return true;
    return false;
  }

  #endChildren(context: StoredOperation): void {
    // A map or parallel whose items failed has itself succeeded.
    const hasFailed =
      context.status === 'FAILED' || this.children(context.id).some(({ status }) => status === 'FAILED');
    const isKept = context.keeps === true || hasFailed;
    for (const child of this.#children.get(context.id) ?? []) {
      const below = [...this.subtree(child)];
      this.#hasLeft ||= below.some(isAsking);
      for (const { id } of below) {
        if (isKept) this.#waiting.delete(id);
        else this.#forget(id);
      }
    }
    if (!isKept) this.#children.delete(context.id);
  }

  /** A context that was opened again waits for what waits below it. */
  #wakeChildren(context: StoredOperation): void {
    for (const operation of this.subtree(context.id))
      if (dueTime(operation) !== undefined && !this.isAbandoned(operation)) this.#waiting.add(operation.id);
  }

  #remove(id: string): void {
    const operation = this.#operations.get(id);
    if (operation === undefined) return;
    const gone = [...this.subtree(id)];
    for (const each of gone) this.#forget(each.id);
    if (operation.parent === undefined) return;
    const siblings = this.#children.get(operation.parent);
    siblings?.splice(siblings.indexOf(id), 1);
  }

  #forget(id: string): void {
    this.#operations.delete(id);
    this.#children.delete(id);
    this.#waiting.delete(id);
  }
}

function canAsk({ type }: StoredOperation): boolean {
  return type === 'CALLBACK' || type === 'CHAINED_INVOKE';
}

function isAsking(operation: StoredOperation): boolean {
  return canAsk(operation) && operation.status === 'STARTED';
}
