/** The whole gateway on disks that are full, failing, slow, read-only, or already in use. Needs root, mount, strace. */

import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Answer, Gateway, Json } from './gateway-process.ts';
import { atRate, cleanUp, evil, makeFolder, percentile, seen } from './gateway-process.ts';
import { startGateway, startRefused, until } from './gateway-process.ts';
import { makeDisk, reasonNotTo, reasonNotToMount, removeDisk } from './tiny-disk.ts';

const CONFIG = { mcpServers: { evil: evil() } };
const noMount = reasonNotToMount();
const noStrace = reasonNotTo('strace', ['-o', '/dev/null', '-e', 'inject=fsync:error=EIO:when=99', 'true']);
if (noMount !== undefined) console.log(`skipped: full and read-only disks, cannot mount a tmpfs: ${noMount}`);
if (noStrace !== undefined) console.log(`skipped: failing and slow fsync, cannot run strace: ${noStrace}`);

const mounts: string[] = [];
const tracers: ChildProcess[] = [];

afterEach(async () => {
  for (const tracer of tracers.splice(0)) tracer.kill('SIGINT');
  await cleanUp();
  mounts.splice(0).forEach(removeDisk);
});

function tinyDisk(size: string): string {
  const disk = makeDisk(size);
  mounts.push(disk);
  return disk;
}

const NOTE = 'x'.repeat(1000);

/** Registers tools until one is refused. */
async function fill(gateway: Gateway, most: number): Promise<{ names: string[]; refusal: Answer | undefined }> {
  const names: string[] = [];
  for (let n = 0; n < most; n++) {
    const name = `tool_${n}`;
    const answer = await gateway.register(name, { description: NOTE });
    if (answer.status !== 201) return { names, refusal: answer };
    names.push(name);
  }
  return { names, refusal: undefined };
}

async function registered(gateway: Gateway): Promise<Set<string>> {
  const list = (await gateway.send('GET', '/register')).json as unknown as { name: string }[];
  return new Set(list.map(({ name }) => name));
}

const SYNCS = 'fsync,fdatasync';

/** Attaches strace to the running gateway and waits until it holds every thread. */
async function inject(gateway: Gateway, fault: string, calls = SYNCS): Promise<ChildProcess> {
  const tracer = spawn(
    'strace',
    ['-f', '-p', String(gateway.pid), '-e', `trace=${calls}`, '-e', `inject=${calls}:${fault}`],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  tracers.push(tracer);
  let said = '';
  tracer.stderr?.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  await until('strace attached', 5_000, () => said.includes('attached'));
  return tracer;
}

describe.skipIf(noMount !== undefined)('F-20: a disk that fills up under a running gateway', () => {
  test('refuses registrations with 507 and Retry-After, goes on calling and listing, and recovers', async () => {
    const disk = tinyDisk('3m');
    writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(1_000_000));
    const gateway = await startGateway(CONFIG, { dataDir: path.join(disk, 'data') });
    const { names, refusal } = await fill(gateway, 2_000);
    expect(refusal?.status).toBe(507);
    expect(refusal?.json).toMatchObject({ code: 'STORE_FULL', retryable: true });
    expect(refusal?.headers['retry-after']).toMatch(/^\d+$/);
    expect(names.length).toBeGreaterThan(10);
    expect(await gateway.text('evil___echo', { n: 1 })).toBe('{"n":1}');
    expect(await gateway.tools()).toEqual(expect.arrayContaining(['evil___echo', ...names]));
    expect((await gateway.send('GET', '/register')).status).toBe(200);
    rmSync(path.join(disk, 'ballast'));
    const recoveredMs = await until(
      'writes are taken again',
      5_000,
      async () => (await gateway.register('after')).status === 201,
    );
    expect((await gateway.send('GET', '/readyz')).status).toBe(200);
    expect(await registered(gateway)).toEqual(new Set([...names, 'after']));
    seen('F-20', { acknowledged: names.length, recoveredMs: Math.round(recoveredMs) });
  });

  test('a session can be opened, used and ended while the disk is full', async () => {
    const disk = tinyDisk('3m');
    const gateway = await startGateway(CONFIG, { dataDir: path.join(disk, 'data') });
    await fill(gateway, 3_000);
    const opened = await gateway.rpc('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'a', version: '1' },
    });
    expect(opened.status).toBe(200);
    const headers = { 'mcp-session-id': String(opened.headers['mcp-session-id']) };
    const called = await gateway.rpc('tools/call', { name: 'evil___echo', arguments: { n: 2 } }, { headers });
    expect(called.text).toContain('{\\"n\\":2}');
    // What has to be remembered cannot be; the refusal says so in the words of the store.
    const level = await gateway.rpc('logging/setLevel', { level: 'debug' }, { headers });
    expect([200, 507]).toContain(level.json?.['error'] === undefined ? 200 : 507);
    const ended = await gateway.send('DELETE', '/mcp', { headers });
    expect([204, 507]).toContain(ended.status);
  });
});

