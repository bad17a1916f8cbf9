/** The checks of `doctor` that need no instance, and the shape of every check. */

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { LoadedConfig } from '../config/load.ts';
import { ConfigError } from '../config/problems.ts';
import type { ConfigProblem } from '../config/problems.ts';
import { clientFile, homePath, parseClientFile, readIfThere, supportedClients } from './client-files.ts';
import type { Client } from './client-files.ts';
import { isOwnEntry, loadWithoutOurselves } from './own-entry.ts';
import { plural } from './style.ts';

export interface Check {
  /** `config`, `target:docs`. */
  readonly name: string;
  readonly status: 'pass' | 'warn' | 'fail' | 'skip';
  readonly observed: string;
  /** What to do; absent when nothing is to be done. */
  readonly action?: string;
}

const OLDEST_NODE = [20, 19] as const;

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const isEnough = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  if (isEnough) return { name: 'node', status: 'pass', observed: version };
  return { name: 'node', status: 'fail', observed: version, action: `Install Node ${OLDEST_NODE.join('.')} or newer.` };
}

export interface ConfigOutcome {
  readonly checks: readonly Check[];
  readonly loaded: LoadedConfig | undefined;
}

export async function checkConfig(options: Parameters<typeof loadWithoutOurselves>[0]): Promise<ConfigOutcome> {
  try {
    const loaded = await loadWithoutOurselves(options);
    const count = Object.keys(loaded.config.mcpServers).length + Object.keys(loaded.config.functions).length;
    const observed =
      loaded.path === undefined
        ? 'none; dev serves two samples'
        : `${homePath(loaded.path)}, ${count} targets and functions`;
    const notes = [...loaded.warnings, ...loaded.notes.map((note) => note.text)];
    const warnings = notes.map((text): Check => ({ name: 'config:note', status: 'warn', observed: text }));
    return { checks: [{ name: 'config', status: 'pass', observed }, ...warnings, secretsFound(loaded)], loaded };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { checks: error.problems.map(problemCheck), loaded: undefined };
  }
}

function secretsFound(loaded: LoadedConfig): Check {
  const count = loaded.secretValues.length;
  return { name: 'secrets', status: 'pass', observed: count === 0 ? 'none are used' : `${count} found` };
}

const MISSING: ReadonlySet<string> = new Set(['CONFIG_MISSING_SECRET', 'CONFIG_MISSING_VARIABLE']);

function problemCheck(problem: ConfigProblem): Check {
  const hint = problem.nearest === undefined ? '' : ` Did you mean "${problem.nearest}"?`;
  return {
    name: MISSING.has(problem.code) ? 'secrets' : 'config',
    status: 'fail',
    observed: `${problem.file}:${problem.line}:${problem.column} ${problem.message}`,
    action: `Correct ${problem.path === '' ? 'the file' : problem.path}.${hint}`,
  };
}

/** Looks only; the folder is made by `dev`. */
export async function checkDataFolder(dataDir: string): Promise<Check[]> {
  const isThere = await stat(dataDir).then(
    (info) => info.isDirectory(),
    () => undefined,
  );
  if (isThere === false)
    return [
      {
        name: 'data',
        status: 'fail',
        observed: `${homePath(dataDir)} is not a folder`,
        action: 'Move it away, or name another folder with --data-dir.',
      },
    ];
  const place = isThere === undefined ? await existingParent(dataDir) : dataDir;
  const isWritable = await access(place, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!isWritable)
    return [
      {
        name: 'data',
        status: 'fail',
        observed: `${homePath(place)} is not writable`,
        action: 'Make it writable for you, or name another folder with --data-dir.',
      },
    ];
  const observed = isThere === undefined ? `${homePath(dataDir)} will be made` : homePath(dataDir);
  return [{ name: 'data', status: 'pass', observed }, ...(await checkTokenFile(dataDir))];
}

/**
 * The version of the store's schema, read without touching a byte of it; only while nothing runs, since a
 * running instance has checked it already.
 */
export async function checkStore(dataDir: string): Promise<Check[]> {
  const file = join(dataDir, 'store.db');
  const isThere = await stat(file).then(
    (info) => info.size > 0,
    () => false,
  );
  if (!isThere) return [];
  const { openDriver } = await import('../adapters/embedded/store/open-driver.ts');
  const { MIGRATIONS, schemaVersion } = await import('../adapters/embedded/store/schema.ts');
  const known = MIGRATIONS.at(-1)?.version ?? 0;
  try {
    const driver = await openDriver(`${pathToFileURL(file).href}?immutable=1`);
    const stored = schemaVersion(driver);
    driver.close();
    if (stored <= known) return [{ name: 'data:store', status: 'pass', observed: `schema version ${stored}` }];
    const observed = `schema version ${stored}, and this program knows versions up to ${known}`;
    return [
      {
        name: 'data:store',
        status: 'fail',
        observed,
        action: 'Use the newer Zeroplane that wrote it, or another --data-dir.',
      },
    ];
  } catch (error) {
    // A store that was never closed in order keeps its first tables in the log beside it.
    return [
      { name: 'data:store', status: 'skip', observed: `not readable from outside (${(error as Error).message})` },
    ];
  }
}

