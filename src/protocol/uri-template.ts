/**
 * Matching of URI templates without regular expressions, so that no template can make a match slow: literals are
 * found from left to right, an expression takes what stands between them.
 */

const MAX_TEMPLATE = 2_048;
const MAX_URI = 8_192;

type Part = { readonly literal: string } | { readonly variable: string; readonly reserved: boolean };

function parse(template: string): Part[] | undefined {
  const parts: Part[] = [];
  let from = 0;
  while (from < template.length) {
    const open = template.indexOf('{', from);
    if (open < 0) {
      parts.push({ literal: template.slice(from) });
      break;
    }
    if (open > from) parts.push({ literal: template.slice(from, open) });
    const close = template.indexOf('}', open);
    if (close < 0) return undefined;
    const expression = template.slice(open + 1, close);
    const reserved = /^[+#]/.test(expression);
    parts.push({ variable: expression.replace(/^[+#./;?&]/, '').replace(/[*:].*$/, ''), reserved });
    from = close + 1;
  }
  return parts;
}

/** Variables of a URI that matches a template; `undefined` when it does not. `{x}` takes no `/`, `{+x}` does. */
export function templateVariables(template: string, uri: string): ReadonlyMap<string, string> | undefined {
  if (template.length > MAX_TEMPLATE || uri.length > MAX_URI) return undefined;
  const parts = parse(template);
  if (parts === undefined) return undefined;
  const found = new Map<string, string>();
  let position = 0;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part === undefined) break;
    if ('literal' in part) {
      if (!uri.startsWith(part.literal, position)) return undefined;
      position += part.literal.length;
      continue;
    }
    const end = endOfVariable(parts.slice(i + 1), uri, position);
    const value = end < 0 ? '' : uri.slice(position, end);
    if (end < 0 || value === '' || (!part.reserved && value.includes('/'))) return undefined;
    found.set(part.variable, decode(value));
    position = end;
  }
  return position === uri.length ? found : undefined;
}

/** Where the next literal begins; the last literal is looked for from the right. */
function endOfVariable(rest: readonly Part[], uri: string, from: number): number {
  const next = rest.find((part) => 'literal' in part);
  if (next === undefined || !('literal' in next)) return uri.length;
  const isLast = rest.at(-1) === next;
  const at =
    isLast && uri.endsWith(next.literal) ? uri.length - next.literal.length : uri.indexOf(next.literal, from + 1);
  return at > from ? at : -1;
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

export function matchesTemplate(template: string, uri: string): boolean {
  return templateVariables(template, uri) !== undefined;
}
