/**
 * A folder that has nothing but a `.mcp.json`, as Claude Code and others write it, is a gateway configuration.
 *
 * The same two servers that a client would start for itself stand behind one endpoint, started once, for every client.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
const server = (name: string): string => join(checkout, 'node_modules/@modelcontextprotocol', name, 'dist/index.js');

const folder = await mkdtemp(join(tmpdir(), 'zeroplane-example-'));
await writeFile(
  join(folder, '.mcp.json'),
  JSON.stringify({
    mcpServers: {
      everything: { command: 'node', args: [server('server-everything'), 'stdio'] },
      Files: { command: 'node', args: [server('server-filesystem'), folder] },
    },
  }),
);

// `npx zeroplane dev --output stream-json`, from that folder.
const program = join(checkout, 'scripts/run.mjs');
const gateway = spawn(process.execPath, [program, 'dev', '--port', '0', '--no-open', '--output', 'stream-json'], {
  cwd: folder,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = new Promise((done) => gateway.once('exit', done));
const client = new Client({ name: 'example', version: '1.0.0' });

try {
  const { value: line } = await createInterface(gateway.stdout)[Symbol.asyncIterator]().next();
  const ready = JSON.parse(String(line)) as { type: string; mcp: string; token: string };
  assert.equal(ready.type, 'ready');
  const headers = { authorization: `Bearer ${ready.token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(ready.mcp), { requestInit: { headers } }));

  const { tools } = await client.listTools();
  console.log(`${tools.length} tools, among them`);
  for (const { name } of tools.filter((tool) => /echo|list_directory$/.test(tool.name))) console.log(`  ${name}`);

  const echo = await client.callTool({ name: 'everything___echo', arguments: { message: 'hello' } });
  const listing = await client.callTool({ name: 'files___list_directory', arguments: { path: folder } });
  console.log(JSON.stringify(echo.content));
  console.log(JSON.stringify(listing.content));

  assert.match(JSON.stringify(echo.content), /hello/);
  // A key that is no legal target id is lower-cased, which the banner says.
  assert.match(JSON.stringify(listing.content), /\.mcp\.json/);
} finally {
  await client.close();
  gateway.kill('SIGTERM');
  await ended;
  await rm(folder, { recursive: true, force: true });
}
