/**
 * What a server in a function may know of it, and where it may write. Lambda's disk is read-only but for its
 * temporary folder, so the homes and caches of the usual package runners point there; the function's credentials
 * stay with the function unless the handler's options say otherwise.
 */

import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PlatformError } from '../../core/errors.ts';

/** `none`: the server gets no credentials; `env`: as variables; `file`: in a file named by a variable, kept up to date. */
export type CredentialMode = 'none' | 'env' | 'file';

type Variables = Readonly<Record<string, string | undefined>>;

/** What finds programs, modules and the region; nothing that proves who the function is. */
const PASSED_ON: readonly string[] = [
  'PATH',
  'LANG',
  'TZ',
  'LD_LIBRARY_PATH',
  'NODE_PATH',
  'PYTHONPATH',
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
  'LAMBDA_TASK_ROOT',
  'LAMBDA_RUNTIME_DIR',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
];

const CREDENTIALS: readonly string[] = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];

/** Where a layer for Python puts its packages; a server started by a Node function would not look there. */
const PYTHON_LAYER = '/opt/python';

/** Folders below the server's own, by the variable that names each. */
const WRITABLE: Readonly<Record<string, string>> = {
  HOME: 'home',
  TMPDIR: 'tmp',
  XDG_CACHE_HOME: 'cache',
  XDG_CONFIG_HOME: 'config',
  XDG_DATA_HOME: 'data',
  XDG_STATE_HOME: 'state',
  npm_config_cache: 'npm',
  UV_CACHE_DIR: 'uv',
  UV_TOOL_DIR: 'uv-tools',
  PIP_CACHE_DIR: 'pip',
  PYTHONPYCACHEPREFIX: 'pycache',
};

/** Folders that this process has made; whatever else bears its number is of one that had it before. */
const own = new Set<string>();
const FOLDER = /^zeroplane-wrapped-(\d+)-[0-9a-f-]{36}$/;

/**
 * A folder of its own, below the temporary folder. A tenant that comes back gets another one: its former server may
 * still be on its way out, and takes its folder with it.
 */
export function newFolder(): string {
  if (own.size === 0) removeAbandoned();
  const name = `zeroplane-wrapped-${process.pid}-${randomUUID()}`;
  own.add(name);
  return join(tmpdir(), name);
}

/** A process that was killed could not take its folders with it. They may hold what another tenant's server wrote. */
function removeAbandoned(): void {
  let names: string[];
  try {
    names = readdirSync(tmpdir());
  } catch {
    return;
  }
  for (const name of names) {
    const pid = FOLDER.exec(name)?.[1];
    if (pid === undefined || own.has(name)) continue;
    if (Number(pid) === process.pid || !isAlive(Number(pid))) removeFolder(join(tmpdir(), name));
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is alive too.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

export interface ChildSettings {
  readonly host: Variables;
  readonly configured: Readonly<Record<string, string>>;
  readonly credentials: CredentialMode;
  readonly folder: string;
}

/**
 * The whole environment of a server. Variables of the handler's options win over everything.
 *
 * @throws PlatformError `TARGET_UNAVAILABLE` when the temporary folder cannot be written.
 */
export function childVariables(settings: ChildSettings): Record<string, string> {
  const { host, configured, credentials, folder } = settings;
  const variables = Object.create(null) as Record<string, string>;
  const pass = credentials === 'env' ? [...PASSED_ON, ...CREDENTIALS] : PASSED_ON;
  for (const name of pass) {
    const value = host[name];
    if (value !== undefined) variables[name] = value;
  }
  if (variables['PYTHONPATH'] === undefined && existsSync(PYTHON_LAYER)) variables['PYTHONPATH'] = PYTHON_LAYER;
  for (const [name, part] of Object.entries(WRITABLE)) variables[name] = writableFolder(join(folder, part));
  if (credentials === 'file') variables['AWS_SHARED_CREDENTIALS_FILE'] = credentialsFile(folder);
  return Object.assign(variables, configured);
}

function writableFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  } catch (error) {
    throw new PlatformError(
      'TARGET_UNAVAILABLE',
      `The server's folder ${path} cannot be made: ${(error as Error).message}. Raise the function's ephemeral storage, or remove what fills it.`,
      {},
      { cause: error },
    );
  }
}

function credentialsFile(folder: string): string {
  return join(folder, 'credentials');
}

/** Writes the function's credentials where the server reads them; a reader sees the old file or the new one. */
export function writeCredentials(folder: string, host: Variables): void {
  const [id, secret, token] = CREDENTIALS.map((name) => host[name]);
  if (id === undefined || secret === undefined) return;
  const lines = ['[default]', `aws_access_key_id=${id}`, `aws_secret_access_key=${secret}`];
  if (token !== undefined) lines.push(`aws_session_token=${token}`);
  writableFolder(folder);
  const path = credentialsFile(folder);
  writeFileSync(`${path}.new`, `${lines.join('\n')}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Nothing of one tenant stays on the disk for the next. */
export function removeFolder(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Somebody else's, or still written to: the next process tries again.
  }
}
