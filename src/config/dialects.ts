/**
 * The files of other MCP clients, turned into our own `mcpServers`. The tree keeps its places, so a problem
 * found later still points into the client's file.
 */

import type { ConfigNode, Entry, MapNode } from './document.ts';
import { ConfigText, mapNode, nodeAt, scalarNode, toValue } from './document.ts';
import { adoptServer, mapStrings } from './dialect-servers.ts';
import { assignTargetIds } from './ids.ts';
import type { LoadNote } from './load-note.ts';
import { formatOf, parseText } from './parse-text.ts';
import type { ConfigProblem } from './problems.ts';
import { adoptReferences } from './references.ts';
import { baseSchema } from './schema.ts';
import type { ConfigInput } from './schema.ts';
import { rootMapping, validateServers } from './validate.ts';

export type Dialect = 'zeroplane' | 'mcp-json' | 'vscode' | 'zed' | 'opencode' | 'codex';

interface Section {
  readonly dialect: Dialect;
  readonly servers: Entry;
  readonly inputs?: ConfigNode | undefined;
}

export interface Adopted {
  /** A root with `mcpServers` alone. */
  readonly root: MapNode;
  readonly notes: readonly LoadNote[];
  /** Defaults of VS Code's `inputs`. */
  readonly inputDefaults: ReadonlyMap<string, string>;
}

/** Whose file this is: by its name where that is ours, else by the key that holds the servers. */
export function detectDialect(root: MapNode, file: string): Dialect {
  const name = file.split(/[\\/]/).at(-1) ?? '';
  if (/^zeroplane\./i.test(name) || formatOf(name) === 'yaml') return 'zeroplane';
  const section = findSection(root);
  const isShared = section === undefined || section.dialect === 'mcp-json';
  const mayBeOurs = isShared && name !== '.mcp.json' && !name.includes('settings') && formatOf(name) !== 'toml';
  if (mayBeOurs && ownKeys(root).length > 0) return 'zeroplane';
  return section?.dialect ?? (mayBeOurs ? 'zeroplane' : 'mcp-json');
}

function ownKeys(root: MapNode): string[] {
  return [...root.entries.keys()].filter((key) => key !== '$schema' && Object.hasOwn(baseSchema.shape, key));
}

function findSection(root: MapNode): Section | undefined {
  const inputs = root.entries.get('inputs')?.node;
  const direct: readonly (readonly [string, Dialect])[] = [
    ['mcpServers', 'mcp-json'],
    ['servers', 'vscode'],
    ['context_servers', 'zed'],
    ['mcp_servers', 'codex'],
  ];
  for (const [key, dialect] of direct) {
    const servers = root.entries.get(key);
    if (servers !== undefined) return { dialect, servers, inputs };
  }
  const mcp = root.entries.get('mcp');
  const nested = mcp?.node.kind === 'map' ? mcp.node.entries.get('servers') : undefined;
  if (nested !== undefined) return { dialect: 'vscode', servers: nested, inputs: nodeAt(mcp?.node, ['inputs']) };
  if (mcp !== undefined) return { dialect: 'opencode', servers: mcp };
  return isBareServerMap(root) ? { dialect: 'mcp-json', servers: { keyStart: root.start, node: root } } : undefined;
}

/** Some files hold the servers without a key around them. */
function isBareServerMap(root: MapNode): boolean {
  const looksLikeServer = ({ node }: Entry): boolean =>
    node.kind === 'map' && (node.entries.has('command') || node.entries.has('url'));
  return root.entries.size > 0 && [...root.entries.values()].every(looksLikeServer);
}

/** Turns a client's file into a root with `mcpServers`. Fields we have no use for are named in the notes. */
export function adoptForeign(source: ConfigText, root: MapNode, dialect: Dialect): Adopted {
  const section = findSection(root);
  const empty = { root: mapNode(root, []), notes: [], inputDefaults: new Map<string, string>() };
  if (section === undefined) {
    if (root.entries.size > 0)
      source.report(
        root.start,
        'No MCP servers here; a key such as mcpServers, servers, context_servers, mcp or mcp_servers is expected',
      );
    return empty;
  }
  const { servers } = section;
  const notes = dialect === 'mcp-json' ? unreadKeys(root, servers.node) : [];
  const adopted = servers.node.kind === 'map' ? adoptServers(servers.node, dialect, notes) : servers.node;
  const entry: Entry = { keyStart: servers.keyStart, node: adopted };
  return { ...empty, root: mapNode(root, [['mcpServers', entry]]), notes, inputDefaults: defaultsOf(section.inputs) };
}

/** Our own keys in a client's file would seem to work and do nothing. */
function unreadKeys(root: MapNode, servers: ConfigNode): LoadNote[] {
  if (servers === root) return [];
  return ownKeys(root).map((key) => {
    const text = `"${key}" is not read from this file; write a zeroplane.yaml for it.`;
    return { kind: 'ignored', path: key, text };
  });
}

