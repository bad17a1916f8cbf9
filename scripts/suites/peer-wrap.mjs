/**
 * `zeroplane wrap` on servers that nobody here wrote, from npm and PyPI: each is packed, run under the Runtime API by
 * `--test`, and called once more through its own handler.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, scratchFolder } from './lib.mjs';

const noPip =
  spawnSync('python3', ['-m', 'pip', '--version']).status === 0 ? undefined : 'python3 with pip is not installed';

/** `expect` are names of tools; `call` a tool, its arguments and a part of its answer. `offline`: why it is not called. */
const SERVERS = [
  {
    command: 'npx -y @modelcontextprotocol/server-everything@2026.8.31',
    era: 'legacy',
    expect: ['echo', 'get-sum'],
    call: ['echo', { message: 'hello' }, 'hello'],
  },
  {
    command: 'npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /tmp',
    era: 'legacy',
    expect: ['list_directory', 'read_text_file'],
    call: ['list_allowed_directories', {}, '/tmp'],
  },
  {
    command: 'uvx mcp-server-time --local-timezone Europe/Berlin',
    python: true,
    expect: ['get_current_time', 'convert_time'],
    call: ['get_current_time', { timezone: 'Europe/Berlin' }, 'Europe/Berlin'],
  },
  {
    command: 'python -m mcp_server_git',
    python: true,
    expect: ['git_status', 'git_log'],
    call: (folder) => ['git_status', { repo_path: folder }, 'On branch'],
  },
  {
    command: 'uvx awslabs.aws-documentation-mcp-server',
    python: true,
    expect: ['search_documentation', 'read_documentation'],
    offline: 'search_documentation asks docs.aws.amazon.com',
  },
];

function repository() {
  const folder = join(scratchFolder('git'), 'repository');
  mkdirSync(folder);
  execFileSync('git', ['init', '-q', folder]);
  return folder;
}

async function wrapped({ command, era, expect, call, offline }, folder) {
  const done = await run(
    process.execPath,
    [join(root, 'dist/cli/main.js'), 'wrap', command, '--test', '--clean-schemas', '--output', 'json'],
    { cwd: folder, timeoutMs: 240_000 },
  );
  if (done.code !== 0) throw new Error(`wrap ended with ${done.code}\n${done.stdout}${done.stderr}`);
  const result = JSON.parse(done.stdout);
  const missing = expect.filter((name) => !result.tools.includes(name) || !result.test.tools.includes(name));
  if (missing.length > 0) throw new Error(`${missing.join(', ')} missing from ${JSON.stringify(result)}`);
  if (era !== undefined && result.era !== era) throw new Error(`era ${result.era}, expected ${era}`);
  if (offline !== undefined) return result;
  const [tool, args, wanted] = typeof call === 'function' ? call(repository()) : call;
  const { handler } = await import(pathToFileURL(join(folder, '.zeroplane/wrap', result.name, 'code/index.mjs')).href);
  const answer = await handler({ method: 'tools/call', params: { name: tool, arguments: args } });
  await handler.close();
  if (answer.statusCode !== 200 || !answer.body.includes(wanted)) throw new Error(JSON.stringify(answer));
  return result;
}

export const wrapping = {
  async wrap(report) {
    for (const server of SERVERS) {
      const title = `wrap ${server.command}`;
      if (server.python === true && noPip !== undefined) {
        report.skip(title, noPip);
        continue;
      }
      await report.check(title, () => wrapped(server, scratchFolder('wrap')), 300_000);
      if (server.offline !== undefined) report.skip(`${title}: a call`, server.offline);
    }
  },
};
