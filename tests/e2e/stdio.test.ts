/** `zeroplane mcp`, started by official clients of both generations as they start any server, in front of real servers. */

import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../conformance/verifies.ts';
import { startFakeAws, type FakeAws } from '../fixtures/aws-api.ts';
import { fixtureCommand, realServers, startGateway } from '../fixtures/gateway.ts';

const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const RUN = path('dist/cli/main.js');
const INFO = { name: 'stdio-test', version: '1.0.0' };
const ANSWER = { action: 'accept' as const, content: { name: 'Ada', value: 'Ada' } };
const fixture = (name: string): { command: string; args: string[] } => ({
  command: process.execPath,
  args: [path(`tests/fixtures/${name}`)],
});

let cwd = '';
const closers: (() => unknown)[] = [];

beforeAll(() => {
  const { status, stderr } = spawnSync(process.execPath, [path('scripts/run.mjs'), '--build-only'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
});

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'zp-stdio-'));
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await rm(cwd, { recursive: true, force: true, maxRetries: 3 });
});

interface Connected {
  list(): Promise<string[]>;
  call(name: string, args?: Record<string, unknown>, onProgress?: (progress: number) => void): Promise<string>;
  read(uri: string): Promise<string>;
  close(): Promise<void>;
  /** How often the list of tools was told to have changed. */
  readonly changes: () => number;
}

interface Starter {
  readonly name: string;
  connect(words: readonly string[], env?: Record<string, string>): Promise<Connected>;
}

const server = (words: readonly string[], env: Record<string, string> = {}) => ({
  command: process.execPath,
  args: [RUN, 'mcp', ...words],
  cwd,
  env: { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env },
  stderr: 'pipe' as const,
});

function textOf(result: unknown): string {
  const { content } = result as { content: { text?: string }[] };
  return content.map((block) => block.text ?? '').join('\n');
}

const old: Starter = {
  name: '@modelcontextprotocol/sdk 1.x',
  async connect(words, env) {
    const client = new OldClient(INFO, { capabilities: { elicitation: {} } });
    let count = 0;
    client.setRequestHandler(ElicitRequestSchema, () => ANSWER);
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void count++);
    await client.connect(new OldStdio(server(words, env)));
    closers.push(() => client.close());
    return {
      list: async () => (await client.listTools()).tools.map((tool) => tool.name),
      call: async (name, args = {}, onProgress) =>
        textOf(
          await client.callTool(
            { name, arguments: args },
            undefined,
            onProgress === undefined ? {} : { onprogress: ({ progress }) => onProgress(progress) },
          ),
        ),
      read: async (uri) => JSON.stringify((await client.readResource({ uri })).contents),
      close: () => client.close(),
      changes: () => count,
    };
  },
};

function recent(name: string, pin: string): Starter {
  return {
    name: `@modelcontextprotocol/client 2.x ${name}`,
    async connect(words, env) {
      let count = 0;
      const client = new Client(INFO, {
        capabilities: { elicitation: {} },
        versionNegotiation: { mode: pin === 'legacy' ? 'legacy' : { pin } },
        listChanged: { tools: { autoRefresh: false, onChanged: () => void count++ } },
      });
      client.setRequestHandler('elicitation/create', () => ANSWER);
      await client.connect(new StdioClientTransport(server(words, env)));
      closers.push(() => client.close());
      return {
        list: async () => (await client.listTools()).tools.map((tool) => tool.name),
        call: async (tool, args = {}, onProgress) =>
          textOf(
            await client.callTool(
              { name: tool, arguments: args },
              onProgress === undefined ? {} : { onprogress: ({ progress }) => onProgress(progress) },
            ),
          ),
        read: async (uri) => JSON.stringify((await client.readResource({ uri })).contents),
        close: () => client.close(),
        changes: () => count,
      };
    },
  };
}

const MODERN = recent('2026-07-28', '2026-07-28');
const CLIENTS = [old, recent('legacy', 'legacy'), MODERN];

const configure = (value: object): Promise<void> => writeFile(join(cwd, 'zeroplane.json'), JSON.stringify(value));

async function until(isThere: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 8_000; !isThere() && performance.now() < deadline;)
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
}

