/**
 * An MCP server as a target of the gateway, however it is reached. It decides which conversation carries which
 * call, who may share one, and when a server is started again; how one is opened is its connector's.
 *
 * Without questions a conversation is shared: per tenant with a local server, per principal with a remote one.
 * A legacy server that was told it may ask belongs to one principal (see `DeclaringPool`). A modern server
 * needs no such care: each request says what its own caller can answer.
 */

import type { RequestContext } from '../core/context.ts';
import type { BackendLabel } from '../core/ports.ts';
import type {
  Definition,
  Exchange,
  Target,
  TargetCall,
  TargetChange,
  TargetKind,
  TargetListing,
  TargetResult,
  TargetStatus,
} from '../core/target.ts';
import type { Conversation } from './conversation.ts';
import type { ConversationSlot } from './conversation-slot.ts';
import type { ListingOptions } from './listing.ts';
import type { SlotStoreOptions } from './slot-store.ts';
import { PlatformError } from '../core/errors.ts';
import { outgoingMeta } from './outgoing-meta.ts';
import { readListing, readToolNames } from './listing.ts';
import { DECLARE_ALL, declaresQuestions } from './revisions.ts';
import { SlotStore } from './slot-store.ts';

export interface McpTargetOptions extends SlotStoreOptions {
  /** @default 'embedded' for stdio, 'live' for remote servers */
  readonly label?: BackendLabel;
  readonly tenants?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
  /** Milliseconds for one call. @default 60000 */
  readonly timeoutMs?: number;
  /** Milliseconds for one page of a list. @default 10000 */
  readonly listTimeoutMs?: number;
  /** Why a definition may not be listed over this transport. */
  readonly objection?: (definition: Definition) => string | undefined;
}

/** What a server says of itself before it is asked for anything. */
export interface Introduction {
  readonly protocolVersion: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo?: Readonly<Record<string, unknown>>;
  readonly instructions?: string;
}

/** Stands in for a caller when lists are read: it shows what clients can do at most, and is never asked. */
const NOBODY: Exchange = Object.freeze({
  capabilities: DECLARE_ALL,
  canAsk: false,
  wantsProgress: false,
  notify: () => undefined,
  ask: () =>
    Promise.reject(new PlatformError('CLIENT_CANNOT_ANSWER', 'Nobody waits for this list who could be asked.')),
});

export class McpTarget implements Target {
  readonly id: string;
  readonly kind: TargetKind;
  readonly label: BackendLabel;
  readonly tenants?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly #options: McpTargetOptions;
  readonly #store: SlotStore;
  readonly #timeoutMs: number;
  #listed = false;

  constructor(options: McpTargetOptions) {
    this.id = options.id;
    this.kind = options.connector.kind;
    this.label = options.label ?? (options.connector.kind === 'stdio' ? 'embedded' : 'live');
    if (options.tenants !== undefined) this.tenants = options.tenants;
    if (options.tags !== undefined) this.tags = options.tags;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    this.#store = new SlotStore(options);
  }

  async list(context: RequestContext): Promise<TargetListing> {
    const listing = await this.#read(context);
    this.#listed = true;
    return listing;
  }

  /** Who the server is, without reading its lists. Starts it when need be. @throws PlatformError as `Connector.open`. */
  introduce(context: RequestContext): Promise<Introduction> {
    const store = this.#store;
    const introduction = ({ protocolVersion, capabilities, serverInfo, instructions }: Conversation): Introduction => ({
      protocolVersion,
      capabilities,
      ...(serverInfo === undefined ? {} : { serverInfo }),
      ...(instructions === undefined ? {} : { instructions }),
    });
    const read = (conversation: Conversation): Promise<Introduction> => Promise.resolve(introduction(conversation));
    return store.isolated ? store.once({}, context, read) : store.use(store.plain(context), context, read);
  }

