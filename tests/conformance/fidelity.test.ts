/**
 * What nobody must change arrives as it was sent: unknown fields and types, numbers that no double holds, white space,
 * escapes and order; and on `/mcp` only names and URIs change, everywhere they appear.
 */

import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Definition } from '../../src/core/target.ts';
import type { LocalInstance } from '../../src/testing.ts';
import { startGateway } from '../../src/testing.ts';
import { startProgram } from '../fixtures/child.ts';
import type { Running } from '../fixtures/child.ts';
import type { Exchange } from '../fixtures/http-exchange.ts';
import { eventsOf, exchange, textOf } from '../fixtures/http-exchange.ts';
import { define, scriptedTarget, withGateway } from '../fixtures/instance.ts';
import { WireClient, headerValue } from '../fixtures/wire-client.ts';

type Json = Record<string, unknown>;

const META =
  '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{}}}';

/** Everything that a parser and a printer would change. */
const EXOTIC = [
  '{"big":9007199254740993,"bigger":-123456789012345678901234567890,"tiny":1E-400,"huge":1e400,"negative zero":-0.0',
  String.raw`"pi":3.14159265358979323846264338327950288,"1":"integer keys","0":"in their order","z":1,"a":2`,
  String.raw`"escapes":"\u0041\/\b\ud83d\ude00","lone":"\ud800 and \udc00","\u0061b":"key"`,
  '"text":"ü ☃ 😀 \u2028 \u2029 \u0085","nested":[[{"deep":1.50}]],"__proto__":{"x":1},"":null} ',
]
  .join(',')
  .trim();

const callBody = (name: string, args: string, meta: string): string =>
  `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":${JSON.stringify(name)},"arguments":${args}${meta}}}`;

const commonHeaders = (gateway: LocalInstance) => ({
  authorization: `Bearer ${gateway.token}`,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
});

async function post(gateway: LocalInstance, body: string, headers: Record<string, string> = {}): Promise<Exchange> {
  return exchange({ url: gateway.mcp, method: 'POST', headers: { ...commonHeaders(gateway), ...headers }, body });
}

/** The text of the one message that answers, however it travels. */
async function messageText(response: Exchange): Promise<string> {
  if (!(response.headers['content-type'] ?? '').startsWith('text/event-stream')) return textOf(response.body);
  const data: string[] = [];
  for await (const event of eventsOf(response.body)) if (event.data !== '') data.push(event.data);
  expect(data, 'one event').toHaveLength(1);
  return data[0] ?? '';
}

const modernHeaders = (name: string) => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': headerValue(name),
});

/** How each kind of client calls a tool with the text of its arguments; resolves with the text of the answer. */
const callers: Record<string, (gateway: LocalInstance, name: string, args: string) => Promise<string>> = {
  modern: async (gateway, name, args) =>
    messageText(await post(gateway, callBody(name, args, `,"_meta":${META}`), modernHeaders(name))),
  'modern on a stream': async (gateway, name, args) => {
    const headers = { ...modernHeaders(name), accept: 'text/event-stream' };
    return messageText(await post(gateway, callBody(name, args, `,"_meta":${META}`), headers));
  },
  stateless: async (gateway, name, args) => messageText(await post(gateway, callBody(name, args, ''))),
  'stateless in a batch': async (gateway, name, args) => {
    const text = await messageText(await post(gateway, `[${callBody(name, args, '')}]`));
    return text.slice(1, -1);
  },
  session: async (gateway, name, args) => {
    const wire = await new WireClient({ url: gateway.mcp, era: 'session', token: gateway.token }).open();
    return messageText(await post(gateway, callBody(name, args, ''), { 'mcp-session-id': wire.sessionId ?? '' }));
  },
  'session on a stream': async (gateway, name, args) => {
    const wire = await new WireClient({ url: gateway.mcp, era: 'session', token: gateway.token }).open();
    const headers = { 'mcp-session-id': wire.sessionId ?? '', accept: 'text/event-stream' };
    return messageText(await post(gateway, callBody(name, args, ''), headers));
  },
  sse: async (gateway, name, args) => {
    const headers = { authorization: `Bearer ${gateway.token}`, accept: 'text/event-stream' };
    const stream = await exchange({ url: `${gateway.url}/sse`, method: 'GET', headers });
    const events = eventsOf(stream.body);
    const endpoint = (await events.next()).value?.data ?? '';
    const body = callBody(name, args, '');
    const accepted = await exchange({
      url: gateway.url + endpoint,
      method: 'POST',
      headers: commonHeaders(gateway),
      body,
    });
    expect(accepted.status).toBe(202);
    const answer = (await events.next()).value?.data ?? '';
    stream.abort();
    return answer;
  },
};

