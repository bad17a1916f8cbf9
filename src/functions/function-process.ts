/**
 * One process of one function: started, given one invocation at a time, killed with its whole process group.
 *
 * Its life: `starting` until it first asks for work, then `idle` or `busy` in turn, at last `ended`. It never
 * outlives the gateway (see `bootstrap.mjs` and `guard.mjs`) and never an invocation that ran out of time.
 */

import { PlatformError } from '../core/errors.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { FunctionChild } from './function-child.ts';
import type { ResolvedFunction } from './function-spec.ts';
import type { GroupGuard } from './group-guard.ts';
import { logTailOf } from './invocation-log.ts';
import { endingOf, responseTooLarge, unhandled, type Ending, type Job } from './job.ts';
import type { Launch, Launcher } from './launch.ts';
import { OutputCapture } from './output-capture.ts';
import { processEnvironment } from './process-environment.ts';
import { MemoryGauge } from './process-memory.ts';
import type { BodyEnd, ResponseBody } from './response-body.ts';
import {
  openRuntimeApi,
  type Deliver,
  type Outcome,
  type RuntimeApi,
  type RuntimeSlot,
  type Verdict,
} from './runtime-api.ts';

/** As on Lambda. */
const INIT_TIMEOUT_MS = 10_000;
/** What Node needs of itself beside the heap, with room to spare: a full heap ends it first, with its own words. */
const NODE_ITSELF_MB = 128;

export interface ProcessParts {
  readonly spec: ResolvedFunction;
  readonly clock: Clock;
  readonly log: Logger;
  readonly logStream: string;
  readonly launcher: Launcher;
  readonly guard: GroupGuard;
  readonly searchPath: string;
}

/** What the pool hears of its process. */
export interface ProcessListener {
  /** It has answered and can take the next invocation. */
  onFree(process: FunctionProcess): void;
  /** It is gone. `undelivered` was assigned but never reached the handler, so it may run elsewhere. */
  onEnded(process: FunctionProcess, undelivered: Job | undefined): void;
}

export class FunctionProcess implements RuntimeSlot {
  readonly tenant: string;
  readonly #parts: ProcessParts;
  readonly #listener: ProcessListener;
  readonly #output: OutputCapture;
  readonly #ended: Promise<void>;
  readonly #startedAt: number;
  #onEnd: () => void = () => undefined;
  #api: RuntimeApi | undefined;
  #child: FunctionChild | undefined;
  #memory: MemoryGauge | undefined;
  #job: Job | undefined;
  #log: Logger;
  #delivered = false;
  #deliveredAt = 0;
  #initMs: number | undefined;
  #answered: string | undefined;
  #poll: Deliver | undefined;
  #cancelTimer: (() => void) | undefined;
  #asked = false;
  #doomed = false;
  #over = false;

  constructor(parts: ProcessParts, listener: ProcessListener, tenant: string) {
    this.#parts = parts;
    this.#listener = listener;
    this.tenant = tenant;
    this.#log = parts.log;
    this.#startedAt = parts.clock.monotonicMs();
    this.#output = new OutputCapture((line) => this.#log.log('info', line, { function: parts.spec.name }));
    this.#ended = new Promise((done) => (this.#onEnd = done));
    void this.#start();
  }

