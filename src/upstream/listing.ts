/** Reads everything a server offers, to the last page, within limits, and leaves out what nobody could use. */

import type { RequestContext } from '../core/context.ts';
import type { Definition, Exchange, ItemKind, TargetListing } from '../core/target.ts';
import type { Conversation } from './conversation.ts';
import { PlatformError, UpstreamRpcError } from '../core/errors.ts';
import { arrayElements, isObject, scan } from '../core/json.ts';
import { targetProtocolError } from './failures.ts';
import { definitionObjection } from './definitions.ts';

const MAX_ITEMS = 10_000;
export const MAX_PAGES = 100;
const MAX_LISTING_BYTES = 8 * 1024 * 1024;
/** Characters of a server's own words that are told. */
const MAX_WORDS = 300;

export interface ListingOptions {
  /** Name of the target, for error messages. */
  readonly target: string;
  readonly context: RequestContext;
  /** Milliseconds for each page. */
  readonly timeoutMs: number;
  /** Whose capabilities a modern server is shown; it is never asked. */
  readonly exchange?: Exchange;
  /** Why a definition may not be listed over this transport (`x-mcp-header`). */
  readonly objection?: (definition: Definition) => string | undefined;
  /** @default 10000 */
  readonly maxItems?: number;
}

interface ListKind {
  readonly kind: ItemKind;
  readonly capability: string;
  readonly method: string;
  readonly member: string;
  readonly key: string;
}

const KINDS: readonly ListKind[] = [
  { kind: 'tool', capability: 'tools', method: 'tools/list', member: 'tools', key: 'name' },
  { kind: 'prompt', capability: 'prompts', method: 'prompts/list', member: 'prompts', key: 'name' },
  { kind: 'resource', capability: 'resources', method: 'resources/list', member: 'resources', key: 'uri' },
  {
    kind: 'template',
    capability: 'resources',
    method: 'resources/templates/list',
    member: 'resourceTemplates',
    key: 'uriTemplate',
  },
];

/** What has been read so far, and how much more may be. */
interface Reading {
  readonly definitions: Definition[];
  readonly skipped: { key: string; reason: string }[];
  readonly keys: Map<ItemKind, Set<string>>;
  bytes: number;
  ttlMs: number | undefined;
  cacheScope: 'public' | 'private' | undefined;
}

/**
 * Reads the lists of every declared capability. A list that a server declares and does not know (-32601) is empty; one
 * that it answers with another error is left out with its reason, unless it is the list of tools.
 *
 * @throws PlatformError `TARGET_PROTOCOL_ERROR` (an error, a page that is no list, cursors in a circle),
 *   `TARGET_RESPONSE_TOO_LARGE` (over 10,000 items, 100 pages or 8 MiB), and what the conversation throws.
 */
export async function readListing(conversation: Conversation, options: ListingOptions): Promise<TargetListing> {
  const reading: Reading = {
    definitions: [],
    skipped: [],
    keys: new Map(),
    bytes: 0,
    ttlMs: undefined,
    cacheScope: undefined,
  };
  for (const list of KINDS)
    if (isObject(conversation.capabilities[list.capability])) await readList(conversation, list, reading, options);
  const { serverInfo, instructions } = conversation;
  return {
    definitions: reading.definitions,
    capabilities: conversation.capabilities,
    protocolVersion: conversation.protocolVersion,
    ...(serverInfo === undefined ? {} : { serverInfo }),
    ...(instructions === undefined ? {} : { instructions }),
    ...(reading.ttlMs === undefined ? {} : { ttlMs: reading.ttlMs }),
    ...(reading.cacheScope === undefined ? {} : { cacheScope: reading.cacheScope }),
    ...(reading.skipped.length === 0 ? {} : { skipped: reading.skipped }),
  };
}

/** The names of the tools alone, for comparing what two conversations list. */
export async function readToolNames(conversation: Conversation, options: ListingOptions): Promise<ReadonlySet<string>> {
  const reading: Reading = {
    definitions: [],
    skipped: [],
    keys: new Map(),
    bytes: 0,
    ttlMs: undefined,
    cacheScope: undefined,
  };
  const tools = KINDS[0];
  if (tools !== undefined && isObject(conversation.capabilities['tools']))
    await readList(conversation, tools, reading, options);
  return new Set(reading.definitions.map((definition) => definition.key));
}

