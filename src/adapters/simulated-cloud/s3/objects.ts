/** S3's operations on objects, with their versions: as much as shows that a bucket works and whether it is empty. */

import { createHash } from 'node:crypto';
import type { BlobStore, Clock, IdSource } from '../../../core/ports.ts';
import { AwsError } from '../aws-service.ts';
import type { AwsReply } from '../aws-service.ts';
import type { SimulatedState } from '../simulated-state.ts';
import { childText, childrenOf } from '../xml.ts';
import type { At, Buckets } from './buckets.ts';
import { OBJECT, bytesReply, document, empty, noSuchKey, xmlBody } from './shapes.ts';
import type { Bucket, StoredObject, Version } from './shapes.ts';

export interface ObjectsParts {
  readonly state: SimulatedState;
  readonly blobs: BlobStore;
  readonly buckets: Buckets;
  readonly clock: Clock;
  readonly ids: IdSource;
}

const UNVERSIONED = 'null';
/** An object's versions are one record of the table. */
const MAX_VERSIONS = 500;
const MAX_DELETED = 1_000;

export class Objects {
  readonly #parts: ObjectsParts;

  constructor(parts: ObjectsParts) {
    this.#parts = parts;
  }

  async put(at: At): Promise<AwsReply> {
    const { buckets, blobs, clock, ids } = this.#parts;
    const bucket = await buckets.require(at);
    const { headers } = at.request;
    if (headers['x-amz-copy-source'] !== undefined)
      throw new AwsError('NotImplemented', 'Objects are not copied here. Read it and put it.', 501);
    const bytes = bodyBytes(at);
    const blob = `simulated-cloud/aws/s3/${ids.uuid()}`;
    const contentType = headers['content-type'] ?? 'binary/octet-stream';
    await blobs.put(blob, bytes, { contentType });
    const version: Version = {
      versionId: bucket.versioning === 'Enabled' ? ids.uuid().replaceAll('-', '') : UNVERSIONED,
      isMarker: false,
      size: bytes.length,
      etag: `"${createHash('md5').update(bytes).digest('hex')}"`,
      contentType,
      lastModified: new Date(clock.nowMs()).toISOString(),
      blob,
      metadata: metadataOf(headers),
    };
    await this.#add(at, version);
    return empty(200, { etag: version.etag, ...versionHeader(bucket, version) });
  }

  async get(at: At): Promise<AwsReply> {
    const { version, bucket } = await this.#find(at);
    const bytes = (await this.#parts.blobs.get(version.blob)) ?? new Uint8Array();
    const headers = headersOf(bucket, version);
    const range = /^bytes=(\d+)-(\d*)$/.exec(at.request.headers['range'] ?? '');
    if (range === null) return bytesReply(bytes, headers);
    const [from, to] = [Number(range[1]), range[2] === '' ? bytes.length - 1 : Number(range[2])];
    if (from >= bytes.length || to < from)
      throw new AwsError('InvalidRange', 'The requested range is not satisfiable', 416);
    const part = bytes.subarray(from, to + 1);
    const contentRange = `bytes ${from}-${from + part.length - 1}/${bytes.length}`;
    return bytesReply(part, { ...headers, 'content-length': String(part.length), 'content-range': contentRange }, 206);
  }

  async head(at: At): Promise<AwsReply> {
    const { version, bucket } = await this.#find(at);
    return bytesReply(new Uint8Array(), headersOf(bucket, version));
  }

  async delete(at: At): Promise<AwsReply> {
    const bucket = await this.#parts.buckets.require(at);
    const { marker } = await this.#remove(at, bucket, at.request.query.get('versionId') ?? undefined);
    return empty(204, marker === undefined ? {} : { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker });
  }

  async deleteMany(at: At): Promise<AwsReply> {
    const bucket = await this.#parts.buckets.require(at);
    const root = xmlBody(at.request.body, 'Delete');
    const asked = childrenOf(root, 'Object').map((each) => ({
      key: childText(each, 'Key') ?? '',
      versionId: childText(each, 'VersionId'),
    }));
    if (asked.length === 0 || asked.length > MAX_DELETED)
      throw new AwsError('MalformedXML', `From 1 to ${MAX_DELETED} objects are deleted at a time`, 400);
    for (const { key, versionId } of asked) await this.#remove({ ...at, key }, bucket, versionId);
    const isQuiet = childText(root, 'Quiet') === 'true';
    const deleted = asked.map(({ key, versionId }) => ({ Key: key, VersionId: versionId }));
    return document('DeleteResult', { Deleted: isQuiet ? [] : deleted });
  }

  async #find(at: At): Promise<{ readonly bucket: Bucket; readonly version: Version }> {
    const bucket = await this.#parts.buckets.require(at);
    const stored = await this.#parts.state.get<StoredObject>(OBJECT, idOf(at));
    const asked = at.request.query.get('versionId');
    const version = stored?.versions.find(({ versionId }) => asked === null || versionId === asked);
    if (version === undefined || version.isMarker) throw noSuchKey(at.key);
    return { bucket, version };
  }

