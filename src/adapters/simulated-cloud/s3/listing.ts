/** S3's lists of objects and of their versions, page by page. */

import { AwsError } from '../aws-service.ts';
import type { AwsReply } from '../aws-service.ts';
import type { Entry, SimulatedState } from '../simulated-state.ts';
import type { XmlValue } from '../xml.ts';
import type { At, Buckets } from './buckets.ts';
import { OBJECT, document } from './shapes.ts';
import type { StoredObject, Version } from './shapes.ts';

const MAX_KEYS = 1_000;

interface Listed {
  readonly key: string;
  readonly versions: readonly Version[];
}

export class Listing {
  readonly #state: SimulatedState;
  readonly #buckets: Buckets;

  constructor(state: SimulatedState, buckets: Buckets) {
    this.#state = state;
    this.#buckets = buckets;
  }

  /** `ListObjectsV2`. */
  async objects(at: At): Promise<AwsReply> {
    const { query } = at.request;
    const token = query.get('continuation-token');
    const after = token === null ? (query.get('start-after') ?? '') : fromToken(token);
    const delimiter = query.get('delimiter') ?? '';
    const prefix = query.get('prefix') ?? '';
    const all = (await this.#keys(at, prefix)).filter(({ versions }) => versions[0]?.isMarker === false);
    const page = pageOf(grouped(all, prefix, delimiter), after, maxKeys(at));
    const contents = page.rows.filter((row) => row.listed !== undefined).map(({ listed }) => contentOf(listed));
    const folders = page.rows.filter((row) => row.listed === undefined).map(({ name }) => ({ Prefix: name }));
    return document('ListBucketResult', {
      Name: at.bucket,
      Prefix: prefix,
      Delimiter: delimiter === '' ? undefined : delimiter,
      MaxKeys: maxKeys(at),
      KeyCount: page.rows.length,
      IsTruncated: page.next !== undefined,
      ContinuationToken: token ?? undefined,
      NextContinuationToken: page.next === undefined ? undefined : toToken(page.next),
      Contents: contents,
      CommonPrefixes: folders,
    });
  }

  /** `ListObjectVersions`; a page ends between two keys, never within one. */
  async versions(at: At): Promise<AwsReply> {
    const prefix = at.request.query.get('prefix') ?? '';
    const marker = at.request.query.get('key-marker') ?? '';
    const all = (await this.#keys(at, prefix)).filter(({ key }) => key > marker);
    const taken: Listed[] = [];
    let count = 0;
    for (const each of all) {
      if (count > 0 && count + each.versions.length > maxKeys(at)) break;
      taken.push(each);
      count += each.versions.length;
    }
    const isTruncated = taken.length < all.length;
    const rows = taken.flatMap(({ key, versions }) => versions.map((version, index) => rowOf(key, version, index)));
    return document('ListVersionsResult', {
      Name: at.bucket,
      Prefix: prefix,
      KeyMarker: marker,
      MaxKeys: maxKeys(at),
      IsTruncated: isTruncated,
      NextKeyMarker: isTruncated ? taken.at(-1)?.key : undefined,
      NextVersionIdMarker: isTruncated ? taken.at(-1)?.versions.at(-1)?.versionId : undefined,
      Version: rows.filter(({ isMarker }) => !isMarker).map(({ row }) => row),
      DeleteMarker: rows.filter(({ isMarker }) => isMarker).map(({ row }) => row),
    });
  }

  async #keys(at: At, prefix: string): Promise<Listed[]> {
    await this.#buckets.require(at);
    const start = `${at.bucket}/`;
    const found: Entry<StoredObject>[] = await this.#state.list<StoredObject>(OBJECT, start + prefix);
    return found.map(({ id, value }) => ({ key: id.slice(start.length), versions: value.versions }));
  }
}

/** An object, or what its name has in common with others up to the delimiter. */
interface Row {
  readonly name: string;
  readonly listed: Listed | undefined;
}

function grouped(all: readonly Listed[], prefix: string, delimiter: string): Row[] {
  const rows = new Map<string, Row>();
  for (const listed of all) {
    const end = delimiter === '' ? -1 : listed.key.indexOf(delimiter, prefix.length);
    const name = end < 0 ? listed.key : listed.key.slice(0, end + delimiter.length);
    rows.set(name, { name, listed: end < 0 ? listed : undefined });
  }
  return [...rows.values()];
}

function pageOf(
  rows: readonly Row[],
  after: string,
  most: number,
): { readonly rows: readonly Row[]; readonly next: string | undefined } {
  const wanted = rows.filter(({ name }) => name > after);
  const page = wanted.slice(0, most);
  return { rows: page, next: wanted.length > most ? page.at(-1)?.name : undefined };
}

function contentOf(listed: Listed | undefined): XmlValue {
  const [version] = listed?.versions ?? [];
  return {
    Key: listed?.key,
    LastModified: version?.lastModified,
    ETag: version?.etag,
    Size: version?.size,
    StorageClass: 'STANDARD',
  };
}

function rowOf(key: string, version: Version, index: number): { readonly isMarker: boolean; readonly row: XmlValue } {
  const { versionId, lastModified, isMarker, etag, size } = version;
  const common = { Key: key, VersionId: versionId, IsLatest: index === 0, LastModified: lastModified };
  return { isMarker, row: isMarker ? common : { ...common, ETag: etag, Size: size, StorageClass: 'STANDARD' } };
}

function maxKeys({ request }: At): number {
  const asked = Number(request.query.get('max-keys') ?? MAX_KEYS);
  if (Number.isInteger(asked) && asked >= 0) return Math.min(asked, MAX_KEYS);
  throw new AwsError('InvalidArgument', 'Provided max-keys not an integer or within integer range', 400);
}

const toToken = (name: string): string => Buffer.from(name).toString('base64url');
const fromToken = (token: string): string => Buffer.from(token, 'base64url').toString('utf8');
