/**
 * Calls whose target asked something in the middle, towards a client that is asked by `input_required`: the call
 * stays open here while the client is away, and goes on with the client's next request.
 *
 * A held call lives in this process only. Its time is bounded; a client that never comes back costs one entry until
 * then. Deployments without a process to hold it configure the wrapper's replay mode instead.
 */

import { createHash } from 'node:crypto';
import type { Context, Principal } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject, rawMembers, scan } from '../core/json.ts';
import type { Clock, IdSource } from '../core/ports.ts';
import type { TargetResult } from '../core/target.ts';
import type { Message } from '../protocol/message.ts';
import { CallExchange } from './caller.ts';
import type { Caller, Question } from './caller.ts';
import type { Sealer } from '../core/seal.ts';

/** How long a client may take to answer. */
const HOLD_MS = 300_000;
/** Questions within this time of each other are put to the client together. */
const GATHER_MS = 20;
const MAX_HELD = 1_024;
const MAX_HELD_PER_PRINCIPAL = 64;
const MAX_HELD_PER_TARGET = 3;
/** Request state of ours begins with this; anything else belongs to the target. */
const STATE_PREFIX = 'zp1.';

export type Turn =
  | { readonly kind: 'result'; readonly text: string }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'questions'; readonly questions: readonly Question[] };

/** One call on its way through a target: it ends with a result, or pauses with questions. */
export class RunningCall {
  readonly exchange: CallExchange;
  readonly context: Context;
  /** Made with the first question: nearly no call has one. */
  #open: Map<string, Question> | undefined;
  #settled: Turn | undefined;
  #wake: ((turn: Turn) => void) | undefined;
  #asked = 0;
  #telling = false;
  readonly #clock: Clock;

  constructor(
    caller: Caller,
    at: { readonly label: string | undefined; readonly context: Context; readonly clock: Clock },
  ) {
    const { label, context, clock } = at;
    this.#clock = clock;
    this.exchange = new CallExchange(caller, label, (method, paramsText) => this.#question(method, paramsText));
    this.context = context;
  }

  start(outcome: Promise<TargetResult>): void {
    outcome.then(
      (result) => this.#settle({ kind: 'result', text: result.text }),
      (error: unknown) => this.#settle({ kind: 'failed', error }),
    );
  }

  #settle(turn: Turn): void {
    this.#settled = turn;
    this.#wake?.(turn);
  }

  #question(method: string, paramsText: string): Promise<string> {
    return new Promise<string>((resolve, reject) => {
      const key = `q${++this.#asked}`;
      const open = (this.#open ??= new Map<string, Question>());
      const end = (): void => void open.delete(key);
      open.set(key, {
        key,
        method,
        paramsText,
        answer: (text) => {
          end();
          resolve(text);
        },
        refuse: (error) => {
          end();
          reject(error);
        },
      });
      this.#tellSoon();
    });
  }

