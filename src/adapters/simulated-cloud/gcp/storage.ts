/** Cloud Storage's JSON API, as far as buckets and small objects go. It is at `/storage/v1/b` and, as emulators have it, at `/b`. */

import type { Clock } from '../../../core/ports.ts';
import type { SimulatedState } from '../simulated-state.ts';
import { RestError, bodyOf, merged, objectAt, textAt } from '../rest-routes.ts';
import type { JsonObject, Names, RestReply, RestRequest, Route } from '../rest-routes.ts';

const BUCKET = 'gcs-bucket';
const OBJECT = 'gcs-object';
const BASE = '^(?:/storage/v1)?/b';
const BUCKET_PATH = `${BASE}/(?<bucket>[^/]+)`;

/** Fields of a bucket that its owner may set. */
const SETTABLE = [
  'labels',
  'storageClass',
  'versioning',
  'iamConfiguration',
  'encryption',
  'lifecycle',
  'softDeletePolicy',
  'retentionPolicy',
  'website',
  'cors',
  'autoclass',
  'rpo',
] as const;

export function storageRoutes(state: SimulatedState, clock: Clock): readonly Route[] {
  const service = new Buckets(state, clock);
  const route = (operation: string, method: string, pattern: string, handle: Route['handle']): Route => ({
    service: 'storage',
    operation,
    method,
    pattern: new RegExp(pattern),
    handle,
  });
  return [
    route('buckets.insert', 'POST', `${BASE}/?$`, (request) => service.insert(request)),
    route('buckets.list', 'GET', `${BASE}/?$`, (request) => service.list(request)),
    route('buckets.get', 'GET', `${BUCKET_PATH}$`, (_request, names) => service.get(names)),
    route('buckets.patch', 'PATCH', `${BUCKET_PATH}$`, (request, names) => service.patch(request, names)),
    route('buckets.delete', 'DELETE', `${BUCKET_PATH}$`, (_request, names) => service.delete(names)),
    route('objects.list', 'GET', `${BUCKET_PATH}/o/?$`, (_request, names) => service.objects(names)),
    route('objects.insert', 'POST', `^/upload(?:/storage/v1)?/b/(?<bucket>[^/]+)/o$`, (request, names) =>
      service.upload(request, names),
    ),
    route('objects.get', 'GET', `${BUCKET_PATH}/o/(?<object>[^/]+)$`, (_request, names) => service.object(names)),
    route('objects.delete', 'DELETE', `${BUCKET_PATH}/o/(?<object>[^/]+)$`, (_request, names) =>
      service.deleteObject(names),
    ),
  ];
}

class Buckets {
  readonly #state: SimulatedState;
  readonly #clock: Clock;

