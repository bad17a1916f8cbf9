/** The contract of provisioners against simulations of AWS that nobody here wrote; the suite names address and services. */

import {
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeInternetGatewaysCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { DynamoDBClient, ListTablesCommand, ListTagsOfResourceCommand } from '@aws-sdk/client-dynamodb';
import {
  CreateRoleCommand,
  GetRoleCommand,
  IAMClient,
  ListRoleTagsCommand,
  ListRolesCommand,
} from '@aws-sdk/client-iam';
import { LambdaClient, ListFunctionsCommand, ListTagsCommand } from '@aws-sdk/client-lambda';
import {
  CreateBucketCommand,
  GetBucketTaggingCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { ListQueueTagsCommand, ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, expect, test } from 'vitest';
import { createEgress } from '../../src/adapters/embedded/egress.ts';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { awsServices } from '../../src/adapters/aws/services.ts';
import { s3 as bucketService } from '../../src/adapters/aws/services/s3/definition.ts';
import { resourceId, type CloudPlace } from '../../src/provisioning/provisioner.ts';
import { cloudProvisionerContract } from '../contract/cloud-provisioner.ts';
import type { CloudUnderTest, ServiceUnderTest } from '../contract/cloud-provisioner.ts';
import { failure } from '../contract/harness.ts';
import { RecordedSteps } from '../contract/recorded-steps.ts';
import { silentLog } from '../fixtures/assembled.ts';

const { PEER_AWS: endpoint = '', PEER_AWS_SERVICES: wanted = '' } = process.env;
const REGION = 'eu-west-1';
const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'testing' };
const settings = { endpoint, region: REGION, credentials: keys, maxAttempts: 3 };
const s3 = new S3Client({ ...settings, forcePathStyle: true });
const dynamodb = new DynamoDBClient(settings);
const sqs = new SQSClient(settings);
const iam = new IAMClient(settings);
const ec2 = new EC2Client(settings);
const lambda = new LambdaClient(settings);
const egress = createEgress({ clock: systemClock });
afterAll(() => egress.close());

type Tags = Readonly<Record<string, string | undefined>>;
type Lister = () => Promise<readonly (readonly [string, Tags])[]>;

const asTags = (
  list: readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[] = [],
): Tags => Object.fromEntries(list.map(({ Key = '', Value }) => [Key, Value]));

async function buckets(): ReturnType<Lister> {
  const { Buckets = [] } = await s3.send(new ListBucketsCommand({}));
  return Promise.all(
    Buckets.map(async ({ Name = '' }) => {
      const tags = await s3.send(new GetBucketTaggingCommand({ Bucket: Name })).catch(() => ({ TagSet: [] }));
      return [Name, asTags(tags.TagSet)] as const;
    }),
  );
}

async function tables(): ReturnType<Lister> {
  const { TableNames = [] } = await dynamodb.send(new ListTablesCommand({}));
  return Promise.all(
    TableNames.map(async (name) => {
      const ResourceArn = `arn:aws:dynamodb:${REGION}:${process.env['PEER_AWS_ACCOUNT'] ?? '123456789012'}:table/${name}`;
      const { Tags } = await dynamodb.send(new ListTagsOfResourceCommand({ ResourceArn }));
      return [name, asTags(Tags)] as const;
    }),
  );
}

async function queues(): ReturnType<Lister> {
  const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
  return Promise.all(
    QueueUrls.map(
      async (QueueUrl) => [QueueUrl, (await sqs.send(new ListQueueTagsCommand({ QueueUrl }))).Tags ?? {}] as const,
    ),
  );
}

async function roles(): ReturnType<Lister> {
  const { Roles = [] } = await iam.send(new ListRolesCommand({}));
  return Promise.all(
    Roles.map(async ({ RoleName = '' }) => {
      const { Tags } = await iam.send(new ListRoleTagsCommand({ RoleName }));
      return [RoleName, asTags(Tags)] as const;
    }),
  );
}

async function functions(): ReturnType<Lister> {
  const { Functions = [] } = await lambda.send(new ListFunctionsCommand({}));
  return Promise.all(
    Functions.map(
      async ({ FunctionArn: Resource = '' }) =>
        [Resource, (await lambda.send(new ListTagsCommand({ Resource }))).Tags ?? {}] as const,
    ),
  );
}

/** Everything of EC2, but for instances that are over. */
async function machines(): ReturnType<Lister> {
  const { Vpcs = [] } = await ec2.send(new DescribeVpcsCommand({}));
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}));
  const { InternetGateways = [] } = await ec2.send(new DescribeInternetGatewaysCommand({}));
  const { RouteTables = [] } = await ec2.send(new DescribeRouteTablesCommand({}));
  const { SecurityGroups = [] } = await ec2.send(new DescribeSecurityGroupsCommand({}));
  const { Addresses = [] } = await ec2.send(new DescribeAddressesCommand({}));
  const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
  const live = Reservations.flatMap(({ Instances = [] }) => Instances).filter(
    ({ State }) => State?.Name !== 'terminated',
  );
  const things = [
    ...Vpcs.map(({ VpcId, Tags: list }) => [VpcId, list] as const),
    ...Subnets.map(({ SubnetId, Tags: list }) => [SubnetId, list] as const),
    ...InternetGateways.map(({ InternetGatewayId, Tags: list }) => [InternetGatewayId, list] as const),
    ...RouteTables.map(({ RouteTableId, Tags: list }) => [RouteTableId, list] as const),
    ...SecurityGroups.map(({ GroupId, Tags: list }) => [GroupId, list] as const),
    ...Addresses.map(({ AllocationId, Tags: list }) => [AllocationId, list] as const),
    ...live.map(({ InstanceId, Tags: list }) => [InstanceId, list] as const),
  ];
  return things.map(([id = '', list]) => [id, asTags(list)]);
}

