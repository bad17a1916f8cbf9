/** A resource group: the folder in which everything else of Azure lies. */

import { z } from 'zod';
import type { ServiceDefinition } from '../../../../provisioning/service.ts';
import { PRICES_OF } from '../../azure-prices.ts';
import { AZURE_REGIONS, DEFAULT_REGION } from '../../azure-regions.ts';

export const groupName = z.string().regex(/^[\w().-]{0,89}[\w()-]$/, {
  error: 'a name has up to 90 letters, digits, "_", "-", "." and brackets, and does not end with a dot',
});

export const resourceGroupParams = z.strictObject({
  resourceGroupName: groupName.describe('Name of the group, unique in the subscription.'),
  region: z
    .enum(AZURE_REGIONS)
    .exactOptional()
    .describe(`Where what Azure notes of the group is kept. Left out: ${DEFAULT_REGION}.`),
});

export type ResourceGroupParams = z.infer<typeof resourceGroupParams>;

export const resourceGroup: ServiceDefinition = {
  cloud: 'azure',
  service: 'resource-group',
  title: 'A resource group, which other resources of Azure are made in.',
  version: '1',
  params: resourceGroupParams,
  regions: AZURE_REGIONS,
  defaultRegion: DEFAULT_REGION,
  idempotency: 'name',
  // Azure compares names without case, and an id stands for one group.
  nameOf: (params) => resourceGroupParams.parse(params).resourceGroupName.toLowerCase(),
  stepsOf: () => ['create-resource-group', 'await-resource-group'],
  estimate: () => ({ monthlyUsd: 0, usage: [], pricesOf: PRICES_OF }),
  load: async () => ({ create: (await import('./provisioner.ts')).createResourceGroupProvisioner }),
};
