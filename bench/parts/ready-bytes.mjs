/**
 * The floor of the lists: sends bytes that were made before, with the caller's id. argv[2] is a file that holds
 * the JSON texts of one or more results, one per line; the request's cursor is the number of the line.
 */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const results = readFileSync(process.argv[2], 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => Buffer.from(line));
const close = Buffer.from('}');

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { id, params } = JSON.parse(Buffer.concat(chunks).toString());
    const head = Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":`);
    const result = results[Number(params.cursor ?? 0)];
    const length = head.length + result.length + close.length;
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': length });
    response.cork();
    response.write(head);
    response.write(result);
    response.end(close);
    response.uncork();
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ type: 'ready', url: `http://127.0.0.1:${server.address().port}/mcp` })}\n`);
});
