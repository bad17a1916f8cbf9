/**
 * Executions that other executions wait for. As with Step Functions' `.sync`, a child is stopped when nobody waits for it
 * any more: its parent has ended, a sibling of the branch that started it has failed, or the task's time is up. A redrive
 * of the parent continues the child as well.
 */

import { toPlatformError } from '../../core/errors.ts';
import type { Item, StoreRoot, Table, Write } from '../../core/ports.ts';
import type { Ending } from '../durable/program.ts';
import type { Place } from '../durable/slots.ts';
import { textAt } from '../durable/tables.ts';
import type { ExecutionRow, Waiter } from './execution-row.ts';
import { readRow } from './execution-row.ts';
import { CHILDREN } from './tables.ts';
import type { ExecutionStatus } from './workflow-engine.ts';

export interface ChildrenParts {
  readonly store: StoreRoot;
  readonly nowMs: () => number;
  /** Ends an execution; one that has ended stays as it is. */
  readonly end: (place: Place, ending: Ending) => Promise<unknown>;
  /** Tells an operation how its child ended. */
  readonly tell: (child: ExecutionRow, waiter: Waiter) => Promise<void>;
  /** Continues a child that ended badly. @throws PlatformError `EXECUTION_NOT_REDRIVABLE` when somebody else did. */
  readonly redrive: (child: ExecutionRow, waiter: Waiter) => Promise<void>;
}

/** What a parent knows of one child. */
interface Link {
  readonly child: string;
  readonly operation: string;
  readonly status: ExecutionStatus;
}

/** Goes into each commit that changes who waits for a child, or how it is. */
export function linkOf({ id, status, waiter }: ExecutionRow): readonly Write[] {
  if (waiter === undefined) return [];
  return [{ table: CHILDREN, put: { execution: waiter.execution, child: id, operation: waiter.operation, status } }];
}

/** The link to the parent goes when another one, or nobody, waits from now on. */
export function unlinkOf({ id, waiter: before }: ExecutionRow, waiter?: Waiter): readonly Write[] {
  if (before === undefined || before.execution === waiter?.execution) return [];
  return [{ table: CHILDREN, delete: { execution: before.execution, child: id } }];
}

/** How a child ends whose parent does not wait for it any more. */
export function abandoned(parent: string, atMs: number): Ending {
  return { status: 'ABORTED', atMs, cause: `Execution "${parent}" does not wait for it any more.` };
}

export class Children {
  readonly #parts: ChildrenParts;

  constructor(parts: ChildrenParts) {
    this.#parts = parts;
  }

  /** Whether any runs. */
  async run(parent: Place): Promise<boolean> {
    for await (const { status } of this.#links(parent)) if (status === 'RUNNING') return true;
    return false;
  }

  /** As `ExecutionHost.tend`. */
  async tend(parent: Place, awaits: (operation: string) => boolean): Promise<void> {
    for await (const { child, operation, status } of this.#links(parent)) {
      if (status === 'RUNNING') {
        if (!awaits(operation)) await this.#stop({ tenant: parent.tenant, id: child }, parent.id);
      } else if (awaits(operation)) await this.#goOn(parent, child);
    }
  }

  /**
   * A child that has ended and is waited for again: what it gave stays, what failed is tried again.
   *
   * @param waiter of the parent's present run.
   */
  async resume(child: ExecutionRow, waiter: Waiter): Promise<void> {
    const isOurs = child.waiter?.execution === waiter.execution;
    if (child.status === 'SUCCEEDED' || !isOurs || isSameWaiter(child.waiter, waiter))
      return this.#parts.tell(child, waiter);
    try {
      await this.#parts.redrive(child, waiter);
    } catch (thrown) {
      const { code, retryable } = toPlatformError(thrown);
      if (retryable) throw thrown;
      // Somebody else was quicker, and then it will tell its end; or it cannot go on, and this was its end.
      if (code !== 'EXECUTION_NOT_REDRIVABLE') await this.#parts.tell(child, waiter);
    }
  }

  async #stop(child: Place, parent: string): Promise<void> {
    await this.#parts.end(child, abandoned(parent, this.#parts.nowMs()));
  }

  async #goOn(parent: Place, id: string): Promise<void> {
    const store = this.#parts.store.store(parent.tenant);
    const [row, child] = await Promise.all([readRow(store, parent.id), readRow(store, id)]);
    if (row?.status !== 'RUNNING' || child?.waiter === undefined || child.status === 'RUNNING') return;
    await this.resume(child, { ...child.waiter, redrive: row.redriveCount });
  }

  async *#links({ tenant, id }: Place): AsyncGenerator<Link> {
    const table: Table = this.#parts.store.store(tenant).table(CHILDREN);
    let page = await table.query({ partition: id });
    for (;;) {
      for (const item of page.items) yield linkIn(item);
      if (page.cursor === undefined) return;
      page = await table.query({ partition: id, cursor: page.cursor });
    }
  }
}

export function isSameWaiter(a: Waiter | undefined, b: Waiter): boolean {
  const isSamePlace = a?.execution === b.execution && a.operation === b.operation && a.as === b.as;
  return isSamePlace && (a.redrive ?? 0) === (b.redrive ?? 0);
}

function linkIn(item: Item): Link {
  const status = textAt(item, 'status') as ExecutionStatus;
  return { child: textAt(item, 'child'), operation: textAt(item, 'operation'), status };
}
