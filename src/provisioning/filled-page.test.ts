import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { filledPage } from './filled-page.ts';

/** Numbers from 0, by pages; a cursor is the place to go on from. */
function listOf(length: number) {
  const reads: number[] = [];
  const read = (limit: number, cursor: string | undefined) => {
    const from = Number(cursor ?? 0);
    const items = Array.from({ length: Math.max(0, Math.min(limit, length - from)) }, (_, at) => from + at);
    reads.push(items.length);
    const end = from + items.length;
    return Promise.resolve({ items, ...(end < length ? { cursor: String(end) } : {}) });
  };
  return { read, reads };
}

test('pages hold each item that fits once and in order, and only the last is not full', async () => {
  const cases = fc.tuple(fc.nat(3_000), fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 400 }));
  await fc.assert(
    fc.asyncProperty(cases, async ([length, limit, each]) => {
      const { read } = listOf(length);
      const pages: (readonly number[])[] = [];
      let cursor: string | undefined;
      do {
        const page = await filledPage(read, { limit, cursor, fits: (item) => item % each === 0 });
        pages.push(page.items);
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(pages.flat()).toEqual(Array.from({ length: Math.ceil(length / each) }, (_, at) => at * each));
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('a request reads no more than ten thousand rows, and says where to go on', async () => {
  const { read, reads } = listOf(50_000);
  const page = await filledPage(read, { limit: 5, fits: (item) => item === 49_999 });
  expect([page.items, page.cursor, reads.reduce((sum, rows) => sum + rows, 0)]).toEqual([[], '10000', 10_000]);
});
