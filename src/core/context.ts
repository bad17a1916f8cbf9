/** Who asks, for which tenant, until when: made once per request by the host and handed down. */

import type { Clock, Logger } from './ports.ts';

export type Role = 'viewer' | 'requester' | 'approver' | 'admin';

/** The authenticated caller. `id` is unique within its tenant and stable across tokens. */
export interface Principal {
  readonly id: string;
  readonly tenant: string;
  readonly roles: readonly Role[];
  /** `zeroplane:use`, `zeroplane:admin`. */
  readonly scopes: readonly string[];
  /** Verified claims of the token; never a client's own statement about itself. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** W3C trace context as it arrived; `_meta` outranks the HTTP headers. */
export interface Trace {
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly baggage?: string;
}

export interface RequestContext {
  readonly principal: Principal;
  /** Always `principal.tenant`; spelled out because every store key begins with it. */
  readonly tenant: string;
  /** In every log line, reply, audit row and job of this request. */
  readonly requestId: string;
  readonly trace: Trace;
  /** Absolute time on `clock.monotonicMs()` after which nobody waits for the answer. */
  readonly deadlineMs: number;
  /** Aborted when the caller is gone (where its revision says so) or the deadline has passed. */
  readonly signal: AbortSignal;
  /** Calls back when {@link signal} aborts, at once when it has; for hot paths, where making a signal costs more than the rest. */
  onAbort?(run: (reason: unknown) => void): void;
  readonly log: Logger;
  /** How many gateways this request has passed, for loop detection. */
  readonly hops: number;
}

export interface ContextParts {
  readonly principal: Principal;
  readonly requestId: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly log: Logger;
  readonly trace?: Trace | undefined;
  readonly hops?: number;
}

const NO_TRACE: Trace = Object.freeze({});

/** A context whose abort signal exists only once somebody asks for it: most calls never do. */
export class Context implements RequestContext {
  readonly principal: Principal;
  readonly tenant: string;
  readonly requestId: string;
  trace: Trace;
  readonly deadlineMs: number;
  readonly log: Logger;
  readonly hops: number;
  #controller: AbortController | undefined;
  #aborted: unknown;
  #listeners: ((reason: unknown) => void)[] | undefined;

  constructor(parts: ContextParts) {
    this.principal = parts.principal;
    this.tenant = parts.principal.tenant;
    this.requestId = parts.requestId;
    this.trace = parts.trace ?? NO_TRACE;
    this.deadlineMs = parts.clock.monotonicMs() + parts.timeoutMs;
    this.log = parts.log;
    this.hops = parts.hops ?? 0;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  /** Calls back when the request is abandoned; at once when it already is. */
  onAbort(run: (reason: unknown) => void): void {
    if (this.#aborted !== undefined) run(this.#aborted);
    else (this.#listeners ??= []).push(run);
  }

  /** Tells everybody below that the answer is no longer wanted. */
  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = reason;
    this.#controller?.abort(reason);
    for (const run of this.#listeners?.splice(0) ?? []) run(reason);
  }
}
