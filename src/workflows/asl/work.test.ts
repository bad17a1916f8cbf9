import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { JsonValue } from '../../core/ports.ts';
import { callIntrinsic } from './intrinsics.ts';
import { compileIntrinsic } from './intrinsic-parser.ts';
import { compilePath } from './json-path.ts';
import { applyPath } from './json-path-apply.ts';
import { isLargerThan, isSameJson } from './json-size.ts';
import { Work } from './work.ts';

function anyJson(depth = 0): JsonValue {
  const kind = randomInt(depth > 4 ? 5 : 7);
  if (kind < 5) return [null, true, 1, 'text', ''][kind] ?? null;
  const members = Array.from({ length: randomInt(4) }, () => anyJson(depth + 1));
  return kind === 5 ? members : Object.fromEntries(members.map((each, at) => [`k${at}`, each]));
}

const CHANCE = { uuid: () => 'u', random: () => 0.5 };
const intrinsic = (text: string, input: JsonValue, work?: Work): JsonValue =>
  callIntrinsic(compileIntrinsic(text), { input, context: () => null, variable: () => undefined, work }, CHANCE);

describe('the size of a value', () => {
  test('is judged as its JSON text has it, where a character is a byte', () => {
    for (let round = 0; round < 2000; round++) {
      const value = anyJson();
      const { length } = JSON.stringify(value).replaceAll(/true/g, 't').replaceAll(/null/g, 'n');
      expect([isLargerThan(value, length), isLargerThan(value, length - 1)], JSON.stringify(value)).toEqual([
        false,
        true,
      ]);
    }
  });

  test('is known without writing what is made of one thing many times, or holds itself too deep', () => {
    let doubled: JsonValue = ['x'.repeat(1000)];
    for (let round = 0; round < 40; round++) doubled = [doubled, doubled];
    expect(isLargerThan(doubled, 262_144)).toBe(true);
    let deep: JsonValue = 1;
    for (let round = 0; round < 100_000; round++) deep = [deep];
    expect(isLargerThan(deep, 262_144)).toBe(true);
  });
});

test('two values are the same JSON when Node says that they are equal', () => {
  let same = 0;
  for (let round = 0; round < 5000; round++) {
    const [one, other] = [anyJson(2), anyJson(2)];
    expect(isSameJson(one, other)).toBe(isDeepStrictEqual(one, other));
    expect(isSameJson(one, structuredClone(one))).toBe(true);
    same += Number(isSameJson(one, other));
  }
  expect(same).toBeGreaterThan(100);
  expect(isSameJson({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(true);
  expect(isSameJson(JSON.parse('{"__proto__":1}') as JsonValue, {})).toBe(false);
});

describe('what a state may look at', () => {
  const spent = (work: Work): { error: string } | undefined => {
    try {
      for (;;) work.values(100_000);
    } catch (error) {
      return error as { error: string };
    }
  };

  test('ends, and nothing catches it', () => {
    expect(spent(new Work())).toMatchObject({
      error: 'States.Runtime',
      cause: expect.stringContaining('looks at more'),
    });
  });

  test.each([
    ['comparisons of large values', `$..*..*[?(@ == $.a)]`],
    ['descents', '$..*..*'],
  ])('counts %s', (_title, path) => {
    const deep = (levels: number): JsonValue =>
      levels === 0 ? Array.from({ length: 500 }, () => 1) : { a: deep(levels - 1) };
    const work = new Work();
    const sources = { input: deep(20), context: () => null, variable: () => undefined, work };
    expect(() => {
      for (let round = 0; round < 1000; round++) applyPath(compilePath(path), sources);
    }).toThrow(expect.objectContaining({ error: 'States.Runtime' }));
  });

  test.each([
    ['States.JsonToString($.list)', 'its text is longer than 262144 characters'],
    ["States.Hash($.list, 'MD5')", 'its text is longer than 262144 characters'],
    ['States.ArrayUnique($.list)', 'the array is too large'],
    [`States.Format('${'{}'.repeat(100)}'${', $.text'.repeat(100)})`, 'the text is longer than 262144 characters'],
  ])('%s is refused for what is made of one thing many times', (text, why) => {
    const part = 'x'.repeat(10_000);
    const input = { text: part, list: Array.from({ length: 100 }, () => [part]) };
    expect(() => intrinsic(text, input)).toThrow(
      expect.objectContaining({ error: 'States.IntrinsicFailure', cause: expect.stringContaining(why) }),
    );
  });

  test('ArrayContains and StringSplit count', () => {
    const input = {
      list: Array.from({ length: 200 }, () => Array.from({ length: 1000 }, () => 1)),
      text: 'a,'.repeat(50_000),
    };
    for (const text of ['States.ArrayContains($.list, 1)', "States.StringSplit($.text, ',')"]) {
      const work = new Work();
      const before = work.units;
      intrinsic(text, input, work);
      expect(work.units - before).toBeGreaterThan(150);
    }
  });
});
