/** What is particular to each service; what they have in common is in `services.test.ts`. */

import { CreateSecurityGroupCommand, DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { CreateTableCommand, DeleteTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketEncryptionCommand,
  GetPublicAccessBlockCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { CreateQueueCommand, DeleteQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure } from '../../../../tests/contract/harness.ts';
import { Died } from '../../../../tests/contract/recorded-steps.ts';
import { textOf } from '../../../core/json.ts';
import type { ServiceDefinition } from '../../../provisioning/service.ts';
import { dynamodb } from './dynamodb/definition.ts';
import { ec2 } from './ec2/definition.ts';
import { iamRole } from './iam-role/definition.ts';
import { lambda } from './lambda/definition.ts';
import { s3 } from './s3/definition.ts';
import { jobForTest, simulatedAws } from './simulated-for-test.ts';
import type { JobForTest, JobOptions, SimulatedAws } from './simulated-for-test.ts';
import { sqs } from './sqs/definition.ts';
import { vpc } from './vpc/definition.ts';

let aws: SimulatedAws;
const clients: { destroy(): void }[] = [];

beforeAll(async () => {
  aws = await simulatedAws();
});

afterAll(async () => {
  for (const client of clients) client.destroy();
  await aws.close();
});

const job = (definition: ServiceDefinition, options: JobOptions): Promise<JobForTest> =>
  jobForTest(aws, definition, options);

function clientOf<Client extends { destroy(): void }>(
  make: new (settings: SimulatedAws['settings'] & { region: string }) => Client,
): Client {
  const client = new make({ ...aws.settings, region: 'eu-west-1' });
  clients.push(client);
  return client;
}

describe('buckets', () => {
  test('a new bucket is closed to everybody and encrypted', async () => {
    const made = await job(s3, { params: { bucketName: 'closed-bucket' } });
    const { outputs } = await made.provision();
    expect(outputs).toEqual({ bucketName: 'closed-bucket', region: 'eu-west-1', arn: 'arn:aws:s3:::closed-bucket' });
    const [client, Bucket] = [clientOf(S3Client), 'closed-bucket'];
    const { PublicAccessBlockConfiguration } = await client.send(new GetPublicAccessBlockCommand({ Bucket }));
    expect(Object.values(PublicAccessBlockConfiguration ?? {})).toEqual([true, true, true, true]);
    const { ServerSideEncryptionConfiguration } = await client.send(new GetBucketEncryptionCommand({ Bucket }));
    expect(ServerSideEncryptionConfiguration?.Rules?.[0]).toMatchObject({
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
    });
    await made.destroy();
  });

  test('one that holds anything goes only by force, and then with every version', async () => {
    const params = { bucketName: 'full-bucket', versioning: true };
    await (await job(s3, { params })).provision();
    const [client, Bucket] = [clientOf(S3Client), 'full-bucket'];
    for (const Body of ['one', 'two']) await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body }));
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
    const refused = await failure((await job(s3, { params })).destroy(), 'CLOUD_REFUSED');
    expect(refused.details).toMatchObject({ cloudCode: 'BucketNotEmpty', operation: 'DeleteBucket' });
    expect(refused.message).toContain('forceDestroy');
    const forced = await job(s3, { params: { ...params, forceDestroy: true } });
    await forced.destroy();
    expect(await forced.read()).toBeUndefined();
  });

  test("one without tags is nobody's, and not taken over", async () => {
    const [client, Bucket] = [clientOf(S3Client), 'bare-bucket'];
    await client.send(
      new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }),
    );
    const refused = await failure(
      (await job(s3, { params: { bucketName: Bucket } })).provision(),
      'RESOURCE_NOT_OWNED',
    );
    expect(refused.details['resource']).toBe('aws:eu-west-1:s3:bare-bucket');
    await client.send(new DeleteBucketCommand({ Bucket }));
  });

  test("one without tags that its job found to be missing before is that job's own, while it holds nothing", async () => {
    const [client, Bucket] = [clientOf(S3Client), 'left-bare'];
    const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' } as const;
    await client.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
    const names = { noteFree: () => Promise.resolve(), wasFree: () => Promise.resolve(true) };
    const options = { params: { bucketName: Bucket }, names };
    await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'one' }));
    await failure((await job(s3, options)).provision(), 'RESOURCE_NOT_OWNED');
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
    const made = await job(s3, options);
    expect(await made.provision()).toMatchObject({ isAdopted: false });
    expect((await made.read())?.tags).toMatchObject({ tenant: 'team-x', requestId: 'request-1' });
    await made.destroy();
  });

  test("in the first region, where making it again is no error, another tenant's is still another's", async () => {
    const options = { region: 'us-east-1', params: { bucketName: 'first-region' } };
    const theirs = await job(s3, { ...options, tenant: 'team-y', requestId: 'theirs' });
    await theirs.provision();
    await failure((await job(s3, options)).provision(), 'RESOURCE_NOT_OWNED');
    await theirs.destroy();
  });

  test.each(['eu-west-1', 'us-east-1'])('one of the same name elsewhere is not the one of %s', async (region) => {
    const params = { bucketName: 'somewhere-else' };
    const there = await job(s3, { region: 'eu-central-1', params });
    await there.provision();
    const here = await job(s3, { region, params });
    const refused = await failure(here.provision(), 'RESOURCE_NOT_OWNED');
    expect(refused.message).toContain('it is in another region or account');
    await failure(here.destroy(), 'RESOURCE_NOT_OWNED');
    await there.destroy();
  });

  test('an update moves the end of its life, and its maker stays', async () => {
    const params = { bucketName: 'lives-longer' };
    await (await job(s3, { params, expiresAt: '2026-12-01T00:00:00Z', userTags: { colour: 'red' } })).provision();
    const later = { expiresAt: '2027-01-01T00:00:00Z', userTags: { colour: 'blue' } };
    const update = await job(s3, { params, requestId: 'request-2', ...later });
    await update.update();
    expect((await update.read())?.tags).toMatchObject({
      tenant: 'team-x',
      requestId: 'request-1',
      owner: 'ada',
      'managed-by': 'zeroplane',
      expiresAt: '2027-01-01T00:00:00Z',
      colour: 'blue',
    });
    await update.destroy();
  });
});

