/**
 * Runs every example, `examples/<name>/main.ts`, each in a process of its own. An example checks its own result, so
 * its exit code is the verdict.
 *
 *   node scripts/run-examples.mjs [NAME…]
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const TIMEOUT_MS = 60_000;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const all = readdirSync(join(root, 'examples')).filter((name) => existsSync(join(root, 'examples', name, 'main.ts')));
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !all.includes(name));
const chosen = asked.length === 0 ? all : asked.filter((name) => all.includes(name));

/** @returns why it failed, `undefined` when it did not. */
function run(name) {
  const args = ['--import', 'tsx', '--conditions=zeroplane-source', join('examples', name, 'main.ts')];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  });
  return status === 0 ? undefined : `ended with ${signal ?? status}\n${stdout}${stderr}`;
}

let failed = unknown.length;
for (const name of unknown) console.log(`FAIL  ${name}: there is no such example; there are ${all.join(', ')}`);
for (const name of chosen) {
  const began = performance.now();
  const reason = run(name);
  console.log(`${reason === undefined ? 'ok  ' : 'FAIL'}  ${name}  ${Math.round(performance.now() - began)} ms`);
  if (reason === undefined) continue;
  failed += 1;
  console.log(reason.trim().replaceAll(/^/gm, '      '));
}
const passed = chosen.length + unknown.length - failed;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
