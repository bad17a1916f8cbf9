/** What a gateway must not lose or let out: memory, processes, sessions, secrets, connections to the outside. */

import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { WireClient } from '../fixtures/wire-client.ts';
import type { Answer, Gateway, Json } from './gateway-process.ts';
import { cleanUp, evil, nodeChildren, RUNS, seen, startGateway, until } from './gateway-process.ts';
import { reasonNotTo } from './tiny-disk.ts';

afterEach(cleanUp);

const CONFIG = { mcpServers: { evil: evil() } };

/** Memory after a collection, which SIGUSR2 asks of a gateway started with `--expose-gc` and this preload. */
const COLLECT = `data:text/javascript,process.on('SIGUSR2',()=>{globalThis.gc();globalThis.gc();})`;
const collecting = { nodeArgs: ['--expose-gc', '--import', COLLECT] };

async function settledMb(gateway: Gateway): Promise<number> {
  for (let round = 0; round < 3; round++) {
    gateway.signal('SIGUSR2');
    await delay(300);
  }
  return gateway.rssMb();
}

async function callMany(gateway: Gateway, count: number): Promise<void> {
  for (let done = 0; done < count; done += 50) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => gateway.call('evil___echo', { n: done + n })),
    );
    for (const { status, text } of answers) expect(status, text).toBe(200);
  }
}

test('calls through a stdio server leave memory flat, no process and no descriptor behind', async () => {
  const gateway = await startGateway(CONFIG, collecting);
  const count = RUNS * 100;
  await callMany(gateway, 2_000);
  const before = await settledMb(gateway);
  const children = nodeChildren(gateway.pid).length;
  const descriptors = gateway.descriptors();
  await callMany(gateway, count);
  const grownMb = (await settledMb(gateway)) - before;
  expect(grownMb).toBeLessThan(20);
  expect(nodeChildren(gateway.pid).length).toBeLessThanOrEqual(children);
  expect(gateway.descriptors()).toBeLessThanOrEqual(descriptors + 2);
  expect(await gateway.target('evil')).toMatchObject({ restarts: 0 });
  seen('calls', { count, grownMb: grownMb.toFixed(1), children });
});

const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } };

test('F-59: two thousand abandoned sessions cost little memory and no child each', async () => {
  const gateway = await startGateway(CONFIG, collecting);
  const open = async (): Promise<void> => {
    const opened = await gateway.rpc('initialize', INITIALIZE);
    const headers = { 'mcp-session-id': String(opened.headers['mcp-session-id']) };
    const called = await gateway.rpc('tools/call', { name: 'evil___echo', arguments: { n: 1 } }, { headers });
    expect(called.status, called.text).toBe(200);
  };
  for (let n = 0; n < 200; n++) await open();
  const before = await settledMb(gateway);
  for (let n = 0; n < 2_000; n += 20) await Promise.all(Array.from({ length: 20 }, open));
  const grownMb = (await settledMb(gateway)) - before;
  expect(grownMb).toBeLessThan(50);
  expect(nodeChildren(gateway.pid).length).toBeLessThanOrEqual(4);
  seen('F-59 sessions', { grownMb: grownMb.toFixed(1), children: nodeChildren(gateway.pid).length });
});

/** Closes sockets without a word to the other side, as a machine does that loses its power and starts again. */
const SILENT = `
import socket, sys, time
port, count, request = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode().decode('unicode_escape').encode()
held = []
for _ in range(count):
    s = socket.create_connection(('127.0.0.1', port))
    s.sendall(request)
    s.recv(4096)
    held.append(s)
print('open', flush=True)
sys.stdin.readline()
for s in held:
    s.setsockopt(socket.IPPROTO_TCP, 19, 1)
    s.close()
print('cut', flush=True)
`;
const noRepair = reasonNotTo('python3', [
  '-c',
  'import socket; s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); c.setsockopt(6, 19, 1)',
]);
if (noRepair !== undefined) console.log(`skipped: clients cut without FIN, python3 cannot repair sockets: ${noRepair}`);