  constructor(state: SimulatedState, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  async insert(request: RestRequest): Promise<RestReply> {
    const body = bodyOf(request);
    const name = textAt(body, 'name') ?? '';
    const project = request.query.get('project') ?? '';
    if (project === '') throw new RestError(400, 'INVALID_ARGUMENT', 'Required parameter: project');
    if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(name) || name.startsWith('goog'))
      throw new RestError(400, 'INVALID_ARGUMENT', `Invalid bucket name: '${name.slice(0, 80)}'`);
    const now = this.#now();
    const bucket = merged(this.#defaults(name, now), settable(body));
    const location = (textAt(body, 'location') ?? 'US').toUpperCase();
    const locationType = /^(?:US|EU|ASIA)$/.test(location) ? 'multi-region' : 'region';
    const whole = { ...bucket, location, locationType, projectNumber: projectNumber(project), projectId: project };
    if (!(await this.#state.create(BUCKET, name, whole))) throw taken();
    return { status: 200, body: shown(whole, request.origin) };
  }

  async list(request: RestRequest): Promise<RestReply> {
    const project = request.query.get('project');
    const all = await this.#state.list<JsonObject>(BUCKET, request.query.get('prefix') ?? '');
    const items = all
      .filter(({ value }) => value['projectId'] === project)
      .map(({ value }) => shown(value, request.origin));
    return { status: 200, body: { kind: 'storage#buckets', ...(items.length === 0 ? {} : { items }) } };
  }

  async get(names: Names): Promise<RestReply> {
    return { status: 200, body: shown(await this.#bucket(names), '') };
  }

  async patch(request: RestRequest, names: Names): Promise<RestReply> {
    const patch = settable(bodyOf(request));
    const changed = await this.#state.update<JsonObject>(BUCKET, names['bucket'] ?? '', (bucket) => ({
      ...merged(bucket, patch),
      metageneration: String(Number(bucket['metageneration']) + 1),
      updated: this.#now(),
    }));
    if (changed === undefined) throw noBucket();
    return { status: 200, body: shown(changed, request.origin) };
  }

  async delete(names: Names): Promise<RestReply> {
    await this.#bucket(names);
    const name = names['bucket'] ?? '';
    if ((await this.#state.list(OBJECT, `${name}/`)).length > 0)
      throw new RestError(409, 'FAILED_PRECONDITION', 'The bucket you tried to delete is not empty.');
    await this.#state.delete(BUCKET, name);
    return { status: 204 };
  }

  async objects(names: Names): Promise<RestReply> {
    await this.#bucket(names);
    const all = await this.#state.list<JsonObject>(OBJECT, `${names['bucket'] ?? ''}/`);
    const items = all.map(({ value }) => withoutData(value));
    return { status: 200, body: { kind: 'storage#objects', ...(items.length === 0 ? {} : { items }) } };
  }

  /** Simple uploads; the store keeps up to some hundred KB of one. */
  async upload(request: RestRequest, names: Names): Promise<RestReply> {
    await this.#bucket(names);
    const name = request.query.get('name') ?? '';
    if (name === '') throw new RestError(400, 'INVALID_ARGUMENT', 'Required parameter: name');
    const bucket = names['bucket'] ?? '';
    const object = {
      kind: 'storage#object',
      id: `${bucket}/${name}/1`,
      name,
      generation: '1',
      bucket,
      contentType: request.headers['content-type'] ?? 'application/octet-stream',
      size: String(request.body.length),
      timeCreated: this.#now(),
      data: request.body.toString('base64'),
    };
    await this.#state.put(OBJECT, `${bucket}/${name}`, object);
    return { status: 200, body: withoutData(object) };
  }

  async object(names: Names): Promise<RestReply> {
    const found = await this.#state.get<JsonObject>(OBJECT, `${names['bucket'] ?? ''}/${names['object'] ?? ''}`);
    if (found === undefined) throw new RestError(404, 'NOT_FOUND', 'No such object.');
    return { status: 200, body: withoutData(found) };
  }

  async deleteObject(names: Names): Promise<RestReply> {
    const isThere = await this.#state.delete(OBJECT, `${names['bucket'] ?? ''}/${names['object'] ?? ''}`);
    if (!isThere) throw new RestError(404, 'NOT_FOUND', 'No such object.');
    return { status: 204 };
  }

  async #bucket(names: Names): Promise<JsonObject> {
    const bucket = await this.#state.get<JsonObject>(BUCKET, names['bucket'] ?? '');
    if (bucket === undefined) throw noBucket();
    return bucket;
  }

  #defaults(name: string, now: string): JsonObject {
    return {
      kind: 'storage#bucket',
      id: name,
      name,
      metageneration: '1',
      storageClass: 'STANDARD',
      etag: 'CAE=',
      timeCreated: now,
      updated: now,
      softDeletePolicy: { retentionDurationSeconds: '604800', effectiveTime: now },
      iamConfiguration: { uniformBucketLevelAccess: { enabled: false }, publicAccessPrevention: 'inherited' },
    };
  }

  #now(): string {
    return new Date(this.#clock.nowMs()).toISOString();
  }
}

function settable(body: JsonObject): JsonObject {
  return Object.fromEntries(SETTABLE.flatMap((key) => (body[key] === undefined ? [] : [[key, body[key]]])));
}

/** As Google shows it: without what only the simulation keeps. */
function shown(bucket: JsonObject, origin: string): JsonObject {
  const { projectId: _projectId, ...rest } = bucket;
  return {
    ...rest,
    selfLink: `${origin}/storage/v1/b/${textAt(bucket, 'name') ?? ''}`,
    labels: objectAt(bucket, 'labels'),
  };
}

function withoutData(object: JsonObject): JsonObject {
  const { data: _data, ...rest } = object;
  return rest;
}

/** Twelve digits that a project always has. */
export function projectNumber(project: string): string {
  let number = 7;
  for (const sign of project) number = (number * 31 + (sign.codePointAt(0) ?? 0)) % 900_000_000_000;
  return String(100_000_000_000 + number);
}

function noBucket(): RestError {
  return new RestError(404, 'NOT_FOUND', 'The specified bucket does not exist.');
}

function taken(): RestError {
  const message = 'Your previous request to create the named bucket succeeded and you already own it.';
  return new RestError(409, 'ALREADY_EXISTS', message);
}
