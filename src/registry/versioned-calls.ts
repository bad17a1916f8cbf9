/** Which version of its function a call of a tool reaches, and what each definition leads to. */

import type { RequestContext } from '../core/context.ts';
import { PlatformError, type ErrorCode } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { parseFunctionReference } from '../core/lambda-arn.ts';
import type { CodeIdentity } from '../core/target.ts';
import type { CanaryRoute, Route } from './canary.ts';
import { CanarySwitch, type CanaryReport, type CanarySwitchParts } from './canary-switch.ts';
import type { FunctionAnswer } from './function-result.ts';
import { CodeVersions, type VersionSource } from './code-versions.ts';

export interface VersionedCallsParts extends Omit<CanarySwitchParts, 'versions'> {
  /** Absent: definitions carry no code, and a canary does not notice that its alias has moved. */
  readonly versions?: VersionSource | undefined;
}

export interface VersionHooks {
  /** A function's versions, aliases, code or tags have changed. */
  readonly onChanged: (name: string) => void;
  /** What {@link VersionedCalls.code} did not know before is known now. */
  readonly onLearned: () => void;
}

/** Failures that say something about the version that was called. */
const COUNTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['FUNCTION_FAILED', 'FUNCTION_TIMEOUT']);

export class VersionedCalls {
  readonly #versions: CodeVersions | undefined;
  readonly #canaries: CanarySwitch;

  constructor(parts: VersionedCallsParts, hooks: VersionHooks) {
    const { versions } = parts;
    this.#versions = versions === undefined ? undefined : new CodeVersions(versions, hooks);
    this.#canaries = new CanarySwitch({ ...parts, versions: this.#versions });
  }

  /**
   * Runs a call on the version that the caller gets. A version that is tried and does not exist has not run, so the
   * stable one runs in its place.
   *
   * @param call - Invokes the function of this name or ARN.
   */
  run<Result extends FunctionAnswer>(
    route: Route,
    context: RequestContext,
    call: (functionName: string) => Promise<Result>,
  ): Promise<Result> {
    const { functionName, canary } = route;
    if (canary === undefined) return this.#call(functionName, call);
    return this.#try(canary, context, { stable: functionName, call });
  }

  async #try<Result extends FunctionAnswer>(
    canary: CanaryRoute,
    context: RequestContext,
    how: { readonly stable: string; readonly call: (functionName: string) => Promise<Result> },
  ): Promise<Result> {
    const trial = await this.#canaries.begin(canary, context);
    if (trial === undefined) return this.#call(how.stable, how.call);
    try {
      const result = await this.#call(trial.functionName, how.call);
      trial.end(isFailedRun(result));
      return result;
    } catch (error) {
      const isAbsent = error instanceof PlatformError && error.code === 'FUNCTION_NOT_FOUND';
      if (isAbsent || (error instanceof PlatformError && COUNTED.has(error.code))) trial.end(true);
      if (isAbsent) return this.#call(how.stable, how.call);
      throw error;
    }
  }

  async #call<Result extends FunctionAnswer>(
    functionName: string,
    call: (functionName: string) => Promise<Result>,
  ): Promise<Result> {
    const result = await call(functionName);
    if (result.coldStart) void this.#versions?.recheck(functionName);
    return result;
  }

  /** What a tool leads to, as far as it is known; asking makes it known soon. */
  code({ functionName }: Route): CodeIdentity | undefined {
    return this.#versions?.peek(functionName);
  }

  /** Reads what is kept of the canaries, so that {@link reports} has it. */
  async prepare(routes: readonly Route[]): Promise<void> {
    await Promise.all(canariesOf(routes).map((canary) => this.#canaries.prepare(canary)));
  }

  reports(routes: readonly Route[]): readonly CanaryReport[] {
    return canariesOf(routes).map((canary) => this.#canaries.report(canary));
  }

  async close(): Promise<void> {
    await this.#canaries.close();
    this.#versions?.close();
  }
}

function canariesOf(routes: readonly Route[]): CanaryRoute[] {
  return routes.flatMap(({ canary }) => (canary === undefined ? [] : [canary]));
}

/** The function failed, or says by status that it did. A tool's own `isError` is an answer. */
function isFailedRun({ functionError, payload, streamed }: FunctionAnswer): boolean {
  if (functionError !== undefined) return true;
  if (streamed !== undefined) return (streamed.statusCode ?? 200) >= 500;
  if (!payload.includes('"statusCode"')) return false;
  try {
    const value: unknown = JSON.parse(payload);
    return isObject(value) && typeof value['statusCode'] === 'number' && value['statusCode'] >= 500;
  } catch {
    return false;
  }
}

/** The function's name, whatever version or alias the route is pinned to. */
export function functionNameOf({ functionName }: Pick<Route, 'functionName'>): string {
  return parseFunctionReference(functionName)?.name ?? functionName;
}
