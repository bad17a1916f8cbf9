/** What every service of Azure does about whose a resource is. */

import type { PlatformError } from '../../core/errors.ts';
import { cloudError, notOwned } from '../../provisioning/cloud-errors.ts';
import type { ProvisionContext } from '../../provisioning/provisioner.ts';
import { azureError, codeOf, statusOf } from './azure-errors.ts';
import { isMadeBy, isTenants } from './azure-tags.ts';
import type { Tags } from './azure-tags.ts';
import { isSameRegion } from './azure-regions.ts';

/** The members that all of them have. */
export interface Tagged {
  readonly location?: string | undefined;
  readonly tags?: Tags | undefined;
}

/** @throws PlatformError `RESOURCE_NOT_OWNED`. */
export function checkOwner(name: string, found: Tagged, tenant: string): void {
  if (!isTenants(found.tags, tenant)) throw notOwned(name, 'its tags do not name this tenant');
}

/**
 * Of a resource that is there when it should be made.
 *
 * @returns whether it was there before this job.
 * @throws PlatformError `RESOURCE_NOT_OWNED`, `CLOUD_REFUSED` when it lies in another region.
 */
export function takeOver(
  name: string,
  found: Tagged,
  { context, region }: { readonly context: ProvisionContext; readonly region: string },
): boolean {
  checkOwner(name, found, context.request.tenant);
  if (!isSameRegion(found.location, region)) {
    const message = `"${name}" exists in ${found.location ?? 'another region'}`;
    throw refused('resources.createOrUpdate', 'InvalidResourceLocation', message);
  }
  return !isMadeBy(found.tags, context.requestId);
}

/** What there is, `undefined` when there is none. @throws PlatformError `CLOUD_*`. */
export async function lookUp<Result>(operation: string, ask: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await ask();
  } catch (thrown) {
    if (statusOf(thrown) === 404 || codeOf(thrown)?.endsWith('NotFound') === true) return undefined;
    throw azureError(thrown, operation);
  }
}

/** The same for what must be answered. */
export async function asked<Result>(operation: string, ask: () => Promise<Result>): Promise<Result> {
  try {
    return await ask();
  } catch (thrown) {
    throw azureError(thrown, operation);
  }
}

export function refused(operation: string, cloudCode: string, message: string): PlatformError {
  return cloudError({ cloud: 'azure', fault: 'refused', operation, cloudCode, message });
}
