/** All conversations of one target: who shares which, how many there may be, and when they end or begin again. */

import type { Principal, RequestContext } from '../core/context.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { Connector, Conversation, Era } from './conversation.ts';
import { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { ChangeFeed } from './change-feed.ts';
import { ConversationSlot } from './conversation-slot.ts';
import { DeclaringPool } from './declaring-pool.ts';
import { targetUnavailable } from './failures.ts';
import { DECLARE_ALL } from './revisions.ts';
import { StartGate } from './start-gate.ts';

export interface SlotStoreOptions {
  /** Id of the target. */
  readonly id: string;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * `shared`: per tenant with a local server, per principal with a remote one. `per-principal`: never shared.
   * `per-call`: a fresh conversation for each call. @default 'shared'
   */
  readonly isolation?: 'shared' | 'per-principal' | 'per-call';
  /** Milliseconds until a server must have introduced itself. @default 30000 */
  readonly openTimeoutMs?: number;
  /** Milliseconds after which an unused conversation ends; a shared local one stays. @default 600000 */
  readonly idleMs?: number;
  /** Most conversations of this target at one time. @default 64 */
  readonly maxConversations?: number;
  /** Most conversations of one principal that may ask. @default 4 */
  readonly maxDeclaring?: number;
  readonly gate?: StartGate;
}

/** The catalogue of a local server is read now and then; its process does not wait in between. */
const CATALOGUE_IDLE_MS = 15_000;
/** A conversation that lasted this long was no failed start. */
const SETTLED_MS = 10_000;
/** Milliseconds a server that has missed a deadline gets to answer a ping. */
const ALIVE_MS = 30_000;

export class SlotStore {
  readonly gate: StartGate;
  readonly changes: ChangeFeed;
  readonly #options: SlotStoreOptions;
  readonly #idleMs: number;
  readonly #slots = new Map<string, ConversationSlot>();
  readonly #pools = new Map<string, DeclaringPool>();
  /** Every slot there is, those of pools and of single calls included. */
  readonly #all = new Set<ConversationSlot>();
  /** Conversations whose server is being pinged. */
  readonly #checked = new Set<Conversation>();
  #era: Era | undefined;
  #protocolVersion: string | undefined;
  #stopSweep: (() => void) | undefined;
  #closed = false;
  #onQuiet: (() => void) | undefined;

  constructor(options: SlotStoreOptions) {
    this.#options = options;
    this.#idleMs = options.idleMs ?? 600_000;
    this.gate = options.gate ?? new StartGate({ target: options.id, clock: options.clock });
    this.changes = new ChangeFeed(options.clock);
  }

  /** Era of the last conversation that was opened. */
  get era(): Era | undefined {
    return this.#era;
  }

  get protocolVersion(): string | undefined {
    return this.#protocolVersion;
  }

  get hasOpened(): boolean {
    return this.#protocolVersion !== undefined;
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
        throw this.#observed(slot, conversation, error);
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
      open: (opened, context) => this.#open(opened, context),
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

  async #open(slot: ConversationSlot, caller: RequestContext): Promise<Conversation> {
    const { connector, clock, openTimeoutMs = 30_000 } = this.#options;
    await this.gate.enter();
    try {
      // The start is shared, so it must not end with the caller who happened to need it first.
      const context = new Context({
        principal: slot.principal,
        requestId: caller.requestId,
        clock,
        timeoutMs: openTimeoutMs,
        log: caller.log,
        trace: caller.trace,
        hops: caller.hops,
      });
      slot.abandonOpening = () => {
        context.abort('closed');
      };
      const conversation = await connector.open({ declare: slot.declare, context, timeoutMs: openTimeoutMs });
      this.#opened(slot, conversation);
      // Whoever wanted it first has given up waiting; the others learn that it is there now.
      if (caller.deadlineMs < clock.monotonicMs()) this.#announceAll();
      return conversation;
    } catch (error) {
      if (isOurFailure(error)) this.gate.failed(error);
      throw error;
    } finally {
      slot.abandonOpening = undefined;
      this.gate.left();
    }
  }

  #opened(slot: ConversationSlot, conversation: Conversation): void {
    this.#era = conversation.era;
    this.#protocolVersion = conversation.protocolVersion;
    const { clock } = this.#options;
    const openedMs = clock.monotonicMs();
    conversation.onNotification((method, params) => {
      this.changes.notification(method, params);
    });
    conversation.onEnd((reason) => {
      if (reason === undefined || this.#closed || slot.closed) return;
      if (clock.monotonicMs() - openedMs >= SETTLED_MS) this.gate.succeeded();
      this.gate.failed(reason);
      this.#revive(slot);
    });
    this.#followAgain(slot, conversation);
  }

  /** A warm server, or one whose resources somebody follows, comes back without being called. */
  #revive(slot: ConversationSlot): void {
    if (slot.idleMs !== Number.POSITIVE_INFINITY && slot.followed.size === 0) return;
    const { clock, log, openTimeoutMs = 30_000 } = this.#options;
    clock.after(this.gate.pauseMs, () => {
      if (this.#closed || slot.closed || slot.current !== undefined) return;
      const context = new Context({
        principal: slot.principal,
        requestId: 'restart',
        clock,
        timeoutMs: openTimeoutMs + 10_000,
        log,
      });
      slot.get(context).then(
        () => this.#announceAll(),
        () => this.#revive(slot),
      );
    });
  }

  /** What a server offers after a restart may not be what it offered before. */
  #announceAll(): void {
    for (const kind of ['tools', 'prompts', 'resources'] as const) this.changes.announce({ kind });
  }

  #followAgain(slot: ConversationSlot, conversation: Conversation): void {
    const { clock, log } = this.#options;
    for (const uri of slot.followed) {
      const context = new Context({ principal: slot.principal, requestId: 'restart', clock, timeoutMs: 10_000, log });
      const params = [{ key: 'uri', text: JSON.stringify(uri) }];
      conversation
        .request({ method: 'resources/subscribe', params, meta: [], context, timeoutMs: 10_000 })
        .catch((error: unknown) => {
          log.log('warn', 'subscription lost in a restart', {
            target: this.#options.id,
            uri,
            reason: (error as Error).message,
          });
        });
    }
  }

  /** A local server that has not answered in time and does not answer a ping either is replaced. */
  #checkAlive(slot: ConversationSlot, conversation: Conversation): void {
    if (this.#checked.has(conversation) || conversation.ended) return;
    this.#checked.add(conversation);
    const { id, clock, log } = this.#options;
    const context = new Context({ principal: slot.principal, requestId: 'alive', clock, timeoutMs: ALIVE_MS, log });
    const method = conversation.era === 'legacy' ? 'ping' : 'server/discover';
    conversation.request({ method, params: [], meta: [], context, timeoutMs: ALIVE_MS }).then(
      () => this.#checked.delete(conversation),
      (error: unknown) => {
        this.#checked.delete(conversation);
        if (!(error instanceof PlatformError) || error.code !== 'TARGET_TIMEOUT' || conversation.ended || slot.closed)
          return;
        this.gate.failed(
          targetUnavailable(id, `hangs: it has not answered a ping for ${ALIVE_MS / 1000} s and is started again.`),
        );
        void conversation.close();
        this.#revive(slot);
      },
    );
  }

  /** Learns from an error of a request. @returns what its caller gets. */
  #observed(slot: ConversationSlot, conversation: Conversation, error: unknown): unknown {
    if (!isOurFailure(error)) {
      // The server has answered, with an error of its own: it is well.
      if (this.gate.failures > 0 && !conversation.ended && !(error instanceof PlatformError)) this.gate.succeeded();
      return error;
    }
    if (error.code === 'TARGET_TIMEOUT' && this.#options.connector.kind === 'stdio')
      this.#checkAlive(slot, conversation);
    if (!conversation.ended || error.code !== 'TARGET_UNAVAILABLE') return error;
    return new PlatformError(error.code, error.message, { ...error.details, lost: true }, { cause: error });
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

/** Failures that say something about the target's health. */
function isOurFailure(error: unknown): error is PlatformError {
  return (
    error instanceof PlatformError &&
    (error.code === 'TARGET_UNAVAILABLE' || error.code === 'TARGET_TIMEOUT' || error.code === 'TARGET_PROTOCOL_ERROR')
  );
}
