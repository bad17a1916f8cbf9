/** From one line to words, by quotes and spaces alone. No shell reads it, so no character but these means anything. */

import { PlatformError } from '../core/errors.ts';

/**
 * Splits as a POSIX shell would split words, and does nothing else of what a shell does: no variables, no patterns, no
 * substitution, no operators. `'…'` is literal, `"…"` lets `\"` and `\\` through, a backslash outside of quotes takes
 * the next character as it is.
 *
 * @throws PlatformError `USAGE` for a quote that is not closed and for a line without words.
 */
export function splitCommandLine(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? '';
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === '"' || character === "'") {
      const [text, end] = quoted(line, at);
      word = (word ?? '') + text;
      at = end;
    } else if (character === '\\') word = (word ?? '') + (line[++at] ?? '\\');
    else word = (word ?? '') + character;
  }
  if (word !== undefined) words.push(word);
  if (words.length > 0) return words;
  throw new PlatformError('USAGE', 'The command is empty. Name a program, such as "npx -y some-mcp-server".');
}

/** @returns the text between the quotes, and where the closing one stands. */
function quoted(line: string, start: number): [string, number] {
  const mark = line[start];
  let text = '';
  for (let at = start + 1; at < line.length; at++) {
    const character = line[at] ?? '';
    if (character === mark) return [text, at];
    const next = line[at + 1];
    if (mark === '"' && character === '\\' && (next === '"' || next === '\\')) text += line[++at];
    else text += character;
  }
  throw new PlatformError('USAGE', `A quote (${mark}) at character ${start + 1} of the command is not closed.`);
}
