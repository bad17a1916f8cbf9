import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { keeps } from './client-files.ts';
import { runForTest } from './run-for-test.ts';

let server: Server;
let url = '';
let cwd = '';

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end('{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a___b"},{"name":"a___c"}]}}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-connect-'));
  await runs('s3cret-token');
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function runs(token: string): Promise<void> {
  await mkdir(join(cwd, '.zeroplane'), { recursive: true });
  await writeFile(join(cwd, '.zeroplane', 'instance.json'), JSON.stringify({ pid: process.pid, url, token }));
}

async function put(name: string, text: string): Promise<void> {
  await mkdir(dirname(join(cwd, name)), { recursive: true });
  await writeFile(join(cwd, name), text);
}

const read = (name: string): Promise<string> => readFile(join(cwd, name), 'utf8');
const connect = (...words: string[]): ReturnType<typeof runForTest> => runForTest(['connect', ...words], { cwd });

test('Claude Code gets a reference to the token, never the token', async () => {
  const run = await connect('claude-code');
  expect(run).toMatchObject({ code: 0, stderr: '' });
  expect(run.stdout).toContain('export ZEROPLANE_TOKEN=$(zeroplane token)');
  expect(run.stdout).toContain('2 tools');
  expect(JSON.parse(await read('.mcp.json'))).toEqual({
    mcpServers: {
      zeroplane: { type: 'http', url: `${url}/mcp`, headers: { Authorization: 'Bearer ${ZEROPLANE_TOKEN}' } },
    },
  });
});

test('Cursor keeps its other servers and its comments, and the old file is beside it', async () => {
  const before = '{\n  // mine\n  "mcpServers": { "docs": { "command": "npx", "args": ["-y", "x"] } }\n}\n';
  await put('.cursor/mcp.json', before);
  expect((await connect('cursor')).code).toBe(0);
  const text = await read('.cursor/mcp.json');
  expect(text).toContain('// mine');
  expect(text).toContain('Bearer ${env:ZEROPLANE_TOKEN}');
  expect(text).toContain('"docs"');
  const [backup = ''] = (await readdir(join(cwd, '.cursor'))).filter((name) => name.endsWith('.bak'));
  expect(await read(join('.cursor', backup))).toBe(before);
});

test('VS Code is told to ask for the token, once', async () => {
  await put('.vscode/mcp.json', '{\n  "inputs": [{ "id": "other", "type": "promptString" }],\n  "servers": {}\n}\n');
  await connect('vscode');
  await connect('vscode');
  const value = JSON.parse(await read('.vscode/mcp.json'));
  expect(value.inputs.map((input: { id: string }) => input.id)).toEqual(['other', 'zeroplane-token']);
  expect(value.servers.zeroplane).toEqual({
    type: 'http',
    url: `${url}/mcp`,
    headers: { Authorization: 'Bearer ${input:zeroplane-token}' },
  });
});

test('Codex gets the name of the variable in its own field', async () => {
  await put('.codex/config.toml', '# mine\nmodel = "o"\n\n[mcp_servers.docs]\ncommand = "npx"\n');
  const run = await connect('codex');
  expect(run.code).toBe(0);
  expect(run.stdout).toContain('only in the old copy');
  expect(parseToml(await read('.codex/config.toml'))).toEqual({
    model: 'o',
    mcp_servers: {
      docs: { command: 'npx' },
      zeroplane: { type: 'http', url: `${url}/mcp`, bearer_token_env_var: 'ZEROPLANE_TOKEN' },
    },
  });
});

test('a client that knows no reference gets the token in a file that is closed to others', async () => {
  await put('.zed/settings.json', '{ "theme": "One" }\n');
  await chmod(join(cwd, '.zed/settings.json'), 0o644);
  const run = await connect('zed');
  expect(run.stdout).toContain('do not commit it');
  expect(await read('.zed/settings.json')).toContain('Bearer s3cret-token');
  expect((await stat(join(cwd, '.zed/settings.json'))).mode & 0o777).toBe(0o600);
  await connect('kilo-code');
  expect((await stat(join(cwd, 'kilo.json'))).mode & 0o777).toBe(0o600);
});

