/**
 * The Amazon States Language on durable functions. One call runs one execution from its beginning: what has been
 * recorded is replayed, what has not is done. The same machine, input and record always lead to the same operations.
 *
 * Between two durable operations nothing but promises may be waited for: when an execution only waits, the SDK
 * suspends it as soon as the event loop turns.
 *
 * @see https://states-language.net
 */

import type { DurableContext } from '@aws/durable-execution-sdk-js';
import type { JsonValue } from '../../core/ports.ts';
import { WorkflowFailure } from '../failure.ts';
import type { AslHost } from './asl-host.ts';
import { attemptMap, attemptParallel } from './branching-states.ts';
import { evaluateField } from './fields.ts';
import { entered, exited, HistoryFull } from './history.ts';
import { Aborted, Lane } from './lane.ts';
import type { Catcher, Machine, State, StateGroup } from './machine.ts';
import type { StateEnd } from './output.ts';
import { assignedBy, endWithResult, withResult } from './output.ts';
import { selectField } from './fields.ts';
import { catcherFor, Retries } from './retry.ts';
import { runChoice, runFail, runPass, runSucceed, runWait } from './simple-states.ts';
import { StateRun } from './state-run.ts';
import { STATES, StatesError } from './states-error.ts';
import { attemptTask } from './task.ts';

/**
 * Runs a machine to its end.
 *
 * @returns the output of its last state.
 * @throws WorkflowFailure when it fails. Never settles once {@link AslHost.signal} is aborted.
 */
export async function interpret(
  machine: Machine,
  input: JsonValue,
  context: DurableContext,
  host: AslHost,
): Promise<JsonValue> {
  const lane = new Lane({ session: { host, history: { count: 0, told: 0 } }, context, path: '', runs: [] });
  try {
    return await runGroup(lane, machine, input);
  } catch (error) {
    if (error instanceof Aborted) return new Promise(() => undefined);
    if (error instanceof StatesError) throw new WorkflowFailure(error.error, error.cause, error.failedPath);
    throw error;
  }
}

async function runGroup(lane: Lane, group: StateGroup, input: JsonValue): Promise<JsonValue> {
  let name = group.startAt;
  let value = input;
  for (;;) {
    lane.check();
    const state = group.states.get(name);
    if (state === undefined) throw new StatesError(STATES.runtime, `There is no state '${name}'.`);
    const end = await runState(lane, state, value);
    if (end.next === undefined) return end.output;
    name = end.next;
    value = end.output;
  }
}

async function runState(lane: Lane, state: State, input: JsonValue): Promise<StateEnd> {
  const run = new StateRun(lane, state, { input });
  try {
    await run.pauseWhenDue();
    entered(run, run.data(input, `The input of the state '${state.name}'`));
    if (state.seesEnteredTime) run.enteredTime = await run.recordTime();
    const end = await execute(run);
    exited(run, run.data(end.output, `The output of the state '${state.name}'`), end.assigned);
    if (end.assigned !== undefined) lane.scope.assign(end.assigned);
    lane.worked(run.work.units);
    return end;
  } catch (error) {
    if (!(error instanceof StatesError) || error.failedPath !== undefined) throw error;
    throw new StatesError(error.error, error.cause, run.prefix);
  }
}

async function execute(run: StateRun): Promise<StateEnd> {
  switch (run.state.type) {
    case 'Pass':
      return runPass(run);
    case 'Choice':
      return runChoice(run);
    case 'Wait':
      return runWait(run);
    case 'Succeed':
      return runSucceed(run);
    case 'Fail':
      return runFail(run);
    case 'Task':
      return withErrorHandling(run, () => attemptTask(run));
    case 'Parallel':
      return withErrorHandling(run, () => attemptParallel(run, runGroup));
    case 'Map':
      return withErrorHandling(run, () => attemptMap(run, runGroup));
  }
}

/** Attempts a state until it succeeds, its retriers give up, or a catcher leads on. */
async function withErrorHandling(run: StateRun, attempt: () => Promise<JsonValue>): Promise<StateEnd> {
  const retries = new Retries(run.state.retriers);
  for (;;) {
    try {
      const end = await endWithResult(run, await attempt());
      run.data(end.output, `The output of the state '${run.state.name}'`);
      return end;
    } catch (error) {
      if (!(error instanceof StatesError) || error instanceof HistoryFull) throw error;
      const seconds = retries.secondsUntilNext(error, `${run.key}/${run.attempt}`);
      if (seconds === undefined) return caught(run, error);
      if (seconds > 0) {
        await run.lane.context.wait(run.operation('backoff'), { seconds });
        run.lane.check();
      }
      run.again();
    }
  }
}

/** Where a catcher leads. @throws StatesError the failure itself when no catcher names it. */
async function caught(run: StateRun, failure: StatesError): Promise<StateEnd> {
  const catcher = catcherFor(run.state.catchers, failure);
  if (catcher === undefined) throw failure;
  const errorOutput = { Error: failure.error, Cause: failure.cause };
  const extras = { errorOutput };
  const output = await caughtOutput(run, catcher, errorOutput);
  const assigned = await assignedBy(run, catcher.fields, { input: errorOutput, extras });
  return { output, next: catcher.next, ...(assigned === undefined ? {} : { assigned }) };
}

async function caughtOutput(run: StateRun, catcher: Catcher, errorOutput: JsonValue): Promise<JsonValue> {
  if (run.state.language === 'JSONata') {
    const { Output: template } = catcher.fields;
    if (template === undefined) return errorOutput;
    return evaluateField(run, 'Output', { template, extras: { errorOutput }, purpose: 'catch-output' });
  }
  return selectField(run, 'OutputPath', withResult(run, catcher.fields, errorOutput));
}
