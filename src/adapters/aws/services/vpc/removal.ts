/** Removes a network's parts in the order in which they depend on each other, whichever of them there are. */

import {
  DeleteInternetGatewayCommand,
  DeleteRouteTableCommand,
  DeleteSecurityGroupCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  DetachInternetGatewayCommand,
  DisassociateRouteTableCommand,
} from '@aws-sdk/client-ec2';
import type { EC2Client, InternetGateway, RouteTable } from '@aws-sdk/client-ec2';
import type { Steps } from '../../../../provisioning/provisioner.ts';
import { askFor } from '../../cloud-call.ts';
import type { AwsTag } from '../../ownership.ts';
import { untilFree } from '../../until-free.ts';
import type { PartKind, Parts } from './parts.ts';

export interface Removal {
  readonly client: EC2Client;
  readonly steps: Steps;
  readonly isOurs: (part: { readonly Tags?: readonly AwsTag[] | undefined }) => boolean;
  /** The parts of a kind that are there now. */
  readonly find: (kind: PartKind) => Promise<Parts>;
}

const NO_SUBNET = ['InvalidSubnetID.NotFound'];
const NO_GROUP = ['InvalidGroup.NotFound', 'InvalidGroupId.NotFound', 'InvalidSecurityGroupID.NotFound'];
const NO_GATEWAY = ['InvalidInternetGatewayID.NotFound'];
const NO_TABLE = ['InvalidRouteTableID.NotFound'];
const NO_ASSOCIATION = ['InvalidAssociationID.NotFound'];
const NO_VPC = ['InvalidVpcID.NotFound'];

export async function removeNetwork(removal: Removal): Promise<void> {
  const { client, steps } = removal;
  await untilFree(steps, 'delete-security-group', async () => {
    for (const { GroupId } of (await removal.find('groups')).groups.filter(removal.isOurs))
      await askFor('DeleteSecurityGroup', NO_GROUP, () => client.send(new DeleteSecurityGroupCommand({ GroupId })));
  });
  await untilFree(steps, 'delete-subnets', async () => {
    for (const { SubnetId } of (await removal.find('subnets')).subnets.filter(removal.isOurs))
      await askFor('DeleteSubnet', NO_SUBNET, () => client.send(new DeleteSubnetCommand({ SubnetId })));
  });
  await untilFree(steps, 'delete-route-table', async () => {
    for (const table of (await removal.find('tables')).tables.filter(removal.isOurs)) await deleteTable(client, table);
  });
  await untilFree(steps, 'delete-internet-gateway', async () => {
    for (const gateway of (await removal.find('gateways')).gateways.filter(removal.isOurs))
      await deleteGateway(client, gateway);
  });
  await untilFree(steps, 'delete-network', async () => {
    for (const { VpcId } of (await removal.find('vpcs')).vpcs.filter(removal.isOurs))
      await askFor('DeleteVpc', NO_VPC, () => client.send(new DeleteVpcCommand({ VpcId })));
  });
}

async function deleteTable(client: EC2Client, { RouteTableId, Associations = [] }: RouteTable): Promise<void> {
  for (const { RouteTableAssociationId: AssociationId, Main } of Associations)
    if (Main !== true)
      await askFor('DisassociateRouteTable', NO_ASSOCIATION, () =>
        client.send(new DisassociateRouteTableCommand({ AssociationId })),
      );
  await askFor('DeleteRouteTable', NO_TABLE, () => client.send(new DeleteRouteTableCommand({ RouteTableId })));
}

async function deleteGateway(client: EC2Client, gateway: InternetGateway): Promise<void> {
  const { InternetGatewayId, Attachments = [] } = gateway;
  for (const { VpcId } of Attachments)
    await askFor('DetachInternetGateway', ['Gateway.NotAttached', ...NO_GATEWAY], () =>
      client.send(new DetachInternetGatewayCommand({ InternetGatewayId, VpcId })),
    );
  await askFor('DeleteInternetGateway', NO_GATEWAY, () =>
    client.send(new DeleteInternetGatewayCommand({ InternetGatewayId })),
  );
}