function adoptServers(servers: MapNode, dialect: Dialect, notes: LoadNote[]): MapNode {
  const style = dialect === 'codex' || dialect === 'zed' ? 'none' : dialect === 'opencode' ? 'opencode' : 'shell';
  const entries: [string, Entry][] = [];
  for (const [key, entry] of servers.entries) {
    const node = mapStrings(entry.node, (text) => adoptReferences(text, style));
    if (node.kind !== 'map') {
      entries.push([key, { keyStart: entry.keyStart, node }]);
      continue;
    }
    const { server, ignored } = adoptServer(node);
    if (dialect === 'zed' && !server.entries.has('command') && !server.entries.has('url')) {
      notes.push({
        kind: 'skipped',
        path: `mcpServers.${key}`,
        text: `Server "${key}" is left out: a Zed extension brings it.`,
      });
      continue;
    }
    if (ignored.length > 0)
      notes.push({
        kind: 'ignored',
        path: `mcpServers.${key}`,
        text: `Server "${key}": not used here: ${ignored.join(', ')}.`,
      });
    entries.push([key, { keyStart: entry.keyStart, node: server }]);
  }
  return mapNode(servers, entries);
}

function defaultsOf(inputs: ConfigNode | undefined): Map<string, string> {
  const defaults = new Map<string, string>();
  for (const input of inputs?.kind === 'list' ? inputs.items : []) {
    const id = nodeAt(input, ['id']);
    const value = nodeAt(input, ['default']);
    if (
      id?.kind === 'scalar' &&
      typeof id.value === 'string' &&
      value?.kind === 'scalar' &&
      typeof value.value === 'string'
    ) {
      defaults.set(id.value, value.value);
    }
  }
  return defaults;
}

/** `${X}` under our own `mcpServers` means the variable too: what stands there may be pasted from `.mcp.json`. */
export function adoptOwnReferences(root: MapNode): MapNode {
  const servers = root.entries.get('mcpServers');
  if (servers === undefined) return root;
  const node = mapStrings(servers.node, (text) => adoptReferences(text, 'shell'));
  return mapNode(root, [...root.entries, ['mcpServers', { keyStart: servers.keyStart, node }]]);
}

// ---------------------------------------------------------------------------------------------- import

export interface ImportedServer {
  /** Legal target id. */
  readonly id: string;
  /** The key in the client's file. */
  readonly sourceName: string;
  /** Our own form, references kept; write it under `mcpServers`. */
  readonly config: NonNullable<ConfigInput['mcpServers']>[string];
}

export interface ImportResult {
  readonly dialect: Dialect;
  readonly servers: readonly ImportedServer[];
  readonly notes: readonly LoadNote[];
  /** Servers with problems are not in `servers`. */
  readonly problems: readonly ConfigProblem[];
}

/** Reads the servers of any client's file (or of ours) without resolving anything. Never throws. */
export function importServers(text: string, filename: string): ImportResult {
  const source = new ConfigText(filename, text.replace(/^\uFEFF/, ''));
  const node = parseText(source, formatOf(filename));
  const root = node === undefined ? undefined : rootMapping(source, node);
  if (root === undefined) return { dialect: 'zeroplane', servers: [], notes: [], problems: source.problems };
  const dialect = detectDialect(root, filename);
  const adopted =
    dialect === 'zeroplane' ? { root: adoptOwnReferences(root), notes: [] } : adoptForeign(source, root, dialect);
  const valid = validateServers(source, withPlaceholders(adopted.root));
  const { ids, notes } = assignTargetIds([...valid.keys()]);
  const servers = [...valid.keys()].map((key): ImportedServer => {
    const config = plainServer(nodeAt(adopted.root, ['mcpServers', key]));
    return { id: ids.get(key) ?? key, sourceName: key, config };
  });
  return { dialect, servers, notes: [...adopted.notes, ...notes], problems: source.problems };
}

function plainServer(node: ConfigNode | undefined): ImportedServer['config'] {
  const value = node === undefined ? {} : toValue(node);
  // An ordinary object, checked by the schema just before: callers serialise it.
  return JSON.parse(JSON.stringify(value)) as ImportedServer['config'];
}

/** References stand for values that only a start resolves; an address made of one cannot be checked yet. */
function withPlaceholders(root: MapNode): MapNode {
  const servers = root.entries.get('mcpServers');
  if (servers?.node.kind !== 'map') return root;
  const checked = [...servers.node.entries].map(([key, entry]): [string, Entry] => {
    const url = nodeAt(entry.node, ['url']);
    const isOpen = url?.kind === 'scalar' && typeof url.value === 'string' && url.value.includes('${');
    if (!isOpen || entry.node.kind !== 'map') return [key, entry];
    const node = scalarNode(url, 'http://reference.invalid/');
    return [
      key,
      {
        keyStart: entry.keyStart,
        node: mapNode(entry.node, [...entry.node.entries, ['url', { keyStart: url.start, node }]]),
      },
    ];
  });
  return mapNode(root, [
    ...root.entries,
    ['mcpServers', { keyStart: servers.keyStart, node: mapNode(servers.node, checked) }],
  ]);
}
