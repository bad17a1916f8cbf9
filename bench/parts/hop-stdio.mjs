/**
 * The floor of the stdio hops: re-mints ids over one warm child and translates nothing else.
 * argv from the third on is the child's command.
 */

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
child.on('exit', () => process.exit(1));

const waiting = new Map();
let nextId = 1;

function settle(line) {
  const message = JSON.parse(line);
  const caller = waiting.get(message.id);
  waiting.delete(message.id);
  caller?.(message);
}

let rest = [];
child.stdout.on('data', (chunk) => {
  const end = chunk.lastIndexOf(10);
  if (end < 0) {
    rest.push(chunk);
    return;
  }
  const text = Buffer.concat([...rest, chunk.subarray(0, end)]).toString();
  rest = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : [];
  for (const line of text.split('\n')) settle(line);
});

function forward(message, done) {
  const id = nextId++;
  waiting.set(id, (answer) => done({ ...answer, id: message.id }));
  child.stdin.write(`${JSON.stringify({ ...message, id })}\n`);
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    forward(JSON.parse(Buffer.concat(chunks).toString()), (answer) => {
      const body = JSON.stringify(answer);
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
      response.end(body);
    });
  });
});

const initialize = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'hop', version: '1.0.0' } };
forward({ jsonrpc: '2.0', id: 0, method: 'initialize', params: initialize }, () => {
  child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(
      `${JSON.stringify({ type: 'ready', url: `http://127.0.0.1:${server.address().port}/mcp` })}\n`,
    );
  });
});
process.on('SIGTERM', () => {
  child.kill();
  process.exit(0);
});
