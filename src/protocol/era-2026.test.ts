import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { PlatformError } from '../core/errors.ts';
import { checkHeaderParameters, decodeHeaderValue, encodeModernResult, headerParameters } from './era-2026.ts';

const options = { serverInfo: '{"name":"zp"}' };
const INFO = '"io.modelcontextprotocol/serverInfo":{"name":"zp"}';

test.each([
  ['{}', `{"resultType":"complete","_meta":{${INFO}}}`],
  ['{ }\n', `{ "resultType":"complete","_meta":{${INFO}}}`],
  ['{"a":1.0}', `{"a":1.0,"resultType":"complete","_meta":{${INFO}}}`],
  ['{"a":"}"}', `{"a":"}","resultType":"complete","_meta":{${INFO}}}`],
  ['{"resultType":"task","a":1.0}', `{"resultType":"task","a":1.0,"_meta":{${INFO}}}`],
  ['{"_meta":{"x":1.0},"resultType":"complete"}', `{"_meta":{"x":1.0,${INFO}},"resultType":"complete"}`],
  ['{"_meta":{},"a":1}', `{"_meta":{${INFO}},"a":1,"resultType":"complete"}`],
  [
    '{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"}}}',
    `{"_meta":{"io.zeroplane/upstreamServerInfo":{"name":"up"},${INFO}},"resultType":"complete"}`,
  ],
])('%j is completed', (text, expected) => {
  expect(encodeModernResult(text, options)).toBe(expected);
});

test.each([
  ['{"contents":[]}', '"ttlMs":0,"cacheScope":"private"'],
  ['{"contents":[],"ttlMs":5}', '"cacheScope":"private"'],
  ['{"contents":[],"ttlMs":5,"cacheScope":"public"}', '"ttlMs":5,"cacheScope":"public"'],
])('a cacheable result has hints: %s', (text, hints) => {
  expect(encodeModernResult(text, { ...options, cacheable: true })).toContain(hints);
});

test('a question is never cacheable', () => {
  const text = encodeModernResult('{"resultType":"input_required"}', { ...options, cacheable: true });
  expect(text).not.toMatch(/ttlMs|cacheScope/);
});

test.each(['[]', '1', '"{}"', '', '{'])('a result that is no object is the target’s fault: %j', (text) => {
  expect(() => encodeModernResult(text, options)).toThrow(
    expect.objectContaining({ code: 'TARGET_PROTOCOL_ERROR' }) as PlatformError,
  );
});

test('any object is completed and otherwise equal', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(2), (value, indent) => {
      fc.pre(!['_meta', 'resultType'].some((key) => Object.hasOwn(value, key)));
      const text = JSON.stringify(value, undefined, indent);
      const completed = JSON.parse(encodeModernResult(text, options)) as Record<string, unknown>;
      const { resultType, _meta, ...rest } = completed;
      expect(resultType).toBe('complete');
      expect(_meta).toEqual({ 'io.modelcontextprotocol/serverInfo': { name: 'zp' } });
      const { ...parsed } = JSON.parse(text) as object;
      expect(rest).toEqual(parsed);
    }),
  );
});

test('a header value in Base64 is read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(decodeHeaderValue(`=?base64?${Buffer.from(text).toString('base64')}?=`)).toBe(text);
    }),
  );
});

test.each([
  ['plain', 'plain'],
  ['  plain ', 'plain'],
  ['=?base64?', '=?base64?'],
  ['=?base64?=', '=?base64?='],
  ['=?base64??=', ''],
  ['=?base64?YQ==?=', 'a'],
  ['=?base64?YQ?=', undefined],
  ['=?base64?Y-_=?=', undefined],
  ['=?base64?/w==?=', undefined],
  ['=?base64?YQ==?= x', '=?base64?YQ==?= x'],
])('the header value %j means %j', (raw, value) => {
  expect(decodeHeaderValue(raw)).toBe(value);
});

test('header arguments are found at every depth, and bad names are passed over', () => {
  const schema = {
    properties: {
      a: { 'x-mcp-header': 'A' },
      b: { properties: { c: { 'x-mcp-header': 'C' }, __proto__: { 'x-mcp-header': 'never' } } },
      d: { 'x-mcp-header': 'bad name' },
      e: { 'x-mcp-header': 'in\r\njected' },
      f: { 'x-mcp-header': 7 },
    },
  };
  expect(headerParameters(schema)).toEqual([
    { header: 'A', path: ['a'] },
    { header: 'C', path: ['b', 'c'] },
  ]);
  let deep: Record<string, unknown> = { 'x-mcp-header': 'X' };
  for (let level = 0; level < 10_000; level++) deep = { properties: { a: deep } };
  expect(headerParameters(deep)).toEqual([]);
});

const outcome = (args: unknown, headers: Record<string, string>): string => {
  try {
    checkHeaderParameters([{ header: 'N', path: ['n'] }], args, headers);
    return 'equal';
  } catch (error) {
    return error instanceof PlatformError ? error.code : 'another error';
  }
};

test('a number equals its header in any JSON spelling, and nothing else', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (n) => {
      for (const spelling of [JSON.stringify(n), n.toExponential(20)])
        expect(outcome({ n }, { 'mcp-param-n': spelling })).toBe('equal');
      for (const other of ['', ' ', '0x1', '1_0', 'NaN', 'Infinity', '--1', `${n}x`])
        expect(outcome({ n }, { 'mcp-param-n': other })).toBe('HEADER_MISMATCH');
    }),
  );
});

test('arguments that are no object have no header', () => {
  for (const args of [undefined, null, [], 'n', 1]) {
    expect(outcome(args, {})).toBe('equal');
    expect(outcome(args, { 'mcp-param-n': '1' })).toBe('HEADER_MISMATCH');
  }
});
