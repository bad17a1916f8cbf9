/** One server of another client's file in our own keys. */

import type { ConfigNode, Entry, MapNode } from './document.ts';
import { listNode, mapNode, scalarNode } from './document.ts';
import { remoteServerSchema, stdioServerSchema } from './schema-targets.ts';

export interface AdoptedServer {
  readonly server: MapNode;
  /** Keys that mean nothing here. */
  readonly ignored: readonly string[];
}

const STDIO_KEYS: ReadonlySet<string> = new Set(Object.keys(stdioServerSchema.shape));
const REMOTE_KEYS: ReadonlySet<string> = new Set(Object.keys(remoteServerSchema.shape));

/** Other clients' words for the same thing. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ['serverUrl', 'url'],
  ['httpUrl', 'url'],
  ['uri', 'url'],
  ['http_headers', 'headers'],
  ['environment', 'env'],
  ['env_vars', 'inheritEnv'],
  ['workingDirectory', 'cwd'],
  ['startup_timeout_ms', 'startTimeoutMs'],
]);

/** Seconds there, milliseconds here. */
const SECONDS: ReadonlyMap<string, string> = new Map([
  ['startup_timeout_sec', 'startTimeoutMs'],
  ['tool_timeout_sec', 'timeoutMs'],
]);

const TRANSPORTS: ReadonlyMap<string, string> = new Map([
  ['streamableHttp', 'streamable-http'],
  ['streamable_http', 'streamable-http'],
  ['http-stream', 'streamable-http'],
]);

/** Of no use here, and nothing that the operator would miss. */
const SILENT: ReadonlySet<string> = new Set(['source', 'description', '$schema']);

/** Maps keys and values, then keeps what the chosen shape knows. Values are checked later, by the schema. */
export function adoptServer(node: MapNode): AdoptedServer {
  const adoption = new Adoption();
  for (const [key, entry] of node.entries) {
    if (entry.node.kind === 'scalar' && entry.node.value === null) continue;
    adoption.take(key, entry);
  }
  return adoption.finish(node);
}

class Adoption {
  readonly #entries = new Map<string, Entry>();
  readonly #ignored: string[] = [];
  readonly #headers: [string, Entry][] = [];

  take(key: string, entry: Entry): void {
    const renamed = RENAMED.get(key);
    const seconds = SECONDS.get(key);
    if (key === 'command') this.#command(entry);
    else if (key === 'type' || key === 'transport') this.#transport(key, entry);
    else if (key === 'enabled') this.#enabled(entry);
    else if (key === 'bearer_token_env_var') this.#header('Authorization', entry, 'Bearer ');
    else if (key === 'env_http_headers') this.#headersFromVariables(entry);
    else if (renamed !== undefined) this.#put(renamed, entry);
    else if (seconds !== undefined) this.#put(seconds, { ...entry, node: thousandfold(entry.node) });
    else this.#put(key, entry);
  }

  finish(node: MapNode): AdoptedServer {
    this.#addHeaders();
    const isRemote = this.#isRemote();
    if (isRemote !== undefined) {
      const known = isRemote ? REMOTE_KEYS : STDIO_KEYS;
      const unknown = [...this.#entries.keys()].filter((key) => !known.has(key));
      for (const key of unknown) this.#drop(key);
    }
    return { server: mapNode(node, this.#entries), ignored: this.#ignored };
  }

  /** By the deciding key; a file that has both says which it means by its `type`. */
  #isRemote(): boolean | undefined {
    const hasUrl = this.#entries.has('url');
    if (!this.#entries.has('command')) return hasUrl ? true : undefined;
    const type = this.#entries.get('type')?.node;
    const isStdio = type?.kind !== 'scalar' || type.value === 'stdio';
    if (!isStdio && !hasUrl) this.#entries.delete('type');
    return hasUrl && !isStdio;
  }

  #put(key: string, entry: Entry): void {
    if (this.#entries.has(key)) this.#ignored.push(key);
    else this.#entries.set(key, entry);
  }

  #drop(key: string): void {
    const node = this.#entries.get(key)?.node;
    const isEmpty =
      (node?.kind === 'list' && node.items.length === 0) || (node?.kind === 'map' && node.entries.size === 0);
    this.#entries.delete(key);
    if (!isEmpty && !SILENT.has(key)) this.#ignored.push(key);
  }

  /** Text; a list of program and arguments (OpenCode); or a mapping of path, args and env (Zed). */
  #command(entry: Entry): void {
    const { node } = entry;
    if (node.kind === 'map') {
      for (const [key, inner] of node.entries) this.#put(key === 'path' ? 'command' : key, inner);
      return;
    }
    const [program, ...rest] = node.kind === 'list' ? node.items : [node];
    this.#put('command', { keyStart: entry.keyStart, node: program ?? node });
    if (rest.length > 0) this.#put('args', { keyStart: entry.keyStart, node: listNode(node, rest) });
  }

  #transport(key: string, entry: Entry): void {
    const value = entry.node.kind === 'scalar' ? entry.node.value : undefined;
    if (key === 'transport' && typeof value !== 'string') this.#ignored.push(key);
    else if (value === 'local') this.#put('type', { ...entry, node: scalarNode(entry.node, 'stdio') });
    // `remote` leaves the transport open, as an absent type does.
    else if (value !== 'remote')
      this.#put('type', { ...entry, node: scalarNode(entry.node, TRANSPORTS.get(String(value)) ?? String(value)) });
  }

  #enabled(entry: Entry): void {
    const isOff = entry.node.kind === 'scalar' && entry.node.value === false;
    if (isOff) this.#put('disabled', { ...entry, node: scalarNode(entry.node, true) });
  }

  #headersFromVariables(entry: Entry): void {
    if (entry.node.kind !== 'map') return;
    for (const [name, inner] of entry.node.entries) this.#header(name, inner, '');
  }

  #header(name: string, entry: Entry, prefix: string): void {
    const variable = entry.node.kind === 'scalar' ? String(entry.node.value) : '';
    this.#headers.push([name, { ...entry, node: scalarNode(entry.node, `${prefix}\${env:${variable}}`) }]);
  }

  #addHeaders(): void {
    const [first] = this.#headers;
    if (first === undefined) return;
    const given = this.#entries.get('headers');
    const before = given?.node.kind === 'map' ? given.node.entries : [];
    const node = mapNode(given?.node ?? first[1].node, [...before, ...this.#headers]);
    this.#entries.set('headers', { keyStart: given?.keyStart ?? first[1].keyStart, node });
  }
}

function thousandfold(node: ConfigNode): ConfigNode {
  return node.kind === 'scalar' && typeof node.value === 'number'
    ? scalarNode(node, Math.round(node.value * 1000))
    : node;
}

/** The tree with each text value changed; keys stay. */
export function mapStrings(node: ConfigNode, change: (text: string) => string): ConfigNode {
  if (node.kind === 'list')
    return listNode(
      node,
      node.items.map((item) => mapStrings(item, change)),
    );
  if (node.kind === 'scalar') return typeof node.value === 'string' ? scalarNode(node, change(node.value)) : node;
  const entries = [...node.entries].map(([key, entry]): [string, Entry] => [
    key,
    { keyStart: entry.keyStart, node: mapStrings(entry.node, change) },
  ]);
  return mapNode(node, entries);
}
