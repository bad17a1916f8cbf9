/**
 * Ownership as Google's labels can say it: lower case, 63 characters, no dots. So the tenant is told by a hash of its
 * exact name, and the readable labels are for people and bills.
 */

import { createHash } from 'node:crypto';
import type { OwnershipTags } from '../../provisioning/provisioner.ts';

export type Labels = Readonly<Record<string, string>>;

const MAX_LENGTH = 63;

/** 32 hex digits of the exact tenant's SHA-256. */
export function tenantHash(tenant: string): string {
  return createHash('sha256').update(tenant).digest('hex').slice(0, 32);
}

/** Mandatory labels win over those of the user. */
export function googleLabels(ownership: OwnershipTags, userTags: Readonly<Record<string, string>>): Labels {
  const { tenant, env, service, owner, requestId, expiresAt } = ownership;
  const own = Object.entries(userTags).map(([key, value]) => [keyOf(key), valueOf(value)] as const);
  return {
    ...Object.fromEntries(own),
    tenant: valueOf(tenant),
    'tenant-hash': tenantHash(tenant),
    env: valueOf(env),
    service: valueOf(service),
    owner: valueOf(owner),
    'request-id': valueOf(requestId),
    'managed-by': ownership['managed-by'],
    ...(expiresAt === undefined ? {} : { 'expires-at': String(Math.floor(Date.parse(expiresAt) / 1000)) }),
  };
}

/**
 * What an adopted resource is given: everything but `request-id`, which goes on naming the job that made it, for a
 * resource is undone by its maker alone.
 */
export function adoptedLabels(labels: Labels, found: Labels): Labels {
  const maker = found['request-id'];
  const rest = Object.fromEntries(Object.entries(labels).filter(([key]) => key !== 'request-id'));
  return { ...found, ...rest, ...(maker === undefined ? {} : { 'request-id': maker }) };
}

export function isTenants(labels: Labels, tenant: string): boolean {
  return labels['tenant-hash'] === tenantHash(tenant);
}

/** Whether this job made it, in an attempt whose answer was lost. */
export function isMadeBy(labels: Labels, requestId: string): boolean {
  return labels['request-id'] === valueOf(requestId);
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
