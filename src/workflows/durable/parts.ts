/** Long texts in several rows, because an item holds 400 KB at most. */

import type { Item, TableSpec, Write } from '../../core/ports.ts';
import { numberText, textAt } from './tables.ts';

/** Characters in one row. As JSON text inside JSON text each takes at most three bytes. */
const PART = 100_000;

export interface TextRow {
  readonly table: TableSpec;
  readonly execution: string;
  /** Begins the row's name; the part's number ends it. */
  readonly row: string;
  readonly text: string;
  /** Further attributes of the first part. */
  readonly more?: Item;
}

export function writeText({ table, execution, row, text, more }: TextRow): Write[] {
  const count = Math.max(1, Math.ceil(text.length / PART));
  return Array.from({ length: count }, (_unused, part) => ({
    table,
    put: {
      execution,
      row: `${row}.${numberText(part)}`,
      text: text.slice(part * PART, (part + 1) * PART),
      ...(part === 0 && { ...more, parts: count }),
    },
  }));
}

export interface ReadText {
  /** The row's name without its part. */
  readonly row: string;
  readonly text: string;
  readonly first: Item;
}

/**
 * Joins parts that arrive in order.
 *
 * @returns `undefined` in place of a text of which a part is missing.
 */
export function* joinTexts(items: Iterable<Item>): Generator<ReadText | undefined> {
  let open: { readonly row: string; readonly first: Item; readonly texts: string[] } | undefined;
  for (const item of items) {
    const [row = '', part = ''] = textAt(item, 'row').split('.');
    if (Number(part) === 0) {
      if (open !== undefined) yield finished(open);
      open = { row, first: item, texts: [] };
    } else if (open?.row !== row || open.texts.length !== Number(part)) {
      yield undefined;
      open = undefined;
      continue;
    }
    open.texts.push(textAt(item, 'text'));
  }
  if (open !== undefined) yield finished(open);
}

function finished(open: { row: string; first: Item; texts: readonly string[] }): ReadText | undefined {
  if (open.first['parts'] !== open.texts.length) return undefined;
  return { row: open.row, text: open.texts.join(''), first: open.first };
}
