/**
 * A function's code as bytes: what belongs to it, its digest, and copies of it that no later edit reaches. Symbolic
 * links are kept as links and never followed out of the folder.
 */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';

import { PlatformError } from '../core/errors.ts';

/** 250 MB unpacked, as on Lambda. */
const MAX_CODE_BYTES = 250 * 1024 * 1024;
const MAX_ENTRIES = 50_000;
/** Never part of a function, whatever folder it names. */
const LEFT_OUT = new Set(['.git', '.zeroplane', '__pycache__']);

/** Where a function's code lies: a folder, or one file in it. */
export interface CodePlace {
  readonly root: string;
  readonly file?: string | undefined;
}

interface Entry {
  /** Below the root, with `/`. */
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly isExecutable: boolean;
  /** Present for a symbolic link. */
  readonly target?: string;
}

export interface CodeDigest {
  /** Base64 of the SHA-256 over every file's path and bytes, in order of path. */
  readonly sha256: string;
  readonly size: number;
  /** When the newest file was written. */
  readonly newestMs: number;
}

const EMPTY: CodeDigest = { sha256: createHash('sha256').digest('base64'), size: 0, newestMs: 0 };

/** Digests of code folders. A file is read again only when its size or time of writing has changed. */
export class CodeDigests {
  readonly #files = new Map<string, { readonly stamp: string; readonly digest: string }>();
  readonly #pending = new Map<string, Promise<CodeDigest>>();

  /**
   * Code that is missing has the digest of nothing. Of a folder too large for Lambda, sizes and times stand for the
   * bytes.
   */
  of(place: CodePlace): Promise<CodeDigest> {
    const key = join(place.root, place.file ?? '');
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = this.#digest(place).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  async #digest(place: CodePlace): Promise<CodeDigest> {
    if (!existsSync(place.root)) return EMPTY;
    const entries = await entriesOf(place);
    const size = sizeOf(entries);
    const isTooLarge = size > MAX_CODE_BYTES || entries.length > MAX_ENTRIES;
    const hash = createHash('sha256');
    for (const entry of entries) {
      const content = isTooLarge ? `${entry.size} ${entry.mtimeMs}` : await this.#contentOf(place.root, entry);
      hash.update(`${entry.path}\0${entry.isExecutable ? 'x' : '-'}\0${content}\n`);
    }
    const newestMs = entries.reduce((newest, { mtimeMs }) => Math.max(newest, mtimeMs), 0);
    return { sha256: hash.digest('base64'), size, newestMs };
  }

  async #contentOf(root: string, { path, target, size, mtimeMs }: Entry): Promise<string> {
    if (target !== undefined) return `-> ${target}`;
    const file = join(root, path);
    const stamp = `${size} ${mtimeMs}`;
    const known = this.#files.get(file);
    if (known?.stamp === stamp) return known.digest;
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    this.#files.set(file, { stamp, digest });
    return digest;
  }
}

/**
 * Copies the code to a new folder.
 *
 * @throws PlatformError `INVALID_ARGUMENTS` when it is too large, or a link leads out of the folder.
 */
export async function copyCode(place: CodePlace, to: string, name: string): Promise<void> {
  const entries = await entriesOf(place);
  assertSize(entries, name);
  const root = await realpath(place.root);
  await mkdir(to, { recursive: true });
  const folders = new Set(entries.map(({ path }) => dirname(path)));
  for (const folder of folders) await mkdir(join(to, folder), { recursive: true });
  for (const entry of entries) await copyEntry(entry, { root, to, name });
  await copyModuleType(place.root, to);
}

interface Copying {
  readonly root: string;
  readonly to: string;
  readonly name: string;
}

async function copyEntry({ path, target, isExecutable }: Entry, { root, to, name }: Copying): Promise<void> {
  if (target === undefined) {
    await copyFile(join(root, path), join(to, path));
    await chmod(join(to, path), isExecutable ? 0o755 : 0o644);
    return;
  }
  const leadsTo = resolve(dirname(join(root, path)), target);
  const real = await realpath(leadsTo).catch(() => leadsTo);
  if (!isInside(root, real)) {
    const what = `The code of function "${name}" has the link "${path}", which leads out of its folder to "${target}".`;
    throw new PlatformError('INVALID_ARGUMENTS', `${what} Copy the file there in its place.`, { function: name, path });
  }
  await symlink(relative(dirname(join(root, path)), leadsTo), join(to, path));
}

/** Whether `.js` means ESM is often said by a package.json further up, which the copy does not see. */
async function copyModuleType(from: string, to: string): Promise<void> {
  if (existsSync(join(to, 'package.json'))) return;
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      if (isEsm(file)) await writeFile(join(to, 'package.json'), '{"type":"module"}\n');
      return;
    }
    if (folder === dirname(folder)) return;
  }
}

function isEsm(file: string): boolean {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { type?: unknown } | null)?.type === 'module';
  } catch {
    return false;
  }
}

function assertSize(entries: readonly Entry[], name: string): void {
  const bytes = sizeOf(entries);
  if (bytes <= MAX_CODE_BYTES && entries.length <= MAX_ENTRIES) return;
  const what = `The code of function "${name}" has ${entries.length} files and ${bytes} bytes.`;
  const next = `At most ${MAX_ENTRIES} files and ${MAX_CODE_BYTES} bytes can be published; let functions.${name}.code name a smaller folder.`;
  throw new PlatformError('INVALID_ARGUMENTS', `${what} ${next}`, { function: name, bytes });
}

function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0);
}

function isInside(root: string, path: string): boolean {
  return path === root || path.startsWith(root + sep);
}

async function entriesOf({ root, file }: CodePlace): Promise<Entry[]> {
  const entries = file === undefined ? await walk(root, '') : await entryOf(root, file);
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function walk(root: string, folder: string): Promise<Entry[]> {
  const names = await readdir(join(root, folder)).catch(() => []);
  const kept = names.filter((name) => !LEFT_OUT.has(name));
  const found = await Promise.all(kept.map((name) => entryOf(root, folder === '' ? name : `${folder}/${name}`)));
  return found.flat();
}

/** A file, a link, or everything in a folder. Sockets and devices are no code. */
async function entryOf(root: string, path: string): Promise<Entry[]> {
  const place = join(root, path);
  const stats = await lstat(place).catch(() => undefined);
  if (stats === undefined) return [];
  if (stats.isDirectory()) return walk(root, path);
  const common = { path, mtimeMs: stats.mtimeMs, isExecutable: (stats.mode & 0o111) !== 0 };
  if (stats.isSymbolicLink()) return [{ ...common, isExecutable: false, size: 0, target: await readlink(place) }];
  return stats.isFile() ? [{ ...common, size: stats.size }] : [];
}
