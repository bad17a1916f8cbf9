import { afterAll, beforeAll } from 'vitest';
import { cloudProvisionerContract } from '../../../../tests/contract/cloud-provisioner.ts';
import { dynamodb } from './dynamodb/definition.ts';
import { ec2 } from './ec2/definition.ts';
import { iamRole } from './iam-role/definition.ts';
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
