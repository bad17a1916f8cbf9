/**
 * Large results: what no client can take in one message goes to the blob store, and the caller gets a preview and a
 * link that it reads page by page. A link works for the principal that made the call, and for nobody else.
 */

import { createHash } from 'node:crypto';
import type { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { scan } from '../core/json.ts';
import type { Clock, IdSource, StoreRoot } from '../core/ports.ts';
import { OWN_SCHEME } from '../protocol/uris.ts';

const MIB = 1_048_576;
const PREVIEW_CHARACTERS = 2_000;

export interface ResultLimits {
  /** Larger results are stored. */
  readonly inlineBytes: number;
  readonly pageBytes: number;
  readonly expiresAfterSeconds: number;
}

const LIMITS: ResultLimits = { inlineBytes: 5 * MIB, pageBytes: MIB, expiresAfterSeconds: 86_400 };

export const RESULT_URI = `${OWN_SCHEME}//results/`;

export class ResultStore {
  readonly #store: StoreRoot;
  readonly #clock: Clock;
  readonly #ids: IdSource;
  readonly #limits: ResultLimits;

  constructor(parts: {
    readonly store: StoreRoot;
    readonly clock: Clock;
    readonly ids: IdSource;
    readonly limits?: ResultLimits;
  }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#ids = parts.ids;
    this.#limits = parts.limits ?? LIMITS;
  }

  #key(context: Context, id: string): string {
    const owner = createHash('sha256').update(context.principal.id).digest('hex').slice(0, 32);
    return `results/${owner}/${id}`;
  }

  /** Whether a result is too large for one message. */
  isLarge(text: string): boolean {
    // A UTF-16 unit is at most three bytes: most results need no count.
    const { inlineBytes } = this.#limits;
    return text.length * 3 > inlineBytes && Buffer.byteLength(text) > inlineBytes;
  }

  /** Keeps a large result and words a short one with preview and link in its place. */
  async offload(text: string, context: Context, version: string): Promise<string> {
    const { pageBytes, expiresAfterSeconds } = this.#limits;
    const id = this.#ids.uuid();
    const bytes = Buffer.from(text);
    const expiresAtMs = this.#clock.nowMs() + expiresAfterSeconds * 1_000;
    await this.#store.store(context.tenant).blobs.put(this.#key(context, id), bytes, {
      contentType: 'application/json',
      expiresAtMs,
    });
    const uri = `${RESULT_URI}${id}?page=0`;
    const pages = Math.ceil(bytes.length / pageBytes);
    const isError = saysError(text);
    const until = new Date(expiresAtMs).toISOString();
    const note = `The result has ${bytes.length} bytes, too many for one message. Read it in ${pages} pages from ${uri}, until ${until}. It begins: ${preview(text)}`;
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
    const { pageBytes } = this.#limits;
    const { blobs } = this.#store.store(context.tenant);
    const key = this.#key(context, id);
    const info = await blobs.head(key);
    if (info === undefined || page * pageBytes >= info.size) throw missing;
    // Three bytes more: a character that begins on this page ends on it.
    const bytes = await blobs.get(key, { offset: page * pageBytes, length: pageBytes + 3 });
    if (bytes === undefined) throw missing;
    const text = Buffer.from(wholeCharacters(bytes, { pageBytes, skipFirst: page > 0 })).toString('utf8');
    const last = (page + 1) * pageBytes >= info.size;
    const meta = {
      'io.zeroplane/result': {
        page,
        pages: Math.ceil(info.size / pageBytes),
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
function wholeCharacters(
  bytes: Uint8Array,
  at: { readonly pageBytes: number; readonly skipFirst: boolean },
): Uint8Array {
  let start = 0;
  if (at.skipFirst) while (isContinuation(bytes[start])) start++;
  let end = Math.min(bytes.length, at.pageBytes);
  while (end < bytes.length && isContinuation(bytes[end])) end++;
  return bytes.subarray(start, end);
}

/** Whether the result itself, and nothing inside it, says that the tool failed. */
function saysError(text: string): boolean {
  const { object } = scan(text, 1);
  return object?.members.some(({ key, start, end }) => key === 'isError' && text.slice(start, end) === 'true') === true;
}

/** The beginning of a text; a pair of surrogates is never cut in two. */
function preview(text: string): string {
  const last = text.charCodeAt(PREVIEW_CHARACTERS - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? PREVIEW_CHARACTERS - 1 : PREVIEW_CHARACTERS);
}
