/**
 * Which errors the two wildcards of Retry and Catch stand for. Each row follows a sentence of the language's appendix A or
 * of "Handling errors" in the developer guide of Step Functions; `docs/reference/state-machines.md` has the same table.
 */

import { LocalDurableTestRunner } from '@aws/durable-execution-sdk-js-testing';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonValue } from '../../../src/core/ports.ts';
import { namesError } from '../../../src/workflows/asl/states-error.ts';
import { fail, runMachine } from './run-machine.ts';

// Nothing here waits for long, so that the timers of the process stay as they are.
beforeAll(() => LocalDurableTestRunner.setupTestEnvironment({ skipTime: false }));
afterAll(() => LocalDurableTestRunner.teardownTestEnvironment());

/** What `States.ALL`, `States.TaskFailed` and the name itself catch, in this order. */
const CAUGHT: Readonly<Record<string, readonly [boolean, boolean, boolean]>> = {
  'States.ParameterPathFailure': [true, true, true],
  'States.IntrinsicFailure': [true, true, true],
  'States.ResultPathMatchFailure': [true, true, true],
  'States.QueryEvaluationError': [true, true, true],
  'States.NoChoiceMatched': [true, true, true],
  'States.ExceedToleratedFailureThreshold': [true, true, true],
  'States.Permissions': [true, true, true],
  'States.TaskFailed': [true, true, true],
  'States.Timeout': [true, false, true],
  'States.HeartbeatTimeout': [true, false, true],
  'States.DataLimitExceeded': [false, false, true],
  'States.Runtime': [false, false, false],
};

test.each(Object.entries(CAUGHT))('%s', (error, caught) => {
  expect([['States.ALL'], ['States.TaskFailed'], [error]].map((names) => namesError(names, error))).toEqual(caught);
});

test('the page has the same table', () => {
  const page = readFileSync(new URL('../../../docs/reference/state-machines.md', import.meta.url), 'utf8');
  const told = [...page.matchAll(/^\| (`States\.[^|]+) \| (yes|no) \| (yes|no) \| (yes|no) \|/gm)].flatMap(
    ([, names = '', ...answers]) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => [name, answers.map((answer) => answer === 'yes')]),
  );
  expect(Object.fromEntries(told)).toEqual(CAUGHT);
});

/** A state that fails with each of them, before or behind its task. */
const FAILING: readonly (readonly [error: string, state: Readonly<Record<string, unknown>>])[] = [
  ['States.ParameterPathFailure', { Parameters: { 'a.$': '$.nope' } }],
  ['States.ParameterPathFailure', { ResultSelector: { 'a.$': '$.nope' } }],
  ['States.IntrinsicFailure', { Parameters: { 'a.$': "States.MathAdd('x', 1)" } }],
  ['States.IntrinsicFailure', { ResultSelector: { 'a.$': "States.MathAdd('x', 1)" } }],
  ['States.ResultPathMatchFailure', { ResultPath: '$.text.inner' }],
  ['States.QueryEvaluationError', { QueryLanguage: 'JSONata', Arguments: { a: '{% $states.input.nope %}' } }],
  ['States.DataLimitExceeded', { Resource: 'large' }],
  ['States.Permissions', { Resource: 'forbidden' }],
  ['States.Timeout', { Resource: 'forever', TimeoutSeconds: 2 }],
  ['States.Runtime', { InputPath: '$.nope' }],
];

describe.each(FAILING)('%s of %j', (error, state) => {
  const [byAll = false, byTaskFailed = false, byName = false] = CAUGHT[error] ?? [];
  test.concurrent.each([
    ['States.ALL', byAll],
    ['States.TaskFailed', byTaskFailed],
    [error, byName],
  ])('%s catches it: %s', async (name, isCaught) => {
    const path = state['QueryLanguage'] === undefined ? { ResultPath: '$.caught' } : {};
    const definition = {
      StartAt: 'S',
      States: {
        S: { Type: 'Task', Resource: 'f', Catch: [{ ErrorEquals: [name], Next: 'C', ...path }], End: true, ...state },
        C: { Type: 'Pass', End: true },
      },
    };
    const run = await runMachine(definition as unknown as JsonValue, {
      input: { text: 'one' },
      functions: {
        f: () => ({ n: 1 }),
        large: () => 'x'.repeat(262_143),
        forbidden: () => fail('States.Permissions'),
        forever: () => new Promise(() => undefined),
      },
    });
    if (!isCaught) expect(run).toMatchObject({ error });
    else expect(JSON.stringify(run.output)).toContain(`"Error":"${error}"`);
  });
});

test('what nothing catches is not tried again either', async () => {
  let calls = 0;
  const states = {
    S: {
      Type: 'Task',
      Resource: 'f',
      Retry: [{ ErrorEquals: ['States.Runtime'], MaxAttempts: 5 }],
      OutputPath: '$.nope',
      End: true,
    },
  };
  const run = await runMachine({ StartAt: 'S', States: states } as unknown as JsonValue, {
    input: {},
    functions: { f: () => ++calls },
  });
  expect([run.error, calls]).toEqual(['States.Runtime', 1]);
});
