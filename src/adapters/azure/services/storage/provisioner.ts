/** Makes and removes storage accounts. Their names are everybody's, so a name that is taken may be a stranger's. */

import { StorageManagementClient, restorePoller } from '@azure/arm-storage';
import type { StorageAccount } from '@azure/arm-storage';
import type { PlatformError } from '../../../../core/errors.ts';
import type { JsonValue } from '../../../../core/ports.ts';
import { notOwned } from '../../../../provisioning/cloud-errors.ts';
import type {
  CloudProvisioner,
  DeprovisionResponse,
  PlannedChange,
  ProvisionContext,
  ProvisionRequest,
  ProvisionResponse,
  ResourceState,
} from '../../../../provisioning/provisioner.ts';
import { clientParts } from '../../azure-clients.ts';
import type { ClientParts } from '../../azure-clients.ts';
import { azureError, codeOf } from '../../azure-errors.ts';
import { readGroupedName } from '../../azure-ids.ts';
import type { GroupedName } from '../../azure-ids.ts';
import { azureLro, plainPoller } from '../../azure-lro.ts';
import type { Begun } from '../../azure-lro.ts';
import { asked, checkOwner, lookUp, refused, takeOver } from '../../azure-ownership.ts';
import { GONE, READY, isFailed, isReady } from '../../azure-ready.ts';
import { DEFAULT_REGION } from '../../azure-regions.ts';
import { adoptedTags, azureTags, isTenants } from '../../azure-tags.ts';
import type { Tags } from '../../azure-tags.ts';
import { storageParams } from './definition.ts';
import type { StorageParams } from './definition.ts';

export function createStorageProvisioner(context: ProvisionContext): CloudProvisioner {
  return new StorageProvisioner(context);
}

interface Connection extends ClientParts {
  readonly client: StorageManagementClient;
}

class StorageProvisioner implements CloudProvisioner {
  readonly #context: ProvisionContext;
  readonly #tags: Tags;
  #connecting: Promise<Connection> | undefined;

  constructor(context: ProvisionContext) {
    this.#context = context;
    this.#tags = azureTags(context.ownership, context.userTags);
  }

  async provision(input: ProvisionRequest): Promise<ProvisionResponse> {
    const params = storageParams.parse(input.params);
    const at = placeOf(params);
    const { client, transport } = await this.#connect();
    const isAdopted = await azureLro<boolean>(this.#context, transport, {
      name: 'create-account',
      operation: 'StorageAccounts.create',
      begin: (signal) => this.#begin(input, params, signal),
      resume: async (state) => {
        const { create } = client.storageAccounts;
        const poller = restorePoller(client, state, create);
        await poller.poll();
        return plainPoller(poller);
      },
    });
    await this.#untilReady(at);
    return { status: 'provisioned', id: this.#context.id, outputs: await this.#outputsOf(at), isAdopted };
  }

