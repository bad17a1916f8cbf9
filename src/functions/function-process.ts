/**
 * One process of one function: started, given one invocation at a time, killed with its whole process group.
 *
 * Its life: `starting` until it first asks for work, then `idle` or `busy` in turn, at last `ended`. It never
 * outlives the gateway (see `bootstrap.mjs`) and never an invocation that ran out of time.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { PlatformError } from '../core/errors.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { ResolvedFunction } from './function-spec.ts';
import { OutputCapture } from './output-capture.ts';
import { processEnvironment } from './process-environment.ts';
import { MAX_PAYLOAD_BYTES, type Deliver, type Outcome, type RuntimeApi, type RuntimeSlot } from './runtime-api.ts';

/** As on Lambda. */
const INIT_TIMEOUT_MS = 10_000;

const BOOTSTRAP = fileURLToPath(new URL('bootstrap.mjs', import.meta.url));

/** What an invocation ended with. */
export interface Ending {
  readonly payload: string;
  readonly functionError?: string;
}

/** One invocation, from the pool's side. */
export interface Job {
  readonly requestId: string;
  readonly payload: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly log: Logger;
  settle(ending: Ending): void;
  fail(error: PlatformError): void;
}

export interface ProcessParts {
  readonly spec: ResolvedFunction;
  readonly api: RuntimeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly logStream: string;
}

/** What the pool hears of its process. */
export interface ProcessListener {
  /** It has answered and can take the next invocation. */
  onFree(process: FunctionProcess): void;
  /** It is gone. `undelivered` was assigned but never reached the handler, so it may run elsewhere. */
  onEnded(process: FunctionProcess, undelivered: Job | undefined): void;
}

export class FunctionProcess implements RuntimeSlot {
  readonly #parts: ProcessParts;
  readonly #listener: ProcessListener;
  readonly #output: OutputCapture;
  readonly #slot: { readonly address: string; close(): void };
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #job: Job | undefined;
  #delivered = false;
  #answered: string | undefined;
  #poll: Deliver | undefined;
  #cancelTimer: (() => void) | undefined;
  #asked = false;
  #over = false;

  constructor(parts: ProcessParts, listener: ProcessListener) {
    this.#parts = parts;
    this.#listener = listener;
    this.#output = new OutputCapture((line) =>
      (this.#job?.log ?? parts.log).log('info', line, { function: parts.spec.name }),
    );
    this.#slot = parts.api.open(this);
    this.#child = this.#start();
    this.#ended = new Promise((done) => this.#watch(done));
  }

