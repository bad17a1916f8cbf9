/** Calls of Azure's SDKs, with what Azure refuses in the words that all clouds share. */

import { azureError, codeOf, statusOf } from './azure-errors.ts';

/** @param operation - In Azure's words: `VirtualNetworks.get`. @throws PlatformError `CLOUD_*`. */
export async function ask<Result>(operation: string, send: () => Promise<Result>): Promise<Result> {
  try {
    return await send();
  } catch (thrown) {
    throw azureError(thrown, operation);
  }
}

/** The same for what may be absent, with the group that it lies in. */
export async function askFor<Result>(operation: string, send: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await send();
  } catch (thrown) {
    if (statusOf(thrown) === 404 || codeOf(thrown)?.endsWith('NotFound') === true) return undefined;
    throw azureError(thrown, operation);
  }
}

/** What a provisioning state says of a resource. */
export function readiness(state: string | undefined): { readonly isReady: boolean; readonly problem?: string } {
  if (state !== 'Failed' && state !== 'Canceled') return { isReady: state === 'Succeeded' };
  return { isReady: false, problem: `Azure could not finish it: its state is ${state}` };
}
