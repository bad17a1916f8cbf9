/**
 * Reaches one remote MCP server and finds out how it speaks: a modern request first, then `initialize`, then the
 * event stream of 2024-11-05, each only after an answer that rules out the one before.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http, Backward Compatibility
 */

import { Context } from '../../core/context.ts';
import { PlatformError, UpstreamRpcError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import type { Clock, Egress, EgressRequest } from '../../core/ports.ts';
import type { Channel } from '../../upstream/channel.ts';
import { PeerLink } from '../../upstream/channel.ts';
import type { Connector, Conversation, OpenOptions } from '../../upstream/conversation.ts';
import { targetProtocolError, targetUnavailable } from '../../upstream/failures.ts';
import { openLegacy } from '../../upstream/legacy-conversation.ts';
import type { LinkOpenOptions } from '../../upstream/legacy-conversation.ts';
import { ModernConversation, discover } from '../../upstream/modern-conversation.ts';
import { NoiseLimit, REMOTE_TOO_NOISY } from '../../upstream/noise-limit.ts';
import { LEGACY_VERSIONS, MODERN_VERSION } from '../../upstream/revisions.ts';
import type { ClientInfo } from '../../upstream/revisions.ts';
import { LegacyHttpChannel } from './legacy-http-channel.ts';
import { openSseChannel } from './legacy-sse-channel.ts';
import { ModernHttpChannel } from './modern-http-channel.ts';
import { isInconclusive } from './remote-endpoint.ts';
import type { RemoteEndpoint } from './remote-endpoint.ts';
import { RemoteVerdicts, verdictKey } from './remote-verdicts.ts';

export interface HttpConnectorOptions {
  /** Name of the target, for error messages. */
  readonly target: string;
  readonly url: string;
  /** Values are resolved. @default none */
  readonly headers?: Readonly<Record<string, string>>;
  /** `sse` goes straight to HTTP+SSE; `http` finds out. @default 'http' */
  readonly kind?: 'http' | 'sse';
  /** Where the URL comes from; decides which addresses it may reach. */
  readonly origin: EgressRequest['origin'];
  readonly egress: Egress;
  readonly clock: Clock;
  readonly clientInfo: ClientInfo;
  /** Longest JSON answer, in bytes. @default 16 MiB */
  readonly maxResponseBytes?: number;
  /** Shared between connectors, so that reopening a target does not ask again. @default one of its own */
  readonly verdicts?: RemoteVerdicts;
}

const SIXTEEN_MIB = 16 * 1024 * 1024;
/** Milliseconds that silence to one kind of opening may take before the next is tried. */
const PROBE_MS = 5_000;
const UNSUPPORTED_VERSION = -32022;
const SILENT = { log: () => undefined, with: () => SILENT };

/** A server that introduced itself in 2026-07-28, and the link it did so on. */
interface Modern {
  readonly link: PeerLink;
  readonly discovered: Readonly<Record<string, unknown>>;
}

/** Finds out how the server speaks on the first opening, and again when that knowledge is ten minutes old. */
export function createHttpConnector(options: HttpConnectorOptions): Connector {
  return new HttpConnector(options);
}

class HttpConnector implements Connector {
  readonly kind: 'http' | 'sse';
  readonly #endpoint: RemoteEndpoint;
  readonly #clientInfo: ClientInfo;
  readonly #verdicts: RemoteVerdicts;
  readonly #key: string;
  readonly #open = new Set<PeerLink>();
  #asking = false;
  #closed = false;

  constructor(options: HttpConnectorOptions) {
    const { target, url, origin, egress, clock } = options;
    const headers = options.headers ?? {};
    this.kind = options.kind ?? 'http';
    this.#endpoint = {
      target,
      url,
      // Without the header any encoding may be answered with, and none is undone here.
      headers: { 'Accept-Encoding': 'identity', ...headers },
      origin,
      egress,
      clock,
      maxResponseBytes: options.maxResponseBytes ?? SIXTEEN_MIB,
    };
    this.#clientInfo = options.clientInfo;
    this.#verdicts = options.verdicts ?? new RemoteVerdicts(clock);
    this.#key = verdictKey(url, headers);
  }

  async open(options: OpenOptions): Promise<Conversation> {
    const { target, clock } = this.#endpoint;
    if (this.#closed) throw targetUnavailable(target, 'is being removed. Look for it in the list again.');
    const openMs = Math.min(clock.monotonicMs() + options.timeoutMs, options.context.deadlineMs);
    const attempt = new Attempt(options, this.#clientInfo, () => openMs - clock.monotonicMs());
    if (this.kind === 'sse') return this.#openSse(attempt, attempt.leftMs());
    const verdict = this.#verdicts.get(this.#key);
    if (verdict === undefined || verdict.protocol === 'modern') return this.#findOut(attempt);
    if (verdict.stale) void this.#askAgain(attempt);
    try {
      return await (verdict.protocol === 'sse' ? this.#openSse(attempt, attempt.leftMs()) : this.#openLegacy(attempt));
    } catch (error) {
      if (!(error instanceof PlatformError) || isInconclusive(error)) throw error;
      this.#verdicts.forget(this.#key);
      return this.#findOut(attempt);
    }
  }

  children(): number {
    return 0;
  }

  restarts(): number {
    return 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open].map((link) => link.close()));
  }

  async #findOut(attempt: Attempt): Promise<Conversation> {
    const modern = await this.#askModern(attempt);
    if (typeof modern === 'object') {
      this.#verdicts.set(this.#key, 'modern');
      return new ModernConversation(modern.link, modern.discovered, attempt.linkOptions(attempt.leftMs()));
    }
    const channel = new LegacyHttpChannel(this.#endpoint);
    let conversation: Conversation;
    try {
      conversation = await this.#openLegacy(attempt, channel);
    } catch (error) {
      if (![400, 404, 405].includes(channel.lastStatus)) throw error;
      return this.#sseInstead(attempt, error);
    }
    // Silence may have been slowness, so it is no verdict.
    if (modern === 'legacy') this.#verdicts.set(this.#key, 'legacy');
    return conversation;
  }

  async #sseInstead(attempt: Attempt, refused: unknown): Promise<Conversation> {
    let conversation: Conversation;
    try {
      conversation = await this.#openSse(attempt, Math.min(PROBE_MS, attempt.leftMs()));
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'CALL_CANCELLED') throw error;
      // Why the newer protocols were refused says more than that an old one is absent too.
      throw refused;
    }
    this.#verdicts.set(this.#key, 'sse');
    return conversation;
  }

  async #askModern(attempt: Attempt, again = false): Promise<Modern | 'legacy' | 'silent'> {
    const channel = new ModernHttpChannel(this.#endpoint);
    const link = this.#link(channel);
    channel.inFlight = () => link.peer.inFlight;
    try {
      const text = await discover(link, attempt.linkOptions(Math.min(PROBE_MS, attempt.leftMs() / 2)));
      const discovered = JSON.parse(text) as Record<string, unknown>;
      const { supportedVersions } = discovered;
      if (Array.isArray(supportedVersions) && supportedVersions.includes(MODERN_VERSION)) return { link, discovered };
      await link.close();
      return Array.isArray(supportedVersions) ? legacyAmong(this.#endpoint.target, supportedVersions) : 'legacy';
    } catch (error) {
      await link.close();
      // A server may refuse a version that it then offers, while it is being replaced: it is asked once more.
      if (!again && offersModern(error)) return this.#askModern(attempt, true);
      return this.#notModern(error);
    }
  }

  /** @throws the error itself when it leaves the era open. */
  #notModern(error: unknown): 'legacy' | 'silent' {
    if (error instanceof UpstreamRpcError) return 'legacy';
    if (!(error instanceof PlatformError)) throw error;
    const { upstreamCode, upstreamData } = error.details;
    if (upstreamCode === UNSUPPORTED_VERSION) {
      const supported = isObject(upstreamData) ? upstreamData['supported'] : undefined;
      return legacyAmong(this.#endpoint.target, Array.isArray(supported) ? supported : []);
    }
    if (upstreamCode !== undefined || isInconclusive(error)) throw error;
    return error.code === 'TARGET_TIMEOUT' ? 'silent' : 'legacy';
  }

  async #openLegacy(attempt: Attempt, channel = new LegacyHttpChannel(this.#endpoint)): Promise<Conversation> {
    const link = this.#link(channel);
    channel.inFlight = () => link.peer.inFlight;
    return this.#introduce(link, attempt);
  }

  async #openSse(attempt: Attempt, timeoutMs: number): Promise<Conversation> {
    const channel = await openSseChannel(this.#endpoint, { signal: attempt.options.context.signal, timeoutMs });
    return this.#introduce(this.#link(channel), attempt);
  }

  async #introduce(link: PeerLink, attempt: Attempt): Promise<Conversation> {
    try {
      return await openLegacy(link, attempt.linkOptions(attempt.leftMs()));
    } catch (error) {
      await link.close();
      if (!(error instanceof UpstreamRpcError)) throw error;
      const { rpcCode, message } = error;
      throw targetProtocolError(this.#endpoint.target, 'initialize', `error ${rpcCode}: ${message.slice(0, 300)}`);
    }
  }

  #link(channel: Channel): PeerLink {
    const { target, clock } = this.#endpoint;
    const noise = new NoiseLimit(clock);
    const link = new PeerLink(channel, {
      target,
      clock,
      onGarbage: () => {
        if (noise.isReached()) link.giveUp(targetUnavailable(target, REMOTE_TOO_NOISY));
      },
    });
    this.#open.add(link);
    link.onEnd(() => this.#open.delete(link));
    return link;
  }

  /** Renews a stale verdict beside the call that found it; what it finds counts from the next opening on. */
  async #askAgain(attempt: Attempt): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { principal, requestId } = attempt.options.context;
    const context = new Context({
      principal,
      requestId,
      clock: this.#endpoint.clock,
      timeoutMs: PROBE_MS * 2,
      log: SILENT,
    });
    const own = new Attempt({ declare: {}, context, timeoutMs: PROBE_MS * 2 }, this.#clientInfo, () => PROBE_MS * 2);
    try {
      const found = await this.#askModern(own);
      const before = this.#verdicts.get(this.#key)?.protocol ?? 'legacy';
      this.#verdicts.set(this.#key, typeof found === 'object' ? 'modern' : before);
      if (typeof found === 'object') await found.link.close();
    } catch {
      // Inconclusive: the verdict stays stale and the next opening asks again.
    } finally {
      this.#asking = false;
    }
  }
}

