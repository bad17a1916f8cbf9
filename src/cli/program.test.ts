import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CATALOGUE } from './catalogue.ts';
import { referencePage } from './reference.ts';
import { runForTest } from './run-for-test.ts';

let cwd = '';
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-program-'));
});
afterAll(() => rm(cwd, { recursive: true, force: true }));

test('the version is all that --version prints', async () => {
  expect(await runForTest(['--version'], { cwd })).toEqual({ code: 0, stdout: '1.2.3\n', stderr: '' });
});

test('no word prints the verbs', async () => {
  const run = await runForTest([], { cwd });
  expect(run.code).toBe(0);
  for (const spec of CATALOGUE) expect(run.stdout).toContain(spec.path[0]);
});

test.each(CATALOGUE.map((spec) => [spec.path.join(' '), spec] as const))(
  '%s --help shows its examples',
  async (_, spec) => {
    const run = await runForTest([...spec.path, '--help'], { cwd });
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(spec.examples.length).toBeGreaterThan(0);
    for (const example of spec.examples) expect(run.stdout).toContain(example.command);
  },
);

test.each([
  ['an unknown verb', ['stauts'], 'Did you mean status?'],
  ['an unknown verb of a group', ['tools', 'sl'], 'Did you mean ls?'],
  ['an unknown option', ['dev', '--prot', '1'], 'Did you mean --port?'],
  ['a missing argument', ['call'], "Missing required argument 'name'"],
  ['too many words', ['status', 'now'], 'Too many arguments'],
  ['a choice that does not exist', ['status', '--output', 'xml'], 'Allowed choices are text, json, stream-json'],
  ['a port that is none', ['dev', '--port', '70000'], '--port takes a number'],
  ['a timeout that is none', ['tools', 'ls', '--timeout', 'soon'], 'No instance runs'],
])('%s is an error of usage that names the way out', async (_, words, hint) => {
  const run = await runForTest(words, { cwd });
  expect(run.stdout).toBe('');
  expect(run.stderr).toContain(hint);
  expect(run.code).toBe(hint === 'No instance runs' ? 6 : 2);
});

test('a group without its verb prints its verbs on stderr', async () => {
  const run = await runForTest(['tools'], { cwd });
  expect(run).toMatchObject({ code: 2, stdout: '' });
  expect(run.stderr).toContain('find');
});

test('an error of usage is JSON where JSON was asked for', async () => {
  const run = await runForTest(['stauts', '--output=json'], { cwd });
  expect(JSON.parse(run.stderr)).toMatchObject({ error: { code: 'USAGE', exitCode: 2 } });
});

test.each([
  [['status']],
  [['tools', 'ls']],
  [['call', 'a___b']],
  [['unregister', 'tool-x']],
  [['connect', 'cursor']],
  [['token']],
])('%j ends with 6 and the next command when no instance runs', async (words) => {
  const run = await runForTest(words, { cwd });
  expect(run).toMatchObject({ code: 6, stdout: '' });
  expect(run.stderr).toContain('next: zeroplane dev');
});

test('the reference page is what the commands say', async () => {
  await expect(referencePage()).toMatchFileSnapshot('../../docs/reference/cli.md');
});
