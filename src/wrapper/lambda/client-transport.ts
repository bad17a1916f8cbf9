/** What both transports share: the shape that the official clients expect, and one exchange per message. */

import { encodeHeaderValue } from '../../protocol/era-2026.ts';

/** What a client may say about one message. */
export interface SendOptions {
  readonly requestSignal?: AbortSignal | undefined;
  readonly onRequestStreamEnd?: (() => void) | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';

export abstract class ClientTransport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  /** Declared loosely, because each client has message types of its own. */
  onmessage?: ((message: never, extra?: never) => void) | undefined;
  sessionId?: string | undefined;
  #version: string | undefined;
  readonly #ending = new AbortController();

  /** Sends one message. Its answers go to {@link receive}. */
  protected abstract exchange(
    message: object,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>>,
  ): Promise<void>;

  start(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    if (!this.#ending.signal.aborted) {
      this.#ending.abort();
      this.onclose?.();
    }
    return Promise.resolve();
  }

  /**
   * Resolves when the message has been answered. A request that is cancelled meanwhile ends without an error.
   *
   * @throws Error when the server could not be reached or refused the message.
   */
  async send(message: object, options: SendOptions = {}): Promise<void> {
    const { requestSignal, onRequestStreamEnd, headers = {} } = options;
    const ending = this.#ending.signal;
    const signal = requestSignal === undefined ? ending : AbortSignal.any([ending, requestSignal]);
    try {
      await this.exchange(message, signal, headers);
      onRequestStreamEnd?.();
    } catch (error) {
      if (signal.aborted) return;
      this.onerror?.(error as Error);
      throw error;
    }
  }

  setProtocolVersion(version: string): void {
    this.#version = version;
  }

  protected receive(message: unknown): void {
    this.onmessage?.(message as never);
  }

  /** The headers that mirror a message: its revision, and for 2026-07-28 its method and name. */
  protected headersFor(message: object): Record<string, string> {
    const { method, params } = message as { method?: string; params?: Record<string, unknown> };
    const meta = params?.['_meta'] as Record<string, unknown> | undefined;
    const own = meta?.[VERSION_KEY];
    const version = typeof own === 'string' ? own : this.#version;
    const headers: Record<string, string> = {};
    if (version !== undefined) headers['mcp-protocol-version'] = version;
    if (this.sessionId !== undefined) headers['mcp-session-id'] = this.sessionId;
    if (typeof own !== 'string' || method === undefined) return headers;
    headers['mcp-method'] = method;
    const name = method === 'resources/read' ? params?.['uri'] : params?.['name'];
    if (typeof name === 'string') headers['mcp-name'] = encodeHeaderValue(name);
    return headers;
  }
}
