import { assert, jsonValue, property, string } from 'fast-check';
import { expect, test } from 'vitest';
import { toolArguments } from './tool-arguments.ts';

test.each([
  [['name=Ada'], undefined, '{"name":"Ada"}'],
  [['url=http://a/?b=c'], undefined, '{"url":"http://a/?b=c"}'],
  [['empty='], undefined, '{"empty":""}'],
  [['count:=3', 'on:=true', 'list:=[1, 2]'], undefined, '{"count":3,"on":true,"list":[1, 2]}'],
  [['id:=12345678901234567890'], undefined, '{"id":12345678901234567890}'],
  [[], '{"a":1.0,"id":9007199254740993}', '{"a":1.0,"id":9007199254740993}'],
  [['a=two'], '{"a":1,"b":2}', '{"a":"two","b":2}'],
  [['__proto__=x'], undefined, '{"__proto__":"x"}'],
  [[], undefined, '{}'],
])('the words %j over --json %j are sent as %s', (words, json, text) => {
  expect(toolArguments(words, json).text).toBe(text);
});

test.each([
  [['Ada'], undefined, 'is no argument'],
  [['=Ada'], undefined, 'is no argument'],
  [[':=1'], undefined, 'has no key'],
  [['a=1', 'a=2'], undefined, 'given twice'],
  [['a:={'], undefined, 'the value of "a"'],
  [['a:='], undefined, 'the value of "a"'],
  [['a:=1,"b":2'], undefined, 'the value of "a"'],
  [[], '[1]', 'needs a JSON object'],
  [[], 'null', 'needs a JSON object'],
  [[], '{"a":1', '--json'],
  [[], '{"a":1,"a":2}', 'appears twice'],
])('the words %j over --json %j are refused', (words, json, reason) => {
  expect(() => toolArguments(words, json)).toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(reason) }),
  );
});

test('any string survives as key and value', () => {
  const key = string({ minLength: 1 }).filter((text) => !text.includes('=') && !text.endsWith(':'));
  assert(
    property(key, string(), (name, value) => {
      expect(Object.entries(toolArguments([`${name}=${value}`]).value)).toEqual([[name, value]]);
    }),
  );
});

test('any JSON value survives as it is', () => {
  assert(
    property(jsonValue(), (value) => {
      expect(toolArguments([`value:=${JSON.stringify(value)}`]).text).toBe(`{"value":${JSON.stringify(value)}}`);
    }),
  );
});
