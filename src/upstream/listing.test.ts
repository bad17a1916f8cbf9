import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Clock, Logger } from '../core/ports.ts';
import type { Conversation } from './conversation.ts';
import { Context } from '../core/context.ts';
import { UpstreamRpcError } from '../core/errors.ts';
import { MAX_PAGES, readListing } from './listing.ts';

const quiet: Logger = { log: () => undefined, with: () => quiet };
const clock: Clock = { nowMs: () => 0, monotonicMs: () => 0, after: () => () => undefined };
const context = new Context({
  principal: { id: 'p', tenant: 't', roles: [], scopes: [] },
  requestId: 'r',
  clock,
  timeoutMs: 1_000,
  log: quiet,
});
const options = { target: 'docs', context, timeoutMs: 1_000 };

type Pages = Record<string, (cursor: string | undefined) => string>;

function server(capabilities: Record<string, unknown>, pages: Pages) {
  const asked: string[] = [];
  const conversation: Conversation = {
    era: 'legacy',
    protocolVersion: '2025-11-25',
    capabilities,
    serverInfo: { name: 's', version: '1' },
    instructions: 'be nice',
    declaring: false,
    ended: false,
    request: ({ method, params }) => {
      asked.push(method);
      const page = pages[method];
      const cursor = params.find((entry) => entry.key === 'cursor');
      if (page === undefined) return Promise.reject(new UpstreamRpcError(-32601, 'Method not found'));
      return Promise.resolve().then(() => page(cursor === undefined ? undefined : (JSON.parse(cursor.text) as string)));
    },
    notify: () => undefined,
    onNotification: () => () => undefined,
    onEnd: () => undefined,
    close: () => Promise.resolve(),
  };
  return { conversation, asked };
}

const tool = (name: string, more = '') => `{"name":${JSON.stringify(name)},"inputSchema":{"type":"object"}${more}}`;

describe('reading a listing', () => {
  test('a list of resources that fails is named, and the tools are listed all the same', async () => {
    const failing = (): string => {
      throw new UpstreamRpcError(-32603, 'no database');
    };
    const { conversation } = server(
      { tools: {}, resources: {} },
      { 'tools/list': () => `{"tools":[${tool('query')}]}`, 'resources/list': failing },
    );
    const listing = await readListing(conversation, options);
    expect(listing.definitions.map((definition) => definition.key)).toEqual(['query']);
    expect(listing.skipped).toEqual([{ key: 'resources/list', reason: 'the server answered -32603: no database' }]);
  });

  test('a list of tools that fails is a failure of the target', async () => {
    const failing = (): string => {
      throw new UpstreamRpcError(-32603, 'no database');
    };
    const { conversation } = server({ tools: {} }, { 'tools/list': failing });
    await expect(readListing(conversation, options)).rejects.toMatchObject({
      code: 'TARGET_PROTOCOL_ERROR',
      message: expect.stringMatching(/^target ".+" answered tools\/list with error -32603: no database\. /) as string,
    });
  });

  test('keeps every definition as the text that arrived', async () => {
    const text = '{ "name":"a", "inputSchema" : {"type":"object","maximum":1.0e400},"x":12345678901234567890 }';
    const { conversation } = server(
      { tools: {} },
      { 'tools/list': () => `{"tools":[ ${text} , ${tool('b')}],"ttlMs":5,"cacheScope":"public"}` },
    );
    const listing = await readListing(conversation, options);
    expect(listing.definitions.map((definition) => definition.text)).toEqual([text, tool('b')]);
    expect(listing).toMatchObject({
      instructions: 'be nice',
      serverInfo: { name: 's' },
      ttlMs: 5,
      cacheScope: 'public',
      protocolVersion: '2025-11-25',
    });
    expect(listing.skipped).toBeUndefined();
  });

  test('whatever else a definition holds, its text is exactly what the server wrote', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue(), { maxLength: 8 }), fc.constantFrom(0, 1, 3), async (extras, indent) => {
        const texts = extras.map((extra, index) =>
          JSON.stringify({ name: `t${index}`, inputSchema: { type: 'object' }, extra }, null, indent),
        );
        const { conversation } = server(
          { tools: {} },
          { 'tools/list': () => `{"tools":[${texts.join(indent === 0 ? ',' : ' ,\n')}]}` },
        );
        const { definitions } = await readListing(conversation, options);
        expect(definitions.map(({ text }) => text)).toEqual(texts);
      }),
    );
  });

  test('asks only for what is declared, and takes an unknown list for an empty one', async () => {
    const { conversation, asked } = server(
      { resources: {} },
      { 'resources/list': () => '{"resources":[{"uri":"memo:x","name":"x"}]}' },
    );
    const { definitions } = await readListing(conversation, options);
    expect(definitions.map(({ kind, key }) => [kind, key])).toEqual([['resource', 'memo:x']]);
    expect(asked).toEqual(['resources/list', 'resources/templates/list']);
  });

  test('reads every kind to its last page; an empty cursor is a cursor', async () => {
    const { conversation } = server(
      { tools: {}, prompts: {}, resources: {} },
      {
        'tools/list': (cursor) =>
          cursor === undefined ? `{"tools":[${tool('a')}],"nextCursor":""}` : `{"tools":[${tool('b')}]}`,
        'prompts/list': () => '{"prompts":[{"name":"p"}]}',
        'resources/list': () => '{"resources":[]}',
        'resources/templates/list': () =>
          '{"resourceTemplates":[{"uriTemplate":"x:{id}","name":"t"}],"nextCursor":null}',
      },
    );
    const { definitions } = await readListing(conversation, options);
    expect(definitions.map(({ kind, key }) => `${kind} ${key}`)).toEqual([
      'tool a',
      'tool b',
      'prompt p',
      'template x:{id}',
    ]);
  });

  test('an error of another kind fails the reading', async () => {
    const { conversation } = server(
      { tools: {} },
      {
        'tools/list': () => {
          throw new UpstreamRpcError(-32603, 'database is down');
        },
      },
    );
    await expect(readListing(conversation, options)).rejects.toThrow('database is down');
  });

  test.each([
    ['the same cursor again', { 'tools/list': () => '{"tools":[],"nextCursor":"x"}' }, 'TARGET_PROTOCOL_ERROR'],
    [
      'ever new cursors',
      { 'tools/list': (cursor: string | undefined) => `{"tools":[],"nextCursor":"${Number(cursor ?? 0) + 1}"}` },
      'TARGET_RESPONSE_TOO_LARGE',
    ],
    ['no list', { 'tools/list': () => '{"tools":{}}' }, 'TARGET_PROTOCOL_ERROR'],
    [
      'too many bytes',
      { 'tools/list': () => `{"tools":[${tool('a', `,"d":"${'x'.repeat(9_000_000)}"`)}]}` },
      'TARGET_RESPONSE_TOO_LARGE',
    ],
  ])('%s is refused', async (_name, pages, code) => {
    const { conversation, asked } = server({ tools: {} }, pages);
    await expect(readListing(conversation, options)).rejects.toMatchObject({ code });
    expect(asked.length).toBeLessThanOrEqual(MAX_PAGES);
  });

  test('too many items are refused', async () => {
    const { conversation } = server(
      { tools: {} },
      { 'tools/list': () => `{"tools":[${[1, 2, 3].map((n) => tool(`t${n}`)).join()}]}` },
    );
    await expect(readListing(conversation, { ...options, maxItems: 2 })).rejects.toMatchObject({
      code: 'TARGET_RESPONSE_TOO_LARGE',
    });
  });

  test('items that nobody can use count as items', async () => {
    const { conversation } = server({ tools: {} }, { 'tools/list': () => `{"tools":[${'0,'.repeat(100_000)}0]}` });
    await expect(readListing(conversation, options)).rejects.toMatchObject({
      code: 'TARGET_RESPONSE_TOO_LARGE',
      message: expect.stringContaining('more than 10000 items') as string,
    });
  });

  test('lists of different age are as old as the oldest, and private when one of them is', async () => {
    const { conversation } = server(
      { tools: {}, prompts: {} },
      {
        'tools/list': () => '{"tools":[],"ttlMs":500,"cacheScope":"public"}',
        'prompts/list': () => '{"prompts":[],"ttlMs":100,"cacheScope":"private"}',
      },
    );
    expect(await readListing(conversation, options)).toMatchObject({ ttlMs: 100, cacheScope: 'private' });
  });
});

