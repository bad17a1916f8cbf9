import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../adapters/embedded/system.ts';
import type { Logger } from '../core/ports.ts';
import { tryOut } from './try-out.ts';
import { wrap } from './wrap.ts';
import type { Wrapped, WrapRequest } from './wrap.ts';
import { zipFolder } from './zip.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const log: Logger = { log: () => undefined, with: () => log };
const noUnzip = spawnSync('unzip', ['-v']).status === 0 ? undefined : 'unzip is not installed';
const noPython = spawnSync('python3', ['--version']).status === 0 ? undefined : 'python3 is not installed';

let folder: string;
let bundle: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-wrap-'));
  bundle = join(folder, 'wrapper.mjs');
  await build({
    stdin: { contents: "export { createHandler } from './wrapper.ts';", resolveDir: join(root, 'src'), loader: 'ts' },
    outfile: bundle,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    conditions: ['zeroplane-source'],
    logLevel: 'error',
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function request(words: readonly string[], more: Partial<WrapRequest> = {}): WrapRequest {
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
  return {
    words,
    out: (name) => join(folder, 'out', name),
    cwd: root,
    installEnv: env,
    serverEnv: env,
    settings: { env: {}, secrets: {}, credentials: 'none', questions: 'hold', isolation: 'shared' },
    layers: [],
    image: false,
    cleanSchemas: false,
    bundle,
    clock: systemClock,
    log,
    say: () => undefined,
    ...more,
  };
}

const names = ({ tools }: Wrapped): unknown[] => tools.map((tool) => tool['name']);

/** A project in a folder of its own. */
async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const home = await mkdtemp(join(folder, 'project-'));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(home, path, '..'), { recursive: true });
    await writeFile(join(home, path), text);
  }
  return home;
}

/** A server of few lines that answers what it was started with. */
const TELLS = `import { createInterface } from 'node:readline';
const say = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  if (method === 'initialize') say(id, { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'tells', version: '1.0.0' } });
  else if (method === 'tools/list') say(id, { tools: [{ name: 'tell', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } }] });
  else if (method === 'tools/call') say(id, { content: [{ type: 'text', text: JSON.stringify({ argv: process.argv.slice(2), env: process.env }) }] });
  else process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } }) + '\\n');
});
`;