const fixture = fileURLToPath(new URL('../fixtures/raw-echo-server.mjs', import.meta.url));

/** As the raw echo server, in this process. */
const inProcess = () =>
  scriptedTarget('here', [define('tool', { name: 'echo', inputSchema: { type: 'object' } })], (call) => {
    const args = call.params.find((member) => member.key === 'arguments')?.text ?? '';
    return `{ \r\n"x-first" :1E400 ,"content":[{"type":"x-unknown","n":12345678901234567890}],\n"structuredContent":${args}\r}`;
  });

describe('arguments and results in every era, through every kind of target', () => {
  let gateway: LocalInstance;
  const programs: Running<{ url: string }>[] = [];

  beforeAll(async () => {
    programs.push(...(await Promise.all(['http', 'http-modern'].map((mode) => startProgram([fixture, mode])))));
    const [http = '', modern = ''] = programs.map((program) => program.ready.url);
    const stdio = (mode: string) => ({ command: process.execPath, args: [fixture, mode] });
    const mcpServers = {
      'http-old': { url: http },
      'http-new': { url: modern },
      'stdio-old': stdio('stdio'),
      'stdio-new': stdio('stdio-modern'),
    };
    gateway = await startGateway({ targets: [inProcess()], config: { mcpServers } });
  });

  afterAll(async () => {
    await gateway.close({ drainMs: 100 });
    await Promise.all(programs.map((program) => program.stop()));
  });

  describe.each(['here', 'http-old', 'http-new', 'stdio-old', 'stdio-new'])('%s', (target) => {
    test.each(Object.keys(callers))('%s', async (caller) => {
      const answer = (await callers[caller]?.(gateway, `${target}___echo`, EXOTIC)) ?? '';
      expect(answer).toContain(`"structuredContent":${EXOTIC}`);
      expect(answer).toContain('"id":9007199254740993');
      expect(answer).toMatch(/"x-first"\s*:\s*1E400/);
      expect(answer).toMatch(/\{"type":"x-unknown","n":12345678901234567890\}/);
      expect(JSON.parse(answer)).toMatchObject({ jsonrpc: '2.0', result: { content: [{ type: 'x-unknown' }] } });
    });
  });

  test.each(['http-old', 'http-new', 'stdio-old', 'stdio-new'])(
    'a definition of %s keeps its text but for its name',
    async (target) => {
      for (const [url, name] of [
        [gateway.mcp, `${target}___echo`],
        [`${gateway.mcp}/${target}`, 'echo'],
      ] as const) {
        const listed = await new WireClient({ url, era: 'modern', token: gateway.token }).request('tools/list');
        expect(listed.text).toMatch(
          new RegExp(
            String.raw`\{"x-first":1e0,\s*"name":"${name}","big":9007199254740993,"inputSchema":\{"type":"object","x-n":0\.10\}\}`,
          ),
        );
      }
    },
  );
});

const wireTo = (gateway: LocalInstance, path = ''): WireClient =>
  new WireClient({
    url: gateway.mcp + path,
    era: 'modern',
    token: gateway.token,
    capabilities: { elicitation: {}, sampling: {} },
  });

