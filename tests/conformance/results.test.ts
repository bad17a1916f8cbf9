/** Results over 5 MiB: a preview and a link, read in pages by whoever made the call and nobody else. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assert, asyncProperty, integer, string } from 'fast-check';
import { openMemoryStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock, systemIds } from '../../src/adapters/embedded/system.ts';
import { Context } from '../../src/core/context.ts';
import type { StoreRoot } from '../../src/core/ports.ts';
import { ResultStore } from '../../src/gateway/results.ts';
import type { FakeClock } from '../contract/fake-clock.ts';
import { fakeClock } from '../contract/fake-clock.ts';
import type { Assembled } from '../fixtures/assembled.ts';
import { person, silentLog, startBare } from '../fixtures/assembled.ts';
import { define, scriptedTarget } from '../fixtures/instance.ts';
import type { Json, WireEra, WireReply } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import type { Revision } from '../oracle/check-wire.ts';

const MIB = 1_048_576;
const META = 'io.zeroplane/result';

/** The text of a result of exactly `bytes` bytes of UTF-8, with characters of one to four bytes at every border. */
function resultOf(bytes: number, more = ''): string {
  const head = '{"content":[{"type":"text","text":"';
  const tail = `"}]${more}}`;
  const room = bytes - Buffer.byteLength(head + tail);
  const pattern = 'aä€😀';
  const full = pattern.repeat(Math.floor(room / Buffer.byteLength(pattern)));
  return head + full + 'x'.repeat(room - Buffer.byteLength(full)) + tail;
}

let gateway: Assembled;
let given = '';

beforeEach(async () => {
  const tools = [define('tool', { name: 'dump', inputSchema: { type: 'object' } })];
  gateway = await startBare({ targets: [scriptedTarget('big', tools, () => given)] });
});
afterEach(() => gateway.close());

async function client(token = 'ann@team-x', era: WireEra = 'modern', version?: Revision): Promise<WireClient> {
  const url = era === 'sse' ? `${gateway.url}/sse` : gateway.mcp;
  return new WireClient({ url, era, token, ...(version === undefined ? {} : { version }) }).open();
}

const dump = (wire: WireClient): Promise<WireReply> =>
  wire.request('tools/call', { name: 'big___dump', arguments: {} });
const noteOf = (reply: WireReply): { uri: string; bytes: number; pages: number } =>
  ((reply.result as Record<string, Json>)['_meta'] as Json)[META] as { uri: string; bytes: number; pages: number };

interface PageOf {
  readonly text: string;
  readonly next: string | undefined;
}

async function page(wire: WireClient, uri: string): Promise<PageOf> {
  const reply = await wire.request('resources/read', { uri });
  expect(reply.error).toBeUndefined();
  const { contents, _meta: meta } = reply.result as unknown as { contents: { text: string }[]; _meta: Json };
  const note = meta[META] as Json;
  return { text: contents[0]?.text ?? '', next: note['next'] as string | undefined };
}

async function whole(wire: WireClient, first: string): Promise<string[]> {
  const pages: string[] = [];
  for (let uri: string | undefined = first; uri !== undefined;) {
    const { text, next }: PageOf = await page(wire, uri);
    pages.push(text);
    uri = next;
  }
  return pages;
}

test('a result of exactly 5 MiB passes as it is, one byte more is a preview and a link', async () => {
  const wire = await client();
  given = resultOf(5 * MIB);
  const passed = await dump(wire);
  expect(passed.text).toContain(given.slice(0, -1));
  given = resultOf(5 * MIB + 1);
  const { result } = await dump(wire);
  const content = result?.['content'] as Json[];
  expect(content).toHaveLength(2);
  expect(content[0]?.['type']).toBe('text');
  expect(String(content[0]?.['text'])).toContain(given.slice(0, 500));
  expect(content[1]).toMatchObject({ type: 'resource_link', mimeType: 'application/json', size: 5 * MIB + 1 });
  expect(content[1]?.['uri']).toMatch(/^zeroplane:\/\/results\/[0-9a-f-]{36}\?page=0$/);
  expect(JSON.stringify(result).length).toBeLessThan(10_000);
  expect(wire.violations).toEqual([]);
});

test('the pages have 1 MiB, name the next one, and join to the result byte for byte', async () => {
  const wire = await client();
  given = resultOf(5 * MIB + 12_345);
  const { uri, bytes, pages } = noteOf(await dump(wire));
  expect([bytes, pages]).toEqual([5 * MIB + 12_345, 6]);
  const texts = await whole(wire, uri);
  expect(texts).toHaveLength(6);
  // A character that begins on a page ends on it, so a page may have three bytes more or less.
  for (const text of texts.slice(0, -1)) expect(Math.abs(Buffer.byteLength(text) - MIB)).toBeLessThanOrEqual(3);
  expect(texts.join('') === given).toBe(true);
  expect(wire.violations).toEqual([]);
});

test('a page can be read again and in any order, and one behind the last is unknown', async () => {
  const wire = await client();
  given = resultOf(5 * MIB + 1);
  const { uri } = noteOf(await dump(wire));
  const third = uri.replace('page=0', 'page=3');
  expect((await page(wire, third)).text === (await page(wire, third)).text).toBe(true);
  const base = uri.replace('?page=0', '');
  expect((await page(wire, base)).text === (await page(wire, uri)).text).toBe(true);
  for (const bad of ['?page=6', '?page=-1', '?page=1.5', '?page=', '?page=0&x=1', '/../x', '?page=9999999']) {
    const reply = await wire.request('resources/read', { uri: base + bad });
    expect([bad, reply.status, reply.error?.code]).toEqual([bad, 200, -32602]);
  }
});

