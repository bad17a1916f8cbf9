import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonValue } from '../../core/ports.ts';
import { compilePath } from './json-path.ts';
import { applyPath, PathFailure } from './json-path-apply.ts';
import { PathSyntaxError } from './json-path-lexer.ts';
import { placeResult } from './result-path.ts';

const STORE = {
  store: {
    book: [
      { title: 'A', price: 8.95, tags: ['x'], isbn: '1' },
      { title: 'B', price: 12.99, tags: [] },
      { title: 'C', price: 8.99, tags: ['x', 'y'], isbn: '2' },
    ],
    'odd name': { 'a.b': 1 },
  },
  limit: 10,
  list: [0, 1, 2, 3, 4],
};

function at(path: string, input: JsonValue = STORE): JsonValue {
  return applyPath(compilePath(path), {
    input,
    context: () => ({ Execution: { Id: 'x' } }),
    variable: (name) => (name === 'known' ? { deep: [7] } : undefined),
  });
}

test.each<[string, JsonValue]>([
  ['$.store.book[0].title', 'A'],
  ["$['store']['book'][1]['price']", 12.99],
  ["$.store['odd name']['a.b']", 1],
  ['$.store.odd\\ name.a\\.b', 1],
  ['$.list[-1]', 4],
  ['$.list[1:3]', [1, 2]],
  ['$.list[-2:]', [3, 4]],
  ['$.list[:2]', [0, 1]],
  ['$.list[::2]', [0, 2, 4]],
  ['$.list[0,2]', [0, 2]],
  ['$.store.book[*].title', ['A', 'B', 'C']],
  ['$..title', ['A', 'B', 'C']],
  ['$..book[0].title', ['A']],
  ['$.store.book[?(@.price < 10)].title', ['A', 'C']],
  ['$.store.book[?(@.price < $.limit && @.isbn)].isbn', ['1', '2']],
  ['$.store.book[?(@.isbn == null || !@.isbn)].title', ['B']],
  ['$.store.book[?(@.title == \'B\' || @.title == "C")].title', ['B', 'C']],
  ["$.store.book[?('y' in @.tags)].title", ['C']],
  ["$.store.book[?(@.tags contains 'x')].title", ['A', 'C']],
  ['$.store.book[?(@.tags empty true)].title', ['B']],
  ['$.store.book[?(@.tags size 2)].title', ['C']],
  ["$.store.book[?(@.title nin ['A','B'])].title", ['C']],
  ['$.store.book[?((@.price > 9 && @.price < 100) && !(@.title == "A"))].title', ['B']],
  ['$.store.book[?(@.nope > 1)]', []],
  ["$.store.book[0]['title','price']", { title: 'A', price: 8.95 }],
  ['$.store.book.length()', 3],
  ['$.list.max()', 4],
  ['$.list.sum()', 10],
  ['$.list.avg()', 2],
  ['$.store.book[0].keys()', ['title', 'price', 'tags', 'isbn']],
  ['$$.Execution.Id', 'x'],
  ['$known.deep[0]', 7],
  ['$known', { deep: [7] }],
])('%s selects', (path, expected) => {
  expect(at(path)).toEqual(expected);
});

test.each(['$.nope', '$.store.book[9]', '$.list.title', '$unknown', '$.store.nope.deeper', '$.limit.max()'])(
  '%s leads nowhere',
  (path) => {
    expect(() => at(path)).toThrow(PathFailure);
  },
);

test.each([
  '',
  'a',
  '.a',
  '$.',
  '$..',
  '$[',
  '$[]',
  '$.a[',
  '$.a[1',
  '$.a[x]',
  '$.a b',
  "$['a",
  '$.a[?(@.x]',
  '$.a[?(@.x =~ /re/)]',
  '$.a[?()]',
  '$.a[1:2:0]',
  '$.a.nope()',
  '$.a.length().b',
  '$.a[0,]',
  '$.a\\',
  '$$$',
  `$${'.a'.repeat(6000)}`,
  `$.a[?(${'('.repeat(60)}@.x${')'.repeat(60)})]`,
])('%s is refused with its place', (path) => {
  expect(() => compilePath(path)).toThrow(PathSyntaxError);
});

