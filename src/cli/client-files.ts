/**
 * Where MCP clients keep their configuration, how a token is named in it without standing in it, and
 * strict reading of such a file. The list of clients is `add-mcp`'s.
 */

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { agents } from 'add-mcp';
import type { AgentConfig } from 'add-mcp';
import type { ParseError } from 'jsonc-parser';
import { nearestOf } from '../core/nearest.ts';
import { PlatformError } from '../core/errors.ts';
import { TOKEN_INPUT, TOKEN_VARIABLE } from './token-names.ts';

export type Client = AgentConfig;
export type Scope = 'project' | 'global';

/** Clients that can reach an HTTP endpoint. */
export function supportedClients(): Client[] {
  return Object.values<Client>(agents).filter((client) => client.supportedTransports.includes('http'));
}

/** @throws PlatformError `NOT_FOUND` with the nearest name, `USAGE` for a client that cannot reach an endpoint. */
export function clientNamed(name: string): Client {
  const client = Object.hasOwn(agents, name) ? (agents as Record<string, Client>)[name] : undefined;
  if (client === undefined) {
    const near = nearestOf(name, Object.keys(agents));
    const hint = near === undefined ? '' : ` Did you mean "${near}"?`;
    throw new PlatformError('NOT_FOUND', `There is no client "${name}" here.${hint}`, { next: 'zeroplane connect' });
  }
  if (!client.supportedTransports.includes('http')) {
    throw new PlatformError(
      'USAGE',
      client.unsupportedTransportMessage ?? `${client.displayName} cannot reach an HTTP endpoint.`,
    );
  }
  return client;
}

/** The file of a client, whether or not it exists; `undefined` when it keeps none per project. */
export function clientFile(client: Client, scope: Scope, cwd: string): string | undefined {
  const local = scope === 'project';
  if (local && client.localConfigPath === undefined) return undefined;
  if (client.resolveConfigPath !== undefined) return client.resolveConfigPath(client, { local, cwd });
  return local && client.localConfigPath !== undefined ? join(cwd, client.localConfigPath) : client.configPath;
}

/** `~/.cursor/mcp.json` for people. */
export function homePath(path: string): string {
  const home = homedir();
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/**
 * How each client names a variable inside a header: from its own documentation, or from a report where the
 * documentation is silent (VS Code replaces inputs there but not variables, microsoft/vscode#336232).
 */
const HEADER_REFERENCES: ReadonlyMap<string, string> = new Map([
  ['claude-code', `\${${TOKEN_VARIABLE}}`],
  ['gemini-cli', `\${${TOKEN_VARIABLE}}`],
  ['cursor', `\${env:${TOKEN_VARIABLE}}`],
  ['windsurf', `\${env:${TOKEN_VARIABLE}}`],
  ['kiro-cli', `\${env:${TOKEN_VARIABLE}}`],
  ['opencode', `{env:${TOKEN_VARIABLE}}`],
  ['vscode', `\${input:${TOKEN_INPUT}}`],
]);

/** Clients that take the name of a variable in a field of its own. */
const VARIABLE_FIELDS: ReadonlySet<string> = new Set(['codex', 'fx']);

export type TokenForm =
  | { readonly kind: 'none' }
  | { readonly kind: 'reference'; readonly header: string }
  | { readonly kind: 'field' }
  | { readonly kind: 'literal'; readonly header: string };

export function tokenForm(client: Client, token: string): TokenForm {
  if (token === '') return { kind: 'none' };
  if (VARIABLE_FIELDS.has(client.name)) return { kind: 'field' };
  const reference = HEADER_REFERENCES.get(client.name);
  if (reference !== undefined) return { kind: 'reference', header: `Bearer ${reference}` };
  return { kind: 'literal', header: `Bearer ${token}` };
}

/** The text of a file; `undefined` when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new PlatformError(
      'NOT_FOUND',
      `${homePath(path)} cannot be read (${code ?? 'unknown'}).`,
      {},
      { cause: error },
    );
  }
}

/**
 * Reads a client's file strictly. `add-mcp` repairs what it cannot read by guessing, so nothing that fails
 * here is ever handed to it.
 *
 * @throws PlatformError `CONFIG_SYNTAX` naming the file.
 */
export async function parseClientFile(
  path: string,
  format: Client['format'],
  text: string,
): Promise<Record<string, unknown>> {
  if (text.trim() === '') return {};
  const value = await parseFormat(format, text).catch((error: unknown) => {
    const message = `${homePath(path)} is not valid ${format.toUpperCase()} (${(error as Error).message}). It was left as it is; correct it first.`;
    throw new PlatformError('CONFIG_SYNTAX', message, {}, { cause: error });
  });
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new PlatformError(
    'CONFIG_SYNTAX',
    `${homePath(path)} holds no object at its top. It was left as it is; correct it first.`,
  );
}

async function parseFormat(format: Client['format'], text: string): Promise<unknown> {
  if (format === 'toml') return (await import('smol-toml')).parse(text);
  if (format === 'yaml') return (await import('yaml')).parse(text);
  const { parse, printParseErrorCode } = await import('jsonc-parser');
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first === undefined) return value;
  const line = text.slice(0, first.offset).split('\n').length;
  throw new Error(`${printParseErrorCode(first.error)} in line ${line}`);
}

/** Whether everything in `before` is still in `after`, but for what stands under `except`. */
export function keeps(after: unknown, before: unknown, except: readonly string[]): boolean {
  const [key, ...rest] = except;
  if (key === undefined) return true;
  if (!isObject(before)) return isDeepStrictEqual(after, before);
  if (!isObject(after)) return false;
  return Object.entries(before).every(([name, value]) =>
    name === key ? keeps(after[name], value, rest) : isDeepStrictEqual(after[name], value),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
