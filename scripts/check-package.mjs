/**
 * Builds the package with its types and looks at what would be published: that its entry points resolve for every
 * kind of consumer, and that nothing is in it that should not be.
 *
 *   npm run check:package
 */

import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const ALLOWED = /^(?:dist|samples|schema)\/|^(?:README\.md|LICENSE|package\.json)$/;
const REQUIRED = [
  'README.md',
  'LICENSE',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/testing.js',
  'dist/testing.d.ts',
  'dist/cli/main.js',
  'dist/entry/bootstrap-interpreter.js',
  'dist/functions/bootstrap.mjs',
  'dist/functions/bootstrap-stream.mjs',
  'dist/functions/bootstrap.py',
  'dist/functions/guard.mjs',
  'samples/zeroplane.json',
  'schema/config.json',
];

function packedFiles() {
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json'], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm pack failed:\n${stderr}`);
  const answer = JSON.parse(stdout);
  const [packed] = Array.isArray(answer) ? answer : Object.values(answer);
  return packed;
}

const built = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { cwd: root, stdio: 'inherit' });
if (built.status !== 0) process.exit(built.status ?? 1);

const packed = packedFiles();
const paths = packed.files.map((file) => file.path);
const { messages, pkg } = await publint({ pkgDir: root, strict: true });
const problems = [
  ...messages.map((message) => formatMessage(message, pkg, { color: false })),
  ...paths.filter((path) => !ALLOWED.test(path)).map((path) => `${path} is packed and should not be`),
  ...REQUIRED.filter((path) => !paths.includes(path)).map((path) => `${path} is missing from the package`),
];
for (const problem of problems) console.log(`FAIL  ${problem}`);
const megabytes = (bytes) => `${(bytes / 1_048_576).toFixed(1)} MiB`;
console.log(`${paths.length} files, ${megabytes(packed.size)} packed, ${megabytes(packed.unpackedSize)} unpacked`);
console.log(problems.length === 0 ? '1 passed, 0 failed' : `0 passed, ${problems.length} failed`);
process.exitCode = problems.length === 0 ? 0 : 1;
