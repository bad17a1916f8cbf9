/** What the executor is told about executions: what to run, how an end is recorded, and who waits for it. */

import { hash } from 'node:crypto';
import type { Principal, RequestContext } from '../../core/context.ts';
import { Context } from '../../core/context.ts';
import { PlatformError, toPlatformError } from '../../core/errors.ts';
import type { Clock, JsonValue, Logger, StoreRoot, TenantStore, Write } from '../../core/ports.ts';
import type { Executor } from '../durable/executor.ts';
import type { EventDraft } from '../durable/history-log.ts';
import type { StoredOperation } from '../durable/operation.ts';
import type { EndRecord, Ending, ExecutionHost, Program, RunControls } from '../durable/program.ts';
import { TOKENS, textAt } from '../durable/tables.ts';
import { tokenHash } from '../durable/task-token.ts';
import { Children, abandoned, isSameWaiter, linkOf, unlinkOf } from './children.ts';
import type { ExecutionRow, Waiter } from './execution-row.ts';
import { principalOf, readRow, readValue, removals, rowItem, storeValue } from './execution-row.ts';
import { operationEvents } from './operation-events.ts';
import type { WorkflowRegistry } from './registry.ts';
import { EXECUTIONS } from './tables.ts';
import type { ChildEnd, ChildStart, RunInfo, StartExecution } from './workflow-engine.ts';

export interface HostParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: WorkflowRegistry;
  readonly executor: () => Executor;
  readonly start: (principal: Principal, start: StartExecution, waiter: Waiter) => Promise<ExecutionRow>;
  /** Runs an ended child again for who waits now. @throws PlatformError `EXECUTION_NOT_REDRIVABLE` and of its workflow. */
  readonly redrive: (child: ExecutionRow, waiter: Waiter) => Promise<void>;
  readonly onEnd: (row: ExecutionRow) => Promise<void>;
}

export class EngineHost implements ExecutionHost {
  readonly #parts: HostParts;
  readonly #children: Children;

