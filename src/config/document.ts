/**
 * A configuration text as a tree that remembers where each key and value stands. YAML, JSON with comments
 * and TOML end in the same tree, so everything after this file is one piece of code.
 */

import type { ErrorCode } from '../core/errors.ts';
import type { ConfigProblem } from './problems.ts';

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly start: number;
  readonly end: number;
  readonly value: string | number | boolean | null;
}

export interface ListNode {
  readonly kind: 'list';
  readonly start: number;
  readonly end: number;
  readonly items: readonly ConfigNode[];
}

export interface Entry {
  readonly keyStart: number;
  readonly node: ConfigNode;
}

export interface MapNode {
  readonly kind: 'map';
  readonly start: number;
  readonly end: number;
  readonly entries: ReadonlyMap<string, Entry>;
}

export type ConfigNode = ScalarNode | ListNode | MapNode;

/** The keys and indexes from the root to a value. */
export type NodePath = readonly (string | number)[];

export type TextFormat = 'yaml' | 'json' | 'toml';

/** A larger file is no configuration; parsing it would only cost memory. */
export const MAX_TEXT_BYTES = 1024 * 1024;
/** Deeper nesting is no configuration. The parsers below recurse, and V8 can abort the process on a full stack. */
export const MAX_DEPTH = 64;
/** Values after aliases are expanded: a handful of YAML anchors can otherwise stand for billions. */
export const MAX_NODES = 50_000;
/** Each alias costs a walk over the document. */
export const MAX_ALIASES = 1_000;

export interface ProblemPlace {
  readonly code?: ErrorCode;
  readonly path?: NodePath;
  readonly nearest?: string | undefined;
}

/** A text under reading: its name, its line starts, and what has been found wrong with it so far. */
export class ConfigText {
  readonly file: string;
  readonly text: string;
  readonly problems: ConfigProblem[] = [];
  readonly #lineStarts: readonly number[];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    this.#lineStarts = [0, ...Array.from(text.matchAll(/\n/g), (match) => match.index + 1)];
  }

  report(offset: number, message: string, place: ProblemPlace = {}): void {
    const { line, column } = this.position(offset);
    this.problems.push({
      code: place.code ?? 'CONFIG_INVALID',
      file: this.file,
      line,
      column,
      path: formatPath(place.path ?? []),
      message,
      ...(place.nearest === undefined ? {} : { nearest: place.nearest }),
      ...(place.code === 'CONFIG_UNKNOWN_KEY' ? this.#sourceLine(line) : {}),
    });
  }

  /** Line and column of an offset, both from 1. */
  position(offset: number): { line: number; column: number } {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 };
  }

  offsetOf(line: number, column: number): number {
    return (this.#lineStarts[line - 1] ?? this.text.length) + column - 1;
  }

  /** Only the part up to the key's colon: what follows may be a secret. */
  #sourceLine(line: number): { source?: string } {
    const start = this.#lineStarts[line - 1] ?? 0;
    const text = this.text.slice(start, this.#lineStarts[line] ?? this.text.length);
    const key = /^[\s,{-]*["']?[\w.$ -]{1,60}["']?\s*[:=]/.exec(text)?.[0].trim();
    return key === undefined ? {} : { source: `${key} …` };
  }
}

/** `mcpServers.docs.args[0]`; keys with other characters are quoted. */
export function formatPath(path: NodePath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w$-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** The node at a path, or `undefined`. */
export function nodeAt(root: ConfigNode | undefined, path: NodePath): ConfigNode | undefined {
  let node = root;
  for (const part of path) node = child(node, part)?.node;
  return node;
}

/**
 * Where to point for a problem at `path`: the value if it stands in the text, else the key of the nearest
 * thing around it that does.
 */
export function offsetAt(root: ConfigNode, path: NodePath, at: 'key' | 'value' = 'value'): number {
  let node: ConfigNode | undefined = root;
  let offset = root.start;
  for (const [index, part] of path.entries()) {
    const entry: Entry | undefined = child(node, part);
    if (entry === undefined) return offset;
    const isLast = index === path.length - 1;
    offset = isLast && at === 'value' ? entry.node.start : entry.keyStart;
    node = entry.node;
  }
  return offset;
}

function child(node: ConfigNode | undefined, part: string | number): Entry | undefined {
  if (node?.kind === 'map') return node.entries.get(String(part));
  if (node?.kind !== 'list') return undefined;
  const item = node.items[Number(part)];
  return item === undefined ? undefined : { keyStart: item.start, node: item };
}

/** A map as an object without prototype, a list as an array. */
export function toValue(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toValue);
  const value: Record<string, unknown> = Object.create(null);
  for (const [key, entry] of node.entries) value[key] = toValue(entry.node);
  return value;
}

export function mapNode(at: { start: number; end: number }, entries: Iterable<readonly [string, Entry]>): MapNode {
  return { kind: 'map', start: at.start, end: at.end, entries: new Map(entries) };
}

export function listNode(at: { start: number; end: number }, items: readonly ConfigNode[]): ListNode {
  return { kind: 'list', start: at.start, end: at.end, items };
}

export function scalarNode(at: { start: number; end: number }, value: ScalarNode['value']): ScalarNode {
  return { kind: 'scalar', start: at.start, end: at.end, value };
}

/** Adds a key, or reports why it cannot stand: written twice, or a name that objects treat specially. */
export function addEntry(source: ConfigText, entries: Map<string, Entry>, key: string, entry: Entry): void {
  if (entries.has(key)) {
    source.report(entry.keyStart, `The key "${key}" is written twice`, { code: 'CONFIG_SYNTAX' });
  } else if (key === '__proto__') {
    source.report(entry.keyStart, 'The key "__proto__" cannot be used here', { code: 'CONFIG_UNKNOWN_KEY' });
  } else {
    entries.set(key, entry);
  }
}
