import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { bareName, isTargetId, prefixedName } from './names.ts';

const targetId = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/);

test.each([
  ['a', true],
  ['docs-2', true],
  ['x'.repeat(40), true],
  ['x'.repeat(41), false],
  ['', false],
  ['-a', false],
  ['a-', false],
  ['a_b', false],
  ['A', false],
  ['a.b', false],
  ['größe', false],
  ['a\n', false],
  ['__proto__', false],
])('%j as a target id: %s', (id, legal) => {
  expect(isTargetId(id)).toBe(legal);
});

test('a public name has at most 64 characters that every model takes', () => {
  fc.assert(
    fc.property(targetId, fc.string({ unit: 'binary', maxLength: 200 }), (target, name) => {
      const shown = prefixedName(target, name);
      expect(shown).toMatch(/^[A-Za-z0-9_.-]{1,64}$/);
      expect(prefixedName(target, name)).toBe(shown);
    }),
  );
});

test('a short legal name is shown as it is, and its target is what stands before the first separator', () => {
  fc.assert(
    fc.property(targetId, fc.stringMatching(/^[A-Za-z0-9_.-]{1,21}$/), (target, name) => {
      const shown = prefixedName(target, name);
      expect(shown).toBe(`${target}___${name}`);
      expect(shown.slice(0, shown.indexOf('___'))).toBe(target);
    }),
  );
});

test('different names stay different', () => {
  const name = fc.oneof(
    fc.string({ maxLength: 10 }),
    fc.constantFrom('a b', 'a_b', 'a/b', 'x'.repeat(99), 'x'.repeat(98)),
  );
  fc.assert(
    fc.property(targetId, name, name, (target, one, other) => {
      fc.pre(one !== other);
      expect(prefixedName(target, one)).not.toBe(prefixedName(target, other));
      expect(bareName(one)).not.toBe(bareName(other));
    }),
  );
});

test('a bare name has at most 128 characters, and no half ones', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 60, maxLength: 200 }), (name) => {
      const shown = bareName(name);
      expect(shown.length).toBeLessThanOrEqual(128);
      expect(Buffer.from(shown, 'utf8').toString('utf8')).toBe(shown);
      if (name.length <= 128) expect(shown).toBe(name);
    }),
  );
});
