/**
 * Makes and removes networks. EC2 has no unique names, so each part carries the resource's id and its own place in it as
 * tags from the moment it is made, and is looked for by them before it is made and to be removed.
 */

import {
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateInternetGatewayCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateTagsCommand,
  CreateVpcCommand,
  DescribeAvailabilityZonesCommand,
  EC2Client,
  ModifyVpcAttributeCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2';
import type { ResourceType, TagSpecification } from '@aws-sdk/client-ec2';
import type { JsonValue } from '../../../../core/ports.ts';
import { notOwned } from '../../../../provisioning/cloud-errors.ts';
import type { ProvisionContext, ProvisionRequest, StepAttempt } from '../../../../provisioning/provisioner.ts';
import type {
  CreateProvisioner,
  Found,
  Outputs,
  ResourceKind,
  Tags,
} from '../../../../provisioning/resource-provisioner.ts';
import { ask, askFor, unseen } from '../../cloud-call.ts';
import { clientSettings } from '../../job-clients.ts';
import { RESOURCE_TAG, awsProvisioner, isTenants, tagList, tagsOfList } from '../../ownership.ts';
import { placeOf } from '../../regions.ts';
import type { VpcParams } from './definition.ts';
import { inOrderOf, permissionsOf, ruleKey, rulesOf } from './ingress.ts';
import { isPublic, sixteenth, subnetNames, zoneFor } from './layout.ts';
import { EVERYWHERE, PART_TAG, leadsOut, partName, partsOf } from './parts.ts';
import type { PartKind, Parts } from './parts.ts';
import { removeNetwork } from './removal.ts';
import type { Removal } from './removal.ts';

type Params = ProvisionRequest['params'];

/** On the network: how many subnets it is to have, so that one that was left half-made is told from a whole one. */
const SUBNETS_TAG = 'subnets';

export const createNetwork: CreateProvisioner = (context, stepsOf) => awsProvisioner(NetworkKind, context, stepsOf);

class NetworkKind implements ResourceKind {
  readonly noun = 'network';
  readonly fixed = ['cidr', 'publicSubnets', 'privateSubnets'];
  readonly taken = [];
  /** Nobody else makes one with these tags; whether this request did already is looked up. */
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #client: EC2Client;
  readonly #id: string;
  readonly #name: string;
  readonly #params: VpcParams;

  constructor(context: ProvisionContext, id: string, params: Params) {
    const { name, region } = placeOf(id);
    this.#context = context;
    this.#id = id;
    this.#name = name;
    // Complete wherever they are used: a removal needs none.
    this.#params = params as unknown as VpcParams;
    this.#client = new EC2Client(clientSettings(context, region));
  }

  async find(): Promise<Found | undefined> {
    const parts = await this.#parts();
    const [vpc] = parts.vpcs;
    if (vpc === undefined) return undefined;
    const tags = tagsOfList(vpc.Tags);
    const [publicSubnets = 0, privateSubnets = 0] = (tags[SUBNETS_TAG] ?? '').split(' ').map(Number);
    const [group] = parts.groups;
    const settings = {
      cidr: vpc.CidrBlock ?? '',
      publicSubnets,
      privateSubnets,
      ingress: group === undefined ? [] : (inOrderOf(rulesOf(group), this.#params.ingress ?? []) as JsonValue),
    };
    return { tags, outputs: outputsOf(parts), settings, problem: problemOf(parts, { publicSubnets, privateSubnets }) };
  }

  /** A gateway stands beside its network, and outlives it when a removal dies in between. */
  async remains(): Promise<Found | undefined> {
    const [gateway] = (await this.#parts(['gateways'])).gateways;
    return gateway === undefined ? undefined : { tags: tagsOfList(gateway.Tags), outputs: {}, settings: {} };
  }

  #parts(wanted?: readonly PartKind[]): Promise<Parts> {
    return partsOf(this.#client, this.#id, wanted);
  }

  async create(tags: Tags): Promise<undefined> {
    if ((await this.#parts(['vpcs'])).vpcs.length > 0) return;
    const { cidr, publicSubnets, privateSubnets } = this.#params;
    const more = { ...tags, [SUBNETS_TAG]: `${publicSubnets} ${privateSubnets}` };
    const TagSpecifications = this.#tagged('vpc', 'network', more);
    await ask('CreateVpc', () => this.#client.send(new CreateVpcCommand({ CidrBlock: cidr, TagSpecifications })));
  }

  #tagged(ResourceType: ResourceType, part: string, tags: Tags): TagSpecification[] {
    const Name = part === 'network' ? this.#name : `${this.#name}-${part}`;
    return [{ ResourceType, Tags: tagList({ ...tags, Name, [RESOURCE_TAG]: this.#id, [PART_TAG]: part }) }];
  }

  async complete(tags: Tags): Promise<void> {
    const { steps } = this.#context;
    await steps.run('name-hosts', async () => {
      const VpcId = (await this.#vpc()).VpcId;
      const EnableDnsHostnames = { Value: true };
      await ask('ModifyVpcAttribute', () =>
        this.#client.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsHostnames })),
      );
      return null;
    });
    for (const [index, name] of subnetNames(this.#params).entries())
      await steps.run(`create-${name}`, () => this.#createSubnet(name, index, tags));
    if (this.#params.publicSubnets > 0) await this.#openWay(tags);
    await steps.run('create-security-group', () => this.#createGroup(tags));
    if (this.#params.ingress.length > 0) await this.#setIngress();
  }

  /** The network, and its parts of the kinds named. @throws PlatformError `CLOUD_UNAVAILABLE` while EC2 does not show it yet. */
  async #vpc(...wanted: readonly PartKind[]): Promise<{ readonly VpcId: string; readonly parts: Parts }> {
    const parts = await this.#parts(['vpcs', ...wanted]);
    const VpcId = parts.vpcs[0]?.VpcId;
    if (VpcId === undefined) throw unseen('network');
    const stranger = [...parts.vpcs, ...parts.gateways].find(({ Tags }) => !isTenants(tagsOfList(Tags), this.#context));
    if (stranger !== undefined) throw notOwned(this.#id, `its ${partName(stranger)} is tagged with another tenant`);
    return { VpcId, parts };
  }

  async #createSubnet(name: string, index: number, tags: Tags): Promise<null> {
    const { VpcId, parts } = await this.#vpc('subnets');
    if (parts.subnets.some((subnet) => partName(subnet) === name)) return null;
    const zones = await ask('DescribeAvailabilityZones', () =>
      this.#client.send(
        new DescribeAvailabilityZonesCommand({ Filters: [{ Name: 'zone-type', Values: ['availability-zone'] }] }),
      ),
    );
    const AvailabilityZone = zoneFor(
      name,
      (zones.AvailabilityZones ?? []).flatMap(({ ZoneName }) => ZoneName ?? []),
    );
    const CidrBlock = sixteenth(this.#params.cidr, index);
    const TagSpecifications = this.#tagged('subnet', name, tags);
    await ask('CreateSubnet', () =>
      this.#client.send(new CreateSubnetCommand({ VpcId, CidrBlock, AvailabilityZone, TagSpecifications })),
    );
    return null;
  }

  async #openWay(tags: Tags): Promise<void> {
    const { steps } = this.#context;
    await steps.run('create-internet-gateway', async () => {
      if ((await this.#vpc('gateways')).parts.gateways.length > 0) return null;
      const TagSpecifications = this.#tagged('internet-gateway', 'internet-gateway', tags);
      await ask('CreateInternetGateway', () =>
        this.#client.send(new CreateInternetGatewayCommand({ TagSpecifications })),
      );
      return null;
    });
    await steps.run('attach-internet-gateway', () => this.#attach());
    await steps.run('create-route-table', (attempt) => this.#createTable(tags, attempt));
    await steps.run('route-subnets', () => this.#route());
  }

  async #attach(): Promise<null> {
    const { VpcId, parts } = await this.#vpc('gateways');
    const [gateway] = parts.gateways;
    if (gateway === undefined) throw unseen('internet gateway');
    const { InternetGatewayId, Attachments = [] } = gateway;
    if (Attachments.length === 0)
      await ask('AttachInternetGateway', () =>
        this.#client.send(new AttachInternetGatewayCommand({ InternetGatewayId, VpcId })),
      );
    return null;
  }

  async #createTable(tags: Tags, { token }: StepAttempt): Promise<null> {
    const { VpcId, parts } = await this.#vpc('tables');
    if (parts.tables.length > 0) return null;
    const TagSpecifications = this.#tagged('route-table', 'route-table', tags);
    await ask('CreateRouteTable', () =>
      this.#client.send(new CreateRouteTableCommand({ VpcId, ClientToken: token, TagSpecifications })),
    );
    return null;
  }

  async #route(): Promise<null> {
    const { parts } = await this.#vpc('tables', 'gateways', 'subnets');
    const [table, gateway] = [parts.tables[0], parts.gateways[0]];
    const [RouteTableId, GatewayId] = [table?.RouteTableId, gateway?.InternetGatewayId];
    if (table === undefined || GatewayId === undefined) throw unseen('route table');
    if (!leadsOut(table, GatewayId))
      await askFor('CreateRoute', ['RouteAlreadyExists'], () =>
        this.#client.send(new CreateRouteCommand({ RouteTableId, DestinationCidrBlock: EVERYWHERE, GatewayId })),
      );
    const there = (table.Associations ?? []).map(({ SubnetId }) => SubnetId);
    for (const subnet of parts.subnets.filter((each) => isPublic(partName(each)))) {
      const { SubnetId } = subnet;
      if (!there.includes(SubnetId))
        await askFor('AssociateRouteTable', ['Resource.AlreadyAssociated'], () =>
          this.#client.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId })),
        );
    }
    return null;
  }

  async #createGroup(tags: Tags): Promise<null> {
    const { VpcId, parts } = await this.#vpc('groups');
    if (parts.groups.length > 0) return null;
    const input = {
      VpcId,
      GroupName: this.#name,
      Description: `What is let into the network ${this.#name}`,
      TagSpecifications: this.#tagged('security-group', 'security-group', tags),
    };
    await askFor('CreateSecurityGroup', ['InvalidGroup.Duplicate'], () =>
      this.#client.send(new CreateSecurityGroupCommand(input)),
    );
    return null;
  }

  /** The rules of the parameters, and no others. */
  async #setIngress(): Promise<void> {
    await this.#context.steps.run('set-ingress', async () => {
      const [group] = (await this.#vpc('groups')).parts.groups;
      if (group === undefined) throw unseen('security group');
      const { GroupId } = group;
      const found = rulesOf(group);
      const [there, wanted] = [found.map(ruleKey), this.#params.ingress.map(ruleKey)];
      const added = permissionsOf(this.#params.ingress.filter((rule) => !there.includes(ruleKey(rule))));
      const removed = permissionsOf(found.filter((rule) => !wanted.includes(ruleKey(rule))));
      if (added.length > 0)
        await ask('AuthorizeSecurityGroupIngress', () =>
          this.#client.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: added })),
        );
      if (removed.length > 0)
        await ask('RevokeSecurityGroupIngress', () =>
          this.#client.send(new RevokeSecurityGroupIngressCommand({ GroupId, IpPermissions: removed })),
        );
      return null;
    });
  }

  /** Every part; what tells the parts from each other stays. */
  async tag(tags: Tags): Promise<void> {
    const own = new Set([RESOURCE_TAG, PART_TAG, SUBNETS_TAG, 'Name']);
    const common = Object.fromEntries(Object.entries(tags).filter(([key]) => !own.has(key)));
    const { vpcs, subnets, gateways, tables, groups } = await this.#parts();
    const Resources = [
      ...vpcs.map(({ VpcId }) => VpcId),
      ...subnets.map(({ SubnetId }) => SubnetId),
      ...gateways.map(({ InternetGatewayId }) => InternetGatewayId),
      ...tables.map(({ RouteTableId }) => RouteTableId),
      ...groups.map(({ GroupId }) => GroupId),
    ].filter((id) => id !== undefined);
    await ask('CreateTags', () => this.#client.send(new CreateTagsCommand({ Resources, Tags: tagList(common) })));
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    if (different.has('ingress')) await this.#setIngress();
  }

  async remove(): Promise<void> {
    const { steps } = this.#context;
    const isOurs: Removal['isOurs'] = ({ Tags }) => isTenants(tagsOfList(Tags), this.#context);
    await removeNetwork({ client: this.#client, steps, isOurs, find: (kind) => this.#parts([kind]) });
  }
}

function outputsOf({ vpcs, subnets, gateways, tables, groups }: Parts): Outputs {
  const idsOf = (isWanted: (name: string) => boolean): string[] =>
    subnets.filter((subnet) => isWanted(partName(subnet))).flatMap(({ SubnetId }) => SubnetId ?? []);
  return {
    vpcId: vpcs[0]?.VpcId ?? '',
    cidr: vpcs[0]?.CidrBlock ?? '',
    subnetIds: idsOf(() => true),
    publicSubnetIds: idsOf(isPublic),
    privateSubnetIds: idsOf((name) => !isPublic(name)),
    securityGroupId: groups[0]?.GroupId ?? null,
    internetGatewayId: gateways[0]?.InternetGatewayId ?? null,
    routeTableId: tables[0]?.RouteTableId ?? null,
  };
}

/** What a request that died has left out; whoever comes later does not take that for a network. */
function problemOf(
  { subnets, gateways, tables, groups }: Parts,
  counts: { readonly publicSubnets: number; readonly privateSubnets: number },
): string | undefined {
  const isWhole = subnetNames(counts).every((name) => subnets.some((subnet) => partName(subnet) === name));
  const leads =
    counts.publicSubnets === 0 || tables.some((table) => leadsOut(table, gateways[0]?.InternetGatewayId ?? ''));
  if (isWhole && leads && groups.length > 0) return undefined;
  return 'parts of the network are missing: the request that began it has not finished. Destroy it and provision it anew';
}
