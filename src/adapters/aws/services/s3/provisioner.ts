/** Makes and removes buckets. A bucket is closed and encrypted before anybody is told of it. */

import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetBucketEncryptionCommand,
  GetBucketLocationCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  ListObjectVersionsCommand,
  PutBucketEncryptionCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { BucketLocationConstraint, ObjectIdentifier } from '@aws-sdk/client-s3';
import { cloudError } from '../../../../provisioning/cloud-errors.ts';
import type { ProvisionContext, ProvisionRequest } from '../../../../provisioning/provisioner.ts';
import { cloudCodeOf } from '../../../../provisioning/resource-provisioner.ts';
import type { CreateProvisioner, Found, ResourceKind, Tags } from '../../../../provisioning/resource-provisioner.ts';
import { ask, askFor } from '../../cloud-call.ts';
import { clientSettings } from '../../job-clients.ts';
import { awsProvisioner, tagList, tagsOfList } from '../../ownership.ts';
import { placeOf } from '../../regions.ts';
import type { S3Params } from './definition.ts';

type Params = ProvisionRequest['params'];

const EMPTYING = { everyMs: 100, timeoutMs: 3_600_000 };
/** Buckets here are made without naming the region. */
const CLASSIC = 'us-east-1';
/** What S3 says of buckets of other accounts and, where an endpoint serves one region, of other regions. */
const UNREADABLE_CODES = new Set(['AccessDenied', 'PermanentRedirect', 'AuthorizationHeaderMalformed']);
const UNREADABLE = 'it is in another region or account, or its tags may not be read';

export const createBucket: CreateProvisioner = (context, stepsOf) => awsProvisioner(BucketKind, context, stepsOf);

class BucketKind implements ResourceKind {
  readonly noun = 'bucket';
  readonly fixed = [];
  readonly taken = ['BucketAlreadyExists', 'BucketAlreadyOwnedByYou'];
  readonly isCreateExclusive = false;
  readonly #context: ProvisionContext;
  readonly #client: S3Client;
  readonly #bucket: { readonly Bucket: string };
  readonly #region: string;
  readonly #params: Partial<S3Params>;

  constructor(context: ProvisionContext, id: string, params: Params) {
    const { name, region } = placeOf(id);
    this.#context = context;
    this.#bucket = { Bucket: name };
    this.#region = region;
    this.#params = params;
    const { endpoint } = context.place;
    const settings = clientSettings(context, region);
    this.#client = new S3Client({ ...settings, forcePathStyle: endpoint !== undefined });
  }

