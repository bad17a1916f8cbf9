/** One thread that interprets state machines, as the thread of the engine sees it. */

import type { DurableExecutionInvocationOutput } from '@aws/durable-execution-sdk-js';
import { Worker } from 'node:worker_threads';
import type { RemoteRun } from '../asl/asl-kind.ts';
import { contextLogger } from '../durable/context-logger.ts';
import { interrupted } from '../durable/limits.ts';
import { WorkflowFailure } from '../failure.ts';
import { errorOf, failureOf } from './failures.ts';
import { Line } from './line.ts';
import type { CallMessage, FromThread, ToThread } from './messages.ts';

/** Machines that a thread keeps. */
const MOST_MACHINES = 200;
/** Of its heap. What executions hold at a time are a few states of 256 KiB each. */
const MEMORY_MB = 512;

interface OpenRun extends RemoteRun {
  readonly number: number;
  /** Its calls that are served now. */
  readonly calls: Map<number, AbortController>;
  readonly resolve: (output: DurableExecutionInvocationOutput) => void;
  readonly reject: (error: Error) => void;
  readonly onAbort: () => void;
}

export class InterpreterThread {
  /** Resolves when it is no more; what it ran has been rejected by then. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #line: Line<ToThread, FromThread>;
  /** Hashes of the machines that it has. */
  readonly #machines = new Set<string>();
  readonly #runs = new Map<number, OpenRun>();
  #lastRun = 0;
  #isOver = false;

  constructor(file: URL) {
    this.#worker = new Worker(file, {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB, maxYoungGenerationSizeMb: 32 },
    });
    this.#line = new Line(this.#worker);
    this.#line.listen((heard) => this.#hear(heard));
    let reason: unknown = 'it was ended';
    this.#worker.on('error', (error: unknown) => (reason = error));
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#isOver = true;
        for (const run of this.#runs.values()) this.#end(run).reject(lost(reason));
        resolve();
      });
    });
    this.#worker.unref();
  }

  /** One invocation. It is rejected when the thread ends, and when the run is stopped: nobody waits for it then. */
  invoke(remote: RemoteRun): Promise<DurableExecutionInvocationOutput> {
    if (this.#isOver) return Promise.reject(lost('it was ended'));
    if (remote.signal.aborted) return Promise.reject(over());
    const number = ++this.#lastRun;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#abort(run);
      const run: OpenRun = { ...remote, number, calls: new Map(), resolve, reject, onAbort };
      this.#runs.set(number, run);
      this.#worker.ref();
      remote.signal.addEventListener('abort', onAbort, { once: true });
      this.#say(run);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
    await this.ended;
  }

  #say({ number, machine, identity, invocation }: OpenRun): void {
    const { hash, definition } = machine;
    const isKnown = this.#machines.has(hash);
    if (!isKnown && this.#machines.size >= MOST_MACHINES) {
      this.#machines.clear();
      this.#line.say({ is: 'forget' });
    }
    this.#machines.add(hash);
    const { arn, requestId, tenant, operations } = invocation;
    const known = { run: number, machine: hash, identity, arn, requestId, tenant, operations };
    this.#line.say({ is: 'run', ...known, ...(isKnown ? {} : { definition }) });
  }

  #abort(run: OpenRun): void {
    this.#end(run).reject(over());
    this.#line.say({ is: 'abort', run: run.number });
  }

  /** Nobody waits for it or its calls any more. */
  #end(run: OpenRun): OpenRun {
    this.#runs.delete(run.number);
    run.signal.removeEventListener('abort', run.onAbort);
    if (this.#runs.size === 0) this.#worker.unref();
    for (const controller of run.calls.values()) controller.abort(over());
    return run;
  }

  #hear(heard: FromThread): void {
    const run = this.#runs.get(heard.run);
    if (run === undefined) {
      if (heard.is === 'call') this.#line.say({ is: 'failure', call: heard.call, failure: failureOf(over()) });
      return;
    }
    switch (heard.is) {
      case 'call':
        void this.#serve(run, heard);
        return;
      case 'cancel':
        run.calls.get(heard.call)?.abort(over());
        return;
      case 'event':
        run.host.event(heard.draft);
        return;
      case 'log':
        contextLogger(run.log)[heard.level](...heard.parts);
        return;
      case 'threw':
        run.invocation.threw(new WorkflowFailure(heard.error, heard.cause, heard.failedPath));
        return;
      case 'done':
        this.#end(run).resolve(heard.output);
        return;
      case 'broken':
        this.#end(run).reject(errorOf(heard.failure));
    }
  }

  async #serve(run: OpenRun, message: CallMessage): Promise<void> {
    const { call } = message;
    try {
      this.#line.say({ is: 'answer', call, value: await this.#answer(run, message) });
    } catch (thrown) {
      this.#line.say({ is: 'failure', call, failure: failureOf(thrown) });
    }
  }

  async #answer(run: OpenRun, message: CallMessage): Promise<unknown> {
    const { call } = message;
    if (message.verb === 'checkpoint') return run.invocation.client.checkpoint(message.params);
    const controller = new AbortController();
    run.calls.set(call, controller);
    const { signal } = controller;
    try {
      if (message.verb === 'startChild') return await run.host.startChild({ ...message.params, signal });
      const heartbeat = (): void => this.#line.say({ is: 'heartbeat', call });
      return await run.host.runTask({ ...message.params, signal, heartbeat });
    } finally {
      run.calls.delete(call);
    }
  }
}

function over(): Error {
  return interrupted('Nobody waits for it any more.');
}

/** The execution goes on in another invocation. */
function lost(reason: unknown): Error {
  return interrupted(`The thread that interpreted the state machine has ended: ${String(reason)}.`, reason);
}
