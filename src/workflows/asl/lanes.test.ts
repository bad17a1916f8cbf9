import { expect, test } from 'vitest';
import type { JsonValue } from '../../core/ports.ts';
import type { HistoryDraft } from '../engine/workflow-engine.ts';
import type { AslHost, TaskCall } from './asl-host.ts';
import { interpret } from './interpreter.ts';
import { parseMachine } from './parse-machine.ts';
import { RecordedExecution } from './replay-for-test.ts';
import type { Program } from './replay-for-test.ts';
import { TaskError } from './states-error.ts';

interface Setup {
  readonly runTask: (call: TaskCall) => Promise<JsonValue>;
  readonly signal?: AbortSignal;
  readonly events?: HistoryDraft[];
}

function program(definition: JsonValue, { runTask, signal, events = [] }: Setup, input: JsonValue = {}): Program {
  const machine = parseMachine(definition);
  const host: AslHost = {
    execution: { id: 'x', name: 'x', startTime: '2026-01-31T10:00:00Z' },
    stateMachine: { id: 'm', name: 'm' },
    clock: { nowMs: () => Date.now(), after: () => () => undefined },
    ...(signal === undefined ? {} : { signal }),
    runTask,
    startChild: async () => ({ executionArn: 'a' }),
    event: (draft) => void events.push(draft),
  };
  return (context) => interpret(machine, input, context, host);
}

const hang = ({ signal }: TaskCall): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('told to stop'))));

/** A failure beside a Map of tasks under way and beside a long wait; then a wait that must suspend the execution. */
const NESTED = {
  StartAt: 'Outer',
  States: {
    Outer: {
      Type: 'Parallel',
      Branches: [
        { StartAt: 'Bad', States: { Bad: { Type: 'Task', Resource: 'bad', End: true } } },
        {
          StartAt: 'Inner',
          States: {
            Inner: {
              Type: 'Map',
              ItemProcessor: { StartAt: 'Hang', States: { Hang: { Type: 'Task', Resource: 'hang', End: true } } },
              ItemsPath: '$.items',
              End: true,
            },
          },
        },
        { StartAt: 'Long', States: { Long: { Type: 'Wait', Seconds: 86_400, End: true } } },
      ],
      Catch: [{ ErrorEquals: ['Hard'], ResultPath: '$.error', Next: 'Later' }],
      End: true,
    },
    Later: { Type: 'Wait', Seconds: 3600, OutputPath: '$.error.Error', End: true },
  },
};

