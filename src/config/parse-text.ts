/** Text to tree: one reader per format, each reporting what it cannot read with its place. */

import type { Node as JsonNode, ParseError } from 'jsonc-parser';
import { parseTree, printParseErrorCode } from 'jsonc-parser';
import type { Node as YamlNode, Pair } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import type { ConfigNode, ConfigText, Entry, ScalarNode, TextFormat } from './document.ts';
import {
  addEntry,
  listNode,
  mapNode,
  MAX_ALIASES,
  MAX_DEPTH,
  MAX_NODES,
  MAX_TEXT_BYTES,
  scalarNode,
} from './document.ts';
import { parseTomlText } from './parse-toml.ts';

/** The format a file's name announces; anything unknown is read as YAML, of which JSON is nearly a part. */
export function formatOf(file: string): TextFormat {
  if (/\.(json|jsonc|json5)$/i.test(file)) return 'json';
  return /\.toml$/i.test(file) ? 'toml' : 'yaml';
}

/** Reads a text. Whatever is wrong is in `source.problems`; `undefined` when nothing usable is left. */
export function parseText(source: ConfigText, format: TextFormat): ConfigNode | undefined {
  if (!isReadable(source)) return undefined;
  try {
    if (format === 'toml') return parseTomlText(source);
    return format === 'json' ? parseJson(source) : parseYaml(source);
  } catch (error) {
    if (error instanceof TooMuch) source.report(error.offset, error.message, { code: 'CONFIG_SYNTAX' });
    else if (error instanceof RangeError) source.report(0, 'The file is nested too deeply', { code: 'CONFIG_SYNTAX' });
    else throw error;
    return undefined;
  }
}

/** Size and nesting, checked before any parser recurses over the text. */
function isReadable(source: ConfigText): boolean {
  const found = source.problems.length;
  if (source.text.length > MAX_TEXT_BYTES) {
    source.report(0, 'The file is larger than 1 MiB', { code: 'CONFIG_SYNTAX' });
  } else if (source.text.trim() === '') {
    source.report(0, 'The file is empty; add mcpServers or functions, or remove the file', { code: 'CONFIG_SYNTAX' });
  } else {
    const offset = tooDeepAt(source.text);
    if (offset !== undefined)
      source.report(offset, `Nested deeper than ${MAX_DEPTH} levels`, { code: 'CONFIG_SYNTAX' });
  }
  return source.problems.length === found;
}

/**
 * An upper bound of the nesting, from brackets and from what stands before the first word of a line. Twice
 * the limit leaves room for brackets inside strings.
 */
function tooDeepAt(text: string): number | undefined {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === 0x5b || character === 0x7b) depth += 1;
    else if ((character === 0x5d || character === 0x7d) && depth > 0) depth -= 1;
    if (depth > 2 * MAX_DEPTH) return index;
  }
  const line = /(?:^|\n)[ \t?:.!&*-]{300}/.exec(text);
  return line === null ? undefined : line.index + (line[0].startsWith('\n') ? 1 : 0);
}

class TooMuch extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/** Counts values and levels while a tree is built. */
class Budget {
  #left = MAX_NODES;
  #aliases = MAX_ALIASES;

