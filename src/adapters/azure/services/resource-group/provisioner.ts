/** Makes and removes resource groups. Removing one takes everything in it along, so only empty ones are removed. */

import { ResourceManagementClient } from '@azure/arm-resources';
import type { ResourceGroup } from '@azure/arm-resources';
import { cloudError } from '../../../../provisioning/cloud-errors.ts';
import { parseResourceId } from '../../../../provisioning/provisioner.ts';
import type { CloudProvisioner, ProvisionContext } from '../../../../provisioning/provisioner.ts';
import type { Found, ResourceKind, Tags } from '../../../../provisioning/resource-provisioner.ts';
import { ask, askFor } from '../../azure-calls.ts';
import { azureConnection } from '../../azure-clients.ts';
import type { Connection } from '../../azure-clients.ts';
import { asWritten } from '../../azure-ids.ts';
import { azureLro, pollerOf } from '../../azure-lro.ts';
import { DEFAULT_REGION, isSameRegion } from '../../azure-regions.ts';
import { azureProvisioner } from '../../azure-tags.ts';
import { resourceGroup } from './definition.ts';
import type { ResourceGroupParams } from './definition.ts';

export function createResourceGroupProvisioner(context: ProvisionContext): CloudProvisioner {
  return azureProvisioner(ResourceGroupKind, context, (params) => resourceGroup.stepsOf(params));
}

/** How many of the things in a group an error names. */
const NAMED = 5;

class ResourceGroupKind implements ResourceKind {
  readonly noun = 'resource-group';
  readonly fixed = [];
  readonly taken = [];
  readonly isCreateExclusive = false;
  readonly #context: ProvisionContext;
  readonly #connect: () => Promise<Connection<ResourceManagementClient>>;
  readonly #name: string;
  readonly #region: string;

  constructor(context: ProvisionContext, id: string, params: Partial<ResourceGroupParams>) {
    const { name = id, region = DEFAULT_REGION } = parseResourceId(id) ?? {};
    this.#context = context;
    this.#connect = azureConnection(context, ResourceManagementClient);
    this.#name = asWritten(name, params.resourceGroupName);
    this.#region = region;
  }

  async find(): Promise<Found | undefined> {
    const group = await this.#get();
    // One elsewhere is not the one that the id names.
    if (group === undefined || !isSameRegion(group.location, this.#region)) return undefined;
    const { name = this.#name, id: armId = '', location, tags = {} } = group;
    const isReady = group.properties?.provisioningState !== 'Deleting';
    return { tags, outputs: { resourceGroupName: name, armId, region: location }, settings: {}, isReady };
  }

  async isEmpty(): Promise<boolean> {
    return (await this.#within()).length === 0;
  }

  async create(tags: Tags): Promise<undefined> {
    const there = await this.#get();
    if (there !== undefined) throw elsewhere(this.#name, there.location);
    await this.#put(tags);
  }

  tag(tags: Tags): Promise<void> {
    return this.#put(tags);
  }

  /** A group has nothing but its tags that could change. */
  async change(): Promise<void> {}

  async remove(): Promise<void> {
    const { client, transport } = await this.#connect();
    await azureLro(this.#context, transport, {
      name: 'delete-resource-group',
      operation: 'ResourceGroups.delete',
      begin: async () => {
        const there = await this.#get();
        if (there === undefined) return undefined;
        if (there.properties?.provisioningState !== 'Deleting') await this.#checkEmpty();
        return pollerOf(await client.resourceGroups.beginDelete(this.#name));
      },
      resume: async (resumeFrom) => pollerOf(await client.resourceGroups.beginDelete(this.#name, { resumeFrom })),
    });
  }

  /** Names of the first few things in it. */
  async #within(): Promise<readonly string[]> {
    const { client } = await this.#connect();
    return ask('Resources.listByResourceGroup', async () => {
      const names: string[] = [];
      for await (const resource of client.resources.listByResourceGroup(this.#name)) {
        if (names.push(resource.name ?? '?') >= NAMED) break;
      }
      return names;
    });
  }

  async #checkEmpty(): Promise<void> {
    const within = await this.#within();
    if (within.length === 0) return;
    throw cloudError({
      cloud: 'azure',
      fault: 'refused',
      operation: 'ResourceGroups.delete',
      cloudCode: 'ResourceGroupNotEmpty',
      message: `The group "${this.#name}" holds ${within.join(', ')}, which would be removed with it`,
    });
  }

  async #get(): Promise<ResourceGroup | undefined> {
    const { client } = await this.#connect();
    return askFor('ResourceGroups.get', () => client.resourceGroups.get(this.#name));
  }

  async #put(tags: Tags): Promise<void> {
    const { client } = await this.#connect();
    const body = { location: this.#region, tags: { ...tags } };
    await ask('ResourceGroups.createOrUpdate', () => client.resourceGroups.createOrUpdate(this.#name, body));
  }
}

function elsewhere(name: string, place: string): Error {
  const message = `The group "${name}" exists in ${place}`;
  const [operation, cloudCode] = ['ResourceGroups.createOrUpdate', 'InvalidResourceGroupLocation'];
  return cloudError({ cloud: 'azure', fault: 'refused', operation, cloudCode, message });
}
