import { expect, test } from 'vitest';
import { readField } from './elicit.ts';

test.each([
  [{ type: 'string' }, 'any text', 'any text'],
  [{ type: 'string', enum: ['a', 'b'] }, 'b', 'b'],
  [{ type: 'string', enum: ['a', 'b'] }, 'c', undefined],
  [{ type: 'string', oneOf: [{ const: 'x', title: 'The X' }] }, 'x', 'x'],
  [{ type: 'string', oneOf: [{ const: 'x', title: 'The X' }] }, 'The X', undefined],
  [{ type: 'array', items: { enum: ['a', 'b'] } }, 'a, b', ['a', 'b']],
  [{ type: 'array', items: { anyOf: [{ const: 'a' }] } }, 'a,c', undefined],
  [{ type: 'boolean' }, 'Y', true],
  [{ type: 'boolean' }, 'false', false],
  [{ type: 'boolean' }, 'perhaps', undefined],
  [{ type: 'integer' }, '12', 12],
  [{ type: 'integer' }, '1.5', undefined],
  [{ type: 'number' }, '1.5', 1.5],
  [{ type: 'number' }, '  ', undefined],
  [{ type: 'number' }, 'Infinity', undefined],
])('the field %j takes the line %j as %j', (schema, line, value) => {
  expect(readField(schema, line)).toEqual(value);
});