/** One opening: what it was asked for and how much of its time is left. */
class Attempt {
  readonly options: OpenOptions;
  readonly leftMs: () => number;
  readonly #clientInfo: ClientInfo;

  constructor(options: OpenOptions, clientInfo: ClientInfo, leftMs: () => number) {
    this.options = options;
    this.leftMs = leftMs;
    this.#clientInfo = clientInfo;
  }

  linkOptions(timeoutMs: number): LinkOpenOptions {
    return { declare: this.options.declare, context: this.options.context, clientInfo: this.#clientInfo, timeoutMs };
  }
}

/** Whether a refusal for the version names the very version that was asked for. */
function offersModern(error: unknown): boolean {
  if (!(error instanceof PlatformError) || error.details['upstreamCode'] !== UNSUPPORTED_VERSION) return false;
  const data = error.details['upstreamData'];
  const supported = isObject(data) ? data['supported'] : undefined;
  return Array.isArray(supported) && supported.includes(MODERN_VERSION);
}

function legacyAmong(target: string, versions: readonly unknown[]): 'legacy' {
  if (versions.some((version) => typeof version === 'string' && LEGACY_VERSIONS.has(version))) return 'legacy';
  const list = JSON.stringify(versions).slice(0, 200);
  throw targetProtocolError(target, 'server/discover', `protocol versions ${list}, none of which this gateway speaks`);
}
