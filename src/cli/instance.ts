/** Finds the running instance of a data folder through the `instance.json` that it keeps there. */

import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { PlatformError } from '../core/errors.ts';
import type { CliContext, Invocation } from './command.ts';
import { InstanceClient } from './client.ts';

export interface InstanceFile {
  readonly pid: number;
  /** Origin without a trailing slash. */
  readonly url: string;
  /** Empty when the instance lets everybody in. */
  readonly token: string;
  /** Addresses of its local stand-ins for clouds. */
  readonly clouds?: { readonly aws: string };
}

/** `--data-dir`, else `.zeroplane` beside the configuration, else in the working folder. */
export function dataDirOf(invocation: Invocation, context: CliContext): string {
  const given = invocation.text('dataDir');
  if (given !== undefined) return resolve(context.cwd, given);
  const config = invocation.text('config');
  return join(config === undefined ? context.cwd : dirname(resolve(context.cwd, config)), '.zeroplane');
}

/** The file as it stands, whether or not its process still lives. `undefined` when there is none or it is damaged. */
export async function readInstanceFile(dataDir: string): Promise<InstanceFile | undefined> {
  try {
    const value = JSON.parse(await readFile(join(dataDir, 'instance.json'), 'utf8')) as Partial<InstanceFile> | null;
    if (typeof value?.pid !== 'number' || typeof value.url !== 'string') return undefined;
    return {
      pid: value.pid,
      url: value.url.replace(/\/+$/, ''),
      token: typeof value.token === 'string' ? value.token : '',
      ...(typeof value.clouds?.aws === 'string' ? { clouds: { aws: value.clouds.aws } } : {}),
    };
  } catch {
    return undefined;
  }
}

/** Whether a process with this id exists; one of another user does. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** @throws PlatformError `INSTANCE_NOT_RUNNING` with the command that starts one. */
export async function runningInstance(invocation: Invocation, context: CliContext): Promise<InstanceFile> {
  const dataDir = dataDirOf(invocation, context);
  const file = await readInstanceFile(dataDir);
  if (file !== undefined && isAlive(file.pid)) return file;
  const why =
    file === undefined ? `${dataDir} names no instance` : `the instance of ${dataDir} (process ${file.pid}) has ended`;
  throw new PlatformError('INSTANCE_NOT_RUNNING', `No instance runs: ${why}.`, { next: 'zeroplane dev' });
}

/** A client of the running instance. `--timeout` is its patience with one answer. */
export async function connectToInstance(invocation: Invocation, context: CliContext): Promise<InstanceClient> {
  const { url, token } = await runningInstance(invocation, context);
  return new InstanceClient({ url, token, version: context.version, timeoutMs: timeoutMsOf(invocation) });
}

function timeoutMsOf(invocation: Invocation): number {
  const text = invocation.text('timeout') ?? '60';
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new PlatformError('USAGE', `--timeout takes seconds between 0 and 86400, not "${text}".`);
  }
  return seconds * 1000;
}
