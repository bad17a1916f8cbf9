/**
 * One conversation with an MCP server, whatever carries it: a stdio child, a modern HTTP endpoint, a legacy
 * HTTP session, a legacy SSE stream. `McpTarget` keeps conversations and decides which call uses which.
 */

import type { RequestContext } from '../core/context.ts';
import type { RawMember } from '../core/json.ts';
import type { Definition, Exchange } from '../core/target.ts';

export type Era = 'modern' | 'legacy';

export interface ConversationRequest {
  readonly method: string;
  /** Members of `params` but for `_meta`. */
  readonly params: readonly RawMember[];
  /** Members of `_meta` to send; the conversation adds its own (envelope, progress token, trace keys). */
  readonly meta: readonly RawMember[];
  /** The caller's side; absent for our own requests such as lists. */
  readonly exchange?: Exchange | undefined;
  readonly context: RequestContext;
  /** Milliseconds for the whole request, progress or not. */
  readonly timeoutMs: number;
  /** The listed definition of what is called; HTTP mirrors arguments that its schema marks into headers. */
  readonly definition?: Definition | undefined;
}

export interface Conversation {
  readonly era: Era;
  readonly protocolVersion: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: Readonly<Record<string, unknown>> | undefined;
  readonly instructions: string | undefined;
  /** Whether the server was told of elicitation, sampling and roots. */
  readonly declaring: boolean;
  /**
   * Sends one request and waits for its result.
   *
   * Progress, log messages and questions of the server that belong to the request go to `exchange`. A question
   * without an exchange that can answer is declined in the server's own protocol.
   *
   * @returns the text of `result`.
   * @throws UpstreamRpcError with the server's error; PlatformError `TARGET_TIMEOUT`, `TARGET_UNAVAILABLE`,
   *   `TARGET_PROTOCOL_ERROR`, `TARGET_RESPONSE_TOO_LARGE`, `CALL_CANCELLED`.
   */
  request(request: ConversationRequest): Promise<string>;
  /** Sends a notification (`notifications/roots/list_changed`); nothing is awaited. */
  notify(method: string, paramsText: string): void;
  /** Notifications that belong to no request: `notifications/…/list_changed`, `notifications/resources/updated`. */
  onNotification(listener: (method: string, params: Readonly<Record<string, unknown>>) => void): () => void;
  /** Called once when the conversation has ended, with the reason when it was not asked to. */
  onEnd(listener: (reason: Error | undefined) => void): void;
  readonly ended: boolean;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Client capabilities to tell the server; `{}` for a plain conversation. */
  readonly declare: Readonly<Record<string, unknown>>;
  readonly context: RequestContext;
  /** Milliseconds until the server must have introduced itself. */
  readonly timeoutMs: number;
}

/** Opens conversations with one server. Knows how to start or reach it, and its era. */
export interface Connector {
  readonly kind: 'stdio' | 'http' | 'sse' | 'function';
  /**
   * Whether a server of the older revisions can ask in the middle of a call on this way. Where it cannot, nothing is
   * gained by a conversation that says it may. @default true
   */
  readonly asks?: boolean;
  /** @throws PlatformError `TARGET_UNAVAILABLE`, `TARGET_TIMEOUT`, `TARGET_PROTOCOL_ERROR`. */
  open(options: OpenOptions): Promise<Conversation>;
  /** Live child processes, for the status page; 0 for remote servers. */
  children(): number;
  restarts(): number;
  close(): Promise<void>;
}
