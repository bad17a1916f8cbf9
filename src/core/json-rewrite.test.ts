import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { at, rewriteStrings } from './json-rewrite.ts';

const KEYS = new Set(['uri', '__proto__']);

test('text is the same when nothing is rewritten', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(4), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      expect(rewriteStrings(text, KEYS, () => undefined)).toBe(text);
    }),
  );
});

/** Replaces in the parsed value what the rewriter replaces in the text. */
function reference(value: unknown, watched: boolean): unknown {
  if (typeof value === 'string') return watched ? `x+${value}` : value;
  if (Array.isArray(value)) return value.map((item) => reference(item, watched));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, reference(item, KEYS.has(key))]));
}

test('strings under a watched key are rewritten, in arrays too, and nothing else', () => {
  const key = fc.constantFrom('uri', '__proto__', 'a', 'uri"', '\\uri');
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ depthSize: 'small' }, fc.string(), fc.integer(), fc.constant(null), tie('list'), tie('object')),
    list: fc.array(tie('tree'), { maxLength: 4 }),
    object: fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
  }));
  fc.assert(
    fc.property(tree, fc.nat(2), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      const rewritten = rewriteStrings(text, KEYS, (string) => `x+${string}`);
      expect(JSON.parse(rewritten)).toEqual(reference(JSON.parse(text), false));
    }),
  );
});

test('the path says where a string stands', () => {
  const seen: string[] = [];
  rewriteStrings('{"uri":"a","b":[{"uri":"c"},{"uri":["d",{"x":"no"}]}]}', KEYS, (value, path) => {
    seen.push(`${path.join('.')}=${value}`);
    return undefined;
  });
  expect(seen).toEqual(['uri=a', 'b.0.uri=c', 'b.1.uri.0=d']);
});

test('numbers, escapes and white space around a replaced string stay as they were', () => {
  const text = '{ "n":9007199254740993 ,\r\n"u" : "\\u0041", "uri"\t:\t"\\u0061" , "f":1.0}';
  expect(rewriteStrings(text, KEYS, (value) => `x+${value}`)).toBe(
    '{ "n":9007199254740993 ,\r\n"u" : "\\u0041", "uri"\t:\t"x+a" , "f":1.0}',
  );
});

test('a new value is escaped', () => {
  expect(rewriteStrings('{"uri":"a"}', KEYS, () => '"\\\n\ud800')).toBe(String.raw`{"uri":"\"\\\n\ud800"}`);
});

test('a large text is rewritten in time', () => {
  const entry = `{"uri":"${'\\\\'.repeat(50)}","text":"${String.raw`\"`.repeat(200)}"}`;
  const text = `[${Array.from({ length: 5_000 }, () => entry).join(',')}]`;
  const started = performance.now();
  rewriteStrings(text, KEYS, (value) => `x+${value}`);
  expect(performance.now() - started).toBeLessThan(2_000);
});

test('a path is followed through own members only', () => {
  const value = JSON.parse('{"a":[{"b":1}],"__proto__":{"c":2}}') as unknown;
  expect(at(value, ['a', 0, 'b'])).toBe(1);
  expect(at(value, ['__proto__', 'c'])).toBe(2);
  expect(at(value, ['constructor', 'name'])).toBeUndefined();
  expect(at({}, ['toString'])).toBeUndefined();
  expect(at(value, ['a', 'length'])).toBeUndefined();
});
