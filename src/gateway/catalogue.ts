/**
 * The catalogue: the last good listing of every target, refreshed in the background, and the versions that clients
 * page through. No list waits for a target longer than its budget, and no sick target empties a list.
 */

import { createHash } from 'node:crypto';
import { Context } from '../core/context.ts';
import type { Principal } from '../core/context.ts';
import type { PlatformError } from '../core/errors.ts';
import { toPlatformError } from '../core/errors.ts';
import type { Clock, IdSource, Logger } from '../core/ports.ts';
import type { Definition, DefinitionMark, Target, TargetChange, TargetListing } from '../core/target.ts';
import { definitionDigest, publish } from './publish.ts';
import type { ListKind, PublishedSet } from './publish.ts';
import type { TargetSet } from './target-set.ts';
import { buildView } from './view.ts';
import type { Endpoint, View } from './view.ts';

/** A target that does not announce changes is listed again after this. */
const DEFAULT_TTL_MS = 300_000;
const MIN_TTL_MS = 1_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
/** Longest pause that a target can ask for. */
const MAX_ASKED_PAUSE_MS = 600_000;
/** How long one list may wait for targets that have never answered. */
const LIST_BUDGET_MS = 3_000;
const LIST_TIMEOUT_MS = 15_000;

export interface CatalogueChange {
  /** Absent when every tenant may be concerned. */
  readonly tenant: string | undefined;
  readonly target: Target;
  readonly kinds: readonly ListKind[];
  /** Of a changed resource: its URI in the target's own words. */
  readonly uri?: string;
}

interface Slot {
  readonly target: Target;
  /** Whom the listing serves; `''` for all tenants alike. */
  readonly tenant: string;
  /** Under which tenant it is read: the first that asked, whose calls then share the server's process. */
  readonly reader: string;
  listing: TargetListing | undefined;
  digests: ReadonlyMap<ListKind, string>;
  /** What runs behind its definitions; a change of it is remembered, and no change of a list. */
  code: string;
  prefixed: PublishedSet | undefined;
  bare: PublishedSet | undefined;
  listedAtMs: number | undefined;
  dueAtMs: number;
  failures: number;
  error: PlatformError | undefined;
  pending: Promise<void> | undefined;
}

export interface SlotStatus {
  readonly listing: TargetListing | undefined;
  readonly listedAtMs: number | undefined;
  readonly error: PlatformError | undefined;
  readonly pending: boolean;
}

export interface CatalogueParts {
  readonly targets: TargetSet;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  /** Told of all definitions whenever one is new or leads elsewhere; must not throw. */
  readonly onDefinitions?: (tenant: string, target: Target, marks: ReadonlyMap<string, DefinitionMark>) => void;
}

interface Memo {
  readonly view: View;
  /** Monotonic time at which some slot of the view is due. */
  readonly dueAtMs: number;
}

export class Catalogue {
  readonly #parts: CatalogueParts;
  readonly #slots = new Map<Target, Map<string, Slot>>();
  /** By endpoint, then tenant: a lookup makes no new string. */
  readonly #views = new Map<Endpoint, Map<string, Memo>>();
  readonly #listeners = new Set<(change: CatalogueChange) => void>();
  readonly #unsubscribe = new Map<Target, () => void>();
  /** Grows with every change of any listing. */
  version = 1;

  constructor(parts: CatalogueParts) {
    this.#parts = parts;
    for (const target of parts.targets.all()) this.#watch(target);
    parts.targets.onChange((target, what) => (what === 'added' ? this.#watch(target) : this.#forget(target)));
  }

  onChange(listener: (change: CatalogueChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #emit(change: CatalogueChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  #watch(target: Target): void {
    this.#bump();
    this.#unsubscribe.set(
      target,
      target.onChange((change) => this.#targetChanged(target, change)),
    );
  }

  #forget(target: Target): void {
    this.#unsubscribe.get(target)?.();
    this.#unsubscribe.delete(target);
    const tenants = [...(this.#slots.get(target)?.keys() ?? [])];
    this.#slots.delete(target);
    this.#bump();
    const tenant = tenants.length === 1 && tenants[0] !== '' ? tenants[0] : undefined;
    this.#emit({ tenant, target, kinds: ['tools', 'prompts', 'resources'] });
  }

  #bump(): void {
    this.version++;
    this.#views.clear();
  }

  #targetChanged(target: Target, change: TargetChange & { readonly tenant?: string }): void {
    if (change.kind === 'resource') {
      this.#emit({
        tenant: change.tenant,
        target,
        kinds: [],
        ...(change.uri === undefined ? {} : { uri: change.uri }),
      });
      return;
    }
    for (const slot of this.#slots.get(target)?.values() ?? []) {
      if (change.tenant !== undefined && slot.tenant !== '' && slot.tenant !== change.tenant) continue;
      void this.#refreshAgain(slot);
    }
  }

