import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { headerValue } from './client.ts';
import { runForTest } from './run-for-test.ts';

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly message: { id: number; method: string; params: Record<string, unknown> };
}

let cwd = '';
let server: Server | undefined;
const seen: Seen[] = [];

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-client-'));
  seen.length = 0;
});
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
  await rm(cwd, { recursive: true, force: true });
});

/** A server that stands in for an instance, and the `instance.json` that leads to it. */
async function instance(answer: (request: Seen, response: ServerResponse) => void, token = 'secret'): Promise<void> {
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const message = text.startsWith('{') ? JSON.parse(text) : {};
      const one: Seen = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        text,
        message,
      };
      seen.push(one);
      answer(one, response);
    });
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await writeInstance(`http://127.0.0.1:${port}`, token);
}

async function writeInstance(url: string, token: string, pid = process.pid): Promise<void> {
  await writeFile(join(cwd, 'instance.json'), JSON.stringify({ pid, url, token }));
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

function reply(request: Seen, response: ServerResponse, result: unknown): void {
  json(response, 200, { jsonrpc: '2.0', id: request.message.id, result });
}

function refuse(request: Seen, response: ServerResponse, error: object, status = 200): void {
  json(response, status, { jsonrpc: '2.0', id: request.message.id, error });
}

function run(
  words: readonly string[],
  more: Partial<Parameters<typeof runForTest>[1]> = {},
): ReturnType<typeof runForTest> {
  return runForTest([...words, '--data-dir', cwd], { cwd, ...more });
}

const TEXT = (text: string): object => ({ resultType: 'complete', content: [{ type: 'text', text }] });

test('a list is read to its last page, and each request is a whole one of its revision', async () => {
  await instance((request, response) => {
    const { cursor } = request.message.params;
    const tools = [
      { name: cursor === undefined ? 'a___one' : 'a___two', description: 'Does\nit', inputSchema: { type: 'object' } },
    ];
    reply(request, response, {
      resultType: 'complete',
      tools,
      ...(cursor === undefined ? { nextCursor: 'more' } : {}),
    });
  });
  const listed = await run(['tools', 'ls']);
  expect(listed).toEqual({ code: 0, stderr: '', stdout: 'a___one  Does it\na___two  Does it\n2 tools\n' });
  expect(seen.map((request) => request.message.params['cursor'])).toEqual([undefined, 'more']);
  expect(seen[0]?.headers).toMatchObject({
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/list',
    authorization: 'Bearer secret',
  });
  expect(seen[0]?.message.params['_meta']).toEqual({
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'zeroplane-cli', version: '1.2.3' },
    'io.modelcontextprotocol/clientCapabilities': {},
  });
});

test('an instance that lets everybody in is sent no token', async () => {
  await instance((request, response) => reply(request, response, { tools: [] }), '');
  expect((await run(['tools', 'ls', 'docs'])).stdout).toContain('No tools.');
  expect(seen[0]).toMatchObject({ path: '/mcp/docs' });
  expect(seen[0]?.headers).not.toHaveProperty('authorization');
});

test('a call sends its arguments and prints its result without changing a digit', async () => {
  const result = '{"content":[{"type":"text","text":"Hi"}],"big":12345678901234567890}';
  await instance((request, response) =>
    json(response, 200, `{"jsonrpc":"2.0","id":${request.message.id},"result":${result}}`),
  );
  expect(await run(['call', 'hello___greet', 'name=Ada', 'id:=98765432109876543210'])).toEqual({
    code: 0,
    stdout: 'Hi\n',
    stderr: '',
  });
  expect(seen[0]?.headers).toMatchObject({ 'mcp-name': 'hello___greet' });
  expect(seen[0]?.text).toContain('"arguments":{"name":"Ada","id":98765432109876543210}');
  expect((await run(['call', 'hello___greet', '--output', 'json'])).stdout).toBe(`${result}\n`);
});

test('arguments can come from stdin, and a key makes a repeat safe', async () => {
  await instance((request, response) => reply(request, response, TEXT('ok')));
  await run(['call', 'a___b', '--json', '-', '--idempotency-key', 'k1'], { stdin: '{"x":1.0}' });
  expect(seen[0]?.text).toContain('"arguments":{"x":1.0}');
  expect(seen[0]?.headers).toMatchObject({ 'idempotency-key': 'k1' });
});

