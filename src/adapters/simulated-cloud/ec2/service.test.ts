import {
  AllocateAddressCommand,
  AssociateAddressCommand,
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
  DeleteInternetGatewayCommand,
  DeleteRouteTableCommand,
  DeleteSecurityGroupCommand,
  DeleteSubnetCommand,
  DeleteTagsCommand,
  DeleteVpcCommand,
  DescribeAddressesCommand,
  DescribeAvailabilityZonesCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcsCommand,
  DetachInternetGatewayCommand,
  DisassociateAddressCommand,
  DisassociateRouteTableCommand,
  EC2Client,
  ModifyVpcAttributeCommand,
  ReleaseAddressCommand,
  RevokeSecurityGroupEgressCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { simulatedAws } from '../../aws/services/simulated-for-test.ts';
import type { SimulatedAws } from '../../aws/services/simulated-for-test.ts';
import { nameOfError } from '../endpoint-for-test.ts';
import { matches } from './account.ts';

let aws: SimulatedAws;
let client: EC2Client;

beforeAll(async () => {
  aws = await simulatedAws();
  client = new EC2Client({ ...aws.settings, region: 'eu-west-1' });
});

afterAll(async () => {
  client.destroy();
  await aws.close();
});

async function newVpc(CidrBlock = '10.0.0.0/16'): Promise<string> {
  const { Vpc } = await client.send(new CreateVpcCommand({ CidrBlock }));
  return Vpc?.VpcId ?? '';
}

async function newSubnet(VpcId: string, CidrBlock = '10.0.0.0/24'): Promise<string> {
  const { Subnet } = await client.send(new CreateSubnetCommand({ VpcId, CidrBlock }));
  return Subnet?.SubnetId ?? '';
}

async function image(): Promise<string> {
  const { Images = [] } = await client.send(
    new DescribeImagesCommand({
      Owners: ['amazon'],
      Filters: [{ Name: 'name', Values: ['al2023-ami-2023.*-x86_64'] }],
    }),
  );
  return Images[0]?.ImageId ?? '';
}

describe('networks', () => {
  test('every region has a default network with subnets in each zone', async () => {
    const { Vpcs = [] } = await client.send(
      new DescribeVpcsCommand({ Filters: [{ Name: 'is-default', Values: ['true'] }] }),
    );
    expect(Vpcs).toMatchObject([{ CidrBlock: '172.31.0.0/16', IsDefault: true, State: 'available' }]);
    const { Subnets = [] } = await client.send(
      new DescribeSubnetsCommand({ Filters: [{ Name: 'vpc-id', Values: [Vpcs[0]?.VpcId ?? ''] }] }),
    );
    const { AvailabilityZones = [] } = await client.send(new DescribeAvailabilityZonesCommand({}));
    expect(new Set(Subnets.map(({ AvailabilityZone }) => AvailabilityZone))).toEqual(
      new Set(AvailabilityZones.map(({ ZoneName }) => ZoneName)),
    );
  });

  test('tags come with the making, are found by, changed and taken away', async () => {
    const TagSpecifications = [{ ResourceType: 'vpc' as const, Tags: [{ Key: 'tenant', Value: 'a & <b>' }] }];
    const { Vpc } = await client.send(new CreateVpcCommand({ CidrBlock: '10.1.0.0/16', TagSpecifications }));
    const id = Vpc?.VpcId ?? '';
    const found = async (Name: string, Value: string): Promise<number> =>
      (await client.send(new DescribeVpcsCommand({ Filters: [{ Name, Values: [Value] }] }))).Vpcs?.length ?? 0;
    expect(Vpc?.Tags).toEqual([{ Key: 'tenant', Value: 'a & <b>' }]);
    expect([
      await found('tag:tenant', 'a & *'),
      await found('tag:tenant', 'a'),
      await found('tag-key', 'tenant'),
    ]).toEqual([1, 0, 1]);
    await client.send(new CreateTagsCommand({ Resources: [id], Tags: [{ Key: 'env', Value: 'dev' }] }));
    await client.send(new DeleteTagsCommand({ Resources: [id], Tags: [{ Key: 'tenant' }] }));
    expect([await found('tag:env', 'dev'), await found('tag-key', 'tenant')]).toEqual([1, 0]);
    expect(await nameOfError(found('colour', 'red'))).toBe('InvalidParameterValue');
    await client.send(new DeleteVpcCommand({ VpcId: id }));
    expect(await nameOfError(client.send(new DescribeVpcsCommand({ VpcIds: [id] })))).toBe('InvalidVpcID.NotFound');
  });

  test('a network does not go before what is in it, and takes its own group and table along', async () => {
    const VpcId = await newVpc();
    const SubnetId = await newSubnet(VpcId);
    const { InternetGateway } = await client.send(new CreateInternetGatewayCommand({}));
    const InternetGatewayId = InternetGateway?.InternetGatewayId ?? '';
    await client.send(new AttachInternetGatewayCommand({ InternetGatewayId, VpcId }));
    const { GroupId = '' } = await client.send(
      new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'web', VpcId }),
    );
    const { RouteTable } = await client.send(new CreateRouteTableCommand({ VpcId }));
    const RouteTableId = RouteTable?.RouteTableId ?? '';
    const refused = async (): Promise<void> =>
      expect(await nameOfError(client.send(new DeleteVpcCommand({ VpcId })))).toBe('DependencyViolation');
    await refused();
    await client.send(new DeleteSubnetCommand({ SubnetId }));
    await refused();
    const gone = new DeleteInternetGatewayCommand({ InternetGatewayId });
    expect(await nameOfError(client.send(gone))).toBe('DependencyViolation');
    await client.send(new DetachInternetGatewayCommand({ InternetGatewayId, VpcId }));
    await client.send(gone);
    await refused();
    await client.send(new DeleteSecurityGroupCommand({ GroupId }));
    await refused();
    await client.send(new DeleteRouteTableCommand({ RouteTableId }));
    await client.send(new DeleteVpcCommand({ VpcId }));
    const Filters = [{ Name: 'vpc-id', Values: [VpcId] }];
    expect((await client.send(new DescribeSecurityGroupsCommand({ Filters }))).SecurityGroups).toEqual([]);
    expect((await client.send(new DescribeRouteTablesCommand({ Filters }))).RouteTables).toEqual([]);
  });

  test.each([
    ['10.0.0.0/8', 'InvalidVpc.Range'],
    ['10.0.0.0/29', 'InvalidVpc.Range'],
    ['10.0.0.256/16', 'InvalidParameterValue'],
    ['everywhere', 'InvalidParameterValue'],
  ])('a network of %s is refused', async (CidrBlock, name) => {
    expect(await nameOfError(client.send(new CreateVpcCommand({ CidrBlock })))).toBe(name);
  });

  test('subnets lie within their network and beside each other', async () => {
    const VpcId = await newVpc();
    await newSubnet(VpcId);
    const make = (CidrBlock: string): Promise<string> =>
      nameOfError(client.send(new CreateSubnetCommand({ VpcId, CidrBlock })));
    expect(await make('10.0.0.128/25')).toBe('InvalidSubnet.Conflict');
    expect(await make('10.1.0.0/24')).toBe('InvalidSubnet.Range');
    expect(await make('10.0.1.0/24')).toBe('no error');
  });

  test('names of hosts are switched on by an attribute', async () => {
    const VpcId = await newVpc();
    const ask = async (): Promise<boolean | undefined> =>
      (await client.send(new DescribeVpcAttributeCommand({ VpcId, Attribute: 'enableDnsHostnames' })))
        .EnableDnsHostnames?.Value;
    expect(await ask()).toBe(false);
    await client.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsHostnames: { Value: true } }));
    expect(await ask()).toBe(true);
  });
});

