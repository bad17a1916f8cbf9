/** Starts what is measured, pinned to a core where `taskset` exists, and reads what it costs from /proc. */

import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const part = (name: string): string => fileURLToPath(new URL(`./parts/${name}`, import.meta.url));

export const pinned = cpus().length > 1 && spawnSync('taskset', ['-V']).status === 0;

/** The server's core is 0; the load generator and what stands behind a hop share core 1. */
export function onCore(core: 0 | 1, ...command: string[]): [string, ...string[]] {
  const [first = process.execPath, ...rest] = command;
  return pinned ? ['taskset', '-c', String(core), first, ...rest] : [first, ...rest];
}

export const node = (...args: string[]): string[] => [process.execPath, ...args];

const running = new Set<ChildProcess>();

export function launch(
  command: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): ChildProcess {
  const [first = '', ...rest] = command;
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

export interface Ready {
  readonly url: string;
  readonly token?: string;
  readonly pid?: number;
}

/** Waits for the line `{"type":"ready",…}`. */
export async function launchReady(
  command: readonly string[],
  options: { cwd?: string } = {},
): Promise<{ child: ChildProcess; ready: Ready }> {
  const child = launch(command, options);
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors = `${errors}${chunk.toString('utf8')}`.slice(-4000)));
  const ready = await new Promise<Ready>((resolve, reject) => {
    const give = (why: string): void => reject(new Error(`${command.join(' ')} ${why}\n${errors}`));
    const timer = setTimeout(() => give('printed no ready line within 30 s'), 30_000);
    child.once('error', (error) => give(error.message));
    child.once('exit', (code) => give(`ended with ${code}`));
    if (child.stdout === null) return give('has no stdout');
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{') || !line.includes('"ready"')) return;
      clearTimeout(timer);
      resolve(JSON.parse(line) as Ready);
    });
  });
  return { child, ready };
}

/** Waits until something listens on the port, for programs that print no ready line. */
export async function untilListening(port: number, timeoutMs = 20_000): Promise<void> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const answered = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (answered) return;
    if (Date.now() > until) throw new Error(`nothing listens on port ${port} after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
  await gone;
  clearTimeout(timer);
}

export const stopAll = (): Promise<unknown> => Promise.all([...running].map(stop));

/** Resident memory in MiB; undefined where there is no /proc. */
export function residentMib(pid: number): number | undefined {
  try {
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Math.round((Number(kib) / 1024) * 10) / 10;
  } catch {
    return undefined;
  }
}

/** CPU time of the process so far, in milliseconds (ticks of 10 ms); undefined where there is no /proc. */
export function cpuMs(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return undefined;
  }
}