function peer(list: Lister): CloudUnderTest {
  const place: CloudPlace = {
    endpoint,
    label: 'simulated',
    egress,
    secrets: { get: () => Promise.resolve(undefined) },
    env: { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey },
  };
  return {
    place,
    // Nothing there takes longer than a moment.
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 25))),
    owned: async (tenant) => (await list()).filter(([, tags]) => tags['tenant'] === tenant).map(([name]) => name),
  };
}

const AWS_POLICY = 'arn:aws:iam::aws:policy';
const CODE = { bucket: 'code-of-functions', key: 'one.zip' };
const ROLE = 'functions';
/** An archive of one empty file. */
const ZIP = Buffer.from(
  'UEsDBAoAAAAAAAAAIQAAAAAAAAAAAAAAAAAJAAAAaW5kZXgubWpzUEsBAhQACgAAAAAAAAAhAAAAAAAAAAAAAAAAAAkAAAAAAAAAAAAAAAAAAAAAAGluZGV4Lm1qc1BLBQYAAAAAAQABADcAAAAnAAAAAAA=',
  'base64',
);

async function prepareCode(): Promise<void> {
  const { bucket: Bucket } = CODE;
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: REGION } }));
  for (const Key of ['one.zip', 'two.zip']) await s3.send(new PutObjectCommand({ Bucket, Key, Body: ZIP }));
  const Statement = [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }];
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  await iam.send(new CreateRoleCommand({ RoleName: ROLE, AssumeRolePolicyDocument }));
  const { Role } = await iam.send(new GetRoleCommand({ RoleName: ROLE }));
  roleArn = Role?.Arn ?? roleArn;
}
let roleArn = `arn:aws:iam::123456789012:role/${ROLE}`;

type Case = Omit<ServiceUnderTest, 'definition'> & { readonly list: Lister };