describe('tables', () => {
  test('one that is protected goes only once an update has taken the protection back', async () => {
    const params = { tableName: 'protected', partitionKey: { name: 'id' } };
    await (await job(dynamodb, { params: { ...params, deletionProtection: true } })).provision();
    const open = await job(dynamodb, { params });
    const refused = await failure(open.destroy(), 'CLOUD_REFUSED');
    expect(refused.details).toMatchObject({ operation: 'DeleteTable', cloudCode: 'ValidationException' });
    await (await job(dynamodb, { params })).update();
    await (await job(dynamodb, { params })).destroy();
  });

  test('one that is still being made is judged by its tags only once they must be there', async () => {
    const client = clientOf(DynamoDBClient);
    const [TableName, key] = ['shows-late', 'id'];
    const bare = {
      TableName,
      AttributeDefinitions: [{ AttributeName: key, AttributeType: 'S' as const }],
      KeySchema: [{ AttributeName: key, KeyType: 'HASH' as const }],
      BillingMode: 'PAY_PER_REQUEST' as const,
    };
    await client.send(new CreateTableCommand(bare));
    const made = await job(dynamodb, { params: { tableName: TableName, partitionKey: { name: key } } });
    await failure(made.provision(), 'RESOURCE_NOT_OWNED');
    expect(made.steps.effects).toBeGreaterThan(1);
    await client.send(new DeleteTableCommand({ TableName }));
  });

  test('one that is being removed is not adopted, and made anew once it is gone', async () => {
    const params = { tableName: 'comes-back', partitionKey: { name: 'id' }, pointInTimeRecovery: false };
    await (await job(dynamodb, { params })).provision();
    const dies = await job(dynamodb, { params, diesAfter: 1 });
    await expect(dies.destroy()).rejects.toBeInstanceOf(Died);
    const again = await job(dynamodb, { params, requestId: 'request-2' });
    expect(await again.provision()).toMatchObject({ isAdopted: false });
    await again.destroy();
  });
});

