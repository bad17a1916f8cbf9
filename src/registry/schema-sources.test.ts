import { expect, test } from 'vitest';

import { describedSchema } from './described-format.ts';
import { toolDescription } from './discovery/naming.ts';
import type { ConfiguredFunction } from './published-functions.ts';
import { schemaFromRegistry } from './registry-schema.ts';
import { chooseSchemas } from './schema-sources.ts';
import { argumentProblem } from './validate-arguments.ts';

const named = (name: string) => ({ type: 'object', properties: { [name]: { type: 'string' } } });

const DESCRIPTION = 'Finds. Expected format: {"described": "string"}';
const all: ConfiguredFunction = {
  name: 'crm',
  schema: named('given'),
  taggedSchema: named('tagged'),
  sidecar: () => named('beside'),
  description: DESCRIPTION,
};

test.each<[string, Partial<ConfiguredFunction>, string[]]>([
  ['the configuration', {}, ['given']],
  ['the tag', { schema: undefined }, ['tagged']],
  ['the file beside the code', { schema: undefined, taggedSchema: undefined }, ['beside']],
  ['the description', { schema: undefined, taggedSchema: undefined, sidecar: undefined }, ['described']],
  ['nobody', { schema: undefined, taggedSchema: undefined, sidecar: undefined, description: 'Finds' }, []],
])('the schema is the one of %s when nothing before it has one', (_title, without, expected) => {
  const { input, notes, refusal } = chooseSchemas({ ...all, ...without });
  expect(Object.keys((input['properties'] as object | undefined) ?? {})).toEqual(expected);
  expect(input['type']).toBe('object');
  expect([notes, refusal]).toEqual([[], undefined]);
});

test('a source that cannot be used is told, and the next one is asked', () => {
  const { input, notes } = chooseSchemas({
    ...all,
    schema: undefined,
    taggedSchema: { type: 'object', properties: 7 },
    sidecar: () => '{ no JSON',
  });
  expect(input).toMatchObject({ properties: { described: { type: 'string' } } });
  expect(notes).toEqual([
    expect.stringContaining('the schema that the tag names of function "crm" cannot be used'),
    expect.stringContaining('the schema file beside the code of function "crm" cannot be used'),
  ]);
});

test("the operator's own schema must be good", () => {
  expect(chooseSchemas({ ...all, schema: { a: 'strin' } }).refusal).toContain(
    'schema of function "crm" cannot be used',
  );
  expect(chooseSchemas({ ...all, outputSchema: 5 }).refusal).toContain('outputSchema of function "crm" cannot be used');
});

test("a file may hold the answer's schema too, and the configuration's wins over it", () => {
  const both = { inputSchema: named('a'), outputSchema: named('b') };
  const beside = chooseSchemas({ name: 'crm', sidecar: () => both });
  expect([beside.input, beside.output]).toEqual([named('a'), named('b')]);
  expect(chooseSchemas({ name: 'crm', schema: both, outputSchema: named('c') }).output).toEqual(named('c'));
  expect(chooseSchemas({ name: 'crm', outputSchema: named('c') })).toMatchObject({ output: named('c') });
});

test("2.11: a description is the function's own, or names it; the expected format is said again as parameters", () => {
  expect(toolDescription('crm', undefined)).toBe('AWS Lambda function: crm');
  expect(toolDescription('crm', '')).toBe('AWS Lambda function: crm');
  expect(toolDescription('crm', 'Finds.')).toBe('Finds.');
  expect(toolDescription('crm', 'Finds. Expected format: {\n "email": "text"\n}')).toBe(
    'Finds. Expected format: {\n "email": "text"\n}\n\nParameters: {\n "email": "text"\n}',
  );
});

test.each([
  ['a JSON Schema', '{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}', { required: ['a'] }],
  ['the shorthand', '{"email": "string"}', { properties: { email: { type: 'string' } }, required: ['email'] }],
  [
    'an example, of which nothing is required',
    '{"email": "ada@example.com", "n": 3, "deep": {"ok": true}, "list": [1], "any": null}',
    {
      properties: {
        email: { type: 'string', examples: ['ada@example.com'] },
        n: { type: 'number', examples: [3] },
        deep: { properties: { ok: { type: 'boolean' } } },
        list: { type: 'array' },
        any: {},
      },
    },
  ],
  ['JSON within a sentence', 'send {"email": "string"} please.', { properties: { email: { type: 'string' } } }],
])('%s in the description makes a schema', (_title, format, expected) => {
  const schema = describedSchema(`Finds. Expected format: ${format}`);
  expect(schema).toMatchObject({ type: 'object', ...expected });
});

