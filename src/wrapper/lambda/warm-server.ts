/**
 * One stdio server for one tenant, kept warm in a function's process. It decides when a server is trusted to be well
 * and when it is started anew; which of its processes carries which call is `McpTarget`'s.
 */

import type { Context, RequestContext } from '../../core/context.ts';
import type { Logger } from '../../core/ports.ts';
import type { Exchange, TargetCall } from '../../core/target.ts';
import type { Introduction } from '../../upstream/mcp-target.ts';
import type { LambdaClock } from './lambda-clock.ts';
import type { ServerParameters } from './lambda-event.ts';
import type { Conversation } from '../../upstream/conversation.ts';
import type { AskingRun } from './asking-children.ts';
import type { CredentialMode } from './child-settings.ts';
import { PlatformError } from '../../core/errors.ts';
import { McpTarget } from '../../upstream/mcp-target.ts';
import { MODERN_VERSION } from '../../upstream/revisions.ts';
import { EraVerdicts } from '../../upstream/negotiate.ts';
import { StartGate } from '../../upstream/start-gate.ts';
import { StdioConnector } from '../stdio-connector.ts';
import { AskingChildren } from './asking-children.ts';
import { childVariables, removeFolder, newFolder, writeCredentials } from './child-settings.ts';

export interface WarmServerOptions extends Omit<ServerParameters, 'env'> {
  /** The server's own variables. */
  readonly env: () => Readonly<Record<string, string>>;
  /** Name in messages. */
  readonly name: string;
  /** `shared`: processes stay for the next call; `call`: each call gets a process of its own. */
  readonly isolation: 'shared' | 'call';
  readonly credentials: CredentialMode;
  /** Milliseconds until the server must have introduced itself. */
  readonly startTimeoutMs: number;
  /** Milliseconds after which an unused process that may ask ends. */
  readonly idleMs: number;
  /** The function's variables, as they are now. */
  readonly host: () => Readonly<Record<string, string | undefined>>;
  readonly clock: LambdaClock;
  readonly log: Logger;
}

/** Milliseconds that Lambda gives a process to end; its children get less. */
const TERM_AFTER_MS = 100;
const KILL_AFTER_MS = 200;
/** Unused for longer than this, the server is asked for a sign of life before it gets a call. */
const TRUSTED_MS = 10_000;
/** Milliseconds for that sign. */
const SIGN_OF_LIFE_MS = 1_000;
const MANY = 1_000_000;

/** Whom a sign of life is told: nobody. */
const NOBODY: Exchange = Object.freeze({
  capabilities: Object.freeze({}),
  canAsk: false,
  wantsProgress: false,
  notify: () => undefined,
  ask: () => Promise.reject(new PlatformError('CLIENT_CANNOT_ANSWER', 'Nobody waits here who could be asked.')),
});

export class WarmServer {
  /** Calls under way, held ones included: while there are any, another tenant's arrival does not end it. */
  users = 0;
  readonly #options: WarmServerOptions;
  /** Where its home and its caches are; goes with it. */
  readonly folder = newFolder();
  readonly #verdicts: EraVerdicts;
  #target: McpTarget;
  #connector: StdioConnector;
  /** Only where calls that ask are run again. */
  #asking: { readonly children: AskingChildren; readonly connector: StdioConnector } | undefined;
  #introduction: Introduction | undefined;
  #suspect = false;
  #usedMs: number;
  #restarts = 0;

  constructor(options: WarmServerOptions) {
    this.#options = options;
    this.#verdicts = new EraVerdicts(options.clock);
    this.#usedMs = options.clock.nowMs();
    this.#connector = this.#makeConnector();
    this.#target = this.#makeTarget(this.#connector);
  }

