import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketEncryptionCommand,
  GetBucketLocationCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { LookupOptions } from 'node:dns';
import { Agent } from 'node:http';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endpointForTest, nameOfError } from '../endpoint-for-test.ts';
import type { EndpointForTest } from '../endpoint-for-test.ts';

type LookupDone = (error: null, address: unknown, family?: number) => void;

let endpoint: EndpointForTest;
let client: S3Client;
let classic: S3Client;
let count = 0;

beforeAll(async () => {
  endpoint = await endpointForTest();
  client = new S3Client(endpoint.settings());
  classic = new S3Client({ ...endpoint.settings(), region: 'us-east-1' });
});

afterAll(async () => {
  client.destroy();
  classic.destroy();
  await endpoint.close();
});

async function newBucket(): Promise<string> {
  const Bucket = `bucket-${++count}`;
  await client.send(
    new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }),
  );
  return Bucket;
}

describe('buckets', () => {
  test('a bucket is made with its tags, found, listed and deleted', async () => {
    const Bucket = 'project-assets';
    const made = await client.send(
      new CreateBucketCommand({
        Bucket,
        CreateBucketConfiguration: { LocationConstraint: 'eu-west-1', Tags: [{ Key: 'tenant', Value: 'a + b: ü' }] },
      }),
    );
    expect(made.Location).toBe('/project-assets');
    expect(await client.send(new HeadBucketCommand({ Bucket }))).toMatchObject({ BucketRegion: 'eu-west-1' });
    expect((await client.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint).toBe('eu-west-1');
    expect((await client.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual([
      { Key: 'tenant', Value: 'a + b: ü' },
    ]);
    const { Buckets = [] } = await client.send(new ListBucketsCommand({ Prefix: 'project' }));
    expect(Buckets.map(({ Name }) => Name)).toEqual([Bucket]);
    await client.send(new DeleteBucketCommand({ Bucket }));
    expect(await nameOfError(client.send(new HeadBucketCommand({ Bucket })))).toBe('NotFound');
    expect(await nameOfError(client.send(new DeleteBucketCommand({ Bucket })))).toBe('NoSuchBucket');
  });

  test('the same bucket again is refused, except in the first region, where nothing changes', async () => {
    const Bucket = await newBucket();
    const again = new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } });
    expect(await nameOfError(client.send(again))).toBe('BucketAlreadyOwnedByYou');
    const first = { Bucket: 'in-the-first-region' };
    const tagged = { Tags: [{ Key: 'n', Value: '1' }] };
    await classic.send(new CreateBucketCommand({ ...first, CreateBucketConfiguration: tagged }));
    await classic.send(new CreateBucketCommand(first));
    expect((await classic.send(new GetBucketTaggingCommand(first))).TagSet).toEqual(tagged.Tags);
    expect((await classic.send(new GetBucketLocationCommand(first))).LocationConstraint).toBeUndefined();
  });

  test.each([
    ['ab', 'InvalidBucketName'],
    ['Upper-case', 'InvalidBucketName'],
    ['192.168.0.1', 'InvalidBucketName'],
    ['two..dots', 'InvalidBucketName'],
  ])('the name "%s" is refused', async (Bucket, name) => {
    expect(await nameOfError(client.send(new CreateBucketCommand({ Bucket })))).toBe(name);
  });

  test('a region that is not the one of the endpoint is refused', async () => {
    const elsewhere = new CreateBucketCommand({
      Bucket: 'nowhere',
      CreateBucketConfiguration: { LocationConstraint: 'eu-central-1' },
    });
    expect(await nameOfError(client.send(elsewhere))).toBe('IllegalLocationConstraintException');
  });

  test('a bucket of another region answers with where it is', async () => {
    const Bucket = await newBucket();
    const other = new S3Client({ ...endpoint.settings(), region: 'ap-south-1' });
    expect(await nameOfError(other.send(new GetBucketTaggingCommand({ Bucket })))).toBe('PermanentRedirect');
    expect(await nameOfError(classic.send(new GetBucketTaggingCommand({ Bucket })))).toBe('PermanentRedirect');
    expect(await classic.send(new GetBucketLocationCommand({ Bucket }))).toMatchObject({
      LocationConstraint: 'eu-west-1',
    });
    other.destroy();
  });

  test('tags, encryption, the access block, versions and the policy are kept as they are put', async () => {
    const Bucket = await newBucket();
    expect(await nameOfError(client.send(new GetBucketTaggingCommand({ Bucket })))).toBe('NoSuchTagSet');
    const TagSet = [{ Key: 'a', Value: '' }];
    await client.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
    expect((await client.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual(TagSet);
    const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' as const }, BucketKeyEnabled: true };
    const ServerSideEncryptionConfiguration = { Rules: [rule] };
    await client.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }));
    expect(await client.send(new GetBucketEncryptionCommand({ Bucket }))).toMatchObject({
      ServerSideEncryptionConfiguration,
    });
    const open = new GetPublicAccessBlockCommand({ Bucket });
    expect((await client.send(open)).PublicAccessBlockConfiguration?.BlockPublicPolicy).toBe(true);
    const Policy = JSON.stringify({ Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject' }] });
    expect(await nameOfError(client.send(new PutBucketPolicyCommand({ Bucket, Policy })))).toBe('AccessDenied');
    const PublicAccessBlockConfiguration = { BlockPublicPolicy: false };
    await client.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration }));
    await client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    const VersioningConfiguration = { Status: 'Enabled' as const };
    expect((await client.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBeUndefined();
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    expect((await client.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe('Enabled');
  });

  test('two tags of one name are refused', async () => {
    const Bucket = await newBucket();
    const TagSet = [1, 2].map((n) => ({ Key: 'same', Value: `${n}` }));
    expect(await nameOfError(client.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } })))).toBe(
      'InvalidTag',
    );
  });
});

