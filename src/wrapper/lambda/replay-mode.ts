/**
 * Questions by running the call again: its first question ends it, and the caller's next request runs it from the
 * start in a fresh process, which gets the answers that were collected, in the order in which it asks. Nothing waits
 * anywhere, so any instance may take the next request. Whatever the tool does before its last question it does once
 * per round: this mode is for tools whose effects come after their questions.
 */

import type { TargetCall } from '../../core/target.ts';
import type { Sealer } from '../../core/seal.ts';
import type { Conversation } from '../../upstream/conversation.ts';
import type { LambdaClock } from './lambda-clock.ts';
import type { OpenQuestion, QuestionMode } from './question-mode.ts';
import type { Incoming } from './server-endpoint.ts';
import { PlatformError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { CallExchange } from './exchange.ts';
import {
  GATHER_MS,
  answersOf,
  cannotAnswer,
  digestOf,
  inputRequired,
  mayAsk,
  requestDigest,
  stateError,
  withoutAnswers,
} from './question-mode.ts';

export interface ReplayOptions {
  readonly clock: LambdaClock;
  readonly sealer: Sealer;
}

/** Times that one call may ask. */
const MAX_ROUNDS = 16;
/** Milliseconds of wall time that a state is good for. */
const STATE_MS = 3_600_000;
/** Characters of a state: answers travel in it, and requests have limits of their own. */
const MAX_STATE = 512 * 1024;

/** An answer and the question it was given to. */
interface Collected {
  readonly method: string;
  readonly digest: string;
  readonly text: string;
}

/** What a state says, once it is opened. */
interface Replayed {
  readonly digest: string;
  readonly answers: readonly Collected[];
  /** Questions that were put to the caller, by their key. */
  readonly open: Readonly<Record<string, { readonly method: string; readonly digest: string }>>;
  readonly expiresMs: number;
  readonly round: number;
}

/** One run of the call, from its start to its end or its first question without an answer. */
class Attempt {
  readonly answers: readonly Collected[];
  /** Resolves with the questions that nobody has answered yet. */
  readonly asked: Promise<readonly OpenQuestion[]>;
  readonly #left: Collected[];
  readonly #capabilities: Readonly<Record<string, unknown>>;
  readonly #clock: LambdaClock;
  readonly #open: (OpenQuestion & { readonly refuse: (error: Error) => void })[] = [];
  #tell: (questions: readonly OpenQuestion[]) => void = () => undefined;

  constructor(
    answers: readonly Collected[],
    at: { readonly capabilities: Readonly<Record<string, unknown>>; readonly clock: LambdaClock },
  ) {
    this.answers = answers;
    this.#left = [...answers];
    this.#capabilities = at.capabilities;
    this.#clock = at.clock;
    this.asked = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  ask(method: string, paramsText: string): Promise<string> {
    const digest = digestOf(method, paramsText);
    const index = this.#left.findIndex((known) => known.method === method && known.digest === digest);
    const known = index < 0 ? undefined : this.#left.splice(index, 1)[0];
    if (known !== undefined) return Promise.resolve(known.text);
    if (!mayAsk(this.#capabilities, method, paramsText)) return Promise.reject(cannotAnswer(method));
    return new Promise((_resolve, reject) => {
      this.#open.push({ key: `q${this.answers.length + this.#open.length + 1}`, method, paramsText, refuse: reject });
      if (this.#open.length === 1) this.#clock.after(GATHER_MS, () => this.#tell(this.#open));
    });
  }

  /** The process is gone; whatever waits for an answer waits no more. */
  end(): void {
    for (const { method, refuse } of this.#open) refuse(cannotAnswer(method));
  }
}

export class ReplayMode implements QuestionMode {
  readonly prefix = 'zwr.';
  readonly #options: ReplayOptions;

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  async run(call: TargetCall, incoming: Incoming, state: string | undefined): Promise<string> {
    const before = state === undefined ? undefined : this.#open(state, incoming);
    const answers = before === undefined ? [] : collect(before, answersOf(incoming.message));
    const { message, server, context, tell } = incoming;
    const capabilities = new CallExchange({ message }).capabilities;
    const attempt = new Attempt(answers, { capabilities, clock: this.#options.clock });
    const exchange = new CallExchange({ message, tell, ask: (method, text) => attempt.ask(method, text) });
    return server.ask({ fresh: before !== undefined, exchange, context }, async (conversation, watched) => {
      const { method, params, meta } = withoutAnswers(call);
      const timeoutMs = Number.POSITIVE_INFINITY;
      const outcome = conversation.request({ method, params, meta, exchange: watched, context, timeoutMs });
      const questions = await untilAsked(outcome, attempt, conversation);
      return typeof questions === 'string'
        ? questions
        : this.#required(questions, { answers, round: (before?.round ?? 0) + 1 }, incoming);
    });
  }

  close(): void {
    // Nothing waits here.
  }

  #required(
    questions: readonly OpenQuestion[],
    at: { readonly answers: readonly Collected[]; readonly round: number },
    { message, context }: Incoming,
  ): string {
    if (at.round > MAX_ROUNDS)
      throw new PlatformError(
        'TARGET_PROTOCOL_ERROR',
        `The tool has asked ${MAX_ROUNDS} times and goes on. If its questions differ from run to run, use questions: "hold".`,
      );
    const replayed: Replayed = {
      digest: requestDigest(message),
      answers: at.answers,
      open: Object.fromEntries(
        questions.map(({ key, method, paramsText }) => [key, { method, digest: digestOf(method, paramsText) }]),
      ),
      expiresMs: this.#options.clock.nowMs() + STATE_MS,
      round: at.round,
    };
    const sealed = this.#options.sealer.seal('request-state', context.principal, replayed);
    if (sealed.length > MAX_STATE)
      throw new PlatformError(
        'PAYLOAD_TOO_LARGE',
        `The answers so far are larger than ${MAX_STATE} characters, more than a request state carries. Use questions: "hold".`,
      );
    return inputRequired(questions, this.prefix + sealed);
  }

  #open(state: string, { message, context }: Incoming): Replayed {
    const opened = this.#options.sealer.open('request-state', context.principal, state, MAX_STATE);
    if (!isObject(opened) || !Array.isArray(opened['answers']))
      throw stateError(
        'requestState is not one that was given to this caller, or this instance of the function has another key.',
      );
    const replayed = opened as unknown as Replayed;
    if (replayed.digest !== requestDigest(message))
      throw stateError('requestState belongs to a call with another name or other arguments.');
    if (replayed.expiresMs <= this.#options.clock.nowMs()) throw stateError('requestState has expired.');
    return replayed;
  }
}

/** The answers at hand with those that came now; what was not answered is asked again. */
function collect({ answers, open }: Replayed, responses: ReadonlyMap<string, string>): readonly Collected[] {
  const added = Object.entries(open).flatMap(([key, { method, digest }]) => {
    const text = responses.get(key);
    return text === undefined ? [] : [{ method, digest, text }];
  });
  return [...answers, ...added];
}

/** @returns the result, or the questions, once the process that asked them has ended. */
async function untilAsked(
  outcome: Promise<string>,
  attempt: Attempt,
  conversation: Conversation,
): Promise<string | readonly OpenQuestion[]> {
  const first = await Promise.race([outcome, attempt.asked]);
  if (typeof first === 'string') return first;
  outcome.catch(() => undefined);
  await conversation.close();
  attempt.end();
  return first;
}