async function existingParent(folder: string): Promise<string> {
  const parent = dirname(folder);
  if (parent === folder) return folder;
  return stat(parent).then(
    () => parent,
    () => existingParent(parent),
  );
}

async function checkTokenFile(dataDir: string): Promise<Check[]> {
  const file = join(dataDir, 'token');
  const mode = await stat(file).then(
    (info) => info.mode & 0o077,
    () => undefined,
  );
  if (mode === undefined) return [];
  if (mode === 0) return [{ name: 'data:token', status: 'pass', observed: 'readable for you alone' }];
  return [
    { name: 'data:token', status: 'fail', observed: `others can read ${homePath(file)}`, action: `chmod 600 ${file}` },
  ];
}

/** Only while nothing runs: our own instance would be in the way. */
export async function checkPort(host: string, port: number): Promise<Check> {
  const failure = await tryListen(host, port);
  if (failure === undefined) return { name: 'port', status: 'pass', observed: `${port} is free` };
  const isTaken = failure === 'EADDRINUSE';
  return {
    name: 'port',
    status: isTaken ? 'warn' : 'fail',
    observed: isTaken ? `${port} is taken` : `${host}:${port} cannot be used (${failure})`,
    action: isTaken
      ? 'dev takes the next free one and says so; run connect again then.'
      : 'Choose another with port or host.',
  };
}

function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

/** Asked as an instance asks them: without their keys every token of theirs is answered 503. */
export async function checkIssuers(loaded: LoadedConfig): Promise<Check[]> {
  if (loaded.config.auth.issuers.length === 0) return [];
  const { tryIssuers } = await import('../entry/try-issuers.ts');
  return (await tryIssuers(loaded.config)).map(({ issuer, keys, reason }): Check => {
    const name = 'issuer';
    if (keys !== undefined) return { name, status: 'pass', observed: `${issuer} has ${plural(keys, 'key')}` };
    const action = 'Correct auth.issuers, or its jwksUri; the address must be reachable from here without a proxy.';
    return { name, status: 'fail', observed: `${issuer}: ${reason ?? 'its keys cannot be read'}`, action };
  });
}

export function checkProxy(env: NodeJS.ProcessEnv): Check[] {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'].filter(
    (name) => env[name] !== undefined,
  );
  if (names.length === 0) return [];
  return [
    {
      name: 'proxy',
      status: 'warn',
      observed: `${names.join(', ')} set`,
      action: 'The gateway uses no proxy; remote targets must be reachable directly.',
    },
  ];
}

/** Whether the entries that `connect` wrote still name this endpoint. */
export async function checkClients(cwd: string, mcp: string | undefined): Promise<Check[]> {
  const checks: Check[] = [];
  const seen = new Set<string>();
  for (const client of supportedClients()) {
    for (const scope of ['project', 'global'] as const) {
      const file = clientFile(client, scope, cwd);
      if (file === undefined || seen.has(file)) continue;
      seen.add(file);
      checks.push(...(await checkClientFile(client, file, mcp)));
    }
  }
  return checks.length > 0
    ? checks
    : [{ name: 'clients', status: 'skip', observed: 'no client has an entry', action: 'zeroplane connect' }];
}

async function checkClientFile(client: Client, file: string, mcp: string | undefined): Promise<Check[]> {
  const name = `client:${client.name}`;
  const text = await readIfThere(file).catch(() => undefined);
  if (text === undefined) return [];
  const root = await parseClientFile(file, client.format, text).catch((error: unknown) => error as Error);
  if (root instanceof Error)
    return [{ name, status: 'warn', observed: root.message, action: `Correct ${homePath(file)}.` }];
  const urls = ownUrls(root[client.configKey]);
  return urls.map((url): Check => {
    const where = `${url} in ${homePath(file)}`;
    if (mcp === undefined) return { name, status: 'skip', observed: where };
    if (url === mcp || url.startsWith(`${mcp}/`)) return { name, status: 'pass', observed: where };
    return {
      name,
      status: 'fail',
      observed: `${where}, but the endpoint is ${mcp}`,
      action: `zeroplane connect ${client.name}`,
    };
  });
}

function ownUrls(servers: unknown): string[] {
  if (typeof servers !== 'object' || servers === null) return [];
  return Object.entries(servers as Record<string, unknown>).flatMap(([name, entry]) => {
    if (typeof entry !== 'object' || entry === null || !isOwnEntry(name, entry)) return [];
    return [String((entry as { url: unknown }).url)];
  });
}
