/** Tells open clients what has changed: modern subscriptions and legacy sessions, within a second of the change. */

import type { Context, Principal } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Clock } from '../core/ports.ts';
import { notificationMessage, resultMessage } from '../protocol/json-rpc.ts';
import type { Message } from '../protocol/message.ts';
import { publicUri } from '../protocol/uris.ts';
import { META_SERVER_INFO, META_SUBSCRIPTION_ID } from '../protocol/versions.ts';
import type { Catalogue, CatalogueChange } from './catalogue.ts';
import { EventStream } from './event-stream.ts';
import type { ListKind } from './publish.ts';
import type { Reply } from './reply.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { Endpoint } from './view.ts';

const MAX_SUBSCRIPTIONS = 256;
const MAX_STREAMS_PER_PRINCIPAL = 128;
const MAX_STREAMS = 4_096;
/** Changes that come in a burst (a target that lists again) are told once. */
const COALESCE_MS = 50;

/** One open client: gets notifications in its own form. */
export interface Listener {
  readonly principal: Principal;
  readonly endpoint: Endpoint;
  wants(notification: Notification): boolean;
  tell(notification: Notification): void;
}

export type Notification =
  | {
      readonly method:
        | 'notifications/tools/list_changed'
        | 'notifications/prompts/list_changed'
        | 'notifications/resources/list_changed';
    }
  | { readonly method: 'notifications/resources/updated'; readonly uri: string };

const LIST_CHANGED: Readonly<
  Record<
    ListKind,
    'notifications/tools/list_changed' | 'notifications/prompts/list_changed' | 'notifications/resources/list_changed'
  >
> = {
  tools: 'notifications/tools/list_changed',
  prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed',
  templates: 'notifications/resources/list_changed',
};

export class Announcer {
  /** With how many changes had been waiting to be told when each came: those are older than it. */
  readonly #listeners = new Map<Listener, number>();
  readonly #streams = new Map<EventStream, { readonly principal: Principal; end(): void }>();
  readonly #clock: Clock;
  readonly #serverInfo: string;
  readonly #subscriptions: Subscriptions;
  #pending: CatalogueChange[] = [];

  constructor(parts: {
    readonly catalogue: Catalogue;
    readonly clock: Clock;
    readonly serverInfo: string;
    readonly subscriptions: Subscriptions;
  }) {
    this.#subscriptions = parts.subscriptions;
    this.#clock = parts.clock;
    this.#serverInfo = parts.serverInfo;
    parts.catalogue.onChange((change) => this.#changed(change));
  }

  #changed(change: CatalogueChange): void {
    this.#pending.push(change);
    if (this.#pending.length === 1) this.#clock.after(COALESCE_MS, () => this.#announce());
  }

  #announce(): void {
    const changes = this.#pending;
    this.#pending = [];
    for (const [listener, older] of this.#listeners) {
      this.#listeners.set(listener, 0);
      const told = new Set<string>();
      for (const notification of changes.slice(older).flatMap((change) => notificationsFor(listener, change))) {
        const key = 'uri' in notification ? `${notification.method} ${notification.uri}` : notification.method;
        if (told.has(key) || !listener.wants(notification)) continue;
        told.add(key);
        listener.tell(notification);
      }
    }
  }

  add(listener: Listener): () => void {
    this.#listeners.set(listener, this.#pending.length);
    return () => this.#listeners.delete(listener);
  }

