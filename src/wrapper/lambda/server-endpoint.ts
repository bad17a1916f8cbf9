/**
 * One MCP server behind a function, as its callers see it: each message is answered for itself, whatever revision it
 * is in. What needs a conversation (`initialize`, levels, subscriptions) is answered here or refused; everything else
 * is the server's to answer.
 */

import type { Context } from '../../core/context.ts';
import type { TargetCall } from '../../core/target.ts';
import type { Introduction } from '../../upstream/mcp-target.ts';
import type { Message } from '../../protocol/message.ts';
import type { WarmServer } from './warm-server.ts';
import { PlatformError } from '../../core/errors.ts';
import { isObject, textOf } from '../../core/json.ts';
import { encodeLegacyResult } from '../../protocol/era-2025.ts';
import { encodeModernResult, isModern, travellingMeta } from '../../protocol/era-2026.ts';
import { SUPPORTED_VERSIONS, negotiateLegacy } from '../../protocol/versions.ts';
import { declaresQuestions } from '../../upstream/revisions.ts';
import { CallExchange, askable } from './exchange.ts';
import type { QuestionMode } from './question-mode.ts';
import { MAY_BE_ASKED, cannotAnswer, stateError } from './question-mode.ts';

/** A message with everything that its answer depends on. */
export interface Incoming {
  readonly message: Message;
  readonly server: WarmServer;
  readonly context: Context;
  /** Legacy revision in which a legacy caller reads the answer. */
  readonly version: string;
  /** Sends one JSON-RPC message before the answer; absent where the answer is all there is. */
  readonly tell?: ((messageText: string) => void) | undefined;
}

/** Which parameter names what is called. */
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};
/** What changes a server tells on its own account; nobody listens to a function between invocations. */
const NEEDS_LISTENERS: ReadonlySet<string> = new Set(['resources/subscribe', 'resources/unsubscribe']);

/** Answers messages with the texts of results. */
export class ServerEndpoint {
  readonly #questions: QuestionMode | undefined;
  /** What legacy callers set, by principal; lost with the process, as functions lose everything. */
  readonly #levels = new Map<string, string>();

  /** @param questions - What becomes of questions in the middle of a call; absent: nobody is asked. */
  constructor(questions?: QuestionMode) {
    this.#questions = questions;
  }

  /**
   * @returns the text of `result`, in the revision of the message.
   * @throws UpstreamRpcError, PlatformError: the caller encodes them.
   */
  async answer(incoming: Incoming): Promise<string> {
    const { message, server } = incoming;
    checkName(message);
    const own = await this.#own(incoming);
    if (own !== undefined) return own;
    const text = await this.#call(incoming);
    if (!isModern(message)) return legacyResult(text, incoming.version);
    // A modern server has said everything itself.
    if (server.isModern === true) return text;
    const introduction = await server.introduce(incoming.context);
    const cacheable = message.method === 'resources/read' || message.method.endsWith('/list');
    return encodeModernResult(text, { serverInfo: JSON.stringify(serverInfoOf(introduction)), cacheable });
  }

