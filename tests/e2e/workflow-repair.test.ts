/** A damaged journal: the start is refused with a command, the command as printed repairs, and the next start serves. */

import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/adapters/embedded/store/store.ts';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { JOURNAL, textAt } from '../../src/workflows/durable/tables.ts';

const program = fileURLToPath(new URL('../../scripts/run.mjs', import.meta.url));
const ID = 'nightly:monday';
const MACHINE = { StartAt: 'Nap', States: { Nap: { Type: 'Wait', Seconds: 3600, End: true } } };

let folder = '';
/** With a space, so that the printed command has to quote it. */
let dataDir = '';
let dev: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-repair-'));
  dataDir = join(folder, 'the data');
  await writeFile(join(folder, 'zeroplane'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`, {
    mode: 0o755,
  });
  await writeFile(join(folder, 'nightly.asl.json'), JSON.stringify(MACHINE));
});
afterEach(async () => {
  dev?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** One line of a shell, as a person types or pastes it. */
function shell(line: string): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1' };
  return new Promise((resolve) => {
    const child = execFile('sh', ['-c', line], { cwd: folder, env }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

const DEV = 'dev --port 0 --no-open --no-samples --output stream-json';
const at = (): string => `--data-dir '${dataDir}'`;

/** Starts an instance and returns once it serves. */
async function start(): Promise<ChildProcess> {
  const words = [program, ...DEV.split(' '), '--data-dir', dataDir];
  const child = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  dev = child;
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => chunk.toString().includes('"ready"') && resolve());
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.once('exit', (code) => reject(new Error(`dev ended with ${code}: ${said}`)));
  });
  return child;
}

/** Ends it without a word, and not only the script that started it. */
async function kill(child: ChildProcess): Promise<void> {
  const { stdout } = await shell(`zeroplane status --output json ${at()}`);
  const { pid } = JSON.parse(stdout) as { readonly pid?: number };
  const ended = new Promise((resolve) => child.once('exit', resolve));
  process.kill(pid ?? child.pid ?? 0, 'SIGKILL');
  await ended;
}

/** Changes a letter in a record of the execution's journal. */
async function flip(): Promise<void> {
  const store = await openEmbeddedStore({ folder: dataDir, clock: systemClock });
  const table = store.store('team-x').table(JOURNAL);
  const { items } = await table.query({ partition: ID, prefix: 'c000000002' });
  const text = textAt(items[0], 'text');
  const changed = text.replace('STARTED', 'STARTEE');
  expect(changed).not.toBe(text);
  await table.put({ ...items[0], text: changed });
  await store.close();
}

test('a damaged journal refuses the start with the command that repairs it, as printed', async () => {
  const first = await start();
  await shell(`zeroplane workflows register nightly nightly.asl.json ${at()}`);
  const started = await shell(`zeroplane workflows start nightly --name monday --detach ${at()}`);
  expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining(ID) });
  await expect
    .poll(async () => (await shell(`zeroplane workflows history ${ID} ${at()}`)).stdout)
    .toContain('WaitStateEntered');
  const held = await shell(`zeroplane workflows repair ${ID} ${at()}`);
  expect(held).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('STORE_LOCKED') });
  await kill(first);

  expect(await shell(`zeroplane workflows repair ${ID} ${at()}`)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('nothing to repair'),
  });
  await flip();
  const refused = await shell(`zeroplane ${DEV} ${at()}`);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('JOURNAL_CORRUPT') });
  const [, command = ''] = /failed with: (.*)$/m.exec(refused.stderr) ?? [];
  expect(command).toBe(`zeroplane workflows repair ${ID} --tenant team-x --data-dir '${dataDir}'`);

  const repaired = await shell(`${command} --output json`);
  expect(repaired.code).toBe(0);
  expect(JSON.parse(repaired.stdout)).toMatchObject({
    id: ID,
    repaired: true,
    damage: 'record 2 is not what was written',
    status: 'FAILED',
    error: 'JOURNAL_CORRUPT',
  });
  await start();
  const shown = await shell(`zeroplane workflows show ${ID} --output json ${at()}`);
  expect(JSON.parse(shown.stdout)).toMatchObject({ status: 'FAILED', error: 'JOURNAL_CORRUPT' });
  const { stdout: trail } = await shell(`zeroplane audit ls --output json ${at()}`);
  const { records } = JSON.parse(trail) as { readonly records: readonly { readonly entry: object }[] };
  expect(records.map(({ entry }) => entry)).toMatchObject([
    { action: 'execution-repaired', principal: 'operator', resource: { type: 'execution', id: ID } },
    { action: 'workflow-registered', principal: 'you@dev', resource: { type: 'workflow', id: 'nightly' } },
  ]);
  // The command has the instance's key, and goes on where the killed instance had ended.
  expect(await shell(`zeroplane audit verify ${at()}`)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('2 records in 2 chains'),
  });
  const again = await shell(`zeroplane workflows start nightly --name tuesday --detach ${at()}`);
  expect(again).toMatchObject({ code: 0 });
}, 60_000);

test('what is not there is said, with nothing made', async () => {
  const nowhere = await shell(`zeroplane workflows repair ${ID} ${at()}`);
  expect(nowhere).toMatchObject({ code: 4, stderr: expect.stringContaining('is no data folder') });
  expect((await shell(`ls '${dataDir}'`)).code).not.toBe(0);
  await kill(await start());
  const unknown = await shell(`zeroplane workflows repair ${ID} --tenant team-y ${at()}`);
  expect(unknown).toMatchObject({
    code: 4,
    stderr: expect.stringContaining(`Tenant "team-y" has no execution "${ID}"`),
  });
}, 60_000);