async function readList(
  conversation: Conversation,
  list: ListKind,
  reading: Reading,
  options: ListingOptions,
): Promise<void> {
  const seen = new Set<string>();
  let cursor: string | undefined;
  for (let page = 0; ; page++) {
    if (page >= MAX_PAGES) throw tooLarge(options.target, list, `${MAX_PAGES} pages`);
    const text = await readPage(conversation, { list, cursor, first: page === 0 }, options);
    if (text instanceof UpstreamRpcError) {
      reading.skipped.push({
        key: list.method,
        reason: `the server answered ${text.rpcCode}: ${text.message.slice(0, 200)}`,
      });
      return;
    }
    if (text === undefined) return;
    cursor = takePage(text, list, reading, options);
    if (cursor === undefined) return;
    if (seen.has(cursor)) throw targetProtocolError(options.target, list.method, 'the same cursor twice');
    seen.add(cursor);
  }
}

interface PageRequest {
  readonly list: ListKind;
  readonly cursor: string | undefined;
  readonly first: boolean;
}

async function readPage(
  conversation: Conversation,
  { list, cursor, first }: PageRequest,
  options: ListingOptions,
): Promise<string | UpstreamRpcError | undefined> {
  try {
    return await conversation.request({
      method: list.method,
      params: cursor === undefined ? [] : [{ key: 'cursor', text: JSON.stringify(cursor) }],
      meta: [],
      context: options.context,
      timeoutMs: options.timeoutMs,
      ...(options.exchange === undefined ? {} : { exchange: options.exchange }),
    });
  } catch (error) {
    if (!(error instanceof UpstreamRpcError)) throw error;
    if (first && error.rpcCode === -32601) return undefined;
    // Tools are what a target is for; without its other lists it still serves those.
    if (first && list.method !== 'tools/list') return error;
    throw targetProtocolError(
      options.target,
      list.method,
      `error ${error.rpcCode}: ${error.message.slice(0, MAX_WORDS)}`,
    );
  }
}

/** @returns the cursor of the next page. */
function takePage(text: string, list: ListKind, reading: Reading, options: ListingOptions): string | undefined {
  reading.bytes += text.length;
  if (reading.bytes > MAX_LISTING_BYTES) throw tooLarge(options.target, list, `${MAX_LISTING_BYTES} bytes`);
  const { value, object } = scan(text, 1);
  const page = value as Readonly<Record<string, unknown>>;
  const entry = object?.members.find((member) => member.key === list.member);
  const items = page[list.member];
  if (entry === undefined || !Array.isArray(items))
    throw targetProtocolError(options.target, list.method, `no "${list.member}" list`);
  // What is left out counts as well: it is remembered with its reason.
  const most = options.maxItems ?? MAX_ITEMS;
  if (reading.definitions.length + reading.skipped.length + items.length > most)
    throw tooLarge(options.target, list, `${most} items`);
  const texts = arrayElements(text.slice(entry.start, entry.end)) ?? [];
  for (const [index, item] of items.entries()) takeItem({ list, item, text: texts[index] ?? 'null' }, reading, options);
  noteCaching(page, reading);
  const next = page['nextCursor'];
  return typeof next === 'string' ? next : undefined;
}

interface ListedItem {
  readonly list: ListKind;
  readonly item: unknown;
  readonly text: string;
}

function takeItem({ list, item, text }: ListedItem, reading: Reading, options: ListingOptions): void {
  const key = isObject(item) ? item[list.key] : undefined;
  if (!isObject(item) || typeof key !== 'string') {
    reading.skipped.push({ key: '', reason: `a ${list.kind} without a ${list.key}` });
    return;
  }
  const definition: Definition = { kind: list.kind, key, text, value: item };
  const keys = keysOf(reading, list.kind);
  const reason =
    definitionObjection(definition) ??
    (keys.has(key) ? `a second ${list.kind} of this ${list.key}` : undefined) ??
    options.objection?.(definition);
  if (reason !== undefined) {
    reading.skipped.push({ key: key.slice(0, 256), reason });
    return;
  }
  keys.add(key);
  reading.definitions.push(definition);
}

function keysOf(reading: Reading, kind: ItemKind): Set<string> {
  let keys = reading.keys.get(kind);
  if (keys === undefined) {
    keys = new Set();
    reading.keys.set(kind, keys);
  }
  return keys;
}

/** A listing may be reused as long as the shortest-lived of its pages, and shared only when all of them may be. */
function noteCaching(page: Readonly<Record<string, unknown>>, reading: Reading): void {
  const { ttlMs, cacheScope } = page;
  if (typeof ttlMs === 'number' && ttlMs >= 0) reading.ttlMs = Math.min(reading.ttlMs ?? ttlMs, ttlMs);
  if (cacheScope === 'private' || (cacheScope === 'public' && reading.cacheScope === undefined))
    reading.cacheScope = cacheScope;
}

function tooLarge(target: string, list: ListKind, what: string): PlatformError {
  return new PlatformError(
    'TARGET_RESPONSE_TOO_LARGE',
    `target "${target}" lists more than ${what} in ${list.method}. Configure the server to offer fewer.`,
    {
      target,
      method: list.method,
    },
  );
}
