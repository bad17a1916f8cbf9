/**
 * Finds out which era a server on a private channel speaks, on one and the same process where possible.
 *
 * `server/discover` is asked first; silence or any error that is not a modern one means a legacy server, which
 * then gets `initialize`. A server that dies of the question is started again and not asked a second time.
 *
 * @see specification 2026-07-28, basic/transports/stdio, Backward Compatibility
 */

import type { Clock } from '../core/ports.ts';
import type { PeerLink } from './channel.ts';
import type { Conversation, Era } from './conversation.ts';
import type { LinkOpenOptions } from './legacy-conversation.ts';
import { PlatformError, UpstreamRpcError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { targetProtocolError, targetUnavailable } from './failures.ts';
import { openLegacy } from './legacy-conversation.ts';
import { ModernConversation, discover } from './modern-conversation.ts';
import { LEGACY_VERSIONS, MODERN_VERSION } from './revisions.ts';

const UNSUPPORTED_VERSION = -32022;
const INTERNAL_ERROR = -32603;

/** Remembers which era a server spoke. A stale verdict would work silently for ever, so each one expires. */
export class EraVerdicts {
  readonly #clock: Clock;
  readonly #expiresAfterMs: number;
  readonly #known = new Map<string, { readonly era: Era; readonly untilMs: number }>();

  /** @param expiresAfterMs - @default 3600000, one hour */
  constructor(clock: Clock, expiresAfterMs = 3_600_000) {
    this.#clock = clock;
    this.#expiresAfterMs = expiresAfterMs;
  }

  get(key: string): Era | undefined {
    const verdict = this.#known.get(key);
    if (verdict === undefined || verdict.untilMs > this.#clock.monotonicMs()) return verdict?.era;
    this.#known.delete(key);
    return undefined;
  }

  set(key: string, era: Era): void {
    this.#known.set(key, { era, untilMs: this.#clock.monotonicMs() + this.#expiresAfterMs });
  }

  forget(key: string): void {
    this.#known.delete(key);
  }
}

export interface NegotiateOptions extends LinkOpenOptions {
  /** @default 'auto' */
  readonly probe?: 'auto' | Era;
  /** Milliseconds that a server gets to answer `server/discover`. @default 2000 */
  readonly probeTimeoutMs?: number;
  readonly verdicts: EraVerdicts;
  /** What the verdict is about: the command line, or the URL and credential. */
  readonly verdictKey: string;
}

/** What the probe found: a modern server's introduction, a legacy server, or no answer in time. */
type Probe = { readonly discovered: Readonly<Record<string, unknown>> } | 'legacy' | 'silent';

/**
 * Opens a conversation in the server's own era. Closes what it started when it fails.
 *
 * @param start - Makes a fresh link: starts the process.
 * @throws PlatformError `TARGET_UNAVAILABLE`, `TARGET_TIMEOUT`, `TARGET_PROTOCOL_ERROR`, `CALL_CANCELLED`.
 */
export async function negotiate(start: () => PeerLink, options: NegotiateOptions): Promise<Conversation> {
  const endMs = options.context.deadlineMs;
  const link = start();
  const openMs = Math.min(link.clock.monotonicMs() + options.timeoutMs, endMs);
  const left = (): number => openMs - link.clock.monotonicMs();
  const era =
    options.probe === undefined || options.probe === 'auto' ? options.verdicts.get(options.verdictKey) : options.probe;
  if (era === 'legacy') return legacy(link, { ...options, timeoutMs: left() });
  const probed = await closingOnError(link, () =>
    probe(link, { ...options, timeoutMs: probeTime(era, options, left()) }),
  );
  if (typeof probed === 'object') return modern(link, probed.discovered, options);
  if (options.probe === 'modern') {
    await link.close();
    throw targetProtocolError(link.target, 'server/discover', 'no introduction of revision 2026-07-28');
  }
  if (link.ended) {
    // Whether it died of the question or of something else, one process per attempt is enough from now on.
    options.verdicts.set(options.verdictKey, 'legacy');
    return legacy(start(), { ...options, timeoutMs: left() });
  }
  return afterProbe(link, probed, { ...options, timeoutMs: left() });
}

function probeTime(era: Era | undefined, options: NegotiateOptions, leftMs: number): number {
  return era === 'modern' ? leftMs : Math.min(options.probeTimeoutMs ?? 2_000, leftMs);
}

async function probe(link: PeerLink, options: LinkOpenOptions): Promise<Probe> {
  let text: string;
  try {
    text = await discover(link, options);
  } catch (error) {
    if (error instanceof UpstreamRpcError) return unsupported(link.target, error);
    return withoutAnswer(link, error);
  }
  const discovered = JSON.parse(text) as Record<string, unknown>;
  const { supportedVersions } = discovered;
  if (!Array.isArray(supportedVersions)) return 'legacy';
  return supportedVersions.includes(MODERN_VERSION) ? { discovered } : legacyAmong(link.target, supportedVersions);
}

function withoutAnswer(link: PeerLink, error: unknown): Probe {
  const code = error instanceof PlatformError ? error.code : undefined;
  if (code === 'CALL_CANCELLED') throw error;
  if (code === 'TARGET_TIMEOUT') return 'silent';
  if (code === 'TARGET_PROTOCOL_ERROR' || link.ended) return 'legacy';
  throw error;
}

/** A modern server that refuses our revision says which ones it has; every other error is a legacy server's. */
function unsupported(target: string, error: UpstreamRpcError): Probe {
  const supported = isObject(error.data) ? error.data['supported'] : undefined;
  if (error.rpcCode !== UNSUPPORTED_VERSION || !Array.isArray(supported)) return 'legacy';
  return legacyAmong(target, supported);
}

function legacyAmong(target: string, versions: readonly unknown[]): Probe {
  if (versions.some((version) => typeof version === 'string' && LEGACY_VERSIONS.has(version))) return 'legacy';
  throw targetProtocolError(
    target,
    'server/discover',
    `protocol versions ${JSON.stringify(versions).slice(0, 200)}, none of which this gateway speaks`,
  );
}

function modern(
  link: PeerLink,
  discovered: Readonly<Record<string, unknown>>,
  options: NegotiateOptions,
): Conversation {
  options.verdicts.set(options.verdictKey, 'modern');
  link.negotiated(MODERN_VERSION);
  return new ModernConversation(link, discovered, options);
}

async function legacy(link: PeerLink, options: NegotiateOptions): Promise<Conversation> {
  return closingOnError(link, async () => {
    try {
      const conversation = await openLegacy(link, options);
      options.verdicts.set(options.verdictKey, 'legacy');
      return conversation;
    } catch (error) {
      // A server that refuses to introduce itself in this era may speak the other: it is asked next time.
      if (error instanceof UpstreamRpcError) options.verdicts.forget(options.verdictKey);
      throw error;
    }
  });
}

/**
 * A server that was silent may have been slow to start rather than legacy: when it then refuses `initialize`,
 * it is asked again. One that hangs after the question is not asked next time.
 */
async function afterProbe(
  link: PeerLink,
  probed: 'legacy' | 'silent',
  options: NegotiateOptions,
): Promise<Conversation> {
  try {
    const conversation = await openLegacy(link, options);
    options.verdicts.set(options.verdictKey, 'legacy');
    return conversation;
  } catch (error) {
    if (probed === 'silent' && error instanceof UpstreamRpcError) {
      const again = await closingOnError(link, () => probe(link, options));
      if (typeof again === 'object') return modern(link, again.discovered, options);
    }
    if (probed === 'silent') options.verdicts.set(options.verdictKey, 'legacy');
    await link.close();
    throw refusal(link.target, error);
  }
}

async function closingOnError<Result>(link: PeerLink, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    await link.close();
    throw refusal(link.target, error);
  }
}

/** A server's refusal to introduce itself is our failure to reach it, not an answer to anybody's call. */
function refusal(target: string, error: unknown): unknown {
  if (!(error instanceof UpstreamRpcError)) return error;
  // An internal error is no matter of the protocol; its words are all there is to go by.
  if (error.rpcCode === INTERNAL_ERROR)
    return targetUnavailable(target, `fails before it can introduce itself: ${error.message.slice(0, 600)}`);
  return targetProtocolError(target, 'initialize', `error ${error.rpcCode}: ${error.message.slice(0, 300)}`);
}
