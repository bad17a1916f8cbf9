/** Ownership as Azure's tags say it: the exact values. */

import type { OwnershipTags } from '../../provisioning/provisioner.ts';

export type Tags = Readonly<Record<string, string>>;

/** Mandatory tags win over those of the user; Azure compares names without case. */
export function azureTags(ownership: OwnershipTags, userTags: Tags): Tags {
  const { tenant, env, service, requestId, owner, expiresAt } = ownership;
  const mandatory = {
    tenant,
    env,
    service,
    requestId,
    owner,
    'managed-by': ownership['managed-by'],
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  return { ...without(userTags, [...Object.keys(mandatory), 'expiresAt']), ...mandatory };
}

/**
 * What an adopted resource is given: everything but `requestId`, which goes on naming the job that made it, for a
 * resource is undone by its maker alone.
 */
export function adoptedTags(tags: Tags, found: Tags): Tags {
  return {
    ...without(
      found,
      Object.keys(tags).filter((key) => key !== 'requestId'),
    ),
    ...without(tags, ['requestId']),
  };
}

export function isTenants(tags: Tags | undefined, tenant: string): boolean {
  return tagOf(tags, 'tenant') === tenant;
}

/** Whether this job made it, in an attempt whose answer was lost. */
export function isMadeBy(tags: Tags | undefined, requestId: string): boolean {
  return tagOf(tags, 'requestId') === requestId;
}

function tagOf(tags: Tags | undefined, name: string): string | undefined {
  return Object.entries(tags ?? {}).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

function without(tags: Tags, names: readonly string[]): Tags {
  const taken = new Set(names.map((name) => name.toLowerCase()));
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !taken.has(key.toLowerCase())));
}
