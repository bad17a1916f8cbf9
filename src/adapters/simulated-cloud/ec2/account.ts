/** What EC2 holds in one region: finding, filtering, tagging and making ids, and what every region has from the start. */

import { createHash } from 'node:crypto';
import type { Clock, IdSource } from '../../../core/ports.ts';
import { AwsError } from '../aws-service.ts';
import type { Form } from '../query-operations.ts';
import type { SimulatedState } from '../simulated-state.ts';
import type { XmlValue } from '../xml.ts';
import { ALL_TRAFFIC, KINDS, required, stateOf } from './shapes.ts';
import type { Kinds, Prefix, Thing } from './shapes.ts';

export interface Ec2Parts {
  readonly state: SimulatedState;
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** How long a terminated instance is still shown. */
const SHOWN_MS = 3_600_000;
const REGION = 'ec2-region';

export class Account {
  readonly region: string;
  /** Of the request: what it begins takes so much longer. */
  readonly extraMs: number;
  readonly #parts: Ec2Parts;

  constructor(parts: Ec2Parts, region: string, extraMs: number) {
    this.#parts = parts;
    this.region = region;
    this.extraMs = extraMs;
  }

  get nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  newId(prefix: string): string {
    return `${prefix}-0${this.#parts.ids.uuid().replaceAll('-', '').slice(0, 16)}`;
  }

  async put<Key extends Prefix>(prefix: Key, thing: Kinds[Key]): Promise<void> {
    await this.#parts.state.put(KINDS[prefix].kind, `${this.region}/${thing.id}`, thing);
  }

  async delete(prefix: Prefix, id: string): Promise<void> {
    await this.#parts.state.delete(KINDS[prefix].kind, `${this.region}/${id}`);
  }

