import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig, type LoadedConfig } from './load.ts';

/** Loads a configuration of this text, or none. */
async function load(env: Record<string, string>, text?: string): Promise<LoadedConfig> {
  const cwd = await mkdtemp(join(tmpdir(), 'zp-variables-'));
  try {
    if (text !== undefined) await writeFile(join(cwd, 'zeroplane.yaml'), text);
    return await loadConfig({ cwd, env });
  } finally {
    await rm(cwd, { recursive: true });
  }
}

const TAGS = { FUNCTION_TAG_KEY: 'MCP_Support', FUNCTION_TAG_VALUE: 'true' };

test.each([
  ['a prefix', { FUNCTION_PREFIX: 'mcp-' }, { prefix: 'mcp-' }],
  ['a list between commas', { FUNCTION_LIST: 'one, two,,three ' }, { list: ['one', 'two', 'three'] }],
  ['a list as JSON', { FUNCTION_LIST: '["one", "two"]' }, { list: ['one', 'two'] }],
  ['a list in brackets that is no JSON', { FUNCTION_LIST: "['one', two]" }, { list: ['one', 'two'] }],
  ['a tag', TAGS, { lambdaTags: { MCP_Support: 'true' } }],
  ['prefix and tag', { FUNCTION_PREFIX: 'x-', ...TAGS }, { prefix: 'x-', lambdaTags: { MCP_Support: 'true' } }],
  ['the tag of schemas', { FUNCTION_INPUT_SCHEMA_ARN_TAG_KEY: 'Schema' }, { schemaTag: 'Schema' }],
  ['no tools before they are asked for', { PRE_DISCOVERY: 'false' }, { generic: true }],
  ['tools at once', { PRE_DISCOVERY: 'True' }, { generic: false }],
])('2.8: variables ask for %s', async (_, env, expected) => {
  const { config, warnings } = await load(env);
  expect(config.discover).toEqual({ rescanSeconds: 60, generic: false, ...expected });
  expect(warnings).toEqual([]);
});

test('2.8: without variables, and with empty ones, nothing is asked for', async () => {
  expect((await load({})).config.discover).toBeUndefined();
  const empty = {
    FUNCTION_PREFIX: '',
    FUNCTION_LIST: '',
    FUNCTION_TAG_KEY: '',
    FUNCTION_TAG_VALUE: '',
    PRE_DISCOVERY: '',
  };
  expect((await load(empty)).config.discover).toBeUndefined();
});

test('2.8: variables win over the file, one by one', async () => {
  const file = 'discover: { prefix: old-, owner: me, lambdaTags: { a: b }, rescanSeconds: 5 }';
  const { config } = await load({ FUNCTION_PREFIX: 'new-', ...TAGS }, file);
  expect(config.discover).toEqual({
    prefix: 'new-',
    owner: 'me',
    lambdaTags: { MCP_Support: 'true' },
    rescanSeconds: 5,
    generic: false,
  });
});

test.each([
  [{ FUNCTION_TAG_KEY: 'MCP_Support' }, 'FUNCTION_TAG_KEY is set without FUNCTION_TAG_VALUE'],
  [{ FUNCTION_TAG_VALUE: 'true', FUNCTION_PREFIX: 'mcp-' }, 'FUNCTION_TAG_VALUE is set without FUNCTION_TAG_KEY'],
])('2.9: half a tag selects no function, and says so: %j', async (env, words) => {
  const { config, warnings } = await load(env, 'discover: { prefix: mcp- }');
  expect(config.discover).toMatchObject({ list: [] });
  expect(config.discover).not.toHaveProperty('prefix');
  expect(warnings).toEqual([expect.stringContaining(words)]);
});

test('2.15: the older server looks for its own prefix when nothing else is asked for, under compat 002', async () => {
  const compat = 'compat: ["002"]';
  expect((await load({ PRE_DISCOVERY: 'true' }, compat)).config.discover).toMatchObject({ prefix: 'mcp2lambda-' });
  const named = await load({ PRE_DISCOVERY: 'true', FUNCTION_LIST: 'a' }, compat);
  expect(named.config.discover).not.toHaveProperty('prefix');
  expect((await load({ PRE_DISCOVERY: 'true' })).config.discover).not.toHaveProperty('prefix');
});
