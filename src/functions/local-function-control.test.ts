import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { openMemoryStore } from '../adapters/embedded/store/store.ts';
import { systemClock } from '../adapters/embedded/system.ts';
import type { FunctionControl } from '../core/function-control.ts';
import type { StoreRoot } from '../core/ports.ts';
import { CodeDigests } from './function-code.ts';
import type { FunctionSpec } from './function-spec.ts';
import { spec, TestRuntime, until } from './runtime-for-test.ts';

const HANDLER = `export const handler = async () => ({ text: 'one', colour: process.env.COLOUR, version: process.env.AWS_LAMBDA_FUNCTION_VERSION, memory: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE });`;

let it: TestRuntime;
let store: StoreRoot;
let random: number;

beforeEach(async () => {
  it = await TestRuntime.create();
  store = await openMemoryStore({ clock: systemClock });
  random = 0.5;
  await it.write({ 'code/index.mjs': HANDLER });
});

afterEach(async () => {
  await it.close();
  await store.close();
});

function start(...functions: FunctionSpec[]): FunctionControl {
  const tenant = store.store('team-x');
  const configured = functions.length > 0 ? functions : [spec({ code: 'code' })];
  return it.start(configured, { store: tenant, dataDir: join(it.folder, 'data'), random: () => random }).control;
}

/** The same data in a new process. */
async function restart(...functions: FunctionSpec[]): Promise<FunctionControl> {
  await it.runtime.close();
  return start(...functions);
}

const write = (text: string): Promise<void> => writeFile(join(it.folder, 'code/index.mjs'), text);

const refused = (code: string, part = ''): object => ({ code, message: expect.stringContaining(part) });

