import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { secretChain } from './secrets.ts';

let dataDir = '';
let file = '';

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(os.tmpdir(), 'secrets-'));
  file = path.join(dataDir, 'all.json');
  await mkdir(path.join(dataDir, 'secrets'));
  await writeFile(path.join(dataDir, 'secrets/a'), 'from file\r\n', { mode: 0o600 });
  await writeFile(path.join(dataDir, 'secrets/open'), 'x', { mode: 0o644 });
  await writeFile(path.join(dataDir, 'outside'), 'x', { mode: 0o600 });
  await writeFile(file, '{"a": "from json", "b": "from json", "c": 1}', { mode: 0o600 });
});
afterAll(async () => rm(dataDir, { recursive: true, force: true }));

test('the variable comes first, then the file of that name, then the JSON file', async () => {
  const env = { ZEROPLANE_SECRET_A: 'from variable', ZEROPLANE_SECRETS_FILE: file };
  expect(await secretChain({ env, dataDir }).get('a')).toBe('from variable');
  const chain = secretChain({ env: { ZEROPLANE_SECRETS_FILE: file }, dataDir });
  expect(await chain.get('a')).toBe('from file');
  expect(await chain.get('b')).toBe('from json');
  expect(await chain.get('d')).toBe(undefined);
});

test('a name is found in upper case with underscores', async () => {
  const chain = secretChain({ env: { ZEROPLANE_SECRET_MY_KEY_1: 'x' }, dataDir });
  expect(await chain.get('my-key.1')).toBe('x');
});

test.each(['../outside', 'a/../../outside', '/etc/passwd', '', '.', 'a\0b'])(
  'the name %j reads no file',
  async (name) => {
    expect(await secretChain({ env: {}, dataDir }).get(name)).toBe(undefined);
  },
);

test.each(['constructor', '__proto__', 'toString'])('the name %s meets nothing inherited', async (name) => {
  expect(await secretChain({ env: { ZEROPLANE_SECRETS_FILE: file }, dataDir }).get(name)).toBe(undefined);
});

test('a file that others may read is refused with the remedy', async () => {
  await expect(secretChain({ env: {}, dataDir }).get('open')).rejects.toMatchObject({
    code: 'CONFIG_MISSING_SECRET',
    message: expect.stringContaining('chmod 600'),
  });
});

test.each([
  ['an entry that is not text', 'all.json', 'c', 'is not text'],
  ['a secrets file that is absent', 'none.json', 'z', 'does not exist'],
  ['a secrets file that is not JSON', 'secrets/a', 'z', 'is not JSON'],
])('%s is refused without its content', async (_, name, secret, message) => {
  const env = { ZEROPLANE_SECRETS_FILE: path.join(dataDir, name) };
  const refusal = expect(secretChain({ env, dataDir }).get(secret)).rejects;
  await refusal.toMatchObject({ code: 'CONFIG_MISSING_SECRET', message: expect.stringContaining(message) });
});
