/**
 * Steps of a job's workflow that ask no cloud to do anything: what is known here is read or written, and a cloud is looked
 * at. What they refuse for good is recorded and thrown as it was; nothing is gained by asking for it again.
 */

import type { DurableContext } from '@aws/durable-execution-sdk-js';
import { PlatformError } from '../core/errors.ts';
import type { RunInfo } from '../workflows/engine/workflow-engine.ts';
import type { RunParts } from './run-parts.ts';
import { recorded, revived, type RecordedError } from './step-failure.ts';
import { untilStored } from './store-patience.ts';

export interface NotedParts {
  readonly parts: Pick<RunParts, 'clock' | 'redact'>;
  readonly context: DurableContext;
  readonly run: RunInfo;
}

type Outcome<Result> = { readonly value: Result } | { readonly failed: RecordedError };

/** What may go well later, such as a resource that another job is at, is asked for again for about a minute. */
const ATTEMPTS = 7;

/** A step that reads or writes what is known here of resources; it waits for a store that is full. */
export function noted<Result>(at: NotedParts, name: string, body: () => Promise<Result>): Promise<Result> {
  const { parts, run } = at;
  const patience = { clock: parts.clock, log: run.log, isWanted: () => !run.signal.aborted };
  return looked(at, name, () => untilStored(body, patience));
}

/** A step that looks at the cloud. */
export async function looked<Result>(
  { context, parts, run }: NotedParts,
  name: string,
  look: () => Promise<Result>,
): Promise<Result> {
  const once = async ({ attempt }: { readonly attempt: number }): Promise<Outcome<Result>> => {
    try {
      return { value: await look() };
    } catch (thrown) {
      const isWorthIt = !(thrown instanceof PlatformError) || thrown.retryable;
      if (run.signal.aborted || (isWorthIt && attempt < ATTEMPTS)) throw thrown;
      if (!(thrown instanceof PlatformError))
        run.log.log('error', 'step-failed', { step: name, cause: (thrown as Error)?.stack ?? String(thrown) });
      return { failed: recorded(thrown, parts.redact) };
    }
  };
  const outcome = await context.step(name, once, {
    retryStrategy: (_error, attempt) => ({
      shouldRetry: run.signal.aborted || attempt < ATTEMPTS,
      delay: { seconds: 2 ** (attempt - 1) },
    }),
  });
  if ('value' in outcome) return outcome.value;
  throw revived(outcome.failed);
}
