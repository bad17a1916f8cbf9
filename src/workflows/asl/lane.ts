/**
 * One line of states that run one after another: a whole machine, a branch of a Parallel, an iteration of a Map.
 * A lane knows its durable context, its variables, how often each of its states was entered, and whether it is over
 * because a sibling failed.
 */

import type { DurableContext } from '@aws/durable-execution-sdk-js';
import type { JsonValue } from '../../core/ports.ts';
import type { JsonObject } from '../engine/workflow-engine.ts';
import type { AslHost } from './asl-host.ts';
import { pathPart } from '../operation-name.ts';
import { Scope } from './scope.ts';
import { PAUSE_AFTER } from './work.ts';

/**
 * An attempt was broken off because nobody wants its outcome any more: a sibling failed, or the host went down. It
 * counts as no attempt, so a later run that still wants the outcome makes it again.
 */
export class Aborted extends Error {
  static readonly errorName = 'Zeroplane.Aborted';
  override readonly name = Aborted.errorName;

  constructor() {
    super('The attempt was broken off.');
  }
}

/** Shared by every lane of an execution. */
export interface Session {
  readonly host: AslHost;
  /** Counts history events up to the service's limit, and the characters of their details. */
  readonly history: { count: number; told: number };
}

export interface LaneParts {
  readonly session: Session;
  readonly context: DurableContext;
  readonly outer?: Lane;
  /** Path of the lane itself, `Net[3]`; empty for the machine. */
  readonly path: string;
  /** Which run of each enclosing Parallel or Map this is, outermost first. */
  readonly runs: readonly number[];
  /** `Map` of the context object. */
  readonly mapItem?: JsonObject;
}

export class Lane {
  readonly session: Session;
  readonly context: DurableContext;
  readonly scope: Scope;
  readonly path: string;
  readonly runs: readonly number[];
  readonly mapItem: JsonObject | undefined;
  readonly #outer: Lane | undefined;
  readonly #visits = new Map<string, number>();
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #listeners = new Set<() => void>();
  #isAborted = false;
  /** What was written last. */
  #written: { readonly value: JsonValue; readonly text: string } | undefined;
  /** Units of work since the last operation of a state. */
  #work = 0;

  constructor(parts: LaneParts) {
    this.session = parts.session;
    this.context = parts.context;
    this.path = parts.path;
    this.runs = parts.runs;
    this.#outer = parts.outer;
    this.scope = new Scope(parts.outer?.scope);
    this.mapItem = parts.mapItem ?? parts.outer?.mapItem;
  }

  /** The text of a value that was just written, here or around here, if this is it. */
  textOf(value: JsonValue): string | undefined {
    if (typeof value !== 'object' || value === null) return undefined;
    return this.#written?.value === value ? this.#written.text : this.#outer?.textOf(value);
  }

  remember(value: JsonValue, text: string): string {
    this.#written = { value, text };
    return text;
  }

  get isPauseDue(): boolean {
    return this.#work > PAUSE_AFTER;
  }

  /** A visit is over that did so much. */
  worked(units: number): void {
    this.#work += units;
  }

  /** One of many side by side begins, after so much work: every so manyth of them pauses first. */
  begins(index: number, units: number): void {
    this.#work += units;
    const every = Math.max(1, Math.floor(PAUSE_AFTER / (4 * units)));
    if (index % every === every - 1) this.#work += PAUSE_AFTER;
  }

  rested(): void {
    this.#work = 0;
  }

  /** Path and prefix of the next visit of a state: `Net[3]/Create` and `Net[3]/Create#1`. */
  enter(stateName: string): { readonly path: string; readonly prefix: string } {
    const part = pathPart(stateName);
    const path = this.path === '' ? part : `${this.path}/${part}`;
    return { path, prefix: `${path}#${this.#numbered(path)}` };
  }

  /**
   * The visits of a state within a second run of its Parallel or Map are numbered apart, `2.1`: the first run's may
   * have been recorded as a whole and are not counted again in a replay.
   */
  #numbered(path: string): string {
    const count = this.count(path);
    return this.runs.every((run) => run === 1) ? `${count}` : [...this.runs, count].join('.');
  }

  /** How often this was asked of this lane under this name, from 1. */
  count(name: string): number {
    const count = (this.#visits.get(name) ?? 0) + 1;
    this.#visits.set(name, count);
    return count;
  }

  get isAborted(): boolean {
    return this.#isAborted || this.#outer?.isAborted === true || this.session.host.signal?.aborted === true;
  }

  /** @throws Aborted when the lane is over. */
  check(): void {
    if (this.isAborted) throw new Aborted();
  }

  abort(): void {
    this.#isAborted = true;
    // A copy: a listener takes itself off the list.
    for (const listener of Array.from(this.#listeners)) listener();
  }

  /** Calls back once when this lane or one around it is aborted, at once when it is; the returned function forgets it. */
  onAbort(listener: () => void): () => void {
    if (this.isAborted) {
      listener();
      return () => undefined;
    }
    const { signal } = this.session.host;
    this.#listeners.add(listener);
    if (this.#outer === undefined) signal?.addEventListener('abort', listener);
    const forget = this.#outer?.onAbort(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#outer === undefined) signal?.removeEventListener('abort', listener);
      forget?.();
    };
  }

  /** Remembers a step until it has been recorded. */
  track<Result>(step: Promise<Result>): Promise<Result> {
    this.#inFlight.add(step);
    const forget = (): void => {
      this.#inFlight.delete(step);
    };
    step.then(forget, forget);
    void this.#outer?.track(step);
    return step;
  }

  /**
   * Resolves once the outcome of every step under way is recorded. A step that is left in flight when its context
   * ends is never recorded, and the SDK would then never suspend the execution.
   */
  async settled(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.allSettled(this.#inFlight);
  }
}