test('nobody else can read it: another principal and another tenant hear what a stranger to the link hears', async () => {
  given = resultOf(5 * MIB + 1);
  const { uri } = noteOf(await dump(await client()));
  const unknown = 'zeroplane://results/6f1f7d0e-0000-4000-8000-000000000000?page=0';
  for (const token of ['bob@team-x', 'ann@team-y']) {
    const wire = await client(token);
    const foreign = await wire.request('resources/read', { uri });
    const absent = await wire.request('resources/read', { uri: unknown });
    expect(foreign.error?.code).toBe(-32602);
    expect(foreign.error?.message.replace(uri, '')).toBe(absent.error?.message.replace(unknown, ''));
  }
});

test.each([
  ['2025-11-25', 'session', true],
  ['2025-06-18', 'session', true],
  ['2025-03-26', 'session', false],
  ['2024-11-05', 'sse', false],
] as const)('%s gets text, and a link where it has links', async (version, era, hasLinks) => {
  const wire = await client('ann@team-x', era, version);
  given = resultOf(5 * MIB + 1);
  const reply = await dump(wire);
  const content = reply.result?.['content'] as Json[];
  expect(content.map((block) => block['type'])).toEqual(hasLinks ? ['text', 'resource_link'] : ['text']);
  const uri = /zeroplane:\/\/results\/\S+?page=0/.exec(String(content[0]?.['text']))?.[0] ?? '';
  expect((await whole(wire, uri)).join('') === given).toBe(true);
  expect(wire.violations).toEqual([]);
  await wire.close();
});

test('on the endpoint of one target the same link is read', async () => {
  const wire = await new WireClient({ url: `${gateway.mcp}/big`, era: 'modern', token: 'ann@team-x' }).open();
  given = resultOf(5 * MIB + 1);
  const reply = await wire.request('tools/call', { name: 'dump', arguments: {} });
  expect((await whole(wire, noteOf(reply).uri)).join('') === given).toBe(true);
});

test('a failure stays a failure, and one that is only told of inside does not become one', async () => {
  const wire = await client();
  given = resultOf(5 * MIB + 1, ',"isError":true');
  expect((await dump(wire)).result?.['isError']).toBe(true);
  given = resultOf(5 * MIB + 1, ',"structuredContent":{"isError":true}');
  expect((await dump(wire)).result).not.toHaveProperty('isError');
});

describe('the store alone', () => {
  let clock: FakeClock;
  let memory: StoreRoot;
  const contextOf = (token: string): Context =>
    new Context({ principal: person(token), requestId: 'r', clock, timeoutMs: 1_000, log: silentLog });

  beforeEach(async () => {
    clock = fakeClock();
    memory = await openMemoryStore({ clock });
  });
  afterEach(() => memory.close());

  test('a stored result is gone after 24 hours, or after what the configuration says', async () => {
    const ann = contextOf('ann@team-x');
    for (const expiresAfterSeconds of [86_400, 60]) {
      const limits =
        expiresAfterSeconds === 86_400 ? {} : { limits: { inlineBytes: 1_024, pageBytes: 1_024, expiresAfterSeconds } };
      const results = new ResultStore({ store: memory, clock, ids: systemIds, ...limits });
      const { uri } = JSON.parse(await results.offload(resultOf(5 * MIB + 1), ann, '2026-07-28'))._meta[META];
      clock.advance((expiresAfterSeconds - 1) * 1_000);
      expect(await results.read(uri, ann)).toContain('"contents"');
      clock.advance(2_000);
      await expect(results.read(uri, ann)).rejects.toMatchObject({ code: 'RESULT_NOT_FOUND' });
    }
  });

  test('pages of any size join to any text, and the preview cuts no character', async () => {
    const ann = contextOf('ann@team-x');
    await assert(
      asyncProperty(
        string({ unit: 'grapheme', minLength: 600, maxLength: 2_500 }),
        integer({ min: 5, max: 400 }),
        async (text, pageBytes) => {
          const limits = { inlineBytes: 500, pageBytes, expiresAfterSeconds: 60 };
          const results = new ResultStore({ store: memory, clock, ids: systemIds, limits });
          const original = JSON.stringify({ content: [{ type: 'text', text }] });
          const offloaded = await results.offload(original, ann, '2026-07-28');
          const { content, _meta: meta } = JSON.parse(offloaded) as {
            content: { text: string }[];
            _meta: Record<string, { uri: string }>;
          };
          expect(Buffer.from(content[0]?.text ?? '').toString()).toBe(content[0]?.text);
          let joined = '';
          for (let uri = meta[META]?.uri; uri !== undefined;) {
            const { contents, _meta: note } = JSON.parse(await results.read(uri, ann)) as {
              contents: { text: string }[];
              _meta: Record<string, { next?: string }>;
            };
            joined += contents[0]?.text;
            uri = note[META]?.next;
          }
          expect(joined).toBe(original);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('the limit counts bytes, not characters', () => {
    const results = new ResultStore({ store: memory, clock: systemClock, ids: systemIds });
    expect(results.isLarge(resultOf(5 * MIB))).toBe(false);
    expect(results.isLarge(resultOf(5 * MIB + 1))).toBe(true);
    expect(results.isLarge('x'.repeat(5 * MIB))).toBe(false);
    expect(results.isLarge('€'.repeat(2 * MIB))).toBe(true);
  });
});