  /** Gives it its next invocation; it must be free. */
  assign(job: Job): void {
    this.#job = job;
    this.#log = job.log;
    this.#delivered = false;
    // What it wrote while it started belongs to its first invocation.
    if (this.#asked) this.#output.reset();
    this.#child?.thaw();
    if (this.#asked) this.#limit(this.#parts.spec.timeoutSeconds * 1000, () => this.#timeOut());
    else this.#limit(INIT_TIMEOUT_MS, () => this.#timeOutInit());
    this.#deliver();
  }

  /** Kills the process group and waits until the process is gone. */
  kill(): Promise<void> {
    this.#doomed = true;
    this.#child?.kill();
    return this.#ended;
  }

  // -- what the process says ------------------------------------------------------------------------------

  onNext(deliver: Deliver): void {
    if (!this.#asked) this.#initMs = this.#parts.clock.monotonicMs() - this.#startedAt;
    this.#asked = true;
    this.#poll = deliver;
    this.#deliver();
    this.#rest();
  }

  onOutcome(requestId: string, outcome: Outcome): Verdict {
    const verdict = this.#judge(requestId);
    if (verdict === 'accepted') this.#complete(endingOf(outcome));
    return verdict;
  }

  onStream(requestId: string, body: ResponseBody): Verdict {
    const verdict = this.#judge(requestId);
    const job = this.#job;
    if (verdict !== 'accepted' || job === undefined) return verdict;
    this.#answered = requestId;
    job.stream(body);
    void body.ended.then((end) => {
      if (this.#job === job) this.#endStream(end, body.maxBytes);
    });
    return verdict;
  }

  onInitError(body: string): void {
    if (!this.#asked) this.#finish(unhandled(body));
    void this.kill();
  }

  onGone(): void {
    void this.kill();
  }

  // -- the invocation in hand ------------------------------------------------------------------------------

  #judge(requestId: string): Verdict {
    if (this.#answered === requestId) return 'repeated';
    return this.#delivered && this.#job?.requestId === requestId ? 'accepted' : 'unknown';
  }

  #deliver(): void {
    const job = this.#job;
    const poll = this.#poll;
    if (job === undefined || poll === undefined || this.#delivered) return;
    this.#poll = undefined;
    const { clock, spec } = this.#parts;
    const timeoutMs = spec.timeoutSeconds * 1000;
    const headers = { ...job.headers, 'lambda-runtime-deadline-ms': String(clock.nowMs() + timeoutMs) };
    // A process that vanished this instant ends by itself; the pool then runs the invocation elsewhere.
    if (!poll({ headers, payload: job.payload })) return;
    this.#delivered = true;
    this.#deliveredAt = clock.monotonicMs();
    this.#memory?.begin();
    this.#limit(timeoutMs, () => this.#timeOut());
  }

  /** Frozen once it has answered and asked again; until then it has something left to do. */
  #rest(): void {
    if (this.#parts.spec.freeze && this.#job === undefined && this.#poll !== undefined) this.#child?.freeze();
  }

  #endStream(end: BodyEnd, maxBytes: number): void {
    // The process is going; what becomes of the invocation is told when it has gone.
    if (end.kind === 'broken') void this.kill();
    else if (end.kind === 'too-large') {
      this.#finish(responseTooLarge(maxBytes));
      void this.kill();
    } else this.#complete(end.kind === 'error' ? unhandled(end.body) : { payload: '' });
  }

  /** The process did its work: what it wrote before its answer is in the pipe, and read before this turn ends. */
  #complete(ending: Ending): void {
    const job = this.#release();
    if (job === undefined) return;
    this.#answered = job.requestId;
    const durationMs = this.#parts.clock.monotonicMs() - this.#deliveredAt;
    this.#memory?.end();
    setImmediate(() => {
      job.settle(this.#withLog(ending, job, { durationMs }));
      if (this.#over || this.#doomed) return;
      this.#rest();
      this.#listener.onFree(this);
    });
  }

  /** Ends the invocation in hand, whose process will take no other. */
  #finish(ending: Ending, status = 'error'): void {
    const durationMs = this.#delivered ? this.#parts.clock.monotonicMs() - this.#deliveredAt : 0;
    const job = this.#release();
    job?.settle(this.#withLog(ending, job, { durationMs, status }));
  }

  #withLog(ending: Ending, job: Job, facts: { readonly durationMs: number; readonly status?: string }): Ending {
    const { version, memoryMb } = this.#parts.spec;
    const peakMb = this.#memory?.peakMb ?? 0;
    const initMs = this.#initMs;
    this.#initMs = undefined;
    const all = { ...facts, requestId: job.requestId, version, memoryMb, peakMb, initMs };
    return { ...ending, logTail: logTailOf(this.#output.tail, all) };
  }

  /** Forgets the invocation in hand and stops its timer. */
  #release(): Job | undefined {
    const job = this.#job;
    this.#job = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    return job;
  }

  #limit(ms: number, run: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#parts.clock.after(ms, run);
  }

  #timeOut(): void {
    const { name, timeoutSeconds } = this.#parts.spec;
    const what = `Function "${name}" timed out after ${timeoutSeconds * 1000} ms and may have run.`;
    const next = `Raise functions.${name}.timeoutSeconds, or look at its log for what it waited for.`;
    this.#release()?.fail(new PlatformError('FUNCTION_TIMEOUT', `${what} ${next}`, { function: name, timeoutSeconds }));
    void this.kill();
  }

  #timeOutInit(): void {
    const { name } = this.#parts.spec;
    const what = `Function "${name}" timed out after ${INIT_TIMEOUT_MS} ms while loading its code; its handler has not run.`;
    this.#release()?.fail(
      new PlatformError('FUNCTION_TIMEOUT', `${what} Move slow work from the module into the handler.`, {
        function: name,
      }),
    );
    void this.kill();
  }

  #outOfMemory(usedMb: number): void {
    const { name, memoryMb } = this.#parts.spec;
    const what = `The process was ended: it used ${usedMb} MB of the ${memoryMb} MB that it has.`;
    const errorMessage = `${what} Raise functions.${name}.memoryMb, or use less.`;
    this.#finish(unhandled(JSON.stringify({ errorType: 'Runtime.OutOfMemory', errorMessage })));
    void this.kill();
  }