describe('routes and groups', () => {
  test('a table routes for the subnets that it is associated with', async () => {
    const VpcId = await newVpc();
    const SubnetId = await newSubnet(VpcId);
    const { InternetGateway } = await client.send(new CreateInternetGatewayCommand({}));
    const GatewayId = InternetGateway?.InternetGatewayId ?? '';
    const made = await client.send(new CreateRouteTableCommand({ VpcId, ClientToken: 'one' }));
    const again = await client.send(new CreateRouteTableCommand({ VpcId, ClientToken: 'one' }));
    const RouteTableId = made.RouteTable?.RouteTableId ?? '';
    expect(again.RouteTable?.RouteTableId).toBe(RouteTableId);
    const route = new CreateRouteCommand({ RouteTableId, DestinationCidrBlock: '0.0.0.0/0', GatewayId });
    expect(await nameOfError(client.send(route))).toBe('InvalidParameterValue');
    await client.send(new AttachInternetGatewayCommand({ InternetGatewayId: GatewayId, VpcId }));
    await client.send(route);
    await client.send(route);
    const { AssociationId } = await client.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }));
    const { RouteTables } = await client.send(new DescribeRouteTablesCommand({ RouteTableIds: [RouteTableId] }));
    expect(RouteTables).toMatchObject([
      {
        Routes: [{ GatewayId: 'local' }, { DestinationCidrBlock: '0.0.0.0/0', GatewayId }],
        Associations: [{ SubnetId, Main: false, RouteTableAssociationId: AssociationId }],
      },
    ]);
    const remove = new DeleteRouteTableCommand({ RouteTableId });
    expect(await nameOfError(client.send(remove))).toBe('DependencyViolation');
    await client.send(new DisassociateRouteTableCommand({ AssociationId }));
    await client.send(remove);
  });

  test('a group lets out everything and in nothing, until it is told otherwise', async () => {
    const VpcId = await newVpc();
    const { GroupId = '' } = await client.send(
      new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'web', VpcId }),
    );
    const again = new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'web', VpcId });
    expect(await nameOfError(client.send(again))).toBe('InvalidGroup.Duplicate');
    const rule = {
      IpProtocol: 'tcp',
      FromPort: 443,
      ToPort: 443,
      IpRanges: [{ CidrIp: '10.0.0.0/8', Description: 'inside' }],
    };
    const authorize = new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [rule] });
    await client.send(authorize);
    expect(await nameOfError(client.send(authorize))).toBe('InvalidPermission.Duplicate');
    const describeGroup = new DescribeSecurityGroupsCommand({ GroupIds: [GroupId] });
    const { SecurityGroups = [] } = await client.send(describeGroup);
    expect(SecurityGroups[0]?.IpPermissions).toMatchObject([rule]);
    const everything = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
    expect(SecurityGroups[0]?.IpPermissionsEgress).toMatchObject([everything]);
    await client.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: [everything] }));
    expect((await client.send(describeGroup)).SecurityGroups?.[0]?.IpPermissionsEgress).toEqual([]);
  });
});

