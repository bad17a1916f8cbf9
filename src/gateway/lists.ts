/** Lists and introductions: what the caller may see, as ready bytes, page by page. */

import type { RequestContext } from '../core/context.ts';
import { PlatformError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Action, Decision, Policy, Resource } from '../policy/decide.ts';
import { META_SERVER_INFO, SUPPORTED_VERSIONS } from '../protocol/versions.ts';
import type { Catalogue } from './catalogue.ts';
import { targetResource } from './publish.ts';
import type { ListKind, Published } from './publish.ts';
import type { Part } from './responder.ts';
import type { Sealer } from '../core/seal.ts';
import type { SearchTools } from './search.ts';
import type { Endpoint, Page, View, ViewPart } from './view.ts';

/** How long a client may reuse a list when no target says less. Changes are announced, so this is a fallback. */
const DEFAULT_TTL_MS = 60_000;
const MAX_INSTRUCTIONS = 4_000;

export const LIST_METHODS: ReadonlyMap<
  string,
  { readonly kind: ListKind; readonly action: Action; readonly member: string }
> = new Map([
  ['tools/list', { kind: 'tools', action: 'tool:call', member: 'tools' }],
  ['prompts/list', { kind: 'prompts', action: 'prompt:get', member: 'prompts' }],
  ['resources/list', { kind: 'resources', action: 'resource:read', member: 'resources' }],
  ['resources/templates/list', { kind: 'templates', action: 'resource:read', member: 'resourceTemplates' }],
] as const);

export interface ListParts {
  readonly catalogue: Catalogue;
  readonly policy: Policy;
  readonly sealer: Sealer;
  readonly search: SearchTools;
  /** JSON text of our `serverInfo`. */
  readonly serverInfo: string;
  /** Without authentication every caller sees the same, and shared caches may keep it. */
  readonly isPublic: boolean;
  /** Longest time that a client may reuse a list. @default 60000 */
  readonly maxTtlMs?: number | undefined;
}

/** The last item that was sent, and where it stood. */
interface Position {
  readonly kind: string;
  readonly endpoint: string;
  /** Index behind it. */
  readonly index: number;
  readonly key: string;
  readonly target: string;
  readonly order: number;
}

export interface ListRequest {
  readonly method: string;
  readonly endpoint: Endpoint;
  readonly cursor: unknown;
  readonly context: RequestContext;
  readonly modern: boolean;
}

export class Lists {
  readonly #parts: ListParts;

  constructor(parts: ListParts) {
    this.#parts = parts;
  }

