/** Who is at a resource, and what is said of one that nobody is at although it is half-made. */

import { PlatformError } from '../core/errors.ts';
import { isEnded } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { Resource } from './resource-store.ts';

/**
 * The job that is at a resource, or at the whole that it is a part of.
 *
 * @param except - The job that asks: it holds the whole that it makes.
 */
export async function jobAt(
  jobs: Pick<JobStore, 'holderOf' | 'find'>,
  { id, tenant, partOf = id, requestId }: Resource,
  except?: string,
): Promise<string | undefined> {
  const holders = [await jobs.holderOf(tenant, id), await jobs.holderOf(tenant, partOf)];
  const holder = holders.find((each) => each !== undefined && each !== except);
  if (holder !== undefined) return holder;
  const maker = await jobs.find(tenant, requestId);
  return maker !== undefined && !isEnded(maker.status) ? requestId : undefined;
}

/** Whether jobs that have ended left it half-made: nobody is at it, or its maker could not take it back. */
export async function isLeftOver(
  jobs: Pick<JobStore, 'holderOf' | 'find'>,
  resource: Resource,
  except?: string,
): Promise<boolean> {
  const { status, tenant, requestId } = resource;
  if (status === 'ready' || status === 'removed') return false;
  if (status !== 'failed') return (await jobAt(jobs, resource, except)) === undefined;
  return (await jobs.find(tenant, requestId))?.status === 'rollback_failed';
}

/** What an ended job has left half-made or half-removed: waiting for it is no use. */
export function leftOver({ id, requestId, status }: Resource): PlatformError {
  const message = `"${id}" is half-made (${status}): it is what job ${requestId}, or one after it, could neither finish nor take back. Destroy it, or retry that job, and ask again.`;
  return new PlatformError('JOB_STATE', message, { resource: id, requestId });
}
