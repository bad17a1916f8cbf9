/** MiniStack, a simulation of AWS from PyPI. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, scratchFolder, start } from './lib.mjs';
import { freePort } from './peer-moto.mjs';

const MINISTACK = 'ministack==1.5.33';

function ministack() {
  const folder = join(root, '.suites', 'ministack');
  const stamp = join(folder, 'stamp.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === MINISTACK) return join(folder, 'venv/bin/ministack');
  mkdirSync(folder, { recursive: true });
  console.error(`installing ${MINISTACK}`);
  const made = spawnSync('python3', ['-m', 'venv', '--clear', join(folder, 'venv')], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`python3 -m venv failed: ${made.stderr}`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', MINISTACK];
  const done = spawnSync(join(folder, 'venv/bin/python'), pip, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`pip could not install ${MINISTACK}:\n${done.stderr}`);
  writeFileSync(stamp, MINISTACK);
  return join(folder, 'venv/bin/ministack');
}

/** Any answer at all will do. */
export async function untilUp(url, child) {
  for (const deadline = Date.now() + 30_000; ;) {
    const isUp = await fetch(url).then(
      () => true,
      () => false,
    );
    if (isUp) return url;
    if (Date.now() > deadline) throw new Error(`${url} did not answer:\n${child.output}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

export async function startMinistack() {
  const port = await freePort();
  const home = scratchFolder('ministack');
  const env = { PATH: process.env.PATH, HOME: home, GATEWAY_PORT: String(port) };
  const child = start(ministack(), [], { env, cwd: home });
  return untilUp(`http://127.0.0.1:${port}`, child);
}
