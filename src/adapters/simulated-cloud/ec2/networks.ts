/** EC2's networks, subnets and internet gateways. */

import { ACCOUNT, AwsError } from '../aws-service.ts';
import type { Form, Members } from '../query-operations.ts';
import type { XmlValue } from '../xml.ts';
import { defaultGroup, filtersOf, tagSet, tagsWith } from './account.ts';
import type { Account } from './account.ts';
import { dependency, rangeOf, required, stateOf } from './shapes.ts';
import type { InternetGateway, Subnet, Vpc } from './shapes.ts';

export type Operation = (form: Form, account: Account) => Promise<Members>;

export const DONE: Members = { return: true };

export const networks: readonly (readonly [string, Operation])[] = [
  ['CreateVpc', createVpc],
  ['DescribeVpcs', describeVpcs],
  ['DeleteVpc', deleteVpc],
  ['ModifyVpcAttribute', modifyVpc],
  ['DescribeVpcAttribute', describeVpcAttribute],
  ['CreateSubnet', createSubnet],
  ['DescribeSubnets', describeSubnets],
  ['DeleteSubnet', deleteSubnet],
  ['ModifySubnetAttribute', modifySubnet],
  ['CreateInternetGateway', createGateway],
  ['DescribeInternetGateways', describeGateways],
  ['AttachInternetGateway', attachGateway],
  ['DetachInternetGateway', detachGateway],
  ['DeleteInternetGateway', deleteGateway],
  ['DescribeAvailabilityZones', describeZones],
];

// ------------------------------------------------------------------------------------------------- VPCs

async function createVpc(form: Form, account: Account): Promise<Members> {
  const cidr = required(form, 'CidrBlock');
  const { bits } = rangeOf(cidr);
  if (bits < 16 || bits > 28) throw new AwsError('InvalidVpc.Range', `The CIDR '${cidr}' is invalid.`);
  const id = account.newId('vpc');
  const tags = tagsWith(form, 'vpc');
  const vpc: Vpc = { id, tags, cidr, isDefault: false, dnsSupport: true, dnsHostnames: false };
  await account.put('vpc', vpc);
  await account.put('rtb', {
    id: account.newId('rtb'),
    tags: {},
    vpcId: id,
    routes: [{ destination: cidr, gatewayId: 'local' }],
    associations: [{ id: account.newId('rtbassoc'), subnetId: '' }],
  });
  await account.put('sg', { id: account.newId('sg'), tags: {}, vpcId: id, ...defaultGroup });
  return { vpc: vpcXml(vpc) };
}

async function describeVpcs(form: Form, account: Account): Promise<Members> {
  const filters = filtersOf<'vpc'>(form, (vpc) => ({
    'vpc-id': vpc.id,
    cidr: vpc.cidr,
    'cidr-block': vpc.cidr,
    isDefault: String(vpc.isDefault),
    'is-default': String(vpc.isDefault),
    state: 'available',
  }));
  const found = await account.select('vpc', form.list('VpcId'), filters);
  return { vpcSet: { item: found.map(vpcXml) } };
}

/** Goes with its own group and table, and not before everything else in it. */
async function deleteVpc(form: Form, account: Account): Promise<Members> {
  const { id } = await account.require('vpc', required(form, 'VpcId'));
  const inIt = <Thing extends { readonly vpcId: string }>(things: readonly Thing[]): Thing[] =>
    things.filter(({ vpcId }) => vpcId === id);
  const groups = inIt(await account.all('sg'));
  const tables = inIt(await account.all('rtb'));
  if (inIt(await account.all('subnet')).length > 0) throw dependency(id, 'it has subnets');
  if (inIt(await account.all('igw')).length > 0) throw dependency(id, 'an internet gateway is attached');
  if (groups.some(({ name }) => name !== 'default')) throw dependency(id, 'it has security groups');
  if (tables.some((table) => !isMain(table))) throw dependency(id, 'it has route tables');
  for (const group of groups) await account.delete('sg', group.id);
  for (const table of tables) await account.delete('rtb', table.id);
  await account.delete('vpc', id);
  return DONE;
}

export function isMain({ associations }: { readonly associations: readonly { readonly subnetId: string }[] }): boolean {
  return associations.some(({ subnetId }) => subnetId === '');
}

