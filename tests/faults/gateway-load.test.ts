/** More than the gateway can take: connections, slow clients, clients that never read, bodies without memory for them. */

import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { Answer, Gateway } from './gateway-process.ts';
import { atRate, cleanUp, evil, percentile, seen, startGateway, until } from './gateway-process.ts';
import { reasonNotTo } from './tiny-disk.ts';

const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await cleanUp();
});

const CONFIG = { mcpServers: { evil: evil() } };
const noPrlimit = reasonNotTo('prlimit', ['-n64', 'true']);
if (noPrlimit !== undefined) console.log(`skipped: few file descriptors: ${noPrlimit}`);

function limitDescriptors(gateway: Gateway, most: number): void {
  execFileSync('prlimit', ['--pid', String(gateway.pid), `--nofile=${most}:`]);
}

/** A raw connection that says something and notes when it is closed. */
function raw(gateway: Gateway, text: string): { socket: Socket; closed: Promise<number>; said: () => string } {
  const { port } = new URL(gateway.url);
  const began = performance.now();
  const socket = connect(Number(port), '127.0.0.1');
  sockets.push(socket);
  let said = '';
  socket.on('data', (chunk) => (said += chunk.toString('utf8').slice(0, 300)));
  socket.on('connect', () => socket.write(text));
  socket.on('error', () => undefined);
  const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now() - began)));
  return { socket, closed, said: () => said };
}

const head = (gateway: Gateway, more: readonly string[] = []): string =>
  ['POST /mcp HTTP/1.1', `Host: ${new URL(gateway.url).host}`, 'Content-Type: application/json', ...more].join('\r\n');

test.skipIf(noPrlimit !== undefined)(
  'F-24: with 64 descriptors a flood of 400 connections is survived, and calls are answered afterwards',
  async () => {
    const gateway = await startGateway(CONFIG);
    await gateway.text('evil___echo');
    limitDescriptors(gateway, 64);
    const flood = Array.from({ length: 400 }, () => raw(gateway, head(gateway)));
    await delay(2_000);
    for (const { socket } of flood) socket.destroy();
    const recoveredMs = await until('calls are answered', 15_000, async () => {
      const answer = await Promise.race([gateway.call('evil___echo', { n: 1 }), delay(500)]);
      return answer?.status === 200;
    });
    expect(await gateway.text('evil___echo', { n: 1 })).toBe('{"n":1}');
    expect((await gateway.register('after')).status).toBe(201);
    // A child that dies now is replaced: there are descriptors for it again.
    await gateway.call('evil___crash');
    await until('the server is back', 5_000, async () => (await gateway.call('evil___echo')).text.includes('content'));
    seen('F-24', { recoveredMs: Math.round(recoveredMs) });
  },
  60_000,
);

test.skipIf(noPrlimit !== undefined)(
  'F-24: a server that cannot be started for want of descriptors is an error, and comes back',
  async () => {
    const gateway = await startGateway(CONFIG);
    await gateway.text('evil___echo');
    limitDescriptors(gateway, gateway.descriptors());
    const crashed = await gateway.call('evil___crash');
    expect(crashed.text).toContain('TARGET_UNAVAILABLE');
    const failed = await gateway.call('evil___echo');
    expect(failed.status).toBe(200);
    expect(failed.text).toContain('TARGET_UNAVAILABLE');
    limitDescriptors(gateway, 1_024);
    const backMs = await until('the server is back', 25_000, async () =>
      (await gateway.call('evil___echo', { n: 1 })).text.includes('{\\"n\\":1}'),
    );
    seen('F-24 start', { during: failed.text.slice(50, 230), backMs: Math.round(backMs) });
  },
);

