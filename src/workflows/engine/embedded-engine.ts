/**
 * `WorkflowEngine` on the embedded store: who may do what with which execution. How they run is the executor's
 * business, what a definition means its kind's.
 */

import { hash } from 'node:crypto';
import type { AuditTrail, Author } from '../../audit/audit-trail.ts';
import type { Principal } from '../../core/context.ts';
import { PlatformError } from '../../core/errors.ts';
import { orderedId } from '../../core/ordered-id.ts';
import type { Clock, IdSource, JsonValue, Logger, StoreRoot, TenantStore, Write } from '../../core/ports.ts';
import { Executor } from '../durable/executor.ts';
import { redrivenKey } from '../durable/history-log.ts';
import { LIMITS } from '../durable/limits.ts';
import { TOKENS, textAt } from '../durable/tables.ts';
import { TaskTokens, tokenHash } from '../durable/task-token.ts';
import { executionEntries } from './audit-entries.ts';
import { linkOf, unlinkOf } from './children.ts';
import type { CodeWorkflow } from './code-workflow.ts';
import { EngineHost } from './engine-host.ts';
import {
  checkedFailure,
  inputText,
  invalidToken,
  isId,
  judge,
  listIndex,
  notRedrivable,
  redriven,
  startedEvent,
  timeouts,
  valueTooLarge,
} from './engine-rules.ts';
import type { ExecutionRow, Waiter } from './execution-row.ts';
import { descriptionOf, readRow, rowItem, rowOf, storeValue, storedPrincipal, summaryOf } from './execution-row.ts';
import { checkedLimit, historyPage } from './history-query.ts';
import { checkedExecutionName, executionId } from './names.ts';
import type { Resolved } from './registry.ts';
import { WorkflowRegistry } from './registry.ts';
import { EXECUTIONS } from './tables.ts';
import type {
  ExecutionDescription,
  ExecutionSummary,
  HistoryEvent,
  HistoryQuery,
  ListExecutions,
  Paged,
  StartExecution,
  TaskFailure,
  WorkflowEngine,
  WorkflowInfo,
  WorkflowKind,
  WorkflowRegistration,
} from './workflow-engine.ts';
import { BUILT_IN } from './workflow-engine.ts';

const DAY_MS = 24 * 3600 * 1000;
/** As long as Step Functions keeps names. */
const RETENTION_MS = 90 * DAY_MS;
export interface EmbeddedEngineOptions {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  /** Where changes that have an author are put on record. @default nowhere */
  readonly audit?: AuditTrail | undefined;
  /** Task tokens are made from it: 32 bytes, the same across restarts. */
  readonly tokenKey: Uint8Array;
  readonly kinds?: readonly WorkflowKind[];
  /** What ships with the product, for every tenant. */
  readonly workflows?: readonly (CodeWorkflow | WorkflowRegistration)[];
  /** Executions of a tenant that run at the same time, while it is alone; see `Slots`. @default 100 */
  readonly maxActive?: number;
  /** @default 90 days */
  readonly retentionMs?: number;
  /** Where several processes share the store; see `ExecutorOptions`. */
  readonly leaseMs?: number;
  /** How long a close waits for steps under way. @default 10 s */
  readonly drainMs?: number;
}

export interface EmbeddedEngine extends WorkflowEngine {
  /**
   * Takes the built-in workflows in and continues whatever ran when the process before ended.
   *
   * @throws PlatformError `JOURNAL_CORRUPT`, and as `register` for a built-in.
   */
  boot(): Promise<void>;
  /** Stops at a step boundary. The store stays open. */
  close(): Promise<void>;
  /**
   * Ends an execution whose journal is damaged as failed, so that the instance starts again; one that is whole stays as
   * it is. Before {@link boot} alone: nothing is run, and whoever waits for the execution is told by the next boot.
   *
   * @throws PlatformError `NOT_FOUND`.
   */
  repair(tenant: string, id: string, by?: Author): Promise<Repaired>;
}

export interface Repaired {
  readonly execution: ExecutionDescription;
  /** What was wrong with the journal; absent when nothing was. */
  readonly damage?: string;
}

