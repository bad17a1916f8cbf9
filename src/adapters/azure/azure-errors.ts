/** What Azure's SDKs throw, in the platform's words. */

import { PlatformError } from '../../core/errors.ts';
import { bareCause, cloudError } from '../../provisioning/cloud-errors.ts';
import type { CloudFault } from '../../provisioning/cloud-errors.ts';

/** An error of any of the SDKs: some are classes of their own, so it is read by its members. */
interface Thrown {
  readonly statusCode?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly response?: { readonly headers?: { get?(name: string): string | undefined } };
}

/** Refused because something else has to end first. */
const BUSY =
  /^(?:AnotherOperationInProgress|RetryableError|ReferencedResourceNotProvisioned|ResourceGroupBeingDeleted|StorageAccountOperationInProgress|InUse\w+|\w+InUse)$/;

/** Azure's code where it gave one: `ResourceGroupNotFound`. */
export function codeOf(thrown: unknown): string | undefined {
  const { code } = (thrown ?? {}) as Thrown;
  return typeof code === 'string' ? code : undefined;
}

export function statusOf(thrown: unknown): number | undefined {
  const { statusCode } = (thrown ?? {}) as Thrown;
  const status = typeof statusCode === 'string' ? Number(statusCode) : statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** @param operation - `ResourceGroups.createOrUpdate`. */
export function azureError(thrown: unknown, operation: string): PlatformError {
  if (thrown instanceof PlatformError) return thrown;
  const nested = thrown instanceof Error ? thrown.cause : undefined;
  if (nested instanceof PlatformError) return nested;
  const failed = endedBadly(thrown);
  const status = statusOf(thrown);
  const cloudCode = failed?.code ?? codeOf(thrown) ?? (status === undefined ? 'Unknown' : `HTTP ${status}`);
  const message = failed?.message ?? (thrown instanceof Error ? thrown.message : 'no reason was given');
  const cloudRequestId = (thrown as Thrown).response?.headers?.get?.('x-ms-request-id');
  const fault = faultOf(status, cloudCode);
  return cloudError({ cloud: 'azure', fault, operation, cloudCode, message, cloudRequestId, cause: bareCause(thrown) });
}

/** A long operation that failed is told in the message alone: `The long-running operation has failed. CODE. Words`. */
function endedBadly(thrown: unknown): { readonly code: string; readonly message: string } | undefined {
  if (!(thrown instanceof Error) || statusOf(thrown) !== undefined) return undefined;
  if (thrown.message === 'Operation was canceled') return { code: 'OperationCanceled', message: thrown.message };
  const [, code, message] =
    /^The long-running operation has failed(?:\. (\w+)\. ([\s\S]*))?$/.exec(thrown.message) ?? [];
  if (message === undefined && !thrown.message.startsWith('The long-running operation')) return undefined;
  return { code: code ?? 'OperationFailed', message: message ?? thrown.message };
}

function faultOf(status: number | undefined, code: string): CloudFault {
  if (status === 429 || /^(?:TooManyRequests|SubscriptionRequestsThrottled)$/.test(code)) return 'throttled';
  if (BUSY.test(code) || status === 408 || (status !== undefined && status >= 500)) return 'unavailable';
  return status === 401 || status === 403 ? 'denied' : 'refused';
}
