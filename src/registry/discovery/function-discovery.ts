/**
 * Keeps the list of functions that a directory has for the caller: selected by the rule, without those that the caller
 * may not invoke. Read again from time to time and after changes; when that fails, the last good list stays.
 */

import { PlatformError, toPlatformError } from '../../core/errors.ts';
import type { Clock, DirectoryEntry, FunctionDirectory, Logger } from '../../core/ports.ts';
import { isSelected, type Discovery } from './selection.ts';

export interface FunctionDiscoveryParts {
  readonly directory: FunctionDirectory;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after each scan that found another list than the one before. */
  readonly onFound: () => void;
}

export interface DiscoverySettings {
  /** Absent: everything is taken. */
  readonly rule?: Discovery | undefined;
  /** Between scans of a directory that does not tell of changes. @default 60 */
  readonly rescanSeconds?: number | undefined;
  /** Ask for each function whether the caller may invoke it. */
  readonly checksRights?: boolean;
}

export interface DiscoveryStatus {
  /** `failed` is without any list; `stale` has the list of an earlier scan. */
  readonly state: 'pending' | 'ready' | 'stale' | 'failed';
  readonly reason?: string;
}

const DEFAULT_RESCAN_SECONDS = 60;
const ASKED_AT_ONCE = 8;
/** A right that was there is asked for again after this; one that was missing with every scan. */
const RIGHT_KEPT_MS = 600_000;

export class FunctionDiscovery {
  readonly #parts: FunctionDiscoveryParts;
  /** When each function was last seen to be the caller's to invoke, by ARN. */
  readonly #rights = new Map<string, number>();
  #settings: DiscoverySettings;
  #found: readonly DirectoryEntry[] | undefined;
  #print = '';
  #status: DiscoveryStatus = { state: 'pending' };
  #running: Promise<void> | undefined;
  #isAsked = false;
  #closed = false;
  #cancelTimer: () => void = () => {};
  readonly #stopListening: () => void;

  constructor(parts: FunctionDiscoveryParts, settings: DiscoverySettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#stopListening = parts.directory.onChange?.(() => void this.scan()) ?? (() => {});
  }

  /** Empty until the first scan has worked. */
  get found(): readonly DirectoryEntry[] {
    return this.#found ?? [];
  }

  get status(): DiscoveryStatus {
    return this.#status;
  }

  /** Reads everything again, with other settings from now on. */
  use(settings: DiscoverySettings): Promise<void> {
    this.#settings = settings;
    return this.scan();
  }

  /** Resolves after a scan that began no earlier than this call; never rejects. */
  async scan(): Promise<void> {
    if (this.#closed) return;
    // A scan that runs may have passed what has just changed.
    this.#isAsked = true;
    this.#running ??= this.#scanAll().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
    this.#stopListening();
  }

  async #scanAll(): Promise<void> {
    // Not within the call that asked: what the directory tells meanwhile must find this scan under way.
    await Promise.resolve();
    while (this.#isAsked && !this.#closed) {
      this.#isAsked = false;
      await this.#scanOnce();
    }
    this.#schedule();
  }

  async #scanOnce(): Promise<void> {
    try {
      const found = await this.#read();
      this.#status = { state: 'ready' };
      this.#accept(found);
    } catch (thrown) {
      const { code, message } = toPlatformError(thrown);
      this.#status = { state: this.#found === undefined ? 'failed' : 'stale', reason: message };
      this.#parts.log.log('warn', 'discovery-failed', { code, reason: message, kept: this.found.length });
      if (this.#found === undefined) this.#parts.onFound();
    }
  }

  #accept(found: readonly DirectoryEntry[]): void {
    const print = JSON.stringify(found);
    const isNews = this.#found === undefined || print !== this.#print;
    this.#found = found;
    this.#print = print;
    if (isNews && !this.#closed) this.#parts.onFound();
  }

  #schedule(): void {
    this.#cancelTimer();
    const { directory, clock } = this.#parts;
    if (this.#closed || directory.onChange !== undefined) return;
    const { rescanSeconds = DEFAULT_RESCAN_SECONDS } = this.#settings;
    this.#cancelTimer = clock.after(rescanSeconds * 1000, () => void this.scan());
  }

  async #read(): Promise<readonly DirectoryEntry[]> {
    const { rule, checksRights } = this.#settings;
    const all = await this.#parts.directory.list();
    const selected = all.filter((each) => rule === undefined || isSelected(each, rule));
    // The order of a directory is its own affair; names, and so what `_2` is given to, must not change with it.
    const sorted = selected.toSorted((a, b) => (a.arn < b.arn ? -1 : 1));
    if (checksRights !== true) return sorted;
    const rights = await inGroups(sorted, ASKED_AT_ONCE, (entry) => this.#mayInvoke(entry));
    return sorted.filter((_, index) => rights[index] === true);
  }

  async #mayInvoke({ arn }: DirectoryEntry): Promise<boolean> {
    const { directory, clock, log } = this.#parts;
    const now = clock.monotonicMs();
    const seen = this.#rights.get(arn);
    if (seen !== undefined && now - seen < RIGHT_KEPT_MS) return true;
    const isAllowed = await directory.mayInvoke(arn).catch((error: unknown) => {
      // Gone since the list was read.
      if (error instanceof PlatformError && error.code === 'FUNCTION_NOT_FOUND') return false;
      throw error;
    });
    if (isAllowed) this.#rights.set(arn, now);
    else {
      this.#rights.delete(arn);
      log.log('debug', 'function-not-invocable', { function: arn });
    }
    return isAllowed;
  }
}

async function inGroups<Item, Result>(
  items: readonly Item[],
  size: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += size)
    results.push(...(await Promise.all(items.slice(start, start + size).map(work))));
  return results;
}
