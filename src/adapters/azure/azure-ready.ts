/** Whether a resource that was asked for may be used. */

import { refused } from './azure-ownership.ts';

/** A resource is looked at again this often, and for this long, once its own operation has ended. */
export const READY = { everyMs: 2_000, timeoutMs: 900_000 };
export const GONE = { everyMs: 2_000, timeoutMs: 600_000 };

/** @returns `undefined` while Azure is busy with it. @throws PlatformError `CLOUD_REFUSED` when it gave up. */
export function isReady(name: string, state: string | undefined): true | undefined {
  if (state === 'Succeeded') return true;
  if (!isFailed(state)) return undefined;
  throw refused('resources.get', `Provisioning${state ?? ''}`, `Azure could not finish "${name}"`);
}

/** One of these is made again. */
export function isFailed(state: string | undefined): boolean {
  return state === 'Failed' || state === 'Canceled';
}
