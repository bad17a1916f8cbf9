/**
 * What a target says while it works, towards one client: log messages and progress. A client that reads more slowly than
 * its target talks is told less, and before its answer how much was left out.
 *
 * Holding the target back instead would hold others back too: they share its conversation, and the answer of this very
 * call stands behind what is not read. The specification asks both sides to limit the rate of progress, and servers that
 * of log messages.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/progress
 * @see https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/logging
 */

import type { Context } from '../core/context.ts';
import { passesLogLevel } from '../protocol/era-2025.ts';
import { notificationMessage } from '../protocol/json-rpc.ts';
import type { Caller } from './caller.ts';
import { takesLogs } from './caller.ts';

/** The client's stream. */
export interface Listening {
  /** Sends what the client cannot do without. */
  send(text: string): void;
  /** Sends what it can. @returns false for what was left out, because the client reads too slowly. */
  tell(text: string): boolean;
}

export class Telling {
  readonly #stream: Listening;
  #leftOut = 0;

  constructor(stream: Listening) {
    this.#stream = stream;
  }

  notify(method: string, paramsText: string): void {
    if (!this.#stream.tell(notificationMessage(method, paramsText))) this.#leftOut++;
  }

  /** The answer comes next. */
  end(caller: Caller, context: Context): void {
    if (this.#leftOut === 0) return;
    const notifications = this.#leftOut;
    context.log.log('info', 'notifications-left-out', { requestId: context.requestId, notifications });
    if (!takesLogs(caller) || !passesLogLevel('warning', caller.logLevel)) return;
    const data = `${notifications} notifications of this call were left out, because they came faster than they were read. Its answer is complete.`;
    this.#stream.send(
      notificationMessage('notifications/message', JSON.stringify({ level: 'warning', logger: 'zeroplane', data })),
    );
  }
}