test('F-25: with a heap of 96 MiB large bodies and streams are served or refused, and the process lives', async () => {
  const gateway = await startGateway(CONFIG, { nodeArgs: ['--max-old-space-size=96'] });
  const text = 'x'.repeat(3_900_000);
  const statuses = new Map<number, number>();
  for (let round = 0; round < 4; round++) {
    const answers = await Promise.all(Array.from({ length: 24 }, () => gateway.call('evil___echo', { text })));
    for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  expect(await Promise.race([gateway.ended, delay(100)])).toBeUndefined();
  expect(await gateway.text('evil___echo', { n: 1 })).toBe('{"n":1}');
  seen('F-25', { statuses: Object.fromEntries(statuses), rssMb: Math.round(gateway.rssMb()) });
  for (const status of statuses.keys()) expect([200, 429, 503]).toContain(status);
});

test('F-28: a thousand slow clients are closed within 15 s, and the others hardly notice', async () => {
  const gateway = await startGateway(CONFIG);
  await gateway.text('evil___echo');
  const answers: Answer[] = [];
  // The best of three: whatever else runs on this machine only adds to a round.
  const p99 = async (): Promise<number> => {
    const rounds: number[] = [];
    for (let round = 0; round < 3; round++) {
      const called = await atRate(100, 2, (n) => gateway.call('evil___echo', { n }));
      answers.push(...called);
      rounds.push(
        percentile(
          called.map(({ ms }) => ms),
          0.99,
        ),
      );
    }
    return Math.min(...rounds);
  };
  const quiet = await p99();
  const slow = Array.from({ length: 1_000 }, (_, n) =>
    n % 2 === 0 ? raw(gateway, head(gateway)) : raw(gateway, `${head(gateway, ['Content-Length: 100'])}\r\n\r\n{`),
  );
  const drip = setInterval(() => {
    for (const { socket } of slow) if (!socket.destroyed && socket.writable) socket.write('a');
  }, 2_000);
  await delay(1_000);
  const busy = await p99();
  const closedMs = Math.max(...(await Promise.all(slow.map(({ closed }) => closed))));
  clearInterval(drip);
  expect(answers.filter(({ status }) => status !== 200).map(({ text }) => text)).toEqual([]);
  // The check for late requests runs once a second; the request limit is 15 s.
  expect(closedMs).toBeLessThan(17_500);
  expect(busy).toBeLessThan(Math.max(quiet * 2, quiet + 40));
  await until('their descriptors are free', 3_000, () => gateway.descriptors() < 200);
  seen('F-28', { quietP99Ms: quiet.toFixed(1), busyP99Ms: busy.toFixed(1), closedMs: Math.round(closedMs) });
}, 60_000);

test('F-29: a client that never reads is cut, whether its answer is a stream or one large document', async () => {
  const gateway = await startGateway({
    mcpServers: { evil: evil() },
    results: { inlineBytes: 64 * 1024 * 1024 },
  });
  await gateway.text('evil___echo');
  const before = gateway.rssMb();
  const baseline = gateway.descriptors();
  const message = (name: string, args: unknown): string =>
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } });
  const lines = '\n'.repeat(1_900_000);
  const mute = (body: string, accept: string): ReturnType<typeof raw> => {
    const headers = ['Connection: close', `Accept: ${accept}`, `Content-Length: ${Buffer.byteLength(body)}`];
    const client = raw(gateway, `${head(gateway, headers)}\r\n\r\n${body}`);
    client.socket.removeAllListeners('data');
    client.socket.pause();
    return client;
  };
  const both = 'application/json, text/event-stream';
  const streams = Array.from({ length: 4 }, () =>
    mute(message('evil___notify-flood', { count: 20_000, bytes: 900 }), both),
  );
  const documents = Array.from({ length: 10 }, () => mute(message('evil___echo', { lines }), both));
  await delay(4_000);
  const grownMb = gateway.rssMb() - before;
  expect(await gateway.text('evil___echo', { n: 1 })).toBe('{"n":1}');
  // Answers that fit into the buffers of the system are gone at once; the others wait for a limited time.
  expect(gateway.descriptors()).toBeGreaterThanOrEqual(baseline + 5);
  const cutMs = await until('the mute clients are cut', 40_000, () => gateway.descriptors() <= baseline);
  for (const { socket } of [...streams, ...documents]) socket.destroy();
  expect(await gateway.text('evil___echo', { n: 1 })).toBe('{"n":1}');
  seen('F-29', { grownMb: Math.round(grownMb), cutMs: Math.round(cutMs) });
}, 120_000);
