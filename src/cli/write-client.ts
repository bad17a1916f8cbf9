/**
 * Writes our entry into one client's file: read strictly, copy aside, write through `add-mcp`, read back, and
 * put the copy back when anything but the entry changed.
 */

import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { listInstalledServers, upsertServer } from 'add-mcp';
import type { AgentType, McpServerConfig } from 'add-mcp';
import { PlatformError } from '../core/errors.ts';
import { clientFile, homePath, keeps, parseClientFile, readIfThere, tokenForm } from './client-files.ts';
import { TOKEN_INPUT, TOKEN_VARIABLE } from './token-names.ts';
import type { Client, Scope, TokenForm } from './client-files.ts';

export interface EntryPlan {
  readonly client: Client;
  readonly scope: Scope;
  readonly cwd: string;
  readonly path: string;
  readonly name: string;
  readonly form: TokenForm;
  readonly server: McpServerConfig;
}

export interface WrittenEntry {
  readonly client: string;
  readonly path: string;
  readonly state: 'added' | 'changed' | 'unchanged';
  readonly tokenForm: TokenForm['kind'];
  readonly backup?: string;
}

export interface EntryRequest {
  readonly scope: Scope;
  readonly cwd: string;
  readonly name: string;
  /** Absolute, ending in `/mcp`. */
  readonly mcp: string;
  /** Empty when none is needed. */
  readonly token: string;
}

/** @throws PlatformError `USAGE` when the client keeps nothing per project. */
export function planEntry(client: Client, request: EntryRequest): EntryPlan {
  const path = clientFile(client, request.scope, request.cwd);
  if (path === undefined) {
    const next = `zeroplane connect ${client.name} --global`;
    throw new PlatformError('USAGE', `${client.displayName} keeps no configuration per project.`, { next });
  }
  const form = tokenForm(client, request.token);
  const headers = 'header' in form ? { headers: { Authorization: form.header } } : {};
  const field =
    form.kind === 'field' && client.supportedFields.includes('bearerTokenEnv')
      ? { bearerTokenEnv: TOKEN_VARIABLE }
      : {};
  return { ...request, client, path, form, server: { type: 'http', url: request.mcp, ...headers, ...field } };
}

/** The file's new part, for `--print`. */
export async function printEntry(plan: EntryPlan): Promise<string> {
  const { client, name } = plan;
  const entry = client.transformConfig(name, plan.server, { local: plan.scope === 'project' }) as Record<
    string,
    unknown
  >;
  if (needsVariableField(plan)) entry['bearer_token_env_var'] = TOKEN_VARIABLE;
  const root: Record<string, unknown> = { [client.configKey]: { [name]: entry } };
  if (needsInput(plan)) root['inputs'] = [tokenInput()];
  if (client.format === 'toml') return (await import('smol-toml')).stringify(root);
  if (client.format === 'yaml') return (await import('yaml')).stringify(root);
  return JSON.stringify(root, null, 2);
}

/** @throws PlatformError `CONFIG_SYNTAX` for a file that cannot be read, `USAGE` when the client refuses; the file is then as before. */
export async function writeEntry(plan: EntryPlan): Promise<WrittenEntry> {
  const { client, path, form } = plan;
  const before = await readIfThere(path);
  const parsed = before === undefined ? {} : await parseClientFile(path, client.format, before);
  const backup = before === undefined ? undefined : await copyAside(path);
  try {
    if (form.kind === 'literal') await closeToOthers(plan, before);
    const configKey = await write(plan);
    await check(plan, parsed, configKey);
  } catch (error) {
    await restore(path, before);
    if (backup !== undefined) await rm(backup, { force: true });
    throw error;
  }
  const isUnchanged = before === (await readIfThere(path));
  if (isUnchanged && backup !== undefined) await rm(backup, { force: true });
  const common = { client: client.name, path, tokenForm: form.kind };
  if (isUnchanged) return { ...common, state: 'unchanged' };
  return { ...common, state: before === undefined ? 'added' : 'changed', ...(backup === undefined ? {} : { backup }) };
}

