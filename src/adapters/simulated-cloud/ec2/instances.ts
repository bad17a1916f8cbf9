/** EC2's instances, which take their time to come and go, the images they are made of, and addresses. */

import { createHash } from 'node:crypto';
import { ACCOUNT, AwsError } from '../aws-service.ts';
import type { Form, Members } from '../query-operations.ts';
import type { XmlValue } from '../xml.ts';
import { filtersOf, matches, tagSet, tagsWith } from './account.ts';
import type { Account } from './account.ts';
import { DONE } from './networks.ts';
import type { Operation } from './networks.ts';
import { addressText, rangeOf, required, stateOf } from './shapes.ts';
import type { Address, Instance, InstanceState, Subnet } from './shapes.ts';

export const instances: readonly (readonly [string, Operation])[] = [
  ['RunInstances', run],
  ['DescribeInstances', describe],
  ['TerminateInstances', terminate],
  ['ModifyInstanceAttribute', modify],
  ['DescribeImages', describeImages],
  ['AllocateAddress', allocate],
  ['DescribeAddresses', describeAddresses],
  ['AssociateAddress', associate],
  ['DisassociateAddress', disassociate],
  ['ReleaseAddress', release],
];

/** AWS takes half a minute for each; a laptop has no reason to. */
const START_MS = 400;
const STOP_MS = 400;
const MAX_INSTANCES = 20;
const CODES: Readonly<Record<InstanceState, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
};

async function run(form: Form, account: Account): Promise<Members> {
  const token = form.text('ClientToken') ?? '';
  const digest = digestOf(form);
  const before = token === '' ? undefined : await account.remembered(token);
  if (before !== undefined && before.request !== digest)
    throw new AwsError(
      'IdempotentParameterMismatch',
      'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
    );
  if (before !== undefined)
    return reservation(await Promise.all(before.ids.map((id) => account.require('i', id))), account);
  const count = Number(form.text('MinCount') ?? 1);
  if (!Number.isInteger(count) || count < 1 || count > MAX_INSTANCES)
    throw new AwsError('InvalidParameterValue', `MinCount is from 1 to ${MAX_INSTANCES} here.`);
  const imageId = required(form, 'ImageId');
  if (!/^ami-[0-9a-f]{8,17}$/.test(imageId))
    throw new AwsError('InvalidAMIID.Malformed', `Invalid id: "${imageId.slice(0, 60)}"`);
  const template = await templateOf(form, account, imageId);
  const made: Instance[] = [];
  for (let n = 0; n < count; n++) made.push({ ...template, id: account.newId('i') });
  for (const instance of made) await account.put('i', instance);
  if (token !== '')
    await account.remember(
      token,
      digest,
      made.map(({ id }) => id),
    );
  return reservation(made, account);
}

/** What a repeated request must have in common with the first. */
function digestOf(form: Form): string {
  const names = ['ImageId', 'InstanceType', 'MinCount', 'SubnetId', 'KeyName', 'NetworkInterface.1.SubnetId'];
  const text = JSON.stringify(names.map((name) => form.text(name) ?? ''));
  return createHash('sha256').update(text).digest('hex');
}

async function templateOf(form: Form, account: Account, imageId: string): Promise<Instance> {
  const card = form.part('NetworkInterface.1');
  const subnet = await subnetOf(form.text('SubnetId') ?? card?.text('SubnetId'), account);
  const named = [...form.list('SecurityGroupId'), ...(card?.list('SecurityGroupId') ?? [])];
  const groups = await Promise.all(named.map((id) => account.require('sg', id)));
  if (groups.some(({ vpcId }) => vpcId !== subnet.vpcId))
    throw new AwsError('InvalidParameter', `A security group and subnet ${subnet.id} belong to different networks.`);
  const others = await account.all('sg');
  const own = others.find(({ vpcId, name }) => vpcId === subnet.vpcId && name === 'default');
  const wantsPublic = card?.text('AssociatePublicIpAddress') ?? String(subnet.givesPublicAddress);
  const used = (await account.all('i')).filter(({ subnetId }) => subnetId === subnet.id).length;
  return {
    id: '',
    tags: tagsWith(form, 'instance'),
    vpcId: subnet.vpcId,
    subnetId: subnet.id,
    zone: subnet.zone,
    imageId,
    type: form.text('InstanceType') ?? 'm1.small',
    keyName: form.text('KeyName') ?? '',
    groupIds: groups.length > 0 ? groups.map(({ id }) => id) : own === undefined ? [] : [own.id],
    privateAddress: addressText(rangeOf(subnet.cidr).first + 4 + used),
    publicAddress: wantsPublic === 'true' ? publicAddress(account) : '',
    httpTokens: form.text('MetadataOptions.HttpTokens') ?? 'optional',
    isVolumeEncrypted: form.text('BlockDeviceMapping.1.Ebs.Encrypted') === 'true',
    token: form.text('ClientToken') ?? '',
    launchedAt: new Date(account.nowMs).toISOString(),
    readyAtMs: account.nowMs + START_MS + account.extraMs,
    goneAtMs: 0,
  };
}

