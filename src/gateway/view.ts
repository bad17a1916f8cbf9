/** One tenant's view of one endpoint at one version of the catalogue: ordered lists, name lookup, ready pages. */

import type { Target, TargetListing } from '../core/target.ts';
import type { Decision } from '../policy/decide.ts';
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

export class View {
  readonly version: number;
  readonly parts: readonly ViewPart[];
  readonly lists: PublishedSet;
  readonly #byKey: Readonly<Record<ListKind, ReadonlyMap<string, Published>>>;
  /** Bare tool names that exactly one target has: what an App inside a client calls. */
  readonly #aliases: ReadonlyMap<string, Published>;
  readonly #pages = new Map<string, Page>();

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

  /**
   * One page from `start` on. Pages of fully allowed lists are kept as bytes, since nearly every caller sees all.
   *
   * @param decisions - One per item of the list, in order.
   */
  page(kind: ListKind, at: { readonly start: number; readonly modern: boolean }, decisions: readonly Decision[]): Page {
    const items = this.lists[kind];
    const all = decisions.every((decision) => decision.allowed);
    const key = `${kind}\0${at.start}\0${at.modern}`;
    const known = all ? this.#pages.get(key) : undefined;
    if (known !== undefined) return known;
    const page = buildPage(items, at, decisions);
    if (all) this.#pages.set(key, page);
    return page;
  }
}

function buildPage(
  items: readonly Published[],
  at: { readonly start: number; readonly modern: boolean },
  decisions: readonly Decision[],
): Page {
  const texts: string[] = [];
  let bytes = 0;
  for (let i = at.start; i < items.length; i++) {
    const item = items[i];
    if (item === undefined || decisions[i]?.allowed !== true) continue;
    const text = at.modern ? item.modernText : item.legacyText;
    const size = Buffer.byteLength(text) + 1;
    if (texts.length > 0 && (texts.length >= MAX_PAGE_ITEMS || bytes + size > MAX_PAGE_BYTES)) {
      return { bytes: Buffer.from(texts.join(',')), next: i };
    }
    texts.push(text);
    bytes += size;
  }
  return { bytes: Buffer.from(texts.join(',')), next: undefined };
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
