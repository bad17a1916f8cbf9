/**
 * `BlobStore` in the same database, in chunks of 1 MiB. Each chunk is a write of its own, so that a large
 * blob neither stops the event loop for long nor shows before its last byte is durable.
 */

import { createHash, randomUUID } from 'node:crypto';
import type { BlobInfo, BlobStore } from '../../../core/ports.ts';
import type { SqlDriver, SqlRow } from './driver.ts';
import { bytesOf, numberOf, textOf } from './driver.ts';
import type { Scope } from './scope.ts';
import { checkedInteger, checkedText } from './scope.ts';
import type { StoreCore } from './store-core.ts';

const CHUNK_BYTES = 1024 * 1024;
const MAX_KEY_BYTES = 1024;

interface Range {
  readonly offset: number;
  readonly length: number;
}

export class EmbeddedBlobStore implements BlobStore {
  readonly #core: StoreCore;
  readonly #scope: Scope;

  constructor(core: StoreCore, scope: Scope) {
    this.#core = core;
    this.#scope = scope;
  }

  async put(
    key: string,
    bytes: Uint8Array,
    options: { readonly contentType: string; readonly expiresAtMs?: number },
  ): Promise<BlobInfo> {
    const stored = this.#storedKey(key);
    const contentType = checkedText(options.contentType, 'A content type', 256);
    // A copy: the caller may reuse its buffer while the chunks are being written.
    const copy = bytes.slice();
    const info = { key, size: copy.byteLength, contentType, digest: createHash('sha256').update(copy).digest('hex') };
    const blobId = randomUUID();
    try {
      await this.#writeChunks(blobId, copy);
      const head = { ...info, key: stored, blobId, expiresAtMs: options.expiresAtMs ?? null };
      await this.#core.commit.submit((driver) => replaceHead(driver, head));
    } catch (thrown) {
      // What was written is unreachable; the sweep at the next start takes it if this fails too.
      await this.#core.commit.submit((driver) => deleteChunks(driver, blobId)).catch(() => undefined);
      throw thrown;
    }
    return info;
  }

  async get(key: string, range?: Range): Promise<Uint8Array | undefined> {
    const stored = this.#storedKey(key);
    if (range !== undefined) checkRange(range);
    return this.#core.read((driver) => {
      const head = findHead(driver, stored, this.#core.nowMs());
      return head === undefined ? undefined : readBytes(driver, head, range);
    });
  }

  async head(key: string): Promise<BlobInfo | undefined> {
    const stored = this.#storedKey(key);
    const row = this.#core.read((driver) => findHead(driver, stored, this.#core.nowMs()));
    if (row === undefined) return undefined;
    return {
      key,
      size: numberOf(row, 'size'),
      contentType: textOf(row, 'content_type'),
      digest: textOf(row, 'digest'),
    };
  }

  async delete(key: string): Promise<void> {
    const stored = this.#storedKey(key);
    await this.#core.commit.submit((driver) => deleteBlob(driver, stored));
  }

  async #writeChunks(blobId: string, bytes: Uint8Array): Promise<void> {
    for (let n = 0; n * CHUNK_BYTES < bytes.byteLength; n += 1) {
      const chunk = bytes.subarray(n * CHUNK_BYTES, (n + 1) * CHUNK_BYTES);
      await this.#core.commit.submit((driver) => {
        driver.run('INSERT INTO blob_chunks (blob_id, n, bytes) VALUES (?,?,?)', [blobId, n, chunk]);
      });
    }
  }

  #storedKey(key: string): string {
    return this.#scope.prefix + checkedText(key, 'A blob key', MAX_KEY_BYTES);
  }
}

interface NewHead extends BlobInfo {
  readonly blobId: string;
  readonly expiresAtMs: number | null;
}

function replaceHead(driver: SqlDriver, head: NewHead): void {
  deleteBlob(driver, head.key);
  driver.run('INSERT INTO blobs (key, blob_id, size, content_type, digest, expires_at) VALUES (?,?,?,?,?,?)', [
    head.key,
    head.blobId,
    head.size,
    head.contentType,
    head.digest,
    head.expiresAtMs,
  ]);
}

/** Inside a transaction; a missing key is no error. */
export function deleteBlob(driver: SqlDriver, storedKey: string): void {
  const [row] = driver.all('DELETE FROM blobs WHERE key=? RETURNING blob_id', [storedKey]);
  if (row !== undefined) deleteChunks(driver, textOf(row, 'blob_id'));
}

function deleteChunks(driver: SqlDriver, blobId: string): void {
  driver.run('DELETE FROM blob_chunks WHERE blob_id=?', [blobId]);
}

/** Chunks of puts that a crash cut short. */
export function deleteOrphanChunks(driver: SqlDriver): void {
  driver.run('DELETE FROM blob_chunks WHERE blob_id NOT IN (SELECT blob_id FROM blobs)');
}

function findHead(driver: SqlDriver, storedKey: string, nowMs: number): SqlRow | undefined {
  return driver.all(
    'SELECT blob_id, size, content_type, digest FROM blobs WHERE key=? AND (expires_at IS NULL OR expires_at > ?)',
    [storedKey, nowMs],
  )[0];
}

function checkRange({ offset, length }: Range): void {
  checkedInteger(offset, 'The offset of a range', [0, Number.MAX_SAFE_INTEGER]);
  checkedInteger(length, 'The length of a range', [0, Number.MAX_SAFE_INTEGER]);
}

function readBytes(driver: SqlDriver, head: SqlRow, range: Range | undefined): Uint8Array {
  const size = numberOf(head, 'size');
  const start = Math.min(range?.offset ?? 0, size);
  const end = Math.min(range === undefined ? size : start + range.length, size);
  const result = new Uint8Array(end - start);
  if (end === start) return result;
  const first = Math.floor(start / CHUNK_BYTES);
  const last = Math.floor((end - 1) / CHUNK_BYTES);
  for (let n = first; n <= last; n += 1) {
    const chunk = readChunk(driver, textOf(head, 'blob_id'), n);
    const base = n * CHUNK_BYTES;
    const from = Math.max(start - base, 0);
    result.set(chunk.subarray(from, Math.min(end - base, chunk.byteLength)), base + from - start);
  }
  return result;
}

function readChunk(driver: SqlDriver, blobId: string, n: number): Uint8Array {
  const [row] = driver.all('SELECT bytes FROM blob_chunks WHERE blob_id=? AND n=?', [blobId, n]);
  return bytesOf(row ?? {}, 'bytes');
}
