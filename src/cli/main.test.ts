import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

/** The built program, in processes of its own. */
const RUN = resolve(import.meta.dirname, '../../dist/cli/main.js');
const BUILD = [resolve(import.meta.dirname, '../../scripts/run.mjs'), '--build-only'];

beforeAll(() => {
  const { status, stderr } = spawnSync(process.execPath, BUILD, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
});

let cwd = '';
const children: ChildProcess[] = [];
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-main-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(cwd, { recursive: true, force: true, maxRetries: 3 });
});

interface Dev {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  readonly stderr: () => string;
  /** The next line of stdout. */
  readonly line: () => Promise<string>;
}

function dev(...words: string[]): Dev {
  const child = spawn(process.execPath, [RUN, 'dev', '--no-open', ...words], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
  return {
    child,
    exit: new Promise((done) => child.once('exit', done)),
    stderr: () => stderr,
    line: async () => {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`stdout has ended; stderr: ${stderr}`);
      return value as string;
    },
  };
}

async function run(...words: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  // A home of its own, so that no client of this machine is read or written.
  const env = {
    ...process.env,
    HOME: join(cwd, 'home'),
    XDG_CONFIG_HOME: join(cwd, 'home', '.config'),
    CODEX_HOME: '',
  };
  const child = spawn(process.execPath, [RUN, ...words], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const written = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (written.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (written.stderr += chunk.toString()));
  return new Promise((done) => child.once('close', (code) => done({ code, ...written })));
}

test('the samples can be listed, called and left, and the token is kept', async () => {
  const first = dev('--port', '0', '--output', 'stream-json');
  const ready = JSON.parse(await first.line());
  expect(Object.keys(ready)).toEqual(['type', 'url', 'mcp', 'admin', 'token', 'clouds', 'pid']);
  expect(ready).toMatchObject({
    type: 'ready',
    mcp: `${ready.url}/mcp`,
    admin: `${ready.url}/register`,
    clouds: { aws: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) },
    pid: first.child.pid,
  });
  expect((await stat(join(cwd, '.zeroplane', 'instance.json'))).mode & 0o777).toBe(0o600);
  const [listed, called, unknown, token] = await Promise.all([
    run('tools', 'ls', '--output', 'json'),
    run('call', 'hello___greet', 'name=Ada'),
    run('call', 'hello___nothing'),
    run('token'),
  ]);
  expect(JSON.parse(listed.stdout).map((tool: { name: string }) => tool.name)).toContain('hello___greet');
  expect(called).toMatchObject({ code: 0, stdout: expect.stringContaining('Ada') });
  expect(unknown).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('next: zeroplane tools ls') });
  expect(token.stdout).toBe(`${ready.token}\n`);
  first.child.kill('SIGTERM');
  expect(await first.exit).toBe(0);
  expect((await run('status')).code).toBe(6);
  expect((await run('token')).stdout).toBe(`${ready.token}\n`);
});

test('a registration is there until it is removed', async () => {
  const gateway = dev('--port', '0', '--no-samples', '--output', 'stream-json');
  await gateway.line();
  const arn = 'arn:aws:lambda:us-east-1:123456789012:function:absent';
  const registered = await run(
    'register',
    '--name',
    'greet',
    '--description',
    'Greets',
    '--arn',
    arn,
    '--output',
    'json',
  );
  expect(JSON.parse(registered.stdout)).toMatchObject({ id: 'tool-greet' });
  expect((await run('register', '--name', 'greet', '--description', 'Greets', '--arn', arn)).stderr).toContain(
    'REGISTRATION_EXISTS',
  );
  expect((await run('tools', 'show', 'greet')).stdout).toContain('Greets');
  expect((await run('call', 'greet')).code).toBe(5);
  expect((await run('unregister', 'tool-greet')).code).toBe(0);
  expect((await run('unregister', 'tool-greet')).code).toBe(4);
  expect((await run('tools', 'show', 'greet')).code).toBe(4);
});

test('a taken port is said aloud, connect and doctor agree, and Ctrl-C ends with 130', async () => {
  const blocker = createServer();
  await new Promise<void>((done) => blocker.listen(0, '127.0.0.1', done));
  const { port } = blocker.address() as AddressInfo;
  try {
    const gateway = dev('--port', String(port));
    let banner = '';
    while (!banner.includes('Ctrl-C')) banner += `${await gateway.line()}\n`;
    expect(banner).toContain(`port ${port} is taken`);
    expect(banner).toContain('15 tools from 3 targets');
    expect(await run('connect', 'claude-code')).toMatchObject({ code: 0 });
    expect(await readFile(join(cwd, '.mcp.json'), 'utf8')).not.toContain((await run('token')).stdout.trim());
    const examined = await run('doctor', '--output', 'json');
    expect(JSON.parse(examined.stdout)).toContainEqual(
      expect.objectContaining({ name: 'client:claude-code', status: 'pass' }),
    );
    gateway.child.kill('SIGINT');
    expect(await gateway.exit).toBe(130);
  } finally {
    await new Promise((done) => blocker.close(done));
  }
  // The file that connect wrote is no configuration of ours: the samples are still there.
  const again = dev('--port', '0', '--output', 'stream-json');
  await again.line();
  expect((await run('tools', 'ls')).stdout).toContain('hello___greet');
});

