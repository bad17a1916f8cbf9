/** Functions that are MCP servers, behind one gateway: the two servers of the text, its Python form, and ones that misbehave. */

import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { Client as NewerClient, StreamableHTTPClientTransport as NewerTransport } from '@modelcontextprotocol/client';
import { Client as OlderClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OlderTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport as OlderTransportShape } from '@modelcontextprotocol/sdk/shared/transport.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle } from '../../examples/wrapped-servers/bundle.ts';
import { loadConfig } from '../../src/config/load.ts';
import { startGateway } from '../../src/testing.ts';
import type { LocalInstance } from '../../src/testing.ts';
import { LambdaFunctionClientTransport } from '../../src/wrapper.ts';
import { verifies } from '../conformance/verifies.ts';
import type { Json, WireEra } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { WrappedFunctions } from '../fixtures/wrapped.ts';

const EIGHT = [
  'aws-documentation-target___read_documentation',
  'aws-documentation-target___recommend',
  'aws-documentation-target___search_documentation',
  'prometheus-target___ExecuteQuery',
  'prometheus-target___ExecuteRangeQuery',
  'prometheus-target___GetAvailableWorkspaces',
  'prometheus-target___GetServerInfo',
  'prometheus-target___ListMetrics',
];
const SEARCH = { name: 'aws-documentation-target___search_documentation', arguments: { search_phrase: 'lambda' } };
const QUERY = { name: 'prometheus-target___ExecuteQuery', arguments: { query: 'up', workspace_id: 'ws-123' } };

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const node = { handler: 'index.handler', runtime: 'nodejs22.x' };
let wrapped: WrappedFunctions;

