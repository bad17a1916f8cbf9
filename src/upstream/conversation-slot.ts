/** A place for one conversation, opened when it is first needed and again after it has ended. */

import type { RequestContext } from '../core/context.ts';
import type { Principal } from '../core/context.ts';
import type { Clock } from '../core/ports.ts';
import type { Conversation } from './conversation.ts';
import { targetUnavailable } from './failures.ts';
import { waitFor } from './waiting.ts';

export interface SlotOptions {
  /** Name of the target, for error messages. */
  readonly target: string;
  readonly clock: Clock;
  /** Client capabilities the server is told of. */
  readonly declare: Readonly<Record<string, unknown>>;
  /** On whose behalf the conversation is opened. */
  readonly principal: Principal;
  /** Milliseconds without a request after which the conversation may be closed. */
  readonly idleMs: number;
  readonly open: (slot: ConversationSlot, context: RequestContext) => Promise<Conversation>;
}

export class ConversationSlot {
  readonly principal: Principal;
  readonly declare: Readonly<Record<string, unknown>>;
  readonly idleMs: number;
  /** Requests that run on the conversation now. */
  users = 0;
  lastUsedMs: number;
  /** Gives up an opening that is under way; what it had started is closed by whoever opens. */
  abandonOpening: (() => void) | undefined;
  /** Resources that somebody follows; followed again after a restart. */
  readonly followed = new Set<string>();
  readonly #options: SlotOptions;
  #conversation: Conversation | undefined;
  #opening: Promise<Conversation> | undefined;
  #closed = false;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.principal = options.principal;
    this.declare = options.declare;
    this.idleMs = options.idleMs;
    this.lastUsedMs = options.clock.monotonicMs();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The live conversation, if there is one. */
  get current(): Conversation | undefined {
    return this.#conversation?.ended === false ? this.#conversation : undefined;
  }

  get isIdle(): boolean {
    return this.users === 0 && this.#opening === undefined && this.followed.size === 0;
  }

  /**
   * The live conversation, opened now if need be. Callers share one opening, and each waits no longer than its own deadline.
   *
   * @throws PlatformError as `Connector.open`, and `TARGET_BREAKER_OPEN`.
   */
  get(context: RequestContext): Promise<Conversation> {
    const { current } = this;
    if (current !== undefined) return Promise.resolve(current);
    const { target, clock } = this.#options;
    if (this.#closed) return Promise.reject(targetUnavailable(target, 'was removed. Ask for the list again.'));
    this.#opening ??= this.#open(context);
    return waitFor(this.#opening, { target, clock, context, subject: 'starting the server' });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.abandonOpening?.();
    await this.#conversation?.close();
  }

  async #open(context: RequestContext): Promise<Conversation> {
    try {
      const conversation = await this.#options.open(this, context);
      if (this.#closed) {
        await conversation.close();
        throw targetUnavailable(this.#options.target, 'was removed. Ask for the list again.');
      }
      this.#conversation = conversation;
      return conversation;
    } finally {
      this.#opening = undefined;
    }
  }
}
