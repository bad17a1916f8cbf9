import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Definition } from '../../core/target.ts';
import { decodeHeaderValue } from '../../protocol/era-2026.ts';
import { encodeHeaderValue, headerObjection, parameterHeaders } from './param-headers.ts';

function tool(inputSchema: Record<string, unknown>): Definition {
  const value = { name: 't', inputSchema };
  return { kind: 'tool', key: 't', text: JSON.stringify(value), value };
}

const string = (header: unknown): Record<string, unknown> => ({ type: 'string', 'x-mcp-header': header });

describe('header values', () => {
  test.each([
    ['us-west1', 'us-west1'],
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
  ])('encode %j as the specification does', (value, expected) => {
    expect(encodeHeaderValue(value)).toBe(expected);
  });

  test('survive the way to a server whatever they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const encoded = encodeHeaderValue(value);
        expect(encoded).toMatch(/^[\x20-\x7e\t]+$/);
        expect(decodeHeaderValue(encoded)).toBe(value);
      }),
    );
  });
});

describe('mirrored parameters', () => {
  const nested = tool({
    type: 'object',
    properties: {
      region: string('Region'),
      count: { type: 'integer', 'x-mcp-header': 'Count' },
      deep: { type: 'object', properties: { flag: { type: 'boolean', 'x-mcp-header': 'Flag' } } },
    },
  });

  test('are read at their exact path and rendered by type', () => {
    expect(parameterHeaders(nested, () => ({ region: 'é', count: -7, deep: { flag: false } }))).toEqual({
      'Mcp-Param-Region': '=?base64?w6k=?=',
      'Mcp-Param-Count': '-7',
      'Mcp-Param-Flag': 'false',
    });
  });

  test('have no header when the argument is absent or null', () => {
    expect(parameterHeaders(nested, () => ({ region: null, deep: {} }))).toEqual({});
    expect(parameterHeaders(nested, () => undefined)).toEqual({});
    expect(parameterHeaders(tool({ type: 'object' }), () => ({ a: 1 }))).toBeUndefined();
  });

  test.each([
    ['an empty name', { properties: { a: string('') } }],
    ['a name that is no string', { properties: { a: string(7) } }],
    ['a line break in the name', { properties: { a: string('A\r\nB') } }],
    ['a space in the name', { properties: { a: string('A B') } }],
    ['a number', { properties: { a: { type: 'number', 'x-mcp-header': 'A' } } }],
    ['an object', { properties: { a: { type: 'object', 'x-mcp-header': 'A' } } }],
    ['no type', { properties: { a: { 'x-mcp-header': 'A' } } }],
    ['the same name in another case', { properties: { a: string('A'), b: string('a') } }],
    ['items', { properties: { a: { type: 'array', items: string('A') } } }],
    ['a composition', { anyOf: [{ properties: { a: string('A') } }] }],
    ['a condition', { if: { properties: { a: string('A') } } }],
    ['a shared definition', { $defs: { d: string('A') } }],
    ['the schema itself', string('A')],
  ])('refuse a tool with %s', (_name, schema) => {
    expect(headerObjection(tool(schema))).toMatch(/x-mcp-header/);
  });

  test('accept valid tools, and data that only looks like an annotation', () => {
    expect(headerObjection(nested)).toBeUndefined();
    expect(headerObjection(tool({ properties: { a: { enum: [{ 'x-mcp-header': '' }] } } }))).toBeUndefined();
  });
});
