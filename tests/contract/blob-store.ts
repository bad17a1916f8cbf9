/** What every adapter's `BlobStore` must do. */

import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CreateStore } from './harness.ts';
import { failure, withStore } from './harness.ts';

const TEXT = { contentType: 'text/plain' };
const MIB = 1024 * 1024;

/** Bytes that differ from place to place, so that a misplaced slice shows. */
function pattern(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let n = 0; n < size; n += 1) bytes[n] = (n * 31 + (n >> 8) * 7 + (n >> 16)) & 0xff;
  return bytes;
}

export function blobStoreContract(label: string, create: CreateStore): void {
  describe(`BlobStore of ${label}`, () => {
    test.each([0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB + 17])('%i bytes come back whole, with size and digest', (size) =>
      withStore(create, async (_, { blobs }) => {
        const bytes = pattern(size);
        const digest = createHash('sha256').update(bytes).digest('hex');
        const info = { key: 'results/1', size, contentType: 'text/plain', digest };
        expect(await blobs.put('results/1', bytes, TEXT)).toEqual(info);
        expect(await blobs.head('results/1')).toEqual(info);
        expect(Buffer.from((await blobs.get('results/1')) ?? []).equals(Buffer.from(bytes))).toBe(true);
      }),
    );

    test('a range is the same slice as of the bytes themselves', () =>
      withStore(create, async (_, { blobs }) => {
        const bytes = pattern(3 * MIB + 5);
        await blobs.put('k', bytes, TEXT);
        const place = fc.oneof(
          fc.nat(bytes.length + 10),
          fc.constantFrom(0, MIB - 1, MIB, 2 * MIB, 3 * MIB, bytes.length),
        );
        await fc.assert(
          fc.asyncProperty(place, fc.oneof(place, fc.nat(20)), async (offset, length) => {
            const slice = await blobs.get('k', { offset, length });
            expect(Buffer.from(slice ?? [9]).equals(Buffer.from(bytes.subarray(offset, offset + length)))).toBe(true);
          }),
          { numRuns: 60 },
        );
      }));

    test('what is absent, deleted or expired is undefined', () =>
      withStore(create, async (harness, { blobs }) => {
        expect(await blobs.get('k')).toBeUndefined();
        expect(await blobs.head('k')).toBeUndefined();
        await blobs.delete('k');
        await blobs.put('k', pattern(10), TEXT);
        await blobs.delete('k');
        expect(await blobs.get('k')).toBeUndefined();
        await blobs.put('k', pattern(10), { ...TEXT, expiresAtMs: harness.nowMs() + 1000 });
        harness.advance(999);
        expect(await blobs.get('k')).toHaveLength(10);
        harness.advance(1);
        expect(await blobs.get('k')).toBeUndefined();
        expect(await blobs.head('k')).toBeUndefined();
      }));

    test('a second put replaces the first, expiry included', () =>
      withStore(create, async (harness, { blobs }) => {
        await blobs.put('k', pattern(2 * MIB), { ...TEXT, expiresAtMs: harness.nowMs() + 1000 });
        await blobs.put('k', pattern(3), { contentType: 'image/png' });
        harness.advance(2000);
        expect(await blobs.head('k')).toMatchObject({ size: 3, contentType: 'image/png' });
        expect(await blobs.get('k')).toHaveLength(3);
      }));

    test('concurrent puts of one key leave one of them, whole', () =>
      withStore(create, async (_, { blobs }) => {
        await Promise.all([1, 2, 3].map((n) => blobs.put('k', new Uint8Array(MIB + n).fill(n), TEXT)));
        const bytes = (await blobs.get('k')) ?? new Uint8Array();
        const n = bytes[0] ?? 0;
        expect(bytes).toHaveLength(MIB + n);
        expect(bytes.every((byte) => byte === n)).toBe(true);
      }));

    test('bytes changed by the caller after put do not change what is stored', () =>
      withStore(create, async (_, { blobs }) => {
        const bytes = pattern(2 * MIB);
        const put = blobs.put('k', bytes, TEXT);
        bytes.fill(0);
        const { digest } = await put;
        expect(
          createHash('sha256')
            .update((await blobs.get('k')) ?? '')
            .digest('hex'),
        ).toBe(digest);
      }));

    test.each([
      ['a negative offset', { offset: -1, length: 1 }],
      ['a broken length', { offset: 0, length: 0.5 }],
    ])('%s is refused', (_title, range) =>
      withStore(create, async (_, { blobs }) => {
        await blobs.put('k', pattern(10), TEXT);
        await failure(blobs.get('k', range), 'INVALID_ARGUMENTS');
      }),
    );

    test.each(['../../etc/passwd', '/abs', 'a/../b', 'ключ', '%2e%2e', 'a b'])('the key %s is only a name', (key) =>
      withStore(create, async (_, { blobs }) => {
        await blobs.put(key, pattern(4), TEXT);
        expect(await blobs.get(key)).toEqual(pattern(4));
      }),
    );
  });
}
