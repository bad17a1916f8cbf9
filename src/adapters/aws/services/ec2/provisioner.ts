/**
 * Makes and removes instances. A launch carries the step's token, so that however often it is sent there is one machine;
 * machine and address carry the resource's id as a tag, by which they are found again.
 */

import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  CreateTagsCommand,
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DisassociateAddressCommand,
  EC2Client,
  ModifyInstanceAttributeCommand,
  ReleaseAddressCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import type { Address, Instance, ResourceType, RunInstancesCommandInput, TagSpecification } from '@aws-sdk/client-ec2';
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
import { RESOURCE_TAG, awsProvisioner, awsTagForm, isTenants, tagList, tagsOfList } from '../../ownership.ts';
import { placeOf } from '../../regions.ts';
import { untilFree } from '../../until-free.ts';
import type { Ec2Params } from './definition.ts';
import { chooseImage, chooseSubnet, refused } from './placement.ts';
import type { ChosenImage, ChosenSubnet } from './placement.ts';

type Params = ProvisionRequest['params'];

const STARTED = { everyMs: 2_000, timeoutMs: 600_000 };
/** A terminated instance is listed for an hour more. */
const LIVE = ['pending', 'running', 'stopping', 'stopped', 'shutting-down'];
const NO_INSTANCE = ['InvalidInstanceID.NotFound'];
const NO_ADDRESS = ['InvalidAllocationID.NotFound', 'InvalidAssociationID.NotFound'];

export const createInstance: CreateProvisioner = (context, stepsOf) => awsProvisioner(InstanceKind, context, stepsOf);

class InstanceKind implements ResourceKind {
  readonly noun = 'instance';
  readonly fixed = ['instanceType', 'imageId', 'subnetId'];
  readonly taken = [];
  /** The token makes sure of it. */
  readonly isCreateExclusive = true;
  readonly #context: ProvisionContext;
  readonly #client: EC2Client;
  readonly #id: string;
  readonly #name: string;
  readonly #params: Ec2Params;
  #chosen: { readonly image: ChosenImage; readonly subnet: ChosenSubnet } | undefined;

  constructor(context: ProvisionContext, id: string, params: Params) {
    const { name, region } = placeOf(id);
    this.#context = context;
    this.#id = id;
    this.#name = name;
    // Complete wherever they are used: a removal needs none.
    this.#params = params as unknown as Ec2Params;
    this.#client = new EC2Client(clientSettings(context, region));
  }

