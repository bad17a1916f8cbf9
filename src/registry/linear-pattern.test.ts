import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { LinearPattern, PatternError } from './linear-pattern.ts';

test.each([
  ['^a+$', 'aaa'],
  ['^(a|bc)*d$', 'abcbcd'],
  ['[^0-9]{2,3}', '12ab'],
  ['\\d{4}-\\d{2}', 'on 2026-01-02'],
  ['^$', ''],
  ['\\bcat\\b', 'a cat!'],
  ['\\bcat\\b', 'concat'],
  ['(?:x?){3}y', 'xxy'],
  ['(?<year>\\d+)', 'y2026'],
  ['\\u{1F600}', '😀'],
  ['^.$', '😀'],
  ['\\p{Lu}', 'Äb'],
  ['[\\]a]', ']'],
  ['a{0}b', 'b'],
  ['(|a)+b', 'aab'],
  ['^[^#]*#?$', 'abc#'],
  ['a$|^b', 'bc'],
])('%s judges %j as the native engine does', (source, text) => {
  expect(new LinearPattern(source).test(text)).toBe(new RegExp(source, 'u').test(text));
});

test('patterns made of the common pieces agree with the native engine', () => {
  const leaf = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '\\d', '\\b', '^', '$', '1');
  const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.tuple(tie('pattern'), tie('pattern')).map(([left, right]) => left + right),
      fc.tuple(tie('pattern'), tie('pattern')).map(([left, right]) => `(${left}|${right})`),
      fc
        .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,}'))
        .map(([part, sign]) => `(?:${part})${sign}`),
    ),
  }));
  fc.assert(
    fc.property(pattern, fc.string({ unit: fc.constantFrom('a', 'b', '1', ' '), maxLength: 8 }), (source, text) => {
      expect(new LinearPattern(source).test(text)).toBe(new RegExp(source, 'u').test(text));
    }),
    { numRuns: 400 },
  );
});

test('a pattern that makes the native engine explode takes linear time', () => {
  let units = 0;
  const pattern = new LinearPattern('^(a+)+$', (spent) => {
    units += spent;
  });
  expect(pattern.test(`${'a'.repeat(20_000)}b`)).toBe(false);
  expect(units).toBeLessThan(20_000 * 20);
});

test.each(['(?=a)', '(?<!a)b', '(a)\\1', '(?<n>a)\\k<n>', '(', 'a)', '[a', 'a{1000}{1000}', 'x'.repeat(513), '*'])(
  '%s is refused',
  (source) => {
    expect(() => new LinearPattern(source)).toThrow(PatternError);
  },
);
