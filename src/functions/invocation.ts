/** One call of the invoker port on its way: what the process is told, and how its answer reaches the caller. */

import type { RequestContext, Trace } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { localFunctionArn, parseFunctionReference } from '../core/lambda-arn.ts';
import type { Clock, IdSource, Invocation, InvocationResult, StreamEnding, StreamedInvocation } from '../core/ports.ts';
import type { ResolvedFunction } from './function-spec.ts';
import { responseTooLarge, type Ending, type Job } from './job.ts';
import type { ResponseBody } from './response-body.ts';
import { MAX_PAYLOAD_BYTES } from './runtime-api.ts';

export interface CallParts {
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** Gives a job to a process. @returns whether that is a cold start. */
export type Submit = (job: Job) => boolean;

export abstract class Call<Result> {
  readonly invocation: Invocation;
  readonly #context: RequestContext;
  readonly #parts: CallParts;
  #resolve: (result: Result) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #stopWatching: () => void = () => undefined;
  #isAbandoned = false;

  constructor(invocation: Invocation, context: RequestContext, parts: CallParts) {
    this.invocation = invocation;
    this.#context = context;
    this.#parts = parts;
  }

  /** The answer begins to come piece by piece. */
  protected abstract stream(body: ResponseBody): void;
  protected abstract settle(ending: Ending, run: Run): void;
  protected abstract fail(error: PlatformError): void;

  /** @throws PlatformError of `submit`, `FUNCTION_TIMEOUT`, `FUNCTION_FAILED`, `CALL_CANCELLED`. */
  run(spec: ResolvedFunction, submit: Submit): Promise<Result> {
    const { clock, ids } = this.#parts;
    const { log, trace, requestId: callerId, tenant } = this.#context;
    const requestId = ids.uuid();
    const startedMs = clock.monotonicMs();
    let coldStart = false;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (this.#watchCaller(spec.name)) return;
      try {
        coldStart = submit({
          requestId,
          payload: this.invocation.payload,
          headers: invocationHeaders(spec, requestId, { invocation: this.invocation, trace }),
          log: log.with({ requestId: callerId, invocationId: requestId }),
          tenant,
          stream: (body) => this.stream(body),
          settle: (ending) =>
            this.settle(ending, {
              executedVersion: spec.version,
              durationMs: clock.monotonicMs() - startedMs,
              coldStart,
            }),
          fail: (error) => this.fail(error),
        });
      } catch (error) {
        this.reject(error);
      }
    });
  }

  /** Whether the caller stopped waiting. */
  protected get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  protected resolve(result: Result): void {
    this.#stopWatching();
    this.#resolve(result);
  }

  protected reject(error: unknown): void {
    this.#stopWatching();
    this.#reject(error);
  }

  /** A caller may leave; the function goes on to its end or its own time limit, as on Lambda. @returns whether it has left. */
  #watchCaller(name: string): boolean {
    let hasRun = false;
    const leave = (): void => {
      this.#isAbandoned = true;
      this.reject(cancelled(name, hasRun ? 'it may have run' : 'it has not run'));
    };
    const context = this.#context;
    if (context.onAbort !== undefined) context.onAbort(leave);
    else if (context.signal.aborted) leave();
    else {
      context.signal.addEventListener('abort', leave, { once: true });
      this.#stopWatching = () => context.signal.removeEventListener('abort', leave);
    }
    hasRun = true;
    return this.#isAbandoned;
  }
}

/** What of a result does not come from the function. */
interface Run {
  readonly executedVersion: string;
  readonly durationMs: number;
  readonly coldStart: boolean;
}

/** Waits for the whole answer, a streamed one too, up to 6 MB. */
export class BufferedCall extends Call<InvocationResult> {
  #text: Promise<string | undefined> | undefined;

  protected stream(body: ResponseBody): void {
    this.#text = collect(body);
  }

  protected settle(ending: Ending, run: Run): void {
    const text = this.#text;
    if (text === undefined || ending.functionError !== undefined) {
      this.resolve({ ...ending, ...run });
      return;
    }
    void text.then((payload) => {
      const whole = payload === undefined ? responseTooLarge(MAX_PAYLOAD_BYTES) : { payload };
      this.resolve({ ...ending, ...whole, ...run });
    });
  }

  protected fail(error: PlatformError): void {
    this.reject(error);
  }
}

