import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { ProcessGuard } from './guard.ts';

const host = fileURLToPath(new URL('../../tests/fixtures/stdio-host.ts', import.meta.url));
const leftovers: number[] = [];

afterEach(() => {
  for (const pid of leftovers.splice(0)) if (alive(pid)) process.kill(pid, 'SIGKILL');
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !existsSync(`/proc/${pid}/stat`) || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

function sleeper(): { pid: number; group: () => boolean } {
  const child = spawn(
    process.execPath,
    ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')"],
    { detached: true, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const pid = child.pid ?? 0;
  leftovers.push(pid);
  return { pid, group: () => alive(pid) };
}

test('children and grandchildren that ignore every polite end are gone within five seconds of a gateway killed without warning', async () => {
  const gateway = spawn(process.execPath, ['--import', 'tsx', host], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve) => createInterface({ input: gateway.stdout }).once('line', resolve));
  const { children, grandchildren, guard } = JSON.parse(line) as {
    children: number[];
    grandchildren: number[];
    guard: number;
  };
  const all = [...children, ...grandchildren, guard];
  leftovers.push(...all);
  expect(all.map(alive)).toEqual(all.map(() => true));
  gateway.kill('SIGKILL');
  expect(await until(() => !all.some(alive), 5_000)).toBe(true);
});

test('a guard that is killed itself is replaced, and knows what its predecessor knew', async () => {
  const guard = new ProcessGuard();
  const child = sleeper();
  guard.add(child.pid);
  const first = guard.pid ?? 0;
  process.kill(first, 'SIGKILL');
  expect(await until(() => guard.pid !== undefined && guard.pid !== first, 2_000)).toBe(true);
  expect(child.group()).toBe(true);
  guard.remove(child.pid);
  expect(guard.pid).toBeUndefined();
});

test('groups that have ended in good order are left alone when the guard goes', async () => {
  const guard = new ProcessGuard();
  const [kept, other] = [sleeper(), sleeper()];
  guard.add(kept.pid);
  guard.add(other.pid);
  const { pid = 0 } = guard;
  guard.remove(kept.pid);
  guard.remove(other.pid);
  expect(await until(() => !alive(pid), 2_000)).toBe(true);
  expect([kept.group(), other.group()]).toEqual([true, true]);
});

test('without a shell the reason is told and nothing else fails', async () => {
  let reason = '';
  const guard = new ProcessGuard({ shell: '/no/such/shell', onUnavailable: (text) => void (reason = text) });
  guard.add(2 ** 22 + 1);
  expect(await until(() => reason !== '', 2_000)).toBe(true);
  guard.remove(2 ** 22 + 1);
});
