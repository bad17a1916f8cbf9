import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { matchesTemplate, templateVariables } from './uri-template.ts';

const variables = (template: string, uri: string): Record<string, string> | undefined => {
  const found = templateVariables(template, uri);
  return found && Object.fromEntries(found);
};

test.each([
  ['memo:{x}', 'memo:1', { x: '1' }],
  ['file:///{path}', 'file:///a', { path: 'a' }],
  ['file:///{path}', 'file:///a/b', undefined],
  ['file:///{+path}', 'file:///a/b', { path: 'a/b' }],
  ['db://{table}/{id}', 'db://users/7', { table: 'users', id: '7' }],
  ['db://{table}/{id}/x', 'db://users/7/x', { table: 'users', id: '7' }],
  ['db://{table}/{id}', 'db://users/', undefined],
  ['a{x}b', 'ab', undefined],
  ['a{x}b', 'acbb', { x: 'cb' }],
  ['a{x}b{y}c', 'a1b2c', { x: '1', y: '2' }],
  ['plain', 'plain', {}],
  ['plain', 'plainer', undefined],
  ['{x}', '%41%zz', { x: '%41%zz' }],
  ['{x}', '%41', { x: 'A' }],
  ['{__proto__}', 'a', undefined],
  ['broken{x', 'broken1', undefined],
])('%s against %s', (template, uri, expected) => {
  if (template.includes('__proto__')) expect(templateVariables(template, uri)?.get('__proto__')).toBe('a');
  else expect(variables(template, uri)).toEqual(expected);
});

test('a template that was filled in matches, with the values it was filled with', () => {
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (values) => {
      const template = values.map((_, index) => `/${index}/{v${index}}`).join('');
      const uri = values.map((value, index) => `/${index}/${value}`).join('');
      expect(variables(template, uri)).toEqual(Object.fromEntries(values.map((value, index) => [`v${index}`, value])));
    }),
  );
});

test('no template makes a match slow', () => {
  const long = 'a'.repeat(8_000);
  const templates = [
    '{x}a'.repeat(500),
    `${'{x}'.repeat(600)}b`,
    `{x}${'a'.repeat(2_000)}b`,
    `{x}${'ab'.repeat(900)}`,
    '{'.repeat(2_000),
    '{}'.repeat(1_000),
    `${'{+x}a'.repeat(400)}b`,
    '{x}'.repeat(100_000),
  ];
  const started = performance.now();
  for (const template of templates)
    for (const uri of [long, `${long}b`, 'ab'.repeat(4_000), '/'.repeat(8_000), 'a'.repeat(1_000_000)])
      for (let round = 0; round < 20; round++) matchesTemplate(template, uri);
  expect(performance.now() - started).toBeLessThan(2_000);
});
