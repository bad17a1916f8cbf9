/**
 * What this thread and a thread that interprets state machines say to each other. Each message is an array of these as
 * JSON text: what was to be said in one turn of the event loop crosses together.
 */

import type {
  CheckpointDurableExecutionRequest,
  CheckpointDurableExecutionResponse,
  DurableExecutionInvocationOutput,
  WireOperation,
} from '@aws/durable-execution-sdk-js';
import type { JsonValue, LogLevel } from '../../core/ports.ts';
import type { ChildCall, TaskCall } from '../asl/asl-host.ts';
import type { Identity } from '../asl/asl-kind.ts';
import type { HistoryDraft } from '../engine/workflow-engine.ts';

/** One invocation of an execution. `run` is its number on this line. */
export interface RunMessage {
  readonly is: 'run';
  readonly run: number;
  /** Hash of the definition. */
  readonly machine: string;
  /** Present unless the thread has the machine. */
  readonly definition?: JsonValue;
  readonly identity: Identity;
  readonly arn: string;
  readonly requestId: string;
  readonly tenant: string;
  readonly operations: readonly WireOperation[];
}

export type ToThread =
  | RunMessage
  /** The thread forgets the machines that it has; runs keep theirs. */
  | { readonly is: 'forget' }
  /** Nobody waits for the run any more. */
  | { readonly is: 'abort'; readonly run: number }
  | { readonly is: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly is: 'failure'; readonly call: number; readonly failure: Failure }
  | { readonly is: 'heartbeat'; readonly call: number };

/** What a run asks of the place where its execution is kept. */
export interface Verbs {
  readonly checkpoint: {
    readonly params: CheckpointDurableExecutionRequest;
    readonly answer: CheckpointDurableExecutionResponse;
  };
  readonly runTask: { readonly params: Omit<TaskCall, 'signal' | 'heartbeat'>; readonly answer: JsonValue };
  readonly startChild: {
    readonly params: Omit<ChildCall, 'signal'>;
    readonly answer: { readonly executionArn: string };
  };
}

export type Verb = keyof Verbs;

export type CallMessage = {
  [V in Verb]: {
    readonly is: 'call';
    readonly run: number;
    readonly call: number;
    readonly verb: V;
    readonly params: Verbs[V]['params'];
  };
}[Verb];

export type FromThread =
  | CallMessage
  /** Nobody waits for the call any more. */
  | { readonly is: 'cancel'; readonly run: number; readonly call: number }
  | { readonly is: 'event'; readonly run: number; readonly draft: HistoryDraft }
  | { readonly is: 'log'; readonly run: number; readonly level: LogLevel; readonly parts: readonly unknown[] }
  /** How the machine failed, as a `WorkflowFailure` has it; the run is done soon after. */
  | ({ readonly is: 'threw'; readonly run: number } & StatesFailure)
  | { readonly is: 'done'; readonly run: number; readonly output: DurableExecutionInvocationOutput }
  | { readonly is: 'broken'; readonly run: number; readonly failure: Failure };

/** An error on its way, with what its receiver distinguishes. */
export type Failure =
  | ({ readonly kind: 'states' } & StatesFailure)
  | { readonly kind: 'client'; readonly message: string; readonly isFinal: boolean }
  | { readonly kind: 'other'; readonly name: string; readonly message: string };

interface StatesFailure {
  readonly error: string;
  readonly cause: string;
  readonly failedPath?: string;
}
