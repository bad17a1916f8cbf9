import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkNode, checkPort } from './doctor-checks.ts';
import type { Check } from './doctor-checks.ts';
import { nameChecks } from './doctor-instance.ts';
import { runForTest } from './run-for-test.ts';

let cwd = '';
let server: Server | undefined;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-doctor-'));
});
afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
  await rm(cwd, { recursive: true, force: true });
});

async function examine(...words: string[]): Promise<{ code: number; checks: Check[] }> {
  const run = await runForTest(['doctor', '--output', 'json', ...words], { cwd });
  return { code: run.code, checks: JSON.parse(run.stdout) };
}

/** An instance that answers `paths`, and MCP methods with `results`. */
async function instance(paths: Record<string, unknown>, results: Record<string, unknown>): Promise<string> {
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      const { id, method } = text === '' ? { id: 0, method: '' } : JSON.parse(text);
      const found = request.url === '/mcp' ? results[method] : paths[request.url ?? ''];
      if (found === undefined)
        response.writeHead(401).end('{"code":"UNAUTHENTICATED","detail":"The token is not accepted."}');
      else response.end(JSON.stringify(request.url === '/mcp' ? { jsonrpc: '2.0', id, result: found } : found));
    });
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await mkdir(join(cwd, '.zeroplane'));
  await writeFile(join(cwd, '.zeroplane', 'instance.json'), JSON.stringify({ pid: process.pid, url, token: 't' }));
  return url;
}

const TARGET = { kind: 'stdio', label: 'embedded', prompts: 0, resources: 0, skipped: [], changes: [] };
const TOOL = { name: 'a___b', inputSchema: { type: 'object' } };

test('a healthy instance passes the whole list', async () => {
  const url = await instance(
    {
      '/healthz': { ok: true },
      '/v1/instance': { version: '1.2.3', targets: [{ ...TARGET, id: 'a', state: 'ready', tools: 1 }] },
      '/register': [],
    },
    { 'server/discover': { supportedVersions: [] }, 'tools/list': { tools: [TOOL] } },
  );
  await writeFile(join(cwd, '.mcp.json'), JSON.stringify({ mcpServers: { zeroplane: { url: `${url}/mcp` } } }));
  const { code, checks } = await examine();
  expect(checks.filter((check) => check.status === 'fail')).toEqual([]);
  const passed = checks.filter((check) => check.status === 'pass').map((check) => check.name);
  for (const name of [
    'node',
    'config',
    'secrets',
    'data',
    'instance',
    'network',
    'credentials',
    'session',
    'target:a',
    'rights',
    'names',
    'parameters',
    'registrations',
    'client:claude-code',
  ]) {
    expect(passed).toContain(name);
  }
  expect(code).toBe(0);
});

test('each thing that is wrong has its line and what to do', async () => {
  const targets = [
    { ...TARGET, id: 'sick', state: 'down', reason: 'command not found', tools: 0 },
    { ...TARGET, id: 'old', state: 'degraded', reason: 'last list', tools: 1 },
  ];
  await instance(
    {
      '/healthz': {},
      '/v1/instance': { version: '9.9.9', targets },
      '/register': [{ id: 'tool-gone', type: 'tool', name: 'gone' }],
    },
    {
      'server/discover': {},
      'tools/list': { tools: [TOOL, TOOL, { name: 'a b' }, { ...TOOL, name: 'x'.repeat(65) }] },
    },
  );
  await mkdir(join(cwd, '.cursor'));
  await writeFile(
    join(cwd, '.cursor/mcp.json'),
    JSON.stringify({ mcpServers: { zeroplane: { url: 'http://127.0.0.1:1/mcp' } } }),
  );
  const { code, checks } = await examine();
  expect(code).toBe(1);
  const found = (name: string): Check[] => checks.filter((check) => check.name === name);
  expect(found('target:sick')[0]).toMatchObject({
    status: 'fail',
    observed: 'down, 0 tools: command not found',
    action: expect.stringContaining('mcpServers.sick'),
  });
  expect(found('target:old')[0]).toMatchObject({ status: 'warn' });
  expect(found('instance:version')[0]).toMatchObject({ status: 'warn' });
  expect(found('names').map((check) => check.observed)).toEqual([
    '"a___b" is listed twice',
    '"a b" has characters other than letters, digits, _ and -',
    expect.stringContaining('65 characters'),
  ]);
  expect(found('parameters')[0]).toMatchObject({ status: 'fail', observed: expect.stringContaining('"a b"') });
  expect(found('registrations')[1]).toMatchObject({ status: 'fail', observed: expect.stringContaining('tool-gone') });
  expect(found('client:cursor')[0]).toMatchObject({ status: 'fail', action: 'zeroplane connect cursor' });
});

