/** From public names and URIs to a target and its own words, and back again in results. */

import { isObject, textOf, withMember } from '../core/json.ts';
import type { RawMember } from '../core/json.ts';
import { at, rewriteStrings } from '../core/json-rewrite.ts';
import type { Target } from '../core/target.ts';
import { withoutWrapper } from '../core/wrapped-arguments.ts';
import type { Action, Resource } from '../policy/decide.ts';
import type { Message } from '../protocol/message.ts';
import { matchesTemplate } from '../protocol/uri-template.ts';
import { publicUri, splitUri } from '../protocol/uris.ts';
import type { Published } from './publish.ts';
import type { Endpoint, View } from './view.ts';

export interface Resolved {
  readonly target: Target;
  /** The listed definition; resources may be read without being listed. */
  readonly published: Published | undefined;
  /** Name or URI in the target's own words. */
  readonly name: string;
  readonly action: Action;
  readonly resource: Resource;
  /** Members of `params` in the target's own words. */
  readonly params: readonly RawMember[];
  readonly parsed: Readonly<Record<string, unknown>>;
}

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['tools/call', 'tool:call'],
  ['prompts/get', 'prompt:get'],
  ['resources/read', 'resource:read'],
  ['resources/subscribe', 'resource:read'],
  ['resources/unsubscribe', 'resource:read'],
  ['completion/complete', 'completion:complete'],
]);

export function actionOf(method: string): Action {
  return ACTIONS.get(method) ?? 'tool:call';
}

/** What the caller named, for messages and events. */
export function requestedName(message: Message): string {
  if (message.method.startsWith('resources/')) return textOf(message.parsed['uri']);
  if (message.method !== 'completion/complete') return textOf(message.parsed['name']);
  const ref = message.parsed['ref'];
  return isObject(ref) ? textOf(ref['name'] ?? ref['uri']) : '';
}

interface Found {
  readonly target: Target;
  readonly published: Published | undefined;
  readonly name: string;
}

function findResource(view: View, endpoint: Endpoint, uri: string): Found | undefined {
  const listed = view.find('resources', uri);
  if (listed !== undefined) return { target: listed.target, published: listed, name: listed.definition.key };
  if (endpoint !== '') {
    const only = view.parts[0]?.target;
    return only === undefined ? undefined : unlisted(view, only, uri);
  }
  const split = splitUri(uri);
  const target = split === undefined ? undefined : view.target(split.target);
  if (split !== undefined && target !== undefined) return unlisted(view, target, split.uri);
  return findBareResource(view, uri);
}

/** A resource that nobody listed is judged by the template that its URI fits, when there is one. */
function unlisted(view: View, target: Target, uri: string): Found {
  const published = view.lists.templates.find(
    (template) => template.target === target && matchesTemplate(template.definition.key, uri),
  );
  return { target, published, name: uri };
}

/** Text bodies cannot be rewritten, so a URI in its target's own words works when it can mean only one thing. */
function findBareResource(view: View, uri: string): Found | undefined {
  const listed = view.findByOriginal('resources', uri);
  if (listed !== undefined) return { target: listed.target, published: listed, name: uri };
  const matching = view.lists.templates.filter((template) => matchesTemplate(template.definition.key, uri));
  const targets = new Set(matching.map((template) => template.target));
  const first = matching[0];
  return first !== undefined && targets.size === 1 ? { target: first.target, published: first, name: uri } : undefined;
}

function findReference(view: View, endpoint: Endpoint, ref: unknown): Found | undefined {
  if (!isObject(ref)) return undefined;
  if (typeof ref['name'] === 'string') {
    const prompt = view.find('prompts', ref['name']);
    return prompt && { target: prompt.target, published: prompt, name: prompt.definition.key };
  }
  if (typeof ref['uri'] !== 'string') return undefined;
  const template = view.find('templates', ref['uri']) ?? view.findByOriginal('templates', ref['uri']);
  return template === undefined
    ? findResource(view, endpoint, ref['uri'])
    : { target: template.target, published: template, name: template.definition.key };
}

