/**
 * Speaks MCP with a function that is a whole server, and finds out how it wants to be spoken to: by JSON-RPC messages,
 * of whichever era, or by `{method, params}`. Where the function runs is the invoker's business.
 */

import type { Clock, FunctionInvoker, Logger } from '../../core/ports.ts';
import type { Connector, Conversation, OpenOptions } from '../../upstream/conversation.ts';
import type { ClientInfo } from '../../upstream/revisions.ts';
import type { FunctionChannel, FunctionEndpoint } from './function-channel.ts';
import { CircuitBreaker } from '../../core/circuit-breaker.ts';
import { PlatformError } from '../../core/errors.ts';
import { parseFunctionReference } from '../../core/lambda-arn.ts';
import { PeerLink } from '../../upstream/channel.ts';
import { targetUnavailable } from '../../upstream/failures.ts';
import { openLegacy } from '../../upstream/legacy-conversation.ts';
import { EraVerdicts, negotiate } from '../../upstream/negotiate.ts';
import { JsonRpcChannel } from './json-rpc-channel.ts';
import { MethodChannel } from './method-channel.ts';

export interface FunctionConnectorOptions {
  /** Name of the target, for error messages. */
  readonly target: string;
  /** Name or ARN of the function, with an optional qualifier. */
  readonly functionName: string;
  readonly invoker: FunctionInvoker;
  readonly clock: Clock;
  readonly log: Logger;
  readonly clientInfo: ClientInfo;
  /** How the function is spoken to; `auto` asks it. @default 'auto' */
  readonly contract?: 'auto' | 'json-rpc' | 'method-params';
  /** Reads every answer as a stream, for functions that answer more than 6 MB. @default false */
  readonly streams?: boolean;
  /** Calls back with the name of a function whose code or settings have changed; the result stops. */
  readonly onFunctionChange?: (listener: (name: string) => void) => () => void;
  /** Shared between the targets of one gateway, so that a removed and re-added function is not asked again. */
  readonly verdicts?: EraVerdicts;
}

export class FunctionConnector implements Connector {
  readonly kind = 'function';
  readonly asks = false;
  readonly #options: FunctionConnectorOptions;
  readonly #endpoint: FunctionEndpoint;
  readonly #verdicts: EraVerdicts;
  readonly #verdictKey: string;
  readonly #open = new Map<PeerLink, FunctionChannel>();
  readonly #stopListening: (() => void) | undefined;
  /** What was found out, or configured. */
  #contract: 'json-rpc' | 'method-params' | undefined;
  /** Whether a function of the contract `{method, params}` introduces itself. */
  #introduces: boolean | undefined;
  #closed = false;

  constructor(options: FunctionConnectorOptions) {
    const { target, functionName, invoker, clock, log, contract } = options;
    this.#options = options;
    this.#endpoint = { target, functionName, invoker, clock, log, breaker: new CircuitBreaker({ clock }) };
    this.#verdicts = options.verdicts ?? new EraVerdicts(clock);
    this.#verdictKey = `function\n${functionName}`;
    this.#contract = contract === 'auto' ? undefined : contract;
    const name = parseFunctionReference(functionName)?.name;
    this.#stopListening = options.onFunctionChange?.((changed) => {
      if (changed === name) this.#changed();
    });
  }

  async open(options: OpenOptions): Promise<Conversation> {
    const { target } = this.#endpoint;
    if (this.#closed) throw targetUnavailable(target, 'was removed. Ask for the list again.');
    try {
      return await (this.#contract === 'method-params' ? this.#openMethods(options) : this.#openJsonRpc(options));
    } catch (error) {
      this.#forget();
      throw unusable(target, error);
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
    this.#stopListening?.();
    await Promise.all([...this.#open.keys()].map((link) => link.close()));
  }

  async #openJsonRpc(options: OpenOptions): Promise<Conversation> {
    const { clientInfo, streams = false } = this.#options;
    const { clock } = this.#endpoint;
    const openMs = clock.monotonicMs() + options.timeoutMs;
    const channels: JsonRpcChannel[] = [];
    const start = (): PeerLink => {
      const channel = new JsonRpcChannel(this.#endpoint, streams);
      channel.mayBeForeign = this.#contract === undefined;
      channels.push(channel);
      return this.#link(channel);
    };
    try {
      const conversation = await negotiate(start, {
        ...options,
        clientInfo,
        verdicts: this.#verdicts,
        verdictKey: this.#verdictKey,
        // A function may have to start first.
        probeTimeoutMs: options.timeoutMs / 2,
      });
      this.#contract = 'json-rpc';
      for (const channel of channels) channel.mayBeForeign = false;
      return conversation;
    } catch (error) {
      if (!channels.some((channel) => channel.isForeign)) throw error;
    }
    const conversation = await this.#openMethods({ ...options, timeoutMs: openMs - clock.monotonicMs() });
    this.#contract = 'method-params';
    return conversation;
  }

  async #openMethods(options: OpenOptions): Promise<Conversation> {
    const channel = new MethodChannel(this.#endpoint);
    channel.introduces = this.#introduces;
    const link = this.#link(channel);
    try {
      const conversation = await openLegacy(link, { ...options, clientInfo: this.#options.clientInfo });
      this.#introduces = channel.introduces;
      return conversation;
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  #link(channel: FunctionChannel): PeerLink {
    const { target, clock } = this.#endpoint;
    const link = new PeerLink(channel, { target, clock });
    channel.inFlight = () => link.peer.inFlight;
    this.#open.set(link, channel);
    link.onEnd(() => this.#open.delete(link));
    return link;
  }

  /** What was found out is found out anew at the next opening. */
  #forget(): void {
    const { contract } = this.#options;
    this.#contract = contract === 'auto' ? undefined : contract;
    this.#introduces = undefined;
    this.#verdicts.forget(this.#verdictKey);
  }

  /** New code may offer something else, and in another way. */
  #changed(): void {
    this.#forget();
    for (const channel of this.#open.values()) channel.announceChanges();
  }
}

/** A function that cannot even introduce itself is a target that is not there; a throttled one only has to wait. */
function unusable(target: string, error: unknown): unknown {
  if (!(error instanceof PlatformError) || error.code === 'FUNCTION_THROTTLED') return error;
  if (!error.code.startsWith('FUNCTION_')) return error;
  const code = error.code === 'FUNCTION_TIMEOUT' ? 'TARGET_TIMEOUT' : 'TARGET_UNAVAILABLE';
  const message = error.message.startsWith('target ') ? error.message : `target "${target}": ${error.message}`;
  return new PlatformError(code, message, { ...error.details, target }, { cause: error });
}
