/**
 * Discovery and invocation through the real AWS SDK clients against moto, a simulation of AWS that nobody here wrote, and
 * the sample template against cfn-lint. Both come from PyPI.
 *
 * moto keeps functions and tags as AWS does. Without containers it does not run code but gives the event back, and then
 * its tagging service sees no functions: so tags are looked at first, and invocations afterwards.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { CreateFunctionCommand, LambdaClient, TagResourceCommand } from '@aws-sdk/client-lambda';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { root, run, scratchFolder, start, startGateway } from './lib.mjs';

const PACKAGES = ['moto[server]==5.2.1', 'cfn-lint==1.51.0', 'aws-sam-translator==1.110.0'];
const ENV = {
  AWS_ACCESS_KEY_ID: 'testing',
  AWS_SECRET_ACCESS_KEY: 'testing',
  AWS_REGION: 'us-east-1',
};
const MANY = 70;

/** A virtual environment with exact versions, made once. */
export function environment() {
  const folder = join(root, '.suites', 'moto');
  const stamp = join(folder, 'stamp.json');
  const wanted = JSON.stringify(PACKAGES);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return join(folder, 'venv/bin');
  mkdirSync(folder, { recursive: true });
  const made = spawnSync('python3', ['-m', 'venv', '--clear', join(folder, 'venv')], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`python3 -m venv failed: ${made.stderr}`);
  console.error(`installing ${PACKAGES.join(' ')}`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES];
  const done = spawnSync(join(folder, 'venv/bin/python'), pip, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`pip could not install ${PACKAGES.join(' ')}:\n${done.stderr}`);
  writeFileSync(stamp, wanted);
  return join(folder, 'venv/bin');
}

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export async function startMoto(bin, more = {}) {
  const port = await freePort();
  const child = start(join(bin, 'moto_server'), ['-H', '127.0.0.1', '-p', String(port)], {
    env: { PATH: process.env.PATH, HOME: scratchFolder('moto'), ...ENV, ...more },
  });
  const url = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + 30_000; ;) {
    const isUp = await fetch(`${url}/moto-api/data.json`).then(
      (response) => response.ok,
      () => false,
    );
    if (isUp) break;
    if (Date.now() > deadline) throw new Error(`moto did not start:\n${child.output}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return url;
}

/** From here on functions are kept elsewhere, and invocations answer their event. */
async function answerEvents(url) {
  const body = JSON.stringify({ lambda: { use_docker: false } });
  await fetch(`${url}/moto-api/config`, { method: 'POST', body });
}

/** moto wants a role that exists; it checks no signature, so a plain request makes one. */
async function makeRole(url) {
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  const body = new URLSearchParams({
    Action: 'CreateRole',
    Version: '2010-05-08',
    RoleName: 'functions',
    AssumeRolePolicyDocument: JSON.stringify(trust),
  });
  const authorization =
    'AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0';
  const response = await fetch(url, { method: 'POST', headers: { authorization }, body });
  const text = await response.text();
  const [, arn] = /<Arn>([^<]+)<\/Arn>/.exec(text) ?? [];
  if (arn === undefined) throw new Error(`no role: ${text.slice(0, 500)}`);
  return arn;
}

function zipped(bin) {
  const code =
    'import sys,io,zipfile;b=io.BytesIO();z=zipfile.ZipFile(b,"w");z.writestr("index.mjs","export const handler = async (event) => event;");z.close();sys.stdout.buffer.write(b.getvalue())';
  return spawnSync(join(bin, 'python'), ['-c', code]).stdout;
}

/** Functions as teams would have them: many without the tag, some with it. */
async function makeFunctions(url, bin, role) {
  const client = new LambdaClient({
    endpoint: url,
    region: ENV.AWS_REGION,
    credentials: { accessKeyId: 'testing', secretAccessKey: 'testing' },
  });
  const ZipFile = zipped(bin);
  const make = (FunctionName, Tags, Description) =>
    client.send(
      new CreateFunctionCommand({
        FunctionName,
        Role: role,
        Runtime: 'nodejs22.x',
        Handler: 'index.handler',
        Code: { ZipFile },
        Tags,
        Description,
      }),
    );
  for (let count = 0; count < MANY; count++) await make(`other-${count}`, { team: 'other' });
  const made = await make('mcp-customer-info', { MCP_Support: 'true', owner: 'support' }, 'Says who a customer is.');
  await make('mcp-experiment', { MCP_Support: 'true', experimental: 'true' });
  await make('mcp-off', { MCP_Support: 'false' });
  return { client, arn: made.FunctionArn };
}

function expectSame(found, wanted) {
  if (JSON.stringify(found) !== JSON.stringify(wanted))
    throw new Error(`expected ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`);
}

const namesOf = async (client) => (await client.listTools()).tools.map((tool) => tool.name);

async function using(transport, body) {
  const client = new Client({ name: 'peer-moto', version: '1.0.0' });
  await client.connect(transport);
  try {
    await body(client);
  } finally {
    await client.close();
  }
}

const stdio = (url, env, words = []) =>
  new StdioClientTransport({
    command: process.execPath,
    args: [join(root, 'dist/cli/main.js'), 'mcp', ...words],
    cwd: scratchFolder('moto-client'),
    env: { PATH: process.env.PATH, ...ENV, AWS_ENDPOINT_URL: url, ...env },
    stderr: 'inherit',
  });

async function checkTags(report, url) {
  const tag = { FUNCTION_TAG_KEY: 'MCP_Support', FUNCTION_TAG_VALUE: 'true' };
  await report.check('zeroplane mcp lists exactly the functions with the tag', () =>
    using(stdio(url, { ...tag, FUNCTION_PREFIX: 'mcp-' }), async (client) => {
      expectSame(await namesOf(client), ['customer_info', 'experiment']);
    }),
  );
}

async function checkInvocations(report, url) {
  await report.check('zeroplane mcp finds functions by list, and invokes one', () =>
    using(stdio(url, { FUNCTION_LIST: '["other-1", "mcp-customer-info"]' }), async (client) => {
      expectSame(await namesOf(client), ['mcp_customer_info', 'other_1']);
      const { isError, content } = await client.callTool({ name: 'other_1', arguments: { customerId: '1' } });
      if (isError === true) throw new Error(JSON.stringify(content));
    }),
  );
  await report.check('the generic pair lists all of them, beyond one page, and invokes one', () =>
    using(stdio(url, { FUNCTION_PREFIX: 'other-' }, ['--no-pre-discovery']), async (client) => {
      const { structuredContent } = await client.callTool({ name: 'list_lambda_functions', arguments: {} });
      expectSame(structuredContent.functions.length, MANY);
      const args = { function_name: 'other-69', parameters: { a: 1 } };
      const { isError, content } = await client.callTool({ name: 'invoke_lambda_function', arguments: args });
      if (isError === true) throw new Error(JSON.stringify(content));
    }),
  );
}

async function checkGateway(report, url, made) {
  await report.check('zeroplane dev finds a function as soon as it is tagged', async () => {
    const { ready } = await startGateway(
      {
        discover: { lambdaTags: { MCP_Support: 'true' }, excludeTags: { experimental: 'true' }, rescanSeconds: 1 },
        clouds: { aws: { endpoint: url } },
        provisioning: { tools: false },
      },
      { env: { ...process.env, ...ENV } },
    );
    const list = async () => {
      const { register } = await import('tsx/esm/api');
      register();
      const { WireClient } = await import('../../tests/fixtures/wire-client.ts');
      const { result } = await new WireClient({ url: ready.mcp, era: 'modern' }).request('tools/list');
      return result.tools.map((tool) => tool.name);
    };
    expectSame(await list(), ['mcp_customer_info']);
    const Resource = made.arn.replace('mcp-customer-info', 'other-7');
    await made.client.send(new TagResourceCommand({ Resource, Tags: { MCP_Support: 'true' } }));
    for (const deadline = Date.now() + 15_000; (await list()).length < 2 && Date.now() < deadline;)
      await new Promise((resolve) => setTimeout(resolve, 200));
    expectSame(await list(), ['mcp_customer_info', 'other_7']);
  });
}

export const moto = {
  async moto(report) {
    if (spawnSync('python3', ['-m', 'venv', '--help']).status !== 0)
      return report.skip('moto', 'python3 with venv is not installed');
    const bin = environment();
    await report.check('cfn-lint finds nothing wrong with examples/lambda-tools/template.yaml', async () => {
      const template = join(root, 'examples/lambda-tools/template.yaml');
      const { code, stdout, stderr } = await run(join(bin, 'cfn-lint'), [template], { timeoutMs: 120_000 });
      if (code !== 0) throw new Error(stdout + stderr);
    });
    const url = await startMoto(bin);
    const role = await makeRole(url);
    const made = await makeFunctions(url, bin, role);
    await checkTags(report, url);
    await checkGateway(report, url, made);
    await answerEvents(url);
    await makeFunctions(url, bin, role);
    await checkInvocations(report, url);
    report.skip(
      'missing rights, schemas and throttling',
      'moto has none of them; src/adapters/aws/*.test.ts holds them',
    );
    return undefined;
  },
};