/** A function's code, written out. @returns its folder. */
async function code(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(wrapped.folder, name);
  await mkdir(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  return folder;
}

async function namesAt(gateway: LocalInstance): Promise<string[]> {
  const wire = new WireClient({ url: gateway.mcp, era: 'modern', token: gateway.token });
  const { result } = await wire.request('tools/list');
  expect(wire.violations).toEqual([]);
  return (result?.['tools'] as { name: string }[] | undefined)?.map((tool) => tool.name).sort() ?? [];
}

async function request(gateway: LocalInstance, method: string, params: Json = {}, era: WireEra = 'modern') {
  const wire = new WireClient({ url: gateway.mcp, era, token: gateway.token });
  const reply = await wire.request(method, params);
  return { ...reply, text: JSON.stringify(reply.result?.['content'] ?? reply.error) };
}

beforeAll(async () => {
  wrapped = await WrappedFunctions.create();
});
afterAll(() => wrapped.close());

describe('the two servers of the text', () => {
  let gateway: LocalInstance;

  beforeAll(async () => {
    gateway = await startGateway({
      config: {
        logLevel: 'error',
        functions: {
          'mcp-server-aws-documentation': { ...node, code: await bundle('documentation', wrapped.folder) },
          'mcp-server-prometheus-new': { ...node, code: await bundle('prometheus', wrapped.folder) },
        },
        mcpServers: {
          'aws-documentation-target': { function: 'mcp-server-aws-documentation' },
          'prometheus-target': { function: 'arn:aws:lambda:us-east-1:000000000000:function:mcp-server-prometheus-new' },
        },
      },
    });
  });
  afterAll(() => gateway.close({ drainMs: 100 }));

  const requestInit = (): { headers: Record<string, string> } => ({
    headers: { authorization: `Bearer ${gateway.token}` },
  });

  verifies('3.5', 'eight tools of two functions are one list, and the functions are no tools themselves', async () => {
    expect(await namesAt(gateway)).toEqual(EIGHT);
    expect(gateway.status().targets.map(({ id, kind, label, tools }) => [id, kind, label, tools])).toEqual([
      ['aws-documentation-target', 'function', 'embedded', 3],
      ['prometheus-target', 'function', 'embedded', 5],
      ['registry', 'function', 'embedded', 0],
    ]);
  });

  verifies(
    '3.3 3.4',
    'the printed calls reach their functions by prefix, from official clients of both generations',
    async () => {
      const newer = new NewerClient({ name: 'newer', version: '1' }, { versionNegotiation: { mode: 'auto' } });
      await newer.connect(new NewerTransport(new URL(gateway.mcp), { requestInit: requestInit() }));
      const older = new OlderClient({ name: 'older', version: '1' });
      const transport = new OlderTransport(new URL(gateway.mcp), { requestInit: requestInit() });
      await older.connect(transport as OlderTransportShape);
      for (const client of [newer, older]) {
        const { tools } = await client.listTools();
        expect(tools.map((tool) => tool.name).sort()).toEqual(EIGHT);
        expect(JSON.stringify(await client.callTool(SEARCH))).toContain('What is Lambda?');
        expect(JSON.stringify(await client.callTool(QUERY))).toContain('ws-123');
        await client.close();
      }
    },
  );

  verifies(
    '3.1 3.3',
    'the printed payloads, sent by the official SDK to the local Lambda, reach the same servers',
    async () => {
      const lambda = new LambdaClient({
        endpoint: gateway.clouds.aws,
        region: 'us-east-1',
        credentials: { accessKeyId: 'zeroplane', secretAccessKey: gateway.token },
      });
      const invoke = async (FunctionName: string, payload: string) => {
        const reply = await lambda.send(new InvokeCommand({ FunctionName, Payload: Buffer.from(payload) }));
        expect(reply.FunctionError).toBeUndefined();
        const { statusCode, body } = JSON.parse(reply.Payload?.transformToString() ?? '') as Json;
        return [statusCode, String(body)];
      };
      const [status, found] = await invoke(
        'mcp-server-aws-documentation',
        '{"method":"tools/call","params":{"name":"search_documentation","arguments":{"search_phrase":"lambda"}}}',
      );
      expect(status).toBe(200);
      expect(found).toContain('What is Lambda?');
      const [, value] = await invoke(
        'mcp-server-prometheus-new',
        '{"method":"tools/call","params":{"name":"ExecuteQuery","arguments":{"query":"up","workspace_id":"ws-123"}}}',
      );
      expect(value).toContain('ws-123');
      const [, listed] = await invoke('mcp-server-prometheus-new', '{"method":"tools/list"}');
      expect(JSON.parse(String(listed))).toMatchObject({ tools: { length: 5 } });
      lambda.destroy();
    },
  );

  test('3.14: an official client speaks MCP with the function itself, over the local Lambda', async () => {
    const client = new NewerClient({ name: 'newer', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    const transport = new LambdaFunctionClientTransport({
      functionName: 'mcp-server-prometheus-new',
      regionName: 'us-east-1',
      credentials: { accessKeyId: 'zeroplane', secretAccessKey: gateway.token },
      endpoint: gateway.clouds.aws,
    });
    await client.connect(transport as Parameters<typeof client.connect>[0]);
    expect((await client.listTools()).tools).toHaveLength(5);
    const called = await client.callTool({ name: 'ExecuteQuery', arguments: QUERY.arguments });
    expect(JSON.stringify(called)).toContain('ws-123');
    await client.close();
  });

  verifies('3.6', 'an unknown prefix is -32602, and says which targets there are', async () => {
    const { error } = await request(gateway, 'tools/call', { name: 'grafana-target___ExecuteQuery', arguments: {} });
    expect(error).toMatchObject({
      code: -32602,
      data: { knownTargets: ['aws-documentation-target', 'prometheus-target', 'registry'] },
    });
  });

  verifies('3.21', 'an unknown method is -32601, a call without a name -32602', async () => {
    expect((await request(gateway, 'tools/fly')).error?.code).toBe(-32601);
    // The newer revision's headers name the tool too, so only an older one can leave it out.
    expect((await request(gateway, 'tools/call', { arguments: {} }, 'stateless')).error?.code).toBe(-32602);
    expect((await request(gateway, 'tools/call', { ...QUERY, name: 'prometheus-target___' })).error?.code).toBe(-32602);
  });
});

/** The printed handler; what it imports stands in another file. */
const PRINTED = `
import json
from mcp_server import create_server

async def handler(event, context):
    # Extract MCP request from Lambda event
    method = event.get('method')
    params = event.get('params', {})

    # Initialize MCP server
    server = await create_server()

    # Route to appropriate MCP method
    if method == 'tools/list':
        result = await server.list_tools()
    elif method == 'tools/call':
        result = await server.call_tool(params['name'], params['arguments'])

    return {
        'statusCode': 200,
        'body': json.dumps(result)
    }
`;
const IN_PROCESS = `
class Server:
    async def list_tools(self):
        schema = {"type": "object", "properties": {"search_phrase": {"type": "string"}}}
        return {"tools": [{"name": "search___all", "inputSchema": schema}]}

    async def call_tool(self, name, arguments):
        return {"content": [{"type": "text", "text": name + " " + arguments["search_phrase"]}]}

async def create_server():
    return Server()
`;

describe('functions that know methods but no JSON-RPC', () => {
  const hasPython = spawnSync('python3', ['-c', 'pass']).status === 0;

  test.skipIf(!hasPython)(
    '3.20 3.4: the Python form of the text is a target, and a name is cut at its first separator only',
    async () => {
      const folder = await code('printed', { 'lambda_function.py': PRINTED, 'mcp_server.py': IN_PROCESS });
      const python = { handler: 'lambda_function.handler', runtime: 'python3.13', code: folder };
      const gateway = await startGateway({
        config: {
          logLevel: 'error',
          functions: { printed: python },
          mcpServers: { 'python-target': { function: 'printed' } },
        },
      });
      try {
        expect(await namesAt(gateway)).toEqual(['python-target___search___all']);
        const called = { name: 'python-target___search___all', arguments: { search_phrase: 'lambda' } };
        expect((await request(gateway, 'tools/call', called)).text).toContain('search___all lambda');
        const incomplete = await request(gateway, 'tools/call', { ...called, arguments: {} });
        expect(incomplete.result).toMatchObject({ isError: true });
        expect(incomplete.text).toContain("KeyError: 'search_phrase'");
        expect(incomplete.text).not.toContain('lambda_function.py');
      } finally {
        await gateway.close({ drainMs: 100 });
      }
    },
  );

  test.skipIf(!hasPython)('the handler of the how-to page works as it stands there', async () => {
    const page = await readFile(new URL('../../docs/how-to/functions-as-servers.md', import.meta.url), 'utf8');
    const handler = /```python\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    const folder = await code('page', { 'lambda_function.py': handler, 'mcp_server.py': IN_PROCESS });
    const python = { handler: 'lambda_function.handler', runtime: 'python3.13', code: folder };
    const gateway = await startGateway({
      config: { logLevel: 'error', functions: { page: python }, mcpServers: { page: { function: 'page' } } },
    });
    try {
      expect(await namesAt(gateway)).toEqual(['page___search___all']);
      const called = { name: 'page___search___all', arguments: { search_phrase: 'lambda' } };
      expect((await request(gateway, 'tools/call', called)).text).toContain('search___all lambda');
    } finally {
      await gateway.close({ drainMs: 100 });
    }
  });

  test('new code brings its new tools while the gateway runs', async () => {
    const handler = (name: string): string => `export const handler = async ({ method, params }) => ({
      statusCode: 200,
      body: JSON.stringify(method === 'tools/list' ? { tools: [{ name: '${name}', inputSchema: { type: 'object' } }] } : { content: [] }),
    });`;
    const folder = await code('edited', { 'index.mjs': handler('before') });
    const gateway = await startGateway({
      config: {
        logLevel: 'error',
        functions: { edited: { ...node, code: folder } },
        mcpServers: { edited: { function: 'edited' } },
      },
    });
    try {
      expect(await namesAt(gateway)).toEqual(['edited___before']);
      await code('edited', { 'index.mjs': handler('after') });
      await expect.poll(() => namesAt(gateway), { timeout: 8_000 }).toEqual(['edited___after']);
    } finally {
      await gateway.close({ drainMs: 100 });
    }
  });
});

test('a function and the server that it is may come in one reload, and only to the tenants of the function', async () => {
  const gateway = await startGateway({ config: { logLevel: 'error' } });
  try {
    const folder = await code('reloaded', {
      'index.mjs': `export const handler = async ({ method }) => ({
        statusCode: 200,
        body: JSON.stringify(method === 'tools/list' ? { tools: [{ name: 'tool', inputSchema: { type: 'object' } }] } : { content: [] }),
      });`,
    });
    const file = join(wrapped.folder, 'reloaded.json');
    const functions = { mine: { ...node, code: folder }, theirs: { ...node, code: folder, tenants: ['another'] } };
    const mcpServers = { mine: { function: 'mine' }, theirs: { function: 'theirs' } };
    await writeFile(file, JSON.stringify({ logLevel: 'error', functions, mcpServers }));
    await gateway.reload(await loadConfig({ cwd: wrapped.folder, configPath: file, env: {} }));
    await expect.poll(() => namesAt(gateway)).toEqual(['mine___tool']);
    const { error } = await request(gateway, 'tools/call', { name: 'theirs___tool', arguments: {} });
    expect(error).toMatchObject({ code: -32602, data: { knownTargets: ['mine', 'registry'] } });
  } finally {
    await gateway.close({ drainMs: 100 });
  }
});

describe('functions that misbehave', () => {
  let gateway: LocalInstance;

  beforeAll(async () => {
    const evil = { command: process.execPath, args: [fixture('evil-server.mjs')] };
    const broken = await code('broken', { 'index.mjs': `import 'no-such-package';` });
    const thrower = await code('thrower', { 'index.mjs': `throw new Error('no licence');` });
    gateway = await startGateway({
      config: {
        logLevel: 'error',
        functions: {
          evil: await wrapped.wrap('evil', evil, 2),
          absent: await wrapped.wrap('absent', { command: 'no-such-command-anywhere' }),
          broken: { ...node, code: broken },
          thrower: { ...node, code: thrower },
        },
        mcpServers: {
          well: { command: process.execPath, args: [fixture('evil-server.mjs')] },
          evil: { function: 'evil' },
          absent: { function: 'absent' },
          broken: { function: 'broken' },
          thrower: { function: 'thrower' },
          nowhere: { function: 'nowhere' },
        },
      },
    });
  });
  afterAll(() => gateway.close({ drainMs: 100 }));

  const call = (name: string, args: Json = {}) => request(gateway, 'tools/call', { name, arguments: args });

  test('F-42: each is an error of its own target, which says what to look at, and the others list and answer', async () => {
    const reasons = new Map(gateway.status().targets.map(({ id, state, reason }) => [id, `${state}: ${reason ?? ''}`]));
    expect(reasons.get('well')).toBe('ready: ');
    expect(reasons.get('evil')).toBe('ready: ');
    expect(reasons.get('absent')).toContain('there is no command "no-such-command-anywhere"');
    expect(reasons.get('broken')).toContain('no-such-package');
    expect(reasons.get('thrower')).toContain('no licence');
    expect(reasons.get('nowhere')).toContain('"nowhere"');
    for (const id of ['absent', 'broken', 'thrower', 'nowhere']) expect(reasons.get(id)).toMatch(/^down: /);
    expect((await call('well___echo', { a: 1 })).text).toContain('a');
    expect((await call('evil___echo', { a: 1 })).text).toContain('a');
  });

  test('F-41: a call that outlives its function is a result that says so, and the next one is answered', async () => {
    const { result, text } = await call('evil___hang');
    expect(result).toMatchObject({ isError: true });
    expect(text).toMatch(/timed out after \d+ ms and may have run/);
    expect((await call('evil___echo', { still: 'here' })).text).toContain('still');
  });

  test.each(['crash', 'exit', 'wrong-id', 'null-result'])(
    'F-42: a server in a function that does "%s" is a failed call, and the next one is answered',
    async (name) => {
      const { result, error } = await call(`evil___${name}`);
      expect(error ?? result?.['isError']).toBeTruthy();
      expect((await call('evil___echo', { still: 'here' })).text).toContain('still');
    },
  );

  test('shell metacharacters in arguments stay characters', async () => {
    const args = { a: '$(touch /tmp/x); `id` | cat && "\'' };
    const { result } = await call('evil___echo', args);
    expect(result?.['content']).toEqual([{ type: 'text', text: JSON.stringify(args) }]);
  });
});
