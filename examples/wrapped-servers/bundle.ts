/** Makes the folder that would be uploaded to Lambda: handler and server, each in one file with all it imports. */

import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { build } from 'esbuild';

export async function bundle(name: 'documentation' | 'prometheus', folder: string): Promise<string> {
  const source = fileURLToPath(new URL(`./${name}/`, import.meta.url));
  const outdir = join(folder, name);
  await build({
    entryPoints: [join(source, 'index.mjs'), join(source, 'server.mjs')],
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['@aws-sdk/*'],
    // Some packages of the server still call `require`.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    conditions: ['zeroplane-source'],
    logLevel: 'error',
  });
  return outdir;
}
