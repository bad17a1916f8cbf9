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
  if (protocol === 'json') return jsonError(error, true);
  const write = XML_ERRORS[protocol ?? 'rest-json'];
  if (write === undefined) return jsonError(error, false);
  const text = write(error, requestId);
  return { status: error.status, headers: { 'content-type': 'text/xml' }, body: text };
}

function jsonError({ code, message, status, details }: AwsError, hasType: boolean): AwsReply {
  const headers = { 'content-type': 'application/json', 'x-amzn-errortype': code };
  const body = hasType
    ? { __type: code, message, ...details }
    : { Type: status < 500 ? 'User' : 'Service', message, Message: message, ...details };
  return { status, headers, body: JSON.stringify(body) };
}

/** How each protocol of XML wraps an error. */
const XML_ERRORS: Readonly<Record<string, ((error: AwsError, requestId: string) => string) | undefined>> = {
  query: (error, requestId) =>
    `<ErrorResponse><Error><Type>${error.status < 500 ? 'Sender' : 'Receiver'}</Type>${codeAndMessage(error)}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
  ec2: (error, requestId) =>
    `<Response><Errors><Error>${codeAndMessage(error)}</Error></Errors><RequestID>${requestId}</RequestID></Response>`,
  'rest-xml': (error, requestId) => {
    const more = Object.entries(error.details).map(([name, value]) => `<${name}>${xml(String(value))}</${name}>`);
    return `<?xml version="1.0" encoding="UTF-8"?><Error>${codeAndMessage(error)}${more.join('')}<RequestId>${requestId}</RequestId></Error>`;
  },
};

function codeAndMessage({ code, message }: AwsError): string {
  return `<Code>${xml(code)}</Code><Message>${xml(message)}</Message>`;
}

export function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