describe('definitions that nobody could use', () => {
  test.each([
    ['an empty name', tool('')],
    ['a name of 257 characters', tool('x'.repeat(257))],
    ['a line end', tool('a\nb')],
    ['a zero-width space', tool('a\u200Bb')],
    ['a change of writing direction', tool('a\u202Eb')],
    ['half a surrogate pair', '{"name":"a\\ud800","inputSchema":{"type":"object"}}'],
    ['no schema', '{"name":"a"}'],
    ['a schema that is a list', '{"name":"a","inputSchema":[]}'],
    ['a schema of text', '{"name":"a","inputSchema":{"type":"string"}}'],
    ['no name', '{"inputSchema":{"type":"object"}}'],
    ['no object', '7'],
  ])('%s is left out with its reason, and its neighbours stay', async (_name, bad) => {
    const { conversation } = server(
      { tools: {} },
      { 'tools/list': () => `{"tools":[${tool('before')},${bad},${tool('after')}]}` },
    );
    const { definitions, skipped } = await readListing(conversation, options);
    expect(definitions.map(({ key }) => key)).toEqual(['before', 'after']);
    expect(skipped).toHaveLength(1);
    expect(skipped?.[0]?.reason).not.toBe('');
  });

  test('a second tool of the same name is left out', async () => {
    const { conversation } = server(
      { tools: {} },
      { 'tools/list': () => `{"tools":[${tool('a', ',"n":1')},${tool('a', ',"n":2')}]}` },
    );
    const { definitions, skipped } = await readListing(conversation, options);
    expect(definitions.map(({ value }) => value['n'])).toEqual([1]);
    expect(skipped?.[0]?.key).toBe('a');
  });

  test('names with spaces, umlauts and emoji are names', async () => {
    const { conversation } = server({ tools: {} }, { 'tools/list': () => `{"tools":[${tool('Größe messen 📏')}]}` });
    expect((await readListing(conversation, options)).definitions).toHaveLength(1);
  });

  test("a transport's own objection counts", async () => {
    const { conversation } = server({ tools: {} }, { 'tools/list': () => `{"tools":[${tool('a')}]}` });
    const { skipped } = await readListing(conversation, { ...options, objection: () => 'bad header' });
    expect(skipped).toEqual([{ key: 'a', reason: 'bad header' }]);
  });
});
