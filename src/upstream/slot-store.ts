/** All conversations of one target: who shares which, how many there may be, and when an unused one ends. */

import type { Principal, RequestContext } from '../core/context.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { Conversation, Era } from './conversation.ts';
import type { SlotStarterOptions } from './slot-starter.ts';
import type { StartGate } from './start-gate.ts';
import { PlatformError } from '../core/errors.ts';
import { ConversationSlot } from './conversation-slot.ts';
import { DeclaringPool } from './declaring-pool.ts';
import { targetUnavailable } from './failures.ts';
import { DECLARE_ALL } from './revisions.ts';
import { SlotStarter } from './slot-starter.ts';

export interface SlotStoreOptions extends SlotStarterOptions {
  /**
   * `shared`: per tenant with a local server, per principal with a remote one. `per-principal`: never shared.
   * `per-call`: a fresh conversation for each call. @default 'shared'
   */
  readonly isolation?: 'shared' | 'per-principal' | 'per-call';
  /** Milliseconds after which an unused conversation ends; a shared local one stays. @default 600000 */
  readonly idleMs?: number;
  /** Most conversations of this target at one time. @default 64 */
  readonly maxConversations?: number;
  /** Most conversations of one principal that may ask. @default 4 */
  readonly maxDeclaring?: number;
}

/** The catalogue of a local server is read now and then; its process does not wait in between. */
const CATALOGUE_IDLE_MS = 15_000;

export class SlotStore {
  readonly gate: StartGate;
  readonly changes: ChangeFeed;
  readonly #starter: SlotStarter;
  readonly #options: SlotStoreOptions;
  readonly #idleMs: number;
  readonly #slots = new Map<string, ConversationSlot>();
  readonly #pools = new Map<string, DeclaringPool>();
  /** Every slot there is, those of pools and of single calls included. */
  readonly #all = new Set<ConversationSlot>();
  #stopSweep: (() => void) | undefined;
  #closed = false;
  #onQuiet: (() => void) | undefined;

  constructor(options: SlotStoreOptions) {
    this.#options = options;
    this.#idleMs = options.idleMs ?? 600_000;
    this.#starter = new SlotStarter(options);
    this.gate = this.#starter.gate;
    this.changes = this.#starter.changes;
  }

  /** Era of the last conversation that was opened. */
  get era(): Era | undefined {
    return this.#starter.era;
  }

  get protocolVersion(): string | undefined {
    return this.#starter.protocolVersion;
  }

  get hasOpened(): boolean {
    return this.protocolVersion !== undefined;
  }

