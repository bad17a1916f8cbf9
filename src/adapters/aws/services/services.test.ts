import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll } from 'vitest';
import { cloudProvisionerContract } from '../../../../tests/contract/cloud-provisioner.ts';
import { dynamodb } from './dynamodb/definition.ts';
import { ec2 } from './ec2/definition.ts';
import { iamRole } from './iam-role/definition.ts';
import { lambda } from './lambda/definition.ts';
import { s3 } from './s3/definition.ts';
import { sqs } from './sqs/definition.ts';
import { vpc } from './vpc/definition.ts';
import { simulatedAws } from './simulated-for-test.ts';
import type { SimulatedAws } from './simulated-for-test.ts';

const AWS_POLICY = 'arn:aws:iam::aws:policy';
let aws: SimulatedAws;

beforeAll(async () => {
  aws = await simulatedAws();
});

afterAll(() => aws.close());

cloudProvisionerContract(
  {
    definition: s3,
    region: 'eu-west-1',
    creates: 'CreateBucket',
    params: (bucketName) => ({ bucketName, versioning: true }),
    changed: (bucketName) => ({ bucketName, encryption: 'aws:kms' }),
  },
  () => aws,
);

cloudProvisionerContract(
  {
    definition: dynamodb,
    region: 'eu-west-1',
    creates: 'CreateTable',
    params: (tableName) => ({ tableName, partitionKey: { name: 'id' }, sortKey: { name: 'at', type: 'N' } }),
    changed: (tableName) => ({
      tableName,
      partitionKey: { name: 'id' },
      sortKey: { name: 'at', type: 'N' },
      encryption: 'aws:kms',
      pointInTimeRecovery: false,
    }),
    fixed: (tableName) => ({ tableName, partitionKey: { name: 'other' }, sortKey: { name: 'at', type: 'N' } }),
  },
  () => aws,
);

cloudProvisionerContract(
  {
    definition: sqs,
    region: 'eu-west-1',
    creates: 'CreateQueue',
    params: (queueName) => ({ queueName, fifo: true, maxReceives: 3 }),
    changed: (queueName) => ({ queueName, fifo: true, maxReceives: 5, visibilityTimeoutSeconds: 60 }),
  },
  () => aws,
);

cloudProvisionerContract(
  {
    definition: iamRole,
    creates: 'CreateRole',
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
    fixed: (roleName) => ({
      roleName,
      trustedServices: ['lambda.amazonaws.com'],
      permissionsBoundary: `${AWS_POLICY}/PowerUserAccess`,
    }),
  },
  () => aws,
);

cloudProvisionerContract(
  {
    definition: vpc,
    region: 'eu-west-1',
    params: (name) => ({ name, privateSubnets: 1, ingress: [{ port: 443, cidr: '10.0.0.0/8' }] }),
    changed: (name) => ({
      name,
      privateSubnets: 1,
      ingress: [
        { port: 80, toPort: 81, cidr: '0.0.0.0/0' },
        { port: 53, protocol: 'udp', cidr: '10.0.0.0/8' },
      ],
    }),
    fixed: (name) => ({ name, privateSubnets: 1, cidr: '10.1.0.0/16' }),
  },
  () => aws,
);

cloudProvisionerContract(
  {
    definition: ec2,
    region: 'eu-west-1',
    params: (name) => ({ name, publicAddress: true }),
    changed: (name) => ({ name }),
    fixed: (name) => ({ name, publicAddress: true, instanceType: 't4g.small' }),
  },
  () => aws,
);

const CODE = { bucket: 'code-of-functions', key: 'one.zip' };
const ROLE = 'arn:aws:iam::000000000000:role/functions';

cloudProvisionerContract(
  {
    definition: lambda,
    region: 'eu-west-1',
    creates: 'CreateFunction',
    prepare: async () => {
      const client = new S3Client({ ...aws.settings, region: 'eu-west-1' });
      const { bucket: Bucket } = CODE;
      await client.send(new CreateBucketCommand({ Bucket }));
      for (const Key of ['one.zip', 'two.zip'])
        await client.send(new PutObjectCommand({ Bucket, Key, Body: `the bytes of ${Key}` }));
      client.destroy();
    },
    params: (functionName) => ({ functionName, handler: 'index.handler', code: CODE, role: ROLE }),
    changed: (functionName) => ({
      functionName,
      handler: 'index.other',
      code: { ...CODE, key: 'two.zip' },
      role: ROLE,
      memoryMb: 512,
      environment: { COLOUR: 'red' },
    }),
    fixed: (functionName) => ({
      functionName,
      handler: 'index.handler',
      code: CODE,
      role: ROLE,
      architecture: 'x86_64',
    }),
  },
  () => aws,
);
