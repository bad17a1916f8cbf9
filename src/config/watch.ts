/**
 * Live reload: the folder of the configuration is watched, because editors replace a file rather than write
 * it, and a change that is valid is handed on. One that is not is reported, and the old configuration stays.
 */

import { watch } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../core/ports.ts';
import type { LoadedConfig } from './load.ts';
import { CONFIG_NAMES } from './load.ts';
import type { ConfigProblem } from './problems.ts';
import { ConfigError } from './problems.ts';
import type { Config } from './schema.ts';

/** Calls back with the name of each entry that changed, where the system knows it; the result stops. */
export type FolderWatcher = (folder: string, onEvent: (name: string | undefined) => void) => () => void;

export interface WatchOptions {
  /** Loads again what was loaded before. */
  readonly load: () => Promise<LoadedConfig>;
  readonly clock: Clock;
  /** Quiet time after the last event before the file is read. @default 100 */
  readonly debounceMs?: number;
  readonly onChange: (loaded: LoadedConfig, diff: ConfigDiff) => void;
  /** The file is wrong; whatever was valid before is still in use. An empty list: it cannot be read at all. */
  readonly onInvalid: (problems: readonly ConfigProblem[], error: unknown) => void;
  /** @default `fs.watch` */
  readonly watchFolder?: FolderWatcher;
}

export interface ConfigWatch {
  /** The newest valid configuration. */
  current(): LoadedConfig;
  /** Reads the file now, whether it changed or not; resolves when its outcome has been handed on. */
  reload(): Promise<void>;
  close(): void;
}

/** Watches until closed. Does not keep the process alive. */
export function watchConfig(loaded: LoadedConfig, options: WatchOptions): ConfigWatch {
  return new Watcher(loaded, options);
}

class Watcher implements ConfigWatch {
  #loaded: LoadedConfig;
  readonly #options: WatchOptions;
  readonly #stop: () => void;
  #cancelTimer: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(loaded: LoadedConfig, options: WatchOptions) {
    this.#loaded = loaded;
    this.#options = options;
    const folder = loaded.path === undefined ? loaded.baseDir : path.dirname(loaded.path);
    this.#stop = (options.watchFolder ?? watchFolder)(folder, (name) => this.#changed(name));
  }

  current(): LoadedConfig {
    return this.#loaded;
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#stop();
  }

  /** One load at a time; a call during a load starts another after it, so the last state of the file counts. */
  reload(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  #changed(name: string | undefined): void {
    if (this.#closed || !this.#concerns(name)) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(this.#options.debounceMs ?? 100, () => {
      void this.reload();
    });
  }

  /** Our file, or one that would take its place. Mounted volumes swap a folder whose name begins with `..`. */
  #concerns(name: string | undefined): boolean {
    if (name === undefined || name.startsWith('..')) return true;
    const isOurs = this.#loaded.path !== undefined && name === path.basename(this.#loaded.path);
    return isOurs || CONFIG_NAMES.some((known) => known === name);
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      await this.#loadOnce();
    }
  }

  async #loadOnce(): Promise<void> {
    let next: LoadedConfig;
    try {
      next = await this.#options.load();
    } catch (error) {
      if (!this.#closed) this.#options.onInvalid(error instanceof ConfigError ? error.problems : [], error);
      return;
    }
    if (this.#closed) return;
    const diff = diffConfig(this.#loaded.config, next.config);
    this.#loaded = next;
    // Also after an invalid file that went back to what it was: the status must stop saying "invalid".
    this.#options.onChange(next, diff);
  }
}

function watchFolder(folder: string, onEvent: (name: string | undefined) => void): () => void {
  const watcher = watch(folder, { persistent: false }, (_, name) => onEvent(name ?? undefined));
  // The folder itself may go away; there is nothing to reload then.
  watcher.on('error', () => watcher.close());
  return () => watcher.close();
}

// ------------------------------------------------------------------------------------------------ diff

export interface NameDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

export interface ConfigDiff {
  readonly servers: NameDiff;
  readonly functions: NameDiff;
  /** Other top-level keys that changed. */
  readonly keys: readonly string[];
  /** Those of `keys` that take effect only at the next start. */
  readonly needsRestart: readonly string[];
  readonly isEmpty: boolean;
}

const AT_START_ONLY: ReadonlySet<string> = new Set(['host', 'port', 'auth', 'clouds', 'provisioning']);

/** What changed between two configurations. */
export function diffConfig(old: Config, next: Config): ConfigDiff {
  const servers = diffNames(old.mcpServers, next.mcpServers);
  const functions = diffNames(old.functions, next.functions);
  const top = diffNames(withoutTargets(old), withoutTargets(next));
  const keys = [...top.added, ...top.removed, ...top.changed].sort();
  const isEmpty = [servers, functions, top].every((diff) => Object.values(diff).every((names) => names.length === 0));
  return { servers, functions, keys, needsRestart: keys.filter((key) => AT_START_ONLY.has(key)), isEmpty };
}

function withoutTargets(config: Config): Record<string, unknown> {
  const { mcpServers: _servers, functions: _functions, ...rest } = config;
  return rest;
}

function diffNames(old: Readonly<Record<string, unknown>>, next: Readonly<Record<string, unknown>>): NameDiff {
  return {
    added: Object.keys(next).filter((name) => !Object.hasOwn(old, name)),
    removed: Object.keys(old).filter((name) => !Object.hasOwn(next, name)),
    changed: Object.keys(next).filter((name) => Object.hasOwn(old, name) && !isDeepStrictEqual(old[name], next[name])),
  };
}