/** A target `docs` whose one tool answers with this text. */
const answering = (result: string) =>
  scriptedTarget('docs', [define('tool', { name: 'get', inputSchema: { type: 'object' } })], () => result);

async function resultTexts(result: string): Promise<Record<'modern' | 'direct' | 'legacy' | 'oldest', string>> {
  const texts: Record<string, string> = {};
  await withGateway({ targets: [answering(result)] }, async (gateway) => {
    texts['modern'] = (await wireTo(gateway).request('tools/call', { name: 'docs___get' })).text;
    texts['direct'] = (await wireTo(gateway, '/docs').request('tools/call', { name: 'get' })).text;
    for (const [key, version] of [
      ['legacy', '2025-11-25'],
      ['oldest', '2024-11-05'],
    ] as const) {
      const wire = new WireClient({ url: gateway.mcp, era: 'stateless', version, token: gateway.token });
      const headers = { 'mcp-protocol-version': version };
      texts[key] = (await wire.request('tools/call', { name: 'docs___get' }, { headers })).text;
    }
  });
  return texts as Record<'modern' | 'direct' | 'legacy' | 'oldest', string>;
}

test('a result type of an extension passes with everything it brings', async () => {
  const task = '"taskId":"t-1","ttlMs":900719925474099301,"status":"working","x":[1.0]';
  const { modern, direct } = await resultTexts(`{"resultType":"task",${task}}`);
  for (const text of [modern, direct]) expect(text).toContain(`"result":{"resultType":"task",${task},"_meta"`);
});

test('what 2026-07-28 adds goes for older clients, and nothing else changes', async () => {
  const content = '"content":[{"type":"text","text":"\\u0041","annotations":{"n":1.0},"x":9007199254740993}]';
  const { legacy, oldest } = await resultTexts(
    `{"resultType":"complete","y":1.0,${content},"_meta":{"io.modelcontextprotocol/serverInfo":{},"z":1e1},"ttlMs":1}`,
  );
  for (const text of [legacy, oldest]) expect(text).toContain(`"result":{"y":1.0,${content},"_meta":{"z":1e1}}`);
});

test('links and audio become what an older revision has, and their neighbours keep their text', async () => {
  const neighbour = '{"type":"text","text":"x","n":9007199254740993}';
  const link = '{"type":"resource_link","uri":"https://a.example/","name":"a"}';
  const audio = '{"type":"audio","data":"AAAA","mimeType":"audio/wav"}';
  const texts = await resultTexts(`{"content":[${neighbour},${link},${audio}],"structuredContent":[1]}`);
  expect(texts.legacy).toContain(`"result":{"content":[${neighbour},${link},${audio}]}`);
  expect(texts.oldest).toContain(
    `"content":[${neighbour},{"type":"text","text":"a: https://a.example/"},{"type":"resource","resource":{"uri":"audio:inline","mimeType":"audio/wav","blob":"AAAA"}}]`,
  );
  expect(texts.modern).toContain('"structuredContent":[1]');
});

test('the server of a result keeps its own identity under a key of ours', async () => {
  const { modern } = await resultTexts(
    '{"content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"},"a":1.0}}',
  );
  expect(modern).toContain('"io.zeroplane/upstreamServerInfo":{"name":"up"},"a":1.0');
  expect((JSON.parse(modern) as { result: { _meta: Json } }).result._meta).toMatchObject({
    'io.modelcontextprotocol/serverInfo': { name: 'zeroplane' },
  });
});

