import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { assignTargetIds, isTargetId } from './ids.ts';
import { editDistance, nearestOf } from '../core/nearest.ts';

const idsOf = (...keys: string[]): (string | undefined)[] => {
  const { ids } = assignTargetIds(keys);
  return keys.map((key) => ids.get(key));
};

test.each([
  [['docs'], ['docs']],
  [
    ['Docs', 'docs'],
    ['docs-2', 'docs'],
  ],
  [
    ['a_b', 'a b', 'a.b'],
    ['a-b', 'a-b-2', 'a-b-3'],
  ],
  [['--x--'], ['x']],
  [
    ['___', '文档'],
    ['server', 'server-2'],
  ],
  [
    ['Registry', 'cloud', 'cloud-2'],
    ['registry-2', 'cloud-3', 'cloud-2'],
  ],
  [
    ['x'.repeat(50), 'x'.repeat(51)],
    ['x'.repeat(40), `${'x'.repeat(38)}-2`],
  ],
  [[`${'x'.repeat(39)}-yz`], ['x'.repeat(39)]],
])('%j become %j', (keys, expected) => {
  expect(idsOf(...keys)).toEqual(expected);
});

test('ids are legal, different, and legal keys keep their name', () => {
  const key = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.constantFrom('a', 'A', 'a-2', 'registry', 'ADMIN', '_', 'x'.repeat(45)),
  );
  fc.assert(
    fc.property(fc.uniqueArray(key, { maxLength: 12 }), (keys) => {
      const { ids, notes } = assignTargetIds(keys);
      expect([...ids.values()].every(isTargetId)).toBe(true);
      expect(new Set(ids.values()).size).toBe(keys.length);
      for (const legal of keys.filter(isTargetId)) expect(ids.get(legal)).toBe(legal);
      expect(notes.length).toBe(keys.filter((name) => !isTargetId(name)).length);
    }),
  );
});

test.each([
  ['comand', 'command'],
  ['commnad', 'command'],
  ['URL', 'url'],
  ['timeout', undefined],
  ['zzz', undefined],
])('the nearest key to %s is %s', (word, expected) => {
  expect(nearestOf(word, ['command', 'args', 'url', 'headers'])).toBe(expected);
});

test('the edit distance is symmetric, and zero only for equal words', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (one, other) => {
      expect(editDistance(one, other)).toBe(editDistance(other, one));
      expect(editDistance(one, other) === 0).toBe(one === other);
    }),
  );
});
