/** What a cloud's refusal is called here: one set of codes for three vendors, with the vendor's own code beside it. */

import { PlatformError } from '../core/errors.ts';
import type { CloudName } from './provisioner.ts';

/** `throttled` and `unavailable` are worth another attempt; the others are not. */
export type CloudFault = 'throttled' | 'unavailable' | 'refused' | 'denied';

export interface CloudFailure {
  readonly cloud: CloudName;
  readonly fault: CloudFault;
  /** What was asked, in the vendor's word: `CreateBucket`. */
  readonly operation: string;
  /** The vendor's own error code: `BucketAlreadyExists`. */
  readonly cloudCode: string;
  /** The vendor's own words, without credentials. */
  readonly message: string;
  /** The vendor's id of the request, for its support. */
  readonly cloudRequestId?: string | undefined;
  readonly cause?: unknown;
}

const CODES = {
  throttled: 'CLOUD_THROTTLED',
  unavailable: 'CLOUD_UNAVAILABLE',
  refused: 'CLOUD_REFUSED',
  denied: 'CLOUD_DENIED',
} as const;

const NEXT: Readonly<Record<CloudFault, string>> = {
  throttled: 'It is tried again by itself.',
  unavailable: 'It is tried again by itself.',
  refused: 'Correct the parameters, or the state that the cloud complains of, and ask again.',
  denied: 'Check the credentials of this cloud and the rights that they have.',
};

const MAX_WORDS = 1_000;

/** What AWS adds to say how a signature should have been made: every header of the request, session token included. */
const SIGNED_TEXT = /\s*The Canonical String for this request should have been[\s\S]*/;
/** Names behind which requests carry what opens something. */
const CARRIED =
  /\b(x-amz-security-token|x-amz-signature|x-amz-credential|x-goog-signature|signature|credential|sig|accountkey|sharedaccesskey|access_token|refresh_token|id_token|client_secret|client_assertion|assertion|password)(["']?\s*[:=]\s*["']?)[^\s"'&,;]+/gi;
const BEARER = /\b(bearer|basic|sharedkey)\s+[\w.~+/=:-]{8,}/gi;
const JWT = /\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g;

/** A cloud's words without what a request was authorized with: some clouds repeat the request that they refuse. */
export function withoutCredentials(text: string): string {
  return text
    .replace(SIGNED_TEXT, '')
    .replaceAll(CARRIED, '$1$2[redacted]')
    .replaceAll(BEARER, '$1 [redacted]')
    .replaceAll(JWT, '[redacted]');
}

/** The SDKs' own errors carry the whole request with its headers, and a cause may be logged. */
export function bareCause(thrown: unknown): Error | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const error = new Error(withoutCredentials(thrown.message));
  error.name = thrown.name;
  // The first lines repeat the message.
  const at = thrown.stack?.search(/^ {4}at /m) ?? -1;
  if (at >= 0) error.stack = `${error.name}: ${error.message}\n${thrown.stack?.slice(at) ?? ''}`;
  return error;
}

export function cloudError(failure: CloudFailure): PlatformError {
  const { cloud, fault, operation, cloudCode, cloudRequestId, cause } = failure;
  const words = withoutCredentials(failure.message)
    .slice(0, MAX_WORDS)
    .replace(/[.\s]+$/, '');
  return new PlatformError(
    CODES[fault],
    `${cloud} answered ${operation} with ${cloudCode}: ${words}. ${NEXT[fault]}`,
    { cloud, operation, cloudCode, ...(cloudRequestId === undefined ? {} : { cloudRequestId }) },
    { cause },
  );
}

/** The same for what will pass by itself, although its code alone does not say so. */
export function passing(error: unknown): unknown {
  if (!(error instanceof PlatformError) || error.retryable) return error;
  const message = error.message.replace(NEXT.refused, NEXT.unavailable);
  return new PlatformError('CLOUD_UNAVAILABLE', message, error.details, { cause: error });
}

/** The name is taken by somebody else, or by something that was not made here. */
export function notOwned(id: string, because: string): PlatformError {
  return new PlatformError(
    'RESOURCE_NOT_OWNED',
    `The resource "${id}" exists and is not this tenant's: ${because}. Nothing was changed. Choose another name or, if it is yours, tag it so again.`,
    { resource: id },
  );
}

/** The cloud has not finished in the time that such an operation may take. */
export function tookTooLong(id: string, step: string, timeoutMs: number): PlatformError {
  return new PlatformError(
    'CLOUD_TIMEOUT',
    `Step "${step}" of resource "${id}" was not finished after ${Math.round(timeoutMs / 1000)} s. Retry the job: it goes on from where the cloud is.`,
    { resource: id, step },
  );
}
