/**
 * Runs the command line of this checkout, and builds first when `dist` is older than the sources.
 *
 *   node scripts/run.mjs VERB ARGS     any verb; exit code and signals are those of the program
 *   node scripts/run.mjs --build-only  only bring `dist` up to date
 *
 * The build's output goes to stderr, so that stdout is the program's alone.
 */

import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const program = join(root, 'dist', 'cli', 'main.js');

function modifiedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Folders count too: removing a file changes only its folder. Tests are not part of the build. */
function newestMs(folder) {
  let newest = modifiedMs(folder);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestMs(path));
    else if (!entry.name.endsWith('.test.ts')) newest = Math.max(newest, modifiedMs(path));
  }
  return newest;
}

function isStale() {
  const inputs = [join(root, 'package.json'), join(root, 'scripts', 'build.mjs')].map(modifiedMs);
  return modifiedMs(program) < Math.max(newestMs(join(root, 'src')), ...inputs);
}

function build() {
  process.stderr.write('Building…\n');
  const script = join(root, 'scripts', 'build.mjs');
  const { status } = spawnSync(process.execPath, [script, '--no-types'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

const words = process.argv.slice(2);
if (isStale()) build();
if (words[0] !== '--build-only') {
  // The program speaks of itself by its name, which is on nobody's search path in a checkout.
  if (words[0] === 'dev' && process.stderr.isTTY)
    process.stderr.write('In this checkout, zeroplane is  npm run cli --\n');
  process.argv = [process.execPath, program, ...words];
  await import(pathToFileURL(program).href);
}