test('a token that is refused fails as credentials, not as network', async () => {
  await instance({ '/healthz': {} }, {});
  const { code, checks } = await examine();
  expect(code).toBe(1);
  expect(checks.find((check) => check.name === 'network')?.status).toBe('pass');
  expect(checks.find((check) => check.name === 'credentials')).toMatchObject({
    status: 'fail',
    observed: 'The token is not accepted.',
  });
});

test('every problem of the configuration is a check, a missing secret by its name', async () => {
  await writeFile(
    join(cwd, 'zeroplane.yaml'),
    'prot: 1\nmcpServers:\n  a: { command: x, env: { K: "${secret:github-token}" } }\n',
  );
  const { code, checks } = await examine('--offline');
  expect(code).toBe(1);
  expect(checks.find((check) => check.name === 'config')).toMatchObject({
    status: 'fail',
    action: expect.stringContaining('Did you mean "port"?'),
  });
  expect(checks.find((check) => check.name === 'secrets')).toMatchObject({
    status: 'fail',
    observed: expect.stringContaining('github-token'),
  });
});

test('nothing is written', async () => {
  await examine();
  expect(await readdir(cwd)).toEqual([]);
});

test('--only keeps the checks of that name', async () => {
  const { checks } = await examine('--only', 'config');
  expect(checks.map((check) => check.name)).toEqual(['config']);
});

test('--only with the name of no check is an error that names the checks, and no clean bill of health', async () => {
  const run = await runForTest(['doctor', '--only', 'confgi'], { cwd });
  expect(run).toMatchObject({ code: 2, stdout: '' });
  expect(run.stderr).toMatch(/No check begins with "confgi"\. There are: node, config, /);
});

test('a token that others can read fails', async () => {
  await mkdir(join(cwd, '.zeroplane'));
  await writeFile(join(cwd, '.zeroplane', 'token'), 't');
  await chmod(join(cwd, '.zeroplane', 'token'), 0o644);
  const { code, checks } = await examine('--offline');
  expect(code).toBe(1);
  expect(checks.find((check) => check.name === 'data:token')?.action).toContain('chmod 600');
});

test('a data folder that is a file fails', async () => {
  await writeFile(join(cwd, '.zeroplane'), '');
  expect((await examine('--offline')).checks.find((check) => check.name === 'data')?.status).toBe('fail');
});

test('people read one line a check and the verdict', async () => {
  const run = await runForTest(['doctor', '--offline', '--only', 'instance'], { cwd });
  expect(run).toEqual({
    code: 0,
    stderr: '',
    stdout: '  skip  instance  not asked (--offline)\n\n  Nothing is in the way.\n',
  });
});

test('a port that is taken is a warning', async () => {
  const port = Number(new URL(await instance({}, {})).port);
  expect(await checkPort('127.0.0.1', port)).toMatchObject({ status: 'warn' });
  expect(await checkPort('127.0.0.1', 0)).toMatchObject({ status: 'pass' });
  expect(await checkPort('203.0.113.1', 1)).toMatchObject({ status: 'fail' });
});

test.each([
  ['v20.19.0', 'pass'],
  ['v24.0.0', 'pass'],
  ['v20.18.9', 'fail'],
  ['v18.20.0', 'fail'],
])('Node %s is a %s', (version, status) => {
  expect(checkNode(version).status).toBe(status);
});

test('names that every model accepts pass', () => {
  expect(nameChecks([{ name: 'a___b-c_1' }])).toMatchObject([{ status: 'pass' }]);
});

test('issuers of tokens are asked for their keys, unless nothing may be asked', async () => {
  let keys: unknown[] = [{ kty: 'RSA' }, { kty: 'EC' }];
  server = createServer((request, response) => {
    const issuer = `http://${request.headers.host ?? ''}`;
    const answers: Record<string, unknown> = {
      '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/keys` },
      '/keys': { keys },
    };
    response.end(JSON.stringify(answers[request.url ?? '']));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await writeFile(join(cwd, 'zeroplane.json'), JSON.stringify({ auth: { issuers: [{ issuer, audience: 'here' }] } }));
  const pass = { name: 'issuer', status: 'pass', observed: `${issuer} has 2 keys` };
  expect(await examine('--only', 'issuer')).toEqual({ code: 0, checks: [pass] });
  keys = [];
  const { code, checks } = await examine('--only', 'issuer');
  expect(code).toBe(1);
  expect(checks).toMatchObject([{ status: 'fail', observed: expect.stringContaining('has no public key') as unknown }]);
  const offline = await runForTest(['doctor', '--offline', '--output', 'json'], { cwd });
  expect(offline.stdout).not.toContain('"issuer"');
});
