/**
 * Workflows and their executions, in Step Functions' own verbs, so that an adapter for Step Functions is thin and the
 * others (Lambda durable functions, Temporal) have something definite to be measured by.
 *
 * What a definition means is the business of its kind; where executions are kept and how they survive is the
 * adapter's. `docs/decisions/0008-workflow-engine-port.md` checks the verbs against three engines.
 */

import type { DurableContext, DurableExecutionInvocationOutput } from '@aws/durable-execution-sdk-js';
import type { Author } from '../../audit/audit-trail.ts';
import type { Principal, RequestContext } from '../../core/context.ts';
import type { Invocation } from '../durable/program.ts';
import type { BackendLabel, Clock, JsonValue, Logger } from '../../core/ports.ts';

export type JsonObject = { readonly [key: string]: JsonValue };

/** Owner of the workflows that ship with the product; every tenant may start them, none may change them. */
export const BUILT_IN = '*';

// ------------------------------------------------------------------------------------------- definitions

export interface WorkflowRegistration {
  /** 1 to 80 letters, digits, `-` and `_`, as Step Functions has it. */
  readonly name: string;
  /** The next number when absent. A version that exists is accepted again with the same definition only. */
  readonly version?: number;
  /** Which {@link WorkflowKind} understands the definition; `asl`. */
  readonly kind: string;
  readonly definition: JsonValue;
  readonly description?: string;
}

export interface WorkflowInfo {
  readonly name: string;
  readonly version: number;
  readonly kind: string;
  /** {@link BUILT_IN}, or the tenant. */
  readonly owner: string;
  /** Of the definition; an execution keeps the one that it began with. */
  readonly hash: string;
  readonly createdAtMs: number;
  readonly description?: string;
  /** Absent for workflows in code. */
  readonly definition?: JsonValue;
}

/** Understands one form of definition. Kinds plug in where the engine is put together. */
export interface WorkflowKind {
  readonly kind: string;
  /** Called once per definition and process. @throws PlatformError for a definition that cannot run. */
  prepare(definition: JsonValue): PreparedWorkflow;
}

export interface PreparedWorkflow {
  /** Changes with whatever makes recorded executions impossible to replay. */
  readonly hash: string;
  /** Of the interpreter or, for code, what its author declared; named when an execution cannot be continued. */
  readonly version: string;
  /** Execution deadline that the definition itself sets. */
  readonly timeoutSeconds?: number;
  /** `operations`: the history is made from the durable operations. `run`: {@link RunInfo.event} tells it. @default run */
  readonly historyFrom?: 'operations' | 'run';
  /** @throws WorkflowFailure to end the execution as failed; anything else that is thrown also fails it. */
  run(context: DurableContext, input: JsonValue, run: RunInfo): Promise<JsonValue>;
  /** One invocation of it outside this thread. @returns `undefined` when {@link run} is to be invoked in this one. */
  invoke?(invocation: Invocation, run: RunInfo): Promise<DurableExecutionInvocationOutput> | undefined;
}

/** An event as a run drafts it. A replay drafts each again under the same key; the first is kept. */
export interface HistoryDraft {
  /** Unique in the execution and the same in every replay. */
  readonly key: string;
  /** `TaskStateEntered` and its like. `ExecutionStarted`, `ExecutionSucceeded` and their like are the engine's own. */
  readonly type: string;
  /** Member that the details stand under in `GetExecutionHistory`, such as `stateEnteredEventDetails`. */
  readonly member?: string;
  readonly details?: JsonObject;
  /** Key of the event that led to this one. @default the event before */
  readonly previous?: string;
}

/** Starts another execution whose end completes a callback of this one. */
export interface ChildStart {
  readonly workflow: string;
  readonly version?: number;
  /** Made from `key` when absent. */
  readonly name?: string;
  readonly input: JsonValue;
  /** A start with a key that was used is the same child. */
  readonly key: string;
  /**
   * From `createCallback` of this run. Completed successfully with the JSON text of a {@link ChildEnd}, however the
   * child ends, at once when it has ended already.
   */
  readonly callbackId: string;
}

/** How a child ended: `DescribeExecution` of Step Functions. */
export interface ChildEnd {
  readonly executionArn: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly status: 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  /** Milliseconds since 1970. */
  readonly startDate: number;
  readonly stopDate: number;
  /** JSON text. */
  readonly input: string;
  readonly output?: string;
  readonly error?: string;
  readonly cause?: string;
}

/** What one run of an execution knows of itself. */
export interface RunInfo {
  readonly execution: {
    readonly id: string;
    readonly name: string;
    readonly startedAtMs: number;
    readonly redriveCount: number;
  };
  readonly workflow: { readonly name: string; readonly version: number };
  readonly tenant: string;
  /** Who started it, as they were then. */
  readonly principal: Principal;
  /** A context of the starter for calls to tools and functions; its signal is {@link signal}. */
  readonly context: RequestContext;
  /** Aborted when the execution is stopped, its deadline passes, or the engine goes down. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
  /** Stored in the commit of the next checkpoint. */
  event(draft: HistoryDraft): void;
  /** Returns once the child is stored. @throws PlatformError as {@link WorkflowEngine.start}. */
  startChild(start: ChildStart): Promise<{ readonly id: string }>;
}

// -------------------------------------------------------------------------------------------- executions

export type ExecutionStatus = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';

export interface StartExecution {
  readonly workflow: string;
  /** The newest when absent. */
  readonly version?: number;
  /** 1 to 80 characters as Step Functions takes them. Unique per workflow; makes the start idempotent. @default a UUID */
  readonly name?: string;
  /** At most 256 KiB of JSON. @default {} */
  readonly input?: JsonValue;
  /** Execution deadline; the shorter of this and the definition's. */
  readonly timeoutSeconds?: number;
  readonly traceparent?: string;
}