test('request state of a target goes to the client and back byte for byte', async () => {
  const state = String.raw`"st\u0061te/+== \ud83d\ude00 9007199254740993"`;
  const questions = '{"k\\u0065y":{"method":"elicitation/create","params":{"message":"who?","n":9007199254740993}}}';
  const got: string[] = [];
  const target = scriptedTarget('docs', [define('tool', { name: 'ask', inputSchema: { type: 'object' } })], (call) => {
    const given = call.params.filter(({ key }) => key === 'requestState' || key === 'inputResponses');
    if (given.length === 0)
      return `{"resultType":"input_required","inputRequests":${questions},"requestState":${state}}`;
    got.push(...given.map((member) => `${member.key}=${member.text}`));
    return '{"content":[]}';
  });
  await withGateway({ targets: [target] }, async (gateway) => {
    const headers = modernHeaders('docs___ask');
    const first = await messageText(await post(gateway, callBody('docs___ask', '{}', `,"_meta":${META}`), headers));
    expect(first).toContain(`"requestState":${state}`);
    expect(first).toContain('"n":9007199254740993');
    const answers = '{"key":{"action":"accept","content":{"n":12345678901234567890}}}';
    const more = `,"inputResponses":${answers},"requestState":${state},"_meta":${META}`;
    await messageText(await post(gateway, callBody('docs___ask', '{}', more), headers));
    expect(got).toEqual([`inputResponses=${answers}`, `requestState=${state}`]);
  });
});

test('_meta of a call arrives but for what belongs to the protocol', () => {
  const got: string[] = [];
  const target = scriptedTarget('docs', [define('tool', { name: 'get', inputSchema: { type: 'object' } })], (call) => {
    got.push(call.meta.map((member) => `${member.key}=${member.text}`).join(' '));
    return '{"content":[]}';
  });
  return withGateway({ targets: [target] }, async (gateway) => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const meta = `${META.slice(0, -1)},"progressToken":1,"com.example/n":9007199254740993,"traceparent":"${traceparent}"}`;
    await post(gateway, callBody('docs___get', '{}', `,"_meta":${meta}`), modernHeaders('docs___get'));
    // The trace goes on under a span of the gateway's own.
    expect(got).toEqual([
      expect.stringMatching(
        /^com\.example\/n=9007199254740993 traceparent="00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01"$/,
      ),
    ]);
  });
});

test('progress and log messages keep their text', () => {
  const log = '{"level":"info","data":{"n":9007199254740993,"u":"\\u0041"},"logger":"db","x":1.0}';
  const tools = [define('tool', { name: 'get', inputSchema: { type: 'object' } })];
  const target = scriptedTarget('docs', tools, (call, exchanged, context) => {
    exchanged.notify('notifications/progress', '{ "progress":1.0,"total":9007199254740993,"x":[1.0]}');
    exchanged.notify('notifications/message', log);
    return call.name === 'get' && context.tenant !== '' ? '{"content":[]}' : '{}';
  });
  return withGateway({ targets: [target] }, async (gateway) => {
    const meta = `${META.slice(0, -1)},"progressToken":9007199254740993,"io.modelcontextprotocol/logLevel":"debug"}`;
    const response = await post(gateway, callBody('docs___get', '{}', `,"_meta":${meta}`), modernHeaders('docs___get'));
    const events: string[] = [];
    for await (const event of eventsOf(response.body)) events.push(event.data);
    expect(events[0]).toContain('"progressToken":9007199254740993,"progress":1.0,"total":9007199254740993,"x":[1.0]}');
    expect(events[1]).toContain(log.replace('"db"', '"docs/db"'));
  });
});

