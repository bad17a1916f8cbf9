/**
 * Everything that a change must pass. All steps run, even when one fails.
 *
 *   npm run check                    format, lint, types, tests, examples, dead code
 *   npm run check -- --no-tests      without the tests, where they have run already
 */

import { spawn } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (name) => join(root, 'node_modules', '.bin', name);

const STEPS = [
  { name: 'format', command: [bin('oxfmt'), '--check', '.'], next: 'npm run format' },
  { name: 'lint', command: [bin('oxlint'), '--type-aware', '--deny-warnings'] },
  { name: 'types', command: [bin('tsc'), '-p', 'tsconfig.json', '--noEmit'] },
  { name: 'tests', command: [bin('vitest'), 'run'] },
  { name: 'examples', command: [process.execPath, 'scripts/run-examples.mjs'] },
  { name: 'dead code', command: [bin('knip')] },
];

/** A step that passes says nothing but its time; of one that fails you see all it printed. */
function run({ command: [program, ...args] }) {
  return new Promise((done) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => done({ ok: false, output: error.message }));
    child.on('close', (code) => done({ ok: code === 0, output }));
  });
}

const steps = STEPS.filter(({ name }) => !(name === 'tests' && process.argv.includes('--no-tests')));
let failed = 0;
for (const step of steps) {
  const began = performance.now();
  const { ok, output } = await run(step);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${step.name.padEnd(10)} ${seconds.padStart(6)} s`);
  if (ok) continue;
  failed += 1;
  console.log(output.trim().replaceAll(/^/gm, '      '));
  if (step.next !== undefined) console.log(`      To repair: ${step.next}`);
}
console.log(`${steps.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
