/** The parts of a network as EC2 has them, found by their tags. */

import {
  DescribeInternetGatewaysCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
} from '@aws-sdk/client-ec2';
import type { EC2Client, InternetGateway, RouteTable, SecurityGroup, Subnet, Vpc } from '@aws-sdk/client-ec2';
import { ask } from '../../cloud-call.ts';
import { RESOURCE_TAG, tagsOfList } from '../../ownership.ts';
import type { AwsTag } from '../../ownership.ts';

/** Which part of the network something is: `network`, `subnet-public-1`, `route-table`. */
export const PART_TAG = 'part';

export interface Parts {
  /** The first is the network; more than one only where EC2 was slow to show what it had made. */
  readonly vpcs: readonly Vpc[];
  /** In the order of their names, public ones first. */
  readonly subnets: readonly Subnet[];
  readonly gateways: readonly InternetGateway[];
  readonly tables: readonly RouteTable[];
  readonly groups: readonly SecurityGroup[];
}

export type PartKind = keyof Parts;
const ALL: readonly PartKind[] = ['vpcs', 'subnets', 'gateways', 'tables', 'groups'];

/** @param wanted - Kinds to ask EC2 for; of the others it looks as if there were none. */
export async function partsOf(client: EC2Client, id: string, wanted: readonly PartKind[] = ALL): Promise<Parts> {
  const Filters = [{ Name: `tag:${RESOURCE_TAG}`, Values: [id] }];
  const of = async <Answer extends object>(
    kind: PartKind,
    operation: string,
    send: () => Promise<Answer>,
  ): Promise<Partial<Answer>> => (wanted.includes(kind) ? ask(operation, send) : {});
  const [vpcs, subnets, gateways, tables, groups] = await Promise.all([
    of('vpcs', 'DescribeVpcs', () => client.send(new DescribeVpcsCommand({ Filters }))),
    of('subnets', 'DescribeSubnets', () => client.send(new DescribeSubnetsCommand({ Filters }))),
    of('gateways', 'DescribeInternetGateways', () => client.send(new DescribeInternetGatewaysCommand({ Filters }))),
    of('tables', 'DescribeRouteTables', () => client.send(new DescribeRouteTablesCommand({ Filters }))),
    of('groups', 'DescribeSecurityGroups', () => client.send(new DescribeSecurityGroupsCommand({ Filters }))),
  ]);
  return {
    vpcs: (vpcs.Vpcs ?? []).toSorted((a, b) => order(a.VpcId, b.VpcId)),
    subnets: (subnets.Subnets ?? []).toSorted((a, b) => order(rankOf(a), rankOf(b))),
    gateways: gateways.InternetGateways ?? [],
    tables: tables.RouteTables ?? [],
    groups: groups.SecurityGroups ?? [],
  };
}

export function partName({ Tags }: { readonly Tags?: AwsTag[] | undefined }): string {
  return tagsOfList(Tags)[PART_TAG] ?? '';
}

const order = (one = '', other = ''): number => (one < other ? -1 : Number(one > other));

function rankOf(subnet: Subnet): string {
  const name = partName(subnet);
  return `${name.startsWith('subnet-public') ? 0 : 1} ${name}`;
}

/** Whether a table sends what is meant for the internet there. */
export function leadsOut(table: RouteTable, gatewayId: string): boolean {
  return (table.Routes ?? []).some(
    (route) => route.DestinationCidrBlock === EVERYWHERE && route.GatewayId === gatewayId,
  );
}

export const EVERYWHERE = '0.0.0.0/0';
