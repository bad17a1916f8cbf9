/**
 * What a gateway calls: a stdio server, a remote MCP server, a set of functions. The gateway knows targets
 * only through this port; each adapter translates to its own wire.
 *
 * JSON crosses this port as original text wherever nobody must change it, so that unknown fields, unknown
 * content types and numbers beyond 2^53 survive the trip.
 */

import type { RequestContext } from './context.ts';
import type { BackendLabel } from './ports.ts';
import type { RawMember } from './json.ts';

export type ItemKind = 'tool' | 'prompt' | 'resource' | 'template';

/** One listed definition. `key` is the name of a tool or prompt, the URI of a resource, the template of a template. */
export interface Definition {
  readonly kind: ItemKind;
  readonly key: string;
  /** The definition's JSON object as the target sent it. */
  readonly text: string;
  /** The same, parsed; decide on this, forward the text. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Call it on a conversation that declared elicitation, sampling and roots, because only such a one lists it. */
  readonly declaringOnly?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
  /** Name of the one argument that may hold all of them, as the tools of earlier systems had it. */
  readonly argumentsIn?: string;
  /** What runs behind it, where that is known: a function's version and code. */
  readonly code?: CodeIdentity;
}

/** Which code a definition leads to. */
export interface CodeIdentity {
  /** `$LATEST` or a number. */
  readonly version: string;
  /** Base64 of a SHA-256, as Lambda gives it. */
  readonly sha256: string;
}

/** What is remembered of a definition, so that a later change can be noticed. */
export interface DefinitionMark {
  /** Hex SHA-256 of what a caller relies on. */
  readonly digest: string;
  /** Absent where it is not known, or not yet. */
  readonly code?: CodeIdentity;
}

/** Everything a target offers, read at one time. */
export interface TargetListing {
  readonly definitions: readonly Definition[];
  /** Server capabilities as the target declared them (`completions`, `logging`, `resources.subscribe`, …). */
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo?: Readonly<Record<string, unknown>>;
  readonly instructions?: string;
  /** How long the listing may be reused, when the target said so. */
  readonly ttlMs?: number;
  readonly cacheScope?: 'public' | 'private';
  /** Protocol revision of the conversation, for the status page. */
  readonly protocolVersion?: string;
  /** Definitions that were refused, and why (a bad `x-mcp-header`, an illegal name). */
  readonly skipped?: readonly { readonly key: string; readonly reason: string }[];
}

export type CallMethod =
  | 'tools/call'
  | 'prompts/get'
  | 'resources/read'
  | 'completion/complete'
  | 'resources/subscribe'
  | 'resources/unsubscribe'
  | (string & {});

/** A call in the target's own words: bare names, original URIs. */
export interface TargetCall {
  readonly method: CallMethod;
  /** Tool or prompt name, or resource URI. */
  readonly name: string;
  /** Members of `params` but for `_meta`, in order, as original text. */
  readonly params: readonly RawMember[];
  /** Members of `params._meta` that may travel on: no `io.modelcontextprotocol/*`, no progress token. */
  readonly meta: readonly RawMember[];
  /** `params` parsed, with the target's own name or URI in place. */
  readonly parsed: Readonly<Record<string, unknown>>;
  /** The listed definition, when there is one. */
  readonly definition?: Definition | undefined;
  /** An annotation (`readOnlyHint`, `idempotentHint`) or an idempotency key makes a repeat safe. */
  readonly repeatable: boolean;
  /** Present when the caller sent one; functions and remote servers get it too. */
  readonly idempotencyKey?: string | undefined;
  /** JSON text of the id of the caller's own message, unique for its client alone. */
  readonly messageId?: string | undefined;
}

/** The text of a `result` object. Adapters do not interpret it. */
export interface TargetResult {
  readonly text: string;
}

/** The caller's side of one running call: what it can be told and asked meanwhile. */
export interface Exchange {
  /** Client capabilities that may be passed on: what the client declared and this hop can relay. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** Whether {@link ask} can be answered at all. */
  readonly canAsk: boolean;
  readonly logLevel?: string | undefined;
  readonly wantsProgress: boolean;
  /** Tells the caller. `params` is JSON text without progress token: the gateway adds the caller's own. */
  notify(method: 'notifications/progress' | 'notifications/message' | (string & {}), paramsText: string): void;
  /**
   * Asks the caller (`elicitation/create`, `sampling/createMessage`, `roots/list`) and waits.
   *
   * @returns the text of the result.
   * @throws PlatformError `CLIENT_CANNOT_ANSWER`, UpstreamRpcError with the client's own refusal.
   */
  ask(method: string, paramsText: string): Promise<string>;
}

export type TargetKind = 'stdio' | 'http' | 'sse' | 'function' | 'in-process';

/** `ready` has answered; `starting` not yet; `degraded` answers from its last good list; `down` has none. */
export type TargetState = 'starting' | 'ready' | 'degraded' | 'down';

export interface TargetStatus {
  readonly state: TargetState;
  /** Why it is not ready. */
  readonly reason?: string;
  readonly restarts?: number;
  readonly protocolVersion?: string;
  /** Live child processes or open conversations. */
  readonly children?: number;
}

export interface TargetChange {
  readonly kind: 'tools' | 'prompts' | 'resources' | 'resource';
  /** Of `resource`: its URI in the target's own words. */
  readonly uri?: string;
  /** The only tenant concerned; absent when all may be. */
  readonly tenant?: string;
}

export interface Target {
  /** `^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`, at most 40 characters: no underscore, so that `id___tool` splits one way. */
  readonly id: string;
  readonly kind: TargetKind;
  readonly label: BackendLabel;
  /** Tenants that may see it; absent means all. */
  readonly tenants?: readonly string[];
  /** Of everything that it lists, unless a definition has its own. */
  readonly tags?: Readonly<Record<string, string>>;
  /** What it lists depends on `context.tenant` (registrations do), so a listing serves one tenant only. */
  readonly perTenant?: boolean;
  /** Reads every list to its end. @throws when the target cannot answer; the caller keeps its last good listing. */
  list(context: RequestContext): Promise<TargetListing>;
  /** @throws UpstreamRpcError with the target's own error, PlatformError when the target or we failed. */
  call(call: TargetCall, exchange: Exchange, context: RequestContext): Promise<TargetResult>;
  /** Called with each change the target announces, until the returned function is called. */
  onChange(listener: (change: TargetChange) => void): () => void;
  status(): TargetStatus;
  /** Passes a client's notification on (`notifications/roots/list_changed`); nothing is awaited. */
  notify?(method: string, context: RequestContext): void;
  /**
   * Ends children and conversations. New calls are refused at once; running ones get `drainMs` to end (default
   * none). Resolves when nothing is left.
   */
  close(options?: { readonly drainMs?: number }): Promise<void>;
}
