/** Makes and removes virtual networks, each with a security group of its own: made before the network, removed after it. */

import { NetworkManagementClient } from '@azure/arm-network';
import type { NetworkSecurityGroup, VirtualNetwork } from '@azure/arm-network';
import type { JsonValue } from '../../../../core/ports.ts';
import { cloudError, notOwned } from '../../../../provisioning/cloud-errors.ts';
import type { CloudProvisioner, ProvisionContext } from '../../../../provisioning/provisioner.ts';
import type { Begun, Found, Outputs, ResourceKind, Tags } from '../../../../provisioning/resource-provisioner.ts';
import { ask, askFor, readiness } from '../../azure-calls.ts';
import { azureConnection } from '../../azure-clients.ts';
import type { Connection } from '../../azure-clients.ts';
import { asWritten, readGroupedName } from '../../azure-ids.ts';
import { askLong, azureLro, beginLong, pollerOf } from '../../azure-lro.ts';
import { isSameRegion } from '../../azure-regions.ts';
import { azureTags, azureProvisioner } from '../../azure-tags.ts';
import { vnet } from './definition.ts';
import type { VnetParams } from './definition.ts';
import { networkBody, securityGroupBody, settingsOf } from './settings.ts';

export function createVnetProvisioner(context: ProvisionContext): CloudProvisioner {
  return azureProvisioner(NetworkKind, context, (params) => vnet.stepsOf(params));
}

const PUT_NETWORK = 'VirtualNetworks.createOrUpdate';
const PUT_GROUP = 'NetworkSecurityGroups.createOrUpdate';
const READY = { everyMs: 2_000, timeoutMs: 900_000 };

class NetworkKind implements ResourceKind {
  readonly noun = 'network';
  readonly fixed = [];
  readonly taken = [];
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #connect: () => Promise<Connection<NetworkManagementClient>>;
  readonly #group: string;
  readonly #name: string;
  readonly #region: string;
  readonly #params: Partial<VnetParams>;

  constructor(context: ProvisionContext, id: string, params: Partial<VnetParams>) {
    const { group, name, region } = readGroupedName(id);
    this.#context = context;
    this.#connect = azureConnection(context, NetworkManagementClient);
    this.#group = asWritten(group, params.resourceGroup);
    this.#name = asWritten(name, params.networkName);
    this.#region = region;
    this.#params = params;
  }

