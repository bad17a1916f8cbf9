/**
 * A bundled handler under AWS's own parts: the Lambda Runtime Interface Emulator, built from its Go module, with the
 * official Node runtime client (compiled here, because it comes as source) and with a runtime of twenty lines.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { install, root, scratchFolder, start, stop } from './lib.mjs';

const RIE = 'github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie';
const RIE_VERSION = 'v0.0.0-20261030222936-bef5c4ba774d';
const RIC = { 'aws-lambda-ric': '4.0.2' };

export const has = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** A runtime as one would write for `provided`: the loop of the Runtime API. */
const SMALL_RUNTIME = `
import { handler } from './index.mjs';
const base = 'http://' + process.env.AWS_LAMBDA_RUNTIME_API + '/2018-06-01/runtime/invocation/';
for (;;) {
  const next = await fetch(base + 'next');
  const id = next.headers.get('lambda-runtime-aws-request-id');
  const client = next.headers.get('lambda-runtime-client-context');
  const end = Number(next.headers.get('lambda-runtime-deadline-ms'));
  const context = { awsRequestId: id, getRemainingTimeInMillis: () => end - Date.now() };
  if (client) context.clientContext = JSON.parse(client);
  let path = '/response', body;
  try { body = await handler(await next.json(), context); }
  catch (error) { path = '/error'; body = { errorType: error.name, errorMessage: error.message }; }
  await fetch(base + id + path, { method: 'POST', body: JSON.stringify(body) });
}`;

function emulator() {
  const folder = join(root, '.suites', 'lambda-rie');
  const binary = join(folder, 'aws-lambda-rie');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  console.error(`building ${RIE}`);
  const env = { ...process.env, GOBIN: folder };
  const done = spawnSync('go', ['install', `${RIE}@${RIE_VERSION}`], { env, encoding: 'utf8', timeout: 300_000 });
  if (done.status !== 0) throw new Error(`go could not build ${RIE}:\n${done.stderr}`);
  return binary;
}

/** The official client's program, compiled once. */
export function runtimeClient() {
  const modules = install('lambda-ric', RIC);
  const folder = join(modules, 'aws-lambda-ric');
  if (existsSync(join(folder, 'built'))) return join(folder, 'index.mjs');
  console.error('compiling aws-lambda-ric, which takes a minute or two');
  for (const script of ['preinstall.sh', 'postinstall.sh']) {
    const env = { ...process.env, PATH: `${join(modules, '.bin')}:${process.env.PATH}` };
    const done = spawnSync('sh', [join(folder, 'scripts', script)], {
      cwd: folder,
      env,
      encoding: 'utf8',
      timeout: 600_000,
    });
    if (done.status !== 0) throw new Error(`aws-lambda-ric: ${script} failed:\n${done.stderr.slice(-2000)}`);
  }
  writeFileSync(join(folder, 'built'), '');
  return join(folder, 'index.mjs');
}

async function task() {
  const folder = scratchFolder('lambda-task');
  await build({
    stdin: {
      contents: `import { createHandler } from ${JSON.stringify(join(root, 'dist/wrapper.js'))};
        const args = [${JSON.stringify(join(root, 'tests/fixtures/evil-server.mjs'))}];
        export const handler = createHandler({ command: process.execPath, args });`,
      resolveDir: root,
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outfile: join(folder, 'index.mjs'),
    logLevel: 'warning',
  });
  writeFileSync(join(folder, 'runtime.mjs'), SMALL_RUNTIME);
  return folder;
}

const freePort = () =>
  new Promise((done) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

async function until(what, condition) {
  for (let i = 0; i < 100; i++) {
    if (await condition()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${what} did not happen within 10 s`);
}

async function emulate(command) {
  const folder = await task();
  const [port, api] = [await freePort(), await freePort()];
  const addresses = [
    '--runtime-interface-emulator-address',
    `127.0.0.1:${port}`,
    '--runtime-api-address',
    `127.0.0.1:${api}`,
  ];
  const env = {
    ...process.env,
    LAMBDA_TASK_ROOT: folder,
    AWS_LAMBDA_FUNCTION_NAME: 'evil',
    AWS_LAMBDA_FUNCTION_TIMEOUT: '4',
    LOG_LEVEL: 'error',
  };
  const child = start(emulator(), [...addresses, ...command], { cwd: folder, env });
  const url = `http://127.0.0.1:${port}/2015-03-31/functions/function/invocations`;
  const invoke = async (event, custom) => {
    const headers = custom === undefined ? {} : { 'x-amz-client-context': base64({ custom }) };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(event) });
    return response.json();
  };
  await until('the emulator listening', () =>
    fetch(url, { method: 'OPTIONS' }).then(
      () => true,
      () => false,
    ),
  );
  return { invoke, child };
}

const base64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64');
const call = (name, args = {}) => ({ method: 'tools/call', params: { name, arguments: args } });
const textOf = ({ content }) => content[0].text;

function expectEqual(actual, wanted, what) {
  if (JSON.stringify(actual) !== JSON.stringify(wanted))
    throw new Error(`${what}: ${JSON.stringify(actual)}, expected ${JSON.stringify(wanted)}`);
}

function isAlive(pid) {
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return status === 0 && !stdout.startsWith('Z');
}

/** Every form of invocation, a timeout, two tenants, and the end. */
async function exercise(command) {
  const { invoke, child } = await emulate(command);
  const first = await invoke(call('pid'));
  expectEqual(first.statusCode, 200, 'statusCode');
  const pid = textOf(JSON.parse(first.body));
  expectEqual(textOf((await invoke({ jsonrpc: '2.0', id: 1, ...call('pid') })).result), pid, 'JSON-RPC');
  expectEqual(textOf(await invoke({}, { bedrockAgentCoreToolName: 't___pid' })), pid, 'AgentCore');
  const refused = await invoke({}, { bedrockAgentCoreToolName: 'pid' });
  expectEqual(refused.errorMessage, 'Invalid gateway tool name format: pid', 'an AgentCore name that is none');
  const url = await invoke({
    version: '2.0',
    requestContext: { http: { method: 'POST' } },
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    isBase64Encoded: true,
    body: base64({ jsonrpc: '2.0', id: 2, ...call('pid') }),
  });
  expectEqual(textOf(JSON.parse(url.body).result), pid, 'a Function URL');
  const slow = await invoke(call('hang'));
  expectEqual(JSON.parse(slow.body).isError, true, 'a call that hangs');
  const other = textOf(JSON.parse((await invoke(call('pid'), { zeroplaneTenant: 'b' })).body));
  if (other === pid) throw new Error('another tenant met the same process');
  await stop(child);
  await until('the end of all processes', () => ![pid, other].map(Number).some(isAlive));
}

export const lambda = {
  'lambda-rie': async (report) => {
    if (!has('go', 'version')) {
      report.skip('lambda-rie', 'there is no Go to build the emulator with');
      return;
    }
    await report.check('a bundled handler under the Runtime Interface Emulator, with a small runtime', () =>
      exercise([process.execPath, 'runtime.mjs']),
    );
    if (!has('cmake', '--version') || !has('c++', '--version')) {
      report.skip('lambda-rie with aws-lambda-ric', 'it comes as source, and there is no cmake or C++ compiler');
      return;
    }
    await report.check('the same under the Runtime Interface Emulator, with aws-lambda-ric', () =>
      exercise([process.execPath, runtimeClient(), 'index.handler']),
    );
  },
};
