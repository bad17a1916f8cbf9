/** Workflows written in code: `defineWorkflow({name}, async (context, input, run) => …)`. */

import { hash } from 'node:crypto';
import type { DurableContext } from '@aws/durable-execution-sdk-js';
import { PlatformError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/ports.ts';
import { checkedWorkflowName } from './names.ts';
import type { PreparedWorkflow, RunInfo } from './workflow-engine.ts';

export const CODE = 'code';

export interface CodeOptions {
  readonly name: string;
  /**
   * Raise it when the steps change. While it stays, running executions are replayed on whatever code is there; without
   * it, code that was changed continues none that began before.
   */
  readonly version?: number;
  readonly description?: string;
  /** Execution deadline. */
  readonly timeoutSeconds?: number;
}

export type WorkflowHandler = (context: DurableContext, input: JsonValue, run: RunInfo) => Promise<JsonValue>;

export interface CodeWorkflow extends CodeOptions {
  readonly kind: typeof CODE;
  readonly prepared: PreparedWorkflow;
}

/** @throws PlatformError `INVALID_ARGUMENTS` for a bad name or version. */
export function defineWorkflow(options: CodeOptions, handler: WorkflowHandler): CodeWorkflow {
  checkedWorkflowName(options.name);
  const { name, version, timeoutSeconds } = options;
  if (version !== undefined && !(Number.isInteger(version) && version > 0))
    throw new PlatformError('INVALID_ARGUMENTS', `The version of workflow "${name}" must be a whole number from 1.`);
  const source = version === undefined ? handler.toString() : `version ${version}`;
  const prepared: PreparedWorkflow = {
    hash: hash('sha256', `${name}\n${source}`, 'hex'),
    version: version === undefined ? 'undeclared' : String(version),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    historyFrom: 'operations',
    run: handler,
  };
  return { ...options, kind: CODE, prepared };
}
