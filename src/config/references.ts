/**
 * References in values: `${env:NAME}`, `${env:NAME:-default}`, `${secret:NAME}`, `${input:NAME}`. `$${` is a
 * plain `${`. Keys are never touched, and a value that came in by a reference is not searched again.
 */

export interface Reference {
  readonly kind: 'env' | 'secret' | 'input';
  readonly name: string;
  /** Used when the variable is absent or empty. Variables only. */
  readonly fallback?: string;
  /** As written. */
  readonly raw: string;
}

export interface BrokenReference {
  readonly kind: 'broken';
  readonly raw: string;
  readonly reason: string;
}

export type TextPart = string | Reference | BrokenReference;

const TOKEN = /\$\$\{|\$\{([^{}\r\n]*)(\}?)/g;
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;
const SECRET = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Whether a name can be that of a secret: also a safe file name. */
export function isSecretName(name: string): boolean {
  return SECRET.test(name);
}

/** Splits a value into its plain parts and its references. */
export function splitReferences(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > from) parts.push(text.slice(from, match.index));
    parts.push(match[0] === '$${' ? '${' : parseReference(match[0], match[1] ?? '', match[2] === '}'));
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

function parseReference(raw: string, body: string, isClosed: boolean): Reference | BrokenReference {
  if (!isClosed) return { kind: 'broken', raw, reason: 'is not closed by "}"; write $${ for the two characters' };
  const colon = body.indexOf(':');
  const scheme = body.slice(0, colon);
  const rest = body.slice(colon + 1);
  if (scheme === 'env') return parseVariable(raw, rest);
  if ((scheme === 'secret' || scheme === 'input') && isSecretName(rest)) return { kind: scheme, name: rest, raw };
  const bare = VARIABLE.exec(body);
  const help = bare === null ? '${env:NAME} or ${secret:NAME}' : `\${env:${bare[1]}}`;
  return { kind: 'broken', raw, reason: `is no reference; write ${help}, or $${raw} for the text itself` };
}

function parseVariable(raw: string, body: string): Reference | BrokenReference {
  const match = VARIABLE.exec(body);
  if (match === null) return { kind: 'broken', raw, reason: 'names no variable; letters, digits and "_" are allowed' };
  return { kind: 'env', name: match[1] ?? '', raw, ...(match[2] === undefined ? {} : { fallback: match[2] }) };
}

/**
 * The references that MCP clients write in their own files, in our spelling: `${X}` and `${X:-d}` name a
 * variable, `${workspaceFolder}` is the folder we start in, `{env:X}` is OpenCode's. What looks like shell
 * (`${a[0]}`) stays text. Codex reads no references at all.
 */
export function adoptReferences(text: string, style: 'shell' | 'opencode' | 'none'): string {
  // Functions, because `$$` in a replacement text would mean one dollar sign.
  if (style === 'none') return text.replaceAll('${', () => '$${');
  if (style === 'opencode') {
    return text.replaceAll(/\$\{|\{env:([A-Za-z_]\w*)\}/g, (_, name: string | undefined) =>
      name === undefined ? '$${' : `\${env:${name}}`,
    );
  }
  return text.replaceAll(TOKEN, (raw: string, body: string | undefined, close: string | undefined) => {
    if (raw === '$${' || body === undefined) return raw;
    const known = WORKSPACE.get(body);
    if (known !== undefined) return known;
    if (close === '}' && VARIABLE.test(body) && !/^(env|secret|input):/.test(body)) return `\${env:${body}}`;
    // A reference of ours with a misspelt name is a mistake, whatever its name looks like.
    return close === '}' && /^(?:[A-Za-z]+:[A-Za-z0-9_]|(?:env|secret|input):)/.test(body) ? raw : `$${raw}`;
  });
}

const WORKSPACE: ReadonlyMap<string, string> = new Map([
  ['workspaceFolder', '.'],
  ['userHome', '${env:HOME}'],
  ['/', '/'],
  ['pathSeparator', '/'],
]);
