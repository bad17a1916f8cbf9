/** Makes and removes virtual networks, each with a security group of its own: the group first, the network first away. */

import { NetworkManagementClient } from '@azure/arm-network';
import type { NetworkSecurityGroup, VirtualNetwork } from '@azure/arm-network';
import type { JsonValue } from '../../../../core/ports.ts';
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
import { readGroupedName } from '../../azure-ids.ts';
import type { GroupedName } from '../../azure-ids.ts';
import { azureLro, pollerOf } from '../../azure-lro.ts';
import type { Begun } from '../../azure-lro.ts';
import { asked, checkOwner, lookUp, refused, takeOver } from '../../azure-ownership.ts';
import type { Tagged } from '../../azure-ownership.ts';
import { GONE, READY, isFailed, isReady } from '../../azure-ready.ts';
import { DEFAULT_REGION } from '../../azure-regions.ts';
import { adoptedTags, azureTags, isTenants } from '../../azure-tags.ts';
import type { Tags } from '../../azure-tags.ts';
import { vnet, vnetParams } from './definition.ts';
import { differencesOf, networkBody, securityGroupBody } from './settings.ts';
import type { VnetParams } from './definition.ts';

export function createVnetProvisioner(context: ProvisionContext): CloudProvisioner {
  return new VnetProvisioner(context);
}

interface Connection extends ClientParts {
  readonly client: NetworkManagementClient;
}

interface Provisioned extends Tagged {
  readonly provisioningState?: string | undefined;
}

type Poller = Awaited<ReturnType<NetworkManagementClient['virtualNetworks']['beginDelete']>>;
type AnyPoller = Pick<Poller, 'isDone' | 'toString'>;
interface Asking {
  readonly abortSignal: AbortSignal;
  readonly resumeFrom?: string;
}

/** One of the two things that make up a network here. */
interface Part {
  /** In step names: `network`. */
  readonly word: string;
  readonly at: GroupedName;
  /** In Azure's words: `VirtualNetworks`. */
  readonly operations: string;
  get(signal: AbortSignal): Promise<Provisioned | undefined>;
  put(tags: Tags, asking: Asking): Promise<AnyPoller>;
  delete(asking: Asking): Promise<AnyPoller>;
}

class VnetProvisioner implements CloudProvisioner {
  readonly #context: ProvisionContext;
  readonly #tags: Tags;
  #connecting: Promise<Connection> | undefined;

  constructor(context: ProvisionContext) {
    this.#context = context;
    this.#tags = azureTags(context.ownership, context.userTags);
  }

