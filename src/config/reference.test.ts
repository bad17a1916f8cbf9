import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { JsonSchema } from './json-schema.ts';
import { referencePage, schemaFile } from './reference.ts';

const fileOf = (name: string): Promise<string> => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

test('schema/config.json is current (else run: node --import tsx scripts/config-schema.mjs)', async () => {
  expect(await fileOf('schema/config.json')).toBe(schemaFile());
});

test('docs/reference/config.md is current (else run: node --import tsx scripts/config-schema.mjs)', async () => {
  expect(await fileOf('docs/reference/config.md')).toBe(referencePage());
});

test('every key has a description', () => {
  const missing: string[] = [];
  const visit = (schema: JsonSchema, path: string): void => {
    for (const [key, member] of Object.entries(schema.properties ?? {})) {
      if (!member.description) missing.push(path + key);
      visit(member, `${path}${key}.`);
    }
    for (const branch of schema.anyOf ?? []) visit(branch, path);
    if (typeof schema.additionalProperties === 'object') visit(schema.additionalProperties, `${path}*.`);
  };
  visit(JSON.parse(schemaFile()) as JsonSchema, '');
  expect(missing).toEqual([]);
});

test('editors accept the example of the page and refuse a misspelt key', () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(referencePage())?.[1] ?? '';
  const validate = new Ajv({ strict: false }).compile(JSON.parse(schemaFile()) as object);
  expect(validate(parse(example)), JSON.stringify(validate.errors)).toBe(true);
  expect(validate({ prot: 1 })).toBe(false);
  expect(validate({ mcpServers: { a: { comand: 'x' } } })).toBe(false);
});
