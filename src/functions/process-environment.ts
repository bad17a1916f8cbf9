/**
 * The environment of a function's process: Lambda's documented variables and the function's own. Of the gateway's
 * environment only the folders of its search path are passed on, so no secret of the operator reaches a handler by
 * accident.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
 */

import type { ResolvedFunction } from './function-spec.ts';

export interface ProcessIdentity {
  /** `host:port` of this process's Runtime API. */
  readonly runtimeApi: string;
  readonly logStream: string;
  /** Folders of the operator's search path, which come after Lambda's. */
  readonly searchPath: string;
}

const REGION = 'us-east-1';

/** Commands that a function starts by name, such as `npx`, are found where the operator's shell finds them. */
function joined(own: string, searchPath: string): string {
  const folders = [...own.split(':'), ...searchPath.split(':').filter((folder) => folder.startsWith('/'))];
  return [...new Set(folders)].join(':');
}

function logGroup(name: string): string {
  return `/aws/lambda/${name}`;
}

export function processEnvironment(spec: ResolvedFunction, identity: ProcessIdentity): Record<string, string> {
  return {
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    PATH: joined('/usr/local/bin:/usr/bin:/bin:/opt/bin', identity.searchPath),
    ...spec.environment,
    _HANDLER: spec.handler,
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_EXECUTION_ENV: `AWS_Lambda_${spec.runtime}`,
    AWS_LAMBDA_FUNCTION_NAME: spec.name,
    AWS_LAMBDA_FUNCTION_VERSION: spec.version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(spec.memoryMb),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: logGroup(spec.name),
    AWS_LAMBDA_LOG_STREAM_NAME: identity.logStream,
    AWS_LAMBDA_RUNTIME_API: identity.runtimeApi,
    LAMBDA_TASK_ROOT: spec.taskRoot,
    LAMBDA_RUNTIME_DIR: '/var/runtime',
  };
}
