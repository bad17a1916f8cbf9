import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { definitionDigest } from './digest.ts';
import { toInputSchema } from './parameters.ts';
import { ProblemList } from './problem-list.ts';
import { MAX_SCHEMA_BYTES, MAX_SUBSCHEMAS } from './schema-bounds.ts';
import { argumentProblem, schemaProblem } from './validate-arguments.ts';

function convert(parameters: unknown): { schema: unknown; problems: readonly { path: string; message: string }[] } {
  const problems = new ProblemList();
  const schema = toInputSchema(parameters, 'parameters', problems);
  return { schema: JSON.parse(JSON.stringify(schema)), problems: problems.problems };
}

async function problemOf(parameters: unknown, args: unknown): Promise<string | undefined> {
  const problems = new ProblemList();
  const schema = toInputSchema(parameters, 'parameters', problems);
  expect(problems.problems).toEqual([]);
  return argumentProblem(definitionDigest('t', '', schema), schema, args);
}

test.each([
  [
    'the printed registration',
    { payload: 'object' },
    { type: 'object', properties: { payload: {} }, required: ['payload'] },
  ],
  [
    'words',
    { a: 'string', b: 'number', c: 'boolean', d: 'integer', e: 'array' },
    {
      type: 'object',
      properties: {
        a: { type: 'string' },
        b: { type: 'number' },
        c: { type: 'boolean' },
        d: { type: 'integer' },
        e: { type: 'array' },
      },
      required: ['a', 'b', 'c', 'd', 'e'],
    },
  ],
  [
    'an optional parameter',
    { a: { type: 'string', optional: true } },
    { type: 'object', properties: { a: { type: 'string' } } },
  ],
  [
    'an array of a word',
    { a: { type: 'array', items: 'string' } },
    { type: 'object', properties: { a: { type: 'array', items: { type: 'string' } } }, required: ['a'] },
  ],
  [
    'an array of shorthand objects',
    { a: { type: 'array', items: { type: 'object', properties: { x: 'number' } } } },
    {
      type: 'object',
      properties: {
        a: { type: 'array', items: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] } },
      },
      required: ['a'],
    },
  ],
  [
    'a nested object',
    { a: { type: 'object', properties: { x: 'string', y: { type: 'number', optional: true } } } },
    {
      type: 'object',
      properties: {
        a: { type: 'object', properties: { x: { type: 'string' }, y: { type: 'number' } }, required: ['x'] },
      },
      required: ['a'],
    },
  ],
  [
    'a JSON Schema for one parameter',
    { a: { type: 'string', enum: ['x'], description: 'd' } },
    { type: 'object', properties: { a: { type: 'string', enum: ['x'], description: 'd' } }, required: ['a'] },
  ],
  [
    'a JSON Schema object for one parameter',
    { a: { type: 'object', properties: { x: { type: 'string' } }, required: [] } },
    {
      type: 'object',
      properties: { a: { type: 'object', properties: { x: { type: 'string' } }, required: [] } },
      required: ['a'],
    },
  ],
  [
    'a full JSON Schema',
    { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false },
    { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false },
  ],
  ['a bare object schema', { type: 'object' }, { type: 'object' }],
  [
    'a parameter named type',
    { type: 'string' },
    { type: 'object', properties: { type: { type: 'string' } }, required: ['type'] },
  ],
  [
    'parameters named type and payload',
    { type: 'object', payload: 'string' },
    { type: 'object', properties: { type: {}, payload: { type: 'string' } }, required: ['type', 'payload'] },
  ],
  ['no parameters', {}, { type: 'object', properties: {} }],
  [
    'a parameter named __proto__',
    JSON.parse('{"__proto__":"string"}'),
    JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string"}},"required":["__proto__"]}'),
  ],
])('%s becomes a schema', (_title, parameters, schema) => {
  expect(convert(parameters)).toEqual({ schema, problems: [] });
});

test.each([
  ['a string', 'x', 'parameters'],
  ['an unknown word', { a: 'strin' }, 'parameters.a'],
  ['a number as type', { a: 3 }, 'parameters.a'],
  ['an optional that is no boolean', { a: { type: 'string', optional: 'yes' } }, 'parameters.a.optional'],
  [
    'a foreign reference',
    { type: 'object', properties: { a: { $ref: 'https://example.com/s.json' } } },
    'parameters.properties.a.$ref',
  ],
  [
    'a reference to nothing',
    { type: 'object', properties: { a: { $ref: '#/$defs/none' } } },
    'parameters.properties.a.$ref',
  ],
  [
    'a reference into data',
    { type: 'object', examples: [{ $ref: 'http://x' }], properties: { a: { $ref: '#/examples/0' } } },
    'parameters.properties.a.$ref',
  ],
  ['an $id', { type: 'object', $id: 'http://x' }, 'parameters.$id'],
  [
    'a dynamic reference',
    { type: 'object', properties: { a: { $dynamicRef: '#x' } } },
    'parameters.properties.a.$dynamicRef',
  ],
  ['a look-ahead', { a: { type: 'string', pattern: '(?=x)' } }, 'parameters.properties.a.pattern'],
  ['a bad pattern property', { type: 'object', patternProperties: { '(': {} } }, 'parameters.patternProperties'],
  ['another dialect', { $schema: 'http://json-schema.org/draft-04/schema#', type: 'object' }, 'parameters.$schema'],
  ['a schema of a string', { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'string' }, 'parameters'],
  ['too many bytes', { a: { type: 'string', description: 'x'.repeat(MAX_SCHEMA_BYTES) } }, 'parameters'],
  [
    'too many subschemas',
    { type: 'object', anyOf: Array.from({ length: MAX_SUBSCHEMAS + 1 }, () => ({})) },
    'parameters',
  ],
])('%s is refused where it stands', (_title, parameters, path) => {
  expect(convert(parameters).problems.map((problem) => problem.path)).toContain(path);
});

