/** A conversation of the revisions that begin with `initialize` (2024-10-07 to 2025-11-25), over any link. */

import type { Exchange } from '../core/target.ts';
import type { PeerLink } from './channel.ts';
import type { Conversation, ConversationRequest, OpenOptions } from './conversation.ts';
import type { ClientInfo } from './revisions.ts';
import { isObject } from '../core/json.ts';
import { targetProtocolError } from './failures.ts';
import { LEGACY_OFFER, LEGACY_VERSIONS, declaresQuestions } from './revisions.ts';

export interface LinkOpenOptions extends OpenOptions {
  readonly clientInfo: ClientInfo;
}

/** From talkative to silent. A server set to one level sends that and everything after it. */
const LOG_LEVELS: readonly string[] = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

interface Introduction {
  readonly protocolVersion: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: Readonly<Record<string, unknown>> | undefined;
  readonly instructions: string | undefined;
}

/**
 * Does `initialize` and `notifications/initialized`.
 *
 * @throws UpstreamRpcError when the server refuses, PlatformError `TARGET_TIMEOUT`, `TARGET_UNAVAILABLE`,
 *   `TARGET_PROTOCOL_ERROR` (no such revision). The link is left open; who made it closes it.
 */
export async function openLegacy(link: PeerLink, options: LinkOpenOptions): Promise<Conversation> {
  const { clientInfo } = options;
  const text = await link.peer.request({
    method: 'initialize',
    params: [
      { key: 'protocolVersion', text: JSON.stringify(LEGACY_OFFER) },
      { key: 'capabilities', text: JSON.stringify(options.declare) },
      { key: 'clientInfo', text: JSON.stringify({ name: clientInfo.name, version: clientInfo.version }) },
    ],
    meta: [],
    context: options.context,
    timeoutMs: options.timeoutMs,
    cancellable: false,
  });
  const introduction = readIntroduction(link.target, JSON.parse(text) as Record<string, unknown>);
  link.negotiated(introduction.protocolVersion);
  link.peer.notify('notifications/initialized');
  return new LegacyConversation(link, introduction, declaresQuestions(options.declare));
}

function readIntroduction(target: string, result: Readonly<Record<string, unknown>>): Introduction {
  const { protocolVersion, capabilities, serverInfo, instructions } = result;
  if (typeof protocolVersion !== 'string' || !LEGACY_VERSIONS.has(protocolVersion)) {
    throw targetProtocolError(
      target,
      'initialize',
      `protocol version ${JSON.stringify(protocolVersion)?.slice(0, 40)}, which this gateway does not speak`,
    );
  }
  return {
    protocolVersion,
    capabilities: isObject(capabilities) ? capabilities : {},
    serverInfo: isObject(serverInfo) ? serverInfo : undefined,
    instructions: typeof instructions === 'string' ? instructions : undefined,
  };
}

/** Answers within a request are of 2026-07-28; to an older server they would be strangers among its own parameters. */
function withoutAnswers(request: ConversationRequest): ConversationRequest {
  for (const { key } of request.params)
    if (key === 'inputResponses') return { ...request, params: request.params.filter((each) => each.key !== key) };
  return request;
}

class LegacyConversation implements Conversation {
  readonly era = 'legacy';
  readonly protocolVersion: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: Readonly<Record<string, unknown>> | undefined;
  readonly instructions: string | undefined;
  readonly declaring: boolean;
  readonly #link: PeerLink;
  /** Index into LOG_LEVELS of what the server was told; it starts at a level of its own choice. */
  #logLevel = LOG_LEVELS.length;

  constructor(link: PeerLink, introduction: Introduction, declaring: boolean) {
    this.protocolVersion = introduction.protocolVersion;
    this.capabilities = introduction.capabilities;
    this.serverInfo = introduction.serverInfo;
    this.instructions = introduction.instructions;
    this.declaring = declaring;
    this.#link = link;
  }

  get ended(): boolean {
    return this.#link.ended;
  }

  request(request: ConversationRequest): Promise<string> {
    if (request.exchange?.logLevel !== undefined) this.#raiseLogLevel(request.exchange, request);
    return this.#link.peer.request(withoutAnswers(request));
  }

  notify(method: string, paramsText: string): void {
    this.#link.peer.notify(method, paramsText);
  }

  onNotification(listener: (method: string, params: Readonly<Record<string, unknown>>) => void): () => void {
    return this.#link.onNotification(listener);
  }

  onEnd(listener: (reason: Error | undefined) => void): void {
    this.#link.onEnd(listener);
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  /**
   * The level belongs to the conversation in these revisions, to the request in ours: the server is set to the
   * most talkative level that anybody has asked for. It is not waited for; the request behind it arrives after it.
   */
  #raiseLogLevel(exchange: Exchange, request: ConversationRequest): void {
    const wanted = LOG_LEVELS.indexOf(exchange.logLevel ?? '');
    if (wanted < 0 || wanted >= this.#logLevel || !('logging' in this.capabilities)) return;
    this.#logLevel = wanted;
    const { context, timeoutMs } = request;
    const params = [{ key: 'level', text: JSON.stringify(exchange.logLevel) }];
    this.#link.peer
      .request({ method: 'logging/setLevel', params, meta: [], context, timeoutMs, cancellable: false })
      .catch(() => {
        // A server that refuses the level still does its work.
      });
  }
}
