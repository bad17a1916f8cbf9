/** Waiting for shared work without taking it down: each waiter leaves at its own deadline. */

import type { RequestContext } from '../core/context.ts';
import type { Clock } from '../core/ports.ts';
import { PlatformError } from '../core/errors.ts';
import { callCancelled } from './failures.ts';

export interface Waiter {
  /** Name of the target, for error messages. */
  readonly target: string;
  /** What is waited for, as the subject of "… took longer than". */
  readonly subject: string;
  readonly context: RequestContext;
  readonly clock: Clock;
}

/**
 * Waits for `work` up to the waiter's deadline or until its caller is gone; the work itself goes on.
 *
 * @throws PlatformError `TARGET_TIMEOUT`, `CALL_CANCELLED`, and what the work throws.
 */
export function waitFor<Result>(work: Promise<Result>, waiter: Waiter): Promise<Result> {
  const { target, subject, context, clock } = waiter;
  const leftMs = context.deadlineMs - clock.monotonicMs();
  if (context.signal.aborted) return Promise.reject(callCancelled(target, subject));
  return new Promise<Result>((resolve, reject) => {
    const onAbort = (): void => {
      leave(() => reject(callCancelled(target, subject)));
    };
    const cancelTimer = Number.isFinite(leftMs)
      ? clock.after(Math.max(0, leftMs), () => leave(() => reject(waitedTooLong(waiter, leftMs))))
      : undefined;
    const leave = (run: () => void): void => {
      cancelTimer?.();
      context.signal.removeEventListener('abort', onAbort);
      run();
    };
    context.signal.addEventListener('abort', onAbort, { once: true });
    work.then(
      (result) => leave(() => resolve(result)),
      (error: unknown) => leave(() => reject(error as Error)),
    );
  });
}

function waitedTooLong({ target, subject }: Waiter, leftMs: number): PlatformError {
  const timeoutMs = Math.max(0, Math.round(leftMs));
  const what = `target "${target}": ${subject} took longer than ${timeoutMs} ms`;
  return new PlatformError(
    'TARGET_TIMEOUT',
    `${what}. Check the server's log, or raise mcpServers.${target}.timeoutMs.`,
    { target, timeoutMs },
  );
}
