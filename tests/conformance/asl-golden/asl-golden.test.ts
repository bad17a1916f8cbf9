import { LocalDurableTestRunner } from '@aws/durable-execution-sdk-js-testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BRANCHING } from './branching.ts';
import { DATA_FLOW } from './data-flow.ts';
import { CHOICES, VARIABLES, WAITS_AND_ENDS } from './flow.ts';
import type { Golden } from './golden.ts';
import { INTRINSICS } from './intrinsics.ts';
import { JSONATA } from './jsonata.ts';
import { EXECUTION, runMachine } from './run-machine.ts';
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
};

beforeAll(() => LocalDurableTestRunner.setupTestEnvironment({ skipTime: true }));
afterAll(() => LocalDurableTestRunner.teardownTestEnvironment());

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
