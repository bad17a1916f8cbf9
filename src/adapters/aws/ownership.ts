/** Whose a resource of AWS is: told by its tags, which are written when it is made. */

import type { ProvisionContext } from '../../provisioning/provisioner.ts';
import { provisionersOf, type TagForm, type Tags } from '../../provisioning/resource-provisioner.ts';

export type { Tags } from '../../provisioning/resource-provisioner.ts';

/** Under which a thing without a unique name of its own is found again: the resource's id here. */
export const RESOURCE_TAG = 'resource-id';
const MAX_KEY = 128;
const MAX_VALUE = 256;

function newTags({ ownership, userTags }: ProvisionContext): Tags {
  const tags = new Map<string, string>();
  for (const [key, value] of [...Object.entries(userTags), ...Object.entries(ownership)])
    if (value !== undefined) tags.set(fitting(key, MAX_KEY), fitting(String(value), MAX_VALUE));
  return Object.fromEntries(tags);
}

function tagsOver(existing: Tags, context: ProvisionContext, options: { readonly isUpdate: boolean }): Tags {
  const fresh = newTags(context);
  const users = Object.keys(context.userTags).map((key) => fitting(key, MAX_KEY));
  const isMoved = options.isUpdate && context.ownership.expiresAt !== undefined;
  const replaced = new Set([...users, ...(isMoved ? ['expiresAt'] : [])]);
  const mandatory = new Set(Object.keys(context.ownership));
  const kept = Object.entries(existing).filter(
    ([key]) => !key.startsWith('aws:') && (!replaced.has(key) || (mandatory.has(key) && key !== 'expiresAt')),
  );
  return { ...fresh, ...Object.fromEntries(kept) };
}

export function isTenants(tags: Tags, context: ProvisionContext): boolean {
  return tags['tenant'] === fitting(context.ownership.tenant, MAX_VALUE);
}

function isMadeByRequest(tags: Tags, context: ProvisionContext): boolean {
  return isTenants(tags, context) && tags['requestId'] === fitting(context.requestId, MAX_VALUE);
}

/** A text as the value of a tag can hold it. */
export function tagText(text: string): string {
  return fitting(text, MAX_VALUE);
}

export const awsTagForm: TagForm = {
  newTags,
  tagsOver,
  isTenants,
  isMadeByRequest,
  isClouds: (key) => key.startsWith('aws:'),
};

export const awsProvisioner = provisionersOf(awsTagForm);

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
