import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { PlatformError } from './errors.ts';
import { arrayElements, joinMembers, outline, rawMembers, scan, withMember } from './json.ts';

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return error instanceof PlatformError ? error.code : 'another error';
  }
  return 'accepted';
};

const space = fc.stringMatching(/^[ \t\r\n]{0,2}$/);

/** JSON text of a value with white space between all tokens, and keys spelled with escapes now and then. */
const jsonText: fc.Arbitrary<string> = fc
  .tuple(fc.jsonValue({ maxDepth: 6 }), space, fc.boolean())
  .map(([value, gap, escaped]) => print(value, gap, escaped));

function print(value: unknown, gap: string, escaped: boolean): string {
  const word = (text: string): string =>
    escaped ? JSON.stringify(text).replaceAll('a', String.raw`\u0061`) : JSON.stringify(text);
  if (typeof value === 'string') return word(value);
  if (Array.isArray(value))
    return `[${gap}${value.map((item) => print(item, gap, escaped)).join(`${gap},${gap}`)}${gap}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, item]) => `${word(key)}${gap}:${gap}${print(item, gap, escaped)}`);
  return `{${gap}${members.join(`${gap},${gap}`)}${gap}}`;
}

test('what JSON.parse reads is read alike', () => {
  fc.assert(
    fc.property(jsonText, space, (text, gap) => {
      expect(scan(gap + text + gap).value).toEqual(JSON.parse(text));
    }),
  );
});

test('what JSON.parse refuses is refused, and the other way round but for duplicates and depth', () => {
  const cut = fc.tuple(jsonText, fc.nat(), fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }));
  fc.assert(
    fc.property(cut, ([text, at, length, inserted]) => {
      const from = at % (text.length + 1);
      const mutated = text.slice(0, from) + inserted + text.slice(from + (length % 4));
      const outcome = codeOf(() => scan(mutated));
      const parses = codeOf(() => JSON.parse(mutated)) === 'accepted';
      if (outcome === 'accepted') expect(parses).toBe(true);
      else if (parses) expect(outcome).toBe('INVALID_REQUEST');
      else expect(['PARSE_ERROR', 'INVALID_REQUEST']).toContain(outcome);
    }),
    { numRuns: 1_000 },
  );
});

test('an object that is read has its members where they stand', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), space, (value, gap) => {
      const text = print(value, gap, false);
      const { object } = scan(text, 2);
      if (object === undefined) throw new Error('no object');
      const members = rawMembers(text, object);
      expect(members.map((member) => member.key)).toEqual(Object.keys(value));
      // By way of JSON, which has no minus zero in what it writes.
      for (const member of members)
        expect(JSON.parse(member.text)).toEqual(JSON.parse(JSON.stringify(value[member.key])));
      expect(JSON.parse(joinMembers(members))).toEqual(JSON.parse(text));
      expect(outline(text, 2)).toEqual(object);
    }),
  );
});

test('members keep the spelling of numbers and strings', () => {
  const text = String.raw`{"a":1.0,"b":9007199254740993,"c":"\u0041\/","d":{"e":-0},"__proto__":[1E5]}`;
  const { object } = scan(text, 1);
  expect(object && joinMembers(rawMembers(text, object))).toBe(text);
});

test('members deeper than asked for are not recorded', () => {
  const { object } = scan('{"a":{"b":{"c":{}}},"d":[{}]}', 2);
  const inner = object?.members[0]?.object;
  expect(inner?.members.map((member) => member.key)).toEqual(['b']);
  expect(inner?.members[0]?.object).toBeUndefined();
  expect(object?.members[1]?.object).toBeUndefined();
});

test.each([
  ['{"a":1,"a":2}'],
  ['{"a":1,"\\u0061":2}'],
  ['[[{"x":{"a":1,"b":2,"a":3}}]]'],
  ['{"__proto__":1,"__proto__":2}'],
  ['{"":1,"":2}'],
  [`{${Array.from({ length: 20 }, (_, n) => `"k${n}":1`).join(',')},"k3":2}`],
  [`{${Array.from({ length: 20 }, (_, n) => `"k${n}":1`).join(',')},"k19":2}`],
])('a key that comes twice in one object is refused: %s', (text) => {
  expect(codeOf(() => scan(text))).toBe('INVALID_REQUEST');
});

test('the same key in two objects is fine', () => {
  expect(scan('{"a":{"a":[{"a":1},{"a":2}]}}').value).toEqual({ a: { a: [{ a: 1 }, { a: 2 }] } });
});

test.each([
  [64, 'accepted'],
  [65, 'INVALID_REQUEST'],
  [1_000_000, 'INVALID_REQUEST'],
])('nesting of %i levels is %s', (depth, outcome) => {
  expect(codeOf(() => scan('['.repeat(depth) + ']'.repeat(depth)))).toBe(outcome);
  expect(codeOf(() => scan(`${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`))).toBe(outcome);
});

test('text that would be slow to read is read in time', () => {
  const texts = [
    `"${'\\\\'.repeat(500_000)}"`,
    `"${String.raw`\"`.repeat(500_000)}"`,
    `{${Array.from({ length: 100_000 }, (_, n) => `"${n}":0`).join(',')}}`,
    `${' '.repeat(1_000_000)}1`,
    `[${'0,'.repeat(500_000)}0]`,
    '"'.repeat(1_000_001),
    '{"a":'.repeat(200_000),
  ];
  const started = performance.now();
  for (const text of texts) codeOf(() => scan(text));
  expect(performance.now() - started).toBeLessThan(2_000);
});

test('the elements of an array are its text', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 3 })), space, (values, gap) => {
      const elements = arrayElements(gap + print(values, gap, false) + gap);
      expect(elements?.map((element) => JSON.parse(element) as unknown)).toEqual(JSON.parse(JSON.stringify(values)));
    }),
  );
});

test.each(['{}', '1', '', '[1', '[1,]', '[1 2]', '[1]x', '[1],', '[]]', '[,]', '[{"a"}]'])(
  'text that is no array has no elements: %j',
  (text) => {
    expect(arrayElements(text)).toBeUndefined();
  },
);

test('a member is set in its place, or added at the end', () => {
  expect(withMember('{"a":1.0,"b":2.0}', 'a', '"x"')).toBe('{"a":"x","b":2.0}');
  expect(withMember('{"a":1.0}', 'b', 'null')).toBe('{"a":1.0,"b":null}');
  expect(withMember('{}', '__proto__', '1')).toBe('{"__proto__":1}');
});
