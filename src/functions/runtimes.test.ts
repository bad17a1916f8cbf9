import { spawn, spawnSync } from 'node:child_process';
import { access, chmod, readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { FunctionSpec } from './function-spec.ts';
import { isAlive, spec, TestRuntime, until } from './runtime-for-test.ts';

// The interpreter itself, which a version manager's stand-in takes long to find.
const asked = 'import sys; print(sys.executable, "python%d.%d" % sys.version_info[:2], sep="\\n")';
const [python3 = '', version3 = ''] = (spawnSync('python3', ['-c', asked], { encoding: 'utf8' }).stdout ?? '').split(
  '\n',
);
const hasPython = python3.startsWith('/');
const searchPath = [...(hasPython ? [dirname(python3)] : []), process.env['PATH'] ?? ''].join(delimiter);

let it: TestRuntime;

beforeEach(async () => {
  it = await TestRuntime.create();
});

afterEach(() => it.close());

// python3 is no part of what a clone needs; docs/explanation/test-matrix.md names these tests.
/** The invocation takes more memory than its function has. */
async function endsForMemory(payload: Parameters<TestRuntime['invoke']>[1]): Promise<void> {
  const outcome = it.invoke('hello', payload);
  let isOver = false;
  void outcome.finally(() => (isOver = true));
  await until(() => {
    it.clock.fire(250);
    return isOver;
  });
  expect(await outcome).toMatchObject({
    functionError: 'Unhandled',
    value: { errorType: 'Runtime.OutOfMemory', errorMessage: expect.stringContaining('functions.hello.memoryMb') },
  });
}

describe.skipIf(!hasPython)('Python', () => {
  const python = (options: Partial<FunctionSpec> = {}): FunctionSpec =>
    spec({ runtime: 'python3.13', handler: 'app.handler', timeoutSeconds: 20, ...options });

  async function serve(files: Record<string, string>, options: Partial<FunctionSpec> = {}): Promise<void> {
    await it.write(files);
    it.start([python(options)], { searchPath });
  }

  test('3.20: a coroutine handler is awaited, and what it awaited before is still usable', async () => {
    await serve({
      'app.py': `import asyncio
lock = None
async def handler(event, context):
    global lock
    lock = lock or asyncio.Lock()
    async with lock:
        await asyncio.sleep(0.001)
        return {"got": event}`,
    });
    expect(await it.invoke('hello', { a: 'é' })).toMatchObject({ value: { got: { a: 'é' } }, coldStart: true });
    expect(await it.invoke('hello', [1])).toMatchObject({ value: { got: [1] }, coldStart: false });
    const standIns = it.log.records.filter(({ message }) => message === 'function-runtime-differs');
    expect(standIns.every(({ fields }) => fields['declared'] === 'python3.13')).toBe(true);
    expect(standIns.length).toBe(version3 === 'python3.13' ? 0 : 1);
  });

  test('the context is named as on Lambda, and the code folder comes first among the modules', async () => {
    await serve(
      {
        'lib/__init__.py': '',
        'lib/app.py': `import os, sys
import beside
def handler(event, context):
    return {
        "fields": [context.function_name, context.function_version, context.memory_limit_in_mb, context.log_group_name],
        "arn": context.invoked_function_arn, "custom": context.client_context.custom, "env": context.client_context.env,
        "client": context.client_context.client.app_title, "identity": context.identity.cognito_identity_id,
        "left": context.get_remaining_time_in_millis(), "id": len(context.aws_request_id),
        "path": sys.path[0] == os.environ["LAMBDA_TASK_ROOT"] == os.getcwd(), "beside": beside.NAME,
        "leaks": [k for k in os.environ if not k.startswith(("AWS_", "LAMBDA_", "LC_", "_", "COLOUR", "PATH", "TZ", "LANG"))],
    }`,
        'beside.py': 'NAME = "beside"',
      },
      { handler: 'lib/app.handler', memoryMb: 256, environment: { COLOUR: 'red' } },
    );
    const rawClientContext = JSON.stringify(
      { custom: { a: 'é' }, env: { b: 'c' }, client: { app_title: 't' } },
      null,
      1,
    );
    const { payload } = await it.runtime.invoke(
      { functionName: 'hello', payload: '{}', rawClientContext },
      it.context(),
    );
    expect(JSON.parse(payload)).toMatchObject({
      fields: ['hello', '$LATEST', '256', '/aws/lambda/hello'],
      arn: 'arn:aws:lambda:us-east-1:000000000000:function:hello',
      custom: { a: 'é' },
      env: { b: 'c' },
      client: 't',
      identity: null,
      id: 36,
      path: true,
      beside: 'beside',
      leaks: [],
    });
    expect((JSON.parse(payload) as { left: number }).left).toBeGreaterThan(10_000);
  });

  test('what it logs and prints is in the log tail, with the request id', async () => {
    await serve({
      'app.py': `import logging
log = logging.getLogger()
log.setLevel(logging.INFO)
def handler(event, context):
    log.info("as a record")
    print("as text")
    context.log("as Lambda's own")`,
    });
    const { logTail, value } = await it.invoke('hello');
    expect(value).toBeNull();
    expect(logTail).toMatch(
      /\[INFO\]\t\d{4}-\d\d-\d\dT[\d:.]+Z\t[0-9a-f-]{36}\tas a record\nas text\nas Lambda's own\nEND/,
    );
  });

  test.each([
    ['a raised exception', 'def handler(event, context):\n    raise KeyError("colour")', 'KeyError', 'colour'],
    [
      'one raised by a coroutine',
      'async def handler(event, context):\n    raise ValueError("late")',
      'ValueError',
      'late',
    ],
    ['a result that is no JSON', 'def handler(event, context):\n    return {1, 2}', 'Runtime.MarshalError', 'set'],
    ['a result of NaN', 'def handler(event, context):\n    return float("nan")', 'Runtime.MarshalError', 'JSON'],
  ])(
    '%s is reported with type, message and stack, and the process lives on',
    async (_title, code, errorType, message) => {
      await serve({ 'app.py': code });
      const failed = await it.invoke('hello');
      expect(failed).toMatchObject({
        functionError: 'Unhandled',
        value: { errorType, errorMessage: expect.stringContaining(message) },
      });
      expect((failed.value as { stackTrace: string[] }).stackTrace.join('')).toContain(
        errorType.startsWith('Runtime.') ? 'json' : 'app.py',
      );
      expect(await it.invoke('hello')).toMatchObject({ coldStart: false });
    },
  );

  test.each([
    ['a missing module', {}, 'app.handler', 'Runtime.ImportModuleError', '"app"'],
    [
      'a missing import',
      { 'app.py': 'import nowhere_to_be' },
      'app.handler',
      'Runtime.ImportModuleError',
      'nowhere_to_be',
    ],
    ['a missing function', { 'app.py': '' }, 'app.handler', 'Runtime.HandlerNotFound', '"handler"'],
    ['a syntax error', { 'app.py': 'def handler(:' }, 'app.handler', 'Runtime.UserCodeSyntaxError', 'app.py'],
    ['a module that raises', { 'app.py': '1 / 0' }, 'app.handler', 'ZeroDivisionError', 'division'],
    ['a malformed handler', { 'app.py': '' }, 'app', 'Runtime.MalformedHandlerName', '"app"'],
    ['a handler outside the code', { 'app.py': '' }, '../app.handler', 'Runtime.MalformedHandlerName', 'leaves'],
    ['a module that exits', { 'app.py': 'raise SystemExit(3)' }, 'app.handler', 'Runtime.ExitError', 'status 3'],
  ])('%s is an error of the function', async (_title, files, handler, errorType, message) => {
    await serve(files as Record<string, string>, { handler });
    expect(await it.invoke('hello')).toMatchObject({
      functionError: 'Unhandled',
      value: { errorType, errorMessage: expect.stringContaining(message) },
    });
    await until(() => it.runtime.processCount() === 0);
  });

  test('one file can be the code, and running it leaves nothing behind', async () => {
    await serve({ 'one.py': 'def handler(event, context):\n    return "one"' }, { code: 'one.py', handler: 'handler' });
    expect(await it.invoke('hello')).toMatchObject({ value: 'one' });
    await expect(access(join(it.folder, '__pycache__'))).rejects.toThrow();
  });

  test('a timeout ends a handler that waits, with what it started', async () => {
    await serve({
      'app.py': `import os, subprocess, time
def handler(event, context):
    child = subprocess.Popen(["/bin/sleep", "60"])
    open(event["file"], "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(60)`,
    });
    const file = join(it.folder, 'pids');
    const outcome = it.invoke('hello', { file }).catch((error: unknown) => error);
    const pids = async (): Promise<number[]> =>
      (await readFile(file, 'utf8').catch(() => '')).split(' ').filter(Boolean).map(Number);
    await until(async () => (await pids()).length === 2);
    it.clock.fire(20_000);
    expect(await outcome).toMatchObject({ code: 'FUNCTION_TIMEOUT' });
    const [own = 0, child = 0] = await pids();
    await until(() => !isAlive(own) && !isAlive(child));
  });

  test.skipIf(process.platform !== 'linux')(
    'a process that takes much more memory than it has is ended and says so',
    async () => {
      await serve({
        'app.py': `import time
def handler(event, context):
    global kept
    kept = bytearray(event["mb"] * 1024 * 1024)
    time.sleep(event["seconds"])
    return "kept"`,
      });
      const small = await it.invoke('hello', { mb: 1, seconds: 0 });
      expect(small.value).toBe('kept');
      expect(Number(/Max Memory Used: (\d+) MB/.exec(small.logTail ?? '')?.[1])).toBeGreaterThan(5);
      await endsForMemory({ mb: 400, seconds: 30 });
      expect(await it.invoke('hello', { mb: 1, seconds: 0 })).toMatchObject({ value: 'kept', coldStart: true });
    },
    15_000,
  );
});

test.skipIf(process.platform !== 'linux')(
  'a Node function that holds much more outside of its heap than it has is ended and says so',
  async () => {
    await it.write({
      'index.mjs': `let kept;
export const handler = async ({ mb }) => {
  kept = Buffer.alloc(mb * 1024 * 1024, 1);
  await new Promise((resolve) => setTimeout(resolve, mb > 100 ? 30_000 : 0));
  return kept.length;
};`,
    });
    it.start([spec({ memoryMb: 128 })]);
    expect((await it.invoke('hello', { mb: 50 })).value).toBe(50 * 1024 * 1024);
    await endsForMemory({ mb: 400 });
    expect(await it.invoke('hello', { mb: 1 })).toMatchObject({ coldStart: true });
  },
  15_000,
);

test('a runtime whose interpreter is not installed names it, and other functions run', async () => {
  await it.write({ 'index.mjs': 'export const handler = async () => "well";' });
  it.start([spec(), spec({ name: 'snake', runtime: 'python3.12' })], { searchPath: it.folder });
  await expect(it.invoke('snake')).rejects.toMatchObject({
    code: 'FUNCTION_FAILED',
    message: expect.stringContaining('needs python3.12 or python3, and none of them is on the search path'),
  });
  expect(await it.invoke('hello')).toMatchObject({ value: 'well' });
  expect(it.runtime.processCount('snake')).toBe(0);
});

/** A runtime loop as anybody might write it, on Node's own parts. */
const BOOTSTRAP = `#!/usr/bin/env node
const http = require('node:http');
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const send = (method, path, body) => new Promise((done, failed) => {
  const request = http.request({ host, port, agent, method, path: '/2018-06-01/runtime' + path }, (response) => {
    let text = '';
    response.on('data', (chunk) => (text += chunk)).on('end', () => done({ headers: response.headers, text }));
  });
  request.on('error', failed).end(body);
});
(async () => {
  for (;;) {
    const { headers, text } = await send('GET', '/invocation/next');
    const id = headers['lambda-runtime-aws-request-id'];
    const event = JSON.parse(text);
    if (event.spin) { require('node:fs').writeFileSync(event.spin, String(process.pid)); for (;;); }
    if (event.fail) await send('POST', '/invocation/' + id + '/error', JSON.stringify({ errorType: 'Mine', errorMessage: 'no' }));
    else await send('POST', '/invocation/' + id + '/response', JSON.stringify({ event, handler: process.env._HANDLER, arguments: process.argv.length, env: process.env.AWS_EXECUTION_ENV }));
  }
})();
`;

describe('provided', () => {
  const provided = (options: Partial<FunctionSpec> = {}): FunctionSpec =>
    spec({ runtime: 'provided.al2023', handler: 'whatever', ...options });

  test.each([
    ['provided', '.', 'bootstrap'],
    ['provided.al2', 'build', 'build/bootstrap'],
    ['provided.al2023', 'build/my-bootstrap', 'build/my-bootstrap'],
  ])('%s runs the executable of the code %s', async (runtime, code, file) => {
    await it.write({ [file]: BOOTSTRAP });
    it.start([provided({ runtime, code })], { searchPath });
    expect(await it.invoke('hello', { a: 1 })).toMatchObject({
      coldStart: true,
      value: { event: { a: 1 }, handler: 'whatever', arguments: 2, env: `AWS_Lambda_${runtime}` },
    });
    expect(await it.invoke('hello', { fail: true })).toMatchObject({
      coldStart: false,
      functionError: 'Unhandled',
      value: { errorType: 'Mine', errorMessage: 'no' },
    });
  });

  test.each([
    ['is absent', {}, 'which does not exist'],
    ['is not executable', { 'bootstrap.txt': BOOTSTRAP }, 'chmod +x'],
    ['has no first line that names a program', { bootstrap: 'echo "run by a shell"' }, '"#!" line'],
    ['names an interpreter that is absent', { bootstrap: '#!/nowhere/interpreter\n' }, 'cannot be started'],
  ])('a bootstrap that %s is refused with the next step', async (_title, files, message) => {
    await it.write(files as Record<string, string>);
    if ('bootstrap.txt' in files) await chmod(join(it.folder, 'bootstrap.txt'), 0o644);
    const code = 'bootstrap.txt' in files ? 'bootstrap.txt' : '.';
    it.start([provided({ code })], { searchPath });
    await expect(it.invoke('hello')).rejects.toMatchObject({
      code: 'FUNCTION_FAILED',
      message: expect.stringContaining(message),
    });
    expect(it.runtime.processCount()).toBe(0);
  });

  test('a bootstrap that ends before it asks for work is an error of the function', async () => {
    await it.write({ bootstrap: '#!/bin/false\n' });
    it.start([provided()]);
    expect(await it.invoke('hello')).toMatchObject({
      functionError: 'Unhandled',
      value: { errorType: 'Runtime.ExitError', errorMessage: expect.stringContaining('exit status 1') },
    });
  });

  test('a bootstrap that knows nothing of the gateway, and a frozen process, end with it', async () => {
    const here = (file: string): string => JSON.stringify(fileURLToPath(new URL(file, import.meta.url)));
    await it.write({
      'own/bootstrap': BOOTSTRAP,
      'index.mjs': `import { writeFileSync } from 'node:fs';
        export const handler = async (event) => { writeFileSync(event.file, String(process.pid)); };`,
      'gateway.ts': `import { createFunctionRuntime } from ${here('function-runtime.ts')};
        const clock = { nowMs: Date.now, monotonicMs: () => performance.now(), after: () => () => {} };
        const log = { log() {}, with() { return log; } };
        const own = { name: 'own', handler: 'x', runtime: 'provided', code: './own' };
        const ice = { name: 'ice', handler: 'index.handler', runtime: 'nodejs22.x', code: '.', freeze: true };
        const runtime = createFunctionRuntime({ functions: [own, ice], baseDir: ${JSON.stringify(it.folder)}, clock, log, ids: { uuid: () => crypto.randomUUID() }, searchPath: process.env.PATH });
        const context = { signal: new AbortController().signal, requestId: 'r', trace: {}, log };
        const invoke = (functionName, payload) => runtime.invoke({ functionName, payload: JSON.stringify(payload) }, context);
        void invoke('own', { spin: ${JSON.stringify(it.folder)} + '/spin' });
        invoke('ice', { file: ${JSON.stringify(it.folder)} + '/ice' });
        setInterval(() => {}, 1000);`,
    });
    const gateway = spawn(process.execPath, ['--import', 'tsx', join(it.folder, 'gateway.ts')], {
      stdio: ['ignore', 'inherit', 'inherit'],
      cwd: process.cwd(),
    });
    const ended = new Promise((done) => gateway.once('exit', done));
    const pid = (name: string): Promise<number> => readFile(join(it.folder, name), 'utf8').then(Number, () => 0);
    await until(async () => (await pid('spin')) > 0 && (await pid('ice')) > 0 && (await isStopped(await pid('ice'))));
    gateway.kill('SIGKILL');
    await ended;
    const [spinning, frozen] = [await pid('spin'), await pid('ice')];
    await until(() => !isAlive(spinning) && !isAlive(frozen));
  }, 15_000);
});

async function isStopped(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return /^State:\s+T/m.test(status);
}

test('a frozen process stands still between invocations and goes on with the next', async () => {
  await it.write({
    'index.mjs': `let ticks = 0;
      setInterval(() => ticks++, 5).unref();
      export const handler = async (event) => { await new Promise((r) => setTimeout(r, event.ms)); return { ticks, pid: process.pid }; };`,
  });
  it.start([spec({ freeze: true }), spec({ name: 'awake' })]);
  for (const name of ['hello', 'awake']) await it.invoke(name, { ms: 50 });
  const [{ value: before }, { value: awake }] = [
    await it.invoke('hello', { ms: 1 }),
    await it.invoke('awake', { ms: 1 }),
  ];
  const { pid, ticks } = before as { pid: number; ticks: number };
  await until(() => isStopped(pid));
  await new Promise((done) => setTimeout(done, 300));
  const after = await it.invoke('hello', { ms: 1 });
  expect(after).toMatchObject({ coldStart: false, value: { pid } });
  expect((after.value as { ticks: number }).ticks - ticks).toBeLessThan(20);
  const { value: later } = await it.invoke('awake', { ms: 1 });
  expect((later as { ticks: number }).ticks - (awake as { ticks: number }).ticks).toBeGreaterThan(20);
  await it.runtime.close();
  expect(isAlive(pid)).toBe(false);
});

test('F-40: a process serves one tenant, and makes room for another at the limit', async () => {
  await it.write({
    'index.mjs':
      'let seen = []; export const handler = async (event) => { seen.push(event); return { seen, pid: process.pid }; };',
  });
  it.start([spec({ concurrency: 2 })]);
  for (const turn of [1, 2, 3]) {
    for (const tenant of ['team-a', 'team-b']) {
      const { value } = await it.invoke('hello', tenant, tenant);
      expect(value).toMatchObject({ seen: Array.from({ length: turn }, () => tenant) });
    }
  }
  expect(it.runtime.processCount()).toBe(2);
  expect(await it.invoke('hello', 'team-c', 'team-c')).toMatchObject({ value: { seen: ['team-c'] } });
  await until(() => it.runtime.processCount() === 2);
  // The one that had waited longest is gone.
  expect(await it.invoke('hello', 'team-b', 'team-b')).toMatchObject({ coldStart: false });
  expect(await it.invoke('hello', 'team-a', 'team-a')).toMatchObject({ coldStart: true, value: { seen: ['team-a'] } });
});

test('the log tail is what Lambda would return, cut to its last 4 KB', async () => {
  await it.write({ 'index.mjs': 'export const handler = async (event) => { console.log("é".repeat(event.n)); };' });
  it.start([spec({ memoryMb: 256 })]);
  const { logTail = '' } = await it.invoke('hello', { n: 3 });
  const id = /^START RequestId: ([0-9a-f-]{36}) Version: \$LATEST\n/.exec(logTail)?.[1] ?? '';
  expect(logTail).toMatch(
    new RegExp(
      `^START RequestId: ${id} Version: \\$LATEST\néééé?\nEND RequestId: ${id}\nREPORT RequestId: ${id}\tDuration: [\\d.]+ ms\tBilled Duration: \\d+ ms\tMemory Size: 256 MB\t(Max Memory Used: \\d+ MB\t)?Init Duration: [\\d.]+ ms\n$`,
    ),
  );
  const { logTail: long = '' } = await it.invoke('hello', { n: 5000 });
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(4096);
  expect(Buffer.byteLength(long)).toBeGreaterThan(4090);
  expect(long).toMatch(/^é+\nEND RequestId/);
  expect(long).not.toContain('Init Duration');
});

test('an edit of the code is used by the next invocation, and what runs finishes', async () => {
  await it.write({
    'index.mjs':
      'import { text } from "./lib/text.mjs"; export const handler = async (e) => { await new Promise((r) => setTimeout(r, e.ms ?? 0)); return text; };',
    'lib/text.mjs': 'export const text = "old";',
    'node_modules/p/index.js': '',
    'data.txt': '',
  });
  it.start([spec()]);
  const changed: string[] = [];
  it.runtime.control.onChange((name) => changed.push(name));
  expect(await it.invoke('hello')).toMatchObject({ value: 'old' });
  await it.write({ 'data.txt': 'no code', 'node_modules/p/index.js': '// installed' });
  const running = it.invoke('hello', { ms: 200 });
  await it.write({ 'lib/text.mjs': 'export const text = "new";' });
  await until(() => it.clock.pending.some((timer) => timer.ms === 100));
  it.clock.fire(100);
  expect(changed).toEqual(['hello']);
  expect(await it.invoke('hello')).toMatchObject({ value: 'new', coldStart: true });
  expect(await running).toMatchObject({ value: 'old' });
  await it.write({ 'data.txt': 'still no code' });
  await new Promise((done) => setTimeout(done, 50));
  it.clock.fire(100);
  expect(await it.invoke('hello')).toMatchObject({ value: 'new', coldStart: false });
});

test('a folder that comes later is watched as well', async () => {
  await it.write({
    'index.mjs':
      'export const handler = async () => { try { return (await import("./late/x.mjs")).x; } catch { return "absent"; } };',
  });
  it.start([spec()]);
  expect(await it.invoke('hello')).toMatchObject({ value: 'absent' });
  for (const x of ['1', '2']) {
    await it.write({ 'late/x.mjs': `export const x = ${x};` });
    await until(() => it.clock.pending.some((timer) => timer.ms === 100));
    it.clock.fire(100);
    expect(await it.invoke('hello')).toMatchObject({ value: Number(x) });
  }
});
