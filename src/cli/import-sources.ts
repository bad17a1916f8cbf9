/** The servers that other clients on this machine have, gathered from their files. */

import { detectGlobalAgents } from 'add-mcp';
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { importServers } from '../config/dialects.ts';
import type { ImportedServer, ImportResult } from '../config/dialects.ts';
import { PlatformError } from '../core/errors.ts';
import { clientFile, homePath, readIfThere, supportedClients } from './client-files.ts';
import type { Client } from './client-files.ts';
import { isOwnEntry, startsOurselves } from './own-entry.ts';

/** A server as it would be added. */
export interface Candidate {
  readonly id: string;
  readonly sourceName: string;
  readonly config: ImportedServer['config'];
  /** File it comes from. */
  readonly source: string;
}

export interface Gathered {
  readonly candidates: readonly Candidate[];
  /** What was left out or changed, and why. */
  readonly remarks: readonly string[];
  readonly files: readonly string[];
}

/** The files to read: one that is named, those of one client, or those of every client. */
export async function sourceFiles(source: string | undefined, cwd: string): Promise<string[]> {
  if (source === undefined) {
    const found = new Set<string>(await detectGlobalAgents());
    return existing(supportedClients().flatMap((client) => filesOf(client, cwd, found.has(client.name))));
  }
  const file = resolve(cwd, source);
  if ((await existing([file])).length > 0) return [file];
  const client = supportedClients().find(({ name }) => name === source);
  const files = client === undefined ? [] : await existing(filesOf(client, cwd, true));
  if (files.length > 0) return files;
  const what =
    client === undefined
      ? `There is no file and no client "${source}".`
      : `${client.displayName} has no configuration here.`;
  throw new PlatformError('NOT_FOUND', what, { next: 'zeroplane import' });
}

/** YAML (Goose) has another shape of its own and is not read. */
function filesOf(client: Client, cwd: string, isInstalled: boolean): string[] {
  if (client.format === 'yaml') return [];
  const files = [clientFile(client, 'project', cwd), isInstalled ? clientFile(client, 'global', cwd) : undefined];
  return files.filter((file) => file !== undefined);
}

async function existing(files: readonly string[]): Promise<string[]> {
  const unique = [...new Set(files)];
  const isThere = await Promise.all(
    unique.map((file) =>
      stat(file).then(
        (info) => info.isFile(),
        () => false,
      ),
    ),
  );
  return unique.filter((_, index) => isThere[index]);
}

/**
 * Reads the files and settles names: a server that is there already in the same form is left out, one of the
 * same name but another form gets `-2`.
 *
 * @param present - Servers of the configuration that will be added to.
 */
export async function gather(
  files: readonly string[],
  present: readonly ImportedServer[],
  isNamed: boolean,
): Promise<Gathered> {
  const remarks: string[] = [];
  const taken = new Map<string, ImportedServer['config']>(present.map((server) => [server.id, server.config]));
  const candidates: Candidate[] = [];
  for (const file of files) {
    const imported = importServers((await readIfThere(file)) ?? '', basename(file));
    remarks.push(...remarksOf(file, imported, isNamed));
    for (const server of imported.servers) {
      const isOwn = isOwnEntry(server.sourceName, server.config) || startsOurselves(server.config);
      const id = isOwn ? undefined : freeId(server, taken);
      if (id === undefined) continue;
      taken.set(id, server.config);
      candidates.push({ id, sourceName: server.sourceName, config: server.config, source: file });
      if (id !== server.sourceName) remarks.push(`${homePath(file)}: "${server.sourceName}" is called ${id} here.`);
    }
  }
  return { candidates, remarks, files };
}

function freeId(server: ImportedServer, taken: ReadonlyMap<string, ImportedServer['config']>): string | undefined {
  for (let count = 1; ; count++) {
    const suffix = count === 1 ? '' : `-${count}`;
    const id = `${server.id.slice(0, 40 - suffix.length)}${suffix}`;
    const other = taken.get(id);
    if (other === undefined) return id;
    if (isDeepStrictEqual(other, server.config)) return undefined;
  }
}

/** A file that was not named and simply has no servers is not worth a word. */
function remarksOf(file: string, imported: ImportResult, isNamed: boolean): string[] {
  const isForeign =
    !isNamed &&
    imported.servers.length === 0 &&
    imported.problems.every((problem) => problem.path === '' && problem.code !== 'CONFIG_SYNTAX');
  if (isForeign) return [];
  const problems = imported.problems.map(
    (problem) => `${homePath(file)}:${problem.line}:${problem.column} ${problem.message}. Left out.`,
  );
  // Names are settled here, against more than one file.
  const notes = imported.notes
    .filter((note) => note.kind !== 'renamed')
    .map((note) => `${homePath(file)}: ${note.text}`);
  return [...problems, ...notes];
}

export function mcpJsonOf(folder: string): string {
  return join(folder, '.mcp.json');
}
