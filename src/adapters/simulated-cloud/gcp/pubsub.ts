/** Pub/Sub's REST API, as far as topics and subscriptions are made and removed. Messages are not simulated. */

import type { JsonValue } from '../../../core/ports.ts';
import type { SimulatedState } from '../simulated-state.ts';
import { RestError, bodyOf, merged, objectAt, textAt } from '../rest-routes.ts';
import type { JsonObject, Names, RestReply, RestRequest, Route } from '../rest-routes.ts';

const TOPIC = 'pubsub-topic';
const SUBSCRIPTION = 'pubsub-subscription';
const PROJECT = '^/v1/projects/(?<project>[^/]+)';
/** What a subscription's topic is called once it is gone. */
const DELETED_TOPIC = '_deleted-topic_';

const TOPIC_FIELDS = ['labels', 'messageRetentionDuration', 'messageStoragePolicy', 'kmsKeyName', 'schemaSettings'];
const SUBSCRIPTION_FIELDS = [
  'topic',
  'labels',
  'ackDeadlineSeconds',
  'messageRetentionDuration',
  'retainAckedMessages',
  'enableMessageOrdering',
  'expirationPolicy',
  'deadLetterPolicy',
  'retryPolicy',
  'filter',
  'pushConfig',
  'enableExactlyOnceDelivery',
];
/** Fixed when a subscription is made. */
const FIXED_FIELDS = new Set(['topic', 'enableMessageOrdering', 'filter']);

export function pubsubRoutes(state: SimulatedState): readonly Route[] {
  const service = new PubSub(state);
  const route = (operation: string, method: string, path: string, handle: Route['handle']): Route => ({
    service: 'pubsub',
    operation,
    method,
    pattern: new RegExp(`${PROJECT}/${path}$`),
    handle,
  });
  const topic = 'topics/(?<name>[^/:]+)';
  const subscription = 'subscriptions/(?<name>[^/:]+)';
  return [
    route('topics.create', 'PUT', topic, (request, names) => service.createTopic(request, names)),
    route('topics.get', 'GET', topic, (_request, names) => service.get(TOPIC, names)),
    route('topics.patch', 'PATCH', topic, (request, names) => service.patch(TOPIC, request, names)),
    route('topics.delete', 'DELETE', topic, (_request, names) => service.deleteTopic(names)),
    route('topics.list', 'GET', 'topics', (_request, names) => service.list(TOPIC, names)),
    route('topics.subscriptions.list', 'GET', `${topic}/subscriptions`, (_request, names) => service.attached(names)),
    route('subscriptions.create', 'PUT', subscription, (request, names) => service.subscribe(request, names)),
    route('subscriptions.get', 'GET', subscription, (_request, names) => service.get(SUBSCRIPTION, names)),
    route('subscriptions.patch', 'PATCH', subscription, (request, names) =>
      service.patch(SUBSCRIPTION, request, names),
    ),
    route('subscriptions.delete', 'DELETE', subscription, (_request, names) => service.unsubscribe(names)),
    route('subscriptions.list', 'GET', 'subscriptions', (_request, names) => service.list(SUBSCRIPTION, names)),
  ];
}

type Kind = typeof TOPIC | typeof SUBSCRIPTION;

const COLLECTIONS: Readonly<Record<Kind, string>> = { [TOPIC]: 'topics', [SUBSCRIPTION]: 'subscriptions' };

class PubSub {
  readonly #state: SimulatedState;

  constructor(state: SimulatedState) {
    this.#state = state;
  }