test('a failure breaks off everything beside it, however deep, and the execution can be suspended afterwards', async () => {
  const told: string[] = [];
  const events: HistoryDraft[] = [];
  const execution = new RecordedExecution();
  const runTask = async (call: TaskCall): Promise<JsonValue> => {
    if (call.functionName === 'hang') {
      call.signal.addEventListener('abort', () => told.push(call.key));
      return hang(call);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
    throw new TaskError('Hard', 'by design');
  };
  const ended = await execution.run(program(NESTED, { runTask, events }, { items: [1, 2] }));
  expect(ended).toMatchObject({ status: 'SUCCEEDED', result: 'Hard' });
  expect(told).toEqual(['x/Outer.1/Inner[0]/Hang#1', 'x/Outer.1/Inner[1]/Hang#1']);
  const broken = [...execution.operations.values()].filter(
    ({ StepDetails }) => StepDetails?.Error?.ErrorType === 'Zeroplane.Aborted',
  );
  expect(broken.map(({ Name }) => Name)).toEqual(['Outer.1/Inner[0]/Hang#1', 'Outer.1/Inner[1]/Hang#1']);
  expect(new Set(events.map(({ type }) => type))).toContain('MapIterationAborted');
});

test('a host that goes down breaks off what runs, and the next run makes it again', async () => {
  const controller = new AbortController();
  const machine = { StartAt: 'T', States: { T: { Type: 'Task', Resource: 'f', End: true } } };
  const execution = new RecordedExecution();
  let isSettled = false;
  const run = execution.run(program(machine, { runTask: hang, signal: controller.signal })).finally(() => {
    isSettled = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  controller.abort();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(isSettled).toBe(false);
  void run;
  const calls: TaskCall[] = [];
  const runTask = async (call: TaskCall): Promise<JsonValue> => {
    calls.push(call);
    return 'made';
  };
  expect(await execution.run(program(machine, { runTask }))).toMatchObject({ result: 'made' });
  expect(calls.map(({ key, attempt }) => [key, attempt])).toEqual([['x/T#1', 1]]);
  expect([...execution.operations.values()].map(({ Name }) => Name)).toEqual([undefined, 'T#1', 'T#1/again-1']);
});

test('the concurrency of a Map is what it says, forty at most', async () => {
  const most = async (concurrency: number, items: number): Promise<number> => {
    let [running, highest] = [0, 0];
    const runTask = async (): Promise<JsonValue> => {
      highest = Math.max(highest, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return null;
    };
    const definition = {
      StartAt: 'M',
      States: {
        M: {
          Type: 'Map',
          MaxConcurrency: concurrency,
          ItemProcessor: { StartAt: 'T', States: { T: { Type: 'Task', Resource: 'f', End: true } } },
          End: true,
        },
      },
    };
    await new RecordedExecution().run(
      program(
        definition,
        { runTask },
        Array.from({ length: items }, () => 1),
      ),
    );
    return highest;
  };
  expect(await most(3, 10)).toBe(3);
  expect(await most(0, 60)).toBe(40);
});

test('every event has a key of its own, and a replay drafts the same events', async () => {
  const first: HistoryDraft[] = [];
  const again: HistoryDraft[] = [];
  const runTask = async ({ functionName }: TaskCall): Promise<JsonValue> => {
    if (functionName === 'bad') throw new TaskError('Hard', 'x');
    return 1;
  };
  const definition = {
    StartAt: 'A',
    States: {
      A: { Type: 'Task', Resource: 'f', Next: 'W' },
      W: { Type: 'Wait', Seconds: 1, Assign: { v: 1 }, Next: 'B' },
      B: {
        Type: 'Task',
        Resource: 'bad',
        Retry: [{ ErrorEquals: ['Hard'], MaxAttempts: 1 }],
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'End' }],
        End: true,
      },
      End: { Type: 'Succeed' },
    },
  };
  const execution = new RecordedExecution();
  await execution.run(program(definition, { runTask, events: first }));
  await execution.run(program(definition, { runTask, events: again }));
  const keys = [...new Set(first.map(({ key }) => key))];
  expect(again.map(({ key }) => key)).toEqual(keys);
  expect(keys).toEqual([
    'A#1/1/TaskStateEntered',
    'A#1/1/LambdaFunctionScheduled',
    'A#1/1/LambdaFunctionStarted',
    'A#1/1/LambdaFunctionSucceeded',
    'A#1/1/TaskStateExited',
    'W#1/1/WaitStateEntered',
    'W#1/1/WaitStateExited',
    'B#1/1/TaskStateEntered',
    'B#1/1/LambdaFunctionScheduled',
    'B#1/1/LambdaFunctionStarted',
    'B#1/1/LambdaFunctionFailed',
    'B#1/2/LambdaFunctionScheduled',
    'B#1/2/LambdaFunctionStarted',
    'B#1/2/LambdaFunctionFailed',
    'B#1/2/TaskStateExited',
    'End#1/1/SucceedStateEntered',
    'End#1/1/SucceedStateExited',
  ]);
  expect(first.find(({ key }) => key === 'W#1/1/WaitStateExited')).toEqual({
    key: 'W#1/1/WaitStateExited',
    type: 'WaitStateExited',
    member: 'stateExitedEventDetails',
    details: { name: 'W', output: '1', outputDetails: { truncated: false }, assignedVariables: { v: '1' } },
  });
});