async function modifyVpc(form: Form, account: Account): Promise<Members> {
  const vpc = await account.require('vpc', required(form, 'VpcId'));
  const [support, hostnames] = [form.text('EnableDnsSupport.Value'), form.text('EnableDnsHostnames.Value')];
  await account.put('vpc', {
    ...vpc,
    dnsSupport: support === undefined ? vpc.dnsSupport : support === 'true',
    dnsHostnames: hostnames === undefined ? vpc.dnsHostnames : hostnames === 'true',
  });
  return DONE;
}

async function describeVpcAttribute(form: Form, account: Account): Promise<Members> {
  const vpc = await account.require('vpc', required(form, 'VpcId'));
  const attribute = required(form, 'Attribute');
  const value = attribute === 'enableDnsHostnames' ? vpc.dnsHostnames : vpc.dnsSupport;
  return { vpcId: vpc.id, [attribute]: { value } };
}

function vpcXml(vpc: Vpc): XmlValue {
  const { id, cidr, isDefault } = vpc;
  return {
    vpcId: id,
    ownerId: ACCOUNT,
    state: 'available',
    cidrBlock: cidr,
    isDefault,
    instanceTenancy: 'default',
    tagSet: tagSet(vpc),
  };
}

// ---------------------------------------------------------------------------------------------- subnets

async function createSubnet(form: Form, account: Account): Promise<Members> {
  const vpc = await account.require('vpc', required(form, 'VpcId'));
  const cidr = required(form, 'CidrBlock');
  const range = rangeOf(cidr);
  const whole = rangeOf(vpc.cidr);
  if (range.bits > 28 || range.first < whole.first || range.last > whole.last)
    throw new AwsError('InvalidSubnet.Range', `The CIDR '${cidr}' is invalid.`);
  const others = (await account.all('subnet')).filter(({ vpcId }) => vpcId === vpc.id);
  const overlaps = others.map((subnet) => rangeOf(subnet.cidr));
  if (overlaps.some(({ first, last }) => first <= range.last && range.first <= last))
    throw new AwsError('InvalidSubnet.Conflict', `The CIDR '${cidr}' conflicts with another subnet`);
  const zone = form.text('AvailabilityZone') ?? `${account.region}a`;
  if (!zonesOf(account).includes(zone))
    throw new AwsError(
      'InvalidParameterValue',
      `Value (${zone.slice(0, 40)}) for parameter availabilityZone is invalid.`,
    );
  const tags = tagsWith(form, 'subnet');
  const id = account.newId('subnet');
  const subnet: Subnet = { id, tags, vpcId: vpc.id, cidr, zone, isDefault: false, givesPublicAddress: false };
  await account.put('subnet', subnet);
  return { subnet: subnetXml(subnet) };
}

async function describeSubnets(form: Form, account: Account): Promise<Members> {
  const filters = filtersOf<'subnet'>(form, (subnet) => ({
    'subnet-id': subnet.id,
    'vpc-id': subnet.vpcId,
    'cidr-block': subnet.cidr,
    'availability-zone': subnet.zone,
    availabilityZone: subnet.zone,
    'default-for-az': String(subnet.isDefault),
    defaultForAz: String(subnet.isDefault),
    state: 'available',
  }));
  const found = await account.select('subnet', form.list('SubnetId'), filters);
  return { subnetSet: { item: found.map(subnetXml) } };
}

async function deleteSubnet(form: Form, account: Account): Promise<Members> {
  const { id } = await account.require('subnet', required(form, 'SubnetId'));
  const instances = (await account.all('i')).filter(({ subnetId }) => subnetId === id);
  if (instances.some((instance) => stateOf(instance, account.nowMs) !== 'terminated'))
    throw dependency(id, 'there are instances in it');
  for (const table of await account.all('rtb')) {
    const associations = table.associations.filter(({ subnetId }) => subnetId !== id);
    if (associations.length < table.associations.length) await account.put('rtb', { ...table, associations });
  }
  await account.delete('subnet', id);
  return DONE;
}

async function modifySubnet(form: Form, account: Account): Promise<Members> {
  const subnet = await account.require('subnet', required(form, 'SubnetId'));
  const asked = form.text('MapPublicIpOnLaunch.Value');
  await account.put('subnet', {
    ...subnet,
    givesPublicAddress: asked === undefined ? subnet.givesPublicAddress : asked === 'true',
  });
  return DONE;
}