  /** A change announced while a listing is being read may have missed it: read once more afterwards. */
  async #refreshAgain(slot: Slot): Promise<void> {
    if (slot.pending !== undefined) await slot.pending;
    await this.#refresh(slot);
  }

  #slot(target: Target, tenant: string): Slot {
    const key = target.perTenant === true ? tenant : '';
    const slots = this.#slots.get(target) ?? new Map<string, Slot>();
    this.#slots.set(target, slots);
    let slot = slots.get(key);
    if (slot === undefined) {
      slot = {
        target,
        tenant: key,
        reader: tenant,
        listing: undefined,
        digests: new Map(),
        code: '',
        prefixed: undefined,
        bare: undefined,
        listedAtMs: undefined,
        dueAtMs: 0,
        failures: 0,
        error: undefined,
        pending: undefined,
      };
      slots.set(key, slot);
    }
    return slot;
  }

  /** Reads a target's lists now. Never throws: the slot keeps its last good listing and the reason. */
  refresh(target: Target, tenant: string): Promise<void> {
    return this.#refresh(this.#slot(target, tenant));
  }

  /** Reads a target's lists in a read that begins after this call: what was acknowledged before is in it. */
  relist(target: Target, tenant: string): Promise<void> {
    return this.#refreshAgain(this.#slot(target, tenant));
  }

  #refresh(slot: Slot): Promise<void> {
    slot.pending ??= this.#load(slot).finally(() => {
      slot.pending = undefined;
    });
    return slot.pending;
  }

  async #load(slot: Slot): Promise<void> {
    const { clock } = this.#parts;
    try {
      const listing = await slot.target.list(this.#systemContext(slot.reader));
      slot.error = undefined;
      slot.failures = 0;
      slot.listedAtMs = clock.nowMs();
      slot.dueAtMs =
        clock.monotonicMs() +
        Math.max(MIN_TTL_MS, listing.ttlMs === undefined || listing.ttlMs === 0 ? DEFAULT_TTL_MS : listing.ttlMs);
      this.#accept(slot, listing);
    } catch (thrown) {
      slot.error = toPlatformError(thrown);
      slot.failures++;
      slot.dueAtMs = clock.monotonicMs() + pauseMs(slot.failures, slot.error);
      this.#parts.log.log('warn', 'target-list-failed', {
        target: slot.target.id,
        code: slot.error.code,
        reason: slot.error.message,
      });
    }
    // Views remember when a slot is due, so they must look again.
    this.#views.clear();
  }

  #accept(slot: Slot, listing: TargetListing): void {
    const digests = digestByKind(listing.definitions);
    const changed = (['tools', 'prompts', 'resources', 'templates'] as const).filter(
      (kind) => digests.get(kind) !== (slot.digests.get(kind) ?? NOTHING),
    );
    const first = slot.listing === undefined;
    slot.listing = listing;
    const isSame = changed.length === 0 && !first;
    const code = codeOf(listing.definitions);
    if (!isSame || code !== slot.code) this.#recordDefinitions(slot, listing);
    slot.code = code;
    if (isSame) return;
    slot.digests = digests;
    slot.prefixed = publish(slot.target, listing, { mode: 'prefixed', tenant: slot.tenant });
    slot.bare = publish(slot.target, listing, { mode: 'bare', tenant: slot.tenant });
    this.#bump();
    this.#emit({ tenant: slot.tenant === '' ? undefined : slot.tenant, target: slot.target, kinds: changed });
  }

  #recordDefinitions(slot: Slot, listing: TargetListing): void {
    const record = this.#parts.onDefinitions;
    if (record === undefined) return;
    const marks = new Map(
      listing.definitions.map((definition) => [`${definition.kind}#${definition.key}`, markOf(definition)]),
    );
    record(slot.tenant === '' ? '*' : slot.tenant, slot.target, marks);
  }

  #systemContext(tenant: string): Context {
    const principal: Principal = {
      id: 'zeroplane',
      tenant,
      roles: ['admin'],
      scopes: ['zeroplane:use'],
    };
    const { clock, ids, log } = this.#parts;
    return new Context({ principal, requestId: ids.uuid(), clock, timeoutMs: LIST_TIMEOUT_MS, log });
  }

  /** The view of a tenant when it is complete and fresh: the hot path, without a promise. */
  current(tenant: string, endpoint: Endpoint): View | undefined {
    const memo = this.#views.get(endpoint)?.get(tenant);
    return memo !== undefined && memo.dueAtMs > this.#parts.clock.monotonicMs() ? memo.view : undefined;
  }

  /**
   * What a tenant's targets offer on an endpoint, before policy. Waits at most three seconds, and only for targets
   * that have never answered; whatever else is due is refreshed behind the caller's back.
   */
  async view(tenant: string, endpoint: Endpoint): Promise<View> {
    const ready = this.current(tenant, endpoint);
    if (ready !== undefined) return ready;
    const slots = this.#slotsOf(tenant, endpoint);
    await this.#prepare(slots);
    const sets = slots.map((slot) => ({
      target: slot.target,
      listing: slot.listing,
      set: endpoint === '' ? slot.prefixed : slot.bare,
    }));
    const view = buildView(this.version, sets);
    const now = this.#parts.clock.monotonicMs();
    // A slot that is being read, or is due and was left for later, is worth another look soon.
    const dueAtMs = Math.min(now + DEFAULT_TTL_MS, ...slots.map((slot) => Math.max(slot.dueAtMs, now + MIN_TTL_MS)));
    const views = this.#views.get(endpoint) ?? new Map<string, Memo>();
    this.#views.set(endpoint, views.set(tenant, { view, dueAtMs }));
    return view;
  }

  #slotsOf(tenant: string, endpoint: Endpoint): Slot[] {
    const targets = this.#parts.targets.of(tenant).filter((target) => endpoint === '' || target.id === endpoint);
    return targets.map((target) => this.#slot(target, tenant));
  }

  async #prepare(slots: readonly Slot[]): Promise<void> {
    const now = this.#parts.clock.monotonicMs();
    const due = slots.filter((slot) => slot.dueAtMs <= now);
    const started = due.map((slot) => ({ slot, done: this.#refresh(slot) }));
    const blocking = started
      .filter(({ slot }) => slot.listing === undefined && slot.failures === 0)
      .map(({ done }) => done);
    if (blocking.length > 0) await this.#within(LIST_BUDGET_MS, Promise.all(blocking));
  }

  async #within(budgetMs: number, work: Promise<unknown>): Promise<void> {
    let cancel = (): void => {};
    const timeout = new Promise<void>((resolve) => {
      cancel = this.#parts.clock.after(budgetMs, resolve);
    });
    await Promise.race([work, timeout]);
    cancel();
  }

  /** Every target of a tenant, by id; what of it a caller may know, the policy decides. */
  targets(tenant: string): readonly Target[] {
    return this.#parts.targets.of(tenant);
  }

  /** For the status page. */
  status(target: Target, tenant: string): SlotStatus {
    const slot = this.#slot(target, tenant);
    return {
      listing: slot.listing,
      listedAtMs: slot.listedAtMs,
      error: slot.error,
      pending: slot.pending !== undefined,
    };
  }
}