describe('configurations', () => {
  test('a function of the configuration is a record that executes', async () => {
    const control = start(spec({ code: 'code', memoryMb: 256, tags: { team: 'a' }, environment: { COLOUR: 'red' } }));
    expect(await control.list()).toEqual([await control.get('hello')]);
    expect(await control.get('hello', '$LATEST')).toMatchObject({
      name: 'hello',
      arn: 'arn:aws:lambda:us-east-1:000000000000:function:hello',
      version: '$LATEST',
      runtime: 'nodejs22.x',
      handler: 'index.handler',
      memoryMb: 256,
      timeoutSeconds: 3,
      environment: { COLOUR: 'red' },
      tags: { team: 'a' },
      codeSize: HANDLER.length,
      codeSha256: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
      lastModified: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/),
      revisionId: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      packageType: 'Zip',
      executes: true,
    });
    await expect(control.get('absent')).rejects.toMatchObject(refused('FUNCTION_NOT_FOUND', 'Known functions: hello'));
    await expect(control.get('hello', '9')).rejects.toMatchObject(refused('FUNCTION_NOT_FOUND', '"9"'));
  });

  test('3.19: a change of memory is what the next invocation runs with, and survives a restart', async () => {
    let control = start();
    const before = await control.get('hello');
    expect(await it.invoke('hello')).toMatchObject({ value: { memory: '128' } });
    const after = await control.update('hello', { memoryMb: 2048, environment: { COLOUR: 'blue' } }, before.revisionId);
    expect(after).toMatchObject({ memoryMb: 2048, environment: { COLOUR: 'blue' } });
    expect(after.revisionId).not.toBe(before.revisionId);
    expect(await control.get('hello')).toEqual(after);
    expect(await it.invoke('hello')).toMatchObject({ value: { memory: '2048', colour: 'blue' }, coldStart: true });
    await expect(control.update('hello', { memoryMb: 512 }, before.revisionId)).rejects.toMatchObject(
      refused('FUNCTION_CHANGED'),
    );
    control = await restart();
    expect(await control.get('hello')).toEqual(after);
    expect(await it.invoke('hello')).toMatchObject({ value: { memory: '2048', colour: 'blue' } });
    expect(it.runtime.list()).toMatchObject([{ name: 'hello', memoryMb: 2048 }]);
  });

  test('a changed configuration wins over what was changed before it, at once and after a restart', async () => {
    let control = start();
    await control.update('hello', { memoryMb: 2048, description: 'mine' });
    await control.tag('hello', { a: '1' });
    it.runtime.reconfigure([spec({ code: 'code', memoryMb: 300 })]);
    expect(await control.get('hello')).toMatchObject({ memoryMb: 300, description: '', tags: {} });
    await control.update('hello', { timeoutSeconds: 9 });
    expect(await control.get('hello')).toMatchObject({ memoryMb: 300, timeoutSeconds: 9, tags: {} });
    control = await restart(spec({ code: 'code', memoryMb: 400 }));
    expect(await control.get('hello')).toMatchObject({ memoryMb: 400, timeoutSeconds: 3 });
  });

  test('the order of keys and the place of the folder are no change of the configuration', async () => {
    let control = start(spec({ code: 'code', environment: { A: '1', B: '2' } }));
    await control.update('hello', { memoryMb: 2048 });
    control = await restart(spec({ code: join(it.folder, 'code'), environment: { B: '2', A: '1' } }));
    expect(await control.get('hello')).toMatchObject({ memoryMb: 2048 });
  });

  test.each([
    [{ memoryMb: 127 }, 'memoryMb must be a whole number from 128 to 10240, not 127'],
    [{ memoryMb: 256.5 }, 'memoryMb'],
    [{ timeoutSeconds: 901 }, 'timeoutSeconds must be a whole number from 1 to 900'],
    [{ description: 'x'.repeat(257) }, 'description'],
    [{ environment: { A: 'x'.repeat(4096) } }, 'environment has'],
    [{ environment: { '1A': 'x' } }, '"1A"'],
    [{ environment: { AB: 'a\0b' } }, 'NUL'],
    [{ environment: { AWS_REGION: 'x' } }, 'reserved'],
    [{ environment: { NODE_OPTIONS: '--require /tmp/x.js' } }, 'can load other code'],
    [{ environment: { LD_PRELOAD: '/tmp/x.so' } }, 'functions.hello'],
    [{ environment: { PYTHONPATH: '/tmp' } }, 'PYTHONPATH'],
    [{ handler: 'other.handler' }, 'handler decides what runs here'],
    [{ runtime: 'provided' }, 'runtime decides what runs here'],
  ])('the change %j is refused', async (changes, part) => {
    const control = start();
    await expect(control.update('hello', changes)).rejects.toMatchObject(refused('INVALID_ARGUMENTS', part));
    expect(await control.get('hello')).toMatchObject({ memoryMb: 128, environment: {} });
  });

  test('tags come and go, and are what list shows', async () => {
    let control = start(spec({ code: 'code', tags: { team: 'a', stage: 'test' } }));
    const told: string[] = [];
    control.onChange((name) => told.push(name));
    await Promise.all([control.tag('hello', { owner: 'ada' }), control.tag('hello', { stage: 'live' })]);
    await control.untag('hello', ['team', 'absent']);
    expect(it.runtime.list()).toMatchObject([{ tags: { owner: 'ada', stage: 'live' } }]);
    expect(told).toEqual(['hello', 'hello', 'hello']);
    control = await restart(spec({ code: 'code', tags: { team: 'a', stage: 'test' } }));
    expect(await control.get('hello')).toMatchObject({ tags: { owner: 'ada', stage: 'live' } });
    await it.runtime.ready();
    expect(it.runtime.list()).toMatchObject([{ tags: { owner: 'ada', stage: 'live' } }]);
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, '']));
    await expect(control.tag('hello', many)).rejects.toMatchObject(refused('INVALID_ARGUMENTS', '50'));
    await expect(control.tag('hello', { 'aws:x': '' })).rejects.toMatchObject(refused('INVALID_ARGUMENTS', 'aws:'));
  });

  test('a change of tags or description leaves the processes warm', async () => {
    const control = start();
    await it.invoke('hello');
    await control.tag('hello', { a: '1' });
    await control.update('hello', { description: 'new' });
    expect(await it.invoke('hello')).toMatchObject({ coldStart: false });
  });

  test('a function of the configuration cannot be deleted, and the error says where it stands', async () => {
    const control = start();
    await expect(control.delete('hello')).rejects.toMatchObject(refused('INVALID_ARGUMENTS', 'functions.hello'));
  });
});