test.each(['', 'an email', '{email: text}', '[1]', '} {'])('the format %j makes none', (format) => {
  expect(describedSchema(`Finds. Expected format: ${format}`)).toBeUndefined();
});

const OPENAPI = {
  openapi: '3.0.0',
  info: { title: 'CustomerRequest', version: '1.0.0' },
  paths: {},
  components: {
    schemas: {
      Address: { type: 'object', properties: { street: { type: 'string', nullable: true } }, 'x-note': 'n' },
      CustomerRequest: {
        type: 'object',
        required: ['email'],
        properties: {
          email: { type: 'string', example: 'ada@example.com' },
          age: { type: 'integer', minimum: 0, exclusiveMinimum: true },
          id: { type: 'string' },
          address: { $ref: '#/components/schemas/Address' },
          manager: { $ref: '#/components/schemas/CustomerRequest' },
        },
      },
    },
  },
};

test('2.12: an OpenAPI schema of the registry becomes the JSON Schema of the tool, and holds its arguments', async () => {
  const schema = schemaFromRegistry(JSON.stringify(OPENAPI), 'com.example@CustomerRequest') ?? {};
  const { input, notes } = chooseSchemas({ name: 'crm', taggedSchema: schema });
  expect(notes).toEqual([]);
  expect(input).toMatchObject({ required: ['email'], properties: { id: { type: 'string' } } });
  const problem = (args: unknown) => argumentProblem('openapi', input, args);
  expect(await problem({ email: 'a', age: 1, address: { street: null }, manager: { email: 'b' } })).toBeUndefined();
  expect(await problem({ email: 'a', age: 0 })).toContain('age');
  expect(await problem({ email: 'a', manager: {} })).toContain('manager.email');
  expect(await problem({ email: 'a', address: { street: 5 } })).toContain('address.street');
});

test.each([
  ['the event of AWS', { AWSEvent: named('detail'), Other: named('o') }, 'x', 'detail'],
  ['the only one', { Only: named('only') }, 'x', 'only'],
  ['the one that the schema is called after', { A: named('a'), Order: named('order') }, 'shop@Order', 'order'],
  ['else the first', { A: named('a'), B: named('b') }, 'x', 'a'],
])('of several components %s is meant', (_title, schemas, name, expected) => {
  const text = JSON.stringify({ openapi: '3.0.1', components: { schemas } });
  expect(schemaFromRegistry(text, name)).toMatchObject({ properties: { [expected]: {} } });
});

test('2.12: draft 4 of the registry becomes draft 7', async () => {
  const draft4 = {
    $schema: 'http://json-schema.org/draft-04/schema#',
    id: 'http://example.com/root.json',
    type: 'object',
    properties: {
      n: { type: 'number', maximum: 5, exclusiveMaximum: true },
      m: { type: 'number', minimum: 1, exclusiveMinimum: false },
      id: { type: 'string' },
      pair: { type: 'array', items: [{ type: 'string' }, { $ref: '#/definitions/x' }] },
    },
    definitions: { x: { type: 'integer' } },
  };
  const { input, notes } = chooseSchemas({
    name: 'crm',
    taggedSchema: schemaFromRegistry(JSON.stringify(draft4), 'x'),
  });
  expect(notes).toEqual([]);
  const problem = (args: unknown) => argumentProblem('draft4', input, args);
  expect(await problem({ n: 4, m: 1, id: 'x', pair: ['a', 1] })).toBeUndefined();
  expect(await problem({ n: 5 })).toContain('"n"');
  expect(await problem({ pair: ['a', 'b'] })).toContain('pair');
});

test.each(['', 'no JSON', '[]', '5', '{"openapi":"3.0.0"}', '{"openapi":"3.0.0","components":{"schemas":{"A":1}}}'])(
  'the text %j is no schema',
  (text) => {
    expect(schemaFromRegistry(text, 'x')).toBeUndefined();
  },
);
