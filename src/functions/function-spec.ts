/** One function of the operator's configuration, in Lambda's own words, and what a process needs to run it. */

import { existsSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, resolve } from 'node:path';

import { PlatformError } from '../core/errors.ts';

export interface FunctionSpec {
  /** Lambda's grammar; also the name that an ARN resolves to. */
  readonly name: string;
  /** `index.handler`: module below `code`, then the export. A `provided` bootstrap reads it as it likes. */
  readonly handler: string;
  /** Lambda's identifier: `nodejs22.x`, `python3.13`, `provided.al2023`. */
  readonly runtime: string;
  /** Folder or file; relative to the folder of the configuration. */
  readonly code: string;
  /** Longest run of one invocation. @default 30 */
  readonly timeoutSeconds?: number | undefined;
  /** @default 128 */
  readonly memoryMb?: number | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly description?: string | undefined;
  /** Most invocations at once, one process each. @default 10 */
  readonly concurrency?: number | undefined;
  /** Stops the process between invocations, as Lambda does. @default false */
  readonly freeze?: boolean | undefined;
}

const DEFAULT_TIMEOUT_SECONDS = 30;
const DEFAULT_MEMORY_MB = 128;
const DEFAULT_CONCURRENCY = 10;

export type RuntimeKind = 'node' | 'python' | 'provided';

/** A spec with its defaults in place and its paths resolved. */
export interface ResolvedFunction {
  readonly name: string;
  readonly handler: string;
  readonly runtime: string;
  /** What runs it; absent for a runtime that cannot run here. */
  readonly kind: RuntimeKind | undefined;
  /** Major version of the declared Node runtime, 0 for others; decides about callback handlers. */
  readonly nodeMajor: number;
  /** Working folder of the process, `LAMBDA_TASK_ROOT`. */
  readonly taskRoot: string;
  /** Present when `code` names a file. */
  readonly moduleFile?: string;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly description: string;
  readonly concurrency: number;
  readonly freeze: boolean;
  /** `$LATEST` or a published version's number. */
  readonly version: string;
  /** Changes with everything that a process would notice. */
  readonly fingerprint: string;
}

/** Fills in defaults. A runtime that cannot run here is refused by {@link assertRunnable}, on the first call. */
export function resolveFunction(spec: FunctionSpec, baseDir: string, version = '$LATEST'): ResolvedFunction {
  const code = isAbsolute(spec.code) ? spec.code : resolve(baseDir, spec.code);
  const isFile = existsSync(code) && statSync(code).isFile();
  const resolved = {
    name: spec.name,
    handler: spec.handler,
    runtime: spec.runtime,
    kind: kindOf(spec.runtime),
    nodeMajor: Number(/^nodejs(\d+)\.x$/.exec(spec.runtime)?.[1] ?? 0),
    taskRoot: isFile ? dirname(code) : code,
    ...(isFile ? { moduleFile: basename(code) } : {}),
    timeoutSeconds: spec.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS,
    memoryMb: spec.memoryMb ?? DEFAULT_MEMORY_MB,
    environment: spec.environment ?? {},
    tags: spec.tags ?? {},
    description: spec.description ?? '',
    concurrency: spec.concurrency ?? DEFAULT_CONCURRENCY,
    freeze: spec.freeze ?? false,
    version,
  };
  const { tags: _tags, description: _description, ...running } = resolved;
  return { ...resolved, fingerprint: JSON.stringify(running) };
}

function kindOf(runtime: string): RuntimeKind | undefined {
  if (/^nodejs[1-9]\d*\.x$/.test(runtime)) return 'node';
  if (/^python3\.\d+$/.test(runtime)) return 'python';
  return /^provided(?:\.al2|\.al2023)?$/.test(runtime) ? 'provided' : undefined;
}

/** @throws PlatformError `FUNCTION_FAILED` when the declared runtime, the code or the variables cannot be used. */
export function assertRunnable(spec: ResolvedFunction): void {
  if (spec.kind === undefined) {
    throw refusal(
      spec,
      `declares runtime "${spec.runtime}"; nodejs22.x, python3.13, provided.al2023 and the like run here. Change functions.${spec.name}.runtime`,
    );
  }
  if (!existsSync(spec.taskRoot)) {
    if (spec.version !== '$LATEST')
      throw refusal(
        spec,
        `lost the code of version ${spec.version}, kept at "${spec.taskRoot}". Publish a new version`,
      );
    throw refusal(
      spec,
      `has its code at "${spec.taskRoot}", which does not exist. Correct functions.${spec.name}.code`,
    );
  }
  const reserved = Object.keys(spec.environment).find(isReserved);
  if (reserved !== undefined) {
    throw refusal(
      spec,
      `sets the environment variable "${reserved}", which Lambda reserves. Remove it from functions.${spec.name}.environment`,
    );
  }
}

function refusal(spec: ResolvedFunction, what: string): PlatformError {
  return new PlatformError('FUNCTION_FAILED', `Function "${spec.name}" ${what}.`, { function: spec.name });
}

const RESERVED = new Set([
  '_HANDLER',
  '_X_AMZN_TRACE_ID',
  'AWS_DEFAULT_REGION',
  'AWS_REGION',
  'AWS_EXECUTION_ENV',
  'LAMBDA_TASK_ROOT',
  'LAMBDA_RUNTIME_DIR',
]);

export function isReserved(name: string): boolean {
  return RESERVED.has(name) || name.startsWith('AWS_LAMBDA_');
}
