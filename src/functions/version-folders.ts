/** Where the code of published versions lies: `functions/<name>/<version>` of the data folder, or a folder of ours. */

import { mkdtempSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { copyCode, type CodePlace } from './function-code.ts';

const STAGED = '.new-';

export class VersionFolders {
  readonly #dataDir: string | undefined;
  #temporary: string | undefined;

  /** @param dataDir - Absent: a temporary folder, removed by {@link close}. */
  constructor(dataDir: string | undefined) {
    this.#dataDir = dataDir === undefined ? undefined : resolve(dataDir);
  }

  of(name: string, version: string): string {
    return join(this.#root(), name, version);
  }

  /**
   * Copies code to where the version's belongs; it is there whole or not at all. Call `keep` with the version's
   * number, or `drop`.
   *
   * @throws PlatformError as {@link copyCode}, or the disk's reason.
   */
  async stage(name: string, place: CodePlace, id: string): Promise<StagedCode> {
    const folder = join(this.#root(), name, `${STAGED}${id}`);
    const drop = (): Promise<void> => rm(folder, { recursive: true, force: true });
    try {
      await this.#prepare(name);
      await copyCode(place, folder, name);
    } catch (error) {
      await drop();
      throw error;
    }
    const keep = async (version: string): Promise<void> => {
      // What an interrupted publication left behind has no record and is nobody's.
      await rm(this.of(name, version), { recursive: true, force: true });
      await rename(folder, this.of(name, version));
    };
    return { folder, keep, drop };
  }

  /** Publications of a function follow one another, so what is staged now was left by a process that was killed. */
  async #prepare(name: string): Promise<void> {
    const folder = join(this.#root(), name);
    await mkdir(folder, { recursive: true });
    const left = (await readdir(folder)).filter((entry) => entry.startsWith(STAGED));
    for (const entry of left) await rm(join(folder, entry), { recursive: true, force: true });
  }

  async remove(name: string, version: string): Promise<void> {
    await rm(this.of(name, version), { recursive: true, force: true });
  }

  async close(): Promise<void> {
    if (this.#temporary !== undefined) await rm(this.#temporary, { recursive: true, force: true });
    this.#temporary = undefined;
  }

  #root(): string {
    if (this.#dataDir !== undefined) return join(this.#dataDir, 'functions');
    this.#temporary ??= mkdtempSync(join(tmpdir(), 'zeroplane-versions-'));
    return this.#temporary;
  }
}

export interface StagedCode {
  readonly folder: string;
  keep(version: string): Promise<void>;
  drop(): Promise<void>;
}
