import { expect, test } from 'vitest';
import type { RequestContext } from '../../core/context.ts';
import type { FunctionInfo, FunctionInvoker } from '../../core/ports.ts';
import { RoutedInvoker } from './routed-invoker.ts';

/** Answers with its own name. */
function invoker(name: string, functions: readonly string[] = []): FunctionInvoker {
  return {
    label: 'embedded',
    list: () => functions.map((each) => ({ name: each }) as FunctionInfo),
    invoke: () => Promise.resolve({ payload: name, executedVersion: '1', durationMs: 0, coldStart: false }),
  };
}

const AWS = 'arn:aws:lambda:us-east-1:123456789012:function';
const HERE = 'arn:aws:lambda:us-east-1:000000000000:function';

test.each([
  ['here', 'local', 'local'],
  ['here:stable', 'local', 'local'],
  ['elsewhere', 'aws', 'aws'],
  [`${HERE}:here`, 'local', 'local'],
  [`${HERE}:elsewhere`, 'local', 'local'],
  // What was found there is invoked there, with and without a qualifier.
  [`${AWS}:found`, 'aws', 'aws'],
  [`${AWS}:found:7`, 'aws', 'aws'],
  // What was only registered needs calls to be live; until then its name decides.
  [`${AWS}:here`, 'local', 'aws'],
  [`${AWS}:other`, 'local', 'aws'],
])('%s is invoked by %s, and by %s when calls are live', async (functionName, otherwise, live) => {
  for (const [isLive, expected] of [
    [false, otherwise],
    [true, live],
  ] as const) {
    const routed = new RoutedInvoker({
      local: invoker('local', ['here']),
      aws: invoker('aws'),
      isDiscovered: (arn) => arn === `${AWS}:found`,
      isLive,
    });
    const { payload } = await routed.invoke({ functionName, payload: '{}' }, {} as RequestContext);
    expect(payload).toBe(expected);
  }
});
