/** Faults in the words of each AWS service. */

import { AwsError } from './aws-service.ts';
import type { Asked, FaultName } from './faults.ts';

interface Words {
  readonly throttled: readonly [string, number];
  readonly broken: readonly [string, number];
  /** By operation where they differ; `''` for the others. */
  readonly exists: Readonly<Record<string, readonly [string, number]>>;
  readonly inUse: readonly [string, number];
}

const JSON_WORDS: Words = {
  throttled: ['ThrottlingException', 400],
  broken: ['InternalServerError', 500],
  exists: { '': ['ResourceInUseException', 400] },
  inUse: ['ResourceInUseException', 400],
};

const WORDS: Readonly<Record<string, Words>> = {
  s3: {
    throttled: ['SlowDown', 503],
    broken: ['InternalError', 500],
    exists: { '': ['BucketAlreadyExists', 409] },
    inUse: ['BucketNotEmpty', 409],
  },
  sqs: {
    ...JSON_WORDS,
    throttled: ['ThrottlingException', 400],
    broken: ['InternalError', 500],
    exists: { '': ['QueueNameExists', 400] },
    inUse: ['QueueDeletedRecently', 400],
  },
  ec2: {
    throttled: ['RequestLimitExceeded', 503],
    broken: ['InternalError', 500],
    exists: { '': ['InvalidParameterValue', 400], CreateSecurityGroup: ['InvalidGroup.Duplicate', 400] },
    inUse: ['DependencyViolation', 400],
  },
  iam: {
    throttled: ['Throttling', 400],
    broken: ['ServiceFailure', 500],
    exists: { '': ['EntityAlreadyExists', 409] },
    inUse: ['DeleteConflict', 409],
  },
  sts: { ...JSON_WORDS, throttled: ['Throttling', 400], broken: ['InternalFailure', 500] },
  lambda: {
    throttled: ['TooManyRequestsException', 429],
    broken: ['ServiceException', 500],
    exists: { '': ['ResourceConflictException', 409] },
    inUse: ['ResourceConflictException', 409],
  },
};

/** The error that a fault is for this request; `undefined` for faults that are no errors. */
export function awsFault(fault: FaultName, { service, operation }: Asked): AwsError | undefined {
  const words = WORDS[service] ?? JSON_WORDS;
  const error = ([code, status]: readonly [string, number], message: string): AwsError =>
    new AwsError(code, `${message} (a fault that was asked for)`, status);
  switch (fault) {
    case 'throttle':
      return error(words.throttled, 'Rate exceeded');
    case 'server-error':
    case 'error-after-effect':
      return error(words.broken, 'We encountered an internal error. Please try again.');
    case 'already-exists':
      return error(words.exists[operation] ?? words.exists[''] ?? words.inUse, 'It exists already');
    case 'dependency-violation':
      return error(words.inUse, 'It is still used and cannot be deleted');
    default:
      return undefined;
  }
}