  async find(): Promise<Found | undefined> {
    const network = await this.#network();
    // One elsewhere is not the one that the id names.
    if (network === undefined || !isSameRegion(network.location, this.#region)) return undefined;
    const settings = settingsOf(this.#params, network, await this.#securityGroup());
    const outputs = await this.#outputs();
    return { tags: network.tags ?? {}, outputs, settings, ...readiness(network.provisioningState) };
  }

  /** A security group whose network is gone, or was never made. */
  async remains(): Promise<Found | undefined> {
    const { tags = {} } = (await this.#securityGroup()) ?? {};
    return this.#isOurs(tags) ? { tags, outputs: {}, settings: {} } : undefined;
  }

  async prepare(tags: Tags): Promise<void> {
    const { transport } = await this.#connect();
    await azureLro(this.#context, transport, {
      name: 'create-security-group',
      operation: PUT_GROUP,
      begin: async () => {
        const [network, there] = [await this.#network(), await this.#securityGroup()];
        for (const each of [network, there]) if (each !== undefined) this.#check(each.tags ?? {});
        if (there !== undefined && readiness(there.provisioningState).problem === undefined) return undefined;
        return pollerOf(await this.#putSecurityGroup(tags));
      },
      resume: async (state) => pollerOf(await this.#putSecurityGroup(tags, state)),
    });
    const { steps } = this.#context;
    await steps.until('await-security-group', async () => this.#isUsable(await this.#securityGroup()), READY);
  }

  async create(tags: Tags): Promise<Begun | undefined> {
    const { transport } = await this.#connect();
    return beginLong(this.#context, transport, {
      operation: PUT_NETWORK,
      begin: async () => pollerOf(await this.#putNetwork(tags)),
    });
  }

  progress(handle: JsonValue): Promise<true | undefined> {
    return askLong(this.#context, handle, {
      operation: PUT_NETWORK,
      resume: async (state) => pollerOf(await this.#putNetwork({}, state)),
    });
  }

  async tag(tags: Tags): Promise<void> {
    const { client } = await this.#connect();
    const [group, body] = [this.#group, { tags: { ...tags } }];
    await ask('VirtualNetworks.updateTags', () => client.virtualNetworks.updateTags(group, this.#name, body));
    const { tags: others } = (await this.#securityGroup()) ?? {};
    if (others === undefined || !azureTags.isTenants(others, this.#context)) return;
    await ask('NetworkSecurityGroups.updateTags', () =>
      client.networkSecurityGroups.updateTags(group, this.#securityGroupName, body),
    );
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    const { transport } = await this.#connect();
    if (different.has('inbound'))
      await azureLro(this.#context, transport, {
        name: 'change-security-group',
        operation: PUT_GROUP,
        begin: async () => pollerOf(await this.#putSecurityGroup((await this.#securityGroup())?.tags ?? {})),
        resume: async (state) => pollerOf(await this.#putSecurityGroup({}, state)),
      });
    if (different.has('addressSpace') || different.has('subnets'))
      await azureLro(this.#context, transport, {
        name: 'change-network',
        operation: PUT_NETWORK,
        begin: async () => pollerOf(await this.#putNetwork((await this.#network())?.tags ?? {})),
        resume: async (state) => pollerOf(await this.#putNetwork({}, state)),
      });
  }

  async remove(): Promise<void> {
    const { client, transport } = await this.#connect();
    const { virtualNetworks: networks, networkSecurityGroups: groups } = client;
    await azureLro(this.#context, transport, {
      name: 'delete-network',
      operation: 'VirtualNetworks.delete',
      begin: async () =>
        (await this.#network()) === undefined
          ? undefined
          : pollerOf(await networks.beginDelete(this.#group, this.#name)),
      resume: async (resumeFrom) => pollerOf(await networks.beginDelete(this.#group, this.#name, { resumeFrom })),
    });
    const name = this.#securityGroupName;
    await azureLro(this.#context, transport, {
      name: 'delete-security-group',
      operation: 'NetworkSecurityGroups.delete',
      begin: async () =>
        (await this.remains()) === undefined ? undefined : pollerOf(await groups.beginDelete(this.#group, name)),
      resume: async (resumeFrom) => pollerOf(await groups.beginDelete(this.#group, name, { resumeFrom })),
    });
  }

  get #securityGroupName(): string {
    return `${this.#name}-nsg`;
  }

  /** @throws PlatformError `RESOURCE_NOT_OWNED` for tags of another tenant, or none. */
  #check(tags: Tags): void {
    if (azureTags.isTenants(tags, this.#context)) return;
    throw notOwned(this.#context.id, 'its tags do not name this tenant');
  }

  /** Whether it may be removed along. */
  #isOurs(tags: Tags): boolean {
    const context = this.#context;
    return context.isRollback === true ? azureTags.isMadeByRequest(tags, context) : azureTags.isTenants(tags, context);
  }

  #isUsable(securityGroup: NetworkSecurityGroup | undefined): true | undefined {
    const { isReady, problem } = readiness(securityGroup?.provisioningState);
    if (problem === undefined) return isReady || undefined;
    const [operation, cloudCode] = [PUT_GROUP, 'ProvisioningFailed'];
    throw cloudError({ cloud: 'azure', fault: 'refused', operation, cloudCode, message: problem });
  }

  async #network(): Promise<VirtualNetwork | undefined> {
    const { client } = await this.#connect();
    return askFor('VirtualNetworks.get', () => client.virtualNetworks.get(this.#group, this.#name));
  }

  async #securityGroup(): Promise<NetworkSecurityGroup | undefined> {
    const { client } = await this.#connect();
    const name = this.#securityGroupName;
    return askFor('NetworkSecurityGroups.get', () => client.networkSecurityGroups.get(this.#group, name));
  }

  /** @param resumeFrom - Asks how an earlier one is, instead. */
  async #putNetwork(tags: Tags, resumeFrom?: string) {
    const { client, subscription } = await this.#connect();
    const securityGroupId = this.#armId(subscription, 'networkSecurityGroups', this.#securityGroupName);
    const there = resumeFrom === undefined ? await this.#network() : undefined;
    const body = {
      ...networkBody(this.#params, securityGroupId, there),
      location: this.#region,
      tags: { ...tags },
    };
    const options = resumeFrom === undefined ? {} : { resumeFrom };
    return client.virtualNetworks.beginCreateOrUpdate(this.#group, this.#name, body, options);
  }

  async #putSecurityGroup(tags: Tags, resumeFrom?: string) {
    const { client } = await this.#connect();
    const body = { ...securityGroupBody(this.#params), location: this.#region, tags: { ...tags } };
    const options = resumeFrom === undefined ? {} : { resumeFrom };
    const name = this.#securityGroupName;
    return client.networkSecurityGroups.beginCreateOrUpdate(this.#group, name, body, options);
  }

  async #outputs(): Promise<Outputs> {
    const { subscription } = await this.#connect();
    return {
      networkName: this.#name,
      region: this.#region,
      armId: this.#armId(subscription, 'virtualNetworks', this.#name),
      securityGroupId: this.#armId(subscription, 'networkSecurityGroups', this.#securityGroupName),
    };
  }

  #armId(subscription: string, type: string, name: string): string {
    return `/subscriptions/${subscription}/resourceGroups/${this.#group}/providers/Microsoft.Network/${type}/${name}`;
  }
}
