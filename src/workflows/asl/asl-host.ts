/**
 * What the interpreter needs of the place where it runs. It knows no functions, stores or clocks: a host calls
 * functions, starts children, tells the time and keeps the history.
 */

import type { Clock, JsonValue } from '../../core/ports.ts';
import type { HistoryDraft } from '../engine/workflow-engine.ts';

export interface ExecutionInfo {
  /** An ARN. */
  readonly id: string;
  readonly name: string;
  /** ISO 8601. */
  readonly startTime: string;
  readonly input?: JsonValue;
  readonly roleArn?: string;
  readonly redriveCount?: number;
}

/**
 * `function`: the resource is a function, its answer is the result. `lambda-invoke`: the optimised integration,
 * whose payload is taken out of `Parameters`. `wait-for-token`: the same, and the result comes by the task token.
 */
export type TaskKind = 'function' | 'lambda-invoke' | 'wait-for-token';

/** One attempt of a Task. */
export interface TaskCall {
  /** As the definition says it. */
  readonly resource: string;
  /** Name or ARN, with an optional qualifier. */
  readonly functionName: string;
  readonly kind: TaskKind;
  readonly input: JsonValue;
  /** `execution/path#visit`; the same for every attempt, resume and redrive of this visit. */
  readonly key: string;
  /** From 1. */
  readonly attempt: number;
  /** Enforced here; handed on so that the callee can be told. */
  readonly timeoutMs?: number;
  readonly heartbeatMs?: number;
  /** Present for `wait-for-token`. The same while this attempt waits, another for the next attempt. */
  readonly taskToken?: string;
  /** Aborted when the time is up, a sibling failed, or the host stops. The attempt is over then, whatever the callee does. */
  readonly signal: AbortSignal;
  /** Begins the heartbeat interval anew. */
  readonly heartbeat: () => void;
}

/** Starts another execution and waits for it: `states:startExecution.sync:2`. */
export interface ChildCall {
  readonly stateMachine: string;
  /** Absent unless the definition names the execution. */
  readonly name?: string;
  readonly input: JsonValue;
  /** As in {@link TaskCall}. A start with a key that was used is the same child. */
  readonly key: string;
  readonly attempt: number;
  /**
   * When the child ends, however it ends and at once when it has ended already, the host completes this callback
   * successfully with the JSON text of a `ChildEnd`.
   */
  readonly callbackId: string;
  readonly signal: AbortSignal;
}

export interface AslHost {
  /** Idempotency keys begin with it; unique among everybody's executions. @default the execution's id */
  readonly keyPrefix?: string;
  readonly execution: ExecutionInfo;
  readonly stateMachine: { readonly id: string; readonly name: string };
  readonly clock: Pick<Clock, 'nowMs' | 'after'>;
  /** Resolves when it is this machine's turn again, where others share its thread. */
  turn?(): Promise<void>;
  /**
   * Aborted when the execution is stopped or the host goes down. Attempts under way are recorded as aborted, which the
   * next run makes again, and `interpret` never settles.
   */
  readonly signal?: AbortSignal;
  /**
   * One attempt of a Task. For `function` it answers what the function returned; for the other kinds
   * `{ExecutedVersion, Payload, StatusCode}`, which for `wait-for-token` only says that the callee was told.
   *
   * @throws TaskError
   */
  runTask(call: TaskCall): Promise<JsonValue>;
  /** Returns once the child is started. @throws TaskError */
  startChild(call: ChildCall): Promise<{ readonly executionArn: string }>;
  /** A replay drafts every event again under its key; the host keeps the first and drops repeats. */
  event(draft: HistoryDraft): void;
}
