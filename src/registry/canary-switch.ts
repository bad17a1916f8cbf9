/**
 * Which canaries still run: counts how the tried version does and, when it fails too often, switches it off for
 * everybody. That is stored, so a restart does not try it again; another version, another setting or a new
 * registration is another canary. Each instance counts its own calls; switching off is told to all.
 */

import type { RequestContext } from '../core/context.ts';
import { textOf } from '../core/json.ts';
import type { Clock, EventPort, Logger, StoreRoot, TableSpec } from '../core/ports.ts';
import {
  DEFAULT_ERROR_PERCENT,
  DEFAULT_MIN_CALLS,
  isInCanary,
  type Canary,
  type CanaryRoute,
  type Rollback,
} from './canary.ts';
import type { CodeVersions } from './code-versions.ts';

const CANARIES: TableSpec = { name: 'tool-canaries', partitionKey: 'canary' };
/** Topic of the change feed. Detail: `{canary}`. */
const SWITCHED_OFF = 'canary-switched-off';
/** The newest calls are judged, so that a long good time does not hide a bad one. */
const WINDOW = 100;
const FLUSH_MS = 1000;

export interface CanarySwitchParts {
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events?: EventPort | undefined;
  readonly versions?: CodeVersions | undefined;
}

/** One call on the tried version. */
export interface Trial {
  readonly functionName: string;
  /** Counts how it ended; a call that says nothing is not counted. */
  end(isFailure: boolean): void;
}

/** For the status page. */
export interface CanaryReport {
  readonly tool: string;
  readonly candidate: string;
  readonly percent: number;
  readonly cohort: readonly string[];
  readonly state: 'running' | 'switched-off';
  /** Of the newest calls, by which it is judged. */
  readonly calls: number;
  readonly errors: number;
  /** When it was switched off, and what to do about it. */
  readonly since?: string;
  readonly reason?: string;
}

interface State {
  readonly route: CanaryRoute;
  readonly generation: string;
  /** Newest last; true is a failure. */
  outcomes: boolean[];
  offSince: string | undefined;
}

interface Slot {
  readonly generation: string;
  readonly loading: Promise<State>;
  state: State | undefined;
}

