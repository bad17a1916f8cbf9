/** What Lambda hands to a handler, as far as it means anything here. No invocation is cut short by time. */

import type { DurableLambdaHandler } from '@aws/durable-execution-sdk-js';

type LambdaContext = Parameters<DurableLambdaHandler>[1];

export function lambdaContext(of: {
  readonly name: string;
  readonly tenant: string;
  readonly requestId: string;
}): LambdaContext {
  const nothing = (): void => undefined;
  return {
    awsRequestId: of.requestId,
    functionName: of.name,
    functionVersion: '$LATEST',
    invokedFunctionArn: of.name,
    memoryLimitInMB: '',
    logGroupName: '',
    logStreamName: '',
    tenantId: of.tenant,
    callbackWaitsForEmptyEventLoop: false,
    getRemainingTimeInMillis: () => Number.POSITIVE_INFINITY,
    done: nothing,
    fail: nothing,
    succeed: nothing,
  };
}