/** Reads everything; `undefined` when that was more than an answer may have. */
async function collect(body: ResponseBody): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_PAYLOAD_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Hands on each piece as it comes; a function that does not stream has one. */
export class StreamedCall extends Call<StreamedInvocation> {
  #end: ((ending: StreamEnding) => void) | undefined;
  #version = '';

  override run(spec: ResolvedFunction, submit: Submit): Promise<StreamedInvocation> {
    this.#version = spec.version;
    return super.run(spec, submit);
  }

  protected stream(body: ResponseBody): void {
    if (this.isAbandoned) body.discard();
    const ending = new Promise<StreamEnding>((resolve) => (this.#end = resolve));
    this.resolve({ contentType: body.contentType, executedVersion: this.#version, body, ending });
  }

  protected settle({ payload, functionError, logTail }: Ending): void {
    const failed = functionError === undefined ? {} : { functionError, errorPayload: payload };
    const ending: StreamEnding = { ...failed, ...(logTail === undefined ? {} : { logTail }) };
    if (this.#end !== undefined) {
      this.#end(ending);
      return;
    }
    const pieces = functionError === undefined ? [Buffer.from(payload)] : [];
    this.resolve({
      contentType: 'application/json',
      executedVersion: this.#version,
      body: oneByOne(pieces),
      ending: Promise.resolve(ending),
    });
  }

  protected fail(error: PlatformError): void {
    const errorPayload = JSON.stringify({ errorType: error.code, errorMessage: error.message });
    if (this.#end === undefined) this.reject(error);
    else this.#end({ functionError: 'Unhandled', errorPayload });
  }
}

async function* oneByOne(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* pieces;
}

function cancelled(name: string, effect: string): PlatformError {
  return new PlatformError('CALL_CANCELLED', `The call of function "${name}" was cancelled; ${effect}.`, {
    function: name,
  });
}

/** @throws PlatformError `PAYLOAD_TOO_LARGE` above 6 MB. */
export function assertPayload(name: string, payload: string): void {
  // A character has at most three bytes, so most events need no counting.
  if (payload.length * 3 <= MAX_PAYLOAD_BYTES) return;
  const bytes = Buffer.byteLength(payload);
  if (bytes <= MAX_PAYLOAD_BYTES) return;
  const what = `The event for function "${name}" has ${bytes} bytes; Lambda allows ${MAX_PAYLOAD_BYTES}.`;
  throw new PlatformError('PAYLOAD_TOO_LARGE', `${what} Send less, or pass a reference to stored data.`, {
    function: name,
    bytes,
  });
}

function invocationHeaders(
  spec: ResolvedFunction,
  requestId: string,
  from: { readonly invocation: Invocation; readonly trace: Trace },
): Record<string, string> {
  const { functionName, clientContext, rawClientContext } = from.invocation;
  const headers: Record<string, string> = {
    'lambda-runtime-aws-request-id': requestId,
    'lambda-runtime-invoked-function-arn': functionName.startsWith('arn:') ? ascii(functionName) : arnOf(functionName),
  };
  const trace = xrayTrace(from.trace.traceparent);
  if (trace !== undefined) headers['lambda-runtime-trace-id'] = trace;
  if (rawClientContext !== undefined) headers['lambda-runtime-client-context'] = ascii(rawClientContext);
  else if (clientContext !== undefined)
    headers['lambda-runtime-client-context'] = ascii(JSON.stringify({ custom: clientContext }));
  return headers;
}

/** With the qualifier that the caller gave, not the version that it led to. */
function arnOf(functionName: string): string {
  const reference = parseFunctionReference(functionName);
  const arn = localFunctionArn(reference?.name ?? functionName);
  return reference?.qualifier === undefined ? arn : ascii(`${arn}:${reference.qualifier}`);
}

/** JSON escapes for everything that an HTTP header cannot carry; line ends can only stand between JSON's words. */
function ascii(text: string): string {
  return text
    .replaceAll(/[\t\r\n]/g, ' ')
    .replaceAll(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A W3C `traceparent` in the words of X-Ray. */
function xrayTrace(traceparent: string | undefined): string | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{8})([0-9a-f]{24})-([0-9a-f]{16})-[0-9a-f]([0-9a-f])$/.exec(traceparent ?? '');
  if (match === null) return undefined;
  const [, head = '', tail = '', parent = '', flags = '0'] = match;
  return `Root=1-${head}-${tail};Parent=${parent};Sampled=${Number.parseInt(flags, 16) % 2}`;
}
