import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonValue } from '../../core/ports.ts';
import { compileIntrinsic, isRandomCall } from './intrinsic-parser.ts';
import { callIntrinsic } from './intrinsics.ts';
import { PathSyntaxError } from './json-path-lexer.ts';
import { isRandomTemplate } from './payload-template.ts';
import { StatesError } from './states-error.ts';

const CHANCE = { uuid: () => 'id', random: () => 0.999 };

function call(text: string, input: JsonValue = {}): JsonValue {
  const sources = { input, context: () => null, variable: () => undefined };
  return callIntrinsic(compileIntrinsic(text), sources, CHANCE);
}

test.each([
  '',
  'States.Nope()',
  'Nope()',
  'States.Format',
  'States.Format()',
  "States.Format('a",
  "States.Format('a',)",
  'States.Array(1',
  'States.UUID(1)',
  'States.Hash(1)',
  'States.MathAdd(1, 2) x',
  "States.Array('a' 'b')",
  'States.Array($.a[)',
  'States.Array(--1)',
  `${'States.Array('.repeat(11)}${')'.repeat(11)}`,
  "States.Format('a\\",
  'constructor()',
])('%s is refused with its place', (text) => {
  expect(() => compileIntrinsic(text)).toThrow(PathSyntaxError);
});

test('ten calls in one another are allowed', () => {
  expect(call(`${'States.Array('.repeat(10)}${')'.repeat(10)}`)).toEqual([[[[[[[[[[]]]]]]]]]]);
});

test('the end of MathRandom is never reached', () => {
  expect(call('States.MathRandom(1, 10)')).toBe(9);
});

test('a seed makes MathRandom steady, and only without one it is random', () => {
  expect(call('States.MathRandom(1, 1000, 5)')).toBe(call('States.MathRandom(1, 1000, 5)'));
  const isRandom = (text: string): boolean => isRandomCall(compileIntrinsic(text));
  expect(['States.UUID()', 'States.MathRandom(1, 2)', 'States.Array(States.UUID())'].map(isRandom)).toEqual([
    true,
    true,
    true,
  ]);
  expect(['States.MathRandom(1, 2, 3)', 'States.Array(1)'].map(isRandom)).toEqual([false, false]);
  expect(isRandomTemplate({ a: [{ 'b.$': 'States.UUID()' }] })).toBe(true);
  expect(isRandomTemplate({ a: 'States.UUID()', 'b.$': '$.c' })).toBe(false);
});

test('a long string is refused where the service refuses it', () => {
  const input = { s: 'x'.repeat(10_001) };
  for (const text of ['States.Base64Encode($.s)', "States.Hash($.s, 'MD5')", 'States.Base64Decode($.s)']) {
    expect(() => call(text, input)).toThrow(expect.objectContaining({ error: 'States.IntrinsicFailure' }));
  }
});

test('unique items of a long array are found in time', () => {
  const input = { a: Array.from({ length: 50_000 }, (_, index) => index % 1000) };
  expect((call('States.ArrayUnique($.a)', input) as number[]).length).toBe(1000);
});

const NAMES =
  'Format StringToJson JsonToString Array ArrayPartition ArrayContains ArrayRange ArrayGetItem ArrayLength ArrayUnique Base64Encode Base64Decode Hash JsonMerge MathRandom MathAdd StringSplit UUID'.split(
    ' ',
  );

test('whatever the text, parsing ends with a call or the one error', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ...NAMES.map((name) => `States.${name}(`),
      ')',
      ',',
      "'",
      '\\',
      '$',
      '$.a',
      'null',
      '-1',
      '1.5e3',
      ' ',
      '{}',
    ),
    fc.string({ maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 15 }), (pieces) => {
      try {
        compileIntrinsic(pieces.join(''));
      } catch (error) {
        expect(error).toBeInstanceOf(PathSyntaxError);
      }
    }),
    { numRuns: 3000 },
  );
});

test('whatever the arguments, a call ends with JSON or States.IntrinsicFailure', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...NAMES),
      fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 3 }),
      (name, values) => {
        const input = Object.fromEntries(values.map((value, index) => [`v${index}`, value])) as JsonValue;
        const text = `States.${name}(${values.map((_, index) => `$.v${index}`).join(', ')})`;
        try {
          expect(JSON.stringify(call(text, input))).toBeTypeOf('string');
        } catch (error) {
          if (error instanceof PathSyntaxError) return;
          expect(error).toBeInstanceOf(StatesError);
          expect((error as StatesError).error).toBe('States.IntrinsicFailure');
        }
      },
    ),
    { numRuns: 2000 },
  );
});
