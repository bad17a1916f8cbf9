/**
 * Whom a Task of a state machine calls: a handler of this process, a tool of the gateway, or a function, in that order
 * and by name alone. The callee hears who started the execution, and gets the key that makes a repeat safe.
 */

import type { RequestContext } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { parseFunctionReference } from '../core/lambda-arn.ts';
import type { FunctionInvoker, InvocationResult, JsonValue } from '../core/ports.ts';
import type { TaskCall } from './asl/asl-host.ts';
import { TaskError } from './asl/states-error.ts';
import type { RunInfo } from './engine/workflow-engine.ts';

/** A function that ships with the product and runs here. @throws TaskError, PlatformError */
export type InProcessHandler = (input: JsonValue, call: TaskCall, run: RunInfo) => Promise<JsonValue>;

/** Calls a tool of the gateway by its published name. @returns the result object of `tools/call`. */
export type ToolCaller = (
  name: string,
  args: Readonly<Record<string, JsonValue>>,
  options: { readonly idempotencyKey: string; readonly context: RequestContext; readonly signal: AbortSignal },
) => Promise<Readonly<Record<string, unknown>>>;

export interface TaskRunnerParts {
  readonly handlers: ReadonlyMap<string, InProcessHandler>;
  readonly invoker: FunctionInvoker;
  /** Absent where there is no gateway. */
  readonly callTool?: ToolCaller | undefined;
}

export function createTaskRunner(parts: TaskRunnerParts): (call: TaskCall, run: RunInfo) => Promise<JsonValue> {
  return async (call, run) => {
    try {
      return await runTask(parts, call, run);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      throw new TaskError(errorNameOf(error), error.message);
    }
  };
}

async function runTask(parts: TaskRunnerParts, call: TaskCall, run: RunInfo): Promise<JsonValue> {
  const { functionName } = call;
  const name = parseFunctionReference(functionName)?.name ?? functionName;
  const handler = parts.handlers.get(name);
  if (handler !== undefined) return wrapped(call, await handler(call.input, call, run));
  if (name.includes('___') && parts.callTool !== undefined)
    return wrapped(call, await toolResult(parts.callTool, call, run));
  return functionResult(parts.invoker, call, run);
}

/** The optimised integration gives the function's answer with what Lambda says about it. */
function wrapped(call: TaskCall, payload: JsonValue): JsonValue {
  if (call.kind === 'function') return payload;
  return { ExecutedVersion: '$LATEST', Payload: payload, StatusCode: 200 };
}

async function toolResult(callTool: ToolCaller, call: TaskCall, run: RunInfo): Promise<JsonValue> {
  const { functionName: name, input, key: idempotencyKey, signal } = call;
  if (!isObject(input)) throw new TaskError('INVALID_ARGUMENTS', `The tool "${name}" takes an object of arguments.`);
  const args = input as Readonly<Record<string, JsonValue>>;
  const result = await callTool(name, args, { idempotencyKey, context: run.context, signal });
  if (result['isError'] === true) throw toolError(name, result);
  return (result['structuredContent'] ?? { content: result['content'] ?? [] }) as JsonValue;
}

/** The code of our own errors, so that a Retry or Catch can name it. */
function toolError(name: string, result: Readonly<Record<string, unknown>>): TaskError {
  const meta = isObject(result['_meta']) ? result['_meta']['io.zeroplane/error'] : undefined;
  const code = isObject(meta) && typeof meta['code'] === 'string' ? meta['code'] : 'ToolError';
  const [first] = Array.isArray(result['content']) ? (result['content'] as { readonly text?: string }[]) : [];
  return new TaskError(code, first?.text ?? `The tool "${name}" failed and says nothing.`);
}

async function functionResult(invoker: FunctionInvoker, call: TaskCall, run: RunInfo): Promise<JsonValue> {
  const { functionName, input, key, attempt } = call;
  const { principal, tenant, context } = run;
  const result = await invoker.invoke(
    {
      functionName,
      payload: JSON.stringify(input),
      clientContext: {
        zeroplaneTenant: tenant,
        zeroplanePrincipal: principal.id,
        zeroplaneClaims: JSON.stringify(principal.claims ?? {}),
        zeroplaneIdempotencyKey: key,
        zeroplaneAttempt: String(attempt),
      },
    },
    withSignal(context, call.signal),
  );
  if (result.functionError !== undefined) throw functionError(functionName, result);
  const payload = parsed(result.payload);
  if (call.kind === 'function') return payload;
  return { ExecutedVersion: result.executedVersion, Payload: payload, StatusCode: 200 };
}

/** The attempt's own end, which comes before the execution's. */
function withSignal(context: RequestContext, signal: AbortSignal): RequestContext {
  return { ...contextParts(context), signal };
}

function contextParts(context: RequestContext): RequestContext {
  const { principal, tenant, requestId, trace, deadlineMs, signal, log, hops } = context;
  return { principal, tenant, requestId, trace, deadlineMs, signal, log, hops };
}

function functionError(name: string, { payload }: InvocationResult): TaskError {
  const value = parsed(payload);
  const { errorType, errorMessage } = isObject(value) ? value : {};
  const isTimeout = typeof errorMessage === 'string' && /Task timed out after [\d.]+ seconds/.test(errorMessage);
  const type = isTimeout
    ? 'Sandbox.Timedout'
    : typeof errorType === 'string' && errorType !== ''
      ? errorType
      : 'Lambda.Unknown';
  return new TaskError(type, payload === '' ? `Function "${name}" failed.` : payload);
}

function parsed(payload: string): JsonValue {
  if (payload.trim() === '') return null;
  try {
    return JSON.parse(payload) as JsonValue;
  } catch {
    throw new TaskError('States.Runtime', 'The function answered something that is no JSON.');
  }
}

/** The names that Lambda's integration has for the same, so that a machine's Retry works here and there. */
function errorNameOf(error: PlatformError): string {
  if (error.code === 'FUNCTION_THROTTLED') return 'Lambda.TooManyRequestsException';
  if (error.code === 'FUNCTION_NOT_FOUND') return 'Lambda.ResourceNotFoundException';
  if (error.code === 'FUNCTION_TIMEOUT') return 'Sandbox.Timedout';
  if (error.code === 'FUNCTION_DENIED') return 'Lambda.AccessDeniedException';
  return error.code;
}