async function subnetOf(id: string | undefined, account: Account): Promise<Subnet> {
  if (id !== undefined) return account.require('subnet', id);
  const found = (await account.all('subnet')).find(({ isDefault }) => isDefault);
  if (found !== undefined) return found;
  throw new AwsError('VPCIdNotSpecified', 'No default VPC for this user.');
}

/** From a network that is set aside for documentation. */
function publicAddress(account: Account): string {
  const id = account.newId('x');
  return `203.0.113.${(Number.parseInt(id.slice(-4), 16) % 254) + 1}`;
}

async function describe(form: Form, account: Account): Promise<Members> {
  const filters = filtersOf<'i'>(form, (instance) => ({
    'instance-id': instance.id,
    'instance-state-name': stateOf(instance, account.nowMs),
    'instance-type': instance.type,
    'image-id': instance.imageId,
    'vpc-id': instance.vpcId,
    'subnet-id': instance.subnetId,
    'client-token': instance.token,
    'availability-zone': instance.zone,
    'instance.group-id': instance.groupIds,
  }));
  const found = await account.select('i', form.list('InstanceId'), filters);
  const addresses = await account.all('eipalloc');
  const item = found.map((instance) => reservationXml([instance], account, addresses));
  return { reservationSet: { item } };
}

/** Of what may be changed, the groups. */
async function modify(form: Form, account: Account): Promise<Members> {
  const instance = await account.require('i', required(form, 'InstanceId'));
  const groups = await Promise.all(form.list('GroupId').map((id) => account.require('sg', id)));
  if (groups.length === 0) throw new AwsError('InvalidParameterCombination', 'Only the groups are changed here.');
  await account.put('i', { ...instance, groupIds: groups.map(({ id }) => id) });
  return DONE;
}

async function terminate(form: Form, account: Account): Promise<Members> {
  const found = await Promise.all(form.list('InstanceId').map((id) => account.require('i', id)));
  const item: XmlValue[] = [];
  for (const instance of found) {
    const previous = stateOf(instance, account.nowMs);
    const isGoing = instance.goneAtMs > 0;
    const next = isGoing ? instance : { ...instance, goneAtMs: account.nowMs + STOP_MS + account.extraMs };
    await account.put('i', next);
    for (const address of await account.all('eipalloc'))
      if (address.instanceId === instance.id)
        await account.put('eipalloc', { ...address, instanceId: '', associationId: '' });
    const states = { currentState: stateXml(stateOf(next, account.nowMs)), previousState: stateXml(previous) };
    item.push({ instanceId: instance.id, ...states });
  }
  return { instancesSet: { item } };
}

function reservation(found: readonly Instance[], account: Account): Members {
  return reservationXml(found, account, []);
}

function reservationXml(found: readonly Instance[], account: Account, addresses: readonly Address[]): Members {
  const item = found.map((instance) => instanceXml(instance, account, addresses));
  const reservationId = `r-${(found[0]?.id ?? '').slice(2)}`;
  return { reservationId, ownerId: ACCOUNT, groupSet: {}, instancesSet: { item } };
}

function instanceXml(instance: Instance, account: Account, addresses: readonly Address[]): XmlValue {
  const { id, imageId, type, keyName, vpcId, subnetId, zone, groupIds, privateAddress, token, launchedAt } = instance;
  const state = stateOf(instance, account.nowMs);
  const isOver = state === 'terminated';
  const own = addresses.find(({ instanceId }) => instanceId === id)?.address ?? instance.publicAddress;
  return {
    instanceId: id,
    imageId,
    instanceState: stateXml(state),
    instanceType: type,
    keyName: keyName === '' ? undefined : keyName,
    launchTime: launchedAt,
    placement: { availabilityZone: zone, tenancy: 'default' },
    // A terminated instance is nowhere any more.
    ...(isOver ? {} : { vpcId, subnetId, privateIpAddress: privateAddress }),
    ...(isOver || own === '' || state === 'pending' ? {} : { ipAddress: own }),
    groupSet: { item: isOver ? [] : groupIds.map((groupId) => ({ groupId, groupName: groupId })) },
    architecture: type.includes('g.') ? 'arm64' : 'x86_64',
    rootDeviceType: 'ebs',
    clientToken: token === '' ? undefined : token,
    metadataOptions: {
      state: 'applied',
      httpTokens: instance.httpTokens,
      httpEndpoint: 'enabled',
      httpPutResponseHopLimit: 2,
    },
    tagSet: tagSet(instance),
  };
}

function stateXml(state: InstanceState): XmlValue {
  return { code: CODES[state], name: state };
}

// ----------------------------------------------------------------------------------------------- images

