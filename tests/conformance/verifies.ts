/** Ties a test to the promise it proves. */

import { test } from 'vitest';
import { REQUIREMENTS } from './requirements.ts';

/**
 * A test that proves one requirement.
 *
 * @param id - A key of {@link REQUIREMENTS}, or several separated by spaces.
 */
export function verifies(id: string, title: string, run: () => Promise<void> | void): void {
  for (const each of id.split(' ')) if (!REQUIREMENTS.has(each)) throw new Error(`There is no requirement ${each}.`);
  test(`${title} [${id}]`, run);
}
