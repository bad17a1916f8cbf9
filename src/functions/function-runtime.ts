/**
 * Runs unmodified Lambda handlers on this machine, through the documented Lambda Runtime API: one process per
 * concurrent invocation, reused while warm. It decides where an invocation runs and for how long; what the event
 * looks like and what the answer means is left to the caller.
 */

import type { RequestContext, Trace } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { localFunctionArn, parseFunctionReference } from '../core/lambda-arn.ts';
import type {
  Clock,
  FunctionInfo,
  FunctionInvoker,
  IdSource,
  Invocation,
  InvocationResult,
  Logger,
} from '../core/ports.ts';
import { FunctionPool } from './function-pool.ts';
import type { Ending, Job } from './function-process.ts';
import { assertRunnable, resolveFunction, type FunctionSpec, type ResolvedFunction } from './function-spec.ts';
import { MAX_PAYLOAD_BYTES, startRuntimeApi, type RuntimeApi } from './runtime-api.ts';

export interface FunctionRuntimeOptions {
  readonly functions: readonly FunctionSpec[];
  /** Where relative `code` paths start: the folder of the configuration. */
  readonly baseDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ids: IdSource;
}

export interface FunctionRuntime extends FunctionInvoker {
  /** Takes a new list; changed and removed functions finish what runs and start anew on their next call. */
  reconfigure(functions: readonly FunctionSpec[]): void;
  /** Lets a function's processes finish and start anew, because its code has changed. */
  restart(name: string): void;
  /** Live processes, for the status page. */
  processCount(name?: string): number;
  /** Ends every process at once. Resolves when none is left. */
  close(): Promise<void>;
}

/** Starts nothing: the Runtime API and the processes begin with the first invocation. */
export function createFunctionRuntime(options: FunctionRuntimeOptions): FunctionRuntime {
  return new LocalRuntime(options);
}

class LocalRuntime implements FunctionRuntime {
  readonly label = 'embedded';
  readonly #options: FunctionRuntimeOptions;
  #specs = new Map<string, ResolvedFunction>();
  readonly #pools = new Map<string, FunctionPool>();
  /** Pools that still finish an invocation of an older configuration. */
  readonly #retiring = new Set<FunctionPool>();
  #api: Promise<RuntimeApi> | undefined;
  #closed = false;

  constructor(options: FunctionRuntimeOptions) {
    this.#options = options;
    this.reconfigure(options.functions);
  }

