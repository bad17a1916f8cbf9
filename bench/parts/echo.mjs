/**
 * The floor: a bare node:http JSON-RPC echo, which parses, dispatches and answers, and checks nothing.
 *
 * It answers `server/discover` and `tools/list` too, so that it can be the upstream of the HTTP hops.
 */

import { createServer } from 'node:http';

const META = { 'io.modelcontextprotocol/serverInfo': { name: 'echo', version: '1.0.0' } };
const TOOL = { name: 'echo', inputSchema: { type: 'object', properties: { text: { type: 'string' } } } };
const CACHE = { ttlMs: 60_000, cacheScope: 'public', _meta: META };

const methods = {
  'server/discover': () => ({
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: {} },
    ...CACHE,
  }),
  'tools/list': () => ({ resultType: 'complete', tools: [TOOL], ...CACHE }),
  'tools/call': ({ arguments: args }) => ({ resultType: 'complete', content: [{ type: 'text', text: args.text }] }),
};

function answer(text) {
  const { id, method, params } = JSON.parse(text);
  const result = methods[method]?.(params);
  return JSON.stringify(
    result === undefined
      ? { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } }
      : { jsonrpc: '2.0', id, result },
  );
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = answer(chunks.length === 1 ? chunks[0].toString() : Buffer.concat(chunks).toString());
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ type: 'ready', url: `http://127.0.0.1:${server.address().port}/mcp` })}\n`);
});
