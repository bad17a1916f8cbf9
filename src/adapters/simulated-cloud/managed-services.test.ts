/** DynamoDB, SQS and IAM of the local endpoint, through the real SDKs: what the provisioners do not ask of them. */

import {
  CreateTableCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  ListTagsOfResourceCommand,
  PutItemCommand,
  UntagResourceCommand,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-dynamodb';
import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import {
  AttachRolePolicyCommand,
  CreateRoleCommand,
  DeleteRoleCommand,
  DetachRolePolicyCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  IAMClient,
  ListRolesCommand,
  PutRolePolicyCommand,
  UntagRoleCommand,
} from '@aws-sdk/client-iam';
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueueTagsCommand,
  ListQueuesCommand,
  SQSClient,
  SetQueueAttributesCommand,
  TagQueueCommand,
  UntagQueueCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { simulatedAws } from '../aws/services/simulated-for-test.ts';
import type { SimulatedAws } from '../aws/services/simulated-for-test.ts';
import { nameOfError } from './endpoint-for-test.ts';

let aws: SimulatedAws;
let dynamodb: DynamoDBClient;
let sqs: SQSClient;
let iam: IAMClient;

beforeAll(async () => {
  aws = await simulatedAws();
  const settings = { ...aws.settings, region: 'eu-west-1' };
  dynamodb = new DynamoDBClient(settings);
  sqs = new SQSClient(settings);
  iam = new IAMClient(settings);
});

afterAll(async () => {
  for (const client of [dynamodb, sqs, iam]) client.destroy();
  await aws.close();
});

describe('DynamoDB', () => {
  const table = (TableName: string, more: Partial<CreateTableCommandInput> = {}): CreateTableCommandInput => ({
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    ...more,
  });
  const statusOf = async (TableName: string): Promise<string | undefined> =>
    (await dynamodb.send(new DescribeTableCommand({ TableName }))).Table?.TableStatus;

  test('a table takes its time to be made, changed and deleted, and refuses what comes too early', async () => {
    const TableName = 'takes-time';
    await dynamodb.send(new CreateTableCommand(table(TableName)));
    expect(await statusOf(TableName)).toBe('CREATING');
    const backups = new UpdateContinuousBackupsCommand({
      TableName,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
    expect(await nameOfError(dynamodb.send(backups))).toBe('ContinuousBackupsUnavailableException');
    const remove = new DeleteTableCommand({ TableName });
    expect(await nameOfError(dynamodb.send(remove))).toBe('ResourceInUseException');
    aws.advance(1_000);
    expect(await statusOf(TableName)).toBe('ACTIVE');
    await dynamodb.send(backups);
    const described = await dynamodb.send(new DescribeContinuousBackupsCommand({ TableName }));
    expect(described.ContinuousBackupsDescription?.PointInTimeRecoveryDescription).toMatchObject({
      PointInTimeRecoveryStatus: 'ENABLED',
    });
    await dynamodb.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: true }));
    expect(await statusOf(TableName)).toBe('UPDATING');
    aws.advance(1_000);
    expect(await nameOfError(dynamodb.send(remove))).toBe('ValidationException');
    await dynamodb.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: false }));
    aws.advance(1_000);
    await dynamodb.send(remove);
    await dynamodb.send(remove);
    expect(await statusOf(TableName)).toBe('DELETING');
    expect(await nameOfError(dynamodb.send(new CreateTableCommand(table(TableName))))).toBe('ResourceInUseException');
    aws.advance(1_000);
    expect(await nameOfError(statusOf(TableName))).toBe('ResourceNotFoundException');
  });

  test('items are kept by their keys, and go with their table', async () => {
    const TableName = 'with-items';
    await dynamodb.send(new CreateTableCommand(table(TableName)));
    aws.advance(1_000);
    const Key = { id: { S: 'a/b' } };
    await dynamodb.send(new PutItemCommand({ TableName, Item: { ...Key, n: { N: '1' } } }));
    expect((await dynamodb.send(new GetItemCommand({ TableName, Key }))).Item).toEqual({ ...Key, n: { N: '1' } });
    await dynamodb.send(new DeleteItemCommand({ TableName, Key }));
    expect((await dynamodb.send(new GetItemCommand({ TableName, Key }))).Item).toBeUndefined();
    const without = new PutItemCommand({ TableName, Item: { n: { N: '1' } } });
    expect(await nameOfError(dynamodb.send(without))).toBe('ValidationException');
    await dynamodb.send(new PutItemCommand({ TableName, Item: Key }));
    await dynamodb.send(new DeleteTableCommand({ TableName }));
    aws.advance(1_000);
    await nameOfError(statusOf(TableName));
    expect(await aws.state.list('dynamodb-item')).toEqual([]);
  });

  test('lists have pages, and each region its own tables', async () => {
    for (const name of ['page-1', 'page-2', 'page-3']) await dynamodb.send(new CreateTableCommand(table(name)));
    const first = await dynamodb.send(new ListTablesCommand({ ExclusiveStartTableName: 'page', Limit: 2 }));
    expect([first.TableNames, first.LastEvaluatedTableName]).toEqual([['page-1', 'page-2'], 'page-2']);
    const elsewhere = new DynamoDBClient({ ...aws.settings, region: 'us-east-1' });
    expect((await elsewhere.send(new ListTablesCommand({}))).TableNames).toEqual([]);
    elsewhere.destroy();
  });

  test('tags are taken away by their keys', async () => {
    const Tags = ['a', 'b'].map((Key) => ({ Key, Value: '1' }));
    const { TableDescription } = await dynamodb.send(new CreateTableCommand(table('tagged', { Tags })));
    const ResourceArn = TableDescription?.TableArn ?? '';
    await dynamodb.send(new UntagResourceCommand({ ResourceArn, TagKeys: ['a'] }));
    expect((await dynamodb.send(new ListTagsOfResourceCommand({ ResourceArn }))).Tags).toEqual([
      { Key: 'b', Value: '1' },
    ]);
  });

  test.each([
    ['a key that is not defined', { KeySchema: [{ AttributeName: 'other', KeyType: 'HASH' as const }] }],
    ['no partition key', { KeySchema: [{ AttributeName: 'id', KeyType: 'RANGE' as const }] }],
    ['neither billing nor throughput', { BillingMode: undefined }],
    ['a short name', { TableName: 'ab' }],
    ['a tag of AWS', { Tags: [{ Key: 'aws:mine', Value: '1' }] }],
  ])('a table with %s is refused', async (_what, more) => {
    expect(await nameOfError(dynamodb.send(new CreateTableCommand(table('refused', more))))).toBe(
      'ValidationException',
    );
  });
});

