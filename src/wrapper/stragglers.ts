/**
 * Processes that a server has started and moved out of its process group (`setsid`, Node's `detached`). They are
 * known by a variable in their environment, which everything a server starts inherits. Linux only: elsewhere the
 * environment of another process cannot be read, and the process group is all there is.
 */

import { readFile, readdir } from 'node:fs/promises';

/** Names the child that a process descends from. It tells a server nothing but that it is one. */
export const CHILD_MARK = 'ZEROPLANE_CHILD';

/** Looks again after each kill, for what was started in between. */
const MAX_ROUNDS = 3;

/** Ends every process that carries `mark`. */
export async function endStragglers(mark: string): Promise<void> {
  if (process.platform !== 'linux') return;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const pids = await marked(mark);
    if (pids.length === 0) return;
    for (const pid of pids) kill(pid);
  }
}

async function marked(mark: string): Promise<number[]> {
  const names = await readdir('/proc').catch((): string[] => []);
  const pids = names.map(Number).filter((pid) => Number.isInteger(pid) && pid !== process.pid);
  const carries = await Promise.all(pids.map((pid) => carriesMark(pid, `${CHILD_MARK}=${mark}\0`)));
  return pids.filter((_pid, index) => carries[index]);
}

async function carriesMark(pid: number, entry: string): Promise<boolean> {
  // Gone in the meantime, or somebody else's: not ours to end. A process that has ended has no environment.
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  return environment.includes(entry);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
