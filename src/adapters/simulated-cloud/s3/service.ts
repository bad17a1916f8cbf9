/** S3's REST API: which operation a request is, told by its method, path and query. */

import type { BlobStore, Clock, IdSource } from '../../../core/ports.ts';
import { AwsError } from '../aws-service.ts';
import type { AwsReply, AwsRequest, AwsService } from '../aws-service.ts';
import type { SimulatedState } from '../simulated-state.ts';
import { Buckets } from './buckets.ts';
import type { At } from './buckets.ts';
import { Listing } from './listing.ts';
import { Objects } from './objects.ts';

export interface S3Parts {
  readonly state: SimulatedState;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly ids: IdSource;
}

type Run = (at: At) => Promise<AwsReply>;

interface Operation {
  readonly name: string;
  readonly run: Run;
}

/** Parts of S3 that are told by a word in the query. */
const WORDS = [
  'location',
  'tagging',
  'encryption',
  'publicAccessBlock',
  'versioning',
  'versions',
  'policy',
  'delete',
  'uploads',
  'acl',
  'cors',
  'lifecycle',
  'website',
  'notification',
  'replication',
  'logging',
  'ownershipControls',
  'object-lock',
  'accelerate',
  'requestPayment',
];

export class S3Service implements AwsService {
  readonly name = 's3';
  readonly protocol = 'rest-xml';
  readonly #operations: ReadonlyMap<string, Operation>;

  constructor(parts: S3Parts) {
    const buckets = new Buckets(parts.state, parts.clock);
    const objects = new Objects({ ...parts, buckets });
    this.#operations = new Map([
      ...bucketOperations(buckets),
      ...objectOperations(objects, new Listing(parts.state, buckets)),
    ]);
  }

  operationOf(request: AwsRequest): string {
    return this.#operations.get(routeOf(request, placeOf(request)))?.name ?? '';
  }

  handle(request: AwsRequest): Promise<AwsReply> {
    const at = placeOf(request);
    const route = routeOf(request, at);
    const operation = this.#operations.get(route);
    if (operation !== undefined) return operation.run(at);
    throw new AwsError('NotImplemented', `"${route}" is not simulated here.`, 501);
  }
}

/** Keys are the method, what the path names, and the word in the query. */
function bucketOperations(buckets: Buckets): [string, Operation][] {
  return [
    ['GET service', { name: 'ListBuckets', run: (at) => buckets.list(at) }],
    ['PUT bucket', { name: 'CreateBucket', run: (at) => buckets.create(at) }],
    ['HEAD bucket', { name: 'HeadBucket', run: (at) => buckets.head(at) }],
    ['DELETE bucket', { name: 'DeleteBucket', run: (at) => buckets.delete(at) }],
    ['GET bucket location', { name: 'GetBucketLocation', run: (at) => buckets.location(at) }],
    ['GET bucket tagging', { name: 'GetBucketTagging', run: (at) => buckets.tags(at) }],
    ['PUT bucket tagging', { name: 'PutBucketTagging', run: (at) => buckets.putTags(at) }],
    ['DELETE bucket tagging', { name: 'DeleteBucketTagging', run: (at) => buckets.deleteTags(at) }],
    ['GET bucket versioning', { name: 'GetBucketVersioning', run: (at) => buckets.versioning(at) }],
    ['PUT bucket versioning', { name: 'PutBucketVersioning', run: (at) => buckets.putVersioning(at) }],
    ['GET bucket encryption', { name: 'GetBucketEncryption', run: (at) => buckets.document(at, 'encryption') }],
    ['PUT bucket encryption', { name: 'PutBucketEncryption', run: (at) => buckets.putDocument(at, 'encryption') }],
    [
      'DELETE bucket encryption',
      { name: 'DeleteBucketEncryption', run: (at) => buckets.deleteDocument(at, 'encryption') },
    ],
    [
      'GET bucket publicAccessBlock',
      { name: 'GetPublicAccessBlock', run: (at) => buckets.document(at, 'publicAccessBlock') },
    ],
    [
      'PUT bucket publicAccessBlock',
      { name: 'PutPublicAccessBlock', run: (at) => buckets.putDocument(at, 'publicAccessBlock') },
    ],
    [
      'DELETE bucket publicAccessBlock',
      { name: 'DeletePublicAccessBlock', run: (at) => buckets.deleteDocument(at, 'publicAccessBlock') },
    ],
    ['GET bucket policy', { name: 'GetBucketPolicy', run: (at) => buckets.policy(at) }],
    ['PUT bucket policy', { name: 'PutBucketPolicy', run: (at) => buckets.putPolicy(at) }],
    ['DELETE bucket policy', { name: 'DeleteBucketPolicy', run: (at) => buckets.deleteDocument(at, 'policy') }],
  ];
}

function objectOperations(objects: Objects, listing: Listing): [string, Operation][] {
  return [
    ['GET bucket', { name: 'ListObjectsV2', run: (at) => listing.objects(at) }],
    ['GET bucket versions', { name: 'ListObjectVersions', run: (at) => listing.versions(at) }],
    ['POST bucket delete', { name: 'DeleteObjects', run: (at) => objects.deleteMany(at) }],
    ['PUT object', { name: 'PutObject', run: (at) => objects.put(at) }],
    ['GET object', { name: 'GetObject', run: (at) => objects.get(at) }],
    ['HEAD object', { name: 'HeadObject', run: (at) => objects.head(at) }],
    ['DELETE object', { name: 'DeleteObject', run: (at) => objects.delete(at) }],
  ];
}

function routeOf({ method, query }: AwsRequest, { bucket, key }: At): string {
  const what = bucket === '' ? 'service' : key === '' ? 'bucket' : 'object';
  const word = WORDS.find((each) => query.has(each));
  return word === undefined ? `${method} ${what}` : `${method} ${what} ${word}`;
}

/** The bucket is the first word of the path, or of the host name: `assets.localhost`, `assets.s3.localhost`. */
function placeOf(request: AwsRequest): At {
  const host = (request.headers['host'] ?? '').replace(/:\d+$/, '');
  const hosted = /^(.+?)(?:\.s3(?:[.-][a-z0-9-]+)?)?\.localhost$/.exec(host)?.[1];
  const bucketOfHost = hosted === undefined || hosted === 's3' ? undefined : hosted;
  const path = request.path.slice(1);
  if (bucketOfHost !== undefined) return { request, bucket: bucketOfHost, key: decode(path) };
  const slash = path.indexOf('/');
  return slash < 0
    ? { request, bucket: decode(path), key: '' }
    : { request, bucket: decode(path.slice(0, slash)), key: decode(path.slice(slash + 1)) };
}

function decode(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    throw new AwsError('InvalidURI', "Couldn't parse the specified URI.", 400);
  }
}
