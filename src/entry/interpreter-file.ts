/** Where the file of the threads that interpret state machines is. */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

export function interpreterFile(): URL {
  const here = import.meta.url;
  if (!here.endsWith('.ts')) return new URL('./bootstrap-interpreter.js', here);
  // From source, as the tests run it, the thread needs the loader of TypeScript as every process does.
  const loader = new URL('dist/esm/api/index.mjs', pathToFileURL(createRequire(here).resolve('tsx/package.json')));
  const file = new URL('./bootstrap-interpreter.ts', here);
  const [tools, bootstrap] = [loader.href, file.href].map((href) => JSON.stringify(href));
  const text = `import { register } from ${tools}; register(); await import(${bootstrap});`;
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}
