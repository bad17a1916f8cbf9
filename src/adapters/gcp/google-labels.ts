/**
 * Ownership as Google's labels can say it: lower case, 63 characters, no dots. So the tenant is told by a hash of its
 * exact name, and the readable labels are for people and bills.
 */

import { createHash } from 'node:crypto';
import type { ProvisionContext } from '../../provisioning/provisioner.ts';
import { provisionersOf, type TagForm, type Tags } from '../../provisioning/resource-provisioner.ts';

const MAX_LENGTH = 63;
const MAKER = 'request-id';
const END = 'expires-at';

/** 32 hex digits of the exact tenant's SHA-256. */
export function tenantHash(tenant: string): string {
  return createHash('sha256').update(tenant).digest('hex').slice(0, 32);
}

function newTags(context: ProvisionContext): Tags {
  const { tenant, env, service, owner, requestId, expiresAt } = context.ownership;
  return {
    ...usersTags(context),
    tenant: valueOf(tenant),
    'tenant-hash': tenantHash(tenant),
    env: valueOf(env),
    service: valueOf(service),
    owner: valueOf(owner),
    [MAKER]: valueOf(requestId),
    'managed-by': context.ownership['managed-by'],
    ...(expiresAt === undefined ? {} : { [END]: String(Math.floor(Date.parse(expiresAt) / 1000)) }),
  };
}

function tagsOver(existing: Tags, context: ProvisionContext, { isUpdate }: { readonly isUpdate: boolean }): Tags {
  const mandatory = newTags({ ...context, userTags: {} });
  const missing = Object.entries(mandatory).filter(([key]) => key !== MAKER && existing[key] === undefined);
  const end = isUpdate && mandatory[END] !== undefined ? { [END]: mandatory[END] } : {};
  const users = Object.entries(usersTags(context)).filter(([key]) => mandatory[key] === undefined && key !== MAKER);
  return { ...existing, ...Object.fromEntries(users), ...Object.fromEntries(missing), ...end };
}

export const googleLabels: TagForm = {
  newTags,
  tagsOver,
  isTenants: (tags, { ownership }) => tags['tenant-hash'] === tenantHash(ownership.tenant),
  isMadeByRequest: (tags, context) =>
    googleLabels.isTenants(tags, context) && tags[MAKER] === valueOf(context.requestId),
  isClouds: (key) => key.startsWith('goog-'),
};

export const googleProvisioner = provisionersOf(googleLabels);

/** Another spelling of a key of ours comes to the same label; the end of a life is nobody's to invent. */
function usersTags({ userTags }: ProvisionContext): Tags {
  const labels = Object.entries(userTags).map(([key, value]): [string, string] => [keyOf(key), valueOf(value)]);
  return Object.fromEntries(labels.filter(([key]) => key !== END));
}

/** Keys begin with a letter. */
function keyOf(key: string): string {
  const text = valueOf(key);
  return /^[a-z]/.test(text) ? text : `x-${text}`.slice(0, MAX_LENGTH);
}

function valueOf(value: string): string {
  return value
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '-')
    .slice(0, MAX_LENGTH);
}
