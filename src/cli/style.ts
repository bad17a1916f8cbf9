/** Colours, tables and clean text for a terminal. */

export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
}

const plain = (text: string): string => text;

export const PLAIN: Style = { bold: plain, dim: plain, good: plain, warn: plain, bad: plain };

function code(open: number, close: number): (text: string) => string {
  return (text) => `\u001b[${open}m${text}\u001b[${close}m`;
}

export const COLOURED: Style = {
  bold: code(1, 22),
  dim: code(2, 22),
  good: code(32, 39),
  warn: code(33, 39),
  bad: code(31, 39),
};

/**
 * Text from a server, safe to show: control and direction characters are written as escapes, so that a tool's
 * description cannot move the cursor or hide what follows. Tabs and line ends stay.
 */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- finding control characters is the point
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The same on one line, cut to `width` characters. */
export function oneLine(text: string, width: number): string {
  const line = printable(text.replaceAll(/\s+/g, ' ').trim());
  return line.length <= width ? line : `${line.slice(0, Math.max(1, width - 1))}…`;
}

export interface TableCell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

/** Columns padded to their widest cell; the last one is not padded. Each line begins with `indent`. */
export function table(rows: readonly (readonly (TableCell | string)[])[], indent = '  '): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: cell } : cell)));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.text.length);
  }
  return cells
    .map(
      (row) =>
        indent +
        row
          .map((cell, index) => paintCell(cell, index, row, widths))
          .join('  ')
          .trimEnd(),
    )
    .join('\n');
}

function paintCell(cell: TableCell, index: number, row: readonly TableCell[], widths: readonly number[]): string {
  const isLast = index === row.length - 1;
  const padding = isLast ? '' : ' '.repeat((widths[index] ?? 0) - cell.text.length);
  return (cell.paint === undefined || cell.text === '' ? cell.text : cell.paint(cell.text)) + padding;
}

export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** A value from outside as text: strings as they are, nothing for what is absent, the rest as JSON. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}