const OWN = { 'package.json': '{"name":"tells","version":"1.0.0"}', 'server.mjs': TELLS };
let own: string;
/** A project that speaks revision 2026-07-28, on packages that are installed here. */
let modern: string;
beforeAll(async () => {
  own = await project(OWN);
  const text = await readFile(join(root, 'tests/fixtures/modern-server.mjs'), 'utf8');
  const packages = [...text.matchAll(/from '(@[^/']+\/[^/']+)/g)].map(([, name]) => [name, '*'] as const);
  const manifest = { name: 'modern', version: '1.0.0', dependencies: Object.fromEntries(packages) };
  modern = await project({ 'package.json': JSON.stringify(manifest), 'server.mjs': text });
  await symlink(join(root, 'node_modules'), join(modern, 'node_modules'));
});

describe('3.2: a wrapped server', () => {
  test('that is installed here is packed with all it needs, and runs as a function', async () => {
    const made = await wrap(request(['npx', '-y', '@modelcontextprotocol/server-memory']));
    expect(made).toMatchObject({
      name: 'server-memory',
      era: 'legacy',
      artifact: join(folder, 'out/server-memory/server-memory.zip'),
    });
    expect(names(made)).toContain('read_graph');
    expect(made.packages[0]).toMatch(/^@modelcontextprotocol\/server-memory@\d/);
    expect(made.sizing.memoryMb % 128).toBe(0);
    const trial = await tryOut(made, { clock: systemClock, log });
    expect(trial.tools).toEqual(names(made));
    expect(trial.called).toEqual({ tool: 'read_graph', isError: false });
    const manifest = JSON.parse(await readFile(join(made.code, 'zeroplane-wrap.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(manifest).toMatchObject({ name: 'server-memory', era: 'legacy', protocolVersion: '2025-11-25' });
    const template = await readFile(join(folder, 'out/server-memory/template.yaml'), 'utf8');
    expect(template).toContain('Runtime: nodejs24.x');
    expect(template).not.toContain('Policies');
  });

  test('is the same archive when it is made again', async () => {
    const digest = async (): Promise<string> => {
      const { artifact } = await wrap(request(['node', 'server.mjs'], { cwd: own, name: 'same' }));
      return createHash('sha256')
        .update(await readFile(artifact))
        .digest('hex');
    };
    expect(await digest()).toBe(await digest());
  });

  test('3.16: gets its arguments as they stand, and nothing of this environment', async () => {
    const home = await project({
      'package.json': '{"name":"tells","version":"1.0.0"}',
      'server.mjs': TELLS,
      '.env': 'SECRET=1',
    });
    process.env['ZEROPLANE_TEST_SECRET'] = 'do-not-pass';
    const hostile = ['; touch pwned', '$(touch pwned)', '`touch pwned`', '*', 'a\'b"c\\', '--flag=$HOME'];
    const made = await wrap(
      request(['node', 'server.mjs', ...hostile], {
        cwd: home,
        name: 'tells',
        settings: { env: { OWN: 'yes' }, secrets: {}, credentials: 'none', questions: 'hold', isolation: 'shared' },
      }),
    );
    delete process.env['ZEROPLANE_TEST_SECRET'];
    expect(await readdir(join(made.code, 'server'))).toEqual(['package.json', 'server.mjs']);
    const module = (await import(join(made.code, 'index.mjs'))) as {
      handler: ((event: object) => Promise<{ body: string }>) & { close(): Promise<void> };
    };
    const { body } = await module.handler({ method: 'tools/call', params: { name: 'tell', arguments: {} } });
    await module.handler.close();
    const { content } = JSON.parse(body) as { content: [{ text: string }] };
    const told = JSON.parse(content[0].text) as { argv: string[]; env: Record<string, string> };
    expect(told.argv).toEqual(hostile);
    expect(told.env['OWN']).toBe('yes');
    expect(JSON.stringify(told.env)).not.toContain('do-not-pass');
    expect(await readdir(home)).not.toContain('pwned');
  });

  test('3.15: names its secrets by reference, and its role may read those alone', async () => {
    const secrets = { KEY: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:key-AbC#token', URL: 'ssm:/app/url' };
    const settings = { env: {}, secrets, credentials: 'file', questions: 'replay', isolation: 'call' } as const;
    const made = await wrap(
      request(['node', 'server.mjs'], {
        cwd: own,
        name: 'secretive',
        settings,
        layers: ['arn:aws:lambda:eu-west-1:1:layer:x:1'],
        memoryMb: 2048,
        timeoutSeconds: 77,
      }),
    );
    const text = await readFile(join(made.code, 'index.mjs'), 'utf8');
    expect(text).toContain(
      '"KEY": "${secretsmanager:arn:aws:secretsmanager:eu-west-1:123456789012:secret:key-AbC#token}"',
    );
    expect(text).toContain('"URL": "${ssm:/app/url}"');
    expect(text).toMatch(/credentials: "file",\s+questions: "replay",\s+isolation: "call"/);
    const template = await readFile(join(folder, 'out/secretive/template.yaml'), 'utf8');
    expect(template).toContain("Resource: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:key-AbC'");
    expect(template).toContain('parameter/app/url');
    expect(template).toMatch(/MemorySize: 2048\n\s+Timeout: 77\n\s+Layers:\n\s+- arn:aws:lambda:eu-west-1:1:layer:x:1/);
  });

  test('of revision 2026-07-28 is known as such', async () => {
    const made = await wrap(request(['node', 'server.mjs'], { cwd: modern, name: 'modern', cleanSchemas: true }));
    expect(made.era).toBe('modern');
    const { tools } = JSON.parse(await readFile(join(folder, 'out/modern/tools.clean.json'), 'utf8')) as {
      tools: unknown[];
    };
    expect(tools).toHaveLength(made.tools.length);
  });

  test('with two versions of one package gets both', async () => {
    const home = await project({
      'node_modules/app/package.json':
        '{"name":"app","version":"1.0.0","bin":"run.mjs","type":"module","dependencies":{"a":"1","b":"1"}}',
      'node_modules/app/run.mjs': `import 'a'; import 'b'; if (globalThis.seen.sort().join() !== 'a1,b1,c1,c2') throw new Error(globalThis.seen.join());\n${TELLS}`,
      'node_modules/a/package.json':
        '{"name":"a","version":"1.0.0","type":"module","main":"i.js","dependencies":{"c":"1"}}',
      'node_modules/a/i.js': "(globalThis.seen ??= []).push('a1'); await import('c');",
      'node_modules/b/package.json':
        '{"name":"b","version":"1.0.0","type":"module","main":"i.js","dependencies":{"c":"2"}}',
      'node_modules/b/i.js': "globalThis.seen.push('b1'); await import('c');",
      'node_modules/c/package.json': '{"name":"c","version":"1.0.0","type":"module","main":"i.js"}',
      'node_modules/c/i.js': "globalThis.seen.push('c1');",
      'node_modules/b/node_modules/c/package.json': '{"name":"c","version":"2.0.0","type":"module","main":"i.js"}',
      'node_modules/b/node_modules/c/i.js': "globalThis.seen.push('c2');",
    });
    const made = await wrap(request(['npx', 'app'], { cwd: home, name: 'versions' }));
    expect(names(made)).toEqual(['tell']);
  });

  test.skipIf(noPython !== undefined)('3.16: of Python code is an image that runs', async () => {
    const code = `import sys, json
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m: continue
    r = {"initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "p", "version": "1"}}, "tools/list": {"tools": [{"name": "now", "inputSchema": {"type": "object"}}]}}.get(m["method"])
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], **({"result": r} if r else {"error": {"code": -32601, "message": "no"}})}), flush=True)
`;
    const made = await wrap(request(['python', '-c', code], { name: 'python-code' }));
    expect(names(made)).toEqual(['now']);
    expect(made.artifact).toBe(made.code);
    expect(await readFile(join(made.code, 'Dockerfile'), 'utf8')).toMatch(
      /^FROM public\.ecr\.aws\/lambda\/nodejs:24\nRUN dnf install -y python3\.13/,
    );
    expect((await tryOut(made, { clock: systemClock, log })).tools).toEqual(['now']);
  });
});

describe('what cannot be wrapped says why and leaves nothing behind', () => {
  test.each<[string, string[], RegExp]>([
    ['a command of another kind', ['docker', 'run', 'x'], /"docker" is not a command that can be wrapped.*npx, node/],
    ['a file that is not there', ['node', 'nowhere.js'], /The file nowhere\.js does not exist/],
    ['a server that ends at once', ['python', '-c', 'import sys; sys.exit("no key")'], /exited with code 1.*no key/],
    [
      'a package without a program of that name',
      ['npx', '-p', '@modelcontextprotocol/server-memory', 'nothing'],
      /no program "nothing".*mcp-server-memory/,
    ],
    ['a package that is no name', ['npx', 'git+ssh://x/y'], /is not a package of the registry/],
  ])('%s', async (_title, words, message) => {
    await expect(wrap(request(words, { name: 'broken', out: () => join(folder, 'broken', 'x') }))).rejects.toThrow(
      message,
    );
    expect(await readdir(join(folder, 'broken')).catch(() => [])).toEqual([]);
  });

  test('an installer that is missing is named, with the next step', async () => {
    const empty = { PATH: '/nonexistent' };
    await expect(wrap(request(['npx', 'not-installed-here'], { installEnv: empty }))).rejects.toThrow(
      /"npm" is not installed\. Install Node\.js with npm/,
    );
    await expect(wrap(request(['uvx', 'x'], { installEnv: empty }))).rejects.toThrow(
      /"python3" is not installed\. Install Python 3/,
    );
  });

  test('a name that is no function, and a folder of somebody else', async () => {
    await expect(wrap(request(['node', 'server.mjs'], { cwd: own, name: 'No Name' }))).rejects.toThrow(/Use up to 40/);
    const theirs = await project({ 'thesis.txt': 'years of work' });
    await expect(wrap(request(['node', 'server.mjs'], { cwd: own, out: () => theirs }))).rejects.toThrow(
      /was not made by wrap/,
    );
    expect(await readFile(join(theirs, 'thesis.txt'), 'utf8')).toBe('years of work');
  });
});

describe('an archive', () => {
  test.skipIf(noUnzip !== undefined)('is read by unzip: names, bytes and what may be run', async () => {
    const home = await project({ 'b/ü.txt': 'x'.repeat(100_000), a: '', 'z.sh': '#!/bin/sh\n' });
    await chmod(join(home, 'z.sh'), 0o700);
    const target = join(folder, 'read.zip');
    expect(await zipFolder(home, target)).toMatchObject({ files: 3, unpacked: 100_010 });
    const out = join(folder, 'unzipped');
    execFileSync('unzip', ['-q', target, '-d', out]);
    expect(await readFile(join(out, 'b/ü.txt'), 'utf8')).toBe('x'.repeat(100_000));
    expect(await readFile(join(out, 'a'), 'utf8')).toBe('');
    expect(execFileSync('unzip', ['-Z', target], { encoding: 'utf8' })).toMatch(/-rwxr-xr-x .*z\.sh/);
  });

  test('of a link is refused', async () => {
    const home = await project({ a: 'x' });
    await symlink(join(home, 'a'), join(home, 'link'));
    await expect(zipFolder(home, join(folder, 'link.zip'))).rejects.toThrow(/neither a file nor a folder/);
  });
});
