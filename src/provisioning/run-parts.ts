/** What the workflows of jobs are made of, given once where the instance is put together. */

import type { Clock } from '../core/ports.ts';
import type { ServiceCatalogue } from './catalogue.ts';
import type { JobNames } from './job-names.ts';
import type { JobStore } from './job-store.ts';
import type { CloudPlace } from './provisioner.ts';
import type { ResourceStore } from './resource-store.ts';
import type { Redact } from './step-failure.ts';

export interface RunParts {
  readonly jobs: JobStore;
  readonly resources: ResourceStore;
  readonly catalogue: ServiceCatalogue;
  readonly names: JobNames;
  /** How a cloud is reached on behalf of a tenant. @throws PlatformError `CLOUD_DENIED` when it is not configured. */
  readonly placeOf: (cloud: string, tenant: string) => Promise<CloudPlace>;
  readonly clock: Clock;
  readonly effects: Effects;
  readonly redact: Redact;
  /** Retries of a step of a provisioner. @default 6 attempts, 200 ms to 20 s apart */
  readonly retries?: StepRetries | undefined;
}

export interface StepRetries {
  readonly attempts: number;
  readonly firstMs: number;
  readonly longestMs: number;
}

export const DEFAULT_RETRIES: StepRetries = { attempts: 6, firstMs: 200, longestMs: 20_000 };

/**
 * Which effects are under way in this process, by job. Whoever undoes a job waits for them: a request that was sent
 * may take effect although nobody waits for its answer any more.
 */
export class Effects {
  readonly #running = new Map<string, Set<Promise<unknown>>>();

  async run<Result>(requestId: string, effect: () => Promise<Result>): Promise<Result> {
    const promise = effect();
    const running = this.#running.get(requestId) ?? new Set();
    this.#running.set(requestId, running.add(promise));
    try {
      return await promise;
    } finally {
      running.delete(promise);
      if (running.size === 0) this.#running.delete(requestId);
    }
  }

  /** Resolves when none of the job's effects is under way. */
  async settled(requestId: string): Promise<void> {
    for (;;) {
      const running = this.#running.get(requestId);
      if (running === undefined) return;
      await Promise.allSettled(running);
    }
  }
}
