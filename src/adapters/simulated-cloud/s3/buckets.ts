/** S3's operations on buckets: making, reading, configuring and removing them. */

import type { Clock } from '../../../core/ports.ts';
import { AwsError } from '../aws-service.ts';
import type { AwsReply, AwsRequest } from '../aws-service.ts';
import type { SimulatedState } from '../simulated-state.ts';
import { childOf, childText, toXml } from '../xml.ts';
import type { XmlElement } from '../xml.ts';
import {
  BUCKET,
  DEFAULT_ACCESS_BLOCK,
  DEFAULT_ENCRYPTION,
  NAMESPACE,
  OBJECT,
  document,
  empty,
  noSuchBucket,
  tagsOf,
  tagsToXml,
  xmlBody,
  xmlReply,
} from './shapes.ts';
import type { Bucket, DocumentName } from './shapes.ts';

/** What an operation is called with. */
export interface At {
  readonly request: AwsRequest;
  readonly bucket: string;
  /** Decoded; empty for what concerns a bucket. */
  readonly key: string;
}

const MAX_LISTED = 10_000;
/** Where a bucket is made when nothing says otherwise; its endpoint reaches every bucket. */
const CLASSIC = 'us-east-1';
/** Root elements of the configurations that are put as XML, and what is said when there is none. */
const DOCUMENTS: Readonly<Record<Exclude<DocumentName, 'policy'>, { readonly root: string; readonly absent: string }>> =
  {
    encryption: {
      root: 'ServerSideEncryptionConfiguration',
      absent: 'ServerSideEncryptionConfigurationNotFoundError',
    },
    publicAccessBlock: { root: 'PublicAccessBlockConfiguration', absent: 'NoSuchPublicAccessBlockConfiguration' },
  };

export class Buckets {
  readonly #state: SimulatedState;
  readonly #clock: Clock;

