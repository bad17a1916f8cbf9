/**
 * Builds `dist`: bundles of the entry points, the files that run as processes of their own, and the types.
 *
 *   node scripts/build.mjs [--no-types]
 *
 * Code lands in shared chunks, so `import.meta.url` of a source file would name a chunk. Each use is replaced
 * by the place where the source file's own output would stand: `new URL('./bootstrap.mjs', import.meta.url)`
 * in `src/functions/x.ts` means `dist/functions/bootstrap.mjs`, wherever the code ended up.
 */

import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const src = join(root, 'src');
const dist = join(root, 'dist');

/** What people import or start. */
const ENTRY_POINTS = ['cli/main.ts', 'index.ts', 'testing.ts', 'wrapper.ts'];
/** TypeScript that is started as a process or a worker, found by name. */
const PROCESS_NAME = /^(bootstrap|supervisor)([.-].*)?\.ts$/;
/** Files that are used as they are. */
const COPIED = new Set(['.mjs', '.cjs', '.js', '.py', '.sh', '.json', '.sql', '.yaml']);

async function filesBelow(folder) {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

const ownLocation = {
  name: 'own-location',
  setup(plugin) {
    plugin.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      if (!path.startsWith(src + sep)) return undefined;
      const text = await readFile(path, 'utf8');
      const output = relative(src, path).replaceAll(sep, '/').replace(/\.ts$/, '.js');
      const location = `(import.meta.url.slice(0, import.meta.url.lastIndexOf("/dist/") + 6) + ${JSON.stringify(output)})`;
      return { contents: text.replaceAll(/\bimport\.meta\.url\b/g, () => location), loader: 'ts' };
    });
  },
};

/** A reader of `dist` sees the old file or the new one, never half of one. */
async function replaceFile(path, contents) {
  await mkdir(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}.tmp`;
  await writeFile(unfinished, contents);
  await rename(unfinished, path);
}

async function bundle(files) {
  const isEntry = (file) => ENTRY_POINTS.includes(relative(src, file).replaceAll(sep, '/'));
  const isProcess = (file) =>
    PROCESS_NAME.test(basename(file)) && !file.endsWith('.test.ts') && !file.endsWith('.d.ts');
  const result = await build({
    entryPoints: files.filter((file) => isEntry(file) || isProcess(file)),
    outdir: dist,
    outbase: src,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    sourcesContent: false,
    write: false,
    logLevel: 'warning',
    plugins: [ownLocation],
  });
  // Chunks first: an entry point must never name one that is not there yet.
  const inOrder = result.outputFiles.toSorted((one, other) => Number(isChunk(other.path)) - Number(isChunk(one.path)));
  for (const file of inOrder) await replaceFile(file.path, file.contents);
  return result.outputFiles.map((file) => file.path);
}

/** The wrapper in one file that needs nothing, as `zeroplane wrap` puts it into functions. */
async function bundleWrapper() {
  const result = await build({
    // The handler alone: the clients of `zeroplane/wrapper` would bring the AWS SDK along.
    stdin: { contents: "export { createHandler } from './wrapper.ts';", resolveDir: src, loader: 'ts' },
    outfile: join(dist, 'packaging', 'zeroplane-wrapper.mjs'),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    write: false,
    legalComments: 'none',
    logLevel: 'warning',
  });
  for (const file of result.outputFiles) await replaceFile(file.path, file.contents);
}

function isChunk(path) {
  return path.includes(`${sep}chunks${sep}`);
}

async function copyAsTheyAre(files) {
  const copied = files.filter((file) => COPIED.has(extname(file)) && !file.includes('.test.'));
  for (const file of copied) await replaceFile(join(dist, relative(src, file)), await readFile(file));
}

/** Chunks of earlier builds stay for an hour while one works here, because a running process may still import one. */
async function removeOldChunks(written, ageMs) {
  const kept = new Set(written);
  const chunks = await filesBelow(join(dist, 'chunks')).catch(() => []);
  for (const file of chunks) {
    const isOld = Date.now() - (await stat(file)).mtimeMs > ageMs;
    if (!kept.has(file) && isOld) await rm(file, { force: true });
  }
}

function writeTypes() {
  const compiler = join(root, 'node_modules', '.bin', 'tsc');
  const arguments_ = ['-p', join(root, 'tsconfig.build.json'), '--emitDeclarationOnly'];
  const { status } = spawnSync(compiler, arguments_, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  return status ?? 1;
}

const withTypes = !process.argv.includes('--no-types');
const files = await filesBelow(src);
const startedAt = new Date();
const written = await bundle(files);
await bundleWrapper();
await copyAsTheyAre(files);
await removeOldChunks(written, withTypes ? 0 : 3_600_000);
// A file saved while this build ran is newer than the build, so that the next start builds again.
await utimes(join(dist, 'cli', 'main.js'), startedAt, startedAt);
process.exitCode = withTypes ? writeTypes() : 0;