describe('queues', () => {
  test('both queues are encrypted, and dead letters go to the second', async () => {
    const made = await job(sqs, { params: { queueName: 'work', maxReceives: 4 } });
    const { outputs } = await made.provision();
    const client = clientOf(SQSClient);
    const attributes = async (url: unknown): Promise<Record<string, string>> => {
      const QueueUrl = textOf(url);
      const answer = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
      return answer.Attributes ?? {};
    };
    const [first, second] = [await attributes(outputs['queueUrl']), await attributes(outputs['deadLetterQueueUrl'])];
    expect([first['SqsManagedSseEnabled'], second['SqsManagedSseEnabled']]).toEqual(['true', 'true']);
    expect(JSON.parse(first['RedrivePolicy'] ?? '')).toEqual({
      deadLetterTargetArn: second['QueueArn'],
      maxReceiveCount: 4,
    });
    await made.destroy();
  });

  test("a queue that has the second one's name keeps its owner", async () => {
    const client = clientOf(SQSClient);
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: 'taken-dead' }));
    const made = await job(sqs, { params: { queueName: 'taken', maxReceives: 4 } });
    const refused = await failure(made.provision(), 'RESOURCE_NOT_OWNED');
    expect(refused.details['resource']).toBe('taken-dead');
    await (await job(sqs, { params: { queueName: 'taken', maxReceives: 4 } })).destroy();
    await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    await client.send(new DeleteQueueCommand({ QueueUrl }));
  });
});

describe('networks', () => {
  test('what somebody has put into one keeps it from going, and is named', async () => {
    const made = await job(vpc, { params: { name: 'shared' } });
    const { outputs } = await made.provision();
    const stranger = { GroupName: 'strangers', Description: 'made by hand', VpcId: textOf(outputs['vpcId']) };
    const { GroupId } = await clientOf(EC2Client).send(new CreateSecurityGroupCommand(stranger));
    const refused = await failure((await job(vpc, { params: { name: 'shared' } })).destroy(), 'CLOUD_REFUSED');
    expect(refused.details['cloudCode']).toBe('DependencyViolation');
    expect(refused.message).toContain('security groups');
    await aws.state.delete('ec2-security-group', `eu-west-1/${GroupId ?? ''}`);
    await (await job(vpc, { params: { name: 'shared' } })).destroy();
  });

  test('one that another request has left half-made is not taken for a network', async () => {
    const params = { name: 'half' };
    await expect((await job(vpc, { params, diesAfter: 1 })).provision()).rejects.toBeInstanceOf(Died);
    const other = await job(vpc, { params, requestId: 'request-2' });
    const refused = await failure(other.provision(), 'CLOUD_REFUSED');
    expect(refused.message).toContain('parts of the network are missing');
    await (await job(vpc, { params, requestId: 'request-3' })).destroy();
  });

  test('without public subnets there is no way to the internet', async () => {
    const made = await job(vpc, { params: { name: 'inner', publicSubnets: 0, privateSubnets: 3 } });
    const { outputs } = await made.provision();
    expect(outputs).toMatchObject({ publicSubnetIds: [], internetGatewayId: null, routeTableId: null });
    expect(outputs['privateSubnetIds']).toHaveLength(3);
    await made.destroy();
  });
});

describe('instances', () => {
  test('one in a network of ours is in its first subnet and its group, proves who asks for metadata, and is encrypted', async () => {
    const network = await job(vpc, { params: { name: 'home' } });
    const { outputs } = await network.provision();
    const made = await job(ec2, { params: { name: 'server', network: network.id } });
    const { outputs: server } = await made.provision();
    expect(server).toMatchObject({ vpcId: outputs['vpcId'], subnetId: (outputs['subnetIds'] as string[])[0] });
    const InstanceIds = [textOf(server['instanceId'])];
    const { Reservations } = await clientOf(EC2Client).send(new DescribeInstancesCommand({ InstanceIds }));
    expect(Reservations?.[0]?.Instances?.[0]).toMatchObject({
      SecurityGroups: [{ GroupId: outputs['securityGroupId'] }],
      MetadataOptions: { HttpTokens: 'required' },
    });
    const kept = await aws.state.get('ec2-instance', `eu-west-1/${InstanceIds[0]}`);
    expect(kept).toMatchObject({ isVolumeEncrypted: true, publicAddress: '' });
    const refused = await failure(
      (await job(ec2, { tenant: 'team-y', requestId: 'theirs', params: { network: network.id } })).provision(),
      'RESOURCE_NOT_OWNED',
    );
    expect(refused.details['resource']).toBe((outputs['subnetIds'] as string[])[0]);
    await made.destroy();
    await network.destroy();
  });

  test('a network that is not there is said to be missing', async () => {
    const made = await job(ec2, { params: { name: 'lost', network: 'aws:eu-west-1:vpc:nowhere' } });
    const refused = await failure(made.provision(), 'CLOUD_REFUSED');
    expect(refused.message).toContain('There is no subnet of the network "aws:eu-west-1:vpc:nowhere"');
  });

  test("a processor of Amazon's own gets an image for it", async () => {
    const made = await job(ec2, { params: { name: 'arm', instanceType: 't4g.small' } });
    const other = await job(ec2, { params: { name: 'intel' } });
    const images = [await made.provision(), await other.provision()].map(({ outputs }) => outputs['imageId']);
    expect(new Set(images).size).toBe(2);
    await made.destroy();
    await other.destroy();
  });
});

