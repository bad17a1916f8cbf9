/**
 * Groups and resources as they are kept, and as time changes them: what is being made is there at once and ready later;
 * what is being removed is there until its time has come.
 */

import type { Clock } from '../../../core/ports.ts';
import type { SimulatedState } from '../simulated-state.ts';
import { objectAt, textAt } from '../rest-routes.ts';
import type { JsonObject } from '../rest-routes.ts';
import { keyOf } from './arm-paths.ts';

export const GROUP = 'resource-group';
export const RESOURCE = 'arm-resource';
export type ArmKind = typeof GROUP | typeof RESOURCE;

/** What is kept of a group or resource. */
export interface Kept {
  /** As Azure shows it, without its state. */
  readonly shown: JsonObject;
  /** Lower-case ids of resources that it cannot be without. */
  readonly references: readonly string[];
  readonly readyMs: number;
  /** When it will be gone, once its removal has begun. */
  readonly goneMs?: number;
}

type Stored = JsonObject & Kept;

export class ArmStore {
  readonly #state: SimulatedState;
  readonly #clock: Clock;

  constructor(state: SimulatedState, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /** @param id - In any case. */
  async get(kind: ArmKind, id: string): Promise<Kept | undefined> {
    const kept = await this.#state.get<Stored>(kind, keyOf(id));
    if (kept === undefined || !this.#isGone(kept)) return kept;
    await this.#remove(kind, keyOf(id));
    return undefined;
  }

  put(kind: ArmKind, kept: Kept): Promise<void> {
    const { shown, references, readyMs, goneMs } = kept;
    const value = { shown, references, readyMs, ...(goneMs === undefined ? {} : { goneMs }) };
    return this.#state.put(kind, keyOf(textAt(shown, 'id') ?? ''), value);
  }

  remove(kind: ArmKind, id: string): Promise<void> {
    return this.#remove(kind, keyOf(id));
  }

  /** All that are there. @param below - An id; what lies under it. */
  async list(kind: ArmKind, below: string): Promise<readonly Kept[]> {
    const found = await this.#state.list<Stored>(kind, keyOf(below));
    const there: Kept[] = [];
    for (const { id, value } of found) {
      if (this.#isGone(value)) await this.#remove(kind, id);
      else there.push(value);
    }
    return there;
  }

  /** The one of this name anywhere, for names that are everybody's. */
  async named(typeName: string, name: string): Promise<Kept | undefined> {
    const all = await this.list(RESOURCE, '/subscriptions/');
    return all.find(
      ({ shown }) =>
        keyOf(textAt(shown, 'type') ?? '') === keyOf(typeName) && keyOf(textAt(shown, 'name') ?? '') === keyOf(name),
    );
  }

  /** Whatever refers to it. */
  async referringTo(id: string): Promise<readonly Kept[]> {
    const all = await this.list(RESOURCE, '/subscriptions/');
    return all.filter(({ references }) => references.includes(keyOf(id)));
  }

  /** As Azure shows it now. */
  show(kept: Kept): JsonObject {
    const { shown, readyMs, goneMs } = kept;
    const now = this.#clock.nowMs();
    const provisioningState = goneMs !== undefined ? 'Deleting' : now < readyMs ? 'Creating' : 'Succeeded';
    return { ...shown, properties: { ...objectAt(shown, 'properties'), provisioningState } };
  }

  #isGone({ goneMs }: Kept): boolean {
    return goneMs !== undefined && this.#clock.nowMs() >= goneMs;
  }

  /** A group takes along what is in it. */
  async #remove(kind: ArmKind, key: string): Promise<void> {
    await this.#state.delete(kind, key);
    if (kind === RESOURCE) return;
    for (const { id } of await this.#state.list(RESOURCE, `${key}/`)) await this.#state.delete(RESOURCE, id);
  }
}
