/** Disks of a few megabytes, and whether this machine can make them. Needs root and `mount`. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why a command cannot be run here; `undefined` when it can. */
export function reasonNotTo(command: string, args: readonly string[]): string | undefined {
  try {
    execFileSync(command, args, { stdio: 'pipe' });
    return undefined;
  } catch (thrown) {
    return (thrown as Error).message.trim().split('\n').at(-1);
  }
}

export function reasonNotToMount(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'zeroplane-mount-'));
  const reason = reasonNotTo('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  if (reason === undefined) execFileSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return reason;
}

/** @param size as `mount` takes it, such as `3m`. @returns the folder, to be given back by {@link removeDisk}. */
export function makeDisk(size: string): string {
  const disk = mkdtempSync(join(tmpdir(), 'zeroplane-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk]);
  return disk;
}

export function removeDisk(disk: string): void {
  execFileSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true });
}

export async function onTinyDisk(size: string, body: (disk: string) => Promise<void>): Promise<void> {
  const disk = makeDisk(size);
  try {
    await body(disk);
  } finally {
    removeDisk(disk);
  }
}
