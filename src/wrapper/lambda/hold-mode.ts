/**
 * Questions by holding the call: its process waits, with its question open, until the caller's next request reaches
 * this same instance of the function. Bounded in time and number; another instance says clearly that it has no such
 * call. Fits functions with one instance, and callers who answer at once.
 */

import type { TargetCall } from '../../core/target.ts';
import type { Sealer } from '../../core/seal.ts';
import type { LambdaClock } from './lambda-clock.ts';
import type { OpenQuestion, QuestionMode } from './question-mode.ts';
import type { Incoming } from './server-endpoint.ts';
import { Context } from '../../core/context.ts';
import { PlatformError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { targetTimeout } from '../../upstream/failures.ts';
import { CallExchange, progressTokenOf } from './exchange.ts';
import {
  GATHER_MS,
  answersOf,
  cannotAnswer,
  inputRequired,
  mayAsk,
  requestDigest,
  stateError,
  withoutAnswers,
} from './question-mode.ts';

export interface HoldOptions {
  readonly clock: LambdaClock;
  readonly sealer: Sealer;
  /** Names this process in states. */
  readonly instance: string;
  /** Milliseconds of wall time that a call waits for its answers. */
  readonly holdMs: number;
}

const MAX_HELD = 64;
/** A server has four processes for one caller; the last one is kept for new calls. */
const MAX_HELD_PER_CALLER = 3;

type Turn = { readonly text: string } | { readonly error: unknown } | { readonly questions: readonly OpenQuestion[] };

interface Waiting extends OpenQuestion {
  answer(resultText: string): void;
  refuse(error: Error): void;
}

/** One call on its way through the server, over as many invocations as it takes. */
class HeldCall {
  readonly exchange: CallExchange;
  readonly context: Context;
  readonly #open = new Map<string, Waiting>();
  readonly #clock: LambdaClock;
  #asked = 0;
  #gathering = false;
  #settled: Turn | undefined;
  #wake: ((turn: Turn) => void) | undefined;

  constructor({ message, context, tell }: Incoming, clock: LambdaClock) {
    this.#clock = clock;
    this.exchange = new CallExchange({ message, tell, ask: (method, text) => this.#question(method, text) });
    // Each invocation bounds its own part of the call.
    const { principal, requestId, log } = context;
    this.context = new Context({ principal, requestId, clock, timeoutMs: Number.POSITIVE_INFINITY, log });
  }

  start(outcome: Promise<string>): void {
    outcome.then(
      (text) => this.#settle({ text }),
      (error: unknown) => this.#settle({ error }),
    );
  }

  /** The end of the call, its next questions, or the end of this invocation's time. */
  next({ context, server }: Incoming): Promise<Turn> {
    if (this.#settled !== undefined) return Promise.resolve(this.#settled);
    if (this.#open.size > 0) this.#gather();
    return new Promise((resolve) => {
      const leftMs = context.deadlineMs - this.#clock.monotonicMs();
      const cancel = this.#clock.after(Math.max(0, leftMs), () => {
        const error = targetTimeout(server.name, 'the call', leftMs);
        this.abandon(error);
        this.#wake?.({ error });
      });
      this.#wake = (turn) => {
        this.#wake = undefined;
        cancel();
        resolve(turn);
      };
    });
  }

  /** The caller will not come back: the server is told that nobody answers. */
  abandon(error: PlatformError): void {
    for (const question of this.#open.values()) question.refuse(error);
    this.context.abort(error);
  }

  /** Unknown keys are ignored; questions without an answer are asked again. */
  answer(answers: ReadonlyMap<string, string>): void {
    for (const question of this.#open.values()) {
      const text = answers.get(question.key);
      if (text !== undefined) question.answer(text);
    }
  }

  #settle(turn: Turn): void {
    this.#settled = turn;
    this.#wake?.(turn);
  }

  #question(method: string, paramsText: string): Promise<string> {
    if (!mayAsk(this.exchange.capabilities, method, paramsText)) return Promise.reject(cannotAnswer(method));
    return new Promise<string>((resolve, reject) => {
      const key = `q${++this.#asked}`;
      const end = (): void => void this.#open.delete(key);
      const answer = (text: string): void => (end(), resolve(text));
      const refuse = (error: Error): void => (end(), reject(error));
      this.#open.set(key, { key, method, paramsText, answer, refuse });
      this.#gather();
    });
  }

  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.#clock.after(GATHER_MS, () => {
      this.#gathering = false;
      if (this.#open.size > 0) this.#wake?.({ questions: [...this.#open.values()] });
    });
  }
}