describe.skipIf(noStrace !== undefined)('F-21: an fsync that fails', () => {
  test('ends the process; what was acknowledged before is there after a restart', async () => {
    const gateway = await startGateway(CONFIG);
    const before = await fill(gateway, 5);
    await inject(gateway, 'error=EIO');
    const refused = await gateway.register('lost');
    expect(refused.status).not.toBe(201);
    const ended = await gateway.ended;
    expect(ended.code).toBe(1);
    expect(gateway.output).toContain('store-failed');
    const again = await startGateway(CONFIG, { folder: gateway.folder });
    const found = await registered(again);
    expect([...before.names].filter((name) => !found.has(name))).toEqual([]);
    expect(await again.text('evil___echo', { n: 1 })).toBe('{"n":1}');
    expect((await again.register('after')).status).toBe(201);
    seen('F-21', { status: refused.status, exit: ended.code, restartMs: Math.round(again.startedInMs) });
  });
});

describe.skipIf(noStrace !== undefined)('F-22: a slow fsync', () => {
  /** Forty writes at once, and twenty calls beside them. */
  const load = async (gateway: Gateway, prefix: string) => {
    const writes = Promise.all(Array.from({ length: 40 }, (_, n) => gateway.register(`${prefix}_${n}`)));
    const calls = await atRate(20, 1, () => gateway.call('evil___echo'));
    const times = calls.map(({ ms }) => ms);
    const slowestWriteMs = Math.round(Math.max(...(await writes).map(({ ms }) => ms)));
    const statuses = [...(await writes), ...calls].map(({ status }) => status);
    return { statuses: new Set(statuses), slowestWriteMs, callP95Ms: Math.round(percentile(times, 0.95)) };
  };

  test.each([100, 500])('of %i ms costs writes latency only, and calls nothing', async (delayMs) => {
    const gateway = await startGateway(CONFIG);
    await gateway.text('evil___echo');
    const quick = await load(gateway, 'quick');
    await inject(gateway, `delay_enter=${delayMs * 1000}`);
    // The first slow commit stops the gateway; by it the store knows.
    expect((await gateway.register('first')).status).toBe(201);
    const slow = await load(gateway, 'slow');
    expect([...slow.statuses].toSorted((a, b) => a - b)).toEqual([200, 201]);
    // Forty writes in a row, each with the commit of its announcement, would take eighty times the delay.
    expect(slow.slowestWriteMs).toBeLessThan(quick.slowestWriteMs + 12 * delayMs + 1_000);
    expect(slow.callP95Ms).toBeLessThan(quick.callP95Ms + 400);
    const told = ({ slowestWriteMs, callP95Ms }: typeof quick): object => ({ slowestWriteMs, callP95Ms });
    seen('F-22', { delayMs, quick: told(quick), slow: told(slow) });
  });
});

describe('F-23: a data folder that cannot be written', () => {
  const isRefused = async (dataDir: string, code: RegExp): Promise<void> => {
    const began = performance.now();
    const { code: exit, output } = await startRefused(CONFIG, { dataDir });
    expect(exit).toBe(1);
    expect(output).toMatch(code);
    expect(output).toContain(dataDir);
    expect(output).not.toMatch(/^\s+at .*\(/m);
    expect(performance.now() - began).toBeLessThan(10_000);
  };

  test.skipIf(noMount !== undefined)('on a read-only disk is named, with exit code 1', async () => {
    const disk = tinyDisk('2m');
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    await isRefused(path.join(disk, 'data'), /STORE_UNAVAILABLE/);
  });

  test('that is a file is named, with exit code 1', async () => {
    const file = path.join(makeFolder(), 'file');
    writeFileSync(file, '');
    await isRefused(file, /STORE_UNAVAILABLE/);
  });

  test.skipIf(process.getuid?.() === 0)('without permission is named, with exit code 1', async () => {
    const folder = path.join(makeFolder(), 'closed');
    mkdirSync(folder);
    chmodSync(folder, 0o500);
    await isRefused(folder, /STORE_UNAVAILABLE/);
  });

  // Linux makes no mount read-only while a file on it is open for writing, so the writes themselves are refused.
  test.skipIf(noStrace !== undefined)('that becomes read-only while running refuses writes and goes on', async () => {
    const gateway = await startGateway(CONFIG);
    expect((await gateway.register('before')).status).toBe(201);
    const tracer = await inject(gateway, 'error=EROFS', 'pwrite64,pwritev,ftruncate,fallocate');
    const refusal = await gateway.register('during');
    expect(refusal.status).toBe(503);
    expect(refusal.json).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    expect(refusal.text).not.toMatch(/\bat .*\.(ts|js):\d+/);
    expect(await gateway.text('evil___echo', { n: 1 })).toBe('{"n":1}');
    expect(await gateway.tools()).toContain('before');
    const detached = new Promise((resolve) => tracer.once('exit', resolve));
    tracer.kill('SIGINT');
    await detached;
    expect((await gateway.register('after')).status).toBe(201);
    expect(await registered(gateway)).toEqual(new Set(['before', 'after']));
    seen('F-23', { status: refusal.status, retryAfter: refusal.headers['retry-after'] });
  });
});

test('F-12: a second gateway on the same data folder ends with a clear message; the first goes on', async () => {
  const gateway = await startGateway(CONFIG);
  const second = await startRefused(CONFIG, { dataDir: gateway.dataDir });
  expect(second.code).toBe(1);
  expect(second.output).toContain('STORE_LOCKED');
  expect(second.output).toContain(gateway.dataDir);
  expect(second.output).toContain(String(gateway.pid));
  expect((await gateway.register('after')).status).toBe(201);
  const note = execFileSync('cat', [path.join(gateway.dataDir, 'instance.json')], { encoding: 'utf8' });
  expect((JSON.parse(note) as Json)['pid']).toBe(gateway.pid);
});
