/** What AWS answers when it refuses, in the platform's words. */

import { PlatformError, type ErrorDetails } from '../../core/errors.ts';

const THROTTLED: ReadonlySet<string> = new Set([
  'TooManyRequestsException',
  'ThrottlingException',
  'Throttling',
  'ThrottledException',
  'RequestLimitExceeded',
  'EC2ThrottledException',
  'ProvisionedThroughputExceededException',
]);
const DENIED: ReadonlySet<string> = new Set(['AccessDeniedException', 'AccessDenied', 'KMSAccessDeniedException']);
const NO_CREDENTIALS: ReadonlySet<string> = new Set([
  'CredentialsProviderError',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'InvalidClientTokenId',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'MissingAuthenticationTokenException',
  'ExpiredTokenException',
  'ExpiredToken',
]);
const ABSENT: ReadonlySet<string> = new Set(['ResourceNotFoundException', 'NotFoundException']);
const TOO_LARGE: ReadonlySet<string> = new Set(['RequestTooLargeException', 'RequestEntityTooLargeException']);

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

function statusOf(error: unknown): number | undefined {
  const metadata = (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | undefined)?.$metadata;
  return metadata?.httpStatusCode;
}

/** Refused before anything was done, for being too busy. */
export function isThrottled(error: unknown): boolean {
  return THROTTLED.has(nameOf(error)) || statusOf(error) === 429;
}

export function isDenied(error: unknown): boolean {
  return DENIED.has(nameOf(error));
}

/** A read that may be asked again: throttled, or failed on the way. */
export function mayReadAgain(error: unknown): boolean {
  if (error instanceof PlatformError) return error.retryable;
  return isThrottled(error) || (statusOf(error) ?? 0) >= 500;
}

/** What was asked, for the messages. */
export interface Asked {
  /** `lambda:InvokeFunction`. */
  readonly right: string;
  /** Function, registry or schema; absent for lists. */
  readonly name?: string;
}

/** Turns anything that the SDK throws into the platform's error. */
export function awsError(thrown: unknown, asked: Asked): PlatformError {
  if (thrown instanceof PlatformError) return thrown;
  const name = nameOf(thrown);
  const said = thrown instanceof Error ? thrown.message.slice(0, 500) : String(thrown);
  const of = asked.name === undefined ? '' : ` on "${asked.name}"`;
  const details: ErrorDetails = { right: asked.right, ...(asked.name === undefined ? {} : { function: asked.name }) };
  const fail = (code: ConstructorParameters<typeof PlatformError>[0], message: string): PlatformError =>
    new PlatformError(code, message, details, { cause: thrown });
  if (DENIED.has(name))
    return fail('FUNCTION_DENIED', `AWS refuses ${asked.right}${of}. Ask for a policy that allows it. AWS: ${said}`);
  if (NO_CREDENTIALS.has(name))
    return fail(
      'FUNCTION_DENIED',
      `AWS takes no credentials of this caller for ${asked.right}${of}. Set AWS_PROFILE or the keys, or sign in again. AWS: ${said}`,
    );
  if (isThrottled(thrown))
    return fail('FUNCTION_THROTTLED', `AWS throttles ${asked.right}${of}. Try again in a moment. AWS: ${said}`);
  if (ABSENT.has(name))
    return fail(
      asked.right.startsWith('lambda:') ? 'FUNCTION_NOT_FOUND' : 'NOT_FOUND',
      `AWS has no ${asked.name ?? 'such thing'} in this region and account. AWS: ${said}`,
    );
  if (TOO_LARGE.has(name))
    return fail('PAYLOAD_TOO_LARGE', `The payload${of} is larger than Lambda takes (6 MB). Send less, or a reference.`);
  return fail('TARGET_UNAVAILABLE', `AWS could not answer ${asked.right}${of}: ${name} ${said}`.trimEnd());
}
