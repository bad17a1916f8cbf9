/** What the executor is told about an execution: what to run, and what to store when it ends. */

import type {
  DurableContext,
  DurableExecutionClient,
  DurableExecutionInvocationOutput,
  WireOperation,
} from '@aws/durable-execution-sdk-js';
import type { JsonValue, Logger, Write } from '../../core/ports.ts';
import type { EventDraft } from './history-log.ts';
import type { StoredOperation } from './operation.ts';

export interface Program {
  /** Execution deadline, wall time. */
  readonly deadlineAtMs?: number | undefined;
  readonly log: Logger;
  /** @throws WorkflowFailure or anything else to fail the execution. */
  run(context: DurableContext, input: JsonValue, run: RunControls): Promise<JsonValue>;
  /** One invocation of it outside this thread. @returns `undefined` when {@link run} is to be invoked in this one. */
  invoke?(invocation: Invocation, run: RunControls): Promise<DurableExecutionInvocationOutput> | undefined;
  /** Events that a change of an operation is worth; absent when the program tells its history itself. */
  eventsOf?(change: OperationChange): readonly EventDraft[];
}

/** What the SDK is given for an invocation. */
export interface Invocation {
  readonly arn: string;
  readonly tenant: string;
  readonly requestId: string;
  readonly operations: readonly WireOperation[];
  readonly client: DurableExecutionClient;
  /** Keeps what the program threw as it is: the SDK hands on its words alone. */
  readonly threw: (thrown: unknown) => void;
}

export interface OperationChange {
  readonly after: StoredOperation;
  /** Absent when it is new. */
  readonly before?: StoredOperation | undefined;
  /** The context that it is in; absent at the top. */
  readonly parent?: StoredOperation | undefined;
}

export interface RunControls {
  readonly signal: AbortSignal;
  event(draft: EventDraft): void;
}

export interface Ending {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  readonly atMs: number;
  /** JSON text. */
  readonly output?: string;
  readonly error?: string;
  readonly cause?: string;
  /** See `WorkflowFailure`. */
  readonly failedPath?: string;
}

export interface EndRecord {
  readonly writes: readonly Write[];
  readonly events: readonly EventDraft[];
  /** Whether somebody waits for the end, so that {@link ExecutionHost.afterEnd} must not be lost. */
  readonly isAwaited: boolean;
}

export interface ExecutionHost {
  /**
   * What an execution runs.
   *
   * @returns `undefined` when it has ended, how it ends when nobody waits for it any more.
   * @throws PlatformError `WORKFLOW_CHANGED` and whatever else makes it impossible to continue: it fails with that.
   */
  program(tenant: string, id: string): Promise<Program | { readonly ending: Ending } | undefined>;
  /** What records an end; stored in one commit with the journal's own. */
  ending(tenant: string, id: string, ending: Ending): Promise<EndRecord>;
  /** Called after each end, again after a crash until it has worked; tells whoever waits for it. */
  afterEnd(tenant: string, id: string): Promise<void>;
  /** Starts what an `invoke` names; a repeat is the same start. Its end completes the operation. */
  invoke(tenant: string, id: string, operation: StoredOperation): Promise<void>;
  /** Whether children of it run. */
  hasChildren(tenant: string, id: string): Promise<boolean>;
  /**
   * Makes the children of an execution what its operations say: one that runs for an operation that does not wait is
   * stopped, one that was stopped with an earlier run of the execution goes on. A repeat changes nothing.
   *
   * @param awaits whether an operation of it waits for an answer now.
   */
  tend(tenant: string, id: string, awaits: (operation: string) => boolean): Promise<void>;
  /** Items that go with the last trace of an execution. */
  removal(tenant: string, id: string): Promise<readonly Write[]>;
}
