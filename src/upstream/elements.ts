const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;

/**
 * Splits the text of a JSON array into the texts of its elements, so that each keeps its original form.
 *
 * @param text - A JSON array that `JSON.parse` accepts; anything else gives nonsense.
 */
export function splitElements(text: string): string[] {
  const open = text.indexOf('[');
  const parts: string[] = [];
  let depth = 0;
  let start = open + 1;
  let position = open;
  for (; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === QUOTE) position = endOfString(text, position);
    else if (code === 91 || code === 123) depth++;
    else if (code === 93 || code === 125) {
      depth--;
      if (depth === 0) break;
    } else if (code === COMMA && depth === 1) {
      parts.push(text.slice(start, position).trim());
      start = position + 1;
    }
  }
  const last = text.slice(start, position).trim();
  if (last !== '') parts.push(last);
  return parts;
}

/** Position of the closing quote. */
function endOfString(text: string, start: number): number {
  let end = start;
  for (;;) {
    end = text.indexOf('"', end + 1);
    if (end < 0) return text.length;
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
  }
}
