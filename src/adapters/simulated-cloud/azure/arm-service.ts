/** Azure Resource Manager: groups, and resources of the simulated types, with long operations as Azure has them. */

import type { Clock } from '../../../core/ports.ts';
import { RestError, bodyOf, merged, objectAt, textAt } from '../rest-routes.ts';
import type { JsonObject, RestReply, RestRequest } from '../rest-routes.ts';
import { groupNotFound, resourceNotFound } from './arm-errors.ts';
import { decodeOperation, isOver, operationHeaders } from './arm-operations.ts';
import type { ArmOperation } from './arm-operations.ts';
import { groupId, keyOf, resourceArmId } from './arm-paths.ts';
import type { ArmPath } from './arm-paths.ts';
import { GROUP, RESOURCE } from './arm-store.ts';
import type { ArmKind, ArmStore, Kept } from './arm-store.ts';
import { armType } from './arm-types.ts';
import type { ArmType, Ending } from './arm-types.ts';

type PathOf<Kind extends ArmPath['kind']> = Extract<ArmPath, { readonly kind: Kind }>;

export interface ArmServiceOptions {
  readonly store: ArmStore;
  readonly clock: Clock;
  /** How long operations take that are long in Azure. */
  readonly operationMs: number;
}

export class ArmService {
  readonly #store: ArmStore;
  readonly #clock: Clock;
  readonly #operationMs: number;

  constructor({ store, clock, operationMs }: ArmServiceOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#operationMs = operationMs;
  }

  // ------------------------------------------------------------------------------------------- groups