test('every kind of content has a line', async () => {
  const content = [
    { type: 'text', text: 'plain \u001b[31m' },
    { type: 'image', mimeType: 'image/png', data: 'AAAA' },
    { type: 'resource_link', name: 'log', uri: 'zeroplane://results/1' },
    { type: 'resource', resource: { uri: 'a:b', text: 'inside' } },
    { type: 'resource', resource: { uri: 'a:c', blob: 'AAAA', mimeType: 'x/y' } },
    { type: 'odd', value: 1 },
  ];
  await instance((request, response) => reply(request, response, { content }));
  expect((await run(['call', 'a___b'])).stdout.trimEnd().split('\n')).toEqual([
    'plain \\u001b[31m',
    '[image image/png, 3 bytes]',
    '[resource log zeroplane://results/1]',
    'inside',
    '[resource a:c x/y, 3 bytes]',
    '{"type":"odd","value":1}',
  ]);
});

test('structured content is shown when there is nothing else', async () => {
  await instance((request, response) => reply(request, response, { content: [], structuredContent: { a: 1 } }));
  expect((await run(['call', 'a___b'])).stdout).toBe('{\n  "a": 1\n}\n');
});

test('progress and log messages of an event stream are printed with --stream alone', async () => {
  await instance((request, response) => {
    const message = (body: object): string => `data: ${JSON.stringify({ jsonrpc: '2.0', ...body })}\r\n\r\n`;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': keep-alive\n\n');
    response.write(message({ method: 'notifications/progress', params: { progress: 1, total: 2, message: 'half' } }));
    response.write(message({ method: 'notifications/message', params: { level: 'info', data: 'hello' } }));
    response.write(message({ id: request.message.id, result: TEXT('done') }));
    // The stream stays open: the answer ends the exchange.
  });
  expect(await run(['call', 'a___b'])).toEqual({ code: 0, stdout: 'done\n', stderr: '' });
  expect(await run(['call', 'a___b', '--stream'])).toEqual({
    code: 0,
    stdout: 'done\n',
    stderr: '1/2  half\n"hello"\n',
  });
  const lines = (await run(['call', 'a___b', '--output', 'stream-json'])).stdout.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).type)).toEqual(['progress', 'message', 'result']);
  expect(seen[1]?.message.params['_meta']).toMatchObject({
    progressToken: 'a___b',
    'io.modelcontextprotocol/logLevel': 'info',
  });
});

test('parameters that must be headers are sent again as headers', async () => {
  const inputSchema = {
    type: 'object',
    properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, n: { type: 'integer' } },
  };
  await instance((request, response) => {
    if (request.message.method === 'tools/list') reply(request, response, { tools: [{ name: 'a___b', inputSchema }] });
    else if (request.headers['mcp-param-region'] === undefined)
      refuse(request, response, { code: -32020, message: 'header missing' }, 400);
    else reply(request, response, TEXT(String(request.headers['mcp-param-region'])));
  });
  expect((await run(['call', 'a___b', 'region=eu west', 'n:=1'])).stdout).toBe('eu west\n');
});

test.each([
  ['plain', 'plain'],
  ['two words', 'two words'],
  [' edge', '=?base64?IGVkZ2U=?='],
  ['größe', '=?base64?Z3LDtsOfZQ==?='],
  ['=?base64?x', '=?base64?PT9iYXNlNjQ/eA==?='],
])('the header value of %j is %s', (text, header) => {
  expect(headerValue(text)).toBe(header);
});

test('a tool that reports an error ends with 5 and prints what it says', async () => {
  await instance((request, response) => reply(request, response, { ...TEXT('disk full'), isError: true }));
  expect(await run(['call', 'a___b', 'name=Ada', 'n:=1'])).toEqual({ code: 5, stdout: 'disk full\n', stderr: '' });
  expect((await run(['call', 'a___b', 'n=1'])).stderr).toBe('hint: n=1 is sent as text; n:=1 sends the value\n');
});

test.each([
  [
    'an unknown tool',
    { code: -32602, message: 'Unknown tool or not allowed: a___b', data: { knownTargets: ['c'] } },
    200,
    4,
    'zeroplane tools ls',
  ],
  [
    'a code of ours',
    { code: -32603, message: 'target "a" is away', data: { code: 'TARGET_UNAVAILABLE' } },
    200,
    6,
    'TARGET_UNAVAILABLE',
  ],
  ['a deadline', { code: -32603, message: 'too slow', data: { code: 'TARGET_TIMEOUT' } }, 200, 7, 'too slow'],
  ['a token that is refused', { code: -32600, message: 'Not signed in' }, 401, 3, 'UNAUTHENTICATED'],
  ["a target's own error", { code: -32050, message: 'odd' }, 200, 1, 'error -32050  odd'],
  ['a question nobody can answer', { code: -32021, message: 'needs elicitation' }, 400, 1, 'Call it from a terminal'],
])('%s ends the call with its exit code', async (_, error, status, code, hint) => {
  await instance((request, response) => refuse(request, response, error, status));
  const called = await run(['call', 'a___b']);
  expect(called).toMatchObject({ code, stdout: '' });
  expect(called.stderr).toContain(hint);
});