test('an instance without a token needs no header', async () => {
  await runs('');
  await connect('cursor');
  expect(JSON.parse(await read('.cursor/mcp.json'))).toEqual({ mcpServers: { zeroplane: { url: `${url}/mcp` } } });
});

test.each([
  ['claude-code', '.mcp.json', '{ "mcpServers": { '],
  ['cursor', '.cursor/mcp.json', '{ "mcpServers": {} } }'],
  ['vscode', '.vscode/mcp.json', '[]'],
  ['codex', '.codex/config.toml', '[mcp_servers.docs\n'],
  ['gemini-cli', '.gemini/settings.json', 'mcpServers: {}'],
])('a malformed file of %s is refused and left untouched', async (client, file, text) => {
  await put(file, text);
  const run = await connect(client);
  expect(run).toMatchObject({ code: 2, stdout: '' });
  expect(run.stderr).toContain('CONFIG_SYNTAX');
  expect(await read(file)).toBe(text);
  expect((await readdir(dirname(join(cwd, file)))).filter((name) => name.endsWith('.bak'))).toEqual([]);
});

test('writing twice changes nothing and leaves no second copy', async () => {
  await connect('claude-code', 'gemini-cli', 'opencode', 'kiro-cli');
  const first = await read('.mcp.json');
  const run = await runForTest(['connect', 'claude-code', '--output', 'json'], { cwd });
  expect(JSON.parse(run.stdout)).toMatchObject({
    tools: 2,
    written: [{ client: 'claude-code', state: 'unchanged', tokenForm: 'reference' }],
  });
  expect(await read('.mcp.json')).toBe(first);
  expect((await readdir(cwd)).filter((name) => name.endsWith('.bak'))).toEqual([]);
  expect(await read('opencode.jsonc')).toContain('Bearer {env:ZEROPLANE_TOKEN}');
});

test('--print writes nothing', async () => {
  const run = await connect('codex', 'vscode', '--print');
  expect(run.code).toBe(0);
  expect(run.stdout).toContain('bearer_token_env_var = "ZEROPLANE_TOKEN"');
  expect(run.stdout).toContain('"password": true');
  expect(await readdir(cwd)).toEqual(['.zeroplane']);
});

test('without a client the supported ones are listed', async () => {
  const run = await connect();
  expect(run).toMatchObject({ code: 0, stderr: '' });
  for (const name of ['claude-code', 'cursor', 'vscode', 'codex']) expect(run.stdout).toContain(name);
  expect(run.stdout).not.toContain('claude-desktop');
});

test.each([
  [['claud-code'], 4, 'Did you mean "claude-code"?'],
  [['__proto__'], 4, 'no client'],
  [['claude-desktop'], 2, 'stdio'],
  [['goose'], 2, '--global'],
])('%j ends with %i', async (words, code, hint) => {
  const run = await connect(...words);
  expect(run.code).toBe(code);
  expect(run.stderr).toContain(hint);
  expect(await readdir(cwd)).toEqual(['.zeroplane']);
});

test('one bad name among several writes none of them', async () => {
  expect((await connect('cursor', 'nobody')).code).toBe(4);
  expect(await readdir(cwd)).toEqual(['.zeroplane']);
});

test.each([
  [{ a: 1, s: { x: 1 } }, { a: 1, s: { x: 1, z: 2 } }, true],
  [{ a: 1 }, { a: 2, s: {} }, false],
  [{ s: { x: 1 } }, { s: { z: 2 } }, false],
  [{ s: { z: 1 } }, { s: { z: 2 } }, true],
  [{}, { s: { z: 2 }, more: true }, true],
])('%j is kept in %j but for s.z: %j', (before, after, expected) => {
  expect(keeps(after, before, ['s', 'z'])).toBe(expected);
});
