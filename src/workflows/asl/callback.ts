/** Durable callbacks: what waits without a process until somebody outside answers. */

import { fromDurable } from './durable-errors.ts';
import type { StateRun } from './state-run.ts';
import { StatesError } from './states-error.ts';
import { recordFailed } from './task-history.ts';

export interface TimeLimits {
  readonly timeoutSeconds: number | undefined;
  readonly heartbeatSeconds: number | undefined;
}

/** What a durable callback may last. */
const LONGEST_SECONDS = 31_622_400;

interface CallbackConfig {
  timeout?: { seconds: number };
  heartbeatTimeout?: { seconds: number };
}

export function callbackConfig(limits: TimeLimits): CallbackConfig {
  const seconds = (given: number): { seconds: number } => ({ seconds: Math.min(given, LONGEST_SECONDS) });
  return {
    ...(limits.timeoutSeconds === undefined ? {} : { timeout: seconds(limits.timeoutSeconds) }),
    ...(limits.heartbeatSeconds === undefined ? {} : { heartbeatTimeout: seconds(limits.heartbeatSeconds) }),
  };
}

/** What a callback was completed with. @throws StatesError */
export async function received(run: StateRun, answer: PromiseLike<string | undefined>): Promise<string> {
  try {
    const text = await answer;
    run.lane.check();
    return text ?? 'null';
  } catch (thrown) {
    const error = fromDurable(thrown);
    if (error instanceof StatesError) recordFailed(run, error);
    throw error;
  }
}
