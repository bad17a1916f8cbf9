/** Tasks: errors, retries, catchers, time limits, integrations. */

import type { Golden } from './golden.ts';
import { single } from './golden.ts';
import { fail, failing } from './run-machine.ts';

const forever = (): Promise<never> => new Promise(() => undefined);

/** A task `S` whose errors lead to `C`, which puts out what it gets. */
function caughtBy(errors: readonly string[], task: Record<string, unknown> = {}): never {
  return {
    StartAt: 'S',
    States: {
      S: {
        Type: 'Task',
        Resource: 'f',
        Catch: [{ ErrorEquals: errors, ResultPath: '$.failure', Next: 'C' }],
        End: true,
        ...task,
      },
      C: { Type: 'Pass', End: true },
    },
  } as never;
}

export const TASKS: readonly Golden[] = [
  {
    name: 'a task is one operation and has one key',
    fact: 'our own: execution/path#visit',
    machine: single({ Type: 'Task', Resource: 'arn:aws:lambda:us-east-1:123456789012:function:f' }),
    functions: { 'arn:aws:lambda:us-east-1:123456789012:function:f': () => ({ ok: true }) },
    expect: { output: { ok: true } },
    operations: ['S#1'],
    calls: [['S#1', 1]],
  },
  {
    name: 'a placeholder stands for a function of that name',
    fact: 'guide DefinitionSubstitutions: ${Name}',
    machine: single({ Type: 'Task', Resource: '${CreateVpc}' }),
    functions: { CreateVpc: () => 'made' },
    expect: { output: 'made' },
  },
  {
    name: 'an error that nothing catches fails the machine with its own name',
    fact: 'spec Errors: an unhandled error fails the machine',
    machine: single({ Type: 'Task', Resource: 'f' }),
    functions: { f: () => fail('ErrorA', 'why') },
    expect: { error: 'ErrorA', cause: 'why', failedPath: 'S#1' },
  },
  {
    name: 'a retrier waits longer each time',
    fact: 'spec Retrier: IntervalSeconds 3 and BackoffRate 1.5 give 3 and 4.5 seconds',
    machine: single({
      Type: 'Task',
      Resource: 'f',
      Retry: [{ ErrorEquals: ['States.Timeout', 'ErrorA'], IntervalSeconds: 3, MaxAttempts: 2, BackoffRate: 1.5 }],
    }),
    functions: { f: failing(['ErrorA', 'ErrorA']) },
    expect: { output: 'done' },
    operations: ['S#1', 'S#1/backoff', 'S#1/attempt-2', 'S#1/attempt-2/backoff', 'S#1/attempt-3'],
    calls: [
      ['S#1', 1],
      ['S#1', 2],
      ['S#1', 3],
    ],
  },
  {
    name: 'three retries are the default',
    fact: 'spec Retrier: MaxAttempts 3 when absent',
    machine: single({ Type: 'Task', Resource: 'f', Retry: [{ ErrorEquals: ['States.ALL'] }] }),
    functions: { f: failing(['A', 'B', 'C', 'D']) },
    expect: { error: 'D' },
  },
  {
    name: 'MaxAttempts of zero never retries',
    fact: 'spec Retrier: zero says that some errors are never retried',
    machine: single({
      Type: 'Task',
      Resource: 'f',
      Retry: [{ ErrorEquals: ['Fatal'], MaxAttempts: 0 }, { ErrorEquals: ['States.ALL'] }],
    }),
    functions: { f: failing(['Soft', 'Fatal']) },
    expect: { error: 'Fatal' },
    calls: [
      ['S#1', 1],
      ['S#1', 2],
    ],
  },
  {
    name: 'each retrier counts for itself',
    fact: 'spec Complex retry scenarios: A, B, A, then A for the third time',
    machine: single({
      Type: 'Task',
      Resource: 'f',
      Retry: [
        { ErrorEquals: ['ErrorA', 'ErrorB'], IntervalSeconds: 1, BackoffRate: 2, MaxAttempts: 2 },
        { ErrorEquals: ['ErrorC'], IntervalSeconds: 5 },
      ],
    }),
    functions: { f: failing(['ErrorA', 'ErrorB', 'ErrorC', 'ErrorC', 'ErrorA']) },
    expect: { error: 'ErrorA' },
  },
  {
    name: 'a delay never exceeds MaxDelaySeconds',
    fact: 'spec Retrier: MaxDelaySeconds caps the growth',
    machine: single({
      Type: 'Task',
      Resource: 'f',
      Retry: [
        { ErrorEquals: ['E'], IntervalSeconds: 10, BackoffRate: 10, MaxDelaySeconds: 20, JitterStrategy: 'NONE' },
      ],
    }),
    functions: { f: failing(['E', 'E', 'E']) },
    expect: { output: 'done' },
  },
  {
    name: 'a catcher puts Error and Cause where its ResultPath says',
    fact: 'spec Catcher: error output',
    machine: caughtBy(['ErrorA']),
    input: { kept: 1 },
    functions: { f: () => fail('ErrorA', 'because') },
    expect: { output: { kept: 1, failure: { Error: 'ErrorA', Cause: 'because' } } },
  },
  {
    name: 'without a ResultPath the error output is all',
    fact: 'spec Catcher: ResultPath defaults to $',
    machine: {
      StartAt: 'S',
      States: {
        S: { Type: 'Task', Resource: 'f', Catch: [{ ErrorEquals: ['States.ALL'], Next: 'C' }], End: true },
        C: { Type: 'Pass', End: true },
      },
    },
    input: { lost: 1 },
    functions: { f: () => fail('E', 'c') },
    expect: { output: { Error: 'E', Cause: 'c' } },
  },
  {
    name: 'retriers come before catchers',
    fact: 'spec: when a state has both, retries first, then catches',
    machine: caughtBy(['States.ALL'], { Retry: [{ ErrorEquals: ['E'], MaxAttempts: 1 }] }),
    input: {},
    functions: { f: failing(['E', 'E']) },
    expect: { output: { failure: { Error: 'E', Cause: 'because of E' } } },
    calls: [
      ['S#1', 1],
      ['S#1', 2],
    ],
  },
  {
    name: 'States.TaskFailed stands for any error of a task',
    fact: 'guide Error names: States.TaskFailed matches every known error but States.Timeout',
    machine: caughtBy(['States.TaskFailed']),
    input: {},
    functions: { f: () => fail('Custom') },
    expect: { output: { failure: { Error: 'Custom', Cause: '' } } },
  },
  {
    name: 'States.TaskFailed does not stand for a timeout',
    fact: 'guide Error names: all but States.Timeout',
    machine: caughtBy(['States.TaskFailed'], { TimeoutSeconds: 2 }),
    input: {},
    functions: { f: forever },
    expect: { error: 'States.Timeout' },
  },
  {
    name: 'a task that takes too long ends with States.Timeout and its callee is told',
    fact: 'spec TimeoutSeconds',
    machine: caughtBy(['States.Timeout'], { TimeoutSeconds: 5 }),
    input: {},
    functions: { f: forever },
    expect: { output: { failure: { Error: 'States.Timeout', Cause: "The task 'S' was not done within 5 seconds." } } },
  },
  {
    name: 'TimeoutSecondsPath reads the limit from the input',
    fact: 'spec TimeoutSecondsPath',
    machine: caughtBy(['States.Timeout'], { TimeoutSecondsPath: '$.limit' }),
    input: { limit: 3 },
    functions: { f: forever },
    expect: {
      output: { limit: 3, failure: { Error: 'States.Timeout', Cause: "The task 'S' was not done within 3 seconds." } },
    },
  },
  {
    name: 'a task that sends no heartbeat ends with States.HeartbeatTimeout',
    fact: 'spec HeartbeatSeconds',
    machine: caughtBy(['States.HeartbeatTimeout'], { TimeoutSeconds: 600, HeartbeatSeconds: 2 }),
    input: {},
    functions: { f: forever },
    expect: {
      output: {
        failure: { Error: 'States.HeartbeatTimeout', Cause: "The task 'S' sent no heartbeat for 2 seconds." },
      },
    },
  },
  {
    name: 'States.Timeout also stands for a missed heartbeat',
    fact: 'spec States.Timeout: ran too long, or failed to heartbeat',
    machine: caughtBy(['States.Timeout'], { TimeoutSeconds: 600, HeartbeatSeconds: 2 }),
    input: {},
    functions: { f: forever },
    expect: {
      output: {
        failure: { Error: 'States.HeartbeatTimeout', Cause: "The task 'S' sent no heartbeat for 2 seconds." },
      },
    },
  },
  {
    name: 'heartbeats keep a task going',
    fact: 'spec HeartbeatSeconds: between heartbeats',
    machine: single({ Type: 'Task', Resource: 'f', TimeoutSeconds: 600, HeartbeatSeconds: 2 }),
    functions: {
      f: async ({ heartbeat }) => {
        for (let beat = 0; beat < 5; beat++) {
          await new Promise((resolve) => setTimeout(resolve, 12));
          heartbeat();
        }
        return 'alive';
      },
    },
    expect: { output: 'alive' },
  },
  {
    name: 'lambda:invoke takes FunctionName and Payload',
    fact: 'guide Optimised integration of Lambda',
    machine: single({
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke',
      Parameters: { FunctionName: 'f', Qualifier: 'live', 'Payload.$': '$.body' },
      OutputPath: '$.Payload',
    }),
    input: { body: { n: 2 } },
    functions: {
      'f:live': ({ input, kind }) => ({ ExecutedVersion: '3', Payload: { input, kind }, StatusCode: 200 }),
    },
    expect: { output: { input: { n: 2 }, kind: 'lambda-invoke' } },
  },
  {
    name: 'a result that is too large cannot be caught by a wildcard',
    fact: 'guide Quotas: 262,144 bytes; States.DataLimitExceeded is not caught by States.ALL',
    machine: caughtBy(['States.ALL'], { Retry: [{ ErrorEquals: ['States.TaskFailed'] }] }),
    input: {},
    functions: { f: () => 'x'.repeat(262_143) },
    expect: { error: 'States.DataLimitExceeded' },
    calls: [['S#1', 1]],
  },
  {
    name: 'a result of exactly the limit is taken',
    fact: 'guide Quotas: 262,144 bytes',
    machine: single({ Type: 'Task', Resource: 'f', ResultSelector: { 'n.$': 'States.ArrayLength($)' } }),
    functions: { f: () => ['x'.repeat(262_140)] },
    expect: { output: { n: 1 } },
  },
  {
    name: 'a state that is visited again has a key for each visit',
    fact: 'our own: visit counts re-entries',
    machine: {
      StartAt: 'S',
      States: {
        S: { Type: 'Task', Resource: 'f', Next: 'More' },
        More: { Type: 'Choice', Choices: [{ Variable: '$.n', NumericLessThan: 3, Next: 'S' }], Default: 'Done' },
        Done: { Type: 'Succeed' },
      },
    },
    input: { n: 0 },
    functions: { f: ({ input }) => ({ n: (input as { n: number }).n + 1 }) },
    expect: { output: { n: 3 } },
    operations: ['S#1', 'S#2', 'S#3'],
    calls: [
      ['S#1', 1],
      ['S#2', 1],
      ['S#3', 1],
    ],
  },
  {
    name: 'a machine that goes round in circles ends',
    fact: 'guide Quotas: 25,000 events in a history',
    machine: {
      StartAt: 'A',
      States: {
        A: { Type: 'Pass', Next: 'B' },
        B: { Type: 'Choice', Choices: [{ Variable: '$.x', IsPresent: true, Next: 'C' }], Default: 'A' },
        C: { Type: 'Succeed' },
      },
    },
    input: {},
    expect: { error: 'States.Runtime', cause: /most history events/ },
  },
];