/** Amazon Linux as Amazon offers it: a newer and an older one of each kind. */
const IMAGES = ['x86_64', 'arm64'].flatMap((architecture) =>
  ['20250203', '20241212'].map((day) => ({
    name: `al2023-ami-2023.6.${day}.1-kernel-6.1-${architecture}`,
    architecture,
    creationDate: `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T00:00:00.000Z`,
  })),
);

function describeImages(form: Form, account: Account): Promise<Members> {
  const ids = form.list('ImageId');
  const filters = form.parts('Filter').map((part) => ({ name: part.text('Name') ?? '', values: part.list('Value') }));
  const fields = (image: (typeof IMAGES)[number]): Readonly<Record<string, string>> => ({
    name: image.name,
    architecture: image.architecture,
    state: 'available',
    'owner-alias': 'amazon',
    'image-id': imageIdOf(image.name, account),
  });
  const owners = form.list('Owner');
  const isAmazons = owners.length === 0 || owners.includes('amazon') || owners.includes('137112412989');
  const found = IMAGES.filter(
    (image) =>
      isAmazons &&
      (ids.length === 0 || ids.includes(imageIdOf(image.name, account))) &&
      filters.every(({ name, values }) => values.some((pattern) => matches(fields(image)[name] ?? '', pattern))),
  );
  const item = found.map(({ name, architecture, creationDate }) => ({
    imageId: imageIdOf(name, account),
    imageState: 'available',
    imageOwnerId: '137112412989',
    imageOwnerAlias: 'amazon',
    name,
    architecture,
    creationDate,
    isPublic: true,
    imageType: 'machine',
    rootDeviceType: 'ebs',
    rootDeviceName: '/dev/xvda',
    virtualizationType: 'hvm',
  }));
  return Promise.resolve({ imagesSet: { item } });
}

function imageIdOf(name: string, { region }: Account): string {
  return `ami-0${createHash('sha256').update(`${region} ${name}`).digest('hex').slice(0, 16)}`;
}

// -------------------------------------------------------------------------------------------- addresses

async function allocate(form: Form, account: Account): Promise<Members> {
  const tags = tagsWith(form, 'elastic-ip');
  const address = {
    id: account.newId('eipalloc'),
    tags,
    address: publicAddress(account),
    associationId: '',
    instanceId: '',
  };
  await account.put('eipalloc', address);
  return { publicIp: address.address, allocationId: address.id, domain: 'vpc' };
}

async function describeAddresses(form: Form, account: Account): Promise<Members> {
  const filters = filtersOf<'eipalloc'>(form, ({ id, address, instanceId, associationId }) => ({
    'allocation-id': id,
    'public-ip': address,
    'instance-id': instanceId === '' ? [] : instanceId,
    'association-id': associationId === '' ? [] : associationId,
    domain: 'vpc',
  }));
  const found = await account.select('eipalloc', form.list('AllocationId'), filters);
  return { addressesSet: { item: found.map(addressXml) } };
}

async function associate(form: Form, account: Account): Promise<Members> {
  const address = await account.require('eipalloc', required(form, 'AllocationId'));
  const instance = await account.require('i', required(form, 'InstanceId'));
  if (stateOf(instance, account.nowMs) !== 'running')
    throw new AwsError(
      'InvalidInstanceID',
      `The instance '${instance.id}' is not in a valid state for this operation.`,
    );
  const isElsewhere = address.instanceId !== '' && address.instanceId !== instance.id;
  if (isElsewhere && form.text('AllowReassociation') !== 'true')
    throw new AwsError(
      'Resource.AlreadyAssociated',
      `resource ${address.id} is already associated with another instance`,
    );
  const associationId = address.instanceId === instance.id ? address.associationId : account.newId('eipassoc');
  await account.put('eipalloc', { ...address, instanceId: instance.id, associationId });
  return { return: true, associationId };
}

async function disassociate(form: Form, account: Account): Promise<Members> {
  const id = required(form, 'AssociationId');
  const address = (await account.all('eipalloc')).find(({ associationId }) => associationId === id);
  if (address === undefined)
    throw new AwsError('InvalidAssociationID.NotFound', `The association ID '${id.slice(0, 60)}' does not exist`);
  await account.put('eipalloc', { ...address, instanceId: '', associationId: '' });
  return DONE;
}

async function release(form: Form, account: Account): Promise<Members> {
  const address = await account.require('eipalloc', required(form, 'AllocationId'));
  if (address.associationId !== '')
    throw new AwsError('InvalidIPAddress.InUse', `Address ${address.address} is in use.`);
  await account.delete('eipalloc', address.id);
  return DONE;
}

function addressXml(address: Address): XmlValue {
  const { id, associationId, instanceId } = address;
  return {
    publicIp: address.address,
    allocationId: id,
    domain: 'vpc',
    associationId: associationId === '' ? undefined : associationId,
    instanceId: instanceId === '' ? undefined : instanceId,
    tagSet: tagSet(address),
  };
}