  async find(): Promise<Found | undefined> {
    const [instances, address] = await Promise.all([this.#instances(LIVE), this.#address()]);
    const [instance] = instances;
    if (instance === undefined) return undefined;
    const tags = tagsOfList(instance.Tags);
    const state = instance.State?.Name;
    const outputs = outputsOf(instance, address);
    if (state === 'shutting-down') return { tags, outputs, settings: {}, isEnding: true };
    const isAssociated = address?.InstanceId === instance.InstanceId;
    const groups = (instance.SecurityGroups ?? []).flatMap(({ GroupId }) => GroupId ?? []);
    const securityGroupIds = this.#params.securityGroupIds ?? [];
    const settings = {
      instanceType: instance.InstanceType ?? '',
      imageId: instance.ImageId ?? '',
      subnetId: instance.SubnetId ?? '',
      publicAddress: isAssociated,
      ...(securityGroupIds.length === 0 ? {} : { securityGroupIds: inOrderOf(groups, securityGroupIds) }),
    };
    return { tags, outputs, settings, isReady: state === 'running' };
  }

  /** An address outlives its instance when a removal dies in between. */
  async remains(): Promise<Found | undefined> {
    const address = await this.#address();
    return address === undefined ? undefined : { tags: tagsOfList(address.Tags), outputs: {}, settings: {} };
  }

  async #instances(states: readonly string[]): Promise<Instance[]> {
    const Filters = [
      { Name: `tag:${RESOURCE_TAG}`, Values: [this.#id] },
      { Name: 'instance-state-name', Values: [...states] },
    ];
    const { Reservations = [] } = await ask('DescribeInstances', () =>
      this.#client.send(new DescribeInstancesCommand({ Filters })),
    );
    const found = Reservations.flatMap(({ Instances = [] }) => Instances);
    // One that is going comes last: there may be a new one already.
    return found.toSorted((one, other) => Number(isGoing(one)) - Number(isGoing(other)));
  }

  async #address(): Promise<Address | undefined> {
    const Filters = [{ Name: `tag:${RESOURCE_TAG}`, Values: [this.#id] }];
    const { Addresses = [] } = await ask('DescribeAddresses', () =>
      this.#client.send(new DescribeAddressesCommand({ Filters })),
    );
    return Addresses[0];
  }

  async prepare(): Promise<void> {
    const { steps } = this.#context;
    const image = await steps.run('choose-image', () => chooseImage(this.#client, this.#params));
    const subnet = await steps.run('choose-subnet', () => chooseSubnet(this.#client, this.#params, this.#context));
    this.#chosen = { image, subnet };
  }

  async create(tags: Tags, { token }: StepAttempt): Promise<undefined> {
    const input = this.#launch(tags, token);
    await ask('RunInstances', () => this.#client.send(new RunInstancesCommand(input)));
  }

  /** Metadata is told only to whoever proves that he is on the machine; disks are encrypted. */
  #launch(tags: Tags, ClientToken: string): RunInstancesCommandInput {
    const { instanceType, volumeGb, keyName } = this.#params;
    const { image, subnet } = this.#chosen ?? { image: undefined, subnet: undefined };
    const Ebs = { Encrypted: true, VolumeSize: volumeGb, VolumeType: 'gp3', DeleteOnTermination: true } as const;
    const groups = subnet?.groupIds ?? [];
    return {
      ClientToken,
      ImageId: image?.imageId,
      InstanceType: instanceType,
      MinCount: 1,
      MaxCount: 1,
      MetadataOptions: { HttpTokens: 'required', HttpEndpoint: 'enabled', HttpPutResponseHopLimit: 1 },
      BlockDeviceMappings: [{ DeviceName: image?.rootDevice, Ebs }],
      NetworkInterfaces: [
        {
          DeviceIndex: 0,
          SubnetId: subnet?.subnetId,
          AssociatePublicIpAddress: false,
          ...(groups.length === 0 ? {} : { Groups: [...groups] }),
        },
      ],
      TagSpecifications: [...this.#tagged('instance', tags), ...this.#tagged('volume', tags)],
      ...(keyName === undefined ? {} : { KeyName: keyName }),
    };
  }

  #tagged(resource: ResourceType, tags: Tags): TagSpecification[] {
    const all = { ...tags, Name: this.#name, [RESOURCE_TAG]: this.#id };
    return [{ ResourceType: resource, Tags: tagList(all) }];
  }

  async complete(tags: Tags): Promise<void> {
    await this.#context.steps.until('await-running-instance', () => this.#isRunning(), STARTED);
    if (this.#params.publicAddress) await this.#addAddress(tags);
  }

  /** @throws PlatformError `CLOUD_REFUSED` when EC2 gave up on it, in EC2's words. */
  async #isRunning(): Promise<true | undefined> {
    const found = await this.#instances([...LIVE, 'terminated']);
    if (found.some(({ State }) => State?.Name === 'running')) return true;
    const { requestId } = tagsOfList(tagList(awsTagForm.newTags(this.#context)));
    const own = found.filter(({ Tags }) => tagsOfList(Tags)['requestId'] === requestId);
    const [given] = own;
    if (given === undefined || own.some(({ State }) => State?.Name !== 'terminated')) return undefined;
    const { Code = 'Terminated', Message = 'It ended before it ran' } = given.StateReason ?? {};
    throw refused('RunInstances', Code, Message);
  }

  async #addAddress(tags: Tags): Promise<void> {
    const { steps } = this.#context;
    await steps.run('create-address', async () => {
      if ((await this.#address()) !== undefined) return null;
      const TagSpecifications = this.#tagged('elastic-ip', tags);
      await ask('AllocateAddress', () =>
        this.#client.send(new AllocateAddressCommand({ Domain: 'vpc', TagSpecifications })),
      );
      return null;
    });
    await steps.run('associate-address', async () => {
      const [address, [instance]] = [await this.#address(), await this.#instances(['running'])];
      if (address === undefined || instance === undefined) throw unseen('address or its instance');
      const { AllocationId } = address;
      const { InstanceId } = instance;
      if (address.InstanceId !== InstanceId)
        await ask('AssociateAddress', () =>
          this.#client.send(new AssociateAddressCommand({ AllocationId, InstanceId })),
        );
      return null;
    });
  }

  async tag(tags: Tags): Promise<void> {
    const [instances, address] = await Promise.all([this.#instances(LIVE), this.#address()]);
    const Resources = [...instances.map(({ InstanceId }) => InstanceId), address?.AllocationId].filter(
      (id) => id !== undefined,
    );
    await ask('CreateTags', () => this.#client.send(new CreateTagsCommand({ Resources, Tags: tagList(tags) })));
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    const { steps } = this.#context;
    if (different.has('securityGroupIds'))
      await steps.run('set-security-groups', async () => {
        const [instance] = await this.#instances(LIVE);
        const Groups = this.#params.securityGroupIds;
        await ask('ModifyInstanceAttribute', () =>
          this.#client.send(new ModifyInstanceAttributeCommand({ InstanceId: instance?.InstanceId, Groups })),
        );
        return null;
      });
    if (!different.has('publicAddress')) return;
    const [instance] = await this.#instances(LIVE);
    if (this.#params.publicAddress) await this.#addAddress(ownTags(tagsOfList(instance?.Tags)));
    else await this.#releaseAddress();
  }

  async remove(): Promise<void> {
    await this.#releaseAddress();
    await this.#context.steps.run('terminate-instance', async () => {
      const instances = (await this.#instances(LIVE)).filter((each) => this.#isOurs(each.Tags) && !isGoing(each));
      const InstanceIds = instances.flatMap(({ InstanceId }) => InstanceId ?? []);
      if (InstanceIds.length > 0)
        await askFor('TerminateInstances', NO_INSTANCE, () =>
          this.#client.send(new TerminateInstancesCommand({ InstanceIds })),
        );
      return null;
    });
  }

  async #releaseAddress(): Promise<void> {
    await untilFree(this.#context.steps, 'release-address', async () => {
      const address = await this.#address();
      if (address === undefined || !this.#isOurs(address.Tags)) return;
      const { AllocationId, AssociationId } = address;
      if (AssociationId !== undefined && AssociationId !== '')
        await askFor('DisassociateAddress', NO_ADDRESS, () =>
          this.#client.send(new DisassociateAddressCommand({ AssociationId })),
        );
      await askFor('ReleaseAddress', NO_ADDRESS, () => this.#client.send(new ReleaseAddressCommand({ AllocationId })));
    });
  }

  #isOurs(tags: Instance['Tags']): boolean {
    return isTenants(tagsOfList(tags), this.#context);
  }
}

const isGoing = ({ State }: Instance): boolean => State?.Name === 'shutting-down';

/** Tags of EC2's own are not set again. */
function ownTags(tags: Tags): Tags {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !key.startsWith('aws:')));
}

function outputsOf(instance: Instance, address: Address | undefined): Outputs {
  return {
    instanceId: instance.InstanceId ?? '',
    imageId: instance.ImageId ?? '',
    vpcId: instance.VpcId ?? null,
    subnetId: instance.SubnetId ?? null,
    availabilityZone: instance.Placement?.AvailabilityZone ?? null,
    privateAddress: instance.PrivateIpAddress ?? null,
    publicAddress: address?.PublicIp ?? null,
  };
}

function inOrderOf(found: readonly string[], wanted: readonly string[]): string[] {
  const isSame = found.length === wanted.length && found.every((each) => wanted.includes(each));
  return [...(isSame ? wanted : found)];
}
