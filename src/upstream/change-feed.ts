/** What servers announce, gathered for a moment so that a flood of announcements is one. */

import type { Clock } from '../core/ports.ts';
import type { TargetChange } from '../core/target.ts';

const GATHER_MS = 20;
/** Different changes that are gathered at most; beyond these a further one is already covered by a list change. */
const MAX_GATHERED = 1_000;

const LISTS: ReadonlyMap<string, TargetChange['kind']> = new Map([
  ['notifications/tools/list_changed', 'tools'],
  ['notifications/prompts/list_changed', 'prompts'],
  ['notifications/resources/list_changed', 'resources'],
]);

export class ChangeFeed {
  readonly #clock: Clock;
  readonly #listeners = new Set<(change: TargetChange) => void>();
  readonly #gathered = new Map<string, TargetChange>();

  constructor(clock: Clock) {
    this.#clock = clock;
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

  announce(change: TargetChange): void {
    if (this.#gathered.size >= MAX_GATHERED) return;
    this.#gathered.set(`${change.kind} ${change.uri ?? ''}`, change);
    if (this.#gathered.size === 1) this.#clock.after(GATHER_MS, () => this.#flush());
  }

  #flush(): void {
    const changes = [...this.#gathered.values()];
    this.#gathered.clear();
    for (const change of changes) for (const listener of this.#listeners) listener(change);
  }
}