describe('functions and roles', () => {
  const base = { functionName: 'greet', handler: 'index.handler' };

  test('a function may act as a role that was made here, and gets its secrets by name', async () => {
    const role = await job(iamRole, { params: { roleName: 'greeter', trustedServices: ['lambda.amazonaws.com'] } });
    const { outputs } = await role.provision();
    const params = {
      ...base,
      role: role.id,
      code: { secret: 'GREET_ZIP' },
      environment: { COLOUR: 'red' },
      secretEnvironment: { API_KEY: 'GREET_KEY' },
    };
    const secrets = { GREET_ZIP: Buffer.from('an archive').toString('base64'), GREET_KEY: 'not for everybody' };
    const made = await job(lambda, { params, secrets });
    const answer = await made.provision();
    expect(answer.outputs).toMatchObject({ role: outputs['arn'] });
    expect(JSON.stringify([answer, await made.read()])).not.toContain('not for everybody');
    const { FunctionName } = { FunctionName: 'greet' };
    const found = await clientOf(LambdaClient).send(new GetFunctionConfigurationCommand({ FunctionName }));
    expect(found).toMatchObject({
      CodeSize: 10,
      Environment: { Variables: { COLOUR: 'red', API_KEY: 'not for everybody' } },
    });
    await made.destroy();
    await role.destroy();
  });

  test("another tenant's role is not lent", async () => {
    const params = { roleName: 'theirs', trustedServices: ['lambda.amazonaws.com'] };
    const role = await job(iamRole, { tenant: 'team-y', params });
    await role.provision();
    const made = await job(lambda, { params: { ...base, role: role.id, code: { secret: 'Z' } }, secrets: { Z: '' } });
    await failure(made.provision(), 'RESOURCE_NOT_OWNED');
    await role.destroy();
  });

  test.each([
    ['a role', { role: 'aws:-:iam-role:nobody', code: { secret: 'Z' } }, 'NoSuchEntity'],
    ['a secret', { role: 'arn:aws:iam::000000000000:role/x', code: { secret: 'NONE' } }, 'NoSecret'],
    [
      'an object',
      { role: 'arn:aws:iam::000000000000:role/x', code: { bucket: 'nowhere', key: 'a.zip' } },
      'InvalidParameterValueException',
    ],
  ])('%s that is not there is refused, and no function is made', async (_what, params, cloudCode) => {
    const made = await job(lambda, { params: { ...base, ...params }, secrets: { Z: '' } });
    const refused = await failure(made.provision(), 'CLOUD_REFUSED');
    expect(refused.details['cloudCode']).toBe(cloudCode);
    expect(await made.read()).toBeUndefined();
  });

  test('a policy that does not exist is no reason to wait', async () => {
    const role = await job(iamRole, {
      params: {
        roleName: 'waits',
        trustedServices: ['lambda.amazonaws.com'],
        managedPolicies: ['arn:aws:iam::aws:policy/ok'],
      },
    });
    aws.faults.add({ service: 'iam', operation: 'AttachRolePolicy', fault: 'already-exists' });
    await failure(role.provision(), 'CLOUD_REFUSED');
    await (await job(iamRole, { params: { roleName: 'waits', trustedServices: ['lambda.amazonaws.com'] } })).destroy();
  });
});
