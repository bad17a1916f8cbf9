/**
 * Cloud Run's Admin API v2, as far as services are made, changed and removed, with operations that take their time. No
 * container runs. What there is to know of an operation stands in its name, so that it goes on after a restart.
 */

import type { Clock } from '../../../core/ports.ts';
import type { SimulatedState } from '../simulated-state.ts';
import { RestError, bodyOf, isJsonObject, merged, numberAt, objectAt, textAt } from '../rest-routes.ts';
import type { JsonObject, Names, RestReply, RestRequest, Route } from '../rest-routes.ts';
import { projectNumber } from './storage.ts';

const SERVICE = 'run-service';
const PLACE = '^/v2/projects/(?<project>[^/]+)/locations/(?<location>[^/]+)';
const SERVICE_TYPE = 'type.googleapis.com/google.cloud.run.v2.Service';

/** Fields that a service's owner may set. */
const SETTABLE = [
  'description',
  'labels',
  'annotations',
  'ingress',
  'launchStage',
  'template',
  'traffic',
  'scaling',
  'invokerIamDisabled',
  'binaryAuthorization',
  'defaultUriDisabled',
];

export interface RunOptions {
  readonly state: SimulatedState;
  readonly clock: Clock;
  /** How long making, changing and removing takes. */
  readonly operationMs: number;
}

export function runRoutes(options: RunOptions): readonly Route[] {
  const service = new CloudRun(options);
  const route = (operation: string, method: string, path: string, handle: Route['handle']): Route => ({
    service: 'run',
    operation,
    method,
    pattern: new RegExp(`${PLACE}/${path}$`),
    handle,
  });
  const one = 'services/(?<name>[^/:]+)';
  return [
    route('services.create', 'POST', 'services', (request, names) => service.create(request, names)),
    route('services.list', 'GET', 'services', (_request, names) => service.list(names)),
    route('services.get', 'GET', one, (_request, names) => service.get(names)),
    route('services.patch', 'PATCH', one, (request, names) => service.patch(request, names)),
    route('services.delete', 'DELETE', one, (request, names) => service.delete(request, names)),
    route('services.getIamPolicy', 'GET', `${one}:getIamPolicy`, (_request, names) => service.policy(names)),
    route('services.setIamPolicy', 'POST', `${one}:setIamPolicy`, (request, names) =>
      service.setPolicy(request, names),
    ),
    route('operations.get', 'GET', 'operations/(?<operation>[^/:]+)', (_request, names) => service.operation(names)),
  ];
}

interface Operation {
  readonly verb: 'create' | 'update' | 'delete';
  readonly service: string;
  readonly readyMs: number;
}

/** What is kept of a service beside what Google shows. */
type Kept = JsonObject & {
  readonly shown: JsonObject;
  readonly policy: JsonObject;
  readonly readyMs: number;
  readonly goneMs?: number;
};

class CloudRun {
  readonly #state: SimulatedState;
  readonly #clock: Clock;
  readonly #operationMs: number;

  constructor({ state, clock, operationMs }: RunOptions) {
    this.#state = state;
    this.#clock = clock;
    this.#operationMs = operationMs;
  }

