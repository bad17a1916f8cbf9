/**
 * Finds, reads, resolves and checks the configuration. The one place, besides `entry` and `cli`, that looks
 * at the environment; whatever is wrong comes out as one {@link ConfigError} with every problem in it.
 */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { SecretSource } from '../core/ports.ts';
import { compose } from './compose.ts';
import type { Dialect } from './dialects.ts';
import { applyDiscoverVariables } from './discover-variables.ts';
import type { MapNode, NodePath } from './document.ts';
import { ConfigText, mapNode } from './document.ts';
import { interpolate } from './interpolate.ts';
import { schemaAt, toJsonSchema } from './json-schema.ts';
import type { LoadNote } from './load-note.ts';
import { ConfigError, inOrder } from './problems.ts';
import type { Config } from './schema.ts';
import { configSchema } from './schema.ts';
import { secretChain } from './secrets.ts';
import { validate } from './validate.ts';

export interface LoadOptions {
  /** Where to look for a file. @default the working folder of the process */
  readonly cwd?: string;
  /** The file that `--config` names, relative to `cwd`. */
  readonly configPath?: string;
  /** @default the environment of the process */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** @default environment, data folder and secrets file, in that order */
  readonly secrets?: SecretSource;
  /** Where the default secrets are looked for. @default `.zeroplane` beside the configuration */
  readonly dataDir?: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Absolute; absent when there is no file. */
  readonly path: string | undefined;
  /** Relative paths of the configuration start here, and the data folder lies here. */
  readonly baseDir: string;
  readonly dialect: Dialect;
  /** For the banner: renamed servers, fields not used, files not read. */
  readonly notes: readonly LoadNote[];
  /** For the banner, in front of everything else. */
  readonly warnings: readonly string[];
  /** For redaction; each at least one character, not sorted, no duplicates. */
  readonly secretValues: readonly string[];
  /** True when there is no file at all: the two samples may then be served. */
  readonly samples: boolean;
}

/** Looked for in this order; the first one counts. */
export const CONFIG_NAMES = [
  'zeroplane.yaml',
  'zeroplane.yml',
  'zeroplane.jsonc',
  'zeroplane.json',
  '.mcp.json',
] as const;

/** @throws ConfigError with every problem, or with code `CONFIG_NOT_FOUND` when the named file is absent. */
export async function loadConfig(options: LoadOptions = {}): Promise<LoadedConfig> {
  const cwd = path.resolve(options.cwd ?? process.cwd());
  const env = options.env ?? process.env;
  const found = await findFile(cwd, options.configPath);
  const baseDir = found === undefined ? cwd : baseOf(found.path);
  const dataDir = options.dataDir ?? path.join(baseDir, '.zeroplane');
  const secrets = options.secrets ?? secretChain({ env, dataDir });
  if (found === undefined) return withoutFile({ cwd, env });
  const source = new ConfigText(displayName(cwd, found.path), found.text);
  const loaded = await loadText(source, { path: found.path, baseDir, env, secrets });
  return { ...loaded, notes: [...loaded.notes, ...found.notes] };
}

interface TextOptions {
  readonly path: string;
  readonly baseDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly secrets: SecretSource;
}

async function loadText(source: ConfigText, options: TextOptions): Promise<LoadedConfig> {
  // The parsers are loaded only once there is something to parse.
  const { readRoot } = await import('./read-root.ts');
  const read = readRoot(source, options.path);
  const typeAt = (at: NodePath): string | undefined => schemaAt(toJsonSchema(configSchema), at)?.type;
  const { root, secretValues } = await interpolate(source, read.root, {
    ...options,
    inputDefaults: read.inputDefaults,
    typeAt,
  });
  const checked = validate(source, root);
  if (checked === undefined || source.problems.length > 0) throw new ConfigError(inOrder(source.problems));
  const applied = applyDiscoverVariables(checked.base, options.env);
  const composed = compose({ ...checked, base: applied.base }, options.baseDir);
  return {
    config: composed.config,
    path: options.path,
    baseDir: options.baseDir,
    dialect: read.dialect,
    notes: [...read.notes, ...composed.notes],
    warnings: [...composed.warnings, ...applied.warnings],
    secretValues: Object.freeze([...new Set([...secretValues, ...composed.secretValues])]),
    samples: false,
  };
}

