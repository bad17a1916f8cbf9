/** A provisioner's steps over a durable workflow: each is an operation of the journal, told to whoever watches the job. */

import { createHash } from 'node:crypto';
import type { DurableContext } from '@aws/durable-execution-sdk-js';
import { PlatformError } from '../core/errors.ts';
import type { JsonValue, Logger } from '../core/ports.ts';
import { tookTooLong } from './cloud-errors.ts';
import type { Job } from './job.ts';
import type { StepAttempt, Steps } from './provisioner.ts';
import { DEFAULT_RETRIES, type RunParts, type StepRetries } from './run-parts.ts';
import { recorded, revived, type RecordedError } from './step-failure.ts';
import { untilStored } from './store-patience.ts';

export interface DurableStepsParts {
  readonly context: DurableContext;
  readonly run: RunParts;
  readonly job: Job;
  readonly resourceId: string;
  /** Begins the idempotency key of each step: `execution/path`. */
  readonly root: string;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

type Outcome<Result> = { readonly value: Result } | { readonly failed: RecordedError };

/**
 * What a question has come to so far. The time it took is recorded, so that a restart does not give it more, and counted
 * by waiting, so that a clock that is set forward takes none away.
 */
interface Asking<Result> {
  readonly waitedMs: number;
  readonly outcome: Outcome<Result> | null;
  /** Why it was asked again, as far as that was told. */
  readonly reasons?: readonly string[];
}

interface Step<Result> {
  readonly name: string;
  readonly key: string;
  readonly effect: (attempt: StepAttempt) => Promise<Result>;
}

/** One round of asking. */
interface Question {
  readonly attempt: number;
  readonly everyMs: number;
  /** By the clock that never goes back: from then on it has taken too long. */
  readonly lateMs: number;
  readonly timeoutMs: number;
  /** Reasons that were told; what is told now is added. */
  readonly told: string[];
}

/** The journal waits in whole seconds; what is shorter is waited for in place. */
const SHORTEST_WAIT_MS = 1_000;
/** Of the attempts of a step, those that are made without going through the journal. */
const QUICK_ATTEMPTS = 3;
/** Why a question goes on, told in a job's events. */
const MAX_REASONS = 5;
/** How long one question asks again in place before it is recorded. */
const IN_PLACE_MS = 900;

export class DurableSteps implements Steps {
  readonly #parts: DurableStepsParts;
  readonly #visits = new Map<string, number>();

  constructor(parts: DurableStepsParts) {
    this.#parts = parts;
  }

  async run<Result extends JsonValue>(
    name: string,
    effect: (attempt: StepAttempt) => Promise<Result>,
  ): Promise<Result> {
    const step = { name, key: this.#keyOf(name), effect };
    const retries = this.#retries;
    const rounds = Math.max(1, retries.attempts - QUICK_ATTEMPTS + 1);
    const outcome = await this.#parts.context.step(
      name,
      ({ attempt }) => this.#round(step, { round: attempt, isLast: attempt >= rounds }),
      {
        retryStrategy: (_error, round) => ({
          shouldRetry: round < rounds,
          delay: secondsOf(pauseMs(round + 2, retries)),
        }),
      },
    );
    return valueOf(outcome);
  }

