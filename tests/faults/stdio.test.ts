/** The heavy faults of stdio servers: floods, giant lines, crash loops and many starts. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import type { Clock, Logger } from '../../src/core/ports.ts';
import type { Exchange, TargetCall } from '../../src/core/target.ts';
import { Context } from '../../src/core/context.ts';
import { McpTarget } from '../../src/upstream/mcp-target.ts';
import { childEnvironment } from '../../src/wrapper/environment.ts';
import { StdioConnector } from '../../src/wrapper/stdio-connector.ts';

const evil = fileURLToPath(new URL('../fixtures/evil-server.mjs', import.meta.url));
const MIB = 1024 * 1024;
const quiet: Logger = { log: () => undefined, with: () => quiet };
const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
const mute: Exchange = {
  capabilities: {},
  canAsk: false,
  wantsProgress: false,
  notify: () => undefined,
  ask: () => Promise.reject(new Error('never')),
};
const open: McpTarget[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((target) => target.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function start(id: string, variables: Record<string, string> = {}) {
  const environment = childEnvironment(process.env, variables);
  const connector = new StdioConnector({
    target: id,
    command: process.execPath,
    args: [evil],
    environment,
    clock,
    log: quiet,
    clientInfo: { name: 'zeroplane', version: '0' },
  });
  const target = new McpTarget({ id, connector, clock, log: quiet });
  open.push(target);
  return { target, connector };
}

async function call(target: McpTarget, name: string, args: unknown = {}, timeoutMs = 30_000): Promise<string> {
  const params = [
    { key: 'name', text: JSON.stringify(name) },
    { key: 'arguments', text: JSON.stringify(args) },
  ];
  const request: TargetCall = { method: 'tools/call', name, params, meta: [], parsed: {}, repeatable: false };
  const context = new Context({
    principal: { id: 'p', tenant: 't', roles: [], scopes: [] },
    requestId: 'r',
    clock,
    timeoutMs,
    log: quiet,
  });
  return (
    (JSON.parse((await target.call(request, mute, context)).text) as { content: { text: string }[] }).content[0]
      ?.text ?? ''
  );
}

/** Runs `work` and reports by how much resident memory stood above its start at the worst moment. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 5);
  try {
    await work();
  } finally {
    clearInterval(watch);
  }
  return most - before;
}

/** Median latency of calls to a quiet neighbour while `busy` has not settled. */
async function neighbourMs(target: McpTarget, busy: Promise<unknown>): Promise<number> {
  const state = { running: true };
  void busy.catch(() => undefined).finally(() => (state.running = false));
  const times: number[] = [];
  while (state.running || times.length < 20) {
    const began = performance.now();
    await call(target, 'echo');
    times.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

test('F-52: 30 MiB on stderr are drained, the answer arrives, memory stays bounded', async () => {
  const { target } = start('flood');
  await call(target, 'echo');
  const grown = await growth(async () =>
    expect(await call(target, 'stderr-flood', { mib: 30 })).toBe('{"flooded":30}'),
  );
  expect(grown).toBeLessThan(64 * MIB);
});

test('F-53: 100,000 notifications (90 MB) disturb neither the answer nor the neighbour', async () => {
  const [noisy, neighbour] = [start('noisy').target, start('neighbour').target];
  await Promise.all([call(noisy, 'echo'), call(neighbour, 'echo')]);
  const quietMs = await neighbourMs(neighbour, Promise.resolve());
  let busyMs = 0;
  const grown = await growth(async () => {
    const flood = call(noisy, 'notify-flood', { count: 100_000, bytes: 900 });
    busyMs = await neighbourMs(neighbour, flood);
    expect(await flood).toBe('{"notified":100000}');
  });
  expect(grown).toBeLessThan(64 * MIB);
  // A flood that was taken in one piece would hold the neighbour for a second or more. Both children, this process and
  // another suite share the processors, so the ratio is told and not judged here.
  expect(busyMs).toBeLessThan(quietMs + 100);
  console.log(
    `seen F-53 ${JSON.stringify({ quietMs: Number(quietMs.toFixed(1)), busyMs: Number(busyMs.toFixed(1)) })}`,
  );
});

test.each([true, false])(
  'F-53: a line of 50 MiB is an error, memory grows by less than 64 MiB, the next call works (id first: %s)',
  async (idFirst) => {
    const { target } = start('giant');
    await call(target, 'echo');
    const grown = await growth(async () => {
      await expect(call(target, 'giant-line', { mib: 50, idFirst })).rejects.toMatchObject({
        code: 'TARGET_RESPONSE_TOO_LARGE',
      });
    });
    expect(grown).toBeLessThan(64 * MIB);
    expect(await call(target, 'echo', { n: 1 })).toBe('{"n":1}');
  },
);

test('F-53: a line without end is given up, and the server is replaced', async () => {
  const { target, connector } = start('endless');
  await call(target, 'echo');
  const grown = await growth(async () => {
    await expect(call(target, 'giant-line', { mib: 300, closes: false })).rejects.toMatchObject({
      code: 'TARGET_RESPONSE_TOO_LARGE',
    });
  });
  expect(grown).toBeLessThan(64 * MIB);
  expect(await call(target, 'echo', { n: 1 })).toBe('{"n":1}');
  expect(connector.restarts()).toBe(1);
});

test('F-50: after every kind of death the next call works within a second', async () => {
  const { target } = start('mortal');
  const neighbour = start('neighbour').target;
  await Promise.all([call(target, 'echo'), call(neighbour, 'echo')]);
  for (const death of ['crash', 'exit', 'exit-half-line', 'close-stdout', 'crash']) {
    const began = performance.now();
    await expect(call(target, death)).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    const failed = performance.now();
    expect(failed - began).toBeLessThan(1_000);
    expect(await call(neighbour, 'echo', { n: 1 })).toBe('{"n":1}');
    expect(await call(target, 'echo', { n: 1 })).toBe('{"n":1}');
    expect(performance.now() - failed).toBeLessThan(1_000);
  }
});

test('F-55: a server that exits at once is started five times, then at most once in ten seconds', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'zeroplane-'));
  folders.push(folder);
  const log = path.join(folder, 'log');
  const { target } = start('loop', { EVIL_START: 'exit', EVIL_LOG: log });
  const end = performance.now() + 13_000;
  let refused = 0;
  while (performance.now() < end) {
    const error: unknown = await call(target, 'echo').catch((thrown: unknown) => thrown);
    if ((error as { code?: string }).code === 'TARGET_BREAKER_OPEN') refused++;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const starts = readFileSync(log, 'utf8').match(/^start/gm)?.length ?? 0;
  // One more for the era probe that the first process did not survive, one for the half-open attempt.
  expect(starts).toBeLessThanOrEqual(7);
  expect(refused).toBeGreaterThan(100);
  expect(target.status()).toMatchObject({
    state: 'down',
    reason: expect.stringContaining('missing licence file') as string,
  });
}, 30_000);

test('F-56: one server hangs at its start and one prints text; a third is not delayed', async () => {
  const hanging = start('hanging', { EVIL_START: 'hang' }).target;
  const chatty = start('chatty', { EVIL_START: 'garbage' }).target;
  const well = start('well').target;
  const began = performance.now();
  const hung = expect(call(hanging, 'echo', {}, 1_500)).rejects.toMatchObject({ code: 'TARGET_TIMEOUT' });
  expect(await call(chatty, 'echo', { n: 1 })).toBe('{"n":1}');
  expect(await call(well, 'echo', { n: 1 })).toBe('{"n":1}');
  expect(performance.now() - began).toBeLessThan(1_000);
  await hung;
  expect(performance.now() - began).toBeLessThan(1_750);
});

test('F-54: a hundred starts and ends leave no process behind', async () => {
  const pids: number[] = [];
  for (let round = 0; round < 20; round++) {
    const targets = Array.from({ length: 5 }, (_, index) => start(`many-${index}`).target);
    pids.push(...(await Promise.all(targets.map((target) => call(target, 'pid')))).map(Number));
    await Promise.all(targets.map((target) => target.close()));
  }
  expect(new Set(pids).size).toBe(100);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
});