describe('created functions', () => {
  test('are records that survive a restart and do not execute', async () => {
    let control = start();
    const zip = Buffer.from('zip');
    const made = await control.create({ name: 'made', runtime: 'python3.13', handler: 'a.b', tags: { a: '1' }, zip });
    expect(made).toMatchObject({
      arn: 'arn:aws:lambda:us-east-1:000000000000:function:made',
      memoryMb: 128,
      timeoutSeconds: 3,
      codeSha256: createHash('sha256').update(zip).digest('base64'),
      codeSize: 3,
      executes: false,
    });
    control = await restart();
    expect(await control.get('made')).toEqual(made);
    expect((await control.list()).map(({ name }) => name)).toEqual(['hello', 'made']);
    expect(it.runtime.list().map(({ name }) => name)).toEqual(['hello']);
    await expect(it.invoke('made')).rejects.toMatchObject(
      refused('FUNCTION_FAILED', 'was created through the API and does not execute here'),
    );
    await expect(control.create({ name: 'made' })).rejects.toMatchObject(refused('FUNCTION_EXISTS'));
    await expect(control.create({ name: 'hello' })).rejects.toMatchObject(refused('FUNCTION_EXISTS'));
    await expect(control.create({ name: 'a/b' })).rejects.toMatchObject(refused('INVALID_ARGUMENTS'));
  });

  test('take changes, versions and aliases, and are gone once deleted', async () => {
    const control = start();
    await control.create({ name: 'made' });
    expect(await control.update('made', { handler: 'c.d', runtime: 'nodejs24.x' })).toMatchObject({ handler: 'c.d' });
    expect(await control.publish('made')).toMatchObject({ version: '1', executes: false });
    await control.createAlias('made', 'live', { functionVersion: '1' });
    await control.tag('made', { b: '2' });
    expect(await control.get('made', 'live')).toMatchObject({ version: '1', tags: { b: '2' } });
    await control.delete('made');
    for (const gone of [
      control.get('made'),
      control.get('made', '1'),
      control.alias('made', 'live'),
      control.aliases('made'),
    ])
      await expect(gone).rejects.toMatchObject(refused('FUNCTION_NOT_FOUND'));
    await control.create({ name: 'made' });
    expect(await control.versions('made')).toHaveLength(1);
  });

  test('one that the configuration takes over executes', async () => {
    let control = start();
    await control.create({ name: 'made', tags: { a: '1' } });
    control = await restart(spec({ name: 'made', code: 'code' }));
    expect(await control.get('made')).toMatchObject({ executes: true, tags: {} });
    expect(await it.invoke('made')).toMatchObject({ value: { text: 'one' } });
    await control.tag('made', { b: '2' });
    expect(await control.get('made')).toMatchObject({ executes: true, tags: { b: '2' } });
  });
});

