/**
 * A disk that the kernel holds back. A commit takes what the disk takes: 0.2 ms where it answers out of a cache, 1 to 5
 * ms where it does not. The control group for block devices makes the one of the other, for one process and whoever
 * measures beside it.
 */

import { existsSync, mkdirSync, readFileSync, realpathSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const GROUPS = '/sys/fs/cgroup';

export interface HeldDisk {
  /** The same command, held back from its first write on. */
  command(...command: readonly string[]): string[];
  /** Once what ran there has ended. */
  release(): void;
}

/** @returns why not, where the system or its kernel does not let us. */
export function holdDisk(folder: string, writesPerSecond: number): HeldDisk | string {
  const device = deviceOf(folder);
  if (device === undefined) return `${folder} is on no block device`;
  const group = newGroup();
  if (group === undefined) return 'it takes the control group of block devices, and the rights to make one';
  try {
    if (existsSync(join(group, 'io.max'))) writeFileSync(join(group, 'io.max'), `${device} wiops=${writesPerSecond}`);
    else writeFileSync(join(group, 'blkio.throttle.write_iops_device'), `${device} ${writesPerSecond}`);
  } catch (error) {
    rmdirSync(group);
    return `the kernel refuses the limit: ${String(error)}`;
  }
  const members = join(group, 'cgroup.procs');
  return {
    command: (...command) => ['sh', '-c', 'echo $$ > "$0" && exec "$@"', members, ...command],
    release: () => rmdirSync(group),
  };
}

/** Of version 1, mounted by itself, or of version 2, where the controller has to be handed on. */
function newGroup(): string | undefined {
  const [first, second] = [join(GROUPS, 'blkio'), GROUPS];
  try {
    const parent = existsSync(join(first, 'blkio.throttle.write_iops_device')) ? first : second;
    if (parent === second) {
      if (!readFileSync(join(second, 'cgroup.controllers'), 'utf8').split(/\s/).includes('io')) return undefined;
      writeFileSync(join(second, 'cgroup.subtree_control'), '+io');
    }
    const group = join(parent, `zeroplane-bench-${process.pid}`);
    mkdirSync(group);
    return group;
  } catch {
    return undefined;
  }
}

/** `major:minor` of the whole disk; a limit on a partition is refused. */
function deviceOf(folder: string): string | undefined {
  const { dev } = statSync(folder);
  const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
  const place = `/sys/dev/block/${major}:${minor}`;
  if (!existsSync(place)) return undefined;
  const disk = existsSync(join(place, 'partition')) ? join(realpathSync(place), '..') : place;
  return readFileSync(join(disk, 'dev'), 'utf8').trim();
}