/** What a target says, and what `/mcp` shows of it; on `/mcp/docs` nothing changes. */
const REWRITTEN: readonly (readonly [what: string, own: string, shown: string])[] = [
  [
    'a link',
    '"content":[{"type":"resource_link","uri":"memo:x","name":"n"}]',
    '"content":[{"type":"resource_link","uri":"docs+memo:x","name":"n"}]',
  ],
  [
    'a link whose type comes last',
    '"content":[{"uri":"memo:x","name":"n","type":"resource_link"}]',
    '"content":[{"uri":"docs+memo:x","name":"n","type":"resource_link"}]',
  ],
  [
    'an embedded resource',
    '"content":[{"type":"resource","resource":{"uri":"file:///a b","text":"memo:x"}}]',
    '"content":[{"type":"resource","resource":{"uri":"docs+file:///a b","text":"memo:x"}}]',
  ],
  [
    'a ui link',
    '"content":[{"type":"resource_link","uri":"ui://app/main.html","name":"n"}]',
    '"content":[{"type":"resource_link","uri":"ui://docs/app/main.html","name":"n"}]',
  ],
  [
    'the app of a result',
    '"content":[],"_meta":{"ui":{"resourceUri":"ui://app/main","csp":{"n":1.0}}}',
    '"content":[],"_meta":{"ui":{"resourceUri":"ui://docs/app/main","csp":{"n":1.0}}',
  ],
  [
    'the app of a result under its flat key',
    '"content":[],"_meta":{"ui/resourceUri":"ui://app/main"',
    '"content":[],"_meta":{"ui/resourceUri":"ui://docs/app/main"',
  ],
  [
    'a prompt message',
    '"messages":[{"role":"user","content":{"type":"resource_link","uri":"memo:x","name":"n"}}]',
    '"messages":[{"role":"user","content":{"type":"resource_link","uri":"docs+memo:x","name":"n"}}]',
  ],
  [
    'a resource in a prompt message',
    '"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"memo:x","text":""}}}]',
    '"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"docs+memo:x","text":""}}}]',
  ],
  [
    'contents of a read',
    '"contents":[{"uri":"memo:x","text":"memo:x"}]',
    '"contents":[{"uri":"docs+memo:x","text":"memo:x"}]',
  ],
  [
    'a URI with an escape',
    String.raw`"contents":[{"uri":"memo:\u0078","text":"\u0078"}]`,
    String.raw`"contents":[{"uri":"docs+memo:x","text":"\u0078"}]`,
  ],
  [
    'a sampling message in a question',
    '"resultType":"input_required","inputRequests":{"q":{"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"resource_link","uri":"memo:x","name":"n"}}],"maxTokens":1}}}',
    '"resultType":"input_required","inputRequests":{"q":{"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"resource_link","uri":"docs+memo:x","name":"n"}}],"maxTokens":1}}}',
  ],
  [
    'what a user is asked',
    '"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"Sure?","n":1.0}}}',
    '"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"[docs] Sure?","n":1.0}}}',
  ],
];

/** What stays as it is on `/mcp` too. */
const UNTOUCHED: readonly (readonly [what: string, own: string])[] = [
  ['an https link', '"content":[{"type":"resource_link","uri":"https://a.example/x","name":"n"}]'],
  ['an http resource', '"content":[{"type":"resource","resource":{"uri":"http://a.example/x","text":""}}]'],
  ['text that looks like a URI', '"content":[{"type":"text","text":"memo:x","uri":"memo:x"}]'],
  [
    'structured content',
    '"content":[],"structuredContent":{"uri":"memo:x","type":"resource_link","resource":{"uri":"memo:x"}}',
  ],
  ['an app inside structured content', '"content":[],"structuredContent":{"_meta":{"ui":{"resourceUri":"ui://app"}}}'],
  ['an unknown content type', '"content":[{"type":"x-link","uri":"memo:x"}]'],
  ['_meta with a uri', '"content":[],"_meta":{"uri":"memo:x","type":"resource_link"'],
  ['a message that is no question', '"content":[],"message":"hello","n":1.0'],
];

test.each(REWRITTEN)('%s is shown under the name of its target on /mcp', async (_, own, shown) => {
  const { modern, direct } = await resultTexts(`{${own}${own.endsWith('"') && own.includes('_meta') ? '}' : ''}}`);
  expect(modern).toContain(shown);
  expect(direct).toContain(own.replace(/\}+$/, ''));
});

test.each(UNTOUCHED)('%s stays as it is', async (_, own) => {
  const { modern, direct } = await resultTexts(`{${own}${own.includes('_meta":{"uri') ? '}' : ''}}`);
  expect(modern).toContain(own);
  expect(direct).toContain(own);
});