  // -- the process -----------------------------------------------------------------------------------------

  async #start(): Promise<void> {
    try {
      const { launcher, spec } = this.#parts;
      const launch = await launcher.launch(spec);
      this.#api = await openRuntimeApi(this);
      if (this.#doomed) this.#end('signal SIGKILL');
      else this.#spawn(launch, this.#api.address);
    } catch (error) {
      this.#refuse(error);
    }
  }

  #spawn(launch: Launch, runtimeApi: string): void {
    const { spec, logStream, searchPath, clock, guard } = this.#parts;
    const child = new FunctionChild({
      launch,
      cwd: spec.taskRoot,
      env: processEnvironment(spec, { runtimeApi, logStream, searchPath }),
      output: this.#output,
      guard: spec.freeze || spec.kind === 'provided' ? guard : undefined,
      // Without a number it never was: a script's interpreter is missing, or the system has no room.
      onEnd: (how) => (child.pid === undefined ? this.#refuse(new Error(how)) : this.#end(how)),
    });
    this.#child = child;
    const { standIn } = launch;
    if (standIn !== undefined)
      this.#log.log('warn', 'function-runtime-differs', { function: spec.name, declared: spec.runtime, used: standIn });
    if (child.pid === undefined) return;
    // The heap of Node has its own limit, which says more when it is reached; what lies outside of it has none. What
    // such a function starts is often a Node of its own, such as a wrapped server, and no leak.
    const limitsAlone = spec.kind === 'node';
    const limitMb = limitsAlone ? spec.memoryMb + NODE_ITSELF_MB : spec.memoryMb;
    const onExceeded = (usedMb: number): void => this.#outOfMemory(usedMb);
    this.#memory = new MemoryGauge({ clock, pid: child.pid, limitMb, limitsAlone, onExceeded });
  }

  /** It could not be started at all. */
  #refuse(cause: unknown): void {
    const { name } = this.#parts.spec;
    const what = `Function "${name}" cannot be started: ${(cause as Error).message}.`;
    const error =
      cause instanceof PlatformError
        ? cause
        : new PlatformError('FUNCTION_FAILED', `${what} Check functions.${name}.`, { function: name }, { cause });
    this.#release()?.fail(error);
    this.#end('no start');
  }

  #end(how: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#api?.close();
    this.#memory?.stop();
    const undelivered = this.#asked && !this.#delivered ? this.#release() : undefined;
    const job = this.#job;
    if (job !== undefined) {
      const errorMessage = `RequestId: ${job.requestId} Error: the process ended with ${how}`;
      this.#finish(unhandled(JSON.stringify({ errorType: 'Runtime.ExitError', errorMessage })));
    }
    this.#listener.onEnded(this, undelivered);
    this.#onEnd();
  }
}