interface Parked {
  readonly call: HeldCall;
  readonly caller: string;
  readonly digest: string;
  readonly expiresMs: number;
  readonly cancel: () => void;
}

export class HoldMode implements QuestionMode {
  readonly prefix = 'zwh.';
  readonly #options: HoldOptions;
  readonly #parked = new Map<string, Parked>();
  #count = 0;

  constructor(options: HoldOptions) {
    this.#options = options;
  }

  async run(call: TargetCall, incoming: Incoming, state: string | undefined): Promise<string> {
    this.#sweep();
    const held = state === undefined ? this.#start(call, incoming) : this.#resume(state, incoming);
    incoming.context.onAbort((reason) => held.context.abort(reason));
    const turn = await held.next(incoming);
    if ('text' in turn) return turn.text;
    if ('error' in turn) {
      if (turn.error instanceof PlatformError && turn.error.code === 'TARGET_TIMEOUT') incoming.server.doubt();
      throw turn.error;
    }
    return this.#park(held, turn.questions, incoming);
  }

  close(): void {
    for (const id of this.#parked.keys()) this.#expire(id);
  }

  #start(call: TargetCall, incoming: Incoming): HeldCall {
    const { server } = incoming;
    const held = new HeldCall(incoming, this.#options.clock);
    // While the call waits, its server stays, whichever tenant comes meanwhile.
    server.users++;
    const outcome = server.call(withoutAnswers(call), held.exchange, held.context);
    held.start(outcome.finally(() => server.users--));
    return held;
  }

  #park(call: HeldCall, questions: readonly OpenQuestion[], { message, context }: Incoming): string {
    const { clock, holdMs, sealer, instance } = this.#options;
    const caller = `${context.tenant}\n${context.principal.id}`;
    this.#makeRoom(caller);
    const id = String(++this.#count);
    const digest = requestDigest(message);
    const cancel = clock.after(holdMs, () => this.#expire(id));
    call.exchange.tell = undefined;
    this.#parked.set(id, { call, caller, digest, expiresMs: clock.nowMs() + holdMs, cancel });
    const sealed = sealer.seal('request-state', context.principal, { id, digest });
    return inputRequired(questions, `${this.prefix}${instance}.${sealed}`);
  }

  #makeRoom(caller: string): void {
    const mine = [...this.#parked].filter(([, parked]) => parked.caller === caller);
    const oldest = mine.length >= MAX_HELD_PER_CALLER ? mine[0] : undefined;
    const first = this.#parked.size >= MAX_HELD ? [...this.#parked][0] : undefined;
    const leaving = (oldest ?? first)?.[0];
    if (leaving !== undefined) this.#expire(leaving);
  }

  #resume(state: string, incoming: Incoming): HeldCall {
    const { message, context, tell } = incoming;
    const parked = this.#take(state, incoming);
    const { exchange } = parked.call;
    exchange.tell = tell;
    exchange.progressToken = progressTokenOf(message);
    context.log.log('debug', 'held call goes on', { requestId: context.requestId });
    parked.call.answer(answersOf(message));
    return parked.call;
  }

  #take(state: string, { message, context }: Incoming): Parked {
    const { sealer, instance } = this.#options;
    const dot = state.indexOf('.');
    const there = state.slice(0, Math.max(0, dot));
    if (there !== instance)
      throw stateError(
        `The call that waits for these answers is in another instance of this function (${there.slice(0, 40)}, not ${instance}), or that instance has ended.`,
      );
    const opened = sealer.open('request-state', context.principal, state.slice(dot + 1));
    if (!isObject(opened) || typeof opened['id'] !== 'string')
      throw stateError('requestState is not one that was given to this caller.');
    if (opened['digest'] !== requestDigest(message))
      throw stateError('requestState belongs to a call with another name or other arguments.');
    const parked = this.#parked.get(opened['id']);
    if (parked === undefined) throw stateError('The call that this requestState belongs to has ended.');
    this.#parked.delete(opened['id']);
    parked.cancel();
    return parked;
  }

  /** The process may have been frozen past the end of a call's time. */
  #sweep(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [id, { expiresMs }] of this.#parked) if (expiresMs <= nowMs) this.#expire(id);
  }

  #expire(id: string): void {
    const parked = this.#parked.get(id);
    this.#parked.delete(id);
    parked?.cancel();
    parked?.call.abandon(new PlatformError('CLIENT_CANNOT_ANSWER', 'The caller did not answer in time.'));
  }
}