  /** Process ids of its live children. */
  pids(): readonly number[] {
    return [...this.#connector.pids(), ...(this.#asking?.connector.pids() ?? [])];
  }

  get name(): string {
    return this.#options.name;
  }

  /** Starts that replaced a lost or hanging server. */
  get restarts(): number {
    return this.#restarts + this.#connector.restarts();
  }

  /** Which family of revisions the server speaks, once it has said so. */
  get isModern(): boolean | undefined {
    const { protocolVersion } = this.#target.status();
    return protocolVersion === undefined ? undefined : protocolVersion === MODERN_VERSION;
  }

  /** Makes sure, before a call, that the server is worth calling. */
  async prepare(context: RequestContext): Promise<void> {
    if (this.#options.credentials === 'file') writeCredentials(this.folder, this.#options.host());
    const { state, protocolVersion } = this.#target.status();
    if (state === 'down' || state === 'degraded') {
      // A fresh start is tried at once: in a function nobody gains from a pause.
      this.#replace();
      return;
    }
    const unusedMs = this.#options.clock.nowMs() - this.#usedMs;
    if (protocolVersion === undefined || this.#options.isolation === 'call') return;
    if (this.users > 1 || (!this.#suspect && unusedMs < TRUSTED_MS)) return;
    if (!(await this.#isAlive(context))) this.#replace();
    this.#suspect = false;
  }

  /** Who the server is. Asked once; the answer of a process does not change while it lives. */
  async introduce(context: RequestContext): Promise<Introduction> {
    this.#introduction ??= await this.#target.introduce(context);
    return this.#introduction;
  }

  /**
   * @returns the text of the result.
   * @throws UpstreamRpcError with the server's own error, PlatformError when it could not answer.
   */
  async call(call: TargetCall, exchange: Exchange, context: Context): Promise<string> {
    try {
      return (await this.#target.call(call, exchange, context)).text;
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'TARGET_TIMEOUT') this.doubt();
      throw error;
    } finally {
      this.#usedMs = this.#options.clock.nowMs();
    }
  }

  /** Runs a call on a process that may ask and is ended by its first question without an answer. */
  ask(run: AskingRun, send: (conversation: Conversation, exchange: Exchange) => Promise<string>): Promise<string> {
    this.#asking ??= this.#makeAsking();
    return this.#asking.children.run(run, send);
  }

  /** A call has not ended in time: whether the server is still well is found out before the next one. */
  doubt(): void {
    this.#suspect = true;
  }

  /** Ends every process; resolves when none is left. Its folder goes with them. */
  async close(): Promise<void> {
    await Promise.all([this.#target.close(), this.#asking?.children.close()]);
    removeFolder(this.folder);
  }

  async #isAlive(context: RequestContext): Promise<boolean> {
    const { clock } = this.#options;
    const deadlineMs = Math.min(context.deadlineMs, clock.monotonicMs() + SIGN_OF_LIFE_MS);
    const method = this.isModern === true ? 'server/discover' : 'ping';
    const sign: TargetCall = { method, name: '', params: [], meta: [], parsed: {}, repeatable: false };
    try {
      await this.#target.call(sign, NOBODY, { ...plainContext(context), deadlineMs });
      return true;
    } catch (error) {
      // An error of the server's own is a sign of life too.
      return !(error instanceof PlatformError);
    }
  }

  #replace(): void {
    this.#options.log.log('warn', 'server replaced', { server: this.#options.name });
    const before = this.#target;
    this.#restarts += this.#connector.restarts() + 1;
    this.#connector = this.#makeConnector();
    this.#target = this.#makeTarget(this.#connector);
    this.#introduction = undefined;
    void before.close();
  }

  #makeAsking(): { readonly children: AskingChildren; readonly connector: StdioConnector } {
    const { name, isolation, startTimeoutMs, idleMs, clock, log } = this.#options;
    const connector = this.#makeConnector(0);
    const children = new AskingChildren({
      id: name,
      connector,
      clock,
      log,
      openTimeoutMs: startTimeoutMs,
      idleMs,
      isolation: isolation === 'call' ? 'per-call' : 'shared',
      gate: new StartGate({ target: name, clock, breaksAfter: MANY }),
    });
    return { children, connector };
  }

  /** @param patience - 0 ends processes at once. */
  #makeConnector(patience = 1): StdioConnector {
    const { name, command, args, cwd, env, host, credentials, clock, log } = this.#options;
    return new StdioConnector({
      target: name,
      command,
      args: args ?? [],
      ...(cwd === undefined ? {} : { cwd }),
      environment: childVariables({ host: host(), configured: env(), credentials, folder: this.folder }),
      clock,
      log,
      clientInfo: { name: 'zeroplane-wrapper', version: '1' },
      verdicts: this.#verdicts,
      termAfterMs: TERM_AFTER_MS * patience,
      killAfterMs: KILL_AFTER_MS * patience,
    });
  }

  #makeTarget(connector: StdioConnector): McpTarget {
    const { name, isolation, startTimeoutMs, idleMs, clock, log } = this.#options;
    return new McpTarget({
      id: name,
      connector,
      clock,
      log,
      // The invocation's deadline bounds a call; a limit of our own would only add another.
      timeoutMs: Number.POSITIVE_INFINITY,
      openTimeoutMs: startTimeoutMs,
      idleMs,
      isolation: isolation === 'call' ? 'per-call' : 'shared',
      // Replaced at the next invocation instead, see prepare().
      gate: new StartGate({ target: name, clock, breaksAfter: MANY }),
    });
  }
}

/** A context without listeners of its own, so that a sign of life leaves none on the invocation. */
function plainContext({ principal, tenant, requestId, trace, log, hops, signal }: RequestContext): RequestContext {
  return { principal, tenant, requestId, trace, log, hops, signal, deadlineMs: 0 };
}
