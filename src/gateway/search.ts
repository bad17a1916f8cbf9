/**
 * Tool search for catalogues that are too large for a model's context: two tools of the gateway itself stand in for
 * the list. Stateless, so it works in every revision; every tool stays callable by its own name.
 */

import MiniSearch from 'minisearch';
import { isObject, textOf } from '../core/json.ts';
import type { Decision } from '../policy/decide.ts';
import type { Published } from './publish.ts';
import type { Endpoint, View } from './view.ts';

export const SEARCH_TOOL = 'search_tools';
export const CALL_TOOL = 'call_tool';
const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 50;

/** Words that people use for the same thing. Each line is one group. */
const SYNONYMS: readonly (readonly string[])[] = [
  ['storage', 'bucket', 's3', 'blob', 'gcs'],
  ['kubernetes', 'k8s', 'gke', 'eks', 'aks', 'cluster'],
  ['log', 'logs', 'trace', 'logging'],
  ['database', 'db', 'sql', 'table', 'postgres', 'mysql'],
  ['function', 'lambda', 'serverless'],
  ['file', 'files', 'document', 'filesystem'],
  ['directory', 'folder', 'dir'],
  ['delete', 'remove', 'rm', 'destroy'],
  ['create', 'make', 'new', 'add', 'provision'],
  ['list', 'ls', 'show', 'enumerate'],
  ['get', 'read', 'fetch', 'retrieve'],
  ['update', 'edit', 'change', 'modify', 'set'],
  ['undo', 'rollback', 'revert'],
  ['secret', 'password', 'credential', 'token'],
  ['queue', 'sqs', 'message'],
  ['vm', 'instance', 'ec2', 'server', 'machine'],
  ['network', 'vpc', 'vnet', 'subnet'],
  ['sum', 'add', 'plus', 'total'],
  ['time', 'clock', 'date', 'timezone'],
];

/** A word can belong to several groups: `add` makes things and adds numbers. */
const GROUP: ReadonlyMap<string, readonly string[]> = new Map(
  SYNONYMS.flat().map((word) => [word, SYNONYMS.filter((group) => group.includes(word)).flat()] as const),
);

/** Splits `createS3Bucket` and `create_s3-bucket` alike. */
function words(text: string): string[] {
  return text
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}

export interface SearchOptions {
  /** Tools on `/mcp` beyond which the list is replaced; unset never. */
  readonly above?: number | undefined;
  /** Tools that are listed all the same. */
  readonly pin?: readonly string[] | undefined;
}

const DEFINITIONS: readonly Record<string, unknown>[] = [
  {
    name: SEARCH_TOOL,
    title: 'Search tools',
    description:
      'Finds tools by what they do. Returns names, descriptions and input schemas; call a tool by its name, or with call_tool.',
    inputSchema: {
      type: 'object',
      properties: {
        query: { type: 'string', description: 'What the tool should do, in plain words.' },
        limit: {
          type: 'integer',
          minimum: 1,
          maximum: MAX_LIMIT,
          description: `How many tools to return. Default ${DEFAULT_LIMIT}.`,
        },
      },
      required: ['query'],
    },
    annotations: { readOnlyHint: true },
  },
  {
    name: CALL_TOOL,
    title: 'Call a tool',
    description: 'Calls a tool that search_tools found.',
    inputSchema: {
      type: 'object',
      properties: {
        name: { type: 'string', description: 'The tool, as search_tools named it.' },
        arguments: { type: 'object', description: 'Its arguments.' },
      },
      required: ['name'],
    },
  },
];