  async putGroup(request: RestRequest, path: PathOf<'group'>): Promise<RestReply> {
    const body = bodyOf(request, 'InvalidRequestContent');
    const id = groupId(path.subscription, path.group);
    const before = await this.#store.get(GROUP, id);
    const location = this.#locationOf(body, before);
    if (before?.goneMs !== undefined)
      throw new RestError(409, 'ResourceGroupBeingDeleted', `The resource group '${path.group}' is being deleted.`);
    const fresh = { id, name: path.group, type: 'Microsoft.Resources/resourceGroups', location };
    const shown = { ...(before?.shown ?? fresh), tags: objectAt(body, 'tags'), properties: {} };
    const kept = { shown, references: [], readyMs: 0 };
    await this.#store.put(GROUP, kept);
    return { status: before === undefined ? 201 : 200, body: this.#store.show(kept) };
  }

  async getGroup(path: PathOf<'group'>): Promise<RestReply> {
    return { status: 200, body: this.#store.show(await this.#group(path)) };
  }

  async patchGroup(request: RestRequest, path: PathOf<'group'>): Promise<RestReply> {
    const group = await this.#group(path);
    const body = bodyOf(request, 'InvalidRequestContent');
    const tags = body['tags'] === undefined ? objectAt(group.shown, 'tags') : objectAt(body, 'tags');
    const kept = { ...group, shown: { ...group.shown, tags } };
    await this.#store.put(GROUP, kept);
    return { status: 200, body: this.#store.show(kept) };
  }

  async deleteGroup(request: RestRequest, path: PathOf<'group'>): Promise<RestReply> {
    const group = await this.#group(path);
    const at = { path: { ...path, namespace: 'Microsoft.Resources' }, ending: 'location' as const };
    return this.#beginDelete(request, { kind: GROUP, kept: group, ...at });
  }

  async listGroups(path: PathOf<'groups'>): Promise<RestReply> {
    const all = await this.#store.list(GROUP, `/subscriptions/${path.subscription}/`);
    return { status: 200, body: { value: all.map((kept) => this.#store.show(kept)) } };
  }

  // ---------------------------------------------------------------------------------------- resources

  async put(request: RestRequest, path: PathOf<'resource'>): Promise<RestReply> {
    await this.#group(path);
    const type = armType(path.namespace, path.type);
    const body = bodyOf(request, 'InvalidRequestContent');
    type.check(path.name, body);
    const id = resourceArmId({ ...path, namespace: type.namespace, type: type.type });
    const before = await this.#store.get(RESOURCE, id);
    await this.#checkFree(type, path, before);
    const location = this.#locationOf(body, before);
    const shown = this.#made(type, { body, before, id, name: path.name, location });
    const references = type.references(objectAt(shown, 'properties'));
    await this.#checkReferences(references);
    const startedMs = this.#clock.nowMs();
    const readyMs = type.creating === 'sync' ? startedMs : startedMs + this.#operationMs + request.extraMs;
    const kept = { shown, references, readyMs };
    await this.#store.put(RESOURCE, kept);
    const operation = { verb: 'create' as const, id: keyOf(id), startedMs, readyMs };
    const headers = operationHeaders(operation, { ...path, request, location, ending: type.creating });
    if (type.creating === 'location') return { status: 202, headers };
    return { status: before === undefined ? 201 : 200, headers, body: this.#store.show(kept) };
  }

  async get(path: PathOf<'resource'>): Promise<RestReply> {
    return { status: 200, body: this.#store.show((await this.#resource(path)).kept) };
  }

  async patch(request: RestRequest, path: PathOf<'resource'>): Promise<RestReply> {
    const { kept } = await this.#resource(path);
    const body = bodyOf(request, 'InvalidRequestContent');
    // Tags are replaced as a whole, everything else is merged.
    const { tags, ...rest } = body;
    const changed = { ...kept, shown: merged(kept.shown, rest) };
    const whole = tags === undefined ? changed : { ...changed, shown: { ...changed.shown, tags } };
    await this.#store.put(RESOURCE, whole);
    return { status: 200, body: this.#store.show(whole) };
  }

  async delete(request: RestRequest, path: PathOf<'resource'>): Promise<RestReply> {
    const type = armType(path.namespace, path.type);
    const id = resourceArmId(path);
    const kept = await this.#store.get(RESOURCE, id);
    if (kept === undefined) return { status: 204 };
    const users = await this.#store.referringTo(id);
    if (users.length > 0) {
      const names = users.map(({ shown }) => textAt(shown, 'id') ?? '').join(', ');
      throw new RestError(400, type.inUse, `${id} cannot be deleted because it is in use by: ${names}.`);
    }
    if (type.deleting === 'sync') {
      await this.#store.remove(RESOURCE, id);
      return { status: 200 };
    }
    return this.#beginDelete(request, { kind: RESOURCE, kept, path, ending: type.deleting });
  }

  async list(path: PathOf<'type'> | PathOf<'resources'>): Promise<RestReply> {
    const below =
      path.group === undefined ? `/subscriptions/${path.subscription}` : groupId(path.subscription, path.group);
    if (path.group !== undefined) await this.#group({ subscription: path.subscription, group: path.group });
    const all = await this.#store.list(RESOURCE, `${below}/`);
    const wanted = path.kind === 'type' ? keyOf(`${path.namespace}/${path.type}`) : undefined;
    const value = all
      .filter(({ shown }) => wanted === undefined || keyOf(textAt(shown, 'type') ?? '') === wanted)
      .map((kept) => this.#store.show(kept));
    return { status: 200, body: { value } };
  }

  async checkName(request: RestRequest): Promise<RestReply> {
    const body = bodyOf(request, 'InvalidRequestContent');
    const name = textAt(body, 'name') ?? '';
    const taken = await this.#store.named(textAt(body, 'type') ?? '', name);
    if (taken === undefined) return { status: 200, body: { nameAvailable: true } };
    const message = `The storage account named ${name} is already taken.`;
    return { status: 200, body: { nameAvailable: false, reason: 'AlreadyExists', message } };
  }

  // --------------------------------------------------------------------------------------- operations

  async operation(request: RestRequest, path: PathOf<'operation'>): Promise<RestReply> {
    const operation = decodeOperation(path.id);
    const done = isOver(operation, this.#clock);
    if (path.answers === 'operations') return statusReply(operation, path.id, done);
    const wait = { location: `${request.origin}${request.path}?${request.query.toString()}`, 'retry-after': '1' };
    if (!done) return { status: 202, headers: wait };
    const kept = await this.#target(operation.id);
    if (operation.verb === 'delete') return { status: kept === undefined ? 204 : 200 };
    if (kept === undefined) throw resourceNotFound(operation.id);
    return { status: 200, body: this.#store.show(kept) };
  }

  async #target(id: string): Promise<Kept | undefined> {
    return (await this.#store.get(RESOURCE, id)) ?? this.#store.get(GROUP, id);
  }

  async #beginDelete(
    request: RestRequest,
    what: {
      readonly kind: ArmKind;
      readonly kept: Kept;
      readonly path: { readonly subscription: string; readonly namespace: string };
      readonly ending: Ending;
    },
  ): Promise<RestReply> {
    const { kind, kept, path, ending } = what;
    const startedMs = this.#clock.nowMs();
    // One that is on its way already goes on as it was.
    const readyMs = kept.goneMs ?? startedMs + this.#operationMs + request.extraMs;
    await this.#store.put(kind, { ...kept, goneMs: readyMs });
    const id = keyOf(textAt(kept.shown, 'id') ?? '');
    const location = textAt(kept.shown, 'location') ?? 'global';
    const operation = { verb: 'delete' as const, id, startedMs, readyMs };
    return { status: 202, headers: operationHeaders(operation, { ...path, request, location, ending }) };
  }

  #made(
    type: ArmType,
    of: {
      readonly body: JsonObject;
      readonly before: Kept | undefined;
      readonly id: string;
      readonly name: string;
      readonly location: string;
    },
  ): JsonObject {
    const { body, before, id, name, location } = of;
    const createdAt =
      textAt(objectAt(before?.shown ?? {}, 'properties'), 'creationTime') ??
      new Date(this.#clock.nowMs()).toISOString();
    const { sku, kind } = { ...before?.shown, ...body };
    return {
      id,
      name,
      type: `${type.namespace}/${type.type}`,
      location,
      tags: objectAt(body, 'tags'),
      ...(sku === undefined ? {} : { sku }),
      ...(kind === undefined ? {} : { kind }),
      properties: type.complete(objectAt(body, 'properties'), { id, name, location, createdAt }),
    };
  }

  /** @throws RestError when the name is another's, or something is under way. */
  async #checkFree(type: ArmType, path: PathOf<'resource'>, before: Kept | undefined): Promise<void> {
    if (type.isGlobal && before === undefined && (await this.#store.named(`${type.namespace}/${type.type}`, path.name)))
      throw new RestError(
        409,
        'StorageAccountAlreadyTaken',
        `The storage account named ${path.name} is already taken.`,
      );
    if (before === undefined) return;
    if (before.goneMs === undefined && this.#clock.nowMs() >= before.readyMs) return;
    const code = type.isGlobal ? 'StorageAccountOperationInProgress' : 'AnotherOperationInProgress';
    throw new RestError(409, code, `Another operation on '${path.name}' is in progress. Retry later.`);
  }

  async #checkReferences(references: readonly string[]): Promise<void> {
    for (const id of references) {
      const kept = await this.#store.get(RESOURCE, id);
      if (kept === undefined || kept.goneMs !== undefined)
        throw new RestError(400, 'InvalidResourceReference', `Resource ${id} referenced by the request was not found.`);
      if (this.#clock.nowMs() < kept.readyMs)
        throw new RestError(409, 'ReferencedResourceNotProvisioned', `Resource ${id} is not in Succeeded state.`);
    }
  }

  #locationOf(body: JsonObject, before: Kept | undefined): string {
    const asked = textAt(body, 'location')?.replaceAll(' ', '').toLowerCase();
    const there = before === undefined ? undefined : textAt(before.shown, 'location');
    if (asked === undefined) throw new RestError(400, 'LocationRequired', 'The location property is required.');
    if (there === undefined || there === asked) return asked;
    const message = `The resource exists in location '${there}' and cannot be made in '${asked}'.`;
    throw new RestError(409, 'InvalidResourceLocation', message);
  }

  async #group(path: { readonly subscription: string; readonly group: string }): Promise<Kept> {
    const group = await this.#store.get(GROUP, groupId(path.subscription, path.group));
    if (group === undefined) throw groupNotFound(path.group);
    return group;
  }

  async #resource(path: PathOf<'resource'>): Promise<{ readonly kept: Kept }> {
    await this.#group(path);
    armType(path.namespace, path.type);
    const kept = await this.#store.get(RESOURCE, resourceArmId(path));
    if (kept === undefined) throw resourceNotFound(resourceArmId(path));
    return { kept };
  }
}

function statusReply(operation: ArmOperation, id: string, done: boolean): RestReply {
  const startTime = new Date(operation.startedMs).toISOString();
  if (!done)
    return { status: 200, headers: { 'retry-after': '1' }, body: { id, name: id, status: 'InProgress', startTime } };
  return { status: 200, body: { id, name: id, status: 'Succeeded', startTime } };
}