export class CanarySwitch {
  readonly #parts: CanarySwitchParts;
  /** By owner and id. */
  readonly #slots = new Map<string, Slot>();
  readonly #watches = new Map<string, () => void>();
  readonly #dirty = new Set<State>();
  #cancelFlush: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: CanarySwitchParts) {
    this.#parts = parts;
  }

  /** @returns `undefined` when the caller gets the stable version. */
  async begin(route: CanaryRoute, context: RequestContext): Promise<Trial | undefined> {
    if (!isInCanary(route, context.principal)) return undefined;
    const state = await this.#state(route);
    if (state === undefined || state.offSince !== undefined) return undefined;
    return { functionName: route.candidate, end: (isFailure) => this.#count(state, isFailure) };
  }

  /** Reads what is stored about a canary, for {@link report}. */
  async prepare(route: CanaryRoute): Promise<void> {
    await this.#state(route);
  }

  report(route: CanaryRoute): CanaryReport {
    const state = this.#slots.get(keyOf(route))?.state;
    const { tool, candidate, settings } = route;
    const outcomes = state?.outcomes ?? [];
    const { percent = 0, cohort = [] } = settings;
    const counts = { calls: outcomes.length, errors: failures(outcomes) };
    const base = { tool, candidate, percent, cohort, ...counts };
    if (state?.offSince === undefined) return { ...base, state: 'running' };
    const what = `It failed in ${counts.errors} of ${counts.calls} calls.`;
    const next = `Look at the log of ${candidate}; another version, or a changed canary, is tried anew.`;
    return { ...base, state: 'switched-off', since: state.offSince, reason: `${what} ${next}` };
  }

  /** Stores what was counted. */
  async close(): Promise<void> {
    for (const stop of this.#watches.values()) stop();
    this.#watches.clear();
    this.#flush();
    await this.#writing;
  }

  // -- state -----------------------------------------------------------------------------------------------

  /** `undefined` when the store cannot say: nobody is experimented on then. */
  async #state(route: CanaryRoute): Promise<State | undefined> {
    const code = await this.#parts.versions?.of(route.candidate);
    const generation = `${route.generation} ${code?.version ?? ''} ${code?.sha256 ?? ''}`;
    const key = keyOf(route);
    let slot = this.#slots.get(key);
    if (slot?.generation !== generation) {
      this.#watch(route.owner);
      slot = { generation, loading: this.#load(route, generation), state: undefined };
      this.#slots.set(key, slot);
    }
    if (slot.state !== undefined) return slot.state;
    const { loading } = slot;
    try {
      slot.state = await loading;
      return slot.state;
    } catch (error) {
      if (this.#slots.get(key) === slot) this.#slots.delete(key);
      this.#parts.log.log('warn', 'canary-not-read', { tool: route.tool, reason: String(error) });
      return undefined;
    }
  }

  async #load(route: CanaryRoute, generation: string): Promise<State> {
    const item = await this.#parts.store.store(route.owner).table(CANARIES).get({ canary: route.id });
    const isSame = item?.['generation'] === generation;
    const outcomes = isSame
      ? textOf(item['outcomes'])
          .split('')
          .map((each) => each === '1')
      : [];
    const since = isSame ? item['offSince'] : undefined;
    return { route, generation, outcomes, offSince: typeof since === 'string' ? since : undefined };
  }

  /** Another instance may have switched one off. */
  #watch(owner: string): void {
    if (this.#watches.has(owner)) return;
    const stop = this.#parts.store.store(owner).changes.watch(({ topic, detail }) => {
      if (topic !== SWITCHED_OFF) return;
      const id = (detail as { readonly canary?: unknown } | null)?.canary;
      const key = `${owner}\0${textOf(id)}`;
      const state = this.#slots.get(key)?.state;
      if (state === undefined || state.offSince !== undefined) return;
      this.#slots.delete(key);
      void this.#state(state.route);
    });
    this.#watches.set(owner, stop);
  }

  // -- counting --------------------------------------------------------------------------------------------

  #count(state: State, isFailure: boolean): void {
    if (state.offSince !== undefined) return;
    const { errorPercent, minCalls } = limitsOf(state.route.settings);
    state.outcomes.push(isFailure);
    if (state.outcomes.length > Math.max(WINDOW, minCalls)) state.outcomes.shift();
    const calls = state.outcomes.length;
    const percent = (failures(state.outcomes) / calls) * 100;
    this.#dirty.add(state);
    if (isFailure && calls >= minCalls && percent > errorPercent) this.#switchOff(state, percent);
    else this.#cancelFlush ??= this.#parts.clock.after(FLUSH_MS, () => this.#flush());
  }

  #switchOff(state: State, errorPercent: number): void {
    const { clock, log, events, store } = this.#parts;
    const { tool, candidate, owner, id } = state.route;
    const atMs = clock.nowMs();
    state.offSince = new Date(atMs).toISOString();
    const facts = { tenant: owner, tool, candidate, errorPercent, calls: state.outcomes.length };
    log.log('warn', SWITCHED_OFF, facts);
    events?.emit({ type: SWITCHED_OFF, ...facts, atMs });
    this.#flush();
    // Told once it is stored, so that whoever reads it then finds it.
    this.#then(async () => {
      await store.store(owner).changes.publish(SWITCHED_OFF, { canary: id });
    });
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    const states = [...this.#dirty];
    this.#dirty.clear();
    for (const state of states) this.#then(() => this.#write(state));
  }

  async #write(state: State): Promise<void> {
    const { route, generation, outcomes, offSince } = state;
    // Counts of a canary that another one has replaced since are of no use.
    if (this.#slots.get(keyOf(route))?.generation !== generation) return;
    const item = {
      canary: route.id,
      generation,
      outcomes: outcomes.map((isFailure) => (isFailure ? '1' : '0')).join(''),
      ...(offSince === undefined ? {} : { offSince }),
    };
    await this.#parts.store.store(route.owner).table(CANARIES).put(item);
  }

  /** One write after the other; a store that fails is logged, and the state in memory still holds. */
  #then(run: () => Promise<void>): void {
    this.#writing = this.#writing
      .then(run)
      .catch((error: unknown) => this.#parts.log.log('warn', 'canary-not-stored', { reason: String(error) }));
  }
}

function keyOf({ owner, id }: CanaryRoute): string {
  return `${owner}\0${id}`;
}

function failures(outcomes: readonly boolean[]): number {
  return outcomes.reduce((sum, isFailure) => sum + (isFailure ? 1 : 0), 0);
}

function limitsOf({ rollback }: Canary): Required<{ [Key in keyof Rollback]: number }> {
  return {
    errorPercent: rollback?.errorPercent ?? DEFAULT_ERROR_PERCENT,
    minCalls: rollback?.minCalls ?? DEFAULT_MIN_CALLS,
  };
}
