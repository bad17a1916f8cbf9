/** EC2's route tables and security groups. */

import { ACCOUNT, AwsError } from '../aws-service.ts';
import type { Form, Members } from '../query-operations.ts';
import type { XmlValue } from '../xml.ts';
import { filtersOf, tagSet, tagsWith } from './account.ts';
import type { Account } from './account.ts';
import { DONE, isMain } from './networks.ts';
import type { Operation } from './networks.ts';
import { ALL_TRAFFIC, dependency, rangeOf, required, stateOf } from './shapes.ts';
import type { Permission, RouteTable, SecurityGroup } from './shapes.ts';

export const routing: readonly (readonly [string, Operation])[] = [
  ['CreateRouteTable', createTable],
  ['DescribeRouteTables', describeTables],
  ['DeleteRouteTable', deleteTable],
  ['AssociateRouteTable', associate],
  ['DisassociateRouteTable', disassociate],
  ['CreateRoute', createRoute],
  ['DeleteRoute', deleteRoute],
  ['CreateSecurityGroup', createGroup],
  ['DescribeSecurityGroups', describeGroups],
  ['DeleteSecurityGroup', deleteGroup],
  ['AuthorizeSecurityGroupIngress', (form, account) => authorize(form, account, 'ingress')],
  ['AuthorizeSecurityGroupEgress', (form, account) => authorize(form, account, 'egress')],
  ['RevokeSecurityGroupIngress', (form, account) => revoke(form, account, 'ingress')],
  ['RevokeSecurityGroupEgress', (form, account) => revoke(form, account, 'egress')],
];

// ----------------------------------------------------------------------------------------------- tables

async function createTable(form: Form, account: Account): Promise<Members> {
  const vpc = await account.require('vpc', required(form, 'VpcId'));
  const token = form.text('ClientToken');
  const before = token === undefined ? undefined : await account.remembered(token);
  if (before !== undefined) return { routeTable: tableXml(await account.require('rtb', before.ids[0] ?? '')) };
  const table: RouteTable = {
    id: account.newId('rtb'),
    tags: tagsWith(form, 'route-table'),
    vpcId: vpc.id,
    routes: [{ destination: vpc.cidr, gatewayId: 'local' }],
    associations: [],
  };
  await account.put('rtb', table);
  if (token !== undefined) await account.remember(token, 'CreateRouteTable', [table.id]);
  return { routeTable: tableXml(table) };
}

async function describeTables(form: Form, account: Account): Promise<Members> {
  const filters = filtersOf<'rtb'>(form, (table) => ({
    'route-table-id': table.id,
    'vpc-id': table.vpcId,
    'association.main': String(isMain(table)),
    'association.subnet-id': table.associations.map(({ subnetId }) => subnetId),
    'route.destination-cidr-block': table.routes.map(({ destination }) => destination),
    'route.gateway-id': table.routes.map(({ gatewayId }) => gatewayId),
  }));
  const found = await account.select('rtb', form.list('RouteTableId'), filters);
  return { routeTableSet: { item: found.map(tableXml) } };
}

async function deleteTable(form: Form, account: Account): Promise<Members> {
  const table = await account.require('rtb', required(form, 'RouteTableId'));
  if (table.associations.length > 0) throw dependency(table.id, 'it is associated');
  await account.delete('rtb', table.id);
  return DONE;
}

/** A subnet has one table; the same one again is the same association. */
async function associate(form: Form, account: Account): Promise<Members> {
  const table = await account.require('rtb', required(form, 'RouteTableId'));
  const { id: subnetId } = await account.require('subnet', required(form, 'SubnetId'));
  const same = table.associations.find((each) => each.subnetId === subnetId);
  if (same !== undefined) return { associationId: same.id, associationState: { state: 'associated' } };
  const others = await account.all('rtb');
  if (others.some(({ associations }) => associations.some((each) => each.subnetId === subnetId)))
    throw new AwsError('Resource.AlreadyAssociated', `The subnet ${subnetId} is associated with another route table`);
  const association = { id: account.newId('rtbassoc'), subnetId };
  await account.put('rtb', { ...table, associations: [...table.associations, association] });
  return { associationId: association.id, associationState: { state: 'associated' } };
}

async function disassociate(form: Form, account: Account): Promise<Members> {
  const id = required(form, 'AssociationId');
  const table = (await account.all('rtb')).find(({ associations }) => associations.some((each) => each.id === id));
  if (table === undefined)
    throw new AwsError('InvalidAssociationID.NotFound', `The association ID '${id.slice(0, 60)}' does not exist`);
  await account.put('rtb', { ...table, associations: table.associations.filter((each) => each.id !== id) });
  return DONE;
}

async function createRoute(form: Form, account: Account): Promise<Members> {
  const table = await account.require('rtb', required(form, 'RouteTableId'));
  const { id: gatewayId, vpcId } = await account.require('igw', required(form, 'GatewayId'));
  const destination = required(form, 'DestinationCidrBlock');
  rangeOf(destination);
  if (vpcId !== table.vpcId)
    throw new AwsError(
      'InvalidParameterValue',
      `The gateway ${gatewayId} and route table ${table.id} belong to different networks`,
    );
  const same = table.routes.find((route) => route.destination === destination);
  if (same !== undefined && same.gatewayId !== gatewayId)
    throw new AwsError('RouteAlreadyExists', `The route identified by ${destination} already exists.`);
  if (same === undefined) await account.put('rtb', { ...table, routes: [...table.routes, { destination, gatewayId }] });
  return DONE;
}

