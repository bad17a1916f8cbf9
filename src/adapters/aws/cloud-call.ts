/** Calls of AWS on behalf of a job, with what AWS refuses in the words that all clouds share. */

import { PlatformError } from '../../core/errors.ts';
import { bareCause, cloudError } from '../../provisioning/cloud-errors.ts';
import type { CloudFault } from '../../provisioning/cloud-errors.ts';
import { cloudCodeOf } from '../../provisioning/resource-provisioner.ts';

/** Refused for now, although nothing is wrong with the request; the same can succeed later. */
const PASSING: ReadonlySet<string> = new Set([
  'SlowDown',
  'RequestLimitExceeded',
  'TooManyRequestsException',
  'ProvisionedThroughputExceededException',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'BandwidthLimitExceeded',
  'RequestThrottled',
  // Another change of the same thing is under way.
  'OperationAborted',
  'ConcurrentModification',
  'ConcurrentModificationException',
  'QueueDeletedRecently',
  'AWS.SimpleQueueService.QueueDeletedRecently',
]);
const DENIED: ReadonlySet<string> = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'AllAccessDisabled',
  'AuthFailure',
  'UnauthorizedOperation',
  'KMSAccessDeniedException',
  'OptInRequired',
  'CredentialsProviderError',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'ExpiredToken',
  'ExpiredTokenException',
]);

/**
 * @param operation - In AWS's word: `CreateBucket`.
 * @throws PlatformError `CLOUD_THROTTLED`, `CLOUD_UNAVAILABLE`, `CLOUD_DENIED`, `CLOUD_REFUSED`.
 */
export async function ask<Result>(operation: string, send: () => Promise<Result>): Promise<Result> {
  try {
    return await send();
  } catch (thrown) {
    throw awsCloudError(thrown, operation);
  }
}

/** The same for what may be absent: `undefined` when AWS answers with one of `absent`. */
export async function askFor<Result>(
  operation: string,
  absent: readonly string[],
  send: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await ask(operation, send);
  } catch (error) {
    if (absent.includes(cloudCodeOf(error))) return undefined;
    throw error;
  }
}

interface SdkError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

function awsCloudError(thrown: unknown, operation: string): PlatformError {
  if (thrown instanceof PlatformError) return ofConnection(thrown, operation);
  const error = thrown as SdkError;
  const { httpStatusCode, requestId } = error.$metadata ?? {};
  return cloudError({
    cloud: 'aws',
    fault: faultOf(error.name, httpStatusCode),
    operation,
    // Answers to HEAD have no body, so there is nothing but a status to go by.
    cloudCode: error.name === 'Error' || error.name === 'UnknownError' ? `Http${httpStatusCode ?? ''}` : error.name,
    message: error.message === '' ? `status ${httpStatusCode ?? 'unknown'}` : error.message,
    cloudRequestId: requestId,
    cause: bareCause(thrown),
  });
}

/** What the egress says of a connection; a refusal of its own is no fault of the cloud. */
function ofConnection(error: PlatformError, operation: string): PlatformError {
  if (!error.code.startsWith('TARGET_')) return error;
  const { code, message, cause } = error;
  return cloudError({ cloud: 'aws', fault: 'unavailable', operation, cloudCode: code, message, cause: cause ?? error });
}

function faultOf(name: string, status: number | undefined): CloudFault {
  if (PASSING.has(name) || name.startsWith('Throttl') || status === 429) return 'throttled';
  if (DENIED.has(name) || status === 401 || status === 403) return 'denied';
  // No status: the answer did not arrive, or it was not what it should be.
  return status === undefined || status >= 500 ? 'unavailable' : 'refused';
}

/** What was just made does not show in the lists of AWS yet; worth another look. */
export function unseen(what: string): PlatformError {
  const message = `the ${what} does not show yet`;
  return cloudError({ cloud: 'aws', fault: 'unavailable', operation: 'look-up', cloudCode: 'NotVisibleYet', message });
}
