import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import type { Logger } from '../../core/ports.ts';
import type { Exchange, TargetCall } from '../../core/target.ts';
import { Context } from '../../core/context.ts';
import { LambdaClock, MACHINE } from './lambda-clock.ts';
import { WarmServer } from './warm-server.ts';

const quiet: Logger = { log: () => undefined, with: () => quiet };
const evil = fileURLToPath(new URL('../../../tests/fixtures/evil-server.mjs', import.meta.url));
const mute: Exchange = {
  capabilities: {},
  canAsk: false,
  wantsProgress: false,
  notify: () => undefined,
  ask: () => Promise.reject(new Error('never')),
};
const open: WarmServer[] = [];
afterEach(() => Promise.all(open.splice(0).map((server) => server.close())));

/** A machine whose wall clock can be moved on, as a freeze does. */
function start() {
  let aheadMs = 0;
  const clock = new LambdaClock({ ...MACHINE, nowMs: () => Date.now() + aheadMs });
  const server = new WarmServer({
    name: 'x',
    command: process.execPath,
    args: [evil],
    env: () => ({}),
    isolation: 'shared',
    credentials: 'none',
    startTimeoutMs: 10_000,
    idleMs: 600_000,
    host: () => process.env,
    clock,
    log: quiet,
  });
  open.push(server);
  const context = (timeoutMs = 10_000): Context =>
    new Context({
      principal: { id: 'p', tenant: '', roles: [], scopes: [] },
      requestId: 'r',
      clock,
      timeoutMs,
      log: quiet,
    });
  const call = async (tool: string, timeoutMs?: number): Promise<string> => {
    const params = [{ key: 'name', text: JSON.stringify(tool) }];
    const request: TargetCall = {
      method: 'tools/call',
      name: tool,
      params,
      meta: [],
      parsed: { name: tool },
      repeatable: false,
    };
    const at = context(timeoutMs);
    await server.prepare(at);
    const text = await server.call(request, mute, at);
    return (JSON.parse(text) as { content: { text: string }[] }).content[0]?.text ?? '';
  };
  return {
    server,
    call,
    freeze: (ms: number) => {
      aheadMs += ms;
    },
  };
}

test('3.18: after a long freeze a server that is well keeps its process', async () => {
  const { server, call, freeze } = start();
  const pid = await call('pid');
  freeze(3_600_000);
  expect(await call('pid')).toBe(pid);
  expect(server.restarts).toBe(0);
});

test('3.18: after a long freeze a server that gives no sign of life is replaced before it gets a call', async () => {
  const { server, call, freeze } = start();
  const pid = Number(await call('pid'));
  process.kill(pid, 'SIGSTOP');
  freeze(3_600_000);
  expect(Number(await call('pid'))).not.toBe(pid);
  expect(server.restarts).toBe(1);
});

test('3.18: a server that was killed meanwhile is replaced before it gets a call', async () => {
  const { call, freeze } = start();
  const pid = Number(await call('pid'));
  process.kill(pid, 'SIGKILL');
  freeze(60_000);
  expect(Number(await call('pid'))).not.toBe(pid);
});

test('3.16: its folder is there while it lives, and goes with it', async () => {
  const { server, call } = start();
  await call('pid');
  const { folder } = server;
  expect(existsSync(folder)).toBe(true);
  await server.close();
  expect(existsSync(folder)).toBe(false);
});

test('3.16: folders of a process that was killed go with the next one that starts', () => {
  const child = fileURLToPath(new URL('child-settings.ts', import.meta.url));
  const base = mkdtempSync(join(tmpdir(), 'zeroplane-abandoned-'));
  try {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const abandoned = join(base, `zeroplane-wrapped-${pid}-${randomUUID()}`);
    const used = join(base, `zeroplane-wrapped-${process.pid}-${randomUUID()}`);
    const other = join(base, `zeroplane-${pid}`);
    for (const folder of [abandoned, used, other]) mkdirSync(folder);
    const script = `const { newFolder } = await import(${JSON.stringify(child)}); newFolder();`;
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      env: { ...process.env, TMPDIR: base },
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    expect([abandoned, used, other].map((folder) => existsSync(folder))).toEqual([false, true, true]);
  } finally {
    rmSync(base, { recursive: true });
  }
});