export class SearchTools {
  readonly #options: SearchOptions;
  readonly #indexes = new WeakMap<View, MiniSearch<{ id: number }>>();

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  /** Whether the list of this view is replaced for a caller who may see these of its tools. */
  isActive(view: View, endpoint: Endpoint, decisions: readonly Decision[]): boolean {
    const allowed = decisions.filter((decision) => decision.allowed).length;
    return this.mayApply(view, endpoint) && allowed > (this.#options.above ?? 0);
  }

  /** Whether the list of this view is long enough for anybody; a look that needs no decisions. */
  mayApply(view: View, endpoint: Endpoint): boolean {
    const { above } = this.#options;
    return above !== undefined && endpoint === '' && view.lists.tools.length > above;
  }

  /** The items of the short list, joined; `undefined` when the whole list is shown. */
  shortList(view: View, endpoint: Endpoint, decisions: readonly Decision[]): string | undefined {
    if (!this.isActive(view, endpoint, decisions)) return undefined;
    // A registered tool that has the name of one of ours is called in its place, so it is listed in its place too.
    const own = DEFINITIONS.filter((definition) => view.listed('tools', textOf(definition['name'])) === undefined);
    const taken = DEFINITIONS.filter((definition) => !own.includes(definition)).map((each) => each['name']);
    const shown = view.lists.tools.filter(
      (tool, index) =>
        decisions[index]?.allowed === true && (this.#options.pin?.includes(tool.key) || taken.includes(tool.key)),
    );
    return [...own.map((definition) => JSON.stringify(definition)), ...shown.map((tool) => tool.modernText)].join(',');
  }

  /** The allowed tools that fit a query, best first. */
  find(
    view: View,
    query: string,
    at: { readonly decisions: readonly Decision[]; readonly limit?: unknown },
  ): readonly Published[] {
    const limit = typeof at.limit === 'number' ? Math.min(MAX_LIMIT, Math.max(1, Math.floor(at.limit))) : DEFAULT_LIMIT;
    const hits = this.#index(view).search(query.slice(0, 1_000));
    const found: Published[] = [];
    for (const hit of hits) {
      const tool = view.lists.tools[hit.id as number];
      if (tool !== undefined && at.decisions[hit.id as number]?.allowed === true) found.push(tool);
      if (found.length === limit) break;
    }
    return found;
  }

  #index(view: View): MiniSearch<{ id: number }> {
    const known = this.#indexes.get(view);
    if (known !== undefined) return known;
    const index = new MiniSearch<{ id: number }>({
      fields: ['name', 'title', 'description', 'parameters', 'tags'],
      tokenize: words,
      processTerm: (term) => term.toLowerCase(),
      searchOptions: {
        boost: { name: 3, title: 2 },
        prefix: (term) => term.length > 2,
        fuzzy: (term) => (term.length > 4 ? 0.2 : false),
        tokenize: (text) => [...new Set(words(text).flatMap((word) => GROUP.get(word) ?? [word]))],
      },
    });
    index.addAll(view.lists.tools.map((tool, id) => ({ id, ...document(tool) })));
    this.#indexes.set(view, index);
    return index;
  }
}

function document(tool: Published): Record<'name' | 'title' | 'description' | 'parameters' | 'tags', string> {
  const { value } = tool.definition;
  // Of the target too, where it has some.
  const tags = tool.resource.tags ?? tool.definition.tags ?? {};
  const schema = value['inputSchema'];
  const properties = isObject(schema) && isObject(schema['properties']) ? Object.keys(schema['properties']) : [];
  return {
    name: tool.key,
    title: textOf(value['title']),
    description: textOf(value['description']),
    parameters: properties.join(' '),
    // Those of AWS itself, such as the name of a stack, are nobody's words.
    tags: Object.entries(tags)
      .filter(([key]) => !key.startsWith('aws:'))
      .flat()
      .join(' '),
  };
}

/** The result of `search_tools`: text for models, the same structured for programs. */
export function searchResult(found: readonly Published[]): string {
  const tools = `[${found.map((tool) => tool.modernText).join(',')}]`;
  const text =
    found.length === 0
      ? 'No tool fits. Try other words.'
      : found
          .map((tool) => `${tool.key}: ${textOf(tool.definition.value['description']).split('\n', 1)[0]}`)
          .join('\n');
  return `{"content":[${JSON.stringify({ type: 'text', text: `${text}${found.length === 0 ? '' : `\n\n${tools}`}` })}],"structuredContent":{"tools":${tools}}}`;
}