describe('versions', () => {
  test('2.5: a version keeps its code and its settings whatever changes, and across a restart', async () => {
    let control = start(spec({ code: 'code', environment: { COLOUR: 'red' } }));
    const first = await control.publish('hello', { description: 'the first' });
    expect(first).toMatchObject({ version: '1', arn: expect.stringMatching(/:hello:1$/), description: 'the first' });
    expect(first.codeSha256).toBe((await control.get('hello')).codeSha256);
    await write(HANDLER.replace('one', 'two'));
    await control.update('hello', { environment: { COLOUR: 'blue' }, memoryMb: 512 });
    const second = await control.publish('hello');
    expect(second).toMatchObject({ version: '2', memoryMb: 512 });
    expect(second.codeSha256).not.toBe(first.codeSha256);
    await write(HANDLER.replace('one', 'three'));
    const frozen = { text: 'one', colour: 'red', version: '1', memory: '128' };
    expect(await it.invoke('hello:1')).toMatchObject({ executedVersion: '1', value: frozen });
    expect(await it.invoke('hello:2')).toMatchObject({ executedVersion: '2', value: { text: 'two', colour: 'blue' } });
    expect(await it.invoke('hello')).toMatchObject({ executedVersion: '$LATEST', value: { text: 'three' } });
    expect((await it.invoke('hello:1')).logTail).toContain('Version: 1\n');
    control = await restart(spec({ code: 'code', memoryMb: 640 }));
    expect(await control.get('hello', '1')).toEqual(first);
    expect((await control.versions('hello')).map(({ version }) => version)).toEqual(['$LATEST', '1', '2']);
    expect(await it.invoke('arn:aws:lambda:eu-west-1:123456789012:function:hello:1')).toMatchObject({ value: frozen });
    expect(await it.runtime.invokeStream({ functionName: 'hello:1', payload: '{}' }, it.context())).toMatchObject({
      executedVersion: '1',
    });
  });

  test('publishing what has not changed gives the last version again', async () => {
    const control = start();
    const first = await control.publish('hello');
    expect(await control.publish('hello', { description: 'other words' })).toEqual(first);
    const twice = await Promise.all([control.publish('hello'), control.publish('hello')]);
    expect(twice).toEqual([first, first]);
    expect(await readdir(join(it.folder, 'data/functions/hello'))).toEqual(['1']);
  });

  test('what a killed publication left behind is cleared away by the next', async () => {
    await it.write({
      'data/functions/hello/.new-half/index.mjs': 'half',
      'data/functions/hello/1/index.mjs': 'no record',
    });
    const control = start();
    expect(await control.publish('hello')).toMatchObject({ version: '1' });
    expect(await readdir(join(it.folder, 'data/functions/hello'))).toEqual(['1']);
    expect(await it.invoke('hello:1')).toMatchObject({ value: { text: 'one' } });
  });

  test('numbers are not used twice', async () => {
    const control = start();
    await control.publish('hello');
    await write('export const handler = async () => 2;');
    await control.publish('hello');
    await control.delete('hello', '2');
    await expect(it.invoke('hello:2')).rejects.toMatchObject(refused('FUNCTION_NOT_FOUND', '$LATEST, 1'));
    await write('export const handler = async () => 3;');
    expect(await control.publish('hello')).toMatchObject({ version: '3' });
    expect((await readdir(join(it.folder, 'data/functions/hello'))).sort()).toEqual(['1', '3']);
  });

  test('a stale revision publishes nothing', async () => {
    const control = start();
    const { revisionId } = await control.get('hello');
    await write('export const handler = async () => 2;');
    await expect(control.publish('hello', { revisionId })).rejects.toMatchObject(refused('FUNCTION_CHANGED'));
    expect(await control.versions('hello')).toHaveLength(1);
  });

  test('packages, links within the folder, modes and the module type go along; the rest stays', async () => {
    await it.write({
      'package.json': '{"type":"module"}',
      'code/index.js': `import { x } from 'p'; import { y } from './link.js'; export const handler = async () => [x, y];`,
      'code/node_modules/p/package.json': '{"name":"p","type":"module","exports":"./main.js"}',
      'code/node_modules/p/main.js': 'export const x = 1;',
      'code/real/y.js': 'export const y = 2;',
      'code/.git/HEAD': 'ref',
    });
    await rm(join(it.folder, 'code/index.mjs'));
    await symlink('real/y.js', join(it.folder, 'code/link.js'));
    await chmod(join(it.folder, 'code/real/y.js'), 0o755);
    const control = start();
    await control.publish('hello');
    await rm(join(it.folder, 'code/real'), { recursive: true });
    await rm(join(it.folder, 'package.json'));
    expect(await it.invoke('hello:1')).toMatchObject({ value: [1, 2] });
    const kept = join(it.folder, 'data/functions/hello/1');
    expect((await readdir(kept)).sort()).toEqual(['index.js', 'link.js', 'node_modules', 'package.json', 'real']);
  });

  test('one file is published alone', async () => {
    const control = start(spec({ code: 'code/index.mjs' }));
    const { codeSha256 } = await control.publish('hello');
    expect(codeSha256).toBe((await control.get('hello')).codeSha256);
    await write('broken');
    expect(await it.invoke('hello:1')).toMatchObject({ value: { text: 'one' } });
  });

  test('a link that leads out of the folder is refused, and nothing is left behind', async () => {
    await it.write({ 'secret.txt': 'secret' });
    await symlink('../secret.txt', join(it.folder, 'code/link.txt'));
    const control = start();
    await expect(control.publish('hello')).rejects.toMatchObject(
      refused('INVALID_ARGUMENTS', '"link.txt", which leads out'),
    );
    expect(await readdir(join(it.folder, 'data/functions/hello'))).toEqual([]);
  });

  test('a version whose code was taken away says so', async () => {
    const control = start();
    await control.publish('hello');
    await rm(join(it.folder, 'data/functions'), { recursive: true });
    await expect(it.invoke('hello:1')).rejects.toMatchObject(refused('FUNCTION_FAILED', 'lost the code of version 1'));
  });

  test('without a data folder versions live as long as the runtime', async () => {
    const { control } = it.start([spec({ code: 'code' })]);
    await control.publish('hello');
    const { value } = await it.invoke('hello:1');
    expect(value).toMatchObject({ version: '1' });
  });

  test('all versions together keep to the limit of the function', async () => {
    await write('export const handler = async () => { await new Promise((r) => setTimeout(r, 200)); };');
    const control = start(spec({ code: 'code', concurrency: 1 }));
    await control.publish('hello');
    const running = it.invoke('hello:1');
    await until(() => it.runtime.processCount() === 1);
    await expect(it.invoke('hello')).rejects.toMatchObject(refused('FUNCTION_THROTTLED'));
    await running;
    await it.invoke('hello');
  });
});

