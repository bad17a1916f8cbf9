/** Where an instance goes and what it is made of, where the parameters leave it open. */

import { DescribeImagesCommand, DescribeSecurityGroupsCommand, DescribeSubnetsCommand } from '@aws-sdk/client-ec2';
import type { EC2Client, Filter, Image, Subnet } from '@aws-sdk/client-ec2';
import { cloudError, notOwned } from '../../../../provisioning/cloud-errors.ts';
import type { ProvisionContext } from '../../../../provisioning/provisioner.ts';
import { ask } from '../../cloud-call.ts';
import { RESOURCE_TAG, isTenants, tagsOfList } from '../../ownership.ts';
import type { AwsTag } from '../../ownership.ts';
import type { Ec2Params } from './definition.ts';

/** A type, because steps record plain JSON. */
export type ChosenImage = { readonly imageId: string; readonly rootDevice: string };
export type ChosenSubnet = { readonly subnetId: string; readonly groupIds: readonly string[] };

/** Types of Amazon's own processors have a `g` after the number. */
const isArm = (instanceType: string): boolean => /^[a-z]+\d+g/.test(instanceType);

/** The named one, or the newest Amazon Linux for the processor. */
export async function chooseImage(client: EC2Client, params: Ec2Params): Promise<ChosenImage> {
  const { imageId, instanceType } = params;
  const filters: Filter[] = [
    { Name: 'name', Values: ['al2023-ami-2023.*'] },
    { Name: 'architecture', Values: [isArm(instanceType) ? 'arm64' : 'x86_64'] },
    { Name: 'state', Values: ['available'] },
  ];
  const query = imageId === undefined ? { Owners: ['amazon'], Filters: filters } : { ImageIds: [imageId] };
  const { Images = [] } = await ask('DescribeImages', () => client.send(new DescribeImagesCommand(query)));
  const [image] = Images.toSorted(newestFirst);
  if (image?.ImageId === undefined)
    throw refused(
      'DescribeImages',
      'InvalidAMIID.NotFound',
      `There is no ${imageId ?? 'Amazon Linux 2023'} in this region`,
    );
  return { imageId: image.ImageId, rootDevice: image.RootDeviceName ?? '/dev/xvda' };
}

function newestFirst({ CreationDate: one = '' }: Image, { CreationDate: other = '' }: Image): number {
  return one < other ? 1 : -Number(one > other);
}

/** @throws PlatformError `RESOURCE_NOT_OWNED` for what is tagged with another tenant. */
export async function chooseSubnet(
  client: EC2Client,
  params: Ec2Params,
  context: ProvisionContext,
): Promise<ChosenSubnet> {
  const { securityGroupIds, network } = params;
  const subnets = await subnetsFor(client, params);
  for (const { SubnetId = '', Tags } of subnets) checkShared(SubnetId, Tags, context);
  const subnetId = subnets[0]?.SubnetId;
  if (subnetId === undefined) throw noSubnet(params);
  const query =
    securityGroupIds.length > 0
      ? { GroupIds: securityGroupIds }
      : { Filters: [{ Name: `tag:${RESOURCE_TAG}`, Values: [network ?? ''] }] };
  if (securityGroupIds.length === 0 && network === undefined) return { subnetId, groupIds: [] };
  const { SecurityGroups = [] } = await ask('DescribeSecurityGroups', () =>
    client.send(new DescribeSecurityGroupsCommand(query)),
  );
  for (const { GroupId = '', Tags } of SecurityGroups) checkShared(GroupId, Tags, context);
  return { subnetId, groupIds: SecurityGroups.flatMap(({ GroupId }) => GroupId ?? []) };
}

async function subnetsFor(client: EC2Client, { subnetId, network }: Ec2Params): Promise<Subnet[]> {
  const ofNetwork = { Filters: [{ Name: `tag:${RESOURCE_TAG}`, Values: [network ?? ''] }] };
  const ofDefault = { Filters: [{ Name: 'default-for-az', Values: ['true'] }] };
  const query = subnetId === undefined ? (network === undefined ? ofDefault : ofNetwork) : { SubnetIds: [subnetId] };
  const { Subnets = [] } = await ask('DescribeSubnets', () => client.send(new DescribeSubnetsCommand(query)));
  return Subnets.toSorted((one, other) => (rankOf(one) < rankOf(other) ? -1 : 1));
}

/** Public ones first, and always in the same order. */
function rankOf({ Tags, AvailabilityZone = '' }: Subnet): string {
  const part = tagsOfList(Tags)['part'] ?? '';
  return `${part.startsWith('subnet-public') ? 0 : 1} ${part} ${AvailabilityZone}`;
}

/** What has no owner may be used by all. */
function checkShared(id: string, list: readonly AwsTag[] | undefined, context: ProvisionContext): void {
  const tags = tagsOfList(list);
  if (tags['tenant'] !== undefined && !isTenants(tags, context)) throw notOwned(id, 'its tag "tenant" names another');
}

function noSubnet({ network }: Ec2Params): Error {
  const message =
    network === undefined
      ? 'This region has no default network. Name a subnet, or a network that was provisioned here'
      : `There is no subnet of the network "${network}"; provision it first`;
  return refused('DescribeSubnets', 'InvalidSubnetID.NotFound', message);
}

export function refused(operation: string, cloudCode: string, message: string): Error {
  return cloudError({ cloud: 'aws', fault: 'refused', operation, cloudCode, message });
}