  async destroy(id: string): Promise<DeprovisionResponse> {
    const at = readGroupedName(id);
    const { client } = await this.#connect();
    const { steps } = this.#context;
    await steps.run('delete-account', async ({ signal }) => {
      const there = await this.#get(at, signal);
      if (there === undefined) return null;
      checkOwner(at.name, there, this.#context.request.tenant);
      await asked('StorageAccounts.delete', () =>
        client.storageAccounts.delete(at.group, at.name, { abortSignal: signal }),
      );
      return null;
    });
    const isGone = async (signal: AbortSignal): Promise<boolean> => (await this.#get(at, signal)) === undefined;
    await steps.until('account-gone', async ({ signal }) => (await isGone(signal)) || undefined, GONE);
    return { status: 'deprovisioned', id };
  }

  async plan(input: ProvisionRequest): Promise<PlannedChange> {
    const params = storageParams.parse(input.params);
    const { context, there } = {
      context: this.#context,
      there: await this.#get(placeOf(params), this.#context.signal),
    };
    const { id } = context;
    if (there === undefined)
      return { id, change: 'create', steps: ['create-account', 'create-account-done', 'account-ready'] };
    takeOver(params.accountName, there, { context, region: regionOf(input, params) });
    const differences = differencesOf(there, params);
    if (Object.keys(differences).length === 0) return { id, change: 'adopt', steps: [] };
    return { id, change: 'update', steps: ['update-account', 'account-ready'], differences };
  }

  async read(id: string): Promise<ResourceState | undefined> {
    const at = readGroupedName(id);
    const there = await this.#get(at, this.#context.signal);
    if (there === undefined) return undefined;
    const tags = there.tags ?? {};
    return { id, outputs: await this.#outputsOf(at), isOwned: isTenants(tags, this.#context.request.tenant), tags };
  }

  async update(id: string, input: ProvisionRequest): Promise<ProvisionResponse> {
    const params = storageParams.parse(input.params);
    await this.#patch('update-account', params, settingsOf(params));
    await this.#untilReady(placeOf(params));
    return { status: 'provisioned', id, outputs: await this.#outputsOf(placeOf(params)), isAdopted: false };
  }

  async adopt(input: ProvisionRequest): Promise<ProvisionResponse | undefined> {
    const params = storageParams.parse(input.params);
    const at = placeOf(params);
    if ((await this.#get(at, this.#context.signal)) === undefined) return undefined;
    await this.#patch('tag-account', params, {});
    return { status: 'provisioned', id: this.#context.id, outputs: await this.#outputsOf(at), isAdopted: true };
  }

  /** @returns whether it was there before this job, with a poller when it has to be waited for. */
  async #begin(input: ProvisionRequest, params: StorageParams, abortSignal: AbortSignal): Promise<Begun<boolean>> {
    const { group, name } = placeOf(params);
    const region = regionOf(input, params);
    const there = await this.#get({ group, name }, abortSignal);
    const isAdopted = there !== undefined && takeOver(name, there, { context: this.#context, region });
    if (there !== undefined && !isFailed(there.provisioningState)) return { value: isAdopted };
    const { client } = await this.#connect();
    const body = { ...settingsOf(params), kind: 'StorageV2', location: region, tags: { ...this.#tags } };
    const poller = client.storageAccounts.create(group, name, body, { abortSignal });
    try {
      await poller.submitted();
    } catch (thrown) {
      throw takenBy(thrown, name);
    }
    return { poller: plainPoller(poller), value: isAdopted };
  }

  /** Tags stay those of the account's maker where they name one. */
  async #patch(step: string, params: StorageParams, settings: Partial<Settings>): Promise<void> {
    const { group, name } = placeOf(params);
    const { client } = await this.#connect();
    await this.#context.steps.run(step, async ({ signal }) => {
      const there = await this.#get({ group, name }, signal);
      if (there === undefined) throw refused('StorageAccounts.update', 'ResourceNotFound', `There is no "${name}"`);
      checkOwner(name, there, this.#context.request.tenant);
      const body = { ...settings, tags: adoptedTags(this.#tags, there.tags ?? {}) };
      await asked('StorageAccounts.update', () =>
        client.storageAccounts.update(group, name, body, { abortSignal: signal }),
      );
      return null;
    });
  }

  async #untilReady(at: GroupedName): Promise<void> {
    await this.#context.steps.until(
      'account-ready',
      async ({ signal }) => isReady(at.name, (await this.#get(at, signal))?.provisioningState),
      READY,
    );
  }

  async #get({ group, name }: GroupedName, abortSignal: AbortSignal): Promise<StorageAccount | undefined> {
    const { client } = await this.#connect();
    return lookUp('StorageAccounts.getProperties', () =>
      client.storageAccounts.getProperties(group, name, { abortSignal }),
    );
  }

  async #outputsOf({ group, name }: GroupedName): Promise<Readonly<Record<string, JsonValue>>> {
    const { subscription } = await this.#connect();
    const armId = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Storage/storageAccounts/${name}`;
    return { accountName: name, armId, blobEndpoint: `https://${name}.blob.core.windows.net/` };
  }

  #connect(): Promise<Connection> {
    this.#connecting ??= clientParts(this.#context).then((parts) => ({
      ...parts,
      client: new StorageManagementClient(parts.credential, parts.subscription, parts.options),
    }));
    return this.#connecting;
  }
}

type Settings = ReturnType<typeof settingsOf>;

/** What is closed here is not for the caller to open. */
function settingsOf({ sku, accessTier, sharedKeys, publicNetwork }: StorageParams) {
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

function differencesOf(there: StorageAccount, params: StorageParams): NonNullable<PlannedChange['differences']> {
  const { sku, ...settings } = settingsOf(params);
  const pairs: (readonly [string, JsonValue | undefined, JsonValue])[] = [['sku', there.sku?.name, sku.name]];
  for (const [key, wanted] of Object.entries(settings)) pairs.push([key, there[key as keyof typeof settings], wanted]);
  const different = pairs.filter(([, from, to]) => from !== to && !(from === undefined && to === false));
  return Object.fromEntries(different.map(([key, from, to]) => [key, { from: from ?? null, to }]));
}

function placeOf({ resourceGroup, accountName }: StorageParams): GroupedName {
  return { group: resourceGroup, name: accountName };
}

function regionOf(input: ProvisionRequest, params: StorageParams): string {
  return input.region ?? params.region ?? DEFAULT_REGION;
}

function takenBy(thrown: unknown, name: string): PlatformError {
  const code = codeOf(thrown);
  if (code === 'StorageAccountAlreadyTaken') return notOwned(name, 'somebody else in Azure has the name');
  if (code === 'StorageAccountAlreadyExists') return notOwned(name, 'it lies in another resource group');
  return azureError(thrown, 'StorageAccounts.create');
}
