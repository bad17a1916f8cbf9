/** What is promised of functions that run here: their languages, their life, and how they are rewritten under way. */

import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { startGateway } from '../../src/testing.ts';
import type { LocalInstance } from '../../src/testing.ts';
import { exchange, textOf } from '../fixtures/http-exchange.ts';
import type { Json } from '../fixtures/wire-client.ts';
import { WireClient } from '../fixtures/wire-client.ts';
import { verifies } from './verifies.ts';

const hasPython = spawnSync('python3', ['-c', 'pass']).status === 0;

let folder = '';
let gateway: LocalInstance | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-functions-'));
});

afterEach(async () => {
  await gateway?.close({ drainMs: 100 });
  gateway = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function write(name: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), text);
  if (name.endsWith('bootstrap')) await chmod(join(folder, name), 0o755);
}

async function start(functions: ConfigInput['functions']): Promise<LocalInstance> {
  gateway = await startGateway({ config: { functions } });
  return gateway;
}

async function call({ mcp, token }: LocalInstance, name: string, args: Json = {}): Promise<Json> {
  const client = new WireClient({ url: mcp, era: 'modern', token });
  const { result } = await client.request('tools/call', { name, arguments: args });
  expect(client.violations).toEqual([]);
  return result as Json;
}

const NODE = `export const handler = async ({ name }) => ({ greeting: 'Hello ' + name, from: 'Node' });`;
const PYTHON = `async def handler(event, context):\n    return {"greeting": "Hello " + event["name"], "from": "Python"}\n`;
/** In place of a compiled program: knows the Runtime API and nothing else. */
const NATIVE = `#!/usr/bin/env node
const base = 'http://' + process.env.AWS_LAMBDA_RUNTIME_API + '/2018-06-01/runtime/invocation/';
(async () => { for (;;) {
  const next = await fetch(base + 'next');
  const { name } = await next.json();
  const body = JSON.stringify({ greeting: 'Hello ' + name, from: 'a program' });
  await (await fetch(base + next.headers.get('lambda-runtime-aws-request-id') + '/response', { method: 'POST', body })).text();
} })();`;

verifies('2.22', 'a function rewritten in another language keeps registration, schema and callers', async () => {
  await write('node/index.mjs', NODE);
  await write('native/bootstrap', NATIVE);
  await write('python/app.py', PYTHON);
  const running = await start({
    greet: { handler: 'index.handler', runtime: 'nodejs24.x', code: join(folder, 'node') },
  });
  const registration = {
    type: 'tool',
    name: 'greeting',
    description: 'Greets.',
    lambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:greet',
    parameters: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
  };
  const authorization = { authorization: `Bearer ${running.token}`, 'content-type': 'application/json' };
  const admin = (method: string, path = '', body = '') =>
    exchange({ url: `${running.admin}${path}`, method, headers: authorization, body });
  expect((await admin('POST', '', JSON.stringify(registration))).status).toBe(201);
  const before = await textOf((await admin('GET', '/tool-greeting')).body);
  const languages: [string, ConfigInput['functions']][] = [
    ['a program', { greet: { handler: 'unused', runtime: 'provided.al2023', code: join(folder, 'native') } }],
    ...(hasPython
      ? [
          ['Python', { greet: { handler: 'app.handler', runtime: 'python3.13', code: join(folder, 'python') } }] as [
            string,
            ConfigInput['functions'],
          ],
        ]
      : []),
  ];
  expect((await call(running, 'greeting', { name: 'Ada' }))['structuredContent']).toMatchObject({ from: 'Node' });
  for (const [from, functions] of languages) {
    const file = join(folder, 'zeroplane.json');
    await writeFile(file, JSON.stringify({ functions }));
    await running.reload(await loadConfig({ cwd: folder, configPath: file, env: process.env }));
    const result = await call(running, 'greeting', { name: 'Ada' });
    expect(result['structuredContent']).toEqual({ greeting: 'Hello Ada', from });
    expect(await call(running, 'greeting', { name: 1 })).toMatchObject({ isError: true });
  }
  expect(await textOf((await admin('GET', '/tool-greeting')).body)).toBe(before);
});

if (hasPython) {
  verifies('3.20', 'the Python form of the text, a coroutine with a server in the same process, runs', async () => {
    await write(
      'app.py',
      `import asyncio, json

class Server:
    async def list_tools(self):
        await asyncio.sleep(0)
        return [{"name": "search_documentation"}]

    async def call_tool(self, name, arguments):
        await asyncio.sleep(0)
        return {"content": [{"type": "text", "text": f"{name}: {arguments['search_phrase']}"}]}

server = Server()

async def handler(event, context):
    method, params = event["method"], event.get("params", {})
    if method == "tools/list":
        result = {"tools": await server.list_tools()}
    elif method == "tools/call":
        result = await server.call_tool(params["name"], params["arguments"])
    return {"statusCode": 200, "body": json.dumps(result)}
`,
    );
    const running = await start({ docs: { handler: 'app.handler', runtime: 'python3.12', code: folder } });
    expect(await call(running, 'docs', { method: 'tools/list' })).toMatchObject({
      structuredContent: { tools: [{ name: 'search_documentation' }] },
    });
    const params = { name: 'search_documentation', arguments: { search_phrase: 'Lambda' } };
    expect(await call(running, 'docs', { method: 'tools/call', params })).toMatchObject({
      content: [{ type: 'text', text: 'search_documentation: Lambda' }],
    });
    // The text leaves "result" unbound for any other method; that is the function's error, told in its own words.
    expect(await call(running, 'docs', { method: 'other' })).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('result') }],
    });
  });
} else {
  test.skip('3.20 needs python3', () => undefined);
}

verifies('3.7', 'a function grows to its limit at once, stays warm, and has the memory it is given', async () => {
  await write(
    'index.mjs',
    `export const handler = async ({ ms = 0 }) => { await new Promise((done) => setTimeout(done, ms)); return { pid: process.pid, memory: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE }; };`,
  );
  const settings = { handler: 'index.handler', code: folder };
  const running = await start({
    docs: { ...settings, memoryMb: 2048, concurrency: 12 },
    metrics: { ...settings, memoryMb: 1024 },
  });
  const calls = await Promise.all(Array.from({ length: 13 }, () => call(running, 'docs', { ms: 1500 })));
  const answers = calls.filter((each) => each['isError'] !== true);
  const pids = new Set(answers.map((each) => (each['structuredContent'] as { pid: number }).pid));
  expect(pids.size).toBe(12);
  const throttled = calls.find((each) => each['isError'] === true);
  expect(JSON.stringify(throttled)).toContain('already running 12 times');
  const began = performance.now();
  for (let n = 0; n < 10; n++) {
    const { structuredContent } = await call(running, 'docs');
    expect(structuredContent).toMatchObject({ memory: '2048' });
    expect(pids).toContain((structuredContent as { pid: number }).pid);
  }
  expect((performance.now() - began) / 10).toBeLessThan(100);
  expect(await call(running, 'metrics')).toMatchObject({ structuredContent: { memory: '1024' } });
});
