/** Processes that are started and killed very often, bundled: from source each start would take seconds. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';

/** Bundles `<name>.ts` of this folder before the tests of a file. @returns the folder that has `<name>.mjs`. */
export function bundleProcess(name: string): string {
  // In the repository, where packages are found; git ignores it.
  const folder = join(import.meta.dirname, '../../.suites', `${name}-${process.pid}`);
  beforeAll(async () => {
    await build({
      entryPoints: [join(import.meta.dirname, `${name}.ts`)],
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      // They cannot be bundled: one is native, others find their parts at run time.
      external: ['libsql', '@libsql/*', 'jsonc-parser', 'ajv', 'ajv/*', 'ajv-*'],
      conditions: ['zeroplane-source'],
      banner: {
        js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
      },
      logLevel: 'error',
    });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