describe('objects', () => {
  test('bytes come back as they were put, whole, in part, and from a stream', async () => {
    const Bucket = await newBucket();
    const Body = Buffer.from([0, 255, 128, 13, 10, 65]);
    const Key = 'a/ü +?#.bin';
    const put = await client.send(
      new PutObjectCommand({ Bucket, Key, Body, ContentType: 'x/y', Metadata: { colour: 'red' } }),
    );
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? [])).toEqual(Body);
    expect(got).toMatchObject({ ContentType: 'x/y', ContentLength: 6, ETag: put.ETag, Metadata: { colour: 'red' } });
    expect(await client.send(new HeadObjectCommand({ Bucket, Key }))).toMatchObject({ ContentLength: 6 });
    const part = await client.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=4-' }));
    expect(await part.Body?.transformToString()).toBe('\nA');
    expect(part.ContentRange).toBe('bytes 4-5/6');
    await client.send(
      new PutObjectCommand({ Bucket, Key: 's', Body: Readable.from(['one ', 'two']), ContentLength: 7 }),
    );
    const streamed = await client.send(new GetObjectCommand({ Bucket, Key: 's' }));
    expect(await streamed.Body?.transformToString()).toBe('one two');
  });

  test('a bucket with an object is not deleted; emptied it is', async () => {
    const Bucket = await newBucket();
    for (const Key of ['a', 'b', '<c>&"d']) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    expect(await nameOfError(client.send(new DeleteBucketCommand({ Bucket })))).toBe('BucketNotEmpty');
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
    const Objects = [{ Key: 'b' }, { Key: '<c>&"d' }, { Key: 'never was' }];
    const { Deleted } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    expect(Deleted).toHaveLength(3);
    await client.send(new DeleteBucketCommand({ Bucket }));
  });

  test('a list has pages, prefixes and folders', async () => {
    const Bucket = await newBucket();
    for (const Key of ['a/1', 'a/2', 'b', 'c/1']) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    const keys = async (options: object): Promise<unknown> => {
      const {
        Contents = [],
        CommonPrefixes = [],
        NextContinuationToken,
      } = await client.send(new ListObjectsV2Command({ Bucket, ...options }));
      return [Contents.map(({ Key }) => Key), CommonPrefixes.map(({ Prefix }) => Prefix), NextContinuationToken];
    };
    expect(await keys({ Prefix: 'a/' })).toEqual([['a/1', 'a/2'], [], undefined]);
    expect(await keys({ Delimiter: '/' })).toEqual([['b'], ['a/', 'c/'], undefined]);
    const [first, , next] = (await keys({ MaxKeys: 3 })) as [string[], string[], string];
    expect(first).toEqual(['a/1', 'a/2', 'b']);
    expect(await keys({ ContinuationToken: next })).toEqual([['c/1'], [], undefined]);
  });

  test('with versions, what is deleted stays until each version is deleted', async () => {
    const Bucket = await newBucket();
    const VersioningConfiguration = { Status: 'Enabled' as const };
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    for (const Body of ['one', 'two']) await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body }));
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
    expect(await nameOfError(client.send(new GetObjectCommand({ Bucket, Key: 'a' })))).toBe('NoSuchKey');
    expect((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount).toBe(0);
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    expect([Versions.length, DeleteMarkers.length]).toEqual([2, 1]);
    expect(await nameOfError(client.send(new DeleteBucketCommand({ Bucket })))).toBe('BucketNotEmpty');
    const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
    await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    await client.send(new DeleteBucketCommand({ Bucket }));
  });

  test('an object of no bucket is refused', async () => {
    const put = new PutObjectCommand({ Bucket: 'nobody-made-this', Key: 'a', Body: 'x' });
    expect(await nameOfError(client.send(put))).toBe('NoSuchBucket');
  });
});