test('an answer that never comes ends with 7', async () => {
  await instance(() => {});
  const called = await run(['call', 'a___b', '--timeout', '0.05']);
  expect(called.code).toBe(7);
  expect(called.stderr).toContain('--timeout');
});

test('an instance that does not listen any more ends with 6', async () => {
  await instance(() => {});
  await new Promise((resolve) => server?.close(resolve));
  const called = await run(['status']);
  expect(called).toMatchObject({ code: 6, stdout: '' });
  expect(called.stderr).toContain('next: zeroplane dev');
});

test('an instance whose process has ended is not asked', async () => {
  await writeInstance('http://127.0.0.1:1', 't', 2 ** 30);
  const called = await run(['status']);
  expect(called.code).toBe(6);
  expect(called.stderr).toContain('has ended');
});

const QUESTION = {
  resultType: 'input_required',
  requestState: 'st\u00e4te==',
  inputRequests: {
    q1: {
      method: 'elicitation/create',
      params: {
        mode: 'form',
        message: 'Who?',
        requestedSchema: {
          type: 'object',
          properties: {
            name: { type: 'string' },
            age: { type: 'integer', default: 30 },
            sure: { type: 'boolean' },
            note: { type: 'string' },
          },
          required: ['name', 'sure'],
        },
      },
    },
  },
};

test('a question is answered at the terminal, and the state goes back as it came', async () => {
  await instance((request, response) =>
    reply(request, response, request.message.params['inputResponses'] === undefined ? QUESTION : TEXT('thanks')),
  );
  const called = await run(['call', 'a___b', 'x=1'], { answers: ['', 'Ada', '', 'maybe', 'yes', ''] });
  expect(called).toMatchObject({ code: 0, stdout: 'thanks\n' });
  expect(called.stderr).toContain('That does not fit');
  expect(seen[0]?.message.params['_meta']).toMatchObject({
    'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
  });
  expect(seen[1]?.message.params).toMatchObject({
    name: 'a___b',
    arguments: { x: '1' },
    requestState: 'st\u00e4te==',
    inputResponses: { q1: { action: 'accept', content: { name: 'Ada', age: 30, sure: true } } },
  });
  expect(seen[1]?.message.id).not.toBe(seen[0]?.message.id);
});

test.each([
  [['n'], 'decline'],
  [['c'], 'cancel'],
  [[], 'cancel'],
])('the answers %j are told as %s', async (answers, action) => {
  await instance((request, response) =>
    reply(request, response, request.message.params['inputResponses'] === undefined ? QUESTION : TEXT('so be it')),
  );
  await run(['call', 'a___b'], { answers });
  expect(seen[1]?.message.params['inputResponses']).toEqual({ q1: { action } });
});

test('a question without a terminal ends with 1 and says what was asked', async () => {
  await instance((request, response) => reply(request, response, QUESTION));
  const called = await run(['call', 'a___b']);
  expect(called).toMatchObject({ code: 1, stdout: '' });
  expect(called.stderr).toContain('The tool asks "Who?"');
  expect(seen).toHaveLength(1);
});

test('a tool that never stops asking is given up', async () => {
  await instance((request, response) => reply(request, response, { resultType: 'input_required', requestState: 's' }));
  const called = await run(['call', 'a___b']);
  expect(called.code).toBe(1);
  expect(seen).toHaveLength(8);
});

test('a registration is posted as it stands in a file, on the command line or in flags', async () => {
  await instance((request, response) => json(response, 201, { id: 'tool-greet' }));
  await writeFile(join(cwd, 'tool.json'), '{"type":"tool","name":"greet"}');
  const fromFile = await run(['register', 'tool.json']);
  expect(fromFile).toMatchObject({ code: 0, stderr: '' });
  expect(fromFile.stdout).toContain('zeroplane unregister tool-greet');
  await run(['register', '{"type":"tool","name":"greet"}', '--upsert']);
  await run(['register', '-'], { stdin: '{"type":"tool","name":"greet"}' });
  await run([
    'register',
    '--name',
    'greet',
    '--arn',
    'arn:aws:lambda:us-east-1:1:function:f',
    '--parameters',
    '{"a":"string"}',
  ]);
  await run(['register', '--name', 'docs', '--url', 'https://a.example/mcp']);
  expect(seen.map((request) => [request.path, request.message])).toEqual([
    ['/register', { type: 'tool', name: 'greet' }],
    ['/register?upsert=true', { type: 'tool', name: 'greet' }],
    ['/register', { type: 'tool', name: 'greet' }],
    [
      '/register',
      { type: 'tool', name: 'greet', lambdaArn: 'arn:aws:lambda:us-east-1:1:function:f', parameters: { a: 'string' } },
    ],
    ['/register', { type: 'mcp', name: 'docs', url: 'https://a.example/mcp' }],
  ]);
});

