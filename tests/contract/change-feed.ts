/** What every adapter's `ChangeFeed` must do. */

import { describe, expect, test } from 'vitest';
import type { Change } from '../../src/core/ports.ts';
import type { CreateStore } from './harness.ts';
import { failure, withStore } from './harness.ts';

export function changeFeedContract(label: string, create: CreateStore): void {
  describe(`ChangeFeed of ${label}`, () => {
    test('changes are numbered upwards and read back in order after any of them', () =>
      withStore(create, async (_, { changes }) => {
        expect(await changes.head()).toBe(0);
        const sequences: number[] = [];
        for (const topic of ['a', 'b', 'c']) sequences.push(await changes.publish(topic, { topic }));
        expect(sequences.toSorted((x, y) => x - y)).toEqual(sequences);
        expect(new Set(sequences).size).toBe(3);
        expect(await changes.head()).toBe(sequences[2]);
        const [, second = 0] = sequences;
        expect(await changes.read(second)).toEqual([{ sequence: sequences[2], topic: 'c', detail: { topic: 'c' } }]);
        expect((await changes.read(0, 2)).map((change) => change.topic)).toEqual(['a', 'b']);
      }));

    test('a watcher hears every change once, in order, after it can be read', () =>
      withStore(create, async (_, { changes }) => {
        const heard: Change[] = [];
        const stop = changes.watch((change) => heard.push(change));
        await Promise.all(Array.from({ length: 20 }, (_unused, n) => changes.publish('t', n)));
        await expect.poll(() => heard.length, { timeout: 1000, interval: 5 }).toBe(20);
        expect(heard).toEqual(await changes.read(0));
        stop();
        await changes.publish('after');
        expect(heard).toHaveLength(20);
      }));

    test('a failing watcher disturbs neither the publisher nor the other watchers', () =>
      withStore(create, async (_, { changes }) => {
        const heard: string[] = [];
        changes.watch(() => {
          throw new Error('broken watcher');
        });
        changes.watch((change) => heard.push(change.topic));
        await changes.publish('t');
        await expect.poll(() => heard, { timeout: 1000, interval: 5 }).toEqual(['t']);
      }));

    test('changes stay for at least five minutes and numbers are never given twice', () =>
      withStore(create, async (harness, { changes }) => {
        const first = await changes.publish('old');
        harness.advance(4 * 60_000 + 50_000);
        expect(await changes.read(0)).toHaveLength(1);
        harness.advance(24 * 3_600_000);
        const second = await changes.publish('new');
        expect(second).toBeGreaterThan(first);
        expect(await changes.head()).toBe(second);
        expect((await changes.read(first)).map((change) => change.topic)).toEqual(['new']);
      }));

    test('a read with a broken limit or start is refused', () =>
      withStore(create, async (_, { changes }) => {
        await failure(changes.read(0, 0), 'INVALID_ARGUMENTS');
        await failure(changes.read(Number.NaN), 'INVALID_ARGUMENTS');
      }));
  });
}
