/** What a step of a job that asks no cloud for anything does about a refusal. */

import type { DurableContext, StepFunc } from '@aws/durable-execution-sdk-js';
import { expect, test } from 'vitest';
import { quiet } from '../../tests/fixtures/control-plane.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import { PlatformError } from '../core/errors.ts';
import type { RunInfo } from '../workflows/engine/workflow-engine.ts';
import { looked, type NotedParts } from './noted.ts';

interface Tries {
  readonly retryStrategy: (error: Error, attempt: number) => { shouldRetry: boolean; delay: { seconds: number } };
}

/** Runs a step as the engine does, with pauses that take no time. */
function stepsAt(signal = new AbortController().signal): NotedParts & { readonly pauses: number[] } {
  const pauses: number[] = [];
  const step = async (_name: string, body: StepFunc<unknown>, { retryStrategy }: Tries): Promise<unknown> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await body({ attempt } as Parameters<typeof body>[0]);
      } catch (error) {
        const { shouldRetry, delay } = retryStrategy(error as Error, attempt);
        if (!shouldRetry || attempt > 20) throw error;
        pauses.push(delay.seconds);
      }
    }
  };
  return {
    parts: { clock: systemClock, redact: (text) => text.replaceAll('hidden', '***') },
    context: { step } as unknown as DurableContext,
    run: { log: quiet, signal } as unknown as RunInfo,
    pauses,
  };
}

const failing = (error: Error) => () => Promise.reject(error);

test('what is refused for good is thrown as it was after one question, without secrets', async () => {
  const at = stepsAt();
  const gone = new PlatformError('RESOURCE_NOT_FOUND', 'There is no hidden thing.', { resource: 'hidden' });
  await expect(looked(at, 'look', failing(gone))).rejects.toMatchObject({
    code: 'RESOURCE_NOT_FOUND',
    message: 'There is no *** thing.',
    details: { resource: '***' },
  });
  expect(at.pauses).toEqual([]);
});

test('what another job is at is asked for again for a minute, and then told as that', async () => {
  const at = stepsAt();
  const busy = new PlatformError('RESOURCE_BUSY', 'Another job is at it.', { requestId: 'other' });
  await expect(looked(at, 'look', failing(busy))).rejects.toMatchObject({ code: 'RESOURCE_BUSY' });
  expect(at.pauses).toEqual([1, 2, 4, 8, 16, 32]);
});

test('what goes well in the end has its result', async () => {
  const at = stepsAt();
  let asked = 0;
  const third = () =>
    (asked += 1) < 3 ? Promise.reject(new PlatformError('CLOUD_THROTTLED', 'Slow down.')) : Promise.resolve(null);
  expect(await looked(at, 'look', third)).toBeNull();
  expect(at.pauses).toEqual([1, 2]);
});

test('a step of a process that is stopping records no failure', async () => {
  const at = stepsAt(AbortSignal.abort());
  await expect(looked(at, 'look', failing(new Error('gone')))).rejects.toThrow('gone');
  expect(at.pauses.length).toBe(20);
});