describe('aliases', () => {
  async function twoVersions(): Promise<FunctionControl> {
    const control = start();
    await control.publish('hello');
    await write(HANDLER.replace('one', 'two'));
    await control.publish('hello');
    return control;
  }

  test('2.20: a caller of an alias gets its new version with the next call, without a restart', async () => {
    const control = await twoVersions();
    await control.createAlias('hello', 'live', { functionVersion: '1', description: 'what people use' });
    expect(await it.invoke('hello:live')).toMatchObject({ executedVersion: '1', value: { text: 'one' } });
    const before = await control.alias('hello', 'live');
    const after = await control.updateAlias('hello', 'live', { functionVersion: '2' }, before.revisionId);
    expect(after).toMatchObject({ name: 'live', functionVersion: '2', description: 'what people use' });
    expect(await it.invoke('hello:live')).toMatchObject({ executedVersion: '2', value: { text: 'two' } });
    await expect(control.updateAlias('hello', 'live', {}, before.revisionId)).rejects.toMatchObject(
      refused('FUNCTION_CHANGED'),
    );
    expect(await control.get('hello', 'live')).toMatchObject({ version: '2' });
    const again = await restart();
    expect(await again.aliases('hello')).toEqual([after]);
    expect(await it.invoke('hello:live')).toMatchObject({ executedVersion: '2' });
  });

  test('2.5: a canary gets its share of the invocations, then everything', async () => {
    const control = await twoVersions();
    await control.createAlias('hello', 'live', { functionVersion: '1', weights: { '2': 0.25 } });
    for (const [value, version] of [
      [0.9, '1'],
      [0.25, '1'],
      [0.2499, '2'],
      [0, '2'],
    ] as const) {
      random = value;
      expect(await it.invoke('hello:live')).toMatchObject({ executedVersion: version });
    }
    await control.updateAlias('hello', 'live', { functionVersion: '2', weights: {} });
    random = 0.9;
    expect(await it.invoke('hello:live')).toMatchObject({ executedVersion: '2' });
  });

  test('the handler is told the name that its caller used', async () => {
    await write('export const handler = async (_, context) => [context.invokedFunctionArn, context.functionVersion];');
    const control = start();
    await control.publish('hello');
    await control.createAlias('hello', 'live', { functionVersion: '1' });
    expect(await it.invoke('hello:live')).toMatchObject({
      value: ['arn:aws:lambda:us-east-1:000000000000:function:hello:live', '1'],
    });
  });

  test('an alias of $LATEST follows the code', async () => {
    const control = start();
    await control.createAlias('hello', 'edge', { functionVersion: '$LATEST' });
    expect(await it.invoke('hello:edge')).toMatchObject({ executedVersion: '$LATEST' });
  });

  test.each([
    ['a version that is not there', 'live', { functionVersion: '7' }, 'FUNCTION_NOT_FOUND', '"7"'],
    ['a number as its name', '12', { functionVersion: '1' }, 'INVALID_ARGUMENTS', 'no number'],
    [
      'two weights',
      'live',
      { functionVersion: '1', weights: { '2': 0.1, '3': 0.1 } },
      'INVALID_ARGUMENTS',
      'one other',
    ],
    ['a weight above 1', 'live', { functionVersion: '1', weights: { '2': 1.1 } }, 'INVALID_ARGUMENTS', 'weight'],
    ['a weight of 0', 'live', { functionVersion: '1', weights: { '2': 0 } }, 'INVALID_ARGUMENTS', 'weight'],
    [
      'a weight of its own version',
      'live',
      { functionVersion: '1', weights: { '1': 0.5 } },
      'INVALID_ARGUMENTS',
      'leaves',
    ],
    [
      'a weight beside $LATEST',
      'live',
      { functionVersion: '$LATEST', weights: { '1': 0.5 } },
      'INVALID_ARGUMENTS',
      'publish',
    ],
    [
      'a weight of a version that is not there',
      'live',
      { functionVersion: '1', weights: { '9': 0.5 } },
      'FUNCTION_NOT_FOUND',
      '"9"',
    ],
  ])('%s is refused', async (_title, name, changes, code, part) => {
    const control = await twoVersions();
    await expect(control.createAlias('hello', name, changes as { functionVersion: string })).rejects.toMatchObject(
      refused(code, part),
    );
    expect(await control.aliases('hello')).toEqual([]);
  });

  test('a version in use by an alias cannot be deleted; an alias can, and a name is not given twice', async () => {
    const control = await twoVersions();
    await control.createAlias('hello', 'live', { functionVersion: '1', weights: { '2': 0.5 } });
    await expect(control.createAlias('hello', 'live', { functionVersion: '1' })).rejects.toMatchObject(
      refused('FUNCTION_EXISTS'),
    );
    for (const version of ['1', '2'])
      await expect(control.delete('hello', version)).rejects.toMatchObject(refused('INVALID_ARGUMENTS', '"live"'));
    await control.deleteAlias('hello', 'live');
    await control.deleteAlias('hello', 'live');
    await control.delete('hello', '2');
    await expect(it.invoke('hello:live')).rejects.toMatchObject(refused('FUNCTION_NOT_FOUND', '"live"'));
  });

  test('2.22: a function rewritten in another language keeps versions, aliases and callers', async () => {
    const control = await twoVersions();
    await control.createAlias('hello', 'live', { functionVersion: '2' });
    await it.write({
      'native/bootstrap': `#!/usr/bin/env node
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const base = 'http://' + host + ':' + port + '/2018-06-01/runtime/invocation/';
(async () => { for (;;) {
  const next = await fetch(base + 'next');
  const id = next.headers.get('lambda-runtime-aws-request-id');
  await next.text();
  await (await fetch(base + id + '/response', { method: 'POST', body: '{"text":"native"}' })).text();
} })();`,
    });
    const rewritten = spec({ code: 'native', runtime: 'provided.al2023' });
    it.runtime.reconfigure([rewritten]);
    expect(await it.invoke('hello')).toMatchObject({ value: { text: 'native' } });
    expect(await it.invoke('hello:live')).toMatchObject({ value: { text: 'two' } });
    const { version } = await control.publish('hello');
    await control.updateAlias('hello', 'live', { functionVersion: version });
    expect(await it.invoke('hello:live')).toMatchObject({ executedVersion: '3', value: { text: 'native' } });
  });
});

