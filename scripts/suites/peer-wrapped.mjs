/**
 * Servers that nobody here wrote, packed by `zeroplane wrap` and put behind one gateway as functions: listed and called
 * by official clients of both generations. What `wrap` alone makes of them is `peer-wrap.mjs`'s to judge.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { root, run, scratchFolder, startGateway } from './lib.mjs';

const noPip =
  spawnSync('python3', ['-m', 'pip', '--version']).status === 0 ? undefined : 'python3 with pip is not installed';

/** `call`: a tool, its arguments and a part of its answer. `offline`: why no call of it is made. */
const servers = (repository) => [
  {
    id: 'everything',
    command: 'npx -y @modelcontextprotocol/server-everything@2026.8.31',
    call: ['echo', { message: 'hello' }, 'hello'],
  },
  {
    id: 'time',
    command: 'uvx mcp-server-time --local-timezone Europe/Berlin',
    python: true,
    call: ['get_current_time', { timezone: 'Europe/Berlin' }, 'Europe/Berlin'],
  },
  {
    id: 'git',
    command: 'python -m mcp_server_git',
    python: true,
    call: ['git_status', { repo_path: repository }, 'On branch'],
  },
  {
    id: 'aws-documentation-target',
    command: 'uvx awslabs.aws-documentation-mcp-server',
    python: true,
    lists: ['search_documentation', 'read_documentation'],
    offline: 'search_documentation asks docs.aws.amazon.com',
  },
];

function makeRepository() {
  const folder = join(scratchFolder('git'), 'repository');
  mkdirSync(folder);
  execFileSync('git', ['init', '-q', folder]);
  return folder;
}

/** Packs a server. @returns its entry for `functions`. */
async function pack(command, folder) {
  const program = join(root, 'dist/cli/main.js');
  const done = await run(process.execPath, [program, 'wrap', command, '--output', 'json'], {
    cwd: folder,
    timeoutMs: 240_000,
  });
  if (done.code !== 0) throw new Error(`wrap ended with ${done.code}\n${done.stdout}${done.stderr}`);
  const { name } = JSON.parse(done.stdout);
  const code = join(folder, '.zeroplane/wrap', name, 'code');
  return { handler: 'index.handler', runtime: 'nodejs24.x', code, timeoutSeconds: 60, memoryMb: 512 };
}

async function packAll(report, wanted) {
  const functions = {};
  for (const server of wanted) {
    if (server.python === true && noPip !== undefined) {
      report.skip(`wrapped ${server.id}`, noPip);
      continue;
    }
    await report.check(
      `${server.command} is packed`,
      async () => {
        functions[`wrapped-${server.id}`] = await pack(server.command, scratchFolder('wrapped'));
      },
      300_000,
    );
  }
  return functions;
}

const listsOf = ({ id, call, lists = [call[0]] }) => lists.map((tool) => `${id}___${tool}`);

/** Four cold starts at once take longer than a gateway waits before it says that it is ready. */
async function untilListed(client, place, packed) {
  const connection = await client.connect(place);
  try {
    for (;;) {
      const names = await connection.list();
      if (packed.flatMap(listsOf).every((name) => names.includes(name))) return;
      await delay(500);
    }
  } finally {
    await connection.close();
  }
}

async function checkClient(client, place, packed) {
  const connection = await client.connect(place);
  try {
    const names = await connection.list();
    const missing = packed.flatMap(listsOf).filter((name) => !names.includes(name));
    if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}; listed: ${names.join(', ')}`);
    for (const { id, call } of packed) {
      if (call === undefined) continue;
      const [tool, args, wanted] = call;
      const text = await connection.call(`${id}___${tool}`, args);
      if (!text.includes(wanted)) throw new Error(`"${wanted}" is missing from ${id}___${tool}: ${text.slice(0, 800)}`);
    }
  } finally {
    await connection.close();
  }
}

/** @param clients - The client libraries, as `tests/peers/clients.ts` gives them. */
export const wrappedServers = (clients) => ({
  async wrapped(report) {
    const wanted = servers(makeRepository());
    const functions = await packAll(report, wanted);
    const packed = wanted.filter(({ id }) => `wrapped-${id}` in functions);
    if (packed.length === 0) return report.fail('wrapped', 'nothing was packed');
    const mcpServers = Object.fromEntries(packed.map(({ id }) => [id, { function: `wrapped-${id}` }]));
    const { ready } = await startGateway({ functions, mcpServers });
    const official = clients.filter(
      ({ name, transport }) => name.startsWith('@modelcontextprotocol/') && transport === 'http',
    );
    if (official.length < 2) report.fail('wrapped', `official clients: ${official.map(({ name }) => name).join(', ')}`);
    const place = { url: ready.mcp, token: ready.token };
    await report.check(`${packed.length} wrapped servers list`, () => untilListed(official[0], place, packed));
    for (const client of official) {
      await report.check(`${client.name}: lists and calls ${packed.length} wrapped servers`, () =>
        checkClient(client, place, packed),
      );
    }
    for (const { id, offline } of packed) if (offline !== undefined) report.skip(`a call of ${id}`, offline);
    return undefined;
  },
});
