/**
 * Notices edits of functions' code. Folders are watched one by one, as a recursive watch would follow every package;
 * only files that are code count, so that a handler may keep its data beside it.
 */

import { readdirSync, watch } from 'node:fs';
import { basename, join } from 'node:path';

import type { Clock, Logger } from '../core/ports.ts';
import type { CodePlace } from './function-code.ts';

/** Quiet time after the last event before the code counts as changed. */
const DEBOUNCE_MS = 100;
/** More folders than these are not watched; the log says so. */
const MAX_FOLDERS = 500;
const LEFT_OUT = new Set(['node_modules', '__pycache__']);
const IS_CODE = /\.(?:[cm]?[jt]sx?|json|py|wasm|node|so)$/;

export interface CodeWatchParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange: (name: string) => void;
}

export class CodeWatch {
  readonly #parts: CodeWatchParts;
  readonly #watched = new Map<string, FunctionWatch>();

  constructor(parts: CodeWatchParts) {
    this.#parts = parts;
  }

  /** Watches a function's code from now on; once is enough. */
  start(name: string, place: CodePlace): void {
    if (this.#watched.has(name)) return;
    this.#watched.set(name, new FunctionWatch(name, place, this.#parts));
  }

  stop(name: string): void {
    this.#watched.get(name)?.close();
    this.#watched.delete(name);
  }

  close(): void {
    for (const name of this.#watched.keys()) this.stop(name);
  }
}

class FunctionWatch {
  readonly #name: string;
  readonly #place: CodePlace;
  readonly #parts: CodeWatchParts;
  readonly #stops = new Map<string, () => void>();
  #cancel: (() => void) | undefined;
  #hasCodeChanged = false;
  #isComplaining = false;

  constructor(name: string, place: CodePlace, parts: CodeWatchParts) {
    this.#name = name;
    this.#place = place;
    this.#parts = parts;
    this.#scan();
  }

  close(): void {
    this.#cancel?.();
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
  }

  /** Watches what is there and not yet watched. */
  #scan(): void {
    const folders = this.#place.file === undefined ? foldersBelow(this.#place.root) : [this.#place.root];
    if (folders.length > MAX_FOLDERS) this.#complain(`it has more than ${MAX_FOLDERS} folders`);
    for (const folder of folders.slice(0, MAX_FOLDERS)) if (!this.#stops.has(folder)) this.#watch(folder);
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => this.#noticed(name));
      const stop = (): void => {
        this.#stops.delete(folder);
        watcher.close();
      };
      watcher.on('error', stop);
      this.#stops.set(folder, stop);
    } catch (error) {
      this.#complain((error as Error).message);
    }
  }

  #noticed(name: string | null): void {
    if (name === null || this.#isCode(basename(name))) this.#hasCodeChanged = true;
    this.#cancel?.();
    this.#cancel = this.#parts.clock.after(DEBOUNCE_MS, () => this.#settled());
  }

  #isCode(name: string): boolean {
    return IS_CODE.test(name) || name === 'bootstrap' || name === this.#place.file;
  }

  #settled(): void {
    this.#cancel = undefined;
    const before = this.#stops.size;
    this.#scan();
    // A folder that was moved here brings its files without an event for each.
    const hasChanged = this.#hasCodeChanged || this.#stops.size > before;
    this.#hasCodeChanged = false;
    if (hasChanged) this.#parts.onChange(this.#name);
  }

  #complain(reason: string): void {
    if (this.#isComplaining) return;
    this.#isComplaining = true;
    const fields = { function: this.#name, folder: this.#place.root, reason };
    this.#parts.log.log('warn', 'function-code-not-watched', fields);
  }
}

function foldersBelow(root: string): string[] {
  const folders = [root];
  for (let at = 0; at < folders.length && folders.length <= MAX_FOLDERS; at++) {
    const folder = folders[at] ?? root;
    for (const entry of entriesOf(folder))
      if (entry.isDirectory() && !entry.name.startsWith('.') && !LEFT_OUT.has(entry.name))
        folders.push(join(folder, entry.name));
  }
  return folders;
}

function entriesOf(folder: string): { readonly name: string; isDirectory(): boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // Removed this moment.
    return [];
  }
}