const CASES: Readonly<Record<string, Case>> = {
  s3: {
    list: buckets,
    params: (bucketName) => ({ bucketName, versioning: true }),
    changed: (bucketName) => ({ bucketName, encryption: 'aws:kms' }),
  },
  dynamodb: {
    list: tables,
    params: (tableName) => ({ tableName, partitionKey: { name: 'id' } }),
    changed: (tableName) => ({ tableName, partitionKey: { name: 'id' }, pointInTimeRecovery: false }),
    fixed: (tableName) => ({ tableName, partitionKey: { name: 'other' } }),
  },
  // Where tables have neither backups nor encryption that could be changed.
  'dynamodb:plain': {
    list: tables,
    params: (tableName) => ({ tableName, partitionKey: { name: 'id' }, pointInTimeRecovery: false }),
    fixed: (tableName) => ({ tableName, partitionKey: { name: 'other' }, pointInTimeRecovery: false }),
  },
  sqs: {
    list: queues,
    params: (queueName) => ({ queueName, maxReceives: 3 }),
    changed: (queueName) => ({ queueName, maxReceives: 5, visibilityTimeoutSeconds: 60 }),
  },
  'iam-role': {
    list: roles,
    params: (roleName) => ({
      roleName,
      trustedServices: ['lambda.amazonaws.com'],
      managedPolicies: [`${AWS_POLICY}/service-role/AWSLambdaBasicExecutionRole`],
      statements: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::assets/*'] }],
    }),
    changed: (roleName) => ({
      roleName,
      trustedServices: ['lambda.amazonaws.com', 'ec2.amazonaws.com'],
      managedPolicies: [`${AWS_POLICY}/AmazonS3ReadOnlyAccess`],
      maxSessionSeconds: 7_200,
    }),
  },
  vpc: {
    list: machines,
    params: (name) => ({ name, privateSubnets: 1, ingress: [{ port: 443, cidr: '10.0.0.0/8' }] }),
    changed: (name) => ({ name, privateSubnets: 1, ingress: [{ port: 80, cidr: '0.0.0.0/0' }] }),
    fixed: (name) => ({ name, privateSubnets: 1, cidr: '10.1.0.0/16' }),
  },
  ec2: {
    list: machines,
    params: (name) => ({ name, publicAddress: true }),
    changed: (name) => ({ name }),
    fixed: (name) => ({ name, publicAddress: true, instanceType: 't4g.small' }),
  },
  lambda: {
    list: functions,
    prepare: prepareCode,
    params: (functionName) => ({ functionName, handler: 'index.handler', code: CODE, role: roleArn }),
    changed: (functionName) => ({ functionName, handler: 'index.other', code: CODE, role: roleArn, memoryMb: 512 }),
  },
};

for (const name of wanted.split(',')) {
  const definition = awsServices.find(({ service }) => service === name.split(':')[0]);
  const found = CASES[name];
  if (definition === undefined || found === undefined) continue;
  const { list, ...service } = found;
  cloudProvisionerContract({ definition, region: REGION, ...service }, () => peer(list));
}

async function bucketIn(region: string, bucketName: string) {
  const request = {
    cloud: 'aws',
    service: 's3',
    params: { bucketName },
    tenant: 'team-x',
    env: 'dev',
    region,
  } as const;
  const id = resourceId({ cloud: 'aws', region, service: 's3', name: bucketName });
  const cloud = peer(buckets);
  const provisioner = (await bucketService.load()).create({
    request,
    id,
    requestId: `request-${region}`,
    ownership: {
      tenant: 'team-x',
      env: 'dev',
      service: 's3',
      requestId: `request-${region}`,
      owner: 'ada',
      'managed-by': 'zeroplane',
    },
    userTags: {},
    place: cloud.place,
    steps: new RecordedSteps(new Map(), { advance: (ms) => cloud.advance(ms) }),
    log: silentLog,
    signal: new AbortController().signal,
  });
  return { id, provision: () => provisioner.provision(request), destroy: () => provisioner.destroy(id) };
}

// moto answers for the buckets of all regions at one address; MiniStack redirects, as S3 does.
async function isNotTaken(): Promise<void> {
  const there = await bucketIn('eu-central-1', 'of-one-region');
  await there.provision();
  for (const region of ['eu-west-1', 'us-east-1']) {
    const here = await bucketIn(region, 'of-one-region');
    const refused = await failure(here.provision(), 'RESOURCE_NOT_OWNED');
    expect(refused.message).toMatch(/this one is in eu-central-1|it is in another region or account/);
    await failure(here.destroy(), 'RESOURCE_NOT_OWNED');
  }
  await there.destroy();
}

if (wanted.split(',').includes('s3')) test('a bucket of another region is not taken for one of this', isNotTaken);
