/** The thread's side: interprets machines whose executions are kept by the engine's thread. */

import type { DurableContext, DurableExecutionClient, DurableLambdaHandler } from '@aws/durable-execution-sdk-js';
import { DurableExecutionInvocationInputWithClient, withDurableExecution } from '@aws/durable-execution-sdk-js';
import type { MessagePort } from 'node:worker_threads';
import type { Clock, JsonValue, LogLevel } from '../../core/ports.ts';
import type { AslHost } from '../asl/asl-host.ts';
import { interpret } from '../asl/interpreter.ts';
import type { Machine } from '../asl/machine.ts';
import { parseMachine } from '../asl/parse-machine.ts';
import { lambdaContext } from '../durable/lambda-context.ts';
import { WorkflowFailure } from '../failure.ts';
import { errorOf, failureOf } from './failures.ts';
import { Line } from './line.ts';
import type { CallMessage, FromThread, RunMessage, ToThread, Verb, Verbs } from './messages.ts';

interface OpenRun {
  readonly message: RunMessage;
  readonly machine: Machine;
  readonly controller: AbortController;
}

/** A call of a run on its way. */
interface OpenCall {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
  readonly heartbeat: () => void;
}

interface Control {
  readonly signal?: AbortSignal;
  readonly heartbeat?: () => void;
}

export class Guest {
  readonly #clock: AslHost['clock'];
  readonly #line: Line<FromThread, ToThread>;
  readonly #handler: DurableLambdaHandler;
  /** By hash. */
  readonly #machines = new Map<string, Machine>();
  readonly #runs = new Map<number, OpenRun>();
  /** By the Lambda context that the run's invocation was given. */
  readonly #byContext = new WeakMap<object, OpenRun>();
  readonly #calls = new Map<number, OpenCall>();
  #lastCall = 0;

  constructor(port: MessagePort, clock: Pick<Clock, 'nowMs' | 'after'>) {
    this.#clock = clock;
    this.#line = new Line(port);
    this.#handler = withDurableExecution((input: JsonValue, context: DurableContext) => this.#perform(input, context));
  }

  serve(): void {
    this.#line.listen((heard) => this.#hear(heard));
  }

  #hear(heard: ToThread): void {
    switch (heard.is) {
      case 'run':
        void this.#run(heard);
        return;
      case 'forget':
        this.#machines.clear();
        return;
      case 'abort':
        this.#runs.get(heard.run)?.controller.abort();
        this.#runs.delete(heard.run);
        return;
      case 'answer':
        this.#take(heard.call)?.resolve(heard.value as never);
        return;
      case 'failure':
        this.#take(heard.call)?.reject(errorOf(heard.failure));
        return;
      case 'heartbeat':
        this.#calls.get(heard.call)?.heartbeat();
    }
  }

  async #run(message: RunMessage): Promise<void> {
    const { run: number } = message;
    try {
      const run = { message, machine: this.#machine(message), controller: new AbortController() };
      this.#runs.set(number, run);
      this.#line.say({ is: 'done', run: number, output: await this.#invoke(run) });
    } catch (thrown) {
      this.#line.say({ is: 'broken', run: number, failure: failureOf(thrown) });
    } finally {
      this.#runs.delete(number);
    }
  }

  #invoke(run: OpenRun): ReturnType<DurableLambdaHandler> {
    const { arn, requestId, tenant, operations } = run.message;
    const context = lambdaContext({ name: arn, tenant, requestId });
    this.#byContext.set(context, run);
    const state = { Operations: [...operations] };
    const client: DurableExecutionClient = {
      checkpoint: (params) => this.#call(run, 'checkpoint', params),
      getExecutionState: async () => state,
    };
    const input = { DurableExecutionArn: arn, CheckpointToken: 'current', InitialExecutionState: state };
    return this.#handler(new DurableExecutionInvocationInputWithClient(input, client), context);
  }

  async #perform(input: JsonValue, context: DurableContext): Promise<unknown> {
    const run = this.#byContext.get(context.lambdaContext);
    if (run === undefined) throw new Error('The invocation has no run.');
    context.configureLogger({ customLogger: this.#logger(run) });
    try {
      return await interpret(run.machine, input, context, this.#host(run, input));
    } catch (thrown) {
      if (thrown instanceof WorkflowFailure) this.#tellFailure(run, thrown);
      throw thrown;
    }
  }

  #tellFailure({ message }: OpenRun, { error, cause, failedPath }: WorkflowFailure): void {
    const path = failedPath === undefined ? {} : { failedPath };
    this.#line.say({ is: 'threw', run: message.run, error, cause, ...path });
  }

  #logger({ message }: OpenRun): Record<'debug' | 'info' | 'warn' | 'error', (...parts: readonly unknown[]) => void> {
    const at =
      (level: LogLevel) =>
      (...parts: readonly unknown[]): void =>
        this.#line.say({ is: 'log', run: message.run, level, parts: parts.map(readable) });
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  #host(run: OpenRun, input: JsonValue): AslHost {
    const { execution, ...identity } = run.message.identity;
    return {
      ...identity,
      execution: { ...execution, input },
      clock: this.#clock,
      signal: run.controller.signal,
      runTask: ({ signal, heartbeat, ...params }) => this.#call(run, 'runTask', params, { signal, heartbeat }),
      startChild: ({ signal, ...params }) => this.#call(run, 'startChild', params, { signal }),
      event: (draft) => this.#line.say({ is: 'event', run: run.message.run, draft }),
    };
  }

  #machine({ machine: hash, definition }: RunMessage): Machine {
    const known = this.#machines.get(hash);
    if (known !== undefined) return known;
    const machine = parseMachine(definition ?? null);
    this.#machines.set(hash, machine);
    return machine;
  }

  /** The promise stays pending when its signal is aborted: whoever aborts it waits no more. */
  #call<V extends Verb>(
    { message: { run } }: OpenRun,
    verb: V,
    params: Verbs[V]['params'],
    { signal, heartbeat = () => undefined }: Control = {},
  ): Promise<Verbs[V]['answer']> {
    const call = ++this.#lastCall;
    const cancel = (): void => {
      if (this.#calls.delete(call)) this.#line.say({ is: 'cancel', run, call });
    };
    signal?.addEventListener('abort', cancel, { once: true });
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject, heartbeat });
      this.#line.say({ is: 'call', run, call, verb, params } as CallMessage);
    });
  }

  #take(call: number): OpenCall | undefined {
    const found = this.#calls.get(call);
    this.#calls.delete(call);
    return found;
  }
}

/** What can cross as JSON and still be read. */
function readable(part: unknown): unknown {
  if (part instanceof Error) return String(part);
  try {
    JSON.stringify(part);
    return part;
  } catch {
    return String(part);
  }
}
