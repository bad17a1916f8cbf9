/**
 * Evaluates JSONata within bounds. The evaluator runs in a thread of its own, and this one waits for the answer: so
 * evaluation is synchronous for us, a native loop or regular expression that never ends is ended with its thread, and
 * memory is bounded apart from ours. Steps, depth, strings and arrays are bounded as well, which ends most of what
 * explodes at the same place every time.
 *
 * Ending a script of this thread by `node:vm`'s timeout is no way: cut off between two promises it leaves the stack of
 * asynchronous contexts as it was, and Node ends the process.
 */

import { randomInt } from 'node:crypto';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { JsonValue } from '../../core/ports.ts';

const LIMITS = {
  /** Nodes that are evaluated, each function call and operator being one. */
  steps: 200_000,
  /** Nesting of evaluation; recursion in tail position does not nest. */
  stack: 400,
  /** Nesting of a result. */
  depth: 100,
  /** Items of any array on the way. */
  items: 100_000,
  /** Characters of any string on the way: twice what a state may put out. */
  characters: 524_288,
  /** Characters of a result; the limit of the language is smaller and is checked where a state ends. */
  result: 1_048_576,
} as const;

/** What a native loop may take: far more than the steps above need, so that it ends nothing that could have ended. */
const TIMEOUT_MS = 2000;

/** What the thread may take to start; a machine under load takes long. */
const START_MS = 20_000;

/** Of the thread's heap. A large state is parsed several times its size. */
const MEMORY_MB = 128;

export interface JsonataRequest {
  /** JSON whose strings `{% … %}`, at any depth, are expressions. */
  readonly template: JsonValue;
  /** Values of variables, `states` among them. */
  readonly bindings: Readonly<Record<string, JsonValue>>;
  /** Name of the field that the template stands in, for messages. */
  readonly field: string;
}

export type JsonataAnswer =
  | { readonly value: JsonValue }
  | { readonly isTooLarge: true }
  | { readonly failed: JsonataFailure };

export interface JsonataFailure {
  readonly field: string;
  readonly expression?: string;
  readonly message?: string;
  /** The expression is well and has no value. */
  readonly isUndefined?: boolean;
}

let evaluator: Evaluator | undefined;

/** Evaluates every expression of a template. Never throws for what an expression does. */
export function evaluateTemplate(request: JsonataRequest): JsonataAnswer {
  evaluator ??= new Evaluator();
  const answer = evaluator.ask(JSON.stringify({ ...request, seed: randomInt(2 ** 31) }));
  if (answer !== undefined) return JSON.parse(answer) as JsonataAnswer;
  evaluator.close();
  evaluator = undefined;
  const message = `the evaluation takes longer than ${TIMEOUT_MS} ms or more than ${MEMORY_MB} MB`;
  return { failed: { field: request.field, message } };
}

/** The thread, and the line to it. It does not keep the process alive. */
class Evaluator {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #flag: Int32Array;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    const signal = new SharedArrayBuffer(4);
    this.#port = port1;
    this.#flag = new Int32Array(signal);
    this.#worker = new Worker(new URL('./jsonata-worker.mjs', import.meta.url), {
      workerData: { port: port2, signal, limits: { ...LIMITS } },
      transferList: [port2],
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
    });
    // A thread that runs out of memory says so; whoever waits for it has given up by then.
    this.#worker.on('error', () => undefined);
    this.#worker.unref();
    this.#port.unref();
    if (this.#receive(START_MS) !== 'ready') throw new Error('The thread that evaluates JSONata did not start.');
  }

  /** `undefined` when no answer came in time. */
  ask(request: string): string | undefined {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a thread has no origin
    this.#port.postMessage(request);
    return this.#receive(TIMEOUT_MS);
  }

  #receive(timeoutMs: number): string | undefined {
    Atomics.wait(this.#flag, 0, 0, timeoutMs);
    const received = receiveMessageOnPort(this.#port);
    Atomics.store(this.#flag, 0, 0);
    return typeof received?.message === 'string' ? received.message : undefined;
  }

  close(): void {
    this.#port.close();
    void this.#worker.terminate();
  }
}
