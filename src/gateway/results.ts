/**
 * Large results: what no client can take in one message goes to the blob store, and the caller gets a preview and a
 * link that it reads page by page. A link works for the principal that made the call, and for nobody else.
 */

import { createHash } from 'node:crypto';
import type { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import type { Clock, IdSource, StoreRoot } from '../core/ports.ts';
import { OWN_SCHEME } from '../protocol/uris.ts';

const OFFLOAD_BYTES = 5 * 1_048_576;
const PAGE_BYTES = 1_048_576;
const PREVIEW_CHARACTERS = 2_000;
const KEEP_MS = 24 * 3_600_000;

export const RESULT_URI = `${OWN_SCHEME}//results/`;

export class ResultStore {
  readonly #store: StoreRoot;
  readonly #clock: Clock;
  readonly #ids: IdSource;
  readonly #offloadBytes: number;

  constructor(parts: {
    readonly store: StoreRoot;
    readonly clock: Clock;
    readonly ids: IdSource;
    readonly offloadBytes?: number;
  }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#ids = parts.ids;
    this.#offloadBytes = parts.offloadBytes ?? OFFLOAD_BYTES;
  }

  #key(context: Context, id: string): string {
    const owner = createHash('sha256').update(context.principal.id).digest('hex').slice(0, 32);
    return `results/${owner}/${id}`;
  }

  /** Whether a result is too large for one message. */
  isLarge(text: string): boolean {
    // A UTF-16 unit is at most three bytes: most results need no count.
    return text.length * 3 > this.#offloadBytes && Buffer.byteLength(text) > this.#offloadBytes;
  }

  /** Keeps a large result and words a short one with preview and link in its place. */
  async offload(text: string, context: Context, version: string): Promise<string> {
    const id = this.#ids.uuid();
    const bytes = Buffer.from(text);
    await this.#store.store(context.tenant).blobs.put(this.#key(context, id), bytes, {
      contentType: 'application/json',
      expiresAtMs: this.#clock.nowMs() + KEEP_MS,
    });
    const uri = `${RESULT_URI}${id}?page=0`;
    const pages = Math.ceil(bytes.length / PAGE_BYTES);
    const isError = /"isError"\s*:\s*true/.test(text);
    const note = `The result has ${bytes.length} bytes, too many for one message. Read it in ${pages} pages of 1 MiB from ${uri}, for 24 hours. It begins: ${text.slice(0, PREVIEW_CHARACTERS)}`;
    const link = {
      type: 'resource_link',
      uri,
      name: `result-${id}`,
      title: 'Full result',
      mimeType: 'application/json',
      size: bytes.length,
    };
    const content = version < '2025-06-18' ? [{ type: 'text', text: note }] : [{ type: 'text', text: note }, link];
    return JSON.stringify({
      content,
      ...(isError ? { isError } : {}),
      _meta: { 'io.zeroplane/result': { uri, bytes: bytes.length, pages } },
    });
  }

  /**
   * Reads one page of a stored result.
   *
   * @throws PlatformError `RESULT_NOT_FOUND`: unknown, expired, or another principal's.
   */
  async read(uri: string, context: Context): Promise<string> {
    const match = /^zeroplane:\/\/results\/([0-9a-f-]{36})(?:\?page=(\d{1,6}))?$/.exec(uri);
    const missing = new PlatformError('RESULT_NOT_FOUND', `Unknown resource or not allowed: ${uri.slice(0, 256)}`);
    if (match === null) throw missing;
    const id = match[1] ?? '';
    const page = Number(match[2] ?? 0);
    const { blobs } = this.#store.store(context.tenant);
    const key = this.#key(context, id);
    const info = await blobs.head(key);
    if (info === undefined || page * PAGE_BYTES >= info.size) throw missing;
    // Three bytes more: a character that begins on this page ends on it.
    const bytes = await blobs.get(key, { offset: page * PAGE_BYTES, length: PAGE_BYTES + 3 });
    if (bytes === undefined) throw missing;
    const text = Buffer.from(wholeCharacters(bytes, page > 0)).toString('utf8');
    const last = (page + 1) * PAGE_BYTES >= info.size;
    const meta = {
      'io.zeroplane/result': {
        page,
        pages: Math.ceil(info.size / PAGE_BYTES),
        ...(last ? {} : { next: `${RESULT_URI}${id}?page=${page + 1}` }),
      },
    };
    const contents = [{ uri, mimeType: 'application/json', text, _meta: meta }];
    return JSON.stringify({ contents, ttlMs: 0, cacheScope: 'private', _meta: meta });
  }
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** The characters that begin within one page of UTF-8 bytes; the first may belong to the page before. */
function wholeCharacters(bytes: Uint8Array, skipFirst: boolean): Uint8Array {
  let start = 0;
  if (skipFirst) while (isContinuation(bytes[start])) start++;
  let end = Math.min(bytes.length, PAGE_BYTES);
  while (end < bytes.length && isContinuation(bytes[end])) end++;
  return bytes.subarray(start, end);
}
