/**
 * The local Lambda runtime behind the thinnest of HTTP servers: each request is one invocation of a warm echo through
 * the Runtime API. Run with `--import tsx`: the runtime is no entry of the package.
 */

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/adapters/embedded/system.ts';
import { Context } from '../../src/core/context.ts';
import { createFunctionRuntime } from '../../src/functions/function-runtime.ts';

const HANDLER = `export const handler = async ({ id, params }) => ({
  jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: params.arguments.text }] },
});`;
const CONCURRENCY = 16;
const log = { log: () => undefined, with: () => log };
const principal = { id: 'bench', tenant: 'bench', roles: [], scopes: [] };

const folder = await mkdtemp(join(tmpdir(), 'zeroplane-bench-lambda-'));
await writeFile(join(folder, 'index.mjs'), HANDLER);
const runtime = createFunctionRuntime({
  functions: [{ name: 'echo', handler: 'index.handler', runtime: 'nodejs22.x', code: '.', concurrency: CONCURRENCY }],
  baseDir: folder,
  clock: systemClock,
  log,
  ids: { uuid: randomUUID },
});

async function invoke(payload) {
  const context = new Context({ principal, requestId: 'bench', clock: systemClock, timeoutMs: 30_000, log });
  return (await runtime.invoke({ functionName: 'echo', payload }, context)).payload;
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const answer = (status, text) => {
      response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
      response.end(text);
    };
    invoke(Buffer.concat(chunks).toString()).then(
      (payload) => answer(200, payload),
      (error) => answer(500, JSON.stringify({ error: error.message })),
    );
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ type: 'ready', url: `http://127.0.0.1:${server.address().port}/` })}\n`);
});
process.on('SIGTERM', () => {
  void runtime
    .close()
    .then(() => rm(folder, { recursive: true }))
    .finally(() => process.exit(0));
});
