import { describe, expect, test } from 'vitest';
import type { JsonValue } from '../../core/ports.ts';
import type { AslHost, TaskCall } from './asl-host.ts';
import { interpret } from './interpreter.ts';
import { parseMachine } from './parse-machine.ts';
import { RecordedExecution } from './replay-for-test.ts';
import type { Program } from './replay-for-test.ts';
import { TaskError } from './states-error.ts';

/** Everything that makes operations: steps, retries, waits, chance, entered time, branches, iterations, a token. */
const MACHINE = parseMachine({
  QueryLanguage: 'JSONPath',
  StartAt: 'First',
  States: {
    First: { Type: 'Task', Resource: 'flaky', Retry: [{ ErrorEquals: ['Soft'], MaxAttempts: 2 }], Next: 'Chance' },
    Chance: {
      Type: 'Pass',
      Parameters: { 'id.$': 'States.UUID()', 'at.$': '$$.State.EnteredTime', 'items.$': '$.items' },
      Assign: { 'items.$': '$.items' },
      Next: 'Each',
    },
    Each: {
      Type: 'Map',
      ItemsPath: '$.items',
      MaxConcurrency: 2,
      ItemProcessor: {
        StartAt: 'Make',
        States: {
          Make: { Type: 'Task', Resource: 'make', Next: 'Settle' },
          Settle: { Type: 'Wait', Seconds: 5, Next: 'Tag' },
          Tag: { Type: 'Task', Resource: 'tag', End: true },
        },
      },
      ResultPath: '$.made',
      Next: 'Approve',
    },
    Approve: {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      Parameters: { FunctionName: 'ask', Payload: { 'token.$': '$$.Task.Token' } },
      ResultPath: '$.approval',
      Next: 'Both',
    },
    Both: {
      Type: 'Parallel',
      Branches: [
        { StartAt: 'Bad', States: { Bad: { Type: 'Task', Resource: 'bad', End: true } } },
        {
          StartAt: 'Long',
          States: {
            Long: { Type: 'Task', Resource: 'slow', Next: 'Longer' },
            Longer: { Type: 'Wait', Seconds: 60, End: true },
          },
        },
      ],
      Catch: [{ ErrorEquals: ['Hard'], ResultPath: '$.failure', Next: 'Undo' }],
      End: true,
    },
    Undo: { Type: 'Task', Resource: 'undo', End: true },
  },
});

interface Seen {
  readonly program: Program;
  readonly calls: TaskCall[];
}

function program(): Seen {
  const calls: TaskCall[] = [];
  const runTask = async (call: TaskCall): Promise<JsonValue> => {
    calls.push(call);
    await new Promise((resolve) => setImmediate(resolve));
    switch (call.functionName) {
      case 'flaky':
        if (call.attempt < 3) throw new TaskError('Soft', `attempt ${call.attempt}`);
        return { items: ['a', 'b', 'c'] };
      case 'bad':
        throw new TaskError('Hard', 'by design');
      case 'undo': {
        const { id, at, made, approval, failure } = call.input as { [key: string]: JsonValue };
        return { id: typeof id, at: typeof at, made, approval, failure } as JsonValue;
      }
      default:
        return `${call.functionName} ${JSON.stringify(call.input).slice(0, 20)}`;
    }
  };
  const host: AslHost = {
    execution: { id: 'x', name: 'x', startTime: '2026-01-31T10:00:00Z' },
    stateMachine: { id: 'm', name: 'm' },
    clock: { nowMs: () => Date.now(), after: () => () => undefined },
    runTask,
    startChild: async () => ({ executionArn: 'a' }),
    event: () => undefined,
  };
  return { program: (context) => interpret(MACHINE, {}, context, host), calls };
}

const ANSWERS = new Map([['Approve#1/token', '{"by":"ada"}']]);
const EXPECTED = {
  id: 'string',
  at: 'string',
  made: ['tag "make \\"a\\""', 'tag "make \\"b\\""', 'tag "make \\"c\\""'],
  approval: { by: 'ada' },
  failure: { Error: 'Hard', Cause: 'by design' },
};
const nameOf = ({ key, attempt }: TaskCall): string => `${key} ${attempt}`;

describe('a recorded execution', () => {
  test('that is never cut ends as expected, every attempt made once', async () => {
    const { program: run, calls } = program();
    const execution = new RecordedExecution(ANSWERS);
    expect((await execution.run(run))?.result).toEqual(EXPECTED);
    const names = calls.map(nameOf);
    expect(new Set(names).size).toBe(names.length);
  });

  test('that is cut after any checkpoint continues to the same end with the same operations', async () => {
    const whole = new RecordedExecution(ANSWERS);
    await whole.run(program().program);
    // What a broken off branch was doing when it was told is a matter of timing.
    const steady = (lines: readonly string[]): string[] => lines.filter((line) => !/ (?:Both\.1\/|Both#1)/.test(line));
    expect(whole.written).toBeGreaterThan(15);
    const continued = async (cut: number): Promise<void> => {
      const execution = new RecordedExecution(ANSWERS);
      const before = program();
      expect(await execution.run(before.program, cut)).toBeUndefined();
      const done = [...execution.operations.values()].filter(
        ({ Type, Status }) => Type === 'STEP' && Status === 'SUCCEEDED',
      );
      const after = program();
      expect((await execution.run(after.program))?.result).toEqual(EXPECTED);
      expect(steady(execution.summary())).toEqual(steady(whole.summary()));
      const again = new Set(
        after.calls.map(({ key, attempt }) => key.slice(2) + (attempt === 1 ? '' : `/attempt-${attempt}`)),
      );
      expect(done.map(({ Name }) => Name ?? '').filter((name) => again.has(name))).toEqual([]);
    };
    await Promise.all(Array.from({ length: whole.written }, (_, cut) => continued(cut)));
  });

  test('that has ended is replayed without a call', async () => {
    const execution = new RecordedExecution(ANSWERS);
    await execution.run(program().program);
    const { program: run, calls } = program();
    expect((await execution.run(run))?.result).toEqual(EXPECTED);
    expect(calls).toEqual([]);
  });

  test('whose attempt was broken off makes it again when it is wanted after all', async () => {
    const execution = new RecordedExecution(ANSWERS);
    await execution.run(program().program);
    // A redrive forgets the failure and opens what had failed with it.
    for (const [id, operation] of execution.operations) {
      if (operation.Name === 'Both.0/Bad#1' || operation.Name === 'Undo#1') execution.operations.delete(id);
      if (operation.Name === 'Both#1') operation.Status = 'STARTED';
    }
    const { program: run, calls } = program();
    expect((await execution.run(run))?.result).toEqual(EXPECTED);
    expect(calls.map(({ functionName }) => functionName)).toContain('bad');
  });
});
