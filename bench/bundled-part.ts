/** Parts of the bench that reach into the source, bundled as the product is: run from source they would time the loader. */

import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { part } from './processes.ts';

const MODULES = fileURLToPath(new URL('../node_modules', import.meta.url));

/** @returns the bundle, in `folder`. */
export async function bundledPart(name: string, folder: string): Promise<string> {
  const outfile = join(folder, name.replace(/\.m?[jt]s$/, '.bundle.mjs'));
  if (existsSync(outfile)) return outfile;
  const modules = join(folder, 'node_modules');
  if (!existsSync(modules)) symlinkSync(MODULES, modules);
  await build({
    entryPoints: [part(name)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    conditions: ['zeroplane-source'],
    logLevel: 'error',
  });
  return outfile;
}
