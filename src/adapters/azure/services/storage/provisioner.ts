/** Makes and removes storage accounts. Their names are everybody's, so a name that is taken may be a stranger's. */

import { StorageManagementClient, restorePoller } from '@azure/arm-storage';
import type { StorageAccount, StorageAccountUpdateParameters } from '@azure/arm-storage';
import type { JsonValue } from '../../../../core/ports.ts';
import type { CloudProvisioner, ProvisionContext } from '../../../../provisioning/provisioner.ts';
import type { Begun, Found, Outputs, ResourceKind, Tags } from '../../../../provisioning/resource-provisioner.ts';
import { ask, askFor, readiness } from '../../azure-calls.ts';
import { azureConnection } from '../../azure-clients.ts';
import type { Connection } from '../../azure-clients.ts';
import { asWritten, readGroupedName } from '../../azure-ids.ts';
import { askLong, beginLong, plainPoller } from '../../azure-lro.ts';
import { isSameRegion } from '../../azure-regions.ts';
import { azureProvisioner } from '../../azure-tags.ts';
import { storage } from './definition.ts';
import type { StorageParams } from './definition.ts';

export function createStorageProvisioner(context: ProvisionContext): CloudProvisioner {
  return azureProvisioner(AccountKind, context, (params) => storage.stepsOf(params));
}

const CREATE = 'StorageAccounts.create';

class AccountKind implements ResourceKind {
  readonly noun = 'account';
  readonly fixed = [];
  readonly taken = ['StorageAccountAlreadyTaken', 'StorageAccountAlreadyExists'];
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #connect: () => Promise<Connection<StorageManagementClient>>;
  readonly #group: string;
  readonly #name: string;
  readonly #region: string;
  readonly #params: Partial<StorageParams>;

  constructor(context: ProvisionContext, id: string, params: Partial<StorageParams>) {
    const { group, name, region } = readGroupedName(id);
    this.#context = context;
    this.#connect = azureConnection(context, StorageManagementClient);
    this.#group = asWritten(group, params.resourceGroup);
    this.#name = name;
    this.#region = region;
    this.#params = params;
  }

  async find(): Promise<Found | undefined> {
    const { client } = await this.#connect();
    const account = await askFor('StorageAccounts.getProperties', () =>
      client.storageAccounts.getProperties(this.#group, this.#name),
    );
    // One elsewhere is not the one that the id names.
    if (account === undefined || !isSameRegion(account.location, this.#region)) return undefined;
    const outputs = await this.#outputs();
    return {
      tags: account.tags ?? {},
      outputs,
      settings: settingsOf(account),
      ...readiness(account.provisioningState),
    };
  }

  async create(tags: Tags): Promise<Begun | undefined> {
    const { client, transport } = await this.#connect();
    return beginLong(this.#context, transport, {
      operation: CREATE,
      begin: async () => {
        const body = { ...bodyOf(this.#params), kind: 'StorageV2', location: this.#region, tags: { ...tags } };
        const poller = client.storageAccounts.create(this.#group, this.#name, body);
        await poller.submitted();
        return plainPoller(poller);
      },
    });
  }

  async progress(handle: JsonValue): Promise<true | undefined> {
    const { client } = await this.#connect();
    return askLong(this.#context, handle, {
      operation: CREATE,
      resume: async (state) => {
        const { create } = client.storageAccounts;
        const poller = restorePoller(client, state, create);
        await poller.poll();
        return plainPoller(poller);
      },
    });
  }

  tag(tags: Tags): Promise<void> {
    return this.#patch({ tags: { ...tags } });
  }

  async change(): Promise<void> {
    await this.#step('change-account', () => this.#patch(bodyOf(this.#params)));
  }

  async remove(): Promise<void> {
    await this.#step('delete-account', async () => {
      const { client } = await this.#connect();
      await askFor('StorageAccounts.delete', () => client.storageAccounts.delete(this.#group, this.#name));
    });
  }

  async #patch(body: StorageAccountUpdateParameters): Promise<void> {
    const { client } = await this.#connect();
    await ask('StorageAccounts.update', () => client.storageAccounts.update(this.#group, this.#name, body));
  }

  async #outputs(): Promise<Outputs> {
    const { subscription } = await this.#connect();
    const [group, name] = [this.#group, this.#name];
    const armId = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Storage/storageAccounts/${name}`;
    return { accountName: name, region: this.#region, armId, blobEndpoint: `https://${name}.blob.core.windows.net/` };
  }

  async #step(name: string, effect: () => Promise<void>): Promise<void> {
    await this.#context.steps.run(name, async () => {
      await effect();
      return null;
    });
  }
}

/** What is closed here is not for the caller to open. */
function bodyOf(params: Partial<StorageParams>) {
  const { sku = 'Standard_LRS', accessTier = 'Hot', sharedKeys = false, publicNetwork = true } = params;
  return {
    sku: { name: sku },
    accessTier,
    enableHttpsTrafficOnly: true,
    minimumTlsVersion: 'TLS1_2',
    allowBlobPublicAccess: false,
    allowSharedKeyAccess: sharedKeys,
    allowCrossTenantReplication: false,
    defaultToOAuthAuthentication: !sharedKeys,
    publicNetworkAccess: publicNetwork ? 'Enabled' : 'Disabled',
  };
}

function settingsOf(account: StorageAccount): Outputs {
  return {
    sku: account.sku?.name ?? null,
    accessTier: account.accessTier ?? null,
    // Where nothing is said, keys open it and it is public.
    sharedKeys: account.allowSharedKeyAccess !== false,
    publicNetwork: account.publicNetworkAccess !== 'Disabled',
  };
}
