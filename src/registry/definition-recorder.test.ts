import { expect, test } from 'vitest';
import { openMemoryStore } from '../adapters/embedded/store/store.ts';
import type { Clock, Logger, StoreRoot } from '../core/ports.ts';
import type { DefinitionMark } from '../core/target.ts';
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

/** Records marks of one tool, one after the other, each in a new recorder, as after a restart. */
async function recordAll(marks: readonly DefinitionMark[]) {
  const logged: unknown[] = [];
  const log: Logger = { log: (_, message, fields) => void logged.push({ message, ...fields }), with: () => log };
  const store: StoreRoot = await openMemoryStore({ clock });
  try {
    let changes: unknown;
    for (const [index, mark] of marks.entries()) {
      const at: Clock = { ...clock, nowMs: () => index * 1000 };
      const recorder = new DefinitionRecorder({ store, clock: at, log });
      recorder.record('team-x', 'registry', new Map([['tool#find', mark]]));
      await recorder.settled();
      changes = recorder.changes('team-x', 'registry');
    }
    return { logged, changes };
  } finally {
    await store.close();
  }
}

const at = (version: string, sha256: string, digest = 'words'): DefinitionMark => ({
  digest,
  code: { version, sha256 },
});

test('code that becomes known, or is not known for a while, is no change', async () => {
  const { logged, changes } = await recordAll([{ digest: 'words' }, at('1', 'a'), { digest: 'words' }, at('1', 'a')]);
  expect(logged).toEqual([]);
  expect(changes).toEqual([]);
});

test('another version or other code is told of, and remembered', async () => {
  const { logged, changes } = await recordAll([at('1', 'a'), at('2', 'b'), { digest: 'words' }]);
  const change = {
    definition: 'tool#find',
    changedAt: '1970-01-01T00:00:01.000Z',
    what: ['code'],
    version: '2',
    previousVersion: '1',
    codeSha256: 'b',
    previousCodeSha256: 'a',
  };
  expect(logged).toEqual([{ message: 'definition-changed', tenant: 'team-x', target: 'registry', ...change }]);
  expect(changes).toEqual([change]);
});

test('the last change says what it was, not what the one before was', async () => {
  const { logged, changes } = await recordAll([at('1', 'a'), at('2', 'b'), at('2', 'b', 'other words')]);
  const last = { definition: 'tool#find', changedAt: '1970-01-01T00:00:02.000Z', what: ['definition'] };
  expect(changes).toEqual([last]);
  expect(logged).toHaveLength(2);
});

test('words and code can change together', async () => {
  const { changes } = await recordAll([at('1', 'a'), at('2', 'b', 'other words')]);
  expect(changes).toMatchObject([{ what: ['definition', 'code'], version: '2' }]);
});