const digestOf = (texts: readonly string[]): string => createHash('sha256').update(texts.join('\n')).digest('hex');

/** The digest of a list without items: a target's first listing changes only the lists that it has. */
const NOTHING = digestOf([]);

function digestByKind(definitions: readonly Definition[]): ReadonlyMap<ListKind, string> {
  const texts: Record<ListKind, string[]> = { tools: [], prompts: [], resources: [], templates: [] };
  const kindOf = { tool: 'tools', prompt: 'prompts', resource: 'resources', template: 'templates' } as const;
  for (const { kind, text, tags } of definitions)
    // Tags decide who sees it, so other tags are another list.
    texts[kindOf[kind]].push(tags === undefined ? text : `${text}\n${JSON.stringify(tags)}`);
  return new Map(Object.entries(texts).map(([kind, list]) => [kind as ListKind, digestOf(list)]));
}

function markOf(definition: Definition): DefinitionMark {
  const digest = definitionDigest(definition);
  return definition.code === undefined ? { digest } : { digest, code: definition.code };
}

function codeOf(definitions: readonly Definition[]): string {
  return definitions
    .flatMap(({ kind, key, code }) => (code === undefined ? [] : [`${kind}#${key} ${code.version} ${code.sha256}`]))
    .join('\n');
}

/** Growing pauses between lists that failed, and no list sooner than the target has asked for. */
function pauseMs(failures: number, { details }: PlatformError): number {
  const ours = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
  const asked = details['retryAfterMs'];
  return typeof asked === 'number' ? Math.max(ours, Math.min(MAX_ASKED_PAUSE_MS, asked)) : ours;
}