  get openConversations(): number {
    let count = 0;
    for (const slot of this.#all) if (slot.current !== undefined) count++;
    return count;
  }

  /** Whether every call gets a conversation of its own. */
  get isolated(): boolean {
    return this.#options.isolation === 'per-call';
  }

  /** The conversation that declares nothing. */
  plain(context: RequestContext): ConversationSlot {
    const key = this.#shareKey('plain', context);
    return (
      this.#slots.get(key) ??
      this.#makeSlot(context.principal, {}, { key, idleMs: this.#staysWarm ? Number.POSITIVE_INFINITY : this.#idleMs })
    );
  }

  /** The conversation that declares everything and is only asked for lists. */
  catalogue(context: RequestContext): ConversationSlot {
    const key = this.#shareKey('catalogue', context);
    const idleMs = this.#options.connector.kind === 'stdio' ? Math.min(CATALOGUE_IDLE_MS, this.#idleMs) : this.#idleMs;
    return this.#slots.get(key) ?? this.#makeSlot(context.principal, DECLARE_ALL, { key, idleMs });
  }

  /** The caller's own conversations that declare everything. */
  declaring(context: RequestContext): DeclaringPool {
    const { principal } = context;
    const key = principalKey(principal);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = new DeclaringPool({
        target: this.#options.id,
        clock: this.#options.clock,
        maxSlots: this.#options.maxDeclaring ?? 4,
        makeSlot: () => this.#makeSlot(principal, DECLARE_ALL, { idleMs: this.#idleMs }),
        dropSlot: (slot) => this.#all.delete(slot),
      });
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** Runs one or more requests on a slot's conversation, and learns from how they end. */
  async use<Result>(
    slot: ConversationSlot,
    context: RequestContext,
    run: (conversation: Conversation) => Promise<Result>,
  ): Promise<Result> {
    if (this.#closed) throw targetUnavailable(this.#options.id, 'was removed. Ask for the list again.');
    slot.users++;
    try {
      const conversation = slot.current ?? (await slot.get(context));
      let result: Result;
      try {
        result = await run(conversation);
      } catch (error) {
        throw this.#starter.observed(slot, conversation, error);
      }
      if (this.gate.failures > 0) this.gate.succeeded();
      return result;
    } finally {
      slot.users--;
      if (this.#closed && !this.#busy()) this.#onQuiet?.();
      slot.lastUsedMs = this.#options.clock.monotonicMs();
    }
  }

  /** Runs one call on a conversation that is opened for it and closed after it. */
  async once<Result>(
    declare: Readonly<Record<string, unknown>>,
    context: RequestContext,
    run: (conversation: Conversation) => Promise<Result>,
  ): Promise<Result> {
    const slot = this.#makeSlot(context.principal, declare, { idleMs: 0 });
    try {
      return await this.use(slot, context, run);
    } finally {
      this.#all.delete(slot);
      void slot.close();
    }
  }

  /** @param drainMs - Milliseconds that running requests get to end; none are begun any more. */
  async close(drainMs = 0): Promise<void> {
    this.#closed = true;
    this.#starter.stop();
    this.#stopSweep?.();
    if (drainMs > 0 && this.#busy()) await this.#drained(drainMs);
    await Promise.all([...this.#all].map((slot) => slot.close()));
    this.#all.clear();
    this.#slots.clear();
    this.#pools.clear();
  }

  #busy(): boolean {
    for (const slot of this.#all) if (slot.users > 0) return true;
    return false;
  }

  #drained(drainMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(drainMs, resolve);
      this.#onQuiet = () => {
        cancel();
        resolve();
      };
    });
  }

  get #staysWarm(): boolean {
    return this.#options.connector.kind === 'stdio' && (this.#options.isolation ?? 'shared') === 'shared';
  }

  #shareKey(use: string, context: RequestContext): string {
    // Each invocation names its own caller, so a function's conversation holds nothing of any of them.
    const isTenants = this.#staysWarm || this.#options.connector.kind === 'function';
    return isTenants ? `${use}\n${context.tenant}` : `${use}\n${principalKey(context.principal)}`;
  }

  #makeSlot(
    principal: Principal,
    declare: Readonly<Record<string, unknown>>,
    place: { readonly key?: string; readonly idleMs: number },
  ): ConversationSlot {
    const { id, clock } = this.#options;
    if (this.#closed) throw targetUnavailable(id, 'was removed. Ask for the list again.');
    this.#makeRoom();
    const slot = new ConversationSlot({
      target: id,
      clock,
      declare,
      principal,
      idleMs: place.idleMs,
      open: (opened, context) => this.#starter.open(opened, context),
    });
    this.#all.add(slot);
    if (place.key !== undefined) this.#slots.set(place.key, slot);
    this.#armSweep();
    return slot;
  }

  /** At the cap the conversation that was idle longest makes room. */
  #makeRoom(): void {
    const max = this.#options.maxConversations ?? 64;
    if (this.#all.size < max) return;
    let oldest: ConversationSlot | undefined;
    for (const slot of this.#all)
      if (slot.isIdle && (oldest === undefined || slot.lastUsedMs < oldest.lastUsedMs)) oldest = slot;
    if (oldest === undefined) {
      throw new PlatformError(
        'OVERLOADED',
        `target "${this.#options.id}" has ${max} conversations in use, the most it may have. Try again in a moment.`,
        {
          target: this.#options.id,
        },
      );
    }
    this.#drop(oldest);
  }

  #armSweep(): void {
    if (this.#stopSweep !== undefined || this.#closed) return;
    const everyMs = Math.max(1_000, Math.min(this.#idleMs, CATALOGUE_IDLE_MS) / 2);
    this.#stopSweep = this.#options.clock.after(everyMs, () => {
      this.#stopSweep = undefined;
      this.#sweep();
    });
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const slot of this.#all) if (slot.isIdle && nowMs - slot.lastUsedMs >= slot.idleMs) this.#drop(slot);
    if (this.#all.size > 0) this.#armSweep();
  }

  #drop(slot: ConversationSlot): void {
    this.#all.delete(slot);
    for (const [key, kept] of this.#slots) if (kept === slot) this.#slots.delete(key);
    for (const [key, pool] of this.#pools) {
      pool.remove(slot);
      if (pool.slots.length === 0 && !pool.inUse) this.#pools.delete(key);
    }
    void slot.close();
  }
}

/** Control characters cannot stand in a tenant, so the two parts cannot run into each other. */
function principalKey(principal: Principal): string {
  return `${principal.tenant}\n${principal.id}`;
}