describe.each(CLIENTS)('$name', (starter) => {
  test('lists, calls, counts, answers and hears of changes through a gateway of the process alone', async () => {
    const mcpServers = { modern: fixture('modern-server.mjs'), local: fixtureCommand('stdio') };
    await configure({ mcpServers });
    const client = await starter.connect([]);
    expect(await client.list()).toEqual(expect.arrayContaining(['modern___ask', 'local___test_x_mcp_header']));
    expect(await client.call('modern___ask')).toBe('hello Ada');
    // Over HTTP this argument is mirrored in a header.
    expect(await client.call('local___test_x_mcp_header', { region: 'grüße', level: 3 })).toBe('region=grüße');
    await client.call('modern___grow');
    await until(() => client.changes() > 0);
    expect(client.changes()).toBeGreaterThan(0);
    expect(await client.list()).toContain('modern___grown');
    const before = client.changes();
    await configure({ mcpServers: { ...mcpServers, asking: fixture('asking-server.mjs') } });
    await until(() => client.changes() > before);
    expect(client.changes()).toBeGreaterThan(before);
    expect(await client.list()).toContain('asking___pid');
  });

  verifies(
    '2.1 2.8',
    'the variables of the original server make tagged functions of the account the tools',
    async () => {
      const aws = await startFakeAws([
        { name: 'mcp-echo', tags: { MCP_Support: 'true' }, answer: (event) => ({ event }) },
        { name: 'mcp-other', tags: { MCP_Support: 'false' } },
        { name: 'mcp-denied', tags: { MCP_Support: 'true' }, denied: true },
        { name: 'payroll', tags: { MCP_Support: 'true' } },
      ]);
      closers.push(() => aws.close());
      const client = await starter.connect(['--stdio'], environment(aws));
      expect(await client.list()).toEqual(['echo']);
      expect(JSON.parse(await client.call('echo', { n: 1 }))).toEqual({ event: { n: 1 } });
      expect(aws.signatures.at(-1)).toContain('/eu-central-1/lambda/aws4_request');
    },
  );
});

test('real servers and functions are behind it', async () => {
  const { mcpServers, functions } = realServers(cwd);
  await configure({ mcpServers: { everything: mcpServers.everything, memory: mcpServers.memory }, functions });
  const client = await old.connect([]);
  expect(await client.list()).toEqual(expect.arrayContaining(['everything___echo', 'memory___read_graph', 'greet']));
  expect(await client.call('everything___echo', { message: 'hello' })).toContain('hello');
  const seen: number[] = [];
  const slow = 'everything___trigger-long-running-operation';
  await client.call(slow, { duration: 0.3, steps: 3 }, (progress) => seen.push(progress));
  // The last one comes together with the answer, which clients of this generation handle first.
  expect(seen.slice(0, 2)).toEqual([1, 2]);
  expect(await client.call('memory___read_graph')).toContain('entities');
  expect(await client.call('greet', { name: 'Bob' })).toContain('Bob');
  expect(await client.read('demo://resource/static/document/features.md')).toContain('text/markdown');
});

test('one target can be served alone, under its own names', async () => {
  await configure({ mcpServers: { asking: fixture('asking-server.mjs'), modern: fixture('modern-server.mjs') } });
  const client = await old.connect(['--target', 'asking']);
  expect(await client.list()).toContain('pid');
  expect(await client.call('book', { seats: 2 })).toBe('booked 2: Ada, Ada');
});

test('a running instance is relayed to, by clients of every revision, and keeps its servers', async () => {
  const gateway = await startGateway(() => ({ mcpServers: { asking: fixture('asking-server.mjs') } }));
  closers.push(() => gateway.stop());
  const { url, token, pid } = gateway.ready;
  await writeFile(join(cwd, 'instance.json'), JSON.stringify({ pid, url, token }));
  const [one, other] = await Promise.all([old, MODERN].map((each) => each.connect(['--data-dir', cwd])));
  const shared = await one?.call('asking___pid');
  expect(await other?.call('asking___pid')).toBe(shared);
  expect(await one?.call('asking___book', { seats: 2 })).toBe('booked 2: Ada, Ada');
  expect(await other?.call('asking___book', { seats: 2 })).toBe('booked 2: Ada, Ada');
  await one?.close();
  expect(await other?.call('asking___pid')).toBe(shared);
});