  /** @throws PlatformError `TOO_MANY_REQUESTS`, `OVERLOADED`. */
  checkCapacity(principal: Principal): void {
    const mine = [...this.#streams.values()].filter(
      (stream) => stream.principal.id === principal.id && stream.principal.tenant === principal.tenant,
    );
    if (mine.length >= MAX_STREAMS_PER_PRINCIPAL) {
      throw new PlatformError('TOO_MANY_REQUESTS', `You have ${mine.length} open streams; close some of them first.`, {
        retryAfterSeconds: 5,
      });
    }
    if (this.#streams.size >= MAX_STREAMS)
      throw new PlatformError('OVERLOADED', 'Too many streams are open. Try again in a moment.', {
        retryAfterSeconds: 5,
      });
  }

  /** Counts a long stream until it closes. `end` says goodbye in the stream's own protocol. */
  track(stream: EventStream, principal: Principal, end: () => void): void {
    this.#streams.set(stream, { principal, end });
    stream.onClose(() => this.#streams.delete(stream));
  }

  /** `subscriptions/listen` of 2026-07-28. Resources that cannot be subscribed to are left out of the acknowledgement. */
  async listen(message: Message, endpoint: Endpoint, context: Context): Promise<Reply> {
    this.checkCapacity(context.principal);
    const wanted = await this.#subscribe(filterOf(message), endpoint, context);
    const stream = new EventStream(this.#clock);
    const idMeta = `"_meta":{"${META_SUBSCRIPTION_ID}":${message.idText}}`;
    stream.send(
      notificationMessage(
        'notifications/subscriptions/acknowledged',
        `{${idMeta},"notifications":${JSON.stringify(wanted)}}`,
      ),
    );
    const remove = this.add({
      principal: context.principal,
      endpoint,
      wants: (notification) => isWanted(wanted, notification),
      tell: (notification) => {
        const uri = 'uri' in notification ? `,"uri":${JSON.stringify(notification.uri)}` : '';
        stream.send(notificationMessage(notification.method, `{${idMeta}${uri}}`));
      },
    });
    stream.onClose(() => {
      remove();
      this.#subscriptions.releaseAll(context, { endpoint, uris: wanted.resourceSubscriptions ?? [] });
    });
    this.track(stream, context.principal, () => {
      const meta = `"_meta":{"${META_SUBSCRIPTION_ID}":${message.idText},"${META_SERVER_INFO}":${this.#serverInfo}}`;
      stream.send(resultMessage(message.idText, `{"resultType":"complete",${meta}}`));
      stream.end();
    });
    return stream.reply();
  }

  async #subscribe(filter: Filter, endpoint: Endpoint, context: Context): Promise<Filter> {
    if (filter.resourceSubscriptions === undefined) return filter;
    const uris = filter.resourceSubscriptions;
    const made = await Promise.all(
      uris.map((uri) => this.#subscriptions.add(context, endpoint, uri).catch(() => false)),
    );
    return { ...filter, resourceSubscriptions: uris.filter((_, index) => made[index]) };
  }

  /** Ends every stream in its own way; used at shutdown. */
  close(): void {
    // Ending a stream takes it off the list, which a map allows while it is walked.
    for (const stream of this.#streams.values()) stream.end();
  }
}

interface Filter {
  readonly toolsListChanged?: boolean;
  readonly promptsListChanged?: boolean;
  readonly resourcesListChanged?: boolean;
  readonly resourceSubscriptions?: readonly string[];
}

/** The subset of the wish that is honoured: known keys of the right type. */
function filterOf(message: Message): Filter {
  const wish = message.parsed['notifications'];
  if (!isObject(wish))
    throw new PlatformError(
      'INVALID_PARAMS',
      '"params.notifications" must be an object that names what to listen for.',
    );
  const uris = wish['resourceSubscriptions'];
  const isUris = Array.isArray(uris) && uris.every((uri): uri is string => typeof uri === 'string');
  return {
    ...(wish['toolsListChanged'] === true ? { toolsListChanged: true } : {}),
    ...(wish['promptsListChanged'] === true ? { promptsListChanged: true } : {}),
    ...(wish['resourcesListChanged'] === true ? { resourcesListChanged: true } : {}),
    ...(isUris ? { resourceSubscriptions: uris.slice(0, MAX_SUBSCRIPTIONS) } : {}),
  };
}

function isWanted(filter: Filter, notification: Notification): boolean {
  switch (notification.method) {
    case 'notifications/tools/list_changed':
      return filter.toolsListChanged === true;
    case 'notifications/prompts/list_changed':
      return filter.promptsListChanged === true;
    case 'notifications/resources/list_changed':
      return filter.resourcesListChanged === true;
    case 'notifications/resources/updated':
      return filter.resourceSubscriptions?.includes(notification.uri) === true;
  }
}

/** What one change means to one listener: nothing for another tenant or another target's endpoint. */
function notificationsFor(listener: Listener, change: CatalogueChange): Notification[] {
  const { principal, endpoint } = listener;
  if (change.tenant !== undefined && change.tenant !== principal.tenant) return [];
  if (change.target.tenants !== undefined && !change.target.tenants.includes(principal.tenant)) return [];
  if (endpoint !== '' && endpoint !== change.target.id) return [];
  const out: Notification[] = change.kinds.map((kind) => ({ method: LIST_CHANGED[kind] }));
  if (change.uri !== undefined) {
    const uri =
      endpoint === '' && change.target.id !== 'registry' ? publicUri(change.target.id, change.uri) : change.uri;
    out.push({ method: 'notifications/resources/updated', uri });
  }
  return out;
}
