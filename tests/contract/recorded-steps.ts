/**
 * How a job would run a provisioner, without a job: results are kept, so that a second run with the same record goes on
 * where the first one died. Nothing waits; time is advanced instead.
 */

import { createHash, randomUUID } from 'node:crypto';
import { PlatformError } from '../../src/core/errors.ts';
import type { JsonValue } from '../../src/core/ports.ts';
import { tookTooLong } from '../../src/provisioning/cloud-errors.ts';
import type { StepAttempt, Steps } from '../../src/provisioning/provisioner.ts';

/** Names the execution that a record belongs to. */
const executions = new WeakMap<Map<string, JsonValue>, string>();

/** The process ended: an effect was had and nobody wrote it down. */
export class Died extends Error {}

export interface RecordOptions {
  /** Lets time pass in the cloud. */
  readonly advance: (ms: number) => void | Promise<void>;
  /** Dies after the effect of this number, from 0, before it is recorded. @default never */
  readonly diesAfter?: number;
  /** Attempts of a step that fails with what is worth another one. @default 6 */
  readonly attempts?: number;
}

export class RecordedSteps implements Steps {
  /** Names in the order in which they were begun, without those found in the record. */
  readonly begun: string[] = [];
  /** Questions and effects so far. */
  effects = 0;
  readonly #record: Map<string, JsonValue>;
  readonly #options: RecordOptions;
  readonly #names = new Set<string>();

  constructor(record: Map<string, JsonValue>, options: RecordOptions) {
    this.#record = record;
    if (!executions.has(record)) executions.set(record, randomUUID());
    this.#options = options;
  }

  run<Result extends JsonValue>(name: string, effect: (attempt: StepAttempt) => Promise<Result>): Promise<Result> {
    return this.#once(name, async (begin) => {
      const { attempts = 6, advance } = this.#options;
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#effect(() => effect(begin(attempt)));
        } catch (error) {
          if (!isWorthAnother(error) || attempt >= attempts) throw error;
          await advance(1_000);
        }
      }
    });
  }

  until<Result extends JsonValue>(
    name: string,
    ask: (attempt: StepAttempt) => Promise<Result | undefined>,
    options: { readonly everyMs: number; readonly timeoutMs: number },
  ): Promise<Result> {
    return this.#once(name, async (begin) => {
      const { everyMs, timeoutMs } = options;
      for (let waitedMs = 0, attempt = 1; ; waitedMs += Math.max(everyMs, 1), attempt++) {
        let failed: unknown;
        try {
          const answer = await this.#effect(() => ask(begin(attempt)));
          if (answer !== undefined) return answer;
        } catch (error) {
          if (!isWorthAnother(error)) throw error;
          failed = error;
        }
        if (waitedMs >= timeoutMs) throw failed ?? tookTooLong('under test', name, timeoutMs);
        await this.#options.advance(everyMs);
      }
    });
  }

  async #once<Result extends JsonValue>(
    name: string,
    work: (begin: (attempt: number) => StepAttempt) => Promise<Result>,
  ): Promise<Result> {
    if (this.#names.has(name)) throw new Error(`Two steps of one run are called "${name}".`);
    this.#names.add(name);
    if (this.#record.has(name)) return this.#record.get(name) as Result;
    this.begun.push(name);
    const result = await work((attempt) => this.#attemptOf(name, attempt));
    // As a journal would give it back.
    const stored = JSON.parse(JSON.stringify(result)) as Result;
    this.#record.set(name, stored);
    return stored;
  }

  async #effect<Result>(effect: () => Promise<Result>): Promise<Result> {
    const number = this.effects++;
    const isLast = number === this.#options.diesAfter;
    try {
      const result = await effect();
      if (!isLast) return result;
    } catch (error) {
      if (!isLast) throw error;
    }
    // Whatever came of it, nobody heard of it.
    throw new Died();
  }

  #attemptOf(name: string, attempt: number): StepAttempt {
    const key = `${executions.get(this.#record) ?? ''}/${name}#1`;
    const token = createHash('sha256').update(key).digest('hex').slice(0, 32);
    return { key, token, attempt, signal: new AbortController().signal };
  }
}

function isWorthAnother(error: unknown): boolean {
  return error instanceof PlatformError && error.retryable;
}