describe('SQS', () => {
  test('the same attributes give the same queue, others are refused, and a name rests for a minute', async () => {
    const QueueName = 'rests';
    const make = (VisibilityTimeout: string): Promise<{ readonly QueueUrl?: string | undefined }> =>
      sqs.send(new CreateQueueCommand({ QueueName, Attributes: { VisibilityTimeout } }));
    const { QueueUrl } = await make('10');
    expect((await make('10')).QueueUrl).toBe(QueueUrl);
    expect(await nameOfError(make('20'))).toBe('QueueNameExists');
    await sqs.send(new DeleteQueueCommand({ QueueUrl }));
    expect(await nameOfError(sqs.send(new GetQueueUrlCommand({ QueueName })))).toBe('QueueDoesNotExist');
    expect(await nameOfError(make('20'))).toBe('QueueDeletedRecently');
    aws.advance(60_000);
    expect((await make('20')).QueueUrl).toBe(QueueUrl);
  });

  test('attributes and tags are changed and read, all or by name', async () => {
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'read', tags: { a: '1', b: '2' } }));
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { DelaySeconds: '7' } }));
    const one = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['DelaySeconds'] }));
    expect(one.Attributes).toEqual({ DelaySeconds: '7' });
    const all = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    expect(all.Attributes).toMatchObject({
      QueueArn: 'arn:aws:sqs:eu-west-1:000000000000:read',
      VisibilityTimeout: '30',
    });
    await sqs.send(new TagQueueCommand({ QueueUrl, Tags: { c: '3' } }));
    await sqs.send(new UntagQueueCommand({ QueueUrl, TagKeys: ['a'] }));
    expect((await sqs.send(new ListQueueTagsCommand({ QueueUrl }))).Tags).toEqual({ b: '2', c: '3' });
    expect((await sqs.send(new ListQueuesCommand({ QueueNamePrefix: 'rea' }))).QueueUrls).toEqual([QueueUrl]);
  });

  test.each([
    ['a name with a dot', { QueueName: 'a.b' }, 'InvalidParameterValue'],
    [
      'an ordered queue without its ending',
      { QueueName: 'a', Attributes: { FifoQueue: 'true' } },
      'InvalidParameterValue',
    ],
    ['a number out of bounds', { QueueName: 'a', Attributes: { DelaySeconds: '901' } }, 'InvalidAttributeValue'],
    ['an unknown attribute', { QueueName: 'a', Attributes: { Colour: 'red' } as object }, 'InvalidAttributeName'],
    [
      'dead letters for nobody',
      {
        QueueName: 'a',
        Attributes: { RedrivePolicy: '{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:0:none","maxReceiveCount":1}' },
      },
      'InvalidParameterValue',
    ],
  ])('%s is refused', async (_what, input, name) => {
    expect(await nameOfError(sqs.send(new CreateQueueCommand(input)))).toBe(name);
  });
});