  async until<Result extends JsonValue>(
    name: string,
    ask: (attempt: StepAttempt) => Promise<Result | undefined>,
    { everyMs, timeoutMs }: { readonly everyMs: number; readonly timeoutMs: number },
  ): Promise<Result> {
    const step = { name, key: this.#keyOf(name), effect: ask };
    const { clock } = this.#parts.run;
    const initialState: Asking<Result> = { waitedMs: 0, outcome: null, reasons: [] };
    const last = await this.#parts.context.waitForCondition<Asking<Result>>(
      name,
      async ({ waitedMs, reasons = [] }, { attempt }) => {
        const beganMs = clock.monotonicMs();
        // Only the first time, or a long wait would fill the job's events.
        if (attempt === 1) this.#tell('step-started', step, { attempt: 1 });
        const lateMs = beganMs + timeoutMs - waitedMs;
        const told = [...reasons];
        const outcome = await this.#asked(step, { attempt, everyMs, lateMs, timeoutMs, told });
        const tookMs = clock.monotonicMs() - beganMs + 1_000 * nextQuestion(everyMs, attempt).seconds;
        return { waitedMs: waitedMs + tookMs, outcome, reasons: told };
      },
      {
        initialState,
        waitStrategy: ({ outcome }, attempt) =>
          outcome === null
            ? { shouldContinue: true, delay: nextQuestion(everyMs, attempt) }
            : { shouldContinue: false },
      },
    );
    return valueOf(last.outcome ?? { failed: this.#recorded(tookTooLong(this.#parts.resourceId, name, timeoutMs)) });
  }

  get #retries(): StepRetries {
    return this.#parts.run.retries ?? DEFAULT_RETRIES;
  }

  /** `execution/path#visit`; the same name again is another visit, in a replay the same one. */
  #keyOf(name: string): string {
    const visit = (this.#visits.get(name) ?? 0) + 1;
    this.#visits.set(name, visit);
    return `${this.#parts.root}/${name}#${visit}`;
  }

  /** Attempts until one succeeds or is refused for good. @throws what is worth a later attempt, but in the last round. */
  async #round<Result extends JsonValue>(
    step: Step<Result>,
    { round, isLast }: { readonly round: number; readonly isLast: boolean },
  ): Promise<Outcome<Result>> {
    const quick = round === 1 ? QUICK_ATTEMPTS : 1;
    for (let at = 1; ; at++) {
      const attempt = round === 1 ? at : QUICK_ATTEMPTS + round - 1;
      this.#tell('step-started', step, { attempt });
      try {
        const value = await this.#effect(step, attempt);
        this.#tell('step-ended', step, { attempt, outcome: 'ok' });
        return { value };
      } catch (thrown) {
        const isFinal = !isWorthAnother(thrown) || (isLast && at >= quick);
        this.#failed(step, thrown, { attempt, outcome: isFinal ? 'failed' : 'retrying' });
        if (isFinal) return { failed: withStep(this.#recorded(thrown), step.name) };
        // It is written into the journal as it is thrown.
        if (at >= quick) throw revived(this.#recorded(thrown));
        await this.#pause(pauseMs(at, this.#retries));
      }
    }
  }

  /** One question, repeated in place while that is quicker than the journal. @returns `null` to ask again later. */
  async #asked<Result extends JsonValue>(
    step: Step<Result | undefined>,
    { attempt, everyMs, lateMs, timeoutMs, told }: Question,
  ): Promise<Outcome<Result> | null> {
    const { clock } = this.#parts.run;
    const inPlaceMs = clock.monotonicMs() + IN_PLACE_MS;
    for (;;) {
      try {
        const value = await this.#effect(step, attempt);
        if (value !== undefined) {
          this.#tell('step-ended', step, { attempt, outcome: 'ok' });
          return { value };
        }
      } catch (thrown) {
        if (!isWorthAnother(thrown)) {
          this.#failed(step, thrown, { attempt, outcome: 'failed' });
          return { failed: withStep(this.#recorded(thrown), step.name) };
        }
        this.#goesOn(step, thrown, { attempt, told });
      }
      if (clock.monotonicMs() >= lateMs) {
        const late = tookTooLong(this.#parts.resourceId, step.name, timeoutMs);
        this.#failed(step, late, { attempt, outcome: 'failed' });
        return { failed: withStep(this.#recorded(late), step.name) };
      }
      if (clock.monotonicMs() + everyMs >= inPlaceMs) return null;
      await this.#pause(everyMs);
    }
  }

  async #effect<Result>({ key, effect }: Pick<Step<Result>, 'key' | 'effect'>, attempt: number): Promise<Result> {
    const { run, job, signal } = this.#parts;
    signal.throwIfAborted();
    const token = createHash('sha256').update(key).digest('hex').slice(0, 32);
    return run.effects.run(job.requestId, () => effect({ key, token, attempt, signal }));
  }

  #recorded(thrown: unknown): RecordedError {
    return recorded(thrown, this.#parts.run.redact);
  }

  #failed(step: Pick<Step<unknown>, 'name'>, thrown: unknown, data: Readonly<Record<string, JsonValue>>): void {
    const { code, message } = this.#recorded(thrown);
    if (code === 'INTERNAL')
      this.#parts.log.log('error', 'step-failed', {
        step: step.name,
        cause: thrown instanceof Error ? thrown.stack : String(thrown),
      });
    this.#tell('step-ended', step, { ...data, error: { code, message } });
  }

  /** Why a question is asked again; each reason is told once, and a few at most, or a long wait would fill the events. */
  #goesOn(
    step: Pick<Step<unknown>, 'name'>,
    thrown: unknown,
    { attempt, told }: Pick<Question, 'attempt' | 'told'>,
  ): void {
    const { message } = this.#recorded(thrown);
    if (told.includes(message) || told.length >= MAX_REASONS) return;
    told.push(message);
    this.#failed(step, thrown, { attempt, outcome: 'retrying' });
  }

  /** Not waited for: what a reader is told costs the job no time. The job's end is written behind it. */
  #tell(
    type: 'step-started' | 'step-ended',
    { name }: Pick<Step<unknown>, 'name'>,
    data: Readonly<Record<string, JsonValue>>,
  ): void {
    const { run, job, resourceId, signal, log } = this.#parts;
    const draft = { type, data: { step: name, resourceId, ...data } };
    const patience = { clock: run.clock, log, isWanted: () => !signal.aborted };
    untilStored(() => run.jobs.tell(job, draft), patience).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      log.log('warn', 'step-not-told', { step: name, reason });
    });
  }

  /** @throws when the job is stopped meanwhile. */
  #pause(ms: number): Promise<void> {
    const { signal, run } = this.#parts;
    return new Promise((resolve, reject) => {
      const cancel = run.clock.after(ms, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      const stop = (): void => {
        cancel();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}

/** What the cloud has refused for good is refused again; what is no error of ours may be a broken connection. */
function isWorthAnother(thrown: unknown): boolean {
  return thrown instanceof PlatformError && thrown.retryable;
}

function withStep(error: RecordedError, step: string): RecordedError {
  return { ...error, details: { ...error.details, step } };
}

function valueOf<Result>(outcome: Outcome<Result>): Result {
  if ('failed' in outcome) throw revived(outcome.failed);
  return outcome.value;
}

/** Doubles with each attempt, and varies so that jobs that failed together do not come back together. */
function pauseMs(attempt: number, { firstMs, longestMs }: StepRetries): number {
  return Math.min(longestMs, firstMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

/** What takes long is asked more seldom with time. */
function nextQuestion(everyMs: number, attempt: number): { readonly seconds: number } {
  return secondsOf(Math.min(60_000, everyMs * Math.max(1, attempt / 50)));
}

function secondsOf(ms: number): { readonly seconds: number } {
  return { seconds: Math.max(1, Math.round(Math.max(SHORTEST_WAIT_MS, ms) / 1_000)) };
}