verifies('2.15', 'the generic pair is there on request, and the variable outranks the flag', async () => {
  const aws = await startFakeAws([{ name: 'mcp-echo', tags: { MCP_Support: 'true' }, answer: () => 'here' }]);
  closers.push(() => aws.close());
  const client = await MODERN.connect(['--no-pre-discovery'], environment(aws));
  expect(await client.list()).toEqual(['list_lambda_functions', 'invoke_lambda_function']);
  expect(await client.call('invoke_lambda_function', { function_name: 'mcp-echo' })).toBe('here');
  const variable = await old.connect(['--no-pre-discovery'], { ...environment(aws), PRE_DISCOVERY: 'true' });
  expect(await variable.list()).toEqual(['echo']);
});

/** As the configuration of a client sets it for the original server. */
function environment(aws: FakeAws): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: aws.url,
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_PROFILE: 'nobody',
    AWS_REGION: 'eu-central-1',
    FUNCTION_PREFIX: 'mcp-',
    FUNCTION_TAG_KEY: 'MCP_Support',
    FUNCTION_TAG_VALUE: 'true',
  };
}

describe('the program', () => {
  function start(words: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const { command, args, ...options } = server(words, env);
    const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ['pipe', 'pipe', 'pipe'] });
    closers.push(() => child.kill('SIGKILL'));
    return child;
  }

  function collect(child: ChildProcess): { lines: () => string[]; stderr: () => string; exit: Promise<number | null> } {
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { lines: () => stdout.split('\n').filter((line) => line !== ''), stderr: () => stderr, exit };
  }

  const rpc = (id: unknown, method: string, params: object = {}): string =>
    `${JSON.stringify({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), method, params })}\n`;
  const initialize = rpc(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: INFO });
  const initialized = rpc(undefined, 'notifications/initialized');
  const META = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };

  const isAlive = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };

  test('answers everything that was piped in before it ends, and writes nothing but messages to stdout', async () => {
    await configure({ mcpServers: { asking: fixture('asking-server.mjs') } });
    const child = start(['--log-level', 'debug']);
    const { lines, exit, stderr } = collect(child);
    child.stdin?.end(
      `${initialize}${initialized}${rpc('a', 'tools/list')}${rpc('b', 'tools/call', { name: 'asking___pid' })}\n\nno json\n`,
    );
    expect(await exit, stderr()).toBe(0);
    const messages = lines().map(
      (line) => JSON.parse(line) as { jsonrpc: string; id: unknown; error?: { code: number } },
    );
    expect(messages.every((message) => message.jsonrpc === '2.0')).toBe(true);
    expect(new Set(messages.map((message) => message.id))).toEqual(new Set([1, 'a', 'b', null]));
    expect(messages.find((message) => message.id === null)?.error?.code).toBe(-32700);
    expect(stderr()).toContain('from a gateway of this process');
  });

  test('progress comes in order and before the answer', async () => {
    await configure({ mcpServers: { modern: fixture('modern-server.mjs') } });
    const child = start([]);
    const { lines, exit } = collect(child);
    const params = { name: 'modern___count', arguments: { to: 3 }, _meta: { ...META, progressToken: 'p' } };
    child.stdin?.end(rpc('x', 'tools/call', params));
    expect(await exit).toBe(0);
    const messages = lines().map((line) => JSON.parse(line) as { id?: string; params?: { progress: number } });
    expect(messages.map((message) => message.params?.progress ?? message.id)).toEqual([1, 2, 3, 'x']);
  });

  test.each(['SIGTERM', 'end of input'])('%s ends it at once, with the servers it started', async (how) => {
    await configure({ mcpServers: { asking: fixture('asking-server.mjs') } });
    const child = start([]);
    const { lines, exit } = collect(child);
    child.stdin?.write(`${initialize}${initialized}${rpc(2, 'tools/call', { name: 'asking___pid', arguments: {} })}`);
    await until(() => lines().some((line) => line.includes('"id":2')));
    const { result } = JSON.parse(lines().find((line) => line.includes('"id":2')) ?? '{}') as { result: unknown };
    const pid = Number(textOf(result));
    expect(isAlive(pid)).toBe(true);
    const began = performance.now();
    if (how === 'SIGTERM') child.kill('SIGTERM');
    else child.stdin?.end();
    expect(await exit).toBe(0);
    expect(performance.now() - began).toBeLessThan(3_000);
    await until(() => !isAlive(pid));
    expect(isAlive(pid)).toBe(false);
  });

  test('a cancelled request of the newest revision is ended at its server and not answered', async () => {
    const log = join(cwd, 'log');
    const asking = { ...fixture('asking-server.mjs'), env: { ASKING_LOG: log } };
    await configure({ mcpServers: { asking } });
    const child = start([]);
    const { lines, exit } = collect(child);
    const capabilities = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } };
    child.stdin?.write(rpc('first', 'tools/list', { _meta: META }));
    await until(() => lines().length > 0);
    child.stdin?.write(
      rpc('slow', 'subscriptions/listen', { notifications: { toolsListChanged: true }, _meta: capabilities }),
    );
    await until(() => lines().some((line) => line.includes('acknowledged')));
    child.stdin?.write(rpc(undefined, 'notifications/cancelled', { requestId: 'slow', _meta: META }));
    child.stdin?.write(rpc('last', 'tools/list', { _meta: META }));
    await until(() => lines().some((line) => line.includes('"id":"last"')));
    child.stdin?.end();
    expect(await exit).toBe(0);
    expect(lines().filter((line) => line.includes('"id":"slow"'))).toEqual([]);
  });

  test('without a running instance AWS is not asked unless --live says so', async () => {
    const { AWS_ENDPOINT_URL: _, ...env } = environment({ url: '' } as FakeAws);
    const { exit, stderr, lines } = collect(start([], env));
    expect(await exit).toBe(2);
    expect(stderr()).toContain('Add --live');
    expect(lines()).toEqual([]);
    const elsewhere = collect(start([], { ...env, AWS_ENDPOINT_URL: 'http://192.0.2.1:1' }));
    expect(await elsewhere.exit).toBe(2);
    expect(elsewhere.stderr()).toContain('http://192.0.2.1:1');
  });

  test('keys of AWS alone change nothing', async () => {
    await configure({ mcpServers: {}, functions: realServers(cwd).functions });
    const child = start([], { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_REGION: 'eu-west-1' });
    const { lines, exit } = collect(child);
    child.stdin?.end(rpc(1, 'tools/list', { _meta: META }));
    expect(await exit).toBe(0);
    expect(JSON.parse(lines()[0] ?? '{}')).toMatchObject({ result: { tools: [{ name: 'greet' }] } });
  });

  test('a note that has outlived its instance is passed over', async () => {
    await configure({ mcpServers: { asking: fixture('asking-server.mjs') } });
    const note = { pid: process.pid, url: 'http://127.0.0.1:9', token: 't' };
    await mkdir(join(cwd, '.zeroplane'));
    await writeFile(join(cwd, '.zeroplane', 'instance.json'), JSON.stringify(note));
    const child = start([]);
    const { lines, exit } = collect(child);
    child.stdin?.end(rpc(1, 'tools/call', { name: 'asking___pid', arguments: {}, _meta: META }));
    expect(await exit).toBe(0);
    expect(lines()[0]).toContain('"result"');
  });

  test('an instance that ends is an answer to each request, and its successor is found', async () => {
    const config = (): object => ({ mcpServers: { asking: fixture('asking-server.mjs') } });
    const first = await startGateway(config);
    const note = (ready: object): Promise<void> => writeFile(join(cwd, 'instance.json'), JSON.stringify(ready));
    await note(first.ready);
    const child = start(['--data-dir', cwd]);
    const { lines } = collect(child);
    const ask = async (id: string): Promise<string> => {
      child.stdin?.write(rpc(id, 'tools/call', { name: 'asking___pid', arguments: {}, _meta: META }));
      await until(() => lines().some((line) => line.includes(`"id":"${id}"`)));
      return lines().find((line) => line.includes(`"id":"${id}"`)) ?? '';
    };
    expect(await ask('a')).toContain('"result"');
    await first.stop();
    expect(await ask('b')).toContain('zeroplane dev');
    const second = await startGateway(config);
    closers.push(() => second.stop());
    await note(second.ready);
    expect(await ask('c')).toContain('"result"');
  });
});
