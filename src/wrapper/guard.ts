/**
 * Ends the gateway's children when the gateway itself vanishes without a word (SIGKILL, out of memory).
 *
 * One small shell per gateway, started with the first child, reads process groups from a pipe. The pipe ends
 * when the gateway does, however that happens; the shell then ends every group it still knows: SIGTERM, and
 * SIGKILL a second later, together with what has left its group (`stragglers.ts`). It runs in a group of its own, so a Ctrl-C at the terminal does not reach it first.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { CHILD_MARK } from './stragglers.ts';

/** POSIX words only: dash, bash 3 and busybox run it alike. Lines are `+ PGID` and `- PGID`. */
const SCRIPT = `trap '' INT TERM HUP
groups=
while read -r op id; do
  case $op in
    +) groups="$groups $id" ;;
    -) rest=; for g in $groups; do [ "$g" = "$id" ] || rest="$rest $g"; done; groups=$rest ;;
  esac
done
[ -n "$groups" ] || exit 0
for g in $groups; do kill -TERM "-$g" 2>/dev/null; done
sleep 1
for g in $groups; do kill -KILL "-$g" 2>/dev/null; done
for f in /proc/[0-9]*/environ; do
  grep -q "$1" "$f" 2>/dev/null || continue
  p=\${f#/proc/}; kill -KILL "\${p%/environ}" 2>/dev/null
done
exit 0`;

export interface GuardOptions {
  /** @default '/bin/sh' */
  readonly shell?: string;
  /** Called when no guard can run; children then rely on the end of their input alone. */
  readonly onUnavailable?: (reason: string) => void;
}

/** Starts of a guard that dies again and again, before it is given up. */
const MAX_STARTS = 5;

export class ProcessGuard {
  readonly #options: GuardOptions;
  readonly #groups = new Set<number>();
  /** In the environment of every child, followed by its number; see `stragglers.ts`. */
  readonly #mark = randomUUID();
  #marks = 0;
  #shell: ChildProcess | undefined;
  #starts = 0;

  constructor(options: GuardOptions = {}) {
    this.#options = options;
  }

  /** Process id of the guard, once there is one. */
  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  /** A mark for one child's environment, by which all that descends from it is found. */
  nextMark(): string {
    return `${this.#mark}.${++this.#marks}`;
  }

  /** @param group - Id of a process group, which is the pid of its detached leader. */
  add(group: number): void {
    this.#groups.add(group);
    if (this.#shell === undefined) this.#start();
    else this.#write(`+ ${group}\n`);
  }

  remove(group: number): void {
    if (!this.#groups.delete(group)) return;
    this.#write(`- ${group}\n`);
    if (this.#groups.size === 0) this.#dismiss();
  }

  #write(line: string): void {
    this.#shell?.stdin?.write(line);
  }

  #start(): void {
    if (this.#starts++ >= MAX_STARTS) return;
    const shell = spawn(this.#options.shell ?? '/bin/sh', ['-c', SCRIPT, 'guard', `${CHILD_MARK}=${this.#mark}`], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: '/usr/bin:/bin' },
    });
    this.#shell = shell;
    // Neither the process nor its pipe keeps the gateway running.
    shell.unref();
    (shell.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    shell.stdin?.on('error', () => undefined);
    shell.on('error', (error) => {
      this.#options.onUnavailable?.(error.message);
    });
    shell.on('exit', () => {
      if (this.#shell !== shell) return;
      this.#shell = undefined;
      if (this.#groups.size > 0) this.#start();
    });
    for (const group of this.#groups) this.#write(`+ ${group}\n`);
  }

  /** Without groups the end of the pipe ends the guard and nothing else. */
  #dismiss(): void {
    const shell = this.#shell;
    this.#shell = undefined;
    this.#starts = 0;
    shell?.stdin?.end();
  }
}

let shared: ProcessGuard | undefined;

/** The guard of this process. */
export function processGuard(options: GuardOptions = {}): ProcessGuard {
  shared ??= new ProcessGuard(options);
  return shared;
}
