/** Begins the conversation of a slot, and begins it again when its server has ended, hangs, or comes back. */

import type { Clock, Logger } from '../core/ports.ts';
import type { RequestContext } from '../core/context.ts';
import type { Connector, Conversation, Era } from './conversation.ts';
import type { ConversationSlot } from './conversation-slot.ts';
import { Context } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { ChangeFeed } from './change-feed.ts';
import { targetUnavailable } from './failures.ts';
import { StartGate } from './start-gate.ts';

export interface SlotStarterOptions {
  /** Id of the target. */
  readonly id: string;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds until a server must have introduced itself. @default 30000 */
  readonly openTimeoutMs?: number;
  readonly gate?: StartGate;
}

/** A conversation that lasted this long was no failed start. */
const SETTLED_MS = 10_000;
/** Milliseconds a server that has missed a deadline gets to answer a ping. */
const ALIVE_MS = 30_000;

export class SlotStarter {
  readonly gate: StartGate;
  readonly changes: ChangeFeed;
  readonly #options: SlotStarterOptions;
  /** Conversations whose server is being pinged. */
  readonly #checked = new Set<Conversation>();
  #era: Era | undefined;
  #protocolVersion: string | undefined;
  #stopped = false;

  constructor(options: SlotStarterOptions) {
    this.#options = options;
    this.gate = options.gate ?? new StartGate({ target: options.id, clock: options.clock });
    this.changes = new ChangeFeed(options.clock);
  }

  /** Era of the last conversation that was opened. */
  get era(): Era | undefined {
    return this.#era;
  }

  /** Revision of the last conversation that was opened. */
  get protocolVersion(): string | undefined {
    return this.#protocolVersion;
  }

  /** Nothing is begun again from now on. */
  stop(): void {
    this.#stopped = true;
  }

  /** @throws PlatformError as `Connector.open`, and `TARGET_BREAKER_OPEN`. */
  async open(slot: ConversationSlot, caller: RequestContext): Promise<Conversation> {
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
      if (reason === undefined || this.#stopped || slot.closed) return;
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
      if (this.#stopped || slot.closed || slot.current !== undefined) return;
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
  observed(slot: ConversationSlot, conversation: Conversation, error: unknown): unknown {
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
}

/** Failures that say something about the target's health. */
function isOurFailure(error: unknown): error is PlatformError {
  return (
    error instanceof PlatformError &&
    (error.code === 'TARGET_UNAVAILABLE' || error.code === 'TARGET_TIMEOUT' || error.code === 'TARGET_PROTOCOL_ERROR')
  );
}
