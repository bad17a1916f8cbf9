/** The caller's side of one call in a function: what it can be told meanwhile. */

import type { Exchange } from '../../core/target.ts';
import type { Message } from '../../protocol/message.ts';
import { PlatformError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { passesLogLevel } from '../../protocol/era-2025.ts';
import { isModern, logLevelOf } from '../../protocol/era-2026.ts';
import { notificationMessage } from '../../protocol/json-rpc.ts';
import { META_CLIENT_CAPABILITIES } from '../../protocol/versions.ts';

export interface ExchangeParts {
  readonly message: Message;
  /** Sends one JSON-RPC message before the answer; absent where the answer is all there is. */
  readonly tell?: ((messageText: string) => void) | undefined;
  /** Of a legacy caller, what it set with `logging/setLevel`. */
  readonly logLevel?: string | undefined;
  /** Asks the caller; absent where nobody can be asked. */
  readonly ask?: ((method: string, paramsText: string) => Promise<string>) | undefined;
}

const NONE: Readonly<Record<string, unknown>> = Object.freeze({});

/** What the caller of a modern request can be asked; a legacy caller of a function cannot be asked at all. */
export function askable(message: Message): Readonly<Record<string, unknown>> {
  const declared = message.parsedMeta[META_CLIENT_CAPABILITIES];
  return isModern(message) && isObject(declared) ? declared : NONE;
}

export class CallExchange implements Exchange {
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly canAsk: boolean;
  readonly logLevel: string | undefined;
  readonly wantsProgress: boolean;
  /** Changes when a held call goes on with its caller's next request. */
  tell: ((messageText: string) => void) | undefined;
  /** JSON text of the token that the caller chose. */
  progressToken: string | undefined;
  readonly #modern: boolean;
  readonly #ask: ((method: string, paramsText: string) => Promise<string>) | undefined;

  constructor({ message, tell, logLevel, ask }: ExchangeParts) {
    this.#modern = isModern(message);
    this.capabilities = askable(message);
    this.canAsk = ask !== undefined;
    this.logLevel = this.#modern ? logLevelOf(message) : logLevel;
    this.tell = tell;
    this.progressToken = progressTokenOf(message);
    this.wantsProgress = tell !== undefined && this.progressToken !== undefined;
    this.#ask = ask;
  }

  notify(method: string, paramsText: string): void {
    if (this.tell === undefined) return;
    if (method === 'notifications/progress') {
      if (this.progressToken === undefined) return;
      const rest = paramsText.slice(paramsText.indexOf('{') + 1).trimStart();
      const comma = rest.startsWith('}') ? '' : ',';
      this.tell(notificationMessage(method, `{"progressToken":${this.progressToken}${comma}${rest}`));
      return;
    }
    if (method === 'notifications/message' && this.#passes(paramsText))
      this.tell(notificationMessage(method, paramsText));
  }

  ask(method: string, paramsText: string): Promise<string> {
    if (this.#ask !== undefined) return this.#ask(method, paramsText);
    return Promise.reject(
      new PlatformError('CLIENT_CANNOT_ANSWER', `The caller of this function cannot be asked (${method}).`),
    );
  }

  /** 2026-07-28 has log messages only for a request that named a level. */
  #passes(paramsText: string): boolean {
    if (this.#modern && this.logLevel === undefined) return false;
    const params: unknown = JSON.parse(paramsText);
    return isObject(params) && passesLogLevel(params['level'], this.logLevel);
  }
}

export function progressTokenOf(message: Message): string | undefined {
  return message.meta.find((member) => member.key === 'progressToken')?.text;
}