async function copyAside(path: string): Promise<string> {
  const backup = `${path}.${new Date().toISOString().replaceAll(/[-:]|\.\d+Z$/g, '')}.bak`;
  await copyFile(path, backup);
  await chmod(backup, 0o600);
  return backup;
}

/** Before the token is in it, so that it is never readable for others even for a moment. */
async function closeToOthers({ path, client }: EntryPlan, before: string | undefined): Promise<void> {
  if (before === undefined) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, client.format === 'json' ? '{}\n' : '', { mode: 0o600 });
  }
  await chmod(path, 0o600);
}

async function restore(path: string, before: string | undefined): Promise<void> {
  if (before === undefined) await rm(path, { force: true });
  else await writeFile(path, before);
}

/** @returns the key of the file under which the entry stands. */
async function write(plan: EntryPlan): Promise<string> {
  const { client, name, server, scope, cwd, path } = plan;
  const outcome = upsertServer(client.name, name, server, { local: scope === 'project', cwd });
  if (!outcome.success)
    throw new PlatformError('USAGE', `${client.displayName}: ${outcome.error ?? 'the file could not be written'}`);
  if (needsVariableField(plan)) await addVariableField(path, name);
  if (needsInput(plan)) await addInput(path);
  const [listed] = await listInstalledServers({ global: scope === 'global', agents: [client.name as AgentType], cwd });
  const entry = listed?.servers.find((installed) => installed.serverName === name);
  if (entry === undefined || !JSON.stringify(entry.config).includes(JSON.stringify(server.url))) {
    throw new PlatformError(
      'INTERNAL',
      `${homePath(path)} was written, but the entry is not there. It was put back as it was.`,
    );
  }
  return entry.configKey;
}

async function check(plan: EntryPlan, before: Record<string, unknown>, configKey: string): Promise<void> {
  const { client, path, name } = plan;
  const after = await parseClientFile(path, client.format, (await readIfThere(path)) ?? '');
  const others = { ...before };
  if (needsInput(plan)) delete others['inputs'];
  if (keeps(after, others, [...configKey.split('.'), name])) return;
  throw new PlatformError(
    'INTERNAL',
    `Writing ${homePath(path)} would have changed other entries. It was put back as it was.`,
  );
}

/** `add-mcp` knows Codex's headers but not its field for the name of a variable. */
function needsVariableField(plan: EntryPlan): boolean {
  return plan.form.kind === 'field' && plan.server.bearerTokenEnv === undefined;
}

async function addVariableField(path: string, name: string): Promise<void> {
  const text = (await readIfThere(path)) ?? '';
  const { parse, stringify } = await import('smol-toml');
  const root = parse(text) as Record<string, Record<string, Record<string, unknown>>>;
  const entry = root['mcp_servers']?.[name];
  if (entry === undefined || entry['bearer_token_env_var'] === TOKEN_VARIABLE) return;
  entry['bearer_token_env_var'] = TOKEN_VARIABLE;
  await writeFile(path, stringify(root));
}

function needsInput(plan: EntryPlan): boolean {
  return plan.client.name === 'vscode' && plan.form.kind === 'reference';
}

function tokenInput(): Record<string, unknown> {
  return { id: TOKEN_INPUT, type: 'promptString', description: 'Token of Zeroplane (zeroplane token)', password: true };
}

/** VS Code asks for the token once and keeps it in its own store. */
async function addInput(path: string): Promise<void> {
  const { applyEdits, modify, parse } = await import('jsonc-parser');
  const text = (await readIfThere(path)) ?? '';
  const { inputs } = parse(text) as { inputs?: { id?: string }[] };
  if (inputs?.some((input) => isDeepStrictEqual(input.id, TOKEN_INPUT)) === true) return;
  const place = inputs === undefined ? ['inputs'] : ['inputs', inputs.length];
  const value = inputs === undefined ? [tokenInput()] : tokenInput();
  const edits = modify(text, place, value, {
    formattingOptions: { insertSpaces: true, tabSize: 2 },
    isArrayInsertion: inputs !== undefined,
  });
  await writeFile(path, applyEdits(text, edits));
}