test('nesting is refused beyond 32 levels in both forms and never overflows the stack', () => {
  const nest = (depth: number, make: (inner: unknown) => unknown): unknown =>
    depth === 0 ? { type: 'string' } : make(nest(depth - 1, make));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), (depth) => {
      const shorthand = convert({ a: nest(depth, (inner) => ({ type: 'array', items: inner })) });
      const full = convert({ type: 'object', properties: { a: nest(depth, (items) => ({ type: 'array', items })) } });
      expect(shorthand.problems.length > 0).toBe(depth > 30);
      expect(full.problems.length > 0).toBe(depth > 30);
    }),
  );
});

test('whatever is sent as parameters yields a schema that compiles, or problems', async () => {
  const word = fc.constantFrom<unknown>(
    'string',
    'object',
    'array',
    'integer',
    'nope',
    { type: 'string', optional: true },
    { type: 'array', items: 'number' },
    { type: 'strng' },
    7,
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.dictionary(fc.string({ maxLength: 12 }), word),
        fc.json().map((text): unknown => JSON.parse(text)),
      ),
      async (parameters) => {
        const problems = new ProblemList();
        const schema = toInputSchema(parameters, 'parameters', problems);
        if (!problems.isEmpty) return;
        const broken = await schemaProblem(schema);
        if (broken === undefined)
          expect(await argumentProblem(definitionDigest('p', '', schema), schema, {})).toSatisfy(
            (text) => text === undefined || typeof text === 'string',
          );
      },
    ),
    { numRuns: 60 },
  );
});

test.each([
  ['the printed call', { payload: 'object' }, { payload: 'data_input' }, undefined],
  ['any JSON value for the word object', { payload: 'object' }, { payload: [1, null] }, undefined],
  ['a missing parameter', { payload: 'object' }, {}, 'Parameter "payload" is missing.'],
  ['a wrong type', { n: 'integer' }, { n: 'x' }, 'Parameter "n" must be integer.'],
  ['a nested one', { a: { type: 'object', properties: { x: 'string' } } }, { a: {} }, 'Parameter "a.x" is missing.'],
  [
    'an unknown one',
    { type: 'object', properties: { city: {} }, additionalProperties: false },
    { town: 1 },
    'Parameter "town" is not known. Known parameters: city.',
  ],
  [
    'a value outside the enumeration',
    { c: { enum: ['red', 'blue'] } },
    { c: 'green' },
    'Parameter "c" must be one of ["red","blue"].',
  ],
  ['a pattern', { d: { type: 'string', pattern: '^\\d+$' } }, { d: 'x' }, 'Parameter "d" must match pattern "^\\d+$".'],
  [
    'equal elements',
    { l: { type: 'array', uniqueItems: true } },
    {
      l: [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
    },
    'Parameter "l" must not hold the same element twice.',
  ],
  ['no object at all', { a: 'string' }, [1], 'The arguments object must be object.'],
  [
    'a draft-07 schema',
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      properties: { a: { type: 'array', items: [{ type: 'string' }] } },
    },
    { a: [1] },
    'Parameter "a.0" must be string.',
  ],
])('%s is judged by name', async (_title, parameters, args, expected) => {
  expect(await problemOf(parameters, args)).toBe(expected);
});

test.each([
  [
    'doubles at every level',
    {
      type: 'object',
      properties: { a: { $ref: '#/$defs/d0' } },
      $defs: Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [
          `d${i}`,
          i === 39 ? {} : { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
        ]),
      ),
    },
    { a: 1 },
  ],
  [
    'refers to itself',
    { type: 'object', properties: { a: { $ref: '#/$defs/d' } }, $defs: { d: { $ref: '#/$defs/d' } } },
    { a: 1 },
  ],
  [
    'has costly patterns for a long text',
    { type: 'object', properties: { a: { type: 'string', pattern: '(?:a?){200}b$' } } },
    { a: 'a'.repeat(1_000_000) },
  ],
])('a schema that %s ends within its budget', async (_title, parameters, args) => {
  const started = performance.now();
  expect(await problemOf(parameters, args)).toContain('within its limits');
  expect(performance.now() - started).toBeLessThan(5000);
});

test('a schema that says nonsense is named as such', async () => {
  expect(await schemaProblem({ type: 'object', properties: { a: { type: 'strng' } } })).toContain(
    'is not a valid JSON Schema',
  );
});

test('the digest ignores the order of keys and notices every change', () => {
  const digest = definitionDigest('n', 'd', { a: 1, b: [1, 2] });
  expect(definitionDigest('n', 'd', { b: [1, 2], a: 1 })).toBe(digest);
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
  for (const other of [
    definitionDigest('n', 'd', { a: 1, b: [2, 1] }),
    definitionDigest('n', 'e', { a: 1, b: [1, 2] }),
    definitionDigest('m', 'd', { a: 1, b: [1, 2] }),
  ]) {
    expect(other).not.toBe(digest);
  }
});

test('a validation that spent its budget leaves later schemas theirs', async () => {
  const costly = { type: 'object', properties: { a: { type: 'string', pattern: '(?:a?){200}b$' } } };
  expect(await problemOf(costly, { a: 'a'.repeat(1_000_000) })).toContain('within its limits');
  expect(
    await schemaProblem({ type: 'object', properties: { n: { type: 'string', pattern: '^x+$' } } }),
  ).toBeUndefined();
  expect(
    await problemOf({ type: 'object', properties: { m: { type: 'string', pattern: '^y+$' } } }, { m: 'yy' }),
  ).toBeUndefined();
});
