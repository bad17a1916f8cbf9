/** The version of the package, read from its `package.json`, which lies above `src` and `dist` alike. */

import { readFileSync } from 'node:fs';

export function version(): string {
  for (const up of ['../package.json', '../../package.json', '../../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (found.name === 'zeroplane' && found.version !== undefined) return found.version;
    } catch {
      // Not at this height.
    }
  }
  return '0.0.0';
}
