/** Our errors in the words of AWS, and in the form that each of its protocols gives them. */

import { toPlatformError } from '../../core/errors.ts';
import type { PlatformError } from '../../core/errors.ts';
import type { AwsReply, AwsService } from './aws-service.ts';
import { AwsError } from './aws-service.ts';

const CODES: ReadonlyMap<string, readonly [string, number]> = new Map([
  ['FUNCTION_NOT_FOUND', ['ResourceNotFoundException', 404]],
  ['FUNCTION_EXISTS', ['ResourceConflictException', 409]],
  ['FUNCTION_CHANGED', ['PreconditionFailedException', 412]],
  ['FUNCTION_THROTTLED', ['TooManyRequestsException', 429]],
  ['FUNCTION_FAILED', ['InvalidRuntimeException', 502]],
  ['INVALID_ARGUMENTS', ['InvalidParameterValueException', 400]],
  ['PAYLOAD_TOO_LARGE', ['RequestTooLargeException', 413]],
  ['SHUTTING_DOWN', ['ServiceException', 503]],
  ['BODY_TOO_LARGE', ['RequestTooLargeException', 413]],
]);

export function toAwsError(thrown: unknown): AwsError {
  if (thrown instanceof AwsError) return thrown;
  const error: PlatformError = toPlatformError(thrown);
  const known = CODES.get(error.code);
  if (known === undefined) return new AwsError('ServiceException', 'Our fault. The log says what happened.', 500);
  const [code, status] = known;
  const reason =
    code === 'TooManyRequestsException' ? { Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded' } : {};
  return new AwsError(code, error.message, status, reason);
}

export function errorReply(error: AwsError, protocol: AwsService['protocol'], requestId: string): AwsReply {
  const { code, message, status, details } = error;
  if (protocol === 'query') {
    const text = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${xml(message)}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`;
    return { status, headers: { 'content-type': 'text/xml' }, body: text };
  }
  const headers = { 'content-type': 'application/json', 'x-amzn-errortype': code };
  const body =
    protocol === 'json'
      ? { __type: code, message, ...details }
      : { Type: status < 500 ? 'User' : 'Service', message, Message: message, ...details };
  return { status, headers, body: JSON.stringify(body) };
}

export function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
