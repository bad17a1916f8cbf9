import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { REQUIREMENTS } from './requirements.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

function testFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(folder, name));
}

test('every requirement is cited by a test', () => {
  const cited = new Set<string>();
  for (const file of [...testFiles(join(root, 'src')), ...testFiles(join(root, 'tests'))]) {
    for (const match of readFileSync(file, 'utf8').matchAll(/verifies\(\s*['"`]([^'"`]+)['"`]/g)) {
      for (const id of (match[1] ?? '').split(' ')) cited.add(id);
    }
  }
  expect([...REQUIREMENTS.keys()].filter((id) => !cited.has(id))).toEqual([]);
});