test.skipIf(noRepair !== undefined)(
  'F-59: sixty clients that vanish without FIN are noticed by the next heartbeat',
  async () => {
    const gateway = await startGateway(CONFIG);
    const opened = await gateway.rpc('initialize', INITIALIZE);
    const session = String(opened.headers['mcp-session-id']);
    const { port, host } = new URL(gateway.url);
    const request = [
      'GET /mcp HTTP/1.1',
      `Host: ${host}`,
      'Accept: text/event-stream',
      `Mcp-Session-Id: ${session}`,
      '',
      '',
    ];
    const before = gateway.descriptors();
    const client = spawn('python3', ['-c', SILENT, port, '60', request.join('\\r\\n')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let said = '';
    client.stdout.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    await until('streams open', 10_000, () => said.includes('open'));
    expect(gateway.descriptors()).toBeGreaterThanOrEqual(before + 60);
    client.stdin.write('\n');
    await until('clients cut', 5_000, () => said.includes('cut'));
    const reapedMs = await until('reaped', 25_000, () => gateway.descriptors() <= before + 1);
    expect(await gateway.text('evil___echo', { n: 1 })).toBe('{"n":1}');
    seen('F-59 cut', { reapedMs: Math.round(reapedMs) });
  },
);

const CANARY = 'canary-7f3a9c51d2e84b06';

/** Everything that is in the data folder, by file. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

test('F-60: secrets of environment, headers, configuration and token appear in no output, answer, log line or file', async () => {
  const secrets = {
    OUTSIDE: `${CANARY}-outside`,
    INHERITED: `${CANARY}-inherited`,
    HEADER: `${CANARY}-header`,
  };
  const config = {
    logLevel: 'debug',
    mcpServers: {
      evil: evil({ API_KEY: '${secret:OUTSIDE}' }, { inheritEnv: ['INHERITED_TOKEN'] }),
      remote: { url: 'http://127.0.0.1:9/mcp', headers: { Authorization: 'Bearer ${secret:HEADER}' } },
      exits: evil({ EVIL_START: 'exit', PASSWORD: '${secret:OUTSIDE}' }),
    },
  };
  const env = {
    ZEROPLANE_SECRET_OUTSIDE: secrets.OUTSIDE,
    ZEROPLANE_SECRET_HEADER: secrets.HEADER,
    INHERITED_TOKEN: secrets.INHERITED,
  };
  const gateway = await startGateway(config, { env, auth: 'token' });
  const answers: Answer[] = [];
  const keep = async (answer: Promise<Answer>): Promise<void> => void answers.push(await answer);
  await keep(gateway.call('evil___environment'));
  await keep(gateway.call('evil___echo', { text: secrets.OUTSIDE }));
  for (const tool of ['evil___exit', 'evil___crash', 'remote___x', 'exits___echo', 'nothing___here'])
    await keep(gateway.call(tool));
  await keep(gateway.rpc('tools/list'));
  await keep(gateway.send('GET', '/v1/instance'));
  await keep(gateway.send('GET', '/register'));
  await keep(gateway.register('tool_a', { description: 'a tool' }));
  await keep(gateway.send('POST', '/register', { body: '{"type":' }));
  await keep(gateway.send('POST', '/mcp', { body: '{"jsonrpc":' }));
  await keep(gateway.send('GET', '/nothing'));
  await keep(gateway.send('GET', '/mcp', { headers: { authorization: `Bearer ${CANARY}-wrong` } }));
  const client = new WireClient({ url: `${gateway.url}/sse`, era: 'sse', token: gateway.token });
  await client.open();
  await client.request('tools/call', { name: 'evil___environment', arguments: {} });
  gateway.configure({ ...config, logLevel: 'loud' });
  await delay(500);
  const hasSecret = (text: string): boolean =>
    text.includes(secrets.OUTSIDE) || text.includes(secrets.HEADER) || text.includes(`${CANARY}-wrong`);
  expect(answers.filter(({ text }) => hasSecret(text)).map(({ text }) => text.slice(0, 400))).toEqual([]);
  expect(answers.filter(({ text }) => text.includes(gateway.token)).map(({ text }) => text.slice(0, 400))).toEqual([]);
  expect(client.seen.filter(({ message }) => hasSecret(JSON.stringify(message)))).toEqual([]);
  expect(hasSecret(gateway.output) || gateway.output.includes(secrets.INHERITED)).toBe(false);
  // The ready line is where the token is told, and the only place.
  const lines = gateway.output.split('\n').filter((line) => line.includes(gateway.token));
  expect(lines.map((line) => (JSON.parse(line) as Json)['type'])).toEqual(['ready']);
  gateway.signal('SIGTERM');
  await gateway.ended;
  const own = new Set(['token', 'instance.json']);
  for (const file of filesBelow(gateway.dataDir)) {
    const text = readFileSync(file, 'latin1');
    expect(text.includes(CANARY), file).toBe(false);
    expect(!own.has(path.basename(file)) && text.includes(gateway.token), file).toBe(false);
  }
});

const noStrace = reasonNotTo('strace', ['-o', '/dev/null', '-e', 'trace=connect', 'true']);
if (noStrace !== undefined) console.log(`skipped: connections to the outside, cannot run strace: ${noStrace}`);

test.skipIf(noStrace !== undefined)(
  'nothing is connected to outside of this machine, and nothing is looked up',
  async () => {
    const gateway = await startGateway(CONFIG, {
      wrap: ['strace', '-f', '-qq', '-e', 'trace=connect,sendto,sendmsg'],
    });
    await gateway.text('evil___echo');
    await gateway.tools();
    await gateway.register('tool_a');
    await delay(1_000);
    gateway.signal('SIGTERM');
    await gateway.ended;
    const addresses = [
      ...gateway.output.matchAll(/sa_family=AF_INET6?,.*?inet_(?:addr|pton)\((?:AF_INET6, )?"([^"]+)"/g),
    ].map(([, address]) => address);
    expect(addresses.filter((address) => address !== '127.0.0.1' && address !== '::1')).toEqual([]);
    expect(gateway.output).not.toMatch(/htons\(53\)/);
  },
);
