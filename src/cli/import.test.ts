import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { isOwnEntry, startsOurselves } from './own-entry.ts';
import { runForTest } from './run-for-test.ts';
import type { TestOptions } from './run-for-test.ts';

let cwd = '';
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-import-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function put(name: string, text: string): Promise<void> {
  await mkdir(dirname(join(cwd, name)), { recursive: true });
  await writeFile(join(cwd, name), text);
}

const read = (name: string): Promise<string> => readFile(join(cwd, name), 'utf8');
const bringIn = (words: readonly string[], more: Partial<TestOptions> = {}): ReturnType<typeof runForTest> =>
  runForTest(['import', ...words], { cwd, ...more });

const STDIO = { command: 'npx', args: ['-y', 'server'] };

test.each([
  ['.mcp.json', JSON.stringify({ mcpServers: { docs: STDIO } })],
  ['.cursor/mcp.json', JSON.stringify({ mcpServers: { docs: { ...STDIO, env: {} } } })],
  [
    '.vscode/mcp.json',
    '{ /* mine */ "servers": { "docs": { "type": "stdio", "command": "npx", "args": ["-y", "server"] } }, }',
  ],
  ['.zed/settings.json', JSON.stringify({ theme: 'One', context_servers: { docs: { source: 'custom', ...STDIO } } })],
  [
    'opencode.json',
    JSON.stringify({ mcp: { docs: { type: 'local', command: ['npx', '-y', 'server'], enabled: true } } }),
  ],
  ['.codex/config.toml', 'model = "o"\n[mcp_servers.docs]\ncommand = "npx"\nargs = ["-y", "server"]\n'],
])('the servers of %s become ours', async (file, text) => {
  await put(file, text);
  const run = await bringIn([file, '--yes']);
  expect(run.code).toBe(0);
  expect(run.stderr).toContain('docs  stdio  npx -y server');
  expect(parseYaml(await read('zeroplane.yaml'))).toMatchObject({ mcpServers: { docs: STDIO } });
  const loaded = await loadConfig({ cwd, env: {} });
  expect(loaded.config.mcpServers['docs']).toMatchObject({ kind: 'stdio', ...STDIO });
  expect(await read(file)).toBe(text);
});

test('references stay references, values of secrets are named and never shown', async () => {
  const linear = { url: 'https://mcp.example.com/mcp?key=q', headers: { Authorization: 'Bearer ${LINEAR_TOKEN}' } };
  const github = {
    command: 'x',
    args: ['--api-key', 'abcdefgh', '--token=abcdefgh'],
    env: { GITHUB_TOKEN: 'ghp_12345678' },
  };
  await put('.mcp.json', JSON.stringify({ mcpServers: { linear, github } }));
  const run = await bringIn(['.mcp.json', '--yes']);
  expect(run.stderr).toContain('https://mcp.example.com/mcp  with Authorization');
  expect(run.stderr).toContain('x --api-key … --token=…');
  expect(run.stderr).toContain('put ${env:GITHUB_TOKEN} there');
  expect(run.stderr + run.stdout).not.toMatch(/ghp_|abcdefgh|key=q/);
  const value = parseYaml(await read('zeroplane.yaml'));
  expect(value.mcpServers.linear.headers.Authorization).toBe('Bearer ${env:LINEAR_TOKEN}');
  expect((await stat(join(cwd, 'zeroplane.yaml'))).mode & 0o777).toBe(0o600);
});

test('comments and order of the configuration stay, and the old file is beside it', async () => {
  const before = '# ours\nname: team # yes\nmcpServers:\n  # the first\n  one: { command: a }\nport: 1\n';
  await put('zeroplane.yaml', before);
  await chmod(join(cwd, 'zeroplane.yaml'), 0o640);
  await put('.mcp.json', JSON.stringify({ mcpServers: { docs: STDIO } }));
  await bringIn(['.mcp.json', '-y']);
  const text = await read('zeroplane.yaml');
  for (const part of ['# ours', '# yes', '# the first', 'one: { command: a }', 'docs:']) expect(text).toContain(part);
  expect(text.indexOf('docs:')).toBeLessThan(text.indexOf('port: 1'));
  expect(await read('zeroplane.yaml.bak')).toBe(before);
  expect((await stat(join(cwd, 'zeroplane.yaml'))).mode & 0o777).toBe(0o640);
});

test.each([
  ['zeroplane.yaml', 'mcpServers:\n'],
  ['zeroplane.yml', '# nothing yet\nname: x\n'],
  ['zeroplane.jsonc', '{\n  // ours\n  "name": "x"\n}\n'],
  ['zeroplane.json', '{}'],
])('servers are added to %s', async (file, text) => {
  await put(file, text);
  await put('other.json', JSON.stringify({ mcpServers: { docs: STDIO } }));
  const run = await bringIn(['other.json', '--yes', '--output', 'json']);
  expect(JSON.parse(run.stdout)).toMatchObject({ file: join(cwd, file), written: true, servers: [{ id: 'docs' }] });
  expect((await loadConfig({ cwd, env: {} })).config.mcpServers).toHaveProperty('docs');
  if (file.endsWith('c')) expect(await read(file)).toContain('// ours');
});