test('keys of every object are not found in others', () => {
  for (const key of ['constructor', '__proto__', 'toString', 'length'])
    expect(() => at(`$.store.${key}`)).toThrow(PathFailure);
});

test('a path that would look at too much ends', () => {
  const wide = Array.from({ length: 60 }, () => Array.from({ length: 60 }, () => [1, 2, 3]));
  expect(() => at('$..*..*..*', wide)).toThrow(/more than 200000 values/);
});

test('a reference path is told from others', () => {
  expect(['$.a[0].b', '$', "$['a']"].map((path) => compilePath(path).isReference)).toEqual([true, true, true]);
  expect(['$.a[*]', '$.a[-1]', '$..a', '$.a[?(@.x)]', '$.a[0,1]'].map((path) => compilePath(path).isReference)).toEqual(
    Array.from({ length: 5 }, () => false),
  );
});

const piece = fc.oneof(
  fc.constantFrom(
    '.',
    '..',
    '*',
    '[',
    ']',
    '(',
    ')',
    '?',
    '@',
    '$',
    '$$',
    "'",
    '"',
    ',',
    ':',
    '-',
    '\\',
    ' ',
    '&&',
    '||',
  ),
  fc.constantFrom(
    '!',
    '==',
    '<',
    'in',
    'true',
    'null',
    '0',
    '12',
    'a',
    'length()',
    '.a',
    '[0]',
    "['x']",
    '[?(@.a>1)]',
    '[*]',
  ),
  fc.string({ maxLength: 3 }),
);

test('whatever the text, parsing ends with a path or the one error', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
      try {
        compilePath(`$${pieces.join('')}`);
      } catch (error) {
        expect(error).toBeInstanceOf(PathSyntaxError);
      }
    }),
    { numRuns: 3000 },
  );
});

test('whatever the value, applying ends with a value or the one error', () => {
  const paths = [
    '$..*',
    '$..a[?(@.b == @.c)]',
    '$.a[*].b',
    '$[0:2]',
    '$.a.length()',
    "$['a','b']",
    '$[?(@ > 1)]',
    '$..[0]',
  ];
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 5 }), (path, value) => {
      try {
        at(path, value as JsonValue);
      } catch (error) {
        expect(error).toBeInstanceOf(PathFailure);
      }
    }),
    { numRuns: 1000 },
  );
});

describe('placeResult', () => {
  test('what was placed is found again, and nothing of the input is changed', () => {
    const key = fc.constantFrom('a', 'b', '__proto__', 'c d', 'é');
    fc.assert(
      fc.property(fc.array(key, { minLength: 1, maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }), (keys, result) => {
        const path = compilePath(`$${keys.map((each) => `['${each}']`).join('')}`);
        const input = Object.freeze({ kept: 1 });
        const placed = placeResult(input, path, result as JsonValue);
        expect(applyPath(path, { input: placed, context: () => null, variable: () => undefined })).toEqual(result);
        expect((placed as { kept: number }).kept).toBe(1);
        expect(Object.getPrototypeOf({})).toBe(Object.prototype);
        expect(input).toEqual({ kept: 1 });
      }),
    );
  });

  test.each([
    ['$.a.b', { a: 1 }],
    ['$.a[3]', { a: [1] }],
    ['$[0]', { a: 1 }],
    ['$.a', [1]],
  ])('%s has no place in some values', (path, input) => {
    expect(() => placeResult(input as JsonValue, compilePath(path), 1)).toThrow(
      expect.objectContaining({ error: 'States.ResultPathMatchFailure' }),
    );
  });
});
