import { describe, expect, test } from 'vitest';
import { withSkippedTime } from '../../fixtures/skipped-time.ts';
import { BRANCHING } from './branching.ts';
import { DATA_FLOW } from './data-flow.ts';
import { CHOICES, VARIABLES, WAITS_AND_ENDS } from './flow.ts';
import { parseMachine } from '../../../src/workflows/asl/parse-machine.ts';
import type { Golden } from './golden.ts';
import { single } from './golden.ts';
import { INTRINSICS } from './intrinsics.ts';
import { JSONATA } from './jsonata.ts';
import { EXECUTION, runMachine } from './run-machine.ts';
import { PROBE_LIST, PROBES } from './probes.ts';
import { TASKS } from './tasks.ts';

const GROUPS: Readonly<Record<string, readonly Golden[]>> = {
  'input and output': DATA_FLOW,
  tasks: TASKS,
  choices: CHOICES,
  'waits and ends': WAITS_AND_ENDS,
  variables: VARIABLES,
  'Parallel and Map': BRANCHING,
  JSONata: JSONATA,
  'intrinsic functions': INTRINSICS,
  probes: PROBES,
};

withSkippedTime();

async function check(golden: Golden): Promise<void> {
  const run = await runMachine(golden.machine, {
    ...(golden.input === undefined ? {} : { input: golden.input }),
    ...(golden.functions === undefined ? {} : { functions: golden.functions }),
  });
  if ('output' in golden.expect)
    expect({ output: run.output, error: run.error, cause: run.cause }).toEqual(golden.expect);
  else {
    const { error, cause, failedPath } = golden.expect;
    expect(run.output).toBeUndefined();
    expect(run.error).toBe(error);
    if (cause !== undefined)
      expect(run.cause).toEqual(typeof cause === 'string' ? cause : expect.stringMatching(cause));
    if (failedPath !== undefined) expect(run.failedPath).toBe(failedPath);
  }
  if (golden.operations !== undefined) expect(run.operations.toSorted()).toEqual(golden.operations.toSorted());
  if (golden.calls !== undefined) {
    const calls = run.calls.map(({ key, attempt }) => `${key.slice(EXECUTION.id.length + 1)} ${attempt}`);
    expect(calls.toSorted()).toEqual(golden.calls.map((call) => call.join(' ')).toSorted());
  }
}

for (const [group, goldens] of Object.entries(GROUPS)) {
  describe(group, () => {
    test.concurrent.each(goldens)('$name', check);
  });
}

describe('the list of probes', () => {
  const names = new Set(Object.values(GROUPS).flatMap((goldens) => goldens.map(({ name }) => name)));

  test('is complete, and each is held by a golden machine or said to be elsewhere', () => {
    expect(PROBE_LIST.map(([number]) => number)).toEqual(Array.from({ length: 32 }, (_, index) => index + 1));
    const elsewhere = PROBE_LIST.filter(([, where]) => /^(?:refused|exposed|waiting): /.test(where));
    expect(elsewhere.map(([number]) => number)).toEqual([9, 14, 19, 20, 21]);
    expect(PROBE_LIST.filter((probe) => !elsewhere.includes(probe) && !names.has(probe[1]))).toEqual([]);
  });

  test('what is not portable is refused, naming the state and why', () => {
    const batched = {
      Type: 'Map',
      ItemBatcher: {},
      ItemProcessor: { StartAt: 'P', States: { P: { Type: 'Pass', End: true } } },
    };
    const sdk = { Type: 'Task', Resource: 'arn:aws:states:::aws-sdk:dynamodb:putItem' };
    for (const [state, why] of [
      [batched, /state "S": ItemBatcher is outside the portable profile/],
      [sdk, /state "S": The resource "arn:aws:states:::aws-sdk:dynamodb:putItem" is outside the portable profile/],
    ] as const) {
      expect(() => parseMachine(single(state))).toThrow(
        expect.objectContaining({ code: 'WORKFLOW_UNSUPPORTED', message: expect.stringMatching(why) }),
      );
    }
  });

  test('the limit of a whole execution is told to whoever runs it', () => {
    expect(parseMachine(single({ Type: 'Pass' }, { TimeoutSeconds: 30 })).timeoutSeconds).toBe(30);
  });
});

test('there are at least sixty golden machines', () => {
  expect(Object.values(GROUPS).flat().length).toBeGreaterThanOrEqual(60);
});