  /** The last 4 KB of output of the invocation in hand. */
  get logTail(): string {
    return this.#output.tail;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it never asked for work yet. */
  get isStarting(): boolean {
    return !this.#asked;
  }

  /** Gives it its next invocation; it must be free. */
  assign(job: Job): void {
    this.#job = job;
    this.#delivered = false;
    this.#output.reset();
    if (this.#asked) this.#limit(this.#parts.spec.timeoutSeconds * 1000, () => this.#timeOut());
    else this.#limit(INIT_TIMEOUT_MS, () => this.#timeOutInit());
    this.#deliver();
  }

  /** Kills the process group and waits until the process is gone. */
  kill(): Promise<void> {
    this.#signalGroup();
    return this.#ended;
  }

  // -- what the process says ------------------------------------------------------------------------------

  onNext(deliver: Deliver): void {
    this.#asked = true;
    this.#poll = deliver;
    this.#deliver();
  }

  onOutcome(requestId: string, outcome: Outcome): 'accepted' | 'repeated' | 'unknown' {
    const job = this.#job;
    if (job === undefined || !this.#delivered || job.requestId !== requestId) {
      return this.#answered === requestId ? 'repeated' : 'unknown';
    }
    this.#answered = requestId;
    this.#release();
    job.settle(endingOf(outcome));
    this.#listener.onFree(this);
    return 'accepted';
  }

  onInitError(body: string): void {
    if (!this.#asked) this.#finish(unhandled(body));
    this.#signalGroup();
  }

  onGone(): void {
    this.#signalGroup();
  }

  // -- the invocation in hand ------------------------------------------------------------------------------

  #deliver(): void {
    const job = this.#job;
    const poll = this.#poll;
    if (job === undefined || poll === undefined || this.#delivered) return;
    this.#poll = undefined;
    const timeoutMs = this.#parts.spec.timeoutSeconds * 1000;
    const headers = { ...job.headers, 'lambda-runtime-deadline-ms': String(this.#parts.clock.nowMs() + timeoutMs) };
    // A process that vanished this instant ends by itself; the pool then runs the invocation elsewhere.
    if (!poll({ headers, payload: job.payload })) return;
    this.#delivered = true;
    this.#limit(timeoutMs, () => this.#timeOut());
  }

  /** Forgets the invocation in hand and stops its timer. */
  #release(): Job | undefined {
    const job = this.#job;
    this.#job = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    return job;
  }

  #finish(ending: Ending): void {
    this.#release()?.settle(ending);
  }

  #limit(ms: number, run: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#parts.clock.after(ms, run);
  }

  #timeOut(): void {
    const { name, timeoutSeconds } = this.#parts.spec;
    const what = `Function "${name}" timed out after ${timeoutSeconds} seconds; it may have run.`;
    const next = `Raise functions.${name}.timeoutSeconds, or look at its log for what it waited for.`;
    this.#release()?.fail(new PlatformError('FUNCTION_TIMEOUT', `${what} ${next}`, { function: name, timeoutSeconds }));
    this.#signalGroup();
  }

  #timeOutInit(): void {
    const { name } = this.#parts.spec;
    const seconds = INIT_TIMEOUT_MS / 1000;
    const what = `Function "${name}" timed out after ${seconds} seconds while loading its code; its handler has not run.`;
    this.#release()?.fail(
      new PlatformError('FUNCTION_TIMEOUT', `${what} Move slow work from the module into the handler.`, {
        function: name,
      }),
    );
    this.#signalGroup();
  }

  // -- the process -----------------------------------------------------------------------------------------

  /** @throws PlatformError `FUNCTION_FAILED` when the system takes none of it, such as a NUL in a variable. */
  #start(): ChildProcess {
    try {
      return this.#spawn();
    } catch (cause) {
      this.#slot.close();
      const { name } = this.#parts.spec;
      const what = `Function "${name}" cannot be started: ${(cause as Error).message}.`;
      throw new PlatformError('FUNCTION_FAILED', `${what} Check functions.${name}.`, { function: name }, { cause });
    }
  }

  #spawn(): ChildProcess {
    const { spec, logStream } = this.#parts;
    const environment = processEnvironment(spec, { runtimeApi: this.#slot.address, logStream });
    const heapMb = Math.floor(spec.memoryMb * 0.9);
    const file = spec.moduleFile === undefined ? [] : [spec.moduleFile];
    const child = spawn(
      process.execPath,
      [`--max-old-space-size=${heapMb}`, BOOTSTRAP, String(spec.nodeMajor), ...file],
      {
        cwd: spec.taskRoot,
        env: environment,
        // A group of its own, so that whatever the handler starts ends with it.
        detached: true,
        // Descriptor 3 is never written to: it closes when the gateway is gone.
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      },
    );
    if ((child as Partial<ChildProcess>).stdio === undefined) {
      // Out of descriptors, Node gives back a process without streams and tells the reason in an event.
      child.on('error', () => undefined);
      throw new Error('EMFILE: too many files are open');
    }
    return child;
  }

  #watch(done: () => void): void {
    const child = this.#child;
    if (child.stdout !== null) this.#output.attach(child.stdout);
    if (child.stderr !== null) this.#output.attach(child.stderr);
    child.stdio[3]?.on('error', () => undefined);
    const end = (how: string): void => {
      if (this.#over) return;
      this.#over = true;
      this.#signalGroup();
      this.#slot.close();
      this.#end(how);
      done();
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(signal === null ? `exit status ${code}` : `signal ${signal}`));
  }

  #end(how: string): void {
    const undelivered = this.#asked && !this.#delivered ? this.#release() : undefined;
    const job = this.#job;
    if (job !== undefined) {
      const text = {
        errorType: 'Runtime.ExitError',
        errorMessage: `RequestId: ${job.requestId} Error: the process ended with ${how}`,
      };
      this.#finish(unhandled(JSON.stringify(text)));
    }
    this.#listener.onEnded(this, undelivered);
  }

  #signalGroup(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Nobody of the group is left.
    }
  }
}

function unhandled(payload: string): Ending {
  return { payload, functionError: 'Unhandled' };
}

function endingOf(outcome: Outcome): Ending {
  if (outcome.kind === 'response') return { payload: outcome.body };
  if (outcome.kind === 'error') return unhandled(outcome.body);
  const errorMessage = `The function's result is larger than the ${MAX_PAYLOAD_BYTES} bytes that Lambda allows.`;
  return unhandled(JSON.stringify({ errorType: 'Function.ResponseSizeTooLarge', errorMessage }));
}
