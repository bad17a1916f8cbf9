/** Whose a resource of AWS is: told by its tags, which are written when it is made. */

import { notOwned } from '../../provisioning/cloud-errors.ts';
import type { ProvisionContext } from '../../provisioning/provisioner.ts';

export type Tags = Readonly<Record<string, string>>;

/** Under which a thing without a unique name of its own is found again: the resource's id here. */
export const RESOURCE_TAG = 'resource-id';
const MAX_KEY = 128;
const MAX_VALUE = 256;

/** What a new resource is tagged with. The mandatory tags win over the user's. */
export function newTags(context: ProvisionContext): Tags {
  const { ownership, userTags } = context;
  const tags = new Map<string, string>();
  for (const [key, value] of [...Object.entries(userTags), ...Object.entries(ownership)])
    if (value !== undefined) tags.set(fitting(key, MAX_KEY), fitting(String(value), MAX_VALUE));
  return Object.fromEntries(tags);
}

/**
 * What a resource of this tenant is tagged with once it is adopted or changed: who made it stays on it, and the end of
 * its life moves only with a change.
 */
export function tagsOver(existing: Tags, context: ProvisionContext, options: { readonly isUpdate: boolean }): Tags {
  const fresh = newTags(context);
  const users = Object.keys(context.userTags).map((key) => fitting(key, MAX_KEY));
  const replaced = new Set([...users, ...(options.isUpdate ? ['expiresAt'] : [])]);
  const mandatory = new Set(Object.keys(context.ownership));
  const kept = Object.entries(existing).filter(
    ([key]) => !key.startsWith('aws:') && (!replaced.has(key) || (mandatory.has(key) && key !== 'expiresAt')),
  );
  return { ...fresh, ...Object.fromEntries(kept) };
}

export function isTenants(tags: Tags, context: ProvisionContext): boolean {
  return tags['tenant'] === fitting(context.ownership.tenant, MAX_VALUE);
}

/** Whether this very request made it, in an attempt that did not live to say so. */
export function isMadeByRequest(tags: Tags, context: ProvisionContext): boolean {
  return isTenants(tags, context) && tags['requestId'] === fitting(context.requestId, MAX_VALUE);
}

/** @throws PlatformError `RESOURCE_NOT_OWNED`. */
export function checkTenant(tags: Tags, context: ProvisionContext): void {
  if (isTenants(tags, context)) return;
  const owner = tags['tenant'] === undefined ? 'it has no tag "tenant"' : 'its tag "tenant" names another';
  throw notOwned(context.id, owner);
}

/** AWS takes letters, digits, spaces and a few signs; any other becomes `_`. */
function fitting(text: string, length: number): string {
  return text.replaceAll(/[^\p{L}\p{Z}\p{N}_.:/=+\-@]/gu, '_').slice(0, length);
}

/** As EC2, S3, DynamoDB and IAM write tags. */
export interface AwsTag {
  readonly Key?: string | undefined;
  readonly Value?: string | undefined;
}

export function tagList(tags: Tags): { Key: string; Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

export function tagsOfList(list: readonly AwsTag[] | undefined): Tags {
  return Object.fromEntries((list ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
}
