/**
 * The conversations of one caller with one legacy server that was told it may ask. Questions carry no mark of
 * the call they belong to, so one call at a time runs on each; the others wait in order. A call that waits for a
 * person's answer would stop the rest, so while one does, a further conversation may be opened.
 */

import type { RequestContext } from '../core/context.ts';
import type { Clock } from '../core/ports.ts';
import type { Exchange } from '../core/target.ts';
import type { ConversationSlot } from './conversation-slot.ts';
import { waitFor } from './waiting.ts';

export interface PoolOptions {
  /** Name of the target, for error messages. */
  readonly target: string;
  readonly clock: Clock;
  /** Most conversations of this caller. */
  readonly maxSlots: number;
  readonly makeSlot: () => ConversationSlot;
  readonly dropSlot: (slot: ConversationSlot) => void;
}

interface Member {
  readonly slot: ConversationSlot;
  busy: boolean;
  /** Questions of its call that wait for an answer. */
  asking: number;
}

export class DeclaringPool {
  readonly #options: PoolOptions;
  readonly #members: Member[] = [];
  readonly #queue: ((member: Member) => void)[] = [];

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get slots(): readonly ConversationSlot[] {
    return this.#members.map((member) => member.slot);
  }

  /** Whether a call runs or waits. */
  get inUse(): boolean {
    return this.#queue.length > 0 || this.#members.some((member) => member.busy);
  }

  /** Forgets a conversation that was closed for being idle. */
  remove(slot: ConversationSlot): void {
    const index = this.#members.findIndex((member) => member.slot === slot && !member.busy);
    if (index < 0) return;
    this.#members.splice(index, 1);
    this.#options.dropSlot(slot);
  }

  /**
   * Runs one call on a conversation of its own for as long as it takes.
   *
   * @param run - Gets the exchange to use: it tells the pool while a question is held.
   * @throws PlatformError `TARGET_TIMEOUT` when its turn does not come before the deadline, `CALL_CANCELLED`.
   */
  async run<Result>(
    exchange: Exchange,
    context: RequestContext,
    run: (slot: ConversationSlot, exchange: Exchange) => Promise<Result>,
  ): Promise<Result> {
    const member = this.#free() ?? (await this.#wait(context));
    member.busy = true;
    try {
      return await run(member.slot, this.#watching(exchange, member));
    } finally {
      member.busy = false;
      this.#advance();
    }
  }

  #free(): Member | undefined {
    // Those who wait already come first.
    return this.#queue.length > 0 ? undefined : this.#next();
  }

  #next(): Member | undefined {
    const free = this.#members.find((member) => !member.busy);
    if (free !== undefined) return free;
    const allAsk = this.#members.every((member) => member.asking > 0);
    if (!allAsk || this.#members.length >= this.#options.maxSlots) return undefined;
    const member: Member = { slot: this.#options.makeSlot(), busy: false, asking: 0 };
    this.#members.push(member);
    return member;
  }

  async #wait(context: RequestContext): Promise<Member> {
    const { target, clock } = this.#options;
    let take: (member: Member) => void = () => undefined;
    const turn = new Promise<Member>((resolve) => {
      take = resolve;
      this.#queue.push(resolve);
    });
    try {
      return await waitFor(turn, {
        target,
        clock,
        context,
        subject: 'waiting behind an earlier call of the same caller',
      });
    } catch (error) {
      const index = this.#queue.indexOf(take);
      if (index >= 0) this.#queue.splice(index, 1);
      else void turn.then((member) => this.#giveBack(member));
      throw error;
    }
  }

  #giveBack(member: Member): void {
    member.busy = false;
    this.#advance();
  }

  #advance(): void {
    while (this.#queue.length > 0) {
      const member = this.#next();
      if (member === undefined) return;
      member.busy = true;
      this.#queue.shift()?.(member);
    }
  }

  #watching(exchange: Exchange, member: Member): Exchange {
    return {
      capabilities: exchange.capabilities,
      canAsk: exchange.canAsk,
      wantsProgress: exchange.wantsProgress,
      ...(exchange.logLevel === undefined ? {} : { logLevel: exchange.logLevel }),
      notify: (method, paramsText) => {
        exchange.notify(method, paramsText);
      },
      ask: async (method, paramsText) => {
        member.asking++;
        this.#advance();
        try {
          return await exchange.ask(method, paramsText);
        } finally {
          member.asking--;
        }
      },
    };
  }
}