  async #view(context: RequestContext, endpoint: Endpoint): Promise<View> {
    return (
      this.#parts.catalogue.current(context.tenant, endpoint) ?? this.#parts.catalogue.view(context.tenant, endpoint)
    );
  }

  /** One page of a list, as the parts of a `result`. @throws PlatformError `INVALID_CURSOR`, `METHOD_NOT_FOUND`. */
  async list(request: ListRequest): Promise<Part[]> {
    const spec = LIST_METHODS.get(request.method);
    if (spec === undefined) throw new PlatformError('METHOD_NOT_FOUND', `Method not found: ${request.method}`);
    const { context, endpoint, modern } = request;
    const { policy, search } = this.#parts;
    const position = this.#position(request, spec.kind);
    const view = await this.#view(context, endpoint);
    const may = await policy.decide({
      principal: context.principal,
      action: 'tool:list',
      resource: { type: 'target', id: endpoint, tenant: context.tenant },
      context: { requestId: context.requestId },
    });
    const decide = (resources: readonly Resource[]): Promise<readonly Decision[]> =>
      policy.decideMany(context.principal, spec.action, resources, { requestId: context.requestId });
    const narrowed =
      spec.kind === 'tools' && may.allowed && search.mayApply(view, endpoint)
        ? search.shortList(view, endpoint, await decide(view.resources('tools')))
        : undefined;
    const start = position === undefined ? 0 : startOf(view, spec.kind, position);
    const page = await this.#page(view, spec.kind, { start, modern, decide, narrowed, isAllowed: may.allowed });
    const next =
      page.next === undefined
        ? ''
        : `,"nextCursor":${JSON.stringify(this.#cursor(request, view, { kind: spec.kind, next: page.next }))}`;
    return [`{"${spec.member}":[`, page.bytes, `]${next}${modern ? this.#modernTail(view) : ''}}`];
  }

  async #page(
    view: View,
    kind: ListKind,
    at: {
      readonly start: number;
      readonly modern: boolean;
      readonly decide: (resources: readonly Resource[]) => Promise<readonly Decision[]>;
      readonly narrowed: string | undefined;
      readonly isAllowed: boolean;
    },
  ): Promise<Page> {
    if (!at.isAllowed) return { bytes: Buffer.alloc(0), next: undefined };
    if (at.narrowed !== undefined) return { bytes: Buffer.from(at.narrowed), next: undefined };
    return view.page(kind, at, at.decide);
  }

  #modernTail(view: View): string {
    return `,"resultType":"complete",${this.#cacheHints(view)},"_meta":{"${META_SERVER_INFO}":${this.#parts.serverInfo}}`;
  }

  /** The shortest life and the narrowest scope of any target; never `public` where callers differ. */
  #cacheHints(view: View): string {
    const maxTtlMs = this.#parts.maxTtlMs ?? DEFAULT_TTL_MS;
    const hints = view.cacheHints;
    const ttlMs = Math.min(maxTtlMs, hints.ttlMs ?? maxTtlMs);
    const isPrivate = !this.#parts.isPublic || hints.isPrivate;
    return `"ttlMs":${ttlMs},"cacheScope":"${isPrivate ? 'private' : 'public'}"`;
  }

  #cursor(request: ListRequest, view: View, at: { kind: ListKind; next: number }): string {
    const last = view.lists[at.kind][at.next - 1];
    const position: Position = {
      kind: at.kind,
      endpoint: request.endpoint,
      index: at.next,
      key: last?.key ?? '',
      target: last?.target.id ?? '',
      order: last?.order ?? 0,
    };
    return this.#parts.sealer.seal('cursor', request.context.principal, position);
  }

  #position(request: ListRequest, kind: ListKind): Position | undefined {
    if (request.cursor === undefined) return undefined;
    const opened =
      typeof request.cursor === 'string'
        ? this.#parts.sealer.open('cursor', request.context.principal, request.cursor)
        : undefined;
    if (!isObject(opened) || opened['kind'] !== kind || opened['endpoint'] !== request.endpoint) {
      throw new PlatformError(
        'INVALID_CURSOR',
        'The cursor was not given to this caller for this list. Start again without a cursor.',
      );
    }
    return opened as unknown as Position;
  }

  /** Targets that the caller may know of. */
  async #visibleParts(context: RequestContext, view: View): Promise<readonly ViewPart[]> {
    const resources = view.parts.map(({ target }) => targetResource(target, context.tenant));
    const decisions = await this.#parts.policy.decideMany(context.principal, 'tool:list', resources, {
      requestId: context.requestId,
    });
    return view.parts.filter((_, index) => decisions[index]?.visible === true);
  }

  /** `server/discover`, whole. */
  async discover(context: RequestContext, endpoint: Endpoint): Promise<string> {
    const view = await this.#view(context, endpoint);
    const capabilities = JSON.stringify(capabilitiesOf(view, endpoint, true));
    const instructions = JSON.stringify(instructionsOf(await this.#visibleParts(context, view), endpoint));
    return `{"supportedVersions":${JSON.stringify(SUPPORTED_VERSIONS)},"capabilities":${capabilities},"instructions":${instructions}${this.#modernTail(view)}}`;
  }

  /** The result of `initialize`. */
  async introduce(context: RequestContext, endpoint: Endpoint, version: string): Promise<string> {
    const view = await this.#view(context, endpoint);
    const capabilities = JSON.stringify(capabilitiesOf(view, endpoint, false));
    const instructions = JSON.stringify(instructionsOf(await this.#visibleParts(context, view), endpoint));
    return `{"protocolVersion":"${version}","capabilities":${capabilities},"serverInfo":${this.#parts.serverInfo},"instructions":${instructions}}`;
  }
}

/**
 * Where to go on: behind the last item that was sent, wherever it stands now. When it has gone, those behind it have
 * moved up to its place.
 */
function startOf(view: View, kind: ListKind, position: Position): number {
  const items = view.lists[kind];
  const isLast = (item: Published | undefined): boolean =>
    item?.key === position.key && item.target.id === position.target;
  // The usual case: nothing has changed. Instances number their catalogues differently, so the item itself is compared.
  if (isLast(items[position.index - 1])) return position.index;
  const found = items.findIndex(isLast);
  if (found >= 0) return found + 1;
  const after = items.findIndex(
    (item) => item.target.id > position.target || (item.target.id === position.target && item.order >= position.order),
  );
  return after < 0 ? items.length : after;
}

/**
 * What the endpoint really relays. `/mcp` offers all kinds, since an administrator may register any of them while
 * clients are connected; one target's endpoint offers what that target has.
 */
function capabilitiesOf(view: View, endpoint: Endpoint, modern: boolean): Record<string, unknown> {
  const declared = view.parts.map((part) => part.listing?.capabilities ?? {});
  const has = (key: string): boolean =>
    endpoint === '' || declared.some((capabilities) => capabilities[key] !== undefined);
  const out: Record<string, unknown> = { logging: {} };
  if (has('tools')) out['tools'] = { listChanged: true };
  if (has('prompts')) out['prompts'] = { listChanged: true };
  if (has('resources')) out['resources'] = { subscribe: true, listChanged: true };
  if (declared.some((capabilities) => capabilities['completions'] !== undefined)) out['completions'] = {};
  const ui = declared
    .map((capabilities) => capabilities['extensions'])
    .find((extensions) => isObject(extensions) && extensions['io.modelcontextprotocol/ui'] !== undefined);
  if (modern && isObject(ui)) out['extensions'] = { 'io.modelcontextprotocol/ui': ui['io.modelcontextprotocol/ui'] };
  return out;
}

/** Short and generated: which targets are behind the endpoint, and what each says of itself. */
function instructionsOf(parts: readonly ViewPart[], endpoint: Endpoint): string {
  const only = endpoint === '' ? undefined : parts[0]?.listing?.instructions;
  if (only !== undefined) return only.slice(0, MAX_INSTRUCTIONS);
  const lines = parts.map(({ target, listing }) => {
    const said = listing?.instructions?.split('\n', 1)[0]?.slice(0, 200);
    return `- ${target.id}${said === undefined ? '' : `: ${said}`}`;
  });
  const head = 'Tools of several servers. A tool is named target___tool; the targets are:';
  return [head, ...lines].join('\n').slice(0, MAX_INSTRUCTIONS);
}
