/**
 * The programs that the seed texts print: the AWS command line and awscurl, from PyPI, against the local AWS endpoint
 * and the registration endpoint of a running instance.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, run, scratchFolder, startGateway } from './lib.mjs';

const PACKAGES = ['awscli==1.45.11', 'awscurl==0.44'];

/** A virtual environment with exact versions, made once. */
function environment() {
  const folder = join(root, '.suites', 'aws-cli');
  const stamp = join(folder, 'stamp.json');
  const wanted = JSON.stringify(PACKAGES);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return folder;
  mkdirSync(folder, { recursive: true });
  const made = spawnSync('python3', ['-m', 'venv', '--clear', join(folder, 'venv')], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`python3 -m venv failed: ${made.stderr}`);
  console.error(`installing ${PACKAGES.join(' ')}`);
  const pip = [join(folder, 'venv/bin/python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  const done = spawnSync(pip[0], [...pip.slice(1), ...PACKAGES], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`pip could not install ${PACKAGES.join(' ')}:\n${done.stderr}`);
  writeFileSync(stamp, wanted);
  return folder;
}

const HANDLER = (tool) => `export const handler = async (event) => {
  const { method, params = {} } = event;
  if (method === 'tools/list') return { statusCode: 200, body: JSON.stringify({ tools: [{ name: '${tool}' }] }) };
  return { statusCode: 200, body: JSON.stringify({ content: [{ type: 'text', text: params.name + ' ' + JSON.stringify(params.arguments) }] }) };
};
`;

/** The functions of seed 003, under their printed names. */
async function gateway() {
  const code = scratchFolder('aws-code');
  writeFileSync(join(code, 'documents.mjs'), HANDLER('search_documentation'));
  writeFileSync(join(code, 'metrics.mjs'), HANDLER('ExecuteQuery'));
  const common = { runtime: 'nodejs22.x', code, tags: { MCP_Support: 'true' } };
  return startGateway(
    {
      functions: {
        'mcp-server-aws-documentation': { ...common, handler: 'documents.handler' },
        'mcp-server-prometheus-new': { ...common, handler: 'metrics.handler' },
      },
    },
    { auth: 'token' },
  );
}

const COMMANDS = [
  [
    'lambda invoke --function-name mcp-server-aws-documentation --payload {"method":"tools/call","params":{"name":"search_documentation","arguments":{"search_phrase":"lambda"}}}',
    'search_documentation',
  ],
  [
    'lambda invoke --function-name mcp-server-prometheus-new --payload {"method":"tools/call","params":{"name":"ExecuteQuery","arguments":{"query":"up","workspace_id":"ws-123"}}}',
    'ws-123',
  ],
];

async function readDirectories(aws) {
  const arn = 'arn:aws:lambda:us-east-1:000000000000:function:mcp-server-prometheus-new';
  const expect = (text, wanted) => {
    if (!text.includes(wanted)) throw new Error(`"${wanted}" is missing from: ${text}`);
  };
  const listed = await aws(['lambda', 'list-functions', '--query', 'Functions[].FunctionName', '--output', 'text']);
  if (listed.trim().split(/\s+/).length !== 2) throw new Error(listed);
  expect(await aws(['lambda', 'list-tags', '--resource', arn]), '"MCP_Support": "true"');
  const filter = ['--tag-filters', 'Key=MCP_Support,Values=true'];
  const found = await aws(['resourcegroupstaggingapi', 'get-resources', ...filter]);
  if (JSON.parse(found).ResourceTagMappingList.length !== 2) throw new Error(found);
  const schema = ['--registry-name', 'tools', '--schema-name', 'query'];
  const content = ['--type', 'JSONSchemaDraft4', '--content', '{"type":"object"}'];
  expect(await aws(['schemas', 'create-schema', ...schema, ...content]), ':schema/tools/query"');
  expect(await aws(['schemas', 'describe-schema', ...schema]), '{\\"type\\":\\"object\\"}');
  const who = JSON.parse(await aws(['sts', 'get-caller-identity']));
  if (who.Account !== '000000000000') throw new Error(JSON.stringify(who));
  const asked = ['--policy-source-arn', who.Arn, '--action-names', 'lambda:InvokeFunction', '--resource-arns', arn];
  expect(await aws(['iam', 'simulate-principal-policy', ...asked]), '"EvalDecision": "allowed"');
}

/** As the text prints it, but for the address. */
const REGISTRATION = {
  type: 'tool',
  name: 'data_processor',
  description: 'Utility for data manipulation',
  lambdaArn: 'arn:aws:lambda:region:account:function:name',
  parameters: { payload: 'object' },
};
const PRINTED = ['--region', 'ap-southeast-2', '--service', 'lambda'];
const JSON_BODY = [...PRINTED, '-H', 'Content-Type: application/json', '-d'];

async function awscurl(program, words, env) {
  const { code, stdout, stderr } = await run(program, words, { env });
  if (code !== 0) throw new Error(`awscurl ${words.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return stdout;
}

async function administer(program, { ready, env }) {
  const url = `${ready.url}/register`;
  const id = `${url}/tool-data_processor`;
  const made = await awscurl(program, ['-X', 'POST', url, ...JSON_BODY, JSON.stringify(REGISTRATION)], env);
  if (JSON.parse(made).id !== 'tool-data_processor') throw new Error(made);
  const changed = { ...REGISTRATION, description: 'Changed' };
  const put = await awscurl(program, ['-X', 'PUT', id, ...JSON_BODY, JSON.stringify(changed)], env);
  if (JSON.parse(put).description !== 'Changed') throw new Error(put);
  const listed = await awscurl(program, [url, ...PRINTED], env);
  if (JSON.parse(listed).length !== 1) throw new Error(listed);
  await awscurl(program, ['-X', 'DELETE', id, ...PRINTED], env);
  const left = await awscurl(program, [url, ...PRINTED], env);
  if (JSON.parse(left).length !== 0) throw new Error(left);
}

async function callOverSession(program, { ready, env }) {
  const lambdaArn = 'arn:aws:lambda:us-east-1:000000000000:function:mcp-server-prometheus-new';
  const body = JSON.stringify({ ...REGISTRATION, lambdaArn });
  await awscurl(program, ['-X', 'POST', `${ready.url}/register`, ...JSON_BODY, body], env);
  const headers = { authorization: `Bearer ${ready.token}`, accept: 'text/event-stream' };
  const stream = await fetch(`${ready.url}/sse`, { headers });
  const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const until = async (wanted) => {
    for (;;) {
      const match = wanted.exec(text);
      if (match !== null) return match;
      const { value, done } = await reader.read();
      if (done) throw new Error(`the stream ended after: ${text}`);
      text += value;
    }
  };
  const [, path] = await until(/data: (\/message\?sessionId=\S+)/);
  const message = { jsonrpc: '2.0', id: 'req-456', method: 'data_processor', params: { payload: { a: 1 } } };
  await awscurl(program, ['-X', 'POST', `${ready.url}${path}`, ...JSON_BODY, JSON.stringify(message)], env);
  const [answer] = await until(/data: .*"req-456".*/);
  await reader.cancel();
  if (!answer.includes('"result"')) throw new Error(answer);
}

export const awsPrograms = {
  async 'aws-cli'(report) {
    if (spawnSync('python3', ['-m', 'venv', '--help']).status !== 0)
      return report.skip('aws-cli', 'python3 with venv is not installed');
    const bin = join(environment(), 'venv/bin');
    const { ready, folder } = await gateway();
    const env = {
      PATH: process.env.PATH,
      HOME: folder,
      AWS_ENDPOINT_URL: ready.clouds.aws,
      AWS_ACCESS_KEY_ID: 'zeroplane',
      AWS_SECRET_ACCESS_KEY: ready.token,
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_PAGER: '',
    };
    const aws = async (words) => {
      const done = await run(join(bin, 'aws'), words, { cwd: folder, env, timeoutMs: 60_000 });
      if (done.code !== 0) throw new Error(`aws ${words.join(' ')} ended with ${done.code}: ${done.stderr}`);
      return done.stdout;
    };
    for (const [line, wanted] of COMMANDS) {
      const words = line.split(' ');
      await report.check(`aws ${words.slice(0, 4).join(' ')}`, async () => {
        const said = await aws([...words, 'response.json']);
        const response = readFileSync(join(folder, 'response.json'), 'utf8');
        if (!said.includes('"StatusCode": 200') || !response.includes(wanted)) throw new Error(`${said} ${response}`);
      });
    }
    for (const [name, size] of [
      ['mcp-server-aws-documentation', '2048'],
      ['mcp-server-prometheus-new', '1024'],
    ])
      await report.check(`aws lambda update-function-configuration --memory-size ${size}`, async () => {
        const words = ['lambda', 'update-function-configuration', '--function-name', name, '--memory-size', size];
        if (!(await aws(words)).includes(`"MemorySize": ${size}`)) throw new Error('the answer has another size');
        const read = await aws(['lambda', 'get-function-configuration', '--function-name', name]);
        if (!read.includes(`"MemorySize": ${size}`)) throw new Error(read);
      });
    await report.check('aws lambda publish-version, create-alias, invoke with a qualifier', async () => {
      const named = ['--function-name', 'mcp-server-prometheus-new'];
      await aws(['lambda', 'publish-version', ...named]);
      await aws(['lambda', 'create-alias', ...named, '--name', 'PROD', '--function-version', '1']);
      const said = await aws(['lambda', 'invoke', ...named, '--qualifier', 'PROD', '--payload', '{}', 'out.json']);
      if (!said.includes('"ExecutedVersion": "1"')) throw new Error(said);
    });
    await report.check('aws lambda list-functions, list-tags, resourcegroupstaggingapi, schemas, iam, sts', () =>
      readDirectories(aws),
    );
    await report.check('aws lambda list-functions with what zeroplane token --aws prints', async () => {
      const token = [process.execPath, join(root, 'dist/cli/main.js'), 'token', '--aws', '--data-dir'];
      const quoted = [...token, join(folder, 'data')].map((word) => `'${word}'`).join(' ');
      const line = `eval "$(${quoted})" && '${join(bin, 'aws')}' lambda list-functions`;
      const plain = { PATH: process.env.PATH, HOME: folder, AWS_PAGER: '' };
      const { code, stdout, stderr } = await run('sh', ['-c', line], { cwd: folder, env: plain });
      if (code !== 0 || !stdout.includes('mcp-server-prometheus-new')) throw new Error(`${stdout}${stderr}`);
    });
    await report.check('awscurl registers, changes, lists and removes a tool as seed 004 prints it', () =>
      administer(join(bin, 'awscurl'), { ready, env }),
    );
    await report.check('awscurl calls a registered tool over /message, and its answer comes on /sse', () =>
      callOverSession(join(bin, 'awscurl'), { ready, env }),
    );
    report.skip('aws-cli version 2', 'it is not on PyPI; version 1 sends the same requests');
    return undefined;
  },
};
