/**
 * Legacy sessions. What was negotiated is sealed into the session id, so any instance serves any call and a restart
 * loses nothing; the table holds only what changes afterwards: log level, subscriptions, the end.
 */

import type { Context, Principal } from '../core/context.ts';
import { PlatformError, UpstreamRpcError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Clock, IdSource, StoreRoot, TableSpec } from '../core/ports.ts';
import type { Message } from '../protocol/message.ts';
import { EventLog } from './event-log.ts';
import type { Sealer } from '../core/seal.ts';
import type { Endpoint } from './view.ts';

/** A session ends this long after it began, whatever happens. */
const ABSOLUTE_SECONDS = 24 * 3_600;
/** State of a session that nobody uses leaves memory after this; the session itself lives on in its id. */
const IDLE_MS = 30 * 60_000;
const MAX_STATES_PER_PRINCIPAL = 2_000;
/** Of all callers together; beyond it the oldest that nobody listens to go first. */
const MAX_STATES = 20_000;
const SESSIONS: TableSpec = { name: 'mcp-sessions', partitionKey: 'sessionId' };

interface Sealed {
  readonly i: string;
  readonly e: Endpoint;
  readonly v: string;
  readonly c: Readonly<Record<string, unknown>>;
  /** Epoch seconds. */
  readonly t: number;
}

interface PendingAsk {
  resolve(text: string): void;
  reject(error: Error): void;
}

export class Session {
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly version: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly principal: Principal;
  readonly expiresAtSeconds: number;
  readonly log: EventLog;
  logLevel: string | undefined;
  /** Public URIs. */
  readonly subscriptions = new Set<string>();
  /** Requests in flight by the text of their id, for `notifications/cancelled`. */
  readonly inFlight = new Map<string, Context>();
  readonly #asks = new Map<string, PendingAsk>();
  lastSeenMs = 0;
  #asked = 0;
  readonly #endListeners: (() => void)[] = [];

  constructor(sealed: Sealed, principal: Principal, clock: Clock) {
    this.id = sealed.i;
    this.endpoint = sealed.e;
    this.version = sealed.v;
    this.capabilities = sealed.c;
    this.principal = principal;
    this.expiresAtSeconds = sealed.t + ABSOLUTE_SECONDS;
    this.log = new EventLog(clock);
  }