test('a changed configuration is served without a restart', async () => {
  const file = join(cwd, 'zeroplane.yaml');
  await writeFile(file, 'name: x\n');
  const gateway = dev('--port', '0', '--output', 'stream-json');
  await gateway.line();
  const server = resolve(import.meta.dirname, '../../samples/hello/server.mjs');
  await writeFile(
    file,
    `mcpServers:\n  fresh: { command: ${JSON.stringify(process.execPath)}, args: [${JSON.stringify(server)}] }\n`,
  );
  expect(JSON.parse(await gateway.line())).toMatchObject({ type: 'config-reloaded', servers: { added: ['fresh'] } });
  expect((await run('call', 'fresh___greet', 'name=Ada')).stdout).toContain('Ada');
  await writeFile(file, 'mcpServers: 3\n');
  expect(JSON.parse(await gateway.line())).toMatchObject({ type: 'config-invalid' });
  expect((await run('status')).stdout).toContain('is invalid; the last good one is in use');
  expect((await run('call', 'fresh___greet', 'name=Bo')).code).toBe(0);
});

test("the servers of installed clients are found, and a client's own file can be written", async () => {
  const gateway = dev('--port', '0', '--no-samples', '--output', 'stream-json');
  const { mcp } = JSON.parse(await gateway.line());
  await mkdir(join(cwd, 'home', '.cursor'), { recursive: true });
  await writeFile(
    join(cwd, 'home', '.cursor', 'mcp.json'),
    JSON.stringify({ mcpServers: { docs: { command: 'true' } } }),
  );
  await mkdir(join(cwd, 'home', '.codex'));
  await writeFile(join(cwd, 'home', '.codex', 'config.toml'), '[mcp_servers.notes]\ncommand = "true"\n');
  expect((await run('connect', 'codex', '--global')).code).toBe(0);
  expect(await readFile(join(cwd, 'home', '.codex', 'config.toml'), 'utf8')).toContain(mcp);
  const imported = await run('import', '--yes', '--output', 'json');
  expect(
    JSON.parse(imported.stdout)
      .servers.map((server: { id: string }) => server.id)
      .sort(),
  ).toEqual(['docs', 'notes']);
  expect(JSON.parse(await gateway.line())).toMatchObject({
    type: 'config-reloaded',
    servers: { added: expect.arrayContaining(['docs', 'notes']) },
  });
});

test('doctor reads the store of an instance that has ended', async () => {
  const gateway = dev('--port', '0', '--no-samples', '--output', 'stream-json');
  await gateway.line();
  gateway.child.kill('SIGTERM');
  await gateway.exit;
  const before = await readdir(join(cwd, '.zeroplane'));
  const checks = JSON.parse((await run('doctor', '--only', 'data', '--output', 'json')).stdout);
  expect(checks).toContainEqual({ name: 'data:store', status: 'pass', observed: 'schema version 1' });
  expect(await readdir(join(cwd, '.zeroplane'))).toEqual(before);
});

test('two instances on one data folder are refused', async () => {
  const gateway = dev('--port', '0', '--no-samples', '--output', 'stream-json');
  await gateway.line();
  const second = await run('dev', '--port', '0', '--no-samples');
  expect(second).toMatchObject({ code: 1, stdout: '' });
  expect(second.stderr).toContain('STORE_LOCKED');
  expect((await run('status')).code).toBe(0);
});

test('an instance in memory leaves nothing', async () => {
  const gateway = dev('--port', '0', '--ephemeral', '--no-samples', '--output', 'stream-json');
  const { token } = JSON.parse(await gateway.line());
  expect(token).not.toBe('');
  await expect(stat(join(cwd, '.zeroplane'))).rejects.toThrow('ENOENT');
});

test('a reader that leaves early is no error', async () => {
  const child = spawn('sh', ['-c', `"${process.execPath}" "${RUN}" --help | head -1`], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await new Promise((done) => child.once('close', done));
  expect(stderr).toBe('');
});