test('a tool definition shows its app under the name of its target, and keeps everything else', () => {
  const text =
    '{ "x":1.0,"name":"get","description":"see ui://app and memo:x","_meta":{"ui":{"resourceUri":"ui://app/a","n":1.0},"ui/resourceUri":"ui://app/a"},"inputSchema":{"type":"object","properties":{"resourceUri":{"default":"ui://app/a"}}} }';
  const tool: Definition = { kind: 'tool', key: 'get', text, value: JSON.parse(text) as Json };
  return withGateway({ targets: [scriptedTarget('docs', [tool], () => '{}')] }, async (gateway) => {
    expect((await wireTo(gateway).request('tools/list')).text).toContain(
      text
        .replace('{ "x"', '{"x"')
        .replace('} }', '}}')
        .replace('"get"', '"docs___get"')
        .replaceAll('"resourceUri":"ui://app/a"', '"resourceUri":"ui://docs/app/a"')
        .replaceAll('"ui/resourceUri":"ui://app/a"', '"ui/resourceUri":"ui://docs/app/a"'),
    );
    expect((await wireTo(gateway, '/docs').request('tools/list')).text).toContain(text);
  });
});

const echoName = (definitions: Definition[]) =>
  scriptedTarget('docs', definitions, (call) => {
    if (call.method === 'prompts/get') return JSON.stringify({ messages: [], name: call.name });
    if (call.method === 'resources/read') return JSON.stringify({ contents: [], own: call.name });
    return JSON.stringify({ content: [{ type: 'text', text: call.name }] });
  });

const NAMES = [
  'a',
  '_leading',
  '___three',
  'with space',
  'größe',
  '名前',
  '😀'.repeat(70),
  'x'.repeat(55),
  'x'.repeat(56),
  'x'.repeat(57),
  'x'.repeat(64),
  'x'.repeat(65),
  'x'.repeat(128),
  'x'.repeat(129),
  'x'.repeat(4_000),
  `${'x'.repeat(118)}😀${'y'.repeat(20)}`,
  'a/b:c{d}',
  'dots.and-dashes_',
  '__proto__',
  'constructor',
  '=?base64?YQ==?=',
];

test('every name that a server may choose can be listed and called, on both endpoints and in both eras', () => {
  const tools = NAMES.map((name) => define('tool', { name, inputSchema: { type: 'object' } }));
  const prompts = NAMES.map((name) => define('prompt', { name }));
  return withGateway({ targets: [echoName([...tools, ...prompts])] }, async (gateway) => {
    for (const [path, limit, charset] of [
      ['', 64, /^[A-Za-z0-9_.-]+$/],
      ['/docs', 128, /^[^]+$/],
    ] as const)
      for (const era of ['modern', 'stateless'] as const) {
        const wire = new WireClient({ url: gateway.mcp + path, era, token: gateway.token });
        const listed = (await wire.request('tools/list')).result?.['tools'] as { name: string }[];
        expect(listed).toHaveLength(NAMES.length);
        expect(new Set(listed.map((tool) => tool.name)).size).toBe(NAMES.length);
        for (const [index, { name }] of listed.entries()) {
          expect(name.length).toBeLessThanOrEqual(limit);
          expect(name).toMatch(charset);
          const called = await wire.request('tools/call', { name });
          expect(called.result?.['content']).toEqual([{ type: 'text', text: NAMES[index] }]);
        }
        const shown = (await wire.request('prompts/list')).result?.['prompts'] as { name: string }[];
        for (const [index, { name }] of shown.entries())
          expect((await wire.request('prompts/get', { name })).result?.['name']).toBe(NAMES[index]);
      }
  });
});

test('a short legal name is its target and itself', () =>
  withGateway(
    { targets: [echoName([define('tool', { name: '_x.y-z', inputSchema: { type: 'object' } })])] },
    async (gateway) => {
      const listed = (await wireTo(gateway).request('tools/list')).result?.['tools'] as { name: string }[];
      expect(listed.map((tool) => tool.name)).toEqual(['docs____x.y-z']);
    },
  ));