  constructor(parts: HostParts) {
    const { store, clock, executor, redrive } = parts;
    this.#parts = parts;
    this.#children = new Children({
      store,
      redrive,
      nowMs: () => clock.nowMs(),
      end: (place, ending) => executor().end(place, ending),
      tell: (child, waiter) => this.#tell(child, waiter),
    });
  }

  async program(tenant: string, id: string): Promise<Program | { readonly ending: Ending } | undefined> {
    const row = await readRow(this.#store(tenant), id);
    if (row?.status !== 'RUNNING') return undefined;
    // Its parent may have ended while it was being started, and has not seen it then.
    const parent = row.waiter?.execution;
    if (parent !== undefined && !(await this.#isRunning(tenant, parent)))
      return { ending: abandoned(parent, this.#parts.clock.nowMs()) };
    const prepared = await this.#parts.registry.continuing(row);
    const log = this.#parts.log.with({ execution: id, tenant, workflow: row.workflow });
    let info: RunInfo | undefined;
    // Every invocation of a run has the same signal, and so the same information.
    const infoOf = (run: RunControls): RunInfo => (info ??= this.#info(row, run, log));
    return {
      deadlineAtMs: row.deadlineAtMs,
      log,
      run: (context, input, run) => prepared.run(context, input, infoOf(run)),
      invoke: (invocation, run) => prepared.invoke?.(invocation, infoOf(run)),
      ...(prepared.historyFrom === 'operations' && { eventsOf: operationEvents }),
    };
  }

  async ending(tenant: string, id: string, ending: Ending): Promise<EndRecord> {
    const row = await readRow(this.#store(tenant), id);
    if (row === undefined) return { writes: [], events: [endEvent(ending)], isAwaited: false };
    const { status, atMs, output, error, cause, failedPath } = ending;
    const stored =
      output === undefined
        ? undefined
        : storeValue(id, 'output', { text: output, sum: hash('sha256', output, 'base64url') });
    const after: ExecutionRow = {
      ...row,
      status,
      stoppedAtMs: atMs,
      ...(stored !== undefined && { output: stored.value }),
      ...(error !== undefined && { error }),
      ...(cause !== undefined && { cause }),
      ...(failedPath !== undefined && { failedPath }),
    };
    const writes: Write[] = [{ table: EXECUTIONS, put: rowItem(after) }, ...linkOf(after), ...(stored?.writes ?? [])];
    return { writes, events: [endEvent(ending)], isAwaited: row.waiter !== undefined };
  }

  async afterEnd(tenant: string, id: string): Promise<void> {
    const row = await readRow(this.#store(tenant), id);
    if (row === undefined || row.status === 'RUNNING') return;
    if (row.waiter !== undefined) await this.#tell(row, row.waiter);
    await this.#parts.onEnd(row);
  }

  async invoke(tenant: string, id: string, operation: StoredOperation): Promise<void> {
    const row = await readRow(this.#store(tenant), id);
    if (row?.status !== 'RUNNING') return;
    const waiter: Waiter = {
      execution: id,
      operation: operation.id,
      as: 'CHAINED_INVOKE',
      redrive: row.redriveCount,
    };
    const name = childName(`${id}/${operation.id}/${operation.n}`);
    try {
      const input = JSON.parse(operation.payload ?? '{}') as JsonValue;
      await this.#startChild(row, { workflow: operation.target ?? '', name, input }, waiter);
    } catch (thrown) {
      const error = toPlatformError(thrown);
      if (error.retryable) throw error;
      const answer = { operation: operation.id, type: 'CHAINED_INVOKE' } as const;
      const told = { ErrorType: error.code, ErrorMessage: error.message };
      await this.#parts.executor().answer({ tenant, id }, { ...answer, error: told });
    }
  }

  hasChildren(tenant: string, id: string): Promise<boolean> {
    return this.#children.run({ tenant, id });
  }

  tend(tenant: string, id: string, awaits: (operation: string) => boolean): Promise<void> {
    return this.#children.tend({ tenant, id }, awaits);
  }

  async removal(tenant: string, id: string): Promise<readonly Write[]> {
    const row = await readRow(this.#store(tenant), id);
    return row === undefined ? [] : [...removals(row), ...unlinkOf(row)];
  }

  #info(row: ExecutionRow, run: RunControls, log: Logger): RunInfo {
    const principal = principalOf(row);
    return {
      execution: { id: row.id, name: row.name, startedAtMs: row.startedAtMs, redriveCount: row.redriveCount },
      workflow: { name: row.workflow, version: row.version },
      tenant: row.tenant,
      principal,
      context: this.#context(row, principal, { log, signal: run.signal }),
      signal: run.signal,
      clock: this.#parts.clock,
      log,
      event: (draft) => run.event(draft),
      startChild: (start) => this.#childOf(row, start),
    };
  }

  #context(
    row: ExecutionRow,
    principal: Principal,
    { log, signal }: { log: Logger; signal: AbortSignal },
  ): RequestContext {
    const { clock } = this.#parts;
    const timeoutMs = row.deadlineAtMs === undefined ? Number.POSITIVE_INFINITY : row.deadlineAtMs - clock.nowMs();
    const trace = row.traceparent === undefined ? {} : { trace: { traceparent: row.traceparent } };
    const context = new Context({ principal, requestId: row.id, clock, timeoutMs, log, ...trace });
    signal.addEventListener('abort', () => context.abort(signal.reason), { once: true });
    return context;
  }

  async #childOf(row: ExecutionRow, start: ChildStart): Promise<{ readonly id: string }> {
    const token = await this.#store(row.tenant)
      .table(TOKENS)
      .get({ hash: tokenHash(start.callbackId) });
    if (token?.['execution'] !== row.id)
      throw new PlatformError('INVALID_ARGUMENTS', 'The callback id is not one of this execution.', {
        execution: row.id,
      });
    const operation = textAt(token, 'operation');
    const waiter: Waiter = { execution: row.id, operation, as: 'CALLBACK', redrive: row.redriveCount };
    const { workflow, version, name = childName(start.key), input } = start;
    const child = { workflow, name, input, ...(version !== undefined && { version }) };
    return { id: (await this.#startChild(row, child, waiter)).id };
  }

  /** A child that was there already gets this waiter; one that has ended tells it at once, or goes on where it failed. */
  async #startChild(row: ExecutionRow, start: StartExecution, waiter: Waiter): Promise<ExecutionRow> {
    const child = await this.#parts.start(principalOf(row), start, waiter);
    if (isSameWaiter(child.waiter, waiter)) return child;
    const place = { tenant: row.tenant, id: child.id };
    const now = await this.#parts.executor().exclusively(place, async () => {
      const found = await readRow(this.#store(row.tenant), child.id);
      if (found?.status !== 'RUNNING') return found;
      const after = { ...found, waiter };
      await this.#store(row.tenant).transact([
        { table: EXECUTIONS, put: rowItem(after) },
        ...linkOf(after),
        ...unlinkOf(found, waiter),
      ]);
      return found;
    });
    if (now !== undefined && now.status !== 'RUNNING') await this.#children.resume(now, waiter);
    return child;
  }

  async #isRunning(tenant: string, id: string): Promise<boolean> {
    return (await readRow(this.#store(tenant), id))?.status === 'RUNNING';
  }

  async #tell(child: ExecutionRow, { execution, operation, as }: Waiter): Promise<void> {
    const place = { tenant: child.tenant, id: execution };
    // One that runs again later asks by itself.
    if (!(await this.#isRunning(child.tenant, execution))) return;
    const end = await this.#endOf(child);
    if (as === 'CALLBACK') {
      await this.#parts.executor().answer(place, { operation, type: as, result: JSON.stringify(end) });
      return;
    }
    const { status, output, error, cause } = end;
    const told =
      status === 'SUCCEEDED'
        ? { result: output ?? 'null' }
        : { error: { ErrorType: error ?? status, ErrorMessage: cause ?? `Execution "${child.id}" is ${status}.` } };
    await this.#parts.executor().answer(place, { operation, type: as, ...told });
  }

  async #endOf(row: ExecutionRow): Promise<ChildEnd> {
    const store = this.#store(row.tenant);
    const { output, error, cause, stoppedAtMs = row.startedAtMs } = row;
    return {
      executionArn: row.id,
      stateMachineArn: row.workflow,
      name: row.name,
      status: row.status === 'RUNNING' ? 'FAILED' : row.status,
      startDate: row.startedAtMs,
      stopDate: stoppedAtMs,
      input: await readValue(store, row.id, 'input', row.input),
      ...(output !== undefined && { output: await readValue(store, row.id, 'output', output) }),
      ...(error !== undefined && { error }),
      ...(cause !== undefined && { cause }),
    };
  }

  #store(tenant: string): TenantStore {
    return this.#parts.store.store(tenant);
  }
}

/** A name that the same key always gives. */
function childName(key: string): string {
  return hash('sha256', key, 'hex').slice(0, 40);
}

function endEvent({ status, output, error, cause }: Ending): EventDraft {
  const failure = { ...(error !== undefined && { error }), ...(cause !== undefined && { cause }) };
  switch (status) {
    case 'SUCCEEDED':
      return {
        type: 'ExecutionSucceeded',
        member: 'executionSucceededEventDetails',
        details: { output: output ?? 'null' },
      };
    case 'FAILED':
      return { type: 'ExecutionFailed', member: 'executionFailedEventDetails', details: failure };
    case 'TIMED_OUT':
      return { type: 'ExecutionTimedOut', member: 'executionTimedOutEventDetails', details: failure };
    case 'ABORTED':
      return { type: 'ExecutionAborted', member: 'executionAbortedEventDetails', details: failure };
  }
}
