/** Runs a machine on the backend of the durable SDK's makers, in memory, with time that is skipped. */

import { withDurableExecution } from '@aws/durable-execution-sdk-js';
import { LocalDurableTestRunner } from '@aws/durable-execution-sdk-js-testing';
import type { JsonValue } from '../../../src/core/ports.ts';
import type { AslHost, ChildCall, TaskCall } from '../../../src/workflows/asl/asl-host.ts';
import { interpret } from '../../../src/workflows/asl/interpreter.ts';
import { parseMachine } from '../../../src/workflows/asl/parse-machine.ts';
import { TaskError } from '../../../src/workflows/asl/states-error.ts';
import { WorkflowFailure } from '../../../src/workflows/failure.ts';
import type { HistoryDraft } from '../../../src/workflows/engine/workflow-engine.ts';

/** What a function of a test does with one call. */
export type TestFunction = (call: TaskCall) => JsonValue | Promise<JsonValue>;

export interface MachineRun {
  /** Of the machine; absent when it failed. */
  readonly output?: JsonValue;
  readonly error?: string;
  readonly cause?: string;
  readonly failedPath?: string | undefined;
  readonly calls: readonly TaskCall[];
  /** Names of the durable operations in the order in which they began. */
  readonly operations: readonly string[];
  readonly events: readonly HistoryDraft[];
  /** How often the machine was begun anew and replayed. */
  readonly invocations: number;
}

export interface RunOptions {
  readonly input?: JsonValue;
  readonly functions?: Readonly<Record<string, TestFunction>>;
  readonly startChild?: (call: ChildCall, complete: Complete) => void;
  readonly host?: Partial<AslHost>;
  /** Called with the runner before it runs, to answer callbacks. */
  readonly during?: (runner: LocalDurableTestRunner) => Promise<void>;
}

export type Complete = (callbackOperation: string, result: string) => Promise<void>;

export const EXECUTION = {
  id: 'arn:aws:states:us-east-1:000000000000:execution:golden:run-1',
  name: 'run-1',
  startTime: '2026-01-31T10:00:00.000Z',
  roleArn: 'arn:aws:iam::000000000000:role/golden',
};

const STATE_MACHINE = { id: 'arn:aws:states:us-east-1:000000000000:stateMachine:golden', name: 'golden' };

/** Time limits of tasks pass this much faster than the clock; waits of the machine are skipped altogether. */
const QUICKER = 50;

export function fail(error: string, cause = ''): never {
  throw new TaskError(error, cause);
}

/** Fails with each of these errors in turn, then answers. */
export function failing(errors: readonly string[], then: JsonValue = 'done'): TestFunction {
  const left = [...errors];
  return () => {
    const error = left.shift();
    return error === undefined ? then : fail(error, `because of ${error}`);
  };
}

export async function runMachine(definition: JsonValue, options: RunOptions = {}): Promise<MachineRun> {
  const machine = parseMachine(definition);
  const calls: TaskCall[] = [];
  const events = new Map<string, HistoryDraft>();
  let failure: WorkflowFailure | undefined;
  let invocations = 0;
  const host: AslHost = {
    execution: { ...EXECUTION, input: options.input ?? {} },
    stateMachine: STATE_MACHINE,
    clock: {
      nowMs: () => Date.now(),
      after: (delayMs, run) => {
        const timer = setTimeout(run, delayMs / QUICKER);
        return () => clearTimeout(timer);
      },
    },
    runTask: async (call) => {
      calls.push(call);
      const run = options.functions?.[call.functionName];
      return run === undefined ? fail('Lambda.ResourceNotFoundException', call.functionName) : run(call);
    },
    startChild: async (call) => {
      options.startChild?.(call, async () => undefined);
      return { executionArn: `${call.stateMachine}:child` };
    },
    event: (draft) => {
      if (!events.has(draft.key)) events.set(draft.key, draft);
    },
    ...options.host,
  };
  const handler = withDurableExecution(async (_: unknown, context) => {
    invocations++;
    try {
      return await interpret(machine, options.input ?? {}, context, host);
    } catch (error) {
      if (error instanceof WorkflowFailure) failure = error;
      throw error;
    }
  });
  const runner = new LocalDurableTestRunner({ handlerFunction: handler });
  const [result] = await Promise.all([runner.run({ payload: {} }), options.during?.(runner)]);
  const operations = result.getOperations().map((operation) => operation.getName() ?? '');
  const seen = { calls, operations, events: [...events.values()], invocations };
  if (result.getStatus() === 'SUCCEEDED') return { ...seen, output: (result.getResult() ?? null) as JsonValue };
  if (failure === undefined)
    throw new Error(`The run ended as ${result.getStatus()}: ${JSON.stringify(result.getError())}`);
  return { ...seen, error: failure.error, cause: failure.cause, failedPath: failure.failedPath };
}