  async find(): Promise<Found | undefined> {
    const tags = await this.#tags();
    if (tags === undefined) return undefined;
    const bucket = this.#bucket;
    const name = bucket.Bucket;
    const outputs = { bucketName: name, region: this.#region, arn: `arn:aws:s3:::${name}` };
    if (tags === 'unreadable') return { tags: {}, outputs, settings: {}, hidden: UNREADABLE };
    const [hidden, versioning, encryption] = await Promise.all([
      this.#elsewhere(),
      ask('GetBucketVersioning', () => this.#client.send(new GetBucketVersioningCommand(bucket))),
      askFor('GetBucketEncryption', ['ServerSideEncryptionConfigurationNotFoundError'], () =>
        this.#client.send(new GetBucketEncryptionCommand(bucket)),
      ),
    ]);
    if (hidden !== undefined) return { tags: {}, outputs, settings: {}, hidden };
    const [rule] = encryption?.ServerSideEncryptionConfiguration?.Rules ?? [];
    const algorithm = rule?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm ?? 'none';
    return { tags, outputs, settings: { versioning: versioning.Status === 'Enabled', encryption: algorithm } };
  }

  async isEmpty(): Promise<boolean> {
    if ((await this.#tags()) === 'unreadable' || (await this.#elsewhere()) !== undefined) return false;
    const page = await ask('ListObjectVersions', () =>
      this.#client.send(new ListObjectVersionsCommand({ ...this.#bucket, MaxKeys: 1 })),
    );
    return (page.Versions ?? []).length + (page.DeleteMarkers ?? []).length === 0;
  }

  /** A bucket whose tags may not be read is somebody else's, or as good as. */
  async #tags(): Promise<Tags | 'unreadable' | undefined> {
    try {
      const { TagSet } = await ask('GetBucketTagging', () =>
        this.#client.send(new GetBucketTaggingCommand(this.#bucket)),
      );
      return tagsOfList(TagSet);
    } catch (error) {
      const code = cloudCodeOf(error);
      if (code === 'NoSuchBucket') return undefined;
      if (code === 'NoSuchTagSet') return {};
      if (UNREADABLE_CODES.has(code)) return 'unreadable';
      throw error;
    }
  }

  /** In another region it cannot be the one that the id names, although some endpoints answer for all regions. */
  async #elsewhere(): Promise<string | undefined> {
    const answer = await askFor('GetBucketLocation', ['AccessDenied', 'NoSuchBucket', 'NotImplemented'], () =>
      this.#client.send(new GetBucketLocationCommand(this.#bucket)),
    );
    if (answer === undefined) return undefined;
    // Older buckets of Ireland say so.
    const place: string = answer.LocationConstraint ?? '';
    const region = place === 'EU' ? 'eu-west-1' : place === '' ? CLASSIC : place;
    return region === this.#region || region === ''
      ? undefined
      : `there is one bucket of a name, and this one is in ${region}`;
  }

  async create(tags: Tags): Promise<undefined> {
    const region = this.#region;
    const where = region === CLASSIC ? {} : { LocationConstraint: region as BucketLocationConstraint };
    const CreateBucketConfiguration = { ...where, Tags: tagList(tags) };
    await ask('CreateBucket', () =>
      this.#client.send(new CreateBucketCommand({ ...this.#bucket, CreateBucketConfiguration })),
    );
    // Whoever made it first has it; where tags are not taken with the bucket, it is tagged before anything else.
    if (Object.keys((await this.#tags()) ?? {}).length === 0) await this.tag(tags);
  }

  async complete(): Promise<void> {
    await this.#step('block-public-access', () => this.#block());
    await this.#step('encrypt-bucket', () => this.#encrypt());
    if (this.#params.versioning === true) await this.#step('keep-versions', () => this.#keepVersions());
  }

  async tag(tags: Tags): Promise<void> {
    const Tagging = { TagSet: tagList(tags) };
    await ask('PutBucketTagging', () => this.#client.send(new PutBucketTaggingCommand({ ...this.#bucket, Tagging })));
  }

  async change(different: ReadonlySet<string>): Promise<void> {
    await this.#step('block-public-access', () => this.#block());
    if (different.has('encryption')) await this.#step('encrypt-bucket', () => this.#encrypt());
    if (different.has('versioning')) await this.#step('keep-versions', () => this.#keepVersions());
  }

  /** @throws PlatformError `CLOUD_REFUSED`, with `BucketNotEmpty`. */
  async remove(): Promise<void> {
    const { steps } = this.#context;
    if (this.#params.forceDestroy === true)
      await steps.until('empty-bucket', async () => ((await this.#deletePage()) ? undefined : true), EMPTYING);
    await this.#step('delete-bucket', async () => {
      try {
        await askFor('DeleteBucket', ['NoSuchBucket'], () => this.#client.send(new DeleteBucketCommand(this.#bucket)));
      } catch (error) {
        throw cloudCodeOf(error) === 'BucketNotEmpty' ? notEmpty(this.#bucket.Bucket, error) : error;
      }
    });
  }

  /** @returns whether there was anything. */
  async #deletePage(): Promise<boolean> {
    const page = await askFor('ListObjectVersions', ['NoSuchBucket'], () =>
      this.#client.send(new ListObjectVersionsCommand(this.#bucket)),
    );
    const found = [...(page?.Versions ?? []), ...(page?.DeleteMarkers ?? [])];
    if (found.length === 0) return false;
    const Objects = found.map(({ Key, VersionId }): ObjectIdentifier => ({ Key, VersionId }));
    const { Errors = [] } = await ask('DeleteObjects', () =>
      this.#client.send(new DeleteObjectsCommand({ ...this.#bucket, Delete: { Objects, Quiet: true } })),
    );
    const [first] = Errors;
    if (first !== undefined) throw notDeleted(first);
    return true;
  }

  async #block(): Promise<void> {
    const PublicAccessBlockConfiguration = {
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    };
    await ask('PutPublicAccessBlock', () =>
      this.#client.send(new PutPublicAccessBlockCommand({ ...this.#bucket, PublicAccessBlockConfiguration })),
    );
  }

  async #encrypt(): Promise<void> {
    const SSEAlgorithm = this.#params.encryption ?? 'AES256';
    const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm }, BucketKeyEnabled: SSEAlgorithm === 'aws:kms' };
    const ServerSideEncryptionConfiguration = { Rules: [rule] };
    await ask('PutBucketEncryption', () =>
      this.#client.send(new PutBucketEncryptionCommand({ ...this.#bucket, ServerSideEncryptionConfiguration })),
    );
  }

  async #keepVersions(): Promise<void> {
    const Status = this.#params.versioning === true ? 'Enabled' : 'Suspended';
    const VersioningConfiguration = { Status } as const;
    await ask('PutBucketVersioning', () =>
      this.#client.send(new PutBucketVersioningCommand({ ...this.#bucket, VersioningConfiguration })),
    );
  }

  async #step(name: string, effect: () => Promise<void>): Promise<void> {
    await this.#context.steps.run(name, async () => {
      await effect();
      return null;
    });
  }
}

function notEmpty(bucket: string, cause: unknown): Error {
  return cloudError({
    cloud: 'aws',
    fault: 'refused',
    operation: 'DeleteBucket',
    cloudCode: 'BucketNotEmpty',
    message: `The bucket "${bucket}" holds objects. Empty it, or set forceDestroy to have them deleted with it`,
    cause,
  });
}

/** One object of many; retention and legal holds are the usual reasons. */
function notDeleted(error: {
  readonly Key?: string | undefined;
  readonly Code?: string | undefined;
  readonly Message?: string | undefined;
}): Error {
  const { Key = '', Code = 'Unknown', Message = '' } = error;
  const fault = Code === 'InternalError' || Code === 'SlowDown' ? 'unavailable' : 'refused';
  const message = `The object "${Key.slice(0, 200)}" was not deleted. ${Message}`;
  return cloudError({ cloud: 'aws', fault, operation: 'DeleteObjects', cloudCode: Code, message });
}