  /** Questions that a target asks in one go come as one round. */
  #tellSoon(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#clock.after(GATHER_MS, () => {
      this.#telling = false;
      if ((this.#open?.size ?? 0) > 0) this.#wake?.({ kind: 'questions', questions: this.questions });
    });
  }

  /** Questions that have no answer yet. */
  get questions(): readonly Question[] {
    return [...(this.#open?.values() ?? [])];
  }

  /** Waits for the end or the next question. */
  next(): Promise<Turn> {
    if (this.#settled !== undefined) return Promise.resolve(this.#settled);
    if ((this.#open?.size ?? 0) > 0) this.#tellSoon();
    return new Promise((resolve) => {
      this.#wake = (turn) => {
        this.#wake = undefined;
        resolve(turn);
      };
    });
  }

  /** The client will not come back: the target is told that nobody answers. */
  abandon(error: PlatformError): void {
    for (const question of this.questions) question.refuse(error);
    this.context.abort(error);
  }
}

interface Held {
  /** Id of the target whose child waits. */
  readonly target: string;
  readonly running: RunningCall;
  readonly principal: Principal;
  readonly digest: string;
  readonly cancel: () => void;
}

/** What identifies a request across its retries: method, name and arguments, but neither id nor answers. */
export function requestDigest(message: Message): string {
  const relevant = message.params.filter((member) => member.key !== 'inputResponses' && member.key !== 'requestState');
  const text = [message.method, ...relevant.map((member) => `${member.key}=${member.text}`)].join('\0');
  return createHash('sha256').update(text).digest('base64url');
}

function stateError(what: string): PlatformError {
  return new PlatformError('INVALID_REQUEST_STATE', `${what} Send the call again without requestState.`);
}

export class HoldTable {
  readonly #held = new Map<string, Held>();
  readonly #sealer: Sealer;
  readonly #clock: Clock;
  readonly #ids: IdSource;

  constructor(parts: { readonly sealer: Sealer; readonly clock: Clock; readonly ids: IdSource }) {
    this.#sealer = parts.sealer;
    this.#clock = parts.clock;
    this.#ids = parts.ids;
  }

  /** Parks a call and words its open questions as an `input_required` result. */
  park(running: RunningCall, target: string, at: { readonly principal: Principal; readonly digest: string }): string {
    const { principal, digest } = at;
    const mine = [...this.#held.values()].filter(
      (held) => held.principal.id === principal.id && held.principal.tenant === principal.tenant,
    );
    if (this.#held.size >= MAX_HELD || mine.length >= MAX_HELD_PER_PRINCIPAL) {
      const error = new PlatformError(
        'TOO_MANY_REQUESTS',
        'Too many calls are waiting for answers. Answer or drop some of them first.',
        { retryAfterSeconds: 5 },
      );
      running.abandon(error);
      throw error;
    }
    const id = this.#ids.uuid();
    const cancel = this.#clock.after(HOLD_MS, () => this.#expire(id));
    running.exchange.caller = undefined;
    this.#yieldOldest(mine.filter((held) => held.target === target));
    this.#held.set(id, { target, running, principal, digest, cancel });
    const requests = running.questions.map(
      (question) =>
        `${JSON.stringify(question.key)}:{"method":${JSON.stringify(question.method)},"params":${question.paramsText}}`,
    );
    const state = STATE_PREFIX + this.#sealer.seal('request-state', principal, { id, digest });
    return `{"resultType":"input_required","inputRequests":{${requests.join(',')}},"requestState":${JSON.stringify(state)}}`;
  }

  /** A target has few children for one principal; a client that never came back must not take the last one. */
  #yieldOldest(held: readonly Held[]): void {
    const oldest = held.length < MAX_HELD_PER_TARGET ? undefined : held[0];
    const id = [...this.#held].find(([, each]) => each === oldest)?.[0];
    if (id === undefined) return;
    oldest?.cancel();
    this.#expire(id);
  }

  #expire(id: string): void {
    const held = this.#held.get(id);
    this.#held.delete(id);
    held?.running.abandon(new PlatformError('CLIENT_CANNOT_ANSWER', 'The client did not answer in time.'));
  }

  /**
   * Whether a request carries state of ours rather than its target's. A target may be a gateway like this one, whose
   * state begins alike: only what was sealed here is ours.
   */
  isOurs(message: Message, principal: Principal): boolean {
    const state = message.parsed['requestState'];
    if (typeof state !== 'string' || !state.startsWith(STATE_PREFIX)) return false;
    return this.#sealer.open('request-state', principal, state.slice(STATE_PREFIX.length)) !== undefined;
  }

  /**
   * Takes a parked call back and gives it the answers that came. Unknown keys are ignored, missing ones are asked again.
   *
   * @throws PlatformError `INVALID_REQUEST_STATE` when the state is forged, another caller's, for another call, or too old.
   */
  resume(
    message: Message,
    target: string,
    at: { readonly caller: Caller; readonly principal: Principal },
  ): RunningCall {
    const { caller, principal } = at;
    const state = String(message.parsed['requestState']).slice(STATE_PREFIX.length);
    const opened = this.#sealer.open('request-state', principal, state);
    if (!isObject(opened) || typeof opened['id'] !== 'string')
      throw stateError('requestState is not one that was given to this caller.');
    if (opened['digest'] !== requestDigest(message))
      throw stateError('requestState belongs to a call with another name or other arguments.');
    const held = this.#held.get(opened['id']);
    if (held === undefined) throw stateError('The call that this requestState belongs to has ended.');
    if (held.target !== target) throw stateError('requestState belongs to a call of another target.');
    const answers = answersOf(message);
    held.cancel();
    this.#held.delete(opened['id']);
    held.running.exchange.caller = caller;
    for (const question of held.running.questions) {
      const text = answers.get(question.key);
      if (text !== undefined) question.answer(text);
    }
    return held.running;
  }

  close(): void {
    for (const id of this.#held.keys()) {
      this.#held.get(id)?.cancel();
      this.#expire(id);
    }
  }
}

/** `inputResponses` as original text by key. */
function answersOf(message: Message): ReadonlyMap<string, string> {
  const member = message.params.find((candidate) => candidate.key === 'inputResponses');
  if (member === undefined) return new Map();
  const { object } = scan(member.text, 1);
  if (object === undefined) throw new PlatformError('INVALID_PARAMS', '"inputResponses" must be an object.');
  return new Map(rawMembers(member.text, object).map((entry) => [entry.key, entry.text]));
}
