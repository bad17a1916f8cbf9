/** The tutorial is what happens: its commands are run in order, and their outputs compared with the page. */

import { spawn, execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { verifies } from '../conformance/verifies.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = join(root, 'scripts', 'run.mjs');
const page = join(root, 'docs/tutorials/provision-a-stack.md');
const MARK = '----next----';

interface Block {
  readonly commands: readonly string[];
  /** What is printed, of all its commands. */
  readonly output: string;
  readonly whole: string;
}

/** A command begins with `$ `; a here-document belongs to it. */
function blocksOf(text: string): readonly Block[] {
  return [...text.matchAll(/^```console\n([\s\S]*?)^```/gm)].map(([, whole = '']) => {
    const commands: string[] = [];
    const output: string[] = [];
    let isOpen = false;
    for (const line of whole.split('\n').slice(0, -1)) {
      if (line.startsWith('$ ')) {
        commands.push(line.slice(2));
        isOpen = line.endsWith("<<'END'");
      } else if (isOpen) {
        commands[commands.length - 1] += `\n${line}`;
        if (line === 'END') isOpen = false;
      } else output.push(line);
    }
    return { commands, output: output.join('\n'), whole };
  });
}

/** Without what differs from run to run: ids, times, addresses, the width of columns. */
function steady(text: string): readonly string[] {
  return text
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'JOB')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\b(vpc|subnet|igw|rtb|sg|i|eipalloc|eipassoc|ami)-[0-9a-f]{8,17}\b/g, '$1-ID')
    .replaceAll(/\b\d{1,3}(?:\.\d{1,3}){3}\b(?!\/)/g, 'ADDRESS')
    .replaceAll(/ \(attempt \d+\)/g, '')
    .split('\n')
    .map((line) => line.trim().replaceAll(/ {2,}/g, '  '))
    .filter((line) => line !== '');
}

/** Runs everything in one shell, as a reader does, and cuts what was printed into the blocks. */
async function run(blocks: readonly Block[], folder: string, url: string): Promise<readonly string[]> {
  await writeFile(join(folder, 'zeroplane'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`, {
    mode: 0o755,
  });
  const commands = blocks.map((block) => `${block.commands.join('\n')}\necho ${MARK}`).join('\n');
  const script = commands.replaceAll('http://127.0.0.1:7420', url);
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1' };
  const { stdout } = await promisify(execFile)('bash', ['-c', `exec 2>&1\n${script}`], {
    cwd: folder,
    env,
    maxBuffer: 2 ** 24,
  });
  return stdout.split(`${MARK}\n`).slice(0, -1);
}

async function whileServing<Result>(act: (folder: string, url: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-tutorial-'));
  const child = spawn(process.execPath, [program, 'dev', '--port', '0', '--no-open', '--no-samples'], { cwd: folder });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    let banner = '';
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        banner += chunk.toString('utf8');
        if (banner.includes('Stop with')) resolve();
      });
      child.once('exit', (code) => reject(new Error(`dev ended with ${code}\n${banner}`)));
    });
    const [url = ''] = /http:\/\/127\.0\.0\.1:\d+(?=\/v1)/.exec(banner) ?? [];
    return await act(folder, url);
  } finally {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

verifies('0.9', 'the tutorial runs as printed', async () => {
  const text = await readFile(page, 'utf8');
  const blocks = blocksOf(text);
  const printed = await whileServing((folder, url) => run(blocks, folder, url));
  expect(printed).toHaveLength(blocks.length);
  if (process.env['UPDATE_TUTORIAL'] === '1') {
    await writeFile(
      page,
      blocks.reduce((page_, block, at) => page_.replace(block.whole, rewritten(block, printed[at] ?? '')), text),
    );
    return;
  }
  for (const [at, block] of blocks.entries()) expect(steady(printed[at] ?? '')).toEqual(steady(block.output));
});

function rewritten({ commands }: Block, output: string): string {
  const words = commands.map((command) => `$ ${command}\n`).join('');
  return output.trim() === '' ? words : `${words}${output.trimEnd()}\n`;
}

test('the page has outputs', async () => {
  const blocks = blocksOf(await readFile(page, 'utf8'));
  expect(blocks.filter(({ output }) => output !== '').length).toBeGreaterThan(6);
});