  async create(request: RestRequest, names: Names): Promise<RestReply> {
    const name = request.query.get('serviceId') ?? '';
    if (!/^[a-z](?:[a-z0-9-]{0,47}[a-z0-9])?$/.test(name))
      throw new RestError(
        400,
        'INVALID_ARGUMENT',
        `Violation in CreateServiceRequest.service_id: '${name.slice(0, 80)}'`,
      );
    const body = checked(bodyOf(request));
    const id = idOf({ ...names, name });
    await this.#reap(id);
    const now = this.#now();
    const shown = { ...this.#fresh(id, names, name), ...settable(body), createTime: now, updateTime: now };
    const readyMs = this.#readyMs(request);
    const kept = { shown, labels: objectAt(shown, 'labels'), policy: { etag: 'ACAB' }, readyMs };
    if (!(await this.#state.create(SERVICE, id, kept)))
      throw new RestError(409, 'ALREADY_EXISTS', `Resource '${name}' already exists.`);
    return this.#begun({ verb: 'create', service: id, readyMs }, names);
  }

  async get(names: Names): Promise<RestReply> {
    return { status: 200, body: this.#show(await this.#service(names)) };
  }

  async list(names: Names): Promise<RestReply> {
    const below = `projects/${names['project'] ?? ''}/locations/${names['location'] ?? ''}/`;
    const all = await this.#state.list<Kept>(SERVICE, below);
    const services = all.filter(({ value }) => !this.#isGone(value)).map(({ value }) => this.#show(value));
    return { status: 200, body: services.length === 0 ? {} : { services } };
  }

  async patch(request: RestRequest, names: Names): Promise<RestReply> {
    await this.#service(names);
    const mask = (request.query.get('updateMask') ?? '').split(',').filter((field) => field !== '');
    const wanted = settable(bodyOf(request));
    const readyMs = this.#readyMs(request);
    await this.#state.update<Kept>(SERVICE, idOf(names), (kept) => {
      const before = mask.length === 0 ? kept.shown : without(kept.shown, mask);
      const given = mask.length === 0 ? wanted : onlyThose(wanted, mask);
      const generation = String(Number(textAt(kept.shown, 'generation')) + 1);
      const shown = checked({ ...merged(before, given), generation, updateTime: this.#now() });
      return { ...kept, shown, labels: objectAt(shown, 'labels'), readyMs };
    });
    return this.#begun({ verb: 'update', service: idOf(names), readyMs }, names);
  }

  async delete(request: RestRequest, names: Names): Promise<RestReply> {
    const kept = await this.#service(names);
    const readyMs = kept.goneMs ?? this.#readyMs(request);
    await this.#state.put(SERVICE, idOf(names), { ...kept, goneMs: readyMs });
    return this.#begun({ verb: 'delete', service: idOf(names), readyMs }, names);
  }

  async policy(names: Names): Promise<RestReply> {
    return { status: 200, body: { version: 1, ...(await this.#service(names)).policy } };
  }

  async setPolicy(request: RestRequest, names: Names): Promise<RestReply> {
    await this.#service(names);
    const policy = objectAt(bodyOf(request), 'policy');
    const changed = await this.#state.update<Kept>(SERVICE, idOf(names), (kept) => {
      const etag = textAt(kept.policy, 'etag') ?? '';
      if (policy['etag'] !== undefined && policy['etag'] !== etag)
        throw new RestError(
          409,
          'ABORTED',
          'There were concurrent policy changes. Please retry the whole read-modify-write.',
        );
      return { ...kept, policy: { ...policy, etag: `${etag}A` } };
    });
    return { status: 200, body: { version: 1, ...changed?.policy } };
  }

  async operation(names: Names): Promise<RestReply> {
    const operation = readOperation(names['operation'] ?? '');
    const name = `projects/${names['project'] ?? ''}/locations/${names['location'] ?? ''}/operations/${names['operation'] ?? ''}`;
    const metadata = { '@type': SERVICE_TYPE, name: operation.service };
    if (this.#clock.nowMs() < operation.readyMs) return { status: 200, body: { name, metadata } };
    await this.#reap(operation.service);
    const kept = await this.#state.get<Kept>(SERVICE, operation.service);
    const shown = kept === undefined ? { name: operation.service } : this.#show(kept);
    return { status: 200, body: { name, metadata, done: true, response: { '@type': SERVICE_TYPE, ...shown } } };
  }

  #begun(operation: Operation, names: Names): RestReply {
    const id = Buffer.from(JSON.stringify(operation)).toString('base64url');
    const name = `projects/${names['project'] ?? ''}/locations/${names['location'] ?? ''}/operations/${id}`;
    return { status: 200, body: { name, metadata: { '@type': SERVICE_TYPE, name: operation.service } } };
  }

  async #service(names: Names): Promise<Kept> {
    const id = idOf(names);
    await this.#reap(id);
    const kept = await this.#state.get<Kept>(SERVICE, id);
    if (kept === undefined) throw new RestError(404, 'NOT_FOUND', `Resource '${names['name'] ?? ''}' was not found.`);
    return kept;
  }

  /** What should be gone by now goes. */
  async #reap(id: string): Promise<void> {
    const kept = await this.#state.get<Kept>(SERVICE, id);
    if (kept !== undefined && this.#isGone(kept)) await this.#state.delete(SERVICE, id);
  }

  #isGone(kept: Kept): boolean {
    const goneMs = numberAt(kept, 'goneMs');
    return goneMs !== undefined && this.#clock.nowMs() >= goneMs;
  }

  /** As Google shows it now. */
  #show({ shown, readyMs, goneMs }: Kept): JsonObject {
    const isReady = this.#clock.nowMs() >= readyMs;
    const state = isReady ? 'CONDITION_SUCCEEDED' : 'CONDITION_RECONCILING';
    const terminalCondition = { type: 'Ready', state, lastTransitionTime: textAt(shown, 'updateTime') ?? '' };
    const revision = `${textAt(shown, 'name')?.split('/').at(-1) ?? ''}-00001-abc`;
    return {
      ...shown,
      terminalCondition,
      conditions: [{ ...terminalCondition, type: 'RoutesReady' }],
      latestCreatedRevision: revision,
      ...(isReady ? { latestReadyRevision: revision, observedGeneration: shown['generation'] ?? '1' } : {}),
      ...(isReady && goneMs === undefined ? {} : { reconciling: true }),
      ...(goneMs === undefined ? {} : { deleteTime: this.#now() }),
    };
  }

  #fresh(id: string, names: Names, name: string): JsonObject {
    const uri = `https://${name}-${projectNumber(names['project'] ?? '')}.${names['location'] ?? ''}.run.app`;
    return {
      name: id,
      uid: `simulated-${name}`,
      generation: '1',
      launchStage: 'GA',
      ingress: 'INGRESS_TRAFFIC_ALL',
      traffic: [{ type: 'TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST', percent: 100 }],
      etag: '"CAE="',
      uri,
      urls: [uri],
    };
  }

  #readyMs(request: RestRequest): number {
    return this.#clock.nowMs() + this.#operationMs + request.extraMs;
  }

  #now(): string {
    return new Date(this.#clock.nowMs()).toISOString();
  }
}

function idOf(names: Names): string {
  return `projects/${names['project'] ?? ''}/locations/${names['location'] ?? ''}/services/${names['name'] ?? ''}`;
}

function settable(body: JsonObject): JsonObject {
  return onlyThose(body, SETTABLE);
}

function onlyThose(body: JsonObject, fields: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([field]) => fields.includes(field)));
}

function without(body: JsonObject, fields: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([field]) => !fields.includes(field)));
}

/** @throws RestError for a service that has no image. */
function checked(body: JsonObject): JsonObject {
  const containers = objectAt(body, 'template')['containers'];
  const [first] = Array.isArray(containers) ? (containers as JsonObject[]) : [];
  if (isJsonObject(first) && textAt(first, 'image') !== undefined) return body;
  throw new RestError(400, 'INVALID_ARGUMENT', 'Violation in template.containers[0].image: an image is required.');
}

/** @throws RestError for a name that no operation has. */
function readOperation(id: string): Operation {
  try {
    const read = JSON.parse(Buffer.from(id, 'base64url').toString('utf8')) as Partial<Operation>;
    const { verb, service, readyMs } = read;
    if (
      (verb === 'create' || verb === 'update' || verb === 'delete') &&
      typeof service === 'string' &&
      typeof readyMs === 'number'
    )
      return { verb, service, readyMs };
  } catch {
    // Told below.
  }
  throw new RestError(404, 'NOT_FOUND', 'The operation was not found.');
}