test('what the registry refuses is shown with its details', async () => {
  await instance((_, response) =>
    json(response, 400, {
      error: 'Invalid registration data',
      details: ['name is missing'],
      code: 'REGISTRATION_INVALID',
    }),
  );
  const refused = await run(['register', '{}']);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain('REGISTRATION_INVALID  Invalid registration data: name is missing');
});

test('everything that is wrong with a registration is shown, not the first thing alone', async () => {
  await instance((_, response) =>
    json(response, 400, {
      error: 'Invalid registration data',
      detail: 'Field "name" is required (and 1 more). Correct it and send it again.',
      details: [
        { path: 'name', message: 'is required' },
        { path: 'parameters.a', message: 'has the unknown type "strng"' },
      ],
      code: 'REGISTRATION_INVALID',
    }),
  );
  const refused = await run(['register', '{}']);
  expect(refused.stderr).toContain('name is required');
  expect(refused.stderr).toContain('parameters.a has the unknown type "strng"');
});

test.each([
  [['register'], 'Name what to register'],
  [['register', '{'], 'is not valid JSON'],
  [['register', '[]', '--name', 'x'], 'cannot be read'],
  [['register', 'absent.json'], 'cannot be read'],
])('%j is refused before anything is sent', async (words, reason) => {
  await instance((_, response) => json(response, 201, {}));
  const refused = await run(words);
  expect(refused.stderr).toContain(reason);
  expect(seen).toEqual([]);
});

test('a registration is removed by its id', async () => {
  await instance((request, response) =>
    request.path.endsWith('gone') ? json(response, 404, { error: 'Not found' }) : response.writeHead(204).end(),
  );
  expect(await run(['unregister', 'tool-a b'])).toMatchObject({ code: 0, stdout: 'removed tool-a b\n' });
  expect(seen[0]).toMatchObject({ method: 'DELETE', path: '/register/tool-a%20b' });
  expect((await run(['unregister', 'gone'])).code).toBe(4);
});

const TOOLS = [
  {
    name: 'fs___read_file',
    description: 'Read a file',
    inputSchema: {
      type: 'object',
      properties: { path: { type: 'string', description: 'Where' }, lines: { type: 'integer' } },
      required: ['path', 'lines'],
    },
  },
  { name: 'aws___create_bucket', description: 'Makes an S3 bucket', inputSchema: { type: 'object' } },
];

test('tools are found by what they do, synonyms included', async () => {
  await instance((request, response) => reply(request, response, { tools: TOOLS }));
  expect((await run(['tools', 'find', 'storage'])).stdout).toContain('aws___create_bucket');
  expect((await run(['tools', 'find', 'read', 'file', '--limit', '1'])).stdout).toContain('fs___read_file');
  expect(await run(['tools', 'find', 'zzzzzz'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Nothing fits'),
  });
});

test('where the list is hidden the gateway searches', async () => {
  await instance((request, response) => {
    if (request.message.method === 'tools/list')
      reply(request, response, { tools: [{ name: 'search_tools', inputSchema: { type: 'object' } }] });
    else reply(request, response, { content: [], structuredContent: { tools: TOOLS } });
  });
  expect((await run(['tools', 'find', 'anything'])).stdout).toContain('fs___read_file');
  expect((await run(['tools', 'show', 'aws___create_bucket'])).stdout).toContain('Makes an S3 bucket');
  const asked = seen.find((request) => request.message.method === 'tools/call');
  expect(asked?.message.params['arguments']).toEqual({ query: 'anything', limit: 10 });
});

test('a tool is shown with its arguments and a call to copy', async () => {
  await instance((request, response) => reply(request, response, { tools: TOOLS }));
  expect((await run(['tools', 'show', 'fs___read_file'])).stdout).toMatchInlineSnapshot(`
    "fs___read_file
    Read a file

    Arguments
      path   string   required  Where
      lines  integer  required

    Call
      zeroplane call fs___read_file path=… lines:=…
    "
  `);
});

test('a name that is nearly right is told', async () => {
  await instance((request, response) => reply(request, response, { tools: TOOLS }));
  const shown = await run(['tools', 'show', 'fs___read_fiel']);
  expect(shown.code).toBe(4);
  expect(shown.stderr).toContain('Did you mean "fs___read_file"?');
});
