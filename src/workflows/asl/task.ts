/** Task states: one attempt is one recorded step, with its time limits, its heartbeats and its token. */

import { isObject, textOf } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { TaskCall } from './asl-host.ts';
import type { TimeLimits } from './callback.ts';
import { callbackConfig, received } from './callback.ts';
import { evaluateField, fillField, numberField, selectField } from './fields.ts';
import { Aborted } from './lane.ts';
import { readResource } from './resource.ts';
import { startChild } from './start-child.ts';
import type { StateRun } from './state-run.ts';
import { STATES, StatesError, TaskError } from './states-error.ts';
import { recordFailed, recordScheduled, recordSubmitted, recordSucceeded } from './task-history.ts';

/** Largest `TimeoutSeconds`, and what the service takes when there is none. */
const NO_LIMIT_SECONDS = 99_999_999;
/** What a timer can count. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** One attempt of a Task. @throws StatesError */
export async function attemptTask(run: StateRun): Promise<JsonValue> {
  const resource = readResource(textOf(run.state.fields['Resource']));
  if (resource === undefined) throw run.failure(STATES.runtime, 'Its Resource is outside the portable profile.');
  const limits = await limitsOf(run);
  if (resource.kind === 'start-execution') return startChild(run, await payloadOf(run), limits);
  if (resource.kind === 'wait-for-token') return attemptWithToken(run, limits);
  const payload = await payloadOf(run);
  if (resource.kind === 'function') {
    return perform(run, { functionName: resource.functionName, kind: 'function', input: payload, limits });
  }
  return perform(run, { ...invocationOf(run, payload), kind: 'lambda-invoke', limits });
}

/** Effective input, for `Parameters` and `Arguments` evaluated anew for each attempt. */
async function payloadOf(run: StateRun): Promise<JsonValue> {
  const payload = await rawPayload(run);
  run.data(payload, `The payload of the task '${run.state.name}'`);
  return payload;
}

async function rawPayload(run: StateRun): Promise<JsonValue> {
  const { Parameters: template, Arguments: args } = run.state.fields;
  if (run.state.language === 'JSONata') {
    return args === undefined ? run.input : evaluateField(run, 'Arguments', { template: args });
  }
  const selected = selectField(run, 'InputPath', run.input);
  return template === undefined ? selected : fillField(run, 'Parameters', { template, input: selected });
}

async function limitsOf(run: StateRun): Promise<TimeLimits> {
  return {
    timeoutSeconds: await numberField(run, 'TimeoutSeconds', [1, NO_LIMIT_SECONDS]),
    heartbeatSeconds: await numberField(run, 'HeartbeatSeconds', [1, NO_LIMIT_SECONDS]),
  };
}

/** What the optimised integration of Lambda makes of its parameters. */
function invocationOf(run: StateRun, payload: JsonValue): { functionName: string; input: JsonValue } {
  const { FunctionName: name, Qualifier: qualifier, Payload: input } = isObject(payload) ? payload : {};
  if (typeof name !== 'string' || name === '') {
    throw run.failure(STATES.runtime, 'lambda:invoke needs a FunctionName, a string.');
  }
  const functionName = typeof qualifier === 'string' ? `${name}:${qualifier}` : name;
  return { functionName, input: (input as JsonValue | undefined) ?? {} };
}

interface Performance {
  readonly functionName: string;
  readonly kind: TaskCall['kind'];
  readonly input: JsonValue;
  readonly limits: TimeLimits;
}

/** The recorded step: calls the host within the limits and takes what comes back, unless it is too large. */
async function perform(run: StateRun, performance: Performance): Promise<JsonValue> {
  const { functionName, input, limits, kind } = performance;
  recordScheduled(run, { functionName, input, limits });
  try {
    const result = await run.record(undefined, async () => {
      const value = await callHost(run, performance);
      run.data(value, `The result of the task '${run.state.name}'`);
      return value;
    });
    (kind === 'wait-for-token' ? recordSubmitted : recordSucceeded)(run, JSON.stringify(result));
    return result;
  } catch (error) {
    if (error instanceof StatesError) recordFailed(run, error);
    throw error;
  }
}

