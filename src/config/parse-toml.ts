/**
 * TOML as the tree of `document.ts`. The parser gives no places, so keys are found again in the text: good
 * for tables and plain keys, and the table's own header for anything inside an inline value.
 */

import { parse, TomlError } from 'smol-toml';
import type { ConfigNode, ConfigText, Entry } from './document.ts';
import { addEntry, listNode, mapNode, scalarNode } from './document.ts';

interface Place {
  readonly keyStart: number;
  readonly valueStart: number;
}

export function parseTomlText(source: ConfigText): ConfigNode | undefined {
  try {
    const value: unknown = parse(source.text);
    return new TomlReader(source).read(value, [], { keyStart: 0, valueStart: 0 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ''] = error.message.replace('Invalid TOML document: ', '').split('\n');
    source.report(source.offsetOf(error.line, error.column), `The TOML cannot be read: ${first}`, {
      code: 'CONFIG_SYNTAX',
    });
    return undefined;
  }
}

class TomlReader {
  readonly #source: ConfigText;
  readonly #places: ReadonlyMap<string, Place>;

  constructor(source: ConfigText) {
    this.#source = source;
    this.#places = findPlaces(source.text);
  }

  read(value: unknown, path: readonly string[], inherited: Place): ConfigNode {
    const place = this.#places.get(path.join('\0')) ?? inherited;
    const at = { start: place.valueStart, end: place.valueStart };
    if (Array.isArray(value))
      return listNode(
        at,
        value.map((item) => this.read(item, [...path, '[]'], place)),
      );
    if (!isTable(value)) return scalarNode(at, scalarOf(value));
    const entries = new Map<string, Entry>();
    for (const [key, item] of Object.entries(value)) {
      const keyStart = this.#places.get([...path, key].join('\0'))?.keyStart ?? place.keyStart;
      addEntry(this.#source, entries, key, { keyStart, node: this.read(item, [...path, key], place) });
    }
    return mapNode(at, entries);
  }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Date);
}

function scalarOf(value: unknown): string | number | boolean | null {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return value instanceof Date ? value.toISOString() : String(value);
}

const KEY = String.raw`(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)`;
const DOTTED = `${KEY}(?:[ \\t]*\\.[ \\t]*${KEY})*`;
const HEADER = new RegExp(`^[ \\t]*\\[\\[?[ \\t]*(${DOTTED})[ \\t]*\\]`);
const ASSIGNMENT = new RegExp(`^[ \\t]*(${DOTTED})[ \\t]*=[ \\t]*`);

function findPlaces(text: string): Map<string, Place> {
  const places = new Map<string, Place>();
  let table: readonly string[] = [];
  let offset = 0;
  for (const line of text.split('\n')) {
    const header = HEADER.exec(line);
    const assignment = header === null ? ASSIGNMENT.exec(line) : null;
    const found = header ?? assignment;
    if (found !== null) {
      const keys = keysOf(found[1] ?? '');
      const keyStart = offset + line.indexOf(found[1] ?? '');
      if (header !== null) table = keys;
      const path = header === null ? [...table, ...keys] : keys;
      const key = path.join('\0');
      if (!places.has(key))
        places.set(key, { keyStart, valueStart: header === null ? offset + found[0].length : keyStart });
    }
    offset += line.length + 1;
  }
  return places;
}

function keysOf(dotted: string): string[] {
  return Array.from(dotted.matchAll(new RegExp(KEY, 'g')), ([key]) => key.replaceAll(/^["']|["']$/g, ''));
}
