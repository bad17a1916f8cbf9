/** What servers announce, gathered for a moment so that a flood of announcements is one. */

import type { Clock } from '../core/ports.ts';
import type { TargetChange } from '../core/target.ts';

const GATHER_MS = 20;
/** Different resources that are gathered at most. */
const MAX_GATHERED = 1_000;
/** Changes of lists that are told without delay; after these one a second. */
const PROMPT_CHANGES = 10;
const REFILL_MS = 1_000;

const LISTS: ReadonlyMap<string, TargetChange['kind']> = new Map([
  ['notifications/tools/list_changed', 'tools'],
  ['notifications/prompts/list_changed', 'prompts'],
  ['notifications/resources/list_changed', 'resources'],
]);

export class ChangeFeed {
  readonly #clock: Clock;
  readonly #listeners = new Set<(change: TargetChange) => void>();
  readonly #lists = new Set<TargetChange['kind']>();
  readonly #uris = new Set<string | undefined>();
  #prompt = PROMPT_CHANGES;
  #refilledMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#refilledMs = clock.monotonicMs();
  }

  subscribe(listener: (change: TargetChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes a notification that belongs to no request; others than announcements are not for anybody. */
  notification(method: string, params: Readonly<Record<string, unknown>>): void {
    const kind = LISTS.get(method);
    if (kind !== undefined) this.announce({ kind });
    const { uri } = params;
    if (method === 'notifications/resources/updated' && typeof uri === 'string')
      this.announce({ kind: 'resource', uri });
  }

  announce({ kind, uri }: TargetChange): void {
    if (kind === 'resource') this.#gatherUri(uri);
    else this.#gatherList(kind);
  }

  #gatherUri(uri: string | undefined): void {
    if (this.#uris.size >= MAX_GATHERED) return;
    this.#uris.add(uri);
    if (this.#uris.size > 1) return;
    this.#clock.after(GATHER_MS, () => {
      const uris = [...this.#uris];
      this.#uris.clear();
      for (const each of uris) this.#tell({ kind: 'resource', ...(each === undefined ? {} : { uri: each }) });
    });
  }

  /** There are servers that announce a change whenever their list is read, and a change is a reason to read it. */
  #gatherList(kind: TargetChange['kind']): void {
    this.#lists.add(kind);
    if (this.#lists.size > 1) return;
    this.#refill();
    const waitMs = this.#prompt >= 1 ? GATHER_MS : (1 - this.#prompt) * REFILL_MS;
    this.#clock.after(Math.max(GATHER_MS, waitMs), () => {
      this.#refill();
      this.#prompt--;
      const kinds = [...this.#lists];
      this.#lists.clear();
      for (const each of kinds) this.#tell({ kind: each });
    });
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#prompt = Math.min(PROMPT_CHANGES, this.#prompt + (nowMs - this.#refilledMs) / REFILL_MS);
    this.#refilledMs = nowMs;
  }

  #tell(change: TargetChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
