/** A wrapped server that dies again and again, and one that is called very often: nothing is left behind. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createHandler } from '../../src/wrapper.ts';

const RUNS = Number(process.env['ZEROPLANE_FAULT_RUNS'] ?? 20);
const evil = fileURLToPath(new URL('../fixtures/evil-server.mjs', import.meta.url));
const call = (name: string): object => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: {} },
});

/** Processes of the fixture, whoever started them. */
function processes(mark: string): number {
  const { stdout } = spawnSync('ps', ['-eo', 'stat=,args='], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.includes(mark) && !line.startsWith('Z')).length;
}

async function memory(): Promise<number> {
  globalThis.gc?.();
  await new Promise((resolve) => setTimeout(resolve, 50));
  return process.memoryUsage().heapUsed / 1024 / 1024;
}

test('restarts leave no process and no memory behind', { timeout: 600_000 }, async () => {
  const restarts = Math.max(20, RUNS * 50);
  process.env['LOG_LEVEL'] = 'silent';
  const mark = `--wrapped-${process.pid}`;
  const handler = createHandler({ command: process.execPath, args: [evil, mark], name: 'x' });
  const pids = new Set<string>();
  let before = 0;
  for (let i = 0; i < restarts; i++) {
    const { result } = (await handler(call('pid'))) as { result: { content: { text: string }[] } };
    pids.add(result.content[0]?.text ?? '');
    if (i % 3 === 0) await handler(call('grandchild'));
    const { error } = (await handler(call('exit'))) as { error: { code: number } };
    expect(error.code).toBe(-32603);
    if (i === Math.floor(restarts / 4)) before = await memory();
  }
  expect(pids.size).toBe(restarts);
  const after = await memory();
  await handler.close();
  expect(processes(mark)).toBe(0);
  console.log(`${restarts} restarts: heap ${before.toFixed(1)} to ${after.toFixed(1)} MiB, 0 orphans`);
  expect(after - before).toBeLessThan(20);
});

test('calls with a process each leave none behind', { timeout: 600_000 }, async () => {
  const calls = Math.max(20, RUNS * 5);
  const mark = `--isolated-${process.pid}`;
  const handler = createHandler({ command: process.execPath, args: [evil, mark], name: 'x', isolation: 'call' });
  const pids = new Set<string>();
  for (let i = 0; i < calls; i++) {
    const { result } = (await handler(call('pid'))) as { result: { content: { text: string }[] } };
    pids.add(result.content[0]?.text ?? '');
  }
  expect(pids.size).toBe(calls);
  await handler.close();
  await expect.poll(() => processes(mark), { timeout: 10_000 }).toBe(0);
});
