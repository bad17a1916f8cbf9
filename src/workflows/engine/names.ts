/** What workflows and executions may be called. */

import { PlatformError } from '../../core/errors.ts';

const WORKFLOW = /^[A-Za-z0-9._-]{1,80}$/;
/** Step Functions refuses white space, brackets, wildcards, these special characters and control characters. */
const NOT_IN_NAME = /[\s<>{}[\]?*"#%\\^|~`$&,;:/]|\p{Cc}|\p{Surrogate}|[\uFFFE\uFFFF]/u;

/** @throws PlatformError `INVALID_ARGUMENTS`. */
export function checkedWorkflowName(name: unknown): string {
  if (typeof name === 'string' && WORKFLOW.test(name)) return name;
  throw new PlatformError(
    'INVALID_ARGUMENTS',
    'The name of a workflow has 1 to 80 letters, digits, dots, hyphens and underscores.',
  );
}

/** @throws PlatformError `INVALID_ARGUMENTS`. */
export function checkedExecutionName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && name.length <= 80 && !NOT_IN_NAME.test(name)) return name;
  throw new PlatformError(
    'INVALID_ARGUMENTS',
    'The name of an execution has 1 to 80 characters, without spaces, control characters and any of <>{}[]?*"#%\\^|~`$&,;:/',
  );
}

export function executionId(workflow: string, name: string): string {
  return `${workflow}:${name}`;
}
