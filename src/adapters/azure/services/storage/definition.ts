/** A storage account: HTTPS alone, TLS 1.2 or newer, no public blobs. */

import { z } from 'zod';
import type { ServiceDefinition } from '../../../../provisioning/service.ts';
import { groupedName } from '../../azure-ids.ts';
import { BLOB_GB_MONTH, COOL_GB_MONTH, PRICES_OF } from '../../azure-prices.ts';
import { AZURE_REGIONS, DEFAULT_REGION } from '../../azure-regions.ts';
import { groupName } from '../resource-group/definition.ts';

export const storageParams = z.strictObject({
  accountName: z
    .string()
    .regex(/^[a-z0-9]{3,24}$/, { error: 'an account name has 3 to 24 lower-case letters and digits' })
    .describe('Name of the account, unique in all of Azure: 3 to 24 lower-case letters and digits.'),
  resourceGroup: groupName.describe('Name of the resource group that it is made in, which must be there.'),
  region: z.enum(AZURE_REGIONS).exactOptional().describe(`Where the data lies. Left out: ${DEFAULT_REGION}.`),
  sku: z
    .enum(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_RAGRS', 'Standard_GZRS', 'Standard_RAGZRS'])
    .default('Standard_LRS')
    .describe('How many copies there are, and where: in one building, in three (ZRS), in a second region (G…).'),
  accessTier: z
    .enum(['Hot', 'Cool'])
    .default('Hot')
    .describe('How often blobs are read: "Cool" is cheaper to keep and dearer to read.'),
  sharedKeys: z
    .boolean()
    .default(false)
    .describe('Whether the account keys open it too. Without them only identities of Entra do.'),
  publicNetwork: z
    .boolean()
    .default(true)
    .describe('Whether it can be reached from outside of private networks, with credentials.'),
});

export type StorageParams = z.infer<typeof storageParams>;

export const storage: ServiceDefinition = {
  cloud: 'azure',
  service: 'storage',
  title: 'A storage account in a resource group: HTTPS only, TLS 1.2, no public blobs.',
  version: '1',
  params: storageParams,
  regions: AZURE_REGIONS,
  defaultRegion: DEFAULT_REGION,
  idempotency: 'name',
  nameOf(params) {
    const { resourceGroup, accountName } = storageParams.parse(params);
    return groupedName(resourceGroup, accountName);
  },
  stepsOf: () => ['create-account', 'finish-account', 'await-account'],
  estimate(params) {
    const { sku, accessTier } = storageParams.parse(params);
    const price = (accessTier === 'Hot' ? BLOB_GB_MONTH : COOL_GB_MONTH)[sku] ?? 0;
    return {
      monthlyUsd: 0,
      usage: [`${price} USD per GB and month stored (${sku}, ${accessTier})`],
      pricesOf: PRICES_OF,
    };
  },
  load: async () => ({ create: (await import('./provisioner.ts')).createStorageProvisioner }),
};
