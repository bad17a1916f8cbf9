import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { Context } from '../core/context.ts';
import { createFunctionRuntime, type FunctionRuntime } from './function-runtime.ts';
import { FunctionPool } from './function-pool.ts';
import type { FunctionProcess } from './function-process.ts';
import { resolveFunction, type FunctionSpec } from './function-spec.ts';
import { GroupGuard } from './group-guard.ts';
import { Launcher } from './launch.ts';
import { openRuntimeApi } from './runtime-api.ts';
import { HeldClock, isAlive, Lines, spec, until } from './runtime-for-test.ts';

let folder: string;
let runtime: FunctionRuntime;
let clock: HeldClock;
let log: Lines;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroplane-functions-'));
  clock = new HeldClock();
  log = new Lines();
});

afterEach(async () => {
  await runtime?.close();
  await rm(folder, { recursive: true, force: true });
});

async function write(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

function start(...functions: FunctionSpec[]): void {
  runtime = createFunctionRuntime({ functions, baseDir: folder, clock, log, ids: { uuid: () => crypto.randomUUID() } });
}

function context(): Context {
  const principal = { id: 'ada', tenant: 'team-x', roles: [], scopes: [] } as const;
  const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
  return new Context({ principal, requestId: 'request-1', clock, timeoutMs: 60_000, log, trace });
}

async function invoke(payload: unknown, functionName = 'hello', clientContext?: Record<string, string>) {
  const result = await runtime.invoke(
    { functionName, payload: JSON.stringify(payload), ...(clientContext === undefined ? {} : { clientContext }) },
    context(),
  );
  return { ...result, value: JSON.parse(result.payload) };
}

test('a handler is called with the event, and its second call finds the process warm', async () => {
  await write({
    'index.mjs': 'let n = 0; export const handler = async (event) => ({ event, pid: process.pid, n: ++n });',
  });
  start(spec());
  const first = await invoke({ a: 1 });
  const second = await invoke({ a: 2 });
  expect(first).toMatchObject({ coldStart: true, executedVersion: '$LATEST', value: { event: { a: 1 }, n: 1 } });
  expect(second).toMatchObject({ coldStart: false, value: { event: { a: 2 }, n: 2, pid: first.value.pid } });
  expect(second.functionError).toBeUndefined();
  expect(runtime.processCount()).toBe(1);
});

test.each([
  ['ESM in .mjs', { 'index.mjs': 'export const handler = async () => "ok";' }, 'index.handler', '.'],
  ['CommonJS in .js', { 'index.js': 'exports.handler = async () => "ok";' }, 'index.handler', '.'],
  [
    'CommonJS that replaces its exports',
    { 'index.cjs': 'const made = () => ({ handler: async () => "ok" }); module.exports = made();' },
    'index.handler',
    '.',
  ],
  [
    'ESM in .js by package.json',
    { 'package.json': '{"type":"module"}', 'index.js': 'export const handler = async () => "ok";' },
    'index.handler',
    '.',
  ],
  ['a module in a folder', { 'src/app/main.mjs': 'export const run = async () => "ok";' }, 'src/app/main.run', '.'],
  ['a nested export', { 'index.mjs': 'export const api = { get: async () => "ok" };' }, 'index.api.get', '.'],
  ['a file as code', { 'lib/one.mjs': 'export const handler = async () => "ok";' }, 'index.handler', 'lib/one.mjs'],
])('%s runs', async (_title, files, handler, code) => {
  await write(files);
  start(spec({ handler, code }));
  expect(await invoke({})).toMatchObject({ value: 'ok' });
});

test.each([
  ['a missing module', {}, 'index.handler', 'Runtime.ImportModuleError'],
  ['a missing export', { 'index.mjs': 'export const other = 1;' }, 'index.handler', 'Runtime.HandlerNotFound'],
  ['a malformed handler', { 'index.mjs': '' }, 'handler', 'Runtime.MalformedHandlerName'],
  ['a module outside the code', { 'index.mjs': '' }, '../index.handler', 'Runtime.MalformedHandlerName'],
  [
    'a syntax error',
    { 'index.mjs': 'export const handler = async () => {' },
    'index.handler',
    'Runtime.UserCodeSyntaxError',
  ],
  [
    'a module that imports nothing real',
    { 'index.mjs': 'import "./absent.mjs"; export const handler = 1;' },
    'index.handler',
    'Runtime.ImportModuleError',
  ],
  ['a module that throws', { 'index.mjs': 'throw new TypeError("no database");' }, 'index.handler', 'TypeError'],
  ['a module that exits', { 'index.mjs': 'process.exit(3);' }, 'index.handler', 'Runtime.ExitError'],
])('%s is an error of the function', async (_title, files, handler, errorType) => {
  await write(files);
  start(spec({ handler }));
  const result = await invoke({});
  expect(result).toMatchObject({ functionError: 'Unhandled', value: { errorType } });
  await until(() => runtime.processCount() === 0);
});

test.each([
  [
    'a callback',
    'exports.handler = (event, context, callback) => { setTimeout(() => callback(null, event.x), 5); };',
    { x: 7 },
    { value: 7 },
  ],
  [
    'a callback with an error',
    'exports.handler = (event, context, callback) => callback(new RangeError("too far"));',
    {},
    { functionError: 'Unhandled', value: { errorType: 'RangeError', errorMessage: 'too far' } },
  ],
  [
    'a callback before other work is done',
    'let late = 0; exports.handler = (e, c, cb) => { const r = {}; cb(null, r); setTimeout(() => { r.late = true; }, 10); };',
    {},
    { value: { late: true } },
  ],
  ['context.succeed', 'exports.handler = (event, context) => context.succeed("old");', {}, { value: 'old' }],
  ['no answer at all', 'exports.handler = () => { setTimeout(() => {}, 1); };', {}, { value: null }],
  ['a promise that nothing will settle', 'exports.handler = () => new Promise(() => {});', {}, { value: null }],
])('on nodejs22.x a handler may answer by %s', async (_title, code, event, expected) => {
  await write({ 'index.js': code });
  start(spec());
  expect(await invoke(event)).toMatchObject(expected);
  expect(await invoke(event)).toMatchObject({ ...expected, coldStart: false });
});

test('on nodejs24.x a callback handler is refused and an async one runs', async () => {
  await write({
    'old.mjs': 'export const handler = (event, context, callback) => callback(null, 1);',
    'new.mjs': 'export const handler = async () => 1;',
  });
  start(
    spec({ name: 'old', handler: 'old.handler', runtime: 'nodejs24.x' }),
    spec({ name: 'new', handler: 'new.handler', runtime: 'nodejs24.x' }),
  );
  expect(await invoke({}, 'old')).toMatchObject({
    functionError: 'Unhandled',
    value: { errorType: 'Runtime.CallbackHandlerDeprecated' },
  });
  expect(await invoke({}, 'new')).toMatchObject({ value: 1 });
});

test('the context and the environment are those of Lambda, and nothing of the host is passed on', async () => {
  process.env['ZEROPLANE_TEST_SECRET'] = 'do-not-pass';
  await write({
    'index.mjs': `export const handler = async (event, context) => ({
      context: { ...context, remaining: context.getRemainingTimeInMillis() }, env: process.env, cwd: process.cwd() });`,
  });
  start(spec({ environment: { COLOUR: 'blue' }, memoryMb: 256 }));
  const { value } = await invoke({}, 'arn:aws:lambda:eu-west-1:123456789012:function:hello:$LATEST', {
    zeroplaneTenant: 'team-é',
  });
  delete process.env['ZEROPLANE_TEST_SECRET'];
  expect(value.context).toMatchObject({
    functionName: 'hello',
    functionVersion: '$LATEST',
    memoryLimitInMB: '256',
    invokedFunctionArn: 'arn:aws:lambda:eu-west-1:123456789012:function:hello:$LATEST',
    logGroupName: '/aws/lambda/hello',
    clientContext: { custom: { zeroplaneTenant: 'team-é' } },
  });
  expect(value.context.awsRequestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(value.context.logStreamName).toMatch(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
  expect(value.context.remaining).toBeGreaterThan(2000);
  expect(value.context.remaining).toBeLessThanOrEqual(3000);
  const { AWS_LAMBDA_RUNTIME_API, ...rest } = value.env;
  expect(AWS_LAMBDA_RUNTIME_API).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(rest['COLOUR']).toBe('blue');
  expect(rest['_X_AMZN_TRACE_ID']).toBe('Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1');
  expect(Object.keys(rest).filter((name) => !/^(_|AWS_|LAMBDA_|LANG$|TZ$|PATH$|COLOUR$|__CF)/.test(name))).toEqual([]);
});

test('a thrown error is reported with type, message and stack, and the process lives on', async () => {
  await write({
    'index.mjs':
      'export const handler = async (event) => { if (event.fail) throw new TypeError("bad colour"); return process.pid; };',
  });
  start(spec());
  const { value: pid } = await invoke({});
  const failed = await invoke({ fail: true });
  expect(failed).toMatchObject({
    functionError: 'Unhandled',
    value: { errorType: 'TypeError', errorMessage: 'bad colour' },
  });
  expect(failed.value.stackTrace[0]).toBe('TypeError: bad colour');
  expect((await invoke({})).value).toBe(pid);
});

test.each([
  ['an exit', 'process.exit(7);', 'Runtime.ExitError', 'exit status 7'],
  [
    'a kill',
    'process.kill(process.pid, "SIGKILL"); await new Promise((r) => setTimeout(r, 5000));',
    'Runtime.ExitError',
    'signal SIGKILL',
  ],
  [
    'an exception outside the handler',
    'setTimeout(() => { throw new Error("late"); }, 1); await new Promise((r) => setTimeout(r, 5000));',
    'Error',
    'late',
  ],
  [
    'an unhandled rejection',
    'void Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 5000));',
    'Runtime.UnhandledPromiseRejection',
    'lost',
  ],
  ['a result that is no JSON', 'return { n: 1n };', 'Runtime.MarshalError', 'BigInt'],
])(
  '%s during an invocation is an error of the function, and the next one works',
  async (_title, code, errorType, text) => {
    await write({ 'index.mjs': `export const handler = async (event) => { if (event.ok) return "ok"; ${code} };` });
    start(spec());
    const result = await invoke({});
    expect(result).toMatchObject({ functionError: 'Unhandled', value: { errorType } });
    expect(result.value.errorMessage).toContain(text);
    expect(await invoke({ ok: true })).toMatchObject({ value: 'ok' });
  },
);

test('three invocations at once have a process each, and one more than the limit is throttled', async () => {
  await write({
    'index.mjs':
      'export const handler = async () => { await new Promise((r) => setTimeout(r, 300)); return process.pid; };',
  });
  start(spec({ concurrency: 3 }));
  const running = [invoke({}), invoke({}), invoke({})];
  await until(() => runtime.processCount() === 3);
  await expect(invoke({})).rejects.toMatchObject({
    code: 'FUNCTION_THROTTLED',
    message: expect.stringContaining('already running 3 times'),
  });
  const pids = (await Promise.all(running)).map((result) => result.value);
  expect(new Set(pids).size).toBe(3);
  expect(pids).toContain((await invoke({})).value);
});

test('a timeout kills the process group, children of the handler included', async () => {
  await write({
    'index.mjs': `import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs';
      export const handler = async (event) => {
        const child = spawn('/bin/sleep', ['60']);
        writeFileSync(event.file, process.pid + ' ' + child.pid);
        for (;;);
      };`,
  });
  start(spec({ timeoutSeconds: 2 }));
  const file = join(folder, 'pids');
  const outcome = invoke({ file }).catch((error: unknown) => error);
  const pids = (): Promise<number[]> =>
    readFile(file, 'utf8').then(
      (text) => text.split(' ').map(Number),
      () => [],
    );
  await until(async () => (await pids()).length === 2);
  clock.fire(2000);
  expect(await outcome).toMatchObject({
    code: 'FUNCTION_TIMEOUT',
    message: expect.stringContaining('timed out after 2000 ms and may have run'),
  });
  const [own = 0, child = 0] = await pids();
  await until(() => !isAlive(own) && !isAlive(child));
  await until(() => runtime.processCount() === 0);
});

test('a module that never finishes loading is ended after the initialisation limit', async () => {
  await write({ 'index.mjs': 'await new Promise((r) => setTimeout(r, 60_000)); export const handler = 1;' });
  start(spec());
  const outcome = invoke({}).catch((error: unknown) => error);
  await until(() => clock.pending.some((timer) => timer.ms === 10_000));
  clock.fire(10_000);
  expect(await outcome).toMatchObject({
    code: 'FUNCTION_TIMEOUT',
    message: expect.stringContaining('its handler has not run'),
  });
});

test('a process that was idle for five minutes is ended', async () => {
  await write({ 'index.mjs': 'export const handler = async () => process.pid;' });
  start(spec());
  const { value: pid } = await invoke({});
  clock.fire(5 * 60_000);
  await until(() => !isAlive(pid));
  await until(() => runtime.processCount() === 0);
  expect(await invoke({})).toMatchObject({ coldStart: true });
});

test('a warm process that died is replaced', async () => {
  await write({ 'index.mjs': 'export const handler = async () => process.pid;' });
  start(spec());
  const { value: pid } = await invoke({});
  process.kill(pid, 'SIGKILL');
  await until(() => runtime.processCount() === 0);
  const next = await invoke({});
  expect(next).toMatchObject({ coldStart: true });
  expect(next.value).not.toBe(pid);
});

test('an invocation that an ending process never saw runs on another one', async () => {
  await write({ 'index.mjs': 'export const handler = async () => "ran";' });
  const searchPath = '/usr/bin:/bin';
  const parts = { clock, log, ids: { uuid: () => crypto.randomUUID() }, searchPath, guard: new GroupGuard() };
  const pool = new FunctionPool({
    ...parts,
    spec: resolveFunction(spec(), folder),
    launcher: new Launcher(searchPath),
  });
  const job = { payload: '{}', log, tenant: 'team-x', stream: () => undefined };
  const ending = await new Promise((settle, fail) => {
    const headers = { 'lambda-runtime-aws-request-id': 'one' };
    pool.onEnded({} as FunctionProcess, { ...job, requestId: 'one', headers, settle, fail });
  });
  expect(ending).toMatchObject({ payload: '"ran"' });
  await pool.close();
  const refused = await new Promise((settle) => {
    pool.onEnded({} as FunctionProcess, { ...job, requestId: 'two', headers: {}, settle, fail: settle });
  });
  expect(refused).toMatchObject({ code: 'SHUTTING_DOWN' });
  expect(pool.size).toBe(0);
});

test('output is logged line by line with the request id', async () => {
  await write({
    'index.mjs': 'export const handler = async () => { console.log("one\\ntwo"); console.error("three"); return 1; };',
  });
  start(spec());
  await invoke({});
  await until(() => log.records.length >= 3);
  expect(log.records.map((record) => record.message).sort()).toEqual(['one', 'three', 'two']);
});

test('payloads up to 6 MB pass both ways unchanged, larger ones are refused', async () => {
  await write({ 'index.mjs': 'export const handler = async (event) => event.size ? "y".repeat(event.size) : event;' });
  start(spec());
  const large = 'é'.repeat(3_100_000);
  expect((await invoke(large)).value).toBe(large);
  await expect(invoke('x'.repeat(6 * 1024 * 1024))).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  expect(await invoke({ size: 6 * 1024 * 1024 })).toMatchObject({
    functionError: 'Unhandled',
    value: { errorType: 'Function.ResponseSizeTooLarge' },
  });
  expect(await invoke(1)).toMatchObject({ value: 1, coldStart: false });
});

test('an unknown function, an unknown qualifier and an unusable runtime are refused with the next step', async () => {
  start(spec(), spec({ name: 'snake', runtime: 'ruby3.4' }));
  await expect(invoke({}, 'arn:aws:lambda:region:account:function:name')).rejects.toMatchObject({
    code: 'FUNCTION_NOT_FOUND',
    message: expect.stringContaining('Known functions: hello, snake'),
  });
  await expect(invoke({}, 'hello:PROD')).rejects.toMatchObject({
    code: 'FUNCTION_NOT_FOUND',
    message: expect.stringContaining('"PROD"'),
  });
  await expect(invoke({}, 'snake')).rejects.toMatchObject({
    code: 'FUNCTION_FAILED',
    message: expect.stringContaining('ruby3.4'),
  });
});

test('a reserved variable, an impossible one and absent code are refused', async () => {
  const impossible = spec({ name: 'c', environment: { A: 'a\0b' } });
  start(spec({ name: 'a', environment: { AWS_REGION: 'x' } }), spec({ name: 'b', code: 'nowhere' }), impossible);
  await expect(invoke({}, 'a')).rejects.toMatchObject({
    code: 'FUNCTION_FAILED',
    message: expect.stringContaining('AWS_REGION'),
  });
  await expect(invoke({}, 'c')).rejects.toMatchObject({
    code: 'FUNCTION_FAILED',
    message: expect.stringContaining('cannot be started'),
  });
  await expect(invoke({}, 'b')).rejects.toMatchObject({
    code: 'FUNCTION_FAILED',
    message: expect.stringContaining('does not exist'),
  });
});

test('a cancelled caller stops waiting, and the function finishes and stays warm', async () => {
  await write({
    'index.mjs':
      'export const handler = async (e) => { await new Promise((r) => setTimeout(r, e.ms)); return process.pid; };',
  });
  start(spec());
  const { value: pid } = await invoke({ ms: 0 });
  const caller = context();
  const outcome = runtime.invoke({ functionName: 'hello', payload: '{"ms":100}' }, caller);
  caller.abort(new Error('gone'));
  await expect(outcome).rejects.toMatchObject({ code: 'CALL_CANCELLED' });
  await until(() => clock.pending.some((timer) => timer.ms === 5 * 60_000));
  expect((await invoke({ ms: 0 })).value).toBe(pid);
});

test('a changed function drains and starts anew, an unchanged one stays warm', async () => {
  await write({
    'index.mjs':
      'export const handler = async (e) => { await new Promise((r) => setTimeout(r, e.ms ?? 0)); return { colour: process.env.COLOUR, pid: process.pid }; };',
  });
  start(spec({ environment: { COLOUR: 'red' } }), spec({ name: 'other' }));
  const before = await invoke({});
  const other = await invoke({}, 'other');
  const running = invoke({ ms: 200 });
  await until(() => clock.pending.some((timer) => timer.ms === 3000));
  runtime.reconfigure([spec({ environment: { COLOUR: 'blue' } }), spec({ name: 'other' })]);
  const after = await invoke({});
  expect(after.value.colour).toBe('blue');
  expect((await running).value).toEqual({ colour: 'red', pid: before.value.pid });
  expect((await invoke({}, 'other')).value.pid).toBe(other.value.pid);
  await until(() => !isAlive(before.value.pid) && runtime.processCount('hello') === 1);
  runtime.reconfigure([]);
  await expect(invoke({})).rejects.toMatchObject({ code: 'FUNCTION_NOT_FOUND' });
});

test('closing leaves no process, not even a busy one', async () => {
  await write({
    'index.mjs':
      'import { writeFileSync } from "node:fs"; export const handler = async (e) => { writeFileSync(e.file, String(process.pid)); await new Promise((r) => setTimeout(r, 60_000)); };',
  });
  start(spec());
  const file = join(folder, 'pid');
  const outcome = invoke({ file });
  const pid = (): Promise<number> => readFile(file, 'utf8').then(Number, () => 0);
  await until(async () => (await pid()) > 0);
  await runtime.close();
  expect(isAlive(await pid())).toBe(false);
  expect(await outcome).toMatchObject({ functionError: 'Unhandled', value: { errorType: 'Runtime.ExitError' } });
  await expect(invoke({})).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
});

test('functions end with their gateway, even when it is killed while a handler blocks', async () => {
  await write({
    'fn/index.mjs': `import { writeFileSync } from 'node:fs';
      export const handler = async (e) => { writeFileSync(e.file, String(process.pid)); if (e.block) for (;;); await new Promise((r) => setTimeout(r, 60_000)); };`,
    'gateway.ts': `import { createFunctionRuntime } from ${JSON.stringify(fileURLToPath(new URL('function-runtime.ts', import.meta.url)))};
      const clock = { nowMs: Date.now, monotonicMs: () => performance.now(), after: () => () => {} };
      const log = { log() {}, with() { return log; } };
      const f = { name: 'f', handler: 'index.handler', runtime: 'nodejs22.x', code: './fn' };
      const runtime = createFunctionRuntime({ functions: [f], baseDir: ${JSON.stringify(folder)}, clock, log, ids: { uuid: () => crypto.randomUUID() } });
      const context = { signal: new AbortController().signal, requestId: 'r', trace: {}, log };
      for (const block of [true, false]) {
        const payload = JSON.stringify({ block, file: ${JSON.stringify(folder)} + '/pid-' + block });
        void runtime.invoke({ functionName: 'f', payload }, context as never);
      }`,
  });
  const gateway = spawn(process.execPath, ['--import', 'tsx', join(folder, 'gateway.ts')], {
    stdio: ['ignore', 'inherit', 'inherit'],
    cwd: process.cwd(),
  });
  const ended = new Promise((done) => gateway.once('exit', done));
  const pid = (name: string): Promise<number> => readFile(join(folder, name), 'utf8').then(Number, () => 0);
  await until(async () => (await pid('pid-true')) > 0 && (await pid('pid-false')) > 0);
  gateway.kill('SIGKILL');
  await ended;
  const [blocked, waiting] = [await pid('pid-true'), await pid('pid-false')];
  await until(() => !isAlive(blocked) && !isAlive(waiting));
});

test('the Runtime API refuses strangers, browsers, foreign ids and second answers', async () => {
  const outcomes: unknown[] = [];
  const api = await openRuntimeApi({
    onNext: (deliver) => void deliver({ headers: { 'lambda-runtime-aws-request-id': 'mine' }, payload: '{}' }),
    onOutcome: (id, outcome) => (
      outcomes.push(outcome),
      id === 'mine' ? 'accepted' : id === 'done' ? 'repeated' : 'unknown'
    ),
    onStream: () => 'unknown',
    onInitError: (body) => outcomes.push(body),
    onGone: () => undefined,
  });
  const send = (
    method: string,
    path: string,
    body = '',
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string }> =>
    new Promise((done, failed) => {
      const sent = request(`http://${api.address}${path}`, { method, agent: false, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => done({ status: response.statusCode ?? 0, text }));
      });
      sent.on('error', failed);
      sent.end(body);
    });
  const base = '/2018-06-01/runtime';
  const next = `${base}/invocation/next`;
  expect(api.address).toMatch(/^127\.0\.0\.1:\d+$/);
  expect((await send('GET', '/other/invocation/next')).status).toBe(403);
  expect((await send('GET', next, '', { host: 'evil.example:80' })).status).toBe(403);
  expect((await send('GET', next, '', { origin: 'https://evil.example' })).status).toBe(403);
  expect((await send('GET', next, '', { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  expect(await send('GET', next)).toEqual({ status: 200, text: '{}' });
  expect(await send('POST', `${base}/invocation/mine/response`, '1')).toEqual({ status: 202, text: '{"status":"OK"}' });
  expect(await send('POST', `${base}/invocation/other/response`, '1')).toMatchObject({
    status: 400,
    text: expect.stringContaining('InvalidRequestID'),
  });
  const streaming = { 'lambda-runtime-function-response-mode': 'streaming' };
  expect((await send('POST', `${base}/invocation/other/response`, '1', streaming)).status).toBe(400);
  expect((await send('POST', `${base}/invocation/done/error`, '1')).status).toBe(403);
  expect((await send('POST', `${base}/invocation/mine/response`, 'x'.repeat(6 * 1024 * 1024 + 1))).status).toBe(413);
  expect((await send('POST', `${base}/init/error`, '{"errorType":"X"}')).status).toBe(202);
  expect(outcomes).toContainEqual({ kind: 'too-large' });
  expect(outcomes).toContain('{"errorType":"X"}');
  api.close();
});