describe('digests', () => {
  test('say whether any path, byte or link of the code differs, and nothing else', async () => {
    const digests = new CodeDigests();
    const root = join(it.folder, 'code');
    const seen = new Map<string, string>();
    const look = async (what: string): Promise<void> => {
      const { sha256 } = await new CodeDigests().of({ root });
      expect(await digests.of({ root })).toMatchObject({ sha256 });
      expect([...seen].find(([, digest]) => digest === sha256)?.[0]).toBeUndefined();
      seen.set(what, sha256);
    };
    await look('one file');
    await write(`${HANDLER} `);
    await look('a byte more');
    await mkdir(join(root, 'a'));
    await writeFile(join(root, 'a/b'), '');
    await look('an empty file');
    await rm(join(root, 'a'), { recursive: true });
    await writeFile(join(root, 'ab'), '');
    await look('the same in another place');
    await chmod(join(root, 'ab'), 0o755);
    await look('executable');
    await symlink('ab', join(root, 'link'));
    await look('a link');
    await mkdir(join(root, '.git'));
    await writeFile(join(root, '.git/HEAD'), 'x');
    expect(await digests.of({ root })).toMatchObject({ sha256: seen.get('a link') });
  });

  test('code that is not there has the digest of nothing', async () => {
    const nothing = createHash('sha256').digest('base64');
    const digests = new CodeDigests();
    expect(await digests.of({ root: join(it.folder, 'absent') })).toMatchObject({ sha256: nothing, size: 0 });
  });
});

