/**
 * One call of a function: what is too large is refused before it is sent, what surely has not run is tried again, and
 * who asked for logs or progress is told meanwhile. A function that runs out of time again and again is left alone for a
 * while. What the answer means is for `function-result.ts`.
 */

import { CircuitBreaker, type Guarded, type Verdict } from '../core/circuit-breaker.ts';
import type { RequestContext } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { Clock, FunctionInvoker, Invocation } from '../core/ports.ts';
import type { Exchange } from '../core/target.ts';
import { failureOf } from './function-failure.ts';
import type { FunctionAnswer } from './function-result.ts';
import { readStream } from './streamed-answer.ts';

/** Lambda's limit of an event, however the answer comes. */
const MAX_EVENT_BYTES = 6 * 1024 * 1024;
const THROTTLED_ATTEMPTS = 4;
const LOST_ATTEMPTS = 2;
const FIRST_WAIT_MS = 50;
const PROGRESS_EVERY_MS = 500;

export interface FunctionCallsParts {
  readonly invoker: FunctionInvoker;
  readonly clock: Clock;
  /** At least 0 and below 1; spreads repeats. @default Math.random */
  readonly random?: (() => number) | undefined;
}

export interface FunctionCall {
  /** Lambda's name of the function, for messages. */
  readonly name: string;
  readonly invocation: Invocation;
  /** The answer may come piece by piece. */
  readonly isStreaming?: boolean;
  /** It does no harm when it runs twice. */
  readonly isRepeatable?: boolean;
  /** Absent where nobody listens. */
  readonly exchange?: Exchange | undefined;
}

export class FunctionCalls {
  readonly #parts: FunctionCallsParts;
  readonly #breaker: CircuitBreaker;

  constructor(parts: FunctionCallsParts) {
    this.#parts = parts;
    this.#breaker = new CircuitBreaker({ clock: parts.clock });
  }

  /** @throws PlatformError of the invoker; before anything is sent `PAYLOAD_TOO_LARGE` and `TARGET_BREAKER_OPEN`. */
  async run(call: FunctionCall, context: RequestContext): Promise<FunctionAnswer> {
    checkEvent(call);
    tell(call, 'info', `Invoking function ${call.name}.`);
    try {
      const answer = await this.#breaker.run(guarded(call, context), () => this.#repeated(call, context));
      if (answer.functionError === undefined) tell(call, 'info', doneWords(call.name, answer));
      else tell(call, 'error', failureOf(call.name, answer.payload).message);
      return answer;
    } catch (error) {
      if (error instanceof PlatformError) tell(call, 'error', `${error.code}: ${error.message}`);
      throw error;
    }
  }

  async #repeated(call: FunctionCall, context: RequestContext): Promise<FunctionAnswer> {
    const { clock, random = Math.random } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      try {
        return await (call.isStreaming === true ? this.#stream(call, context) : this.#once(call, context));
      } catch (error) {
        if (attempt >= attemptsFor(error, call)) throw asLost(error);
        const waitMs = FIRST_WAIT_MS * 2 ** attempt * (0.5 + random() / 2);
        if (clock.monotonicMs() + waitMs >= context.deadlineMs) throw error;
        await pause(clock, waitMs, context);
      }
    }
  }

  #once({ invocation }: FunctionCall, context: RequestContext): Promise<FunctionAnswer> {
    return this.#parts.invoker.invoke(invocation, context);
  }

  async #stream(call: FunctionCall, context: RequestContext): Promise<FunctionAnswer> {
    const { invoker, clock } = this.#parts;
    if (invoker.invokeStream === undefined) return this.#once(call, context);
    const startedMs = clock.monotonicMs();
    const stream = await invoker.invokeStream(call.invocation, context);
    const abandoned = abandonment(call.name, context);
    const reading = await readStream(stream, { onBytes: this.#progress(call), abandoned });
    const { answer, functionError, errorPayload = '', logTail } = reading;
    return {
      payload: errorPayload,
      executedVersion: stream.executedVersion,
      durationMs: clock.monotonicMs() - startedMs,
      coldStart: false,
      ...(functionError === undefined ? {} : { functionError }),
      ...(logTail === undefined ? {} : { logTail }),
      ...(answer === undefined ? {} : { streamed: answer }),
    };
  }

  /** Says how many bytes have come, twice a second at most. */
  #progress({ exchange, name }: FunctionCall): (count: number) => void {
    if (exchange?.wantsProgress !== true) return () => undefined;
    const { clock } = this.#parts;
    let toldMs = -Infinity;
    return (progress) => {
      const now = clock.monotonicMs();
      if (now - toldMs < PROGRESS_EVERY_MS) return;
      toldMs = now;
      const message = `Function ${name} has sent ${progress} bytes.`;
      exchange.notify('notifications/progress', JSON.stringify({ progress, message }));
    };
  }
}

