/** One tenant's view of one endpoint at one version of the catalogue: ordered lists, name lookup, ready pages. */

import type { Target, TargetListing } from '../core/target.ts';
import type { Decision, Resource } from '../policy/decide.ts';
import type { ListKind, Published, PublishedSet } from './publish.ts';

/** `''` is `/mcp`, everything else the id of the one target of `/mcp/{target}`. */
export type Endpoint = string;

const MAX_PAGE_ITEMS = 1_000;
const MAX_PAGE_BYTES = 1_048_576;

export interface ViewPart {
  readonly target: Target;
  readonly listing: TargetListing | undefined;
  readonly set: PublishedSet | undefined;
}

export interface Page {
  /** The items joined by commas, as bytes. */
  readonly bytes: Uint8Array;
  /** Index behind the last item, `undefined` at the end. */
  readonly next: number | undefined;
}

/** A page of which somebody saw everything. */
interface KeptPage extends Page {
  /** The same array each time, so that a policy may remember what it decided about it. */
  readonly resources: readonly Resource[];
}

export class View {
  readonly version: number;
  readonly parts: readonly ViewPart[];
  readonly lists: PublishedSet;
  readonly #byKey: Readonly<Record<ListKind, ReadonlyMap<string, Published>>>;
  /** Bare tool names that exactly one target has: what an App inside a client calls. */
  readonly #aliases: ReadonlyMap<string, Published>;
  readonly #pages = new Map<string, KeptPage>();
  readonly #resources = new Map<ListKind, readonly Resource[]>();
  #hints: CacheHints | undefined;

  constructor(version: number, parts: readonly ViewPart[], lists: PublishedSet) {
    this.version = version;
    this.parts = parts;
    this.lists = lists;
    this.#byKey = {
      tools: index(lists.tools),
      prompts: index(lists.prompts),
      resources: index(lists.resources),
      templates: index(lists.templates),
    };
    this.#aliases = aliases(lists.tools);
  }

  /** What is listed under this very key; {@link find} also knows bare names. */
  listed(kind: ListKind, key: string): Published | undefined {
    return this.#byKey[kind].get(key);
  }

  find(kind: ListKind, key: string): Published | undefined {
    return this.#byKey[kind].get(key) ?? (kind === 'tools' ? this.#aliases.get(key) : undefined);
  }

  /** The one listed resource or template with this URI in its target's own words. */
  findByOriginal(kind: 'resources' | 'templates', key: string): Published | undefined {
    const found = this.lists[kind].filter((item) => item.definition.key === key);
    return found.length === 1 ? found[0] : undefined;
  }

  target(id: string): Target | undefined {
    return this.parts.find((part) => part.target.id === id)?.target;
  }

  listing(target: Target): TargetListing | undefined {
    return this.parts.find((part) => part.target === target)?.listing;
  }

  /** What `decide()` is asked about for each item of a list, in order. */
  resources(kind: ListKind): readonly Resource[] {
    let known = this.#resources.get(kind);
    if (known === undefined) {
      known = this.lists[kind].map((item) => item.resource);
      this.#resources.set(kind, known);
    }
    return known;
  }

  /** The shortest life and the narrowest scope that any target gave its list. */
  get cacheHints(): CacheHints {
    this.#hints ??= cacheHintsOf(this.parts);
    return this.#hints;
  }

  /**
   * One page from `start` on. Pages of which the caller may see everything are kept as bytes, since nearly every
   * caller does.
   *
   * @param decide - Decides about some of {@link resources}, in order.
   */
  async page(
    kind: ListKind,
    at: { readonly start: number; readonly modern: boolean },
    decide: (resources: readonly Resource[]) => Promise<readonly Decision[]>,
  ): Promise<Page> {
    const key = `${kind}\0${at.start}\0${at.modern}`;
    const known = this.#pages.get(key);
    if (known !== undefined) {
      const decisions = await decide(known.resources);
      if (decisions.every((decision) => decision.allowed)) return known;
    }
    const resources = this.resources(kind);
    const builder = new PageBuilder(at.modern);
    const keep = (next: number | undefined): Page => {
      const page = { bytes: builder.bytes(), next };
      if (!builder.isPartial) this.#pages.set(key, { ...page, resources: resources.slice(at.start, next) });
      return page;
    };
    for (let from = at.start; from < resources.length; from += MAX_PAGE_ITEMS) {
      const decisions = await decide(resources.slice(from, from + MAX_PAGE_ITEMS));
      const next = builder.add(this.lists[kind], from, decisions);
      if (next !== undefined) return keep(next);
    }
    return keep(undefined);
  }
}

export interface CacheHints {
  /** `undefined` when no target said anything. */
  readonly ttlMs: number | undefined;
  readonly isPrivate: boolean;
}

function cacheHintsOf(parts: readonly ViewPart[]): CacheHints {
  let ttlMs: number | undefined;
  let isPrivate = false;
  for (const { listing } of parts) {
    if (listing?.ttlMs !== undefined) ttlMs = Math.min(ttlMs ?? listing.ttlMs, listing.ttlMs);
    if (listing?.cacheScope === 'private') isPrivate = true;
  }
  return { ttlMs, isPrivate };
}

/** Collects allowed items up to the limits of a page. */
class PageBuilder {
  readonly #modern: boolean;
  readonly #texts: string[] = [];
  #size = 0;
  /** Something was left out because the caller may not see it. */
  isPartial = false;

  constructor(modern: boolean) {
    this.#modern = modern;
  }

  /** @returns the index of the first allowed item that does not fit, `undefined` when there is room for more. */
  add(items: readonly Published[], from: number, decisions: readonly Decision[]): number | undefined {
    for (const [offset, decision] of decisions.entries()) {
      const item = items[from + offset];
      if (item === undefined || !decision.allowed) {
        this.isPartial = true;
        continue;
      }
      const text = this.#modern ? item.modernText : item.legacyText;
      const size = Buffer.byteLength(text) + 1;
      const isFull = this.#texts.length >= MAX_PAGE_ITEMS || this.#size + size > MAX_PAGE_BYTES;
      if (this.#texts.length > 0 && isFull) return from + offset;
      this.#texts.push(text);
      this.#size += size;
    }
    return undefined;
  }

  bytes(): Uint8Array {
    return Buffer.from(this.#texts.join(','));
  }
}

function index(items: readonly Published[]): ReadonlyMap<string, Published> {
  const map = new Map<string, Published>();
  // The first target in order keeps a name; `publish` already prefixed whatever could clash across targets.
  for (const item of items) if (!map.has(item.key)) map.set(item.key, item);
  return map;
}

function aliases(tools: readonly Published[]): ReadonlyMap<string, Published> {
  const counts = new Map<string, Published | undefined>();
  for (const tool of tools) {
    const bare = tool.definition.key;
    counts.set(bare, counts.has(bare) ? undefined : tool);
  }
  const unique = new Map<string, Published>();
  for (const [name, tool] of counts) if (tool !== undefined) unique.set(name, tool);
  return unique;
}

/** Joins the published sets of the parts, which are ordered by target id. */
export function buildView(version: number, parts: readonly ViewPart[]): View {
  const lists: Record<ListKind, Published[]> = { tools: [], prompts: [], resources: [], templates: [] };
  for (const { set } of parts) {
    if (set === undefined) continue;
    for (const kind of ['tools', 'prompts', 'resources', 'templates'] as const)
      for (const item of set[kind]) lists[kind].push(item);
  }
  return new View(version, parts, lists);
}