  async provision(input: ProvisionRequest): Promise<ProvisionResponse> {
    const params = vnetParams.parse(input.params);
    const { securityGroup, network } = await this.#parts(placeOf(params), params, regionOf(input, params));
    await this.#make(securityGroup, regionOf(input, params));
    const isAdopted = await this.#make(network, regionOf(input, params));
    return { status: 'provisioned', id: this.#context.id, outputs: await this.#outputsOf(placeOf(params)), isAdopted };
  }

  async destroy(id: string): Promise<DeprovisionResponse> {
    const { securityGroup, network } = await this.#parts(readGroupedName(id));
    await this.#remove(network);
    await this.#remove(securityGroup);
    return { status: 'deprovisioned', id };
  }

  async plan(input: ProvisionRequest): Promise<PlannedChange> {
    const params = vnetParams.parse(input.params);
    const { id, signal } = this.#context;
    const there = await this.#network(placeOf(params), signal);
    if (there === undefined) return { id, change: 'create', steps: vnet.stepsOf(input.params) };
    takeOver(params.networkName, there, { context: this.#context, region: regionOf(input, params) });
    const differences = differencesOf(params, there, await this.#securityGroup(placeOf(params), signal));
    if (Object.keys(differences).length === 0) return { id, change: 'adopt', steps: [] };
    return { id, change: 'update', steps: ['update-security-group', 'update-network'], differences };
  }

  async read(id: string): Promise<ResourceState | undefined> {
    const at = readGroupedName(id);
    const there = await this.#network(at, this.#context.signal);
    if (there === undefined) return undefined;
    const tags = there.tags ?? {};
    return { id, outputs: await this.#outputsOf(at), isOwned: isTenants(tags, this.#context.request.tenant), tags };
  }

  async update(id: string, input: ProvisionRequest): Promise<ProvisionResponse> {
    const params = vnetParams.parse(input.params);
    const { securityGroup, network } = await this.#parts(placeOf(params), params, regionOf(input, params));
    await this.#change('update-security-group', securityGroup);
    await this.#change('update-network', network);
    return { status: 'provisioned', id, outputs: await this.#outputsOf(placeOf(params)), isAdopted: false };
  }

  /** Tags alone change: the body is what there is. */
  async adopt(input: ProvisionRequest): Promise<ProvisionResponse | undefined> {
    const params = vnetParams.parse(input.params);
    const at = placeOf(params);
    if ((await this.#network(at, this.#context.signal)) === undefined) return undefined;
    const { client } = await this.#connect();
    await this.#context.steps.run('tag-network', async ({ signal }) => {
      const there = await this.#network(at, signal);
      if (there === undefined) throw absent(at.name);
      checkOwner(at.name, there, this.#context.request.tenant);
      const tags = { ...adoptedTags(this.#tags, there.tags ?? {}) };
      await asked('VirtualNetworks.updateTags', () =>
        client.virtualNetworks.updateTags(at.group, at.name, { tags }, { abortSignal: signal }),
      );
      return null;
    });
    return { status: 'provisioned', id: this.#context.id, outputs: await this.#outputsOf(at), isAdopted: true };
  }

  /** @returns whether it was there before this job. */
  async #make(part: Part, region: string): Promise<boolean> {
    const { transport } = await this.#connect();
    const begin = async (abortSignal: AbortSignal): Promise<Begun<boolean>> => {
      const there = await part.get(abortSignal);
      const isAdopted = there !== undefined && takeOver(part.at.name, there, { context: this.#context, region });
      if (there !== undefined && !isFailed(there.provisioningState)) return { value: isAdopted };
      return { poller: pollerOf(await part.put(this.#tags, { abortSignal })), value: isAdopted };
    };
    const isAdopted = await azureLro<boolean>(this.#context, transport, {
      name: `create-${part.word}`,
      operation: `${part.operations}.createOrUpdate`,
      begin,
      resume: async (resumeFrom, abortSignal) => pollerOf(await part.put(this.#tags, { resumeFrom, abortSignal })),
    });
    await this.#untilReady(part);
    return isAdopted;
  }

  async #change(step: string, part: Part): Promise<void> {
    const { transport } = await this.#connect();
    let tags = this.#tags;
    await azureLro<null>(this.#context, transport, {
      name: step,
      operation: `${part.operations}.createOrUpdate`,
      begin: async (abortSignal) => {
        const there = await part.get(abortSignal);
        if (there === undefined) throw absent(part.at.name);
        checkOwner(part.at.name, there, this.#context.request.tenant);
        tags = adoptedTags(this.#tags, there.tags ?? {});
        return { poller: pollerOf(await part.put(tags, { abortSignal })), value: null };
      },
      resume: async (resumeFrom, abortSignal) => pollerOf(await part.put(tags, { resumeFrom, abortSignal })),
    });
    await this.#untilReady(part);
  }

  async #remove(part: Part): Promise<void> {
    const { transport } = await this.#connect();
    await azureLro<null>(this.#context, transport, {
      name: `delete-${part.word}`,
      operation: `${part.operations}.delete`,
      begin: async (abortSignal) => {
        const there = await part.get(abortSignal);
        if (there === undefined) return { value: null };
        checkOwner(part.at.name, there, this.#context.request.tenant);
        return { poller: pollerOf(await part.delete({ abortSignal })), value: null };
      },
      resume: async (resumeFrom, abortSignal) => pollerOf(await part.delete({ resumeFrom, abortSignal })),
    });
    const isGone = async (signal: AbortSignal): Promise<boolean> => (await part.get(signal)) === undefined;
    const { steps } = this.#context;
    await steps.until(`${part.word}-gone`, async ({ signal }) => (await isGone(signal)) || undefined, GONE);
  }

  async #untilReady(part: Part): Promise<void> {
    await this.#context.steps.until(
      `${part.word}-ready`,
      async ({ signal }) => isReady(part.at.name, (await part.get(signal))?.provisioningState),
      READY,
    );
  }

  /** @param params - Absent where nothing is put. */
  async #parts(
    at: GroupedName,
    params?: VnetParams,
    region = DEFAULT_REGION,
  ): Promise<{ readonly securityGroup: Part; readonly network: Part }> {
    const { client, subscription } = await this.#connect();
    const { networkSecurityGroups, virtualNetworks } = client;
    const group = { group: at.group, name: securityGroupName(at.name) };
    const groupId = armId(subscription, 'networkSecurityGroups', group);
    const securityGroup: Part = {
      word: 'security-group',
      at: group,
      operations: 'NetworkSecurityGroups',
      get: (signal) => this.#securityGroup(at, signal),
      put: (tags, asking) => {
        const body = { ...securityGroupBody(params), location: region, tags: { ...tags } };
        return networkSecurityGroups.beginCreateOrUpdate(group.group, group.name, body, asking);
      },
      delete: (asking) => networkSecurityGroups.beginDelete(group.group, group.name, asking),
    };
    const network: Part = {
      word: 'network',
      at,
      operations: 'VirtualNetworks',
      get: (signal) => this.#network(at, signal),
      put: async (tags, asking) => {
        const there = asking.resumeFrom === undefined ? await this.#network(at, asking.abortSignal) : undefined;
        const body = { ...networkBody(params, groupId, there), location: region, tags: { ...tags } };
        return virtualNetworks.beginCreateOrUpdate(at.group, at.name, body, asking);
      },
      delete: (asking) => virtualNetworks.beginDelete(at.group, at.name, asking),
    };
    return { securityGroup, network };
  }

  async #network({ group, name }: GroupedName, abortSignal: AbortSignal): Promise<VirtualNetwork | undefined> {
    const { client } = await this.#connect();
    return lookUp('VirtualNetworks.get', () => client.virtualNetworks.get(group, name, { abortSignal }));
  }

  async #securityGroup(at: GroupedName, abortSignal: AbortSignal): Promise<NetworkSecurityGroup | undefined> {
    const { client } = await this.#connect();
    const name = securityGroupName(at.name);
    return lookUp('NetworkSecurityGroups.get', () => client.networkSecurityGroups.get(at.group, name, { abortSignal }));
  }

  async #outputsOf(at: GroupedName): Promise<Readonly<Record<string, JsonValue>>> {
    const { subscription } = await this.#connect();
    const securityGroup = { group: at.group, name: securityGroupName(at.name) };
    return {
      networkName: at.name,
      armId: armId(subscription, 'virtualNetworks', at),
      securityGroupId: armId(subscription, 'networkSecurityGroups', securityGroup),
    };
  }

  #connect(): Promise<Connection> {
    this.#connecting ??= clientParts(this.#context).then((parts) => ({
      ...parts,
      client: new NetworkManagementClient(parts.credential, parts.subscription, parts.options),
    }));
    return this.#connecting;
  }
}

function securityGroupName(network: string): string {
  return `${network}-nsg`;
}

function armId(subscription: string, type: string, { group, name }: GroupedName): string {
  return `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Network/${type}/${name}`;
}

function placeOf({ resourceGroup, networkName }: VnetParams): GroupedName {
  return { group: resourceGroup, name: networkName };
}

function regionOf(input: ProvisionRequest, params: VnetParams): string {
  return input.region ?? params.region ?? DEFAULT_REGION;
}

function absent(name: string): Error {
  return refused('VirtualNetworks.get', 'ResourceNotFound', `There is no "${name}"`);
}
