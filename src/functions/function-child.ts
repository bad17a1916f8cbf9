/**
 * The operating system's side of a function's process: started in a process group of its own, its output captured,
 * its memory watched, stopped and continued on request, killed with everything it started.
 */

import { spawn, type ChildProcess } from 'node:child_process';

import type { GroupGuard } from './group-guard.ts';
import type { Launch } from './launch.ts';
import type { OutputCapture } from './output-capture.ts';

export interface ChildParts {
  readonly launch: Launch;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly output: OutputCapture;
  /** Present when the process cannot be trusted to end with the gateway. */
  readonly guard: GroupGuard | undefined;
  /** It is gone: `exit status 1`, `signal SIGKILL`, or why it never was. What it wrote has been read. */
  readonly onEnd: (how: string) => void;
}

export class FunctionChild {
  readonly pid: number | undefined;
  readonly #guard: GroupGuard | undefined;
  #isFrozen = false;
  #isOver = false;

  /** @throws the system's reason when it takes none of it, such as a NUL in a variable. */
  constructor(parts: ChildParts) {
    const child = start(parts);
    this.pid = child.pid;
    this.#guard = parts.guard;
    if (child.pid !== undefined) this.#guard?.add(child.pid);
    if (child.stdout !== null) parts.output.attach(child.stdout);
    if (child.stderr !== null) parts.output.attach(child.stderr);
    child.stdio[3]?.on('error', () => undefined);
    const end = (how: string): void => {
      if (this.#isOver) return;
      this.kill();
      // From here on the number may be another process's.
      this.#isOver = true;
      if (this.pid !== undefined) this.#guard?.remove(this.pid);
      // Its last words are in the pipe and are read within this turn.
      setImmediate(() => parts.onEnd(how));
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(signal === null ? `exit status ${code}` : `signal ${signal}`));
  }

  /** Takes the processor from it until {@link thaw}, timers and sockets included. */
  freeze(): void {
    this.#isFrozen = true;
    this.#signal('SIGSTOP');
  }

  thaw(): void {
    if (!this.#isFrozen) return;
    this.#isFrozen = false;
    this.#signal('SIGCONT');
  }

  /** Kills the process and whatever it started, at once. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.pid === undefined || this.#isOver) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // Nobody of the group is left.
    }
  }
}

function start({ launch, cwd, env }: ChildParts): ChildProcess {
  const child = spawn(launch.command, [...launch.args], {
    cwd,
    env,
    // A group of its own, so that whatever the handler starts ends with it.
    detached: true,
    // Descriptor 3 is never written to: it closes when the gateway is gone.
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  if ((child as Partial<ChildProcess>).stdio === undefined) {
    // Out of descriptors, Node gives back a process without streams and tells the reason in an event.
    child.on('error', () => undefined);
    throw new Error('EMFILE: too many files are open');
  }
  return child;
}
