/** Runs single messages of one invocation against the tenant's server, within the time there is. */

import type { Context } from '../../core/context.ts';
import type { Message } from '../../protocol/message.ts';
import type { LambdaClock } from './lambda-clock.ts';
import type { ServerEndpoint } from './server-endpoint.ts';
import type { ServerPool } from './server-pool.ts';
import { checkEnvelope, isModern, mirrorHeaders } from '../../protocol/era-2026.ts';
import type { HeaderMap } from '../../protocol/era-2026.ts';
import { checkSize, timeoutResult } from './answers.ts';

export interface MessageRunnerParts {
  readonly pool: ServerPool;
  /** What answers, once it is ready. */
  readonly endpoint: () => Promise<ServerEndpoint> | ServerEndpoint;
  readonly context: Context;
  /** Whose server answers. */
  readonly tenant: string;
  readonly clock: LambdaClock;
  readonly compat: boolean;
}

export interface RunOptions {
  /** Headers of the HTTP request; absent when the function was invoked directly, which has none. */
  readonly headers?: HeaderMap;
  /** Sends one JSON-RPC message before the answer; absent where the answer is all there is. */
  readonly tell?: ((messageText: string) => void) | undefined;
  /** How often the answer stands inside a JSON string on its way out; `undefined` when it is streamed. */
  readonly wraps: 0 | 1 | undefined;
}

/** Without a header a direct caller reads the newest of the older revisions. */
const DIRECT_VERSION = '2025-11-25';
/** What the specification assumes of an HTTP request without the header. */
const HTTP_VERSION = '2025-03-26';

export class MessageRunner {
  readonly #parts: MessageRunnerParts;

  constructor(parts: MessageRunnerParts) {
    this.#parts = parts;
  }

  get requestId(): string {
    return this.#parts.context.requestId;
  }

  get failureParts(): { readonly requestId: string; readonly compat: boolean } {
    return { requestId: this.requestId, compat: this.#parts.compat };
  }

  /** Calls back after `delayMs` of this invocation; the returned function cancels. */
  after(delayMs: number, run: () => void): () => void {
    return this.#parts.clock.after(delayMs, run);
  }

  /** Nobody waits for the answer any more. */
  abort(reason: Error): void {
    this.#parts.context.abort(reason);
  }

  /**
   * @returns the text of `result`.
   * @throws UpstreamRpcError, PlatformError: {@link rpcFailure} words them.
   */
  async resultOf(message: Message, options: RunOptions): Promise<string> {
    const { pool, context, tenant, clock } = this.#parts;
    // A direct invocation has no headers that could contradict the message.
    if (isModern(message)) checkEnvelope(message, options.headers ?? mirrorHeaders(message));
    const timeoutMs = context.deadlineMs - clock.monotonicMs();
    const endpoint = await this.#parts.endpoint();
    const server = await pool.acquire(tenant, context);
    try {
      const version = versionOf(options.headers);
      const text = await endpoint.answer({ message, server, context, version, tell: options.tell });
      return options.wraps === undefined ? text : checkSize(text, options.wraps);
    } catch (error) {
      const told = timeoutResult(error, message, timeoutMs);
      if (told === undefined) throw error;
      return told;
    } finally {
      pool.release(server);
    }
  }
}

function versionOf(headers: HeaderMap | undefined): string {
  if (headers === undefined) return DIRECT_VERSION;
  const version = headers['mcp-protocol-version'];
  return typeof version === 'string' ? version.trim() : HTTP_VERSION;
}