function find(view: View, endpoint: Endpoint, message: Message): Found | undefined {
  const { method, parsed } = message;
  if (method === 'completion/complete') return findReference(view, endpoint, parsed['ref']);
  if (method.startsWith('resources/'))
    return typeof parsed['uri'] === 'string' ? findResource(view, endpoint, parsed['uri']) : undefined;
  if (typeof parsed['name'] !== 'string') return undefined;
  const published = view.find(method === 'prompts/get' ? 'prompts' : 'tools', parsed['name']);
  return published && { target: published.target, published, name: published.definition.key };
}

/** Members of `params` with the public name or URI replaced by the target's own. */
function ownParams(message: Message, found: Found): Pick<Resolved, 'params' | 'parsed'> {
  if (message.method === 'completion/complete') {
    const ref = message.parsed['ref'] as Record<string, unknown>;
    const member = typeof ref['name'] === 'string' ? 'name' : 'uri';
    const text = message.params.find(({ key }) => key === 'ref')?.text ?? '{}';
    return {
      params: replace(message.params, 'ref', withMember(text, member, JSON.stringify(found.name))),
      parsed: { ...message.parsed, ref: { ...ref, [member]: found.name } },
    };
  }
  const key = message.method.startsWith('resources/') ? 'uri' : 'name';
  if (message.parsed[key] === found.name) return { params: message.params, parsed: message.parsed };
  const parsed: Record<string, unknown> = { ...message.parsed };
  parsed[key] = found.name;
  return { params: replace(message.params, key, JSON.stringify(found.name)), parsed };
}

function replace(members: readonly RawMember[], key: string, text: string): RawMember[] {
  return members.map((member) => (member.key === key ? { key, text } : member));
}

function resourceOf(message: Message, found: Found): Resource {
  if (found.published !== undefined) return found.published.resource;
  const { target } = found;
  const tenant = target.tenants?.length === 1 ? (target.tenants[0] ?? '*') : '*';
  const tags = target.tags === undefined ? {} : { tags: target.tags };
  return { type: 'resource', id: `${target.id}___${found.name}`, tenant, ...tags };
}

/** @returns `undefined` when nothing the tenant has goes by that name. */
export function resolve(view: View, endpoint: Endpoint, message: Message): Resolved | undefined {
  const found = find(view, endpoint, message);
  if (found === undefined) return undefined;
  const { target, published, name } = found;
  const own = ownParams(message, found);
  const wrapper = published?.definition.argumentsIn;
  const { params, parsed } = wrapper === undefined ? own : withoutWrapper(own, wrapper);
  const action = actionOf(message.method);
  return { target, published, name, action, resource: resourceOf(message, found), params, parsed };
}

const URI_KEYS: ReadonlySet<string> = new Set(['uri', 'resourceUri', 'ui/resourceUri', 'message']);

/**
 * Shows a result's URIs under their public form: links and embedded resources in content and messages, contents of a
 * read, MCP Apps, and the same inside questions. Text bodies and `structuredContent` stay as they are.
 */
export function publicResult(text: string, target: Target): string {
  if (!text.includes('ri"') && !text.includes('"input_required"')) return text;
  const parsed: { value?: unknown } = {};
  const value = (): unknown => (parsed.value ??= JSON.parse(text));
  return rewriteStrings(text, URI_KEYS, (string, path) => {
    if (path.at(-1) === 'message') return isElicitation(path, value()) ? `[${target.id}] ${string}` : undefined;
    return isPublicUriPath(path, value()) ? publicUri(target.id, string) : undefined;
  });
}

function isElicitation(path: readonly (string | number)[], value: unknown): boolean {
  return (
    path.length === 4 &&
    path[0] === 'inputRequests' &&
    path[2] === 'params' &&
    at(value, [...path.slice(0, 2), 'method']) === 'elicitation/create'
  );
}

function isPublicUriPath(path: readonly (string | number)[], value: unknown): boolean {
  const last = path.at(-1);
  if (path[0] === 'structuredContent') return false;
  if (last === 'resourceUri' || last === 'ui/resourceUri') return path.includes('_meta');
  if (path[0] === 'contents') return path.length === 3;
  if (path.includes('_meta') || path.includes('arguments')) return false;
  const parent = path.at(-2);
  if (parent === 'resource') return at(value, [...path.slice(0, -2), 'type']) === 'resource';
  return at(value, [...path.slice(0, -1), 'type']) === 'resource_link';
}
