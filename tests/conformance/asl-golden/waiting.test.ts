import type { LocalDurableTestRunner } from '@aws/durable-execution-sdk-js-testing';
import { WaitingOperationStatus } from '@aws/durable-execution-sdk-js-testing';
import { describe, expect, test } from 'vitest';
import type { JsonValue } from '../../../src/core/ports.ts';
import type { ChildEnd } from '../../../src/workflows/engine/workflow-engine.ts';
import { withSkippedTime } from '../../fixtures/skipped-time.ts';
import { runMachine } from './run-machine.ts';

withSkippedTime();

function waiting(extra: object = {}): JsonValue {
  return {
    StartAt: 'Ask',
    States: {
      Ask: {
        Type: 'Task',
        Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
        Parameters: { FunctionName: 'ask', Payload: { 'token.$': '$$.Task.Token', 'what.$': '$.what' } },
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }],
        End: true,
        ...extra,
      },
      Caught: { Type: 'Pass', End: true },
    },
  } as never;
}

/** Answers the callback of this name once the callee has been told. */
const answering =
  (operation: string, answer: (callback: ReturnType<LocalDurableTestRunner['getOperation']>) => Promise<unknown>) =>
  async (runner: LocalDurableTestRunner): Promise<void> => {
    const callback = runner.getOperation(operation);
    await callback.waitForData(WaitingOperationStatus.STARTED);
    await answer(callback);
  };

describe('a task that waits for its token', () => {
  test.concurrent('hands the token over in the context and ends with what is sent back', async () => {
    const tokens: unknown[] = [];
    const run = await runMachine(waiting(), {
      input: { what: 'approval' },
      functions: {
        ask: ({ input, taskToken }) => {
          tokens.push([(input as { token: string }).token === taskToken, (input as { what: string }).what]);
          return { StatusCode: 200 };
        },
      },
      during: answering('Ask#1/token', (callback) => callback.sendCallbackSuccess('{"approved":true}')),
    });
    expect(run.output).toEqual({ approved: true });
    expect(tokens).toEqual([[true, 'approval']]);
    expect(run.operations).toEqual(['Ask#1/token', 'Ask#1']);
  });

  test.concurrent('fails with the error that is sent back', async () => {
    const run = await runMachine(waiting(), {
      input: { what: 'x' },
      functions: { ask: () => null },
      during: answering('Ask#1/token', (callback) =>
        callback.sendCallbackFailure({ ErrorType: 'Rejected', ErrorMessage: 'not today' }),
      ),
    });
    expect(run.output).toEqual({ Error: 'Rejected', Cause: 'not today' });
  });

  test.concurrent('fails under the general name when the error has none', async () => {
    const run = await runMachine(waiting(), {
      input: { what: 'x' },
      functions: { ask: () => null },
      during: answering('Ask#1/token', (callback) => callback.sendCallbackFailure({ ErrorMessage: 'no' })),
    });
    expect(run.output).toEqual({ Error: 'States.TaskFailed', Cause: 'no' });
  });

  test.concurrent('times out when nobody answers', async () => {
    const run = await runMachine(waiting({ TimeoutSeconds: 1 }), {
      input: { what: 'x' },
      functions: { ask: () => null },
    });
    expect(run.output).toMatchObject({ Error: 'States.Timeout' });
  });

  test.concurrent('misses its heartbeat when nobody sends one', async () => {
    const run = await runMachine(waiting({ TimeoutSeconds: 30, HeartbeatSeconds: 1 }), {
      input: { what: 'x' },
      functions: { ask: () => null },
    });
    expect(run.output).toMatchObject({ Error: 'States.HeartbeatTimeout' });
  });

  test.concurrent('gets another token for another attempt', async () => {
    const run = await runMachine(waiting({ Retry: [{ ErrorEquals: ['Again'], MaxAttempts: 1 }] }), {
      input: { what: 'x' },
      functions: { ask: () => null },
      during: async (runner) => {
        await answering('Ask#1/token', (each) => each.sendCallbackFailure({ ErrorType: 'Again' }))(runner);
        await answering('Ask#1/attempt-2/token', (each) => each.sendCallbackSuccess('"second"'))(runner);
      },
    });
    expect(run.output).toBe('second');
    const [first, second] = run.calls;
    expect(first?.taskToken).not.toBe(second?.taskToken);
    expect([first?.key, second?.attempt]).toEqual([second?.key, 2]);
  });

  test.concurrent('refuses an answer that is no JSON', async () => {
    const run = await runMachine(waiting(), {
      input: { what: 'x' },
      functions: { ask: () => null },
      during: answering('Ask#1/token', (callback) => callback.sendCallbackSuccess('not json')),
    });
    expect(run.error).toBe('States.Runtime');
  });
});

describe('a task that starts another execution', () => {
  const machine = {
    StartAt: 'Child',
    States: {
      Child: {
        Type: 'Task',
        Resource: 'arn:aws:states:::states:startExecution.sync:2',
        Parameters: { StateMachineArn: 'net', Name: 'net-1', 'Input.$': '$' },
        Catch: [{ ErrorEquals: ['States.TaskFailed'], Next: 'Caught' }],
        ResultSelector: { 'out.$': '$.Output.n', 'status.$': '$.Status', 'in.$': '$.Input' },
        End: true,
      },
      Caught: { Type: 'Pass', Parameters: { 'child.$': 'States.StringToJson($.Cause)' }, End: true },
    },
  };
  const end: ChildEnd = {
    executionArn: 'arn:child',
    stateMachineArn: 'arn:net',
    name: 'net-1',
    status: 'SUCCEEDED',
    startDate: 1,
    stopDate: 2,
    input: '{"n":1}',
    output: '{"n":2}',
  };

  test.concurrent('waits without a process and takes the output as JSON', async () => {
    const started: unknown[] = [];
    const run = await runMachine(machine, {
      input: { n: 1 },
      startChild: ({ stateMachine, name, input, attempt }) => started.push({ stateMachine, name, input, attempt }),
      during: answering('Child#1/child', (callback) => callback.sendCallbackSuccess(JSON.stringify(end))),
    });
    expect(run.output).toEqual({ out: 2, status: 'SUCCEEDED', in: { n: 1 } });
    expect(started).toEqual([{ stateMachine: 'net', name: 'net-1', input: { n: 1 }, attempt: 1 }]);
    expect(run.operations).toEqual(['Child#1/child', 'Child#1']);
  });

  test.concurrent('fails with a description of the child that failed', async () => {
    const failed = { ...end, status: 'FAILED', output: undefined, error: 'E', cause: 'c' };
    const run = await runMachine(machine, {
      during: answering('Child#1/child', (callback) => callback.sendCallbackSuccess(JSON.stringify(failed))),
    });
    expect(run.output).toEqual({
      child: {
        ExecutionArn: 'arn:child',
        Name: 'net-1',
        StartDate: 1,
        StateMachineArn: 'arn:net',
        Status: 'FAILED',
        StopDate: 2,
        Input: '{"n":1}',
        Error: 'E',
        Cause: 'c',
      },
    });
  });
});
