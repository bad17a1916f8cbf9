/** What the README shows is what a first start prints. */

import { spawn, execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = join(root, 'scripts', 'run.mjs');

/** Lines without the width of columns, the port and the version, which differ between runs. */
function lines(text: string): string[] {
  return text
    .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replaceAll(/Zeroplane \d+\.\d+\.\d+\S*/g, 'Zeroplane VERSION')
    .split('\n')
    .map((line) => line.trim().replaceAll(/ {2,}/g, '  '))
    .filter((line) => line !== '');
}

/** Starts `dev` in an empty folder, and runs while it serves. */
async function whileServing(run: (banner: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-readme-'));
  const child = spawn(process.execPath, [program, 'dev', '--port', '0', '--no-open'], { cwd: folder });
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
    await run(banner, folder);
  } finally {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

/** Commands with what each prints; ids of jobs differ between runs. */
function commands(readme: string): { readonly words: string; readonly printed: string }[] {
  const found = readme.matchAll(/^\$ npm run --silent cli -- ((?:call|provision) .*)\n([\s\S]*?)^```/gm);
  return [...found].map(([, words = '', printed = '']) => ({ words, printed: withoutIds(printed) }));
}

function withoutIds(text: string): string {
  return text.replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'ID').trim();
}

test('the banner and the commands of the README are real', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const shown = /^```text\n( +Zeroplane [\s\S]*?)^```/m.exec(readme)?.[1] ?? '';
  const examples = commands(readme);
  expect(lines(shown).length).toBeGreaterThan(8);
  expect(examples.map(({ words }) => words.split(' ')[0])).toEqual(['call', 'provision']);
  await whileServing(async (banner, folder) => {
    expect(lines(banner).slice(0, lines(shown).length)).toEqual(lines(shown));
    for (const { words, printed } of examples) {
      const { stdout } = await promisify(execFile)(process.execPath, [program, ...words.split(' ')], { cwd: folder });
      expect(withoutIds(stdout)).toBe(printed);
    }
  });
});
