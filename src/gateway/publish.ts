/** Turns a target's listing into what clients see: public names and URIs, definitions as ready text. */

import { createHash } from 'node:crypto';
import type { RawMember } from '../core/json.ts';
import { isObject, joinMembers, rawMembers, scan } from '../core/json.ts';
import { rewriteStrings } from '../core/json-rewrite.ts';
import type { Definition, Target, TargetListing } from '../core/target.ts';
import { inheritTags } from '../core/visibility.ts';
import type { Resource } from '../policy/decide.ts';
import type { HeaderParameter } from '../protocol/era-2026.ts';
import { headerParameters } from '../protocol/era-2026.ts';
import { bareName, prefixedName } from '../protocol/names.ts';
import { publicUri } from '../protocol/uris.ts';

/** `mcp` joins all targets under prefixed names; the others show one target under its own names. */
export type NameMode = 'prefixed' | 'bare';

export interface Published {
  /** Public tool or prompt name, resource URI or template. */
  readonly key: string;
  readonly target: Target;
  readonly definition: Definition;
  /** The definition for 2026-07-28 and for older revisions. */
  readonly modernText: string;
  readonly legacyText: string;
  /** What `decide()` is asked about. */
  readonly resource: Resource;
  /** Arguments that the schema mirrors into headers; empty for nearly every tool. */
  readonly headers: readonly HeaderParameter[];
  /** Position within its target's list. */
  readonly order: number;
}

export interface PublishedSet {
  readonly tools: readonly Published[];
  readonly prompts: readonly Published[];
  readonly resources: readonly Published[];
  readonly templates: readonly Published[];
}

export type ListKind = keyof PublishedSet;

const KIND_OF: Readonly<Record<Definition['kind'], ListKind>> = {
  tool: 'tools',
  prompt: 'prompts',
  resource: 'resources',
  template: 'templates',
};

const RESOURCE_TYPE: Readonly<Record<Definition['kind'], string>> = {
  tool: 'tool',
  prompt: 'prompt',
  resource: 'resource',
  template: 'resource',
};

const KEY_MEMBER: Readonly<Record<Definition['kind'], string>> = {
  tool: 'name',
  prompt: 'name',
  resource: 'uri',
  template: 'uriTemplate',
};

function publicKey(target: Target, definition: Definition, mode: NameMode): string {
  const isName = definition.kind === 'tool' || definition.kind === 'prompt';
  // Registered functions keep their own name everywhere: an administrator chose it for the whole endpoint.
  if (mode === 'bare' || target.id === 'registry') return isName ? bareName(definition.key) : definition.key;
  return isName ? prefixedName(target.id, definition.key) : publicUri(target.id, definition.key);
}

/** URIs of MCP Apps inside a tool definition, which `/mcp` shows under the target's name. */
function rewriteUi(text: string, target: Target): string {
  if (!text.includes('esourceUri')) return text;
  return rewriteStrings(text, new Set(['resourceUri', 'ui/resourceUri']), (value, path) =>
    path[0] === '_meta' ? publicUri(target.id, value) : undefined,
  );
}

function definitionText(definition: Definition, key: string): { modern: string; legacy: string } {
  const { object } = scan(definition.text, 1);
  const members = object === undefined ? [] : rawMembers(definition.text, object);
  const name = KEY_MEMBER[definition.kind];
  const keyText = JSON.stringify(key);
  const renamed: RawMember[] = members.map((member) => (member.key === name ? { key: name, text: keyText } : member));
  const legacy = key === definition.key ? definition.text : joinMembers(renamed);
  // 2026-07-28 has no `execution`: its task support belongs to an extension that old tasks do not speak.
  const modern = members.some((member) => member.key === 'execution')
    ? joinMembers(renamed.filter((member) => member.key !== 'execution'))
    : legacy;
  return { modern, legacy };
}

/** Whose resource a definition is: the tenant's own, or everybody's (`*`). */
function owner(target: Target, tenant: string): string {
  if (target.perTenant === true) return tenant;
  return target.tenants?.length === 1 ? (target.tenants[0] ?? '*') : '*';
}

/** What `decide()` is asked about where a target as a whole would be named. */
export function targetResource({ id, tags }: Target, tenant: string): Resource {
  return { type: 'target', id, tenant, ...(tags === undefined ? {} : { tags }) };
}

/** A target's tags hold for all that it lists. */
function tagsOf(target: Target, definition: Definition): { readonly tags?: Readonly<Record<string, string>> } {
  const tags = inheritTags(definition.tags, target.tags);
  return tags === undefined ? {} : { tags };
}

function publishOne(
  target: Target,
  definition: Definition,
  at: { mode: NameMode; order: number; tenant: string },
): Published {
  const key = publicKey(target, definition, at.mode);
  const text = definitionText(definition, key);
  const rewrite = (value: string): string =>
    at.mode === 'prefixed' && definition.kind === 'tool' ? rewriteUi(value, target) : value;
  return {
    key,
    target,
    definition,
    modernText: rewrite(text.modern),
    legacyText: rewrite(text.legacy),
    resource: {
      type: RESOURCE_TYPE[definition.kind],
      id: `${target.id}___${definition.key}`,
      tenant: owner(target, at.tenant),
      ...tagsOf(target, definition),
    },
    headers: definition.kind === 'tool' ? headerParameters(definition.value['inputSchema']) : [],
    order: at.order,
  };
}

/** Publishes a whole listing. Later definitions with a public key already taken are left out. */
export function publish(
  target: Target,
  listing: TargetListing,
  at: { readonly mode: NameMode; readonly tenant: string },
): PublishedSet {
  const sets: Record<ListKind, Published[]> = { tools: [], prompts: [], resources: [], templates: [] };
  const seen = new Set<string>();
  for (const definition of listing.definitions) {
    const kind = KIND_OF[definition.kind];
    const published = publishOne(target, definition, { ...at, order: sets[kind].length });
    if (seen.has(`${kind}\0${published.key}`)) continue;
    seen.add(`${kind}\0${published.key}`);
    sets[kind].push(published);
  }
  return sets;
}

/** Hex SHA-256 over what a caller relies on: name, description, schemas. Key order does not matter. */
export function definitionDigest(definition: Definition): string {
  const {
    name,
    uri,
    uriTemplate,
    description,
    inputSchema,
    outputSchema,
    arguments: args,
  } = definition.value as Record<string, unknown>;
  return createHash('sha256')
    .update(canonical({ name, uri, uriTemplate, description, inputSchema, outputSchema, args }))
    .digest('hex');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const keys = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}
