/**
 * Processes of a server that was told it may ask, for calls that end when it does: a process whose question will be
 * answered elsewhere is ended without a word, before it can take silence for an answer.
 */

import type { RequestContext } from '../../core/context.ts';
import type { Exchange } from '../../core/target.ts';
import type { Conversation } from '../../upstream/conversation.ts';
import type { SlotStoreOptions } from '../../upstream/slot-store.ts';
import { DECLARE_ALL } from '../../upstream/revisions.ts';
import { SlotStore } from '../../upstream/slot-store.ts';

export interface AskingRun {
  /** Whether the call needs a process that nothing ran in before. */
  readonly fresh: boolean;
  readonly exchange: Exchange;
  readonly context: RequestContext;
}

export class AskingChildren {
  readonly #store: SlotStore;
  readonly #options: SlotStoreOptions;

  /** @param options - Its connector ends processes at once. */
  constructor(options: SlotStoreOptions) {
    this.#options = options;
    this.#store = new SlotStore(options);
  }

  /**
   * Runs one call on a process that nobody else uses meanwhile.
   *
   * @param send - Gets the exchange to use. It may close the conversation.
   */
  run(run: AskingRun, send: (conversation: Conversation, exchange: Exchange) => Promise<string>): Promise<string> {
    const { fresh, exchange, context } = run;
    const store = this.#store;
    if (fresh || store.isolated)
      return store.once(DECLARE_ALL, context, (conversation) => send(conversation, exchange));
    return store
      .declaring(context)
      .run(exchange, context, (slot, watched) =>
        store.use(slot, context, (conversation) => send(conversation, watched)),
      );
  }

  async close(): Promise<void> {
    await this.#store.close();
    await this.#options.connector.close();
  }
}