export function createEmbeddedEngine(options: EmbeddedEngineOptions): EmbeddedEngine {
  return new Engine(options);
}

class Engine implements EmbeddedEngine {
  readonly label = 'embedded';
  readonly #options: EmbeddedEngineOptions;
  readonly #registry: WorkflowRegistry;
  readonly #executor: Executor;
  readonly #listeners = new Set<(ended: ExecutionDescription) => void>();
  #isClosed = false;

  constructor(options: EmbeddedEngineOptions) {
    const { store, clock, audit } = options;
    const code = (options.workflows ?? []).filter((workflow) => 'prepared' in workflow);
    this.#options = options;
    this.#registry = new WorkflowRegistry({ store, clock, kinds: options.kinds ?? [], code, audit });
    const host = new EngineHost({
      ...options,
      registry: this.#registry,
      executor: () => this.#executor,
      start: (principal, start, waiter) => this.#start(principal, start, waiter),
      redrive: (child, waiter) => this.#redrive(child, waiter),
      onEnd: (row) => this.#tellEnd(row),
    });
    this.#executor = new Executor({
      ...options,
      host,
      tokens: new TaskTokens(options.tokenKey),
      retentionMs: options.retentionMs ?? RETENTION_MS,
    });
  }

  async boot(): Promise<void> {
    for (const workflow of this.#options.workflows ?? [])
      if (!('prepared' in workflow)) await this.#registry.register(BUILT_IN, workflow);
    await this.#executor.boot();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#executor.close();
  }

  register(tenant: string, registration: WorkflowRegistration, by?: Author): Promise<WorkflowInfo> {
    return this.#registry.register(tenant, registration, by);
  }

  workflows(tenant: string): Promise<readonly WorkflowInfo[]> {
    return this.#registry.list(tenant);
  }

  workflow(tenant: string, name: string, version?: number): Promise<WorkflowInfo> {
    return this.#registry.get(tenant, name, version);
  }

  versions(tenant: string, name: string): Promise<readonly number[]> {
    return this.#registry.versions(tenant, name);
  }

  async start(principal: Principal, start: StartExecution): Promise<ExecutionDescription> {
    const row = await this.#start(principal, start);
    return descriptionOf(this.#store(principal.tenant), row);
  }

  async describe(tenant: string, id: string): Promise<ExecutionDescription> {
    return descriptionOf(this.#store(tenant), await this.#row(tenant, id));
  }

  async history(tenant: string, id: string, query: HistoryQuery = {}): Promise<Paged<HistoryEvent>> {
    await this.#row(tenant, id);
    return historyPage(this.#executor, { tenant, id }, query);
  }

  async list(tenant: string, query: ListExecutions = {}): Promise<Paged<ExecutionSummary>> {
    const { workflow, status, cursor } = query;
    const page = await this.#store(tenant)
      .table(EXECUTIONS)
      .query({
        ...listIndex(workflow, status),
        descending: true,
        limit: checkedLimit(query.limit),
        ...(cursor !== undefined && { cursor }),
      });
    const items = page.items.map((item) => summaryOf(rowOf(item)));
    return { items, ...(page.cursor !== undefined && { cursor: page.cursor }) };
  }

  async stop(tenant: string, id: string, reason: TaskFailure = {}, by?: Author): Promise<ExecutionDescription> {
    const { workflow, version } = await this.#row(tenant, id);
    const atMs = this.#options.clock.nowMs();
    const failure = checkedFailure(reason);
    const entries = executionEntries(by, 'execution-stopped', id, { workflow, version, error: failure.error });
    await this.#executor.end({ tenant, id }, { status: 'ABORTED', atMs, ...failure }, entries);
    return this.describe(tenant, id);
  }

  async redrive(tenant: string, id: string, by?: Author): Promise<ExecutionDescription> {
    const row = await this.#row(tenant, id);
    const { waiter } = row;
    const place = { tenant, id: waiter?.execution ?? '' };
    // For itself, unless its parent has not heard yet how it ended.
    const isAwaited = waiter !== undefined && (await this.#executor.awaits(place, waiter.operation));
    await this.#redrive(row, isAwaited ? waiter : undefined, by);
    return this.describe(tenant, id);
  }

  async #redrive(row: ExecutionRow, waiter: Waiter | undefined, by?: Author): Promise<void> {
    const { tenant, id, workflow, version } = row;
    if (row.status === 'RUNNING' || row.status === 'SUCCEEDED') throw notRedrivable(row);
    const present = await this.#registry.present(row);
    const after = { ...redriven(row, present, this.#options.clock.nowMs()), ...(waiter !== undefined && { waiter }) };
    const { failedPath, cause } = row;
    const condition = { equals: { status: row.status, redriveCount: row.redriveCount } };
    const event = {
      key: redrivenKey(after.redriveCount, failedPath),
      type: 'ExecutionRedriven',
      member: 'executionRedrivenEventDetails',
      details: { redriveCount: after.redriveCount },
    };
    try {
      await this.#executor.redrive(
        { tenant, id },
        {
          failure: { failedPath, cause },
          writes: [{ table: EXECUTIONS, put: rowItem(after), condition }, ...linkOf(after), ...unlinkOf(row, waiter)],
          events: [event],
          entries: executionEntries(by, 'execution-redriven', id, {
            workflow,
            version,
            redriveCount: after.redriveCount,
          }),
        },
      );
    } catch (thrown) {
      if (thrown instanceof PlatformError && thrown.code === 'CONDITION_FAILED') throw notRedrivable(row);
      throw thrown;
    }
  }

  async sendTaskSuccess(tenant: string, token: string, output: JsonValue, by?: Author): Promise<void> {
    const result = JSON.stringify(output);
    if (Buffer.byteLength(result) > LIMITS.valueBytes) throw valueTooLarge('The output of a task');
    await this.#answer(tenant, token, { result }, by);
  }

  async sendTaskFailure(tenant: string, token: string, failure: TaskFailure, by?: Author): Promise<void> {
    const { error, cause } = checkedFailure(failure);
    const told = { ...(error !== undefined && { ErrorType: error }), ErrorMessage: cause ?? '' };
    await this.#answer(tenant, token, { error: told }, by);
  }

  async sendTaskHeartbeat(tenant: string, token: string): Promise<void> {
    const { id, operation } = await this.#task(tenant, token);
    judge(await this.#executor.beat({ tenant, id }, operation, token));
  }

  onEnd(listener: (ended: ExecutionDescription) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async repair(tenant: string, id: string, by?: Author): Promise<Repaired> {
    const row = await this.#row(tenant, id);
    const damage = row.status === 'RUNNING' ? await this.#executor.damageOf({ tenant, id }) : undefined;
    if (damage === undefined) return { execution: await this.describe(tenant, id) };
    const atMs = this.#options.clock.nowMs();
    const cause = `The journal was damaged (${damage}), and the execution was ended by hand.`;
    const entries = executionEntries(by, 'execution-repaired', id, { workflow: row.workflow, damage });
    await this.#executor.endUnread(
      { tenant, id },
      { status: 'FAILED', atMs, error: 'JOURNAL_CORRUPT', cause },
      entries,
    );
    return { execution: await this.describe(tenant, id), damage };
  }

  // ------------------------------------------------------------------------------------------------------

  async #start(principal: Principal, start: StartExecution, waiter?: Waiter): Promise<ExecutionRow> {
    if (this.#isClosed) throw new PlatformError('SHUTTING_DOWN', 'The engine is closing. Try again shortly.');
    const { ids, clock } = this.#options;
    const resolved = await this.#registry.resolve(principal.tenant, start.workflow, start.version);
    const name = start.name === undefined ? orderedId(ids, clock) : checkedExecutionName(start.name);
    const { row, writes } = this.#newRow(principal, { ...start, name }, resolved);
    const waited = waiter === undefined ? row : { ...row, waiter };
    const text = inputText(start);
    const put: Write = { table: EXECUTIONS, put: rowItem(waited), condition: { exists: false } };
    try {
      const { tenant, id } = row;
      await this.#executor.create({
        tenant,
        id,
        input: text,
        writes: [put, ...linkOf(waited), ...writes],
        events: [startedEvent(row, text)],
      });
      return waited;
    } catch (thrown) {
      const isTaken = thrown instanceof PlatformError && /^(?:EXECUTION_FENCED|CONDITION_FAILED)$/.test(thrown.code);
      if (!isTaken) throw thrown;
      return this.#existing(row, start);
    }
  }

  #newRow(principal: Principal, start: StartExecution & { readonly name: string }, { info, prepared }: Resolved) {
    const { tenant } = principal;
    const id = executionId(info.name, start.name);
    const text = inputText(start);
    const { value, writes } = storeValue(id, 'input', { text, sum: hash('sha256', text, 'base64url') });
    const startedAtMs = this.#options.clock.nowMs();
    const row: ExecutionRow = {
      id,
      tenant,
      name: start.name,
      workflow: info.name,
      version: info.version,
      kind: info.kind,
      owner: info.owner,
      hash: prepared.hash,
      kindVersion: prepared.version,
      status: 'RUNNING',
      startedAtMs,
      input: value,
      principal: storedPrincipal(principal),
      redriveCount: 0,
      ...timeouts(start.timeoutSeconds, prepared.timeoutSeconds, startedAtMs),
      ...(start.traceparent !== undefined && { traceparent: start.traceparent }),
    };
    return { row, writes };
  }

  /** The name was used before. @throws PlatformError `EXECUTION_EXISTS`. */
  async #existing(wanted: ExecutionRow, { version }: StartExecution): Promise<ExecutionRow> {
    const found = await readRow(this.#store(wanted.tenant), wanted.id);
    const isSame = found?.input.sum === wanted.input.sum && (version === undefined || found.version === version);
    if (found !== undefined && isSame) return found;
    throw new PlatformError(
      'EXECUTION_EXISTS',
      `Workflow "${wanted.workflow}" has an execution "${wanted.name}" with another ${found?.version === version || version === undefined ? 'input' : 'version'}. Choose another name, or none.`,
      { execution: wanted.id },
    );
  }

  async #row(tenant: string, id: string): Promise<ExecutionRow> {
    const row = isId(id) ? await readRow(this.#store(tenant), id) : undefined;
    if (row !== undefined) return row;
    throw new PlatformError('NOT_FOUND', `There is no execution "${id}".`, { execution: id });
  }

  async #answer(
    tenant: string,
    token: string,
    answer: { result?: string; error?: { ErrorType?: string; ErrorMessage: string } },
    by: Author | undefined,
  ): Promise<void> {
    const { id, operation } = await this.#task(tenant, token);
    const action = answer.error === undefined ? 'task-succeeded' : 'task-failed';
    const entries = executionEntries(by, action, id, { operation, error: answer.error?.ErrorType });
    judge(await this.#executor.answer({ tenant, id }, { ...answer, operation, token, entries, type: 'CALLBACK' }));
  }

  /** Which task a token stands for. @throws PlatformError `TASK_TOKEN_INVALID`. */
  async #task(tenant: string, token: string): Promise<{ readonly id: string; readonly operation: string }> {
    const item = await this.#store(tenant)
      .table(TOKENS)
      .get({ hash: tokenHash(token) });
    if (item === undefined) throw invalidToken();
    return { id: textAt(item, 'execution'), operation: textAt(item, 'operation') };
  }

  async #tellEnd(row: ExecutionRow): Promise<void> {
    if (this.#listeners.size === 0) return;
    const ended = await descriptionOf(this.#store(row.tenant), row);
    for (const listener of this.#listeners) {
      try {
        listener(ended);
      } catch (thrown) {
        this.#options.log.log('error', 'workflow-listener-failed', { execution: row.id, reason: String(thrown) });
      }
    }
  }

  #store(tenant: string): TenantStore {
    return this.#options.store.store(tenant);
  }
}
