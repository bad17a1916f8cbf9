import { afterAll, beforeAll } from 'vitest';
import { cloudProvisionerContract } from '../../../tests/contract/cloud-provisioner.ts';
import type { AzureEndpoint } from '../simulated-cloud/azure/azure-endpoint.ts';
import { SIMULATED_SUBSCRIPTION } from '../simulated-cloud/azure/azure-endpoint.ts';
import { simulatedAzure } from '../simulated-cloud/cloud-for-test.ts';
import type { SimulatedCloud } from '../simulated-cloud/cloud-for-test.ts';
import { resourceGroup } from './services/resource-group/definition.ts';
import { storage } from './services/storage/definition.ts';
import { vnet } from './services/vnet/definition.ts';

let azure: SimulatedCloud<AzureEndpoint>;

beforeAll(async () => {
  azure = await simulatedAzure();
});

afterAll(() => azure.close());

/** Somebody else's group, in which the tests make their things. */
async function prepare(): Promise<void> {
  const id = `/subscriptions/${SIMULATED_SUBSCRIPTION}/resourceGroups/Shared`;
  const shown = { id, name: 'Shared', type: 'Microsoft.Resources/resourceGroups', location: 'westeurope', tags: {} };
  await azure.state.put('resource-group', id.toLowerCase(), { shown, references: [], readyMs: 0 });
}

const last = (name: string): string => name.split('/').at(-1) ?? '';

cloudProvisionerContract(
  { definition: resourceGroup, region: 'westeurope', params: (name) => ({ resourceGroupName: `Team-${name}` }) },
  () => azure,
);

const account = (name: string): { readonly accountName: string; readonly resourceGroup: string } => ({
  accountName: last(name).replaceAll('-', '').slice(-24),
  resourceGroup: 'Shared',
});

cloudProvisionerContract(
  {
    definition: storage,
    region: 'westeurope',
    creates: 'Microsoft.Storage/storageAccounts/write',
    prepare,
    params: account,
    changed: (name) => ({ ...account(name), sku: 'Standard_ZRS', sharedKeys: true }),
  },
  () => azure,
);

const network = (name: string): { readonly networkName: string; readonly resourceGroup: string } => ({
  networkName: last(name),
  resourceGroup: 'Shared',
});

cloudProvisionerContract(
  {
    definition: vnet,
    region: 'westeurope',
    prepare,
    params: network,
    changed: (name) => ({
      ...network(name),
      subnets: [
        { name: 'default', prefix: '10.0.0.0/24' },
        { name: 'more', prefix: '10.0.1.0/24' },
      ],
      inbound: [{ name: 'https', port: 443, from: '192.0.2.0/24' }],
    }),
  },
  () => azure,
);
