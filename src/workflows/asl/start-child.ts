/** `states:startExecution.sync:2`: another execution, waited for without a process that waits. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { ChildEnd, JsonObject } from '../engine/workflow-engine.ts';
import type { ChildCall } from './asl-host.ts';
import type { TimeLimits } from './callback.ts';
import { callbackConfig, received } from './callback.ts';
import type { StateRun } from './state-run.ts';
import { STATES, StatesError, TaskError } from './states-error.ts';
import { recordFailed, recordScheduled, recordSubmitted, recordSucceeded } from './task-history.ts';

export async function startChild(run: StateRun, parameters: JsonValue, limits: TimeLimits): Promise<JsonValue> {
  const [ended, callbackId] = await run.lane.context.createCallback(run.operation('child'), callbackConfig(limits));
  const call = callFor(run, parameters, callbackId);
  recordScheduled(run, { functionName: call.stateMachine, input: parameters, limits });
  const started = await run.record(undefined, async () => ({ executionArn: (await begin(run, call)).executionArn }));
  recordSubmitted(run, JSON.stringify(started));
  const end = JSON.parse(await received(run, ended)) as ChildEnd;
  if (end.status === 'SUCCEEDED') {
    recordSucceeded(run, JSON.stringify(resultOf(end)));
    return resultOf(end);
  }
  const failure = new StatesError(STATES.taskFailed, JSON.stringify(descriptionOf(end)));
  recordFailed(run, failure);
  throw failure;
}

async function begin(run: StateRun, call: Omit<ChildCall, 'signal'>): Promise<{ readonly executionArn: string }> {
  const controller = new AbortController();
  const forget = run.lane.onAbort(() => controller.abort());
  try {
    return await run.lane.session.host.startChild({ ...call, signal: controller.signal });
  } catch (error) {
    if (error instanceof StatesError) throw error;
    throw new TaskError(STATES.taskFailed, error instanceof Error ? error.message : String(error));
  } finally {
    forget();
  }
}

function callFor(run: StateRun, parameters: JsonValue, callbackId: string): Omit<ChildCall, 'signal'> {
  const { StateMachineArn: machine, Name: name, Input: input } = isObject(parameters) ? parameters : {};
  if (typeof machine !== 'string' || machine === '') {
    throw run.failure(STATES.runtime, 'startExecution needs a StateMachineArn, a string.');
  }
  return {
    stateMachine: machine,
    ...(typeof name === 'string' ? { name } : {}),
    input: (input as JsonValue | undefined) ?? {},
    key: run.key,
    attempt: run.attempt,
    callbackId,
  };
}

/** The form with `:2`: input and output as JSON values. */
function resultOf(end: ChildEnd): JsonValue {
  return {
    ...common(end),
    Input: JSON.parse(end.input) as JsonValue,
    InputDetails: { Included: true },
    Output: JSON.parse(end.output ?? 'null') as JsonValue,
    OutputDetails: { Included: true },
  };
}

function descriptionOf(end: ChildEnd): JsonValue {
  return {
    ...common(end),
    Input: end.input,
    ...(end.error === undefined ? {} : { Error: end.error }),
    ...(end.cause === undefined ? {} : { Cause: end.cause }),
  };
}

function common(end: ChildEnd): JsonObject {
  return {
    ExecutionArn: end.executionArn,
    Name: end.name,
    StartDate: end.startDate,
    StateMachineArn: end.stateMachineArn,
    Status: end.status,
    StopDate: end.stopDate,
  };
}
