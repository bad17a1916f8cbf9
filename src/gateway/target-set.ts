/** The targets of an instance: the operator's, and those that a tenant registered for itself. */

import type { Target } from '../core/target.ts';

export class TargetSet {
  readonly #shared = new Map<string, Target>();
  readonly #owned = new Map<string, Map<string, Target>>();
  readonly #listeners = new Set<(target: Target, what: 'added' | 'removed') => void>();
  #sorted = new Map<string, readonly Target[]>();

  /** @param tenant - The owner of a registered target; absent for the operator's own. */
  add(target: Target, tenant?: string): void {
    this.#map(tenant).set(target.id, target);
    this.#sorted = new Map();
    for (const listener of this.#listeners) listener(target, 'added');
  }

  remove(id: string, tenant?: string): Target | undefined {
    const target = this.#map(tenant).get(id);
    if (target === undefined) return undefined;
    this.#map(tenant).delete(id);
    this.#sorted = new Map();
    for (const listener of this.#listeners) listener(target, 'removed');
    return target;
  }

  #map(tenant: string | undefined): Map<string, Target> {
    if (tenant === undefined) return this.#shared;
    const owned = this.#owned.get(tenant) ?? new Map<string, Target>();
    this.#owned.set(tenant, owned);
    return owned;
  }

  /** What a tenant may know of, by id; its own registration of a name loses to the operator's. */
  of(tenant: string): readonly Target[] {
    const known = this.#sorted.get(tenant);
    if (known !== undefined) return known;
    const visible = new Map<string, Target>(this.#owned.get(tenant));
    for (const [id, target] of this.#shared) if (this.isShared(tenant, id)) visible.set(id, target);
    const sorted = [...visible.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#sorted.set(tenant, sorted);
    return sorted;
  }

  /** Whether the operator's own target of this id is for the tenant. */
  isShared(tenant: string, id: string): boolean {
    const target = this.#shared.get(id);
    return target !== undefined && (target.tenants === undefined || target.tenants.includes(tenant));
  }

  get(tenant: string, id: string): Target | undefined {
    return this.of(tenant).find((target) => target.id === id);
  }

  /** The registered targets of one tenant. */
  owned(tenant: string): readonly Target[] {
    return [...(this.#owned.get(tenant)?.values() ?? [])];
  }

  all(): readonly Target[] {
    return [...this.#shared.values(), ...[...this.#owned.values()].flatMap((owned) => [...owned.values()])];
  }

  onChange(listener: (target: Target, what: 'added' | 'removed') => void): void {
    this.#listeners.add(listener);
  }
}
