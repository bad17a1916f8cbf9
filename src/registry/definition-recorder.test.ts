import { expect, test } from 'vitest';
import { openMemoryStore } from '../adapters/embedded/store/store.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { DefinitionRecorder } from './definition-recorder.ts';

const clock: Clock = { nowMs: () => 0, monotonicMs: () => 0, after: () => () => undefined };

test('a name longer than a key may be does not keep the others from being recorded', async () => {
  const logged: string[] = [];
  const log: Logger = { log: (_, message) => void logged.push(message), with: () => log };
  const store = await openMemoryStore({ clock });
  try {
    const recorder = new DefinitionRecorder({ store, clock, log });
    const long = `tool#${'ü'.repeat(4_000)}`;
    const digests = new Map([
      [long, { digest: 'a' }],
      [`${long}2`, { digest: 'b' }],
      ['tool#short', { digest: 'c' }],
    ]);
    recorder.record('team-x', 'docs', digests);
    recorder.record('team-x', 'docs', digests);
    await recorder.settled();
    const spec = { name: 'tool-definitions', partitionKey: 'target', sortKey: 'definition' };
    const { items } = await store.store('team-x').table(spec).query({ partition: 'docs' });
    expect(new Set(items.map((item) => item['digest']))).toEqual(new Set(['a', 'b', 'c']));
    expect(items).toHaveLength(3);
    expect(items.some((item) => 'changedAt' in item)).toBe(false);
    expect(logged).toEqual([]);
  } finally {
    await store.close();
  }
});