describe('instances', () => {
  test('an instance takes its time to come and to go, and keeps its subnet until it is gone', async () => {
    const VpcId = await newVpc();
    const SubnetId = await newSubnet(VpcId);
    const launch = {
      ImageId: await image(),
      InstanceType: 't3.micro' as const,
      MinCount: 1,
      MaxCount: 1,
      SubnetId,
      ClientToken: 'token',
    };
    const { Instances = [] } = await client.send(new RunInstancesCommand(launch));
    const id = Instances[0]?.InstanceId ?? '';
    expect((await client.send(new RunInstancesCommand(launch))).Instances?.[0]?.InstanceId).toBe(id);
    const other = new RunInstancesCommand({ ...launch, InstanceType: 't3.large' });
    expect(await nameOfError(client.send(other))).toBe('IdempotentParameterMismatch');
    const state = async (): Promise<string | undefined> =>
      (await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations?.[0]?.Instances?.[0]?.State
        ?.Name;
    const { AllocationId = '' } = await client.send(new AllocateAddressCommand({ Domain: 'vpc' }));
    const associate = new AssociateAddressCommand({ AllocationId, InstanceId: id });
    expect(await state()).toBe('pending');
    expect(await nameOfError(client.send(associate))).toBe('InvalidInstanceID');
    aws.advance(1_000);
    expect(await state()).toBe('running');
    await client.send(associate);
    const release = new ReleaseAddressCommand({ AllocationId });
    expect(await nameOfError(client.send(release))).toBe('InvalidIPAddress.InUse');
    const remove = new DeleteSubnetCommand({ SubnetId });
    await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    expect(await state()).toBe('shutting-down');
    expect(await nameOfError(client.send(remove))).toBe('DependencyViolation');
    aws.advance(1_000);
    expect(await state()).toBe('terminated');
    await client.send(remove);
    await client.send(release);
    aws.advance(3_600_000);
    expect(await nameOfError(state())).toBe('InvalidInstanceID.NotFound');
  });

  test('an address moves from one thing to another only when it is free', async () => {
    const ImageId = await image();
    const run = async (): Promise<string> =>
      (await client.send(new RunInstancesCommand({ ImageId, MinCount: 1, MaxCount: 1 }))).Instances?.[0]?.InstanceId ??
      '';
    const [one, other] = [await run(), await run()];
    aws.advance(1_000);
    const { AllocationId = '', PublicIp } = await client.send(new AllocateAddressCommand({}));
    const { AssociationId } = await client.send(new AssociateAddressCommand({ AllocationId, InstanceId: one }));
    const { Reservations = [] } = await client.send(new DescribeInstancesCommand({ InstanceIds: [one] }));
    expect(Reservations[0]?.Instances?.[0]?.PublicIpAddress).toBe(PublicIp);
    const move = new AssociateAddressCommand({ AllocationId, InstanceId: other });
    const strict = new AssociateAddressCommand({ AllocationId, InstanceId: other, AllowReassociation: false });
    expect(await nameOfError(client.send(strict))).toBe('Resource.AlreadyAssociated');
    await client.send(new DisassociateAddressCommand({ AssociationId }));
    await client.send(move);
    const Filters = [{ Name: 'instance-id', Values: [other] }];
    expect((await client.send(new DescribeAddressesCommand({ Filters }))).Addresses).toHaveLength(1);
  });

  test('what EC2 does not know is refused', async () => {
    const wrong = new RunInstancesCommand({ ImageId: 'linux', MinCount: 1, MaxCount: 1 });
    expect(await nameOfError(client.send(wrong))).toBe('InvalidAMIID.Malformed');
    const absent = new TerminateInstancesCommand({ InstanceIds: ['i-0123'] });
    expect(await nameOfError(client.send(absent))).toBe('InvalidInstanceID.NotFound');
    const tag = new CreateTagsCommand({ Resources: ['unknown-1'], Tags: [{ Key: 'a', Value: 'b' }] });
    expect(await nameOfError(client.send(tag))).toBe('InvalidID');
  });
});

describe('filters', () => {
  test('stars and question marks stand for what a pattern of letters would', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
    const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(letters, patterns, (value, pattern) => {
        const expected = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(value);
        expect(matches(value, pattern)).toBe(expected);
      }),
    );
  });
});
