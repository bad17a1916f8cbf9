/** What every directory of functions promises. An adapter's test hands it functions and a way to make them. */

import { expect, test } from 'vitest';
import { PlatformError } from '../../src/core/errors.ts';
import type { FunctionDirectory } from '../../src/core/ports.ts';

/** A function that must be there. */
export interface Wanted {
  readonly name: string;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
}

export type DirectoryHarness = (
  functions: readonly Wanted[],
  run: (directory: FunctionDirectory) => Promise<void>,
) => Promise<void>;

const FUNCTIONS: readonly Wanted[] = [
  { name: 'plain', description: '', tags: {} },
  { name: 'team-info', description: 'Says who is in a team.', tags: { MCP_Support: 'true', owner: 'ada' } },
];

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (error instanceof PlatformError ? error.code : String(error)),
  );
}

export function functionDirectoryContract(name: string, withFunctions: DirectoryHarness): void {
  test(`${name}: a function is listed with what it is, its tags and its code`, () =>
    withFunctions(FUNCTIONS, async (directory) => {
      const listed = await directory.list();
      expect(listed.map((each) => each.name).toSorted()).toEqual(['plain', 'team-info']);
      const found = listed.find((each) => each.name === 'team-info');
      expect(found).toMatchObject({ ...FUNCTIONS[1], version: '$LATEST' });
      expect(found?.arn).toMatch(/^arn:aws:lambda:us-east-1:\d{12}:function:team-info$/);
      expect(found?.runtime).toMatch(/^nodejs/);
      expect(Buffer.from(found?.codeSha256 ?? '', 'base64')).toHaveLength(32);
      expect(listed.find((each) => each.name === 'plain')?.tags).toEqual({});
    }));

  test(`${name}: without functions the list is empty`, () =>
    withFunctions([], async (directory) => {
      expect(await directory.list()).toEqual([]);
    }));

  test(`${name}: a right to invoke is asked by name or ARN without invoking`, () =>
    withFunctions(FUNCTIONS, async (directory) => {
      const [first] = await directory.list();
      expect(await directory.mayInvoke(first?.arn ?? '')).toBe(true);
      expect(await directory.mayInvoke(first?.name ?? '')).toBe(true);
    }));

  test(`${name}: a schema that does not exist is not found`, () =>
    withFunctions([], async (directory) => {
      expect(await codeOf(directory.schema('arn:aws:schemas:us-east-1:123456789012:schema/none/such'))).toBe(
        'NOT_FOUND',
      );
    }));

  test(`${name}: functions beyond a page of fifty are listed too`, () =>
    withFunctions(
      Array.from({ length: 120 }, (_, index) => ({ name: `f${index}`, description: '', tags: { n: `${index}` } })),
      async (directory) => {
        const listed = await directory.list();
        expect(new Set(listed.map((each) => each.name)).size).toBe(120);
        expect(listed.every((each) => each.tags['n'] === each.name.slice(1))).toBe(true);
      },
    ));
}