async function deleteRoute(form: Form, account: Account): Promise<Members> {
  const table = await account.require('rtb', required(form, 'RouteTableId'));
  const destination = required(form, 'DestinationCidrBlock');
  const routes = table.routes.filter((route) => route.destination !== destination);
  if (routes.length === table.routes.length)
    throw new AwsError('InvalidRoute.NotFound', `no route with destination-cidr-block ${destination} in ${table.id}`);
  await account.put('rtb', { ...table, routes });
  return DONE;
}

function tableXml(table: RouteTable): XmlValue {
  const { id, vpcId, routes, associations } = table;
  return {
    routeTableId: id,
    vpcId,
    ownerId: ACCOUNT,
    routeSet: {
      item: routes.map(({ destination, gatewayId }) => ({
        destinationCidrBlock: destination,
        gatewayId,
        state: 'active',
        origin: gatewayId === 'local' ? 'CreateRouteTable' : 'CreateRoute',
      })),
    },
    associationSet: {
      item: associations.map((association) => ({
        routeTableAssociationId: association.id,
        routeTableId: id,
        subnetId: association.subnetId === '' ? undefined : association.subnetId,
        main: association.subnetId === '',
        associationState: { state: 'associated' },
      })),
    },
    tagSet: tagSet(table),
  };
}

// ----------------------------------------------------------------------------------------------- groups

async function createGroup(form: Form, account: Account): Promise<Members> {
  const [name, description] = [required(form, 'GroupName'), required(form, 'GroupDescription')];
  const vpcId = form.text('VpcId') ?? (await account.all('vpc')).find(({ isDefault }) => isDefault)?.id ?? '';
  await account.require('vpc', vpcId);
  const others = (await account.all('sg')).filter((group) => group.vpcId === vpcId);
  if (others.some((group) => group.name === name))
    throw new AwsError('InvalidGroup.Duplicate', `The security group '${name}' already exists for VPC '${vpcId}'`);
  const tags = tagsWith(form, 'security-group');
  const id = account.newId('sg');
  await account.put('sg', { id, tags, vpcId, name, description, ingress: [], egress: [ALL_TRAFFIC] });
  return { return: true, groupId: id, tagSet: tagSet({ id, tags }) };
}

async function describeGroups(form: Form, account: Account): Promise<Members> {
  const filters = filtersOf<'sg'>(form, ({ id, vpcId, name, description }) => ({
    'group-id': id,
    'group-name': name,
    'vpc-id': vpcId,
    description,
  }));
  const found = await account.select('sg', form.list('GroupId'), filters);
  return { securityGroupInfo: { item: found.map(groupXml) } };
}

async function deleteGroup(form: Form, account: Account): Promise<Members> {
  const { id, name } = await account.require('sg', required(form, 'GroupId'));
  if (name === 'default')
    throw new AwsError('CannotDelete', `the specified group: "${id}" name: "default" cannot be deleted by a user`);
  const users = (await account.all('i')).filter(({ groupIds }) => groupIds.includes(id));
  if (users.some((instance) => stateOf(instance, account.nowMs) !== 'terminated'))
    throw new AwsError('DependencyViolation', `resource ${id} has a dependent object`);
  await account.delete('sg', id);
  return { return: true, groupId: id };
}

async function authorize(form: Form, account: Account, side: 'ingress' | 'egress'): Promise<Members> {
  const group = await account.require('sg', required(form, 'GroupId'));
  const asked = permissionsIn(form);
  const twice = asked.find((permission) => group[side].some((each) => isSame(each, permission)));
  if (twice !== undefined)
    throw new AwsError('InvalidPermission.Duplicate', `the specified rule "peer: ${twice.cidr}" already exists`);
  await account.put('sg', { ...group, [side]: [...group[side], ...asked] });
  return DONE;
}

async function revoke(form: Form, account: Account, side: 'ingress' | 'egress'): Promise<Members> {
  const group = await account.require('sg', required(form, 'GroupId'));
  const asked = permissionsIn(form);
  const kept = group[side].filter((each) => !asked.some((permission) => isSame(each, permission)));
  if (kept.length === group[side].length)
    throw new AwsError('InvalidPermission.NotFound', 'The specified rule does not exist in this security group.');
  await account.put('sg', { ...group, [side]: kept });
  return DONE;
}

/** A rule each for every range of every permission. @throws AwsError for a range that is none. */
function permissionsIn(form: Form): Permission[] {
  return form.parts('IpPermissions').flatMap((permission) => {
    const protocol = permission.text('IpProtocol') ?? '-1';
    const isAll = protocol === '-1';
    const port = (name: string): number => (isAll ? -1 : Number(permission.text(name) ?? -1));
    return permission.parts('IpRanges').map((range) => {
      const cidr = required(range, 'CidrIp');
      rangeOf(cidr);
      const description = range.text('Description') ?? '';
      return { protocol, fromPort: port('FromPort'), toPort: port('ToPort'), cidr, description };
    });
  });
}

function isSame(one: Permission, other: Permission): boolean {
  return (
    one.protocol === other.protocol &&
    one.fromPort === other.fromPort &&
    one.toPort === other.toPort &&
    one.cidr === other.cidr
  );
}

function groupXml(group: SecurityGroup): XmlValue {
  const { id, vpcId, name, description, ingress, egress } = group;
  return {
    groupId: id,
    groupName: name,
    groupDescription: description,
    vpcId,
    ownerId: ACCOUNT,
    ipPermissions: { item: ingress.map(permissionXml) },
    ipPermissionsEgress: { item: egress.map(permissionXml) },
    tagSet: tagSet(group),
  };
}

function permissionXml({ protocol, fromPort, toPort, cidr, description }: Permission): XmlValue {
  const ports = protocol === '-1' ? {} : { fromPort, toPort };
  const range = { cidrIp: cidr, description: description === '' ? undefined : description };
  return { ipProtocol: protocol, ...ports, ipRanges: { item: [range] } };
}
