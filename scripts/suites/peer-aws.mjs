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
    await report.check('aws lambda list-functions, list-tags, resourcegroupstaggingapi, sts', async () => {
      const listed = await aws(['lambda', 'list-functions', '--query', 'Functions[].FunctionName', '--output', 'text']);
      if (listed.trim().split(/\s+/).length !== 2) throw new Error(listed);
      const found = await aws([
        'resourcegroupstaggingapi',
        'get-resources',
        '--tag-filters',
        'Key=MCP_Support,Values=true',
      ]);
      if (JSON.parse(found).ResourceTagMappingList.length !== 2) throw new Error(found);
      const who = await aws(['sts', 'get-caller-identity']);
      if (JSON.parse(who).Account !== '000000000000') throw new Error(who);
    });
    await report.check('awscurl registers a tool as seed 004 prints it, but for the address', async () => {
      const body = JSON.stringify({
        type: 'tool',
        name: 'data_processor',
        description: 'Processes data',
        lambdaArn: 'arn:aws:lambda:region:account:function:name',
        parameters: { payload: 'object' },
      });
      const words = ['--service', 'lambda', '--region', 'us-east-1', '-X', 'POST', '-d', body, `${ready.url}/register`];
      const done = await run(join(bin, 'awscurl'), ['-H', 'content-type: application/json', ...words], { env });
      if (done.code !== 0 || !done.stdout.includes('tool-data_processor'))
        throw new Error(`${done.stdout}${done.stderr}`);
    });
    report.skip('aws-cli version 2', 'it is not on PyPI; version 1 sends the same requests');
    return undefined;
  },
};
