/** Runs a packaged function as Lambda would, under the Runtime API, and asks it for its tools. */

import { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { createFunctionRuntime } from '../functions/function-runtime.ts';
import type { FunctionRuntime } from '../functions/function-runtime.ts';
import type { Wrapped } from './wrap.ts';

export interface Trial {
  readonly tools: readonly string[];
  /** Milliseconds of the first list, the start of the function and of its server included. */
  readonly coldMs: number;
  readonly warmMs: number;
  /** A tool that says that it only reads, and takes no arguments, was called. */
  readonly called?: { readonly tool: string; readonly isError: boolean };
}

/** @throws PlatformError `FUNCTION_FAILED`: the function, or the server in it, does not work; with its words. */
export async function tryOut(wrapped: Wrapped, parts: { readonly clock: Clock; readonly log: Logger }): Promise<Trial> {
  const { name, code, sizing } = wrapped;
  const spec = { name, handler: 'index.handler', runtime: 'nodejs24.x', code, ...sizing };
  const ids = { uuid: () => crypto.randomUUID() };
  const runtime = createFunctionRuntime({ functions: [spec], baseDir: code, ids, ...parts });
  const ask = (method: string, params: unknown): Promise<Record<string, unknown>> =>
    invoke(runtime, { name, method, params, seconds: sizing.timeoutSeconds, ...parts });
  try {
    const [first, coldMs] = await timed(parts.clock, () => ask('tools/list', {}));
    const [, warmMs] = await timed(parts.clock, () => ask('tools/list', {}));
    const tools = (Array.isArray(first['tools']) ? (first['tools'] as unknown[]) : []).filter(isObject);
    const harmless = tools.find(isHarmless);
    const listed = { tools: tools.map((tool) => String(tool['name'])), coldMs, warmMs };
    if (harmless === undefined) return listed;
    const answer = await ask('tools/call', { name: harmless['name'], arguments: {} });
    return { ...listed, called: { tool: String(harmless['name']), isError: answer['isError'] === true } };
  } finally {
    await runtime.close();
  }
}

function isHarmless({ annotations, inputSchema }: Readonly<Record<string, unknown>>): boolean {
  const required = isObject(inputSchema) ? inputSchema['required'] : undefined;
  const needsNothing = !Array.isArray(required) || required.length === 0;
  return needsNothing && isObject(annotations) && annotations['readOnlyHint'] === true;
}

async function timed<Result>(clock: Clock, run: () => Promise<Result>): Promise<[Result, number]> {
  const startedMs = clock.monotonicMs();
  const value = await run();
  return [value, Math.round(clock.monotonicMs() - startedMs)];
}

interface Asking {
  readonly name: string;
  readonly method: string;
  readonly params: unknown;
  readonly seconds: number;
  readonly clock: Clock;
  readonly log: Logger;
}

async function invoke(runtime: FunctionRuntime, asking: Asking): Promise<Record<string, unknown>> {
  const { name, method, params, seconds, clock, log } = asking;
  const principal = { id: 'wrap', tenant: 'wrap', roles: [], scopes: [] };
  const context = new Context({ principal, requestId: 'wrap', clock, log, timeoutMs: seconds * 1000 + 10_000 });
  const payload = JSON.stringify({ method, params });
  const answer = await runtime.invoke({ functionName: name, payload }, context);
  const reply: unknown = JSON.parse(answer.payload);
  const body =
    isObject(reply) && typeof reply['body'] === 'string' ? (JSON.parse(reply['body']) as unknown) : undefined;
  const isGood = answer.functionError === undefined && isObject(reply) && reply['statusCode'] === 200;
  if (isGood && isObject(body)) return body;
  const what = `The function ${name} answered ${method} with: ${answer.payload.slice(0, 1000)}`;
  throw new PlatformError('FUNCTION_FAILED', `${what}. Its log: ${(answer.logTail ?? '').slice(-1000)}`, {
    function: name,
  });
}
