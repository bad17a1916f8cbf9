/** Tells the watchers of this process about committed changes. */

import type { Change } from '../../../core/ports.ts';

type Listener = (change: Change) => void;

export class ChangeHub {
  readonly #listeners = new Map<string, Set<Listener>>();

  /** @param channel a tenant, or `''` to hear of all. */
  watch(channel: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set();
    // One entry per call, so that the same function may watch twice and stop once.
    const entry: Listener = (change) => listener(change);
    listeners.add(entry);
    this.#listeners.set(channel, listeners);
    return () => {
      listeners.delete(entry);
      if (listeners.size === 0 && this.#listeners.get(channel) === listeners) this.#listeners.delete(channel);
    };
  }

  emit(channel: string, change: Change): void {
    // A copy: who begins to watch inside a listener hears from the next change on.
    for (const listener of Array.from(this.#listeners.get(channel) ?? [])) {
      try {
        listener(change);
      } catch {
        // The change is committed: a failing watcher must disturb neither the publisher nor the others.
      }
    }
  }
}
