/**
 * Very many calls through one handler, and very many starts of its child, half of them after the child was killed.
 * Says what memory did meanwhile and which children are still there. argv[2] is `{child, calls, restarts}`.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createHandler } from 'zeroplane/wrapper';

const { child, calls, restarts } = JSON.parse(process.argv[2]);
const [command, ...args] = child;
const handler = createHandler({ command, args, name: 'bench' });
const event = { method: 'tools/call', params: { name: 'echo', arguments: { text: 'x'.repeat(100) } } };
const residentMib = () => process.memoryUsage.rss() / 1024 / 1024;

async function call() {
  const { statusCode, body } = await handler(event);
  if (statusCode !== 200) throw new Error(`a call failed: ${body}`);
}

let early;
for (let done = 0; done < calls; done++) {
  await call();
  if (done === Math.floor(calls / 10)) early = residentMib();
}
const afterCalls = residentMib();

const pids = new Set(handler.pids());
let earlyRestart;
for (let done = 0; done < restarts; done++) {
  if (done % 2 === 0) await handler.close();
  else {
    for (const pid of handler.pids()) process.kill(pid, 'SIGKILL');
    while (handler.pids().length > 0) await delay(1);
  }
  await call();
  for (const pid of handler.pids()) pids.add(pid);
  // V8 lets the heap grow over the first few hundred starts, and then no more.
  if (done === Math.floor(restarts / 2)) earlyRestart = residentMib();
}
const afterRestarts = residentMib();
await handler.close();

function isAlive(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !text.slice(text.lastIndexOf(')')).startsWith(') Z');
  } catch {
    return false;
  }
}
await delay(200);
process.stdout.write(
  `${JSON.stringify({
    started: pids.size,
    orphans: [...pids].filter(isAlive).length,
    callsMib: afterCalls - early,
    restartsMib: afterRestarts - earlyRestart,
  })}\n`,
);
process.exit(0);