test('the same server is added once, another of its name gets a number', async () => {
  await put('zeroplane.yaml', 'mcpServers:\n  docs: { command: npx, args: [-y, server] }\n');
  await put('a.json', JSON.stringify({ mcpServers: { docs: STDIO, 'My Docs': STDIO } }));
  await put('b.json', JSON.stringify({ mcpServers: { docs: { command: 'other' } } }));
  expect((await bringIn(['a.json', '--yes'])).stderr).toContain('"My Docs" is called my-docs here');
  expect((await bringIn(['b.json', '--yes'])).stderr).toContain('"docs" is called docs-2 here');
  expect(Object.keys(parseYaml(await read('zeroplane.yaml')).mcpServers)).toEqual(['docs', 'my-docs', 'docs-2']);
  expect((await bringIn(['b.json', '--yes'])).stdout).toBe('Nothing to import.\n');
});

test('a new zeroplane.yaml takes over what .mcp.json had', async () => {
  await put('.mcp.json', JSON.stringify({ mcpServers: { old: STDIO } }));
  await put('new.json', JSON.stringify({ mcpServers: { fresh: { command: 'y' } } }));
  await bringIn(['new.json', '--yes']);
  expect(Object.keys((await loadConfig({ cwd, env: {} })).config.mcpServers).sort()).toEqual(['fresh', 'old']);
});

test('what cannot be taken is named, and the rest is', async () => {
  await put('.cursor/mcp.json', JSON.stringify({ mcpServers: { good: STDIO, bad: { command: 3 } } }));
  const run = await bringIn(['cursor', '--yes']);
  expect(run.stderr).toMatch(/mcp\.json:1:\d+ .*Left out\./);
  expect(Object.keys(parseYaml(await read('zeroplane.yaml')).mcpServers)).toContain('good');
});

test('our own entry is not imported', async () => {
  const entry = { url: 'http://127.0.0.1:7420/mcp', headers: { Authorization: 'Bearer ${env:ZEROPLANE_TOKEN}' } };
  await put('.cursor/mcp.json', JSON.stringify({ mcpServers: { zeroplane: entry } }));
  expect((await bringIn(['.cursor/mcp.json', '--yes'])).stdout).toBe('Nothing to import.\n');
});

test.each([
  ['zeroplane', { url: 'http://127.0.0.1:7420/mcp' }, true],
  ['gw', { url: 'http://localhost:1/mcp/docs', headers: { Authorization: 'Bearer ${ZEROPLANE_TOKEN}' } }, true],
  ['gw', { url: 'http://127.0.0.1:7420/mcp' }, false],
  ['zeroplane', { url: 'https://example.com/mcp' }, false],
  ['zeroplane', { command: 'x' }, false],
  ['zeroplane', { url: 'not a url' }, false],
])('the entry %s %j is ours: %j', (name, entry, expected) => {
  expect(isOwnEntry(name, entry)).toBe(expected);
});

test.each([
  [{ command: 'zeroplane', args: ['mcp', '--live'] }, true],
  [{ command: 'npx', args: ['-y', 'zeroplane@0.1.0', 'mcp'] }, true],
  [{ command: 'node', args: ['/opt/zeroplane/dist/cli/main.js', 'mcp', '--stdio'] }, true],
  [{ command: './node_modules/.bin/zeroplane', args: ['mcp'] }, true],
  [{ command: 'zeroplane', args: ['wrap', 'x'] }, false],
  [{ command: 'node', args: ['zeroplane-tools.js', 'mcp'] }, false],
  [{ url: 'https://example.com' }, false],
])('the command of %j starts this gateway: %j', (entry, expected) => {
  expect(startsOurselves(entry)).toBe(expected);
});

test('without a terminal nothing is written unless --yes says so', async () => {
  await put('a.json', JSON.stringify({ mcpServers: { docs: STDIO } }));
  const run = await bringIn(['a.json']);
  expect(run).toMatchObject({ code: 2, stdout: '' });
  expect(run.stderr).toContain('next: zeroplane import --yes');
  expect(await readdir(cwd)).toEqual(['a.json']);
});

test.each([
  ['y', true],
  ['', false],
  ['no', false],
])('the answer %j at the terminal writes: %j', async (answer, written) => {
  await put('a.json', JSON.stringify({ mcpServers: { docs: STDIO } }));
  expect((await bringIn(['a.json'], { answers: [answer] })).code).toBe(0);
  expect((await readdir(cwd)).includes('zeroplane.yaml')).toBe(written);
});

test('--print shows the file and writes nothing', async () => {
  await put('a.json', JSON.stringify({ mcpServers: { docs: STDIO } }));
  const run = await bringIn(['a.json', '--print']);
  expect(parseYaml(run.stdout)).toEqual({ mcpServers: { docs: STDIO } });
  expect(await readdir(cwd)).toEqual(['a.json']);
});

test('a source that is neither file nor client ends with 4', async () => {
  const run = await bringIn(['absent.json', '--yes']);
  expect(run.code).toBe(4);
  expect(run.stderr).toContain('There is no file and no client');
});

test.each([
  ['zeroplane.yaml', 'a: [\n'],
  ['zeroplane.yaml', '- list\n'],
  ['zeroplane.json', '{ "a": '],
])('%s holding %j is left as it is', async (file, text) => {
  await put(file, text);
  await put('a.json', JSON.stringify({ mcpServers: { docs: STDIO } }));
  const run = await bringIn(['a.json', '--yes']);
  expect(run.code).toBe(2);
  expect(await read(file)).toBe(text);
  expect((await readdir(cwd)).sort()).toEqual(['a.json', file].sort());
});

test('a file of a client is never written to', async () => {
  await put('a.json', JSON.stringify({ mcpServers: { docs: STDIO } }));
  expect((await bringIn(['a.json', '--config', '.mcp.json', '--yes'])).code).toBe(2);
});