/** The host's promise, ended early by the clock, by missing heartbeats, or because nobody waits any more. */
async function callHost(run: StateRun, performance: Performance): Promise<JsonValue> {
  const { host } = run.lane.session;
  const controller = new AbortController();
  const timers = new Set<() => void>();
  let beat: () => void = () => undefined;
  try {
    return await new Promise<JsonValue>((resolve, reject) => {
      const breakOff = (reason: Error): void => {
        reject(reason);
        controller.abort(reason);
      };
      const after = (seconds: number | undefined, reason: () => Error): (() => void) => {
        if (seconds === undefined || seconds * 1000 > LONGEST_TIMER_MS) return () => undefined;
        const stop = host.clock.after(seconds * 1000, () => breakOff(reason()));
        timers.add(stop);
        return stop;
      };
      const { timeoutSeconds, heartbeatSeconds } = performance.limits;
      after(timeoutSeconds, () => timedOut(run, STATES.timeout, timeoutSeconds));
      const expectBeat = (): (() => void) =>
        after(heartbeatSeconds, () => timedOut(run, STATES.heartbeatTimeout, heartbeatSeconds));
      // Whoever is told of a token sends its heartbeats with it.
      let stopBeat = performance.kind === 'wait-for-token' ? () => undefined : expectBeat();
      beat = () => {
        stopBeat();
        if (!controller.signal.aborted && performance.kind !== 'wait-for-token') stopBeat = expectBeat();
      };
      timers.add(run.lane.onAbort(() => breakOff(new Aborted())));
      if (controller.signal.aborted) return;
      host.runTask(callOf(run, performance, { signal: controller.signal, heartbeat: () => beat() })).then(
        (value) => resolve((value as JsonValue | undefined) ?? null),
        (error: unknown) => reject(asTaskError(error)),
      );
    });
  } finally {
    beat = () => undefined;
    for (const stop of timers) stop();
  }
}

function callOf(
  run: StateRun,
  { functionName, kind, input, limits }: Performance,
  control: Pick<TaskCall, 'signal' | 'heartbeat'>,
): TaskCall {
  return {
    resource: textOf(run.state.fields['Resource']),
    functionName,
    kind,
    input,
    key: run.key,
    attempt: run.attempt,
    ...(limits.timeoutSeconds === undefined ? {} : { timeoutMs: limits.timeoutSeconds * 1000 }),
    ...(limits.heartbeatSeconds === undefined ? {} : { heartbeatMs: limits.heartbeatSeconds * 1000 }),
    ...(run.taskToken === undefined ? {} : { taskToken: run.taskToken }),
    ...control,
  };
}

function timedOut(run: StateRun, error: string, seconds: number | undefined): StatesError {
  const what = error === STATES.timeout ? 'was not done within' : 'sent no heartbeat for';
  return new StatesError(error, `The task '${run.state.name}' ${what} ${seconds ?? 0} seconds.`);
}

/** What a host threw; anything but a {@link TaskError} is its own mistake and fails the task under the general name. */
function asTaskError(error: unknown): Error {
  if (error instanceof StatesError || error instanceof Aborted) return error;
  return new TaskError(STATES.taskFailed, error instanceof Error ? error.message : String(error));
}

/** Makes a token, tells the callee, and waits until somebody sends the token back; suspended, for as long as it takes. */
async function attemptWithToken(run: StateRun, limits: TimeLimits): Promise<JsonValue> {
  const [answer, token] = await run.lane.context.createCallback(run.operation('token'), callbackConfig(limits));
  run.taskToken = token;
  const invocation = invocationOf(run, await payloadOf(run));
  await perform(run, { ...invocation, kind: 'wait-for-token', limits });
  const text = await received(run, answer);
  try {
    const value = JSON.parse(text) as JsonValue;
    recordSucceeded(run, text);
    run.data(value, `The result of the task '${run.state.name}'`);
    return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw run.failure(STATES.runtime, 'The output that came with the task token is not JSON.');
  }
}
