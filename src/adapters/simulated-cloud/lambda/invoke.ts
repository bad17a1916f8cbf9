/** Invoke and InvokeWithResponseStream: a function's answer in Lambda's headers and frames. */

import { PlatformError } from '../../../core/errors.ts';
import type { FunctionInvoker, Invocation, InvocationResult, StreamedInvocation } from '../../../core/ports.ts';
import type { Redactor } from '../../../core/redact.ts';
import type { AwsReply, AwsRequest } from '../aws-service.ts';
import { AwsError } from '../aws-service.ts';
import { eventFrame } from './event-stream.ts';

/** What is invoked, and with what. */
export interface InvokeParts {
  readonly invoker: FunctionInvoker;
  /** For what leaves in Base64 or in frames, where nobody after us could find a secret. */
  readonly redactor: Redactor;
  /** With its qualifier. */
  readonly functionName: string;
  /** What the qualifier led to just now. */
  readonly version: string;
}

export async function invoke(parts: InvokeParts, request: AwsRequest): Promise<AwsReply> {
  const { functionName, invoker, redactor } = parts;
  const { headers, context } = request;
  const invocation = invocationOf(functionName, request);
  const type = headers['x-amz-invocation-type'] ?? 'RequestResponse';
  if (type === 'DryRun') return { status: 204, body: '' };
  if (type === 'Event') {
    // Accepted and run later, as on AWS; nobody waits for what becomes of it.
    invoker.invoke(invocation, context).catch((error: unknown) => {
      context.log.log('warn', 'event-invocation-failed', { function: functionName, reason: (error as Error).message });
    });
    return { status: 202, body: '' };
  }
  if (type !== 'RequestResponse')
    throw new AwsError('InvalidParameterValueException', `The invocation type "${type.slice(0, 40)}" is not known.`);
  return answerOf(await resultOf(parts, invocation, request), tailOf(redactor, request));
}

export async function invokeStream(parts: InvokeParts, request: AwsRequest): Promise<AwsReply> {
  const { functionName, invoker, redactor } = parts;
  const invocation = invocationOf(functionName, request);
  if (invoker.invokeStream === undefined)
    throw new AwsError('InvalidParameterValueException', 'Functions here do not stream.');
  const streamed = await invoker.invokeStream(invocation, request.context);
  return {
    status: 200,
    headers: {
      'content-type': 'application/vnd.amazon.eventstream',
      'x-amz-executed-version': streamed.executedVersion,
      'x-amzn-remapped-content-type': streamed.contentType,
    },
    body: frames(streamed, redactor, tailOf(redactor, request)),
  };
}

function invocationOf(functionName: string, request: AwsRequest): Invocation {
  const text = request.body.toString('utf8');
  const payload = text === '' ? '{}' : text;
  try {
    JSON.parse(payload);
  } catch (error) {
    const what = `Could not parse request body into json: ${(error as Error).message.slice(0, 200)}`;
    throw new AwsError('InvalidRequestContentException', what);
  }
  const context = request.headers['x-amz-client-context'];
  return { functionName, payload, ...(context === undefined ? {} : { rawClientContext: decoded(context) }) };
}

function decoded(context: string): string {
  const text = Buffer.from(context, 'base64').toString('utf8');
  try {
    JSON.parse(text);
    return text;
  } catch {
    throw new AwsError('InvalidRequestContentException', 'Client context must be a valid Base64-encoded JSON object.');
  }
}

/** A function that ran out of time has failed by itself: AWS answers 200 and says so in a header. */
async function resultOf(
  { invoker, version }: InvokeParts,
  invocation: Invocation,
  request: AwsRequest,
): Promise<InvocationResult> {
  try {
    return await invoker.invoke(invocation, request.context);
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== 'FUNCTION_TIMEOUT') throw error;
    const seconds = Number(error.details['timeoutSeconds'] ?? 0).toFixed(2);
    const errorMessage = `RequestId: ${request.context.requestId} Error: Task timed out after ${seconds} seconds`;
    return {
      payload: JSON.stringify({ errorType: 'Sandbox.Timedout', errorMessage }),
      functionError: 'Unhandled',
      executedVersion: version,
      durationMs: 0,
      coldStart: false,
    };
  }
}

/** Encodes the end of a log, for those who asked for it. */
type Tail = ((logTail: string | undefined) => string) | undefined;

function tailOf(redactor: Redactor, request: AwsRequest): Tail {
  if (request.headers['x-amz-log-type'] !== 'Tail') return undefined;
  return (logTail = '') => Buffer.from(redactor.text(logTail)).toString('base64');
}

function answerOf(result: InvocationResult, tail: Tail): AwsReply {
  const { payload, functionError, executedVersion, logTail } = result;
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      'x-amz-executed-version': executedVersion,
      ...(functionError === undefined ? {} : { 'x-amz-function-error': functionError }),
      ...(tail === undefined ? {} : { 'x-amz-log-result': tail(logTail) }),
    },
    body: payload,
  };
}

async function* frames(streamed: StreamedInvocation, redactor: Redactor, tail: Tail): AsyncGenerator<Uint8Array> {
  for await (const piece of streamed.body)
    yield eventFrame(
      { ':message-type': 'event', ':event-type': 'PayloadChunk', ':content-type': 'application/octet-stream' },
      redactor.bytes(piece),
    );
  const { functionError, errorPayload, logTail } = await streamed.ending;
  const complete = {
    ...(functionError === undefined
      ? {}
      : { ErrorCode: functionError, ErrorDetails: redactor.text(errorPayload ?? '') }),
    ...(tail === undefined ? {} : { LogResult: tail(logTail) }),
  };
  yield eventFrame(
    { ':message-type': 'event', ':event-type': 'InvokeComplete', ':content-type': 'application/json' },
    Buffer.from(JSON.stringify(complete)),
  );
}
