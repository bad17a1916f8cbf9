/** What the `Resource` of a Task means. */

import type { TaskKind } from './asl-host.ts';

export type Resource =
  | { readonly kind: 'function'; readonly functionName: string }
  | { readonly kind: Exclude<TaskKind, 'function'> }
  | { readonly kind: 'start-execution' };

/** Partition is free; the optimised integrations name no region and no account. */
const INTEGRATION = /^arn:aws[a-z-]*:states:::(.+)$/;
const LAMBDA_ARN = /^arn:aws[a-z-]*:lambda:[^:]*:[^:]*:function:[A-Za-z0-9_-]+(?::[A-Za-z0-9$_-]+)?$/;
/** A function or a tool of the gateway. */
const BARE_NAME = /^[A-Za-z0-9_-]{1,140}(?::[A-Za-z0-9$_-]{1,128})?$/;
/** What a deployment puts an ARN in place of. */
const PLACEHOLDER = /^\$\{([A-Za-z0-9_-]{1,140})\}$/;

const INTEGRATIONS: ReadonlyMap<string, Resource> = new Map<string, Resource>([
  ['lambda:invoke', { kind: 'lambda-invoke' }],
  ['lambda:invoke.waitForTaskToken', { kind: 'wait-for-token' }],
  ['states:startExecution.sync:2', { kind: 'start-execution' }],
]);

/** `undefined` for a resource outside the portable profile. */
export function readResource(resource: string): Resource | undefined {
  const integration = INTEGRATION.exec(resource)?.[1] ?? resource;
  const known = INTEGRATIONS.get(integration);
  if (known !== undefined) return known;
  const placeholder = PLACEHOLDER.exec(resource)?.[1];
  if (placeholder !== undefined) return { kind: 'function', functionName: placeholder };
  if (LAMBDA_ARN.test(resource) || BARE_NAME.test(resource)) return { kind: 'function', functionName: resource };
  return undefined;
}