  async all<Key extends Prefix>(prefix: Key): Promise<Kinds[Key][]> {
    const found = await this.#parts.state.list<Kinds[Key]>(KINDS[prefix].kind, `${this.region}/`);
    if (prefix !== 'i') return found.map(({ value }) => value);
    for (const { id, value } of found)
      if (this.#isForgotten(value as Kinds['i'])) await this.#parts.state.delete(KINDS.i.kind, id);
    return found.map(({ value }) => value).filter((value) => !this.#isForgotten(value as Kinds['i']));
  }

  #isForgotten(instance: Kinds['i']): boolean {
    return stateOf(instance, this.nowMs) === 'terminated' && this.nowMs >= instance.goneAtMs + SHOWN_MS;
  }

  /** @throws AwsError in EC2's word for the thing that is absent. */
  async require<Key extends Prefix>(prefix: Key, id: string): Promise<Kinds[Key]> {
    const isId = id.startsWith(`${prefix}-`);
    const found = isId
      ? await this.#parts.state.get<Kinds[Key]>(KINDS[prefix].kind, `${this.region}/${id}`)
      : undefined;
    const isThere = found !== undefined && !(prefix === 'i' && this.#isForgotten(found as Kinds['i']));
    if (isThere) return found;
    const { type, absent } = KINDS[prefix];
    throw new AwsError(absent, `The ${type} ID '${id.slice(0, 100)}' does not exist`);
  }

  /** What a request has been answered with that is sent once more with its token. */
  async remembered(token: string): Promise<{ readonly request: string; readonly ids: readonly string[] } | undefined> {
    const found = await this.#parts.state.get('ec2-token', `${this.region}/${token}`);
    return found as { readonly request: string; readonly ids: readonly string[] } | undefined;
  }

  async remember(token: string, request: string, ids: readonly string[]): Promise<void> {
    await this.#parts.state.put('ec2-token', `${this.region}/${token}`, { request, ids });
  }

  /** Those that are named, or all, as far as the filters let them through. */
  async select<Key extends Prefix>(
    prefix: Key,
    names: readonly string[],
    filters: Filters<Key>,
  ): Promise<Kinds[Key][]> {
    const things = await Promise.all(names.map((id) => this.require(prefix, id)));
    const all = names.length === 0 ? await this.all(prefix) : things;
    return all.filter((thing) => filters.asked.every((filter) => passes(thing, filter, filters.attributes)));
  }

  /** Every region has a network that things are put into when nothing else is said. */
  async prepare(): Promise<void> {
    if (!(await this.#parts.state.create(REGION, this.region, { hasDefaults: true }))) return;
    const id = (prefix: string, n = 0): string =>
      `${prefix}-0${createHash('sha256').update(`${this.region} ${prefix} ${n}`).digest('hex').slice(0, 16)}`;
    const tags = {};
    const vpcId = id('vpc');
    await this.put('vpc', {
      id: vpcId,
      tags,
      cidr: '172.31.0.0/16',
      isDefault: true,
      dnsSupport: true,
      dnsHostnames: true,
    });
    for (const [n, letter] of ['a', 'b', 'c'].entries())
      await this.put('subnet', {
        id: id('subnet', n),
        tags,
        vpcId,
        cidr: `172.31.${n * 16}.0/20`,
        zone: `${this.region}${letter}`,
        isDefault: true,
        givesPublicAddress: true,
      });
    await this.put('igw', { id: id('igw'), tags, vpcId });
    const routes = [
      { destination: '172.31.0.0/16', gatewayId: 'local' },
      { destination: '0.0.0.0/0', gatewayId: id('igw') },
    ];
    await this.put('rtb', { id: id('rtb'), tags, vpcId, routes, associations: [{ id: id('rtbassoc'), subnetId: '' }] });
    await this.put('sg', { id: id('sg'), tags, vpcId, ...defaultGroup });
  }
}

/** Every network has one. */
export const defaultGroup = {
  name: 'default',
  description: 'default VPC security group',
  ingress: [],
  egress: [ALL_TRAFFIC],
};

// ---------------------------------------------------------------------------------------------- filters

interface Filter {
  readonly name: string;
  readonly values: readonly string[];
}

/** Values of a thing by the name of a filter. */
export type Attributes<Key extends Prefix> = (
  thing: Kinds[Key],
) => Readonly<Record<string, string | readonly string[]>>;

export interface Filters<Key extends Prefix> {
  readonly asked: readonly Filter[];
  readonly attributes: Attributes<Key>;
}

export function filtersOf<Key extends Prefix>(form: Form, attributes: Attributes<Key>): Filters<Key> {
  const asked = form.parts('Filter').map((part) => ({ name: part.text('Name') ?? '', values: part.list('Value') }));
  return { asked, attributes };
}

/** @throws AwsError `InvalidParameterValue` for a filter that is not known. */
function passes<Key extends Prefix>(thing: Kinds[Key], { name, values }: Filter, attributes: Attributes<Key>): boolean {
  const found = valuesOf(thing, name, attributes);
  return values.some((pattern) => found.some((value) => matches(value, pattern)));
}

function valuesOf<Key extends Prefix>(thing: Kinds[Key], name: string, attributes: Attributes<Key>): readonly string[] {
  const { tags } = thing as Thing;
  if (name === 'tag-key') return Object.keys(tags);
  if (name.startsWith('tag:')) {
    const key = name.slice(4);
    return Object.hasOwn(tags, key) ? [tags[key] ?? ''] : [];
  }
  const all = attributes(thing);
  const found = Object.hasOwn(all, name) ? all[name] : undefined;
  if (found === undefined) throw new AwsError('InvalidParameterValue', `The filter '${name.slice(0, 60)}' is invalid`);
  return [found].flat();
}

/** `*` stands for any text, `?` for one character. In a time that grows with the lengths alone, whatever the pattern. */
export function matches(value: string, pattern: string): boolean {
  let [at, sign, star, from] = [0, 0, -1, 0];
  while (at < value.length) {
    if (sign < pattern.length && pattern[sign] === '*') {
      [star, from] = [sign, at];
      sign += 1;
    } else if (sign < pattern.length && (pattern[sign] === '?' || pattern[sign] === value[at])) {
      at += 1;
      sign += 1;
    } else if (star >= 0) {
      // The last star takes one character more.
      from += 1;
      [at, sign] = [from, star + 1];
    } else return false;
  }
  return pattern.slice(sign).replaceAll('*', '') === '';
}

// ------------------------------------------------------------------------------------------------- tags

/** Tags that come with the making of something of this type. @throws AwsError `InvalidParameterValue`. */
export function tagsWith(form: Form, type: string): Record<string, string> {
  const tags = new Map<string, string>();
  for (const specification of form.parts('TagSpecification'))
    if (specification.text('ResourceType') === type)
      for (const [key, value] of tagsIn(specification)) tags.set(key, value);
  return Object.fromEntries(tags);
}

export function tagsIn(form: Form): Map<string, string> {
  const tags = new Map<string, string>();
  for (const tag of form.parts('Tag')) {
    const key = required(tag, 'Key');
    if (key.startsWith('aws:') || key.length > 127)
      throw new AwsError('InvalidParameterValue', `Value ( ${key.slice(0, 130)} ) for parameter key is invalid.`);
    const value = tag.text('Value') ?? '';
    // What XML cannot hold could never be listed again.
    if (/\p{Cc}/u.test(key + value) || value.length > 255)
      throw new AwsError('InvalidParameterValue', `Tag value of ${key.slice(0, 130)} is invalid.`);
    tags.set(key, value);
  }
  if (tags.size > 50)
    throw new AwsError('TagLimitExceeded', 'The maximum number of Tags for a resource has been reached.');
  return tags;
}

export function tagSet({ tags }: Thing): XmlValue {
  const item = Object.entries(tags).map(([key, value]) => ({ key, value }));
  return item.length === 0 ? undefined : { item };
}