  async createTopic(request: RestRequest, names: Names): Promise<RestReply> {
    const id = idOf(TOPIC, names);
    checkName(names['name'] ?? '');
    const topic = { name: id, ...picked(bodyOf(request), TOPIC_FIELDS), state: 'ACTIVE' };
    if (!(await this.#state.create(TOPIC, id, topic))) throw exists(names['name'] ?? '');
    return { status: 200, body: topic };
  }

  async subscribe(request: RestRequest, names: Names): Promise<RestReply> {
    const id = idOf(SUBSCRIPTION, names);
    checkName(names['name'] ?? '');
    const body = picked(bodyOf(request), SUBSCRIPTION_FIELDS);
    const topic = textAt(body, 'topic') ?? '';
    if ((await this.#state.get(TOPIC, topic)) === undefined) throw notFound(topic.split('/').at(-1) ?? topic);
    const defaults = {
      pushConfig: {},
      ackDeadlineSeconds: 10,
      messageRetentionDuration: '604800s',
      expirationPolicy: { ttl: '2678400s' },
    };
    const subscription = { name: id, ...defaults, ...body, state: 'ACTIVE' };
    if (!(await this.#state.create(SUBSCRIPTION, id, subscription))) throw exists(names['name'] ?? '');
    return { status: 200, body: subscription };
  }

  async get(kind: Kind, names: Names): Promise<RestReply> {
    const found = await this.#state.get<JsonObject>(kind, idOf(kind, names));
    if (found === undefined) throw notFound(names['name'] ?? '');
    return { status: 200, body: found };
  }

  /** Changes what the mask names; a field that is named and not given is emptied. */
  async patch(kind: Kind, request: RestRequest, names: Names): Promise<RestReply> {
    const body = bodyOf(request);
    const wanted = objectAt(body, kind === TOPIC ? 'topic' : 'subscription');
    const mask = (textAt(body, 'updateMask') ?? '').split(',').filter((field) => field !== '');
    if (mask.length === 0) throw new RestError(400, 'INVALID_ARGUMENT', 'The update_mask in the request must be set.');
    const known = kind === TOPIC ? TOPIC_FIELDS : SUBSCRIPTION_FIELDS;
    for (const field of mask)
      if (!known.includes(camelCase(field)) || FIXED_FIELDS.has(camelCase(field)))
        throw new RestError(400, 'INVALID_ARGUMENT', `Invalid update_mask provided: '${field}' cannot be changed.`);
    const changed = await this.#state.update<JsonObject>(kind, idOf(kind, names), (found) => {
      const patch = Object.fromEntries(mask.map(camelCase).map((field) => [field, wanted[field] ?? null]));
      const emptied = Object.fromEntries(Object.keys(patch).map((field) => [field, null]));
      return merged(merged(found, emptied), patch);
    });
    if (changed === undefined) throw notFound(names['name'] ?? '');
    return { status: 200, body: changed };
  }

  async deleteTopic(names: Names): Promise<RestReply> {
    const id = idOf(TOPIC, names);
    if (!(await this.#state.delete(TOPIC, id))) throw notFound(names['name'] ?? '');
    for (const subscription of await this.#attachedTo(id))
      await this.#state.update<JsonObject>(SUBSCRIPTION, subscription, (found) => ({ ...found, topic: DELETED_TOPIC }));
    return { status: 200, body: {} };
  }

  async unsubscribe(names: Names): Promise<RestReply> {
    const isThere = await this.#state.delete(SUBSCRIPTION, idOf(SUBSCRIPTION, names));
    if (!isThere) throw notFound(names['name'] ?? '');
    return { status: 200, body: {} };
  }

  async list(kind: Kind, names: Names): Promise<RestReply> {
    const all = await this.#state.list<JsonObject>(kind, `projects/${names['project'] ?? ''}/`);
    const key = COLLECTIONS[kind];
    return { status: 200, body: all.length === 0 ? {} : { [key]: all.map(({ value }) => value) } };
  }

  async attached(names: Names): Promise<RestReply> {
    const id = idOf(TOPIC, names);
    if ((await this.#state.get(TOPIC, id)) === undefined) throw notFound(names['name'] ?? '');
    const subscriptions = await this.#attachedTo(id);
    return { status: 200, body: subscriptions.length === 0 ? {} : { subscriptions } };
  }

  async #attachedTo(topic: string): Promise<readonly string[]> {
    const all = await this.#state.list<JsonObject>(SUBSCRIPTION);
    return all.filter(({ value }) => value['topic'] === topic).map(({ id }) => id);
  }
}

function idOf(kind: Kind, names: Names): string {
  return `projects/${names['project'] ?? ''}/${COLLECTIONS[kind]}/${names['name'] ?? ''}`;
}

function picked(body: JsonObject, fields: readonly string[]): JsonObject {
  const known = Object.entries(body).filter(([field, value]) => fields.includes(field) && !isEmpty(value));
  return Object.fromEntries(known);
}

/** As Google leaves out what is empty. */
function isEmpty(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || value === false;
}

/** Masks come in either spelling. */
function camelCase(field: string): string {
  return field.replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}

function checkName(name: string): void {
  if (/^(?!goog)[A-Za-z][\w.~+%-]{2,254}$/.test(name)) return;
  throw new RestError(400, 'INVALID_ARGUMENT', `Invalid [name] name: (name=${name.slice(0, 80)})`);
}

function exists(name: string): RestError {
  return new RestError(409, 'ALREADY_EXISTS', `Resource already exists in the project (resource=${name}).`);
}

function notFound(name: string): RestError {
  return new RestError(404, 'NOT_FOUND', `Resource not found (resource=${name}).`);
}