test('whatever is done to versions and aliases, an alias leads to a version that exists', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('publish' as const), text: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ kind: fc.constant('delete' as const), version: fc.integer({ min: 1, max: 4 }) }),
    fc.record({
      kind: fc.constant('alias' as const),
      name: fc.constantFrom('a', 'b'),
      version: fc.integer({ min: 1, max: 4 }),
      other: fc.option(fc.integer({ min: 1, max: 4 })),
    }),
  );
  const control = start();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
      for (const each of steps) {
        const done = async (): Promise<unknown> => {
          if (each.kind === 'publish') {
            await write(`export const handler = async () => ${each.text};`);
            return control.publish('hello');
          }
          if (each.kind === 'delete') return control.delete('hello', String(each.version));
          const weights = each.other === null ? {} : { [each.other]: 0.5 };
          const changes = { functionVersion: String(each.version), weights };
          const known = (await control.aliases('hello')).some(({ name }) => name === each.name);
          return known
            ? control.updateAlias('hello', each.name, changes)
            : control.createAlias('hello', each.name, changes);
        };
        await done().catch((error: unknown) => expect(error).toHaveProperty('code'));
        const versions = (await control.versions('hello')).map(({ version }) => version);
        for (const alias of await control.aliases('hello'))
          expect(versions).toEqual(expect.arrayContaining([alias.functionVersion, ...Object.keys(alias.weights)]));
      }
    }),
    { numRuns: 25 },
  );
  const kept = await readdir(join(it.folder, 'data/functions/hello')).catch(() => []);
  const versions = (await control.versions('hello')).slice(1).map(({ version }) => version);
  expect(new Set(kept)).toEqual(new Set(versions));
});