  spend(offset: number, depth: number): void {
    this.#left -= 1;
    if (this.#left < 0) throw new TooMuch(offset, `More than ${MAX_NODES} values, aliases expanded`);
    if (depth > MAX_DEPTH) throw new TooMuch(offset, `Nested deeper than ${MAX_DEPTH} levels`);
  }

  follow(offset: number): void {
    this.#aliases -= 1;
    if (this.#aliases < 0) throw new TooMuch(offset, `More than ${MAX_ALIASES} aliases, nested ones included`);
  }
}

// ------------------------------------------------------------------------------------------------- JSON

function parseJson(source: ConfigText): ConfigNode | undefined {
  const errors: ParseError[] = [];
  const root = parseTree(source.text, errors, { allowTrailingComma: true, disallowComments: false });
  for (const error of errors.slice(0, 10)) {
    source.report(error.offset, jsonMessage(error), { code: 'CONFIG_SYNTAX' });
  }
  return root === undefined || errors.length > 0 ? undefined : new JsonReader(source).read(root, 0);
}

const JSON_MESSAGES: ReadonlyMap<string, string> = new Map([
  ['InvalidSymbol', 'This is no JSON value; text needs double quotes'],
  ['InvalidNumberFormat', 'This is no JSON number'],
  ['PropertyNameExpected', 'A key in double quotes is expected here'],
  ['ValueExpected', 'A value is expected here'],
  ['ColonExpected', 'A colon is expected here'],
  ['CommaExpected', 'A comma is expected here'],
  ['CloseBraceExpected', 'A closing } is expected here'],
  ['CloseBracketExpected', 'A closing ] is expected here'],
  ['EndOfFileExpected', 'The end of the file is expected here'],
  ['UnexpectedEndOfString', 'The string is not closed'],
  ['UnexpectedEndOfComment', 'The comment is not closed'],
  ['InvalidCharacter', 'A control character stands in a string'],
]);

function jsonMessage(error: ParseError): string {
  const code = printParseErrorCode(error.error);
  return JSON_MESSAGES.get(code) ?? `The JSON cannot be read (${code})`;
}

class JsonReader {
  readonly #source: ConfigText;
  readonly #budget = new Budget();

  constructor(source: ConfigText) {
    this.#source = source;
  }

  read(node: JsonNode, depth: number): ConfigNode {
    this.#budget.spend(node.offset, depth);
    const at = { start: node.offset, end: node.offset + node.length };
    const children = node.children ?? [];
    if (node.type === 'array')
      return listNode(
        at,
        children.map((item) => this.read(item, depth + 1)),
      );
    if (node.type !== 'object') return scalarNode(at, node.value as ScalarNode['value']);
    const entries = new Map<string, Entry>();
    for (const property of children) this.#property(entries, property, depth);
    return mapNode(at, entries);
  }

  #property(entries: Map<string, Entry>, property: JsonNode, depth: number): void {
    const [key, value] = property.children ?? [];
    if (key === undefined || value === undefined) return;
    addEntry(this.#source, entries, String(key.value), { keyStart: key.offset, node: this.read(value, depth + 1) });
  }
}

// ------------------------------------------------------------------------------------------------- YAML

function parseYaml(source: ConfigText): ConfigNode | undefined {
  const document = parseDocument(source.text, { prettyErrors: false, merge: false, uniqueKeys: false });
  for (const error of [...document.errors, ...document.warnings].slice(0, 10)) {
    source.report(error.pos[0], yamlMessage(error.code, error.message), { code: 'CONFIG_SYNTAX' });
  }
  if (source.problems.length > 0) return undefined;
  if (document.contents === null) {
    source.report(0, 'The file is empty; add mcpServers or functions, or remove the file', { code: 'CONFIG_SYNTAX' });
    return undefined;
  }
  return new YamlReader(source, document).read(document.contents, 0);
}

function yamlMessage(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return 'A tab is used to indent; YAML takes spaces only';
  if (code === 'MULTIPLE_DOCS') return 'A second YAML document begins here; a configuration is one document';
  const [first = message] = message.split('\n');
  return first.length > 200 ? `${first.slice(0, 200)}…` : first;
}

class YamlReader {
  readonly #source: ConfigText;
  readonly #document: Document;
  readonly #budget = new Budget();

  constructor(source: ConfigText, document: Document) {
    this.#source = source;
    this.#document = document;
  }

  /** @throws TooMuch on anchors that contain themselves or multiply. */
  read(node: unknown, depth: number, fallback = 0): ConfigNode {
    const range = (node as YamlNode | null)?.range;
    const at = range ? { start: range[0], end: range[1] } : { start: fallback, end: fallback };
    this.#budget.spend(at.start, depth);
    if (isAlias(node)) this.#budget.follow(at.start);
    if (isAlias(node)) return this.read(node.resolve(this.#document), depth + 1, at.start);
    if (isSeq(node))
      return listNode(
        at,
        node.items.map((item) => this.read(item, depth + 1, at.start)),
      );
    if (isScalar(node)) return scalarNode(at, this.#scalar(node.value));
    if (!isMap(node)) return scalarNode(at, null);
    const entries = new Map<string, Entry>();
    for (const pair of node.items) this.#pair(entries, pair, depth, at.start);
    return mapNode(at, entries);
  }

  #pair(entries: Map<string, Entry>, pair: Pair, depth: number, start: number): void {
    const key = pair.key;
    const keyStart = (key as YamlNode | null)?.range?.[0] ?? start;
    if (!isScalar(key) || key.value === null || typeof key.value === 'object') {
      this.#source.report(keyStart, 'A key must be plain text', { code: 'CONFIG_SYNTAX' });
      return;
    }
    const name = typeof key.value === 'string' ? key.value : (key.source ?? JSON.stringify(key.value));
    addEntry(this.#source, entries, name, { keyStart, node: this.read(pair.value, depth + 1, keyStart) });
  }

  #scalar(value: unknown): ScalarNode['value'] {
    if (value === null || value === undefined) return null;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
    return JSON.stringify(value) ?? null;
  }
}