/** Counts for the tenant alone, and for each version by itself: a candidate that hangs leaves the stable one open. */
function guarded({ name, invocation }: FunctionCall, context: RequestContext): Guarded<FunctionAnswer> {
  return {
    key: `${context.tenant}\n${invocation.functionName}`,
    name: `function "${name}"`,
    target: name,
    judgeResult: ({ functionError, payload }) => (functionError === undefined ? 'well' : judgeFailure(name, payload)),
    judgeError,
  };
}

/** What a function throws is an answer; that its time is up is none. */
function judgeFailure(name: string, payload: string): Verdict {
  const { code, words } = failureOf(name, payload);
  return code === 'FUNCTION_TIMEOUT' ? { failed: words } : 'well';
}

/** Neither who left nor who is throttled says anything about the function. */
function judgeError(error: unknown): Verdict {
  if (!(error instanceof PlatformError)) return 'unknown';
  return error.code === 'FUNCTION_TIMEOUT' || error.code === 'TARGET_UNAVAILABLE'
    ? { failed: error.message }
    : 'unknown';
}

/** Nobody knows whether a call that got no answer has run, so whoever keeps safe repeats must not run it again. */
function asLost(error: unknown): unknown {
  if (!(error instanceof PlatformError) || error.code !== 'TARGET_UNAVAILABLE') return error;
  const message = `${error.message.replace(/[.\s]+$/, '')}. It may have run.`;
  return new PlatformError(error.code, message, { ...error.details, lost: true }, { cause: error });
}

/** How often a call that fails like this may be tried in all. */
function attemptsFor(error: unknown, call: FunctionCall): number {
  if (!(error instanceof PlatformError)) return 1;
  // The limit of processes here, which is free again soon. What a cloud throttles, its invoker has tried again.
  const isOurLimit = error.code === 'FUNCTION_THROTTLED' && error.details['concurrency'] !== undefined;
  if (isOurLimit) return THROTTLED_ATTEMPTS;
  return error.code === 'TARGET_UNAVAILABLE' && call.isRepeatable === true ? LOST_ATTEMPTS : 1;
}

/** @throws PlatformError `PAYLOAD_TOO_LARGE`. */
function checkEvent({ name, invocation }: FunctionCall): void {
  const { payload } = invocation;
  // A character has at most three bytes, so most events need no counting.
  if (payload.length * 3 <= MAX_EVENT_BYTES) return;
  const bytes = Buffer.byteLength(payload);
  if (bytes <= MAX_EVENT_BYTES) return;
  const what = `The event for function "${name}" has ${bytes} bytes; Lambda takes ${MAX_EVENT_BYTES}. It was not sent.`;
  throw new PlatformError('PAYLOAD_TOO_LARGE', `${what} Send less, or a reference to stored data.`, {
    function: name,
    bytes,
  });
}

/** A log message for a caller that named a level; without arguments and answers, which may be private. */
function tell({ exchange, name }: FunctionCall, level: 'info' | 'error', data: string): void {
  if (exchange?.logLevel === undefined) return;
  exchange.notify('notifications/message', JSON.stringify({ level, logger: name, data }));
}

function doneWords(name: string, { executedVersion, durationMs }: FunctionAnswer): string {
  return `Function ${name} (version ${executedVersion}) answered after ${Math.round(durationMs)} ms.`;
}

function onAbort(context: RequestContext, run: () => void): void {
  if (context.onAbort !== undefined) context.onAbort(run);
  else if (context.signal.aborted) run();
  else context.signal.addEventListener('abort', run, { once: true });
}

/** Rejects with `CALL_CANCELLED` when the caller leaves. */
function abandonment(name: string, context: RequestContext): Promise<never> {
  const promise = new Promise<never>((_, reject) => {
    const what = `The call of function "${name}" was cancelled; it may have run.`;
    onAbort(context, () => reject(new PlatformError('CALL_CANCELLED', what, { function: name })));
  });
  promise.catch(() => undefined);
  return promise;
}

/** @throws PlatformError `CALL_CANCELLED` when the caller leaves meanwhile. */
function pause(clock: Clock, ms: number, context: RequestContext): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, resolve);
    onAbort(context, () => {
      cancel();
      reject(new PlatformError('CALL_CANCELLED', 'The call was cancelled before its function ran.'));
    });
  });
}
