/** Exit codes, documented in `docs/reference/cli.md`. */

import type { ErrorCode } from '../core/errors.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  auth: 3,
  notFound: 4,
  toolError: 5,
  unreachable: 6,
  timeout: 7,
  interrupted: 130,
} as const;

export const EXIT_MEANINGS: readonly (readonly [number, string])[] = [
  [EXIT.ok, 'It worked.'],
  [EXIT.failed, 'It failed; of a job: it did not succeed.'],
  [EXIT.usage, 'The command line, the configuration, a registration or a state machine is wrong.'],
  [EXIT.auth, 'The token was refused, or it does not allow this.'],
  [EXIT.notFound, 'There is no such tool, registration, job, resource, client or file.'],
  [EXIT.toolError, 'The tool ran and reported an error (`isError`).'],
  [EXIT.unreachable, 'No instance runs, or a target cannot be reached.'],
  [EXIT.timeout, 'It took too long.'],
  [EXIT.interrupted, 'It was interrupted (Ctrl-C).'],
];

const GROUPS: readonly (readonly [number, readonly ErrorCode[]])[] = [
  [
    EXIT.usage,
    [
      'USAGE',
      'WORKFLOW_INVALID',
      'WORKFLOW_UNSUPPORTED',
      'PROVISION_INVALID',
      'REGISTRATION_INVALID',
      'CONFIG_INVALID',
      'CONFIG_NOT_FOUND',
      'CONFIG_SYNTAX',
      'CONFIG_UNKNOWN_KEY',
      'CONFIG_MISSING_VARIABLE',
      'CONFIG_MISSING_SECRET',
    ],
  ],
  [EXIT.auth, ['UNAUTHENTICATED', 'FORBIDDEN', 'INSUFFICIENT_SCOPE', 'FORBIDDEN_HOST', 'FORBIDDEN_ORIGIN']],
  [
    EXIT.notFound,
    [
      'NOT_FOUND',
      'UNKNOWN_NAME',
      'REGISTRATION_NOT_FOUND',
      'RESULT_NOT_FOUND',
      'FUNCTION_NOT_FOUND',
      'JOB_NOT_FOUND',
      'RESOURCE_NOT_FOUND',
    ],
  ],
  [
    EXIT.unreachable,
    ['INSTANCE_NOT_RUNNING', 'TARGET_UNAVAILABLE', 'TARGET_BREAKER_OPEN', 'OVERLOADED', 'SHUTTING_DOWN'],
  ],
  [EXIT.timeout, ['TARGET_TIMEOUT', 'FUNCTION_TIMEOUT', 'REQUEST_TIMEOUT']],
];

const BY_CODE: ReadonlyMap<ErrorCode, number> = new Map(
  GROUPS.flatMap(([exit, codes]) => codes.map((code) => [code, exit] as const)),
);

export function exitCodeOf(code: ErrorCode): number {
  return BY_CODE.get(code) ?? EXIT.failed;
}
