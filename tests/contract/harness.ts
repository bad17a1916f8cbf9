/** What a contract suite needs from an adapter: an open store and a way to let time pass. */

import { expect } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import { PlatformError } from '../../src/core/errors.ts';
import type { StoreRoot, TenantStore } from '../../src/core/ports.ts';

export interface StoreHarness {
  readonly root: StoreRoot;
  /** Wall time now, in milliseconds. */
  nowMs(): number;
  /** Lets time pass without waiting for it. */
  advance(ms: number): void;
  /** Closes the store and removes what it left. */
  dispose(): Promise<void>;
}

export type CreateStore = () => Promise<StoreHarness>;

/** Runs `body` on a fresh store and cleans up whatever happens. */
export async function withStore(
  create: CreateStore,
  body: (harness: StoreHarness, store: TenantStore) => Promise<void>,
): Promise<void> {
  const harness = await create();
  try {
    await body(harness, harness.root.store('team-x'));
  } finally {
    await harness.dispose();
  }
}

/** The PlatformError of `code` that `promise` must fail with. */
export async function failure(promise: Promise<unknown>, code: ErrorCode): Promise<PlatformError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(PlatformError);
  expect((thrown as PlatformError).code).toBe(code);
  return thrown as PlatformError;
}
