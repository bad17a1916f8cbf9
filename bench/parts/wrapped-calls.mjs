/**
 * Times one call after the other, in microseconds: our handler with a warm child, the same child spoken to directly,
 * and the peer's adapter, which starts a child for each call. argv[2] is `{child, argument, calls, rounds, peer?,
 * peerCalls}`; `argument` is what the child's tool `echo` takes.
 */

import { spawn } from 'node:child_process';
import { createHandler } from 'zeroplane/wrapper';

const { child, argument, calls, rounds, peer, peerCalls } = JSON.parse(process.argv[2]);
const [command, ...args] = child;
const TEXT = 'x'.repeat(100);
let nextId = 1;
const event = () => ({
  jsonrpc: '2.0',
  id: nextId++,
  method: 'tools/call',
  params: { name: 'echo', arguments: { [argument]: TEXT } },
});

function median(values) {
  return values.sort((one, other) => one - other)[values.length >> 1];
}

async function time(count, call) {
  const times = [];
  for (let index = 0; index < count; index++) {
    const began = performance.now();
    const { result } = await call(event());
    times.push((performance.now() - began) * 1000);
    if (!result?.content?.[0]?.text?.endsWith(TEXT)) throw new Error(`a wrong answer: ${JSON.stringify(result)}`);
  }
  return median(times);
}

/** The least that a program does to call a stdio server: one line out, one line in. */
function direct() {
  const server = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = new Map();
  let rest = '';
  server.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const message = JSON.parse(line);
      waiting.get(message.id)?.(message);
      waiting.delete(message.id);
    }
  });
  const send = (message) =>
    new Promise((resolve) => {
      waiting.set(message.id, resolve);
      server.stdin.write(`${JSON.stringify(message)}\n`);
    });
  return { send, close: () => server.stdin.end() };
}

const handler = createHandler({ command, args, name: 'bench' });
const server = direct();
const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1' } };
await server.send({ jsonrpc: '2.0', id: 0, method: 'initialize', params: hello });
for (const call of [handler, server.send]) await time(calls, call);
const ours = [];
const plain = [];
for (let round = 0; round < rounds; round++) {
  ours.push(await time(calls, handler));
  plain.push(await time(calls, server.send));
}
await handler.close();
server.close();

let theirs;
if (peer !== undefined) {
  const { stdioServerAdapter } = await import(peer);
  const parameters = { command, args };
  theirs = await time(peerCalls, (message) => stdioServerAdapter(parameters, message, { awsRequestId: 'bench' }));
}
const ratios = ours.map((us, index) => us / plain[index]);
process.stdout.write(
  `${JSON.stringify({ handlerUs: median([...ours]), directUs: median([...plain]), overDirect: median(ratios), peerUs: theirs })}\n`,
);
process.exit(0);