export interface ExecutionSummary {
  /** `<workflow>:<name>`. */
  readonly id: string;
  readonly name: string;
  readonly workflow: string;
  readonly version: number;
  readonly status: ExecutionStatus;
  readonly startedAtMs: number;
  readonly stoppedAtMs?: number;
}

export interface ExecutionDescription extends ExecutionSummary {
  readonly tenant: string;
  /** Id of the principal who started it. */
  readonly startedBy: string;
  readonly input: JsonValue;
  readonly output?: JsonValue;
  readonly error?: string;
  readonly cause?: string;
  readonly redriveCount: number;
  readonly deadlineAtMs?: number;
  readonly traceparent?: string;
}

/** As in `GetExecutionHistory`, with the details under one name. */
export interface HistoryEvent {
  /** From 1, without gaps. */
  readonly id: number;
  /** 0 for the first. */
  readonly previousEventId: number;
  readonly type: string;
  readonly timestampMs: number;
  /** `stateEnteredEventDetails` and its like. */
  readonly member?: string;
  readonly details: JsonObject;
}

export interface HistoryQuery {
  /** Newest first. */
  readonly reverse?: boolean;
  /** Only events with greater ids, for who has seen the others. A cursor outdoes it; not with {@link reverse}. */
  readonly after?: number;
  /** 1 to 1,000. @default 100 */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface ListExecutions {
  readonly workflow?: string;
  readonly status?: ExecutionStatus;
  /** 1 to 1,000. @default 100 */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface Paged<T> {
  readonly items: readonly T[];
  readonly cursor?: string;
}

export interface TaskFailure {
  /** At most 256 characters. */
  readonly error?: string;
  /** At most 32,768 characters. */
  readonly cause?: string;
}

/**
 * Every verb is one tenant's: what belongs to another does not exist (`NOT_FOUND`). The store's errors
 * (`STORE_FULL`, `STORE_UNAVAILABLE`) may come from each. A change that has an author is in the audit trail, in one
 * commit with its record; without one it is the product's own, such as the end of what a job had started.
 */
export interface WorkflowEngine {
  readonly label: BackendLabel;
  /**
   * Keeps a definition under a name and version. A definition equal to the newest gives that version again.
   *
   * @throws PlatformError `INVALID_ARGUMENTS`, `WORKFLOW_INVALID`, `WORKFLOW_UNSUPPORTED` from the kind,
   *   `WORKFLOW_EXISTS` for another definition under a version that is taken, or the name of a built-in.
   */
  register(tenant: string, registration: WorkflowRegistration, by?: Author): Promise<WorkflowInfo>;
  /** The tenant's and the built-in ones, newest version each, by name. */
  workflows(tenant: string): Promise<readonly WorkflowInfo[]>;
  /** @throws PlatformError `NOT_FOUND`. */
  workflow(tenant: string, name: string, version?: number): Promise<WorkflowInfo>;
  /** Which versions can be started, newest first. @throws PlatformError `NOT_FOUND`. */
  versions(tenant: string, name: string): Promise<readonly number[]>;
  /**
   * Returns once the execution is durable. A name that was used gives the execution it named, if workflow and input
   * are the same.
   *
   * @throws PlatformError `NOT_FOUND` for the workflow, `INVALID_ARGUMENTS`, `PAYLOAD_TOO_LARGE`, `EXECUTION_EXISTS`,
   *   `SHUTTING_DOWN`.
   */
  start(principal: Principal, start: StartExecution): Promise<ExecutionDescription>;
  /** @throws PlatformError `NOT_FOUND`. */
  describe(tenant: string, id: string): Promise<ExecutionDescription>;
  /** @throws PlatformError `NOT_FOUND`, `INVALID_CURSOR`, `INVALID_ARGUMENTS`. */
  history(tenant: string, id: string, query?: HistoryQuery): Promise<Paged<HistoryEvent>>;
  /** Newest first. @throws PlatformError `INVALID_CURSOR`, `INVALID_ARGUMENTS`. */
  list(tenant: string, query?: ListExecutions): Promise<Paged<ExecutionSummary>>;
  /**
   * Ends a running execution as `ABORTED` and aborts the attempts under way; one that has ended stays as it is.
   *
   * @throws PlatformError `NOT_FOUND`.
   */
  stop(tenant: string, id: string, reason?: TaskFailure, by?: Author): Promise<ExecutionDescription>;
  /**
   * Continues a failed, stopped or timed out execution where it failed, under the same id; what had succeeded is
   * kept, and the deadline begins anew. The definition is the execution's own; code is the present one.
   *
   * @throws PlatformError `NOT_FOUND`, `EXECUTION_NOT_REDRIVABLE`.
   */
  redrive(tenant: string, id: string, by?: Author): Promise<ExecutionDescription>;
  /** @throws PlatformError `TASK_TOKEN_INVALID`, `TASK_TIMED_OUT`, `PAYLOAD_TOO_LARGE`. */
  sendTaskSuccess(tenant: string, token: string, output: JsonValue, by?: Author): Promise<void>;
  /** @throws PlatformError as {@link sendTaskSuccess}. */
  sendTaskFailure(tenant: string, token: string, failure: TaskFailure, by?: Author): Promise<void>;
  /** Begins the heartbeat interval of a waiting task anew. @throws PlatformError as {@link sendTaskSuccess}. */
  sendTaskHeartbeat(tenant: string, token: string): Promise<void>;
  /** Calls back after an execution has ended, in this process, until the returned function is called. */
  onEnd(listener: (ended: ExecutionDescription) => void): () => void;
}
