/**
 * The events of a Task: `LambdaFunction…` when its resource is a function, `Task…` for the integrations, as Step
 * Functions has it.
 */

import { textOf } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import type { JsonObject } from '../engine/workflow-engine.ts';
import type { TimeLimits } from './callback.ts';
import { record } from './history.ts';
import { readResource } from './resource.ts';
import type { StateRun } from './state-run.ts';
import type { StatesError } from './states-error.ts';
import { STATES } from './states-error.ts';

export function recordScheduled(
  run: StateRun,
  { functionName, input, limits }: { functionName: string; input: JsonValue; limits: TimeLimits },
): void {
  const times = {
    ...(limits.timeoutSeconds === undefined ? {} : { timeoutInSeconds: limits.timeoutSeconds }),
    ...(limits.heartbeatSeconds === undefined ? {} : { heartbeatInSeconds: limits.heartbeatSeconds }),
  };
  const text = JSON.stringify(input);
  if (isFunction(run)) recordTask(run, 'Scheduled', { resource: resourceOf(run), input: text, ...times });
  else recordTask(run, 'Scheduled', { parameters: text, functionName, ...times });
  recordTask(run, 'Started', {});
}

export function recordSubmitted(run: StateRun, output: string): void {
  recordTask(run, 'Submitted', { output });
}

export function recordSucceeded(run: StateRun, output: string): void {
  recordTask(run, 'Succeeded', { output });
}

export function recordFailed(run: StateRun, { error, cause }: StatesError): void {
  const isTimeout = error === STATES.timeout || error === STATES.heartbeatTimeout;
  recordTask(run, isTimeout ? 'TimedOut' : 'Failed', { error, cause });
}

function recordTask(run: StateRun, what: string, details: JsonObject): void {
  if (isFunction(run)) {
    record(run, `LambdaFunction${what}`, { member: `lambdaFunction${what}EventDetails`, details });
    return;
  }
  const [, service = '', resource = ''] = /([a-z]+):([A-Za-z]+(?:\..+)?)$/.exec(resourceOf(run)) ?? [];
  record(run, `Task${what}`, {
    member: `task${what}EventDetails`,
    details: { resourceType: service, resource, ...details },
  });
}

const resourceOf = (run: StateRun): string => textOf(run.state.fields['Resource']);
const isFunction = (run: StateRun): boolean => readResource(resourceOf(run))?.kind === 'function';
