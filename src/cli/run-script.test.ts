import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const SCRIPT = resolve(import.meta.dirname, '../../scripts/run.mjs');
let root = '';

/** A checkout whose build notes that it ran and whose program prints its words. */
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'run-script-'));
  await mkdir(join(root, 'scripts'));
  await mkdir(join(root, 'src', 'deep'), { recursive: true });
  await cp(SCRIPT, join(root, 'scripts', 'run.mjs'));
  await writeFile(join(root, 'package.json'), '{"type":"module"}');
  await writeFile(join(root, 'src', 'deep', 'a.ts'), '');
  await writeFile(
    join(root, 'scripts', 'build.mjs'),
    `import { mkdirSync, writeFileSync, existsSync } from 'node:fs';
     console.log('built ' + process.argv.slice(2));
     if (existsSync('broken')) process.exit(3);
     mkdirSync('dist/cli', { recursive: true });
     writeFileSync('dist/cli/main.js', ${JSON.stringify(PROGRAM)});`,
  );
});
afterEach(() => rm(root, { recursive: true, force: true }));

const PROGRAM = `
  process.on('SIGTERM', () => process.exit(9));
  console.log(JSON.stringify(process.argv.slice(2)));
  if (process.argv[2] === 'wait') setInterval(() => {}, 1000);
  else process.exit(Number(process.argv[3] ?? 0));`;

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(words: readonly string[], onStdout?: (kill: () => void) => void): Promise<Run> {
  const child = spawn(process.execPath, [join(root, 'scripts', 'run.mjs'), ...words], { cwd: tmpdir() });
  const written = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    written.stdout += chunk.toString();
    onStdout?.(() => child.kill('SIGTERM'));
  });
  child.stderr.on('data', (chunk: Buffer) => (written.stderr += chunk.toString()));
  return new Promise((done) => child.on('close', (code) => done({ code, ...written })));
}

async function touch(path: string, secondsAhead: number): Promise<void> {
  const time = Date.now() / 1000 + secondsAhead;
  await utimes(join(root, path), time, time);
}

test('the first run builds on stderr, the next one does not, and stdout is the program alone', async () => {
  const first = await run(['dev', '0', '--output', 'stream-json']);
  expect(first).toMatchObject({ code: 0, stdout: '["dev","0","--output","stream-json"]\n' });
  expect(first.stderr).toContain('built --no-types');
  await touch('dist/cli/main.js', 5);
  expect(await run(['status', '0'])).toEqual({ code: 0, stdout: '["status","0"]\n', stderr: '' });
});

test.each([['src/deep/a.ts'], ['src/deep'], ['package.json'], ['scripts/build.mjs']])(
  'a newer %s builds again',
  async (path) => {
    await run(['--build-only']);
    await touch('dist/cli/main.js', 5);
    await touch(path, 10);
    expect((await run(['--build-only'])).stderr).toContain('built');
  },
);

test('a newer test builds nothing', async () => {
  await writeFile(join(root, 'src', 'a.test.ts'), '');
  await run(['--build-only']);
  await touch('dist/cli/main.js', 5);
  await touch('src/a.test.ts', 10);
  expect((await run(['--build-only'])).stderr).toBe('');
});

test('exit codes and signals are those of the program', async () => {
  expect((await run(['x', '5'])).code).toBe(5);
  expect((await run(['wait'], (kill) => kill())).code).toBe(9);
});

test('a build that fails ends the run with its code', async () => {
  await writeFile(join(root, 'broken'), '');
  expect(await run(['dev'])).toMatchObject({ code: 3, stdout: '' });
});
