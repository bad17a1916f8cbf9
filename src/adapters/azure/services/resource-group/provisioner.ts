/** Makes and removes resource groups. Removing one takes everything in it along, so only empty ones are removed. */

import { ResourceManagementClient } from '@azure/arm-resources';
import type { ResourceGroup } from '@azure/arm-resources';
import type { JsonValue } from '../../../../core/ports.ts';
import { parseResourceId } from '../../../../provisioning/provisioner.ts';
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
import { azureLro, pollerOf } from '../../azure-lro.ts';
import { asked, checkOwner, lookUp, refused, takeOver } from '../../azure-ownership.ts';
import { DEFAULT_REGION } from '../../azure-regions.ts';
import { adoptedTags, azureTags, isTenants } from '../../azure-tags.ts';
import type { Tags } from '../../azure-tags.ts';
import { resourceGroupParams } from './definition.ts';

const GONE = { everyMs: 5_000, timeoutMs: 600_000 };
/** How many of the things in a group an error names. */
const NAMED = 5;

export function createResourceGroupProvisioner(context: ProvisionContext): CloudProvisioner {
  return new ResourceGroupProvisioner(context);
}

interface Connection extends ClientParts {
  readonly client: ResourceManagementClient;
}

class ResourceGroupProvisioner implements CloudProvisioner {
  readonly #context: ProvisionContext;
  readonly #tags: Tags;
  #connecting: Promise<Connection> | undefined;

  constructor(context: ProvisionContext) {
    this.#context = context;
    this.#tags = azureTags(context.ownership, context.userTags);
  }

  async provision(input: ProvisionRequest): Promise<ProvisionResponse> {
    const { resourceGroupName: name, region = DEFAULT_REGION } = resourceGroupParams.parse(input.params);
    const context = this.#context;
    const location = input.region ?? region;
    const isAdopted = await context.steps.run('create-resource-group', async ({ signal }) => {
      const there = await this.#get(name, signal);
      if (there !== undefined) return takeOver(name, there, { context, region: location });
      await this.#put(name, { location, tags: this.#tags }, signal);
      return false;
    });
    return { status: 'provisioned', id: context.id, outputs: await this.#outputsOf(name), isAdopted };
  }

  async destroy(id: string): Promise<DeprovisionResponse> {
    const name = nameIn(id);
    const { client, transport } = await this.#connect();
    await azureLro(this.#context, transport, {
      name: 'delete-resource-group',
      operation: 'ResourceGroups.delete',
      begin: async (abortSignal) => {
        const there = await this.#get(name, abortSignal);
        if (there === undefined) return { value: null };
        checkOwner(name, there, this.#context.request.tenant);
        if (there.properties?.provisioningState !== 'Deleting') await this.#checkEmpty(name, abortSignal);
        return { poller: pollerOf(await client.resourceGroups.beginDelete(name, { abortSignal })), value: null };
      },
      resume: async (resumeFrom, abortSignal) =>
        pollerOf(await client.resourceGroups.beginDelete(name, { resumeFrom, abortSignal })),
    });
    const { steps } = this.#context;
    const isGone = async (signal: AbortSignal): Promise<boolean> => (await this.#get(name, signal)) === undefined;
    await steps.until('resource-group-gone', async ({ signal }) => (await isGone(signal)) || undefined, GONE);
    return { status: 'deprovisioned', id };
  }

  async plan(input: ProvisionRequest): Promise<PlannedChange> {
    const { resourceGroupName: name, region = DEFAULT_REGION } = resourceGroupParams.parse(input.params);
    const context = this.#context;
    const there = await this.#get(name, context.signal);
    if (there === undefined) return { id: context.id, change: 'create', steps: ['create-resource-group'] };
    takeOver(name, there, { context, region: input.region ?? region });
    return { id: context.id, change: 'adopt', steps: [] };
  }

  async read(id: string): Promise<ResourceState | undefined> {
    const name = nameIn(id);
    const there = await this.#get(name, this.#context.signal);
    if (there === undefined) return undefined;
    const tags = there.tags ?? {};
    const isOwned = isTenants(tags, this.#context.request.tenant);
    return { id, outputs: await this.#outputsOf(name), isOwned, tags };
  }

  /** A group has nothing but its tags that could change. */
  async update(id: string, input: ProvisionRequest): Promise<ProvisionResponse> {
    const { resourceGroupName: name } = resourceGroupParams.parse(input.params);
    await this.#tag('update-resource-group', name);
    return { status: 'provisioned', id, outputs: await this.#outputsOf(name), isAdopted: false };
  }

  async adopt(input: ProvisionRequest): Promise<ProvisionResponse | undefined> {
    const { resourceGroupName: name } = resourceGroupParams.parse(input.params);
    if ((await this.#get(name, this.#context.signal)) === undefined) return undefined;
    await this.#tag('tag-resource-group', name);
    return { status: 'provisioned', id: this.#context.id, outputs: await this.#outputsOf(name), isAdopted: true };
  }

  async #tag(step: string, name: string): Promise<void> {
    await this.#context.steps.run(step, async ({ signal }) => {
      const there = await this.#get(name, signal);
      if (there === undefined)
        throw refused('ResourceGroups.get', 'ResourceGroupNotFound', `There is no group "${name}"`);
      checkOwner(name, there, this.#context.request.tenant);
      await this.#put(name, { location: there.location, tags: adoptedTags(this.#tags, there.tags ?? {}) }, signal);
      return null;
    });
  }

  async #checkEmpty(name: string, abortSignal: AbortSignal): Promise<void> {
    const { client } = await this.#connect();
    const within = await asked('Resources.listByResourceGroup', async () => {
      const names: string[] = [];
      for await (const resource of client.resources.listByResourceGroup(name, { abortSignal })) {
        if (names.push(resource.name ?? '?') >= NAMED) break;
      }
      return names;
    });
    if (within.length === 0) return;
    const message = `The group "${name}" holds ${within.join(', ')}, which would be removed with it`;
    throw refused('ResourceGroups.delete', 'ResourceGroupNotEmpty', message);
  }

  async #get(name: string, abortSignal: AbortSignal): Promise<ResourceGroup | undefined> {
    const { client } = await this.#connect();
    return lookUp('ResourceGroups.get', () => client.resourceGroups.get(name, { abortSignal }));
  }

  async #put(name: string, group: { location: string; tags: Tags }, abortSignal: AbortSignal): Promise<void> {
    const { client } = await this.#connect();
    const body = { location: group.location, tags: { ...group.tags } };
    await asked('ResourceGroups.createOrUpdate', () =>
      client.resourceGroups.createOrUpdate(name, body, { abortSignal }),
    );
  }

  async #outputsOf(name: string): Promise<Readonly<Record<string, JsonValue>>> {
    const { subscription } = await this.#connect();
    return { resourceGroupName: name, armId: `/subscriptions/${subscription}/resourceGroups/${name}` };
  }

  #connect(): Promise<Connection> {
    this.#connecting ??= clientParts(this.#context).then((parts) => ({
      ...parts,
      client: new ResourceManagementClient(parts.credential, parts.subscription, parts.options),
    }));
    return this.#connecting;
  }
}

function nameIn(id: string): string {
  return parseResourceId(id)?.name ?? id;
}
