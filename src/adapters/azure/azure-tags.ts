/** Ownership as Azure's tags say it: the exact values. Azure compares names of tags without case. */

import type { ProvisionContext } from '../../provisioning/provisioner.ts';
import { provisionersOf, type TagForm, type Tags } from '../../provisioning/resource-provisioner.ts';

const MAKER = 'requestId';
const END = 'expiresAt';
const MAX_VALUE = 256;

function newTags(context: ProvisionContext): Tags {
  const mandatory = mandatoryTags(context);
  return { ...without(context.userTags, [...Object.keys(mandatory), END]), ...mandatory };
}

function tagsOver(existing: Tags, context: ProvisionContext, { isUpdate }: { readonly isUpdate: boolean }): Tags {
  const mandatory = mandatoryTags(context);
  const users = without(context.userTags, [...Object.keys(mandatory), END]);
  const missing = without(mandatory, [...Object.keys(existing), MAKER]);
  const kept = without(existing, Object.keys(users));
  const end = mandatory[END];
  const merged = { ...kept, ...users, ...missing };
  return isUpdate && end !== undefined ? { ...without(merged, [END]), [END]: end } : merged;
}

export const azureTags: TagForm = {
  newTags,
  tagsOver,
  isTenants: (tags, { ownership }) => tagOf(tags, 'tenant') === ownership.tenant,
  isMadeByRequest: (tags, context) => azureTags.isTenants(tags, context) && tagOf(tags, MAKER) === context.requestId,
  isClouds: (key) => key.toLowerCase().startsWith('hidden-'),
};

export const azureProvisioner = provisionersOf(azureTags);

function mandatoryTags({ ownership }: ProvisionContext): Tags {
  const { expiresAt, owner, ...rest } = ownership;
  return { ...rest, owner: owner.slice(0, MAX_VALUE), ...(expiresAt === undefined ? {} : { [END]: expiresAt }) };
}

function tagOf(tags: Tags, name: string): string | undefined {
  return Object.entries(tags).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

/** Signs that Azure takes in no name of a tag become `_`. */
function without(tags: Tags, names: readonly string[]): Tags {
  const taken = new Set(names.map((name) => name.toLowerCase()));
  return Object.fromEntries(
    Object.entries(tags)
      .map(([key, value]) => [key.replaceAll(/[<>%&\\?/]/g, '_').slice(0, 128), value.slice(0, MAX_VALUE)] as const)
      .filter(([key]) => !taken.has(key.toLowerCase())),
  );
}