  /** Above the versions that stay; one without an id replaces its like. */
  async #add(at: At, version: Version): Promise<void> {
    const { state, blobs } = this.#parts;
    const replaced: string[] = [];
    const over = (stored: StoredObject): StoredObject => {
      replaced.length = 0;
      const kept = stored.versions.filter(
        (each) => version.versionId !== UNVERSIONED || each.versionId !== UNVERSIONED,
      );
      for (const each of stored.versions) if (!kept.includes(each) && each.blob !== '') replaced.push(each.blob);
      if (kept.length >= MAX_VERSIONS)
        throw new AwsError('InvalidRequest', `At most ${MAX_VERSIONS} versions of an object are kept here.`, 400);
      return { versions: [version, ...kept] };
    };
    const id = idOf(at);
    if (!(await state.create(OBJECT, id, { versions: [version] }))) await state.update<StoredObject>(OBJECT, id, over);
    for (const blob of replaced) await blobs.delete(blob);
  }

  /** @returns the id of the marker that stands for an object whose versions are kept. */
  async #remove(at: At, bucket: Bucket, versionId: string | undefined): Promise<{ readonly marker?: string }> {
    const { state, ids, clock } = this.#parts;
    const id = idOf(at);
    if (versionId === undefined && bucket.versioning !== '') {
      const marker = bucket.versioning === 'Enabled' ? ids.uuid().replaceAll('-', '') : UNVERSIONED;
      await this.#add(at, markerOf(marker, clock.nowMs()));
      return { marker };
    }
    const removed = versionId ?? UNVERSIONED;
    const before = await state.get<StoredObject>(OBJECT, id);
    const gone = before?.versions.find((each) => each.versionId === removed);
    if (gone === undefined) return {};
    const after = await state.update<StoredObject>(OBJECT, id, ({ versions }) => ({
      versions: versions.filter((each) => each.versionId !== removed),
    }));
    if (after?.versions.length === 0) await state.delete(OBJECT, id);
    if (gone.blob !== '') await this.#parts.blobs.delete(gone.blob);
    return {};
  }
}

/** An object for another service of the same cloud. `undefined` when there is none. */
export async function readObject(
  { state, blobs }: Pick<ObjectsParts, 'state' | 'blobs'>,
  { bucket, key, versionId }: { readonly bucket: string; readonly key: string; readonly versionId: string | undefined },
): Promise<Uint8Array | undefined> {
  const stored = await state.get<StoredObject>(OBJECT, `${bucket}/${key}`);
  const version = stored?.versions.find((each) => versionId === undefined || each.versionId === versionId);
  return version === undefined || version.isMarker ? undefined : blobs.get(version.blob);
}

function markerOf(versionId: string, nowMs: number): Version {
  const lastModified = new Date(nowMs).toISOString();
  return { versionId, isMarker: true, size: 0, etag: '', contentType: '', lastModified, blob: '', metadata: {} };
}

function idOf({ bucket, key }: At): string {
  return `${bucket}/${key}`;
}

function metadataOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-')));
}

function versionHeader(bucket: Bucket, { versionId }: Version): Record<string, string> {
  return bucket.versioning === '' ? {} : { 'x-amz-version-id': versionId };
}

function headersOf(bucket: Bucket, version: Version): Record<string, string> {
  const { contentType, etag, size, lastModified, metadata } = version;
  return {
    'content-type': contentType,
    'content-length': String(size),
    'accept-ranges': 'bytes',
    etag,
    'last-modified': new Date(lastModified).toUTCString(),
    'x-amz-server-side-encryption': 'AES256',
    ...versionHeader(bucket, version),
    ...metadata,
  };
}

/** As it was before it was cut into signed pieces. @throws AwsError `IncompleteBody`. */
function bodyBytes({ request }: At): Uint8Array {
  const { headers, body } = request;
  const isCut = headers['content-encoding']?.includes('aws-chunked') === true;
  if (!isCut && headers['x-amz-content-sha256']?.startsWith('STREAMING-') !== true) return body;
  const pieces: Buffer[] = [];
  for (let at = 0; ;) {
    const end = body.indexOf('\r\n', at);
    const size = end < 0 ? Number.NaN : Number.parseInt(body.toString('latin1', at, end), 16);
    if (!Number.isInteger(size) || end + 2 + size > body.length)
      throw new AwsError('IncompleteBody', 'The request body terminated unexpectedly', 400);
    if (size === 0) return Buffer.concat(pieces);
    pieces.push(body.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}