const URIS = [
  'memo:x',
  'file:///a b?c#d',
  'git+ssh://h/p',
  'urn:größe',
  'ui://app/main.html',
  'ui://',
  '+',
  'x',
  '__proto__',
  'memo:x'.padEnd(2_000, 'y'),
];

test('every URI that a server may choose can be listed and read, under its public and its own form', () => {
  const resources = URIS.map((uri) => define('resource', { uri, name: 'n' }));
  return withGateway({ targets: [echoName(resources)] }, async (gateway) => {
    for (const path of ['', '/docs']) {
      const wire = wireTo(gateway, path);
      const listed = (await wire.request('resources/list')).result?.['resources'] as { uri: string }[];
      expect(listed).toHaveLength(URIS.length);
      for (const [index, { uri }] of listed.entries()) {
        const own = URIS[index] ?? '';
        expect((await wire.request('resources/read', { uri })).result?.['own']).toBe(own);
        expect((await wire.request('resources/read', { uri: own })).result?.['own']).toBe(own);
        if (path === '' && own.startsWith('ui://')) expect(uri).toMatch(/^ui:\/\/docs\//);
        else if (path === '') expect(uri).toBe(`docs+${own}`);
        else expect(uri).toBe(own);
      }
    }
  });
});

test('a bare tool name works while it can mean only one tool, and a registered one wins', () => {
  const named = (id: string) =>
    scriptedTarget(
      id,
      [define('tool', { name: 'get', inputSchema: { type: 'object' } })],
      () => `{"content":[],"from":"${id}"}`,
    );
  return withGateway({ targets: [named('one')] }, async (gateway) => {
    const get = () => wireTo(gateway).request('tools/call', { name: 'get' });
    expect((await get()).result?.['from']).toBe('one');
    const body = JSON.stringify({
      type: 'tool',
      name: 'get',
      description: 'Gets.',
      lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:absent',
      parameters: { type: 'object', properties: {} },
    });
    const added = await exchange({ url: gateway.admin, method: 'POST', headers: commonHeaders(gateway), body });
    expect(added.status).toBe(201);
    expect((await get()).result?.['from'], 'the registered function is absent, and says so').toBeUndefined();
    expect((await get()).result?.['isError']).toBe(true);
    const listed = (await wireTo(gateway).request('tools/list')).result?.['tools'] as { name: string }[];
    expect(listed.map((tool) => tool.name)).toEqual(['one___get', 'get']);
    const alone = (await wireTo(gateway, '/registry').request('tools/list')).result?.['tools'] as { name: string }[];
    expect(alone.map((tool) => tool.name)).toEqual(['get']);
  });
});

test('a bare tool name of two targets is unknown', () => {
  const named = (id: string) =>
    scriptedTarget(id, [define('tool', { name: 'get', inputSchema: { type: 'object' } })], () => '{"content":[]}');
  return withGateway({ targets: [named('one'), named('two')] }, async (gateway) => {
    expect((await wireTo(gateway).request('tools/call', { name: 'get' })).error?.code).toBe(-32602);
    expect((await wireTo(gateway).request('tools/call', { name: 'two___get' })).result).toBeDefined();
  });
});

test('the same URI of two targets is read by its public form, and by its own only when it means one thing', () => {
  const named = (id: string) =>
    scriptedTarget(id, [define('resource', { uri: 'memo:x', name: 'x' })], () => `{"contents":[],"from":"${id}"}`);
  return withGateway({ targets: [named('one'), named('two')] }, async (gateway) => {
    for (const id of ['one', 'two'])
      expect((await wireTo(gateway).request('resources/read', { uri: `${id}+memo:x` })).result?.['from']).toBe(id);
    expect((await wireTo(gateway).request('resources/read', { uri: 'memo:x' })).error?.code).toBe(-32602);
  });
});