  /** Registers a question to the client. @returns the id to send and the answer to wait for. */
  ask(): { readonly idText: string; readonly answer: Promise<string> } {
    const idText = JSON.stringify(`zp-${this.id.slice(0, 8)}-${++this.#asked}`);
    const answer = new Promise<string>((resolve, reject) => this.#asks.set(idText, { resolve, reject }));
    return { idText, answer };
  }

  /** Takes a client's response. @returns false for one that nobody waits for. */
  answered(message: Message): boolean {
    const pending = this.#asks.get(message.idText);
    if (pending === undefined) return false;
    this.#asks.delete(message.idText);
    if (message.resultText === undefined)
      pending.reject(
        new UpstreamRpcError(
          message.error?.code ?? -32603,
          message.error?.message ?? 'The client answered with an error.',
          message.error?.data,
        ),
      );
    else pending.resolve(message.resultText);
    return true;
  }

  /** Calls back when the state of this session leaves memory. */
  onEnd(run: () => void): void {
    this.#endListeners.push(run);
  }

  /** Refuses what is still open. */
  end(error: PlatformError): void {
    for (const run of this.#endListeners.splice(0)) run();
    for (const pending of this.#asks.values()) pending.reject(error);
    this.#asks.clear();
    for (const context of this.inFlight.values()) context.abort(error);
    this.inFlight.clear();
    this.log.close();
  }
}

export interface SessionParts {
  readonly sealer: Sealer;
  readonly store: StoreRoot;
  readonly clock: Clock;
  readonly ids: IdSource;
}

function notFound(): PlatformError {
  return new PlatformError(
    'SESSION_NOT_FOUND',
    'The session is unknown or has expired. Send initialize again, without a session id.',
  );
}

export class SessionTable {
  readonly #parts: SessionParts;
  readonly #live = new Map<string, Session>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  open(
    principal: Principal,
    endpoint: Endpoint,
    client: { readonly version: string; readonly capabilities: Readonly<Record<string, unknown>> },
  ): { token: string; session: Session } {
    const sealed: Sealed = {
      i: this.#parts.ids.uuid(),
      e: endpoint,
      v: client.version,
      c: client.capabilities,
      t: Math.floor(this.#parts.clock.nowMs() / 1000),
    };
    const session = this.#remember(new Session(sealed, principal, this.#parts.clock));
    return { token: this.#parts.sealer.seal('session', principal, sealed), session };
  }

  #remember(session: Session): Session {
    this.#reap(session.principal);
    session.lastSeenMs = this.#parts.clock.monotonicMs();
    this.#live.set(session.id, session);
    return session;
  }

  #drop(id: string, session: Session): void {
    this.#live.delete(id);
    session.end(notFound());
  }

  /** Drops the state of idle sessions, and the oldest of a principal that has too many. */
  #reap(principal: Principal): void {
    const now = this.#parts.clock.monotonicMs();
    let mine = 0;
    for (const [id, session] of [...this.#live].toReversed()) {
      const isMine = session.principal.id === principal.id && session.principal.tenant === principal.tenant;
      const idle = now - session.lastSeenMs > IDLE_MS && !session.log.isAttached;
      if (isMine) mine++;
      if (idle || (isMine && mine >= MAX_STATES_PER_PRINCIPAL)) this.#drop(id, session);
    }
    for (const [id, session] of this.#live) {
      if (this.#live.size < MAX_STATES) break;
      if (!session.log.isAttached) this.#drop(id, session);
    }
  }

  /**
   * The session of an `Mcp-Session-Id`.
   *
   * @throws PlatformError `SESSION_NOT_FOUND`: forged, another principal's, of another endpoint, expired or ended.
   */
  async resume(token: string, principal: Principal, endpoint: Endpoint): Promise<Session> {
    const sealed = this.#parts.sealer.open('session', principal, token);
    if (!isSealed(sealed) || sealed.e !== endpoint) throw notFound();
    if (sealed.t + ABSOLUTE_SECONDS < this.#parts.clock.nowMs() / 1000) throw notFound();
    const live = this.#live.get(sealed.i);
    if (live !== undefined) {
      live.lastSeenMs = this.#parts.clock.monotonicMs();
      return live;
    }
    const session = new Session(sealed, principal, this.#parts.clock);
    await this.#restore(session);
    return this.#live.get(sealed.i) ?? this.#remember(session);
  }

  async #restore(session: Session): Promise<void> {
    const row = await this.#table(session).get({ sessionId: session.id });
    if (row === undefined) return;
    if (row['ended'] === true) throw notFound();
    if (typeof row['logLevel'] === 'string') session.logLevel = row['logLevel'];
    if (Array.isArray(row['subscriptions']))
      for (const uri of row['subscriptions']) session.subscriptions.add(String(uri));
  }

  #table(session: Session) {
    return this.#parts.store.store(session.principal.tenant).table(SESSIONS);
  }

  /** Stores what has changed in a session since it was opened. */
  async save(session: Session): Promise<void> {
    await this.#table(session).put({
      sessionId: session.id,
      subscriptions: [...session.subscriptions],
      expiresAt: session.expiresAtSeconds,
      ...(session.logLevel === undefined ? {} : { logLevel: session.logLevel }),
    });
  }

  /** Ends a session for good, in this and every other instance. */
  async end(session: Session): Promise<void> {
    await this.#table(session).put({ sessionId: session.id, ended: true, expiresAt: session.expiresAtSeconds });
    this.#live.delete(session.id);
    session.end(notFound());
  }

  all(): readonly Session[] {
    return [...this.#live.values()];
  }

  close(error: PlatformError): void {
    for (const session of this.#live.values()) session.end(error);
    this.#live.clear();
  }
}

function isSealed(value: unknown): value is Sealed {
  return (
    isObject(value) &&
    typeof value['i'] === 'string' &&
    typeof value['e'] === 'string' &&
    typeof value['v'] === 'string' &&
    typeof value['t'] === 'number' &&
    isObject(value['c'])
  );
}