  constructor(state: SimulatedState, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /** @throws AwsError `NoSuchBucket`, or `PermanentRedirect` when it is in another region. */
  async require({ bucket, request }: At): Promise<Bucket> {
    const found = await this.#state.get<Bucket>(BUCKET, bucket);
    if (found === undefined) throw noSuchBucket(bucket);
    if (found.region === request.region) return found;
    const message = `The bucket you are attempting to access is in ${found.region}. Send requests for it there.`;
    throw new AwsError('PermanentRedirect', message, 301, { Bucket: bucket, Region: found.region });
  }

  async list({ request }: At): Promise<AwsReply> {
    const prefix = request.query.get('prefix') ?? '';
    const region = request.query.get('bucket-region');
    const after = request.query.get('continuation-token') ?? '';
    const most = Math.min(Number(request.query.get('max-buckets') ?? MAX_LISTED) || MAX_LISTED, MAX_LISTED);
    const all = await this.#state.list<Bucket>(BUCKET, prefix);
    const wanted = all.filter(({ id, value }) => id > after && (region === null || value.region === region));
    const page = wanted.slice(0, most);
    const buckets = page.map(({ id, value }) => ({
      Name: id,
      CreationDate: value.createdAt,
      BucketRegion: value.region,
    }));
    return document('ListAllMyBucketsResult', {
      Owner: { ID: 'zeroplane', DisplayName: 'zeroplane' },
      Buckets: { Bucket: buckets },
      ContinuationToken: wanted.length > most ? page.at(-1)?.id : undefined,
    });
  }

  async create({ request, bucket }: At): Promise<AwsReply> {
    checkName(bucket);
    const asked = request.body.length === 0 ? undefined : xmlBody(request.body, 'CreateBucketConfiguration');
    const region = regionOf(asked, request.region);
    const value: Bucket = {
      region,
      createdAt: new Date(this.#clock.nowMs()).toISOString(),
      tags: tagsOf(childOf(asked, 'Tags')),
      versioning: '',
      encryption: DEFAULT_ENCRYPTION,
      publicAccessBlock: DEFAULT_ACCESS_BLOCK,
      policy: '',
    };
    const isNew = await this.#state.create(BUCKET, bucket, value);
    const there = isNew ? value : await this.#state.get<Bucket>(BUCKET, bucket);
    // In its first region S3 says yes to whoever makes a bucket of his own once more, and leaves it as it is.
    if (isNew || (there?.region === CLASSIC && region === CLASSIC)) return empty(200, { location: `/${bucket}` });
    const message = 'Your previous request to create the named bucket succeeded and you already own it.';
    throw new AwsError('BucketAlreadyOwnedByYou', message, 409, { BucketName: bucket });
  }

  async head(at: At): Promise<AwsReply> {
    const { region } = await this.require(at);
    return empty(200, { 'x-amz-bucket-region': region, 'x-amz-access-point-alias': 'false' });
  }

  async location({ bucket }: At): Promise<AwsReply> {
    const found = await this.#state.get<Bucket>(BUCKET, bucket);
    if (found === undefined) throw noSuchBucket(bucket);
    const { region } = found;
    return xmlReply(`<LocationConstraint ${NAMESPACE}>${region === CLASSIC ? '' : region}</LocationConstraint>`);
  }

  async delete(at: At): Promise<AwsReply> {
    await this.require(at);
    const inside = await this.#state.page({ kind: OBJECT, limit: 1, within: `${at.bucket}/` });
    if (inside.contents.length > 0)
      throw new AwsError('BucketNotEmpty', 'The bucket you tried to delete is not empty', 409, {
        BucketName: at.bucket,
      });
    if (!(await this.#state.delete(BUCKET, at.bucket))) throw noSuchBucket(at.bucket);
    return empty(204);
  }

  // -- configurations ---------------------------------------------------------------------------------

  async tags(at: At): Promise<AwsReply> {
    const { tags } = await this.require(at);
    if (Object.keys(tags).length === 0) throw new AwsError('NoSuchTagSet', 'The TagSet does not exist', 404);
    return document('Tagging', { TagSet: tagsToXml(tags) });
  }

  async putTags(at: At): Promise<AwsReply> {
    const tags = tagsOf(childOf(xmlBody(at.request.body, 'Tagging'), 'TagSet'));
    await this.#change(at, (bucket) => ({ ...bucket, tags }));
    return empty(204);
  }

  async deleteTags(at: At): Promise<AwsReply> {
    await this.#change(at, (bucket) => ({ ...bucket, tags: {} }));
    return empty(204);
  }

  async versioning(at: At): Promise<AwsReply> {
    const { versioning } = await this.require(at);
    return document('VersioningConfiguration', { Status: versioning === '' ? undefined : versioning });
  }

  async putVersioning(at: At): Promise<AwsReply> {
    const status = childText(xmlBody(at.request.body, 'VersioningConfiguration'), 'Status') ?? '';
    if (status !== 'Enabled' && status !== 'Suspended')
      throw new AwsError('MalformedXML', 'The versioning status is Enabled or Suspended', 400);
    await this.#change(at, (bucket) => ({ ...bucket, versioning: status }));
    return empty();
  }

  async document(at: At, name: keyof typeof DOCUMENTS): Promise<AwsReply> {
    const text = (await this.require(at))[name];
    if (text === '') throw new AwsError(DOCUMENTS[name].absent, `The bucket has no ${name} configuration`, 404);
    return xmlReply(text);
  }

  async putDocument(at: At, name: keyof typeof DOCUMENTS): Promise<AwsReply> {
    const root = xmlBody(at.request.body, DOCUMENTS[name].root);
    const text = writeElement(root).replace(`<${root.name}>`, `<${root.name} ${NAMESPACE}>`);
    await this.#change(at, (bucket) => ({ ...bucket, [name]: text }));
    return empty();
  }

  /** Encryption cannot be taken away: the default comes back. */
  async deleteDocument(at: At, name: DocumentName): Promise<AwsReply> {
    await this.#change(at, (bucket) => ({ ...bucket, [name]: name === 'encryption' ? DEFAULT_ENCRYPTION : '' }));
    return empty(204);
  }

  async policy(at: At): Promise<AwsReply> {
    const { policy } = await this.require(at);
    if (policy === '') throw new AwsError('NoSuchBucketPolicy', 'The bucket policy does not exist', 404);
    return { status: 200, headers: { 'content-type': 'application/json' }, body: policy };
  }

  async putPolicy(at: At): Promise<AwsReply> {
    const policy = at.request.body.toString('utf8');
    if (!isJsonObject(policy)) throw new AwsError('MalformedPolicy', 'This policy contains invalid Json', 400);
    const { publicAccessBlock } = await this.require(at);
    if (publicAccessBlock.includes('<BlockPublicPolicy>true<') && isPublic(policy))
      throw new AwsError('AccessDenied', 'Public policies are prevented by the BlockPublicPolicy setting', 403);
    await this.#change(at, (bucket) => ({ ...bucket, policy }));
    return empty(204);
  }

  async #change(at: At, change: (bucket: Bucket) => Bucket): Promise<void> {
    await this.require(at);
    if ((await this.#state.update<Bucket>(BUCKET, at.bucket, change)) === undefined) throw noSuchBucket(at.bucket);
  }
}

/** @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
function checkName(name: string): void {
  const isGood =
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..') && !/^\d+\.\d+\.\d+\.\d+$/.test(name);
  if (!isGood) throw new AwsError('InvalidBucketName', 'The specified bucket is not valid.', 400, { BucketName: name });
}

/** A request to the first region may not name one; a request to another must name that one. */
function regionOf(asked: XmlElement | undefined, signed: string): string {
  const named = childText(asked, 'LocationConstraint') ?? '';
  if (named === CLASSIC || (named === '' && signed !== CLASSIC) || (signed !== CLASSIC && named !== signed)) {
    const what = named === '' ? 'unspecified' : named;
    const message = `The ${what} location constraint is incompatible for the region specific endpoint this request was sent to.`;
    throw new AwsError(named === CLASSIC ? 'InvalidLocationConstraint' : 'IllegalLocationConstraintException', message);
  }
  return named === '' ? CLASSIC : named;
}

function writeElement({ name, text, children }: XmlElement): string {
  return children.length === 0 ? toXml(name, text) : `<${name}>${children.map(writeElement).join('')}</${name}>`;
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** Allows everybody something. */
function isPublic(policy: string): boolean {
  return /"Principal"\s*:\s*(?:"\*"|\{\s*"AWS"\s*:\s*\[?\s*"\*")/.test(policy) && /"Allow"/.test(policy);
}