  async call(call: TargetCall, exchange: Exchange, context: RequestContext): Promise<TargetResult> {
    try {
      return { text: await this.#attempt(call, exchange, context) };
    } catch (error) {
      if (!mayRepeat(error, call)) throw error;
      return { text: await this.#attempt(call, exchange, context) };
    }
  }

  onChange(listener: (change: TargetChange) => void): () => void {
    return this.#store.changes.subscribe(listener);
  }

  /** Only conversations that were told of roots hear that they have changed. */
  notify(method: string, context: RequestContext): void {
    if (method !== 'notifications/roots/list_changed') return;
    for (const slot of this.#store.declaring(context).slots) slot.current?.notify(method, '{}');
  }

  status(): TargetStatus {
    const { gate, protocolVersion } = this.#store;
    const { connector } = this.#options;
    const failing = gate.failures > 0;
    const well = this.#listed || this.#store.hasOpened ? 'ready' : 'starting';
    return {
      state: failing ? (this.#listed ? 'degraded' : 'down') : well,
      restarts: connector.restarts(),
      children: connector.kind === 'stdio' ? connector.children() : this.#store.openConversations,
      ...(failing ? { reason: gate.reason } : {}),
      ...(protocolVersion === undefined ? {} : { protocolVersion }),
    };
  }

  async close(options: { readonly drainMs?: number } = {}): Promise<void> {
    await this.#store.close(options.drainMs ?? 0);
    await this.#options.connector.close();
  }

  async #read(context: RequestContext): Promise<TargetListing> {
    const options: ListingOptions = {
      target: this.id,
      context,
      timeoutMs: this.#options.listTimeoutMs ?? 10_000,
      exchange: NOBODY,
      ...(this.#options.objection === undefined ? {} : { objection: this.#options.objection }),
    };
    if (this.#store.era === 'legacy') return this.#readLegacy(options);
    return this.#store.use(this.#store.plain(context), context, (conversation) =>
      conversation.era === 'legacy' ? this.#readLegacy(options) : this.#readModern(conversation, options),
    );
  }

  /** Behind a function an older server may stand, whose list depends on what its caller can be asked. */
  async #readModern(conversation: Conversation, options: ListingOptions): Promise<TargetListing> {
    if (this.kind !== 'function') return readListing(conversation, options);
    const [listing, plain] = await Promise.all([
      readListing(conversation, options),
      readToolNames(conversation, { ...options, exchange: { ...NOBODY, capabilities: {} } }),
    ]);
    return marked(listing, plain);
  }

  /** Some servers offer more tools to clients that can be asked. What only those see is marked, and called the same way. */
  async #readLegacy(options: ListingOptions): Promise<TargetListing> {
    const { context } = options;
    if (!this.#asks)
      return this.#store.use(this.#store.plain(context), context, (conversation) => readListing(conversation, options));
    const [listing, plain] = await Promise.all([
      this.#store.use(this.#store.catalogue(context), context, (conversation) => readListing(conversation, options)),
      this.#store.use(this.#store.plain(context), context, (conversation) => readToolNames(conversation, options)),
    ]);
    return marked(listing, plain);
  }

  get #asks(): boolean {
    return this.#options.connector.asks ?? true;
  }

  #attempt(call: TargetCall, exchange: Exchange, context: RequestContext): Promise<string> {
    const store = this.#store;
    if (call.method === 'resources/subscribe' || call.method === 'resources/unsubscribe')
      return this.#follow(call, exchange, context);
    const send = (conversation: Conversation): Promise<string> => this.#send(conversation, call, exchange, context);
    const asks =
      call.definition?.declaringOnly === true ||
      (this.#asks && exchange.canAsk && declaresQuestions(exchange.capabilities));
    if (store.isolated) return store.once(asks ? DECLARE_ALL : {}, context, send);
    const plain = store.plain(context);
    if (!asks || store.era === 'modern') return store.use(plain, context, send);
    return this.#attemptAsking(call, exchange, context);
  }

  /** The caller can be asked: a legacy server gets a conversation that says so. */
  async #attemptAsking(call: TargetCall, exchange: Exchange, context: RequestContext): Promise<string> {
    const store = this.#store;
    const plain = store.plain(context);
    if ((await this.#era(plain, context)) === 'modern')
      return store.use(plain, context, (conversation) => this.#send(conversation, call, exchange, context));
    return store
      .declaring(context)
      .run(exchange, context, (slot, watched) =>
        store.use(slot, context, (conversation) => this.#send(conversation, call, watched, context)),
      );
  }

  async #era(plain: ConversationSlot, context: RequestContext): Promise<'modern' | 'legacy'> {
    return this.#store.era ?? (await plain.get(context)).era;
  }

  #follow(call: TargetCall, exchange: Exchange, context: RequestContext): Promise<string> {
    const slot = this.#store.plain(context);
    return this.#store.use(slot, context, async (conversation) => {
      const text = await this.#send(conversation, call, exchange, context);
      if (call.method === 'resources/subscribe') slot.followed.add(call.name);
      else slot.followed.delete(call.name);
      return text;
    });
  }

  #send(conversation: Conversation, call: TargetCall, caller: Exchange, context: RequestContext): Promise<string> {
    // Each request of this era says what its caller can be asked, and without that the tool would not exist.
    const needs = conversation.era === 'modern' && call.definition?.declaringOnly === true;
    const exchange = needs && !declaresQuestions(caller.capabilities) ? declaring(caller) : caller;
    return conversation.request({
      method: call.method,
      params: call.params,
      meta: outgoingMeta(call, context, this.kind),
      exchange,
      context,
      timeoutMs: this.#timeoutMs,
      definition: call.definition,
    });
  }
}

/** Marks the tools that only a caller sees who can be asked. */
function marked(listing: TargetListing, plain: ReadonlySet<string>): TargetListing {
  const definitions = listing.definitions.map((definition) =>
    definition.kind === 'tool' && !plain.has(definition.key) ? { ...definition, declaringOnly: true } : definition,
  );
  return { ...listing, definitions };
}

/** A caller that says it can be asked; whoever relays its questions finds out that it cannot. */
function declaring(caller: Exchange): Exchange {
  return {
    capabilities: DECLARE_ALL,
    canAsk: caller.canAsk,
    logLevel: caller.logLevel,
    wantsProgress: caller.wantsProgress,
    notify: (method, params) => caller.notify(method, params),
    ask: (method, params) => caller.ask(method, params),
  };
}

/** Once more, when the server was gone before it answered and a second run does no harm, or never saw the first. */
function mayRepeat(error: unknown, call: TargetCall): boolean {
  if (!(error instanceof PlatformError) || error.code !== 'TARGET_UNAVAILABLE') return false;
  return error.details['processed'] === false || (call.repeatable && error.details['lost'] === true);
}