describe('IAM', () => {
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [] });

  test('a role goes only once nothing hangs on it', async () => {
    const RoleName = 'hangs';
    await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));
    const PolicyArn = 'arn:aws:iam::aws:policy/ReadOnlyAccess';
    await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
    const remove = new DeleteRoleCommand({ RoleName });
    expect(await nameOfError(iam.send(remove))).toBe('DeleteConflictException');
    await iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }));
    const again = new DetachRolePolicyCommand({ RoleName, PolicyArn });
    expect(await nameOfError(iam.send(again))).toBe('NoSuchEntityException');
    await iam.send(remove);
    expect(await nameOfError(iam.send(new GetRoleCommand({ RoleName })))).toBe('NoSuchEntityException');
  });

  test('documents come back as they were put', async () => {
    const RoleName = 'documents';
    const Tags = [{ Key: 'a', Value: '1' }];
    await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument, Tags, Description: 'a <b> & ü' }));
    await iam.send(new UntagRoleCommand({ RoleName, TagKeys: ['a'] }));
    const { Role } = await iam.send(new GetRoleCommand({ RoleName }));
    expect(Role).toMatchObject({ Description: 'a <b> & ü', Arn: 'arn:aws:iam::000000000000:role/documents' });
    expect(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')).toBe(AssumeRolePolicyDocument);
    expect(Role?.Tags ?? []).toEqual([]);
    const PolicyDocument = JSON.stringify({ Statement: [{ Effect: 'Allow', Action: '*', Resource: '100%' }] });
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'p', PolicyDocument }));
    const policy = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName: 'p' }));
    expect(decodeURIComponent(policy.PolicyDocument ?? '')).toBe(PolicyDocument);
    const { Roles = [] } = await iam.send(new ListRolesCommand({}));
    expect(Roles.map((role) => role.RoleName)).toContain(RoleName);
  });

  test.each([
    ['a name with a slash', { RoleName: 'a/b', AssumeRolePolicyDocument }, 'InvalidInputException'],
    ['a document that is none', { RoleName: 'a', AssumeRolePolicyDocument: '{' }, 'MalformedPolicyDocumentException'],
    [
      'a tag in signs that are not allowed',
      { RoleName: 'a', AssumeRolePolicyDocument, Tags: [{ Key: 'a|b', Value: '' }] },
      'ValidationError',
    ],
  ])('%s is refused', async (_what, input, name) => {
    expect(await nameOfError(iam.send(new CreateRoleCommand(input)))).toBe(name);
  });
});
