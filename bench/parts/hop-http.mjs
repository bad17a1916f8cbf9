/** The floor of the HTTP hops: re-mints ids towards one upstream (argv[2]) over kept connections. */

import { Agent, createServer, request as send } from 'node:http';

const upstream = new URL(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
let nextId = 1;

function collect(stream, done) {
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => done(Buffer.concat(chunks).toString()));
}

function forward(message, headers, done) {
  const body = JSON.stringify({ ...message, id: nextId++ });
  const copied = {
    'Content-Type': 'application/json',
    Accept: headers.accept,
    'Content-Length': Buffer.byteLength(body),
  };
  for (const name of ['mcp-protocol-version', 'mcp-method', 'mcp-name'])
    if (headers[name] !== undefined) copied[name] = headers[name];
  const options = {
    agent,
    host: upstream.hostname,
    port: upstream.port,
    path: upstream.pathname,
    method: 'POST',
    headers: copied,
  };
  send(options, (response) => collect(response, (text) => done({ ...JSON.parse(text), id: message.id }))).end(body);
}

const server = createServer((request, response) => {
  collect(request, (text) => {
    forward(JSON.parse(text), request.headers, (answer) => {
      const body = JSON.stringify(answer);
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
      response.end(body);
    });
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ type: 'ready', url: `http://127.0.0.1:${server.address().port}/mcp` })}\n`);
});
