/** One child process in a group of its own: started without a shell, ended together with all it started. */

import { spawn } from 'node:child_process';
import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Clock } from '../core/ports.ts';
import type { ProcessGuard } from './guard.ts';
import { StderrTail } from './stderr-tail.ts';
import { CHILD_MARK, endStragglers } from './stragglers.ts';

export interface ChildSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** The whole environment; nothing is inherited beside it. See `childEnvironment`. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface ChildOptions {
  readonly clock: Clock;
  readonly guard: ProcessGuard;
  readonly onStdout: (chunk: Buffer) => void;
  /** Output has ended, the process is gone or could not be started; called once. */
  readonly onEnd: (end: ChildEnd) => void;
  /** Milliseconds between the end of the input and SIGTERM. @default 1000 */
  readonly termAfterMs?: number;
  /** Milliseconds between SIGTERM and SIGKILL. @default 3000 */
  readonly killAfterMs?: number;
}

/** How a child came to its end; `what` completes `target "x" …`. */
export interface ChildEnd {
  readonly what: string;
  readonly stderr: string;
  readonly exitCode?: number;
  readonly signal?: string;
}

/** Milliseconds for the last output to arrive after the process has exited; a grandchild may hold the pipe open. */
const LAST_WORDS_MS = 500;
/** Milliseconds for an exit to explain why the output ended. */
const EXPLAIN_MS = 100;

export class Child {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #spec: ChildSpec;
  readonly #options: ChildOptions;
  readonly #stderr = new StderrTail();
  /** Resolves when the process has exited, or could not be started, and its group was ended. */
  readonly gone: Promise<void>;
  readonly #mark: string;
  #exited = false;
  #ended = false;
  #closing = false;

  constructor(spec: ChildSpec, options: ChildOptions) {
    this.#spec = spec;
    this.#options = options;
    this.#mark = options.guard.nextMark();
    this.#process = spawn(spec.command, [...spec.args], {
      detached: true,
      shell: false,
      windowsHide: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...spec.environment, [CHILD_MARK]: this.#mark },
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    });
    if (isWithoutStreams(this.#process)) throw new Error('EMFILE: too many files are open');
    if (this.#process.pid !== undefined) options.guard.add(this.#process.pid);
    this.gone = this.#observe();
  }

  /** Process id, which is also the id of its group; absent when it could not be started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Bytes that the child has not read yet. */
  get unreadBytes(): number {
    return this.#process.stdin.writableLength;
  }

  /** @returns false when the child reads more slowly than it is written to; `onDrain` then calls back. */
  write(text: string): boolean {
    return this.#process.stdin.write(text);
  }

  onDrain(run: () => void): void {
    this.#process.stdin.once('drain', run);
  }

  /**
   * End of input, SIGTERM to the group after `termAfterMs`, SIGKILL `killAfterMs` later; resolves when nothing of
   * the group is left. With both at 0 the group is killed before it can notice anything.
   */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      const { clock, termAfterMs = 1_000, killAfterMs = 3_000 } = this.#options;
      if (termAfterMs + killAfterMs === 0) this.signal('SIGKILL');
      this.#process.stdin.end();
      const timers = [
        clock.after(termAfterMs, () => this.signal('SIGTERM')),
        clock.after(termAfterMs + killAfterMs, () => this.signal('SIGKILL')),
      ];
      void this.gone.then(() => {
        for (const cancel of timers) cancel();
      });
    }
    await this.gone;
  }

  /** Ends the group at once, because its output cannot be read any further. `what` completes `target "x" …`. */
  giveUp(what: string): void {
    this.#end(what);
  }

  /** Reads nothing of its output for `milliseconds`; a child that goes on writing waits meanwhile. */
  rest(milliseconds: number): void {
    const { stdout } = this.#process;
    stdout.pause();
    this.#options.clock.after(milliseconds, () => stdout.resume());
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // No process of the group is left.
    }
  }

  #observe(): Promise<void> {
    const child = this.#process;
    child.stdout.on('data', this.#options.onStdout);
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr.push(chunk);
    });
    child.stdin.on('error', () => {
      // Mostly the first sign of an exit, which explains itself in a moment.
      if (!this.#closing)
        this.#options.clock.after(EXPLAIN_MS, () => this.#end(`has closed its input. ${this.#advice()}`));
    });
    child.stdout.on('error', () => undefined);
    child.stderr.on('error', () => undefined);
    child.stdout.on('end', () => {
      if (!this.#exited)
        this.#options.clock.after(EXPLAIN_MS, () => this.#end(`has closed its output. ${this.#advice()}`));
    });
    return new Promise((resolve) => {
      child.on('error', (error) => {
        if (child.pid !== undefined) return;
        this.#end(startFailure(this.#spec, error));
        resolve();
      });
      child.on('exit', (code, signal) => {
        this.#exited = true;
        this.#afterExit(code, signal);
        void endStragglers(this.#mark).then(resolve);
      });
    });
  }

  #afterExit(code: number | null, signal: string | null): void {
    // Whatever the leader has started ends with it.
    this.signal('SIGKILL');
    if (this.#process.pid !== undefined) this.#options.guard.remove(this.#process.pid);
    const how = signal === null ? `has exited with code ${code ?? 'unknown'}` : `was ended by ${signal}`;
    const end = (): void => this.#end(`${how}. ${this.#advice()}`, code, signal);
    const { stdout, stderr } = this.#process;
    // What it has said last may be read after its exit is known.
    const open = [stdout, stderr].filter((stream) => !stream.readableEnded && !stream.destroyed);
    if (open.length === 0) {
      end();
      return;
    }
    let left = open.length;
    const cancel = this.#options.clock.after(LAST_WORDS_MS, end);
    for (const stream of open)
      stream.once('end', () => {
        left -= 1;
        if (left > 0) return;
        cancel();
        end();
      });
  }

  #end(what: string, code: number | null = null, signal: string | null = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onEnd({
      what,
      stderr: this.#stderr.text(),
      ...(code === null ? {} : { exitCode: code }),
      ...(signal === null ? {} : { signal }),
    });
    if (!this.#exited) this.signal('SIGKILL');
    this.#process.stdout.destroy();
    this.#process.stderr.destroy();
    this.#process.stdin.destroy();
  }

  #advice(): string {
    return `Run ${commandLine(this.#spec)} by hand to see why, then call again.`;
  }
}

/** Out of descriptors, Node gives back a process without streams and tells the reason in an event that nobody awaits. */
function isWithoutStreams(child: ChildProcess): boolean {
  if ((child as Partial<ChildProcess>).stdio !== undefined) return false;
  child.on('error', () => undefined);
  return true;
}

function startFailure(spec: ChildSpec, error: NodeJS.ErrnoException): string {
  const line = commandLine(spec);
  if (error.code === 'ENOENT') {
    const where = spec.cwd === undefined ? '' : ` and that the folder ${JSON.stringify(spec.cwd)} exists`;
    return `could not be started: there is no command ${JSON.stringify(spec.command)}. Check its spelling, that it is on PATH${where}.`;
  }
  if (error.code === 'EACCES')
    return `could not be started: ${JSON.stringify(spec.command)} may not be executed. Make it executable, or name its interpreter as the command.`;
  return `could not be started: ${line} failed with ${error.code ?? error.message}. Correct the command, then call again.`;
}

/** The command as a person would recognise it; arguments may be secret, so only their number is told. */
function commandLine(spec: ChildSpec): string {
  const count = spec.args.length;
  return count === 0 ? JSON.stringify(spec.command) : `${JSON.stringify(spec.command)} (with its ${count} arguments)`;
}
