import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cleanSchema } from './clean-schema.ts';

/** Keywords that the strictest gateways know. */
const PLAIN = new Set(['type', 'description', 'properties', 'required', 'items', 'enum']);

function keywords(schema: unknown, found = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return found;
  for (const [key, value] of Object.entries(schema)) {
    found.add(key);
    if (key === 'properties') for (const each of Object.values(value as object)) keywords(each, found);
    if (key === 'items') keywords(value, found);
  }
  return found;
}

describe('3.17: a schema for strict gateways', () => {
  test('of the plain part stays as it is', () => {
    const schema = {
      type: 'object',
      properties: {
        a: { type: 'string', enum: ['x'], description: 'A' },
        b: { type: 'array', items: { type: 'number' } },
      },
      required: ['a'],
    };
    expect(cleanSchema(schema)).toEqual({ schema, changes: [] });
  });

  test('has references in place, also those within each other, and one that leads to itself ends', () => {
    const { schema, changes } = cleanSchema({
      type: 'object',
      properties: { tree: { $ref: '#/$defs/node' }, name: { $ref: '#/$defs/a~1b' } },
      $defs: {
        node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } },
        'a/b': { type: 'string', maxLength: 9 },
      },
    });
    expect(schema).toEqual({
      type: 'object',
      properties: {
        tree: { type: 'object', properties: { next: { type: 'object' } } },
        name: { type: 'string', description: '(maxLength: 9)' },
      },
    });
    expect(changes).toContain(
      '/properties/tree/properties/next: the reference #/$defs/node leads back to itself; an object is taken.',
    );
  });

  test.each<[string, object, object]>([
    ['an optional text', { anyOf: [{ type: 'string' }, { type: 'null' }] }, { type: 'string' }],
    ['a list of types', { type: ['integer', 'null'] }, { type: 'integer' }],
    ['named constants', { oneOf: [{ const: 'a', title: 'A' }, { const: 'b' }] }, { type: 'string', enum: ['a', 'b'] }],
    ['branches of one type', { anyOf: [{ type: 'string', pattern: 'x' }, { type: 'string' }] }, { type: 'string' }],
    ['a constant', { const: 3 }, { type: 'number', enum: [3] }],
    [
      'limits',
      { type: 'integer', minimum: 1, default: 2 },
      { type: 'integer', description: '(minimum: 1, default: 2)' },
    ],
    [
      'a tuple',
      { type: 'array', items: [{ type: 'string' }, { type: 'number' }] },
      { type: 'array', items: { type: 'string' } },
    ],
    [
      'parts that add up',
      {
        allOf: [
          { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
          { properties: { b: { type: 'string' } }, required: ['b'] },
        ],
      },
      { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } }, required: ['a', 'b'] },
    ],
  ])('says %s plainly', (_title, property, expected) => {
    expect(cleanSchema({ type: 'object', properties: { it: property } }).schema).toEqual({
      type: 'object',
      properties: { it: expected },
    });
  });

  test('a parameter may be called like a keyword or like a member of every object', () => {
    const properties = JSON.parse(
      '{"__proto__":{"type":"string"},"properties":{"type":"string"},"$ref":{"type":"string"}}',
    ) as object;
    const { schema } = cleanSchema({ type: 'object', properties });
    expect(JSON.stringify(schema)).toBe(`{"type":"object","properties":${JSON.stringify(properties)}}`);
  });

  test('has no other keyword, whatever was in it, and every level has a type', () => {
    const leaf = fc.record({
      type: fc.constantFrom('string', 'integer', ['string', 'null'], undefined),
      format: fc.string(),
      not: fc.constant({}),
    });
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.record({ anyOf: fc.array(tie('tree'), { maxLength: 3 }) }),
        fc.record({
          type: fc.constant('object'),
          properties: fc.dictionary(fc.string(), tie('tree'), { maxKeys: 3 }),
          additionalProperties: tie('tree'),
        }),
        fc.record({ items: tie('tree'), uniqueItems: fc.boolean() }),
      ),
    }));
    fc.assert(
      fc.property(tree, (property) => {
        const { schema } = cleanSchema({ type: 'object', properties: { it: property } });
        expect([...keywords(schema)].filter((key) => !PLAIN.has(key))).toEqual([]);
      }),
    );
  });
});