function withoutFile(options: { cwd: string; env: TextOptions['env'] }): LoadedConfig {
  const source = new ConfigText('', '');
  const empty: MapNode = mapNode({ start: 0, end: 0 }, []);
  const checked = validate(source, empty);
  if (checked === undefined) throw new ConfigError(source.problems);
  const applied = applyDiscoverVariables(checked.base, options.env);
  const { config, warnings } = compose({ ...checked, base: applied.base }, options.cwd);
  return {
    config,
    path: undefined,
    baseDir: options.cwd,
    dialect: 'zeroplane',
    notes: [],
    warnings: [...warnings, ...applied.warnings],
    secretValues: [],
    samples: true,
  };
}

// ----------------------------------------------------------------------------------------------- files

interface FoundFile {
  readonly path: string;
  readonly text: string;
  readonly notes: readonly LoadNote[];
}

async function findFile(cwd: string, configPath: string | undefined): Promise<FoundFile | undefined> {
  if (configPath !== undefined) {
    const file = path.resolve(cwd, configPath);
    const text = await readText(file, displayName(cwd, file));
    if (text !== undefined) return { path: file, text, notes: [] };
    throw oneProblem(
      displayName(cwd, file),
      'The configuration file does not exist; check --config',
      'CONFIG_NOT_FOUND',
    );
  }
  let found: FoundFile | undefined;
  for (const name of CONFIG_NAMES) {
    const file = path.join(cwd, name);
    const text = found === undefined ? await readText(file, name) : undefined;
    if (text !== undefined) found = { path: file, text, notes: [] };
    else if (found !== undefined && (await exists(file)))
      found = { ...found, notes: [...found.notes, notRead(found.path, name)] };
  }
  return found;
}

function notRead(used: string, name: string): LoadNote {
  const advice = name === '.mcp.json' ? '; `zeroplane import .mcp.json` brings its servers in' : '';
  return { kind: 'other', path: '', text: `${name} is not read because ${path.basename(used)} is there${advice}.` };
}

async function exists(file: string): Promise<boolean> {
  return readFile(file).then(
    () => true,
    () => false,
  );
}

/** UTF-8 text without a byte order mark; `undefined` when there is no such file. */
async function readText(file: string, name: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(file);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    const isEncoding = error instanceof TypeError;
    throw oneProblem(
      name,
      isEncoding ? 'The file is not UTF-8 text; save it as UTF-8' : `The file cannot be read (${code})`,
      'CONFIG_SYNTAX',
    );
  }
}

function oneProblem(file: string, message: string, code: 'CONFIG_NOT_FOUND' | 'CONFIG_SYNTAX'): ConfigError {
  const problem = { code, file, line: 1, column: 1, path: '', message };
  return new ConfigError([problem], code === 'CONFIG_NOT_FOUND' ? code : 'CONFIG_INVALID');
}

function displayName(cwd: string, file: string): string {
  const relative = path.relative(cwd, file);
  return relative.startsWith('..') ? file : relative;
}

/** Folders in which clients keep their file inside a project; paths in it start at the project. */
const CLIENT_FOLDERS: ReadonlySet<string> = new Set([
  '.codex',
  '.cursor',
  '.gemini',
  '.grok',
  '.kimi-code',
  '.kiro',
  '.vscode',
  '.zed',
]);

function baseOf(file: string): string {
  const folder = path.dirname(file);
  const outer = path.dirname(folder);
  if (CLIENT_FOLDERS.has(path.basename(folder))) return outer;
  return path.basename(folder) === 'settings' && CLIENT_FOLDERS.has(path.basename(outer))
    ? path.dirname(outer)
    : folder;
}
