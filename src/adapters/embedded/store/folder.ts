/** The data folder: made private and git-ignored, and held by one process at a time. */

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PlatformError } from '../../../core/errors.ts';
import type { EngineName } from './open-driver.ts';
import { openDriver } from './open-driver.ts';
import { isBusy, toStoreError } from './store-error.ts';

const LOCK_FILE = 'store.lock';
const OWNER_FILE = 'store.owner.json';

export interface FolderLock {
  /** Whether the process that held the folder before ended without closing the store. */
  readonly wasAbandoned: boolean;
  release(): void;
}

/**
 * Makes `folder` if need be, readable by its owner alone, with a `.gitignore` of its own unless it is a project.
 *
 * @throws PlatformError `STORE_UNAVAILABLE` naming the folder when it cannot be made or written.
 */
export function prepareFolder(folder: string): void {
  try {
    makeFolders(resolve(folder));
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    const names = readdirSync(folder);
    if (!names.includes('.gitignore') && !names.some(isOfProject)) writeFileSync(join(folder, '.gitignore'), '*\n');
  } catch (cause) {
    const code = reasonOf(cause, folder);
    throw new PlatformError(
      code === 'ENOSPC' ? 'STORE_FULL' : 'STORE_UNAVAILABLE',
      `The data folder "${folder}" cannot be used (${code ?? 'unknown error'}). Make it a writable folder on a disk with room, or choose another with --data-dir.`,
      { folder },
      { cause },
    );
  }
}

/** Not Node's own recursion, which never ends where a folder can be made of nothing, as in /proc. */
function makeFolders(folder: string): void {
  if (existsSync(folder) && statSync(folder).isDirectory()) return;
  if (!existsSync(dirname(folder))) makeFolders(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process may have been quicker.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(folder).isDirectory()) throw error;
  }
}

/** A project given as data folder must not vanish from git. */
function isOfProject(name: string): boolean {
  return name === '.git' || name === 'package.json' || name === '.mcp.json' || name.startsWith('zeroplane.');
}

/** The file `path`, readable by its owner alone even in a folder that others may enter. */
export function makePrivateFile(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
}

/** Node's recursive mkdir says ENOENT of a read-only disk; the nearest folder that exists knows better. */
function reasonOf(cause: unknown, folder: string): string | undefined {
  const { code } = cause as { code?: string };
  if (code !== 'ENOENT') return code;
  let nearest = resolve(folder);
  while (!existsSync(nearest) && nearest !== dirname(nearest)) nearest = dirname(nearest);
  try {
    accessSync(nearest, constants.W_OK);
    return code;
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? code;
  }
}

/**
 * Takes the folder for this process. The lock is the operating system's on an open file, so it ends with the
 * process however that ends; the owner file only serves the message and tells of an unclean end.
 *
 * @throws PlatformError `STORE_LOCKED` naming the other process and the folder.
 */
export async function lockFolder(folder: string, engine?: EngineName): Promise<FolderLock> {
  const file = join(folder, LOCK_FILE);
  const owner = join(folder, OWNER_FILE);
  const driver = await openDriver(file, engine).catch((thrown: unknown) => {
    throw toStoreError(thrown, folder);
  });
  try {
    // A journal in memory: nothing is ever written to this database, and no file is left for the next start.
    driver.exec('PRAGMA busy_timeout=0; PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE');
    const wasAbandoned = existsSync(owner);
    recordOwner(owner);
    return { wasAbandoned, release: () => release(owner, () => driver.close()) };
  } catch (thrown) {
    driver.close();
    throw isBusy(thrown) ? locked(folder, ownerPid(owner)) : toStoreError(thrown, folder);
  }
}

/** A full disk must not keep the store from being read, so the message then goes without the number. */
function recordOwner(file: string): void {
  try {
    writeFileSync(file, `${JSON.stringify({ pid: process.pid })}\n`, { mode: 0o600 });
  } catch (thrown) {
    if ((thrown as { code?: string }).code !== 'ENOSPC') throw thrown;
  }
}

/** The owner file goes first: once the lock is free it may be another process's. */
function release(owner: string, unlock: () => void): void {
  rmSync(owner, { force: true });
  unlock();
}

function ownerPid(file: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(file, 'utf8')) as { pid?: unknown };
    return typeof pid === 'number' ? pid : undefined;
  } catch {
    return undefined;
  }
}

function locked(folder: string, pid: number | undefined): PlatformError {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new PlatformError(
    'STORE_LOCKED',
    `The data folder "${folder}" is in use by ${who}. Stop that instance, or choose another folder with --data-dir.`,
    pid === undefined ? { folder } : { folder, pid },
  );
}
