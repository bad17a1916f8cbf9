/** Buckets and objects as they are kept, and S3's own errors. */

import type { Value } from '../simulated-state.ts';
import { AwsError } from '../aws-service.ts';
import type { AwsReply } from '../aws-service.ts';
import { childText, childrenOf, membersToXml, readXml } from '../xml.ts';
import type { XmlElement, XmlValue } from '../xml.ts';

export const BUCKET = 's3-bucket';
export const OBJECT = 's3-object';

/** Configurations that are given back as they were put, as XML. */
export const DOCUMENTS = ['encryption', 'publicAccessBlock', 'policy'] as const;
export type DocumentName = (typeof DOCUMENTS)[number];

export interface Bucket extends Value {
  readonly region: string;
  readonly createdAt: string;
  readonly tags: { readonly [key: string]: string };
  /** `Enabled` or `Suspended`; empty when it never was. */
  readonly versioning: string;
  readonly encryption: string;
  /** Empty when it was taken away. */
  readonly publicAccessBlock: string;
  readonly policy: string;
}

export interface Version extends Value {
  /** `null` for objects of a bucket without versions, as S3 has it. */
  readonly versionId: string;
  readonly isMarker: boolean;
  readonly size: number;
  readonly etag: string;
  readonly contentType: string;
  readonly lastModified: string;
  /** Where its bytes are; empty for a marker. */
  readonly blob: string;
  readonly metadata: { readonly [name: string]: string };
}

export interface StoredObject extends Value {
  /** The newest first. */
  readonly versions: readonly Version[];
}

export const NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

/** What every new bucket is given. @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-bucket-encryption.html */
export const DEFAULT_ENCRYPTION = `<ServerSideEncryptionConfiguration ${NAMESPACE}><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`;
export const DEFAULT_ACCESS_BLOCK = `<PublicAccessBlockConfiguration ${NAMESPACE}><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`;

export function document(name: string, members: { readonly [member: string]: XmlValue }): AwsReply {
  return xmlReply(`<${name} ${NAMESPACE}>${membersToXml(members)}</${name}>`);
}

export function xmlReply(text: string): AwsReply {
  const headers = { 'content-type': 'application/xml' };
  return { status: 200, headers, body: `<?xml version="1.0" encoding="UTF-8"?>\n${text}` };
}

export function empty(status = 200, headers: Readonly<Record<string, string>> = {}): AwsReply {
  return { status, headers, body: '' };
}

/** Bytes as they are, with their length, which an answer to HEAD has too. */
export function bytesReply(bytes: Uint8Array, headers: Readonly<Record<string, string>>, status = 200): AwsReply {
  async function* once(): AsyncIterable<Uint8Array> {
    if (bytes.length > 0) yield bytes;
  }
  return { status, headers: { 'content-length': String(bytes.length), ...headers }, body: once() };
}

/** @throws AwsError `MalformedXML`. */
export function xmlBody(body: Buffer, name: string): XmlElement {
  const root = readXml(body.toString('utf8'));
  if (root?.name === name) return root;
  const message = 'The XML you provided was not well-formed or did not validate against our published schema';
  throw new AwsError('MalformedXML', message, 400);
}

/** @throws AwsError `InvalidTag` for two of one name, more than 50, or a name of AWS's own. */
export function tagsOf(set: XmlElement | undefined): Record<string, string> {
  const tags = new Map<string, string>();
  for (const tag of childrenOf(set, 'Tag')) {
    const key = childText(tag, 'Key') ?? '';
    const value = childText(tag, 'Value') ?? '';
    if (key === '' || key.length > 128 || value.length > 256 || !isTagText(key + value))
      throw new AwsError('InvalidTag', `The tag "${key.slice(0, 130)}" you have provided is invalid`, 400);
    if (key.startsWith('aws:')) throw new AwsError('InvalidTag', 'System tags cannot be added by requester', 400);
    if (tags.has(key)) throw new AwsError('InvalidTag', 'Cannot provide multiple Tags with the same key', 400);
    tags.set(key, value);
  }
  if (tags.size > 50) throw new AwsError('BadRequest', 'Bucket tag count cannot be greater than 50', 400);
  return Object.fromEntries(tags);
}

/** Letters, digits, spaces and a few signs. */
function isTagText(text: string): boolean {
  return /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(text);
}

export function tagsToXml(tags: Readonly<Record<string, string>>): XmlValue {
  return { Tag: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
}

export function noSuchBucket(name: string): AwsError {
  return new AwsError('NoSuchBucket', 'The specified bucket does not exist', 404, { BucketName: name });
}

export function noSuchKey(key: string): AwsError {
  return new AwsError('NoSuchKey', 'The specified key does not exist.', 404, { Key: key });
}