function subnetXml(subnet: Subnet): XmlValue {
  const { id, vpcId, cidr, zone, isDefault, givesPublicAddress } = subnet;
  const { first, last } = rangeOf(cidr);
  return {
    subnetId: id,
    vpcId,
    ownerId: ACCOUNT,
    state: 'available',
    cidrBlock: cidr,
    availableIpAddressCount: last - first + 1 - 5,
    availabilityZone: zone,
    defaultForAz: isDefault,
    mapPublicIpOnLaunch: givesPublicAddress,
    tagSet: tagSet(subnet),
  };
}

// --------------------------------------------------------------------------------------------- gateways

async function createGateway(form: Form, account: Account): Promise<Members> {
  const gateway = { id: account.newId('igw'), tags: tagsWith(form, 'internet-gateway'), vpcId: '' };
  await account.put('igw', gateway);
  return { internetGateway: gatewayXml(gateway) };
}

async function describeGateways(form: Form, account: Account): Promise<Members> {
  const filters = filtersOf<'igw'>(form, ({ id, vpcId }) => ({
    'internet-gateway-id': id,
    'attachment.vpc-id': vpcId === '' ? [] : vpcId,
    'attachment.state': vpcId === '' ? [] : 'available',
  }));
  const found = await account.select('igw', form.list('InternetGatewayId'), filters);
  return { internetGatewaySet: { item: found.map(gatewayXml) } };
}

async function attachGateway(form: Form, account: Account): Promise<Members> {
  const gateway = await account.require('igw', required(form, 'InternetGatewayId'));
  const vpc = await account.require('vpc', required(form, 'VpcId'));
  if (gateway.vpcId !== '')
    throw new AwsError(
      'Resource.AlreadyAssociated',
      `resource ${gateway.id} is already attached to network ${gateway.vpcId}`,
    );
  const others = await account.all('igw');
  if (others.some(({ vpcId }) => vpcId === vpc.id))
    throw new AwsError('InvalidParameterValue', `Network ${vpc.id} already has an internet gateway attached`);
  await account.put('igw', { ...gateway, vpcId: vpc.id });
  return DONE;
}

async function detachGateway(form: Form, account: Account): Promise<Members> {
  const gateway = await account.require('igw', required(form, 'InternetGatewayId'));
  const vpcId = required(form, 'VpcId');
  if (gateway.vpcId !== vpcId)
    throw new AwsError(
      'Gateway.NotAttached',
      `resource ${gateway.id} is not attached to network ${vpcId.slice(0, 40)}`,
    );
  const instances = (await account.all('i')).filter((instance) => instance.vpcId === vpcId);
  const addresses = (await account.all('eipalloc')).map(({ instanceId }) => instanceId);
  const isMapped = instances.some(
    (instance) =>
      stateOf(instance, account.nowMs) !== 'terminated' &&
      (instance.publicAddress !== '' || addresses.includes(instance.id)),
  );
  if (isMapped)
    throw new AwsError(
      'DependencyViolation',
      `Network ${vpcId} has some mapped public address(es). Please unmap those first.`,
    );
  await account.put('igw', { ...gateway, vpcId: '' });
  return DONE;
}

async function deleteGateway(form: Form, account: Account): Promise<Members> {
  const { id, vpcId } = await account.require('igw', required(form, 'InternetGatewayId'));
  if (vpcId !== '') throw dependency(id, `it is attached to ${vpcId}`);
  await account.delete('igw', id);
  return DONE;
}

function gatewayXml(gateway: InternetGateway): XmlValue {
  const { id, vpcId } = gateway;
  const attachments = vpcId === '' ? [] : [{ vpcId, state: 'available' }];
  return { internetGatewayId: id, ownerId: ACCOUNT, attachmentSet: { item: attachments }, tagSet: tagSet(gateway) };
}

// ------------------------------------------------------------------------------------------------ zones

function zonesOf({ region }: Account): string[] {
  return ['a', 'b', 'c'].map((letter) => `${region}${letter}`);
}

function describeZones(_form: Form, account: Account): Promise<Members> {
  const item = zonesOf(account).map((zoneName, index) => ({
    zoneName,
    zoneState: 'available',
    regionName: account.region,
    zoneId: `${account.region}-az${index + 1}`,
    zoneType: 'availability-zone',
    optInStatus: 'opt-in-not-required',
  }));
  return Promise.resolve({ availabilityZoneInfo: { item } });
}