  list(): readonly FunctionInfo[] {
    return [...this.#specs.values()].map((spec) => ({
      name: spec.name,
      arn: localFunctionArn(spec.name),
      runtime: spec.runtime,
      description: spec.description,
      tags: spec.tags,
      timeoutSeconds: spec.timeoutSeconds,
      memoryMb: spec.memoryMb,
    }));
  }

  async invoke(invocation: Invocation, context: RequestContext): Promise<InvocationResult> {
    const spec = this.#find(invocation.functionName);
    assertPayload(spec.name, invocation.payload);
    assertRunnable(spec);
    this.#api ??= startRuntimeApi();
    const api = await this.#api;
    if (this.#closed)
      throw new PlatformError('SHUTTING_DOWN', 'The function runtime is closing. Try again after the restart.');
    if (context.signal.aborted) throw cancelled(spec.name, 'it has not run');
    return this.#run(this.#pool(this.#specs.get(spec.name) ?? spec, api), invocation, context);
  }

  reconfigure(functions: readonly FunctionSpec[]): void {
    const next = new Map(functions.map((spec) => [spec.name, resolveFunction(spec, this.#options.baseDir)]));
    for (const [name, pool] of this.#pools) {
      if (next.get(name)?.fingerprint !== pool.spec.fingerprint) this.restart(name);
    }
    this.#specs = next;
  }

  restart(name: string): void {
    const pool = this.#pools.get(name);
    if (pool === undefined) return;
    this.#pools.delete(name);
    this.#retiring.add(pool);
    void pool.retire().finally(() => this.#retiring.delete(pool));
  }

  processCount(name?: string): number {
    const pools = [...this.#pools.values(), ...this.#retiring];
    return pools
      .filter((pool) => name === undefined || pool.spec.name === name)
      .reduce((sum, pool) => sum + pool.size, 0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#pools.values(), ...this.#retiring].map((pool) => pool.close()));
    const api = await this.#api?.catch(() => undefined);
    await api?.close();
  }

  #find(text: string): ResolvedFunction {
    const reference = parseFunctionReference(text);
    const spec = reference === undefined ? undefined : this.#specs.get(reference.name);
    if (reference === undefined || spec === undefined) throw this.#unknown(reference?.name ?? text);
    const { qualifier } = reference;
    if (qualifier !== undefined && qualifier !== '$LATEST') {
      const what = `Function "${spec.name}" has no version or alias "${qualifier}" here; only $LATEST exists.`;
      throw new PlatformError('FUNCTION_NOT_FOUND', `${what} Leave the qualifier out.`, {
        function: spec.name,
        qualifier,
      });
    }
    return spec;
  }

  #unknown(name: string): PlatformError {
    const known = [...this.#specs.keys()];
    const list = known.length === 0 ? 'No function is configured' : `Known functions: ${known.slice(0, 20).join(', ')}`;
    const next = `${list}. Add it under "functions" in the configuration, or correct the ARN.`;
    return new PlatformError('FUNCTION_NOT_FOUND', `Function "${name}" does not exist here. ${next}`, {
      function: name,
    });
  }

  #pool(spec: ResolvedFunction, api: RuntimeApi): FunctionPool {
    let pool = this.#pools.get(spec.name);
    if (pool === undefined) {
      const { clock, log, ids } = this.#options;
      pool = new FunctionPool({ spec, api, clock, log, ids });
      this.#pools.set(spec.name, pool);
    }
    return pool;
  }

  #run(pool: FunctionPool, invocation: Invocation, context: RequestContext): Promise<InvocationResult> {
    const { clock, ids } = this.#options;
    const requestId = ids.uuid();
    const startedMs = clock.monotonicMs();
    let coldStart = false;
    return new Promise((resolve, reject) => {
      // The caller stops waiting; the function goes on to its end or its own time limit, as on Lambda.
      const leave = (): void => reject(cancelled(pool.spec.name, 'it may have run'));
      context.signal.addEventListener('abort', leave, { once: true });
      const stop = (): void => context.signal.removeEventListener('abort', leave);
      const settle = (ending: Ending): void => {
        stop();
        resolve({ ...ending, executedVersion: '$LATEST', durationMs: clock.monotonicMs() - startedMs, coldStart });
      };
      const fail = (error: PlatformError): void => {
        stop();
        reject(error);
      };
      const headers = invocationHeaders(pool.spec, requestId, { invocation, trace: context.trace });
      const log = context.log.with({ requestId: context.requestId, invocationId: requestId });
      const job: Job = { requestId, payload: invocation.payload, headers, log, settle, fail };
      try {
        coldStart = pool.submit(job);
      } catch (error) {
        stop();
        reject(error);
      }
    });
  }
}

function cancelled(name: string, effect: string): PlatformError {
  return new PlatformError('CALL_CANCELLED', `The call of function "${name}" was cancelled; ${effect}.`, {
    function: name,
  });
}

function assertPayload(name: string, payload: string): void {
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
  const { functionName, clientContext } = from.invocation;
  const headers: Record<string, string> = {
    'lambda-runtime-aws-request-id': requestId,
    'lambda-runtime-invoked-function-arn': functionName.startsWith('arn:')
      ? ascii(functionName)
      : localFunctionArn(spec.name),
  };
  const trace = xrayTrace(from.trace.traceparent);
  if (trace !== undefined) headers['lambda-runtime-trace-id'] = trace;
  if (clientContext !== undefined)
    headers['lambda-runtime-client-context'] = ascii(JSON.stringify({ custom: clientContext }));
  return headers;
}

/** JSON escapes for everything that an HTTP header cannot carry. */
function ascii(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A W3C `traceparent` in the words of X-Ray. */
function xrayTrace(traceparent: string | undefined): string | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{8})([0-9a-f]{24})-([0-9a-f]{16})-[0-9a-f]([0-9a-f])$/.exec(traceparent ?? '');
  if (match === null) return undefined;
  const [, head = '', tail = '', parent = '', flags = '0'] = match;
  return `Root=1-${head}-${tail};Parent=${parent};Sampled=${Number.parseInt(flags, 16) % 2}`;
}