  async #own({ message, server, context }: Incoming): Promise<string | undefined> {
    switch (message.method) {
      case 'initialize':
        return initializeResult(message, await server.introduce(context));
      case 'server/discover':
        return discoverResult(await server.introduce(context));
      case 'ping':
        return '{}';
      case 'logging/setLevel':
        return this.#setLevel(message, context);
      default:
        return undefined;
    }
  }

  #setLevel(message: Message, context: Context): string {
    const { level } = message.parsed;
    if (typeof level !== 'string') throw new PlatformError('INVALID_PARAMS', '"level" must name a log level.');
    if (this.#levels.size > 1_000) this.#levels.clear();
    this.#levels.set(context.principal.id, level);
    return '{}';
  }

  async #call(incoming: Incoming): Promise<string> {
    const { message, server, context, tell } = incoming;
    if (NEEDS_LISTENERS.has(message.method))
      throw new PlatformError(
        'METHOD_NOT_FOUND',
        `Method not found: ${message.method} (a function keeps no listeners)`,
      );
    const call = targetCall(message);
    const asked = await this.#asked(call, incoming);
    if (asked !== undefined) return asked;
    const lists = declaresQuestions(askable(message));
    const exchange = new CallExchange({
      message,
      tell,
      logLevel: this.#levels.get(context.principal.id),
      // What a server lists may depend on what its caller can be asked; it asks nothing meanwhile.
      ...(lists ? { ask: nobodyAnswers } : {}),
    });
    return server.call(call, exchange, context);
  }

  /** The result of a call whose server may ask; `undefined` for all others. */
  async #asked(call: TargetCall, incoming: Incoming): Promise<string | undefined> {
    const { message, server, context } = incoming;
    const mode = this.#questions;
    if (mode === undefined || !isModern(message) || !MAY_BE_ASKED.has(message.method)) return undefined;
    const { requestState } = message.parsed;
    const isOurs = typeof requestState === 'string' && requestState.startsWith(mode.prefix);
    if (!isOurs && !declaresQuestions(askable(message))) return undefined;
    // A modern server asks by results, and its states are its own.
    if (server.isModern === undefined) await server.introduce(context);
    if (server.isModern === true) return undefined;
    if (requestState !== undefined && !isOurs)
      throw stateError('requestState is not one that was given for this tool.');
    return mode.run(call, incoming, isOurs ? requestState.slice(mode.prefix.length) : undefined);
  }
}

function nobodyAnswers(method: string): Promise<string> {
  return Promise.reject(cannotAnswer(method));
}

/** @throws PlatformError `INVALID_PARAMS` for a call that does not say what it calls. */
function checkName(message: Message): void {
  const key = NAMED[message.method];
  if (key === undefined || (typeof message.parsed[key] === 'string' && message.parsed[key] !== '')) return;
  throw new PlatformError('INVALID_PARAMS', `${message.method} needs "params.${key}", a text.`);
}

function targetCall(message: Message): TargetCall {
  const key = NAMED[message.method];
  return {
    method: message.method,
    name: key === undefined ? '' : textOf(message.parsed[key]),
    params: message.params,
    meta: travellingMeta(message.meta),
    parsed: message.parsed,
    // Reading twice does no harm; what a tool does only its author knows.
    repeatable: message.method !== 'tools/call',
  };
}

function legacyResult(text: string, version: string): string {
  if (text.includes('"input_required"')) {
    const value: unknown = JSON.parse(text);
    if (isObject(value) && value['resultType'] === 'input_required')
      throw new PlatformError(
        'CLIENT_CANNOT_ANSWER',
        'The tool asks the user, and a caller of this revision cannot be asked through a function. Use a client that speaks 2026-07-28.',
      );
  }
  return encodeLegacyResult(text, version);
}

function serverInfoOf({ serverInfo }: Introduction): Readonly<Record<string, unknown>> {
  return serverInfo ?? { name: 'unnamed', version: '0' };
}

/** What the server offers, without what needs somebody who listens between two requests. */
function offered({ capabilities }: Introduction): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(capabilities)) {
    // Tasks live in one process, and the next request may reach another.
    if (!isObject(value) || key === 'tasks') continue;
    const { listChanged: _changes, subscribe: _follows, ...rest } = value;
    out[key] = rest;
  }
  return out;
}

function initializeResult(message: Message, introduction: Introduction): string {
  return JSON.stringify({
    protocolVersion: negotiateLegacy(message.parsed['protocolVersion']),
    capabilities: offered(introduction),
    serverInfo: serverInfoOf(introduction),
    ...(introduction.instructions === undefined ? {} : { instructions: introduction.instructions }),
  });
}

function discoverResult(introduction: Introduction): string {
  const { instructions } = introduction;
  const found = JSON.stringify({
    supportedVersions: SUPPORTED_VERSIONS,
    capabilities: offered(introduction),
    ...(instructions === undefined ? {} : { instructions }),
    ttlMs: 300_000,
    cacheScope: 'public',
  });
  return encodeModernResult(found, { serverInfo: JSON.stringify(serverInfoOf(introduction)) });
}