describe('addresses', () => {
  test('the bucket may stand in the name of the host', async () => {
    const Bucket = await newBucket();
    const { port } = new URL(endpoint.url);
    const lookup = (_name: string, options: LookupOptions, done: LookupDone): void =>
      options.all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
    const agent = new Agent({ lookup: lookup as never });
    const settings = { ...endpoint.settings(), endpoint: `http://localhost:${port}`, forcePathStyle: false };
    const hosted = new S3Client({ ...settings, requestHandler: { httpAgent: agent } });
    await hosted.send(new PutObjectCommand({ Bucket, Key: 'a/b', Body: 'by host' }));
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a/b' }));
    expect(await got.Body?.transformToString()).toBe('by host');
    hosted.destroy();
  });

  test('what S3 has and this has not is said to be missing', async () => {
    const Bucket = await newBucket();
    const Key = 'copy';
    const copy = new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/a` });
    expect(await nameOfError(client.send(copy))).toBe('NotImplemented');
    expect(await nameOfError(client.send(new CreateMultipartUploadCommand({ Bucket, Key })))).toBe('NotImplemented');
  });
});

describe('faults of the endpoint', () => {
  const head = (Bucket: string): Promise<string> => nameOfError(client.send(new HeadBucketCommand({ Bucket })));

  test.each([
    ['throttle', 'SlowDown', false],
    ['server-error', 'InternalError', false],
    ['already-exists', 'BucketAlreadyExists', false],
    ['dependency-violation', 'BucketNotEmpty', false],
    ['drop', 'TimeoutError', false],
    ['error-after-effect', 'InternalError', true],
    ['drop-after-effect', 'TimeoutError', true],
    ['slow', 'no error', true],
    ['slow-operation', 'no error', true],
  ] as const)('%s: the client sees %s', async (fault, name, hasEffect) => {
    const Bucket = `fault-${fault}`;
    endpoint.faults.add({ service: 's3', operation: 'CreateBucket', fault, delayMs: 1 });
    const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' as const };
    const create = new CreateBucketCommand({ Bucket, CreateBucketConfiguration });
    expect(await nameOfError(client.send(create))).toBe(name);
    expect(await head(Bucket)).toBe(hasEffect ? 'no error' : 'NotFound');
    expect(endpoint.faults.list()).toEqual([]);
  });

  test('every answer says that the cloud is simulated, and what it holds is listed', async () => {
    const Bucket = await newBucket();
    const response = await fetch(`${endpoint.url}/_zeroplane/contents?kind=s3-bucket`, {
      headers: { authorization: 'Bearer the development token' },
    });
    expect(response.headers.get('x-zeroplane-label')).toBe('simulated');
    const { contents } = (await response.json()) as { readonly contents: readonly { readonly id: string }[] };
    expect(contents.map(({ id }) => id)).toContain(Bucket);
    const refused = await fetch(`${endpoint.url}/${Bucket}`);
    expect([refused.status, refused.headers.get('x-zeroplane-label')]).toEqual([403, 'simulated']);
    expect((await fetch(`${endpoint.url}/_zeroplane/contents`)).status).toBe(401);
  });
});
